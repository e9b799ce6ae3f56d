//! Access, resources and the text of the metrics.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::dispatch::DispatcherStatus;
use crate::engine::Services;
use crate::http::{RequestError, Requests};
use crate::kmip::enums::{Operation, ResultReason};
use crate::observe::metrics::Metrics;
use crate::observe::recorder::{MAX_WATCHERS, Recorder};
use crate::observe::{Connections, Execution, FailedHandshake, Observer};
use crate::secret::Secret;

/// A server with these errors of its store and its certificate.
struct Fixed {
    store: Result<(), String>,
}

impl Subject for Fixed {
    fn readiness(&self) -> Readiness {
        Readiness {
            address: ([127, 0, 0, 1], 5696).into(),
            listening: true,
            store: self.store.clone(),
            certificate: Ok(()),
        }
    }

    fn sample(&self) -> Sample {
        let metrics = Metrics::default();
        let failure = Some(ResultReason::ItemNotFound);
        for failure in [None, failure] {
            let duration = Duration::from_millis(2);
            metrics.executed(&Execution { operation: Operation::Get, failure, duration });
        }
        metrics.handshake_failed(&FailedHandshake::of("expired"));
        Sample {
            metrics: Arc::new(metrics),
            connections: Connections { sessions: 3, ..Connections::default() },
            dispatcher: DispatcherStatus::default(),
            expiries: vec![("certificate_path", 2_000_000_000)],
            started: 1,
        }
    }
}

/// A server without objects.
#[derive(Default)]
struct Empty(Arc<Recorder>);

impl Inspected for Empty {
    fn recorder(&self) -> &Arc<Recorder> {
        &self.0
    }

    fn with_services(&self, _: &mut dyn FnMut(&Services)) {}

    fn audit_log(&self) -> Option<&Path> {
        None
    }

    fn explain(&self, _: &str) -> Option<Explanation> {
        None
    }
}

fn management(token: Option<&str>) -> Management {
    let token = token.map(|token| Secret::new(token.as_bytes().to_vec()));
    let access = Access::new("kmip.example", token.as_ref());
    Management::new(access, Arc::new(Fixed { store: Ok(()) }), Arc::<Empty>::default(), None)
}

/// Returns the response to a request, or the refusal's status.
fn ask(management: &Management, text: &str) -> String {
    let accepted = Requests::default().head(&mut text.as_bytes(), |head| management.accept(head));
    match accepted {
        Ok(request) => String::from_utf8(management.respond(&request, b"", false).to_vec()).unwrap(),
        Err(RequestError::Rejected(rejection)) => String::from_utf8(rejection.response(false)).unwrap(),
        Err(error) => panic!("{error}"),
    }
}

