//! Create (KMIP 1.4 §4.1, 2.1 §6.1.8): the server generates a symmetric key, or secret data.

use crate::crypto::{derive, random, symmetric_key};
use crate::engine::{Context, NewObject, RequestedAttributes, Requester, invalid_field, key};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, ObjectType, SecretDataType, UniqueIdentifierValue,
};
use crate::kmip::structures::{ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{Error, Object, enums, structure};
use crate::ttlv::{Tag, V1_3, V1_4, V2_0, Version};

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
        let given = RequestedAttributes::of(cx, &request.attributes)?;
        let given = cx.complete(given, request.object_type, None)?;
        let object = match request.object_type {
            ObjectType::SymmetricKey => symmetric_key(&given, cx.version)?,
            ObjectType::SecretData if cx.version >= V1_3 => secret_data(&given, cx.version)?,
            other => {
                return Err(invalid_field(format!("Create makes no object of the type {other}.")));
            }
        };
        let draft = NewObject::generated(object, cx.now).with_requested(&given)?;
        let new = draft.finish(&Requester::of(cx))?;
        let id = cx.insert(new)?;
        cx.leave(UniqueIdentifierValue::Create, id);
        Ok(Response { object_type: request.object_type, unique_identifier: id.into() })
    }
}

/// A new symmetric key as the attributes describe it.
///
/// # Errors
/// Invalid Field where algorithm, length or usage mask are missing, or make no key.
pub(super) fn symmetric_key(given: &RequestedAttributes, version: Version) -> Result<Object, Error> {
    let algorithm: CryptographicAlgorithm = given
        .read(Tag::CryptographicAlgorithm)
        .ok_or_else(|| invalid_field("The Cryptographic Algorithm attribute has to be given."))?;
    let length = length(given)?;
    // The standard wants a mask, and so does PyKMIP; a test case of 1.4 gives none. Such a key can be given
    // out, and used for nothing.
    if version < V1_4 && given.read::<CryptographicUsageMask>(Tag::CryptographicUsageMask).is_none() {
        return Err(invalid_field("The Cryptographic Usage Mask attribute has to be given."));
    }
    // A negative length is no length of any algorithm.
    let key = symmetric_key::generate(algorithm, u32::try_from(length).unwrap_or(0))?;
    key::symmetric_key(key, algorithm, length, given.read(Tag::KeyFormatType), version)
}

/// The longest secret data that is made, in bytes: as long as what a key is derived to.
const MAX_SECRET: usize = derive::MAX_LENGTH;

/// Random bytes, as a password nobody has to remember: the standard's test cases have that type for it.
fn secret_data(given: &RequestedAttributes, version: Version) -> Result<Object, Error> {
    let bits = usize::try_from(length(given)?).unwrap_or_default();
    let bytes = bits / 8;
    if !bits.is_multiple_of(8) || !(1..=MAX_SECRET).contains(&bytes) {
        return Err(invalid_field(format!(
            "The Cryptographic Length of secret data is a whole number of bytes, 1 to {MAX_SECRET}."
        )));
    }
    let format = given.read(Tag::KeyFormatType);
    key::secret_data(random::secret(bytes)?, SecretDataType::Password, format, version)
}

fn length(given: &RequestedAttributes) -> Result<i32, Error> {
    given
        .read(Tag::CryptographicLength)
        .ok_or_else(|| invalid_field("The Cryptographic Length attribute has to be given."))
}
