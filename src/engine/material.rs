//! The bytes of a key that is to be computed with: what stands in its key block, in the form that the
//! cryptography reads (KMIP 1.4 §2.1.3 to §2.1.7, 2.1 §3).
//!
//! Symmetric keys and secret data come as they are; RSA keys as PKCS#1, PKCS#8 or X.509; keys on curves as PKCS#8
//! or X.509. Whether the key may be used is left to [`super::usage`].

use crate::crypto;
use crate::kmip::enums::{KeyFormatType, ResultReason};
use crate::kmip::{Error, KeyMaterial, KeyValue, Object};
use crate::secret::Secret;
use crate::store::Record;

use super::error::{destroyed, failed};
use super::export::PlainKey;

/// The bytes of the record's key.
///
/// # Errors
/// Object Destroyed where the object is destroyed, Key Value Not Present where its value is kept elsewhere,
/// Permission Denied for an object without a key and for a key that is wrapped, Key Format Type Not Supported
/// for a transparent key that is not computed with, Cryptographic Failure for numbers that make no key.
pub fn bytes(record: &Record) -> Result<Secret, Error> {
    let object = record.object.as_ref().ok_or_else(|| destroyed(&record.id.to_string()))?;
    let block = object.key_block().ok_or_else(|| {
        failed(
            ResultReason::PermissionDenied,
            format!("An object of the type {} holds no key to compute with.", object.object_type()),
        )
    })?;
    if block.key_wrapping_data.is_some() {
        return Err(failed(
            ResultReason::PermissionDenied,
            "The key is kept wrapped, so that the server cannot compute with it.",
        ));
    }
    match &block.key_value {
        None => Err(failed(ResultReason::KeyValueNotPresent, "The key's value is not kept by this server.")),
        Some(KeyValue::Wrapped(bytes)) => Ok(bytes.clone()),
        Some(KeyValue::Plain { material, .. }) => plain(material, object),
    }
}

fn plain(material: &KeyMaterial, object: &Object) -> Result<Secret, Error> {
    match material {
        // The cryptography reads every form of bytes but bare ones, and says what is wrong with them.
        KeyMaterial::Bytes(bytes) if is_bare(object) => match PlainKey::read(object) {
            Ok(key @ (PlainKey::EcPrivate(_) | PlainKey::EcPublic(_))) => Ok(key.computable()?),
            _ => Ok(bytes.clone()),
        },
        KeyMaterial::Bytes(bytes) => Ok(bytes.clone()),
        KeyMaterial::SymmetricKey(key) => Ok(key.key.clone()),
        _ => match PlainKey::read(object) {
            Ok(key) => Ok(key.computable()?),
            Err(crypto::Error::Inexpressible) => {
                let format = object.key_block().map(|block| block.key_format_type.name()).unwrap_or_default();
                Err(failed(
                    ResultReason::KeyFormatTypeNotSupported,
                    format!("A key in the format {format} cannot be computed with."),
                ))
            }
            Err(error) => Err(error.into()),
        },
    }
}

/// Lets go of what was made ready to compute with the object's key, as the object is gone.
pub fn forget(object: &Object) {
    if matches!(object, Object::PrivateKey(_))
        && let Ok(PlainKey::RsaPrivate(key)) = PlainKey::read(object)
    {
        crypto::rsa::forget(&key);
    }
}

/// Whether the object is half of a pair, kept as its bare bytes.
fn is_bare(object: &Object) -> bool {
    matches!(object, Object::PublicKey(key) | Object::PrivateKey(key) if key.key_block.key_format_type == KeyFormatType::Raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rsa::PublicKey;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::WrappingMethod;
    use crate::kmip::{Key, KeyBlock, KeyWrappingData, RsaPublicKeyMaterial, SymmetricKeyMaterial};
    use crate::store::Id;
    use crate::ttlv::BigInteger;

    fn record(key_format_type: KeyFormatType, key_value: Option<KeyValue>, wrapped: bool) -> Record {
        let key_wrapping_data = wrapped.then_some(KeyWrappingData {
            wrapping_method: WrappingMethod::Encrypt,
            encryption_key_information: None,
            mac_signature_key_information: None,
            mac_signature: None,
            iv_counter_nonce: None,
            encoding_option: None,
        });
        let key_block = KeyBlock {
            key_format_type,
            key_compression_type: None,
            key_value,
            cryptographic_algorithm: None,
            cryptographic_length: None,
            key_wrapping_data,
        };
        let object = Object::SymmetricKey(Key { key_block });
        let object_type = object.object_type();
        let attributes = Attributes::default();
        Record { id: Id(1), owner: "john".into(), object_type, attributes, object: Some(object) }
    }

    #[test]
    fn gives_the_bytes_of_raw_and_transparent_keys() {
        let secret = || Secret::new(vec![1, 2, 3]);
        let raw = KeyValue::of(KeyMaterial::Bytes(secret()));
        assert_eq!(bytes(&record(KeyFormatType::Raw, Some(raw), false)), Ok(secret()));
        let transparent = KeyValue::of(KeyMaterial::SymmetricKey(SymmetricKeyMaterial { key: secret() }));
        let format = KeyFormatType::TransparentSymmetricKey;
        assert_eq!(bytes(&record(format, Some(transparent), false)), Ok(secret()));
    }

    #[test]
    fn numbers_of_an_rsa_key_become_one_that_can_be_computed_with() {
        let modulus = [&[0xC1][..], &[7; 63]].concat();
        let key = KeyMaterial::RsaPublicKey(RsaPublicKeyMaterial {
            modulus: BigInteger::from_magnitude(&modulus),
            public_exponent: BigInteger::from_magnitude(&[1, 0, 1]),
        });
        let mut record = record(KeyFormatType::TransparentRsaPublicKey, Some(KeyValue::of(key)), false);
        record.object = record.object.map(|object| match object {
            Object::SymmetricKey(key) => Object::PublicKey(key),
            other => other,
        });
        let read = PublicKey::read(bytes(&record).unwrap().expose(), crate::crypto::Purpose::Verify).unwrap();
        assert_eq!(read.numbers().unwrap(), (modulus, vec![1, 0, 1]));
    }

    #[test]
    fn refuses_keys_that_are_wrapped_absent_or_destroyed() {
        let wrapped = KeyValue::Wrapped(Secret::new(vec![1]));
        let reason = |record: &Record| bytes(record).unwrap_err().reason;
        let record = |value, wrapped| record(KeyFormatType::Raw, value, wrapped);
        assert_eq!(reason(&record(Some(wrapped), true)), ResultReason::PermissionDenied);
        assert_eq!(reason(&record(None, false)), ResultReason::KeyValueNotPresent);
        let mut destroyed = record(None, false);
        destroyed.object = None;
        assert_eq!(reason(&destroyed), ResultReason::ObjectDestroyed);
    }
}
