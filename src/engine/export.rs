//! Keys from one Key Format Type into another (KMIP 1.4 §4.11, 2.1 §4.26 and §6.1.19), and what a key tells about
//! itself.
//!
//! What cannot be read as a key is kept and given as it came. Wrapping is left to [`super::wrapping`], and whether
//! a client may have the key to the operations.

use crate::crypto::ec::{self, Curve};
use crate::crypto::rsa::{self, PrivateNumbers};
use crate::crypto::{self, Purpose};
use crate::kmip::enums::{
    CryptographicAlgorithm, KeyCompressionType, KeyFormatType, KeyWrapType, ObjectType, RecommendedCurve,
    ResultReason, SecretDataType, WrappingMethod,
};
use crate::kmip::{
    EcPrivateKeyMaterial, EcPublicKeyMaterial, Error, Key, KeyBlock, KeyMaterial, KeyValue,
    KeyWrappingSpecification, Object, RsaPrivateKeyMaterial, RsaPublicKeyMaterial, SecretData,
    SymmetricKeyMaterial,
};
use crate::secret::Secret;
use crate::store::Record;
use crate::ttlv::{BigInteger, V2_0, V2_1, Version};

use super::context::Context;
use super::error::{failed, invalid_field, not_found};
use super::{container, wrapping};

/// A key apart from the form in which it is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum PlainKey {
    /// The bytes of a symmetric key or of secret data.
    Bytes(Secret),
    /// The private half of an RSA pair.
    RsaPrivate(rsa::PrivateKey),
    /// The public half of an RSA pair.
    RsaPublic(rsa::PublicKey),
    /// The private half of a pair on an elliptic curve.
    EcPrivate(ec::PrivateKey),
    /// The public half of a pair on an elliptic curve.
    EcPublic(ec::PublicKey),
}

use KeyFormatType as F;

impl PlainKey {
    /// Reads the key of an object that is not wrapped.
    ///
    /// # Errors
    /// [`crypto::Error::Inexpressible`] for objects without a key value that this server reads, and whatever is
    /// wrong with the bytes.
    pub fn read(object: &Object) -> Result<Self, crypto::Error> {
        let block = object.key_block().ok_or(crypto::Error::Inexpressible)?;
        let Some(KeyValue::Plain { material, .. }) = &block.key_value else {
            return Err(crypto::Error::Inexpressible);
        };
        if block.key_wrapping_data.is_some() {
            return Err(crypto::Error::Inexpressible);
        }
        match (object.object_type(), material) {
            (ObjectType::SymmetricKey | ObjectType::SecretData, KeyMaterial::Bytes(bytes)) => {
                Ok(Self::Bytes(bytes.clone()))
            }
            (ObjectType::SymmetricKey | ObjectType::SecretData, KeyMaterial::SymmetricKey(key)) => {
                Ok(Self::Bytes(key.key.clone()))
            }
            (ObjectType::PrivateKey, material) => Self::private(block, material),
            (ObjectType::PublicKey, material) => Self::public(block, material),
            _ => Err(crypto::Error::Inexpressible),
        }
    }

    fn private(block: &KeyBlock, material: &KeyMaterial) -> Result<Self, crypto::Error> {
        let purpose = Purpose::Convert;
        match material {
            KeyMaterial::RsaPrivateKey(key) => {
                rsa::PrivateKey::from_numbers(&rsa_numbers(key)).map(Self::RsaPrivate)
            }
            KeyMaterial::EcPrivateKey(key) => {
                let curve = point_curve(key.recommended_curve)?;
                ec::PrivateKey::from_scalar(curve, digits(&key.d), purpose).map(Self::EcPrivate)
            }
            KeyMaterial::Bytes(bytes) => match (block.key_format_type, bare_curve(block)) {
                (F::Raw, Some(curve)) => {
                    ec::PrivateKey::from_scalar(curve, bytes.expose(), purpose).map(Self::EcPrivate)
                }
                _ => match rsa::PrivateKey::read(bytes.expose(), purpose) {
                    Ok(key) => Ok(Self::RsaPrivate(key)),
                    Err(_) => ec::PrivateKey::read(bytes.expose(), purpose).map(Self::EcPrivate),
                },
            },
            _ => Err(crypto::Error::Inexpressible),
        }
    }

