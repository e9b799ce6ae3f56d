//! Interop (KMIP 2.1 §6.1.26): marks the begin and the end of an interoperability test in the log.
//!
//! The marks change no state, so no setting disables them. The server rejects Reset, because it would delete the
//! objects of all clients.

use crate::engine::{Context, bounded_text, failed};
use crate::excerpt::Excerpt;
use crate::kmip::enums::{InteropFunction, ResultReason};
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        InteropFunction => function: InteropFunction,
        InteropIdentifier => identifier: String,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {}
}

pub(super) struct Interop;

impl Operation for Interop {
    const CODE: enums::Operation = enums::Operation::Interop;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        bounded_text("Interop Identifier", &request.identifier)?;
        if request.function == InteropFunction::Reset {
            let message = "The server does not support Reset, because it contains objects of other clients.";
            return Err(failed(ResultReason::PermissionDenied, message));
        }
        let (user, identifier) = (Excerpt(&cx.identity.principal.user), Excerpt(&request.identifier));
        log::info!(target: "kmip.server.engine", "Interop {} by {user:?}: {identifier:?}", request.function);
        Ok(Response {})
    }
}
