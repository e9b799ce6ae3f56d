//! Destroy (KMIP 1.4 §4.21, 2.1 §6.1.15): the object's value is deleted; its attributes stay.

use crate::engine::{Context, lifecycle};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
    }
}

pub(super) struct Destroy;

impl Operation for Destroy {
    const CODE: enums::Operation = enums::Operation::Destroy;
    type Request = Request;
    type Response = Response;

    fn run(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (id, ()) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, lifecycle::destroy)?;
        Ok(Response { unique_identifier: id.into() })
    }
}
