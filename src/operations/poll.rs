//! Poll (KMIP 1.4 §4.28, 2.1 §6.1.38): returns the result of an asynchronous operation, if it is complete.

use std::time::Duration;

use crate::engine::Context;
use crate::engine::services::jobs::POLL_WAIT;
use crate::kmip::{Error, enums, structure};
use crate::ttlv::{Item, Value};

use super::{Entry, Prepared, Reply};

structure! {
    /// Request Payload.
    pub struct Request {
        AsynchronousCorrelationValue => asynchronous_correlation_value: Vec<u8>,
    }
}

const CODE: enums::Operation = enums::Operation::Poll;

/// Poll returns the response of another operation, so it does not implement [`super::Operation`].
pub(super) const ENTRY: Entry =
    Entry { code: CODE, prepare: |payload: &Item<'_>| Ok(Box::new(Request::decode(payload)?)) };

impl Prepared for Request {
    fn execute(self: Box<Self>, cx: &mut Context<'_>) -> Result<Reply, Error> {
        let correlation = self.asynchronous_correlation_value;
        // An atomic batch holds the transaction lock, which the operation may wait for.
        let patience = if cx.is_in_transaction() { Duration::ZERO } else { POLL_WAIT };
        let (operation, polled) = cx.services.jobs.poll(&cx.identity.principal, &correlation, patience)?;
        Ok(Reply::Of { operation, polled, correlation })
    }

    fn duplicate(&self) -> Box<dyn Prepared> {
        Box::new(self.clone())
    }
}
