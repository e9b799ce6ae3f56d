//! Get (KMIP 1.4 §4.11, 2.1 §6.1.19): the object itself.

use crate::engine::export::Wish;
use crate::engine::{Context, destroyed, lifecycle};
use crate::kmip::enums::{KeyCompressionType, KeyFormatType, KeyWrapType, ObjectType};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, KeyWrappingSpecification, Object, enums, structure};
use crate::ttlv::V1_4;

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        KeyFormatType => key_format_type: Option<KeyFormatType>,
        KeyWrapType[V1_4..] => key_wrap_type: Option<KeyWrapType>,
        KeyCompressionType => key_compression_type: Option<KeyCompressionType>,
        KeyWrappingSpecification => key_wrapping_specification: Option<KeyWrappingSpecification>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        ObjectType => object_type: ObjectType,
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        ObjectType => object: Object,
    }
}

pub(super) struct Get;

impl Operation for Get {
    const CODE: enums::Operation = enums::Operation::Get;
    type Request = Request;
    type Response = Response;

    fn run(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let granted = cx.open(request.unique_identifier.as_ref(), Self::CODE)?;
        if lifecycle::is_destroyed(&granted) {
            return Err(destroyed(&granted.id.to_string()));
        }
        let wish = Wish {
            format: request.key_format_type,
            wrap_type: request.key_wrap_type,
            compression: request.key_compression_type,
            wrapping: request.key_wrapping_specification,
        };
        let (object_type, id) = (granted.object_type, granted.id);
        let object = wish.fulfil(cx, (*granted).clone())?;
        cx.serve(&granted, Self::CODE)?;
        Ok(Response { object_type, unique_identifier: id.into(), object })
    }
}
