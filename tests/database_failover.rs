//! Failover of the database under load: a primary that crashes and starts again, a synchronous standby that becomes the
//! primary, a primary that hangs, and a standby that is away. Acknowledged keys are there with their bytes and states, clients
//! see General Failure for seconds and no wrong answers, and the servers recover by themselves.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::kmip::Object;
use kmip_server::kmip::enums::{CryptographicAlgorithm, KeyFormatType, Operation, ResultReason, State};
use kmip_server::ttlv::{Field, Tag, V1_4};

use crate::corpus::{id, named, template, usage};
use crate::dialogue::{Answer, Caller, key};
use crate::harness::standby::{Node, Pair};
use crate::harness::{Client, Pki, Running, skip, within};
use crate::history::{Clients, bytes};

/// The clients of the load.
const CLIENTS: usize = 6;

/// The maximum time of a request while the database is away: two seconds, and a margin for a busy machine.
const ANSWER: Duration = Duration::from_millis(3_000);

/// The maximum time between the moment when the database works again and the success of each client.
const RECOVERY: Duration = Duration::from_secs(5);

/// Servers of their own processes on the pair.
struct Servers {
    pki: Pki,
    running: Vec<Running>,
    ports: Vec<AtomicU16>,
}

impl Servers {
    fn start(pair: &Pair, count: usize) -> Self {
        let pki = Pki::new();
        let url = pair.url().display().to_string();
        let more = ["-d", &url, "--compatibility", "Standard"].map(str::to_owned);
        let options: Vec<_> = pki.options().into_iter().chain(more).collect();
        let running: Vec<_> = (0..count).map(|_| Running::start(&options)).collect();
        let ports = running.iter().map(|server| AtomicU16::new(server.port)).collect();
        Self { pki, running, ports }
    }

    fn caller(&self, number: usize) -> Caller {
        let port = self.running[number % self.running.len()].port;
        let root = &self.pki.ca.credential.certificate;
        Caller::new(Client::connect(port, root, Some(&self.pki.client), rustls::ALL_VERSIONS).unwrap())
    }

    fn assert_running(&mut self) {
        for server in &mut self.running {
            assert_eq!(server.child.try_wait().unwrap(), None, "the server has ended");
        }
    }
}

/// A key that a client registered.
struct Registered {
    name: String,
    /// `None` if the answer was General Failure.
    object: Option<String>,
    /// The possible states.
    states: &'static [State],
}

/// Returns the bytes of the key with this name.
pub(crate) fn material(name: &str) -> Vec<u8> {
    format!("{name:-^16}").into_bytes()
}

pub(crate) fn register(caller: &mut Caller, name: &str) -> io::Result<Answer> {
    let key = key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, material(name));
    let object = Object::SymmetricKey(key);
    caller.try_ask(V1_4, Operation::Register, |writer| {
        object.object_type().write(Tag::ObjectType, writer);
        template(Tag::Attributes, &[usage(12), named(name)], writer);
        object.write(Tag::default(), writer);
    })
}

/// The load of all clients.
struct Load<'s> {
    servers: &'s Servers,
    is_over: AtomicBool,
    keys: Mutex<Vec<Registered>>,
    acknowledged: AtomicUsize,
    failed: AtomicUsize,
    slowest: Mutex<Duration>,
    /// The time of the last success of each client.
    successes: Vec<Mutex<Instant>>,
}

impl<'s> Load<'s> {
    /// Runs the load while `faults` runs, and until each client has succeeded after it. Returns the load and the longest time
    /// from the end of `faults` to a success.
    fn beside(servers: &'s Servers, faults: impl FnOnce(&Self)) -> (Self, Duration) {
        let load = Self {
            servers,
            is_over: AtomicBool::new(false),
            keys: Mutex::default(),
            acknowledged: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            slowest: Mutex::default(),
            successes: (0..CLIENTS).map(|_| Mutex::new(Instant::now())).collect(),
        };
        let recovery = thread::scope(|scope| {
            for client in 0..CLIENTS {
                let load = &load;
                scope.spawn(move || load.client(client));
            }
            let _end = End(&load.is_over);
            load.wait_for(60);
            faults(&load);
            let end = Instant::now();
            let after = |success: &Mutex<Instant>| success.lock().unwrap().checked_duration_since(end);
            within(|| load.successes.iter().map(after).collect::<Option<Vec<_>>>()?.into_iter().max())
        });
        (load, recovery)
    }

