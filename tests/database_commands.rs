//! `--check-database`, `--import` and `--export` with the URL of a PostgreSQL database, run as a user runs them.

use std::path::Path;
use std::process::Command;

use kmip_server::kmip::Object;
use kmip_server::kmip::enums::{AsynchronousIndicator, CryptographicAlgorithm, KeyFormatType, Operation};
use kmip_server::ttlv::{V1_4, V2_1};

use crate::asynchronous::{ask, create, pending};
use crate::corpus::{named, usage};
use crate::dialogue::{Live, key};
use crate::groups::{DEFAULT, group, join, locate};
use crate::harness::postgres::{Database, cluster};
use crate::harness::{Pki, skip, within};
use crate::login::login;

fn database() -> Option<Database> {
    cluster().map(|cluster| cluster.database()).map_err(skip).ok()
}

/// Runs the program; returns its exit code, standard output and standard error.
fn run(options: &[&str]) -> (Option<i32>, String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_run_server")).args(options).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

/// Registers three keys in the database, which is sealed with the key in the file if there is one.
fn fill(pki: &Pki, url: &Path, sealed_with: Option<&Path>) {
    let mut config = pki.config();
    config.database_path = url.to_owned();
    config.key_encryption_key_path = sealed_with.map(Path::to_owned);
    let live = Live::start(&config);
    let mut caller = live.caller(pki, &pki.client);
    for name in ["one", "two", "three"] {
        let aes = key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![7; 16]);
        caller.register(V1_4, &Object::SymmetricKey(aes), &[usage(12), named(name)]).id();
    }
}

#[test]
fn check_database_finds_each_damaged_row_of_a_postgresql_database() {
    let Some(database) = database() else { return };
    let (pki, url) = (Pki::new(), database.url().display().to_string());
    let settings = pki.settings("").display().to_string();
    let check = || run(&["-f", &settings, "--check-database", &url]);
    let (code, output, error) = check();
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(error.contains("contains no tables of this server"), "{error}");
    assert!(
        database.execute("CREATE TABLE kmip_server_schema (x int)"),
        "the check has changed the database"
    );
    assert!(database.execute("DROP TABLE kmip_server_schema"));

    fill(&pki, &database.url(), None);
    let whole = (Some(0), format!("Checked 3 objects in {url}: no fault.\n"), String::new());
    assert_eq!(check(), whole);
    assert!(
        database.execute(
            "INSERT INTO attribute_value SELECT tag + 1, value, initial_date, id FROM attribute_value"
        )
    );
    let (code, output, error) = check();
    assert_eq!(
        (code, output.as_str()),
        (Some(1), "database: the index has 12 values instead of the 6 of all objects\n")
    );
    assert!(error.contains("database is damaged: 1 faults"), "{error}");
    for damage in [
        "UPDATE object SET object = set_byte(object, 20, get_byte(object, 20) # 16) WHERE id = 1",
        "UPDATE object SET policy = 'public' WHERE id = 2",
        "DELETE FROM attribute_value WHERE id = 3",
        "INSERT INTO own VALUES ('state', 1, 'value', 'no checksum')",
        "UPDATE counter SET last_id = 2",
    ] {
        assert!(database.execute(damage), "{damage}");
    }
    let (code, output, error) = check();
    let faults = [
        "object 1: its checksum does not match",
        "object 2: its column policy differs from the record",
        "object 3: the index lacks one of its values",
        "database: its counter is 2, below the object 3",
        "server state \"state\": its checksum does not match",
    ];
    assert_eq!((code, output.lines().collect::<Vec<_>>()), (Some(1), faults.to_vec()));
    assert!(error.contains("5 faults"), "{error}");
}

#[test]
fn check_database_verifies_a_sealed_postgresql_database_with_its_key() {
    let Some(database) = database() else { return };
    let (pki, url) = (Pki::new(), database.url().display().to_string());
    let kek = pki.folder.write("kek", [7; 32]);
    fill(&pki, &database.url(), Some(&kek));
    let check = |extra: &str| {
        let settings = pki.settings(extra).display().to_string();
        run(&["-f", &settings, "--check-database", &url])
    };
    let with_key = format!("key_encryption_key_path={}", kek.display());
    assert_eq!(check(&with_key).0, Some(0));
    let (code, _, error) = check("");
    assert!(code == Some(1) && error.contains("are sealed"), "{error}");
    // A row of another object, with its checksum.
    let swap = "UPDATE object SET (object, attributes, checksum) = \
        (SELECT object, attributes, checksum FROM object WHERE id = 2) WHERE id = 1";
    assert!(database.execute(swap));
    let (code, output, _) = check(&with_key);
    assert_eq!((code, output.as_str()), (Some(1), "object 1: its checksum does not match\n"));
}

