//! `--export` and `--import` of the executable, also while clients write.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use kmip_server::internals::dispatch::Respond;
use kmip_server::internals::engine::constraints::Constraints;
use kmip_server::internals::store::Sqlite;
use kmip_server::kmip::enums::{Operation, ResultStatus};
use kmip_server::ttlv::{Tag, V1_2, V2_1, Value, Writer};
use rusqlite::Connection;

use crate::constraints::constraint;
use crate::corpus::{aes_key, dispatcher_on, first, id, message_of, peer, register, requests, statuses};
use crate::harness::{Client, Draw, Folder, Pki, Running, within};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_run_server")).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs a command that must succeed, and returns its output.
fn done(arguments: &[&str]) -> String {
    let output = run(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && error.is_empty(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail with this exit code, and returns its one line of output.
fn refused(code: i32, arguments: &[&str]) -> String {
    let output = run(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(error.lines().count() == 1 && output.stdout.is_empty(), "{arguments:?}: {error}");
    error
}

/// Returns every row of every table as SQL text.
fn rows(database: &Path) -> BTreeMap<String, Vec<String>> {
    let database = Connection::open(database).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let tables = names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    let spelled = tables.into_iter().map(|table| {
        let columns = names(&format!("SELECT 'quote(' || name || ')' FROM pragma_table_info('{table}')"));
        let rows = names(&format!("SELECT {} AS it FROM {table} ORDER BY it", columns.join("||','||")));
        (table, rows)
    });
    spelled.collect()
}

fn get(client: &mut Client, object: &str) -> Option<Vec<u8>> {
    let request = message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id(object, w))]);
    first(&client.exchange(&request).unwrap(), Tag::KeyMaterial)
}

/// Returns the arguments of a server with the certificates of `pki` and this database.
fn serving(pki: &Pki, database: &Path) -> Vec<String> {
    let mut options = pki.options();
    options.extend(["-d".to_owned(), text(database).to_owned()]);
    options
}

#[test]
fn a_signal_ends_an_export_or_import_that_leaves_nothing() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name).display().to_string();
    let (from, file, seal, to) = (path("from"), path("export"), path("seal"), path("to"));
    let key = "0b".repeat(32);
    fs::write(path("key"), &key).unwrap();
    let dispatcher = dispatcher_on(Box::new(Sqlite::open(Path::new(&from)).unwrap()));
    let (_, _, request) = requests().find(|(row, ..)| !row.heavy).unwrap();
    dispatcher.respond(&request, peer());
    drop(dispatcher);
    done(&["-d", &from, "--export", &path("whole"), "--seal-key", &path("key")]);
    done(&["-d", &to, "--import", &path("whole"), "--seal-key", &path("key")]);
    fs::remove_file(&to).unwrap();
    drop(Sqlite::open(Path::new(&to)).unwrap());
    let before = rows(Path::new(&to));
    // The program waits for its seal key.
    assert!(Command::new("mkfifo").arg(&seal).status().unwrap().success());
    for signal in ["HUP", "INT", "TERM"] {
        for arguments in [["-d", &from, "--export", &file], ["-d", &to, "--import", &path("whole")]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
            command.args(arguments).args(["--seal-key", &seal]).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut waits = fs::OpenOptions::new().write(true).open(&seal).unwrap();
            let kill = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
            assert!(kill.unwrap().success());
            std::thread::sleep(std::time::Duration::from_millis(100));
            waits.write_all(key.as_bytes()).unwrap();
            drop(waits);
            let code = within(|| child.try_wait().unwrap()).code();
            let error = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
            assert_eq!(code, Some(1), "{error}");
            assert!(
                error.contains("a signal ended it") && error.contains("--explain interrupted"),
                "{error}"
            );
            assert_eq!(rows(Path::new(&to)), before);
        }
        let left: Vec<_> = fs::read_dir(folder.path("")).unwrap().map(|it| it.unwrap().file_name()).collect();
        let is_export = |name: &&std::ffi::OsString| name.to_string_lossy().starts_with("export");
        assert!(!left.iter().any(|name| is_export(&name)), "{left:?}");
    }
}

