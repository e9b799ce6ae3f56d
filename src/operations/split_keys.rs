//! What Create Split Key and Join Split Key share: which objects can be split, and what their parts become.

use crate::crypto::der;
use crate::crypto::split::{Prime, Scheme, fitted};
use crate::engine::{Granted, failed, lifecycle, not_found};
use crate::kmip::enums::{CryptographicAlgorithm, KeyFormatType, ObjectType, ResultReason};
use crate::kmip::{Error, KeyBlock, KeyMaterial, KeyValue, Object, SplitKey};
use crate::secret::Secret;
use crate::ttlv::BigInteger;

/// The object that the asker was given, if it still is there.
pub(super) fn present(granted: &Granted) -> Result<&Object, Error> {
    if granted.attributes.archive_date.is_some() {
        return Err(failed(ResultReason::ObjectArchived, "The object is archived; recover it first."));
    }
    match &granted.object {
        Some(object) if !lifecycle::is_destroyed(granted) => Ok(object),
        _ => Err(not_found(&granted.id.to_string())),
    }
}

/// The bytes that are split: those of a key or a secret in the clear.
pub(super) fn secret(block: &KeyBlock) -> Result<&Secret, Error> {
    let unfit = |why: &'static str| Err(failed(ResultReason::FeatureNotSupported, why));
    if block.key_wrapping_data.is_some() {
        return unfit("The object is wrapped; only objects in the clear are split and joined.");
    }
    match &block.key_value {
        Some(KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => Ok(bytes),
        Some(KeyValue::Plain { material: KeyMaterial::SymmetricKey(key), .. }) => Ok(&key.key),
        Some(_) => unfit("The key is kept as numbers; only keys that are bytes are split and joined."),
        None => Err(failed(ResultReason::KeyValueNotPresent, "The server does not have the object's value.")),
    }
}

/// How a part was made. Joining finds out itself whether the field is one.
pub(super) fn scheme(part: &SplitKey) -> Result<Scheme, Error> {
    let prime = part.prime_field_size.as_ref().map(|size| Prime::modulus(digits(size))).transpose()?;
    Ok(Scheme::of(part.split_key_method, prime)?)
}

/// The digits of a field's size; none of a negative one, which is too small for every field.
pub(super) fn digits(size: &BigInteger) -> &[u8] {
    size.magnitude().unwrap_or_default()
}

/// What is known of an object that is joined.
pub(super) struct Whole {
    pub(super) object_type: ObjectType,
    pub(super) algorithm: Option<CryptographicAlgorithm>,
    /// Bits.
    pub(super) length: Option<i32>,
}

impl Whole {
    /// The joined secret in the length that it had before it was split.
    pub(super) fn fit(&self, scheme: &Scheme, joined: &Secret) -> Result<Secret, Error> {
        let length = match scheme {
            // Neither adds anything to a secret.
            Scheme::Xor | Scheme::Gf8 => Some(joined.len()),
            _ if self.is_der() => {
                let start = joined.expose().iter().position(|byte| *byte != 0).unwrap_or(0);
                joined.expose().get(start..).and_then(der::length)
            }
            _ => self.bytes(),
        };
        let length = length.unwrap_or(match scheme {
            // A prime just above every secret of that length has one bit more.
            Scheme::PrimeField(prime) => prime.room(),
            _ => joined.len(),
        });
        Ok(fitted(scheme, joined, length)?)
    }

    /// The format in which the object is kept.
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

    /// The bytes of a symmetric key or a secret of that length; of each byte of a DES key, one bit is parity, and
    /// some count it out.
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

    fn back(whole: &Whole, scheme: &Scheme, secret: &[u8]) -> Option<Vec<u8>> {
        let shares = split(scheme, &Secret::new(secret.to_vec()), 3, 2).unwrap();
        let joined = join(scheme, &shares[1..], 2).unwrap();
        whole.fit(scheme, &joined).ok().map(|fit| fit.expose().to_vec())
    }

    #[test]
    fn what_a_field_adds_to_a_secret_is_taken_away_again() {
        let wide = Scheme::PrimeField(Prime::above(40).unwrap());
        let just = Scheme::PrimeField(Prime::above(24).unwrap());
        let whole = |object_type, algorithm, length| Whole { object_type, algorithm, length };
        let key = [[0; 2].as_slice(), &[7; 22]].concat();
        let aes = whole(ObjectType::SymmetricKey, Some(CryptographicAlgorithm::Aes), Some(192));
        let des = whole(ObjectType::SymmetricKey, Some(CryptographicAlgorithm::TripleDes), Some(168));
        for known in [&aes, &des] {
            for scheme in [&wide, &just, &Scheme::Gf8, &Scheme::Gf16] {
                assert_eq!(back(known, scheme, &key).as_deref(), Some(&key[..]), "{scheme:?}");
            }
        }
        let unknown = whole(ObjectType::SecretData, None, None);
        assert_eq!(back(&unknown, &just, &key).as_deref(), Some(&key[..]));
        let odd = whole(ObjectType::SecretData, None, Some(24));
        assert_eq!(back(&odd, &Scheme::Gf16, &[1, 2, 3]), Some(vec![1, 2, 3]));
        let der = whole(ObjectType::PrivateKey, Some(CryptographicAlgorithm::Ec), Some(256));
        for scheme in [&wide, &Scheme::Gf16, &Scheme::Gf8] {
            assert_eq!(back(&der, scheme, &[0x30, 3, 2, 1, 0]), Some(vec![0x30, 3, 2, 1, 0]), "{scheme:?}");
        }
        let wrong = whole(ObjectType::SymmetricKey, Some(CryptographicAlgorithm::Aes), Some(128));
        assert_eq!(back(&wrong, &wide, &key), None);
    }
}
