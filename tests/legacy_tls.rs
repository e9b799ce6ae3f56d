//! TLS clients that rustls cannot serve: OpenSSL serves them on the same port, by the same rules.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use kmip_server::internals::config::{AuthSuite, Config, TlsVersion};
use kmip_server::internals::server::{KeyType, LEGACY_SUITES, Offered, Server, openssl_name};
use kmip_server::kmip::enums::{Operation, ResultStatus};
use kmip_server::ttlv::{V1_2, Writer};
use openssl::pkey::PKey;
use openssl::ssl::{
    ErrorCode, HandshakeError, Ssl, SslContextBuilder, SslMethod, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use rustls::version::TLS12;

use crate::corpus::{message_of, statuses};
use crate::harness::{
    Authority, Client, Credential, Draw, Echo, Embedded, PATIENCE, Pki, Running, request, self_signed, within,
};
use crate::settings::with;

/// A suite that rustls does not have.
const CBC: &str = "ECDHE-ECDSA-AES128-SHA256";

/// What a client offers. Without certificate verification: the tests of rustls' side cover the server's certificate.
struct Offer<'a> {
    client: Option<&'a Credential>,
    ciphers: &'a str,
    groups: Option<&'a str>,
    versions: [SslVersion; 2],
    server_name: &'a str,
}

impl<'a> Offer<'a> {
    fn of(client: &'a Credential, ciphers: &'a str) -> Self {
        let versions = [SslVersion::TLS1_2; 2];
        Self { client: Some(client), ciphers, groups: None, versions, server_name: "localhost" }
    }

    /// Connects, and completes the handshake, which is all that TLS 1.2 needs for the server's decision.
    fn connect(&self, port: u16) -> Result<SslStream<TcpStream>, Refusal> {
        let mut builder = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
        builder.set_security_level(0);
        builder.set_verify(SslVerifyMode::NONE);
        builder.set_cipher_list(&format!("{}:@SECLEVEL=0", self.ciphers)).unwrap();
        builder.set_min_proto_version(Some(self.versions[0])).unwrap();
        builder.set_max_proto_version(Some(self.versions[1])).unwrap();
        if let Some(groups) = self.groups {
            builder.set_groups_list(groups).unwrap();
        }
        if let Some(client) = self.client {
            builder.set_certificate(&X509::from_der(&client.certificate).unwrap()).unwrap();
            for certificate in &client.chain {
                builder.add_extra_chain_cert(X509::from_der(certificate).unwrap()).unwrap();
            }
            builder
                .set_private_key(&PKey::private_key_from_der(client.key_der().secret_der()).unwrap())
                .unwrap();
        }
        let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut tls = Ssl::new(&builder.build()).unwrap();
        tls.set_hostname(self.server_name).unwrap();
        tls.connect(tcp).map_err(|error| match error {
            HandshakeError::Failure(stream) => Refusal::of(stream.error()),
            _ => panic!("another error"),
        })
    }

    fn is_served(&self, port: u16) -> bool {
        self.connect(port).is_ok_and(|mut stream| exchange(&mut stream, &request(8)) == request(8))
    }
}

/// How the server refused a client.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// By the alert with this number.
    Alert(u8),
    /// By the end of the connection.
    Closed,
}

impl Refusal {
    fn of(error: &openssl::ssl::Error) -> Self {
        let errors = error.ssl_error().into_iter().flat_map(|errors| errors.errors());
        let alert = errors.filter_map(|error| error.reason_code().checked_sub(1000));
        alert.filter_map(|alert| u8::try_from(alert).ok()).next().map_or(Self::Closed, Self::Alert)
    }
}

fn exchange(stream: &mut SslStream<TcpStream>, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).unwrap();
    receive(stream, request.len())
}

fn receive(stream: &mut SslStream<TcpStream>, length: usize) -> Vec<u8> {
    let mut response = vec![0; length];
    stream.read_exact(&mut response).unwrap();
    response
}

/// Returns whether the server closes the connection.
fn is_closed(stream: &mut SslStream<TcpStream>) -> bool {
    match stream.ssl_read(&mut [0; 64]) {
        Ok(_) => false,
        Err(error) => error.code() != ErrorCode::WANT_READ,
    }
}

/// Certificates whose server has an RSA key.
fn rsa_pki() -> Pki {
    let pki = Pki::new();
    let server = pki.ca.rsa_server();
    pki.folder.write("server.pem", server.pem());
    pki.folder.write("server.key", server.key_pem());
    pki
}

