//! RNG Seed (KMIP 1.4 §4.36, 2.1 §6.1.50): seeds from clients are not used, and the reply says so.
//!
//! The random bytes are the operating system's, which needs no help and should take none from strangers. The
//! standard lets a server leave the data unused and tell it by a length of zero, which is no error.

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
        /// Bytes of the data that were used.
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