    /// Waits for so many more acknowledged requests.
    fn wait_for(&self, count: usize) {
        let before = self.acknowledged.load(Ordering::SeqCst);
        within(|| (self.acknowledged.load(Ordering::SeqCst) >= before + count).then_some(()));
    }

    fn client(&self, client: usize) {
        let mut caller = self.servers.caller(client);
        for number in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let name = format!("{client}.{number}");
            let object = self.ask(client, || register(&mut caller, &name)).map(|answer| answer.id());
            let mut states: &[_] =
                if object.is_none() { &[State::PreActive, State::Active] } else { &[State::PreActive] };
            if let Some(object) = &object {
                let activate = || caller.try_ask(V1_4, Operation::Activate, |writer| id(object, writer));
                states = match self.ask(client, activate) {
                    Some(_) => &[State::Active],
                    None => &[State::PreActive, State::Active],
                };
            }
            self.keys.lock().unwrap().push(Registered { name, object, states });
        }
    }

    /// Sends a request, and returns the answer unless it is General Failure. Any other failure is a wrong answer.
    fn ask(&self, client: usize, request: impl FnOnce() -> io::Result<Answer>) -> Option<Answer> {
        let begin = Instant::now();
        let answer = request().expect("the server answers");
        let mut slowest = self.slowest.lock().unwrap();
        *slowest = slowest.max(begin.elapsed());
        drop(slowest);
        if answer.is_done() {
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
            *self.successes[client].lock().unwrap() = Instant::now();
            return Some(answer);
        }
        assert_eq!(answer.reason, Some(ResultReason::GeneralFailure), "{answer:?}");
        self.failed.fetch_add(1, Ordering::SeqCst);
        // A client that fails at once would only fill the log.
        thread::sleep(Duration::from_millis(20));
        None
    }

    /// Compares all keys with what each server answers.
    fn check(&self) {
        let count = self.servers.running.len();
        let mut callers: Vec<_> = (0..count).map(|number| self.servers.caller(number)).collect();
        for (number, key) in self.keys.lock().unwrap().iter().enumerate() {
            let caller = &mut callers[number % count];
            let found = caller.ask(V1_4, Operation::Locate, |writer| {
                named(&key.name).write(Tag::Attribute, writer);
            });
            assert!(found.is_done(), "{found:?}: {}", self.servers.pki.log());
            let found = found.ids();
            match &key.object {
                Some(object) => assert_eq!(found, std::slice::from_ref(object), "{} is lost", key.name),
                None => assert!(found.len() <= 1, "{} is there twice: {found:?}", key.name),
            }
            for object in &found {
                let read = caller.get(V1_4, object);
                assert_eq!(bytes(&read), material(&key.name), "{} has other bytes", key.name);
                let state = caller.attribute(V1_4, object, Tag::State).unwrap();
                assert!(key.states.contains(&state), "{} is {state}, not {:?}", key.name, key.states);
            }
        }
    }

    fn report(&self, what: &str, recovery: Duration) {
        println!(
            "{what}: {} requests acknowledged, {} General Failure, the slowest answer after {} ms, all clients succeed \
             {} ms after the database works again",
            self.acknowledged.load(Ordering::SeqCst),
            self.failed.load(Ordering::SeqCst),
            self.slowest.lock().unwrap().as_millis(),
            recovery.as_millis()
        );
        assert!(*self.slowest.lock().unwrap() <= ANSWER, "a request took too long");
        assert!(recovery <= RECOVERY, "the servers recovered too late");
    }
}

/// Ends the load, also if the test fails.
pub(crate) struct End<'a>(pub(crate) &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn pair() -> Option<Pair> {
    Pair::start().map_err(skip).ok()
}

