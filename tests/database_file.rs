//! The files of the database: one server at a time uses them, a stop closes them, and a destroyed key leaves them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::kmip::enums::{Operation, ResultReason, ResultStatus};
use kmip_server::ttlv::{V1_2, Writer};
use rusqlite::Connection;

use crate::corpus::{aes_key, id, register};
use crate::dialogue::Caller;
use crate::harness::{Pki, Running, within};

/// The time after which the bytes of a destroyed key are in no file.
const ERASED_WITHIN: Duration = Duration::from_secs(1);

/// The endings of the names of the files of an SQLite database.
const ENDINGS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

fn arguments(pki: &Pki, database: &str) -> Vec<String> {
    let mut options = pki.options();
    options.extend(["-d".to_owned(), pki.folder.path(database).display().to_string()]);
    options
}

fn run(pki: &Pki, database: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
    command.args(arguments(pki, database)).args(more).output().unwrap()
}

fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn connect(pki: &Pki, server: &Running) -> Caller {
    Caller::new(pki.connect(server.port, &pki.client))
}

/// Registers an AES key with these 32 bytes, and returns its Unique Identifier.
fn add(caller: &mut Caller, key: &[u8]) -> String {
    let given = aes_key("k", key.to_vec());
    caller.ask(V1_2, Operation::Register, |writer| register(&given, writer)).id()
}

fn destroy(caller: &mut Caller, key: &str) {
    caller.ask(V1_2, Operation::Destroy, |writer| id(key, writer)).done();
}

fn status(caller: &mut Caller, key: &str) -> ResultStatus {
    caller.ask(V1_2, Operation::Get, |writer| id(key, writer)).status
}

fn count(caller: &mut Caller) -> usize {
    caller.ask(V1_2, Operation::Locate, |_: &mut Writer| ()).ids().len()
}

/// Returns 32 bytes that differ for each number.
fn key_of(number: u32) -> Vec<u8> {
    format!("a key that stands out: {number:09}").into_bytes()
}

fn file(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Returns the endings of the database's files that contain `bytes`.
fn files_with(database: &Path, bytes: &[u8]) -> Vec<&'static str> {
    let mut found: Vec<_> =
        found_in_files(database, &[bytes]).into_iter().map(|(ending, _)| ending).collect();
    found.dedup();
    found
}

/// Returns the `keys` that the database's files contain, with the ending of the file, by one pass over each file.
pub(crate) fn found_in_files<'a>(database: &Path, keys: &[&'a [u8]]) -> Vec<(&'static str, &'a [u8])> {
    /// The number of bytes by which a key is looked up.
    const BEGIN: usize = 8;
    let pair = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    // Most places differ from every key in the first two bytes.
    let mut pairs = vec![false; 1 << 16];
    let mut begins = HashMap::<_, Vec<_>>::new();
    for key in keys {
        pairs[pair(key)] = true;
        begins.entry(&key[..BEGIN]).or_default().push(*key);
    }
    let mut found = Vec::new();
    for ending in ENDINGS {
        let content = fs::read(file(database, ending)).unwrap_or_default();
        for (at, begin) in content.windows(BEGIN).enumerate().filter(|(_, begin)| pairs[pair(begin)]) {
            let here = begins.get(begin).into_iter().flatten().filter(|key| content[at..].starts_with(key));
            found.extend(here.map(|key| (ending, *key)));
        }
    }
    found
}

/// Asserts that the database consists of its main file only.
fn assert_is_closed(database: &Path) {
    let left: Vec<_> = ENDINGS[1..].iter().filter(|ending| file(database, ending).exists()).collect();
    assert!(left.is_empty(), "the files {left:?} are left");
}

/// Copies the main file of a database to another name in the folder of the PKI.
fn copy(pki: &Pki, from: &str, to: &str) {
    fs::copy(pki.folder.path(from), pki.folder.path(to)).unwrap();
}

#[test]
fn refuses_a_second_server_on_a_database_and_names_the_process_of_the_first() {
    let pki = Pki::new();
    let mut first = Running::start(arguments(&pki, "database"));
    let mut caller = connect(&pki, &first);
    let key = add(&mut caller, &key_of(1));
    let (link, hard) = (pki.folder.path("link"), pki.folder.path("hard"));
    std::os::unix::fs::symlink(pki.folder.path("database"), &link).unwrap();
    fs::hard_link(pki.folder.path("database"), &hard).unwrap();
    for name in ["database", "link", "hard"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
        command.args(arguments(&pki, name)).arg("--exit-on-eof").stdin(std::process::Stdio::null());
        let error = error_of(&command.output().unwrap());
        let process = format!("is used by another server, the process {}", first.child.id());
        assert!(error.contains(&process) && error.contains("--explain database-locked"), "{error}");
    }
    destroy(&mut caller, &key);
    add(&mut caller, &key_of(2));

    let export = pki.folder.path("export").display().to_string();
    assert!(run(&pki, "database", &["--export", &export]).status.success(), "exports need no lock");
    assert!(error_of(&run(&pki, "database", &["--import", &export])).contains("--explain database-in-use"));

    first.child.kill().unwrap();
    first.wait();
    let mut second = Running::start(arguments(&pki, "database"));
    assert_eq!(count(&mut connect(&pki, &second)), 1, "the lock of a killed process is gone");
    second.signal("TERM");
    assert_eq!(second.wait(), Some(0));
    Running::start(arguments(&pki, "database"));
}

