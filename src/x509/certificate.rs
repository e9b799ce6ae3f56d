//! The fields of a certificate (RFC 5280 §4.1), for the certificate attributes of KMIP.
//!
//! Malformed fields are absent from the result, and the others remain. This file does not validate the certificate.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use x509_cert::der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::RdnSequence;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::der::Elements;
use super::parsed::attributes;
use super::{der, oid, time};
use crate::encoding::http_date;
use crate::excerpt::Excerpt;
use crate::kmip::enums::{CryptographicAlgorithm, DigitalSignatureAlgorithm};
use crate::ttlv::DateTime;

/// The fields of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The length of the certificate, in bytes (KMIP 1.4 §3.9).
    pub length: usize,
    /// The contents of the INTEGER of the serial number, big-endian; see [`Certificate::serial_number_der`].
    pub serial_number: Option<Vec<u8>>,
    /// The times of notBefore and notAfter.
    pub validity: Option<(DateTime, DateTime)>,
    /// The subject.
    pub subject: Option<DistinguishedName>,
    /// The issuer.
    pub issuer: Option<DistinguishedName>,
    /// The subject alternative names, each as the DER of a GeneralName.
    pub subject_alternative_names: Vec<Vec<u8>>,
    /// The issuer alternative names, each as the DER of a GeneralName.
    pub issuer_alternative_names: Vec<Vec<u8>>,
    /// The signature algorithm, if KMIP has a name for it (KMIP 1.4 §3.16).
    pub signature_algorithm: Option<DigitalSignatureAlgorithm>,
    /// The algorithm and the length in bits of the subject's public key, if KMIP has a name for the algorithm.
    pub public_key: Option<(CryptographicAlgorithm, u32)>,
    /// The subject's public key: DER of SubjectPublicKeyInfo.
    pub public_key_info: Option<Vec<u8>>,
}

/// A distinguished name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistinguishedName {
    /// The DER of the Name.
    pub der: Vec<u8>,
    /// The attributes that KMIP has fields for, in their order. A type may occur several times.
    pub attributes: Vec<(NameAttribute, String)>,
}

impl DistinguishedName {
    /// Returns the values of one type of attribute.
    pub fn texts(&self, wanted: NameAttribute) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter(move |(name, _)| *name == wanted).map(|(_, text)| text.as_str())
    }
}

impl std::fmt::Display for DistinguishedName {
    /// Formats the name as RFC 4514 defines: `CN=Inter,O=Kmip Test,C=AU`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        RdnSequence::from_der(&self.der).map_or(Ok(()), |name| name.fmt(f))
    }
}

/// The attributes of a distinguished name that the Certificate Attributes contain (KMIP 2.1 §4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameAttribute {
    /// CN.
    CommonName,
    /// O.
    Organization,
    /// OU.
    OrganizationalUnit,
    /// Email.
    Email,
    /// C.
    Country,
    /// ST.
    StateOrProvince,
    /// L.
    Locality,
    /// UID.
    UserId,
    /// The Serial Number attribute of a name, not that of the certificate.
    SerialNumber,
    /// Title.
    Title,
    /// DC.
    DomainComponent,
    /// DN Qualifier.
    DnQualifier,
}

/// Returns the bits of the public key in `info`, the DER of SubjectPublicKeyInfo. Keys with the same bits are equal,
/// although the parameters of their algorithm have several equivalent encodings.
pub fn public_key_bits(info: &[u8]) -> Option<&[u8]> {
    Some(SubjectPublicKeyInfoRef::from_der(info).ok()?.subject_public_key.raw_bytes())
}

/// RFC 5280 appendix A.1, RFC 4519 §2.39 (UID), RFC 4519 §2.4 (DC).
pub(super) const NAME_ATTRIBUTES: &[(ObjectIdentifier, NameAttribute)] = &[
    (oid("2.5.4.3"), NameAttribute::CommonName),
    (oid("2.5.4.10"), NameAttribute::Organization),
    (oid("2.5.4.11"), NameAttribute::OrganizationalUnit),
    (oid("1.2.840.113549.1.9.1"), NameAttribute::Email),
    (oid("2.5.4.6"), NameAttribute::Country),
    (oid("2.5.4.8"), NameAttribute::StateOrProvince),
    (oid("2.5.4.7"), NameAttribute::Locality),
    (oid("0.9.2342.19200300.100.1.1"), NameAttribute::UserId),
    (oid("2.5.4.5"), NameAttribute::SerialNumber),
    (oid("2.5.4.12"), NameAttribute::Title),
    (oid("0.9.2342.19200300.100.1.25"), NameAttribute::DomainComponent),
    (oid("2.5.4.46"), NameAttribute::DnQualifier),
];

