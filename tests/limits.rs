//! Clients that use too much memory, too many connections or too much time: each one reaches a limit, and the server
//! continues to serve a well-behaved client. SECURITY.md lists the limits.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::internals::config::Config;
use kmip_server::internals::cpu_permits::processors;
use kmip_server::internals::dispatch::delivery::MAX_WAITING;
use kmip_server::internals::dispatch::{Dispatcher, MAX_BATCH_ITEMS, Respond};
use kmip_server::internals::engine::services::tickets::MAX_PER_USER;
use kmip_server::internals::engine::{MAX_CRITERIA, MAX_LOCATED};
use kmip_server::internals::secret::Secret;
use kmip_server::internals::server::http::MAX_FIELDS;
use kmip_server::internals::server::{MAX_HANDSHAKES, Server};
use kmip_server::internals::store::{
    Error, Id, Located, Memory, Outcome, Query, Record, Sqlite, Store, Transaction,
};
use kmip_server::kmip::enums::{
    BatchErrorContinuationOption, CryptographicAlgorithm, DerivationMethod, ObjectType, Operation,
    ResultStatus, TicketType,
};
use kmip_server::kmip::structures::Ticket;
use kmip_server::ttlv::{Field, ItemType, MAX_DEPTH, Tag, V1_4, V2_1, Writer};
use rustls::ALL_VERSIONS;

use crate::corpus::{
    self, attribute, dispatcher, first, id, length, message_of, named, peer, statuses, template, text, usage,
};
use crate::harness::{Client, Embedded, Folder, PATIENCE, Pki, Running, request, within};
use crate::listener::endpoint;
use crate::settings::with;

/// The maximum time in which a well-behaved client receives a simple response, independent of other clients.
const SOON: Duration = Duration::from_millis(100);

/// A client that sends simple requests.
struct WellBehavedClient {
    client: Client,
    request: Vec<u8>,
}

impl WellBehavedClient {
    fn new(pki: &Pki, port: u16) -> Self {
        let request = message_of(V1_4, None, &[(Operation::Get, |w: &mut Writer| id(corpus::AES, w))]);
        Self { client: pki.connect(port, &pki.client), request }
    }

    /// Asserts that most requests are answered in time; not all, because other processes use the machine, too.
    fn is_served(&mut self) {
        let mut times: Vec<_> = (0..15)
            .map(|_| {
                let begun = Instant::now();
                let answer = self.client.exchange(&self.request).unwrap();
                assert_eq!(statuses(&answer), [ResultStatus::Success], "{}", text(&answer));
                begun.elapsed()
            })
            .collect();
        times.sort();
        assert!(times[times.len() / 2] < SOON, "a good client waited: {times:?}");
    }

    /// Asserts the same while another thread does `work`.
    fn is_served_during<T: Send>(&mut self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let work = scope.spawn(work);
            self.is_served();
            while !work.is_finished() {
                self.is_served();
            }
            work.join().unwrap()
        })
    }
}

/// Starts a server with this dispatcher, and connects a well-behaved client and another one.
fn meeting(dispatcher: Dispatcher) -> (Embedded, WellBehavedClient, Client) {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), dispatcher);
    let (good, greedy) = (WellBehavedClient::new(&pki, server.port), pki.connect(server.port, &pki.client));
    (server, good, greedy)
}

fn connect(pki: &Pki, port: u16) -> std::io::Result<Client> {
    Client::connect(port, &pki.ca.credential.certificate, Some(&pki.client), ALL_VERSIONS)
}

#[test]
fn incomplete_handshakes_do_not_block_other_clients() {
    let pki = Pki::new();
    let server = Embedded::start(&with(pki.config(), |it| it.max_connections = 4), dispatcher());
    let mut good = WellBehavedClient::new(&pki, server.port);
    let mut strangers: Vec<_> = (0..MAX_HANDSHAKES + 50)
        .map(|number| {
            let mut stranger = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            if number % 2 == 0 {
                stranger.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).unwrap();
            }
            stranger
        })
        .collect();
    good.is_served();
    WellBehavedClient::new(&pki, server.port).is_served();
    // The oldest handshakes were aborted long before their deadline.
    strangers[0].set_read_timeout(Some(Config::DEFAULT_HANDSHAKE_TIMEOUT / 2)).unwrap();
    match std::io::Read::read(&mut strangers[0], &mut [0]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it is still waited for"),
    }
}

