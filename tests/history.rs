//! Histories of concurrent requests about one key are linearizable: each request happens at one moment between its call and its
//! answer. A request without an answer, or with General Failure, may happen later, or not at all.
//!
//! The default is a few keys in each test; `make history SECONDS=600` runs longer. A failure prints the seed, and
//! `KMIP_HISTORY_SEED` repeats the requests.

mod checker;
mod model;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::dialogue::{Caller, Live};
use crate::harness::{Client, Draw, PATIENCE, Pki, within};

use checker::{Event, check};
pub(crate) use model::bytes;
use model::{Call, KeyEvent, OneKey, Outcome, Thing, draw, register, send};

/// The clients of a key, and the requests of each of them.
const CLIENTS: usize = 6;
const REQUESTS: u32 = 14;

/// The requests without a result after which a client ends: each multiplies the orders that the checker has to try.
const MAX_UNCERTAIN: u32 = 3;

/// Clients of several servers, and the seed of their requests.
pub(crate) struct Clients<'p> {
    pki: &'p Pki,
    /// The port of each server, which changes when the server starts again.
    ports: &'p [AtomicU16],
    seed: u64,
    draw: Draw,
    keys: u32,
}

/// What happened to the keys.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) keys: u32,
    pub(crate) answered: usize,
    pub(crate) uncertain: usize,
    pub(crate) slowest: Duration,
}

impl<'p> Clients<'p> {
    pub(crate) fn new(pki: &'p Pki, ports: &'p [AtomicU16]) -> Self {
        let given = std::env::var("KMIP_HISTORY_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |time| time.subsec_nanos());
        let seed = given.unwrap_or_else(|| u64::from(now) | 1);
        Self { pki, ports, seed, draw: Draw::new(seed), keys: 0 }
    }

    /// Connects to one of the servers, the one with this number if it accepts connections.
    pub(crate) fn connect(&self, number: usize) -> Caller {
        let end = Instant::now() + PATIENCE;
        for attempt in 0.. {
            let port = self.ports[(number + attempt) % self.ports.len()].load(Ordering::SeqCst);
            let root = &self.pki.ca.credential.certificate;
            match Client::connect(port, root, Some(&self.pki.client), rustls::ALL_VERSIONS) {
                Ok(client) => return Caller::new(client),
                Err(why) => assert!(Instant::now() < end, "no server accepts a connection: {why}"),
            }
            thread::sleep(Duration::from_millis(10));
        }
        unreachable!("the loop ends only by its return")
    }

    /// Records and checks the histories of keys until `is_over` returns true.
    pub(crate) fn run(&mut self, mut is_over: impl FnMut(u32) -> bool) -> Summary {
        let mut summary = Summary::default();
        while !is_over(summary.keys) {
            let history = self.history();
            summary.keys += 1;
            summary.answered += history.iter().filter(|event| event.answer.is_some()).count();
            summary.uncertain += history.iter().filter(|event| event.answer.is_none()).count();
            let times = history.iter().filter_map(|event| Some(event.answer?.1 - event.called));
            let slowest = Duration::from_nanos(times.max().unwrap_or(0));
            summary.slowest = summary.slowest.max(slowest);
            if let Err(why) = check::<OneKey>(&Thing::NEW, &history) {
                panic!("KMIP_HISTORY_SEED={}, key {}: {why}", self.seed, summary.keys);
            }
        }
        println!("KMIP_HISTORY_SEED={}: {summary:?}, all histories are linearizable", self.seed);
        summary
    }

    /// Registers a key and lets all clients use it at once.
    fn history(&mut self) -> Vec<KeyEvent> {
        self.keys += 1;
        let (key, name) = self.register();
        let (events, recent, begin) = (Mutex::new(Vec::new()), AtomicU32::new(0), Instant::now());
        let seeds: Vec<_> = (0..CLIENTS).map(|_| self.draw.next() | 1).collect();
        thread::scope(|scope| {
            for (client, seed) in seeds.into_iter().enumerate() {
                let (clients, key, name, events, recent) = (&*self, &key, &name, &events, &recent);
                scope.spawn(move || {
                    let mut random = Draw::new(seed);
                    let mut caller = clients.connect(client);
                    let mut uncertain = 0;
                    for request in 0..REQUESTS {
                        if uncertain == MAX_UNCERTAIN {
                            break;
                        }
                        let number = request * 100 + u32::try_from(client).unwrap();
                        let call = draw(&mut random, number, recent.load(Ordering::Relaxed));
                        if let Call::Add(number) | Call::Modify(number) = call {
                            recent.store(number, Ordering::Relaxed);
                        }
                        let called = nanoseconds(begin);
                        let answer = send(&mut caller, key, name, call);
                        let answered = nanoseconds(begin);
                        if answer.is_err() {
                            caller = clients.connect(client + 1);
                        }
                        let answer = answer.ok().flatten().map(|outcome| (outcome, answered));
                        if answer.is_none() {
                            uncertain += 1;
                            thread::sleep(Duration::from_millis(20));
                        }
                        events.lock().unwrap().push(Event { client, call, called, answer });
                    }
                });
            }
        });
        let mut events = events.into_inner().unwrap();
        events.push(self.last_look(&key, &name, begin));
        events.sort_by_key(|event| event.called);
        events
    }

    /// Registers a key. Each attempt has a name of its own, because one without an answer may have registered a key.
    fn register(&self) -> (String, String) {
        let mut attempt = 0;
        within(|| {
            attempt += 1;
            let name = format!("history {} {} {attempt}", self.seed, self.keys);
            Some((register(&mut self.connect(0), &name)?, name))
        })
    }

    /// Reads the attributes at the end, when the servers answer again.
    fn last_look(&self, key: &str, name: &str, begin: Instant) -> KeyEvent {
        within(|| {
            let called = nanoseconds(begin);
            let answer = send(&mut self.connect(0), key, name, Call::GetAttributes).ok()??;
            let answer = Some((answer, nanoseconds(begin)));
            Some(Event { client: CLIENTS, call: Call::GetAttributes, called, answer })
        })
    }
}

fn nanoseconds(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_nanos()).unwrap()
}