#[test]
fn check_database_finds_each_damaged_ticket_position_and_operation() {
    let Some(database) = database() else { return };
    let (pki, url) = (Pki::new(), database.url().display().to_string());
    let kek = pki.folder.write("kek", [7; 32]);
    let mut config = pki.config();
    config.database_path = database.url();
    config.key_encryption_key_path = Some(kek.clone());
    let live = Live::start(&config);
    let mut caller = live.caller(&pki, &pki.client);
    login(&mut caller, |_| ());
    join(&mut caller, "group");
    for id in locate(&mut caller, V1_4, DEFAULT, &[group("group")]) {
        caller.get(V1_4, &id);
    }
    let mandatory = AsynchronousIndicator::Mandatory;
    pending(&ask(&mut caller, V2_1, mandatory, &[(Operation::Create, &create)]));
    within(|| (caller.ask(V1_4, Operation::Locate, |_| ()).ids().len() == 2).then_some(()));
    let settings = pki.settings(&format!("key_encryption_key_path={}", kek.display())).display().to_string();
    let check = || run(&["-f", &settings, "--check-database", &url]);
    let whole = (Some(0), format!("Checked 2 objects in {url}: no fault.\n"), String::new());
    assert_eq!(check(), whole);
    for damage in [
        "UPDATE entry SET value = set_byte(value, 20, get_byte(value, 20) # 1) WHERE kind = 1",
        // A position at the place of another group.
        "UPDATE entry SET key = 'other' WHERE kind = 2",
        "UPDATE entry SET content = set_byte(content, 20, get_byte(content, 20) # 1) WHERE kind = 3",
    ] {
        assert!(database.execute(damage), "{damage}");
    }
    let (code, output, error) = check();
    let faults: Vec<_> = output.lines().map(|line| line.splitn(3, ' ').collect::<Vec<_>>()).collect();
    let kinds: Vec<_> = faults.iter().map(|words| (words[0], words[1])).collect();
    assert_eq!(
        (code, kinds),
        (Some(1), ["ticket", "position", "operation"].map(|kind| ("entry", kind)).to_vec())
    );
    assert!(faults.iter().all(|words| words[2].ends_with(": its checksum does not match")), "{output}");
    assert!(error.contains("3 faults"), "{error}");
}

#[test]
fn export_creates_no_tables_and_needs_no_unsealed_database() {
    let Some(database) = database() else { return };
    let (pki, url) = (Pki::new(), database.url().display().to_string());
    let kek = pki.folder.write("kek", [7; 32]);
    let settings = pki.settings(&format!("key_encryption_key_path={}", kek.display())).display().to_string();
    let file = pki.folder.path("export").display().to_string();
    let (code, _, error) = run(&["-f", &settings, "-d", &url, "--export", &file]);
    assert!(code == Some(1) && error.contains("contains no tables of this server"), "{error}");
    assert!(database.execute("CREATE TABLE kmip_server_schema (x int)"));
    assert!(database.execute("DROP TABLE kmip_server_schema"));
    // As SealedTooLate advises: the settings already name the key that the new database needs.
    fill(&pki, &database.url(), None);
    let (code, output, error) = run(&["-f", &settings, "-d", &url, "--export", &file]);
    let exported = format!("Exported 3 objects of {url} to {file}.\n");
    assert_eq!((code, output), (Some(0), exported), "{error}");
}

#[test]
fn import_refuses_a_database_that_is_not_one_of_pykmip() {
    let pki = Pki::new();
    let path = |name: &str| pki.folder.path(name).display().to_string();
    fill(&pki, &pki.folder.path("ours"), None);
    let (code, _, error) = run(&["-d", &path("new"), "--import", &path("ours")]);
    assert!(code == Some(1) && error.contains("is a database of this server; export it"), "{error}");
    rusqlite::Connection::open(path("foreign")).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let (code, _, error) = run(&["-d", &path("new"), "--import", &path("foreign")]);
    assert!(code == Some(1) && error.contains("is a database of another program"), "{error}");
    assert!(!pki.folder.path("new").exists());
}

#[test]
fn embedder_opens_a_postgresql_database_by_its_url() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let mut config = kmip_server::Config::new(pki.folder.path("server.pem"), pki.folder.path("ca.pem"));
    config.key_path = Some(pki.folder.path("server.key"));
    config.port = 0;
    config.database_path = database.url();
    let server = kmip_server::Server::bind(&config).unwrap();
    assert!(server.port() > 0);
    assert!(database.execute("SELECT version FROM kmip_server_schema"));
}