#[test]
fn incomplete_requests_end_at_their_deadline() {
    let pki = Pki::new();
    let config = with(pki.config(), |it| it.request_timeout = Duration::from_secs(1));
    let server = Embedded::start(&config, dispatcher());
    let mut good = WellBehavedClient::new(&pki, server.port);
    let half = &good.request[..good.request.len() / 2];
    let (head, body) =
        (b"POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Type: te", http_head("application/octet-stream", 1000));
    let mut halves: Vec<_> = [half, head, body.as_bytes()]
        .into_iter()
        .cycle()
        .take(21)
        .map(|half| {
            let mut client = pki.connect(server.port, &pki.client);
            client.send(half).unwrap();
            client
        })
        .collect();
    good.is_served();
    for half in &mut halves {
        assert!(half.is_closed());
    }
}

#[test]
fn clients_that_do_not_read_are_disconnected() {
    const LARGE: usize = 12 << 20;
    let pki = Pki::new();
    let config = with(pki.config(), |it| {
        it.response_timeout = Duration::from_secs(1);
        it.max_connections = 9;
    });
    let server = Embedded::start(&config, crate::harness::Echo);
    let mut good = pki.connect(server.port, &pki.client);
    let greedy: Vec<_> = (0..8)
        .map(|_| {
            let mut client = pki.connect(server.port, &pki.client);
            client.send(&request(LARGE)).unwrap();
            client
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(good.exchange(&request(8)).unwrap(), request(8));
    assert!(begun.elapsed() < PATIENCE / 2);
    // The sessions are free as soon as the clients are disconnected.
    within(|| connect(&pki, server.port).and_then(|mut it| it.exchange(&request(8))).ok());
    drop(greedy);
}

#[test]
fn two_thousand_idle_connections_use_little_memory() {
    const IDLE: usize = 2_000;
    let pki = Pki::new();
    let settings = pki.settings(&format!("max_connections={}\nlogging_level=WARNING", IDLE + 10));
    let log = pki.folder.path("server.log");
    let server = Running::start(["-f".as_ref(), settings.as_os_str(), "-l".as_ref(), log.as_os_str()]);
    let before = server.resident();
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(connect(&pki, server.port).unwrap());
    }
    let mut good = pki.connect(server.port, &pki.client);
    let query = message_of(
        V1_4,
        None,
        &[(Operation::Query, |w: &mut Writer| {
            kmip_server::kmip::enums::QueryFunction::QueryOperations.write(Tag::QueryFunction, w);
        })],
    );
    let mut times: Vec<_> = (0..15)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(statuses(&good.exchange(&query).unwrap()), [ResultStatus::Success]);
            begun.elapsed()
        })
        .collect();
    times.sort();
    assert!(times[7] < SOON, "a good client waited: {times:?}");
    assert_eq!(statuses(&idle[0].exchange(&query).unwrap()), [ResultStatus::Success]);
    let each = server.resident().saturating_sub(before) / IDLE as u64;
    assert!(each < 128 << 10, "an idle connection takes {each} bytes");
}

#[test]
fn connections_above_the_limit_are_turned_away() {
    let pki = Pki::new();
    let server = Embedded::start(&with(pki.config(), |it| it.max_connections = 3), dispatcher());
    let mut good = WellBehavedClient::new(&pki, server.port);
    // A TLS 1.3 client completes its handshake before the server assigns a session.
    let mut others = [WellBehavedClient::new(&pki, server.port), WellBehavedClient::new(&pki, server.port)];
    others.iter_mut().for_each(WellBehavedClient::is_served);
    let flood = thread::scope(|scope| {
        let flood =
            || (0..100).filter(|_| connect(&pki, server.port).is_ok_and(|mut it| !it.is_closed())).count();
        let floods: Vec<_> = (0..4).map(|_| scope.spawn(flood)).collect();
        good.is_served();
        floods.into_iter().map(|flood| flood.join().unwrap()).sum::<usize>()
    });
    assert_eq!(flood, 0, "connections above the limit remained open");
    good.is_served();
}

#[test]
fn stated_length_of_one_gibibyte_ends_the_connection() {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), dispatcher());
    let mut good = WellBehavedClient::new(&pki, server.port);
    let mut greedy = pki.connect(server.port, &pki.client);
    greedy.send(&[0x42, 0x00, 0x78, 0x01, 0x40, 0x00, 0x00, 0x00]).unwrap();
    let begun = Instant::now();
    assert!(greedy.is_closed());
    assert!(begun.elapsed() < PATIENCE / 2);
    good.is_served();
}

