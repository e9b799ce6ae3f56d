//! Faults of the environment: a store that fails, a full disk, a locked database, a log that cannot be written. Clients
//! receive an error, no object is lost, and the server continues when the fault is gone.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::internals::dispatch::Respond;
use kmip_server::internals::secret::Secret;
use kmip_server::internals::store::{Error, Id, Located, Memory, Outcome, Query, Record, Store, Transaction};
use kmip_server::kmip::enums::{Operation, ResultReason, ResultStatus};
use kmip_server::ttlv::{Tag, V1_2, Writer};
use rusqlite::Connection;

use crate::corpus::{self, aes_key, first, id, message_of, peer, register, requests, statuses, text};
use crate::harness::{Client, Pki, Running, skip, within};

/// A store that fails while a flag is set.
struct FailingStore {
    inner: Memory,
    fails: Arc<AtomicBool>,
}

impl FailingStore {
    fn check(&self) -> Result<(), Error> {
        if self.fails.load(Ordering::SeqCst) { Err(Error::GroupLost) } else { Ok(()) }
    }
}

impl Store for FailingStore {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        self.check()?;
        self.inner.read(id)
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        self.check()?;
        self.inner.locate(query)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.check()?;
        self.inner.server_state(name)
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        // A full disk also fails at the commit.
        let mut lost = Ok(());
        self.inner.change(&mut |transaction| {
            let outcome = job(transaction);
            lost = self.check();
            if lost.is_ok() { outcome } else { Outcome::Rollback }
        })?;
        lost
    }
}

#[test]
fn failing_store_fails_requests_and_loses_no_objects() {
    let fails = Arc::new(AtomicBool::new(false));
    let store = FailingStore { inner: Memory::new(), fails: Arc::clone(&fails) };
    let dispatcher = corpus::dispatcher_on(Box::new(store));
    let get = message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id(corpus::AES, w))]);
    let before = first(&dispatcher.respond(&get, peer()).message, Tag::KeyMaterial).unwrap();

    fails.store(true, Ordering::SeqCst);
    let mut failed = 0;
    for (row, version, request) in requests() {
        let answer = dispatcher.respond(&request, peer()).message;
        let [status] = statuses(&answer)[..] else { panic!("{}", text(&answer)) };
        if status == ResultStatus::OperationFailed && !row.is_refused(version) {
            failed += 1;
            let reason = first(&answer, Tag::ResultReason).unwrap();
            assert_eq!(
                reason,
                ResultReason::GeneralFailure.to_wire().to_be_bytes(),
                "{} {version}",
                row.operation
            );
            let message = String::from_utf8(first(&answer, Tag::ResultMessage).unwrap()).unwrap();
            assert!(message.contains("store failed"), "{message}");
        }
    }
    assert!(failed > 100, "most operations need the store: {failed}");

    fails.store(false, Ordering::SeqCst);
    let after = first(&dispatcher.respond(&get, peer()).message, Tag::KeyMaterial).unwrap();
    assert_eq!(before, after);
    for number in 1..=corpus::OBJECTS {
        let get = message_of(
            V1_2,
            None,
            &[(Operation::GetAttributes, |w: &mut Writer| id(&number.to_string(), w))],
        );
        assert_eq!(
            statuses(&dispatcher.respond(&get, peer()).message),
            [ResultStatus::Success],
            "object {number}"
        );
    }
    let next = message_of(
        V1_2,
        None,
        &[(Operation::Get, |w: &mut Writer| id(&(corpus::OBJECTS + 1).to_string(), w))],
    );
    assert_eq!(
        statuses(&dispatcher.respond(&next, peer()).message),
        [ResultStatus::OperationFailed],
        "nothing was made"
    );
}

/// Starts a server with this database and log file.
fn start(pki: &Pki, database: &str, log: &str) -> Running {
    let options = pki.options().into_iter().chain(["-d", database, "-l", log].map(str::to_owned));
    Running::start(options)
}

fn try_register(client: &mut Client, key: Vec<u8>) -> (ResultStatus, Vec<u8>) {
    let key = aes_key("a key", key);
    let request = message_of(V1_2, None, &[(Operation::Register, |w: &mut Writer| register(&key, w))]);
    let answer = client.exchange(&request).unwrap();
    (statuses(&answer)[0], answer)
}

fn get(client: &mut Client, object: &str) -> Option<Vec<u8>> {
    let request = message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id(object, w))]);
    first(&client.exchange(&request).unwrap(), Tag::KeyMaterial)
}

