//! Certificates that the server signs in a case: whose name its authority has to have, and what must be right about
//! them although the server chooses it.

use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::name::Name;

use super::case::Case;

/// The name of the authority whose certificates the case expects, where it has the server sign some.
pub(super) fn authority(case: &Case) -> Option<Name> {
    let certify = |item: &super::case::Node| item.find("Operation") == Some("Certify");
    case.steps.iter().find(|step| step.request.items().any(certify))?;
    let value = case.steps.iter().find_map(|step| step.response.find("CertificateValue"))?;
    Some(read(value)?.tbs_certificate.issuer)
}

fn read(value: &str) -> Option<Certificate> {
    Certificate::from_der(&bytes(value)?).ok()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A certificate that the server signed, as Get gave it.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    certificate: Certificate,
    /// Of its DER, in octets.
    length: usize,
}

impl Issued {
    /// The certificate of `came`, where it agrees with the expected one in all but what a server chooses for each:
    /// the serial number, the validity, the extensions and the signature itself.
    pub(super) fn like(expected: &str, came: &str) -> Option<Self> {
        let (expected, certificate) = (read(expected)?.tbs_certificate, read(came)?);
        let contents = &certificate.tbs_certificate;
        let alike = contents.issuer == expected.issuer
            && contents.subject == expected.subject
            && contents.subject_public_key_info == expected.subject_public_key_info
            && contents.signature == expected.signature
            && certificate.signature_algorithm == expected.signature;
        alike.then_some(Self { length: came.len() / 2, certificate })
    }

    /// What the attribute of that name, or the field in one, has to be.
    pub(super) fn value(&self, label: &str) -> Option<String> {
        let serial = &self.certificate.tbs_certificate.serial_number;
        match label {
            "CertificateLength" => Some(self.length.to_string()),
            "CertificateSerialNumber" => Some(hex(&serial.to_der().ok()?)),
            "SerialNumber" => {
                let digits = hex(serial.as_bytes()).to_uppercase();
                Some(digits.strip_prefix("00").map_or(digits.clone(), str::to_owned))
            }
            _ => None,
        }
    }
}

/// Whether the text is a serial number that a certificate can have: hexadecimal, positive, at most 20 octets
/// (RFC 5280 §4.1.2.2).
pub(super) fn is_serial_number(text: &str) -> bool {
    let digits = text.len().is_multiple_of(2) && text.len() <= 40 && bytes(text).is_some();
    digits && text.bytes().any(|digit| digit != b'0') && text == text.to_uppercase()
}
