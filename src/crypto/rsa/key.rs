//! The formats of RSA keys: PKCS#1 and PKCS#8 (RFC 8017 §A.1, RFC 5208), SubjectPublicKeyInfo (RFC 5280 §4.1), PEM of
//! each, and raw integers.

use rsa::pkcs1::der::{Decode, Encode};
use rsa::pkcs1::{self, EncodeRsaPrivateKey};
use rsa::pkcs8::{self, spki};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPrivateKey, RsaPublicKey};

use super::{MAX_BITS, MIN_BITS};
use crate::crypto::{Error, KeyRole, Purpose, pem};
use crate::kmip::enums::CryptographicAlgorithm;
use crate::secret::Secret;

/// The longest modulus of a private key that the package rsa supports, in bits.
pub(super) const RSA_MAX_BITS: u32 = 4096;

/// A public key, stored as PKCS#1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) pkcs1: Vec<u8>,
    pub(super) bits: u32,
}

/// A private key, stored as PKCS#1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKey {
    pub(super) pkcs1: Secret,
    pub(super) bits: u32,
}

/// The integers of a private key, big-endian (KMIP 1.4 §2.1.7.4). [`PrivateKey::from_numbers`] computes absent ones.
#[derive(Clone, Debug, Default)]
pub struct PrivateNumbers {
    /// Modulus.
    pub modulus: Vec<u8>,
    /// Public Exponent.
    pub public_exponent: Option<Vec<u8>>,
    /// Private Exponent.
    pub private_exponent: Option<Secret>,
    /// P.
    pub p: Option<Secret>,
    /// Q.
    pub q: Option<Secret>,
    /// Prime Exponent P.
    pub prime_exponent_p: Option<Secret>,
    /// Prime Exponent Q.
    pub prime_exponent_q: Option<Secret>,
    /// CRT Coefficient.
    pub crt_coefficient: Option<Secret>,
}

impl PublicKey {
    /// Decodes SubjectPublicKeyInfo or PKCS#1, in DER or PEM.
    ///
    /// # Errors
    /// Returns [`Error::Unreadable`] for other bytes, and [`Error::KeyBytes`] if the modulus has less than [`MIN_BITS`] or
    /// more than [`MAX_BITS`] bits.
    pub fn read(bytes: &[u8], purpose: Purpose) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Public, purpose };
        let decoded = pem(bytes);
        let der = decoded.as_ref().map_or(bytes, Secret::expose);
        let pkcs1 = match spki::SubjectPublicKeyInfoRef::from_der(der) {
            Ok(info) if info.algorithm.oid == pkcs1::ALGORITHM_OID => {
                info.subject_public_key.as_bytes().ok_or(unreadable)?
            }
            Ok(_) => return Err(unreadable),
            Err(_) => der,
        };
        let key = pkcs1::RsaPublicKey::from_der(pkcs1).map_err(|_| unreadable)?;
        Ok(Self { bits: bits(key.modulus.as_bytes())?, pkcs1: pkcs1.to_vec() })
    }

    /// Creates a key from its integers, big-endian.
    ///
    /// # Errors
    /// Returns [`Error::Unreadable`] if the integers do not form a key, and [`Error::KeyBytes`] as [`PublicKey::read`].
    pub fn from_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let unreadable = |_| Error::Unreadable { role: KeyRole::Public, purpose: Purpose::Convert };
        let (modulus, exponent) = (trimmed(modulus), trimmed(exponent));
        let key = pkcs1::RsaPublicKey {
            modulus: pkcs1::UintRef::new(modulus).map_err(unreadable)?,
            public_exponent: pkcs1::UintRef::new(exponent).map_err(unreadable)?,
        };
        Ok(Self { pkcs1: key.to_der().map_err(unreadable)?, bits: bits(modulus)? })
    }

    /// Returns the length of the modulus, in bits.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// Returns the DER of RSAPublicKey (PKCS#1).
    pub fn pkcs1(&self) -> &[u8] {
        &self.pkcs1
    }

    /// Returns the DER of SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the encoder fails.
    pub fn spki(&self) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Failed(Purpose::Convert);
        let key = spki::der::asn1::BitStringRef::from_bytes(&self.pkcs1).map_err(failed)?;
        let info = spki::SubjectPublicKeyInfoRef { algorithm: pkcs1::ALGORITHM_ID, subject_public_key: key };
        info.to_der().map_err(failed)
    }

    /// Returns the modulus and the public exponent, big-endian.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the stored key is malformed, which the constructors exclude.
    pub fn numbers(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let failed = |_| Error::Failed(Purpose::Convert);
        let key = pkcs1::RsaPublicKey::from_der(&self.pkcs1).map_err(failed)?;
        Ok((key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec()))
    }

    /// Converts the key for the package rsa.
    pub(super) fn portable(&self, purpose: Purpose) -> Result<RsaPublicKey, Error> {
        let (modulus, exponent) = self.numbers()?;
        let max = usize::try_from(MAX_BITS).unwrap_or(usize::MAX);
        RsaPublicKey::new_with_max_size(
            BigUint::from_bytes_be(&modulus),
            BigUint::from_bytes_be(&exponent),
            max,
        )
        .map_err(|_| Error::Unreadable { role: KeyRole::Public, purpose })
    }
}

