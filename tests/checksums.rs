//! Damaged and edited databases: a record whose bytes changed is never served, and `--check-database` finds all of them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{CertificateRequestType, Operation, ResultReason, ResultStatus};
use kmip_server::ttlv::{Field, Tag, V1_2};
use rusqlite::Connection;

use crate::corpus::{aes_key, id, register};
use crate::dialogue::{Answer, Caller};
use crate::harness::{Credential, Pki, Running, within};

/// A server's database in the folder of a PKI, sealed or not.
struct Database {
    pki: Pki,
    is_sealed: bool,
}

impl Database {
    fn new(is_sealed: bool) -> Self {
        let pki = Pki::new();
        pki.folder.write("kek", [7; 32]);
        Self { pki, is_sealed }
    }

    fn path(&self) -> PathBuf {
        self.pki.folder.path("database")
    }

    fn arguments(&self) -> Vec<String> {
        let kek = self.pki.folder.path("kek").display().to_string();
        let extra = if self.is_sealed { format!("key_encryption_key_path={kek}") } else { String::new() };
        let settings = self.pki.settings(&extra).display().to_string();
        let mut arguments = self.pki.options();
        arguments.extend(["-f".to_owned(), settings, "-d".to_owned(), self.path().display().to_string()]);
        arguments
    }

    fn start(&self) -> Running {
        Running::start(self.arguments())
    }

    fn caller(&self, server: &Running, client: &Credential) -> Caller {
        Caller::new(self.pki.connect(server.port, client))
    }

    /// Fills the database with three keys of John Doe and returns their bytes.
    fn fill(&self) -> Vec<Vec<u8>> {
        let keys: Vec<_> =
            (1..=3).map(|number| format!("a key that stands out: {number:09}").into_bytes()).collect();
        let server = self.start();
        let mut john = self.caller(&server, &self.pki.client);
        for key in &keys {
            let given = aes_key("stands-out", key.clone());
            john.ask(V1_2, Operation::Register, |writer| register(&given, writer)).id();
        }
        stop(server);
        keys
    }

    /// Changes the database with SQL while no server runs. Returns the number of changed rows.
    fn edit(&self, sql: &str) -> u64 {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch(sql).unwrap();
        connection.total_changes()
    }

    /// Flips one bit in the first occurrence of `bytes` in the file.
    fn flip(&self, bytes: &[u8]) {
        let mut file = fs::read(self.path()).unwrap();
        let at = file.windows(bytes.len()).position(|window| window == bytes).unwrap();
        file[at + bytes.len() / 2] ^= 0x10;
        fs::write(self.path(), file).unwrap();
    }

