//! Check (KMIP 1.4 §4.10, 2.1 §6.1.7): checks whether the client may use an object as intended.
//!
//! An error clears the ID Placeholder, so that later items of the batch do not use the object. The Result Reason and
//! the Result Message state which check failed.

use crate::engine::{Context, destroyed, failed, lifecycle, usage_limits};
use crate::kmip::enums::{CryptographicUsageMask, ObjectType, ResultReason};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::Interval;

use super::Operation;
use super::object_payloads::Response;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        UsageLimitsCount => usage_limits_count: Option<i64>,
        CryptographicUsageMask => cryptographic_usage_mask: Option<CryptographicUsageMask>,
        LeaseTime => lease_time: Option<Interval>,
    }
}

pub(super) struct Check;

impl Operation for Check {
    const CODE: enums::Operation = enums::Operation::Check;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let checked = cx
            .open(request.unique_identifier.as_ref(), Self::CODE)
            .and_then(|granted| check(&granted, &request).map(|()| granted.id));
        match checked {
            Ok(id) => Ok(Response { unique_identifier: id.into() }),
            Err(error) => {
                cx.clear_id_placeholder();
                Err(error)
            }
        }
    }
}

/// Checks that the object's attributes permit the use that the request describes (errors: 1.4 §11.11, 2.1 §6.1.7.1).
fn check(record: &Record, request: &Request) -> Result<(), Error> {
    if record.object_type == ObjectType::Template {
        let message = "A template cannot be checked.";
        return Err(failed(ResultReason::IllegalObjectType, message));
    }
    if lifecycle::is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    let attributes = &record.attributes;
    if let Some(wanted) = request.cryptographic_usage_mask {
        let allowed = attributes.cryptographic_usage_mask.unwrap_or_default();
        if !allowed.contains(wanted) {
            let message = "The object's Cryptographic Usage Mask does not contain all requested bits.";
            return Err(failed(ResultReason::IncompatibleCryptographicUsageMask, message)
                .with_fallback(ResultReason::PermissionDenied));
        }
    }
    if let (Some(wanted), Some(limits)) = (request.usage_limits_count, &attributes.usage_limits)
        && wanted > usage_limits::remaining(limits)
    {
        return Err(usage_limits::exceeded());
    }
    if let (Some(wanted), Some(longest)) = (request.lease_time, attributes.lease_time)
        && wanted.0 > longest.0
    {
        let message = format!("The Lease Time exceeds the object's maximum of {} seconds.", longest.0);
        return Err(failed(ResultReason::PermissionDenied, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::UsageLimitsUnit;
    use crate::kmip::structures::UsageLimits;
    use crate::store::Id;
    use crate::ttlv::{DateTime, V1_4};

    fn record() -> Record {
        let attributes = Attributes {
            cryptographic_usage_mask: Some(
                CryptographicUsageMask::ENCRYPT | CryptographicUsageMask::WRAP_KEY,
            ),
            usage_limits: Some(UsageLimits {
                usage_limits_total: 10,
                usage_limits_count: Some(4),
                usage_limits_unit: UsageLimitsUnit::Byte,
            }),
            lease_time: Some(Interval(60)),
            ..Attributes::default()
        };
        let object_type = ObjectType::SymmetricKey;
        Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None }
    }

    fn request(count: Option<i64>, mask: Option<CryptographicUsageMask>, lease: Option<u32>) -> Request {
        Request {
            unique_identifier: None,
            usage_limits_count: count,
            cryptographic_usage_mask: mask,
            lease_time: lease.map(Interval),
        }
    }

    #[test]
    fn accepts_a_use_that_the_attributes_permit() {
        use CryptographicUsageMask as Mask;
        for request in [
            request(None, None, None),
            request(Some(4), Some(Mask::ENCRYPT), Some(60)),
            request(Some(0), Some(Mask::ENCRYPT | Mask::WRAP_KEY), Some(0)),
        ] {
            check(&record(), &request).unwrap();
        }
        let unlimited = Record { attributes: Attributes::default(), ..record() };
        check(&unlimited, &request(Some(i64::MAX), None, Some(u32::MAX))).unwrap();
    }

    #[test]
    fn reports_each_reason_as_permission_denied_in_1_x() {
        use CryptographicUsageMask as Mask;
        let cases = [
            (request(None, Some(Mask::DECRYPT), None), ResultReason::IncompatibleCryptographicUsageMask),
            (
                request(None, Some(Mask::ENCRYPT | Mask::DECRYPT), None),
                ResultReason::IncompatibleCryptographicUsageMask,
            ),
            (request(Some(5), None, None), ResultReason::UsageLimitExceeded),
            (request(None, None, Some(61)), ResultReason::PermissionDenied),
        ];
        for (request, reason) in cases {
            let error = check(&record(), &request).unwrap_err();
            assert_eq!(error.reason, reason);
            assert_eq!(error.reason_in(V1_4), ResultReason::PermissionDenied);
        }
    }

    #[test]
    fn rejects_templates_and_destroyed_objects() {
        let template = Record { object_type: ObjectType::Template, ..record() };
        let error = check(&template, &request(None, None, None)).unwrap_err();
        assert_eq!(error.reason_in(V1_4), ResultReason::IllegalOperation);
        let mut gone = record();
        gone.attributes.destroy_date = Some(DateTime(1));
        let error = check(&gone, &request(None, None, None)).unwrap_err();
        assert_eq!(error.reason, ResultReason::ObjectDestroyed);
    }
}
