//! Interop (KMIP 2.1 §6.1.26): a client marks the beginning and the end of an interoperability test.
//!
//! The marks go to the log and change nothing, so production servers can do without a switch for them. Reset, which
//! would take everybody's objects away, is refused.

use crate::engine::{Context, bounded_text, failed};
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
            let message = "The server keeps other clients' objects too and is not reset by one of them.";
            return Err(failed(ResultReason::PermissionDenied, message));
        }
        // Quoted, so that no identifier looks like a line of the log.
        let (user, identifier) = (&cx.identity.principal.user, &request.identifier);
        log::info!(target: "kmip.server.engine", "Interop {} by {user}: {identifier:?}", request.function);
        Ok(Response {})
    }
}