/// RFC 3279 §2.2, RFC 4055 §5, RFC 5758 §3, and NIST's identifiers for SHA-3.
const SIGNATURE_ALGORITHMS: &[(ObjectIdentifier, DigitalSignatureAlgorithm)] = {
    use DigitalSignatureAlgorithm::*;
    &[
        (oid("1.2.840.113549.1.1.2"), Md2WithRsaEncryption),
        (oid("1.2.840.113549.1.1.4"), Md5WithRsaEncryption),
        (oid("1.2.840.113549.1.1.5"), Sha1WithRsaEncryption),
        (oid("1.2.840.113549.1.1.14"), Sha224WithRsaEncryption),
        (oid("1.2.840.113549.1.1.11"), Sha256WithRsaEncryption),
        (oid("1.2.840.113549.1.1.12"), Sha384WithRsaEncryption),
        (oid("1.2.840.113549.1.1.13"), Sha512WithRsaEncryption),
        (oid("1.2.840.113549.1.1.10"), RsassaPss),
        (oid("1.2.840.10040.4.3"), DsaWithSha1),
        (oid("2.16.840.1.101.3.4.3.1"), DsaWithSha224),
        (oid("2.16.840.1.101.3.4.3.2"), DsaWithSha256),
        (oid("1.2.840.10045.4.1"), EcdsaWithSha1),
        (oid("1.2.840.10045.4.3.1"), EcdsaWithSha224),
        (oid("1.2.840.10045.4.3.2"), EcdsaWithSha256),
        (oid("1.2.840.10045.4.3.3"), EcdsaWithSha384),
        (oid("1.2.840.10045.4.3.4"), EcdsaWithSha512),
        (oid("2.16.840.1.101.3.4.3.14"), Sha3_256WithRsaEncryption),
        (oid("2.16.840.1.101.3.4.3.15"), Sha3_384WithRsaEncryption),
        (oid("2.16.840.1.101.3.4.3.16"), Sha3_512WithRsaEncryption),
    ]
};

const RSA_ENCRYPTION: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
const RSASSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
const EC_PUBLIC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
const DSA: ObjectIdentifier = oid("1.2.840.10040.4.1");
const ED25519: ObjectIdentifier = oid("1.3.101.112");
const ED448: ObjectIdentifier = oid("1.3.101.113");

/// The field sizes of the curves in bits (RFC 5480 §2.1.1.1, RFC 5639, SEC 2).
const CURVES: &[(ObjectIdentifier, u32)] = &[
    (oid("1.2.840.10045.3.1.1"), 192),
    (oid("1.3.132.0.33"), 224),
    (oid("1.2.840.10045.3.1.7"), 256),
    (oid("1.3.132.0.34"), 384),
    (oid("1.3.132.0.35"), 521),
    (oid("1.3.132.0.10"), 256),
    (oid("1.3.36.3.3.2.8.1.1.7"), 256),
    (oid("1.3.36.3.3.2.8.1.1.11"), 384),
    (oid("1.3.36.3.3.2.8.1.1.13"), 512),
];

const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = oid("2.5.29.17");
const ISSUER_ALTERNATIVE_NAME: ObjectIdentifier = oid("2.5.29.18");

impl Certificate {
    /// Decodes the readable fields of a certificate in DER. For other bytes, only the length is present.
    pub fn read(der: &[u8]) -> Self {
        let mut certificate = Self { length: der.len(), ..Self::default() };
        // `fill` stops at the first malformed field. The fields before it remain.
        let _ = certificate.fill(der);
        certificate
    }

    /// Returns the serial number as KMIP's identifiers contain it: the DER of the INTEGER, as in the standard's test cases.
    pub fn serial_number_der(&self) -> Option<Vec<u8>> {
        AnyRef::new(Tag::Integer, self.serial_number.as_deref()?).ok()?.to_der().ok()
    }

