//! The management interface of the built server, from outside: health, metrics, access, limits, and the options that ask
//! it.

use std::fs;
use std::io::{BufRead as _, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use kmip_server::internals::http::{MAX_FIELDS, MAX_HEAD};
use kmip_server::internals::management::{MANAGEMENT_CONNECTIONS, REQUEST};
use kmip_server::kmip::enums::Operation;
use kmip_server::ttlv::{V1_2, Writer};
use serde_json::Value;

use crate::corpus::{aes_key, id, message_of, register};
use crate::harness::{PATIENCE, Pki, Running, within};

/// A server with a management interface on a free port.
struct Managed {
    server: Running,
    address: String,
}

impl Managed {
    fn start(pki: &Pki, settings: &str, options: &[&str]) -> Self {
        let settings = pki.settings(&format!("management_address=127.0.0.1:0\n{settings}"));
        let (settings, log) = (settings.display().to_string(), pki.folder.path("server.log"));
        let log = log.display().to_string();
        let mut server = Running::start([&["-f", &settings, "-l", &log], options].concat());
        let mut line = String::new();
        server.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Management on http://").unwrap().to_owned();
        Self { server, address }
    }

    fn get(&self, path: &str, fields: &str) -> (String, String) {
        ask(&self.address, &format!("GET {path} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n"))
    }

    /// Returns the body of a resource.
    fn text(&self, path: &str) -> String {
        let (head, body) = self.get(path, "Host: localhost\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap()
    }
}

/// Sends a request and returns the head and the body of the response.
fn ask(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    (head.to_owned(), body.to_owned())
}

fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_run_server")).args(arguments).output().unwrap()
}

#[test]
fn health_and_version_are_answered() {
    let pki = Pki::new();
    let managed = Managed::start(&pki, "", &[]);
    assert_eq!(managed.json("/health/live")["status"], "live");
    let ready = managed.json("/health/ready");
    assert_eq!(ready["status"], "ready", "{ready}");
    assert_eq!(ready["address"], format!("127.0.0.1:{}", managed.server.port));
    assert_eq!(ready["checks"]["store"], "ok");
    assert_eq!(managed.json("/version")["version"], env!("CARGO_PKG_VERSION"));
    // Several requests share a connection.
    let request = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2);
    let (_, rest) = ask(&managed.address, &format!("{request}GET /version HTTP/1.0\r\n\r\n"));
    assert_eq!(rest.matches("\"version\":").count(), 3, "{rest}");
}

#[test]
fn metrics_count_operations_bytes_commits_and_failed_handshakes() {
    let pki = Pki::new();
    let database = pki.folder.path("kmip.database").display().to_string();
    let managed = Managed::start(&pki, "", &["-d", &database]);
    let mut client = pki.connect(managed.server.port, &pki.client);
    let key = aes_key("counted", vec![1; 16]);
    let mut sent = 0;
    let mut exchange = |message: Vec<u8>| {
        sent += message.len();
        client.exchange(&message).unwrap()
    };
    exchange(message_of(V1_2, None, &[(Operation::Register, |w: &mut Writer| register(&key, w))]));
    let get =
        |name: &'static str| message_of(V1_2, None, &[(Operation::Get, move |w: &mut Writer| id(name, w))]);
    exchange(get("1"));
    exchange(get("1"));
    exchange(get("none"));
    exchange(b"\x42\x00\x78\x01\x00\x00\x00\x00".to_vec());
    drop(TcpStream::connect(("127.0.0.1", managed.server.port)).unwrap());
    let value = |text: &str, name: &str| -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    };
    let text = within(|| {
        let text = managed.text("/metrics");
        // The server counts an exchange when its client has the response already.
        let is_complete = value(&text, "kmip_request_duration_seconds_count") == Some(5.0)
            && value(&text, "kmip_handshake_failures_total{cause=\"port-probe\"}").is_some();
        is_complete.then_some(text)
    });
    for (name, expected) in [
        ("kmip_operations_total{operation=\"Register\",reason=\"Success\"}", 1.0),
        ("kmip_operations_total{operation=\"Get\",reason=\"Success\"}", 2.0),
        ("kmip_operations_total{operation=\"Get\",reason=\"Item Not Found\"}", 1.0),
        ("kmip_operation_duration_seconds_count{operation=\"Get\"}", 3.0),
        ("kmip_request_duration_seconds_count", 5.0),
        ("kmip_requests_refused_total{reason=\"Invalid Message\"}", 1.0),
        ("kmip_panics_total", 0.0),
        ("kmip_connections{state=\"session\"}", 1.0),
        ("kmip_connections_accepted_total", 2.0),
        ("kmip_handshake_failures_total{cause=\"port-probe\"}", 1.0),
        ("kmip_policies", 2.0),
        ("kmip_jobs{state=\"running\"}", 0.0),
    ] {
        assert_eq!(value(&text, name), Some(expected), "{name} in\n{text}");
    }
    let value = |name: &str| value(&text, name).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    #[expect(clippy::cast_precision_loss, reason = "the number is small")]
    let sent = sent as f64;
    assert_eq!(value("kmip_received_bytes_total"), sent);
    assert!(value("kmip_sent_bytes_total") > 500.0);
    assert!(value("kmip_store_size_bytes") > 4096.0);
    assert!(value("kmip_store_commit_transactions_count") >= 1.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(value("kmip_certificate_expiry_timestamp_seconds{setting=\"certificate_path\"}") > now);
    assert!((now - value("kmip_start_timestamp_seconds")).abs() < 60.0);
    // No text of a client is a label.
    assert!(!text.contains("John Doe") && !text.contains("counted"), "{text}");
}

