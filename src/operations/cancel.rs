//! Cancel (KMIP 1.4 §4.27, 2.1 §6.1.5): cancels an asynchronous operation.

use crate::engine::Context;
use crate::kmip::enums::{CancellationResult, ResultReason};
use crate::kmip::{Error, enums, structure};
use crate::ttlv::V2_0;

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        AsynchronousCorrelationValue => asynchronous_correlation_value: Vec<u8>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        AsynchronousCorrelationValue => asynchronous_correlation_value: Vec<u8>,
        CancellationResult => cancellation_result: CancellationResult,
    }
}

pub(super) struct Cancel;

impl Operation for Cancel {
    const CODE: enums::Operation = enums::Operation::Cancel;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        cx.forbid_repetition()?;
        let correlation = request.asynchronous_correlation_value;
        let cancellation_result =
            match cx.services.jobs.cancel(&cx.identity.principal, &correlation, cx.instant()) {
                // 1.x defines no errors for Cancel; a Cancellation Result reports this case (1.4 §11.28).
                Err(error)
                    if error.reason == ResultReason::InvalidAsynchronousCorrelationValue
                        && cx.version < V2_0 =>
                {
                    CancellationResult::Unavailable
                }
                other => other?,
            };
        Ok(Response { asynchronous_correlation_value: correlation, cancellation_result })
    }
}
