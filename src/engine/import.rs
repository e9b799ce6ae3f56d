//! Objects that come from another server with all that is known about them (KMIP 1.4 §4.41, 2.1 §6.1.25).
//!
//! Every attribute is as the client gives it, whoever may set it otherwise. What says how this server keeps the
//! object is its own; what the client leaves out is as at a new object.

use crate::kmip::attributes::{Attribute, AttributeDefinition};
use crate::kmip::enums::State;
use crate::kmip::structures::Digest;
use crate::kmip::{Error, Object};
use crate::store::{Id, Record};
use crate::ttlv::{DateTime, Tag, Version};

use super::creation::{NewObject, Requester};
use super::error::invalid_field;
use super::{lifecycle, quantum, usage_limits};

/// The attributes that tell of this server and not of the object, or of the format in which it came: an Export may
/// have converted it.
const OWN: &[Tag] =
    &[Tag::UniqueIdentifier, Tag::ShortUniqueIdentifier, Tag::ProtectionStorageMask, Tag::KeyFormatType];

/// The record of an imported object, which takes the place of `old` where there is one. One that is destroyed comes
/// without what it was. Where nobody says which policy it has, the one in its place stays in force: KMIP 2.x cannot
/// say it, and a replaced key must not come under a wider policy.
///
/// # Errors
/// Invalid Field for an attribute that the version or the type of object does not have, that is given twice, or
/// that contradicts the object, and for Usage Limits below zero; those of [`NewObject::finish`] and [`quantum::check`].
pub fn record(
    object: Object,
    given: &[Attribute],
    (id, old): (Id, Option<&Record>),
    asker: &Requester,
    version: Version,
) -> Result<Record, Error> {
    let mut draft = NewObject::new(object);
    draft.attributes.operation_policy_name = old.map(|old| old.policy().to_owned());
    let mut record = draft.finish(asker)?.numbered(id);
    // What is wrapped hides the bytes that the digest is of.
    let is_plain =
        record.object.as_ref().and_then(Object::key_block).is_none_or(|it| it.key_wrapping_data.is_none());
    let digests = if is_plain { record.attributes.digest.clone() } else { Vec::new() };
    let mut seen: Vec<&'static AttributeDefinition> = Vec::new();
    for attribute in given {
        let (row, name) = (attribute.row, attribute.name());
        if !row.exists_in(version) {
            return Err(invalid_field(format!("KMIP {version} has no {name} attribute.")));
        }
        if !row.rules.applies_to.contains(record.object_type) {
            return Err(invalid_field(format!(
                "Objects of the type {} have no {name} attribute.",
                record.object_type
            )));
        }
        if OWN.contains(&row.tag) {
            continue;
        }
        let first = !seen.contains(&row);
        if !first && !row.multiple {
            return Err(invalid_field(format!("The {name} attribute can have one value only.")));
        }
        if DERIVED.contains(&row.tag) && contradicts(&record, attribute)
            || row.tag == Tag::Digest && is_of_another(&digests, attribute)
        {
            return Err(invalid_field(format!("The {name} attribute contradicts the object itself.")));
        }
        if first {
            row.slot_mut(&mut record.attributes).clear();
            seen.push(row);
        }
        record.attributes.push(attribute);
    }
    let attributes = &mut record.attributes;
    let names = &attributes.name;
    if names.iter().enumerate().any(|(at, name)| names.iter().take(at).any(|other| other == name)) {
        return Err(invalid_field("The same Name is given twice."));
    }
    if let Some(limits) = attributes.usage_limits.as_mut() {
        let whole = usage_limits::begin(limits)?;
        limits.usage_limits_count = limits.usage_limits_count.or(whole.usage_limits_count);
    }
    quantum::check(attributes)?;
    settle(&mut record, asker.now());
    Ok(record)
}

/// The attributes that the object says itself, where it does.
const DERIVED: &[Tag] =
    &[Tag::ObjectType, Tag::CryptographicAlgorithm, Tag::CryptographicLength, Tag::CertificateType];

fn contradicts(record: &Record, given: &Attribute) -> bool {
    record.attributes.of_row(given.row).any(|there| there.stored() != given.stored())
}

/// Whether a digest is another than the object's own of the same hash and format. One by another hash, or of another
/// format, is not compared: the server that the object comes from had it.
fn is_of_another(own: &[Digest], given: &Attribute) -> bool {
    let Ok(given) = given.read::<Digest>() else { return true };
    let same = |own: &&Digest| {
        (own.hashing_algorithm, own.key_format_type) == (given.hashing_algorithm, given.key_format_type)
    };
    own.iter().find(same).is_some_and(|own| *own != given)
}

/// State and dates say the same, and of a destroyed object nothing is left but its attributes.
fn settle(record: &mut Record, now: DateTime) {
    let attributes = &mut record.attributes;
    match attributes.state {
        Some(State::Destroyed | State::DestroyedCompromised) => {
            attributes.destroy_date.get_or_insert(now);
        }
        Some(State::Compromised) if attributes.destroy_date.is_some() => {
            attributes.state = Some(State::DestroyedCompromised);
        }
        Some(_) if attributes.destroy_date.is_some() => attributes.state = Some(State::Destroyed),
        _ => lifecycle::settle(record, now),
    }
    if lifecycle::is_destroyed(record) {
        record.object = None;
    }
}
