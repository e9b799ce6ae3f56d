//! The client of a case: fills in the variables, sends the requests, and compares the responses. If the server sends requests,
//! it listens, compares them, and responds as the case does.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use kmip_server::encoding::{json, xml};
use kmip_server::internals::clock::Clock;
use kmip_server::internals::config::Config;
use kmip_server::kmip::enums::{ObjectType, Operation};
use kmip_server::ttlv::{Field, Tag, Version, Writer};

use super::announced;
use super::case::{Case, Node, Step};
use super::compare::{self, Known};
use super::{issued, provided};
use crate::corpus::{algorithm, length, message_of, template, usage};
use crate::harness::{self, Client, Credential, Embedded, Pki};
use crate::https;
use crate::listener::{Listener, ServerRequest};

/// The maximum time for which a step that waits for a date or for asynchronous work is repeated.
const WAIT: Duration = Duration::from_secs(10);

/// The maximum distance of dates in a case that waits, in seconds.
const SOON: i64 = 3;

/// The clients of the cases. A, B and C have connections of their own and are one user, because each locates objects of the
/// others, which the default policy allows only to the owner.
pub(super) struct Identities(Credential);

/// The user.
const USER: &str = "Client";

impl Identities {
    pub(super) fn new(pki: &Pki) -> Self {
        Self(pki.ca.client(USER))
    }
}

/// Replays a case with a server of its own, which has the settings `config` and an empty store, after the cases that it depends on.
///
/// # Errors
/// Returns the first failure: the step, the place in the message, the expected and the received value.
pub(super) fn replay(
    case: &Case,
    cases: &[Case],
    pki: &Pki,
    identities: &Identities,
    mut config: Config,
) -> Result<(), String> {
    let listening = case.needs_a_listener().then(|| Listening::new(pki, &identities.0));
    config.client_endpoints.extend(listening.as_ref().map(|it| it.listener.endpoint(USER)));
    let provided = provided::of(case, cases);
    if let Some(provided) = &provided {
        provided.configure(&mut config, pki);
    }
    let server = Embedded::real(&config);
    if let Some(provided) = provided {
        let mut client = pki.connect(server.port, &identities.0);
        provided.register(&mut client).map_err(|failure| format!("the object before it: {failure}"))?;
        return play(case, None, (&server, listening.as_ref()), pki, identities).map(drop);
    }
    let mut known = None;
    for earlier in case.before(cases) {
        known = Some(
            play(earlier, known, (&server, None), pki, identities)
                .map_err(|failure| format!("{}: {failure}", earlier.name))?,
        );
    }
    play(case, known, (&server, listening.as_ref()), pki, identities).map(drop)
}

/// Returns the settings of the server: it announces what the case expects, and has an authority with the name in expected
/// certificates.
pub(super) fn config(case: &Case, pki: &Pki) -> Config {
    let mut config = pki.config();
    config.announced = announced::of(case);
    config.enable_credential_identity = true;
    if let Some(name) = issued::authority(case) {
        let authority = harness::rsa_authority(&name);
        let file = format!("{}.pem", case.id().replace('/', "-"));
        let path = pki.folder.write(&file, authority.pem() + &authority.key_pem());
        config.certify_ca_certificate = Some(path);
    }
    config
}

/// Replays one case with the state of the case before it.
fn play(
    case: &Case,
    before: Option<Known>,
    (server, listening): (&Embedded, Option<&Listening>),
    pki: &Pki,
    identities: &Identities,
) -> Result<Known, String> {
    let mut connections = HashMap::new();
    let mut known = Known::new(if case.waits() { SOON } else { i64::MAX });
    if let Some(before) = before {
        known.go_on_from(before);
    }
    for (at, step) in case.steps.iter().enumerate() {
        let client =
            connections.entry(step.client).or_insert_with(|| pki.connect(server.port, &identities.0));
        let begun = Instant::now();
        loop {
            let outcome = match listening {
                Some(listening) if step.from_server => {
                    if at == 0 {
                        give_a_reason(client, step);
                    }
                    listening.exchange(step, &mut known)
                }
                _ => exchange(step, Transport::of(case), client, &mut known),
            };
            match outcome {
                Err(_) if step.repeat && begun.elapsed() < WAIT => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(failure) => {
                    let operations: Vec<_> =
                        step.request.items().filter_map(|item| item.find("Operation")).collect();
                    return Err(format!("step {at} ({}): {failure}", operations.join(", ")));
                }
                Ok(()) => break,
            }
        }
    }
    Ok(known)
}

/// The transport of messages.
#[derive(Clone, Copy)]
enum Transport {
    Bare,
    Https,
    Xml,
    Json,
}

impl Transport {
    /// Only the names of the cases on encodings and HTTPS state their transport.
    fn of(case: &Case) -> Self {
        let about =
            [("MSGENC-HTTPS-", Self::Https), ("MSGENC-XML-", Self::Xml), ("MSGENC-JSON-", Self::Json)];
        about.into_iter().find(|(name, _)| case.name.starts_with(name)).map_or(Self::Bare, |(_, it)| it)
    }