    fn public(block: &KeyBlock, material: &KeyMaterial) -> Result<Self, crypto::Error> {
        let purpose = Purpose::Convert;
        match material {
            KeyMaterial::RsaPublicKey(key) => {
                let (modulus, exponent) = (digits(&key.modulus), digits(&key.public_exponent));
                rsa::PublicKey::from_numbers(modulus, exponent).map(Self::RsaPublic)
            }
            KeyMaterial::EcPublicKey(key) => {
                let curve = point_curve(key.recommended_curve)?;
                ec::PublicKey::from_point(curve, &key.q_string, purpose).map(Self::EcPublic)
            }
            KeyMaterial::Bytes(bytes) => match (block.key_format_type, bare_curve(block)) {
                (F::Raw, Some(curve)) => {
                    ec::PublicKey::from_point(curve, bytes.expose(), purpose).map(Self::EcPublic)
                }
                _ => match rsa::PublicKey::read(bytes.expose(), purpose) {
                    Ok(key) => Ok(Self::RsaPublic(key)),
                    Err(_) => ec::PublicKey::read(bytes.expose(), purpose).map(Self::EcPublic),
                },
            },
            _ => Err(crypto::Error::Inexpressible),
        }
    }

    /// The key material in the format, an elliptic curve's point compressed where that is wanted.
    ///
    /// # Errors
    /// [`crypto::Error::Inexpressible`] where the key has no such form.
    pub fn write(&self, format: KeyFormatType, compressed: bool) -> Result<KeyMaterial, crypto::Error> {
        let bytes = |bytes: Vec<u8>| Ok(KeyMaterial::Bytes(Secret::new(bytes)));
        match (self, format) {
            (Self::Bytes(key), F::Raw | F::Opaque) => Ok(KeyMaterial::Bytes(key.clone())),
            (Self::Bytes(key), F::TransparentSymmetricKey) => {
                Ok(KeyMaterial::SymmetricKey(SymmetricKeyMaterial { key: key.clone() }))
            }
            (Self::RsaPrivate(key), F::Pkcs1) => Ok(KeyMaterial::Bytes(key.pkcs1().clone())),
            (Self::RsaPrivate(key), F::Pkcs8) => key.pkcs8().map(KeyMaterial::Bytes),
            (Self::RsaPrivate(key), F::TransparentRsaPrivateKey) => {
                rsa_material(&key.numbers()?).map(KeyMaterial::RsaPrivateKey)
            }
            (Self::RsaPublic(key), F::Pkcs1) => bytes(key.pkcs1().to_vec()),
            (Self::RsaPublic(key), F::X509) => bytes(key.spki()?),
            (Self::RsaPublic(key), F::TransparentRsaPublicKey) => {
                let (modulus, exponent) = key.numbers()?;
                Ok(KeyMaterial::RsaPublicKey(RsaPublicKeyMaterial {
                    modulus: BigInteger::from_magnitude(&modulus),
                    public_exponent: BigInteger::from_magnitude(&exponent),
                }))
            }
            (Self::EcPrivate(key), F::ECPrivateKey) => key.sec1().map(KeyMaterial::Bytes),
            (Self::EcPrivate(key), F::Pkcs8) => key.pkcs8().map(KeyMaterial::Bytes),
            (Self::EcPrivate(key), F::Raw) if !key.curve().has_points() => {
                Ok(KeyMaterial::Bytes(key.scalar().clone()))
            }
            (
                Self::EcPrivate(key),
                F::TransparentEcPrivateKey | F::TransparentEcdsaPrivateKey | F::TransparentEcdhPrivateKey,
            ) if key.curve().has_points() => Ok(KeyMaterial::EcPrivateKey(EcPrivateKeyMaterial {
                recommended_curve: key.curve().entry(),
                d: BigInteger::from_magnitude(key.scalar().expose()),
            })),
            (Self::EcPublic(key), F::X509) => bytes(key.spki(compressed)?),
            (Self::EcPublic(key), F::Raw) if !key.curve().has_points() => bytes(key.point().to_vec()),
            (
                Self::EcPublic(key),
                F::TransparentEcPublicKey | F::TransparentEcdsaPublicKey | F::TransparentEcdhPublicKey,
            ) if key.curve().has_points() => {
                let short = if compressed { key.compressed_point() } else { None };
                Ok(KeyMaterial::EcPublicKey(EcPublicKeyMaterial {
                    recommended_curve: key.curve().entry(),
                    q_string: short.unwrap_or_else(|| key.point().to_vec()),
                }))
            }
            _ => Err(crypto::Error::Inexpressible),
        }
    }

