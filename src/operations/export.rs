//! Export (KMIP 1.4 §4.40, 2.1 §6.1.18): returns an object with all its attributes.
//!
//! Export combines Get and Get Attributes, so the policy must permit both.

use crate::engine::export::GetOptions;
use crate::engine::{Context, lifecycle, reported_values};
use crate::kmip::attributes::AttributeList;
use crate::kmip::enums::{KeyCompressionType, KeyFormatType, KeyWrapType, ObjectType};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, KeyWrappingSpecification, Object, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        KeyFormatType => key_format_type: Option<KeyFormatType>,
        KeyWrapType => key_wrap_type: Option<KeyWrapType>,
        KeyCompressionType => key_compression_type: Option<KeyCompressionType>,
        KeyWrappingSpecification => key_wrapping_specification: Option<KeyWrappingSpecification>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        ObjectType => object_type: ObjectType,
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Attributes => attributes: AttributeList,
        ObjectType => object: Option<Object>,
    }
}

pub(super) struct Export;

impl Operation for Export {
    const CODE: enums::Operation = enums::Operation::Export;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let granted = cx.open(request.unique_identifier.as_ref(), Self::CODE)?;
        cx.open(Some(&granted.id.into()), enums::Operation::GetAttributes)?;
        let options = GetOptions {
            format: request.key_format_type,
            wrap_type: request.key_wrap_type,
            compression: request.key_compression_type,
            wrapping: request.key_wrapping_specification,
        };
        let references = granted.attributes.references(cx.version);
        let attributes = AttributeList(reported_values(&granted.attributes, &references)?);
        let object = if lifecycle::is_destroyed(&granted) {
            None
        } else {
            let object = options.apply(cx, &granted)?;
            cx.serve(&granted, Self::CODE)?;
            Some(object)
        };
        cx.set_id_placeholder(granted.id);
        Ok(Response {
            object_type: granted.object_type,
            unique_identifier: granted.id.into(),
            attributes,
            object,
        })
    }
}
