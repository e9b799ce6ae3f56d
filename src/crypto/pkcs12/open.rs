//! Opens containers of current and older programs, in DER and with password integrity mode (RFC 7292 §5.1) over SHA-1 or
//! SHA-2.
//!
//! Supports PBES2 with PBKDF2 and AES, and the algorithms of RFC 7292 Appendix C except RC4. A container states its
//! iteration counts; the sum of all hashes is bounded.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, InnerIvInit};
use cms::content_info::ContentInfo;
use cms::encrypted_data::EncryptedData;
use pkcs5::EncryptionScheme;
use pkcs5::pbes2::Kdf;
use pkcs12::cert_type::CertBag;
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use pkcs12::mac_data::MacData;
use pkcs12::pbe_params::{EncryptedPrivateKeyInfo, Pkcs12PbeParams};
use pkcs12::pfx::Pfx;
use pkcs12::safe_bag::SafeBag;
use pkcs12::{
    PKCS_12_PBE_WITH_SHAAND2_KEY_TRIPLE_DES_CBC, PKCS_12_PBE_WITH_SHAAND3_KEY_TRIPLE_DES_CBC,
    PKCS_12_PBE_WITH_SHAAND128_BIT_RC2_CBC, PKCS_12_PBEWITH_SHAAND40_BIT_RC2_CBC,
};
use rc2::Rc2;
use subtle::ConstantTimeEq;
use x509_cert::der::asn1::{Any, BmpString, ContextSpecific, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use super::oid;
use crate::crypto::derive::MAX_ITERATIONS;
use crate::crypto::error::ContainerFault;
use crate::crypto::hash::Hash;
use crate::crypto::mac::HmacKey;
use crate::crypto::symmetric::{self, Cipher};
use crate::crypto::{Error, Key};
use crate::kmip::enums::{BlockCipherMode, CryptographicAlgorithm, PaddingMethod};
use crate::secret::Secret;

/// The contents of an opened container.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The private key: DER of PKCS#8's PrivateKeyInfo.
    pub key: Secret,
    /// The friendlyName attribute of the key.
    pub friendly_name: Option<String>,
    /// All certificates of the container: that of the key first, the others in their order.
    pub certificates: Vec<OpenedCertificate>,
}

/// A certificate of an opened container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedCertificate {
    /// DER of the certificate.
    pub der: Vec<u8>,
    /// The friendlyName attribute of the certificate.
    pub friendly_name: Option<String>,
}

/// The maximum number of parts and of objects in a container, more than a key and its certificate chain need.
const MAX_PARTS: usize = 64;

/// The maximum number of hashes to open a container: that of the longest derivation that a client may request.
const MAX_WORK: u64 = MAX_ITERATIONS as u64;

/// Opens a container with its password (UTF-8). If it contains several private keys, `name` selects one by its
/// friendlyName.
///
/// # Errors
/// Returns [`Error::Container`] with the reason.
pub fn open(der: &[u8], password: &[u8], name: Option<&str>) -> Result<Opened, Error> {
    let password = std::str::from_utf8(password).map_err(|_| ContainerFault::Password)?;
    let mut opening = Opening { password, work: MAX_WORK, keys: Vec::new(), certificates: Vec::new() };
    opening.container(der)?;
    let Opening { keys, mut certificates, .. } = opening;
    let key = match keys.len() {
        0 => return Err(ContainerFault::NoKey.into()),
        1 => keys.into_iter().next(),
        _ => {
            let mut named = keys.into_iter().filter(|key| name.is_some() && key.name.as_deref() == name);
            named.next().filter(|_| named.next().is_none())
        }
    };
    let key = key.ok_or(ContainerFault::SeveralKeys)?;
    let key_certificate = certificates.iter().position(|it| it.local.is_some() && it.local == key.local);
    if let Some(first) = key_certificate.and_then(|at| certificates.get_mut(..=at)) {
        first.rotate_right(1);
    }
    let certificates = certificates
        .into_iter()
        .map(|it| OpenedCertificate { der: it.value.expose().to_vec(), friendly_name: it.name });
    Ok(Opened { key: key.value, friendly_name: key.name, certificates: certificates.collect() })
}

