//! Certificates that the server signs in a case: the name of their authority, and what must be valid although the server
//! chooses it.

use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::name::Name;

use super::case::Case;

/// Returns the name of the authority that signs the expected certificates, if the case has some.
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

/// A certificate that the server signed and Get returned.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    certificate: Certificate,
    /// The length of its DER in octets.
    length: usize,
}

impl Issued {
    /// Returns the certificate of `came` if it equals the expected one except in serial number, validity, extensions and
    /// signature, which a server chooses.
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

    /// Returns the required value of the attribute or field with this name.
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

/// Whether the text is a valid serial number: hexadecimal, positive, at most 20 octets (RFC 5280 §4.1.2.2).
pub(super) fn is_serial_number(text: &str) -> bool {
    let digits = text.len().is_multiple_of(2) && text.len() <= 40 && bytes(text).is_some();
    digits && text.bytes().any(|digit| digit != b'0') && text == text.to_uppercase()
}
