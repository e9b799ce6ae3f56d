//! The authority that signs the certificates of Certify and Re-certify (KMIP 1.4 §4.7, 2.1 §6.1.6).
//!
//! The settings name the administrator's authority. Without one, the first use creates the server's own authority
//! in the store, where no client can access it. SECURITY.md describes how its private key is protected.

use std::sync::{Arc, Mutex, RwLock};

use x509_cert::der::pem::{LineEnding, encode_string};

use crate::kmip::enums::ResultReason;
use crate::kmip::{Error, structure};
use crate::lock::IgnorePoison;
use crate::secret::Secret;
use crate::store;
use crate::ttlv::{self, DateTime, Reader, STORED, Tag, Value, Writer};
use crate::x509::Certificate;
use crate::x509::certificate::public_key_bits;
use crate::x509::issuer::{Issuer, NewIssuer};

use super::super::error::failed;

/// The common name of the server's own authority.
const COMMON_NAME: &str = "kmip-server Certify";

/// The name of the server's own authority in the server state of the store.
pub(super) const STATE_NAME: &str = "certification authority";

/// The logger of this layer.
const LOG: &str = "kmip.server.engine";

structure! {
    /// The stored form of the server's own authority.
    pub struct StoredAuthority {
        CertificateValue => certificate: Vec<u8>,
        KeyMaterial => key: Secret,
    }
}

fn encode(new: NewIssuer) -> Secret {
    let mut writer = Writer::new(STORED);
    StoredAuthority { certificate: new.certificate, key: new.key }.encode(Tag::Certificate, &mut writer);
    Secret::new(writer.into_bytes())
}

fn decode(stored: &Secret) -> Result<StoredAuthority, Error> {
    let reader = Reader::new(stored.expose(), STORED).require(Tag::Certificate);
    reader.and_then(|item| StoredAuthority::decode(&item)).map_err(unreadable)
}

/// The services of the request that uses an authority.
pub trait AuthorityHost {
    /// Returns the server state of that name.
    ///
    /// # Errors
    /// Returns General Failure if the store fails.
    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error>;

    /// Returns the server state of that name; stores `value` first if there is none.
    ///
    /// # Errors
    /// Returns General Failure if the store fails.
    fn server_state_or_set(&mut self, name: &str, value: &Secret) -> Result<Secret, Error>;

    /// Runs a job that computes for long, with a CPU permit.
    ///
    /// # Errors
    /// Returns the errors of `job`, and Operation Not Supported if a batch with Undo runs too many such jobs.
    fn compute<T: Send>(&mut self, job: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error>;
}

/// The public keys with which this server signs certificates. They authenticate no client, because clients choose the
/// names in these certificates.
#[derive(Debug, Default)]
pub struct IssuingKeys {
    /// The keys of the administrator's authority, and of the authorities that it replaced while the server runs.
    named: RwLock<Vec<Vec<u8>>>,
    /// The key of the server's own authority, as soon as there is one.
    own: RwLock<Option<Vec<u8>>>,
}

impl IssuingKeys {
    /// Whether a SubjectPublicKeyInfo, in DER, contains one of the keys.
    pub fn contains(&self, info: &[u8]) -> bool {
        let Some(bits) = public_key_bits(info) else { return false };
        let is = |key: &Vec<u8>| key == bits;
        self.named.read().ignore_poison().iter().any(is)
            || self.own.read().ignore_poison().as_ref().is_some_and(is)
    }

    fn add_named(&self, certificate: &[u8]) {
        let mut named = self.named.write().ignore_poison();
        let key = key_of(certificate).filter(|key| !named.contains(key));
        named.extend(key);
    }

    fn set_own(&self, certificate: &[u8]) {
        *self.own.write().ignore_poison() = key_of(certificate);
    }
}

/// Returns the bits of the public key in a certificate.
fn key_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let info = Certificate::read(certificate).public_key_info?;
    public_key_bits(&info).map(<[u8]>::to_vec)
}

/// The certification authority of a server.
#[derive(Debug, Default)]
pub struct Authority {
    /// The authority in use, or `None` before the first use of the server's own one.
    issuer: Mutex<Option<Arc<Issuer>>>,
    keys: Arc<IssuingKeys>,
}