/// Returns when a test ends: after `keys` keys, or after the time of `make history`.
pub(crate) fn limit(keys: u32) -> impl Fn(u32) -> bool {
    let seconds = std::env::var("KMIP_HISTORY_SECONDS").ok().and_then(|it| it.parse().ok());
    let begin = Instant::now();
    move |done| match seconds {
        Some(seconds) => begin.elapsed() >= Duration::from_secs(seconds),
        None => done >= keys,
    }
}

/// Servers on SQLite in a file of their folder.
fn on_sqlite(pki: &Pki) -> Live {
    let mut config = pki.config();
    config.database_path = pki.folder.path("kmip.database");
    Live::start(&config)
}

#[test]
fn model_answers_as_the_server_does_one_request_after_the_other() {
    let pki = Pki::new();
    let live = on_sqlite(&pki);
    let mut caller = live.caller(&pki, &pki.client);
    let mut random = Draw::new(7);
    let mut seen = std::collections::HashSet::new();
    for key in 0..40 {
        let name = format!("model {key}");
        let object = register(&mut caller, &name).unwrap();
        let (mut thing, mut recent) = (Thing::NEW, 0);
        for number in 0..30 {
            let call = draw(&mut random, number, recent);
            if let Call::Add(number) | Call::Modify(number) = call {
                recent = number;
            }
            let (next, answer) = <OneKey as checker::Model>::apply(&thing, &call);
            let given = send(&mut caller, &object, &name, call).unwrap();
            assert_eq!(given, Some(answer), "{call:?} in {thing:?}");
            if given != Some(Outcome::Refused) {
                seen.insert(thing.state);
            }
            thing = next;
        }
    }
    assert_eq!(seen.len(), 6, "each state: {seen:?}");
}

