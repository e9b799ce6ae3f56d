//! The TLS configuration of a server: its certificate and private key, protocol versions and cipher suites.
//!
//! [`super::trust`] decides which client certificates are trusted.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{
    CipherSuite, ClientConfig, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version,
};
use rustls_pemfile::Item;
use x509_cert::der::Decode;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

use super::tickets::Tickets;
use super::trust::Trust;
use crate::config::{AuthSuite, Config};
use crate::engine::IssuingKeys;

/// The number of tickets per TLS 1.3 handshake. A resumed connection issues the next one, so a client that opens
/// connections one after another never runs out of tickets.
const TICKETS: usize = 1;

/// The maximum number of a client's cipher suites in a line of the log; OpenSSL offers 31 by default.
const MAX_NAMED: usize = 64;

/// The reason for which TLS cannot be offered. Each variant names the setting and the file.
#[derive(Debug)]
pub enum Error {
    /// A file cannot be read.
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: io::Error,
    },
    /// A file contains no certificate.
    NoCertificate {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A certificate in a file cannot be parsed.
    BadCertificate {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: x509_cert::der::Error,
    },
    /// A file contains no usable private key.
    NoKey {
        /// The file that was read.
        path: PathBuf,
        /// Whether `key_path` names it; otherwise `certificate_path` does.
        named: bool,
        /// Whether the file contains an encrypted private key.
        encrypted: bool,
    },
    /// The type or size of the private key is not supported.
    BadKey {
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: rustls::Error,
    },
    /// The private key does not belong to the certificate.
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// rustls refuses the settings.
    Rustls(rustls::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { setting, path, cause } => {
                write!(f, "{setting}: {} cannot be read: {cause}", path.display())
            }
            Self::NoCertificate { setting, path } => {
                write!(f, "{setting}: {} holds no PEM certificate", path.display())
            }
            Self::BadCertificate { setting, path, cause } => {
                write!(f, "{setting}: {} holds a broken certificate: {cause}", path.display())
            }
            Self::NoKey { path, encrypted: true, .. } => {
                write!(f, "key_path: the private key in {} is encrypted; decrypt it first", path.display())
            }
            Self::NoKey { path, named: true, .. } => {
                write!(f, "key_path: {} holds no PEM private key", path.display())
            }
            Self::NoKey { path, .. } => write!(
                f,
                "the setting 'key_path' is missing, and {}, the file of certificate_path, holds no private key",
                path.display()
            ),
            Self::BadKey { path, cause } => {
                write!(f, "key_path: the private key in {} cannot be used: {cause}", path.display())
            }
            Self::Mismatch { key, certificate } => write!(
                f,
                "key_path: the private key in {} is not the one of the certificate in {}",
                key.display(),
                certificate.display()
            ),
            Self::Rustls(cause) => write!(f, "TLS cannot be offered: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

/// The TLS configuration of a server, for accepted connections and for connections to client endpoints.
pub(super) struct TlsConfig {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    trust: Arc<Trust>,
}

impl TlsConfig {
    /// Loads certificates and private key from the files of the settings. Refuses chains with one of the keys `issuing`.
    ///
    /// # Errors
    /// Returns [`Error`] if a file or a setting cannot be used.
    pub(super) fn load(config: &Config, issuing: Arc<IssuingKeys>) -> Result<Self, Error> {
        let chain = certificates("certificate_path", &config.certificate_path)?;
        let identity = identity(config, chain)?;
        Self::new(config, identity, certificates("ca_path", &config.ca_path)?, issuing)
    }

    /// Builds the configuration from the server's identity and the certificates in `ca_path`.
    ///
    /// # Errors
    /// Returns [`Error`] if no certificate of `trusted` can be parsed, or rustls refuses the settings.
    pub(super) fn new(
        config: &Config,
        identity: CertifiedKey,
        trusted: Vec<CertificateDer<'static>>,
        issuing: Arc<IssuingKeys>,
    ) -> Result<Self, Error> {
        let provider = aws_lc_rs::default_provider();
        let identity = Arc::new(SingleCertAndKey::from(identity));
        let algorithms = provider.signature_verification_algorithms;
        let bad = |cause| Error::BadCertificate { setting: "ca_path", path: config.ca_path.clone(), cause };
        let trust = Trust::new(trusted, config.enable_tls_client_auth, algorithms, issuing).map_err(bad)?;
        let trust = Arc::new(trust);
        let versions = versions(config.auth_suite);
        let (suites, warning) = suites(&provider.cipher_suites, versions, &config.tls_cipher_suites);
        if let Some(warning) = warning {
            log::warn!(target: super::LOG, "{warning}");
        }
        for suite in &suites {
            log::debug!(target: super::LOG, "Cipher suite offered: {}", standard_name(*suite));
        }
        let provider = Arc::new(CryptoProvider { cipher_suites: suites, ..provider });
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(Error::Rustls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&trust) as _)
            .with_client_cert_resolver(Arc::clone(&identity) as _);
        // Each connection must verify the listener's certificate, which a resumed session does not contain.
        client.resumption = Resumption::disabled();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(Error::Rustls)?
            .with_client_cert_verifier(Arc::clone(&trust) as _)
            .with_cert_resolver(Arc::new(LoggingResolver(identity)));
        // The client stores the session, in a ticket: the server stores nothing that could grow. Ticket keys do not
        // outlive the process, so no ticket outlives the settings under which it was issued.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.ticketer = Arc::new(Tickets::default());
        server.send_tls13_tickets = TICKETS;
        Ok(Self { server: Arc::new(server), client: Arc::new(client), trust })
    }

    /// Verifies the certificates of a client that resumed a session again: they come from the original handshake, and
    /// may have expired since.
    ///
    /// # Errors
    /// Returns the reason for which the certificates are refused.
    pub(super) fn check_resumed(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let (leaf, above) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.trust.verify_client_cert(leaf, above, UnixTime::now()).map(drop)
    }
}

/// Presents the server's certificate, and logs the cipher suites of each client at DEBUG.
#[derive(Debug)]
struct LoggingResolver(Arc<SingleCertAndKey>);

impl ResolvesServerCert for LoggingResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if log::log_enabled!(target: super::LOG, log::Level::Debug) {
            let suites = hello.cipher_suites();
            let names: Vec<_> = suites.iter().take(MAX_NAMED).copied().map(suite_name).collect();
            let more = match suites.len().saturating_sub(MAX_NAMED) {
                0 => String::new(),
                count => format!(" (and {count} more)"),
            };
            log::debug!(target: super::LOG, "Cipher suites that a client offers: {}{more}", names.join(", "));
        }
        ResolvesServerCert::resolve(self.0.as_ref(), hello)
    }
}

