//! Import (KMIP 1.4 §4.41, 2.1 §6.1.25): stores an object with the attributes of another server.
//!
//! Import keeps the identifier if it is an unused decimal number; otherwise the server assigns one.

use crate::engine::{Context, Requester, import, invalid_field, key, wrapping};
use crate::kmip::attributes::AttributeList;
use crate::kmip::enums::{KeyWrapType, ObjectType, UniqueIdentifierValue};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, Object, enums, structure};
use crate::ttlv::V2_0;

use super::Operation;
use super::object_payloads::Response;
use super::register::check_length;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        ObjectType[V2_0..] => object_type: Option<ObjectType>,
        ReplaceExisting => replace_existing: Option<bool>,
        KeyWrapType => key_wrap_type: Option<KeyWrapType>,
        Attributes => attributes: AttributeList,
        ObjectType => object: Option<Object>,
    }
}

pub(super) struct Import;

impl Operation for Import {
    const CODE: enums::Operation = enums::Operation::Import;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let mut object =
            request.object.ok_or_else(|| invalid_field("The request does not contain the object."))?;
        let object_type = object.object_type();
        if request.object_type.is_some_and(|requested| requested != object_type) {
            return Err(invalid_field(format!(
                "The type of the object is {object_type}, but the Object Type of the request differs."
            )));
        }
        if object_type == ObjectType::Template && cx.version >= V2_0 {
            return Err(invalid_field("KMIP 2.0 and later versions do not support templates."));
        }
        if request.key_wrap_type == Some(KeyWrapType::NotWrapped) {
            object = wrapping::unwrap(cx, object)?;
        }
        key::complete_key_block(&mut object);
        check_length(&mut object)?;
        let (requester, version) = (Requester::of(cx), cx.version);
        let replace = request.replace_existing == Some(true);
        let id = cx.import(&request.unique_identifier, replace, |id, old| {
            import::record(object.clone(), &request.attributes.0, (id, old), &requester, version)
        })?;
        cx.set_placeholders(UniqueIdentifierValue::Import, id);
        Ok(Response { unique_identifier: id.into() })
    }
}
