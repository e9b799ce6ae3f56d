//! Certificate requests (RFC 2986) and the issuance of certificates (RFC 5280).
//!
//! Every issued certificate is an end entity certificate. The operations decide who may request which name.

use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RsaKeyPair,
};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::der::asn1::Utf8StringRef;
use x509_cert::der::asn1::{
    Any, BitString, GeneralizedTime, ObjectIdentifier, OctetString, SetOfVec, UtcTime,
};
use x509_cert::der::flagset::FlagSet;
use x509_cert::der::{Decode, DecodePem, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{CertReq, ExtensionReq};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use super::certificate::{NAME_ATTRIBUTES, NameAttribute};
use super::oid;
use super::signature::{self, Verdict};
use crate::crypto::{Error, KeyRole, Purpose, hash, random, rsa};
use crate::kmip::enums::{CryptographicUsageMask, HashingAlgorithm};
use crate::secret::Secret;
use crate::ttlv::DateTime;

const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = oid("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = oid("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = oid("2.5.29.35");
const EXTENDED_KEY_USAGE: ObjectIdentifier = oid("2.5.29.37");

const SHA256_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
const ECDSA_WITH_SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");

/// The extensions that a certificate copies from its request.
const COPIED_EXTENSIONS: [ObjectIdentifier; 3] = [SUBJECT_ALTERNATIVE_NAME, KEY_USAGE, EXTENDED_KEY_USAGE];

/// The validity of a generated authority.
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// The length of a serial number, in bytes. RFC 5280 §4.1.2.2 permits 20 and requires a positive number.
const SERIAL_LENGTH: usize = 16;

/// The subject of a certificate to be issued: its name, key and extensions.
#[derive(Clone, Debug)]
pub struct Subject {
    name: Name,
    key: SubjectPublicKeyInfoOwned,
    extensions: Vec<Extension>,
}

impl Subject {
    /// Decodes a PKCS#10 request (RFC 2986) in DER, and verifies its signature.
    ///
    /// # Errors
    /// Returns [`Error::Request`] if the bytes are not a request, or if its signature is invalid.
    pub fn of_pkcs10(der: &[u8]) -> Result<Self, Error> {
        Self::of_request(CertReq::from_der(der).map_err(|_| Error::Request)?)
    }

    /// Decodes a PKCS#10 request in PEM (RFC 7468 §7), and verifies its signature.
    ///
    /// # Errors
    /// Returns the errors of [`Subject::of_pkcs10`].
    pub fn of_pem(pem: &[u8]) -> Result<Self, Error> {
        Self::of_request(CertReq::from_pem(pem).map_err(|_| Error::Request)?)
    }

    fn of_request(request: CertReq) -> Result<Self, Error> {
        let refused = |_| Error::Request;
        let info = request.info.to_der().map_err(refused)?;
        let key = request.info.public_key.to_der().map_err(refused)?;
        let algorithm = request.algorithm.to_der().map_err(refused)?;
        let algorithm = Decode::from_der(&algorithm).map_err(refused)?;
        let signature = request.signature.as_bytes().ok_or(Error::Request)?;
        if signature::verify(&key, algorithm, &info, signature) != Verdict::Good {
            return Err(Error::Request);
        }
        let mut extensions = Vec::new();
        for attribute in request.info.attributes.iter().filter(|it| it.oid == EXTENSION_REQUEST) {
            for value in attribute.values.iter() {
                let wanted = value.to_der().and_then(|der| ExtensionReq::from_der(&der)).map_err(refused)?;
                extensions.extend(wanted.0);
            }
        }
        Ok(Self { name: request.info.subject, key: request.info.public_key, extensions }
            .with_copied_extensions())
    }

    /// Returns the subject of a certificate in DER, to renew it.
    ///
    /// # Errors
    /// Returns [`Error::Request`] if the bytes are not a certificate.
    pub fn of_certificate(der: &[u8]) -> Result<Self, Error> {
        let certificate = Certificate::from_der(der).map_err(|_| Error::Request)?.tbs_certificate;
        let (name, key) = (certificate.subject, certificate.subject_public_key_info);
        Ok(Self { name, key, extensions: certificate.extensions.unwrap_or_default() }
            .with_copied_extensions())
    }

    /// Combines the DER of a Name and the DER of a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// Returns [`Error::Request`] if either is malformed.
    pub fn of_key(name: &[u8], info: &[u8]) -> Result<Self, Error> {
        let name = Name::from_der(name).map_err(|_| Error::Request)?;
        let key = SubjectPublicKeyInfoOwned::from_der(info).map_err(|_| Error::Request)?;
        Ok(Self { name, key, extensions: Vec::new() })
    }

    /// Returns the DER of the SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the encoder fails.
    pub fn key(&self) -> Result<Vec<u8>, Error> {
        self.key.to_der().map_err(failed)
    }

    /// Removes the extensions that a certificate does not copy.
    fn with_copied_extensions(mut self) -> Self {
        self.extensions.retain(|extension| COPIED_EXTENSIONS.contains(&extension.extn_id));
        self
    }
}

const EXTENSION_REQUEST: ObjectIdentifier = oid("1.2.840.113549.1.9.14");

/// Returns the DER of a Name with these attributes.
///
/// # Errors
/// Returns [`Error::Request`] if a value cannot be encoded.
pub fn name<'a>(attributes: impl Iterator<Item = (NameAttribute, &'a str)>) -> Result<Vec<u8>, Error> {
    let mut names = RdnSequence::default();
    for (attribute, text) in attributes {
        let Some((oid, _)) = NAME_ATTRIBUTES.iter().find(|(_, known)| *known == attribute) else { continue };
        let value = Utf8StringRef::new(text).and_then(|text| Any::encode_from(&text));
        let part = AttributeTypeAndValue { oid: *oid, value: value.map_err(|_| Error::Request)? };
        let part = SetOfVec::try_from(vec![part]).map_err(|_| Error::Request)?;
        names.0.push(RelativeDistinguishedName(part));
    }
    names.to_der().map_err(failed)
}