fn status(management: &Management, method: &str, path: &str, fields: &str) -> String {
    let answer = ask(management, &format!("{method} {path} HTTP/1.1\r\n{fields}\r\n"));
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn only_names_of_this_machine_have_access_without_a_token() {
    let management = management(None);
    for (fields, expected) in [
        ("Host: localhost:9696\r\n", "200"),
        ("Host: LOCALHOST\r\n", "200"),
        ("Host: 127.0.0.1:9696\r\n", "200"),
        ("Host: [::1]:9696\r\n", "200"),
        ("Host: kmip.example:9696\r\n", "200"),
        ("Host: attacker.example:9696\r\n", "403"),
        ("Host: localhost.attacker.example\r\n", "403"),
        ("Host: 127.0.0.1.attacker.example\r\n", "403"),
        ("Host: localhost:9696\r\nOrigin: http://localhost:9696\r\n", "200"),
        ("Host: localhost:9696\r\nOrigin: http://localhost:8080\r\n", "403"),
        ("Host: localhost:9696\r\nOrigin: https://attacker.example\r\n", "403"),
        ("Host: localhost:9696\r\nOrigin: null\r\n", "403"),
        ("", "400"),
        ("Host: localhost\r\nHost: localhost\r\n", "400"),
    ] {
        assert_eq!(status(&management, "GET", "/version", fields), expected, "{fields}");
    }
}

#[test]
fn a_token_is_required_for_each_path_if_there_is_one() {
    let management = management(Some("0123456789abcdef"));
    for (fields, expected) in [
        ("", "401"),
        ("Authorization: Bearer 0123456789abcde\r\n", "401"),
        ("Authorization: Bearer 0123456789abcdeg\r\n", "401"),
        ("Authorization: Bearer\r\n", "401"),
        ("Authorization: Basic 0123456789abcdef\r\n", "401"),
        ("Authorization: bearer 0123456789abcdef\r\n", "200"),
        ("Authorization: Bearer 0123456789abcdef\r\nOrigin: http://attacker.example\r\n", "403"),
    ] {
        for path in ["/health/live", "/version", "/metrics", "/inspector/records", "/inspector/events"] {
            let fields = format!("Host: any.example\r\n{fields}");
            assert_eq!(status(&management, "GET", path, &fields), expected, "{path} {fields}");
        }
    }
}

#[test]
fn a_change_needs_json_and_no_path_accepts_one() {
    let management = management(None);
    for (method, path, fields, expected) in [
        ("POST", "/version", "", "415"),
        ("POST", "/version", "Content-Type: text/plain\r\n", "415"),
        ("POST", "/version", "Content-Type: application/jsonp\r\n", "415"),
        ("POST", "/version", "Content-Type: application/json; charset=utf-8\r\n", "405"),
        ("DELETE", "/health/live", "", "415"),
        ("GET", "/", "", "200"),
        ("POST", "/", "Content-Type: application/json\r\n", "405"),
        ("GET", "/inspector", "", "404"),
        ("GET", "/inspector/record", "", "400"),
        ("GET", "/inspector/record?number=1", "", "404"),
        ("GET", "/inspector/records?after=x", "", "400"),
        ("GET", "/inspector/objects", "", "404"),
        ("GET", "/version/", "", "404"),
        ("GET", "/version?a=b", "", "200"),
        ("GET", "/version", "Content-Length: 1\r\n", "413"),
        ("HEAD", "/version", "", "200"),
    ] {
        let fields = format!("Host: localhost\r\n{fields}");
        assert_eq!(status(&management, method, path, &fields), expected, "{method} {path} {fields}");
    }
    let head = ask(&management, "HEAD /version HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.contains("Content-Length: ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn a_server_whose_store_fails_is_live_and_not_ready() {
    let subject = Fixed { store: Err("the disk is full".to_owned()) };
    let management = Management::new(Access::new("", None), Arc::new(subject), Arc::<Empty>::default(), None);
    assert_eq!(status(&management, "GET", "/health/live", "Host: localhost\r\n"), "200");
    let answer = ask(&management, "GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the disk is full"), "{answer}");
}

#[test]
fn metrics_have_the_text_format_of_prometheus() {
    let text = ask(&management(None), "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for line in [
        "Content-Type: text/plain; version=0.0.4; charset=utf-8",
        "# TYPE kmip_operations_total counter",
        "kmip_operations_total{operation=\"Get\",reason=\"Success\"} 1",
        "kmip_operations_total{operation=\"Get\",reason=\"Item Not Found\"} 1",
        "# TYPE kmip_operation_duration_seconds histogram",
        "kmip_operation_duration_seconds_bucket{operation=\"Get\",le=\"0.001\"} 0",
        "kmip_operation_duration_seconds_bucket{operation=\"Get\",le=\"0.0025\"} 2",
        "kmip_operation_duration_seconds_bucket{operation=\"Get\",le=\"+Inf\"} 2",
        "kmip_operation_duration_seconds_count{operation=\"Get\"} 2",
        "kmip_connections{state=\"session\"} 3",
        "kmip_handshake_failures_total{cause=\"expired\"} 1",
        "kmip_certificate_expiry_timestamp_seconds{setting=\"certificate_path\"} 2000000000",
        "kmip_start_timestamp_seconds 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
}

#[test]
fn the_files_of_the_page_need_no_token_and_allow_no_other_origin() {
    for (management, host) in
        [(management(Some("0123456789abcdef")), "any.example"), (management(None), "localhost")]
    {
        for (path, kind) in
            [("/", "text/html"), ("/inspector.js", "text/javascript"), ("/inspector.css", "text/css")]
        {
            let answer = ask(&management, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
            assert!(answer.contains(&format!("Content-Type: {kind}; charset=utf-8")), "{path}");
            assert!(
                answer.contains("Content-Security-Policy: default-src 'none'; script-src 'self'"),
                "{path}"
            );
        }
        let foreign = format!("Host: {host}\r\nOrigin: http://attacker.example\r\n");
        assert_eq!(status(&management, "GET", "/", &foreign), "403");
    }
    assert_eq!(status(&management(None), "GET", "/", "Host: attacker.example\r\n"), "403");
}

#[test]
fn the_page_contains_no_script_or_style_of_its_own_and_no_address() {
    for (name, text) in [("html", inspector::PAGE), ("js", inspector::SCRIPT), ("css", inspector::STYLE)] {
        for part in ["http://", "https://", "innerHTML", "eval(", "onclick=", "style=", "<style", "url("] {
            assert!(!text.contains(part), "{name} contains {part}");
        }
    }
    assert_eq!(inspector::PAGE.matches("<script").count(), 1);
}

#[test]
fn the_watchers_are_bounded() {
    let management = management(None);
    let watch = || {
        let text = "GET /inspector/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let request = Requests::default().head(&mut text.as_bytes(), |head| management.accept(head)).unwrap();
        management.events(&request)
    };
    let watchers: Vec<_> = (0..MAX_WATCHERS).map(|_| watch().unwrap().unwrap()).collect();
    assert!(matches!(watch(), Err(Rejection::Refused(refusal)) if refusal == TOO_MANY_WATCHERS));
    drop(watchers);
    assert!(watch().is_ok());
}
