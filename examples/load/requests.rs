//! The measured requests, encoded with the protocol types of this crate, and the checks of their responses.

use std::fmt;

use kmip_server::kmip::attributes::{Attribute, AttributeDefinition, TemplateAttribute};
use kmip_server::kmip::enums::*;
use kmip_server::kmip::structures::{CryptographicParameters, Name, RevocationReason, UniqueIdentifier};
use kmip_server::kmip::{RequestHeader, enums};
use kmip_server::ttlv::{Error, Field, Item, Reader, Tag, V1_2, Value, Writer};

/// The protocol version of all requests: the oldest with Encrypt and Sign, which PyKMIP's server supports, too.
pub(super) const VERSION: kmip_server::ttlv::Version = V1_2;

/// Returns a request message with one batch item.
pub(super) fn message(operation: enums::Operation, payload: impl Fn(&mut Writer)) -> Vec<u8> {
    messages(RequestHeader::new(VERSION, 1), operation, payload)
}

/// Returns a request message with as many equal batch items as the header states.
pub(super) fn messages(
    header: RequestHeader,
    operation: enums::Operation,
    payload: impl Fn(&mut Writer),
) -> Vec<u8> {
    let mut writer = Writer::new(VERSION);
    writer.structure(Tag::RequestMessage, |writer| {
        header.encode(Tag::RequestHeader, writer);
        for number in 0..header.batch_count {
            writer.structure(Tag::BatchItem, |writer| {
                operation.encode(Tag::Operation, writer);
                if header.batch_count > 1 {
                    number.to_be_bytes().to_vec().encode(Tag::UniqueBatchItemId, writer);
                }
                writer.structure(Tag::RequestPayload, &payload);
            });
        }
    });
    writer.into_bytes()
}

/// Returns a Query for operations and objects.
pub(crate) fn query() -> Vec<u8> {
    message(enums::Operation::Query, |writer| {
        QueryFunction::QueryOperations.encode(Tag::QueryFunction, writer);
        QueryFunction::QueryObjects.encode(Tag::QueryFunction, writer);
    })
}

/// Returns a request whose payload contains only a Unique Identifier: Get, Get Attributes (of all attributes),
/// Activate or Destroy.
pub(crate) fn on(operation: enums::Operation, id: &str) -> Vec<u8> {
    message(operation, |writer| id.to_owned().encode(Tag::UniqueIdentifier, writer))
}

/// Returns a Revoke with the reason Cessation of Operation.
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

/// Returns a Create of an AES key of 256 bits with this name.
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

/// Returns a Create Key Pair of RSA with 2048 bits.
pub(crate) fn create_key_pair(name: &str) -> Vec<u8> {
    message(enums::Operation::CreateKeyPair, |writer| key_pair(name, 2048, writer))
}

/// Writes the payload of a Create Key Pair of RSA.
pub(super) fn key_pair(name: &str, bits: i32, writer: &mut Writer) {
    let template = |attributes| TemplateAttribute { templates: Vec::new(), attributes };
    let common = template(vec![
        attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa),
        attribute(Tag::CryptographicLength, &bits),
    ]);
    let one = |mask: CryptographicUsageMask, name: String| {
        template(vec![attribute(Tag::CryptographicUsageMask, &mask), attribute(Tag::Name, &named(&name))])
    };
    let private = one(CryptographicUsageMask::SIGN, format!("{name} private"));
    let public = one(CryptographicUsageMask::VERIFY, format!("{name} public"));
    common.write(Tag::CommonAttributes, writer);
    private.write(Tag::PrivateKeyAttributes, writer);
    public.write(Tag::PublicKeyAttributes, writer);
}

/// Returns a Locate by name.
pub(crate) fn locate(name: &str) -> Vec<u8> {
    let name = attribute(Tag::Name, &named(name));
    message(enums::Operation::Locate, |writer| name.write(Tag::NewAttribute, writer))
}

/// Returns an Encrypt with AES in CBC mode and PKCS #5 padding.
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

/// Returns an Encrypt with AES in GCM mode, an IV of 96 bits and a tag of 16 bytes.
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

/// Returns a Sign with PKCS #1 v1.5 and SHA-256.
pub(crate) fn sign(id: &str, size: usize) -> Vec<u8> {
    message(enums::Operation::Sign, |writer| signature(id, size, writer))
}

/// Writes the payload of a Sign.
pub(super) fn signature(id: &str, size: usize, writer: &mut Writer) {
    let parameters = CryptographicParameters {
        padding_method: Some(PaddingMethod::Pkcs1V1_5),
        digital_signature_algorithm: Some(DigitalSignatureAlgorithm::Sha256WithRsaEncryption),
        ..CryptographicParameters::default()
    };
    id.to_owned().encode(Tag::UniqueIdentifier, writer);
    parameters.encode(Tag::CryptographicParameters, writer);
    vec![0x5A; size].encode(Tag::Data, writer);
}

fn named(name: &str) -> Name {
    Name { name_value: name.to_owned(), name_type: NameType::UninterpretedTextString }
}

pub(super) fn attribute<T: Value>(tag: Tag, value: &T) -> Attribute {
    Attribute::of(AttributeDefinition::of(tag).expect("the tags of this file are those of attributes"), value)
}

/// The reason for which a response is not a success.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The server does not support the operation.
    Unsupported,
    /// The result message of the server.
    Failed(String),
    /// The message is not a valid response.
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

/// Returns the payload of a successful response.
///
/// # Errors
/// Returns [`Refusal`] for any other response.
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
    // PyKMIP's server uses this reason for both cases.
    if reason == Some(ResultReason::OperationNotSupported) {
        return Err(Refusal::Unsupported);
    }
    Err(Refusal::Failed(message.unwrap_or_default()))
}

/// Returns the first identifier with this tag in the payload of a response: that of a new or a located object.
///
/// # Errors
/// Returns [`Refusal`] if the response is not a success or contains no such identifier.
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

/// Returns a successful response with a total length of `length` bytes, for the ceiling.
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
