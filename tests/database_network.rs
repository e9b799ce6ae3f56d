//! A network between server and database that delays, throttles, drops or cuts: each request is answered in time, nothing is
//! half done, and everything works at once when the fault is over.

use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::kmip::enums::{ObjectType, Operation, ResultReason, ResultStatus};
use kmip_server::ttlv::{Field, Tag, V1_4, Writer};

use crate::corpus::{algorithm, attribute, id, length, message_of, named, template, usage};
use crate::dialogue::{Answer, Caller};
use crate::harness::postgres::{Database, cluster};
use crate::harness::relay::{Fault, Relay};
use crate::harness::{Pki, Running, skip, within};

/// The documented times of an answer while the database is away, and a margin for a busy machine.
const ANSWER: Duration = Duration::from_millis(2_000 + 700);
const LOCATE: Duration = Duration::from_millis(10_000 + 700);

/// More clients than the server has connections to the database.
const CLIENTS: usize = 12;

/// A server behind a relay.
struct Setup {
    pki: Pki,
    server: Running,
    relay: Relay,
    database: Database,
}

impl Setup {
    fn start() -> Option<Self> {
        let database = cluster().map(|cluster| cluster.database()).map_err(skip).ok()?;
        let (pki, relay) = (Pki::new(), Relay::before(&database.url()));
        let url = relay.url(&database.url()).display().to_string();
        let more = ["-d", &url, "--compatibility", "Standard"].map(str::to_owned);
        let server = Running::start(pki.options().into_iter().chain(more));
        Some(Self { pki, server, relay, database })
    }

    fn caller(&self) -> Caller {
        Caller::new(self.pki.connect(self.server.port, &self.pki.client))
    }

    fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.server.child.id())).unwrap().count()
    }

    /// Checks how many connections the database has from the server.
    fn assert_connections(&self, limit: usize) {
        let name = self.database.url().display().to_string();
        let name = name.rsplit_once('/').unwrap().1.to_owned();
        let statement = format!(
            "SELECT 1 / (CASE WHEN count(*) <= {limit} THEN 1 ELSE 0 END) FROM pg_stat_activity \
             WHERE application_name = 'kmip-server' AND datname = '{name}'"
        );
        within(|| self.database.execute(&statement).then_some(()));
    }
}

fn create(name: &str, writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[algorithm(), length(256), usage(12), named(name)], writer);
}

fn locate(caller: &mut Caller, name: &str) -> Vec<String> {
    caller.ask(V1_4, Operation::Locate, |writer| named(name).write(Tag::Attribute, writer)).ids()
}

/// The requests of a client while there is a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Get,
    Create,
    Rename,
    LocateByName,
    LocateAll,
}

/// All clients send the same kind at the same time, so that they need more connections than there are.
const KINDS: [Kind; 5] = [Kind::Create, Kind::Get, Kind::Rename, Kind::LocateByName, Kind::LocateAll];

fn ask(caller: &mut Caller, kind: Kind, key: &str, name: &str) -> Answer {
    match kind {
        Kind::Get => caller.ask(V1_4, Operation::Get, |writer| id(key, writer)),
        Kind::Create => caller.ask(V1_4, Operation::Create, |writer| create(name, writer)),
        Kind::Rename => caller.ask(V1_4, Operation::ModifyAttribute, |writer| {
            id(key, writer);
            named(name).write(Tag::Attribute, writer);
        }),
        Kind::LocateByName => {
            caller.ask(V1_4, Operation::Locate, |writer| named(name).write(Tag::Attribute, writer))
        }
        Kind::LocateAll => caller.ask(V1_4, Operation::Locate, |writer| {
            1.write(Tag::MaximumItems, writer);
            attribute(Tag::ObjectType, &ObjectType::SymmetricKey).write(Tag::Attribute, writer);
        }),
    }
}

