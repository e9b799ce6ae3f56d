//! Managed objects (KMIP 1.4 §2.2, 2.1 §2).

use crate::kmip::attributes::AttributeList;
use crate::kmip::enums::*;
use crate::kmip::key_block::KeyBlock;
use crate::kmip::macros::structure;
use crate::secret::Secret;
use crate::ttlv::{BigInteger, Error, Field, Item, Reader, Tag, Value, Writer};

structure! {
    /// Certificate (KMIP 1.4 §2.2.1, 2.1 §2.1).
    pub struct Certificate {
        CertificateType => certificate_type: CertificateType,
        CertificateValue => certificate_value: Vec<u8>,
    }
}

structure! {
    /// Certificate Request (KMIP 2.1 §2.2).
    pub struct CertificateRequest {
        CertificateRequestType => certificate_request_type: CertificateRequestType,
        CertificateRequestValue => certificate_request_value: Vec<u8>,
    }
}

structure! {
    /// Symmetric Key, Public Key or Private Key (KMIP 1.4 §2.2.2 to §2.2.4, 2.1 §2.5, §2.6 and §2.9).
    pub struct Key {
        KeyBlock => key_block: KeyBlock,
    }
}

structure! {
    /// Split Key: one share of a split key (KMIP 1.4 §2.2.5, 2.1 §2.8).
    pub struct SplitKey {
        SplitKeyParts => split_key_parts: i32,
        KeyPartIdentifier => key_part_identifier: i32,
        SplitKeyThreshold => split_key_threshold: i32,
        SplitKeyMethod => split_key_method: SplitKeyMethod,
        PrimeFieldSize => prime_field_size: Option<BigInteger>,
        KeyBlock => key_block: KeyBlock,
    }
}

structure! {
    /// Template: attributes for new objects, in 1.x only (KMIP 1.4 §2.2.6).
    pub struct Template {
        Attributes => attributes: AttributeList,
    }
}

structure! {
    /// Secret Data: a secret other than a key, such as a password (KMIP 1.4 §2.2.7, 2.1 §2.7).
    pub struct SecretData {
        SecretDataType => secret_data_type: SecretDataType,
        KeyBlock => key_block: KeyBlock,
    }
}

structure! {
    /// Opaque Object: bytes that the server does not interpret (KMIP 1.4 §2.2.8, 2.1 §2.3).
    pub struct OpaqueObject {
        OpaqueDataType => opaque_data_type: OpaqueDataType,
        OpaqueDataValue => opaque_data_value: Secret,
    }
}

structure! {
    /// PGP Key, since 1.2 (KMIP 1.4 §2.2.9, 2.1 §2.4).
    pub struct PgpKey {
        PgpKeyVersion => pgp_key_version: i32,
        KeyBlock => key_block: KeyBlock,
    }
}

/// A managed object (KMIP 1.4 §2.2, 2.1 §2).
///
/// # Examples
///
/// ```
/// use kmip_server::Secret;
/// use kmip_server::kmip::enums::{KeyFormatType, ObjectType};
/// use kmip_server::kmip::{Key, KeyBlock, KeyMaterial, KeyValue, Object};
/// use kmip_server::ttlv::{Field, Reader, Tag, V1_2, Writer};
///
/// let key = Object::SymmetricKey(Key {
///     key_block: KeyBlock {
///         key_format_type: KeyFormatType::Raw,
///         key_compression_type: None,
///         key_value: Some(KeyValue::of(KeyMaterial::Bytes(Secret::new(vec![7; 16])))),
///         cryptographic_algorithm: None,
///         cryptographic_length: None,
///         key_wrapping_data: None,
///     },
/// });
/// let mut writer = Writer::new(V1_2);
/// key.write(Tag::SymmetricKey, &mut writer);
/// let bytes = writer.into_bytes();
///
/// let read: Object = Field::read(Tag::SymmetricKey, &mut Reader::new(&bytes, V1_2))?;
/// assert_eq!(read.object_type(), ObjectType::SymmetricKey);
/// assert_eq!(read.key_block().and_then(KeyBlock::bytes).map(Secret::len), Some(16));
/// # Ok::<(), kmip_server::ttlv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A Certificate.
    Certificate(Certificate),
    /// A Symmetric Key.
    SymmetricKey(Key),
    /// A Public Key.
    PublicKey(Key),
    /// A Private Key.
    PrivateKey(Key),
    /// A Split Key.
    SplitKey(SplitKey),
    /// A Template, in 1.x only.
    Template(Template),
    /// Secret Data.
    SecretData(SecretData),
    /// An Opaque Object.
    OpaqueObject(OpaqueObject),
    /// A PGP Key.
    PgpKey(PgpKey),
    /// A Certificate Request, since 2.0.
    CertificateRequest(CertificateRequest),
}

