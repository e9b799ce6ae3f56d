//! The harness for tests of a complete server: a temporary PKI and folder, the built binary on a free port or a server
//! in this process, and a TLS client.

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "postgres")]
pub(crate) mod relay;
#[cfg(feature = "postgres")]
pub(crate) mod standby;
pub(crate) mod trust;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kmip_server::Compatibility;
use kmip_server::internals::auth::Peer;
use kmip_server::internals::config::Config;
use kmip_server::internals::dispatch::{Reply, Respond};
use kmip_server::internals::server::{Server, Shutdown};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, RsaKeySize, SigningKey,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned, SupportedProtocolVersion};
use x509_cert::TbsCertificate;
use x509_cert::der::asn1::{BitString, OctetString};
use x509_cert::der::pem::{LineEnding, encode_string};
use x509_cert::der::{Decode, Encode, Header, SliceReader};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// The time limit of a step of a test; a longer step counts as a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Reports that a test is skipped. Fails the test if `KMIP_NO_SKIP` is set, as it is in CI, which provides everything.
pub(crate) fn skip(reason: &str) {
    let forbidden = std::env::var_os("KMIP_NO_SKIP").is_some();
    assert!(!forbidden, "KMIP_NO_SKIP is set, but the test cannot run: {reason}");
    println!("skipped: {reason}");
}

