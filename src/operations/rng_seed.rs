//! RNG Seed (KMIP 1.4 §4.36, 2.1 §6.1.50): accepts a seed and does not use it, as the response states.
//!
//! The operating system seeds its own random number generator. The standard permits a server to ignore the data and to
//! return a length of zero.

use crate::engine::Context;
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        Data => data: Secret,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        /// The number of bytes used.
        DataLength => data_length: i32,
    }
}

pub(super) struct RngSeed;

impl Operation for RngSeed {
    const CODE: enums::Operation = enums::Operation::RngSeed;
    type Request = Request;
    type Response = Response;

    fn execute(_: &mut Context<'_>, _: Request) -> Result<Response, Error> {
        Ok(Response { data_length: 0 })
    }
}
