//! Managed objects: what the server keeps for its clients (KMIP 1.4 §2.2, 2.1 §2).

use crate::kmip::attributes::AttributeList;
use crate::kmip::enums::*;
use crate::kmip::key_block::KeyBlock;
use crate::kmip::macros::structure;
use crate::secret::Secret;
use crate::ttlv::{BigInteger, Error, Field, Item, Reader, Tag, Value, Writer};

structure! {
    /// Certificate.
    pub struct Certificate {
        CertificateType => certificate_type: CertificateType,
        CertificateValue => certificate_value: Vec<u8>,
    }
}

structure! {
    /// Certificate Request (2.0).
    pub struct CertificateRequest {
        CertificateRequestType => certificate_request_type: CertificateRequestType,
        CertificateRequestValue => certificate_request_value: Vec<u8>,
    }
}

structure! {
    /// Symmetric Key, Public Key or Private Key: a key block.
    pub struct Key {
        KeyBlock => key_block: KeyBlock,
    }
}

structure! {
    /// Split Key: one part of a key that was split among several.
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
    /// Template (1.x): attributes to make objects by.
    pub struct Template {
        Attributes => attributes: AttributeList,
    }
}

structure! {
    /// Secret Data: a shared secret that is no key.
    pub struct SecretData {
        SecretDataType => secret_data_type: SecretDataType,
        KeyBlock => key_block: KeyBlock,
    }
}

structure! {
    /// Opaque Object: bytes that the server cannot interpret.
    pub struct OpaqueObject {
        OpaqueDataType => opaque_data_type: OpaqueDataType,
        OpaqueDataValue => opaque_data_value: Secret,
    }
}

structure! {
    /// PGP Key (1.2).
    pub struct PgpKey {
        PgpKeyVersion => pgp_key_version: i32,
        KeyBlock => key_block: KeyBlock,
    }
}

/// A managed object.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the standard's names; each holds the object of that name")]
pub enum Object {
    Certificate(Certificate),
    SymmetricKey(Key),
    PublicKey(Key),
    PrivateKey(Key),
    SplitKey(SplitKey),
    Template(Template),
    SecretData(SecretData),
    OpaqueObject(OpaqueObject),
    PgpKey(PgpKey),
    CertificateRequest(CertificateRequest),
}

impl Object {
    /// What the object is.
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

    /// The key block, of objects that have one.
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

    /// The same, to change it.
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

/// The object's own tag says what it is: the tag that the row is declared under is not looked at.
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
