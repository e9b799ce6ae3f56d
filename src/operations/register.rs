//! Register (KMIP 1.4 §4.3, 2.1 §6.1.43): the server keeps an object that the client brings.

use crate::engine::container::{self, Unpacked};
use crate::engine::{Context, NewObject, RequestedAttributes, Requester, invalid_field, key};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{CryptographicAlgorithm, KeyFormatType, ObjectType, UniqueIdentifierValue};
use crate::kmip::structures::{ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{Error, Object, enums, structure};
use crate::ttlv::{Tag, V2_0};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        ObjectType => object_type: ObjectType,
        Attributes => attributes: TemplateAttribute,
        ObjectType => object: Option<Object>,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
    }
}

pub(super) struct Register;

impl Operation for Register {
    const CODE: enums::Operation = enums::Operation::Register;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let object = request.object.ok_or_else(|| invalid_field("The object itself has to be given."))?;
        if object.object_type() != request.object_type {
            return Err(invalid_field(format!(
                "The object is of the type {}, not {} as the request says.",
                object.object_type(),
                request.object_type
            )));
        }
        if object.object_type() == ObjectType::Template && cx.version >= V2_0 {
            return Err(invalid_field("KMIP 2.0 has no templates."));
        }
        let given = RequestedAttributes::of(cx, &request.attributes)?;
        let drafts = match container::unpack(cx, &object, &given)? {
            Some(unpacked) => parts(cx, unpacked, given)?,
            None => vec![whole(cx, object, given)?],
        };
        let asker = Requester::of(cx);
        let new = drafts.into_iter().map(|draft| draft.finish(&asker)).collect::<Result<_, _>>()?;
        let ids = cx.insert_linked(new, container::chain_up)?;
        let id = *ids.first().ok_or_else(|| invalid_field("Nothing was registered."))?;
        cx.leave(UniqueIdentifierValue::Register, id);
        Ok(Response { unique_identifier: id.into() })
    }
}

/// An object with what is given for it, and with the asker's defaults.
fn whole(cx: &mut Context<'_>, mut object: Object, given: RequestedAttributes) -> Result<NewObject, Error> {
    key::complete_key_block(&mut object);
    check_length(&mut object)?;
    let object_type = object.object_type();
    let draft = NewObject::new(object);
    let given = cx.complete(given, object_type, Some(&draft.attributes))?;
    let mut draft = draft.with_requested(&given)?;
    draft.name_template();
    Ok(draft)
}

/// The key of a container, with what is given for it, and its certificates, under the same policy and in the same
/// groups.
fn parts(
    cx: &mut Context<'_>,
    unpacked: Unpacked,
    given: RequestedAttributes,
) -> Result<Vec<NewObject>, Error> {
    let called = |given: RequestedAttributes, name: Option<String>| match name {
        Some(name) if !given.has_any(&[Tag::Pkcs12FriendlyName]) => {
            given.with(Tag::Pkcs12FriendlyName, &name)
        }
        _ => given,
    };
    let shared = given.only(&[Tag::OperationPolicyName, Tag::ObjectGroup]);
    let mut drafts = vec![whole(cx, unpacked.key, called(given, unpacked.friendly_name))?];
    for (certificate, name) in unpacked.certificates {
        drafts.push(whole(cx, certificate, called(shared.clone(), name))?);
    }
    Ok(drafts)
}

/// A symmetric key in the clear has the length it says it has; one that says none gets the length it has.
pub(super) fn check_length(object: &mut Object) -> Result<(), Error> {
    let Object::SymmetricKey(key) = object else { return Ok(()) };
    let block = &mut key.key_block;
    if block.key_wrapping_data.is_some() || block.key_format_type != KeyFormatType::Raw {
        return Ok(());
    }
    let Some(bits) = block.bytes().and_then(|bytes| i32::try_from(bytes.len() * 8).ok()) else {
        return Ok(());
    };
    // Of each byte of a DES key, one bit is parity, and some count it out.
    let parity = matches!(
        block.cryptographic_algorithm,
        Some(CryptographicAlgorithm::Des | CryptographicAlgorithm::TripleDes)
    );
    match block.cryptographic_length {
        Some(length) if length == bits || (parity && length == bits / 8 * 7) => Ok(()),
        Some(length) => Err(invalid_field(format!(
            "The key has {bits} bits, not {length} as its Cryptographic Length says."
        ))),
        None => {
            block.cryptographic_length = Some(bits);
            Ok(())
        }
    }
}
