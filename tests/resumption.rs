//! Session resumption in both TLS versions: a resumed session has the identity and the rules of a full handshake.

use std::thread;
use std::time::{Duration, SystemTime};

use kmip_server::internals::server::authenticator;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};

use crate::auth::WhoAmI;
use crate::harness::{Client, Credential, Embedded, Pki, request};

fn configs(pki: &Pki, client: &Credential) -> [ClientConfig; 2] {
    [&TLS12, &TLS13].map(|version| Client::config(&pki.ca.credential.certificate, Some(client), &[version]))
}

fn serve(pki: &Pki) -> Embedded {
    let config = pki.config();
    Embedded::start(&config, WhoAmI(authenticator(&config).unwrap()))
}

/// Returns the kind of the handshake, and the identity that the server reports.
fn visit(port: u16, config: &ClientConfig) -> std::io::Result<(HandshakeKind, String)> {
    let mut client = Client::with(port, config.clone())?;
    let answer = client.exchange(&request(0))?;
    let kind = client.stream.conn.handshake_kind().unwrap();
    Ok((kind, String::from_utf8(answer[8..].to_vec()).unwrap()))
}

fn is_full(kind: HandshakeKind) -> bool {
    kind != HandshakeKind::Resumed
}

#[test]
fn second_connection_resumes_the_session_with_the_same_identity() {
    let pki = Pki::new();
    let server = serve(&pki);
    for config in configs(&pki, &pki.client) {
        let (kind, first) = visit(server.port, &config).unwrap();
        assert!(is_full(kind) && first == "John Doe, None, 127.0.0.1", "{kind:?}, {first}");
        for _ in 0..3 {
            assert_eq!(visit(server.port, &config).unwrap(), (HandshakeKind::Resumed, first.clone()));
        }
    }
}

#[test]
fn certificate_rules_apply_to_resumed_sessions() {
    let pki = Pki::new();
    let server = serve(&pki);
    let unmarked = pki.ca.issue(&["Jane Smith"], |_| ());
    for config in configs(&pki, &unmarked) {
        let refusal = "certificate: true".to_owned();
        assert_eq!(visit(server.port, &config).unwrap().1, refusal);
        assert_eq!(visit(server.port, &config).unwrap(), (HandshakeKind::Resumed, refusal));
    }
}

#[test]
fn session_is_not_resumed_after_the_client_certificate_expired() {
    let pki = Pki::new();
    let server = serve(&pki);
    let end = SystemTime::now() + Duration::from_secs(3);
    let brief = pki.ca.issue(&["Brief"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = end.into();
    });
    let configs = configs(&pki, &brief);
    for config in &configs {
        visit(server.port, config).unwrap();
        assert_eq!(visit(server.port, config).unwrap().0, HandshakeKind::Resumed);
    }
    // Validity periods of certificates have a resolution of one second. rustls reads the machine's clock itself.
    thread::sleep(end.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_millis(1100));
    for config in &configs {
        assert!(visit(server.port, config).is_err());
    }
    assert!(visit(server.port, &self::configs(&pki, &pki.client)[0]).is_ok(), "others are served");
}

#[test]
fn session_is_not_resumed_after_a_restart_of_the_server() {
    let pki = Pki::new();
    let configs = configs(&pki, &pki.client);
    let first = serve(&pki);
    for config in &configs {
        visit(first.port, config).unwrap();
        assert_eq!(visit(first.port, config).unwrap().0, HandshakeKind::Resumed);
    }
    drop(first);
    let second = serve(&pki);
    for config in &configs {
        let (kind, answer) = visit(second.port, config).unwrap();
        assert!(is_full(kind) && answer == "John Doe, None, 127.0.0.1", "{kind:?}, {answer}");
        assert_eq!(visit(second.port, config).unwrap().0, HandshakeKind::Resumed);
    }
}
