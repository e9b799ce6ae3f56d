//! TLS with the certificates of PyKMIP's users: kinds and ages of certificates, versions, cipher suites, and clients that
//! misbehave.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kmip_server::internals::config::{AuthSuite, Config};
use kmip_server::internals::server::{Error, Server};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, ProtocolVersion, SupportedProtocolVersion};

use crate::harness::{
    Authority, Client, Credential, Echo, Embedded, Folder, Pki, pem, request, self_signed,
    self_signed_version_1, within,
};
use crate::settings::with;

/// Returns whether the server accepts this client, in both TLS versions.
fn accepts(pki: &Pki, config: &Config, client: Option<&Credential>) -> bool {
    let server = Embedded::start(config, Echo);
    let root = &pki.ca.credential.certificate;
    let answers = [&TLS12, &TLS13].map(|version| {
        Client::connect(server.port, root, client, &[version])
            .and_then(|mut it| it.exchange(&request(8)))
            .is_ok()
    });
    assert_eq!(answers[0], answers[1], "TLS 1.2 and 1.3 differ");
    answers[0]
}

#[test]
fn accepts_only_clients_whose_certificate_the_ca_issued() {
    let pki = Pki::new();
    let stranger = Authority::new("Root CA").client("John Doe");
    assert!(accepts(&pki, &pki.config(), Some(&pki.client)));
    assert!(!accepts(&pki, &pki.config(), Some(&stranger)));
    assert!(!accepts(&pki, &pki.config(), Some(&self_signed("John Doe", |_| ()))));
    assert!(!accepts(&pki, &pki.config(), None));
}

#[test]
fn ca_file_may_contain_several_cas_and_chains() {
    let pki = Pki::new();
    let (second, third) = (Authority::new("Second CA"), Authority::new("Third CA"));
    let (sent, held) = (second.intermediate("Sent"), third.intermediate("Held"));
    pki.folder.write("ca.pem", [pki.ca.pem(), second.pem(), held.pem(), third.pem()].concat());
    let mut below_sent = sent.client("A");
    assert!(!accepts(&pki, &pki.config(), Some(&below_sent)));
    below_sent.chain.push(sent.credential.certificate.clone());
    assert!(accepts(&pki, &pki.config(), Some(&below_sent)));
    assert!(accepts(&pki, &pki.config(), Some(&held.client("B"))));
    assert!(accepts(&pki, &pki.config(), Some(&pki.client)));
}

