//! The files of the TLS settings: certificates and the private key, and the errors that they cause.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

#[cfg(feature = "legacy-tls")]
use openssl::pkey::PKey;
#[cfg(feature = "legacy-tls")]
use rsa::pkcs8::PrivateKeyInfo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::db::DB;
#[cfg(feature = "legacy-tls")]
use x509_cert::der::{Encode, referenced::OwnedToRef};
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::super::LOG;
#[cfg(feature = "legacy-tls")]
use super::openssl_errors::Reasons;
use super::suites::KeyType;
use crate::config::Config;
use crate::excerpt::Excerpt;
use crate::x509::parsed::Parsed;
use crate::x509::pem::{self, Block, Fault};
use crate::x509::trusted;

/// The setting of the trusted certificates.
const CA_PATH: &str = "ca_path";

/// The label of a certificate with the purposes for which it is trusted.
const TRUSTED_CERTIFICATE: &str = "TRUSTED CERTIFICATE";

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
    /// A file contains a block that should be a certificate, and cannot be read.
    BadCertificate {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Where it is in the file, and why it cannot be read.
        what: String,
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
        /// The type of the key in the certificate, such as `id-Ed448`.
        key: String,
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
    /// OpenSSL refuses the settings.
    #[cfg(feature = "legacy-tls")]
    OpenSsl(Reasons),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { setting, path, cause } => {
                write!(f, "{setting}: {} cannot be read: {cause}", path.display())
            }
            Self::NoCertificate { setting, path } => {
                write!(f, "{setting}: {} holds no certificate, in PEM or DER", path.display())
            }
            Self::BadCertificate { setting, path, what } => {
                write!(f, "{setting}: {} holds a broken certificate: {what}", path.display())
            }
            Self::NoKey { path, encrypted: true, .. } => {
                write!(
                    f,
                    "key_path: the private key in {0} is encrypted; decrypt it with `openssl pkey -in {0} -out FILE`, and \
                     set key_path to that file",
                    path.display()
                )
            }
            Self::NoKey { path, named: true, .. } => {
                write!(f, "key_path: {} holds no private key, in PEM or DER", path.display())
            }
            Self::NoKey { path, .. } => write!(
                f,
                "the setting 'key_path' is missing, and {}, the file of certificate_path, holds no private key",
                path.display()
            ),
            Self::BadKey { path, key } => write!(
                f,
                "key_path: the private key in {} cannot be used: the certificate is for a key of type {key}; the server \
                 supports RSA from 2048 bits on, P-256, P-384, P-521 and Ed25519",
                path.display()
            ),
            Self::Mismatch { key, certificate } => write!(
                f,
                "key_path: the private key in {} is not the one of the certificate in {}",
                key.display(),
                certificate.display()
            ),
            Self::Rustls(cause) => write!(f, "TLS cannot be offered: {cause}"),
            #[cfg(feature = "legacy-tls")]
            Self::OpenSsl(cause) => write!(
                f,
                "OpenSSL cannot use the server's certificate and key: {cause}; replace them, or set legacy_tls to False"
            ),
        }
    }
}

impl std::error::Error for Error {}

/// The server's certificate chain with its private key.
pub(in crate::server) struct Identity {
    pub(super) certified: CertifiedKey,
    /// The private key, DER, in any of its three forms.
    #[cfg(feature = "legacy-tls")]
    pub(super) key: Zeroizing<Vec<u8>>,
}

impl Identity {
    /// Combines the certificate chain, which is not empty, with its private key.
    ///
    /// The check that both belong together is here, because rustls' own constructor refuses X.509 version 1.
    ///
    /// # Errors
    /// Returns [`Error`] if certificate or key cannot be used.
    pub(in crate::server) fn read(
        config: &Config,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Self, Error> {
        let path = &config.certificate_path;
        let leaf = chain.first().ok_or_else(|| no_certificate("certificate_path", path))?;
        let bad = |cause: x509_cert::der::Error| Error::BadCertificate {
            setting: "certificate_path",
            path: path.clone(),
            what: format!("the first certificate cannot be used: {cause}"),
        };
        let leaf = x509_cert::Certificate::from_der(leaf).map_err(bad)?.tbs_certificate;
        let key_path = config.key_path.as_ref().unwrap_or(path);
        let key = private_key(key_path, config.key_path.is_some())?;
        #[cfg(feature = "legacy-tls")]
        let der = complete_der(&key, &leaf.subject_public_key_info).map_err(bad)?;
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
        let info = &leaf.subject_public_key_info;
        let key = key.map_err(|_| Error::BadKey { path: key_path.clone(), key: key_type_name(info) })?;
        if !belongs(&*key, info.subject_public_key.raw_bytes()) {
            return Err(Error::Mismatch { key: key_path.clone(), certificate: path.clone() });
        }
        Ok(Self {
            certified: CertifiedKey::new(chain, key),
            #[cfg(feature = "legacy-tls")]
            key: der,
        })
    }

    /// Returns the type of the key.
    pub(in crate::server) fn key_type(&self) -> KeyType {
        KeyType::of(self.certified.key.algorithm())
    }
}

/// What the files of the TLS settings contain.
pub(in crate::server) struct Files {
    pub(in crate::server) identity: Identity,
    /// The certificates of `ca_path`.
    pub(in crate::server) trusted: Vec<CertificateDer<'static>>,
    /// What the files contain and the server ignores.
    warnings: Vec<String>,
}

impl Files {
    /// Reads the files.
    ///
    /// # Errors
    /// Returns [`Error`] if a file cannot be read, or certificate and key do not belong together.
    pub(in crate::server) fn read(config: &Config) -> Result<Self, Error> {
        let (chain, mut warnings) = certificates_and_warnings("certificate_path", &config.certificate_path)?;
        let identity = Identity::read(config, chain)?;
        let (trusted, more) = certificates_and_warnings(CA_PATH, &config.ca_path)?;
        warnings.extend(more);
        Ok(Self { identity, trusted, warnings })
    }

