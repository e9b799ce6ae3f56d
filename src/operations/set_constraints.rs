//! Set Constraints (KMIP 2.1 §6.1.52): sets the requester's constraints on new objects.

use crate::engine::Context;
use crate::engine::constraints::Constraints;
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        /// The standard requires this item, but one of its test cases omits it to remove all constraints.
        Constraints => constraints: Option<Constraints>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {}
}

pub(super) struct SetConstraints;

impl Operation for SetConstraints {
    const CODE: enums::Operation = enums::Operation::SetConstraints;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        cx.set_constraints(&request.constraints.unwrap_or_default())?;
        Ok(Response {})
    }
}
