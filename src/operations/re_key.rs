//! Re-key (KMIP 1.4 §4.4, 2.1 §6.1.46): generates a replacement for a symmetric key.

use crate::engine::replacement::{self, ReplacementRequest};
use crate::engine::{Context, RequestedAttributes, Requester, invalid_field};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{ObjectType, UniqueIdentifierValue};
use crate::kmip::structures::{ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::ttlv::{Interval, V2_0};

use super::Operation;
use super::create::symmetric_key;
use super::object_payloads::Response;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        Offset => offset: Option<Interval>,
        Attributes => attributes: Option<TemplateAttribute>,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

pub(super) struct ReKey;

impl Operation for ReKey {
    const CODE: enums::Operation = enums::Operation::ReKey;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let given = RequestedAttributes::of_optional(cx, request.attributes)?;
        let wanted = ReplacementRequest { offset: request.offset, requested: given }.checked()?;
        let old = cx.open(request.unique_identifier.as_ref(), Self::CODE)?;
        replacement::check_replaceable(&old, ObjectType::SymmetricKey)?;
        let object = symmetric_key(&wanted.attributes(&old), cx.version)?;

        let requester = Requester::of(cx);
        let ids = cx.insert_replacements(&[(old.id, Self::CODE)], |pairs| {
            let successor = |(mut old, id)| {
                replacement::check_replaceable(&old, ObjectType::SymmetricKey)?;
                let new = replacement::replace(&mut old, id, object.clone(), &wanted, &requester)?;
                Ok((old, new.finish(&requester)?.with_id(id)))
            };
            pairs.into_iter().map(successor).collect()
        })?;
        let [id] = ids.try_into().map_err(|_| invalid_field("The server stored no new key."))?;
        cx.set_placeholders(UniqueIdentifierValue::ReKey, id);
        Ok(Response { unique_identifier: id.into() })
    }
}
