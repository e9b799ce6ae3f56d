//! Each failed handshake is one line of the log, in the words of docs/errors.md, and the client receives the alert that
//! says the same.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::internals::explain::{CONNECTIONS, Explanation};
use kmip_server::internals::server::MAX_HANDSHAKES;
use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::Tag;
use x509_cert::der::asn1::{Any, ObjectIdentifier, SetOfVec};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

use crate::harness::{
    Authority, Client, Credential, PATIENCE, Pki, Running, request, rsa_authority, skip, within,
};
use crate::legacy_tls::{answer, hellos};

/// The codes that no test here causes, each with the reason.
const UNTESTED: [(&str, &str); 3] = [
    ("connection-failed", "it needs a network that fails"),
    ("long-credential", "`refuses_overlong_credential_name` sends one"),
    ("slugs-refused", "`refuses_unknown_user_and_unreachable_service` covers it"),
];

/// The pause between two failures: the server logs five lines per second, and counts further ones.
const PAUSE: Duration = Duration::from_millis(250);

/// Returns the explanation of a code.
fn explained(code: &str) -> &'static Explanation {
    CONNECTIONS.iter().find(|it| it.code == code).unwrap_or_else(|| panic!("{code}"))
}

/// Returns whether a line contains the constant parts of a message in this order.
fn says(line: &str, message: &str) -> bool {
    let mut rest = Some(line);
    for part in message.split('…') {
        rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, after)| after);
    }
    rest.is_some()
}

/// A server and the codes that its log has contained.
struct Patient {
    pki: Pki,
    server: Running,
    seen: BTreeSet<&'static str>,
    /// The length of the log that has been read.
    read: usize,
}

impl Patient {
    fn new(pki: Pki, settings: &str) -> Self {
        let file = pki.settings(settings).display().to_string();
        let log = pki.folder.path("server.log").display().to_string();
        let server = Running::start(["-f", &file, "-l", &log]);
        Self { pki, server, seen: BTreeSet::new(), read: 0 }
    }

    fn port(&self) -> u16 {
        self.server.port
    }

    /// Waits for the line with this code, and returns it.
    fn line(&mut self, code: &'static str) -> String {
        thread::sleep(PAUSE);
        let end = format!("(run_server --explain {code})");
        let give_up = Instant::now() + PATIENCE;
        let found = loop {
            let log = self.pki.log();
            let new = log.get(self.read..).unwrap_or_default();
            if let Some(found) = new.lines().find(|line| line.contains(&end)) {
                self.read = log.len();
                break found.to_owned();
            }
            assert!(Instant::now() < give_up, "the log has no line with {code}:\n{new}");
            thread::sleep(Duration::from_millis(5));
        };
        let level = if code == "port-probe" { " - INFO - " } else { " - WARNING - " };
        assert!(found.contains(level) && found.ends_with('.'), "{found}");
        assert!(says(&found, explained(code).says), "{found}\ndoes not say: {}", explained(code).says);
        self.seen.insert(code);
        found
    }

    /// Waits for the line with this code, which must contain all `parts`.
    fn expect(&mut self, code: &'static str, parts: &[&str]) {
        let line = self.line(code);
        for part in parts {
            assert!(line.contains(part), "{part} is not in: {line}");
        }
    }

    /// Sends bytes, and returns the answer.
    fn send(&self, bytes: &[u8]) -> Vec<u8> {
        answer(self.port(), bytes)
    }

    /// Runs `openssl s_client`, and returns its output.
    fn s_client(&self, arguments: &[&str]) -> String {
        s_client(self.port(), arguments)
    }

    /// Writes certificate, chain and key of a client, and returns the options for `openssl s_client`.
    fn options(&self, client: &Credential) -> Vec<String> {
        let key = self.pki.folder.write("client.key", client.key_pem()).display().to_string();
        let certificate = self.pki.folder.write("client.pem", client.pem()).display().to_string();
        let mut options = vec!["-cert".to_owned(), certificate, "-key".to_owned(), key];
        if !client.chain.is_empty() {
            let chain = client
                .chain
                .iter()
                .map(|der| Credential::new(der.clone(), rcgen::KeyPair::generate().unwrap()));
            let chain: String = chain.map(|it| it.pem()).collect();
            let chain = self.pki.folder.write("chain.pem", chain).display().to_string();
            options.extend(["-cert_chain".to_owned(), chain]);
        }
        options
    }