/// Lets all clients send each kind of request during the fault, and checks the answers, their times, and what was stored. All
/// requests succeed, or all fail, or any.
fn requests_during(setup: &Setup, fault: Fault, all: Option<bool>) {
    let mut caller = setup.caller();
    let before = setup.threads();
    let slowest = Mutex::new([Duration::ZERO; 2]);
    let outcomes = Mutex::new(Vec::new());
    let keys: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let name = format!("{fault:?} {client}");
            let answer = caller.ask(V1_4, Operation::Create, |writer| create(&name, writer));
            (answer.id(), name)
        })
        .collect();
    // The server needs a new block of numbers during the fault.
    within(|| {
        let answer = caller.ask(V1_4, Operation::Create, |writer| create("number", writer));
        (answer.id().parse::<u64>().unwrap() % 64 == 0).then_some(())
    });
    let threads = thread::scope(|scope| {
        let clients: Vec<_> = keys
            .iter()
            .map(|(key, name)| {
                let mut caller = setup.caller();
                let (slowest, outcomes) = (&slowest, &outcomes);
                move || {
                    for kind in KINDS {
                        let new = format!("{name} {kind:?}");
                        let begin = Instant::now();
                        let answer = ask(&mut caller, kind, key, &new);
                        let took = begin.elapsed();
                        let class = usize::from(kind == Kind::LocateAll);
                        let mut slowest = slowest.lock().unwrap();
                        slowest[class] = slowest[class].max(took);
                        drop(slowest);
                        if answer.status != ResultStatus::Success {
                            assert_eq!(answer.refused(), ResultReason::GeneralFailure);
                        }
                        outcomes.lock().unwrap().push((kind, key.clone(), new, answer.is_done()));
                    }
                }
            })
            .collect();
        setup.relay.set(fault);
        let running: Vec<_> = clients.into_iter().map(|client| scope.spawn(client)).collect();
        let mut threads = 0;
        while running.iter().any(|client| !client.is_finished()) {
            threads = setup.threads().max(threads);
            thread::sleep(Duration::from_millis(20));
        }
        setup.relay.set(Fault::None);
        threads
    });
    let begin = Instant::now();
    within(|| ask(&mut setup.caller(), Kind::Rename, &keys[0].0, "again").is_done().then_some(()));
    let recovery = begin.elapsed();
    let outcomes = outcomes.into_inner().unwrap();
    let [slowest, slowest_locate] = slowest.into_inner().unwrap();
    println!(
        "{fault:?}: {} of {} requests succeed, the slowest answer after {} ms, of a Locate of all after {} ms, \
         recovery after {} ms, {} threads more",
        outcomes.iter().filter(|(.., is_done)| *is_done).count(),
        outcomes.len(),
        slowest.as_millis(),
        slowest_locate.as_millis(),
        recovery.as_millis(),
        threads - before
    );
    assert!(slowest <= ANSWER, "an answer took {slowest:?}");
    assert!(slowest_locate <= LOCATE, "an answer to Locate took {slowest_locate:?}");
    assert!(recovery <= ANSWER, "the server recovered after {recovery:?}");
    assert!(threads <= before + CLIENTS + 2, "{threads} threads, {before} before");
    // What was on its way is executed, or the database has noticed the end of the connection.
    thread::sleep(if let Fault::Delay(delay) = fault { delay } else { Duration::ZERO });
    setup.assert_connections(9);
    for (kind, key, name, is_done) in &outcomes {
        assert!(all.is_none_or(|all| all == *is_done), "{kind:?} during {fault:?}: {is_done}");
        if !matches!(kind, Kind::Create | Kind::Rename) {
            continue;
        }
        let found = locate(&mut caller, name);
        match (kind, *is_done) {
            (Kind::Rename, _) if *key == keys[0].0 => {}
            (Kind::Create, true) => assert_eq!(found.len(), 1, "{name} is lost"),
            (_, true) => assert_eq!(found, std::slice::from_ref(key), "{name} is lost"),
            (_, false) => assert!(found.len() <= 1, "{name} is there twice"),
        }
        for object in &found {
            assert!(caller.ask(V1_4, Operation::Get, |writer| id(object, writer)).is_done(), "{name}");
        }
    }
}

#[test]
fn requests_are_answered_in_time_if_the_network_is_slow() {
    let Some(setup) = Setup::start() else { return };
    requests_during(&setup, Fault::Delay(Duration::from_millis(5)), Some(true));
    requests_during(&setup, Fault::Delay(Duration::from_millis(50)), None);
    requests_during(&setup, Fault::Delay(Duration::from_millis(300)), None);
    requests_during(&setup, Fault::Throttle(2_000), None);
    requests_during(&setup, Fault::Delay(Duration::from_secs(1)), Some(false));
}

#[test]
fn requests_are_answered_in_time_if_the_network_loses_all_bytes() {
    let Some(setup) = Setup::start() else { return };
    requests_during(&setup, Fault::Silent, Some(false));
    requests_during(&setup, Fault::Refuse, Some(false));
    requests_during(&setup, Fault::Delay(Duration::from_secs(5)), Some(false));
}