/// A folder for one test, removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("kmip-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, a new one for its owner only.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.unwrap().write_all(text.as_ref()).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A certificate with its private key.
pub(crate) struct Credential {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: KeyPair,
    /// The intermediate certificates that are sent after the certificate.
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

impl Credential {
    pub(crate) fn new(certificate: CertificateDer<'static>, key: KeyPair) -> Self {
        Self { certificate, key, chain: Vec::new() }
    }

    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// Returns the key as `RSA PRIVATE KEY` or `EC PRIVATE KEY`, which is the inner structure of PKCS#8.
    pub(crate) fn old_key_pem(&self, label: &'static str) -> String {
        let pkcs8 = self.key.serialize_der();
        let mut reader = SliceReader::new(&pkcs8).unwrap();
        Header::decode(&mut reader).unwrap();
        u8::decode(&mut reader).unwrap();
        AlgorithmIdentifierOwned::decode(&mut reader).unwrap();
        pem(label, OctetString::decode(&mut reader).unwrap().as_bytes())
    }
}

pub(crate) fn pem(label: &'static str, bytes: &[u8]) -> String {
    encode_string(label, LineEnding::LF, bytes).unwrap()
}

fn named(common_names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for name in common_names {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    params
}

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) credential: Credential,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, |_| ())
    }

    pub(crate) fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = Self::params(name);
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self::of(certificate, key, params)
    }

    /// Returns an intermediate authority that this one issued.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = Self::params(name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self::of(certificate, key, params)
    }

    /// Issues a certificate for the name and the public key of another authority's certificate, in DER.
    pub(crate) fn cross_sign(&self, authority: &[u8]) -> CertificateDer<'static> {
        let read = x509_cert::Certificate::from_der(authority).unwrap().tbs_certificate;
        resigned(&self.intermediate("").credential.certificate, self.issuer.key(), |contents| {
            contents.subject = read.subject;
            contents.subject_public_key_info = read.subject_public_key_info;
        })
    }

    fn of(certificate: CertificateDer<'static>, key: KeyPair, params: CertificateParams) -> Self {
        let copy = KeyPair::from_pem(&key.serialize_pem()).unwrap();
        Self { credential: Credential::new(certificate, copy), issuer: Issuer::new(params, key) }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = named(&[name]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Tests use authorities as clients, too.
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    pub(crate) fn pem(&self) -> String {
        self.credential.pem()
    }

    /// Issues a client certificate like those of PyKMIP's users.
    pub(crate) fn client(&self, name: &str) -> Credential {
        self.issue(&[name], |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    pub(crate) fn server(&self) -> Credential {
        self.issue(&["localhost"], server_names)
    }

    pub(crate) fn rsa_server(&self) -> Credential {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = named(&["localhost"]);
        server_names(&mut params);
        Credential::new(params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
    }

    pub(crate) fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Credential {
        let key = KeyPair::generate().unwrap();
        let mut params = named(names);
        change(&mut params);
        Credential::new(params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
    }

    /// Issues a certificate of X.509 version 1, which has no extensions.
    pub(crate) fn issue_version_1(&self, name: &str) -> Credential {
        let credential = self.issue(&[name], |_| ());
        let certificate = version_1(&credential.certificate, self.issuer.key());
        Credential { certificate, ..credential }
    }
}

fn server_names(params: &mut CertificateParams) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    params.subject_alt_names = CertificateParams::new(names).unwrap().subject_alt_names;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
}

/// Returns a self-signed certificate.
pub(crate) fn self_signed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Credential {
    let key = KeyPair::generate().unwrap();
    let mut params = named(&[name]);
    change(&mut params);
    Credential::new(params.self_signed(&key).unwrap().der().clone(), key)
}

/// Returns a self-signed certificate of X.509 version 1, as old versions of `openssl req -x509` made it: it is a CA,
/// a server and a client certificate at once.
pub(crate) fn self_signed_version_1(name: &str) -> Credential {
    let credential = self_signed(name, |_| ());
    let certificate = version_1(&credential.certificate, &credential.key);
    Credential { certificate, ..credential }
}

fn version_1(certificate: &CertificateDer<'_>, signer: &KeyPair) -> CertificateDer<'static> {
    resigned(certificate, signer, |contents| {
        contents.version = x509_cert::certificate::Version::V1;
        contents.extensions = None;
    })
}

/// Changes the contents of a certificate in ways that no library supports, and signs it again.
fn resigned(
    certificate: &CertificateDer<'_>,
    signer: &KeyPair,
    change: impl FnOnce(&mut TbsCertificate),
) -> CertificateDer<'static> {
    let mut certificate = x509_cert::Certificate::from_der(certificate).unwrap();
    change(&mut certificate.tbs_certificate);
    let signature = signer.sign(&certificate.tbs_certificate.to_der().unwrap()).unwrap();
    certificate.signature = BitString::from_bytes(&signature).unwrap();
    certificate.to_der().unwrap().into()
}

/// Returns an authority with an RSA key and exactly these bytes as its name.
pub(crate) fn rsa_authority(name: &Name) -> Credential {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = Authority::params("").self_signed(&key).unwrap();
    let certificate = resigned(certificate.der(), &key, |contents| {
        contents.issuer = name.clone();
        contents.subject = name.clone();
    });
    Credential::new(certificate, key)
}

/// A folder with the certificates of an authority, a server and a client.
pub(crate) struct Pki {
    pub(crate) folder: Folder,
    pub(crate) ca: Authority,
    pub(crate) server: Credential,
    pub(crate) client: Credential,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let (folder, ca) = (Folder::new(), Authority::new("Root CA"));
        let (server, client) = (ca.server(), ca.client("John Doe"));
        folder.write("ca.pem", ca.pem());
        folder.write("server.pem", server.pem());
        folder.write("server.key", server.key_pem());
        Self { folder, ca, server, client }
    }

    /// Settings of a server with the standard's behaviour, in memory.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.folder.path("server.pem"), self.folder.path("ca.pem"));
        config.port = 0;
        config.compatibility = Compatibility::Standard;
        config.key_path = Some(self.folder.path("server.key"));
        config.log_path = self.folder.path("server.log");
        config.database_path = ":memory:".into();
        config
    }

    /// Writes the settings of [`Self::config`] and the `extra` lines to a file, and returns its path.
    pub(crate) fn settings(&self, extra: &str) -> PathBuf {
        let path = |name| self.folder.path(name).display().to_string();
        let text = format!(
            "[server]\nhostname=127.0.0.1\nport=0\ncertificate_path={}\nkey_path={}\nca_path={}\nauth_suite=Basic\n\
             database_path=:memory:\n{extra}\n",
            path("server.pem"),
            path("server.key"),
            path("ca.pem")
        );
        self.folder.write("server.conf", text)
    }

    /// Returns the command line options that are equivalent to that file.
    pub(crate) fn options(&self) -> Vec<String> {
        let path = |name| self.folder.path(name).display().to_string();
        let options = [
            ("-n", "127.0.0.1".to_owned()),
            ("-p", "0".to_owned()),
            ("-c", path("server.pem")),
            ("-k", path("server.key")),
            ("-a", path("ca.pem")),
            ("-l", path("server.log")),
            ("-d", ":memory:".to_owned()),
        ];
        options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path("server.log")).unwrap_or_default()
    }

    /// Connects to `port` as `client`, with any TLS version.
    pub(crate) fn connect(&self, port: u16, client: &Credential) -> Client {
        Client::connect(port, &self.ca.credential.certificate, Some(client), rustls::ALL_VERSIONS).unwrap()
    }
}

/// The server binary in a process of its own.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) port: u16,
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts the binary and waits for its port.
    pub(crate) fn start(arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_run_server"));
        command.args(arguments);
        Self::of(command)
    }

    /// Runs a command that becomes the server, and waits for its port.
    pub(crate) fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        // The log of the start precedes the line if it goes to standard output, too.
        while stdout.read_line(&mut line).unwrap() > 0 && !line.starts_with("Listening on ") {
            line.clear();
        }
        let port = line.strip_prefix("Listening on ").and_then(|rest| rest.split_whitespace().next());
        let port = port.and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| {
            panic!("the first line of the server is {line:?}, its exit {:?}", child.wait())
        });
        Self { child, port, stdout: Some(stdout) }
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Returns the resident memory of the process in bytes.
    pub(crate) fn resident(&self) -> u64 {
        resident(&self.child.id().to_string())
    }

    /// Waits at most [`PATIENCE`] for the end of the process and returns its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        within(|| self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A pseudorandom generator (xorshift, Marsaglia 2003).
