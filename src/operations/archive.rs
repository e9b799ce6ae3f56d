//! Archive (KMIP 1.4 §4.22, 2.1 §6.1.4): the object is put out of reach until it is recovered.
//!
//! The standard leaves to the server when and where. Here it is at once, and the object stays in the store: its
//! Archive Date says that it is archived.

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

pub(super) struct Archive;

impl Operation for Archive {
    const CODE: enums::Operation = enums::Operation::Archive;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (id, ()) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, lifecycle::archive)?;
        Ok(Response { unique_identifier: id.into() })
    }
}
