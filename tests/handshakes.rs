//! Handshakes in detail: key exchange groups, types of server keys, and handshakes whose later messages are mutated.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kmip_server::internals::server::Server;
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::ssl::{HandshakeError, Ssl, SslContext, SslContextBuilder, SslMethod, SslVersion};
use openssl::x509::X509;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::version::TLS13;
use rustls::{HandshakeKind, NamedGroup};

use crate::harness::{Client, Credential, Draw, Echo, Embedded, PATIENCE, Pki, Running, request};

/// The key exchange group X25519MLKEM768 in a hello.
const HYBRID: [u8; 2] = [0x11, 0xec];
/// The random of a HelloRetryRequest (RFC 8446 §4.1.3) begins so.
const RETRY: [u8; 4] = [0xcf, 0x21, 0xad, 0x74];

/// Connects over TLS 1.3 with these groups, and returns the one that the server selected.
fn selected(pki: &Pki, port: u16, groups: &[&'static dyn SupportedKxGroup]) -> (NamedGroup, HandshakeKind) {
    let provider = CryptoProvider { kx_groups: groups.to_vec(), ..aws_lc_rs::default_provider() };
    let key = aws_lc_rs::sign::any_supported_type(&pki.client.key_der()).unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![pki.client.certificate.clone()], key);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::harness::trust::Only(
            pki.ca.credential.certificate.clone(),
        )))
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let mut client = Client::with(port, config).unwrap();
    assert_eq!(client.exchange(&request(8)).unwrap(), request(8));
    let group = client.stream.conn.negotiated_key_exchange_group().unwrap().name();
    (group, client.stream.conn.handshake_kind().unwrap())
}

#[test]
fn a_hybrid_group_is_preferred_in_any_order() {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), Echo);
    let (hybrid, x25519) = (kx_group::X25519MLKEM768, kx_group::X25519);
    let full = HandshakeKind::Full;
    let at = |groups: &[&'static dyn SupportedKxGroup]| selected(&pki, server.port, groups);
    assert_eq!(at(&[hybrid, x25519, kx_group::SECP256R1]), (NamedGroup::X25519MLKEM768, full));
    assert_eq!(at(&[hybrid]), (NamedGroup::X25519MLKEM768, full));
    let retried = HandshakeKind::FullWithHelloRetryRequest;
    assert_eq!(at(&[x25519, hybrid]), (NamedGroup::X25519MLKEM768, retried));
    assert_eq!(at(&[kx_group::SECP256R1, x25519]), (NamedGroup::secp256r1, full));

    // A key share for the group with the asterisk only.
    for (groups, retries) in
        [("X25519MLKEM768:*X25519", true), ("*X25519:X25519MLKEM768", true), ("*X25519:P-256", false)]
    {
        let mut tcp = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.write_all(&hello(groups)).unwrap();
        let mut answer = [0; 200];
        tcp.read_exact(&mut answer[..90]).unwrap();
        assert_eq!((answer[0], answer[5]), (0x16, 2), "a ServerHello");
        assert_eq!(answer[11..15] == RETRY, retries, "{groups}");
        let has_hybrid = answer.windows(2).any(|window| window == HYBRID);
        assert_eq!(has_hybrid, retries, "{groups}");
    }
}

#[test]
fn a_hello_in_many_parts_is_answered_whatever_group_the_server_selects() {
    let pki = Pki::new();
    let server = Embedded::start(&pki.config(), Echo);
    let hello = hello("*X25519:X25519MLKEM768");
    let mut tcp = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    // More parts than reads in which the server looks for the hybrid group.
    for part in hello.chunks(hello.len() / 60) {
        tcp.write_all(part).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut answer = [0; 90];
    tcp.read_exact(&mut answer).unwrap();
    assert_eq!((answer[0], answer[5]), (0x16, 2), "a ServerHello");
}

/// Returns the first bytes of a client with these groups.
fn hello(groups: &str) -> Vec<u8> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    builder.set_groups_list(groups).unwrap();
    let wire = Recorder::default();
    let Err(HandshakeError::WouldBlock(stream)) = Ssl::new(&builder.build()).unwrap().connect(wire) else {
        panic!("no server answers");
    };
    stream.get_ref().0.clone()
}

/// Returns the first bytes of clients whose groups make the server retry, or choose the other TLS stack.
pub(crate) fn group_hellos() -> Vec<Vec<u8>> {
    ["X25519MLKEM768:*X25519", "*X25519:X25519MLKEM768", "P-521", "X448"].map(hello).to_vec()
}

/// A socket that keeps what is written.
#[derive(Debug, Default)]
struct Recorder(Vec<u8>);

