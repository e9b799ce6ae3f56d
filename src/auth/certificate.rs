//! The fields of a client certificate that identify the client: the subject's common names and the extended key usage.
//!
//! Certificates of X.509 version 1, which have no extensions, are supported. The TLS layer verifies the certificate.

use crate::x509::{self, parsed::Parsed};

/// The identifying fields of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    common_names: Vec<String>,
    for_clients: Option<bool>,
    der: Vec<u8>,
}

impl Certificate {
    /// Parses a DER certificate. Returns `None` if the bytes are not a certificate, or if a common name of the subject is
    /// not text: if such a name were ignored, a certificate with two names would count as one with a single name.
    pub fn from_der(bytes: &[u8]) -> Option<Self> {
        let parsed = Parsed::read(bytes)?;
        Some(Self {
            common_names: parsed.common_names()?,
            for_clients: parsed.extensions.for_clients,
            der: bytes.to_vec(),
        })
    }

    /// Returns the common names of the subject, in the order of the certificate.
    pub fn common_names(&self) -> &[String] {
        &self.common_names
    }

    /// Returns whether the extended key usage includes client authentication, or `None` without that extension.
    pub fn is_for_clients(&self) -> Option<bool> {
        self.for_clients
    }

    /// Returns subject, issuer, serial number and validity in words, bounded, for the log.
    pub fn summary(&self) -> String {
        x509::Certificate::read(&self.der).summary()
    }

    #[cfg(test)]
    pub(super) fn of(common_names: Vec<String>, for_clients: Option<bool>) -> Self {
        Self { common_names, for_clients, der: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_bytes_that_are_not_a_certificate() {
        assert!(Certificate::from_der(&[]).is_none());
        assert!(Certificate::from_der(b"\x30\x03\x02\x01\x01").is_none());
    }
}
