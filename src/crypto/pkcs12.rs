//! PKCS#12 containers (RFC 7292): a private key and its certificate chain, protected by a password.
//!
//! pkcs5 encrypts the key and the certificates with PBES2 and AES-256-CBC (RFC 8018 §6.2). The integrity of the container
//! is protected by HMAC-SHA-256, whose key pkcs12 derives (RFC 7292 §B.2). `open` reads containers of other programs.

mod open;
#[cfg(test)]
mod vectors;

use pkcs5::EncryptionScheme;
use pkcs5::pbes2::Parameters;
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use x509_cert::der::Encode;
use x509_cert::der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

use super::hash::Hash;
use super::mac::HmacKey;
use super::{Error, Purpose, random};
use crate::secret::Secret;

pub use super::error::ContainerFault;
pub use open::{Opened, OpenedCertificate, open};

/// The contents of a container.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The private key: DER of PKCS#8's PrivateKeyInfo.
    pub key: &'a Secret,
    /// DER of the certificates: that of the key first, and then its issuers.
    pub certificates: &'a [Vec<u8>],
    /// The friendlyName attribute of the key (RFC 2985 §5.5.1).
    pub friendly_name: Option<&'a str>,
}

/// The iterations of each of the three key derivations, which take tens of milliseconds.
const ITERATIONS: u16 = 20_000;

/// The length of each salt, in bytes (RFC 7292 §4 and RFC 8018 §4.1: at least eight).
const SALT: usize = 16;

/// Object identifiers of RFC 7292 §4.2, RFC 2315 §14, RFC 2985 §5.5 and §6.2, and of SHA-1 and SHA-2.
mod oid {
    use super::ObjectIdentifier;

    pub(super) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
    pub(super) const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
    pub(super) const KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
    pub(super) const SHROUDED_KEY: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
    pub(super) const CERTIFICATE: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
    pub(super) const X509: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
    pub(super) const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");
    pub(super) const LOCAL_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");
    pub(super) const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
    pub(super) const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
    pub(super) const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
    pub(super) const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
}

/// Encodes a container: DER of PFX.
///
/// # Errors
/// Returns [`Error::Failed`] if the password is not UTF-8 or a library returns an error, and [`Error::Random`] if the
/// operating system returns no random bytes.
pub fn write(contents: &Contents<'_>, password: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = Error::Failed(Purpose::Convert);
    let password = std::str::from_utf8(password).map_err(|_| failed)?;
    // The digest of the certificate is the localKeyId of key and certificate.
    let local = contents.certificates.first().map(|certificate| Hash::Sha1.digest(certificate));
    let own = attributes(contents.friendly_name, local.as_deref())?;

    let (algorithm, encrypted) = encrypt(password, contents.key.expose())?;
    let key = sequence(&[&algorithm, &item(OCTET_STRING, &[&encrypted])]);
    let mut safes =
        content(oid::DATA, &item(OCTET_STRING, &[&sequence(&[&bag(oid::SHROUDED_KEY, &key, &own)?])]))?;

    if !contents.certificates.is_empty() {
        let mut bags = Vec::new();
        for (at, certificate) in contents.certificates.iter().enumerate() {
            let value =
                sequence(&[&object(oid::X509)?, &item(EXPLICIT, &[&item(OCTET_STRING, &[certificate])])]);
            bags.extend(bag(oid::CERTIFICATE, &value, if at == 0 { &own } else { &[] })?);
        }
        let (algorithm, encrypted) = encrypt(password, &sequence(&[&bags]))?;
        let info = sequence(&[&object(oid::DATA)?, &algorithm, &item(IMPLICIT, &[&encrypted])]);
        safes.extend(content(oid::ENCRYPTED_DATA, &sequence(&[&integer(0), &info]))?);
    }

    let authenticated = sequence(&[&safes]);
    let salt = random::bytes(SALT)?;
    let code = code(password, &salt, &authenticated)?;
    let digest =
        sequence(&[&sequence(&[&object(oid::SHA256)?, &[0x05, 0x00]]), &item(OCTET_STRING, &[&code])]);
    let mac = sequence(&[&digest, &item(OCTET_STRING, &[&salt]), &integer(ITERATIONS)]);
    let whole = content(oid::DATA, &item(OCTET_STRING, &[&authenticated]))?;
    Ok(sequence(&[&integer(3), &whole, &mac]))
}

/// Returns the DER of the AlgorithmIdentifier, and the ciphertext.
fn encrypt(password: &str, data: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let failed = Error::Failed(Purpose::Convert);
    let salt = random::bytes(SALT)?;
    let iv: [u8; 16] = random::bytes(16)?.try_into().map_err(|_| failed)?;
    let parameters =
        Parameters::pbkdf2_sha256_aes256cbc(u32::from(ITERATIONS), &salt, &iv).map_err(|_| failed)?;
    let scheme = EncryptionScheme::Pbes2(parameters);
    let encrypted = scheme.encrypt(password, data).map_err(|_| failed)?;
    Ok((scheme.to_der().map_err(|_| failed)?, encrypted))
}