    /// Sends a TTLV message and returns the TTLV response.
    fn exchange(self, client: &mut Client, request: &[u8]) -> Result<Vec<u8>, String> {
        let (content_type, body) = match self {
            Self::Bare => {
                return client.exchange(request).map_err(|error| format!("the connection: {error}"));
            }
            Self::Https => ("application/octet-stream", request.to_vec()),
            Self::Xml => ("text/xml", xml::encode(request).map_err(|error| error.to_string())?.into_bytes()),
            Self::Json => {
                ("application/json", json::encode(request).map_err(|error| error.to_string())?.into_bytes())
            }
        };
        let answer =
            https::post(client, content_type, &body).map_err(|error| format!("the connection: {error}"))?;
        if answer.status() != "200" {
            return Err(format!("HTTP: {}", answer.head.lines().next().unwrap_or_default()));
        }
        match self {
            Self::Bare | Self::Https => Ok(answer.body),
            Self::Xml => xml::decode(&answer.body).map_err(|error| error.to_string()),
            Self::Json => json::decode(&answer.body).map_err(|error| error.to_string()),
        }
    }
}

/// The listener of a client.
struct Listening {
    listener: Listener,
    /// Received requests, each with the channel for its response.
    received: Receiver<(Vec<u8>, Sender<Vec<u8>>)>,
}

impl Listening {
    fn new(pki: &Pki, credential: &Credential) -> Self {
        let (sender, received) = mpsc::channel();
        let sender = Mutex::new(sender);
        let listener = Listener::start(pki, credential, move |request| {
            let (answer, answered) = mpsc::channel();
            sender.lock().unwrap().send((request.to_vec(), answer)).ok()?;
            answered.recv().ok()
        });
        Self { listener, received }
    }

    /// Receives the request of the step. Other questions about the client get an empty response.
    fn exchange(&self, step: &Step, known: &mut Known) -> Result<(), String> {
        loop {
            let (request, answer) =
                self.received.recv_timeout(WAIT).map_err(|_| "the server sends nothing".to_owned())?;
            let server_request = ServerRequest::read(&request);
            let request =
                Node::read(&xml::encode(&request).map_err(|error| format!("the request: {error}"))?);
            let about_the_client = ["DiscoverVersions", "Query"].map(Some);
            let operation = |node: &Node| node.find("Operation").map(str::to_owned);
            if operation(&request) != operation(&step.request)
                && about_the_client.contains(&operation(&request).as_deref())
            {
                answer.send(server_request.done()).map_err(|_| "the server does not wait".to_owned())?;
                continue;
            }
            known.read_clock();
            compare::message(step, &canonical(&step.request), &request, known)?;
            let response = step.response.xml(&|node| known.fill(node))?;
            let response =
                xml::decode(response.as_bytes()).map_err(|error| format!("the response: {error}"))?;
            return answer.send(response).map_err(|_| "the server does not wait".to_owned());
        }
    }
}

/// Creates an object, in the version of the step, because the server sends nothing before an object changes.
fn give_a_reason(client: &mut Client, step: &Step) {
    let part = |tag| step.request.find(tag).and_then(|number| number.parse().ok()).unwrap();
    let version = Version { major: part("ProtocolVersionMajor"), minor: part("ProtocolVersionMinor") };
    let create = |writer: &mut Writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
    };
    client.exchange(&message_of(version, None, &[(Operation::Create, create)])).unwrap();
}

fn exchange(step: &Step, transport: Transport, client: &mut Client, known: &mut Known) -> Result<(), String> {
    known.read_clock();
    let request = step.request.xml(&|node| known.fill(node))?;
    let request = xml::decode(request.as_bytes()).map_err(|error| format!("the request: {error}"))?;
    let response = transport.exchange(client, &request)?;
    let response = Node::read(&xml::encode(&response).map_err(|error| format!("the response: {error}"))?);
    known.note_request(&step.request);
    compare::message(step, &canonical(&step.response), &response, known)
}

/// Returns the message with values in the spelling of the server's responses; variables stay.
fn canonical(message: &Node) -> Node {
    let text = message.xml(&|node| Ok::<_, ()>(placeholder(node))).unwrap();
    let ttlv = xml::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let mut spelled = Node::read(&xml::encode(&ttlv).unwrap());
    restore(message, &mut spelled);
    spelled
}

fn restore(message: &Node, spelled: &mut Node) {
    if message.variable().is_some() {
        spelled.value.clone_from(&message.value);
    }
    for (message, spelled) in message.children.iter().zip(&mut spelled.children) {
        restore(message, spelled);
    }
}

/// Returns the value of an element, or any value of its type for a variable.
pub(super) fn placeholder(node: &Node) -> String {
    match (node.variable(), &*node.kind) {
        (None, _) => node.value.clone(),
        (Some(_), "DateTime") => date(Clock::system().now().0),
        (Some(_), "ByteString") => "00".to_owned(),
        (Some(_), "Integer" | "LongInteger" | "Interval") => "0".to_owned(),
        (Some(name), _) => name.to_owned(),
    }
}

/// Returns a time as XML.
pub(super) fn date(seconds: i64) -> String {
    format!("0x{seconds:016x}")
}