    /// The algorithm and the length in bits that the key itself tells; none of bytes, which could be any key's.
    pub fn describe(&self) -> Option<(CryptographicAlgorithm, u32)> {
        match self {
            Self::Bytes(_) => None,
            Self::RsaPrivate(key) => Some((CryptographicAlgorithm::Rsa, key.bits())),
            Self::RsaPublic(key) => Some((CryptographicAlgorithm::Rsa, key.bits())),
            Self::EcPrivate(key) => Some((key.curve().algorithm(), key.curve().bits())),
            Self::EcPublic(key) => Some((key.curve().algorithm(), key.curve().bits())),
        }
    }

    /// The form that the cryptography reads: bytes as they are, PKCS#1, or PKCS#8 and X.509 on curves.
    ///
    /// # Errors
    /// None for a key that was read here.
    pub fn computable(&self) -> Result<Secret, crypto::Error> {
        match self {
            Self::Bytes(key) => Ok(key.clone()),
            Self::RsaPrivate(key) => Ok(key.pkcs1().clone()),
            Self::RsaPublic(key) => Ok(Secret::new(key.pkcs1().to_vec())),
            Self::EcPrivate(key) => key.pkcs8(),
            Self::EcPublic(key) => key.spki(false).map(Secret::new),
        }
    }
}