    /// Logs what the server ignores in the files, when they are put in force.
    pub(in crate::server) fn announce(&self) {
        for warning in &self.warnings {
            log::warn!(target: LOG, "{warning}");
        }
    }

    /// Returns the server's certificate and those behind it.
    pub(in crate::server) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.identity.certified.cert
    }
}

/// Returns the DER of a private key. A key of the form SEC1 may lack its curve, which is that of the certificate.
#[cfg(feature = "legacy-tls")]
fn complete_der(
    key: &PrivateKeyDer<'_>,
    info: &SubjectPublicKeyInfoOwned,
) -> Result<Zeroizing<Vec<u8>>, x509_cert::der::Error> {
    let der = match key {
        PrivateKeyDer::Sec1(key) => {
            PrivateKeyInfo::new(info.algorithm.owned_to_ref(), key.secret_sec1_der()).to_der()?
        }
        key => key.secret_der().to_vec(),
    };
    Ok(Zeroizing::new(der))
}

/// Returns the name of a key's algorithm, or of its curve.
fn key_type_name(info: &SubjectPublicKeyInfoOwned) -> String {
    let curve = info.algorithm.parameters.as_ref().and_then(|it| it.decode_as::<ObjectIdentifier>().ok());
    let identifier = curve.unwrap_or(info.algorithm.oid);
    DB.by_oid(&identifier).map_or_else(|| identifier.to_string(), str::to_owned)
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

/// Returns whether a PEM file contains the private key of a client's certificate, whose type may be one that the server
/// does not use itself.
///
/// # Errors
/// Returns [`Error`] if the file cannot be read or contains no private key.
pub(in crate::server) fn has_private_key(leaf: &CertificateDer<'_>, path: &Path) -> Result<bool, Error> {
    let bad = |cause: x509_cert::der::Error| Error::BadCertificate {
        setting: "check-client",
        path: path.to_owned(),
        what: format!("the certificate cannot be used: {cause}"),
    };
    let info = x509_cert::Certificate::from_der(leaf).map_err(bad)?.tbs_certificate.subject_public_key_info;
    let key = private_key(path, true)?;
    #[cfg(feature = "legacy-tls")]
    {
        let der = complete_der(&key, &info).map_err(bad)?;
        let public = info.to_der().map_err(bad)?;
        let keys = PKey::private_key_from_der(&der).ok().zip(PKey::public_key_from_der(&public).ok());
        if let Some((key, public)) = keys {
            return Ok(key.public_eq(&public));
        }
    }
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
    let key = key.map_err(|_| Error::BadKey { path: path.to_owned(), key: key_type_name(&info) })?;
    Ok(belongs(&*key, info.subject_public_key.raw_bytes()))
}

/// Reads all certificates of a file. Certificates of `ca_path` that the server cannot use are left out with a warning.
///
/// # Errors
/// Returns [`Error`] if the file cannot be read, contains no certificate, or contains one that cannot be read.
pub(in crate::server) fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let (certificates, left_out) = certificates_and_warnings(setting, path)?;
    for warning in left_out {
        log::warn!(target: LOG, "{warning}");
    }
    Ok(certificates)
}

