//! Ping (KMIP 2.1 §6.1.36): confirms that the server responds.

use crate::engine::Context;
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {}
}

structure! {
    /// Response Payload.
    pub struct Response {}
}

pub(super) struct Ping;

impl Operation for Ping {
    const CODE: enums::Operation = enums::Operation::Ping;
    type Request = Request;
    type Response = Response;

    fn execute(_: &mut Context<'_>, _: Request) -> Result<Response, Error> {
        Ok(Response {})
    }
}