fn serves(key: KeyType, suite: &str) -> bool {
    suite.contains("_ECDSA_") == (key == KeyType::Ec)
}

#[test]
fn serves_each_suite_that_is_offered_over_each_version_that_is_allowed() {
    let versions = [SslVersion::TLS1, SslVersion::TLS1_1, SslVersion::TLS1_2];
    let minima = [TlsVersion::V1_0, TlsVersion::V1_1, TlsVersion::V1_2];
    for (key, pki) in [(KeyType::Rsa, rsa_pki()), (KeyType::Ec, Pki::new())] {
        for (oldest, minimum) in minima.into_iter().enumerate() {
            let server = Embedded::start(&with(pki.config(), |it| it.tls_minimum_version = minimum), Echo);
            for suite in LEGACY_SUITES {
                let is_offered = match suite.offered {
                    Offered::Always => true,
                    Offered::OldVersions => minimum < TlsVersion::V1_2,
                    Offered::IfNamed => false,
                };
                for (age, version) in versions.into_iter().enumerate() {
                    // Suites with SHA-256, SHA-384 or AEAD need TLS 1.2 (RFC 5246).
                    let has_version = age == 2 || suite.name.ends_with("_SHA");
                    if !has_version {
                        continue;
                    }
                    let name = openssl_name(suite.name);
                    let offer = Offer { versions: [version; 2], ..Offer::of(&pki.client, &name) };
                    let expected = is_offered && serves(key, suite.name) && age >= oldest;
                    assert_eq!(
                        offer.is_served(server.port),
                        expected,
                        "{name}, {key}, {version:?}, from {minimum:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn session_ends_at_the_first_request_after_its_ca_was_removed_or_its_certificate_expired() {
    let pki = Pki::new();
    let other = Authority::new("Other CA");
    let between = other.intermediate("Between");
    pki.folder.write("ca.pem", [pki.ca.pem(), other.pem()].concat());
    let server = Embedded::real(&pki.config());
    let end = SystemTime::now() + Duration::from_secs(4);
    let brief = pki.ca.issue(&["Brief"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = end.into();
    });
    let mut below = between.client("Below");
    below.chain.push(between.credential.certificate.clone());
    let query = message_of(V1_2, None, &[(Operation::DiscoverVersions, |_: &mut Writer| ())]);
    let ask = |stream: &mut SslStream<TcpStream>| {
        stream.write_all(&query).unwrap();
        let mut head = receive(stream, 8);
        let length = u32::from_be_bytes(head[4..].try_into().unwrap());
        head.extend(receive(stream, usize::try_from(length).unwrap()));
        statuses(&head)[0]
    };
    let mut expiring = Offer::of(&brief, CBC).connect(server.port).unwrap();
    let mut leaving = Offer::of(&below, CBC).connect(server.port).unwrap();
    let mut staying = Offer::of(&pki.client, CBC).connect(server.port).unwrap();
    for stream in [&mut expiring, &mut leaving, &mut staying] {
        assert_eq!(ask(stream), ResultStatus::Success);
    }
    std::thread::sleep(
        end.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_millis(1100),
    );
    assert_eq!(ask(&mut expiring), ResultStatus::OperationFailed);
    assert!(is_closed(&mut expiring));
    // The certificate between them is not in the file.
    assert_eq!(ask(&mut leaving), ResultStatus::Success);
    pki.folder.write("ca.pem", pki.ca.pem());
    within(|| (ask(&mut leaving) == ResultStatus::OperationFailed).then_some(()));
    assert!(is_closed(&mut leaving));
    assert_eq!(ask(&mut staying), ResultStatus::Success);
}

#[test]
fn named_suites_are_the_only_ones() {
    let pki = rsa_pki();
    let named = |name: &str| with(pki.config(), |it| it.tls_cipher_suites = vec![name.to_owned()]);
    let rsa = LEGACY_SUITES.iter().filter(|suite| serves(KeyType::Rsa, suite.name));
    for suite in rsa {
        let server = Embedded::start(&named(suite.name), Echo);
        assert!(Offer::of(&pki.client, &openssl_name(suite.name)).is_served(server.port), "{}", suite.name);
        let other =
            if suite.name.contains("_CBC_") { "ECDHE-RSA-AES128-GCM-SHA256" } else { "AES128-SHA256" };
        let refusal = Offer::of(&pki.client, other).connect(server.port).unwrap_err();
        assert_eq!(refusal, Refusal::Alert(40), "{}", suite.name);
    }
}

#[test]
fn rustls_serves_what_it_can() {
    let pki = rsa_pki();
    let server = Embedded::start(&pki.config(), Echo);
    let offer = Offer {
        versions: [SslVersion::TLS1_2, SslVersion::TLS1_3],
        ..Offer::of(&pki.client, "AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-GCM-SHA256")
    };
    let mut stream = offer.connect(server.port).unwrap();
    assert_eq!(exchange(&mut stream, &request(8)), request(8));
    assert_eq!(stream.ssl().version2(), Some(SslVersion::TLS1_3));
    let offer = Offer { versions: [SslVersion::TLS1_2; 2], ..offer };
    let mut stream = offer.connect(server.port).unwrap();
    assert_eq!(exchange(&mut stream, &request(8)), request(8));
    assert_eq!(stream.ssl().current_cipher().unwrap().name(), "ECDHE-RSA-AES128-GCM-SHA256");
}

#[test]
fn serves_groups_and_server_names_that_rustls_refuses() {
    let pki = rsa_pki();
    let server = Embedded::start(&with(pki.config(), |it| it.enable_tls_client_auth = false), Echo);
    // A client uses its groups also for its own certificate, which is therefore one with an RSA key.
    let client = pki.ca.rsa_server();
    let (gcm, cbc) = ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-SHA384");
    for groups in ["P-521", "X448", "P-521:X448"] {
        let offer = Offer { groups: Some(groups), ..Offer::of(&client, gcm) };
        let outcome = offer.connect(server.port).map(drop);
        assert_eq!(outcome, Ok(()), "{groups}");
    }
    for server_name in
        ["localhost:5696", "a..b", "-kmip", "*.example.com", "under_score", "kmip server", "ä.example"]
    {
        for ciphers in [gcm, cbc] {
            let offer = Offer { server_name, ..Offer::of(&client, ciphers) };
            assert!(offer.is_served(server.port), "{server_name}, {ciphers}");
            // A client that also offers TLS 1.3 continues with TLS 1.2.
            let newer = Offer { versions: [SslVersion::TLS1_2, SslVersion::TLS1_3], ..offer };
            assert!(newer.is_served(server.port), "{server_name}, {ciphers}");
        }
    }
}

#[test]
fn a_server_name_that_is_no_host_name_is_refused_without_openssl() {
    let pki = Pki::new();
    let server = Embedded::start(&with(pki.config(), |it| it.legacy_tls = false), Echo);
    let of = |server_name| Offer { server_name, ..Offer::of(&pki.client, "ECDHE-ECDSA-AES256-GCM-SHA384") };
    for server_name in ["localhost:5696", "a..b", "-kmip", "*.example.com", "kmip server"] {
        let refusal = of(server_name).connect(server.port).map(drop).unwrap_err();
        assert!(matches!(refusal, Refusal::Alert(47 | 50)), "{server_name}: {refusal:?}");
    }
    for server_name in ["localhost", "127.0.0.1", "under_score"] {
        assert!(of(server_name).is_served(server.port), "{server_name}");
    }
}

#[test]
fn alerts_state_why_a_client_is_refused() {
    let pki = Pki::new();
    let alert = |config: &Config, offer: &Offer<'_>| {
        offer.connect(Embedded::start(config, Echo).port).map(drop).unwrap_err()
    };
    let old = |version| Offer { versions: [version; 2], ..Offer::of(&pki.client, "ECDHE-ECDSA-AES128-SHA") };
    const PROTOCOL_VERSION: Refusal = Refusal::Alert(70);
    const HANDSHAKE_FAILURE: Refusal = Refusal::Alert(40);
    assert_eq!(alert(&pki.config(), &old(SslVersion::TLS1)), PROTOCOL_VERSION);
    let later = with(pki.config(), |it| it.tls_minimum_version = TlsVersion::V1_1);
    assert_eq!(alert(&later, &old(SslVersion::TLS1)), PROTOCOL_VERSION);
    assert_eq!(alert(&pki.config(), &Offer::of(&pki.client, "AES128-SHA256")), HANDSHAKE_FAILURE);
    let modern = with(pki.config(), |it| it.legacy_tls = false);
    assert_eq!(alert(&modern, &Offer::of(&pki.client, CBC)), HANDSHAKE_FAILURE);
    assert_eq!(alert(&modern, &old(SslVersion::TLS1_1)), PROTOCOL_VERSION);
    let newest = with(pki.config(), |it| it.auth_suite = AuthSuite::Tls13);
    assert_eq!(alert(&newest, &Offer::of(&pki.client, CBC)), PROTOCOL_VERSION);
}

/// Client certificates of every kind, each with whether it is trusted. Writes a CA file that some of them need.
fn certificates(pki: &Pki) -> Vec<(&'static str, Option<Credential>, bool)> {
    let (second, other) = (Authority::new("Second CA"), Authority::new("Root CA"));
    let intermediate = second.intermediate("Between");
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2001, 1, 1);
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(4000, 1, 1);
    let pinned = self_signed("Pinned", |_| ());
    let old_ca = Authority::with("Old CA", expired);
    pki.folder.write("ca.pem", [pki.ca.pem(), second.pem(), pinned.pem(), old_ca.pem()].concat());
    let mut complete = intermediate.client("Complete");
    complete.chain.push(intermediate.credential.certificate.clone());
    let mut with_root = intermediate.client("With root");
    with_root.chain =
        vec![intermediate.credential.certificate.clone(), second.credential.certificate.clone()];
    let mut deep = (intermediate.credential.certificate.clone(), intermediate.intermediate("1"));
    let mut chain = vec![deep.0];
    for depth in 2..5 {
        chain.insert(0, deep.1.credential.certificate.clone());
        deep = (deep.1.credential.certificate.clone(), deep.1.intermediate(&depth.to_string()));
    }
    chain.insert(0, deep.1.credential.certificate.clone());
    let mut below = deep.1.client("Deep");
    below.chain = chain;
    let mut shuffled = Credential { chain: below.chain.clone(), ..deep.1.client("Shuffled") };
    shuffled.chain.reverse();
    vec![
        ("no certificate", None, false),
        ("issued", Some(pki.ca.client("John Doe")), true),
        ("another CA of that name", Some(other.client("John Doe")), false),
        ("self-signed", Some(self_signed("John Doe", |_| ())), false),
        ("in ca_path itself", Some(pinned), true),
        ("expired", Some(pki.ca.issue(&["A"], expired)), false),
        ("not yet valid", Some(pki.ca.issue(&["A"], early)), false),
        ("expired CA", Some(old_ca.client("A")), false),
        ("intermediate missing", Some(intermediate.client("A")), false),
        ("complete", Some(complete), true),
        ("with root", Some(with_root), true),
        ("deep", Some(below), true),
        ("shuffled", Some(shuffled), true),
        ("version 1", Some(pki.ca.issue_version_1("Old")), true),
        (
            "CA certificate",
            Some(pki.ca.issue(&["CA"], |it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
            true,
        ),
        (
            "for servers",
            Some(
                pki.ca.issue(&["S"], |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            ),
            false,
        ),
        ("without extended key usage", Some(pki.ca.issue(&["N"], |_| ())), true),
    ]
}

#[test]
fn both_stacks_decide_alike_on_client_certificates() {
    let pki = Pki::new();
    let certificates = certificates(&pki);
    let server = Embedded::start(&pki.config(), Echo);
    let lax = Embedded::start(&with(pki.config(), |it| it.enable_tls_client_auth = false), Echo);
    let root = &pki.ca.credential.certificate;
    for (name, client, trusted) in &certificates {
        for (port, trusted) in [(server.port, *trusted), (lax.port, *trusted || *name == "for servers")] {
            let rustls = Client::connect(port, root, client.as_ref(), &[&TLS12])
                .and_then(|mut it| it.exchange(&request(8)));
            assert_eq!(rustls.is_ok(), trusted, "{name}: {rustls:?}");
            let offer = Offer { client: client.as_ref(), ..Offer::of(&pki.client, CBC) };
            let openssl = offer.connect(port);
            assert_eq!(openssl.is_ok(), trusted, "{name}: {:?}", openssl.err());
            let (Err(rustls), Err(openssl)) = (rustls, openssl) else { continue };
            let alert = rustls.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
            let Some(rustls::Error::AlertReceived(alert)) = alert else { panic!("{name}: {rustls:?}") };
            let expected = match (*name, u8::from(*alert)) {
                // certificate_required exists since TLS 1.3: OpenSSL sends handshake_failure before.
                ("no certificate", 116) => 40,
                // OpenSSL cannot compare the signature of a trust anchor, so this is unknown_ca instead of decrypt_error.
                (_, 51) => 48,
                // OpenSSL distinguishes a certificate that is not valid yet (bad_certificate) from an expired one.
                ("not yet valid", 45) => 42,
                (_, alert) => alert,
            };
            assert_eq!(openssl, Refusal::Alert(expected), "{name}: {alert:?}");
        }
    }
}

#[test]
fn the_log_states_that_a_client_uses_a_legacy_cipher_suite() {
    let pki = Pki::new();
    let server = Running::start([pki.options(), vec!["-s".to_owned(), "Basic".to_owned()]].concat());
    let mut stream = Offer::of(&pki.client, CBC).connect(server.port).unwrap();
    stream.write_all(&request(8)).unwrap();
    assert_eq!(receive(&mut stream, 3), [0x42, 0x00, 0x7b]);
    let log = within(|| Some(pki.log()).filter(|log| log.contains("Starting session")));
    let expected = ", TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, a legacy cipher suite";
    assert!(log.contains(expected), "{log}");
}

#[test]
fn requests_have_the_deadlines_and_bounds_of_the_other_stack() {
    let pki = Pki::new();
    let hasty = with(pki.config(), |it| it.request_timeout = Duration::from_millis(300));
    let hasty = Embedded::start(&hasty, Echo);
    let bounded = Embedded::start(&with(pki.config(), |it| it.max_request_size = 3_000_008), Echo);
    let connect = |server: &Embedded| Offer::of(&pki.client, CBC).connect(server.port).unwrap();
    let mut idle = connect(&hasty);
    assert_eq!(exchange(&mut idle, &request(8)), request(8));

    let mut half = connect(&hasty);
    half.write_all(&request(8)[..3]).unwrap();
    let start = Instant::now();
    assert!(is_closed(&mut half));
    assert!(start.elapsed() >= Duration::from_millis(200) && start.elapsed() < Duration::from_secs(5));

    let mut part = connect(&hasty);
    part.get_mut().write_all(&[0x17, 3, 3, 0, 100, 1, 2]).unwrap();
    assert!(is_closed(&mut part), "part of a record");

    let mut pipelined = connect(&bounded);
    let requests: Vec<_> = (1..=64).map(|count| request(count * 8)).collect();
    pipelined.write_all(&requests.concat()).unwrap();
    for expected in &requests {
        assert_eq!(receive(&mut pipelined, expected.len()), *expected);
    }

    assert_eq!(exchange(&mut idle, &request(8)), request(8), "idle for longer than the limit of a request");
    let mut long = connect(&bounded);
    assert_eq!(exchange(&mut long, &request(3_000_000)), request(3_000_000));
    long.write_all(&request(3_000_001)[..4096]).unwrap();
    assert!(is_closed(&mut long));
}

#[test]
fn handshakes_have_one_deadline() {
    let pki = Pki::new();
    let config = with(pki.config(), |it| it.handshake_timeout = Duration::from_millis(300));
    let server = Embedded::start(&config, Echo);
    let hello = hello(CBC, SslVersion::TLS1_2);
    let start = Instant::now();
    for length in [1, 8, hello.len() - 1, hello.len()] {
        let mut client = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(&hello[..length]).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(1200) && start.elapsed() < Duration::from_secs(10));
}

/// Returns the first bytes of a client that offers these suites.
fn hello(ciphers: &str, version: SslVersion) -> Vec<u8> {
    /// Keeps what is written, and has nothing to read.
    #[derive(Debug)]
    struct Sink(Vec<u8>);
    impl Read for Sink {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::WouldBlock.into())
        }
    }
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut builder = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    builder.set_security_level(0);
    builder.set_cipher_list(&format!("{ciphers}:@SECLEVEL=0")).unwrap();
    builder.set_min_proto_version(Some(version)).unwrap();
    builder.set_max_proto_version(Some(version)).unwrap();
    let Err(HandshakeError::WouldBlock(stream)) =
        Ssl::new(&builder.build()).unwrap().connect(Sink(Vec::new()))
    else {
        panic!("no server answers");
    };
    stream.get_ref().0.clone()
}

/// Returns the first bytes of clients of both stacks.
pub(crate) fn hellos() -> Vec<Vec<u8>> {
    let mut ssl2 = vec![0x80, 9 + 6 + 16, 1, 3, 1, 0, 6, 0, 0, 0, 16, 0, 0xc0, 0x09, 0, 0xc0, 0x0a];
    ssl2.extend([7; 16]);
    vec![
        hello(CBC, SslVersion::TLS1_2),
        hello("AES128-SHA:ECDHE-ECDSA-AES128-SHA", SslVersion::TLS1),
        hello("ECDHE-ECDSA-AES256-GCM-SHA384", SslVersion::TLS1_2),
        hello("DEFAULT", SslVersion::TLS1_3),
        ssl2,
    ]
}

/// Sends bytes and returns the answer, up to the end of the connection or the first 100 bytes.
pub(crate) fn answer(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(bytes).unwrap();
    drop(client.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    // A reset follows bytes that the server did not read.
    drop(client.take(100).read_to_end(&mut answer));
    answer
}

#[test]
fn reads_a_hello_in_the_format_of_ssl_2() {
    let pki = rsa_pki();
    let config = with(pki.config(), |it| it.tls_minimum_version = TlsVersion::V1_0);
    let server = Embedded::start(&config, Echo);
    // RFC 5246 §E.2: TLS 1.0, AES128-SHA after a suite of SSL 2.0, and a challenge of 16 bytes.
    let mut hello = vec![0x80, 9 + 6 + 16, 1, 3, 1, 0, 6, 0, 0, 0, 16, 0x07, 0x00, 0xc0, 0x00, 0x00, 0x2f];
    hello.extend([7; 16]);
    let response = answer(server.port, &hello);
    // A record of TLS 1.0 with a ServerHello.
    assert!(matches!(response.as_slice(), [0x16, 3, 1, _, _, 2, ..]), "{response:02x?}");
    let server = Embedded::start(&pki.config(), Echo);
    assert!(matches!(answer(server.port, &hello).as_slice(), [0x15, 3, _, 0, 2, 2, 70]), "protocol_version");
}

#[test]
fn a_hello_may_arrive_in_single_bytes() {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), Echo);
    let hello = hello(CBC, SslVersion::TLS1_2);
    let mut client = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    for byte in hello {
        client.write_all(&[byte]).unwrap();
    }
    let mut header = [0; 6];
    client.read_exact(&mut header).unwrap();
    assert_eq!([header[0], header[5]], [0x16, 2]);
}

#[test]
fn mutated_handshakes_disturb_no_other_client() {
    const ROUNDS: usize = 1500;
    let pki = Pki::new();
    let config = with(pki.config(), |it| {
        it.tls_minimum_version = TlsVersion::V1_0;
        it.handshake_timeout = Duration::from_secs(2);
    });
    let server = Embedded::start(&config, Echo);
    let mut modern = pki.connect(server.port, &pki.client);
    let mut legacy = Offer::of(&pki.client, CBC).connect(server.port).unwrap();
    let hellos = hellos();
    let mut draw = Draw::new(0x51ed_270b_a91c_4d37);
    let mut answers = 0;
    for round in 0..ROUNDS {
        let mut bytes = draw.one_of(&hellos).clone();
        for _ in 0..=draw.below(3) {
            let at = draw.index(bytes.len());
            match draw.below(4) {
                0 => bytes[at] = u8::try_from(draw.below(256)).unwrap(),
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, u8::try_from(draw.below(256)).unwrap()),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(0x16);
            }
        }
        answers += usize::from(answer(server.port, &bytes).len() > 7);
        if round % 100 == 0 {
            assert_eq!(modern.exchange(&request(8)).unwrap(), request(8), "round {round}");
            assert_eq!(exchange(&mut legacy, &request(8)), request(8), "round {round}");
        }
    }
    assert!(answers > ROUNDS / 20, "{answers} mutated hellos were good enough for an answer");
    assert!(Offer::of(&pki.client, CBC).is_served(server.port));
}

#[test]
fn start_error_names_a_key_that_is_not_supported() {
    let pki = Pki::new();
    let weak = openssl::rsa::Rsa::generate(1024).unwrap();
    let keys =
        [(PKey::generate_ed448().unwrap(), "id-Ed448"), (PKey::from_rsa(weak).unwrap(), "rsaEncryption")];
    for (key, name) in keys {
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&openssl::asn1::Asn1Time::days_from_now(1).unwrap()).unwrap();
        let digest = if name == "id-Ed448" {
            openssl::hash::MessageDigest::null()
        } else {
            openssl::hash::MessageDigest::sha256()
        };
        builder.sign(&key, digest).unwrap();
        pki.folder.write("server.pem", builder.build().to_pem().unwrap());
        pki.folder.write("server.key", key.private_key_to_pem_pkcs8().unwrap());
        let error = Server::bind(&pki.config()).unwrap_err().to_string();
        assert!(error.contains("server.key cannot be used") && error.contains(name), "{error}");
    }
}
