//! Key Material: a key as bytes or as a transparent key structure (KMIP 1.4 §2.1.7, 2.1 §3.4 to §3.12).

use crate::kmip::enums::{KeyFormatType, RecommendedCurve};
use crate::kmip::macros::structure;
use crate::secret::Secret;
use crate::ttlv::{BigInteger, Error, Item, ItemType, Tag, Value, Writer};

structure! {
    /// Transparent Symmetric Key (KMIP 1.4 §2.1.7.1, 2.1 §3.4).
    pub struct SymmetricKeyMaterial {
        Key => key: Secret,
    }
}

structure! {
    /// Transparent DSA Private Key (KMIP 1.4 §2.1.7.2, 2.1 §3.5).
    pub struct DsaPrivateKeyMaterial {
        P => p: BigInteger,
        Q => q: BigInteger,
        G => g: BigInteger,
        X => x: BigInteger,
    }
}

structure! {
    /// Transparent DSA Public Key (KMIP 1.4 §2.1.7.3, 2.1 §3.6).
    pub struct DsaPublicKeyMaterial {
        P => p: BigInteger,
        Q => q: BigInteger,
        G => g: BigInteger,
        Y => y: BigInteger,
    }
}

structure! {
    /// Transparent RSA Private Key (KMIP 1.4 §2.1.7.4, 2.1 §3.7).
    pub struct RsaPrivateKeyMaterial {
        Modulus => modulus: BigInteger,
        PrivateExponent => private_exponent: Option<BigInteger>,
        PublicExponent => public_exponent: Option<BigInteger>,
        P => p: Option<BigInteger>,
        Q => q: Option<BigInteger>,
        PrimeExponentP => prime_exponent_p: Option<BigInteger>,
        PrimeExponentQ => prime_exponent_q: Option<BigInteger>,
        CrtCoefficient => crt_coefficient: Option<BigInteger>,
    }
}

structure! {
    /// Transparent RSA Public Key (KMIP 1.4 §2.1.7.5, 2.1 §3.8).
    pub struct RsaPublicKeyMaterial {
        Modulus => modulus: BigInteger,
        PublicExponent => public_exponent: BigInteger,
    }
}

structure! {
    /// Transparent DH Private Key (KMIP 1.4 §2.1.7.6, 2.1 §3.9).
    pub struct DhPrivateKeyMaterial {
        P => p: BigInteger,
        Q => q: Option<BigInteger>,
        G => g: BigInteger,
        J => j: Option<BigInteger>,
        X => x: BigInteger,
    }
}

structure! {
    /// Transparent DH Public Key (KMIP 1.4 §2.1.7.7, 2.1 §3.10).
    pub struct DhPublicKeyMaterial {
        P => p: BigInteger,
        Q => q: Option<BigInteger>,
        G => g: BigInteger,
        J => j: Option<BigInteger>,
        Y => y: BigInteger,
    }
}

structure! {
    /// Transparent EC Private Key, and the formats for ECDSA, ECDH and ECMQV that it replaced (KMIP 1.4
    /// §2.1.7.14, 2.1 §3.11).
    pub struct EcPrivateKeyMaterial {
        RecommendedCurve => recommended_curve: RecommendedCurve,
        D => d: BigInteger,
    }
}

structure! {
    /// Transparent EC Public Key, and the formats for ECDSA, ECDH and ECMQV that it replaced (KMIP 1.4
    /// §2.1.7.15, 2.1 §3.12).
    pub struct EcPublicKeyMaterial {
        RecommendedCurve => recommended_curve: RecommendedCurve,
        QString => q_string: Vec<u8>,
    }
}

