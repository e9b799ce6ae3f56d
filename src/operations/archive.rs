//! Archive (KMIP 1.4 §4.22, 2.1 §6.1.4): takes an object off-line until it is recovered.
//!
//! The standard leaves time and place to the server. This server archives at once: it sets the Archive Date, and the
//! object stays in the store.

use crate::engine::{Context, lifecycle};
use crate::kmip::{Error, enums};

use super::Operation;
use super::object_payloads::{Request, Response};

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
