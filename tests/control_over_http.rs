//! Test control over HTTP: the built server, its paths below `/control`, and their refusals.

use std::io::{BufRead as _, Read, Write};
use std::net::TcpStream;

use kmip_server::internals::management::MAX_ANSWERS;
use kmip_server::kmip::enums::Operation;
use kmip_server::ttlv::{Tag, V1_4};
use serde_json::{Value, json};

use crate::corpus;
use crate::dialogue::Caller;
use crate::harness::{PATIENCE, Pki, Running, within};

/// A server with a management interface on a free port.
struct Controlled {
    pki: Pki,
    server: Running,
    address: String,
}

impl Controlled {
    fn start(settings: &str) -> Self {
        let pki = Pki::new();
        let path = pki.settings(&format!("management_address=127.0.0.1:0\n{settings}")).display().to_string();
        let log = pki.folder.path("server.log").display().to_string();
        let mut server = Running::start(["-f", &path, "-l", &log, "-d", ":memory:"]);
        let mut line = String::new();
        server.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Management on http://").unwrap().to_owned();
        Self { pki, server, address }
    }

    fn request(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head =
            format!("{head}Host: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        // A refused request is not read to its end.
        drop(stream.write_all(format!("{head}{body}").as_bytes()));
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let head = format!("POST /control{path} HTTP/1.1\r\nContent-Type: application/json\r\n");
        let (status, text) = self.request(&head, &body.to_string());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Returns the answer to a call that succeeds.
    fn call(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, body);
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer
    }

    fn caller(&self) -> Caller {
        Caller::new(self.pki.connect(self.server.port, &self.pki.client))
    }
}

#[test]
fn every_call_of_test_control_works_over_http() {
    let server = Controlled::start("test_control=True");
    let key = json!({"id": "1", "owner": "John Doe", "key": "000102030405060708090a0b0c0d0e0f"});
    assert_eq!(server.call("/seed", &json!({"objects": [key]})), json!({"ids": ["1"]}));
    let snapshot = server.call("/snapshot", &json!({}));
    assert_eq!(snapshot, json!({"id": 1}));

    let frozen = server.call("/clock", &json!({"freeze": true, "advance": 60.5}));
    assert_eq!(frozen["frozen"], true);
    let set = server.call("/clock", &json!({"set": 2_000_000_000}));
    assert_eq!((&set["now"], &set["seconds"]), (&json!("2033-05-18T03:33:20.000Z"), &json!(2_000_000_000.0)));
    assert_eq!(server.call("/clock", &json!({"reset": true}))["frozen"], false);

    let fault =
        server.call("/faults/add", &json!({"fault": {"operation": "Get", "action": "fail", "count": 1}}));
    let mut john = server.caller();
    let mut get = || john.ask(V1_4, Operation::Get, |writer| corpus::id("1", writer));
    get().refused();
    get().done();
    assert_eq!(server.call("/faults/wait", &fault), json!({"hits": 1}));
    let listed = server.call("/faults/list", &json!({}));
    assert_eq!(
        (&listed[0]["hits"], &listed[0]["matches"], &listed[0]["action"]),
        (&json!(1), &json!(2), &json!("fail"))
    );
    server.call("/faults/remove", &fault);
    assert_eq!(server.post("/faults/remove", &fault).0, 404);
    server.call("/faults/clear", &json!({"seed": 7}));

    let found =
        server.call("/messages", &json!({"operation": "Get", "user": "John Doe", "last": 1, "seconds": 1}));
    assert_eq!((&found["last"], found["messages"].as_array().unwrap().len()), (&json!(2), 1));
    assert_eq!(found["messages"][0]["results"][0]["status"], "Success");
    let (status, overview) = server.request("GET /control HTTP/1.1\r\n", "");
    let overview: Value = serde_json::from_str(&overview).unwrap();
    assert_eq!((status, &overview["faults"], &overview["last_message"]), (200, &json!([]), &json!(2)));
    server.call("/messages/clear", &json!({}));
    assert_eq!(server.call("/messages", &json!({}))["messages"], json!([]));

    server.call("/reset", &json!({}));
    assert_eq!(
        server.caller().ask(V1_4, Operation::Locate, |_| ()).all::<String>(Tag::UniqueIdentifier).len(),
        0
    );
    server.call("/restore", &snapshot);
    assert_eq!(
        server.caller().ask(V1_4, Operation::Locate, |_| ()).all::<String>(Tag::UniqueIdentifier),
        ["1"]
    );
    server.call("/forget", &snapshot);
    assert!(server.pki.log().contains("test_control is on"));
}

#[test]
fn wrong_calls_are_refused_with_the_reason() {
    let server = Controlled::start("test_control=True");
    for (path, body, status, expected) in [
        ("/clock", json!({"advnace": 1}), 400, "the call has no member \"advnace\"; similar: advance"),
        ("/clock", json!({"advance": -1}), 400, "advance must be a number of seconds that is not negative"),
        ("/clock", json!({"advance": 1e300}), 400, "advance must be"),
        ("/clock", json!({"set": 1e15}), 400, "after the year 9999"),
        ("/clock", json!({"freeze": 1}), 400, "freeze must be true or false"),
        ("/clock", json!([]), 400, "the body is no JSON object"),
        ("/faults/add", json!({}), 400, "fault is missing"),
        ("/faults/add", json!({"fault": {"action": "loose"}}), 400, "similar: lose"),
        ("/faults/wait", json!({"id": 9}), 404, "there is no fault 9"),
        ("/seed", json!({}), 400, "a seed needs either objects or pykmip_database"),
        ("/seed", json!({"pykmip_database": "/nonexistent"}), 400, "/nonexistent"),
        ("/seed", json!({"objects": [{"key": "0g"}]}), 400, "object 1: key must be hexadecimal"),
        ("/restore", json!({"id": 1}), 404, "there is no snapshot 1"),
        ("/messages", json!({"last": "x"}), 400, "last must be a whole number from 0 on"),
        ("/nothing", json!({}), 404, "this path does not exist"),
    ] {
        let (got, answer) = server.post(path, &body);
        assert_eq!(got, status, "{path} {body}: {answer}");
        assert!(answer.to_string().replace("\\\"", "\"").contains(expected), "{path} {body}: {answer}");
    }
    assert_eq!(server.request("GET /control/clock HTTP/1.1\r\n", "").0, 405);
    assert_eq!(server.request("POST /control/reset HTTP/1.1\r\nContent-Type: text/plain\r\n", "{}").0, 415);
    let page =
        "POST /control/reset HTTP/1.1\r\nContent-Type: application/json\r\nOrigin: http://evil.example\r\n";
    assert_eq!(server.request(page, "{}").0, 403);
    let long =
        "POST /control/seed HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n";
    assert_eq!(ask_head(&server, long), 413);
    // The overview is a GET, and a HEAD has no body.
    assert_eq!(server.request("HEAD /control HTTP/1.1\r\n", "").1, "");
}

fn ask_head(server: &Controlled, head: &str) -> u16 {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{head}Host: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn without_the_setting_the_paths_do_not_exist() {
    let server = Controlled::start("");
    assert_eq!(server.post("/reset", &json!({})).0, 404);
    assert_eq!(server.request("GET /control HTTP/1.1\r\n", "").0, 404);
}

#[test]
fn other_machines_need_the_token() {
    let token = "0123456789abcdef0123456789abcdef";
    let server = Controlled::start(&format!("test_control=True\nmanagement_token={token}"));
    assert_eq!(server.post("/reset", &json!({})).0, 401);
    let head = format!(
        "POST /control/reset HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n"
    );
    assert_eq!(server.request(&head, "{}").0, 200);
    let pki = Pki::new();
    let settings = pki.settings("management_address=0.0.0.0:0\ntest_control=True").display().to_string();
    let refused = std::process::Command::new(env!("CARGO_BIN_EXE_run_server"))
        .args(["-f", &settings, "-l", "-", "-d", ":memory:"])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("management_token"), "{text}");
}

#[test]
fn calls_that_wait_have_a_maximum_number_also_after_their_connections_have_ended() {
    let server = Controlled::start("test_control=True");
    let body = json!({ "operation": "None", "seconds": 60 }).to_string();
    let fields =
        format!("Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let call = || {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream
            .write_all(format!("POST /control/messages HTTP/1.1\r\n{fields}\r\n{body}").as_bytes())
            .unwrap();
        stream
    };
    let mut waiting: Vec<_> = (0..MAX_ANSWERS).map(|_| call()).collect();
    let refusal = within(|| {
        // A call can be refused because the request below has the last place at that moment.
        waiting.push(call());
        let (status, answer) = server.post("/messages", &json!({}));
        (status == 503).then_some(answer)
    });
    assert!(refusal.as_str().unwrap().contains("32 requests"), "{refusal}");
    drop(waiting);
    assert_eq!(server.post("/messages", &json!({})).0, 503);
    // Health and KMIP need no such place.
    assert_eq!(server.request("GET /health/ready HTTP/1.1\r\n", "").0, 200);
    server.caller().ask(V1_4, Operation::Locate, |_| ()).done();
}

#[test]
fn only_a_seed_has_a_long_body() {
    let server = Controlled::start("test_control=True");
    let long = json!({ "operation": "x".repeat(70_000) });
    assert_eq!(server.post("/messages", &long).0, 413);
    let objects = json!({ "objects": [{ "id": "1", "key": "ab".repeat(40_000) }] });
    assert_ne!(server.post("/seed", &objects).0, 413);
}