/// Combines the server's certificate chain, which is not empty, with its private key.
///
/// The check that both belong together is here, because rustls' own constructor refuses X.509 version 1.
///
/// # Errors
/// Returns [`Error`] if certificate or key cannot be used.
pub(super) fn identity(config: &Config, chain: Vec<CertificateDer<'static>>) -> Result<CertifiedKey, Error> {
    let path = &config.certificate_path;
    let leaf = chain.first().ok_or_else(|| no_certificate("certificate_path", path))?;
    let bad = |cause| Error::BadCertificate { setting: "certificate_path", path: path.clone(), cause };
    let leaf = x509_cert::Certificate::from_der(leaf).map_err(bad)?.tbs_certificate;
    if leaf.validity.not_after.to_system_time() < SystemTime::now() {
        log::warn!(
            target: super::LOG,
            "The server's certificate in {} has expired; clients refuse it until it is replaced.",
            path.display()
        );
    }
    let key_path = config.key_path.as_ref().unwrap_or(path);
    let key = private_key(key_path, config.key_path.is_some())?;
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
    let key = key.map_err(|cause| Error::BadKey { path: key_path.clone(), cause })?;
    if !belongs(&*key, leaf.subject_public_key_info.subject_public_key.raw_bytes()) {
        return Err(Error::Mismatch { key: key_path.clone(), certificate: path.clone() });
    }
    Ok(CertifiedKey::new(chain, key))
}