#[test]
fn database_lock_of_another_process_delays_only_writers() {
    let pki = Pki::new();
    let path = pki.folder.path("kmip.database");
    let server =
        start(&pki, &path.display().to_string(), &pki.folder.path("server.log").display().to_string());
    let mut client = pki.connect(server.port, &pki.client);
    assert_eq!(try_register(&mut client, vec![1; 16]).0, ResultStatus::Success);
    // The first Get of an object clears its Fresh attribute; later ones only read.
    assert!(get(&mut client, "1").is_some());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut client = pki.connect(server.port, &pki.client);
            let begun = Instant::now();
            (try_register(&mut client, vec![2; 16]).0, begun.elapsed())
        });
        thread::sleep(Duration::from_millis(300));
        assert_eq!(get(&mut client, "1"), Some(vec![1; 16]), "readers go on");
        assert!(!writer.is_finished());
        other.execute_batch("COMMIT").unwrap();
        let (status, took) = writer.join().unwrap();
        assert_eq!(status, ResultStatus::Success);
        assert!(took >= Duration::from_millis(250), "{took:?}");
    });
}

/// A small file system, if this process has the right to mount one.
struct SmallFileSystem(PathBuf);

impl SmallFileSystem {
    fn mount(pki: &Pki, bytes: u64) -> Option<Self> {
        let path = pki.folder.path("small");
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={bytes},mode=0700");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&path).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(path))
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn full_disk_fails_writes_and_loses_no_objects() {
    let pki = Pki::new();
    let Some(small) = SmallFileSystem::mount(&pki, 2 << 20) else {
        skip("this process may not mount a small file system");
        return;
    };
    let ballast = small.0.join("ballast");
    fs::write(&ballast, vec![0; 512 << 10]).unwrap();
    let database = small.0.join("kmip.database").display().to_string();
    // The log is on the full disk, too: the server continues without it.
    let log = small.0.join("server.log");
    let server = start(&pki, &database, &log.display().to_string());
    let mut client = pki.connect(server.port, &pki.client);
    let key = |number: u32| number.to_be_bytes().repeat(512);
    let mut stored = Vec::new();
    for number in 0..2_000 {
        let (status, answer) = try_register(&mut client, key(number));
        if status != ResultStatus::Success {
            let reason = first(&answer, Tag::ResultReason).unwrap();
            assert_eq!(reason, ResultReason::GeneralFailure.to_wire().to_be_bytes(), "{}", text(&answer));
            break;
        }
        stored
            .push((String::from_utf8(first(&answer, Tag::UniqueIdentifier).unwrap()).unwrap(), key(number)));
    }
    assert!(stored.len() > 10 && stored.len() < 2_000, "{} fit", stored.len());
    for (object, key) in &stored {
        assert!(get(&mut client, object).as_ref() == Some(key), "object {object} on a full disk");
    }
    fs::remove_file(ballast).unwrap();
    let (object, answer) = within(|| {
        let (status, answer) = try_register(&mut client, key(7));
        let object = first(&answer, Tag::UniqueIdentifier)?;
        (status == ResultStatus::Success).then_some((String::from_utf8(object).unwrap(), answer))
    });
    assert!(stored.iter().all(|(other, _)| *other != object), "{}", text(&answer));
    drop(server);
    let server = start(&pki, &database, &log.display().to_string());
    let mut client = pki.connect(server.port, &pki.client);
    for (object, key) in &stored {
        assert!(get(&mut client, object).as_ref() == Some(key), "object {object} after a restart");
    }
}

#[test]
fn removed_log_file_is_created_again() {
    let pki = Pki::new();
    let (log, audit) = (pki.folder.path("logs/server.log"), pki.folder.path("logs/audit.log"));
    let server = start(&pki, ":memory:", &log.display().to_string());
    let mut client = pki.connect(server.port, &pki.client);
    fs::remove_dir_all(log.parent().unwrap()).unwrap();
    within(|| {
        assert_eq!(try_register(&mut client, vec![1; 16]).0, ResultStatus::Success);
        client.exchange(&crate::harness::request(8)).unwrap();
        let text = fs::read_to_string(&audit).ok()?;
        (text.contains("\"operation\":\"Register\"") && log.exists()).then_some(())
    });
    // While the file cannot be created, the server continues; when it can, so does the log.
    fs::remove_dir_all(log.parent().unwrap()).unwrap();
    fs::write(log.parent().unwrap(), "in the way").unwrap();
    assert_eq!(try_register(&mut client, vec![1; 16]).0, ResultStatus::Success);
    client.exchange(&crate::harness::request(8)).unwrap();
    fs::remove_file(log.parent().unwrap()).unwrap();
    within(|| {
        assert_eq!(try_register(&mut client, vec![1; 16]).0, ResultStatus::Success);
        (log.exists() && audit.exists()).then_some(())
    });
}