#[test]
fn a_graceful_stop_leaves_every_object_in_the_main_file() {
    for status in [false, true] {
        let pki = Pki::new();
        let mut options = arguments(&pki, "database");
        if status {
            let path = pki.folder.path("status").display().to_string();
            let settings = pki.settings(&format!("status_path={path}")).display().to_string();
            options.extend(["-f".to_owned(), settings]);
        }
        let mut server = Running::start(options);
        let mut callers: Vec<_> = (0..3).map(|_| connect(&pki, &server)).collect();
        for (number, caller) in (0..60).zip((0..3).cycle()) {
            let key = add(&mut callers[caller], &key_of(number));
            assert_eq!(self::status(&mut callers[caller], &key), ResultStatus::Success);
        }
        assert_eq!(count(&mut callers[0]), 60);
        server.signal("USR1");
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));
        assert_is_closed(&pki.folder.path("database"));
        copy(&pki, "database", "copy");
        let server = Running::start(arguments(&pki, "copy"));
        assert_eq!(count(&mut connect(&pki, &server)), 60);
    }
}

#[test]
fn an_export_and_an_import_leave_every_object_in_the_main_file() {
    let pki = Pki::new();
    let mut server = Running::start(arguments(&pki, "database"));
    let mut caller = connect(&pki, &server);
    (0..60).for_each(|number| drop(add(&mut caller, &key_of(number))));
    server.child.kill().unwrap();
    server.wait();
    let database = pki.folder.path("database");
    assert!(file(&database, "-wal").exists(), "the killed server leaves its write-ahead log");

    let export = pki.folder.path("export").display().to_string();
    assert!(run(&pki, "database", &["--export", &export]).status.success());
    assert!(run(&pki, "imported", &["--import", &export]).status.success());
    for name in ["database", "imported"] {
        assert_is_closed(&pki.folder.path(name));
        copy(&pki, name, "copy");
        let server = Running::start(arguments(&pki, "copy"));
        assert_eq!(count(&mut connect(&pki, &server)), 60, "{name}");
    }
}

#[test]
fn the_bytes_of_destroyed_keys_leave_every_file_within_a_second() {
    let pki = Pki::new();
    let server = Running::start(arguments(&pki, "database"));
    let database = pki.folder.path("database");
    let mut caller = connect(&pki, &server);
    let keys: Vec<_> = (0..40).map(|number| add(&mut caller, &key_of(number))).collect();
    assert_ne!(files_with(&database, &key_of(0)), [""; 0]);
    for (number, key) in (0..).zip(&keys).skip(1) {
        destroy(&mut caller, key);
        let acknowledged = Instant::now();
        if number % 13 == 0 {
            let erased = || files_with(&database, &key_of(number)).is_empty().then_some(());
            within(erased);
            assert!(acknowledged.elapsed() < ERASED_WITHIN, "{:?}", acknowledged.elapsed());
        }
    }
    thread::sleep(ERASED_WITHIN);
    for number in 1..40 {
        assert_eq!(files_with(&database, &key_of(number)), [""; 0], "key {number}");
    }
    assert_ne!(files_with(&database, &key_of(0)), [""; 0], "the other key is still stored");
    assert_eq!(status(&mut caller, &keys[0]), ResultStatus::Success);
}

#[test]
fn a_start_erases_keys_that_were_destroyed_just_before_a_kill() {
    let pki = Pki::new();
    let mut server = Running::start(arguments(&pki, "database"));
    let mut caller = connect(&pki, &server);
    let key = add(&mut caller, &key_of(7));
    destroy(&mut caller, &key);
    server.child.kill().unwrap();
    server.wait();
    let server = Running::start(arguments(&pki, "database"));
    assert_eq!(files_with(&pki.folder.path("database"), &key_of(7)), [""; 0]);
    assert_ne!(status(&mut connect(&pki, &server), &key), ResultStatus::Success);
}