/// Returns the HMAC of the authenticated safe (RFC 7292 §5.1).
fn code(password: &str, salt: &[u8], authenticated: &[u8]) -> Result<Vec<u8>, Error> {
    let (length, rounds) = (Hash::Sha256.length(), i32::from(ITERATIONS));
    let key = derive_key_utf8::<sha2::Sha256>(password, salt, Pkcs12KeyType::Mac, rounds, length);
    let key = Zeroizing::new(key.map_err(|_| Error::Failed(Purpose::Convert))?);
    Ok(HmacKey::new(Hash::Sha256, &key).compute(&[authenticated]))
}

/// Returns the PKCS12Attributes, in the order of a DER SET OF.
fn attributes(name: Option<&str>, local: Option<&[u8]>) -> Result<Vec<u8>, Error> {
    let mut attributes = Vec::new();
    if let Some(name) = name {
        let text: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let value = item(SET, &[&item(BMP_STRING, &[&text])]);
        attributes.push(sequence(&[&object(oid::FRIENDLY_NAME)?, &value]));
    }
    if let Some(local) = local {
        let value = item(SET, &[&item(OCTET_STRING, &[local])]);
        attributes.push(sequence(&[&object(oid::LOCAL_KEY)?, &value]));
    }
    attributes.sort();
    Ok(attributes.concat())
}

/// Returns a SafeBag, without the field for attributes if there are none.
fn bag(kind: ObjectIdentifier, value: &[u8], attributes: &[u8]) -> Result<Vec<u8>, Error> {
    let attributes = if attributes.is_empty() { Vec::new() } else { item(SET, &[attributes]) };
    Ok(sequence(&[&object(kind)?, &item(EXPLICIT, &[value]), &attributes]))
}

/// Returns a ContentInfo.
fn content(kind: ObjectIdentifier, value: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(sequence(&[&object(kind)?, &item(EXPLICIT, &[value])]))
}

const OCTET_STRING: u8 = 0x04;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// An explicit `[0]`.
const EXPLICIT: u8 = 0xa0;
/// An implicit `[0]` OCTET STRING.
const IMPLICIT: u8 = 0x80;

/// Returns a DER element (X.690 §8.1) whose contents are the concatenated parts.
fn item(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let digits = length.to_be_bytes();
    let digits = digits.get(digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len())..);
    let mut out = vec![tag];
    match (u8::try_from(length), digits.unwrap_or_default()) {
        (Ok(short), _) if short < 0x80 => out.push(short),
        (_, digits) => {
            // At most eight digits.
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
            out.extend_from_slice(digits);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    item(SEQUENCE, parts)
}

fn integer(value: u16) -> Vec<u8> {
    // One leading zero byte keeps the number positive; DER permits no others.
    let [high, low] = value.to_be_bytes();
    match (high, low) {
        (0, low) if low < 0x80 => vec![0x02, 1, low],
        (high, low) if high < 0x80 => vec![0x02, 2, high, low],
        (high, low) => vec![0x02, 3, 0, high, low],
    }
}

fn object(id: ObjectIdentifier) -> Result<Vec<u8>, Error> {
    id.to_der().map_err(|_| Error::Failed(Purpose::Convert))
}

#[cfg(test)]
mod tests {
    use x509_cert::der::Decode;

    use super::*;
    use crate::crypto::rsa;

    #[test]
    fn writes_the_key_encrypted_and_authenticated() {
        let pair = rsa::generate(512).unwrap();
        let certificates = [vec![0x30, 0x03, 0x02, 0x01, 0x07], vec![0x30, 0x00]];
        let contents =
            Contents { key: &pair.private_pkcs8, certificates: &certificates, friendly_name: Some("a key") };
        let der = write(&contents, b"password").unwrap();
        let container = pkcs12::pfx::Pfx::from_der(&der).unwrap();
        let mac = container.mac_data.unwrap();
        let safe = container.auth_safe.content.decode_as::<x509_cert::der::asn1::OctetString>().unwrap();
        let expected = code("password", mac.mac_salt.as_bytes(), safe.as_bytes()).unwrap();
        assert_eq!(mac.mac.digest.as_bytes(), expected);
        assert_ne!(code("another", mac.mac_salt.as_bytes(), safe.as_bytes()).unwrap(), expected);
        // Nothing of the key is in the clear.
        let secret = &pair.private_pkcs8.expose()[60..92];
        assert!(!der.windows(secret.len()).any(|window| window == secret));
        assert_ne!(write(&contents, b"password").unwrap(), der, "every container has salts of its own");
        let empty = Contents { certificates: &[], friendly_name: None, ..contents };
        assert!(write(&empty, b"").unwrap().len() < der.len());
        assert_eq!(write(&contents, &[0xff]), Err(Error::Failed(Purpose::Convert)));
    }
}
