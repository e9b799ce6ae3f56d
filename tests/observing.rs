//! Monitoring: the audit log of operations, and the status of the server.

use std::fs;

use kmip_server::kmip::enums::{BatchErrorContinuationOption, InteropFunction, Operation};
use kmip_server::ttlv::{Tag, V1_2, V1_4, V2_1, Value as _, Writer};
use serde_json::Value;

use crate::corpus::{aes_key, id, message_of, register};
use crate::harness::{Pki, Running, within};

#[test]
fn audit_log_has_one_line_per_operation() {
    let pki = Pki::new();
    let mut server = Running::start(pki.options());
    let mut client = pki.connect(server.port, &pki.client);
    let address = client.stream.sock.local_addr().unwrap();
    let key = aes_key("audited", vec![1; 16]);
    let mut ask = |operation, payload: &dyn Fn(&mut Writer)| {
        client.exchange(&message_of(V1_2, None, &[(operation, payload)])).unwrap();
    };
    ask(Operation::Register, &|w| register(&key, w));
    ask(Operation::Get, &|w| id("1", w));
    ask(Operation::Get, &|w| id("a \"quoted\"\nname", w));
    ask(Operation::Locate, &|_| ());
    let undone = [(Operation::Destroy, |w: &mut Writer| id("1", w)); 2];
    client.exchange(&message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &undone)).unwrap();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));

    let log = pki.log();
    let audit: Vec<_> =
        log.lines().filter_map(|line| line.split(" - kmip.server.audit - INFO - ").nth(1)).collect();
    let who = format!("user=\"John Doe\" from={address} ");
    let expected = [
        "operation=\"Register\" object=\"1\" result=\"Success\"",
        "operation=\"Get\" object=\"1\" result=\"Success\"",
        "operation=\"Get\" object=\"a \\\"quoted\\\"\\nname\" result=\"Operation Failed\" reason=",
        "operation=\"Locate\" object=\"\" result=\"Success\"",
        "operation=\"Destroy\" object=\"1\" result=\"Operation Undone\"",
        "operation=\"Destroy\" object=\"1\" result=\"Operation Failed\" reason=",
    ];
    assert_eq!(audit.len(), expected.len(), "{log}");
    for (line, expected) in audit.iter().zip(expected) {
        let rest = line.strip_prefix(&who).unwrap_or_else(|| panic!("{line}"));
        assert!(rest.starts_with(expected), "{line}");
    }
}

#[test]
fn status_is_written_to_a_file_and_logged_on_a_signal() {
    let pki = Pki::new();
    let path = pki.folder.path("status.json");
    let settings = pki.settings(&format!("status_path={}", path.display())).display().to_string();
    let (log, database) = (pki.folder.path("server.log"), pki.folder.path("kmip.database"));
    let (log, database) = (log.display().to_string(), database.display().to_string());
    let server = Running::start(["-f", &settings, "-l", &log, "-d", &database]);
    let mut client = pki.connect(server.port, &pki.client);
    let key = aes_key("counted", vec![1; 16]);
    client
        .exchange(&message_of(V1_2, None, &[(Operation::Register, |w: &mut Writer| register(&key, w))]))
        .unwrap();
    for object in ["1", "2"] {
        client
            .exchange(&message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id(object, w))]))
            .unwrap();
    }
    client.exchange(&crate::harness::request(8)).unwrap();

    let holds = |status: &Value| {
        status["operations"]["Get"]["done"] == 1
            && status["operations"]["Get"]["failed"] == 1
            && status["operations"]["Register"]["done"] == 1
            && status["requests_refused"] == 1
            && status["bugs_met"] == 0
            && status["connections"]["sessions"] == 1
            && status["connections"]["accepted"] == 1
            && status["store"]["bytes"].as_u64().is_some_and(|bytes| bytes > 4096)
            && status["store"]["readers_open"].as_u64().is_some_and(|count| count > 0)
    };
    server.signal("USR1");
    within(|| {
        let log = pki.log();
        let state = log.lines().find_map(|line| line.split(" - kmip.server - INFO - State: ").nth(1))?;
        let state: Value = serde_json::from_str(state).unwrap();
        assert!(holds(&state), "{state:#}");
        Some(())
    });
    // The file is complete at any moment, and is updated.
    within(|| {
        let status: Value = serde_json::from_slice(&fs::read(&path).ok()?).unwrap();
        holds(&status).then_some(())
    });
}

#[test]
fn texts_of_clients_are_bounded_and_printable_in_every_line_of_the_log() {
    let pki = Pki::new();
    let server = Running::start(pki.options().into_iter().chain(["-v".to_owned(), "DEBUG".to_owned()]));
    // A right-to-left override, an invisible character, a line separator, and a control sequence of terminals.
    let unprintable = ['\u{202e}', '\u{200b}', '\u{2028}', '\u{9b}', '\u{1b}'];
    let unprintable: String = unprintable.iter().collect();
    let long = format!("x-{unprintable}{}", "é".repeat(60_000));
    let user = format!("J{unprintable}{}", "é".repeat(500));
    let mut client = pki.connect(server.port, &pki.ca.client(&user));
    let mut ask = |version, operation, payload: &dyn Fn(&mut Writer)| {
        let answer = client.exchange(&message_of(version, None, &[(operation, payload)])).unwrap();
        assert!(answer.len() < 1_000, "the answer to {operation} has {} bytes", answer.len());
    };
    let text = |tag, text: &str, writer: &mut Writer| text.to_owned().encode(tag, writer);
    let key = aes_key("bounded", vec![1; 16]);
    ask(V1_2, Operation::Register, &|w| register(&key, w));
    ask(V1_2, Operation::Get, &|w| id(&long, w));
    ask(V1_2, Operation::Get, &|w| id(&long[..500], w));
    ask(V1_2, Operation::DeleteAttribute, &|w| {
        id("1", w);
        text(Tag::AttributeName, &long, w);
    });
    ask(V2_1, Operation::Interop, &|w| {
        InteropFunction::Begin.encode(Tag::InteropFunction, w);
        text(Tag::InteropIdentifier, &long[..4_000], w);
    });
    drop(client);

    log_is_bounded(&pki, &unprintable);
}

/// Asserts that no line of the log is long or contains one of these characters.
fn log_is_bounded(pki: &Pki, unprintable: &str) {
    let log = within(|| Some(pki.log()).filter(|log| log.contains("Stopping session")));
    for line in log.lines() {
        let length = line.chars().count();
        assert!(
            length < 1_000,
            "a line has {length} characters: {}",
            line.chars().take(300).collect::<String>()
        );
        assert!(!line.contains(|c| unprintable.contains(c)), "{line:?}");
    }
    for expected in ["more characters", "\\u{202e}", "operation=\"Delete Attribute\"", "Interop Begin by"] {
        assert!(log.contains(expected), "{expected} is not in the log");
    }
}