#[test]
fn histories_of_a_server_on_sqlite_are_linearizable() {
    let pki = Pki::new();
    let live = on_sqlite(&pki);
    let ports = [AtomicU16::new(live.port)];
    let summary = Clients::new(&pki, &ports).run(limit(20));
    assert_eq!(summary.uncertain, 0, "a server without faults answers every request");
}

#[cfg(feature = "postgres")]
mod shared {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::harness::postgres::cluster;
    use crate::harness::relay::{Fault, Relay};
    use crate::harness::{Running, skip};

    #[test]
    fn histories_of_three_servers_on_one_database_are_linearizable() {
        let Some(database) = cluster().map(|cluster| cluster.database()).map_err(skip).ok() else { return };
        let pki = Pki::new();
        let mut config = pki.config();
        config.database_path = database.url();
        let live: Vec<_> = (0..3).map(|_| Live::start(&config)).collect();
        let ports: Vec<_> = live.iter().map(|live| AtomicU16::new(live.port)).collect();
        let summary = Clients::new(&pki, &ports).run(limit(20));
        assert_eq!(summary.uncertain, 0, "servers without faults answer every request");
    }

    #[test]
    fn histories_are_linearizable_while_servers_are_killed() {
        let Some(database) = cluster().map(|cluster| cluster.database()).map_err(skip).ok() else { return };
        let pki = Pki::new();
        let options = [pki.options(), vec!["-d".to_owned(), database.url().display().to_string()]].concat();
        let options = [options, ["--compatibility", "Standard"].map(str::to_owned).to_vec()].concat();
        let mut servers: Vec<_> = (0..3).map(|_| Running::start(&options)).collect();
        let ports: Vec<_> = servers.iter().map(|server| AtomicU16::new(server.port)).collect();
        let is_over = AtomicBool::new(false);
        let summary = thread::scope(|scope| {
            scope.spawn(|| {
                for victim in (0..3).cycle() {
                    thread::sleep(Duration::from_millis(60));
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    servers[victim].child.kill().unwrap();
                    servers[victim] = Running::start(&options);
                    ports[victim].store(servers[victim].port, Ordering::SeqCst);
                }
            });
            let _end = End(&is_over);
            Clients::new(&pki, &ports).run(limit(12))
        });
        assert!(summary.uncertain > 0, "the kills met no request");
    }

    #[test]
    fn histories_are_linearizable_while_connections_to_the_database_fail() {
        let Some(database) = cluster().map(|cluster| cluster.database()).map_err(skip).ok() else { return };
        let pki = Pki::new();
        let relay = Relay::before(&database.url());
        let mut config = pki.config();
        config.database_path = relay.url(&database.url());
        let mut live = vec![Live::start(&config), Live::start(&config)];
        config.database_path = database.url();
        live.push(Live::start(&config));
        let ports: Vec<_> = live.iter().map(|live| AtomicU16::new(live.port)).collect();
        let is_over = AtomicBool::new(false);
        let summary = thread::scope(|scope| {
            scope.spawn(|| {
                let faults = [
                    Fault::LoseAnswerOfCommit,
                    Fault::LoseCommit,
                    Fault::CutAfter(2_000),
                    Fault::Delay(Duration::from_millis(5)),
                    Fault::Refuse,
                ];
                for fault in faults.into_iter().cycle() {
                    if is_over.load(Ordering::SeqCst) {
                        return relay.set(Fault::None);
                    }
                    relay.set(fault);
                    thread::sleep(Duration::from_millis(80));
                    relay.set(Fault::None);
                    thread::sleep(Duration::from_millis(120));
                }
            });
            let _end = End(&is_over);
            Clients::new(&pki, &ports).run(limit(8))
        });
        assert!(summary.uncertain > 0, "the faults met no request");
    }

    /// Ends the faults, also if a history is not linearizable.
    struct End<'a>(&'a AtomicBool);

    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}
