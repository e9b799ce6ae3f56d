//! RNG Retrieve (KMIP 1.4 §4.35, 2.1 §6.1.49): returns random bytes.

use crate::cpu_permits::Effort;
use crate::crypto::random;
use crate::engine::{Context, invalid_field};
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        /// The number of bytes.
        DataLength => data_length: i32,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        Data => data: Secret,
    }
}

/// The maximum number of bytes per request, far more than any key needs.
const MAX_BYTES: usize = 1 << 20;

/// The number of bytes up to which a request does not wait for a CPU permit: more take longer than other simple requests,
/// and many connections can request them at once.
const SIMPLE: usize = 64 << 10;

pub(super) struct RngRetrieve;

impl Operation for RngRetrieve {
    const CODE: enums::Operation = enums::Operation::RngRetrieve;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let length =
            usize::try_from(request.data_length).ok().filter(|length| (1..=MAX_BYTES).contains(length));
        let length = length.ok_or_else(|| {
            invalid_field(format!(
                "The Data Length is {}; it must be from 1 to {MAX_BYTES}.",
                request.data_length
            ))
        })?;
        let data = if length > SIMPLE {
            cx.with_cpu_permit(Effort::Seconds, || Ok(random::secret(length)?))?
        } else {
            random::secret(length)?
        };
        Ok(Response { data })
    }
}
