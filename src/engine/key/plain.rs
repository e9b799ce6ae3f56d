//! Keys independent of a Key Format Type: parsing of a Key Block, and encoding in each format.

use crate::crypto::ec::{self, Curve};
use crate::crypto::rsa::{self, PrivateNumbers};
use crate::crypto::{self, Purpose};
use crate::kmip::enums::{CryptographicAlgorithm, KeyFormatType, ObjectType, RecommendedCurve};
use crate::kmip::{
    EcPrivateKeyMaterial, EcPublicKeyMaterial, KeyBlock, KeyMaterial, KeyValue, Object,
    RsaPrivateKeyMaterial, RsaPublicKeyMaterial, SymmetricKeyMaterial,
};
use crate::secret::Secret;
use crate::ttlv::BigInteger;

/// A key in the clear, independent of its Key Format Type.
#[derive(Clone, Debug, PartialEq)]
pub enum PlainKey {
    /// The bytes of a symmetric key or of secret data.
    Bytes(Secret),
    /// An RSA private key.
    RsaPrivate(rsa::PrivateKey),
    /// An RSA public key.
    RsaPublic(rsa::PublicKey),
    /// A private key on an elliptic curve.
    EcPrivate(ec::PrivateKey),
    /// A public key on an elliptic curve.
    EcPublic(ec::PublicKey),
}

use KeyFormatType as F;

impl PlainKey {
    /// Reads the key of an object.
    ///
    /// # Errors
    /// Returns [`crypto::Error::Inexpressible`] if the object contains no key, if its key is wrapped or absent, or if
    /// its material is in no form that this server reads; otherwise the error of the parser.
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
                let curve = transparent_curve(key.recommended_curve)?;
                ec::PrivateKey::from_scalar(curve, magnitude(&key.d), purpose).map(Self::EcPrivate)
            }
            KeyMaterial::Bytes(bytes) => match (block.key_format_type, raw_curve(block)) {
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
                let (modulus, exponent) = (magnitude(&key.modulus), magnitude(&key.public_exponent));
                rsa::PublicKey::from_numbers(modulus, exponent).map(Self::RsaPublic)
            }
            KeyMaterial::EcPublicKey(key) => {
                let curve = transparent_curve(key.recommended_curve)?;
                ec::PublicKey::from_point(curve, &key.q_string, purpose).map(Self::EcPublic)
            }
            KeyMaterial::Bytes(bytes) => match (block.key_format_type, raw_curve(block)) {
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

    /// Returns the key material in `format`; `compressed` selects the compressed form of an elliptic curve point.
    ///
    /// # Errors
    /// Returns [`crypto::Error::Inexpressible`] if the key has no such format.
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
                let point = if compressed { key.compressed_point() } else { None };
                Ok(KeyMaterial::EcPublicKey(EcPublicKeyMaterial {
                    recommended_curve: key.curve().entry(),
                    q_string: point.unwrap_or_else(|| key.point().to_vec()),
                }))
            }
            _ => Err(crypto::Error::Inexpressible),
        }
    }

    /// Returns the Cryptographic Algorithm and the Cryptographic Length, or `None` for bytes, which state neither.
    pub fn algorithm_and_length(&self) -> Option<(CryptographicAlgorithm, u32)> {
        match self {
            Self::Bytes(_) => None,
            Self::RsaPrivate(key) => Some((CryptographicAlgorithm::Rsa, key.bits())),
            Self::RsaPublic(key) => Some((CryptographicAlgorithm::Rsa, key.bits())),
            Self::EcPrivate(key) => Some((key.curve().algorithm(), key.curve().bits())),
            Self::EcPublic(key) => Some((key.curve().algorithm(), key.curve().bits())),
        }
    }

    /// Returns the encoding that [`crypto`] reads: bytes unchanged, RSA keys as PKCS#1, keys on elliptic curves as
    /// PKCS#8 or X.509.
    ///
    /// # Errors
    /// Returns the error of the encoder; a key that [`PlainKey::read`] returned causes none.
    pub fn encoded(&self) -> Result<Secret, crypto::Error> {
        match self {
            Self::Bytes(key) => Ok(key.clone()),
            Self::RsaPrivate(key) => Ok(key.pkcs1().clone()),
            Self::RsaPublic(key) => Ok(Secret::new(key.pkcs1().to_vec())),
            Self::EcPrivate(key) => key.pkcs8(),
            Self::EcPublic(key) => key.spki(false).map(Secret::new),
        }
    }
}

/// Returns the curve of a transparent key. Keys on Curve25519 have no transparent form, because they are byte strings.
fn transparent_curve(curve: RecommendedCurve) -> Result<Curve, crypto::Error> {
    Curve::named(curve, CryptographicAlgorithm::Ec)
        .filter(|curve| curve.has_points())
        .ok_or(crypto::Error::Curve { curve, purpose: Purpose::Convert })
}

/// Returns the curve of a key in the format Raw, which follows from its Cryptographic Algorithm.
fn raw_curve(block: &KeyBlock) -> Option<Curve> {
    match block.cryptographic_algorithm? {
        CryptographicAlgorithm::Ed25519 => Some(Curve::Ed25519),
        CryptographicAlgorithm::Ecdh => Some(Curve::X25519),
        _ => None,
    }
}

/// Returns the big-endian magnitude, which is empty for a negative number: no key contains one.
fn magnitude(number: &BigInteger) -> &[u8] {
    number.magnitude().unwrap_or_default()
}

fn rsa_numbers(key: &RsaPrivateKeyMaterial) -> PrivateNumbers {
    let secret = |part: &Option<BigInteger>| part.as_ref().map(|part| Secret::new(magnitude(part).to_vec()));
    PrivateNumbers {
        modulus: magnitude(&key.modulus).to_vec(),
        public_exponent: key.public_exponent.as_ref().map(|exponent| magnitude(exponent).to_vec()),
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
