//! Create (KMIP 1.4 §4.1, 2.1 §6.1.8): generates a symmetric key or secret data.

use crate::compatibility::{Behavior, Difference};
use crate::crypto::{derive, random, symmetric_key};
use crate::engine::{Context, NewObject, RequestedAttributes, Requester, invalid_field, key};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, ObjectType, SecretDataType, UniqueIdentifierValue,
};
use crate::kmip::structures::{ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{Error, Object, enums, structure};
use crate::ttlv::{Tag, V1_3, V1_4, V2_0, Value, Version};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        ObjectType => object_type: ObjectType,
        Attributes => attributes: TemplateAttribute,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        ObjectType => object_type: ObjectType,
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
    }
}

pub(super) struct Create;

impl Operation for Create {
    const CODE: enums::Operation = enums::Operation::Create;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let given = RequestedAttributes::of(cx, request.attributes)?;
        let given = cx.complete(given, request.object_type, None)?;
        let object = match request.object_type {
            ObjectType::SymmetricKey => {
                check_as_pykmip(&given, cx.compatibility)?;
                symmetric_key(&given, cx.version)?
            }
            ObjectType::SecretData if cx.version >= V1_3 => secret_data(&given, cx.version)?,
            other => {
                return Err(invalid_field(format!("Create does not support the object type {other}.")));
            }
        };
        let draft = NewObject::generated(object, cx.now).with_requested(&given)?;
        let new = draft.finish(&Requester::of(cx))?;
        let id = cx.insert(new)?;
        cx.set_placeholders(UniqueIdentifierValue::Create, id);
        Ok(Response { object_type: request.object_type, unique_identifier: id.into() })
    }
}

/// Checks what PyKMIP requires of the attributes of a new symmetric key beyond the standard.
///
/// # Errors
/// Returns Invalid Field if the usage mask is missing, or if the length of a 3DES key omits the parity bits.
fn check_as_pykmip(given: &RequestedAttributes, behavior: Behavior) -> Result<(), Error> {
    if behavior.has(Difference::MissingUsageMask) {
        required::<CryptographicUsageMask>(given, Tag::CryptographicUsageMask)?;
    }
    let is_triple_des = given.read(Tag::CryptographicAlgorithm) == Some(CryptographicAlgorithm::TripleDes);
    match given.read(Tag::CryptographicLength) {
        Some(bits @ (112 | 168)) if is_triple_des && behavior.has(Difference::EffectiveTripleDesLength) => {
            Err(invalid_field(format!("The algorithm 3DES has no keys of {bits} bits.")))
        }
        _ => Ok(()),
    }
}

/// Generates a symmetric key with these attributes.
///
/// # Errors
/// Returns Invalid Field if the algorithm, the length or the usage mask is missing or unsupported.
pub(super) fn symmetric_key(given: &RequestedAttributes, version: Version) -> Result<Object, Error> {
    let algorithm: CryptographicAlgorithm = required(given, Tag::CryptographicAlgorithm)?;
    let length: i32 = required(given, Tag::CryptographicLength)?;
    // The standard requires a mask, but a test case of 1.4 omits it. Clients can get such a key, but the server does
    // not use it.
    if version < V1_4 {
        required::<CryptographicUsageMask>(given, Tag::CryptographicUsageMask)?;
    }
    // No key has the length 0, so a negative length is rejected as well.
    let key = symmetric_key::generate(algorithm, u32::try_from(length).unwrap_or(0))?;
    key::symmetric_key(key, algorithm, length, given.read(Tag::KeyFormatType), version)
}

/// The maximum length of generated secret data in bytes, equal to that of derived keys.
const MAX_SECRET: usize = derive::MAX_LENGTH;

/// Generates secret data of the type Password, as the standard's test cases expect.
fn secret_data(given: &RequestedAttributes, version: Version) -> Result<Object, Error> {
    let bits = usize::try_from(required::<i32>(given, Tag::CryptographicLength)?).unwrap_or_default();
    let bytes = bits / 8;
    if !bits.is_multiple_of(8) || !(1..=MAX_SECRET).contains(&bytes) {
        return Err(invalid_field(format!(
            "The Cryptographic Length of secret data must be a whole number of bytes from 1 to {MAX_SECRET}."
        )));
    }
    let format = given.read(Tag::KeyFormatType);
    key::secret_data(random::secret(bytes)?, SecretDataType::Password, format, version)
}

/// Returns the value of an attribute that the request must contain.
fn required<T: Value>(given: &RequestedAttributes, tag: Tag) -> Result<T, Error> {
    given.read(tag).ok_or_else(|| invalid_field(format!("The request does not contain the {tag} attribute.")))
}