/// A key or a certificate, with the attributes of its bag.
struct Found {
    value: Secret,
    name: Option<String>,
    local: Option<Vec<u8>>,
}

/// The state of opening a container.
struct Opening<'a> {
    password: &'a str,
    /// The number of hashes that are still permitted.
    work: u64,
    keys: Vec<Found>,
    certificates: Vec<Found>,
}

impl Opening<'_> {
    fn container(&mut self, der: &[u8]) -> Result<(), ContainerFault> {
        let container = Pfx::from_der(der).map_err(|_| ContainerFault::Malformed)?;
        if container.auth_safe.content_type != oid::DATA {
            return Err(ContainerFault::Protection);
        }
        let safe = octets(&container.auth_safe.content)?;
        self.check(&container.mac_data.ok_or(ContainerFault::Protection)?, &safe)?;
        let parts: Vec<ContentInfo> = read(&safe)?;
        if parts.len() > MAX_PARTS {
            return Err(ContainerFault::Bounds);
        }
        for part in parts {
            let bags = match part.content_type {
                oid::DATA => octets(&part.content)?,
                oid::ENCRYPTED_DATA => {
                    let encrypted: EncryptedData =
                        part.content.decode_as().map_err(|_| ContainerFault::Malformed)?;
                    let encrypted = encrypted.enc_content_info;
                    let data = encrypted.encrypted_content.ok_or(ContainerFault::Malformed)?;
                    self.decrypt(&encrypted.content_enc_alg, data.as_bytes())?
                }
                _ => return Err(ContainerFault::Protection),
            };
            for bag in read::<Vec<SafeBag>>(&bags)? {
                self.bag(&bag)?;
            }
        }
        Ok(())
    }

    /// Verifies the MAC of the authenticated safe.
    fn check(&mut self, mac: &MacData, safe: &[u8]) -> Result<(), ContainerFault> {
        let hash = match mac.mac.algorithm.oid {
            oid::SHA1 => Hash::Sha1,
            oid::SHA256 => Hash::Sha256,
            oid::SHA384 => Hash::Sha384,
            oid::SHA512 => Hash::Sha512,
            _ => return Err(ContainerFault::Protection),
        };
        let (salt, length) = (mac.mac_salt.as_bytes(), hash.length());
        let key = self.derive(hash, salt, Pkcs12KeyType::Mac, mac.iterations, length)?;
        let code = HmacKey::new(hash, &key).compute(&[safe]);
        if bool::from(code.ct_eq(mac.mac.digest.as_bytes())) { Ok(()) } else { Err(ContainerFault::Password) }
    }

    fn bag(&mut self, bag: &SafeBag) -> Result<(), ContainerFault> {
        if self.keys.len() + self.certificates.len() >= MAX_PARTS {
            return Err(ContainerFault::Bounds);
        }
        let value =
            ContextSpecific::<Any>::from_der(&bag.bag_value).map_err(|_| ContainerFault::Malformed)?.value;
        let value = Zeroizing::new(value.to_der().map_err(|_| ContainerFault::Malformed)?);
        let (name, local) = attributes_of(bag);
        let found = |value: Vec<u8>| Found { value: Secret::new(value), name, local };
        match bag.bag_id {
            oid::KEY => self.keys.push(found(value.to_vec())),
            oid::SHROUDED_KEY => {
                let shrouded: EncryptedPrivateKeyInfo = read(&value)?;
                let key = self.decrypt(&shrouded.encryption_algorithm, shrouded.encrypted_data.as_bytes())?;
                self.keys.push(found(key.to_vec()));
            }
            oid::CERTIFICATE => {
                let certificate: CertBag = read(&value)?;
                if certificate.cert_id == oid::X509 {
                    self.certificates.push(found(certificate.cert_value.as_bytes().to_vec()));
                }
            }
            // Certificate revocation lists and secrets have no managed object.
            _ => {}
        }
        Ok(())
    }

    fn decrypt(
        &mut self,
        algorithm: &AlgorithmIdentifierOwned,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ContainerFault> {
        // The lengths of key and IV, in bytes.
        let pkcs12_pbe = |key: usize| (key, 8);
        let (key, iv) = match algorithm.oid {
            PKCS_12_PBE_WITH_SHAAND3_KEY_TRIPLE_DES_CBC => pkcs12_pbe(24),
            PKCS_12_PBE_WITH_SHAAND2_KEY_TRIPLE_DES_CBC | PKCS_12_PBE_WITH_SHAAND128_BIT_RC2_CBC => {
                pkcs12_pbe(16)
            }
            PKCS_12_PBEWITH_SHAAND40_BIT_RC2_CBC => pkcs12_pbe(5),
            _ => return self.decrypt_pbes2(algorithm, data),
        };
        let parameters = algorithm.parameters.as_ref().ok_or(ContainerFault::Malformed)?;
        let parameters: Pkcs12PbeParams = parameters.decode_as().map_err(|_| ContainerFault::Malformed)?;
        let (salt, rounds) = (parameters.salt.as_bytes(), parameters.iterations);
        let key = self.derive(Hash::Sha1, salt, Pkcs12KeyType::EncryptionKey, rounds, key)?;
        let iv = self.derive(Hash::Sha1, salt, Pkcs12KeyType::Iv, rounds, iv)?;
        match algorithm.oid {
            PKCS_12_PBE_WITH_SHAAND128_BIT_RC2_CBC | PKCS_12_PBEWITH_SHAAND40_BIT_RC2_CBC => {
                let cipher = Rc2::new_with_eff_key_len(&key, key.len() * 8);
                let mode = cbc::Decryptor::inner_iv_slice_init(cipher, &iv)
                    .map_err(|_| ContainerFault::Malformed)?;
                let mut buffer = Zeroizing::new(data.to_vec());
                let length = mode
                    .decrypt_padded_mut::<Pkcs7>(&mut buffer)
                    .map_err(|_| ContainerFault::Malformed)?
                    .len();
                buffer.truncate(length);
                Ok(buffer)
            }
            _ => {
                let cipher = Cipher {
                    algorithm: CryptographicAlgorithm::TripleDes,
                    key: Key(&key),
                    mode: Some(BlockCipherMode::Cbc),
                    padding: Some(PaddingMethod::Pkcs5),
                    iv: Some(&iv),
                    additional_data: None,
                    tag_length: None,
                };
                let decrypted =
                    symmetric::decrypt(&cipher, data, None).map_err(|_| ContainerFault::Malformed)?;
                Ok(Zeroizing::new(decrypted.expose().to_vec()))
            }
        }
    }

    fn decrypt_pbes2(
        &mut self,
        algorithm: &AlgorithmIdentifierOwned,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ContainerFault> {
        let der = algorithm.to_der().map_err(|_| ContainerFault::Malformed)?;
        let scheme = EncryptionScheme::from_der(&der).map_err(|_| ContainerFault::Protection)?;
        let Some(Kdf::Pbkdf2(derivation)) = scheme.pbes2().map(|parameters| &parameters.kdf) else {
            return Err(ContainerFault::Protection);
        };
        // The longest key needs two blocks of SHA-1.
        self.spend(u64::from(derivation.iteration_count) * 2)?;
        let decrypted = scheme.decrypt(self.password, data).map_err(|error| match error {
            pkcs5::Error::UnsupportedAlgorithm { .. } => ContainerFault::Protection,
            _ => ContainerFault::Malformed,
        })?;
        Ok(Zeroizing::new(decrypted))
    }

    /// Derives a key or an IV (RFC 7292 Appendix B).
    fn derive(
        &mut self,
        hash: Hash,
        salt: &[u8],
        kind: Pkcs12KeyType,
        rounds: i32,
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, ContainerFault> {
        let blocks = length.div_ceil(hash.length().max(1)) as u64;
        self.spend(
            u64::try_from(rounds).ok().filter(|rounds| *rounds > 0).ok_or(ContainerFault::Malformed)?
                * blocks,
        )?;
        let password = self.password;
        let derived = match hash {
            Hash::Sha1 => derive_key_utf8::<sha1::Sha1>(password, salt, kind, rounds, length),
            Hash::Sha256 => derive_key_utf8::<sha2::Sha256>(password, salt, kind, rounds, length),
            Hash::Sha384 => derive_key_utf8::<sha2::Sha384>(password, salt, kind, rounds, length),
            Hash::Sha512 => derive_key_utf8::<sha2::Sha512>(password, salt, kind, rounds, length),
            _ => return Err(ContainerFault::Protection),
        };
        derived.map(Zeroizing::new).map_err(|_| ContainerFault::Password)
    }

    fn spend(&mut self, hashes: u64) -> Result<(), ContainerFault> {
        self.work = self.work.checked_sub(hashes).ok_or(ContainerFault::Bounds)?;
        Ok(())
    }
}

fn read<T: for<'d> Decode<'d>>(der: &[u8]) -> Result<T, ContainerFault> {
    T::from_der(der).map_err(|_| ContainerFault::Malformed)
}

fn octets(content: &Any) -> Result<Zeroizing<Vec<u8>>, ContainerFault> {
    let octets = content.decode_as::<OctetString>().map_err(|_| ContainerFault::Malformed)?;
    Ok(Zeroizing::new(octets.into_bytes()))
}

/// Returns the friendlyName and the localKeyId of a bag, as far as they are readable.
fn attributes_of(bag: &SafeBag) -> (Option<String>, Option<Vec<u8>>) {
    let value = |kind: ObjectIdentifier| {
        let attribute = bag.bag_attributes.iter().flat_map(|all| all.iter()).find(|it| it.oid == kind)?;
        attribute.values.iter().next().cloned()
    };
    let name = value(oid::FRIENDLY_NAME).and_then(|it| it.decode_as::<BmpString>().ok());
    let local = value(oid::LOCAL_KEY).and_then(|it| it.decode_as::<OctetString>().ok());
    (name.map(|name| name.to_string()), local.map(OctetString::into_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::pkcs12::{Contents, write};
    use crate::crypto::rsa;

    fn container() -> (Secret, Vec<u8>) {
        let key = rsa::generate(512).unwrap().private_pkcs8;
        let certificates = [vec![0x30, 0x03, 0x02, 0x01, 0x07], vec![0x30, 0x00]];
        let contents = Contents { key: &key, certificates: &certificates, friendly_name: Some("a kéy") };
        let der = write(&contents, b"password").unwrap();
        (key, der)
    }

    #[test]
    fn opens_what_write_encodes() {
        let (key, der) = container();
        let opened = open(&der, b"password", None).unwrap();
        assert_eq!(opened.key, key);
        assert_eq!(opened.friendly_name.as_deref(), Some("a kéy"));
        let ders: Vec<_> = opened.certificates.iter().map(|it| &it.der[..]).collect();
        assert_eq!(ders, [&[0x30, 0x03, 0x02, 0x01, 0x07][..], &[0x30, 0x00]]);
        assert_eq!(open(&der, b"password", Some("another name")).unwrap().key, key, "there is only one");
    }

    #[test]
    fn rejects_a_wrong_password_and_every_modification() {
        let (_, der) = container();
        assert_eq!(open(&der, b"Password", None).unwrap_err(), ContainerFault::Password.into());
        assert_eq!(open(&der, &[0xff], None).unwrap_err(), ContainerFault::Password.into());
        for at in (0..der.len()).step_by(97) {
            let mut changed = der.clone();
            changed[at] ^= 0x10;
            assert!(open(&changed, b"password", None).is_err(), "{at}");
            assert!(open(&der[..at], b"password", None).is_err(), "{at}");
        }
    }

    #[test]
    fn rejects_excessive_iteration_counts() {
        let (_, der) = container();
        let mut mac = Pfx::from_der(&der).unwrap().mac_data.unwrap();
        mac.iterations = i32::MAX;
        let mut opening =
            Opening { password: "password", work: MAX_WORK, keys: Vec::new(), certificates: Vec::new() };
        assert_eq!(opening.check(&mac, b""), Err(ContainerFault::Bounds));
        mac.iterations = 0;
        assert_eq!(opening.check(&mac, b""), Err(ContainerFault::Malformed));
        assert_eq!(opening.spend(MAX_WORK), Ok(()));
        assert_eq!(opening.spend(1), Err(ContainerFault::Bounds));
    }
}