pub(crate) struct Draw(u64);

impl Draw {
    /// Returns the generator for a seed, which must not be zero.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length.max(1) as u64)).unwrap()
    }

    pub(crate) fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }
}

/// Returns the resident memory of a process, by its number or `self`, in bytes; 0 if the system does not report it.
pub(crate) fn resident(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Polls `outcome` until it returns a value, for at most [`PATIENCE`].
pub(crate) fn within<T>(mut outcome: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(outcome) = outcome() {
            return outcome;
        }
        assert!(Instant::now() < end, "the condition was not met in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server in this process.
pub(crate) struct Embedded {
    pub(crate) port: u16,
    pub(crate) shutdown: Shutdown,
    pub(crate) thread: Option<JoinHandle<()>>,
}

impl Embedded {
    pub(crate) fn start(config: &Config, responder: impl Respond) -> Self {
        Self::run(Server::bind_with(config, Arc::new(responder)))
    }

    /// Starts the complete server.
    pub(crate) fn real(config: &Config) -> Self {
        Self::run(Server::bind(config))
    }

    fn run(server: Result<Server, kmip_server::internals::server::Error>) -> Self {
        let server = server.unwrap_or_else(|error| panic!("{error}"));
        let (port, shutdown) = (server.port(), server.shutdown());
        Self { port, shutdown, thread: Some(std::thread::spawn(move || server.run())) }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.shutdown.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A responder that returns each request unchanged.
pub(crate) struct Echo;

impl Respond for Echo {
    fn respond(&self, request: &[u8], _: &Peer) -> Reply {
        Reply { message: request.to_vec(), close: false, fault: None }
    }
}

/// Returns a request message with `length` meaningless bytes after its header.
pub(crate) fn request(length: usize) -> Vec<u8> {
    let mut request = vec![0x42, 0x00, 0x78, 0x01];
    request.extend(u32::try_from(length).unwrap().to_be_bytes());
    request.resize(8 + length, 7);
    request
}

/// A connected client.
pub(crate) struct Client {
    pub(crate) stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Client {
    /// Connects and completes the TLS handshake; `root` must have issued the certificate of the server, or be it.
    pub(crate) fn connect(
        port: u16,
        root: &CertificateDer<'static>,
        client: Option<&Credential>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<Self> {
        Self::with(port, Self::config(root, client, versions))
    }

    /// Returns the TLS configuration of such a client. A second connection with it resumes the session of the first.
    pub(crate) fn config(
        root: &CertificateDer<'static>,
        client: Option<&Credential>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let trust = Arc::new(trust::Only(root.clone()));
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(trust);
        match client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let key = aws_lc_rs::sign::any_supported_type(&client.key_der()).unwrap();
                let chain = std::iter::once(&client.certificate).chain(&client.chain).cloned().collect();
                let certified = rustls::sign::CertifiedKey::new(chain, key);
                builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))
            }
        }
    }

    pub(crate) fn with(port: u16, config: ClientConfig) -> std::io::Result<Self> {
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
        let tcp = TcpStream::connect(("127.0.0.1", port))?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let mut stream = StreamOwned::new(tls, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Receives the next message.
    pub(crate) fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mut message = vec![0; 8];
        self.stream.read_exact(&mut message)?;
        let length = u32::from_be_bytes(message[4..8].try_into().unwrap());
        message.resize(8 + length as usize, 0);
        self.stream.read_exact(&mut message[8..])?;
        Ok(message)
    }

    pub(crate) fn exchange(&mut self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        self.send(request)?;
        self.receive()
    }

    /// Returns whether the server closes the connection within [`PATIENCE`].
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 64]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}
