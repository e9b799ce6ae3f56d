//! The TLS side of a server: its certificate and key, the versions and cipher suites it offers.
//!
//! Who of the clients is trusted is left to [`super::trust`].

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

/// How many tickets a connection of TLS 1.3 gives. A resumed one gives the next, so a client that opens one
/// connection after the other never runs out of them.
const TICKETS: usize = 1;

/// Why no TLS can be offered. Each names the setting and the file.
#[derive(Debug)]
pub enum Error {
    /// A file cannot be read.
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file holds no certificate.
    NoCertificate {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A certificate in a file is none.
    BadCertificate {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: x509_cert::der::Error,
    },
    /// No file holds a private key.
    NoKey {
        /// The file that was looked into.
        path: PathBuf,
        /// Whether `key_path` named it.
        named: bool,
        /// Whether the file holds a key that needs a password.
        encrypted: bool,
    },
    /// The private key is of a kind or size that is not supported.
    BadKey {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: rustls::Error,
    },
    /// The private key is not the one of the certificate.
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

/// Everything that connections need to shake hands.
pub(super) struct Terms {
    pub(super) config: Arc<ServerConfig>,
    /// What connections to the listeners of clients are made with.
    pub(super) outgoing: Arc<ClientConfig>,
    trust: Arc<Trust>,
}

impl Terms {
    /// Looks again at the certificates of a client that resumed a session: they are those of the handshake that
    /// the session comes from, and may have expired since.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn check_resumed(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let (leaf, above) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.trust.verify_client_cert(leaf, above, UnixTime::now()).map(drop)
    }
}

/// The terms that the settings make.
///
/// # Errors
/// [`Error`].
pub(super) fn terms(config: &Config) -> Result<Terms, Error> {
    let provider = aws_lc_rs::default_provider();
    let identity = Arc::new(SingleCertAndKey::from(identity(config, &provider)?));
    let trusted = certificates("ca_path", &config.ca_path)?;
    let algorithms = provider.signature_verification_algorithms;
    let trust = Trust::new(trusted, config.enable_tls_client_auth, algorithms)
        .map_err(|cause| Error::BadCertificate { setting: "ca_path", path: config.ca_path.clone(), cause })?;
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
    let mut outgoing = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(Error::Rustls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&trust) as _)
        .with_client_cert_resolver(Arc::clone(&identity) as _);
    // A listener shows its certificate each time.
    outgoing.resumption = Resumption::disabled();
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(Error::Rustls)?
        .with_client_cert_verifier(Arc::clone(&trust) as _)
        .with_cert_resolver(Arc::new(Told(identity)));
    // A session is kept by the client, in a ticket: nothing is kept here that could grow, and as the keys of tickets
    // are of this process, no ticket outlives the settings under which it was given.
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.ticketer = Arc::new(Tickets::default());
    tls.send_tls13_tickets = TICKETS;
    Ok(Terms { config: Arc::new(tls), outgoing: Arc::new(outgoing), trust })
}

/// Shows the server's certificate, and tells the log at DEBUG what a client offers.
#[derive(Debug)]
struct Told(Arc<SingleCertAndKey>);

impl ResolvesServerCert for Told {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if log::log_enabled!(target: super::LOG, log::Level::Debug) {
            let names: Vec<_> = hello.cipher_suites().iter().copied().map(suite_name).collect();
            log::debug!(target: super::LOG, "Cipher suites that a client offers: {}", names.join(", "));
        }
        ResolvesServerCert::resolve(self.0.as_ref(), hello)
    }
}