impl PrivateKey {
    /// Decodes PKCS#8 or PKCS#1, in DER or PEM. Encrypted keys are not supported.
    ///
    /// # Errors
    /// Returns [`Error::Unreadable`] for other bytes, and [`Error::KeyBytes`] if the modulus has less than [`MIN_BITS`] or
    /// more than [`MAX_BITS`] bits.
    pub fn read(bytes: &[u8], purpose: Purpose) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Private, purpose };
        let decoded = pem(bytes);
        let der = decoded.as_ref().map_or(bytes, Secret::expose);
        let pkcs1 = match pkcs8::PrivateKeyInfo::try_from(der) {
            Ok(info) if info.algorithm.oid == pkcs1::ALGORITHM_OID => info.private_key,
            Ok(_) => return Err(unreadable),
            Err(_) => der,
        };
        let key = pkcs1::RsaPrivateKey::from_der(pkcs1).map_err(|_| unreadable)?;
        Ok(Self { bits: bits(key.modulus.as_bytes())?, pkcs1: Secret::new(pkcs1.to_vec()) })
    }

    /// Creates a key from its integers. They must contain the private exponent or both primes.
    ///
    /// # Errors
    /// Returns [`Error::Unreadable`] if the integers do not form a key, and [`Error::KeyBytes`] as [`PrivateKey::read`].
    pub fn from_numbers(numbers: &PrivateNumbers) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Private, purpose: Purpose::Convert };
        let bits = bits(trimmed(&numbers.modulus))?;
        if bits > RSA_MAX_BITS {
            return Self::from_all_numbers(numbers, bits).ok_or(unreadable);
        }
        let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
        let secret = |bytes: &Option<Secret>| bytes.as_ref().map(|bytes| number(bytes.expose()));
        // KMIP 1.4 §2.1.7.4 makes the public exponent optional; it nearly always is 65537.
        let exponent = numbers.public_exponent.as_deref().map_or(BigUint::from(65_537u32), number);
        let key = match (secret(&numbers.private_exponent), secret(&numbers.p), secret(&numbers.q)) {
            (Some(private), Some(p), Some(q)) => {
                RsaPrivateKey::from_components(number(&numbers.modulus), exponent, private, vec![p, q])
            }
            (Some(private), _, _) => {
                RsaPrivateKey::from_components(number(&numbers.modulus), exponent, private, vec![])
            }
            (None, Some(p), Some(q)) => RsaPrivateKey::from_p_q(p, q, exponent),
            _ => return Err(unreadable),
        };
        let key = key.map_err(|_| unreadable)?;
        if key.n() != &number(&numbers.modulus) {
            return Err(unreadable);
        }
        let der = key.to_pkcs1_der().map_err(|_| unreadable)?;
        Ok(Self { pkcs1: Secret::new(der.as_bytes().to_vec()), bits })
    }

    /// Creates a key from all of its integers without computing any. Returns `None` if one is absent.
    fn from_all_numbers(numbers: &PrivateNumbers, bits: u32) -> Option<Self> {
        let uint = |bytes| pkcs1::UintRef::new(trimmed(bytes)).ok();
        let secret = |bytes: &'_ Option<Secret>| bytes.clone();
        let (d, p, q) = (secret(&numbers.private_exponent)?, secret(&numbers.p)?, secret(&numbers.q)?);
        let (dp, dq) = (secret(&numbers.prime_exponent_p)?, secret(&numbers.prime_exponent_q)?);
        let coefficient = secret(&numbers.crt_coefficient)?;
        let key = pkcs1::RsaPrivateKey {
            modulus: uint(&numbers.modulus)?,
            public_exponent: uint(numbers.public_exponent.as_deref()?)?,
            private_exponent: uint(d.expose())?,
            prime1: uint(p.expose())?,
            prime2: uint(q.expose())?,
            exponent1: uint(dp.expose())?,
            exponent2: uint(dq.expose())?,
            coefficient: uint(coefficient.expose())?,
            other_prime_infos: None,
        };
        Some(Self { pkcs1: Secret::new(key.to_der().ok()?), bits })
    }

    /// The length of the modulus, in bits.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// DER of RSAPrivateKey.
    pub const fn pkcs1(&self) -> &Secret {
        &self.pkcs1
    }

    /// DER of PrivateKeyInfo.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the encoder fails.
    pub fn pkcs8(&self) -> Result<Secret, Error> {
        let info = pkcs8::PrivateKeyInfo::new(pkcs1::ALGORITHM_ID, self.pkcs1.expose());
        info.to_der().map(Secret::new).map_err(|_| Error::Failed(Purpose::Convert))
    }

    /// All numbers of the key.
    ///
    /// # Errors
    /// None for a key that was read here.
    pub fn numbers(&self) -> Result<PrivateNumbers, Error> {
        let key = self.parsed()?;
        let secret = |number: pkcs1::UintRef<'_>| Some(Secret::new(number.as_bytes().to_vec()));
        Ok(PrivateNumbers {
            modulus: key.modulus.as_bytes().to_vec(),
            public_exponent: Some(key.public_exponent.as_bytes().to_vec()),
            private_exponent: secret(key.private_exponent),
            p: secret(key.prime1),
            q: secret(key.prime2),
            prime_exponent_p: secret(key.exponent1),
            prime_exponent_q: secret(key.exponent2),
            crt_coefficient: secret(key.coefficient),
        })
    }

    /// Returns the public key.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the stored key is malformed, which the constructors exclude.
    pub fn public(&self) -> Result<PublicKey, Error> {
        let key = self.parsed()?;
        PublicKey::from_numbers(key.modulus.as_bytes(), key.public_exponent.as_bytes())
    }

    fn parsed(&self) -> Result<pkcs1::RsaPrivateKey<'_>, Error> {
        pkcs1::RsaPrivateKey::from_der(self.pkcs1.expose()).map_err(|_| Error::Failed(Purpose::Convert))
    }

    /// Converts the key for the package rsa, which validates it.
    pub(super) fn portable(&self, purpose: Purpose) -> Result<RsaPrivateKey, Error> {
        use rsa::pkcs1::DecodeRsaPrivateKey;
        RsaPrivateKey::from_pkcs1_der(self.pkcs1.expose())
            .map_err(|_| Error::Unreadable { role: KeyRole::Private, purpose })
    }
}

/// Returns the length of a modulus in bits, if it is supported.
fn bits(modulus: &[u8]) -> Result<u32, Error> {
    let first = modulus.first().map_or(8, |byte| byte.leading_zeros());
    let wide = u64::try_from(modulus.len()).unwrap_or(u64::MAX).saturating_mul(8);
    let bits = wide.saturating_sub(u64::from(first));
    u32::try_from(bits)
        .ok()
        .filter(|bits| (MIN_BITS..=MAX_BITS).contains(bits))
        .ok_or(Error::KeyBytes { algorithm: CryptographicAlgorithm::Rsa, bits })
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}
