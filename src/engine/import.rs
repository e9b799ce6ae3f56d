//! Objects that come from another server with all that is known about them (KMIP 1.4 §4.41, 2.1 §6.1.25).
//!
//! Every attribute is as the client gives it, whoever may set it otherwise. What says how this server keeps the
//! object is its own; what the client leaves out is as at a new object.

use crate::kmip::attributes::{Attribute, Row};
use crate::kmip::enums::State;
use crate::kmip::{Error, Object};
use crate::store::{Id, Record};
use crate::ttlv::{DateTime, Tag, Version};

use super::creation::{Asker, Draft};
use super::error::invalid_field;
use super::{lifecycle, quantum, usage_limits};

/// The attributes that tell of this server and not of the object.
const OWN: &[Tag] = &[Tag::UniqueIdentifier, Tag::ShortUniqueIdentifier, Tag::ProtectionStorageMask];

/// The record of an imported object. One that is destroyed comes without what it was.
///
/// # Errors
/// Invalid Field for an attribute that the version or the type of object does not have, that is given twice, or
/// that contradicts the object, and for Usage Limits below zero; those of [`Draft::into_record`] and [`quantum::check`].
pub fn record(
    object: Object,
    given: &[Attribute],
    id: Id,
    asker: &Asker,
    version: Version,
) -> Result<Record, Error> {
    let mut record = Draft::new(object).into_record(id, asker)?;
    let mut seen: Vec<&'static Row> = Vec::new();
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
        if DERIVED.contains(&row.tag) && contradicts(&record, attribute) {
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
