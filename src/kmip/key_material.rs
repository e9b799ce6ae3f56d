//! Key Material: the key itself, as opaque bytes or as numbers (KMIP 1.4 §2.1.7, 2.1 §3.4 to §3.12).

use crate::kmip::enums::{KeyFormatType, RecommendedCurve};
use crate::kmip::macros::structure;
use crate::secret::Secret;
use crate::ttlv::{BigInteger, Error, Item, ItemType, Tag, Value, Writer};

structure! {
    /// Transparent Symmetric Key.
    pub struct SymmetricKeyMaterial {
        Key => key: Secret,
    }
}

structure! {
    /// Transparent DSA Private Key.
    pub struct DsaPrivateKeyMaterial {
        P => p: BigInteger,
        Q => q: BigInteger,
        G => g: BigInteger,
        X => x: BigInteger,
    }
}

structure! {
    /// Transparent DSA Public Key.
    pub struct DsaPublicKeyMaterial {
        P => p: BigInteger,
        Q => q: BigInteger,
        G => g: BigInteger,
        Y => y: BigInteger,
    }
}

structure! {
    /// Transparent RSA Private Key.
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
    /// Transparent RSA Public Key.
    pub struct RsaPublicKeyMaterial {
        Modulus => modulus: BigInteger,
        PublicExponent => public_exponent: BigInteger,
    }
}

structure! {
    /// Transparent DH Private Key.
    pub struct DhPrivateKeyMaterial {
        P => p: BigInteger,
        Q => q: Option<BigInteger>,
        G => g: BigInteger,
        J => j: Option<BigInteger>,
        X => x: BigInteger,
    }
}

structure! {
    /// Transparent DH Public Key.
    pub struct DhPublicKeyMaterial {
        P => p: BigInteger,
        Q => q: Option<BigInteger>,
        G => g: BigInteger,
        J => j: Option<BigInteger>,
        Y => y: BigInteger,
    }
}

structure! {
    /// Transparent EC Private Key, and the ECDSA, ECDH and ECMQV forms that it replaced.
    pub struct EcPrivateKeyMaterial {
        RecommendedCurve => recommended_curve: RecommendedCurve,
        D => d: BigInteger,
    }
}

structure! {
    /// Transparent EC Public Key, and the ECDSA, ECDH and ECMQV forms that it replaced.
    pub struct EcPublicKeyMaterial {
        RecommendedCurve => recommended_curve: RecommendedCurve,
        QString => q_string: Vec<u8>,
    }
}

/// Key Material, in the form that the key block's Key Format Type tells.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the standard's names; each holds the form of that name")]
pub enum KeyMaterial {
    /// Raw, Opaque, PKCS#1, PKCS#8, X.509, EC Private Key, and any form when it is wrapped.
    Bytes(Secret),
    SymmetricKey(SymmetricKeyMaterial),
    DsaPrivateKey(DsaPrivateKeyMaterial),
    DsaPublicKey(DsaPublicKeyMaterial),
    RsaPrivateKey(RsaPrivateKeyMaterial),
    RsaPublicKey(RsaPublicKeyMaterial),
    DhPrivateKey(DhPrivateKeyMaterial),
    DhPublicKey(DhPublicKeyMaterial),
    EcPrivateKey(EcPrivateKeyMaterial),
    EcPublicKey(EcPublicKeyMaterial),
}

impl KeyMaterial {
    /// Reads the material of a key block of that format. Bytes are taken in any format: a wrapped key's are.
    ///
    /// # Errors
    /// A structure in a format that has none, and whatever is wrong with the structure.
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

    /// Writes the material as the Key Material item of a key value.
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
