//! Key Blocks of new keys, and the conversion of an object's key into another Key Format Type.

use crate::crypto;
use crate::kmip::enums::{
    CryptographicAlgorithm, KeyCompressionType, KeyFormatType, ResultReason, SecretDataType,
};
use crate::kmip::{Error, Key, KeyBlock, KeyValue, Object, SecretData};
use crate::secret::Secret;
use crate::ttlv::{V2_0, V2_1, Version};

use super::plain::PlainKey;

use KeyFormatType as F;

/// Returns the Key Format Type of a new key if the client requests none (2.1 §4.26). Before 2.0 the standard has no
/// defaults; up to 2.0 RSA private keys are PKCS#8, because PyKMIP creates them in this format.
fn default_format(key: &PlainKey, version: Version) -> KeyFormatType {
    match key {
        PlainKey::Bytes(_) => F::Raw,
        PlainKey::RsaPrivate(_) if version < V2_1 => F::Pkcs8,
        PlainKey::RsaPrivate(_) | PlainKey::RsaPublic(_) => F::Pkcs1,
        PlainKey::EcPrivate(key) if version >= V2_0 && key.curve().has_points() => F::TransparentEcPrivateKey,
        PlainKey::EcPublic(key) if version >= V2_0 && key.curve().has_points() => F::TransparentEcPublicKey,
        PlainKey::EcPrivate(_) => F::Pkcs8,
        PlainKey::EcPublic(_) => F::X509,
    }
}

/// Returns the object with its key in the default format of KMIP 2.1, or `None` if it already has this format or
/// cannot be converted.
pub fn in_default_format(object: &Object) -> Option<Object> {
    let format = default_format(&PlainKey::read(object).ok()?, V2_1);
    if object.key_block()?.key_format_type == format {
        return None;
    }
    convert(object.clone(), Some(format), None).ok()
}

/// Returns the Key Block of a new key in `format`, or in the default format of the version.
///
/// # Errors
/// Returns Key Format Type Not Supported if the key has no such format.
pub fn key_block(key: &PlainKey, format: Option<KeyFormatType>, version: Version) -> Result<KeyBlock, Error> {
    let format = format.unwrap_or_else(|| default_format(key, version));
    let material = key.write(format, false).map_err(|error| inexpressible(error, format))?;
    Ok(KeyBlock {
        key_format_type: format,
        key_compression_type: None,
        key_value: Some(KeyValue::of(material)),
        cryptographic_algorithm: None,
        cryptographic_length: None,
        key_wrapping_data: None,
    })
}

/// Returns a new Symmetric Key of `bits` bits in `format`, or in the format Raw.
///
/// # Errors
/// Returns Key Format Type Not Supported if a symmetric key has no such format.
pub fn symmetric_key(
    key: Secret,
    algorithm: CryptographicAlgorithm,
    bits: i32,
    format: Option<KeyFormatType>,
    version: Version,
) -> Result<Object, Error> {
    let key_block = key_block(&PlainKey::Bytes(key), format, version)?;
    let (cryptographic_algorithm, cryptographic_length) = (Some(algorithm), Some(bits));
    Ok(Object::SymmetricKey(Key {
        key_block: KeyBlock { cryptographic_algorithm, cryptographic_length, ..key_block },
    }))
}

/// Returns new Secret Data in `format`, or in the default format: Raw from 2.1 on (§4.26), and before that Opaque, as
/// in PyKMIP.
///
/// # Errors
/// Returns Key Format Type Not Supported if Secret Data has no such format.
pub fn secret_data(
    secret: Secret,
    secret_data_type: SecretDataType,
    format: Option<KeyFormatType>,
    version: Version,
) -> Result<Object, Error> {
    let format = format.unwrap_or(if version < V2_1 { F::Opaque } else { F::Raw });
    let key_block = key_block(&PlainKey::Bytes(secret), Some(format), version)?;
    Ok(Object::SecretData(SecretData { secret_data_type, key_block }))
}

/// Returns the object with its key in the requested Key Format Type and Key Compression Type. A key that is stored in
/// the requested format is returned unchanged, even if the server cannot parse it.
///
/// # Errors
/// Returns Key Format Type Not Supported or Key Compression Type Not Supported if the object contains no key, or if
/// the key has no such form.
pub fn convert(
    mut object: Object,
    format: Option<KeyFormatType>,
    compression: Option<KeyCompressionType>,
) -> Result<Object, Error> {
    let Some(stored) = object.key_block().map(|block| block.key_format_type) else {
        return match (format, compression) {
            (Some(_), _) => unsupported_format("The object has no key format.".to_owned()),
            (None, Some(_)) => unsupported_compression(),
            (None, None) => Ok(object),
        };
    };
    let requested = format.unwrap_or(stored);
    if requested == stored && compression.is_none() {
        return Ok(object);
    }
    if object.key_block().is_some_and(|block| block.key_wrapping_data.is_some()) {
        return unsupported_format(format!(
            "The key is stored wrapped, in the format {stored}, and cannot be returned in the format {requested}."
        ));
    }
    let compressed = match compression {
        None | Some(KeyCompressionType::EcPublicKeyTypeUncompressed) => false,
        Some(KeyCompressionType::EcPublicKeyTypeX9_62CompressedPrime) => true,
        Some(_) => return unsupported_compression(),
    };
    let key = match PlainKey::read(&object) {
        Ok(key) => key,
        Err(_) if format.is_none() => return unsupported_compression(),
        Err(error) => return Err(inexpressible(error, requested)),
    };
    if compression.is_some() && !matches!(&key, PlainKey::EcPublic(key) if key.curve().has_points()) {
        return unsupported_compression();
    }
    let written = key.write(requested, compressed).map_err(|error| inexpressible(error, requested))?;
    if let Some(block) = object.key_block_mut() {
        if let Some(KeyValue::Plain { material, .. }) = &mut block.key_value {
            *material = written;
        }
        block.key_format_type = requested;
        block.key_compression_type = compression;
    }
    Ok(object)
}

fn unsupported_format<T>(message: String) -> Result<T, Error> {
    Err(Error::new(ResultReason::KeyFormatTypeNotSupported, message))
}

fn unsupported_compression<T>() -> Result<T, Error> {
    Err(Error::new(
        ResultReason::KeyCompressionTypeNotSupported,
        "Only points on elliptic curves over prime fields can be compressed.",
    ))
}

fn inexpressible(error: crypto::Error, requested: KeyFormatType) -> Error {
    let message = match error {
        crypto::Error::Inexpressible => format!("The key cannot be converted to the format {requested}."),
        error => format!("The key cannot be converted to the format {requested}: {error}."),
    };
    Error::new(ResultReason::KeyFormatTypeNotSupported, message)
}

/// Sets the Cryptographic Algorithm and the Cryptographic Length of the Key Block from the key itself, if the client
/// omitted them (1.4 §2.1.3).
pub fn complete_key_block(object: &mut Object) {
    let read = PlainKey::read(object).ok().and_then(|key| key.algorithm_and_length());
    let (Some((algorithm, bits)), Some(block)) = (read, object.key_block_mut()) else { return };
    block.cryptographic_algorithm.get_or_insert(algorithm);
    if block.cryptographic_length.is_none() {
        block.cryptographic_length = i32::try_from(bits).ok();
    }
}
