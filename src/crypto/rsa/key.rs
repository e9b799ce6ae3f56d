//! RSA keys in the formats of the standard: PKCS#1 and PKCS#8 (RFC 8017 A.1, RFC 5208), X.509
//! SubjectPublicKeyInfo (RFC 5280 §4.1), PEM of each, and bare numbers.
//!
//! A key is kept as PKCS#1; reading checks that the numbers make a key.

use rsa::pkcs1::der::{Decode, Encode};
use rsa::pkcs1::{self, EncodeRsaPrivateKey};
use rsa::pkcs8::{self, spki};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPrivateKey, RsaPublicKey};

use super::{MAX_BITS, MIN_BITS};
use crate::crypto::{Error, KeyRole, Purpose, pem};
use crate::kmip::enums::CryptographicAlgorithm;
use crate::secret::Secret;

/// The longest modulus that the package rsa takes private keys of, in bits.
pub(super) const RSA_MOST_PRIVATE: u32 = 4096;

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) pkcs1: Vec<u8>,
    pub(super) bits: u32,
}

/// A private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKey {
    pub(super) pkcs1: Secret,
    pub(super) bits: u32,
}

/// The numbers of a private key, big-endian (KMIP 1.4 §2.1.7.4, 2.1 §3.3). What is absent is computed from the
/// rest, as far as it can be.
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
    /// Reads SubjectPublicKeyInfo, PKCS#1, or PEM of either.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for other bytes, [`Error::KeyBytes`] for a modulus outside of the bounds.
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

    /// Makes a key of its numbers, big-endian.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for numbers that make no key, [`Error::KeyBytes`] as in [`PublicKey::read`].
    pub fn from_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let unreadable = |_| Error::Unreadable { role: KeyRole::Public, purpose: Purpose::Convert };
        let (modulus, exponent) = (trimmed(modulus), trimmed(exponent));
        let key = pkcs1::RsaPublicKey {
            modulus: pkcs1::UintRef::new(modulus).map_err(unreadable)?,
            public_exponent: pkcs1::UintRef::new(exponent).map_err(unreadable)?,
        };
        Ok(Self { pkcs1: key.to_der().map_err(unreadable)?, bits: bits(modulus)? })
    }

    /// The length of the modulus, in bits.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// DER of RSAPublicKey.
    pub fn pkcs1(&self) -> &[u8] {
        &self.pkcs1
    }

    /// DER of SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`Error::Failed`] where the encoder fails.
    pub fn spki(&self) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Failed(Purpose::Convert);
        let key = spki::der::asn1::BitStringRef::from_bytes(&self.pkcs1).map_err(failed)?;
        let info = spki::SubjectPublicKeyInfoRef { algorithm: pkcs1::ALGORITHM_ID, subject_public_key: key };
        info.to_der().map_err(failed)
    }

    /// The modulus and the public exponent, big-endian.
    ///
    /// # Errors
    /// None for a key that was read here.
    pub fn numbers(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let failed = |_| Error::Failed(Purpose::Convert);
        let key = pkcs1::RsaPublicKey::from_der(&self.pkcs1).map_err(failed)?;
        Ok((key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec()))
    }

    /// The key for the package rsa.
    pub(super) fn portable(&self, purpose: Purpose) -> Result<RsaPublicKey, Error> {
        let (modulus, exponent) = self.numbers()?;
        let most = usize::try_from(MAX_BITS).unwrap_or(usize::MAX);
        RsaPublicKey::new_with_max_size(
            BigUint::from_bytes_be(&modulus),
            BigUint::from_bytes_be(&exponent),
            most,
        )
        .map_err(|_| Error::Unreadable { role: KeyRole::Public, purpose })
    }
}

impl PrivateKey {
    /// Reads PKCS#8, PKCS#1, or PEM of either. Nothing is decrypted: encrypted PKCS#8 is unreadable.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for other bytes, [`Error::KeyBytes`] for a modulus outside of the bounds.
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

    /// Makes a key of its numbers. Without a private exponent both primes and the public exponent are needed;
    /// without primes the private exponent is.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for numbers that make no key, [`Error::KeyBytes`] as in [`PrivateKey::read`].
    pub fn from_numbers(numbers: &PrivateNumbers) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Private, purpose: Purpose::Convert };
        let bits = bits(trimmed(&numbers.modulus))?;
        if bits > RSA_MOST_PRIVATE {
            return Self::of_all(numbers, bits).ok_or(unreadable);
        }
        let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
        let secret = |bytes: &Option<Secret>| bytes.as_ref().map(|bytes| number(bytes.expose()));
        // KMIP 1.4 §2.1.7.4 leaves the public exponent out where it is known; it nearly always is 65537.
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

    /// A key of all its numbers, none of them computed.
    fn of_all(numbers: &PrivateNumbers, bits: u32) -> Option<Self> {
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
    /// [`Error::Failed`] where the encoder fails.
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

    /// The public half.
    ///
    /// # Errors
    /// None for a key that was read here.
    pub fn public(&self) -> Result<PublicKey, Error> {
        let key = self.parsed()?;
        PublicKey::from_numbers(key.modulus.as_bytes(), key.public_exponent.as_bytes())
    }

    fn parsed(&self) -> Result<pkcs1::RsaPrivateKey<'_>, Error> {
        pkcs1::RsaPrivateKey::from_der(self.pkcs1.expose()).map_err(|_| Error::Failed(Purpose::Convert))
    }

    /// The key for the package rsa, which checks it.
    pub(super) fn portable(&self, purpose: Purpose) -> Result<RsaPrivateKey, Error> {
        use rsa::pkcs1::DecodeRsaPrivateKey;
        RsaPrivateKey::from_pkcs1_der(self.pkcs1.expose())
            .map_err(|_| Error::Unreadable { role: KeyRole::Private, purpose })
    }
}

/// How many bits a modulus has.
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
