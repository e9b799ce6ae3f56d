//! Who signs the certificates of Certify and Re-certify (KMIP 1.4 §4.7, 2.1 §6.1.6).
//!
//! An authority of the administrator's, by the settings; else one that the server makes at the first use and keeps
//! in the store, where no client can ask for it. Its private key stands there like every other key: SECURITY.md
//! says what that means. What is signed is left to the operations.

use std::sync::{Arc, Mutex};

use x509_cert::der::pem::{LineEnding, encode_string};

use crate::crypto::authority::{Issuer, NewIssuer};
use crate::kmip::enums::ResultReason;
use crate::kmip::{Error, structure};
use crate::lock::IgnorePoison;
use crate::secret::Secret;
use crate::ttlv::{self, Reader, STORED, Tag, Value, Writer};

use super::context::Context;
use super::error::failed;

/// The common name of an authority that the server makes.
const COMMON_NAME: &str = "kmip-server Certify";

/// Under which name the store keeps it.
const KEPT_AS: &str = "certification authority";

/// The logger of this layer.
const LOG: &str = "kmip.server.engine";

structure! {
    /// An authority as the store keeps it.
    pub struct Kept {
        CertificateValue => certificate: Vec<u8>,
        KeyMaterial => key: Secret,
    }
}

fn encode(new: NewIssuer) -> Secret {
    let mut writer = Writer::new(STORED);
    Kept { certificate: new.certificate, key: new.key }.encode(Tag::Certificate, &mut writer);
    Secret::new(writer.into_bytes())
}

fn decode(kept: &Secret) -> Result<Kept, ttlv::Error> {
    Kept::decode(&Reader::new(kept.expose(), STORED).require(Tag::Certificate)?)
}

/// The authority of a server.
#[derive(Debug, Default)]
pub struct Authority {
    /// The one in use; none before the first use of one that the server makes.
    issuer: Mutex<Option<Arc<Issuer>>>,
}

impl Authority {
    /// One that the server makes when it is needed.
    pub fn own() -> Self {
        Self::default()
    }

    /// The administrator's.
    pub fn of(issuer: Issuer) -> Self {
        Self { issuer: Mutex::new(Some(Arc::new(issuer))) }
    }
}

impl Context<'_> {
    /// Who signs certificates. The first use makes the authority, where the settings name none.
    ///
    /// # Errors
    /// Where the library or the store fails.
    pub fn issuer(&mut self) -> Result<Arc<Issuer>, Error> {
        let authority = self.authority;
        let known = || authority.issuer.lock().ignore_poison();
        if let Some(issuer) = known().as_ref() {
            return Ok(Arc::clone(issuer));
        }
        let (kept, is_new) = match self.server_state(KEPT_AS)? {
            Some(kept) => (kept, false),
            None => {
                let now = self.now;
                let new = self.heavy(|| Ok(Issuer::generate(COMMON_NAME, now)?))?;
                (self.server_state_or_set(KEPT_AS, &encode(new))?, true)
            }
        };
        let kept = decode(&kept).map_err(unreadable)?;
        let issuer = Arc::new(Issuer::read(&kept.certificate, kept.key.expose())?);
        // What a batch made may still be taken back with it; the next one reads it from the store.
        if !is_new {
            log::info!(
                target: LOG,
                "Certificates are signed by the server's own authority:\n{}",
                encode_string("CERTIFICATE", LineEnding::LF, issuer.certificate()).unwrap_or_default()
            );
            *known() = Some(Arc::clone(&issuer));
        }
        Ok(issuer)
    }

    /// The certificate of who signs certificates, DER; none where nothing was signed yet.
    ///
    /// # Errors
    /// Where the store fails, or what it keeps cannot be read.
    pub fn known_authority(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let known = self.authority.issuer.lock().ignore_poison().clone();
        if let Some(issuer) = known {
            return Ok(Some(issuer.certificate().to_vec()));
        }
        let kept = self.server_state(KEPT_AS)?;
        kept.map(|kept| Ok(decode(&kept).map_err(unreadable)?.certificate)).transpose()
    }
}

fn unreadable(why: ttlv::Error) -> Error {
    log::error!(target: LOG, "The kept authority cannot be read: {why}");
    failed(ResultReason::GeneralFailure, "The server's authority cannot be read. See the server log.")
}
