//! Revoke (KMIP 1.4 §4.20, 2.1 §6.1.44): deactivates an active object, or marks any object as compromised.

use crate::engine::{Context, invalid_field, lifecycle};
use crate::kmip::attributes::MAX_VALUE_BYTES;
use crate::kmip::structures::{RevocationReason, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::ttlv::DateTime;

use super::Operation;
use super::object_payloads::Response;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        RevocationReason => revocation_reason: RevocationReason,
        CompromiseOccurrenceDate => compromise_occurrence_date: Option<DateTime>,
    }
}

pub(super) struct Revoke;

impl Operation for Revoke {
    const CODE: enums::Operation = enums::Operation::Revoke;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let Request { unique_identifier, revocation_reason, compromise_occurrence_date } = request;
        let behavior = cx.compatibility;
        let message = revocation_reason.revocation_message.as_deref().unwrap_or_default();
        if message.len() > MAX_VALUE_BYTES {
            let length = message.len();
            return Err(invalid_field(format!(
                "The Revocation Message has {length} bytes; the limit is {MAX_VALUE_BYTES}."
            )));
        }
        let (id, ()) = cx.modify(unique_identifier.as_ref(), Self::CODE, |record, now| {
            lifecycle::revoke(record, revocation_reason.clone(), compromise_occurrence_date, behavior, now)
        })?;
        Ok(Response { unique_identifier: id.into() })
    }
}
