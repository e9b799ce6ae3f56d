//! The requests that are measured, written with the server's own types, and the look at their answers.

use std::fmt;

use kmip_server::kmip::attributes::{Attribute, AttributeDefinition, TemplateAttribute};
use kmip_server::kmip::enums::*;
use kmip_server::kmip::structures::{CryptographicParameters, Name, RevocationReason, UniqueIdentifier};
use kmip_server::kmip::{RequestHeader, enums};
use kmip_server::ttlv::{Error, Field, Item, Reader, Tag, V1_2, Value, Writer};

/// The version of all requests: the oldest that has Encrypt and Sign, so that PyKMIP's server knows it.
const VERSION: kmip_server::ttlv::Version = V1_2;

/// A request message of one item.
fn message(operation: enums::Operation, payload: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new(VERSION);
    writer.structure(Tag::RequestMessage, |writer| {
        RequestHeader::new(VERSION, 1).encode(Tag::RequestHeader, writer);
        writer.structure(Tag::BatchItem, |writer| {
            operation.encode(Tag::Operation, writer);
            writer.structure(Tag::RequestPayload, payload);
        });
    });
    writer.into_bytes()
}

/// Query, for operations and objects.
pub(crate) fn query() -> Vec<u8> {
    message(enums::Operation::Query, |writer| {
        QueryFunction::QueryOperations.encode(Tag::QueryFunction, writer);
        QueryFunction::QueryObjects.encode(Tag::QueryFunction, writer);
    })
}

/// An operation whose payload is an identifier and no more: Get, Get Attributes (of all attributes), Activate
/// and Destroy.
pub(crate) fn on(operation: enums::Operation, id: &str) -> Vec<u8> {
    message(operation, |writer| id.to_owned().encode(Tag::UniqueIdentifier, writer))
}

/// Revoke, as no longer needed.
pub(crate) fn revoke(id: &str) -> Vec<u8> {
    let reason = RevocationReason {
        revocation_reason_code: RevocationReasonCode::CessationOfOperation,
        revocation_message: None,
    };
    message(enums::Operation::Revoke, |writer| {
        id.to_owned().encode(Tag::UniqueIdentifier, writer);
        reason.encode(Tag::RevocationReason, writer);
    })
}

/// Create, of an AES key of 256 bits of that name.
pub(crate) fn create(name: &str) -> Vec<u8> {
    let mask = CryptographicUsageMask::ENCRYPT | CryptographicUsageMask::DECRYPT;
    let attributes = vec![
        attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Aes),
        attribute(Tag::CryptographicLength, &256),
        attribute(Tag::CryptographicUsageMask, &mask),
        attribute(Tag::Name, &named(name)),
    ];
    let template = TemplateAttribute { templates: Vec::new(), attributes };
    message(enums::Operation::Create, |writer| {
        ObjectType::SymmetricKey.encode(Tag::ObjectType, writer);
        template.write(Tag::Attributes, writer);
    })
}

/// Create Key Pair, of RSA with 2048 bits.
pub(crate) fn create_key_pair(name: &str) -> Vec<u8> {
    let template = |attributes| TemplateAttribute { templates: Vec::new(), attributes };
    let common = template(vec![
        attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa),
        attribute(Tag::CryptographicLength, &2048),
    ]);
    let one = |mask: CryptographicUsageMask, name: String| {
        template(vec![attribute(Tag::CryptographicUsageMask, &mask), attribute(Tag::Name, &named(&name))])
    };
    let private = one(CryptographicUsageMask::SIGN, format!("{name} private"));
    let public = one(CryptographicUsageMask::VERIFY, format!("{name} public"));
    message(enums::Operation::CreateKeyPair, |writer| {
        common.write(Tag::CommonAttributes, writer);
        private.write(Tag::PrivateKeyAttributes, writer);
        public.write(Tag::PublicKeyAttributes, writer);
    })
}

/// Locate, by name.
pub(crate) fn locate(name: &str) -> Vec<u8> {
    let name = attribute(Tag::Name, &named(name));
    message(enums::Operation::Locate, |writer| name.write(Tag::NewAttribute, writer))
}

/// Encrypt, by AES in CBC mode with PKCS #5 padding.
pub(crate) fn encrypt(id: &str, size: usize) -> Vec<u8> {
    let parameters = CryptographicParameters {
        block_cipher_mode: Some(BlockCipherMode::Cbc),
        padding_method: Some(PaddingMethod::Pkcs5),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        ..CryptographicParameters::default()
    };
    message(enums::Operation::Encrypt, |writer| {
        id.to_owned().encode(Tag::UniqueIdentifier, writer);
        parameters.encode(Tag::CryptographicParameters, writer);
        vec![0x5A; size].encode(Tag::Data, writer);
        vec![0x17_u8; 16].encode(Tag::IvCounterNonce, writer);
    })
}

