//! Import of an object from another server with all its attributes (KMIP 1.4 §4.41, 2.1 §6.1.25).
//!
//! A request can set every attribute, also those that otherwise only the server sets, except the attributes that describe
//! how this server stores the object. Attributes that the request omits are those of a new object.

use crate::kmip::attributes::{Attribute, AttributeDefinition};
use crate::kmip::enums::State;
use crate::kmip::structures::Digest;
use crate::kmip::{Error, Object};
use crate::store::{Id, Record};
use crate::ttlv::{DateTime, Tag, Version};

use super::creation::{NewObject, Requester};
use super::error::invalid_field;
use super::{lifecycle, quantum, usage_limits};

/// The attributes that this server determines: they describe its own storage, or the format in the request, which an
/// Export can have converted.
const SERVER_DETERMINED: &[Tag] =
    &[Tag::UniqueIdentifier, Tag::ShortUniqueIdentifier, Tag::ProtectionStorageMask, Tag::KeyFormatType];

/// Returns the record of an imported object, which replaces `old` if there is one. A destroyed object has no value.
/// Without an Operation Policy Name in the request, the policy of `old` stays in force: KMIP 2.x requests cannot contain
/// one, and a replaced key must not come under a wider policy.
///
/// # Errors
/// Returns Invalid Field for an attribute that the version or the object type does not have, that occurs twice, or that
/// contradicts the object, and for negative Usage Limits; and the errors of [`NewObject::finish`] and
/// [`quantum::check`].
pub fn record(
    object: Object,
    requested: &[Attribute],
    (id, old): (Id, Option<&Record>),
    requester: &Requester,
    version: Version,
) -> Result<Record, Error> {
    let mut new = NewObject::new(object);
    new.attributes.operation_policy_name = old.map(|old| old.policy().to_owned());
    let mut record = new.finish(requester)?.with_id(id);
    // The server cannot compute the digest of a wrapped key.
    let is_plain =
        record.object.as_ref().and_then(Object::key_block).is_none_or(|it| it.key_wrapping_data.is_none());
    let digests = if is_plain { record.attributes.digest.clone() } else { Vec::new() };
    let mut seen: Vec<&'static AttributeDefinition> = Vec::new();
    for attribute in requested {
        let row = attribute.row;
        if !row.exists_in(version) {
            return Err(invalid_field(format!("KMIP {version} has no {attribute} attribute.")));
        }
        if !row.rules.applies_to.contains(record.object_type) {
            return Err(invalid_field(format!(
                "Objects of the type {} have no {attribute} attribute.",
                record.object_type
            )));
        }
        if SERVER_DETERMINED.contains(&row.tag) {
            continue;
        }
        let first = !seen.contains(&row);
        if !first && !row.multiple {
            return Err(invalid_field(format!("The {attribute} attribute can have one value only.")));
        }
        if DERIVED.contains(&row.tag) && contradicts(&record, attribute)
            || row.tag == Tag::Digest && contradicts_digest(&digests, attribute)
        {
            return Err(invalid_field(format!("The {attribute} attribute contradicts the object itself.")));
        }
        if first {
            row.slot_mut(&mut record.attributes).clear();
            seen.push(row);
        }
        record.attributes.push(attribute);
    }
    let attributes = &mut record.attributes;
    let names = &attributes.name;
    if names.iter().enumerate().any(|(position, name)| names.iter().take(position).any(|other| other == name))
    {
        return Err(invalid_field("The same Name occurs twice."));
    }
    if let Some(limits) = attributes.usage_limits.as_mut() {
        let initial = usage_limits::initialize(limits)?;
        limits.usage_limits_count = limits.usage_limits_count.or(initial.usage_limits_count);
    }
    quantum::check(attributes)?;
    reconcile_state(&mut record, requester.now());
    Ok(record)
}

/// The attributes that follow from the object itself.
const DERIVED: &[Tag] =
    &[Tag::ObjectType, Tag::CryptographicAlgorithm, Tag::CryptographicLength, Tag::CertificateType];

fn contradicts(record: &Record, requested: &Attribute) -> bool {
    record.attributes.of_row(requested.row).any(|derived| derived.stored() != requested.stored())
}

/// Returns whether a digest differs from the computed one with the same hash and format. A digest with another hash or
/// format is accepted unchecked, because the exporting server computed it.
fn contradicts_digest(computed: &[Digest], requested: &Attribute) -> bool {
    let Ok(requested) = requested.read::<Digest>() else { return true };
    let is_comparable = |computed: &&Digest| {
        (computed.hashing_algorithm, computed.key_format_type)
            == (requested.hashing_algorithm, requested.key_format_type)
    };
    computed.iter().find(is_comparable).is_some_and(|computed| *computed != requested)
}

/// Makes the state consistent with the dates, and removes the value of a destroyed object.
fn reconcile_state(record: &mut Record, now: DateTime) {
    let attributes = &mut record.attributes;
    match attributes.state {
        Some(State::Destroyed | State::DestroyedCompromised) => {
            attributes.destroy_date.get_or_insert(now);
        }
        Some(State::Compromised) if attributes.destroy_date.is_some() => {
            attributes.state = Some(State::DestroyedCompromised);
        }
        Some(_) if attributes.destroy_date.is_some() => attributes.state = Some(State::Destroyed),
        _ => lifecycle::update_state(record, now),
    }
    if lifecycle::is_destroyed(record) {
        record.object = None;
    }
}