#[test]
fn exports_all_data_and_imports_it_into_another_server() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name).display().to_string();
    let (from, file, to, seal) = (path("from"), path("export"), path("to"), path("seal"));
    fs::write(&seal, "0b".repeat(32)).unwrap();
    let dispatcher = dispatcher_on(Box::new(Sqlite::open(Path::new(&from)).unwrap()));
    for (_, _, request) in requests().filter(|(row, ..)| !row.heavy) {
        dispatcher.respond(&request, peer());
    }
    let set = Constraints { constraints: vec![constraint(Some("strong"), 256)] };
    let payload = |w: &mut Writer| set.encode(Tag::Constraints, w);
    let request = message_of(V2_1, None, &[(Operation::SetConstraints, payload)]);
    assert_eq!(statuses(&dispatcher.respond(&request, peer()).message), [ResultStatus::Success]);
    drop(dispatcher);
    let before = rows(Path::new(&from));
    let counts = (before["object"].len(), before["own"].len());
    assert!(counts.0 > 20 && counts.1 > 0, "{counts:?}");

    let plain = path("plain");
    let output = done(&["-d", &from, "--export", &plain]);
    assert_eq!(output, format!("Exported {} objects of {from} to {plain}.\n", before["object"].len()));
    assert!(fs::read_to_string(&plain).unwrap().lines().all(|line| line.starts_with('{')));
    done(&["--database_path", &from, "--export", &file, "--seal-key", &seal]);
    assert!(!fs::read_to_string(&file).unwrap().contains("Object"));
    for (file, more) in [(&plain, &[][..]), (&file, &["--seal-key", seal.as_str()][..])] {
        drop(fs::remove_file(&to));
        let output = done(&[&["-d", &to, "--import", file], more].concat());
        assert_eq!(output, format!("Imported {} objects into {to}.\n", before["object"].len()));
        assert_eq!(rows(Path::new(&to)), before);
        let refused = refused(1, &[&["-d", &to, "--import", file], more].concat());
        assert!(refused.contains("the database has an object 1 already"), "{refused}");
        assert_eq!(rows(Path::new(&to)), before);
    }
    let refused = refused(1, &["-d", &from, "--export", &file]);
    assert!(refused.contains("is there already"), "{refused}");
}

#[test]
fn export_and_import_use_the_database_and_seal_key_of_the_settings() {
    let pki = Pki::new();
    let path = |name: &str| pki.folder.path(name).display().to_string();
    pki.folder.write("kek", [7; 32]);
    let settings = pki.settings(&format!("key_encryption_key_path={}", path("kek")));
    let settings = settings.display().to_string();
    let (one, two, file) = (path("one"), path("two"), path("export"));
    let material = *b"a key that stays under its seal.";
    {
        let server = Running::start(["-f", &settings, "-d", &one, "-l", &path("log")]);
        let given = aes_key("sealed", material.to_vec());
        let request = message_of(V1_2, None, &[(Operation::Register, |w: &mut Writer| register(&given, w))]);
        let mut client = pki.connect(server.port, &pki.client);
        assert_eq!(statuses(&client.exchange(&request).unwrap()), [ResultStatus::Success]);
        // A running server allows an export and prevents an import.
        done(&["-f", &settings, "-d", &one, "--export", &file]);
        let error = refused(1, &["-f", &settings, "-d", &one, "--import", &file]);
        assert!(error.contains("stop the server"), "{error}");
        assert_eq!(get(&mut client, "1"), Some(material.to_vec()));
    }
    done(&["-f", &settings, "-d", &two, "--import", &file]);
    let digits: String = material.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(fs::read_to_string(&file).unwrap().contains(&digits));
    let bytes = fs::read(&two).unwrap();
    assert!(!bytes.windows(material.len()).any(|window| window == material));
    assert!(refused(1, &["-d", &two, "--export", &path("none")]).contains("are sealed"));
    let server = Running::start(["-f", &settings, "-d", &two, "-l", &path("log")]);
    assert_eq!(get(&mut pki.connect(server.port, &pki.client), "1"), Some(material.to_vec()));
}

