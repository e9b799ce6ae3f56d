//! Get Usage Allocation (KMIP 1.4 §4.18, 2.1 §6.1.23): allocates a part of a key's Usage Limits.

use crate::engine::{Context, usage_limits};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};

use super::Operation;
use super::object_payloads::Response;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        UsageLimitsCount => usage_limits_count: i64,
    }
}

pub(super) struct GetUsageAllocation;

impl Operation for GetUsageAllocation {
    const CODE: enums::Operation = enums::Operation::GetUsageAllocation;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (id, ()) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, |record, now| {
            usage_limits::allocate(record, request.usage_limits_count, now)
        })?;
        Ok(Response { unique_identifier: id.into() })
    }
}
