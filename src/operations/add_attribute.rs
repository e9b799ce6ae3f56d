//! Add Attribute (KMIP 1.4 §4.14, 2.1 §6.1.2): adds an attribute, or another value of an existing one.

use crate::engine::{Context, failed, invalid_field};
use crate::kmip::attributes::{Attribute, AttributeReference, Origin};
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{DateTime, Tag, V2_0, Version};

use super::{Operation, attribute_rules as rules};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        NewAttribute => attribute: Attribute,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Attribute[..V2_0] => attribute: Option<Attribute>,
    }
}

pub(super) struct AddAttribute;

impl Operation for AddAttribute {
    const CODE: enums::Operation = enums::Operation::AddAttribute;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let version = cx.version;
        let (id, attribute) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, |record, now| {
            add(record, &request.attribute, version, now)
        })?;
        let attribute = attribute.map(|attribute| rules::in_response(cx, attribute));
        Ok(Response { unique_identifier: id.into(), attribute })
    }
}

/// Adds the value and returns it with its index (errors: 1.4 §11.15).
fn add(
    record: &mut Record,
    new: &Attribute,
    version: Version,
    now: DateTime,
) -> Result<Option<Attribute>, Error> {
    let row = new.row;
    rules::known(new, version)?;
    if new.index.is_some() {
        return Err(invalid_field(
            "The request contains an Attribute Index; the server chooses the index of a new attribute.",
        ));
    }
    if !row.rules.client_may_modify && row.rules.origin == Origin::Server {
        let message = format!("Only the server sets the {new} attribute.");
        return Err(
            failed(ResultReason::AttributeReadOnly, message).with_fallback(ResultReason::PermissionDenied)
        );
    }
    if !row.rules.applies_to.contains(record.object_type) {
        return Err(failed(
            ResultReason::PermissionDenied,
            format!("Objects of the type {} have no {new} attribute.", record.object_type),
        ));
    }
    if !row.multiple && row.slot(&record.attributes).count() > 0 {
        let message = format!(
            "The object already has a value for the single-instance attribute {new}; use Modify Attribute."
        );
        return Err(failed(ResultReason::AttributeSingleValued, message)
            .with_fallback(ResultReason::IllegalOperation));
    }
    // Names are unique (1.4 §3.2).
    if row.tag == Tag::Name && record.attributes.of_row(row).any(|own| own.stored() == new.stored()) {
        let error = failed(ResultReason::NonUniqueNameAttribute, "The object already has this Name.");
        return Err(error.with_fallback(ResultReason::IllegalOperation));
    }
    rules::timely(record, row)?;
    record.attributes.push(&rules::completed(new)?);
    rules::conclude(record, now)?;
    let added = record.attributes.values(&AttributeReference::to(new)).pop();
    Ok(added.map(|(_, attribute)| attribute.without_zero_index()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::enums::{ObjectType, State};
    use crate::operations::testing::*;
    use crate::ttlv::{V1_2, V1_4, V2_1};

    fn add_to(record: &mut Record, new: &Attribute, version: Version) -> Result<Option<i32>, ResultReason> {
        let added = add(record, new, version, NOW).map_err(|error| error.reason_in(version))?;
        Ok(added.and_then(|attribute| attribute.index))
    }

    #[test]
    fn returns_the_index_of_each_value_after_the_first() {
        let mut key = key();
        assert_eq!(add_to(&mut key, &named("third"), V1_2), Ok(Some(2)));
        assert_eq!(names(&key), ["first", "second", "third"]);
        assert_eq!(add_to(&mut key, &custom("colour", "green"), V1_2), Ok(Some(2)));
        assert_eq!(add_to(&mut key, &custom("size", "small"), V1_2), Ok(None), "counted by their names");
        assert_eq!(customs(&key, "colour"), ["red", "blue", "green"]);
        let contact = attribute(Tag::ContactInformation, &"here".to_owned());
        assert_eq!(add_to(&mut key, &contact, V1_2), Ok(None));
    }

    #[test]
    fn rejects_a_second_value_of_a_single_instance_attribute() {
        let mut key = key();
        let group = attribute(Tag::ObjectGroup, &"another group".to_owned());
        assert_eq!(add_to(&mut key, &group, V1_2), Ok(Some(1)));
        let contact = attribute(Tag::ContactInformation, &"here".to_owned());
        assert_eq!(add_to(&mut key, &contact, V1_2), Ok(None));
        assert_eq!(add_to(&mut key, &contact, V1_2), Err(ResultReason::IllegalOperation));
        assert_eq!(add_to(&mut key, &contact, V2_1), Err(ResultReason::AttributeSingleValued));
        assert_eq!(add_to(&mut key, &named("second"), V1_2), Err(ResultReason::IllegalOperation));
        assert_eq!(names(&key), ["first", "second"]);
    }

    #[test]
    fn rejects_attributes_that_clients_must_not_add() {
        let active = attribute(Tag::State, &State::Active);
        assert_eq!(add_to(&mut key(), &active, V1_2), Err(ResultReason::PermissionDenied));
        let mut certificate = object(ObjectType::Certificate);
        assert_eq!(add_to(&mut certificate, &limits(), V1_2), Err(ResultReason::PermissionDenied));
        let indexed = at(2, named("third"));
        assert_eq!(add_to(&mut key(), &indexed, V1_2), Err(ResultReason::InvalidField));
        let comment = attribute(Tag::Comment, &"younger than 1.2".to_owned());
        assert_eq!(add_to(&mut key(), &comment, V1_2), Err(ResultReason::InvalidField));
        assert_eq!(add_to(&mut key(), &comment, V1_4), Ok(None));
    }

    #[test]
    fn a_current_activation_date_activates_and_rejects_another_one() {
        let mut key = key();
        assert_eq!(add_to(&mut key, &attribute(Tag::ActivationDate, &NOW), V1_2), Ok(None));
        assert_eq!(key.attributes.state, Some(State::Active));
        key.attributes.activation_date = None;
        let again = attribute(Tag::ActivationDate, &NOW);
        assert_eq!(add_to(&mut key, &again, V1_2), Err(ResultReason::PermissionDenied));
    }
}