#[test]
fn reports_invalid_exports_and_imports_in_one_line() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name).display().to_string();
    let (database, file) = (path("database"), path("file"));
    for (code, arguments, says) in [
        (2, &["--export", &file, "--import", &file][..], "exclude each other"),
        (2, &["--seal-key", &file], "requires --export or --import"),
        (2, &["--export"], "'export'"),
        (1, &["-d", ":memory:", "--export", &file], ":memory:"),
        (1, &["-d", &database, "--export", &file], "No such file"),
        (1, &["-d", &database, "--import", &file], "No such file"),
        (1, &["-d", &database, "--import", "/dev/null"], "must be a regular file"),
        (1, &["-d", &database, "--import", &file, "--seal-key", &path("none")], "seal key"),
    ] {
        let error = refused(code, arguments);
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    assert!(fs::read_dir(folder.path("")).unwrap().next().is_none(), "nothing was made");
    fs::write(&file, "{\"format\":\"kmip-server export\",\"version\":9}\n").unwrap();
    let error = refused(1, &["-d", &database, "--import", &file]);
    assert!(error.contains("line 1") && error.contains("version 9"), "{error}");
}

#[test]
fn an_export_under_load_contains_every_write_acknowledged_before_it_began() {
    let pki = Pki::new();
    let database = pki.folder.path("live");
    let server = Running::start(serving(&pki, &database));
    // The keys of the acknowledged objects.
    let acknowledged: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::default();
    let over = AtomicBool::new(false);
    let mut backups = Vec::new();
    std::thread::scope(|scope| {
        for writer in 1..=4 {
            let (pki, acknowledged, over, port) = (&pki, &acknowledged, &over, server.port);
            scope.spawn(move || {
                let (mut client, mut draw) = (pki.connect(port, &pki.client), Draw::new(writer));
                while !over.load(Ordering::SeqCst) {
                    let key: Vec<u8> = (0..32).map(|_| u8::try_from(draw.below(256)).unwrap()).collect();
                    let given = aes_key("under load", key.clone());
                    let request = message_of(
                        V1_2,
                        None,
                        &[(Operation::Register, |w: &mut Writer| register(&given, w))],
                    );
                    let answer = client.exchange(&request).unwrap();
                    assert_eq!(statuses(&answer), [ResultStatus::Success]);
                    let object = String::from_utf8(first(&answer, Tag::UniqueIdentifier).unwrap()).unwrap();
                    acknowledged.lock().unwrap().insert(object, key);
                }
            });
        }
        for round in 0..3 {
            let enough = 100 * (round + 1);
            within(|| (acknowledged.lock().unwrap().len() >= enough).then_some(()));
            let before = acknowledged.lock().unwrap().clone();
            let file = pki.folder.path(&format!("backup {round}"));
            done(&["-d", text(&database), "--export", text(&file)]);
            backups.push((before, file));
        }
        over.store(true, Ordering::SeqCst);
    });
    let all = acknowledged.into_inner().unwrap();
    assert!(all.len() > backups[2].0.len(), "nobody wrote meanwhile");
    for (round, (before, file)) in backups.iter().enumerate() {
        let restored = pki.folder.path(&format!("restored {round}"));
        done(&["-d", text(&restored), "--import", text(file)]);
        let server = Running::start(serving(&pki, &restored));
        let mut client = pki.connect(server.port, &pki.client);
        for (object, key) in before {
            assert_eq!(get(&mut client, object).as_ref(), Some(key), "round {round}, object {object}");
        }
        // An object of a concurrent write is either complete or absent.
        let there = all.iter().filter(|(object, key)| match get(&mut client, object) {
            Some(found) => found == **key || panic!("round {round}, object {object} is another"),
            None => false,
        });
        assert!(there.count() >= before.len());
        assert!(rows(&restored)["object"].len() >= before.len());
    }
    // The exported server still has all objects and accepts writes.
    let mut client = pki.connect(server.port, &pki.client);
    for (object, key) in &all {
        assert_eq!(get(&mut client, object).as_ref(), Some(key));
    }
}
