//! Conversion of the objects of a PyKMIP database into records, with the attributes that PyKMIP does not store.

use crate::kmip::Error;
use crate::store::{Found, Record};

use super::creation::{NewObject, Requester};
use super::lifecycle;

/// Returns the record of an object from a PyKMIP database. Its owner, names, dates, state and policy are unchanged; the
/// other attributes follow from the object.
///
/// # Errors
/// Returns the errors of [`NewObject::finish`].
pub fn complete(found: Found) -> Result<Record, Error> {
    let mut new = NewObject::new(found.object);
    let attributes = &mut new.attributes;
    attributes.name = found.names;
    attributes.object_group = found.object_groups;
    attributes.application_specific_information = found.application_specific_information;
    attributes.operation_policy_name = found.operation_policy_name;
    attributes.cryptographic_usage_mask = found.cryptographic_usage_mask;
    attributes.sensitive = Some(found.sensitive);
    // PyKMIP does not record whether a client has read the object.
    attributes.fresh = Some(false);
    // No client owns an object without an owner, because no common name is empty.
    let owner = Requester::new(found.owner.unwrap_or_default(), found.initial_date);
    let mut record = new.finish(&owner)?.with_id(found.id);
    if lifecycle::has_state(record.object_type) {
        record.attributes.state = found.state.or(record.attributes.state);
    }
    Ok(record)
}
