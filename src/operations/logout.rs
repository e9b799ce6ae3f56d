//! Logout (KMIP 2.1 §6.1.31): invalidates a ticket.

use crate::engine::Context;
use crate::kmip::structures::Ticket;
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        Ticket => ticket: Ticket,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {}
}

pub(super) struct Logout;

impl Operation for Logout {
    const CODE: enums::Operation = enums::Operation::Logout;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        cx.forbid_repetition()?;
        cx.services.tickets.end(&cx.identity.principal, &request.ticket, cx.instant())?;
        Ok(Response {})
    }
}
