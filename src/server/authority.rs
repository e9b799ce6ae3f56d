//! The certificate authority of the settings, which signs the certificates of Certify and Re-certify.
//!
//! Clients choose the names in those certificates, so this server must not accept them for authentication: an
//! authority that `ca_path` trusts is refused.

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

/// Names of settings.
const CERTIFICATE: &str = "certify_ca_certificate";
const KEY: &str = "certify_ca_key";

/// The reason for which the authority of the settings cannot be used.
#[derive(Debug)]
pub enum Error {
    /// A file cannot be read, or contains no certificate.
    File(tls::Error),
    /// The settings name a key and no certificate.
    NoCertificate,
    /// A file contains no unencrypted private key.
    NoKey(
        /// The file.
        PathBuf,
    ),
    /// Certificate and key cannot be used together.
    Unusable {
        /// The file of the certificate.
        path: PathBuf,
        /// The reason.
        cause: crypto::Error,
    },
    /// Certificates of this authority would authenticate clients.
    Trusted(
        /// The file of the certificate.
        PathBuf,
    ),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NoCertificate => {
                write!(f, "{KEY}: the setting '{CERTIFICATE}' is missing; add it, or remove {KEY}")
            }
            Self::NoKey(path) => write!(f, "{KEY}: {} holds no PEM private key in clear", path.display()),
            Self::Unusable { path, cause } => {
                write!(f, "{CERTIFICATE}: the authority in {} cannot be used: {cause}", path.display())
            }
            Self::Trusted(path) => write!(
                f,
                "{CERTIFICATE}: ca_path vouches for the authority in {}, so that clients could make themselves \
                 certificates of any name; use a separate authority",
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

/// Loads the authority of the settings, or returns the server's own if they name none.
///
/// # Errors
/// Returns [`Error`] if the authority cannot be used.
pub(super) fn load(config: &Config) -> Result<Authority, Error> {
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

/// Returns whether `trusted` would authenticate clients whose certificates `authority` issued: both have the same key,
/// or `trusted` signed the certificate of `authority`.
fn vouches(trusted: &CertificateDer<'_>, authority: &CertificateDer<'_>) -> bool {
    let (issuer, subject) = (Certificate::read(trusted), Certificate::read(authority));
    let same_key = issuer.public_key_info == subject.public_key_info;
    let signed =
        issuer.public_key_info.is_some_and(|info| signature::signed_by(authority, &info) == Verdict::Good);
    same_key || signed
}