#[test]
fn accepts_client_certificate_that_is_in_the_ca_file() {
    let pki = Pki::new();
    let old = self_signed_version_1("Old");
    let plain = self_signed("Plain", |_| ());
    let ca = self_signed("CA", |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    for client in [&old, &plain, &ca] {
        pki.folder.write("ca.pem", [pki.ca.pem(), client.pem()].concat());
        assert!(accepts(&pki, &pki.config(), Some(client)));
        assert!(accepts(&pki, &pki.config(), Some(&pki.client)));
    }
    pki.folder.write("ca.pem", pki.ca.pem());
    for client in [&old, &plain, &ca] {
        assert!(!accepts(&pki, &pki.config(), Some(client)));
    }
}

#[test]
fn certificate_in_the_ca_file_that_is_not_a_ca_issues_no_others() {
    let pki = Pki::new();
    let mallory = Authority::with("Mallory", |params| {
        params.is_ca = IsCa::NoCa;
        params.key_usages.clear();
    });
    pki.folder.write("ca.pem", [pki.ca.pem(), mallory.pem()].concat());
    assert!(accepts(&pki, &pki.config(), Some(&mallory.credential)));
    assert!(!accepts(&pki, &pki.config(), Some(&mallory.client("John Doe"))));
}

#[test]
fn accepts_version_1_client_certificate_that_a_ca_of_the_file_signed() {
    let pki = Pki::new();
    assert!(accepts(&pki, &pki.config(), Some(&pki.ca.issue_version_1("Old"))));
    assert!(!accepts(&pki, &pki.config(), Some(&Authority::new("Root CA").issue_version_1("Old"))));
    let ca = pki.ca.issue(&["CA"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert!(accepts(&pki, &pki.config(), Some(&ca)));
}

#[test]
fn refuses_certificates_outside_their_validity_period() {
    let pki = Pki::new();
    let expired = |params: &mut rcgen::CertificateParams| params.not_after = date_time_ymd(2001, 1, 1);
    let early = |params: &mut rcgen::CertificateParams| params.not_before = date_time_ymd(4000, 1, 1);
    assert!(!accepts(&pki, &pki.config(), Some(&pki.ca.issue(&["A"], expired))));
    assert!(!accepts(&pki, &pki.config(), Some(&pki.ca.issue(&["A"], early))));
    let pinned = self_signed("A", expired);
    let old_ca = Authority::with("Old CA", expired);
    pki.folder.write("ca.pem", [pki.ca.pem(), pinned.pem(), old_ca.pem()].concat());
    assert!(!accepts(&pki, &pki.config(), Some(&pinned)));
    assert!(!accepts(&pki, &pki.config(), Some(&old_ca.client("A"))));
    assert!(!accepts(&pki, &pki.config(), Some(&old_ca.issue_version_1("A"))));
}

#[test]
fn checks_extended_key_usage_only_if_the_setting_requires_it() {
    let pki = Pki::new();
    let lax = with(pki.config(), |it| it.enable_tls_client_auth = false);
    let server =
        pki.ca.issue(&["S"], |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert!(!accepts(&pki, &pki.config(), Some(&server)));
    assert!(accepts(&pki, &lax, Some(&server)));
    assert!(accepts(&pki, &lax, Some(&pki.server)), "the server's own certificate");
    // Without the extension, the handshake succeeds; the authentication layer refuses the request.
    assert!(accepts(&pki, &pki.config(), Some(&pki.ca.issue(&["N"], |_| ()))));
}

#[test]
fn one_version_1_certificate_can_be_server_ca_and_client() {
    let folder = Folder::new();
    let one = self_signed_version_1("MongoDB");
    let path = folder.write("all.pem", [one.key_pem(), one.pem()].concat());
    let config = with(Config::new(&path, &path), |it| it.port = 0);
    let server = Embedded::start(&config, Echo);
    for version in [&TLS12, &TLS13] {
        let mut client = Client::connect(server.port, &one.certificate, Some(&one), &[version]).unwrap();
        assert_eq!(client.exchange(&request(16)).unwrap(), request(16));
    }
}

#[test]
fn reads_private_key_in_each_pem_form() {
    let pki = Pki::new();
    let rsa = pki.ca.rsa_server();
    let forms = [
        (&pki.server, pki.server.key_pem()),
        (&pki.server, pki.server.old_key_pem("EC PRIVATE KEY")),
        (&rsa, rsa.key_pem()),
        (&rsa, rsa.old_key_pem("RSA PRIVATE KEY")),
    ];
    for (server, key) in forms {
        pki.folder.write("server.pem", server.pem());
        pki.folder.write("server.key", format!("some text before\n{key}"));
        assert!(accepts(&pki, &pki.config(), Some(&pki.client)), "{}", key.lines().next().unwrap());
        pki.folder.write("server.pem", [server.pem(), key].concat());
        assert!(accepts(&pki, &with(pki.config(), |it| it.key_path = None), Some(&pki.client)));
    }
}

#[test]
fn start_error_names_the_setting_and_the_file() {
    let pki = Pki::new();
    pki.folder.write("other.key", pki.ca.client("X").key_pem());
    pki.folder.write("text.pem", "no certificate");
    pki.folder.write(
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let path = |name| pki.folder.path(name);
    let cases = [
        (with(pki.config(), |it| it.certificate_path = path("none.pem")), ["certificate_path", "none.pem"]),
        (with(pki.config(), |it| it.certificate_path = path("text.pem")), ["certificate_path", "text.pem"]),
        (with(pki.config(), |it| it.ca_path = path("text.pem")), ["ca_path", "text.pem"]),
        (with(pki.config(), |it| it.key_path = Some(path("text.pem"))), ["key_path", "text.pem"]),
        (with(pki.config(), |it| it.key_path = Some(path("other.key"))), ["other.key", "is not the one"]),
        (with(pki.config(), |it| it.key_path = Some(path("locked.key"))), ["locked.key", "encrypted"]),
        (with(pki.config(), |it| it.key_path = None), ["'key_path' is missing", "server.pem"]),
    ];
    for (config, words) in cases {
        let error = Server::bind(&config).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let taken = Embedded::start(&pki.config(), Echo);
    let error = Server::bind(&with(pki.config(), |it| it.port = taken.port)).unwrap_err();
    assert!(
        matches!(error, Error::Bind { .. }) && error.to_string().contains(&taken.port.to_string()),
        "{error}"
    );
}

#[test]
fn reads_certificates_and_keys_in_the_forms_that_openssl_reads() {
    let pki = Pki::new();
    let root = pki.ca.pem();
    let labelled = |label: &str| root.replace(" CERTIFICATE-", &format!(" {label}-"));
    let der = pki.ca.credential.certificate.as_ref();
    // Of X509_CERT_AUX: the purposes for which the certificate is trusted.
    let trusted_for = |purpose: u8| {
        let purpose = [0x30, 12, 0x30, 10, 6, 8, 0x2B, 6, 1, 5, 5, 7, 3, purpose];
        pem("TRUSTED CERTIFICATE", &[der, &purpose].concat())
    };
    let (servers, clients) = (1, 2);
    for (form, file, accepted) in [
        ("byte order mark", format!("\u{FEFF}{root}").into_bytes(), true),
        ("CRLF", root.replace('\n', "\r\n").into_bytes(), true),
        ("text", format!("subject=CN = Root CA\n\n{root}\nthe end").into_bytes(), true),
        ("X509 CERTIFICATE", labelled("X509 CERTIFICATE").into_bytes(), true),
        ("TRUSTED CERTIFICATE", labelled("TRUSTED CERTIFICATE").into_bytes(), true),
        ("trusted for clients", trusted_for(clients).into_bytes(), true),
        ("trusted for servers", format!("{}{}", trusted_for(servers), pki.server.pem()).into_bytes(), false),
        ("DER", der.to_vec(), true),
    ] {
        pki.folder.write("ca.pem", file);
        assert_eq!(accepts(&pki, &pki.config(), Some(&pki.client)), accepted, "{form}");
    }
    pki.folder.write("ca.pem", root);
    pki.folder.write("server.pem", &pki.server.certificate);
    pki.folder.write("server.key", pki.server.key_der().secret_der());
    assert!(accepts(&pki, &pki.config(), Some(&pki.client)), "certificate and key in DER");
}

#[test]
fn a_block_that_cannot_be_read_is_named_with_its_place() {
    let pki = Pki::new();
    let good = pki.server.pem();
    let place = format!("block 2 (line {})", good.lines().count() + 2);
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    for (block, reason) in [
        (format!("{begin}\nAAAA\n{end}\n"), "is not an X.509 certificate"),
        (format!("{begin}\nAA!A\n{end}\n"), "cannot be read: it is not base64"),
        (format!("{begin}\nAAAA\n"), "cannot be read: its END line is missing"),
    ] {
        pki.folder.write("server.pem", format!("{good}text\n{block}"));
        let error = Server::bind(&pki.config()).unwrap_err().to_string();
        assert!(error.contains(&format!("{place} {reason}")) && error.contains("server.pem"), "{error}");
    }
}

#[test]
fn an_encrypted_key_has_an_error_of_its_own_in_every_form() {
    let pki = Pki::new();
    let key = openssl::pkey::PKey::private_key_from_pem(pki.server.key_pem().as_bytes()).unwrap();
    let cipher = openssl::symm::Cipher::aes_128_cbc();
    let pkcs8 = key.private_key_to_pem_pkcs8_passphrase(cipher, b"secret").unwrap();
    let traditional = key.ec_key().unwrap().private_key_to_pem_passphrase(cipher, b"secret").unwrap();
    let der = key.private_key_to_pkcs8_passphrase(cipher, b"secret").unwrap();
    for form in [pkcs8, traditional, der] {
        pki.folder.write("server.key", form);
        let error = Server::bind(&pki.config()).unwrap_err().to_string();
        assert!(error.contains("is encrypted; decrypt it with `openssl pkey -in "), "{error}");
    }
}

#[test]
fn a_hundred_certificates_of_one_name_cost_a_bounded_time() {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), Echo);
    let connect = |client: &Credential, versions: &[&'static SupportedProtocolVersion]| {
        Client::connect(server.port, &pki.ca.credential.certificate, Some(client), versions)
            .and_then(|mut it| it.exchange(&request(8)))
    };
    let mut client = Authority::new("Issuer").client("John Doe");
    client.chain = (0..100).map(|_| Authority::new("Issuer").credential.certificate).collect();
    for version in [&TLS12, &TLS13] {
        let start = Instant::now();
        assert!(connect(&client, &[version]).is_err());
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
    assert!(connect(&pki.client, ALL_VERSIONS).is_ok());
}

#[test]
fn authentication_suite_selects_tls_versions() {
    let pki = Pki::new();
    for (suite, spoken) in [
        (AuthSuite::Basic, [true, true]),
        (AuthSuite::Tls12, [true, false]),
        (AuthSuite::Tls13, [false, true]),
    ] {
        let server = Embedded::start(&with(pki.config(), |it| it.auth_suite = suite), Echo);
        let root = &pki.ca.credential.certificate;
        for (version, spoken) in [&TLS12, &TLS13].into_iter().zip(spoken) {
            let client = Client::connect(server.port, root, Some(&pki.client), &[version]);
            assert_eq!(client.is_ok(), spoken, "{suite:?} {version:?}");
        }
    }
}

#[test]
fn setting_restricts_cipher_suites() {
    let pki = Pki::new();
    let names =
        ["TLS_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"].map(str::to_owned).to_vec();
    let server = Embedded::start(&with(pki.config(), |it| it.tls_cipher_suites = names), Echo);
    let client = pki.connect(server.port, &pki.client);
    let spoken = client.stream.conn.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(spoken.as_str(), Some("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
    assert_eq!(client.stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_2));
}

#[test]
fn bytes_that_are_not_tls_do_not_disturb_other_clients() {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), Echo);
    let mut good = pki.connect(server.port, &pki.client);
    let strange: [&[u8]; 3] = [&request(8), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &[0; 100]];
    for bytes in strange {
        let mut stranger = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stranger.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        drop(stranger.read_to_end(&mut answer));
        assert!(answer.len() <= 7, "an alert at most: {answer:?}");
        assert_eq!(good.exchange(&request(8)).unwrap(), request(8));
    }
}

#[test]
fn incomplete_handshake_ends_at_its_deadline() {
    let pki = Pki::new();
    let config = with(pki.config(), |it| it.handshake_timeout = Duration::from_millis(200));
    let server = Embedded::start(&config, Echo);
    let start = Instant::now();
    let mut silent = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let mut half = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    half.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).unwrap();
    for stranger in [&mut silent, &mut half] {
        drop(stranger.read_to_end(&mut Vec::new()));
    }
    assert!(start.elapsed() >= Duration::from_millis(200) && start.elapsed() < Duration::from_secs(5));
}

#[test]
fn request_has_a_deadline_and_an_idle_connection_has_none() {
    let pki = Pki::new();
    let config = with(pki.config(), |it| it.request_timeout = Duration::from_millis(200));
    let server = Embedded::start(&config, Echo);
    let mut idle = pki.connect(server.port, &pki.client);
    assert_eq!(idle.exchange(&request(8)).unwrap(), request(8));
    let mut half = pki.connect(server.port, &pki.client);
    half.send(&request(8)[..3]).unwrap();
    let start = Instant::now();
    assert!(half.is_closed());
    assert!(start.elapsed() >= Duration::from_millis(150) && start.elapsed() < Duration::from_secs(5));

    let mut dripping = pki.connect(server.port, &pki.client);
    let slow = request(1000);
    let cut = slow.iter().position(|byte| {
        std::thread::sleep(Duration::from_millis(20));
        dripping.send(&[*byte]).is_err()
    });
    assert!(cut.is_some_and(|sent| sent < 500), "a byte in time must not buy more time: {cut:?}");
    assert_eq!(idle.exchange(&request(8)).unwrap(), request(8));
}

#[test]
fn partial_record_has_a_deadline_and_a_key_update_has_none() {
    let pki = Pki::new();
    let config = with(pki.config(), |it| it.request_timeout = Duration::from_millis(200));
    let server = Embedded::start(&config, Echo);
    let mut updating = pki.connect(server.port, &pki.client);
    updating.stream.conn.refresh_traffic_keys().unwrap();
    updating.stream.flush().unwrap();
    let mut half = pki.connect(server.port, &pki.client);
    half.stream.sock.write_all(&[0x17, 3, 3, 0, 100, 1, 2]).unwrap();
    assert!(half.is_closed());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(updating.exchange(&request(8)).unwrap(), request(8));
}

#[test]
fn answers_pipelined_requests_in_order() {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), Echo);
    let mut client = pki.connect(server.port, &pki.client);
    let requests: Vec<_> = (1..=64).map(|count| request(count * 8)).collect();
    client.send(&requests.concat()).unwrap();
    for expected in requests {
        assert_eq!(client.receive().unwrap(), expected);
    }
}

#[test]
fn message_above_the_size_limit_ends_the_connection() {
    let pki = Pki::new();
    let server = Embedded::start(&with(pki.config(), |it| it.max_request_size = 3_000_008), Echo);
    for version in [&TLS12, &TLS13] {
        let root = &pki.ca.credential.certificate;
        let mut client = Client::connect(server.port, root, Some(&pki.client), &[version]).unwrap();
        assert_eq!(client.exchange(&request(3_000_000)).unwrap(), request(3_000_000));
        client.send(&request(3_000_001)[..4096]).unwrap();
        assert!(client.is_closed());
    }
    let mut client = pki.connect(server.port, &pki.client);
    client.send(b"\x01 neither a frame nor HTTP").unwrap();
    assert!(client.is_closed());
}

#[test]
fn turns_clients_away_above_max_connections() {
    let pki = Pki::new();
    let server = Embedded::start(&with(pki.config(), |it| it.max_connections = 2), Echo);
    let connect = || {
        Client::connect(server.port, &pki.ca.credential.certificate, Some(&pki.client), ALL_VERSIONS)
            .and_then(|mut client| client.exchange(&request(8)).map(|_| client))
    };
    let (first, _second) = (connect().unwrap(), connect().unwrap());
    assert!(connect().is_err());
    drop(first);
    within(|| connect().ok());
}

#[test]
fn responder_can_close_the_connection_and_a_panic_costs_one() {
    use kmip_server::internals::auth::Peer;
    use kmip_server::internals::dispatch::{Reply, Respond};

    struct Moody;
    impl Respond for Moody {
        fn respond(&self, request: &[u8], _: &Peer) -> Reply {
            assert!(request.len() > 16, "a bug");
            Reply { message: request.to_vec(), close: request.len() == 24, fault: None }
        }
    }
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), Moody);
    let mut closing = pki.connect(server.port, &pki.client);
    assert_eq!(closing.exchange(&request(16)).unwrap(), request(16));
    assert!(closing.is_closed());
    let mut failing = pki.connect(server.port, &pki.client);
    assert!(failing.exchange(&request(8)).is_err());
    let mut good = pki.connect(server.port, &pki.client);
    assert_eq!(good.exchange(&request(32)).unwrap(), request(32));
}

#[test]
fn stop_closes_idle_connections_and_finishes_running_requests() {
    use kmip_server::internals::auth::Peer;
    use kmip_server::internals::dispatch::{Reply, Respond};

    struct Slow;
    impl Respond for Slow {
        fn respond(&self, request: &[u8], _: &Peer) -> Reply {
            std::thread::sleep(Duration::from_millis(300));
            Reply { message: request.to_vec(), close: false, fault: None }
        }
    }
    let pki = Pki::new();
    let mut server = Embedded::start(&pki.config(), Slow);
    let mut idle = pki.connect(server.port, &pki.client);
    let mut busy = pki.connect(server.port, &pki.client);
    busy.send(&request(8)).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    server.shutdown.stop();
    assert!(idle.is_closed());
    assert!(start.elapsed() < Duration::from_millis(150), "idle clients go at once");
    assert_eq!(busy.receive().unwrap(), request(8));
    assert!(busy.is_closed());
    server.thread.take().unwrap().join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
}