/// Returns the DER of a Name in the text format of RFC 4514: `CN=Client,O=Example,C=DE`.
///
/// # Errors
/// Returns [`Error::Request`] if the text is not a name.
pub fn name_of_text(text: &str) -> Result<Vec<u8>, Error> {
    RdnSequence::from_str(text).and_then(|name| name.to_der()).map_err(|_| Error::Request)
}

/// The longest modulus of a key that is not slow, in bytes.
const FAST_MODULUS: usize = 256;

/// A certification authority.
#[derive(Debug)]
pub struct Issuer {
    certificate: Vec<u8>,
    name: Name,
    key_identifier: Vec<u8>,
    not_after: DateTime,
    key: SigningKey,
}

/// A private key that signs certificates.
#[derive(Debug)]
enum SigningKey {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>, ObjectIdentifier),
}

/// A generated certification authority.
#[derive(Debug)]
pub struct NewIssuer {
    /// The DER of the certificate.
    pub certificate: Vec<u8>,
    /// The private key: DER of PKCS#8.
    pub key: Secret,
}

impl Issuer {
    /// Generates a self-signed authority that is valid from `now`. Its key is RSA of 2048 bits, which every client supports.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if a library returns an error.
    pub fn generate(common_name: &str, now: DateTime) -> Result<NewIssuer, Error> {
        let key = rsa::generate(2048)?.private_pkcs8;
        let signer = SigningKey::read(key.expose())?;
        let name = name(std::iter::once((NameAttribute::CommonName, common_name)))?;
        let subject = Subject::of_key(&name, &signer.public()?)?;
        let key_identifier = key_identifier(&subject.key)?;
        let usages = KeyUsages::KeyCertSign | KeyUsages::CRLSign;
        let extensions = vec![
            extension(BASIC_CONSTRAINTS, true, &BasicConstraints { ca: true, path_len_constraint: Some(0) })?,
            extension(KEY_USAGE, true, &KeyUsage(usages))?,
            extension(SUBJECT_KEY_IDENTIFIER, false, &SubjectKeyIdentifier(octets(&key_identifier)?))?,
        ];
        let lifetime = i64::try_from(AUTHORITY_VALIDITY.as_secs()).unwrap_or(i64::MAX);
        let validity = validity(now, DateTime(now.0.saturating_add(lifetime)))?;
        let certificate = signer.sign(&subject.name, &subject, validity, extensions)?;
        Ok(NewIssuer { certificate, key })
    }

