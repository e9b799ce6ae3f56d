//! The split and joined objects of Create Split Key and Join Split Key.

use crate::crypto::der;
use crate::crypto::split::{Prime, Scheme, fitted};
use crate::engine::{Granted, failed, lifecycle, not_found};
use crate::kmip::enums::{CryptographicAlgorithm, KeyFormatType, ObjectType, ResultReason};
use crate::kmip::{Error, KeyBlock, KeyMaterial, KeyValue, Object, SplitKey};
use crate::secret::Secret;
use crate::ttlv::BigInteger;

/// Returns the object, unless it is archived or destroyed.
pub(super) fn present(granted: &Granted) -> Result<&Object, Error> {
    if granted.attributes.archive_date.is_some() {
        return Err(failed(ResultReason::ObjectArchived, "The object is archived; recover it first."));
    }
    match &granted.object {
        Some(object) if !lifecycle::is_destroyed(granted) => Ok(object),
        _ => Err(not_found(&granted.id.to_string())),
    }
}

/// Returns the bytes of a plaintext key or secret.
pub(super) fn secret(block: &KeyBlock) -> Result<&Secret, Error> {
    let unfit = |why: &'static str| Err(failed(ResultReason::FeatureNotSupported, why));
    if block.key_wrapping_data.is_some() {
        return unfit("The object is wrapped; unwrap it first.");
    }
    match &block.key_value {
        Some(KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => Ok(bytes),
        Some(KeyValue::Plain { material: KeyMaterial::SymmetricKey(key), .. }) => Ok(&key.key),
        Some(_) => unfit(
            "The format of the key is a structure; only keys that are byte strings can be split and joined.",
        ),
        None => Err(failed(
            ResultReason::KeyValueNotPresent,
            "The server does not store the value of the object.",
        )),
    }
}

/// Returns the scheme of a part. Joining checks that the field size is a prime.
pub(super) fn scheme(part: &SplitKey) -> Result<Scheme, Error> {
    let prime = part.prime_field_size.as_ref().map(|size| Prime::modulus(digits(size))).transpose()?;
    Ok(Scheme::of(part.split_key_method, prime)?)
}

/// Returns the digits of a field size, or none if it is negative, which no scheme accepts.
pub(super) fn digits(size: &BigInteger) -> &[u8] {
    size.magnitude().unwrap_or_default()
}

/// The properties of the joined object.
pub(super) struct JoinedObject {
    pub(super) object_type: ObjectType,
    pub(super) algorithm: Option<CryptographicAlgorithm>,
    /// The length in bits.
    pub(super) length: Option<i32>,
}

impl JoinedObject {
    /// Returns the joined secret with the length of the original.
    pub(super) fn fit(&self, scheme: &Scheme, joined: &Secret) -> Result<Secret, Error> {
        let length = match scheme {
            // These schemes keep the length of a secret.
            Scheme::Xor | Scheme::Gf8 => Some(joined.len()),
            _ if self.is_der() => {
                let start = joined.expose().iter().position(|byte| *byte != 0).unwrap_or(0);
                joined.expose().get(start..).and_then(der::length)
            }
            _ => self.bytes(),
        };
        let length = length.unwrap_or(match scheme {
            // The smallest prime above all secrets of a length has one bit more than they.
            Scheme::PrimeField(prime) => prime.room(),
            _ => joined.len(),
        });
        Ok(fitted(scheme, joined, length)?)
    }

    /// Returns the Key Format Type of the joined object.
    pub(super) fn format(&self, joined: &Secret) -> KeyFormatType {
        let known = match self.object_type {
            ObjectType::PrivateKey => der::private_key(joined.expose()),
            ObjectType::PublicKey => der::public_key(joined.expose()),
            _ => None,
        };
        known.unwrap_or(KeyFormatType::Raw)
    }

    fn is_der(&self) -> bool {
        matches!(self.object_type, ObjectType::PrivateKey | ObjectType::PublicKey)
    }

    /// Returns the length in bytes of a symmetric key or a secret. One bit of each byte of a DES key is parity, which
    /// some clients do not count.
    fn bytes(&self) -> Option<usize> {
        let bits = usize::try_from(self.length?).ok()?;
        let des =
            matches!(self.algorithm, Some(CryptographicAlgorithm::Des | CryptographicAlgorithm::TripleDes));
        Some(if des && bits.is_multiple_of(56) { bits / 7 } else { bits.div_ceil(8) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::split::{join, split};

    fn back(target: &JoinedObject, scheme: &Scheme, secret: &[u8]) -> Option<Vec<u8>> {
        let shares = split(scheme, &Secret::new(secret.to_vec()), 3, 2).unwrap();
        let joined = join(scheme, &shares[1..], 2).unwrap();
        target.fit(scheme, &joined).ok().map(|fit| fit.expose().to_vec())
    }

    #[test]
    fn removes_the_padding_that_a_prime_field_adds() {
        let wide = Scheme::PrimeField(Prime::above(40).unwrap());
        let just = Scheme::PrimeField(Prime::above(24).unwrap());
        let target = |object_type, algorithm, length| JoinedObject { object_type, algorithm, length };
        let key = [[0; 2].as_slice(), &[7; 22]].concat();
        let aes = target(ObjectType::SymmetricKey, Some(CryptographicAlgorithm::Aes), Some(192));
        let des = target(ObjectType::SymmetricKey, Some(CryptographicAlgorithm::TripleDes), Some(168));
        for known in [&aes, &des] {
            for scheme in [&wide, &just, &Scheme::Gf8, &Scheme::Gf16] {
                assert_eq!(back(known, scheme, &key).as_deref(), Some(&key[..]), "{scheme:?}");
            }
        }
        let unknown = target(ObjectType::SecretData, None, None);
        assert_eq!(back(&unknown, &just, &key).as_deref(), Some(&key[..]));
        let odd = target(ObjectType::SecretData, None, Some(24));
        assert_eq!(back(&odd, &Scheme::Gf16, &[1, 2, 3]), Some(vec![1, 2, 3]));
        let der = target(ObjectType::PrivateKey, Some(CryptographicAlgorithm::Ec), Some(256));
        for scheme in [&wide, &Scheme::Gf16, &Scheme::Gf8] {
            assert_eq!(back(&der, scheme, &[0x30, 3, 2, 1, 0]), Some(vec![0x30, 3, 2, 1, 0]), "{scheme:?}");
        }
        let wrong = target(ObjectType::SymmetricKey, Some(CryptographicAlgorithm::Aes), Some(128));
        assert_eq!(back(&wrong, &wide, &key), None);
    }
}
