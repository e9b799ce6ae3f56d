//! Register (KMIP 1.4 §4.3, 2.1 §6.1.43): stores an object that the client sends.

use crate::compatibility::{Behavior, Difference};
use crate::engine::container::{self, Unpacked};
use crate::engine::{Context, NewObject, RequestedAttributes, Requester, invalid_field, key};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{CryptographicAlgorithm, KeyFormatType, ObjectType, UniqueIdentifierValue};
use crate::kmip::structures::ProtectionStorageMasks;
use crate::kmip::{Error, Object, enums, structure};
use crate::ttlv::{Tag, V2_0};

use super::Operation;
use super::object_payloads::Response;

structure! {
    /// Request Payload.
    pub struct Request {
        ObjectType => object_type: ObjectType,
        Attributes => attributes: TemplateAttribute,
        ObjectType => object: Option<Object>,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

pub(super) struct Register;

impl Operation for Register {
    const CODE: enums::Operation = enums::Operation::Register;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let object =
            request.object.ok_or_else(|| invalid_field("The request does not contain the object."))?;
        if object.object_type() != request.object_type {
            return Err(invalid_field(format!(
                "The type of the object is {}, but the Object Type of the request is {}.",
                object.object_type(),
                request.object_type
            )));
        }
        if object.object_type() == ObjectType::Template && cx.version >= V2_0 {
            return Err(invalid_field("KMIP 2.0 and later versions do not support templates."));
        }
        let given = RequestedAttributes::of(cx, request.attributes)?;
        check_as_pykmip(&given, request.object_type, cx.compatibility)?;
        let requester = Requester::of(cx);
        let id = match container::unpack(cx, &object, &given)? {
            Some(unpacked) => {
                let drafts = parts(cx, unpacked, given)?.into_iter();
                let new = drafts.map(|draft| draft.finish(&requester)).collect::<Result<_, _>>()?;
                let ids = cx.insert_linked(new, container::link_chain)?;
                *ids.first().ok_or_else(|| invalid_field("The server stored no object."))?
            }
            None => {
                let new = whole(cx, object, given)?.finish(&requester)?;
                cx.insert(new)?
            }
        };
        cx.set_placeholders(UniqueIdentifierValue::Register, id);
        Ok(Response { unique_identifier: id.into() })
    }
}

/// Checks that PyKMIP's objects of this type can have the requested attributes.
///
/// # Errors
/// Returns Invalid Field.
pub(super) fn check_as_pykmip(
    given: &RequestedAttributes,
    object_type: ObjectType,
    behavior: Behavior,
) -> Result<(), Error> {
    let (difference, without): (_, &[Tag]) = match object_type {
        ObjectType::OpaqueObject => (
            Difference::AttributesOfOpaqueObject,
            &[Tag::CryptographicUsageMask, Tag::ActivationDate, Tag::DeactivationDate],
        ),
        ObjectType::SecretData => {
            (Difference::AlgorithmOfSecretData, &[Tag::CryptographicAlgorithm, Tag::CryptographicLength])
        }
        _ => return Ok(()),
    };
    if behavior.has(difference)
        && let Some(tag) = without.iter().find(|tag| given.has_any(&[**tag]))
    {
        return Err(invalid_field(format!("Objects of the type {object_type} have no {tag} attribute.")));
    }
    Ok(())
}

/// Returns an object with the attributes of the request and the requester's defaults.
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

/// Returns the key of a container with the attributes of the request, and its certificates with the same policy and
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

/// Checks the Cryptographic Length of a plaintext symmetric key, or sets it if it is missing.
pub(super) fn check_length(object: &mut Object) -> Result<(), Error> {
    let Object::SymmetricKey(key) = object else { return Ok(()) };
    let block = &mut key.key_block;
    if block.key_wrapping_data.is_some() || block.key_format_type != KeyFormatType::Raw {
        return Ok(());
    }
    let Some(bits) = block.bytes().and_then(|bytes| i32::try_from(bytes.len() * 8).ok()) else {
        return Ok(());
    };
    // One bit of each byte of a DES key is parity, which some clients do not count.
    let parity = matches!(
        block.cryptographic_algorithm,
        Some(CryptographicAlgorithm::Des | CryptographicAlgorithm::TripleDes)
    );
    match block.cryptographic_length {
        Some(length) if length == bits || (parity && length == bits / 8 * 7) => Ok(()),
        Some(length) => {
            Err(invalid_field(format!("The key has {bits} bits, but its Cryptographic Length is {length}.")))
        }
        None => {
            block.cryptographic_length = Some(bits);
            Ok(())
        }
    }
}