impl Read for Recorder {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a self-signed server certificate with this key.
fn install(pki: &Pki, key: &PKey<Private>, digest: MessageDigest) {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.sign(key, digest).unwrap();
    pki.folder.write("server.pem", builder.build().to_pem().unwrap());
    pki.folder.write("server.key", key.private_key_to_pem_pkcs8().unwrap());
}

#[test]
fn rsa_pss_and_ed448_server_keys_are_refused_by_name() {
    let pki = Pki::new();
    let mut generator = PkeyCtx::new_id(Id::RSA_PSS).unwrap();
    generator.keygen_init().unwrap();
    generator.set_rsa_keygen_bits(2048).unwrap();
    let keys = [
        (generator.keygen().unwrap(), MessageDigest::sha256(), "RSASSA-PSS"),
        (PKey::generate_ed448().unwrap(), MessageDigest::null(), "id-Ed448"),
    ];
    for (key, digest, name) in keys {
        install(&pki, &key, digest);
        let error = Server::bind(&pki.config()).unwrap_err().to_string();
        assert!(error.contains("server.key cannot be used"), "{error}");
        assert!(error.to_lowercase().contains(&name.to_lowercase()), "{error}");
    }
}

/// The time in which the server answers each mutated flight, or closes the connection.
const LATE: Duration = Duration::from_secs(8);
/// The permitted growth of the server.
const GROWTH: u64 = 64 << 20;

/// What a client offers: the version, the suites up to TLS 1.2, and whether the server has an RSA key.
const OFFERS: [(SslVersion, &str, bool); 8] = [
    (SslVersion::TLS1_2, "AES128-SHA256", true),
    (SslVersion::TLS1, "AES128-SHA", true),
    (SslVersion::TLS1_1, "ECDHE-RSA-AES256-SHA", true),
    (SslVersion::TLS1_2, "ECDHE-RSA-AES128-GCM-SHA256", true),
    (SslVersion::TLS1_2, "ECDHE-ECDSA-AES128-SHA256", false),
    (SslVersion::TLS1, "ECDHE-ECDSA-AES128-SHA", false),
    (SslVersion::TLS1_2, "ECDHE-ECDSA-AES256-GCM-SHA384", false),
    (SslVersion::TLS1_3, "DEFAULT", false),
];

/// A socket that mutates one of the client's flights: the bytes between two answers of the server.
#[derive(Debug)]
struct Mutator {
    tcp: TcpStream,
    flight: Vec<u8>,
    /// The number of flights before the one to mutate.
    before: usize,
    seed: u64,
}

impl Mutator {
    fn send(&mut self) -> io::Result<()> {
        if self.flight.is_empty() {
            return Ok(());
        }
        let mut flight = std::mem::take(&mut self.flight);
        let is_mutated = self.before == 0;
        if is_mutated {
            mutate(&mut flight, &mut Draw::new(self.seed));
        }
        self.before = self.before.wrapping_sub(1);
        self.tcp.write_all(&flight)?;
        if is_mutated {
            // The server need not wait for more.
            self.tcp.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}

impl Read for Mutator {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.send()?;
        self.tcp.read(buffer)
    }
}

impl Write for Mutator {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flight.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the TLS records in a flight.
fn records(flight: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut rest = flight;
    while let [_, _, _, high, low, ..] = rest {
        let length = 5 + usize::from(u16::from_be_bytes([*high, *low]));
        let (record, next) = rest.split_at(length.min(rest.len()));
        records.push(record.to_vec());
        rest = next;
    }
    records
}

/// Changes bits, lengths and types, or removes, repeats, exchanges, splits and adds records.
fn mutate(flight: &mut Vec<u8>, draw: &mut Draw) {
    for _ in 0..=draw.below(2) {
        let mut records = records(flight);
        if records.is_empty() {
            return;
        }
        let at = draw.index(records.len());
        let other = draw.index(records.len());
        let record = &mut records[at];
        let byte = draw.index(record.len());
        match draw.below(12) {
            0..=2 => record[byte] ^= 1 << draw.below(8),
            // The type and length of a handshake message, or the first bytes of an encrypted record.
            3 if record.len() > 9 => {
                record[5 + draw.index(4)] = *draw.one_of(&[0, 1, 2, 11, 15, 16, 20, 0x7f, 0xff])
            }
            4 => record[byte.min(4)] = *draw.one_of(&[0, 3, 20, 21, 22, 23, 24, 0x80, 0xff]),
            5 => drop(records.remove(at)),
            6 => records.insert(other, records[at].clone()),
            7 => records.swap(at, other),
            8 => record.truncate(byte),
            9 => {
                // A message that announces 16 MB, in full records.
                let mut start = vec![22, 3, 3, 0x40, 0, 11, 0xff, 0xff, 0xff];
                start.resize(5 + 0x4000, 7);
                let more = [&[22, 3, 3, 0x40, 0][..], &[7; 0x4000]].concat();
                records.insert(at, start);
                (0..20).for_each(|_| records.insert(at + 1, more.clone()));
            }
            10 => {
                let empty = vec![*draw.one_of(&[20, 21, 22, 23]), 3, 3, 0, 0];
                (0..200).for_each(|_| records.insert(at, empty.clone()));
            }
            _ => {
                let [.., high, low] = record[..5.min(record.len())] else { continue };
                // Two records for one.
                let length = usize::from(u16::from_be_bytes([high, low]));
                if record.len() == 5 + length && length > 1 {
                    let cut = 1 + draw.index(length - 1);
                    let part = |bytes: &[u8]| {
                        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                        [&record[..3], &length, bytes].concat()
                    };
                    let parts = [part(&record[5..5 + cut]), part(&record[5 + cut..])];
                    records.splice(at..=at, parts);
                }
            }
        }
        *flight = records.concat();
    }
}

fn context(client: &Credential, version: SslVersion, ciphers: &str) -> SslContext {
    let mut builder = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    builder.set_security_level(0);
    builder.set_cipher_list(&format!("{ciphers}:@SECLEVEL=0")).unwrap();
    builder.set_min_proto_version(Some(version)).unwrap();
    builder.set_max_proto_version(Some(version)).unwrap();
    builder.set_certificate(&X509::from_der(&client.certificate).unwrap()).unwrap();
    builder.set_private_key(&PKey::private_key_from_der(client.key_der().secret_der()).unwrap()).unwrap();
    builder.build()
}

#[test]
fn mutated_messages_after_the_hello_end_no_server_and_take_no_memory() {
    let rounds: u64 = std::env::var("KMIP_MUTATIONS").map_or(1200, |count| count.parse().unwrap());
    let pki = Pki::new();
    let mut servers = Vec::new();
    for (name, server) in [("ec", &pki.server), ("rsa", &pki.ca.rsa_server())] {
        pki.folder.write("server.pem", server.pem());
        pki.folder.write("server.key", server.key_pem());
        let settings = pki.settings("tls_minimum_version=1.0\nlive_certificates=False");
        let log = pki.folder.path(&format!("{name}.log")).display().to_string();
        servers.push(Running::start(["-f", &settings.display().to_string(), "-l", &log]));
    }
    let contexts = OFFERS.map(|(version, ciphers, _)| context(&pki.client, version, ciphers));
    let mut draw = Draw::new(0x2545_f491_4f6c_dd1d);
    let mut before = [0; 2];
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..rounds {
        if round == rounds / 4 {
            before = [servers[0].resident(), servers[1].resident()];
        }
        let offer = draw.index(OFFERS.len());
        let server = &servers[usize::from(OFFERS[offer].2)];
        let tcp = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let seed = draw.next();
        // The first flight is the hello, which other tests mutate; the third one contains requests.
        let wire = Mutator { tcp, flight: Vec::new(), before: 1 + draw.index(2), seed };
        let begun = Instant::now();
        match Ssl::new(&contexts[offer]).unwrap().connect(wire) {
            Ok(mut stream) => {
                // Over TLS 1.3, the client does not wait for the decision about its last flight.
                let sent = stream.write_all(&request(64)).and_then(|()| stream.read(&mut [0; 64]));
                accepted += usize::from(sent.is_ok_and(|count| count > 0));
            }
            Err(_) => refused += 1,
        }
        let took = begun.elapsed();
        assert!(took < LATE, "round {round}, {:?}, seed {seed} took {took:?}", OFFERS[offer]);
    }
    assert!(refused > rounds / 5, "{refused}");
    println!("{accepted} connections got an answer, {refused} handshakes failed");
    for (before, (server, name)) in before.into_iter().zip(servers.iter().zip(["ec", "rsa"])) {
        let growth = server.resident().saturating_sub(before);
        assert!(growth < GROWTH, "the server grew by {growth} bytes");
        let text = std::fs::read_to_string(pki.folder.path(&format!("{name}.log"))).unwrap();
        assert!(!text.contains(" - ERROR - "), "{text}");
    }
    for (offer, context) in OFFERS.iter().zip(&contexts) {
        let tcp = TcpStream::connect(("127.0.0.1", servers[usize::from(offer.2)].port)).unwrap();
        let mut stream = Ssl::new(context).unwrap().connect(tcp).unwrap();
        stream.write_all(&request(8)).unwrap();
        assert!(stream.read(&mut [0; 8]).unwrap() > 0, "{offer:?}");
    }
}
