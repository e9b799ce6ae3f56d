//! The files of the database: one server at a time uses them.

use kmip_server::kmip::enums::Operation;
use kmip_server::ttlv::{V1_2, Writer};
use std::process::{Command, Output};

use crate::corpus::{aes_key, id, register};
use crate::dialogue::Caller;
use crate::harness::{Pki, Running};

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

fn count(caller: &mut Caller) -> usize {
    caller.ask(V1_2, Operation::Locate, |_: &mut Writer| ()).ids().len()
}

/// Returns 32 bytes that differ for each number.
fn key_of(number: u32) -> Vec<u8> {
    format!("a key that stands out: {number:09}").into_bytes()
}

#[test]
fn refuses_a_second_server_on_a_database_and_names_the_process_of_the_first() {
    let pki = Pki::new();
    let mut first = Running::start(arguments(&pki, "database"));
    let mut caller = connect(&pki, &first);
    let key = add(&mut caller, &key_of(1));
    let (link, hard) = (pki.folder.path("link"), pki.folder.path("hard"));
    std::os::unix::fs::symlink(pki.folder.path("database"), &link).unwrap();
    std::fs::hard_link(pki.folder.path("database"), &hard).unwrap();
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