#[test]
fn large_messages_share_a_memory_quota() {
    // The quota suffices for five such requests, in addition to the free bytes of each connection.
    const LARGE: usize = 512 << 10;
    let pki = Pki::new();
    let config = with(pki.config(), |it| {
        it.max_request_memory = 5 * LARGE;
        it.max_request_size = LARGE + 8;
    });
    let server = Embedded::start(&config, dispatcher());
    let mut good = WellBehavedClient::new(&pki, server.port);
    let large = request(LARGE);
    let (last, most) = large.split_last().unwrap();
    let mut halves: Vec<_> = (0..8)
        .map(|_| {
            let mut client = pki.connect(server.port, &pki.client);
            // The server disconnects some while they send.
            drop(client.send(most));
            client.stream.sock.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            client
        })
        .collect();
    good.is_served();
    within(|| {
        halves.retain_mut(|half| !half.is_closed());
        (halves.len() <= 5).then_some(())
    });
    assert_eq!(halves.len(), 5, "only as many connections are closed as necessary");
    for half in &mut halves {
        half.stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(statuses(&half.exchange(&[*last]).unwrap()), [ResultStatus::OperationFailed]);
    }
    // The memory is released.
    for _ in 0..8 {
        let mut client = pki.connect(server.port, &pki.client);
        assert_eq!(statuses(&client.exchange(&large).unwrap()), [ResultStatus::OperationFailed]);
    }
}