/// Key Material, in the format that the Key Format Type of the key block states (KMIP 1.4 §2.1.7, 2.1 §3.4 to
/// §3.12).
#[derive(Clone, Debug, PartialEq)]
pub enum KeyMaterial {
    /// Raw, Opaque, PKCS#1, PKCS#8, X.509 or EC Private Key, and any format if the key is wrapped.
    Bytes(Secret),
    /// Transparent Symmetric Key.
    SymmetricKey(SymmetricKeyMaterial),
    /// Transparent DSA Private Key.
    DsaPrivateKey(DsaPrivateKeyMaterial),
    /// Transparent DSA Public Key.
    DsaPublicKey(DsaPublicKeyMaterial),
    /// Transparent RSA Private Key.
    RsaPrivateKey(RsaPrivateKeyMaterial),
    /// Transparent RSA Public Key.
    RsaPublicKey(RsaPublicKeyMaterial),
    /// Transparent DH Private Key.
    DhPrivateKey(DhPrivateKeyMaterial),
    /// Transparent DH Public Key.
    DhPublicKey(DhPublicKeyMaterial),
    /// Transparent EC, ECDSA, ECDH or ECMQV Private Key.
    EcPrivateKey(EcPrivateKeyMaterial),
    /// Transparent EC, ECDSA, ECDH or ECMQV Public Key.
    EcPublicKey(EcPublicKeyMaterial),
}

impl KeyMaterial {
    /// Decodes the key material of a key block with the format `format`. Bytes are accepted in every format,
    /// because a wrapped key is bytes.
    ///
    /// # Errors
    /// Returns an [`Error`] if the item is a structure and the format has none, or if the structure is
    /// invalid.
    pub(super) fn decode(format: KeyFormatType, item: &Item<'_>) -> Result<Self, Error> {
        use KeyFormatType as F;
        if item.kind == ItemType::ByteString {
            return Secret::decode(item).map(Self::Bytes);
        }
        match format {
            F::TransparentSymmetricKey => Value::decode(item).map(Self::SymmetricKey),
            F::TransparentDsaPrivateKey => Value::decode(item).map(Self::DsaPrivateKey),
            F::TransparentDsaPublicKey => Value::decode(item).map(Self::DsaPublicKey),
            F::TransparentRsaPrivateKey => Value::decode(item).map(Self::RsaPrivateKey),
            F::TransparentRsaPublicKey => Value::decode(item).map(Self::RsaPublicKey),
            F::TransparentDhPrivateKey => Value::decode(item).map(Self::DhPrivateKey),
            F::TransparentDhPublicKey => Value::decode(item).map(Self::DhPublicKey),
            F::TransparentEcPrivateKey
            | F::TransparentEcdsaPrivateKey
            | F::TransparentEcdhPrivateKey
            | F::TransparentEcmqvPrivateKey => Value::decode(item).map(Self::EcPrivateKey),
            F::TransparentEcPublicKey
            | F::TransparentEcdsaPublicKey
            | F::TransparentEcdhPublicKey
            | F::TransparentEcmqvPublicKey => Value::decode(item).map(Self::EcPublicKey),
            F::Raw | F::Opaque | F::Pkcs1 | F::Pkcs8 | F::X509 | F::ECPrivateKey | F::Pkcs12 | F::Pkcs10 => {
                Secret::decode(item).map(Self::Bytes)
            }
        }
    }

    /// Writes the Key Material item of a key value.
    pub fn encode(&self, writer: &mut Writer) {
        let tag = Tag::KeyMaterial;
        match self {
            Self::Bytes(bytes) => bytes.encode(tag, writer),
            Self::SymmetricKey(key) => key.encode(tag, writer),
            Self::DsaPrivateKey(key) => key.encode(tag, writer),
            Self::DsaPublicKey(key) => key.encode(tag, writer),
            Self::RsaPrivateKey(key) => key.encode(tag, writer),
            Self::RsaPublicKey(key) => key.encode(tag, writer),
            Self::DhPrivateKey(key) => key.encode(tag, writer),
            Self::DhPublicKey(key) => key.encode(tag, writer),
            Self::EcPrivateKey(key) => key.encode(tag, writer),
            Self::EcPublicKey(key) => key.encode(tag, writer),
        }
    }
}
