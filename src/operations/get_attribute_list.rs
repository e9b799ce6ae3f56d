//! Get Attribute List (KMIP 1.4 §4.13, 2.1 §6.1.21): returns the names of an object's attributes.

use crate::engine::Context;
use crate::kmip::attributes::AttributeReference;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};

use super::object_payloads::Request;
use super::{Operation, attribute_rules as rules};

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        AttributeReference => attribute_references: Vec<AttributeReference>,
    }
}

pub(super) struct GetAttributeList;

impl Operation for GetAttributeList {
    const CODE: enums::Operation = enums::Operation::GetAttributeList;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let granted = cx.open(request.unique_identifier.as_ref(), Self::CODE)?;
        let attribute_references = rules::reported(cx, &granted);
        Ok(Response { unique_identifier: granted.id.into(), attribute_references })
    }
}