    /// Decodes an authority from the DER of its certificate and of its private key (PKCS#8, PKCS#1 or SEC 1).
    ///
    /// # Errors
    /// Returns [`Error::Request`] if the bytes are not a certificate, [`Error::Unreadable`] if the key is not RSA of at least
    /// 2048 bits, P-256 or P-384, and [`Error::AuthorityKey`] if the certificate contains another key.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        let read = Certificate::from_der(certificate).map_err(|_| Error::Request)?.tbs_certificate;
        let key = SigningKey::read(key)?;
        let info = read.subject_public_key_info.to_der().map_err(failed)?;
        if key.public()? != info {
            return Err(Error::AuthorityKey);
        }
        let not_after = read.validity.not_after.to_unix_duration().as_secs();
        Ok(Self {
            certificate: certificate.to_vec(),
            key_identifier: key_identifier(&read.subject_public_key_info)?,
            not_after: DateTime(i64::try_from(not_after).unwrap_or(i64::MAX)),
            name: read.subject,
            key,
        })
    }

    /// Returns the DER of its certificate.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Returns whether its private key is slow ([`rsa::is_slow`]).
    pub fn is_slow(&self) -> bool {
        matches!(&self.key, SigningKey::Rsa(key) if key.public_modulus_len() > FAST_MODULUS)
    }

    /// Issues a certificate for `subject`, valid from `from` to `to` or to the end of the authority's validity. The key usage
    /// is that of the request, or `usage` if the request contains none. Returns DER.
    ///
    /// # Errors
    /// Returns [`Error::Validity`] if the validity ends before it begins, and [`Error::Failed`] if a library returns an
    /// error.
    pub fn issue(
        &self,
        subject: &Subject,
        usage: CryptographicUsageMask,
        from: DateTime,
        to: DateTime,
    ) -> Result<Vec<u8>, Error> {
        let to = to.min(self.not_after);
        if to < from {
            return Err(Error::Validity);
        }
        let identifier = key_identifier(&subject.key)?;
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(octets(&self.key_identifier)?),
            ..AuthorityKeyIdentifier::default()
        };
        let mut extensions = vec![
            extension(BASIC_CONSTRAINTS, true, &BasicConstraints { ca: false, path_len_constraint: None })?,
            extension(SUBJECT_KEY_IDENTIFIER, false, &SubjectKeyIdentifier(octets(&identifier)?))?,
            extension(AUTHORITY_KEY_IDENTIFIER, false, &authority)?,
        ];
        let mut usages = usages(usage);
        for wanted in &subject.extensions {
            if wanted.extn_id == KEY_USAGE {
                let wanted = KeyUsage::from_der(wanted.extn_value.as_bytes()).map_err(|_| Error::Request)?;
                usages = wanted.0 - (KeyUsages::KeyCertSign | KeyUsages::CRLSign);
            } else {
                extensions.push(wanted.clone());
            }
        }
        if !usages.is_empty() {
            extensions.push(extension(KEY_USAGE, true, &KeyUsage(usages))?);
        }
        self.key.sign(&self.name, subject, validity(from, to)?, extensions)
    }
}

