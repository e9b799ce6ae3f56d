//! The number of round trips between a server and its PostgreSQL database: a proxy between them counts how often the server
//! waits for an answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use kmip_server::kmip::enums::{BatchErrorContinuationOption, ObjectType, Operation};
use kmip_server::ttlv::{Field, Tag, V1_4, Writer};

use crate::corpus::{algorithm, id, length, message_of, named, template, usage};
use crate::dialogue::{Answer, Caller, Live};
use crate::harness::postgres::cluster;
use crate::harness::{Pki, skip};

/// Relays connections, and counts their round trips.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    trips: Arc<AtomicU32>,
    clients: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Relays connections to the port `target`.
    pub(crate) fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { port, trips: Arc::default(), clients: Arc::default() };
        let (trips, clients) = (Arc::clone(&proxy.trips), Arc::clone(&proxy.clients));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                clients.lock().unwrap().push(client.try_clone().unwrap());
                let server = TcpStream::connect(("127.0.0.1", target)).unwrap();
                let is_waiting = Arc::new(AtomicBool::new(false));
                for is_request in [true, false] {
                    let (from, to) = if is_request { (&client, &server) } else { (&server, &client) };
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (is_waiting, trips) = (Arc::clone(&is_waiting), Arc::clone(&trips));
                    thread::spawn(move || {
                        copy(from, to, || {
                            // The first bytes after an answer begin a round trip.
                            if !is_waiting.swap(is_request, Ordering::SeqCst) && is_request {
                                trips.fetch_add(1, Ordering::SeqCst);
                            }
                        });
                    });
                }
            }
        });
        proxy
    }

    /// Returns the number of round trips of all connections, without those of TCP.
    pub(crate) fn trips(&self) -> u32 {
        self.trips.load(Ordering::SeqCst)
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        for client in self.clients.lock().unwrap().drain(..) {
            // The client may have ended it already.
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut arrived: impl FnMut()) {
    let mut buffer = [0; 64 << 10];
    while let Ok(size) = from.read(&mut buffer) {
        if size == 0 {
            break;
        }
        arrived();
        if to.write_all(&buffer[..size]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

pub(crate) fn create(name: &str) -> impl Fn(&mut Writer) {
    let attributes = [algorithm(), length(256), usage(12), named(name)];
    move |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &attributes, writer);
    }
}

#[test]
fn get_and_locate_take_one_round_trip_and_create_at_most_two() {
    let database = match cluster() {
        Ok(cluster) => cluster.database(),
        Err(why) => return skip(why),
    };
    let proxy = Proxy::start(database.cluster.port);
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = database.url_at(proxy.port);
    let live = Live::start(&config);
    let mut caller = live.caller(&pki, &pki.client);
    let made = caller.ask(V1_4, Operation::Create, create("made")).id();

    let mut ask = |what: &str, most: u32, request: &dyn Fn(&mut Caller)| {
        // The first execution prepares the statements.
        request(&mut caller);
        let before = proxy.trips();
        request(&mut caller);
        let count = proxy.trips() - before;
        println!("{what}: {count} round trips");
        assert!((1..=most).contains(&count), "{what} takes {count} round trips instead of {most}");
    };
    ask("Get", 1, &|it| drop(it.get(V1_4, &made)));
    ask("Get Attributes", 1, &|it| drop(it.attributes(V1_4, &made)));
    ask("Locate by name", 1, &|it| {
        let found = it.ask(V1_4, Operation::Locate, |writer| named("made").write(Tag::Attribute, writer));
        assert_eq!(found.ids().len(), 1);
    });
    ask("Create", 2, &|it| drop(it.ask(V1_4, Operation::Create, create("another")).id()));
    ask("Modify Attribute", 3, &|it| {
        it.ask(V1_4, Operation::ModifyAttribute, |writer| {
            id(&made, writer);
            named("made").write(Tag::Attribute, writer);
        })
        .done();
    });
    ask("batch of four Gets", 4, &|it| {
        let items = [0; 4].map(|_| (Operation::Get, |writer: &mut Writer| id(&made, writer)));
        let answers = it.send(V1_4, &message_of(V1_4, Some(BatchErrorContinuationOption::Stop), &items));
        assert!(answers.iter().all(Answer::is_done));
    });
    ask("batch of four Creates", 2, &|it| {
        let items = [0; 4].map(|_| (Operation::Create, create("of a batch")));
        let answers = it.send(V1_4, &message_of(V1_4, Some(BatchErrorContinuationOption::Continue), &items));
        assert!(answers.iter().all(Answer::is_done));
    });
}
