//! What the operations that change attributes have in common: when a date may still be changed, and what
//! follows from a change. Which errors a change has is told by each operation.

use crate::engine::{failed, invalid_field, lifecycle, quantum, usage_limits, wrong_state};
use crate::kmip::Error;
use crate::kmip::attributes::{Attribute, AttributeDefinition};
use crate::kmip::enums::{ResultReason, State};
use crate::kmip::structures::UsageLimits;
use crate::store::Record;
use crate::ttlv::{DateTime, Tag, Version};

/// The states in which a client may set a date of an object's life (1.4 §3.24, §3.25, §3.27).
const DATES: &[(Tag, &[State])] = &[
    (Tag::ActivationDate, &[State::PreActive]),
    (Tag::ProcessStartDate, &[State::PreActive]),
    (Tag::DeactivationDate, &[State::PreActive, State::Active]),
];

/// Checks that `version` has the attribute.
///
/// # Errors
/// Invalid Field where it does not.
pub(super) fn known(attribute: &Attribute, version: Version) -> Result<(), Error> {
    if attribute.row.exists_in(version) {
        return Ok(());
    }
    Err(invalid_field(format!("KMIP {version} has no {} attribute.", attribute.name())))
}

/// Checks that the object's life still allows the attribute to be set or deleted.
///
/// # Errors
/// Wrong Key Lifecycle State (before 2.0 Permission Denied) for a date whose moment has passed, Permission Denied
/// for Usage Limits of which something has been used.
pub(super) fn timely(record: &Record, row: &AttributeDefinition) -> Result<(), Error> {
    if row.tag == Tag::UsageLimits
        && record.attributes.usage_limits.as_ref().is_some_and(usage_limits::is_partly_used)
    {
        let message = "The Usage Limits cannot be changed: something of them has been used.";
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
    Err(wrong_state(format!("The {} attribute cannot be changed: the object is {state}.", row.name)))
}

/// The value as it is kept: with what the server adds to the client's part of it.
///
/// # Errors
/// Invalid Field for Usage Limits below zero.
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

/// Applies what follows from a change: the state that the dates lead to, and what the object has always been
/// (1.4 §3.49, §3.51).
///
/// # Errors
/// Those of [`quantum::check`].
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