    /// Returns the serial number in hexadecimal digits, as the Certificate Identifier of KMIP 1.0 contains it.
    pub fn serial_number_text(&self) -> Option<String> {
        let bytes = self.serial_number.as_deref()?;
        // A leading zero byte is not part of the number; it keeps the INTEGER positive.
        let digits = match bytes {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        Some(base16ct::upper::encode_string(digits))
    }

    /// Returns subject, issuer, serial number and validity in words, bounded, for the log.
    pub fn summary(&self) -> String {
        let name =
            |name: &Option<DistinguishedName>| name.as_ref().map(ToString::to_string).unwrap_or_default();
        let (subject, issuer) = (name(&self.subject), name(&self.issuer));
        let serial = self.serial_number_text().unwrap_or_default();
        let validity = self.validity.map_or_else(
            || "with an unreadable validity".to_owned(),
            |(from, to)| format!("valid from {} to {}", http_date(from), http_date(to)),
        );
        format!(
            "subject {:?}, issuer {:?}, serial number {}, {validity}",
            Excerpt(&subject),
            Excerpt(&issuer),
            Excerpt(&serial)
        )
    }

    /// Returns the host names and addresses among the subject alternative names.
    pub fn host_names(&self) -> Vec<String> {
        let names = self.subject_alternative_names.iter().filter_map(|der| GeneralName::from_der(der).ok());
        let text = |name| match name {
            GeneralName::DnsName(name) => Some(name.to_string()),
            GeneralName::IpAddress(bytes) => match *bytes.as_bytes() {
                [a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d).to_string()),
                ref bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
            },
            _ => None,
        };
        names.filter_map(text).collect()
    }

    fn fill(&mut self, der: &[u8]) -> Option<()> {
        let mut outer = SliceReader::new(sequence(der)?).ok()?;
        let body = outer.tlv_bytes().ok()?;
        if let Some(algorithm) = outer.tlv_bytes().ok().and_then(algorithm) {
            self.signature_algorithm = find(SIGNATURE_ALGORITHMS, algorithm.oid);
        }
        let mut body = SliceReader::new(sequence(body)?).ok()?;
        // A certificate of version 1 has no version field.
        if body.peek_tag().ok()? == context(0) {
            body.tlv_bytes().ok()?;
        }
        let serial = AnyRef::from_der(body.tlv_bytes().ok()?).ok()?;
        self.serial_number = (serial.tag() == Tag::Integer).then(|| serial.value().to_vec());
        body.tlv_bytes().ok()?; // the signature algorithm, again
        self.issuer = DistinguishedName::read(body.tlv_bytes().ok()?);
        self.validity = validity(body.tlv_bytes().ok()?);
        self.subject = DistinguishedName::read(body.tlv_bytes().ok()?);
        let info = body.tlv_bytes().ok()?;
        self.public_key_info = Some(info.to_vec());
        self.public_key = public_key(info);
        while !body.is_finished() {
            let item = AnyRef::from_der(body.tlv_bytes().ok()?).ok()?;
            if item.tag() == context(3) {
                self.read_extensions(item.value());
            }
        }
        Some(())
    }

    fn read_extensions(&mut self, der: &[u8]) -> Option<()> {
        let mut extensions = SliceReader::new(sequence(der)?).ok()?;
        while !extensions.is_finished() {
            let Some(extension) = extensions.tlv_bytes().ok().and_then(sequence) else { break };
            let mut extension = SliceReader::new(extension).ok()?;
            let id = extension.decode::<ObjectIdentifier>().ok()?;
            let mut value = AnyRef::decode(&mut extension).ok()?;
            if value.tag() == Tag::Boolean {
                value = AnyRef::decode(&mut extension).ok()?;
            }
            match id {
                SUBJECT_ALTERNATIVE_NAME => self.subject_alternative_names = items(value.value()),
                ISSUER_ALTERNATIVE_NAME => self.issuer_alternative_names = items(value.value()),
                _ => {}
            }
        }
        Some(())
    }
}

impl DistinguishedName {
    fn read(der: &[u8]) -> Option<Self> {
        sequence(der)?;
        let attributes = attributes(der).unwrap_or_default().into_iter().filter_map(|attribute| {
            let id = ObjectIdentifier::from_bytes(attribute.id).ok()?;
            Some((find(NAME_ATTRIBUTES, id)?, attribute.text()?))
        });
        Some(Self { attributes: attributes.collect(), der: der.to_vec() })
    }
}

/// Returns the time of notAfter since 1970, or `None` if it cannot be read. Reads only the fields up to it.
pub fn expiry(der: &[u8]) -> Option<Duration> {
    let mut outer = SliceReader::new(sequence(der)?).ok()?;
    let mut body = SliceReader::new(sequence(outer.tlv_bytes().ok()?)?).ok()?;
    if body.peek_tag().ok()? == context(0) {
        body.tlv_bytes().ok()?;
    }
    for _ in ["serial number", "signature algorithm", "issuer"] {
        body.tlv_bytes().ok()?;
    }
    let (_, to) = validity(body.tlv_bytes().ok()?)?;
    Some(Duration::from_secs(u64::try_from(to.0).unwrap_or_default()))
}