impl SigningKey {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let ecdsa = |algorithm, id| {
            let key = EcdsaKeyPair::from_pkcs8(algorithm, bytes)
                .or_else(|_| EcdsaKeyPair::from_private_key_der(algorithm, bytes));
            key.map(|key| Self::Ecdsa(Box::new(key), id))
        };
        RsaKeyPair::from_pkcs8(bytes)
            .or_else(|_| RsaKeyPair::from_der(bytes))
            .map(|key| Self::Rsa(Box::new(key)))
            .or_else(|_| ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_WITH_SHA256))
            .or_else(|_| ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_WITH_SHA384))
            .map_err(|_| Error::Unreadable { role: KeyRole::Private, purpose: Purpose::Sign })
    }

    /// Returns the DER of the SubjectPublicKeyInfo.
    fn public(&self) -> Result<Vec<u8>, Error> {
        let der: Result<PublicKeyX509Der<'_>, _> = match self {
            Self::Rsa(key) => key.public_key().as_der(),
            Self::Ecdsa(key, _) => key.public_key().as_der(),
        };
        der.map(|der| der.as_ref().to_vec()).map_err(|_| Error::Failed(Purpose::Sign))
    }

    fn algorithm(&self) -> AlgorithmIdentifierOwned {
        match self {
            Self::Rsa(_) => AlgorithmIdentifierOwned { oid: SHA256_WITH_RSA, parameters: Some(Any::null()) },
            Self::Ecdsa(_, oid) => AlgorithmIdentifierOwned { oid: *oid, parameters: None },
        }
    }

    fn sign(
        &self,
        issuer: &Name,
        subject: &Subject,
        validity: Validity,
        extensions: Vec<Extension>,
    ) -> Result<Vec<u8>, Error> {
        let tbs_certificate = TbsCertificate {
            version: Version::V3,
            serial_number: serial()?,
            signature: self.algorithm(),
            issuer: issuer.clone(),
            validity,
            subject: subject.name.clone(),
            subject_public_key_info: subject.key.clone(),
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(extensions),
        };
        let message = tbs_certificate.to_der().map_err(failed)?;
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).map(|()| signature)
            }
            Self::Ecdsa(key, _) => key.sign(&random, &message).map(|signature| signature.as_ref().to_vec()),
        };
        let signature = signature.map_err(|_| Error::Failed(Purpose::Sign))?;
        let certificate = Certificate {
            tbs_certificate,
            signature_algorithm: self.algorithm(),
            signature: BitString::from_bytes(&signature).map_err(failed)?,
        };
        certificate.to_der().map_err(failed)
    }
}

fn failed(_: x509_cert::der::Error) -> Error {
    Error::Failed(Purpose::Sign)
}

fn octets(bytes: &[u8]) -> Result<OctetString, Error> {
    OctetString::new(bytes).map_err(failed)
}

fn extension(extn_id: ObjectIdentifier, critical: bool, value: &impl Encode) -> Result<Extension, Error> {
    Ok(Extension { extn_id, critical, extn_value: octets(&value.to_der().map_err(failed)?)? })
}

/// Returns the SHA-1 of the public key's BIT STRING (RFC 5280 §4.2.1.2, method 1).
fn key_identifier(key: &SubjectPublicKeyInfoOwned) -> Result<Vec<u8>, Error> {
    hash::digest(HashingAlgorithm::Sha1, key.subject_public_key.raw_bytes())
}

fn serial() -> Result<SerialNumber, Error> {
    let mut bytes = random::bytes(SERIAL_LENGTH)?;
    if let Some(first) = bytes.first_mut() {
        // Keeps the number positive and its length constant.
        *first = (*first & 0x7F) | 0x40;
    }
    SerialNumber::new(&bytes).map_err(failed)
}

/// Encodes a validity: UTCTime until 2049, GeneralizedTime after that (RFC 5280 §4.1.2.5).
fn validity(from: DateTime, to: DateTime) -> Result<Validity, Error> {
    let time = |date: DateTime| {
        let since = Duration::from_secs(u64::try_from(date.0).map_err(|_| Error::Validity)?);
        UtcTime::from_unix_duration(since)
            .map(Time::UtcTime)
            .or_else(|_| GeneralizedTime::from_unix_duration(since).map(Time::GeneralTime))
            .map_err(|_| Error::Validity)
    };
    Ok(Validity { not_before: time(from)?, not_after: time(to)? })
}

/// Converts a Cryptographic Usage Mask (KMIP 1.4 §3.19) to key usages (RFC 5280 §4.2.1.3).
fn usages(mask: CryptographicUsageMask) -> FlagSet<KeyUsages> {
    use CryptographicUsageMask as M;
    let table = [
        (M::SIGN, KeyUsages::DigitalSignature),
        (M::VERIFY, KeyUsages::DigitalSignature),
        (M::CONTENT_COMMITMENT, KeyUsages::NonRepudiation),
        (M::ENCRYPT, KeyUsages::DataEncipherment),
        (M::DECRYPT, KeyUsages::DataEncipherment),
        (M::WRAP_KEY, KeyUsages::KeyEncipherment),
        (M::UNWRAP_KEY, KeyUsages::KeyEncipherment),
        (M::KEY_AGREEMENT, KeyUsages::KeyAgreement),
    ];
    let set = table.into_iter().filter(|(bit, _)| mask.contains(*bit));
    set.fold(FlagSet::default(), |usages, (_, usage)| usages | usage)
}

#[cfg(test)]
mod tests;
