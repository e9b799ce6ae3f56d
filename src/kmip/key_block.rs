//! Key blocks: the encoding of keys, wrapped or not (KMIP 1.4 §2.1.3 to §2.1.6, 2.1 §3.1 to §3.3 and §7.18).

use crate::kmip::attributes::AttributeList;
use crate::kmip::enums::*;
use crate::kmip::key_material::KeyMaterial;
use crate::kmip::macros::structure;
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::secret::Secret;
use crate::ttlv::{Error, Field, Item, ItemType, Reader, Tag, Value, Version, Writer};

structure! {
    /// Encryption Key Information and MAC/Signature Key Information, which have the same fields (KMIP 1.4
    /// §2.1.5, 2.1 §3.3).
    pub struct KeyInformation {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        CryptographicParameters => cryptographic_parameters: Option<CryptographicParameters>,
    }
}

structure! {
    /// Key Wrapping Data: the method and keys by which a key value is wrapped (KMIP 1.4 §2.1.5, 2.1 §3.3).
    pub struct KeyWrappingData {
        WrappingMethod => wrapping_method: WrappingMethod,
        EncryptionKeyInformation => encryption_key_information: Option<KeyInformation>,
        MacSignatureKeyInformation => mac_signature_key_information: Option<KeyInformation>,
        MacSignature => mac_signature: Option<Vec<u8>>,
        IvCounterNonce => iv_counter_nonce: Option<Vec<u8>>,
        EncodingOption => encoding_option: Option<EncodingOption>,
    }
}

structure! {
    /// Key Wrapping Specification: the method and keys by which the server must wrap a key value (KMIP 1.4
    /// §2.1.6, 2.1 §7.18).
    pub struct KeyWrappingSpecification {
        WrappingMethod => wrapping_method: WrappingMethod,
        EncryptionKeyInformation => encryption_key_information: Option<KeyInformation>,
        MacSignatureKeyInformation => mac_signature_key_information: Option<KeyInformation>,
        AttributeName => attribute_names: Vec<String>,
        EncodingOption => encoding_option: Option<EncodingOption>,
    }
}

/// Key Value: key material with attributes, or the wrapped encoding of both (KMIP 1.4 §2.1.4, 2.1 §3.2).
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most key values are plain, and few exist at a time")]
pub enum KeyValue {
    /// A structure. The key material may be wrapped (Encoding Option: No Encoding).
    Plain {
        /// The key material.
        material: KeyMaterial,
        /// The attributes of the key value.
        attributes: AttributeList,
    },
    /// A wrapped Key Value structure (Encoding Option: TTLV Encoding).
    Wrapped(Secret),
}

impl KeyValue {
    /// Creates a key value without attributes.
    pub fn of(material: KeyMaterial) -> Self {
        Self::Plain { material, attributes: AttributeList::default() }
    }

    /// Returns the encoding of the item, which TTLV Encoding wraps.
    pub fn to_bytes(&self, version: Version) -> Secret {
        let mut writer = Writer::new(version);
        self.encode(&mut writer);
        Secret::new(writer.into_bytes())
    }

    /// Decodes the result of [`KeyValue::to_bytes`], with key material of the format `format`.
    ///
    /// # Errors
    /// Returns an [`Error`] if the encoding is invalid.
    pub fn parse(format: KeyFormatType, bytes: &[u8], version: Version) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes, version);
        let value = Self::decode(format, &reader.require(Tag::KeyValue)?)?;
        reader.finish()?;
        Ok(value)
    }

    fn decode(format: KeyFormatType, item: &Item<'_>) -> Result<Self, Error> {
        if item.kind == ItemType::ByteString {
            return Secret::decode(item).map(Self::Wrapped);
        }
        let mut rows = item.structure()?;
        let material = KeyMaterial::decode(format, &rows.require(Tag::KeyMaterial)?)?;
        let attributes = Field::read(Tag::Attributes, &mut rows)?;
        rows.finish()?;
        Ok(Self::Plain { material, attributes })
    }

    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Wrapped(bytes) => bytes.encode(Tag::KeyValue, writer),
            Self::Plain { material, attributes } => writer.structure(Tag::KeyValue, |writer| {
                material.encode(writer);
                if !attributes.0.is_empty() {
                    attributes.write(Tag::Attributes, writer);
                }
            }),
        }
    }
}

/// Key Block (KMIP 1.4 §2.1.3, 2.1 §3.1).
#[derive(Clone, Debug, PartialEq)]
pub struct KeyBlock {
    /// The format of the key material.
    pub key_format_type: KeyFormatType,
    /// The compression of the elliptic curve point of a public key.
    pub key_compression_type: Option<KeyCompressionType>,
    /// The key value; absent if it is stored elsewhere (Key Value Location).
    pub key_value: Option<KeyValue>,
    /// The algorithm of the key; optional for secret data and wrapped keys.
    pub cryptographic_algorithm: Option<CryptographicAlgorithm>,
    /// The length of the key in bits.
    pub cryptographic_length: Option<i32>,
    /// The wrapping of the key value; absent if it is not wrapped.
    pub key_wrapping_data: Option<KeyWrappingData>,
}

impl KeyBlock {
    /// Returns the bytes of the key material or of the wrapped key value, or `None` if the key material is a
    /// structure.
    pub fn bytes(&self) -> Option<&Secret> {
        match &self.key_value {
            Some(KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. } | KeyValue::Wrapped(bytes)) => {
                Some(bytes)
            }
            _ => None,
        }
    }
}

impl Value for KeyBlock {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        let mut rows = item.structure()?;
        let key_format_type = Field::read(Tag::KeyFormatType, &mut rows)?;
        let key_compression_type = Field::read(Tag::KeyCompressionType, &mut rows)?;
        let key_value = rows.take(Tag::KeyValue)?;
        let block = Self {
            key_format_type,
            key_compression_type,
            key_value: key_value.map(|item| KeyValue::decode(key_format_type, &item)).transpose()?,
            cryptographic_algorithm: Field::read(Tag::CryptographicAlgorithm, &mut rows)?,
            cryptographic_length: Field::read(Tag::CryptographicLength, &mut rows)?,
            key_wrapping_data: Field::read(Tag::KeyWrappingData, &mut rows)?,
        };
        rows.finish()?;
        Ok(block)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.structure(tag, |writer| {
            self.key_format_type.encode(Tag::KeyFormatType, writer);
            self.key_compression_type.write(Tag::KeyCompressionType, writer);
            if let Some(value) = &self.key_value {
                value.encode(writer);
            }
            self.cryptographic_algorithm.write(Tag::CryptographicAlgorithm, writer);
            self.cryptographic_length.write(Tag::CryptographicLength, writer);
            self.key_wrapping_data.write(Tag::KeyWrappingData, writer);
        });
    }
}
