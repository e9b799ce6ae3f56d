//! Log (KMIP 2.1 §6.1.29): writes a client's message to the server's log.

use crate::engine::{Context, bounded_text};
use crate::excerpt::Excerpt;
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        LogMessage => message: String,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {}
}

pub(super) struct Log;

impl Operation for Log {
    const CODE: enums::Operation = enums::Operation::Log;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        bounded_text("Log Message", &request.message)?;
        cx.forbid_repetition()?;
        // Quoted, so that a message cannot imitate a log line.
        let (user, message) = (Excerpt(&cx.identity.principal.user), &request.message);
        log::info!(target: "kmip.server.client", "{user:?} says: {message:?}");
        Ok(Response {})
    }
}
