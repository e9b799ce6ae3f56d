//! What the operations that change attributes have in common: when a date may still be changed, and what
//! follows from a change. Which errors a change has is told by each operation.

use crate::engine::{failed, invalid_field, lifecycle};
use crate::kmip::Error;
use crate::kmip::attributes::{Attribute, Row};
use crate::kmip::enums::{ResultReason, State};
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

/// Checks that the object's life still allows the attribute to be set.
///
/// # Errors
/// Wrong Key Lifecycle State, in 1.x Permission Denied, for a date whose moment has passed.
pub(super) fn timely(record: &Record, row: &Row) -> Result<(), Error> {
    let (Some(state), Some((_, states))) =
        (record.attributes.state, DATES.iter().find(|(tag, _)| *tag == row.tag))
    else {
        return Ok(());
    };
    if states.contains(&state) {
        return Ok(());
    }
    let message = format!("The {} attribute cannot be changed: the object is {state}.", row.name);
    Err(failed(ResultReason::WrongKeyLifecycleState, message).or_before(ResultReason::PermissionDenied))
}

/// Applies what follows from a change: the state that the dates lead to, and what the object has always been
/// (1.4 §3.49, §3.51).
pub(super) fn conclude(record: &mut Record, now: DateTime) {
    lifecycle::settle(record, now);
    let attributes = &mut record.attributes;
    if attributes.sensitive == Some(false) {
        attributes.always_sensitive = Some(false);
    }
    if attributes.extractable == Some(true) {
        attributes.never_extractable = Some(false);
    }
}
