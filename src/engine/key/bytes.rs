//! The bytes of a key in the encoding that [`crypto`] reads (KMIP 1.4 §2.1.3 to §2.1.7, 2.1 §3): symmetric keys and
//! secret data unchanged; RSA keys as PKCS#1, PKCS#8 or X.509; keys on elliptic curves as PKCS#8 or X.509.

use crate::crypto;
use crate::kmip::enums::{KeyFormatType, ResultReason};
use crate::kmip::{Error, KeyMaterial, KeyValue, Object};
use crate::secret::Secret;

use super::plain::PlainKey;

/// Returns the bytes of the object's key.
///
/// # Errors
/// Returns Key Value Not Present if this server does not store the Key Value, Permission Denied if the object contains
/// no key or a wrapped one, Key Format Type Not Supported for a transparent key that the server cannot use, and
/// Cryptographic Failure if the numbers of a transparent key are invalid.
pub fn bytes(object: &Object) -> Result<Secret, Error> {
    let block = object.key_block().ok_or_else(|| {
        Error::new(
            ResultReason::PermissionDenied,
            format!("An object of the type {} contains no key.", object.object_type()),
        )
    })?;
    if block.key_wrapping_data.is_some() {
        return Err(Error::new(
            ResultReason::PermissionDenied,
            "The key is stored wrapped, so the server cannot use it.",
        ));
    }
    match &block.key_value {
        None => {
            Err(Error::new(ResultReason::KeyValueNotPresent, "This server does not store the key's value."))
        }
        Some(KeyValue::Wrapped(bytes)) => Ok(bytes.clone()),
        Some(KeyValue::Plain { material, .. }) => encode(material, object),
    }
}

fn encode(material: &KeyMaterial, object: &Object) -> Result<Secret, Error> {
    match material {
        // `crypto` parses every other encoding itself and reports malformed bytes.
        KeyMaterial::Bytes(bytes) if is_raw_key_of_pair(object) => match PlainKey::read(object) {
            Ok(key @ (PlainKey::EcPrivate(_) | PlainKey::EcPublic(_))) => Ok(key.encoded()?),
            _ => Ok(bytes.clone()),
        },
        KeyMaterial::Bytes(bytes) => Ok(bytes.clone()),
        KeyMaterial::SymmetricKey(key) => Ok(key.key.clone()),
        _ => match PlainKey::read(object) {
            Ok(key) => Ok(key.encoded()?),
            Err(crypto::Error::Inexpressible) => {
                let format = object.key_block().map(|block| block.key_format_type.name()).unwrap_or_default();
                Err(Error::new(
                    ResultReason::KeyFormatTypeNotSupported,
                    format!("The server cannot use a key in the format {format}."),
                ))
            }
            Err(error) => Err(error.into()),
        },
    }
}

/// Drops the prepared form of the object's RSA private key from the cache of [`crypto::rsa`], after the object was
/// destroyed.
pub fn forget(object: &Object) {
    if matches!(object, Object::PrivateKey(_))
        && let Ok(PlainKey::RsaPrivate(key)) = PlainKey::read(object)
    {
        crypto::rsa::forget(&key);
    }
}

/// Returns whether the object is a Public Key or a Private Key in the format Raw.
fn is_raw_key_of_pair(object: &Object) -> bool {
    matches!(object, Object::PublicKey(key) | Object::PrivateKey(key) if key.key_block.key_format_type == KeyFormatType::Raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rsa::PublicKey;
    use crate::kmip::enums::WrappingMethod;
    use crate::kmip::{Key, KeyBlock, KeyWrappingData, RsaPublicKeyMaterial, SymmetricKeyMaterial};
    use crate::ttlv::BigInteger;

    fn object(key_format_type: KeyFormatType, key_value: Option<KeyValue>, wrapped: bool) -> Object {
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
        Object::SymmetricKey(Key { key_block })
    }

    #[test]
    fn returns_the_bytes_of_raw_and_transparent_keys() {
        let secret = || Secret::new(vec![1, 2, 3]);
        let raw = KeyValue::of(KeyMaterial::Bytes(secret()));
        assert_eq!(bytes(&object(KeyFormatType::Raw, Some(raw), false)), Ok(secret()));
        let transparent = KeyValue::of(KeyMaterial::SymmetricKey(SymmetricKeyMaterial { key: secret() }));
        let format = KeyFormatType::TransparentSymmetricKey;
        assert_eq!(bytes(&object(format, Some(transparent), false)), Ok(secret()));
    }

    #[test]
    fn encodes_the_numbers_of_a_transparent_rsa_key() {
        let modulus = [&[0xC1][..], &[7; 63]].concat();
        let key = KeyMaterial::RsaPublicKey(RsaPublicKeyMaterial {
            modulus: BigInteger::from_magnitude(&modulus),
            public_exponent: BigInteger::from_magnitude(&[1, 0, 1]),
        });
        let object = match object(KeyFormatType::TransparentRsaPublicKey, Some(KeyValue::of(key)), false) {
            Object::SymmetricKey(key) => Object::PublicKey(key),
            other => other,
        };
        let read = PublicKey::read(bytes(&object).unwrap().expose(), crate::crypto::Purpose::Verify).unwrap();
        assert_eq!(read.numbers().unwrap(), (modulus, vec![1, 0, 1]));
    }

    #[test]
    fn refuses_wrapped_and_absent_keys() {
        let wrapped = KeyValue::Wrapped(Secret::new(vec![1]));
        let reason = |value, wrapped| bytes(&object(KeyFormatType::Raw, value, wrapped)).unwrap_err().reason;
        assert_eq!(reason(Some(wrapped), true), ResultReason::PermissionDenied);
        assert_eq!(reason(None, false), ResultReason::KeyValueNotPresent);
    }
}