#[test]
fn crash_of_the_primary_loses_no_acknowledged_key() {
    let Some(pair) = pair() else { return };
    let mut servers = Servers::start(&pair, 3);
    let (load, recovery) = Load::beside(&servers, |load| {
        for _ in 0..2 {
            pair.crash(Node::Primary);
            thread::sleep(Duration::from_millis(500));
            pair.start_node(Node::Primary);
            load.wait_for(60);
        }
        pair.crash(Node::Primary);
        pair.start_node(Node::Primary);
    });
    load.report("three crashes of the primary", recovery);
    assert!(load.failed.load(Ordering::SeqCst) > 0, "the crashes met no request");
    load.check();
    drop(load);
    servers.assert_running();
}

#[test]
fn promotion_of_the_standby_loses_no_acknowledged_key() {
    let Some(pair) = pair() else { return };
    let mut servers = Servers::start(&pair, 3);
    let (load, recovery) = Load::beside(&servers, |_| {
        pair.crash(Node::Primary);
        pair.promote();
    });
    load.report("promotion of the standby", recovery);
    load.check();
    drop(load);
    servers.assert_running();
}

#[test]
fn standby_is_used_when_the_primary_hangs() {
    let Some(pair) = pair() else { return };
    let mut servers = Servers::start(&pair, 2);
    let (load, recovery) = Load::beside(&servers, |_| {
        // Its machine answers on the network, and its processes do not.
        pair.signal(Node::Primary, "STOP");
        pair.promote();
    });
    load.report("promotion of the standby beside a primary that hangs", recovery);
    load.check();
    drop(load);
    servers.assert_running();
    // A primary that continued beside the new one would answer with what it knows: it has to be stopped.
    pair.signal(Node::Primary, "KILL");
}

#[test]
fn requests_answer_in_time_while_commits_wait_for_a_standby_that_is_away() {
    let Some(pair) = pair() else { return };
    let mut servers = Servers::start(&pair, 2);
    let readable = register(&mut servers.caller(0), "readable").unwrap().id();
    // The first Get removes the mark that the key is new, which is a change.
    servers.caller(0).get(V1_4, &readable);
    let (load, recovery) = Load::beside(&servers, |load| {
        pair.crash(Node::Standby);
        let failed = load.failed.load(Ordering::SeqCst);
        let begin = Instant::now();
        // Reads go on.
        while begin.elapsed() < Duration::from_secs(6) {
            for number in 0..2 {
                let begin = Instant::now();
                let read = servers.caller(number).get(V1_4, &readable);
                assert_eq!(bytes(&read), material("readable"));
                assert!(begin.elapsed() < ANSWER, "a Get took {:?}", begin.elapsed());
            }
            thread::sleep(Duration::from_millis(50));
        }
        assert!(load.failed.load(Ordering::SeqCst) > failed, "no commit waited");
        // Requests that were answered do not fill the connections that the database accepts.
        let is_bounded = "SELECT 1 / (CASE WHEN count(*) <= 16 THEN 1 ELSE 0 END) FROM pg_stat_activity \
            WHERE wait_event = 'SyncRep'";
        assert!(pair.execute(Node::Primary, is_bounded), "connections of requests that were answered remain");
        pair.start_node(Node::Standby);
        pair.wait_for_standby();
    });
    load.report("standby away for 6 s", recovery);
    load.check();
    drop(load);
    servers.assert_running();
}

#[test]
fn histories_are_linearizable_over_a_failover() {
    let Some(pair) = pair() else { return };
    let servers = Servers::start(&pair, 3);
    let promoted = AtomicBool::new(false);
    let mut clients = Clients::new(&servers.pki, &servers.ports);
    let uncertain = thread::scope(|scope| {
        scope.spawn(|| {
            let _end = End(&promoted);
            thread::sleep(Duration::from_millis(300));
            pair.crash(Node::Primary);
            thread::sleep(Duration::from_millis(300));
            pair.start_node(Node::Primary);
            pair.wait_for_standby();
            thread::sleep(Duration::from_millis(500));
            pair.crash(Node::Primary);
            pair.promote();
        });
        let mut after = 0;
        clients
            .run(|_| {
                after += u32::from(promoted.load(Ordering::SeqCst));
                after > 5
            })
            .uncertain
    });
    assert!(uncertain > 0, "the failover met no request");
}
