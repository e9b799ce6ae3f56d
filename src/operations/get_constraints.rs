//! Get Constraints (KMIP 2.1 §6.1.22): returns the requester's constraints on new objects.

use crate::engine::Context;
use crate::engine::constraints::Constraints;
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {}
}

structure! {
    /// Response Payload.
    pub struct Response {
        Constraints => constraints: Constraints,
    }
}

pub(super) struct GetConstraints;

impl Operation for GetConstraints {
    const CODE: enums::Operation = enums::Operation::GetConstraints;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, _: Request) -> Result<Response, Error> {
        Ok(Response { constraints: cx.constraints()? })
    }
}