/// The server's certificate and key. rustls' own constructor would refuse certificates of X.509 version 1,
/// so that key and certificate belong together is checked here.
fn identity(config: &Config, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let path = &config.certificate_path;
    let chain = certificates("certificate_path", path)?;
    let bad = |cause| Error::BadCertificate { setting: "certificate_path", path: path.clone(), cause };
    let leaf = chain.first().expect("`certificates` returns at least one");
    let leaf = x509_cert::Certificate::from_der(leaf).map_err(bad)?.tbs_certificate;
    if leaf.validity.not_after.to_system_time() < SystemTime::now() {
        log::warn!(target: super::LOG, "The server's certificate in {} has expired.", path.display());
    }
    let key_path = config.key_path.as_ref().unwrap_or(path);
    let key = private_key(key_path, config.key_path.is_some())?;
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|cause| Error::BadKey { path: key_path.clone(), cause })?;
    if !belongs(&*key, leaf.subject_public_key_info.subject_public_key.raw_bytes()) {
        return Err(Error::Mismatch { key: key_path.clone(), certificate: path.clone() });
    }
    Ok(CertifiedKey::new(chain, key))
}

/// Whether `key` has this public key; only the key bits count, parameters are spelled in several ways.
fn belongs(key: &dyn SigningKey, public: &[u8]) -> bool {
    key.public_key().is_none_or(|info| {
        SubjectPublicKeyInfoRef::try_from(info.as_ref())
            .is_ok_and(|info| info.subject_public_key.raw_bytes() == public)
    })
}

/// All certificates of a PEM file: at least one.
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
        return Err(Error::NoCertificate { setting, path: path.to_owned() });
    }
    Ok(certificates)
}

/// The first private key of a PEM file.
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

pub(super) fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|cause| Error::Unreadable { setting, path: path.to_owned(), cause })
}

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

/// The cipher suites to offer: those of `names` that there are for `versions`, or all where that leaves none; and
/// one warning that names what cannot be offered.
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
        let rest = if chosen.is_empty() { " None is left: the default cipher suites serve." } else { "" };
        format!("tls_cipher_suites: not offered: {unknown}.{rest}")
    });
    (if chosen.is_empty() { all } else { chosen }, warning)
}

/// What would be offered, by name: versions and cipher suites; and what the settings name in vain.
pub(super) fn look(config: &Config) -> (String, Vec<String>, Option<String>) {
    let versions = versions(config.auth_suite);
    let provider = aws_lc_rs::default_provider();
    let (suites, warning) = suites(&provider.cipher_suites, versions, &config.tls_cipher_suites);
    let names = versions
        .iter()
        .rev()
        .map(|it| if it.version == rustls::ProtocolVersion::TLSv1_3 { "1.3" } else { "1.2" });
    (names.collect::<Vec<_>>().join(" and "), suites.into_iter().map(standard_name).collect(), warning)
}

fn is_called(suite: SupportedCipherSuite, name: &str) -> bool {
    let standard = standard_name(suite);
    name.eq_ignore_ascii_case(&standard) || name.eq_ignore_ascii_case(&openssl_name(&standard))
}

/// The name in IANA's registry; rustls writes `TLS13_` where that has `TLS_`.
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

/// OpenSSL's name: `ECDHE-RSA-AES256-GCM-SHA384`. The suites of TLS 1.3 have but one name.
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
    fn suites_have_their_standard_and_their_openssl_names() {
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
    fn what_can_be_offered_restricts_the_list() {
        let names =
            ["TLS_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"];
        let both = ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
        assert_eq!(chosen(AuthSuite::Basic, &names), both);
        assert_eq!(chosen(AuthSuite::Tls12, &names), both[1..]);
        assert_eq!(chosen(AuthSuite::Tls13, &names), both[..1]);
    }

    #[test]
    fn the_defaults_serve_where_nothing_is_left() {
        let names = ["AES128-SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA256"];
        assert_eq!(chosen(AuthSuite::Tls12, &names), chosen(AuthSuite::Tls12, &[]));
        assert_eq!(chosen(AuthSuite::Tls12, &[]).len(), 6);
        assert_eq!(chosen(AuthSuite::Tls13, &["ECDHE-RSA-AES128-GCM-SHA256"]).len(), 3);
    }
}
