//! What the header of a request states besides its version: tickets and a Time Stamp.

use std::borrow::Cow;

use super::batch::Item;
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::{Credential, Ticket};
use crate::kmip::{Error, RequestHeader};
use crate::ttlv::DateTime;

/// The age in seconds from which the Time Stamp of a request is too old. A Time Stamp in the future is refused too.
const MAX_TIME_STAMP_AGE: i64 = 60;

/// Returns the tickets in a header (2.1 §9.4).
pub(super) fn tickets(header: &RequestHeader) -> impl Iterator<Item = &Ticket> {
    let credentials = header.authentication.iter().flat_map(|authentication| &authentication.credentials);
    credentials.filter_map(|credential| match credential {
        Credential::Ticket(credential) => Some(&credential.ticket),
        _ => None,
    })
}

/// Checks the Time Stamp of the header and the Unique Batch Item IDs.
///
/// # Errors
/// Returns Invalid Message if the batch must not execute.
pub(super) fn check(header: &RequestHeader, items: &[Item<'_>], now: DateTime) -> Result<(), Error> {
    let invalid = |message: &'static str| Err(Error::new(ResultReason::InvalidMessage, Cow::from(message)));
    if let Some(sent) = header.time_stamp {
        let age = now.0.saturating_sub(sent.0);
        if age < 0 {
            return invalid("The request's Time Stamp is in the future; check the clock of the client.");
        }
        if age >= MAX_TIME_STAMP_AGE {
            return invalid("The request's Time Stamp is too old; check the clock of the client.");
        }
    }
    if items.len() > 1 && items.iter().any(|item| item.id().is_none()) {
        return invalid("Each item of a batch with several items needs a Unique Batch Item ID.");
    }
    Ok(())
}