#[test]
fn commit_without_an_answer_is_reported_and_stored_completely_or_not_at_all() {
    let Some(setup) = Setup::start() else { return };
    let mut caller = setup.caller();
    for (fault, count) in [(Fault::LoseAnswerOfCommit, 1), (Fault::LoseCommit, 0)] {
        let key = caller.ask(V1_4, Operation::Create, |writer| create("key", writer)).id();
        for kind in [Kind::Create, Kind::Rename] {
            let name = format!("{fault:?} {kind:?}");
            setup.relay.set(fault);
            let answer = ask(&mut caller, kind, &key, &name);
            assert_eq!(answer.status, ResultStatus::OperationFailed);
            assert_eq!(answer.refused(), ResultReason::GeneralFailure);
            assert_eq!(setup.relay.fault(), Fault::None, "the fault met no commit");
            // The database completes the transaction meanwhile.
            within(|| (locate(&mut caller, &name).len() == count).then_some(()));
            thread::sleep(Duration::from_millis(100));
            assert_eq!(locate(&mut caller, &name).len(), count, "{name}");
        }
    }
}

#[test]
fn batch_with_undo_whose_commit_is_lost_is_stored_completely_or_not_at_all() {
    use kmip_server::kmip::enums::BatchErrorContinuationOption;
    let Some(setup) = Setup::start() else { return };
    let mut caller = setup.caller();
    for (fault, count) in [(Fault::LoseAnswerOfCommit, 2), (Fault::LoseCommit, 0)] {
        let name = format!("{fault:?}");
        let item = |writer: &mut Writer| create(&name, writer);
        let items = [(Operation::Create, item), (Operation::Create, item)];
        setup.relay.set(fault);
        let answers = caller.send(V1_4, &message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &items));
        assert!(answers.iter().all(|answer| !answer.is_done()), "{answers:?}");
        assert_eq!(setup.relay.fault(), Fault::None, "the fault met no commit");
        within(|| (locate(&mut caller, &name).len() == count).then_some(()));
    }
}

#[test]
fn connection_that_is_cut_anywhere_leaves_nothing_half_done() {
    let Some(setup) = Setup::start() else { return };
    let mut caller = setup.caller();
    let mut failed = 0;
    for limit in (1..4_000).step_by(199) {
        let key = within(|| {
            let answer = caller.ask(V1_4, Operation::Create, |writer| create("key", writer));
            answer.is_done().then(|| answer.id())
        });
        for kind in [Kind::Create, Kind::Get, Kind::Rename, Kind::LocateByName] {
            let name = format!("cut {limit} {kind:?}");
            // New connections, so that each message of their set-up is cut, too.
            setup.relay.close();
            setup.relay.set(Fault::CutAfter(limit));
            let begin = Instant::now();
            let answer = ask(&mut caller, kind, &key, &name);
            assert!(begin.elapsed() <= ANSWER, "{kind:?} took {:?}", begin.elapsed());
            setup.relay.set(Fault::None);
            if answer.status != ResultStatus::Success {
                assert_eq!(answer.refused(), ResultReason::GeneralFailure);
                failed += 1;
            }
            if matches!(kind, Kind::Create | Kind::Rename) {
                let found = within(|| {
                    let found = caller
                        .ask(V1_4, Operation::Locate, |writer| named(&name).write(Tag::Attribute, writer));
                    found.is_done().then(|| found.ids())
                });
                assert!(found.len() <= 1 && (found.len() == 1 || !answer.is_done()), "{name}: {found:?}");
                for object in &found {
                    assert!(caller.ask(V1_4, Operation::Get, |writer| id(object, writer)).is_done());
                }
            }
        }
    }
    println!("{failed} requests failed, nothing is half done");
    assert!(failed > 10, "the cuts met no request: {failed}");
}

#[test]
fn lookup_of_a_name_that_hangs_does_not_delay_the_end_of_a_start() {
    // A name server that never answers. The C library asks it for ten seconds.
    let Ok(_silent) = std::net::UdpSocket::bind(("127.0.0.88", 53)) else {
        return skip("this process may not listen on port 53");
    };
    let pki = Pki::new();
    let servers = pki.folder.write("resolv.conf", "nameserver 127.0.0.88\n").display().to_string();
    let settings = pki.settings("database_connect_timeout=1").display().to_string();
    let log = pki.folder.path("log").display().to_string();
    let begin = Instant::now();
    let start = Command::new("unshare")
        .args(["-m", "sh", "-c", "mount --bind \"$1\" /etc/resolv.conf || exit 77; shift; exec \"$@\"", "sh"])
        .args([&servers, env!("CARGO_BIN_EXE_run_server"), "-f", &settings, "-l", &log])
        .args(["-d", "postgresql://kmip@database.example:5432/keys"])
        .output();
    let took = begin.elapsed();
    let Some(start) = start.ok().filter(|start| start.status.code() != Some(77)) else {
        return skip("this process may not mount a file");
    };
    let error = String::from_utf8(start.stderr).unwrap();
    assert!(error.contains("PostgreSQL database.example:5432/keys cannot be reached"), "{error}");
    assert!(took < Duration::from_secs(5), "the start took {took:?}");
}
