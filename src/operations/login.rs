//! Login (KMIP 2.1 §6.1.30): issues a ticket for later requests.
//!
//! The client certificate identifies the user. Requests with the ticket need the certificate as well.

use std::time::Duration;

use crate::engine::services::tickets::TicketLimits;
use crate::engine::{Context, failed, invalid_field};
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::{Ticket, UsageLimits};
use crate::kmip::{Error, enums, structure};
use crate::ttlv::{self, DateTime, Interval, Item, ItemType, Tag, Value, Writer};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        LeaseTime => lease_time: Option<Lease>,
        RequestCount => request_count: Option<i32>,
        UsageLimits => usage_limits: Option<UsageLimits>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        Ticket => ticket: Ticket,
    }
}

/// The lifetime of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// A number of seconds; zero sets no limit.
    For(Interval),
    /// The date of expiry.
    Until(DateTime),
}

impl Value for Lease {
    fn decode(item: &Item<'_>) -> Result<Self, ttlv::Error> {
        match item.kind {
            ItemType::DateTime => Value::decode(item).map(Self::Until),
            _ => Value::decode(item).map(Self::For),
        }
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        match self {
            Self::For(seconds) => seconds.encode(tag, writer),
            Self::Until(date) => date.encode(tag, writer),
        }
    }
}

pub(super) struct Login;

impl Operation for Login {
    const CODE: enums::Operation = enums::Operation::Login;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        if request.usage_limits.is_some() {
            let message = "Usage Limits on tickets are not supported; use a Request Count.";
            return Err(failed(ResultReason::FeatureNotSupported, message));
        }
        let lease = request.lease_time.map(|lease| length(lease, cx.now)).transpose()?.flatten();
        let requests = request.request_count.map(count).transpose()?;
        let limits = TicketLimits { lease, requests };
        cx.forbid_repetition()?;
        let ticket = cx.services.tickets.issue(&cx.identity.principal, limits, None, cx.instant())?;
        Ok(Response { ticket })
    }
}

/// Returns the length of a lease that begins at `now`, or `None` for a lease without limit.
pub(super) fn length(lease: Lease, now: DateTime) -> Result<Option<Duration>, Error> {
    match lease {
        Lease::For(Interval(0)) => Ok(None),
        Lease::For(Interval(seconds)) => Ok(Some(Duration::from_secs(seconds.into()))),
        Lease::Until(end) => match u64::try_from(end.0.saturating_sub(now.0)) {
            Ok(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
            _ => Err(invalid_field("The Lease Time is a date in the past.")),
        },
    }
}

/// Checks the number of requests that a ticket permits.
pub(super) fn count(requests: i32) -> Result<u32, Error> {
    let count = u32::try_from(requests).ok().filter(|count| *count > 0);
    count.ok_or_else(|| invalid_field("The Request Count must be at least 1."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::reason;
    use crate::ttlv::{Field, Reader, V2_1};

    #[test]
    fn accepts_an_interval_or_a_future_date_as_lease() {
        let now = DateTime(1_000);
        let seconds = |seconds| Ok(Some(Duration::from_secs(seconds)));
        assert_eq!(length(Lease::For(Interval(0)), now), Ok(None));
        assert_eq!(length(Lease::For(Interval(60)), now), seconds(60));
        assert_eq!(length(Lease::Until(DateTime(1_060)), now), seconds(60));
        for end in [1_000, 999, i64::MIN] {
            assert_eq!(reason(length(Lease::Until(DateTime(end)), now)), ResultReason::InvalidField);
        }
    }

    #[test]
    fn encodes_and_decodes_both_forms_of_a_lease() {
        for lease in [Lease::For(Interval(7)), Lease::Until(DateTime(7))] {
            let mut writer = Writer::new(V2_1);
            lease.encode(Tag::LeaseTime, &mut writer);
            let bytes = writer.into_bytes();
            let read: Lease = Field::read(Tag::LeaseTime, &mut Reader::new(&bytes, V2_1)).unwrap();
            assert_eq!(read, lease);
        }
    }

    #[test]
    fn requires_a_positive_request_count() {
        assert_eq!(count(3), Ok(3));
        for requests in [0, -1] {
            assert_eq!(reason(count(requests)), ResultReason::InvalidField);
        }
    }
}
