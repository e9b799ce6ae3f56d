//! Monitoring: the log of connections, and the status of the server.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;

use kmip_server::kmip::enums::{InteropFunction, Operation};
use kmip_server::ttlv::{Tag, V1_2, V2_1, Value as _, Writer};
use serde_json::Value;

use crate::corpus::{aes_key, id, message_of, register};
use crate::harness::{Pki, Running, within};

#[test]
fn connections_without_a_session_are_summed_up_in_the_log() {
    const CONNECTIONS: usize = 300;
    let pki = Pki::new();
    let mut server = Running::start(pki.options());
    // Returns the numbers of connections with a line of their own, and of those that other lines sum up.
    let count = |log: &str, level: &str, end: &str| {
        let more = |line: &str| line.strip_suffix(end)?.rsplit(' ').next()?.parse::<usize>().ok();
        let lines: Vec<_> =
            log.lines().filter_map(|line| line.split(&format!(" - {level} - ")).nth(1)).collect();
        let single = lines.iter().filter(|line| line.starts_with("No session with")).count();
        (single, lines.into_iter().filter_map(more).sum::<usize>())
    };
    for (bytes, level, end) in [
        (&b""[..], "INFO", " more connections ended without a session in the last second."),
        (
            b"GET / HTTP/1.0\r\n\r\n",
            "WARNING",
            " more connections failed in the TLS handshake in the last second.",
        ),
    ] {
        for _ in 0..CONNECTIONS {
            let mut client = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            client.write_all(bytes).unwrap();
        }
        let (single, more) = within(|| {
            Some(count(&pki.log(), level, end)).filter(|(single, more)| single + more == CONNECTIONS)
        });
        assert!(single <= 50, "{level}: {single} single lines and {more} others");
    }
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
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
            // The last request may be counted after its response.
            && status["requests"].as_u64().is_some_and(|count| count >= 3)
            && status["bytes_received"].as_u64().is_some_and(|bytes| bytes > 100)
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

    within(|| pki.log().contains("Stopping session").then_some(()));
    is_bounded(&pki.log(), &unprintable, &["more characters", "\\u{202e}", "Interop Begin by"]);
    let audit = pki.folder.path("audit.log");
    let audit = within(|| fs::read_to_string(&audit).ok().filter(|log| log.contains("\"Interop\"")));
    is_bounded(&audit, &unprintable, &["more characters", "\\u202e", "\"operation\":\"Delete Attribute\""]);
}

/// Asserts that no line of a log is long or contains one of these characters.
fn is_bounded(log: &str, unprintable: &str, expected: &[&str]) {
    for line in log.lines() {
        let length = line.chars().count();
        assert!(
            length < 1_000,
            "a line has {length} characters: {}",
            line.chars().take(300).collect::<String>()
        );
        assert!(!line.contains(|c| unprintable.contains(c)), "{line:?}");
    }
    for expected in expected {
        assert!(log.contains(expected), "{expected} is not in the log");
    }
}
