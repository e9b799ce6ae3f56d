//! Delegated Login (KMIP 2.1 §6.1.12): issues a ticket that lets other clients use rights of the requester.
//!
//! A client that presents the ticket also needs a client certificate of its own.

use crate::engine::services::tickets::{Delegation, MAX_RIGHTS, TicketLimits};
use crate::engine::{Context, failed};
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::{Rights, Ticket, UsageLimits};
use crate::kmip::{Error, enums, structure};
use crate::ttlv::{self, Item, Tag, Value, Writer};

use super::Operation;
use super::login::{Lease, count, length};

structure! {
    /// Request Payload.
    pub struct Request {
        LeaseTime => lease_time: Option<Lease>,
        RequestCount => request_count: Option<i32>,
        UsageLimits => usage_limits: Option<UsageLimits>,
        Rights => rights: BoundedRights,
    }
}

/// Rights that are refused before they are decoded if they are far longer than [`MAX_RIGHTS`].
#[derive(Clone, Debug, PartialEq)]
pub struct BoundedRights(Rights);

impl Value for BoundedRights {
    fn decode(item: &Item<'_>) -> Result<Self, ttlv::Error> {
        // The same rights may be longer in a message than they are stored.
        if item.bytes.len() > 4 * MAX_RIGHTS {
            return Err(ttlv::Error::Invalid { tag: item.tag, why: "rights have at most 16384 bytes" });
        }
        Rights::decode(item).map(Self)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        self.0.encode(tag, writer);
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        Ticket => ticket: Ticket,
    }
}

pub(super) struct DelegatedLogin;

impl Operation for DelegatedLogin {
    const CODE: enums::Operation = enums::Operation::DelegatedLogin;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let of_a_right = request.rights.0.rights.iter().any(|right| right.usage_limits.is_some());
        if request.usage_limits.is_some() || of_a_right {
            let message = "Usage Limits on tickets are not supported; use a Request Count.";
            return Err(failed(ResultReason::FeatureNotSupported, message));
        }
        cx.forbid_repetition()?;
        let lease = request.lease_time.map(|lease| length(lease, cx.now)).transpose()?.flatten();
        let requests = request.request_count.map(count).transpose()?;
        let (user, limits) = (&cx.identity.principal, TicketLimits { lease, requests });
        let delegation = Delegation::new(user.clone(), request.rights.0)?;
        let ticket = cx.services.tickets.issue(user, limits, Some(delegation), cx.instant())?;
        Ok(Response { ticket })
    }
}