    fn run(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
        command.args(self.arguments()).args(more).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs `--check-database`. Returns its exit code and what it prints.
    fn check(&self) -> (Option<i32>, String) {
        let output = self.run(&["--check-database", &self.path().display().to_string()]);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    /// Asserts that John Doe can get none of these objects, and every other one; and that the log and
    /// `--check-database` name the former.
    fn assert_damaged(&self, damaged: &[u64], what: &str) {
        let server = self.start();
        let mut john = self.caller(&server, &self.pki.client);
        for number in 1..=3 {
            let answer = john.ask(V1_2, Operation::Get, |writer| id(&number.to_string(), writer));
            if damaged.contains(&number) {
                assert_eq!(answer.refused(), ResultReason::GeneralFailure, "{what}");
                within(|| {
                    let log = self.pki.log();
                    let mut lines = log.lines().filter(|line| line.contains(" - ERROR - "));
                    lines.find(|line| line.contains(&format!("object {number} "))).map(drop)
                });
            } else {
                assert_eq!(answer.status, ResultStatus::Success, "{what}: {answer:?}");
            }
        }
        stop(server);
        let (code, text) = self.check();
        assert_eq!(code, Some(1), "{what}: {text}");
        for number in 1..=3 {
            let is_listed = text.lines().any(|line| line.starts_with(&format!("object {number}: ")));
            assert_eq!(is_listed, damaged.contains(&number), "{what}: {text}");
        }
    }
}

fn stop(mut server: Running) {
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_flipped_bit_in_a_record_fails_its_object_and_check_database_finds_it() {
    let database = Database::new(false);
    let keys = database.fill();
    let intact = fs::read(database.path()).unwrap();
    database.flip(&keys[1]);
    database.assert_damaged(&[2], "the key");
    database.flip(&keys[2]);
    database.assert_damaged(&[2, 3], "two keys");
    let server = database.start();
    assert_eq!(database.check().0, Some(1), "a server may use the database meanwhile");
    stop(server);
    fs::write(database.path(), intact).unwrap();
    let (code, text) = database.check();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("3 objects"), "{text}");
}

/// Returns the statement that replaces these hexadecimal digits in the attributes of object 2.
fn replaced(old: &str, new: &str) -> String {
    format!(
        "UPDATE object SET attributes = CAST(unhex(replace(hex(attributes), '{old}', '{new}')) AS BLOB) \
         WHERE id = 2 AND instr(hex(attributes), '{old}')"
    )
}

#[test]
fn a_changed_column_is_damage() {
    let database = Database::new(false);
    database.fill();
    let intact = fs::read(database.path()).unwrap();
    for sql in [
        "UPDATE object SET owner = 'John Dof' WHERE id = 2",
        "UPDATE object SET credential = 'x' WHERE id = 2",
        "UPDATE object SET object_type = 3 WHERE id = 2",
        "UPDATE object SET object = NULL WHERE id = 2",
        &replaced("7374616E6473", "7374616E6474"),
        "UPDATE object SET object = (SELECT object FROM object WHERE id = 1) WHERE id = 2",
    ] {
        assert!(database.edit(sql) > 0, "{sql} changes nothing");
        database.assert_damaged(&[2], sql);
        fs::write(database.path(), &intact).unwrap();
    }
    // Columns and rows that only Locate reads.
    for sql in [
        "UPDATE object SET state = 3 WHERE id = 2",
        "UPDATE object SET policy = 'public' WHERE id = 2",
        "UPDATE object SET initial_date = 7 WHERE id = 2",
        "DELETE FROM attribute_value WHERE id = 2",
        "UPDATE attribute_value SET value = X'00' WHERE id = 2",
    ] {
        database.edit(sql);
        let (code, text) = database.check();
        assert_eq!(code, Some(1), "{sql}: {text}");
        assert!(text.lines().any(|line| line.starts_with("object 2: ")), "{sql}: {text}");
        fs::write(database.path(), &intact).unwrap();
    }
    for sql in [
        "INSERT INTO attribute_value SELECT tag, X'00', 1, 77 FROM attribute_value LIMIT 1",
        "UPDATE counter SET last_id = 1",
    ] {
        database.edit(sql);
        assert_eq!(database.check().0, Some(1), "{sql}");
        fs::write(database.path(), &intact).unwrap();
    }
    assert_eq!(database.check().0, Some(0));
}

/// Requests a certificate, which the server's own authority signs.
fn certify(john: &mut Caller) -> Answer {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["a.example.test".to_owned()]).unwrap();
    let request = params.serialize_request(&key).unwrap().der().to_vec();
    john.ask(V1_2, Operation::Certify, |writer| {
        CertificateRequestType::Pkcs10.write(Tag::CertificateRequestType, writer);
        request.clone().write(Tag::CertificateRequest, writer);
    })
}

#[test]
fn a_flipped_bit_in_the_authority_of_the_server_is_damage() {
    let database = Database::new(false);
    let server = database.start();
    let mut john = database.caller(&server, &database.pki.client);
    let made = certify(&mut john).id();
    stop(server);
    assert_eq!(database.check().0, Some(0));
    let value: Vec<u8> = Connection::open(database.path())
        .unwrap()
        .query_row("SELECT value FROM own", [], |row| row.get(0))
        .unwrap();
    database.flip(&value[value.len() - 40..]);
    let (code, text) = database.check();
    assert!(code == Some(1) && text.contains("server state \"certification authority\": "), "{text}");
    let server = database.start();
    let mut john = database.caller(&server, &database.pki.client);
    assert_eq!(certify(&mut john).refused(), ResultReason::GeneralFailure);
    let get = john.ask(V1_2, Operation::Get, |writer| id(&made, writer));
    assert_eq!(get.status, ResultStatus::Success, "the objects remain in service");
    stop(server);
}

#[test]
fn an_edited_owner_policy_state_or_mask_of_a_sealed_object_gives_nothing() {
    let database = Database::new(true);
    database.fill();
    let jane = database.pki.ca.client("Jane Doe");
    let intact = fs::read(database.path()).unwrap();
    let usage_mask = |bits: &str| format!("42002C0200000004{bits}00000000");
    for sql in [
        "UPDATE object SET owner = 'Jane Doe' WHERE id = 2".to_owned(),
        "UPDATE object SET credential = 'x' WHERE id = 2".to_owned(),
        "UPDATE object SET checksum = NULL, owner = 'Jane Doe' WHERE id = 2".to_owned(),
        "UPDATE object SET checksum = X'00000000', owner = 'Jane Doe' WHERE id = 2".to_owned(),
        "UPDATE object SET owner = 'Jane Doe', object = NULL WHERE id = 2".to_owned(),
        // The row of another object, and parts of it.
        "UPDATE object SET (attributes, object, checksum) = (SELECT attributes, object, checksum FROM object WHERE id = 1) \
         WHERE id = 2"
            .to_owned(),
        replaced(&usage_mask("0000000C"), &usage_mask("0000000D")),
    ] {
        assert!(database.edit(&sql) > 0, "{sql} changes nothing");
        let server = database.start();
        let mut jane = database.caller(&server, &jane);
        let answer = jane.ask(V1_2, Operation::Get, |writer| id("2", writer));
        assert_eq!(answer.refused(), ResultReason::GeneralFailure, "{sql}");
        stop(server);
        database.assert_damaged(&[2], &sql);
        fs::write(database.path(), &intact).unwrap();
    }
    // A database of the version without checksums, made out of this one.
    let older = "UPDATE object SET owner = 'Jane Doe'; ALTER TABLE object DROP COLUMN checksum; \
                 ALTER TABLE own DROP COLUMN checksum; PRAGMA user_version = 5";
    database.edit(older);
    database.assert_damaged(&[1, 2, 3], older);
    assert_eq!(
        database.run(&["--export", &database.pki.folder.path("export").display().to_string()]).status.code(),
        Some(1)
    );
}

/// The statements that fill a database as the version before checksums left it: plain, and sealed with `[7; 32]`.
const OLDER: [&str; 2] =
    [include_str!("checksums/version_5.sql"), include_str!("checksums/version_5_sealed.sql")];

#[test]
fn a_database_of_the_version_before_is_migrated_with_every_record() {
    for (is_sealed, sql) in [(false, OLDER[0]), (true, OLDER[1])] {
        let database = Database::new(is_sealed);
        database.edit(sql);
        let before = fs::read(database.path()).unwrap();
        assert_eq!(database.check().0, Some(0), "the older version has no checksums");
        let export = database.pki.folder.path("export").display().to_string();
        assert!(database.run(&["--export", &export]).status.success());
        let of = |server: &Running| -> Vec<Attribute> {
            let mut john = database.caller(server, &database.pki.client);
            assert_eq!(
                john.ask(V1_2, Operation::Get, |writer| id("1", writer)).status,
                ResultStatus::Success
            );
            let destroyed = john.ask(V1_2, Operation::Get, |writer| id("2", writer));
            assert_eq!(destroyed.refused(), ResultReason::ItemNotFound);
            // The server's own authority signs it.
            certify(&mut john).id();
            let mut all = john.attributes(V1_2, "1");
            all.extend(john.attributes(V1_2, "3"));
            all
        };
        assert_eq!(fs::read(database.path()).unwrap(), before, "neither check nor export changes the file");
        let server = database.start();
        let attributes = of(&server);
        stop(server);
        assert_eq!(database.check().0, Some(0));
        let server = database.start();
        assert_eq!(of(&server), attributes);
        stop(server);
        database.edit("UPDATE object SET owner = 'Jane Doe' WHERE id = 1");
        assert_eq!(database.check().0, Some(1), "the migrated records have checksums");

        fs::remove_file(database.path()).unwrap();
        assert!(database.run(&["--import", &export]).status.success());
        assert_eq!(database.check().0, Some(0));
        let server = database.start();
        of(&server);
        stop(server);
    }
}

#[test]
fn sealing_a_plain_database_authenticates_destroyed_objects_too() {
    let mut database = Database::new(false);
    database.fill();
    let server = database.start();
    let mut john = database.caller(&server, &database.pki.client);
    john.ask(V1_2, Operation::Destroy, |writer| id("3", writer)).done();
    stop(server);
    database.is_sealed = true;
    let server = database.start();
    stop(server);
    assert_eq!(database.check().0, Some(0));
    database.edit("UPDATE object SET owner = 'Jane Doe' WHERE id = 3");
    assert_eq!(database.check().0, Some(1));
}
