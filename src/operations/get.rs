//! Get (KMIP 1.4 §4.11, 2.1 §6.1.19): the object itself.

use crate::engine::{Context, destroyed, failed, lifecycle};
use crate::kmip::enums::{KeyCompressionType, KeyFormatType, KeyWrapType, ObjectType, ResultReason};
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
        if request.key_compression_type.is_some() {
            return Err(failed(
                ResultReason::KeyCompressionTypeNotSupported,
                "Keys are not compressed; leave Key Compression Type out.",
            ));
        }
        let granted = cx.open(request.unique_identifier.as_ref(), Self::CODE)?;
        if lifecycle::is_destroyed(&granted) {
            return Err(destroyed(&granted.id.to_string()));
        }
        if request.key_wrapping_specification.is_some() {
            return Err(failed(
                ResultReason::FeatureNotSupported,
                "Keys are not wrapped by this version of the server.",
            ));
        }
        let plain = granted
            .object
            .as_ref()
            .and_then(Object::key_block)
            .is_none_or(|block| block.key_wrapping_data.is_none());
        if plain && granted.attributes.sensitive == Some(true) {
            return Err(failed(
                ResultReason::Sensitive,
                "The object is sensitive: it is not given in the clear.",
            ));
        }
        if granted.attributes.extractable == Some(false) {
            return Err(failed(ResultReason::NotExtractable, "The object is not extractable."));
        }
        if let Some(wanted) = request.key_format_type {
            check_format(granted.object.as_ref(), wanted)?;
        }
        cx.serve(&granted, Self::CODE)?;
        let record = granted.into_record();
        let identifier = record.id;
        let object = record.object.ok_or_else(|| destroyed(&identifier.to_string()))?;
        Ok(Response { object_type: record.object_type, unique_identifier: identifier.into(), object })
    }
}

fn check_format(object: Option<&Object>, wanted: KeyFormatType) -> Result<(), Error> {
    let unsupported = |why: String| Err(failed(ResultReason::KeyFormatTypeNotSupported, why));
    match object.and_then(Object::key_block).map(|block| block.key_format_type) {
        Some(kept) if kept == wanted => Ok(()),
        Some(kept) => unsupported(format!("The key is kept as {kept} and cannot be given as {wanted}.")),
        None => unsupported("The object has no key format.".to_owned()),
    }
}