#[test]
fn the_dashboard_uses_metrics_that_exist() {
    let pki = Pki::new();
    let managed = Managed::start(&pki, "", &[]);
    let text = managed.text("/metrics");
    let typed = |line: &str| Some(line.strip_prefix("# TYPE ")?.rsplit_once(' ')?.0.to_owned());
    let names: Vec<_> = text.lines().filter_map(typed).collect();
    assert!(names.len() > 15, "{names:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dashboard = fs::read_to_string(root.join("packaging/grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut used = Vec::new();
    let mut pending = vec![&dashboard];
    while let Some(value) = pending.pop() {
        match value {
            Value::Object(fields) => {
                used.extend(fields.get("expr").and_then(Value::as_str).into_iter().flat_map(metric_names));
                pending.extend(fields.values());
            }
            Value::Array(values) => pending.extend(values),
            _ => {}
        }
    }
    assert!(used.len() >= 10, "{used:?}");
    let page = fs::read_to_string(root.join("docs/management.md")).unwrap();
    let documented = page.split('`').skip(1).step_by(2).filter(|word| word.starts_with("kmip_"));
    for name in used.into_iter().chain(documented.flat_map(metric_names)) {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending));
        let exists = |name: &str| names.iter().any(|other| other == name);
        assert!(exists(&name) || base.is_some_and(exists), "{name} is not one of {names:?}");
    }
    for name in &names {
        assert!(page.contains(&format!("`{name}")), "docs/management.md lacks {name}");
    }
}

/// Returns the names of metrics in an expression of PromQL.
fn metric_names(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("kmip_")).map(str::to_owned).collect()
}

#[test]
fn a_server_without_its_database_file_is_not_ready() {
    let pki = Pki::new();
    let database = pki.folder.path("kmip.database");
    let managed = Managed::start(&pki, "", &["-d", &database.display().to_string()]);
    assert_eq!(managed.json("/health/ready")["status"], "ready");
    fs::rename(&database, pki.folder.path("moved")).unwrap();
    let (head, body) = managed.get("/health/ready", "Host: localhost\r\n");
    assert_eq!(status(&head), "503", "{head}");
    assert!(body.contains("kmip.database"), "{body}");
    let output = run(&["--health", &managed.address]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    fs::rename(pki.folder.path("moved"), &database).unwrap();
    assert_eq!(managed.json("/health/ready")["status"], "ready");
}

#[test]
fn pages_of_other_origins_and_other_host_names_are_refused() {
    let pki = Pki::new();
    let managed = Managed::start(&pki, "", &[]);
    for (fields, expected) in [
        (format!("Host: {}\r\n", managed.address), "200"),
        ("Host: attacker.example:9696\r\n".to_owned(), "403"),
        (format!("Host: {}\r\nOrigin: http://attacker.example\r\n", managed.address), "403"),
    ] {
        for path in ["/health/live", "/health/ready", "/version", "/metrics"] {
            let (head, body) = managed.get(path, &fields);
            assert_eq!(status(&head), expected, "{path} {fields}: {body}");
            assert!(!head.contains("Access-Control"), "{head}");
        }
    }
    let post = |kind: &str| {
        let fields = format!("Host: localhost\r\nContent-Type: {kind}\r\nContent-Length: 2\r\n");
        ask(&managed.address, &format!("POST /version HTTP/1.1\r\n{fields}\r\n{{}}")).0
    };
    assert_eq!(status(&post("text/plain")), "415");
    assert_eq!(status(&post("application/json")), "405");
}

#[test]
fn another_address_than_loopback_needs_a_token_that_each_request_contains() {
    let pki = Pki::new();
    let settings = pki.settings("management_address=0.0.0.0:0").display().to_string();
    let output = run(&["-f", &settings, "-l", "-"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("management_token") && error.contains("no-management-token"), "{error}");
    let short = pki.settings("management_address=0.0.0.0:0\nmanagement_token=secret").display().to_string();
    let output = run(&["-f", &short, "--check-settings"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("at least 16") && !error.contains("secret"), "{error}");

    let token = "0123456789abcdef0123456789abcdef";
    let settings = format!("management_address=0.0.0.0:0\nmanagement_token={token}");
    let settings = pki.settings(&settings).display().to_string();
    let log = pki.folder.path("server.log").display().to_string();
    let mut server = Running::start(["-f", &settings, "-l", &log]);
    let mut line = String::new();
    server.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
    let port: u16 = line.trim().rsplit(':').next().unwrap().parse().unwrap();
    let address = format!("127.0.0.1:{port}");
    for (field, expected) in [
        ("", "401"),
        ("Authorization: Bearer 0123456789abcdef0123456789abcdeF\r\n", "401"),
        ("Authorization: Bearer 0123456789abcdef0123456789abcde\r\n", "401"),
        (&format!("Authorization: Bearer {token}\r\n"), "200"),
    ] {
        let (head, body) = ask(
            &address,
            &format!("GET /metrics HTTP/1.1\r\nHost: kmip.example\r\n{field}Connection: close\r\n\r\n"),
        );
        assert_eq!(status(&head), expected, "{field}");
        assert_eq!(body.contains("kmip_"), expected == "200", "{body}");
    }
    let output = run(&["--health", &address]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = run(&["-f", &settings, "--health", &address]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!pki.log().contains(token) && pki.log().contains("is refused"), "{}", pki.log());
    let checked = run(&["-f", &settings, "-l", &log, "--check-config"]);
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains("clients with the token") && !checked.contains(token), "{checked}");
}

#[test]
fn health_and_wait_ready_report_a_server_by_their_exit_code() {
    let pki = Pki::new();
    let managed = Managed::start(&pki, "", &[]);
    let output = run(&["--health", &managed.address]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let line = format!("Listening on {port} (127.0.0.1:{port})\n", port = managed.server.port);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), line);
    let with_equals = run(&[&format!("--health={}", managed.address)]);
    assert_eq!(with_equals.status.code(), Some(0));
    let script = ["sh", "-c", "echo port $KMIP_SERVER_PORT \"$@\"; exit 7", "--port", "--host"];
    let wait = ["--wait-ready", "5", "--management_address", &managed.address, "--"];
    let output = run(&[&wait[..], &script[..]].concat());
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let expected = format!("port {} --host\n", managed.server.port);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);

    let address = managed.address.clone();
    drop(managed);
    let begun = Instant::now();
    let output = run(&["--wait-ready", "1", "--management_address", &address, "--", "true"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < PATIENCE);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&address) && error.contains("not-ready"), "{error}");
    assert_eq!(run(&["--health"]).status.code(), Some(1));
    assert_eq!(run(&["--wait-ready", "soon"]).status.code(), Some(2));
}