    /// Connects with a client certificate over both TLS stacks and each version, which must fail with this code and this
    /// alert, by its number.
    fn refused(&mut self, code: &'static str, alert: u8, client: &Credential, parts: &[&str]) {
        let options = self.options(client);
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        for stack in [&["-tls1_3"][..], &["-tls1_2"], &["-tls1_2", "-cipher", CBC]] {
            let output = self.s_client(&[stack, &options].concat());
            self.expect(code, parts);
            assert!(output.contains(&format!("SSL alert number {alert}")), "{code}, {stack:?}: {output}");
        }
    }
}

impl Patient {
    /// Sends a request with a certificate that is trusted and identifies no user.
    fn unidentified(&mut self, code: &'static str, client: &Credential, parts: &[&str]) {
        for version in [&TLS12, &TLS13] {
            let root = &self.pki.ca.credential.certificate;
            let mut client = Client::connect(self.port(), root, Some(client), &[version]).unwrap();
            drop(client.exchange(&crate::corpus::requests().next().unwrap().2));
            self.expect(code, &[&["The client is refused: "], parts].concat());
        }
    }
}

/// A suite that OpenSSL serves.
const CBC: &str = "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0";

fn s_client(port: u16, arguments: &[&str]) -> String {
    let address = format!("127.0.0.1:{port}");
    let output = Command::new("openssl")
        .args(["s_client", "-ign_eof", "-connect", &address, "-servername", "localhost"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn has_openssl() -> bool {
    let exists = Command::new("openssl").arg("version").output().is_ok_and(|it| it.status.success());
    if !exists {
        skip("the command openssl does not exist");
    }
    exists
}

/// Returns what the log contains about a certificate with this subject.
fn facts(subject: &str) -> Vec<String> {
    vec![
        format!("subject \"CN={subject}\""),
        "issuer \"CN=".to_owned(),
        "serial number ".to_owned(),
        "valid from ".to_owned(),
    ]
}

#[test]
fn each_failed_handshake_is_a_line_in_the_words_of_the_page() {
    if !has_openssl() {
        return;
    }
    let pki = Pki::new();
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2001, 1, 1);
    let unusable = [
        ("issuer-expired", "Renew that CA certificate", Authority::with("Old CA", expired)),
        (
            "not-yet-valid",
            "which issued the client certificate, is not valid yet",
            Authority::with("Early CA", |params| {
                params.not_before = date_time_ymd(4000, 1, 1);
                params.not_after = date_time_ymd(4001, 1, 1);
            }),
        ),
        (
            "not-for-clients",
            "lacks client authentication",
            Authority::with("Server CA", |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
        ),
    ];
    let authorities: String = unusable.iter().map(|(_, _, authority)| authority.pem()).collect();
    pki.folder.write("ca.pem", pki.ca.pem() + &authorities);
    let mut it = Patient::new(pki, "");
    let slow = TcpStream::connect(("127.0.0.1", it.port())).unwrap();
    other_protocols(&mut it);
    negotiation(&mut it);
    client_certificates(&mut it);
    unusable_authorities(&mut it, &unusable);
    server_certificate(&mut it);
    identities(&mut it);
    removed_ca(&mut it);
    // Its line may precede others.
    it.read = 0;
    it.expect("handshake-timeout", &["It sent nothing"]);
    drop(slow);
    let flood: Vec<_> =
        (0..=MAX_HANDSHAKES + 1).map(|_| TcpStream::connect(("127.0.0.1", it.port())).unwrap()).collect();
    it.expect("too-many-handshakes", &["No session with 127.0.0.1:"]);
    drop(flood);
    let known: BTreeSet<_> = CONNECTIONS.iter().map(|explanation| explanation.code).collect();
    let excused = UNTESTED.map(|(code, _)| code).into();
    assert_eq!(&it.seen | &excused, known, "a failed handshake is not tried here");
    assert!(it.seen.is_disjoint(&excused), "it can be caused after all");
    assert!(it.pki.log().lines().all(|line| line.len() < 4000));
}

/// Removes the CA of an open connection.
fn removed_ca(it: &mut Patient) {
    let before = std::fs::read(it.pki.folder.path("ca.pem")).unwrap();
    let other = Authority::new("Leaving CA");
    it.pki.folder.write("ca.pem", [&before[..], other.pem().as_bytes()].concat());
    let (root, leaving) = (it.pki.ca.credential.certificate.clone(), other.client("Leaving"));
    let port = it.port();
    let mut client = within(|| {
        let mut client = Client::connect(port, &root, Some(&leaving), &[&TLS12]).ok()?;
        client.exchange(&crate::corpus::requests().next().unwrap().2).ok().map(|_| client)
    });
    it.read = it.pki.log().len();
    it.pki.folder.write("ca.pem", before);
    within(|| {
        drop(client.exchange(&crate::corpus::requests().next().unwrap().2));
        it.pki.log().contains("no-longer-accepted").then_some(())
    });
    it.expect("no-longer-accepted", &["The client is refused: ", "ca_path", "subject \"CN=Leaving\""]);
}

fn other_protocols(it: &mut Patient) {
    drop(TcpStream::connect(("127.0.0.1", it.port())).unwrap());
    it.expect("port-probe", &["No session with 127.0.0.1:"]);
    for (code, bytes) in [
        ("plain-http", &b"GET /kmip HTTP/1.1\r\nHost: localhost\r\n\r\n"[..]),
        ("ssh", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        ("plain-kmip", &request(8)),
        ("proxy-header", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 5696\r\n"),
        ("not-tls", &[0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("bad-tls", &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 7]),
        ("bad-tls", &[0x17, 3, 3, 0, 5, 1, 0, 0, 1, 7]),
        ("client-closed", &hellos()[0][..20]),
    ] {
        let answer = it.send(bytes);
        assert!(answer.len() <= 7, "{answer:?}");
        it.expect(code, &[]);
    }
    it.send(&hellos()[0]);
    it.expect("client-closed", &["after the server sent its certificate", "subject \"CN=localhost\""]);
    // The compression that every client must offer is missing: 1 is DEFLATE.
    let mut hello = hellos()[0].clone();
    let at = 5 + 4 + 2 + 32;
    let suites = at + 1 + usize::from(hello[at]);
    let compression = suites + 2 + usize::from(hello[suites]) * 256 + usize::from(hello[suites + 1]);
    assert_eq!(hello[compression..compression + 2], [1, 0]);
    hello[compression + 1] = 1;
    it.send(&hello);
    it.expect("handshake-failed", &["It offers versions TLS 1.2; "]);
}

fn negotiation(it: &mut Patient) {
    let offer = ["It offers versions TLS 1", "; cipher suites TLS_", "; groups ", "; signature algorithms "];
    let server = "The server, with an EC certificate, offers TLS 1.2 and 1.3: TLS_AES_256_GCM_SHA384, ";
    let output = it.s_client(&["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]);
    it.expect(
        "no-tls-version",
        &[
            "the client offers only TLS 1.1",
            "versions TLS 1.1",
            server,
            "Set tls_minimum_version = 1.1 to allow it",
        ],
    );
    assert!(output.contains("SSL alert number 70"), "{output}");
    let output = it.s_client(&["-tls1_2", "-cipher", "AES128-SHA256"]);
    it.expect("no-cipher-suite", &[&offer[..], &[server, "Use an RSA certificate for the server"]].concat());
    assert!(output.contains("SSL alert number 40"), "{output}");
    it.s_client(&["-tls1_2", "-cipher", "DHE-RSA-AES256-SHA"]);
    it.expect("no-cipher-suite", &["Use an RSA certificate for the server"]);
    it.s_client(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]);
    it.expect("no-cipher-suite", &["Add TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA to tls_cipher_suites"]);
    it.s_client(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM"]);
    it.expect("no-cipher-suite", &["the server supports none of its cipher suites"]);
    for version in ["-tls1_2", "-tls1_3"] {
        let output = it.s_client(&[
            version,
            "-groups",
            if version == "-tls1_2" { "brainpoolP256r1" } else { "ffdhe2048" },
        ]);
        it.expect("no-key-exchange-group", &[&offer[..], &["The server has X25519MLKEM768, "]].concat());
        assert!(output.contains("SSL alert number 40"), "{output}");
    }
    // Over TLS 1.2, OpenSSL does not offer the cipher suites for which it has no signature algorithm.
    for (version, code) in [("-tls1_2", "no-cipher-suite"), ("-tls1_3", "no-signature-algorithm")] {
        let output = it.s_client(&[version, "-sigalgs", "RSA+SHA256:RSA-PSS+SHA256"]);
        it.expect(code, &[&offer[..], &["an EC certificate"]].concat());
        assert!(output.contains("SSL alert number 40"), "{output}");
    }
}

fn client_certificates(it: &mut Patient) {
    let port = it.port();
    for (stack, alert) in [(&["-tls1_3"][..], 116), (&["-tls1_2"], 40), (&["-tls1_2", "-cipher", CBC], 40)] {
        let output = s_client(port, stack);
        it.expect("certificate-required", &[]);
        assert!(output.contains(&format!("SSL alert number {alert}")), "{stack:?}: {output}");
    }
    let usage = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
    };
    let john = facts("John Doe");
    let john: Vec<_> = john.iter().map(String::as_str).collect();
    let with = |parts: &[&'static str]| [&john[..], parts].concat();
    let strange = Authority::new("Strange CA").client("John Doe");
    it.refused("unknown-issuer", 48, &strange, &with(&["ca_path has no certificate of \"CN=Strange CA\""]));
    let alone = crate::harness::self_signed("John Doe", |_| ());
    it.refused("unknown-issuer", 48, &alone, &with(&["it is self-signed"]));
    let again = Authority::new("Root CA").client("John Doe");
    it.refused(
        "issuer-key-changed",
        48,
        &again,
        &with(&["has the name \"CN=Root CA\"", "The CA was probably created again"]),
    );
    let expired = it.pki.ca.issue(&["John Doe"], |params| {
        usage(params);
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    it.refused("expired", 45, &expired, &with(&["2001", "Renew it"]));
    let server = it.pki.ca.issue(&["John Doe"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    it.refused("not-for-clients", 43, &server, &with(&["enable_tls_client_auth = False"]));
    // OpenSSL distinguishes a certificate that is not valid yet (bad_certificate) from an expired one.
    let early = it.pki.ca.issue(&["John Doe"], |params| {
        usage(params);
        params.not_before = date_time_ymd(4000, 1, 1);
        params.not_after = date_time_ymd(4001, 1, 1);
    });
    let options = it.options(&early);
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    for (stack, alert) in [(&["-tls1_3"][..], 45), (&["-tls1_2"], 45), (&["-tls1_2", "-cipher", CBC], 42)] {
        let output = it.s_client(&[stack, &options].concat());
        it.expect("not-yet-valid", &with(&["4000"]));
        assert!(output.contains(&format!("SSL alert number {alert}")), "{stack:?}: {output}");
    }
    let critical = it.pki.ca.issue(&["John Doe"], |params| {
        usage(params);
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    });
    let options = it.options(&critical);
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    it.s_client(&options);
    it.expect("certificate-refused", &john);
}

/// Authorities in ca_path that may not let in a client, each with its code and a part of the line.
fn unusable_authorities(it: &mut Patient, authorities: &[(&'static str, &str, Authority)]) {
    for (code, words, authority) in authorities {
        let options = it.options(&authority.client("John Doe"));
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        for stack in [&[][..], &["-tls1_2", "-cipher", CBC]] {
            it.s_client(&[stack, &options].concat());
            it.expect(code, &[words, " CA\" in ca_path", "subject \"CN=John Doe\""]);
        }
    }
}

fn server_certificate(it: &mut Patient) {
    let other = Authority::new("Another CA");
    let other = it.pki.folder.write("other.pem", other.pem()).display().to_string();
    let server = [
        "The server's certificate: subject \"CN=localhost\", issuer \"CN=Root CA\"",
        "the CA \"CN=Root CA\"",
    ];
    for stack in [&["-tls1_3"][..], &["-tls1_2"], &["-tls1_2", "-cipher", CBC]] {
        it.s_client(&[stack, &["-CAfile", &other, "-verify_return_error"]].concat());
        it.expect("server-certificate-distrusted", &[&server[..], &["alert unknown_ca"]].concat());
        let ca = it.pki.folder.path("ca.pem").display().to_string();
        let name = ["-CAfile", &ca, "-verify_return_error", "-verify_hostname", "kmip.example"];
        it.s_client(&[stack, &name].concat());
        it.expect(
            "server-certificate-distrusted",
            &[&server[..], &["alert bad_certificate", "localhost, 127.0.0.1"]].concat(),
        );
    }
    // The alert follows the first flight of the server.
    let mut client = TcpStream::connect(("127.0.0.1", it.port())).unwrap();
    client.write_all(&hellos()[0]).unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
    client.write_all(&[0x15, 3, 3, 0, 2, 2, 80]).unwrap();
    it.expect("client-alert", &["alert internal_error"]);
    // Over TLS 1.3, an alert may follow the handshake: the client cannot decrypt a record, which it did not receive.
    let root = &it.pki.ca.credential.certificate;
    let mut client = Client::connect(it.port(), root, Some(&it.pki.client), &[&TLS13]).unwrap();
    client.stream.conn.read_tls(&mut &[&[0x17, 3, 3, 0, 32][..], &[7; 32]].concat()[..]).unwrap();
    client.stream.conn.process_new_packets().unwrap_err();
    while client.stream.conn.wants_write() {
        client.stream.conn.write_tls(&mut client.stream.sock).unwrap();
    }
    it.expect("client-alert", &["alert bad_record_mac"]);
}

/// Certificates that are trusted, and identify no user. The refusal follows the first request.
fn identities(it: &mut Patient) {
    let usage = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
    };
    let none = it.pki.ca.issue(&[], usage);
    let unmarked = it.pki.ca.issue(&["John"], |_| ());
    it.unidentified("no-common-name", &none, &["subject \"\"", "serial number "]);
    it.unidentified("no-extended-key-usage", &unmarked, &["subject \"CN=John\"", "serial number "]);

    let mut lax = Patient::new(Pki::new(), "enable_tls_client_auth=False");
    let several = strangely_named(&lax.pki.ca, &[(Tag::Utf8String, b"John"), (Tag::Utf8String, b"Jane")]);
    let unreadable = strangely_named(&lax.pki.ca, &[(Tag::Integer, &[7])]);
    lax.unidentified("several-common-names", &several, &["has 2 common names", "CN=Jane,CN=John"]);
    lax.unidentified("certificate-unreadable", &unreadable, &[]);
    it.seen.extend(lax.seen);
}

/// Returns a client certificate with these common names, which no library issues.
fn strangely_named(ca: &Authority, names: &[(Tag, &[u8])]) -> Credential {
    let names = names.iter().map(|(tag, bytes)| {
        let value = Any::new(*tag, *bytes).unwrap();
        let name = AttributeTypeAndValue { oid: ObjectIdentifier::new_unwrap("2.5.4.3"), value };
        RelativeDistinguishedName(SetOfVec::try_from(vec![name]).unwrap())
    });
    let credential = rsa_authority(&RdnSequence(names.collect()));
    Credential { certificate: ca.cross_sign(&credential.certificate), ..credential }
}

#[test]
fn a_python_client_that_distrusts_the_server_is_explained() {
    let mut it = Patient::new(Pki::new(), "logging_level=WARNING");
    let program = "import socket, ssl, sys\n\
        context = ssl.create_default_context()\n\
        try:\n    context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname='localhost')\n\
        except ssl.SSLError as error:\n    print(error)\n";
    let output = Command::new("python3").args(["-c", program, &it.port().to_string()]).output();
    let Ok(output) = output else { return skip("the command python3 does not exist") };
    assert!(String::from_utf8_lossy(&output.stdout).contains("CERTIFICATE_VERIFY_FAILED"), "{output:?}");
    it.expect("server-certificate-distrusted", &["alert unknown_ca", "the CA \"CN=Root CA\""]);
    assert!(!it.pki.log().contains(" - INFO - "));
}

#[test]
fn settings_that_exclude_a_client_are_named() {
    if !has_openssl() {
        return;
    }
    let arguments = ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"];
    for (settings, arguments, code, advice) in [
        (
            "tls_minimum_version=1.0\nlegacy_tls=False",
            &arguments[..],
            "no-tls-version",
            "Set legacy_tls = True to allow it",
        ),
        (
            "legacy_tls=False",
            &arguments,
            "no-tls-version",
            "Set legacy_tls = True and tls_minimum_version = 1.1 to allow it",
        ),
        ("legacy_tls=False", &["-tls1_2", "-cipher", CBC], "no-cipher-suite", "Set legacy_tls = True"),
        (
            "",
            &["-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"],
            "no-tls-version",
            "Set tls_minimum_version = 1.0 to allow it",
        ),
    ] {
        let mut it = Patient::new(Pki::new(), settings);
        it.s_client(arguments);
        it.expect(code, &[advice]);
    }
    for (suite, arguments, name) in [("TLS1.3", "-tls1_2", "TLS 1.2"), ("TLS1.2", "-tls1_3", "TLS 1.3")] {
        let pki = Pki::new();
        let file = pki.settings("").display().to_string();
        let log = pki.folder.path("server.log").display().to_string();
        let server = Running::start(["-f", &file, "-l", &log, "-s", suite]);
        let mut it = Patient { pki, server, seen: BTreeSet::new(), read: 0 };
        let output = it.s_client(&[arguments]);
        it.expect(
            "no-tls-version",
            &[&format!("the client offers only {name}"), "Set auth_suite = Basic to allow it"],
        );
        assert!(output.contains("SSL alert number 70"), "{output}");
    }
}