/// The format in which the server makes a key that the client wants in none (2.1 §4.26). RSA's private keys are
/// PKCS#8 up to 2.0, as PyKMIP makes them. Before 2.0 the standard has no defaults.
pub fn default_format(key: &PlainKey, version: Version) -> KeyFormatType {
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

/// The object with its key in the standard's default format; none where it is kept in that already, or cannot be
/// converted.
pub fn in_default_format(object: &Object) -> Option<Object> {
    let format = default_format(&PlainKey::read(object).ok()?, V2_1);
    let kept = object.key_block()?.key_format_type;
    if kept == format {
        return None;
    }
    convert(object.clone(), Some(format), None).ok()
}

/// The key block of a new key in that format, or in the default one of the version.
///
/// # Errors
/// Key Format Type Not Supported where the key has no such form.
pub fn block(key: &PlainKey, format: Option<KeyFormatType>, version: Version) -> Result<KeyBlock, Error> {
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

/// A new symmetric key of `bits` bits, in that format or raw.
///
/// # Errors
/// Key Format Type Not Supported where the key has no such form.
pub fn symmetric_key(
    key: Secret,
    algorithm: CryptographicAlgorithm,
    bits: i32,
    format: Option<KeyFormatType>,
    version: Version,
) -> Result<Object, Error> {
    let plain = block(&PlainKey::Bytes(key), format, version)?;
    let (cryptographic_algorithm, cryptographic_length) = (Some(algorithm), Some(bits));
    Ok(Object::SymmetricKey(Key {
        key_block: KeyBlock { cryptographic_algorithm, cryptographic_length, ..plain },
    }))
}

/// New secret data, in that format or in the default one: opaque up to 2.0, as PyKMIP has it, and raw from 2.1 on
/// (§4.26).
///
/// # Errors
/// Key Format Type Not Supported where secret data has no such form.
pub fn secret_data(
    secret: Secret,
    secret_data_type: SecretDataType,
    format: Option<KeyFormatType>,
    version: Version,
) -> Result<Object, Error> {
    let format = format.unwrap_or(if version < V2_1 { F::Opaque } else { F::Raw });
    let key_block = block(&PlainKey::Bytes(secret), Some(format), version)?;
    Ok(Object::SecretData(SecretData { secret_data_type, key_block }))
}

/// The object with its key in the format that a client asks for, its elliptic curve's point in the form that it
/// asks for. What is kept that way already is given as it came.
///
/// # Errors
/// Key Format Type Not Supported and Key Compression Type Not Supported, where the object has no key, or the key
/// no such form.
pub fn convert(
    mut object: Object,
    format: Option<KeyFormatType>,
    compression: Option<KeyCompressionType>,
) -> Result<Object, Error> {
    let kept = object.key_block().map(|block| block.key_format_type);
    let Some((kept, wanted)) = kept.map(|kept| (kept, format.unwrap_or(kept))) else {
        return match (format, compression) {
            (Some(_), _) => unsupported_format("The object has no key format.".to_owned()),
            (None, Some(_)) => unsupported_compression(),
            (None, None) => Ok(object),
        };
    };
    if wanted == kept && compression.is_none() {
        return Ok(object);
    }
    if object.key_block().is_some_and(|block| block.key_wrapping_data.is_some()) {
        return unsupported_format(format!(
            "The key is kept wrapped as {kept} and cannot be given as {wanted}."
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
        Err(error) => return Err(inexpressible(error, wanted)),
    };
    if compression.is_some() && !matches!(&key, PlainKey::EcPublic(key) if key.curve().has_points()) {
        return unsupported_compression();
    }
    let written = key.write(wanted, compressed).map_err(|error| inexpressible(error, wanted))?;
    if let Some(block) = object.key_block_mut() {
        if let Some(KeyValue::Plain { material, .. }) = &mut block.key_value {
            *material = written;
        }
        block.key_format_type = wanted;
        block.key_compression_type = compression;
    }
    Ok(object)
}

fn unsupported_format<T>(why: String) -> Result<T, Error> {
    Err(failed(ResultReason::KeyFormatTypeNotSupported, why))
}

fn unsupported_compression<T>() -> Result<T, Error> {
    Err(failed(
        ResultReason::KeyCompressionTypeNotSupported,
        "Only points of elliptic curves over prime fields are compressed.",
    ))
}

fn inexpressible(error: crypto::Error, wanted: KeyFormatType) -> Error {
    let why = match error {
        crypto::Error::Inexpressible => format!("The key cannot be given as {wanted}."),
        error => format!("The key cannot be given as {wanted}: {error}."),
    };
    failed(ResultReason::KeyFormatTypeNotSupported, why)
}

/// How a client wants to have an object (1.4 §4.11, 2.1 §6.1.18 and §6.1.19).
#[derive(Clone, Debug)]
pub struct GetOptions {
    /// Key Format Type.
    pub format: Option<KeyFormatType>,
    /// Key Wrap Type.
    pub wrap_type: Option<KeyWrapType>,
    /// Key Compression Type.
    pub compression: Option<KeyCompressionType>,
    /// Key Wrapping Specification.
    pub wrapping: Option<KeyWrappingSpecification>,
}

impl GetOptions {
    /// The record's object as the client wants it, if it may leave the server that way: a sensitive object does so
    /// encrypted only, one that is not extractable not at all.
    ///
    /// # Errors
    /// Sensitive, Not Extractable, Invalid Field for a wrapping that contradicts the Key Wrap Type, and those of
    /// [`convert`] and [`wrapping::wrap`].
    pub fn fulfil(&self, cx: &mut Context<'_>, record: Record) -> Result<Object, Error> {
        let Record { id, attributes, object, .. } = record;
        let mut object = object.ok_or_else(|| not_found(&id.to_string()))?;
        if attributes.extractable == Some(false) {
            return Err(failed(ResultReason::NotExtractable, "The object is not extractable."));
        }
        let wrapped = object.key_block().is_some_and(|block| block.key_wrapping_data.is_some());
        let stays_wrapped = wrapped && self.wrap_type != Some(KeyWrapType::NotWrapped);
        let encrypts = match &self.wrapping {
            Some(specification) => specification.wrapping_method != WrappingMethod::MacSign,
            None => stays_wrapped,
        };
        if !encrypts && attributes.sensitive == Some(true) {
            return Err(failed(
                ResultReason::Sensitive,
                "The object is sensitive: it is not given in the clear.",
            ));
        }
        let Some(specification) = &self.wrapping else {
            if wrapped && !stays_wrapped {
                object = wrapping::unwrap(cx, object)?;
            }
            let kept = object.key_block().map(|block| block.key_format_type);
            if self.format == Some(F::Pkcs12) && kept != self.format {
                return container::pkcs12(cx, &object, &attributes);
            }
            return convert(object, self.format, self.compression);
        };
        if self.wrap_type == Some(KeyWrapType::AsRegistered) {
            return Err(invalid_field(
                "A Key Wrapping Specification and the Key Wrap Type As Registered contradict each other.",
            ));
        }
        let shape = wrapping::shape(&object);
        object = convert(wrapping::unwrap(cx, object)?, self.format, self.compression)?;
        wrapping::wrap(cx, object, shape, &attributes, specification)
    }
}

/// Fills in what the key block does not say and the key itself does (1.4 §2.1.3).
pub fn describe(object: &mut Object) {
    let told = PlainKey::read(object).ok().and_then(|key| key.describe());
    let (Some((algorithm, bits)), Some(block)) = (told, object.key_block_mut()) else { return };
    block.cryptographic_algorithm.get_or_insert(algorithm);
    if block.cryptographic_length.is_none() {
        block.cryptographic_length = i32::try_from(bits).ok();
    }
}

/// The curve of a transparent key. Those of Curve25519 are bytes and no numbers.
fn point_curve(curve: RecommendedCurve) -> Result<Curve, crypto::Error> {
    Curve::named(curve, CryptographicAlgorithm::Ec)
        .filter(|curve| curve.has_points())
        .ok_or(crypto::Error::Curve { curve, purpose: Purpose::Convert })
}

/// The curve of a raw key: its algorithm tells it, and keys of other algorithms have no raw form.
fn bare_curve(block: &KeyBlock) -> Option<Curve> {
    match block.cryptographic_algorithm? {
        CryptographicAlgorithm::Ed25519 => Some(Curve::Ed25519),
        CryptographicAlgorithm::Ecdh => Some(Curve::X25519),
        _ => None,
    }
}

/// Big-endian; nothing for a negative number, which makes no key.
fn digits(number: &BigInteger) -> &[u8] {
    number.magnitude().unwrap_or_default()
}

fn rsa_numbers(key: &RsaPrivateKeyMaterial) -> PrivateNumbers {
    let secret = |part: &Option<BigInteger>| part.as_ref().map(|part| Secret::new(digits(part).to_vec()));
    PrivateNumbers {
        modulus: digits(&key.modulus).to_vec(),
        public_exponent: key.public_exponent.as_ref().map(|exponent| digits(exponent).to_vec()),
        private_exponent: secret(&key.private_exponent),
        p: secret(&key.p),
        q: secret(&key.q),
        prime_exponent_p: secret(&key.prime_exponent_p),
        prime_exponent_q: secret(&key.prime_exponent_q),
        crt_coefficient: secret(&key.crt_coefficient),
    }
}

fn rsa_material(numbers: &PrivateNumbers) -> Result<RsaPrivateKeyMaterial, crypto::Error> {
    let number = |part: &Option<Secret>| part.as_ref().map(|part| BigInteger::from_magnitude(part.expose()));
    Ok(RsaPrivateKeyMaterial {
        modulus: BigInteger::from_magnitude(&numbers.modulus),
        private_exponent: number(&numbers.private_exponent),
        public_exponent: numbers.public_exponent.as_deref().map(BigInteger::from_magnitude),
        p: number(&numbers.p),
        q: number(&numbers.q),
        prime_exponent_p: number(&numbers.prime_exponent_p),
        prime_exponent_q: number(&numbers.prime_exponent_q),
        crt_coefficient: number(&numbers.crt_coefficient),
    })
}
