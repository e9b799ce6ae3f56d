//! The fields of a client certificate that identify the client: the subject's common names and the extended key usage.
//!
//! Certificates of X.509 version 1, which have no extensions, are supported. The TLS layer verifies the certificate.

use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{self, Any, Decode, Tag, Tagged};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::ExtendedKeyUsage;

use crate::x509;

/// `id-at-commonName` (X.520).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// `id-kp-clientAuth` (RFC 5280 §4.2.1.12).
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// The identifying fields of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    common_names: Vec<String>,
    for_clients: Option<bool>,
    der: Vec<u8>,
}

impl Certificate {
    /// Parses a DER certificate.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a certificate, or if a common name of the subject is not text: if such a
    /// name were ignored, a certificate with two names would count as one with a single name.
    pub fn from_der(bytes: &[u8]) -> Result<Self, der::Error> {
        let certificate = x509_cert::Certificate::from_der(bytes)?.tbs_certificate;
        let attributes = certificate.subject.0.iter().flat_map(|name| name.0.iter());
        let common_names = attributes
            .filter(|attribute| attribute.oid == COMMON_NAME)
            .map(|attribute| text(&attribute.value).ok_or_else(|| attribute.value.tag().value_error()))
            .collect::<Result<_, _>>()?;
        let extensions = certificate.extensions.unwrap_or_default();
        let for_clients = extensions
            .iter()
            .find(|it| it.extn_id == ExtendedKeyUsage::OID)
            .map(includes_client_authentication);
        Ok(Self { common_names, for_clients, der: bytes.to_vec() })
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

/// Returns whether an extended key usage includes client authentication; one that cannot be parsed does not.
fn includes_client_authentication(extension: &Extension) -> bool {
    ExtendedKeyUsage::from_der(extension.extn_value.as_bytes())
        .is_ok_and(|purposes| purposes.0.contains(&CLIENT_AUTH))
}

/// Returns the text of a directory string (RFC 5280 §4.1.2.4) of any type, or `None` if the value is not text.
fn text(value: &Any) -> Option<String> {
    let bytes = value.value();
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString => {
            String::from_utf8(bytes.to_vec()).ok()
        }
        // T.61 by the standard, Latin-1 in practice.
        Tag::TeletexString => Some(bytes.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (units, []) = bytes.as_chunks::<2>() else { return None };
            String::from_utf16(&units.iter().copied().map(u16::from_be_bytes).collect::<Vec<_>>()).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(tag: Tag, bytes: &[u8]) -> Any {
        Any::new(tag, bytes).unwrap()
    }

    #[test]
    fn reads_every_type_of_directory_string() {
        assert_eq!(text(&any(Tag::Utf8String, "Jörg".as_bytes())).as_deref(), Some("Jörg"));
        assert_eq!(text(&any(Tag::PrintableString, b"John Doe")).as_deref(), Some("John Doe"));
        assert_eq!(text(&any(Tag::TeletexString, b"J\xF6rg")).as_deref(), Some("Jörg"));
        assert_eq!(text(&any(Tag::BmpString, &[0, b'A', 0x20, 0xAC])).as_deref(), Some("A€"));
    }

    #[test]
    fn rejects_values_that_are_not_text() {
        assert_eq!(text(&any(Tag::Utf8String, &[0xFF])), None);
        assert_eq!(text(&any(Tag::BmpString, &[0])), None);
        assert_eq!(text(&any(Tag::Integer, &[1])), None);
    }

    #[test]
    fn rejects_bytes_that_are_not_a_certificate() {
        assert!(Certificate::from_der(&[]).is_err());
        assert!(Certificate::from_der(b"\x30\x03\x02\x01\x01").is_err());
    }
}
