//! Usage Limits: the remaining use of a key (KMIP 1.4 §3.21, 2.1 §4.59).
//!
//! The client sets total and unit, and the server sets the count. The count starts at the total and decreases with each
//! allocation and each use; after the first of them the client can no longer change the limits. [`super::usage`] defines
//! the amount of a use.

use crate::kmip::Error;
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::UsageLimits;
use crate::store::Record;
use crate::ttlv::DateTime;

use super::error::{destroyed, failed, invalid_field};
use super::lifecycle;
use super::protection::Protection;

/// Returns the limits of a new object: the count equals the total, and the client's count is ignored.
///
/// # Errors
/// Returns Invalid Field for a negative total.
pub fn initialize(limits: &UsageLimits) -> Result<UsageLimits, Error> {
    if limits.usage_limits_total < 0 {
        return Err(invalid_field("Usage Limits Total cannot be negative."));
    }
    Ok(UsageLimits { usage_limits_count: Some(limits.usage_limits_total), ..limits.clone() })
}

/// Returns the number of units that are left.
pub fn remaining(limits: &UsageLimits) -> i64 {
    limits.usage_limits_count.unwrap_or(limits.usage_limits_total)
}

/// Returns whether units have been used, so that the client can no longer change or delete the limits.
pub fn is_partly_used(limits: &UsageLimits) -> bool {
    remaining(limits) != limits.usage_limits_total
}

/// Allocates `amount` units of the object's limits.
///
/// # Errors
/// Returns Attribute Not Found (before 2.0 Illegal Operation) for an object without limits, Invalid Field for an amount
/// that is not positive, the errors of [`Protection::check`] if the object cannot protect data at `now`, and
/// Usage Limit Exceeded (Permission Denied) if fewer units are left.
pub fn allocate(record: &mut Record, amount: i64, now: DateTime) -> Result<(), Error> {
    if lifecycle::is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    if record.attributes.usage_limits.is_none() {
        let message = "The object has no Usage Limits, so nothing can be allocated.";
        return Err(
            failed(ResultReason::AttributeNotFound, message).with_fallback(ResultReason::IllegalOperation)
        );
    }
    if amount <= 0 {
        return Err(invalid_field("Usage Limits Count must be positive."));
    }
    Protection::Apply.check(record, &"protect data", now)?;
    let allocated =
        record.attributes.usage_limits.as_mut().is_some_and(|limits| try_subtract(limits, amount));
    if allocated { Ok(()) } else { Err(exceeded()) }
}

/// Subtracts `amount` units from the count. Returns false, and leaves the count unchanged, if fewer are left.
pub fn try_subtract(limits: &mut UsageLimits, amount: i64) -> bool {
    match remaining(limits).checked_sub(amount) {
        Some(left) if left >= 0 => {
            limits.usage_limits_count = Some(left);
            true
        }
        _ => false,
    }
}

/// Returns the error for too few units: Usage Limit Exceeded, before 2.0 Permission Denied.
pub fn exceeded() -> Error {
    failed(ResultReason::UsageLimitExceeded, "The object's Usage Limits leave fewer units than requested.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::{ObjectType, State, UsageLimitsUnit};
    use crate::store::Id;
    use crate::ttlv::V1_4;

    const NOW: DateTime = DateTime(1_000);

    fn limits(total: i64, count: Option<i64>) -> UsageLimits {
        UsageLimits {
            usage_limits_total: total,
            usage_limits_count: count,
            usage_limits_unit: UsageLimitsUnit::Byte,
        }
    }

    fn record(limits: Option<UsageLimits>) -> Record {
        let attributes =
            Attributes { state: Some(State::Active), usage_limits: limits, ..Attributes::default() };
        let object_type = ObjectType::SymmetricKey;
        Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None }
    }

    #[test]
    fn the_count_starts_at_the_total_and_ignores_the_client() {
        assert_eq!(initialize(&limits(10, None)).unwrap(), limits(10, Some(10)));
        assert_eq!(initialize(&limits(10, Some(99))).unwrap(), limits(10, Some(10)));
        assert_eq!(initialize(&limits(-1, None)).unwrap_err().reason, ResultReason::InvalidField);
        assert!(!is_partly_used(&limits(10, Some(10))) && is_partly_used(&limits(10, Some(9))));
    }

    #[test]
    fn allocations_cannot_exceed_the_total() {
        let mut record = record(Some(limits(10, Some(10))));
        allocate(&mut record, 6, NOW).unwrap();
        let error = allocate(&mut record, 5, NOW).unwrap_err();
        assert_eq!(error.reason, ResultReason::UsageLimitExceeded);
        assert_eq!(error.reason_in(V1_4), ResultReason::PermissionDenied);
        allocate(&mut record, 4, NOW).unwrap();
        assert_eq!(record.attributes.usage_limits, Some(limits(10, Some(0))));
        assert_eq!(allocate(&mut record, 1, NOW).unwrap_err().reason, ResultReason::UsageLimitExceeded);
    }

    #[test]
    fn rejects_amounts_that_are_not_positive_and_objects_without_limits() {
        for amount in [0, -1, i64::MIN] {
            let mut record = record(Some(limits(10, Some(10))));
            assert_eq!(allocate(&mut record, amount, NOW).unwrap_err().reason, ResultReason::InvalidField);
        }
        let error = allocate(&mut record(None), 1, NOW).unwrap_err();
        assert_eq!(error.reason, ResultReason::AttributeNotFound);
        assert_eq!(error.reason_in(V1_4), ResultReason::IllegalOperation);
    }

    #[test]
    fn allocates_before_the_process_start_date_but_not_after_the_protect_stop_date() {
        let with = |start: Option<i64>, stop: Option<i64>| {
            let mut record = record(Some(limits(10, Some(10))));
            record.attributes.process_start_date = start.map(DateTime);
            record.attributes.protect_stop_date = stop.map(DateTime);
            allocate(&mut record, 1, NOW).map_err(|error| error.reason)
        };
        assert_eq!(with(Some(1_001), Some(1_001)), Ok(()));
        assert_eq!(with(None, Some(1_000)), Err(ResultReason::WrongKeyLifecycleState));
    }
}
