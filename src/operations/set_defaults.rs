//! Set Defaults (KMIP 2.1 §6.1.53): sets the requester's default attributes for new objects.

use crate::engine::Context;
use crate::engine::defaults::DefaultsInformation;
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        /// Omitted to remove all defaults.
        DefaultsInformation => defaults: Option<DefaultsInformation>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {}
}

pub(super) struct SetDefaults;

impl Operation for SetDefaults {
    const CODE: enums::Operation = enums::Operation::SetDefaults;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        cx.set_defaults(&request.defaults.unwrap_or_default())?;
        Ok(Response {})
    }
}
