//! The certificate authority of the settings, which signs the certificates of Certify and Re-certify.
//!
//! Clients choose the names in those certificates, so this server must not accept them for authentication: an
//! authority to which a chain leads from `ca_path` is refused. [`super::trust`] refuses client certificates with such a
//! chain.

use std::path::PathBuf;
use std::{fmt, slice};

use rustls::pki_types::CertificateDer;

use super::{tls, trust};
use crate::config::Config;
use crate::crypto;
use crate::engine::Authority;
use crate::x509::issuer::Issuer;

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
    Trusted {
        /// The subject of the authority.
        authority: String,
        /// The file of its certificate, or `None` for the server's own authority in the database.
        path: Option<PathBuf>,
        /// The subject of the certificate of `ca_path` from which a chain leads to the authority.
        trusted: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NoCertificate => {
                write!(f, "{KEY}: the setting '{CERTIFICATE}' is missing; add it, or remove {KEY}")
            }
            Self::NoKey(path) => write!(f, "{KEY}: {} holds no unencrypted private key", path.display()),
            Self::Unusable { path, cause } => {
                write!(f, "{CERTIFICATE}: the authority in {} cannot be used: {cause}", path.display())
            }
            Self::Trusted { authority, path, trusted } => {
                let (place, remedy) = match path {
                    Some(path) => (path.display().to_string(), "use a separate authority"),
                    None => ("the database".to_owned(), "remove that certificate from ca_path"),
                };
                write!(
                    f,
                    "{CERTIFICATE}: ca_path vouches for the authority {authority} in {place} by its certificate \
                     {trusted}, so that clients could make themselves certificates of any name; {remedy}"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<tls::Error> for Error {
    fn from(error: tls::Error) -> Self {
        Self::File(error)
    }
}

/// Loads the authority of the settings, or returns the server's own if they name none. `trusted` are the certificates of
/// `ca_path`, and `of_server` those of `certificate_path`. `stored` is the certificate of the server's own authority, in
/// DER, if the database contains one.
///
/// # Errors
/// Returns [`Error`] if the authority cannot be used.
pub(super) fn load(
    config: &Config,
    trusted: &[CertificateDer<'_>],
    of_server: &[CertificateDer<'_>],
    stored: Option<Vec<u8>>,
) -> Result<Authority, Error> {
    let own = stored.map(CertificateDer::from);
    let authority =
        issuer(config, trusted, of_server, own.as_ref())?.map_or_else(Authority::own, Authority::of);
    if let Some(own) = own {
        authority.remember(&own);
    }
    Ok(authority)
}

/// Reads the authority of the settings, or returns `None` if they name none. `own` is the certificate of the server's own
/// authority, which may have signed certificates before the settings named one.
///
/// # Errors
/// Returns [`Error`] if one of both authorities cannot be used.
pub(super) fn issuer(
    config: &Config,
    trusted: &[CertificateDer<'_>],
    of_server: &[CertificateDer<'_>],
    own: Option<&CertificateDer<'_>>,
) -> Result<Option<Issuer>, Error> {
    let issuer = named(config, trusted, of_server)?;
    if let Some(own) = own {
        refuse_if_trusted(None, slice::from_ref(own), trusted, of_server)?;
    }
    Ok(issuer)
}

fn named(
    config: &Config,
    trusted: &[CertificateDer<'_>],
    of_server: &[CertificateDer<'_>],
) -> Result<Option<Issuer>, Error> {
    let Some(path) = &config.certify_ca_certificate else {
        return if config.certify_ca_key.is_some() { Err(Error::NoCertificate) } else { Ok(None) };
    };
    let certificates = tls::certificates(CERTIFICATE, path)?;
    let certificate = certificates.first().ok_or(Error::NoCertificate)?;
    refuse_if_trusted(Some(path), &certificates, trusted, of_server)?;
    let key_path = config.certify_ca_key.as_ref().unwrap_or(path);
    let key = tls::find_private_key(KEY, key_path, |_| Error::NoKey(key_path.clone()))?;
    let issuer = Issuer::read(certificate, key.secret_der());
    issuer.map(Some).map_err(|cause| Error::Unusable { path: path.clone(), cause })
}

/// Refuses an authority to which a chain leads from a certificate of `ca_path`. `chain` contains the certificate of the
/// authority, and further certificates of its file. The verifier of client certificates refuses chains with
/// intermediate certificates that no file contains.
fn refuse_if_trusted(
    path: Option<&PathBuf>,
    chain: &[CertificateDer<'_>],
    trusted: &[CertificateDer<'_>],
    of_server: &[CertificateDer<'_>],
) -> Result<(), Error> {
    let Some((authority, above)) = chain.split_first() else { return Ok(()) };
    match voucher(authority, trusted, above.iter().chain(of_server)) {
        None => Ok(()),
        Some(voucher) => Err(Error::Trusted {
            authority: trust::subject(authority),
            path: path.cloned(),
            trusted: trust::subject(voucher),
        }),
    }
}

/// Returns the certificate of `trusted` that would authenticate clients whose certificates `authority` issued, directly
/// or through other certificates of `trusted` and `others`.
fn voucher<'a>(
    authority: &'a CertificateDer<'a>,
    trusted: &'a [CertificateDer<'a>],
    others: impl Iterator<Item = &'a CertificateDer<'a>>,
) -> Option<&'a CertificateDer<'a>> {
    // Each certificate vouches for one that was found before.
    let mut found = vec![authority];
    let (is_trusted, mut rest): (Vec<_>, Vec<_>) =
        trusted.iter().map(|it| (true, it)).chain(others.map(|it| (false, it))).unzip();
    let mut is_trusted = is_trusted;
    let mut at = 0;
    while let Some(below) = found.get(at).copied() {
        at += 1;
        let mut position = 0;
        while let Some(candidate) = rest.get(position).copied() {
            if !vouches(candidate, below) {
                position += 1;
                continue;
            }
            rest.swap_remove(position);
            if is_trusted.swap_remove(position) {
                return Some(candidate);
            }
            found.push(candidate);
        }
    }
    None
}

/// Returns whether both certificates have the same key, or `issuer` signed `subject`.
fn vouches(issuer: &CertificateDer<'_>, subject: &CertificateDer<'_>) -> bool {
    trust::has_same_key(issuer, subject) || trust::is_signed_by(subject, issuer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::trust::testing::Ca;

    #[test]
    fn finds_the_trusted_certificate_above_an_authority_at_any_depth() {
        let (root, other) = (Ca::root("root", |_| ()), Ca::root("other", |_| ()));
        let first = root.intermediate("first");
        let second = first.intermediate("second");
        let authority = second.intermediate("authority");
        let [root, other, first, second, authority] =
            [root, other, first, second, authority].map(|ca| ca.certificate);
        let found = |trusted: &[&CertificateDer<'static>], others: &[&CertificateDer<'static>]| {
            let trusted: Vec<_> = trusted.iter().map(|&it| it.clone()).collect();
            voucher(&authority, &trusted, others.iter().copied()).map(|it| it.clone().into_owned())
        };
        assert_eq!(found(&[&other, &root], &[&first, &second]), Some(root.clone()));
        assert_eq!(found(&[&other, &root], &[&second, &other, &first]), Some(root.clone()));
        assert_eq!(found(&[&other, &root, &first], &[&second]), Some(first.clone()));
        assert_eq!(found(&[&second], &[]), Some(second.clone()));
        assert_eq!(found(&[&authority], &[]), Some(authority.clone()));
        assert_eq!(found(&[&root], &[&first]), None, "the certificate between them is missing");
        assert_eq!(found(&[&other], &[&first, &second, &root]), None);
    }
}
