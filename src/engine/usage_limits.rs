//! Usage Limits: how much a key may still be used for (KMIP 1.4 §3.21, 2.1 §4.59).
//!
//! Total and unit come from the client; the count is the server's. It begins at the total and goes down with each
//! allocation and each use, and from the first one on the client cannot change the limits any more. What a use
//! costs is for `usage` to say.

use crate::kmip::Error;
use crate::kmip::enums::{ResultReason, State};
use crate::kmip::structures::UsageLimits;
use crate::store::Record;
use crate::ttlv::DateTime;

use super::error::{destroyed, failed, invalid_field, wrong_state};
use super::lifecycle;

/// Limits as they are at the beginning: the count is the total, whatever the client says.
///
/// # Errors
/// Invalid Field for a negative total.
pub fn begin(limits: &UsageLimits) -> Result<UsageLimits, Error> {
    if limits.usage_limits_total < 0 {
        return Err(invalid_field("Usage Limits Total cannot be negative."));
    }
    Ok(UsageLimits { usage_limits_count: Some(limits.usage_limits_total), ..limits.clone() })
}

/// How many units are left.
pub fn remaining(limits: &UsageLimits) -> i64 {
    limits.usage_limits_count.unwrap_or(limits.usage_limits_total)
}

/// Whether some of it has been allocated, after which the client cannot change or delete the limits.
pub fn is_begun(limits: &UsageLimits) -> bool {
    remaining(limits) != limits.usage_limits_total
}

/// Counts `amount` units of the object's limits as used.
///
/// # Errors
/// Attribute Not Found (before 2.0 Illegal Operation) for an object without limits, Wrong Key Lifecycle State
/// (Permission Denied) where protection is not possible now, Usage Limit Exceeded (Permission Denied) where less
/// is left, Invalid Field for an amount that is not positive.
pub fn allocate(record: &mut Record, amount: i64, now: DateTime) -> Result<(), Error> {
    if lifecycle::is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    if record.attributes.usage_limits.is_none() {
        let message = "The object has no Usage Limits, so there is nothing to allocate.";
        return Err(
            failed(ResultReason::AttributeNotFound, message).with_fallback(ResultReason::IllegalOperation)
        );
    }
    if amount <= 0 {
        return Err(invalid_field("Usage Limits Count has to be positive."));
    }
    may_protect(record, now)?;
    let taken = record.attributes.usage_limits.as_mut().is_some_and(|limits| take(limits, amount));
    if taken { Ok(()) } else { Err(exceeded()) }
}

/// Counts `amount` units down; false, and nothing is counted, where less is left.
pub fn take(limits: &mut UsageLimits, amount: i64) -> bool {
    match remaining(limits).checked_sub(amount) {
        Some(left) if left >= 0 => {
            limits.usage_limits_count = Some(left);
            true
        }
        _ => false,
    }
}

/// Less is left than was asked for: Usage Limit Exceeded, before 2.0 Permission Denied.
pub fn exceeded() -> Error {
    failed(ResultReason::UsageLimitExceeded, "The object's Usage Limits do not leave that much.")
}

/// Checks that the object may protect data at `now`: it is active, and the time is between its Process Start and
/// Protect Stop dates (1.4 §3.25, §3.26).
///
/// # Errors
/// Wrong Key Lifecycle State, before 2.0 Permission Denied.
pub fn may_protect(record: &Record, now: DateTime) -> Result<(), Error> {
    let attributes = &record.attributes;
    match attributes.state {
        Some(State::Active) => {}
        Some(state) => return Err(wrong_state(format!("The object is {state}, not active."))),
        None => return Err(wrong_state("The object has no state in which it could protect data.")),
    }
    if attributes.process_start_date.is_some_and(|start| now < start) {
        return Err(wrong_state("The object's Process Start Date has not come yet."));
    }
    if attributes.protect_stop_date.is_some_and(|stop| stop <= now) {
        return Err(wrong_state("The object's Protect Stop Date has come."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::{ObjectType, UsageLimitsUnit};
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
    fn the_count_begins_at_the_total_whatever_the_client_says() {
        assert_eq!(begin(&limits(10, None)).unwrap(), limits(10, Some(10)));
        assert_eq!(begin(&limits(10, Some(99))).unwrap(), limits(10, Some(10)));
        assert_eq!(begin(&limits(-1, None)).unwrap_err().reason, ResultReason::InvalidField);
        assert!(!is_begun(&limits(10, Some(10))) && is_begun(&limits(10, Some(9))));
    }

    #[test]
    fn allocations_count_down_to_zero_and_no_further() {
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
    fn nothing_is_allocated_that_is_no_amount_or_of_an_object_without_limits() {
        for amount in [0, -1, i64::MIN] {
            let mut record = record(Some(limits(10, Some(10))));
            assert_eq!(allocate(&mut record, amount, NOW).unwrap_err().reason, ResultReason::InvalidField);
        }
        let error = allocate(&mut record(None), 1, NOW).unwrap_err();
        assert_eq!(error.reason, ResultReason::AttributeNotFound);
        assert_eq!(error.reason_in(V1_4), ResultReason::IllegalOperation);
    }

    #[test]
    fn protection_needs_an_active_object_between_its_dates() {
        let with = |state, start: Option<i64>, stop: Option<i64>| {
            let mut record = record(Some(limits(10, Some(10))));
            record.attributes.state = state;
            record.attributes.process_start_date = start.map(DateTime);
            record.attributes.protect_stop_date = stop.map(DateTime);
            may_protect(&record, NOW).map_err(|error| error.reason)
        };
        let wrong = Err(ResultReason::WrongKeyLifecycleState);
        assert_eq!(with(Some(State::Active), Some(1_000), Some(1_001)), Ok(()));
        assert_eq!(with(Some(State::Active), Some(1_001), None), wrong);
        assert_eq!(with(Some(State::Active), None, Some(1_000)), wrong);
        assert_eq!(with(Some(State::PreActive), None, None), wrong);
        assert_eq!(with(Some(State::Deactivated), None, None), wrong);
        assert_eq!(with(None, None, None), wrong);
    }
}
