//! A check of a client's certificate without a server (`--check-client`): whether the server would let in the client, as
//! which user, and in which groups.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::{CertificateDer, UnixTime};

use super::tls::{self, Symptom, certificates, examine, has_private_key};
use super::trust::Trust;
use super::{Error, authenticator, authority};
use crate::auth::{self, Certificate, Identity, Peer};
use crate::config::Config;
use crate::x509;

/// The option, for errors about the file of the certificate.
const CERTIFICATE: &str = "check-client";

/// The reason why the server would not let in the client, or why that cannot be said.
#[derive(Debug)]
pub enum Refusal {
    /// A file or a setting cannot be used.
    Unusable(Error),
    /// The file of the private key cannot be used.
    Key(tls::Error),
    /// The private key is not that of the certificate.
    OtherKey {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The TLS handshake would fail.
    Handshake {
        /// The kind of the failure.
        symptom: Symptom,
        /// The explanation.
        text: String,
    },
    /// The certificate identifies no user, or the services refuse the user.
    Identity(auth::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(error) => error.fmt(f),
            // The same code reads the server's key.
            Self::Key(error) => write!(f, "--key: {}", error.to_string().trim_start_matches("key_path: ")),
            Self::OtherKey { key, certificate } => write!(
                f,
                "the private key in {} is not the one of the certificate in {}",
                key.display(),
                certificate.display()
            ),
            Self::Handshake { text, .. } => write!(f, "the server would refuse the client: {text}"),
            Self::Identity(error) => write!(f, "the server would refuse the client: {error}"),
        }
    }
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Unusable(error.into())
    }
}

/// The result of a check.
#[derive(Debug)]
pub struct Check {
    /// Subject, issuer, serial number and validity of the client's certificate; empty if it cannot be read.
    pub certificate: String,
    /// The user with its groups, or the reason for a refusal.
    pub outcome: Result<Identity, Refusal>,
}

/// Checks the certificate in a file, which the certificates above it follow. `key` is the file of its private key.
pub fn check(config: &Config, path: &Path, key: Option<&Path>) -> Check {
    match certificates(CERTIFICATE, path) {
        Ok(chain) => {
            let certificate = chain.first().map(|leaf| x509::Certificate::read(leaf).summary());
            Check { certificate: certificate.unwrap_or_default(), outcome: judge(config, path, &chain, key) }
        }
        Err(error) => Check { certificate: String::new(), outcome: Err(error.into()) },
    }
}

fn judge(
    config: &Config,
    path: &Path,
    chain: &[CertificateDer<'static>],
    key: Option<&Path>,
) -> Result<Identity, Refusal> {
    let (leaf, above) = chain
        .split_first()
        .ok_or_else(|| tls::Error::NoCertificate { setting: CERTIFICATE, path: path.to_owned() })?;
    if let Some(key) = key
        && !has_private_key(leaf, key).map_err(Refusal::Key)?
    {
        return Err(Refusal::OtherKey { key: key.to_owned(), certificate: path.to_owned() });
    }
    let trusted = certificates("ca_path", &config.ca_path)?;
    let of_server = certificates("certificate_path", &config.certificate_path).unwrap_or_default();
    let issuing = authority::load(config, &trusted, &of_server, None)?.keys();
    let unreadable = |_| tls::unreadable_ca(&config.ca_path);
    let trust = Trust::new(&trusted, config.enable_tls_client_auth, issuing).map_err(unreadable)?;
    if let Err(refusal) = trust.verify(leaf, above, UnixTime::now()) {
        let diagnosis = examine(&refusal);
        return Err(Refusal::Handshake { symptom: diagnosis.symptom, text: diagnosis.what });
    }
    let authenticator = authenticator(config)?;
    let peer = Peer::new(([127, 0, 0, 1], 0).into(), 0, Certificate::from_der(leaf));
    authenticator.admit(&peer).and_then(|()| authenticator.identify(&peer, None)).map_err(Refusal::Identity)
}
