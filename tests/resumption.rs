//! Sessions that are resumed: in both versions of TLS, with the identity and under the rules of full handshakes.

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
    Embedded::start(&config, WhoAmI(authenticator(&config)))
}

/// How the handshake went, and what the server says about the client.
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
fn a_client_that_comes_back_resumes_its_session_and_keeps_its_identity() {
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
fn the_rules_for_certificates_hold_for_resumed_sessions() {
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
fn no_session_outlives_the_certificate_of_the_client() {
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
    // Certificates count in whole seconds.
    thread::sleep(end.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_millis(1100));
    for config in &configs {
        assert!(visit(server.port, config).is_err());
    }
    assert!(visit(server.port, &self::configs(&pki, &pki.client)[0]).is_ok(), "others are served");
}

#[test]
fn no_session_outlives_the_server_that_began_it() {
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