fn no_certificate(setting: &'static str, path: &Path) -> Error {
    Error::NoCertificate { setting, path: path.to_owned() }
}

/// Returns whether `key` has this public key. Only the key bits are compared: algorithm parameters have several
/// equivalent encodings.
fn belongs(key: &dyn SigningKey, public: &[u8]) -> bool {
    key.public_key().is_none_or(|info| {
        SubjectPublicKeyInfoRef::try_from(info.as_ref())
            .is_ok_and(|info| info.subject_public_key.raw_bytes() == public)
    })
}

/// Reads all certificates of a PEM file.
///
/// # Errors
/// Returns [`Error`] if the file cannot be read or contains no certificate.
pub(super) fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let items = items(setting, path, &read(setting, path)?)?;
    let certificates: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item {
            Item::X509Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(no_certificate(setting, path));
    }
    Ok(certificates)
}

/// Reads the first private key of a PEM file.
fn private_key(path: &Path, named: bool) -> Result<PrivateKeyDer<'static>, Error> {
    let text = Zeroizing::new(read("key_path", path)?);
    let has = |words: &[u8]| text.windows(words.len()).any(|window| window == words);
    let no_key = |encrypted| Error::NoKey { path: path.to_owned(), named, encrypted };
    // Keys of the old form carry headers that are no base64.
    if has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(no_key(true));
    }
    let key = items("key_path", path, &text)?.into_iter().find_map(|item| match item {
        Item::Pkcs1Key(key) => Some(key.into()),
        Item::Pkcs8Key(key) => Some(key.into()),
        Item::Sec1Key(key) => Some(key.into()),
        _ => None,
    });
    key.ok_or_else(|| no_key(has(b"BEGIN ENCRYPTED PRIVATE KEY")))
}

/// Reads the file that a setting names.
pub(super) fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|cause| Error::Unreadable { setting, path: path.to_owned(), cause })
}

/// Parses the items of a PEM file.
pub(super) fn items(setting: &'static str, path: &Path, text: &[u8]) -> Result<Vec<Item>, Error> {
    let items: io::Result<Vec<_>> = rustls_pemfile::read_all(&mut &*text).collect();
    items.map_err(|cause| Error::Unreadable { setting, path: path.to_owned(), cause })
}

fn versions(suite: AuthSuite) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST_FIRST: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    let [tls13, tls12] = NEWEST_FIRST.each_ref();
    match suite {
        AuthSuite::Basic => &NEWEST_FIRST,
        AuthSuite::Tls12 => slice::from_ref(tls12),
        AuthSuite::Tls13 => slice::from_ref(tls13),
    }
}

/// Returns the cipher suites to offer: those of `names` that `versions` support, or all if there are none; and a
/// warning with the names that cannot be offered.
fn suites(
    all: &[SupportedCipherSuite],
    versions: &[&'static SupportedProtocolVersion],
    names: &[String],
) -> (Vec<SupportedCipherSuite>, Option<String>) {
    let usable = |suite: &&SupportedCipherSuite| versions.contains(&suite.version());
    let all: Vec<_> = all.iter().filter(usable).copied().collect();
    let (offered, unknown): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| all.iter().any(|suite| is_called(*suite, name)));
    let chosen: Vec<_> =
        all.iter().filter(|suite| offered.iter().any(|name| is_called(**suite, name))).copied().collect();
    let warning = (!unknown.is_empty()).then(|| {
        let unknown = unknown.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let rest = if chosen.is_empty() { " None is left: the default cipher suites are offered." } else { "" };
        format!("tls_cipher_suites: not offered: {unknown}.{rest} Remove these names, or see the README for others.")
    });
    (if chosen.is_empty() { all } else { chosen }, warning)
}