/// Returns notBefore and notAfter (RFC 5280 §4.1.2.5).
fn validity(der: &[u8]) -> Option<(DateTime, DateTime)> {
    let mut dates = Elements::within(der::tag::SEQUENCE, der)?;
    let (from, to) = (time::date(dates.read()?)?, time::date(dates.read()?)?);
    dates.is_empty().then_some((from, to))
}

/// Returns the algorithm and the key length in bits of a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
fn public_key(der: &[u8]) -> Option<(CryptographicAlgorithm, u32)> {
    let mut info = SliceReader::new(sequence(der)?).ok()?;
    let algorithm = algorithm(info.tlv_bytes().ok()?)?;
    let key = BitStringRef::from_der(info.tlv_bytes().ok()?).ok()?;
    match algorithm.oid {
        RSA_ENCRYPTION | RSASSA_PSS => {
            let mut key = SliceReader::new(sequence(key.as_bytes()?)?).ok()?;
            Some((CryptographicAlgorithm::Rsa, bits(&key.decode::<UintRef<'_>>().ok()?)?))
        }
        DSA => {
            let mut numbers = SliceReader::new(algorithm.parameters?.value()).ok()?;
            Some((CryptographicAlgorithm::Dsa, bits(&numbers.decode::<UintRef<'_>>().ok()?)?))
        }
        EC_PUBLIC_KEY => {
            let curve = algorithm.parameters?.decode_as::<ObjectIdentifier>().ok()?;
            Some((CryptographicAlgorithm::Ec, find(CURVES, curve)?))
        }
        ED25519 => Some((CryptographicAlgorithm::Ed25519, 256)),
        ED448 => Some((CryptographicAlgorithm::Ed448, 456)),
        _ => None,
    }
}

/// Returns the length of a number in bits.
fn bits(number: &UintRef<'_>) -> Option<u32> {
    let digits = number.as_bytes();
    let length = u32::try_from(digits.len()).ok()?.checked_mul(8)?;
    length.checked_sub(digits.first()?.leading_zeros())
}

fn find<T: Copy>(table: &[(ObjectIdentifier, T)], wanted: ObjectIdentifier) -> Option<T> {
    table.iter().find(|(id, _)| *id == wanted).map(|(_, found)| *found)
}

/// Returns the contents of a SEQUENCE.
fn sequence(der: &[u8]) -> Option<&[u8]> {
    let item = AnyRef::from_der(der).ok()?;
    (item.tag() == Tag::Sequence).then_some(item.value())
}

fn algorithm(der: &[u8]) -> Option<AlgorithmIdentifierRef<'_>> {
    AlgorithmIdentifierRef::from_der(der).ok()
}

const fn context(number: u8) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber::new(number) }
}

/// Returns the DER of each element of a SEQUENCE, or nothing if one is malformed.
fn items(der: &[u8]) -> Vec<Vec<u8>> {
    let read = || {
        let mut reader = SliceReader::new(sequence(der)?).ok()?;
        let mut items = Vec::new();
        while !reader.is_finished() {
            items.push(reader.tlv_bytes().ok()?.to_vec());
        }
        Some(items)
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test::hex;

    /// A certificate on P-384 with every attribute of a name, made with Python's cryptography 50.
    const SAMPLE: &str = "
        3082028b30820211a0030201020209009bba23d1b6a48f97300a06082a8648ce3d0403033011310f300d06035504030c
        06697373756572301e170d3234303130313030303030305a170d3434303130313030303030305a3081fa310b30090603
        55040613024445310f300d06035504080c0642617965726e3111300f06035504070c084dc3bc6e6368656e3110300e06
        0355040a0c074578616d706c65310d300b060355040b0c044b657973310e300c060355040b0c055661756c74310e300c
        06035504030c056669727374311d301b06092a864886f70d010901160e61406578616d706c652e746573743112301006
        0a0992268993f22c6401010c027531310b3009060355040513023737310b3009060355040c0c02447231173015060a09
        92268993f22c64011916076578616d706c6531143012060a0992268993f22c640119160474657374310a300806035504
        2e1301713076301006072a8648ce3d020106052b8104002203620004fbf96095915eb587390f850ec95b35f618ae121c
        72a70808ad8f9f4c261b602b63541743e395f7c778e52bb28c18dc83016a6ff3f72c9368326ad50a3bd148a53cd2213b
        b480e4730ad019db87ae100995ec65df011e19811a15dc9ddfc9ab3ca34b3049302c0603551d110101ff04223020820e
        612e6578616d706c652e74657374810e62406578616d706c652e7465737430190603551d1204123010820e692e657861
        6d706c652e74657374300a06082a8648ce3d04030303680030650231008b7d7cb784eefafb160966078bbca437947ffd
        53ab104d66dceb097cbc3d3651b66c8b5ced4d5cb7a02e337cfbdb64b002301e0d71571492355e724e7a8e85dc73e0d4
        248cb1fcf99e82036b9eaa0b65a28e3fea6bb32b8f1ac1a72571a3e4d3e500";

    #[test]
    fn reads_every_field_of_a_certificate() {
        let certificate = Certificate::read(&hex(SAMPLE));
        assert_eq!(certificate.length, 655);
        assert_eq!(certificate.serial_number_der(), Some(hex("0209009bba23d1b6a48f97")));
        assert_eq!(certificate.serial_number_text().as_deref(), Some("9BBA23D1B6A48F97"));
        assert_eq!(certificate.signature_algorithm, Some(DigitalSignatureAlgorithm::EcdsaWithSha384));
        assert_eq!(certificate.public_key, Some((CryptographicAlgorithm::Ec, 384)));
        assert_eq!(certificate.public_key_info.map(|info| info.len()), Some(120));
        let names = [hex("820e612e6578616d706c652e74657374"), hex("810e62406578616d706c652e74657374")];
        assert_eq!(certificate.subject_alternative_names, names);
        assert_eq!(certificate.issuer_alternative_names, [hex("820e692e6578616d706c652e74657374")]);
        let issuer = certificate.issuer.unwrap();
        assert_eq!(issuer.der, hex("3011310f300d06035504030c06697373756572"));
        assert_eq!(issuer.attributes, [(NameAttribute::CommonName, "issuer".to_owned())]);
    }

    #[test]
    fn reads_every_attribute_of_a_name_in_order() {
        use NameAttribute::*;
        let subject = Certificate::read(&hex(SAMPLE)).subject.unwrap();
        let expected = [
            (Country, "DE"),
            (StateOrProvince, "Bayern"),
            (Locality, "M\u{fc}nchen"),
            (Organization, "Example"),
            (OrganizationalUnit, "Keys"),
            (OrganizationalUnit, "Vault"),
            (CommonName, "first"),
            (Email, "a@example.test"),
            (UserId, "u1"),
            (SerialNumber, "77"),
            (Title, "Dr"),
            (DomainComponent, "example"),
            (DomainComponent, "test"),
            (DnQualifier, "q"),
        ];
        assert_eq!(subject.attributes, expected.map(|(sort, text)| (sort, text.to_owned())));
        assert_eq!(subject.texts(OrganizationalUnit).collect::<Vec<_>>(), ["Keys", "Vault"]);
        assert_eq!(subject.texts(DnQualifier).count(), 1);
    }

    #[test]
    fn returns_the_fields_before_a_malformed_one() {
        let mut damaged = hex(SAMPLE);
        // The first byte of the subject's first attribute, in the middle of the certificate.
        let at = damaged.windows(4).position(|bytes| bytes == hex("310b3009")).unwrap();
        damaged[at] = 0x04;
        let certificate = Certificate::read(&damaged);
        assert_eq!(certificate.serial_number, Some(hex("009bba23d1b6a48f97")));
        assert!(certificate.issuer.is_some());
        assert_eq!(certificate.subject.unwrap().attributes, []);
        assert_eq!(certificate.public_key, Some((CryptographicAlgorithm::Ec, 384)));
    }

    #[test]
    fn returns_only_the_length_of_other_bytes() {
        for bytes in [&b""[..], b"\x30", b"\x30\x00", b"certificate", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            let nothing = Certificate { length: bytes.len(), ..Certificate::default() };
            assert_eq!(Certificate::read(bytes), nothing);
        }
    }

    #[test]
    fn accepts_every_truncation_and_modified_byte_without_panic() {
        let sample = hex(SAMPLE);
        for length in 0..sample.len() {
            assert_eq!(Certificate::read(&sample[..length]).length, length);
        }
        for at in 0..sample.len() {
            for value in [0x00, 0x01, 0x02, 0x30, 0x7f, 0x80, 0x84, 0xa3, 0xff, sample[at] ^ 0x01] {
                let mut changed = sample.clone();
                changed[at] = value;
                assert_eq!(Certificate::read(&changed).length, sample.len());
            }
        }
    }
}
