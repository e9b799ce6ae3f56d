//! Whether the client of an open connection would still pass the verification of its handshake.

use std::time::Duration;

use rustls::Error;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::{Cause, CurrentTls, TlsConfig};
use crate::x509::certificate::expiry;
use crate::x509::path::Rule;

/// The last verification of the certificates of one client.
///
/// Its result can change for two reasons: another configuration is in force, or a certificate has expired. Between such
/// events, [`verify`](Self::verify) compares two numbers.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Standing {
    /// The number of the configuration with which the certificates were verified.
    number: u64,
    /// The time until which no certificate expires that the verification may have used.
    until: Duration,
}

impl Standing {
    /// Returns the standing of a client with these certificates, which passed the handshake.
    pub(in crate::server) fn of(config: &TlsConfig, chain: &[CertificateDer<'_>]) -> Self {
        Self { number: config.number, until: config.next_expiry(chain, now()) }
    }

    /// Verifies the certificates of the client again if necessary.
    ///
    /// # Errors
    /// Returns the reason for which the certificates are refused now, in words.
    pub(in crate::server) fn verify<'c>(
        &mut self,
        current: &CurrentTls,
        chain: impl FnOnce() -> Vec<CertificateDer<'c>>,
    ) -> Result<(), String> {
        let now = now();
        if now <= self.until && self.number == current.number() {
            return Ok(());
        }
        let (config, chain) = (current.snapshot(), chain());
        config.verify(&chain).map_err(|error| reason(&error))?;
        *self = Self { number: config.number, until: config.next_expiry(&chain, now) };
        Ok(())
    }
}

impl TlsConfig {
    /// Verifies the certificates of a client outside of a full handshake.
    ///
    /// # Errors
    /// Returns the reason for which the certificates are refused.
    pub(super) fn verify(&self, chain: &[CertificateDer<'_>]) -> Result<(), Cause> {
        let (leaf, above) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        Ok(self.trust.verify(leaf, above, UnixTime::now())?)
    }

    /// Returns the first time after `now` at which a certificate of `chain` or of `ca_path` expires. A certificate that
    /// has expired already was not necessary.
    fn next_expiry(&self, chain: &[CertificateDer<'_>], now: Duration) -> Duration {
        let sent = chain.iter().map(|certificate| expiry(certificate).unwrap_or(now));
        let all = sent.chain(self.expiries.iter().copied());
        all.filter(|time| *time >= now).min().unwrap_or(Duration::MAX)
    }
}

/// Returns why certificates that were accepted before are refused.
fn reason(cause: &Cause) -> String {
    match cause {
        Cause::Certificate(refusal) => match &refusal.rule {
            Rule::NotExpired => "it, or a certificate above it, has expired".to_owned(),
            Rule::KnownIssuer | Rule::SignedByIssuer { .. } => {
                "no valid certificate of ca_path vouches for it any more".to_owned()
            }
            _ => refusal.to_string(),
        },
        cause => cause.to_string(),
    }
}

/// Returns the time since 1970. The verification reads the same clock.
fn now() -> Duration {
    Duration::from_secs(UnixTime::now().as_secs())
}
