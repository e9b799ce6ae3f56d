//! Process (KMIP 2.1 §6.1.39): makes the next Poll wait for the end of an asynchronous operation.

use crate::engine::Context;
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        AsynchronousCorrelationValue => asynchronous_correlation_value: Vec<u8>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {}
}

pub(super) struct Process;

impl Operation for Process {
    const CODE: enums::Operation = enums::Operation::Process;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        cx.forbid_repetition()?;
        let correlation = &request.asynchronous_correlation_value;
        cx.services.jobs.expedite(&cx.identity.principal, correlation, cx.instant())?;
        Ok(Response {})
    }
}