/// Encrypt, by AES in GCM with an IV of 96 bits and a tag of 16 bytes.
pub(crate) fn encrypt_gcm(id: &str, size: usize) -> Vec<u8> {
    let parameters = CryptographicParameters {
        block_cipher_mode: Some(BlockCipherMode::Gcm),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        tag_length: Some(16),
        ..CryptographicParameters::default()
    };
    message(enums::Operation::Encrypt, |writer| {
        id.to_owned().encode(Tag::UniqueIdentifier, writer);
        parameters.encode(Tag::CryptographicParameters, writer);
        vec![0x5A; size].encode(Tag::Data, writer);
        vec![0x17_u8; 12].encode(Tag::IvCounterNonce, writer);
    })
}

/// Sign, by PKCS #1 v1.5 with SHA-256.
pub(crate) fn sign(id: &str, size: usize) -> Vec<u8> {
    let parameters = CryptographicParameters {
        padding_method: Some(PaddingMethod::Pkcs1V1_5),
        digital_signature_algorithm: Some(DigitalSignatureAlgorithm::Sha256WithRsaEncryption),
        ..CryptographicParameters::default()
    };
    message(enums::Operation::Sign, |writer| {
        id.to_owned().encode(Tag::UniqueIdentifier, writer);
        parameters.encode(Tag::CryptographicParameters, writer);
        vec![0x5A; size].encode(Tag::Data, writer);
    })
}

fn named(name: &str) -> Name {
    Name { name_value: name.to_owned(), name_type: NameType::UninterpretedTextString }
}

fn attribute<T: Value>(tag: Tag, value: &T) -> Attribute {
    Attribute::of(AttributeDefinition::of(tag).expect("the tags of this file are those of attributes"), value)
}

/// Why an answer is no success.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The server does not have the operation.
    Unsupported,
    /// What the server says.
    Failed(String),
    /// It is no answer.
    Unreadable(Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("the server does not have the operation"),
            Self::Failed(message) => write!(f, "the server refuses: {message}"),
            Self::Unreadable(error) => write!(f, "the answer cannot be read: {error}"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Unreadable(error)
    }
}

/// The payload of an answer, which has to be a success.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn payload(answer: &[u8]) -> Result<Option<Item<'_>>, Refusal> {
    let mut message = Reader::new(answer, VERSION).require(Tag::ResponseMessage)?.structure()?;
    message.require(Tag::ResponseHeader)?;
    let mut item = message.require(Tag::BatchItem)?.structure()?;
    item.take(Tag::Operation)?;
    item.take(Tag::UniqueBatchItemId)?;
    if ResultStatus::decode(&item.require(Tag::ResultStatus)?)? == ResultStatus::Success {
        return Ok(item.take(Tag::ResponsePayload)?);
    }
    let reason: Option<ResultReason> = Field::read(Tag::ResultReason, &mut item)?;
    let message: Option<String> = Field::read(Tag::ResultMessage, &mut item)?;
    // PyKMIP's server has the reason for both.
    if reason == Some(ResultReason::OperationNotSupported) {
        return Err(Refusal::Unsupported);
    }
    Err(Refusal::Failed(message.unwrap_or_default()))
}

/// The identifier behind `tag` in the payload of an answer: the new object, or the one that was found.
///
/// # Errors
/// [`Refusal`], also where there is none.
pub(crate) fn identifier(answer: &[u8], tag: Tag) -> Result<String, Refusal> {
    let Some(payload) = payload(answer)? else { return Err(Error::Missing { tag, found: None }.into()) };
    let mut rows = payload.structure()?;
    while let Some(row) = rows.next()? {
        if row.tag == tag
            && let UniqueIdentifier::Text(text) = UniqueIdentifier::decode(&row)?
        {
            return Ok(text);
        }
    }
    Err(Error::Missing { tag, found: None }.into())
}

/// An answer of `length` bytes in all that says that everything went well: what the ceiling is measured with.
pub(crate) fn canned(length: usize) -> Vec<u8> {
    let answer = |data: usize| {
        let mut writer = Writer::new(VERSION);
        writer.structure(Tag::ResponseMessage, |writer| {
            writer.structure(Tag::ResponseHeader, |_| ());
            writer.structure(Tag::BatchItem, |writer| {
                ResultStatus::Success.encode(Tag::ResultStatus, writer);
                writer.structure(Tag::ResponsePayload, |writer| vec![0; data].encode(Tag::Data, writer));
            });
        });
        writer.into_bytes()
    };
    answer(length.saturating_sub(answer(0).len()))
}