/// The same, with the warnings.
///
/// # Errors
/// Returns the errors of [`certificates`].
pub(in crate::server) fn certificates_and_warnings(
    setting: &'static str,
    path: &Path,
) -> Result<(Vec<CertificateDer<'static>>, Vec<String>), Error> {
    let text = read(setting, path)?;
    let bad = |what| Error::BadCertificate { setting, path: path.to_owned(), what };
    let (mut certificates, mut warnings, mut unusable) = (Vec::new(), Vec::new(), None);
    for block in blocks(&text) {
        let place = format!("block {} (line {})", block.number, block.line);
        if !is_certificate(&block.label) {
            if !is_expected(&block.label) {
                warnings.push(format!(
                    "{setting}: {} contains {:?} in {place}, which is ignored; remove it",
                    path.display(),
                    Excerpt(&block.label)
                ));
            }
            continue;
        }
        let contents = block.contents.map_err(|fault| bad(format!("{place} cannot be read: {fault}")))?;
        let (der, is_for_clients) = if block.label == TRUSTED_CERTIFICATE {
            trusted::split(&contents).unwrap_or((&contents, true))
        } else {
            (contents.as_slice(), true)
        };
        if Parsed::read(der).is_none() {
            let what = format!("{place} is not an X.509 certificate");
            // Bundles of many authorities contain odd ones.
            if setting != CA_PATH {
                return Err(bad(what));
            }
            warnings.push(format!("{setting}: {what} in {}, and is left out; replace it", path.display()));
            unusable.get_or_insert(what);
        } else if setting == CA_PATH && !is_for_clients {
            warnings.push(format!(
                "{setting}: the certificate in {place} of {} is marked as not trusted for TLS clients, and is left out; \
                 remove it, or change it with `openssl x509 -addtrust clientAuth`",
                path.display()
            ));
            unusable.get_or_insert(format!("{place} is not trusted for TLS clients"));
        } else {
            certificates.push(CertificateDer::from(der.to_vec()));
        }
    }
    match unusable {
        _ if !certificates.is_empty() => Ok((certificates, warnings)),
        Some(what) => Err(bad(what)),
        None => Err(no_certificate(setting, path)),
    }
}

/// Reads the first private key of a file, and returns its DER.
///
/// # Errors
/// Returns the result of `no_key` if the file contains no private key; its argument states whether one is encrypted.
fn private_key(path: &Path, named: bool) -> Result<PrivateKeyDer<'static>, Error> {
    let no_key = |encrypted| Error::NoKey { path: path.to_owned(), named, encrypted };
    find_private_key("key_path", path, no_key)
}

/// The same for the file of another setting. `no_key` creates the error for a file without key; its argument states
/// whether there is an encrypted one.
///
/// # Errors
/// Returns [`Error`] if the file cannot be read, or the error of `no_key`.
pub(in crate::server) fn find_private_key<E: From<Error>>(
    setting: &'static str,
    path: &Path,
    no_key: impl Fn(bool) -> E,
) -> Result<PrivateKeyDer<'static>, E> {
    let text = Zeroizing::new(read(setting, path)?);
    let mut is_encrypted = false;
    for block in blocks(&text) {
        match (block.label.as_str(), &block.contents) {
            ("PRIVATE KEY", Ok(der)) => return Ok(PrivatePkcs8KeyDer::from(der.to_vec()).into()),
            ("RSA PRIVATE KEY", Ok(der)) => return Ok(PrivatePkcs1KeyDer::from(der.to_vec()).into()),
            ("EC PRIVATE KEY", Ok(der)) => return Ok(PrivateSec1KeyDer::from(der.to_vec()).into()),
            // DER.
            ("", Ok(der)) => {
                is_encrypted |= pem::is_encrypted_key(der);
                if let Ok(key) = PrivateKeyDer::try_from(der.to_vec()) {
                    return Ok(key);
                }
            }
            ("ENCRYPTED PRIVATE KEY", _) | (_, Err(Fault::Encrypted)) => is_encrypted = true,
            (label, Err(fault)) if label.ends_with("PRIVATE KEY") => {
                let cause = io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("block {} (line {}) is no private key: {fault}", block.number, block.line),
                );
                return Err(Error::Unreadable { setting, path: path.to_owned(), cause }.into());
            }
            _ => {}
        }
    }
    Err(no_key(is_encrypted))
}

/// Reads the file that a setting names.
fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|cause| Error::Unreadable { setting, path: path.to_owned(), cause })
}

/// Returns the error for a file of `ca_path` in which no certificate can be read.
pub(in crate::server) fn unreadable_ca(path: &Path) -> Error {
    let what = "no certificate can be read".to_owned();
    Error::BadCertificate { setting: CA_PATH, path: path.to_owned(), what }
}

/// Returns the blocks of a PEM file, or the contents of a DER file as one block without label.
fn blocks(text: &[u8]) -> Vec<Block> {
    match text {
        [0x30, ..] => {
            let contents = Ok(Zeroizing::new(text.to_vec()));
            vec![Block { label: String::new(), number: 1, line: 1, contents }]
        }
        text => pem::blocks(text),
    }
}

fn is_certificate(label: &str) -> bool {
    ["CERTIFICATE", "X509 CERTIFICATE", TRUSTED_CERTIFICATE, ""].contains(&label)
}

/// Returns whether a block with this label may accompany certificates.
fn is_expected(label: &str) -> bool {
    ["PRIVATE KEY", "PUBLIC KEY", "PARAMETERS"].iter().any(|end| label.ends_with(end))
}
