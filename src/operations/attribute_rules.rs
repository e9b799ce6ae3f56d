//! The rules that the operations on attributes share: when a value can still change, and the effects of a change.

use crate::engine::{failed, invalid_field, lifecycle, quantum, usage_limits, wrong_state};
use crate::kmip::Error;
use crate::kmip::attributes::{Attribute, AttributeDefinition};
use crate::kmip::enums::{ResultReason, State};
use crate::kmip::structures::UsageLimits;
use crate::store::Record;
use crate::ttlv::{DateTime, Tag, Version};

/// The states in which a client can set a date of an object's lifecycle (1.4 §3.24, §3.25, §3.27).
const DATES: &[(Tag, &[State])] = &[
    (Tag::ActivationDate, &[State::PreActive]),
    (Tag::ProcessStartDate, &[State::PreActive]),
    (Tag::DeactivationDate, &[State::PreActive, State::Active]),
];

/// Checks that the attribute exists in `version`.
///
/// # Errors
/// Returns Invalid Field if it does not.
pub(super) fn known(attribute: &Attribute, version: Version) -> Result<(), Error> {
    if attribute.row.exists_in(version) {
        return Ok(());
    }
    Err(invalid_field(format!("KMIP {version} has no {} attribute.", attribute.name())))
}

/// Checks that the state of the object still permits a client to set or delete the attribute.
///
/// # Errors
/// Returns Wrong Key Lifecycle State (before 2.0 Permission Denied) for a date that is past, Permission Denied for
/// Usage Limits that are partly used.
pub(super) fn timely(record: &Record, row: &AttributeDefinition) -> Result<(), Error> {
    if row.tag == Tag::UsageLimits
        && record.attributes.usage_limits.as_ref().is_some_and(usage_limits::is_partly_used)
    {
        let message = "The Usage Limits cannot be changed, because they are partly used.";
        return Err(failed(ResultReason::PermissionDenied, message));
    }
    let (Some(state), Some((_, states))) =
        (record.attributes.state, DATES.iter().find(|(tag, _)| *tag == row.tag))
    else {
        return Ok(());
    };
    if states.contains(&state) {
        return Ok(());
    }
    Err(wrong_state(format!("The {} attribute cannot be changed while the object is {state}.", row.name)))
}

/// Returns the value as stored, with the fields that the server adds.
///
/// # Errors
/// Returns Invalid Field for negative Usage Limits.
pub(super) fn completed(new: &Attribute) -> Result<Attribute, Error> {
    match new.read::<UsageLimits>() {
        Ok(limits) if new.row.tag == Tag::UsageLimits => {
            let mut completed = Attribute::of(new.row, &usage_limits::initialize(&limits)?);
            completed.index = new.index;
            Ok(completed)
        }
        _ => Ok(new.clone()),
    }
}

/// Applies the effects of a change: the state that follows from the dates, Always Sensitive and Never Extractable
/// (1.4 §3.49, §3.51).
///
/// # Errors
/// Returns the errors of [`quantum::check`].
pub(super) fn conclude(record: &mut Record, now: DateTime) -> Result<(), Error> {
    quantum::check(&record.attributes)?;
    lifecycle::update_state(record, now);
    let attributes = &mut record.attributes;
    if attributes.sensitive == Some(false) {
        attributes.always_sensitive = Some(false);
    }
    if attributes.extractable == Some(true) {
        attributes.never_extractable = Some(false);
    }
    Ok(())
}