/// The TLS versions and cipher suites of a configuration, by name.
pub(super) struct Offer {
    pub(super) versions: String,
    pub(super) cipher_suites: Vec<String>,
    /// A warning about names in `tls_cipher_suites` that cannot be offered.
    pub(super) warning: Option<String>,
}

/// Returns the versions and cipher suites that a server with these settings offers.
pub(super) fn offer(config: &Config) -> Offer {
    let versions = versions(config.auth_suite);
    let provider = aws_lc_rs::default_provider();
    let (suites, warning) = suites(&provider.cipher_suites, versions, &config.tls_cipher_suites);
    let names = versions
        .iter()
        .rev()
        .map(|it| if it.version == rustls::ProtocolVersion::TLSv1_3 { "1.3" } else { "1.2" });
    Offer {
        versions: names.collect::<Vec<_>>().join(" and "),
        cipher_suites: suites.into_iter().map(standard_name).collect(),
        warning,
    }
}

fn is_called(suite: SupportedCipherSuite, name: &str) -> bool {
    let standard = standard_name(suite);
    name.eq_ignore_ascii_case(&standard) || name.eq_ignore_ascii_case(&openssl_name(&standard))
}

/// Returns the name in IANA's registry, where names of TLS 1.3 begin with `TLS_`; rustls writes `TLS13_`.
fn standard_name(suite: SupportedCipherSuite) -> String {
    suite_name(suite.suite())
}

fn suite_name(suite: CipherSuite) -> String {
    match suite.as_str() {
        Some(name) => {
            name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
        }
        None => format!("0x{:04X}", u16::from(suite)),
    }
}

/// Returns OpenSSL's name, such as `ECDHE-RSA-AES256-GCM-SHA384`. The suites of TLS 1.3 have the same name in both.
fn openssl_name(standard: &str) -> String {
    let Some((exchange, cipher)) = standard.strip_prefix("TLS_").and_then(|it| it.split_once("_WITH_"))
    else {
        return standard.to_owned();
    };
    let cipher = cipher.replace("AES_", "AES").replace("POLY1305_SHA256", "POLY1305");
    format!("{exchange}-{cipher}").replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(suite: AuthSuite, names: &[&str]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let (suites, _) = suites(&aws_lc_rs::default_provider().cipher_suites, versions(suite), &names);
        suites.into_iter().map(standard_name).collect()
    }

    #[test]
    fn suites_have_standard_and_openssl_names() {
        let ours = &aws_lc_rs::default_provider().cipher_suites;
        let names: Vec<_> = ours.iter().map(|it| openssl_name(&standard_name(*it))).collect();
        for name in [
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305",
        ] {
            assert!(names.iter().any(|it| it == name), "{name} is not among {names:?}");
        }
        assert_eq!(standard_name(ours[0]), "TLS_AES_256_GCM_SHA384");
    }

    #[test]
    fn offers_only_named_suites_that_the_versions_support() {
        let names =
            ["TLS_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"];
        let both = ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
        assert_eq!(chosen(AuthSuite::Basic, &names), both);
        assert_eq!(chosen(AuthSuite::Tls12, &names), both[1..]);
        assert_eq!(chosen(AuthSuite::Tls13, &names), both[..1]);
    }

    #[test]
    fn offers_default_suites_if_no_named_suite_is_supported() {
        let names = ["AES128-SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA256"];
        assert_eq!(chosen(AuthSuite::Tls12, &names), chosen(AuthSuite::Tls12, &[]));
        assert_eq!(chosen(AuthSuite::Tls12, &[]).len(), 6);
        assert_eq!(chosen(AuthSuite::Tls13, &["ECDHE-RSA-AES128-GCM-SHA256"]).len(), 3);
    }
}
