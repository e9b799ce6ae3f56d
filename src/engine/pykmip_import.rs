//! Objects of a PyKMIP database as records of ours: what that server did not keep and this one always has is added.

use crate::kmip::Error;
use crate::store::{Found, Record};

use super::creation::{NewObject, Requester};
use super::lifecycle;

/// The record of an object that was found: its owner, names, dates, state and policy as they were, and beside
/// them the attributes that follow from the object.
///
/// # Errors
/// Those of [`NewObject::finish`].
pub fn complete(found: Found) -> Result<Record, Error> {
    let mut draft = NewObject::new(found.object);
    let attributes = &mut draft.attributes;
    attributes.name = found.names;
    attributes.object_group = found.object_groups;
    attributes.application_specific_information = found.application_specific_information;
    attributes.operation_policy_name = found.operation_policy_name;
    attributes.cryptographic_usage_mask = found.cryptographic_usage_mask;
    attributes.sensitive = Some(found.sensitive);
    // Whether anybody has read it is not known.
    attributes.fresh = Some(false);
    // An object without owner was nobody's: no common name is empty.
    let asker = Requester::then(found.owner.unwrap_or_default().into(), found.initial_date);
    let mut record = draft.finish(&asker)?.numbered(found.id);
    if lifecycle::has_state(record.object_type) {
        record.attributes.state = found.state.or(record.attributes.state);
    }
    Ok(record)
}