/// Returns the head of an HTTP request.
fn http_head(content_type: &str, length: usize) -> String {
    format!(
        "POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[test]
fn http_heads_and_bodies_have_size_limits() {
    let pki = Pki::new();
    let server = Embedded::start(&with(pki.config(), |it| it.max_request_size = 1 << 20), dispatcher());
    let mut good = WellBehavedClient::new(&pki, server.port);
    let begin = "POST /kmip HTTP/1.1\r\nHost: a\r\n";
    let deep = "<RequestMessage>".repeat(60_000);
    let expanding = format!("<RequestMessage>{}</RequestMessage>", "<P/>".repeat(200_000));
    let cases = [
        (format!("{begin}X: {}", "a".repeat(100_000)), "431"),
        (format!("{begin}{}", "X: a\r\n".repeat(MAX_FIELDS + 1)), "431"),
        (http_head("text/xml", 1 << 30), "413"),
        (http_head("application/octet-stream", (1 << 20) + 1), "413"),
        (format!("{}{deep}", http_head("text/xml", deep.len())), "400"),
        // Four bytes of text become eight bytes of TTLV.
        (format!("{}{expanding}", http_head("text/xml", expanding.len())), "413"),
    ];
    for (request, status) in cases {
        let mut greedy = pki.connect(server.port, &pki.client);
        // The server may close the connection before the client has sent everything.
        let answer = good.is_served_during(|| {
            drop(greedy.send(request.as_bytes()));
            crate::https::receive(&mut greedy)
        });
        assert_eq!(answer.unwrap().status(), status);
        assert!(greedy.is_closed());
    }
}

#[test]
fn batch_has_a_maximum_number_of_items() {
    let (_server, mut good, mut greedy) = meeting(dispatcher());
    let mut batch = |count| {
        let items = vec![(Operation::GetAttributeList, |w: &mut Writer| id(corpus::AES, w)); count];
        let request = message_of(V1_4, Some(BatchErrorContinuationOption::Continue), &items);
        good.is_served_during(|| statuses(&greedy.exchange(&request).unwrap()))
    };
    assert_eq!(batch(MAX_BATCH_ITEMS + 1), [ResultStatus::OperationFailed]);
    assert_eq!(batch(MAX_BATCH_ITEMS), vec![ResultStatus::Success; MAX_BATCH_ITEMS]);
}

#[test]
fn refuses_deep_nesting() {
    // The value of a custom attribute may be any structure, which the server parses completely.
    let nested = |depth: usize| -> Vec<u8> {
        let inner = (0..depth).rev().map(|below| u32::try_from(8 * below).unwrap().to_be_bytes());
        inner.flat_map(|length| [0x42, 0x00, 0x77, 0x01].into_iter().chain(length)).collect()
    };
    let (_server, mut good, mut greedy) = meeting(dispatcher());
    let mut add = |depth: usize| {
        let payload = |w: &mut Writer| {
            id(corpus::AES, w);
            w.structure(Tag::Attribute, |w| {
                "x-deep".to_owned().write(Tag::AttributeName, w);
                w.item(Tag::AttributeValue, ItemType::Structure, &nested(depth));
            });
        };
        let request = message_of(V1_4, None, &[(Operation::AddAttribute, payload)]);
        good.is_served_during(|| greedy.exchange(&request).unwrap())
    };
    assert_eq!(statuses(&add(10)), [ResultStatus::Success]);
    for depth in [usize::from(MAX_DEPTH), 1_000, 8_000] {
        let answer = text(&add(depth));
        assert!(answer.contains("nested deeper"), "{answer}");
    }
    // The length of the attribute is refused before its content is parsed.
    let answer = text(&add(1_000_000));
    assert!(answer.contains("an attribute has at most 65536 bytes"), "{answer}");
}

#[test]
fn identifiers_and_attributes_have_a_maximum_length_and_number() {
    let (dispatcher, aes) = (dispatcher(), corpus::AES);
    let respond = |operation, payload: &dyn Fn(&mut Writer)| {
        let response = dispatcher.respond(&message_of(V1_4, None, &[(operation, payload)]), peer()).message;
        (
            statuses(&response)[0],
            String::from_utf8(first(&response, Tag::ResultMessage).unwrap_or_default()).unwrap(),
        )
    };
    let get = |length: usize| respond(Operation::Get, &|w| id(&"7".repeat(length), w));
    assert!(get(1_024).1.starts_with("Could not locate object: 777"));
    assert!(get(1_025).1.contains("an identifier has at most 1024 bytes"));
    let custom = |name: &str, value: usize, writer: &mut Writer| {
        writer.structure(Tag::Attribute, |writer| {
            name.to_owned().write(Tag::AttributeName, writer);
            "v".repeat(value).write(Tag::AttributeValue, writer);
        });
    };
    let add = |name: &str, value| {
        respond(Operation::AddAttribute, &|w| {
            id(aes, w);
            custom(name, value, w);
        })
    };
    assert_eq!(add("x-long", 60_000).0, ResultStatus::Success);
    assert!(add("x-longer", 66_000).1.contains("an attribute has at most 65536 bytes"));
    let register = |count: usize| {
        respond(Operation::Register, &|w| {
            ObjectType::OpaqueObject.write(Tag::ObjectType, w);
            w.structure(Tag::TemplateAttribute, |w| (0..count).for_each(|n| custom(&format!("x-{n}"), 1, w)));
            corpus::objects()[6].object.write(Tag::default(), w);
        })
    };
    assert_eq!(register(9_900), (ResultStatus::Success, String::new()));
    assert!(register(10_001).1.contains("a list has at most 10000 attributes"));
    assert!(register(10_000).1.contains("the limit is 10000"), "the server adds attributes of its own");
}

#[test]
fn locate_has_a_maximum_number_of_attributes() {
    let folder = Folder::new();
    let dispatcher = corpus::dispatcher_on(Box::new(Sqlite::open(&folder.path("database")).unwrap()));
    let (_server, mut good, mut greedy) = meeting(dispatcher);
    let mut locate = |count| {
        let payload = |w: &mut Writer| corpus::flat(&vec![named("object 1"); count], w);
        let request = message_of(V1_4, None, &[(Operation::Locate, payload)]);
        good.is_served_during(|| statuses(&greedy.exchange(&request).unwrap()))
    };
    assert_eq!(locate(MAX_CRITERIA), [ResultStatus::Success]);
    assert_eq!(locate(MAX_CRITERIA + 1), [ResultStatus::OperationFailed]);
    assert_eq!(locate(100_000), [ResultStatus::OperationFailed]);
}

#[test]
fn user_has_a_maximum_number_of_tickets() {
    let dispatcher = dispatcher();
    let login = message_of(V2_1, None, &[(Operation::Login, |_: &mut Writer| ())]);
    let tickets: Vec<_> = (0..=MAX_PER_USER)
        .map(|_| first(&dispatcher.respond(&login, peer()).message, Tag::TicketValue).unwrap())
        .collect();
    let logout = |value: &Vec<u8>| {
        let ticket = Ticket { ticket_type: TicketType::Login, ticket_value: value.clone() };
        let payload = |w: &mut Writer| ticket.write(Tag::Ticket, w);
        let request = message_of(V2_1, None, &[(Operation::Logout, payload)]);
        statuses(&dispatcher.respond(&request, peer()).message)
    };
    assert_eq!(logout(&tickets[0]), [ResultStatus::OperationFailed], "the oldest had to go");
    assert_eq!(logout(&tickets[1]), [ResultStatus::Success]);
}

/// A store whose Locate finds more objects than a response may contain.
struct EndlessStore(Memory);

impl Store for EndlessStore {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        self.0.read(id)
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        let limit = query.limit.expect("a Locate has a limit always");
        assert!(limit <= MAX_LOCATED + 1, "{limit}");
        Ok(Located { ids: (1..=limit).map(Id).collect(), total: None })
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.0.server_state(name)
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.0.change(job)
    }
}

#[test]
fn locate_has_a_maximum_number_of_results() {
    let dispatcher = corpus::dispatcher_on(Box::new(EndlessStore(Memory::new())));
    let (_server, mut good, mut greedy) = meeting(dispatcher);
    let mut locate = |maximum: Option<i32>, count| {
        let items = vec![(Operation::Locate, |w: &mut Writer| maximum.write(Tag::MaximumItems, w)); count];
        let request = message_of(V1_4, Some(BatchErrorContinuationOption::Continue), &items);
        good.is_served_during(|| greedy.exchange(&request).unwrap())
    };
    let all = locate(None, 1);
    assert_eq!(statuses(&all), [ResultStatus::OperationFailed]);
    assert!(text(&all).contains(&MAX_LOCATED.to_string()), "the message states the limit: {}", text(&all));
    assert_eq!(statuses(&locate(Some(1_000), 1)), [ResultStatus::Success]);
    // A batch of such requests does not exhaust the memory either.
    let statuses = statuses(&locate(Some(500_000), 8));
    assert_eq!(statuses.iter().filter(|status| **status == ResultStatus::Success).count(), 2, "{statuses:?}");
}

#[test]
fn refuses_key_generation_and_derivation_that_would_take_too_long() {
    let (_server, mut good, mut greedy) = meeting(dispatcher());
    let pair = |w: &mut Writer| {
        let common = [
            attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa),
            length(16_384),
            usage(0x3),
        ];
        template(Tag::CommonAttributes, &common, w);
    };
    let derivation = |w: &mut Writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, w);
        id("3", w);
        DerivationMethod::Pbkdf2.write(Tag::DerivationMethod, w);
        w.structure(Tag::DerivationParameters, |w| {
            vec![7u8; 16].write(Tag::Salt, w);
            i32::MAX.write(Tag::IterationCount, w);
        });
        template(Tag::Attributes, &[corpus::algorithm(), length(256), usage(0xC)], w);
    };
    let requests = [
        (Operation::CreateKeyPair, message_of(V1_4, None, &[(Operation::CreateKeyPair, pair)])),
        (Operation::DeriveKey, message_of(V1_4, None, &[(Operation::DeriveKey, derivation)])),
    ];
    for (operation, request) in requests {
        let begun = Instant::now();
        let answer = greedy.exchange(&request).unwrap();
        assert_eq!(statuses(&answer), [ResultStatus::OperationFailed], "{operation}");
        good.is_served();
        assert!(begun.elapsed() < PATIENCE / 2, "{operation} took {:?}", begun.elapsed());
    }
}

