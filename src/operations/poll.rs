//! Poll (KMIP 1.4 §4.28, 2.1 §6.1.38): returns the result of an asynchronous operation, if it is complete.

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
        cx.forbid_repetition()?;
        // Other transactions wait for a batch with Undo then, and the operation can be one of them.
        let patience = (!cx.is_in_transaction()).then_some(POLL_WAIT);
        let (operation, polled) = {
            let user = &cx.identity.principal;
            cx.services.jobs.poll(user, &correlation, patience, cx.instant())?
        };
        Ok(Reply::Of { operation, polled, correlation })
    }

    fn duplicate(&self) -> Box<dyn Prepared> {
        Box::new(self.clone())
    }
}