#[test]
fn wait_ready_waits_for_a_server_that_starts_later() {
    let pki = Pki::new();
    // The port is free again when its listener is closed.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_run_server"))
        .args(["--wait-ready", "20", "--management_address", &address])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(waiting.try_wait().unwrap().is_none());
    let mut options = pki.options();
    options.extend(["--management_address".to_owned(), address]);
    let _server = Running::start(options);
    assert_eq!(within(|| waiting.try_wait().unwrap()).code(), Some(0));
}

#[test]
fn slow_long_and_many_requests_are_bounded() {
    let pki = Pki::new();
    let managed = Managed::start(&pki, "", &[]);
    let begun = Instant::now();
    let mut slow = TcpStream::connect(&managed.address).unwrap();
    let address = managed.address.clone();
    let slow = std::thread::spawn(move || {
        // A byte now and then does not prolong the time of a request.
        while begun.elapsed() < REQUEST * 3 {
            if slow.write_all(b"G").is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        begun.elapsed()
    });
    for long in [
        format!("GET /version HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD)),
        format!("GET /version HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: x\r\n".repeat(MAX_FIELDS)),
    ] {
        assert_eq!(status(&ask(&address, &long).0), "431");
    }
    let fields = "Host: localhost\r\nContent-Length: 1000000\r\n";
    assert_eq!(status(&ask(&address, &format!("GET /version HTTP/1.1\r\n{fields}\r\n")).0), "413");
    // The oldest of too many connections ends, and KMIP clients are served meanwhile.
    let mut many: Vec<_> =
        (0..MANAGEMENT_CONNECTIONS + 20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(managed.json("/health/ready")["status"], "ready");
    let mut client = pki.connect(managed.server.port, &pki.client);
    let get = |w: &mut Writer| id("none", w);
    client.exchange(&message_of(V1_2, None, &[(Operation::Get, get)])).unwrap();
    many[0].set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(many[0].read(&mut [0]).unwrap(), 0);
    drop(many);
    let ended = slow.join().unwrap();
    assert!(ended < REQUEST * 2, "the slow client was served for {ended:?}");
}

#[test]
fn a_stopping_server_ends_idle_management_connections() {
    let pki = Pki::new();
    let mut managed = Managed::start(&pki, "", &[]);
    let mut idle = TcpStream::connect(&managed.address).unwrap();
    let begun = Instant::now();
    managed.server.signal("TERM");
    assert_eq!(managed.server.wait(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn health_needs_a_host_and_a_port() {
    for address in ["127.0.0.1", "localhost:port", "http://127.0.0.1:9696", "/nowhere"] {
        let output = run(&["--health", address]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("expected HOST:PORT"), "{address}: {error}");
    }
}