impl Object {
    /// Returns the Object Type.
    pub fn object_type(&self) -> ObjectType {
        match self {
            Self::Certificate(_) => ObjectType::Certificate,
            Self::SymmetricKey(_) => ObjectType::SymmetricKey,
            Self::PublicKey(_) => ObjectType::PublicKey,
            Self::PrivateKey(_) => ObjectType::PrivateKey,
            Self::SplitKey(_) => ObjectType::SplitKey,
            Self::Template(_) => ObjectType::Template,
            Self::SecretData(_) => ObjectType::SecretData,
            Self::OpaqueObject(_) => ObjectType::OpaqueObject,
            Self::PgpKey(_) => ObjectType::PgpKey,
            Self::CertificateRequest(_) => ObjectType::CertificateRequest,
        }
    }

    /// Returns the key block, or `None` if the type of the object has none.
    pub fn key_block(&self) -> Option<&KeyBlock> {
        match self {
            Self::SymmetricKey(key) | Self::PublicKey(key) | Self::PrivateKey(key) => Some(&key.key_block),
            Self::SplitKey(key) => Some(&key.key_block),
            Self::SecretData(secret) => Some(&secret.key_block),
            Self::PgpKey(key) => Some(&key.key_block),
            Self::Certificate(_)
            | Self::Template(_)
            | Self::OpaqueObject(_)
            | Self::CertificateRequest(_) => None,
        }
    }

    /// Returns the key block mutably, or `None` if the type of the object has none.
    pub fn key_block_mut(&mut self) -> Option<&mut KeyBlock> {
        match self {
            Self::SymmetricKey(key) | Self::PublicKey(key) | Self::PrivateKey(key) => {
                Some(&mut key.key_block)
            }
            Self::SplitKey(key) => Some(&mut key.key_block),
            Self::SecretData(secret) => Some(&mut secret.key_block),
            Self::PgpKey(key) => Some(&mut key.key_block),
            Self::Certificate(_)
            | Self::Template(_)
            | Self::OpaqueObject(_)
            | Self::CertificateRequest(_) => None,
        }
    }

    fn tag(&self) -> Tag {
        match self {
            Self::Certificate(_) => Tag::Certificate,
            Self::SymmetricKey(_) => Tag::SymmetricKey,
            Self::PublicKey(_) => Tag::PublicKey,
            Self::PrivateKey(_) => Tag::PrivateKey,
            Self::SplitKey(_) => Tag::SplitKey,
            Self::Template(_) => Tag::Template,
            Self::SecretData(_) => Tag::SecretData,
            Self::OpaqueObject(_) => Tag::OpaqueObject,
            Self::PgpKey(_) => Tag::PgpKey,
            Self::CertificateRequest(_) => Tag::CertificateRequest,
        }
    }

    fn decode(item: &Item<'_>) -> Result<Option<Self>, Error> {
        Ok(Some(match item.tag {
            Tag::Certificate => Self::Certificate(Value::decode(item)?),
            Tag::SymmetricKey => Self::SymmetricKey(Value::decode(item)?),
            Tag::PublicKey => Self::PublicKey(Value::decode(item)?),
            Tag::PrivateKey => Self::PrivateKey(Value::decode(item)?),
            Tag::SplitKey => Self::SplitKey(Value::decode(item)?),
            Tag::Template => Self::Template(Value::decode(item)?),
            Tag::SecretData => Self::SecretData(Value::decode(item)?),
            Tag::OpaqueObject => Self::OpaqueObject(Value::decode(item)?),
            Tag::PgpKey => Self::PgpKey(Value::decode(item)?),
            Tag::CertificateRequest => Self::CertificateRequest(Value::decode(item)?),
            _ => return Ok(None),
        }))
    }
}

/// The tag of the item determines the type of the object; the tag of the field is ignored.
impl Field for Option<Object> {
    fn read(_: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut ahead = *reader;
        let Some(item) = ahead.next()? else { return Ok(None) };
        let object = Object::decode(&item)?;
        if object.is_some() {
            *reader = ahead;
        }
        Ok(object)
    }

    fn write(&self, _: Tag, writer: &mut Writer) {
        if let Some(object) = self {
            object.write(object.tag(), writer);
        }
    }
}

impl Field for Object {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let missing = Error::Missing { tag, found: reader.peek()? };
        Option::<Self>::read(tag, reader)?.ok_or(missing)
    }

    fn write(&self, _: Tag, writer: &mut Writer) {
        let tag = self.tag();
        match self {
            Self::Certificate(object) => object.encode(tag, writer),
            Self::SymmetricKey(object) | Self::PublicKey(object) | Self::PrivateKey(object) => {
                object.encode(tag, writer);
            }
            Self::SplitKey(object) => object.encode(tag, writer),
            Self::Template(object) => object.encode(tag, writer),
            Self::SecretData(object) => object.encode(tag, writer),
            Self::OpaqueObject(object) => object.encode(tag, writer),
            Self::PgpKey(object) => object.encode(tag, writer),
            Self::CertificateRequest(object) => object.encode(tag, writer),
        }
    }
}