fn key_pair(bits: i32) -> impl Fn(&mut Writer) {
    move |w| {
        let common =
            [attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa), length(bits), usage(0x3)];
        template(Tag::CommonAttributes, &common, w);
    }
}

#[test]
fn key_generation_does_not_starve_simple_requests() {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), dispatcher());
    WellBehavedClient::new(&pki, server.port).is_served_during(|| {
        thread::scope(|scope| {
            for _ in 0..4 * processors() {
                scope.spawn(|| {
                    let mut client = pki.connect(server.port, &pki.client);
                    let request = message_of(V1_4, None, &[(Operation::CreateKeyPair, key_pair(2048))]);
                    let statuses = statuses(&client.exchange(&request).unwrap());
                    assert_eq!(statuses, [ResultStatus::Success]);
                });
            }
        });
    });
}

#[test]
fn queue_for_an_unresponsive_listener_is_bounded() {
    let pki = Pki::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoints = vec![endpoint("John Doe", silent.local_addr().unwrap().port())];
    let server = Server::bind(&with(pki.config(), |it| it.client_endpoints = endpoints)).unwrap();
    let (port, shutdown, monitor) = (server.port(), server.shutdown(), server.monitor());
    let thread = thread::spawn(move || server.run());
    let mut client = pki.connect(port, &pki.client);
    let create = |writer: &mut Writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &[corpus::algorithm(), length(128), usage(0xC)], writer);
    };
    let creates = vec![(Operation::Create, create); MAX_WAITING + 50];
    client.exchange(&message_of(V1_4, None, &creates)).unwrap();
    WellBehavedClient::new(&pki, port).is_served();
    let status = monitor.status();
    let queue = &status["client_endpoints"]["John Doe"];
    let count = |name: &str| queue[name].as_u64().unwrap();
    // One notification may be in delivery.
    assert!(count("waiting") <= MAX_WAITING as u64 && count("dropped") >= 49, "{queue}");
    assert_eq!(count("delivered"), 0, "{queue}");
    drop(client);
    shutdown.stop();
    thread.join().unwrap();
}
