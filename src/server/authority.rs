//! The authority of the settings, which signs the certificates of Certify and Re-certify.
//!
//! Clients choose the names in those certificates. So none of them may be one that this server lets clients in by:
//! that is looked at here.

use std::fmt;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls_pemfile::Item;
use zeroize::Zeroizing;

use super::tls;
use crate::config::Config;
use crate::crypto;
use crate::engine::Authority;
use crate::x509::Certificate;
use crate::x509::issuer::Issuer;
use crate::x509::signature::{self, Verdict};

/// The settings.
const CERTIFICATE: &str = "certify_ca_certificate";
const KEY: &str = "certify_ca_key";

/// Why the authority of the settings does not do.
#[derive(Debug)]
pub enum Error {
    /// A file cannot be read, or holds no certificate.
    File(tls::Error),
    /// There is a key without a certificate.
    NoCertificate,
    /// A file holds no private key that is not encrypted.
    NoKey(
        /// The file.
        PathBuf,
    ),
    /// Certificate and key cannot be used.
    Unusable {
        /// The file of the certificate.
        path: PathBuf,
        /// Why.
        cause: crypto::Error,
    },
    /// Clients are trusted by the authority.
    Trusted(
        /// The file of the certificate.
        PathBuf,
    ),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NoCertificate => write!(f, "{KEY}: the setting '{CERTIFICATE}' is missing"),
            Self::NoKey(path) => write!(f, "{KEY}: {} holds no PEM private key in clear", path.display()),
            Self::Unusable { path, cause } => {
                write!(f, "{CERTIFICATE}: the authority in {} cannot be used: {cause}", path.display())
            }
            Self::Trusted(path) => write!(
                f,
                "{CERTIFICATE}: ca_path vouches for the authority in {}, so that clients could make themselves \
                 certificates of any name; use an authority of its own",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}

impl From<tls::Error> for Error {
    fn from(error: tls::Error) -> Self {
        Self::File(error)
    }
}

/// The authority of the settings, or the server's own where they name none.
///
/// # Errors
/// [`Error`].
pub(super) fn of(config: &Config) -> Result<Authority, Error> {
    let Some(path) = &config.certify_ca_certificate else {
        return if config.certify_ca_key.is_some() {
            Err(Error::NoCertificate)
        } else {
            Ok(Authority::own())
        };
    };
    let certificates = tls::certificates(CERTIFICATE, path)?;
    let certificate = certificates.first().ok_or(Error::NoCertificate)?;
    for trusted in tls::certificates("ca_path", &config.ca_path)? {
        if vouches(&trusted, certificate) {
            return Err(Error::Trusted(path.clone()));
        }
    }
    let key_path = config.certify_ca_key.as_ref().unwrap_or(path);
    let text = Zeroizing::new(tls::read(KEY, key_path)?);
    let key = tls::items(KEY, key_path, &text)?.into_iter().find_map(|item| match item {
        Item::Pkcs1Key(key) => Some(Zeroizing::new(key.secret_pkcs1_der().to_vec())),
        Item::Pkcs8Key(key) => Some(Zeroizing::new(key.secret_pkcs8_der().to_vec())),
        Item::Sec1Key(key) => Some(Zeroizing::new(key.secret_sec1_der().to_vec())),
        _ => None,
    });
    let key = key.ok_or_else(|| Error::NoKey(key_path.clone()))?;
    let issuer = Issuer::read(certificate, &key);
    issuer.map(Authority::of).map_err(|cause| Error::Unusable { path: path.clone(), cause })
}

/// Whether a client below `authority` would be let in by `trusted`: it has the same key, or it signed the
/// authority's certificate.
fn vouches(trusted: &CertificateDer<'_>, authority: &CertificateDer<'_>) -> bool {
    let (above, below) = (Certificate::read(trusted), Certificate::read(authority));
    let same_key = above.public_key_info == below.public_key_info;
    let signed =
        above.public_key_info.is_some_and(|info| signature::signed_by(authority, &info) == Verdict::Good);
    same_key || signed
}
