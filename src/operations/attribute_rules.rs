//! The rules that the operations on attributes share: when a value can still change, and the effects of a change.

use crate::compatibility::{Behavior, Difference};
use crate::engine::{Context, failed, invalid_field, lifecycle, quantum, usage_limits, wrong_state};
use crate::kmip::Error;
use crate::kmip::attributes::{Attribute, AttributeDefinition, AttributeReference};
use crate::kmip::enums::{ObjectType, ResultReason, State};
use crate::kmip::structures::UsageLimits;
use crate::store::Record;
use crate::ttlv::{DateTime, Tag, V1_0, Version};

/// The states in which a client can set a date of an object's lifecycle (1.4 §3.24, §3.25, §3.27).
const DATES: &[(Tag, &[State])] = &[
    (Tag::ActivationDate, &[State::PreActive]),
    (Tag::ProcessStartDate, &[State::PreActive]),
    (Tag::DeactivationDate, &[State::PreActive, State::Active]),
];

/// Returns the attributes that a request without names receives.
pub(super) fn reported(cx: &Context<'_>, record: &Record) -> Vec<AttributeReference> {
    let mut references = record.attributes.references(cx.version);
    if cx.compatibility.has(Difference::DefaultAttributes) {
        references.retain(|reference| {
            reference.row().is_some_and(|row| is_stored_by_pykmip(row.tag, record.object_type))
        });
    }
    references
}

/// Returns whether PyKMIP's server stores the attribute for objects of that type.
pub(super) fn is_stored_by_pykmip(tag: Tag, object_type: ObjectType) -> bool {
    use ObjectType as T;
    match tag {
        Tag::CryptographicAlgorithm | Tag::CryptographicLength => {
            !matches!(object_type, T::Certificate | T::CertificateRequest | T::SecretData | T::OpaqueObject)
        }
        Tag::CryptographicUsageMask => object_type != T::OpaqueObject,
        Tag::UniqueIdentifier
        | Tag::Name
        | Tag::ObjectType
        | Tag::CertificateType
        | Tag::OperationPolicyName
        | Tag::State
        | Tag::InitialDate
        | Tag::ObjectGroup
        | Tag::ApplicationSpecificInformation
        | Tag::Sensitive => true,
        _ => false,
    }
}

/// Returns the attribute as the response contains it.
pub(crate) fn in_response(cx: &Context<'_>, attribute: Attribute) -> Attribute {
    if cx.version == V1_0 && !cx.compatibility.has(Difference::FirstAttributeIndex) {
        return attribute.without_zero_index();
    }
    attribute
}

/// Checks that a change did not make an object readable that was Sensitive, if the behaviour forbids it.
///
/// # Errors
/// Returns Invalid Field if it did.
pub(super) fn stays_sensitive(
    before: Option<bool>,
    record: &Record,
    behavior: Behavior,
) -> Result<(), Error> {
    let is_reset = before == Some(true) && record.attributes.sensitive == Some(false);
    if is_reset && behavior.has(Difference::SensitiveStays) {
        return Err(invalid_field("The Sensitive attribute cannot change from true to false."));
    }
    Ok(())
}

/// Checks that the attribute exists in `version`.
///
/// # Errors
/// Returns Invalid Field if it does not.
pub(super) fn known(attribute: &Attribute, version: Version) -> Result<(), Error> {
    if attribute.row.exists_in(version) {
        return Ok(());
    }
    Err(invalid_field(format!("KMIP {version} has no {attribute} attribute.")))
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
