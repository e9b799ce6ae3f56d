//! The tickets by which clients resume TLS sessions, sealed with keys that never leave this process.

use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

/// rustls' ticketer, which changes its keys every six hours.
///
/// It is created when the first ticket is needed: the first random number costs the cryptographic library tens of
/// milliseconds to gather entropy, which the start of the server does not wait for.
#[derive(Debug, Default)]
pub(super) struct Tickets(OnceLock<Option<Arc<dyn ProducesTickets>>>);

impl Tickets {
    /// Returns the ticketer, or `None` if its keys cannot be created: then every handshake is a full one.
    fn ticketer(&self) -> Option<&dyn ProducesTickets> {
        self.0.get_or_init(|| Ticketer::new().ok()).as_deref()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.ticketer().map_or(0, ProducesTickets::lifetime)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.ticketer()?.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.ticketer()?.decrypt(cipher)
    }
}