impl Authority {
    /// Returns an authority that the first use creates.
    pub fn own() -> Self {
        Self::default()
    }

    /// Returns the administrator's authority.
    pub fn of(issuer: Issuer) -> Self {
        let authority = Self::default();
        authority.replace(issuer);
        authority
    }

    /// Signs with another authority of the administrator from now on. The keys of the earlier ones still authenticate no
    /// client.
    pub fn replace(&self, issuer: Issuer) {
        self.keys.add_named(issuer.certificate());
        *self.issuer.lock().ignore_poison() = Some(Arc::new(issuer));
    }

    /// Returns whether this is the authority in use.
    pub fn is(&self, issuer: &Issuer) -> bool {
        self.cached().is_some_and(|current| current.certificate() == issuer.certificate())
    }

    /// Returns the certificate of the server's own authority, in DER, or `None` if it was never used. `read` returns the
    /// server state of a name. A damaged authority counts as missing, after an ERROR line: every use of it fails, and the objects remain in service.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn stored(
        read: impl FnOnce(&str) -> Result<Option<Secret>, store::Error>,
    ) -> Result<Option<Vec<u8>>, store::Error> {
        match read(STATE_NAME) {
            Ok(stored) => Ok(stored.and_then(|stored| decode(&stored).ok()).map(|stored| stored.certificate)),
            Err(error @ (store::Error::ServerStateChecksum { .. } | store::Error::Sealing)) => {
                log::error!(target: LOG, "The server's own certification authority cannot be used: {error}.");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Sets the certificate of the server's own authority, in DER, whose key no client may have in its chain.
    pub fn remember(&self, own: &[u8]) {
        self.keys.set_own(own);
    }

    /// Returns the keys with which this server signs certificates.
    pub fn keys(&self) -> Arc<IssuingKeys> {
        Arc::clone(&self.keys)
    }

    /// Returns the issuer of certificates. The first use creates the server's own authority.
    ///
    /// # Errors
    /// Returns Cryptographic Failure if the key cannot be generated, and General Failure if the store fails or the
    /// stored authority cannot be read.
    pub fn issuer(&self, host: &mut impl AuthorityHost, now: DateTime) -> Result<Arc<Issuer>, Error> {
        if let Some(issuer) = self.cached() {
            return Ok(issuer);
        }
        let (stored, is_new) = match host.server_state(STATE_NAME)? {
            Some(stored) => (stored, false),
            None => {
                let new = host.compute(|| Ok(Issuer::generate(COMMON_NAME, now)?))?;
                (host.server_state_or_set(STATE_NAME, &encode(new))?, true)
            }
        };
        let stored = decode(&stored)?;
        let issuer = Arc::new(Issuer::read(&stored.certificate, stored.key.expose())?);
        // Before the first certificate exists.
        self.keys.set_own(issuer.certificate());
        // Undo of the batch can still remove a new authority, so only a later use caches it.
        if !is_new {
            log::info!(
                target: LOG,
                "Certificates are signed by the server's own authority:\n{}",
                encode_string("CERTIFICATE", LineEnding::LF, issuer.certificate()).unwrap_or_default()
            );
            *self.issuer.lock().ignore_poison() = Some(Arc::clone(&issuer));
        }
        Ok(issuer)
    }

    /// Returns the certificate of the authority in DER, or `None` if the server's own authority was never used.
    ///
    /// # Errors
    /// Returns General Failure if the store fails or the stored authority cannot be read.
    pub fn certificate(&self, host: &mut impl AuthorityHost) -> Result<Option<Vec<u8>>, Error> {
        if let Some(issuer) = self.cached() {
            return Ok(Some(issuer.certificate().to_vec()));
        }
        let stored = host.server_state(STATE_NAME)?;
        stored.map(|stored| Ok(decode(&stored)?.certificate)).transpose()
    }

    fn cached(&self) -> Option<Arc<Issuer>> {
        self.issuer.lock().ignore_poison().clone()
    }
}

fn unreadable(error: ttlv::Error) -> Error {
    log::error!(
        target: LOG,
        "The server's own certification authority in the store cannot be read: {error}; \
         name an authority in the settings, or restore the database from a backup."
    );
    failed(ResultReason::GeneralFailure, "The server's authority cannot be read. See the server log.")
}