#[test]
fn a_destroy_erases_the_key_in_the_tables_of_an_imported_database() {
    let pki = Pki::new();
    let database = pki.folder.path("database");
    let tables = "CREATE TABLE managed_objects (uid INTEGER PRIMARY KEY, object_type INTEGER, value BLOB, owner TEXT);
        CREATE TABLE crypto_objects (uid INTEGER PRIMARY KEY, cryptographic_usage_mask INTEGER, state INTEGER);
        CREATE TABLE keys (uid INTEGER PRIMARY KEY, cryptographic_algorithm INTEGER, cryptographic_length INTEGER,
            key_format_type INTEGER);
        CREATE TABLE certificates (uid, certificate_type);
        CREATE TABLE secret_data_objects (uid, data_type);
        CREATE TABLE opaque_objects (uid, opaque_type)";
    let source = Connection::open(&database).unwrap();
    source.execute_batch(tables).unwrap();
    for number in 1..=3 {
        let insert = "INSERT INTO managed_objects VALUES (?1, 2, ?2, 'John Doe')";
        source.execute(insert, (number, key_of(number))).unwrap();
        source.execute("INSERT INTO crypto_objects VALUES (?1, 12, 1)", [number]).unwrap();
        source.execute("INSERT INTO keys VALUES (?1, 3, 256, 1)", [number]).unwrap();
    }
    drop(source);

    let mut server = Running::start(arguments(&pki, "database"));
    let mut caller = connect(&pki, &server);
    assert_eq!(count(&mut caller), 3);
    destroy(&mut caller, "1");
    let gone = caller.ask(V1_2, Operation::Get, |writer| id("1", writer));
    assert_eq!(gone.refused(), ResultReason::ItemNotFound);
    thread::sleep(ERASED_WITHIN);
    assert_eq!(files_with(&database, &key_of(1)), [""; 0]);
    assert_ne!(files_with(&database, &key_of(2)), [""; 0]);
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));

    // A version that did not erase these tables destroyed the second key.
    let older = Connection::open(&database).unwrap();
    older.execute_batch("PRAGMA secure_delete = ON; UPDATE object SET object = NULL WHERE id = 2").unwrap();
    drop(older);
    assert_ne!(files_with(&database, &key_of(2)), [""; 0]);
    let server = Running::start(arguments(&pki, "database"));
    assert_eq!(files_with(&database, &key_of(2)), [""; 0]);
    let mut caller = connect(&pki, &server);
    assert_eq!(status(&mut caller, "3"), ResultStatus::Success);
}

#[test]
fn changes_are_refused_while_a_file_of_the_database_is_deleted_or_replaced() {
    for (ending, is_replaced) in
        [("", false), ("", true), ("-wal", false), ("-wal", true), ("-shm", false), ("-shm", true)]
    {
        let pki = Pki::new();
        let mut server = Running::start(arguments(&pki, "database"));
        let mut caller = connect(&pki, &server);
        let keys: Vec<_> = (0..3).map(|number| add(&mut caller, &key_of(number))).collect();
        let (file, aside) = (file(&pki.folder.path("database"), ending), pki.folder.path("aside"));
        fs::rename(&file, &aside).unwrap();
        if is_replaced {
            fs::copy(&aside, &file).unwrap();
        }
        let given = aes_key("k", key_of(3).clone());
        let refused = [
            caller.ask(V1_2, Operation::Register, |writer| register(&given, writer)),
            caller.ask(V1_2, Operation::Destroy, |writer| id(&keys[0], writer)),
            caller.ask(V1_2, Operation::Activate, |writer| id(&keys[1], writer)),
        ];
        for answer in refused {
            assert_eq!(answer.refused(), ResultReason::GeneralFailure, "{ending:?}");
            let message = answer.message.unwrap();
            assert!(message.contains("database was deleted or replaced"), "{message}");
        }
        assert_eq!(status(&mut caller, &keys[0]), ResultStatus::Success, "reads go on");
        assert_eq!(status(&mut caller, &keys[2]), ResultStatus::Success, "also the first Get of a key");
        // A new connection would open another file.
        let begun = Instant::now();
        let search = caller.ask(V1_2, Operation::Locate, |_: &mut Writer| ());
        assert_eq!(search.refused(), ResultReason::GeneralFailure);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let log = within(|| Some(pki.log()).filter(|log| log.contains(" - ERROR - ")));
        let path = file.display().to_string();
        assert!(log.lines().any(|line| line.contains(" - ERROR - ") && line.contains(&path)), "{log}");

        // The administrator moves the file back.
        fs::rename(&aside, &file).unwrap();
        add(&mut caller, &key_of(4));
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));
        let server = Running::start(arguments(&pki, "database"));
        let mut caller = connect(&pki, &server);
        assert_eq!(count(&mut caller), 4, "the acknowledged changes, and only these");
        assert_eq!(status(&mut caller, &keys[0]), ResultStatus::Success);
    }
}
