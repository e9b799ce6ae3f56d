//! Set Attribute (KMIP 2.1 §6.1.51): sets the value of a single-instance attribute, or of a vendor attribute that has
//! at most one value.

use crate::engine::{Context, failed, invalid_field};
use crate::kmip::attributes::{Attribute, AttributeReference};
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::DateTime;

use super::object_payloads::Response;
use super::{Operation, attribute_rules as rules};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        NewAttribute => attribute: Attribute,
    }
}

pub(super) struct SetAttribute;

impl Operation for SetAttribute {
    const CODE: enums::Operation = enums::Operation::SetAttribute;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let behavior = cx.compatibility;
        let (id, ()) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, |record, now| {
            let before = record.attributes.sensitive;
            set(record, &request.attribute, now)?;
            rules::stays_sensitive(before, record, behavior)
        })?;
        Ok(Response { unique_identifier: id.into() })
    }
}

fn set(record: &mut Record, new: &Attribute, now: DateTime) -> Result<(), Error> {
    let row = new.row;
    let values = record.attributes.values(&AttributeReference::to(new));
    // The name identifies a vendor attribute with a single value.
    let present = values.first().map(|(position, _)| *position).filter(|_| row.is_vendor());
    if row.multiple && !(row.is_vendor() && values.len() <= 1) {
        return Err(failed(
            ResultReason::MultiValuedAttribute,
            format!(
                "The {new} attribute can have several values; Set Attribute supports only single-instance attributes."
            ),
        ));
    }
    if !row.rules.client_may_modify {
        return Err(failed(ResultReason::ReadOnlyAttribute, format!("The {new} attribute is read-only.")));
    }
    if !row.rules.applies_to.contains(record.object_type) {
        return Err(invalid_field(format!(
            "Objects of the type {} have no {new} attribute.",
            record.object_type
        )));
    }
    rules::timely(record, row)?;
    let completed = rules::completed(new)?;
    match present {
        Some(position) => {
            record.attributes.replace(position, &completed);
        }
        None => record.attributes.push(&completed),
    }
    rules::conclude(record, now)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::enums::{ObjectType, State};
    use crate::operations::testing::*;
    use crate::ttlv::Tag;

    #[test]
    fn sets_a_missing_or_existing_value() {
        let mut key = key();
        for text in ["first", "second"] {
            set(&mut key, &attribute(Tag::Comment, &text.to_owned()), NOW).unwrap();
            assert_eq!(key.attributes.comment.as_deref(), Some(text));
        }
        set(&mut key, &attribute(Tag::ActivationDate, &NOW), NOW).unwrap();
        assert_eq!(key.attributes.state, Some(State::Active), "the date is past");
    }

    #[test]
    fn sets_a_vendor_attribute_that_has_at_most_one_value() {
        let mut key = key();
        for text in ["first", "second"] {
            set(&mut key, &custom("mark", text), NOW).unwrap();
            assert_eq!(customs(&key, "mark"), [text]);
        }
        key.attributes.push(&custom("mark", "third"));
        assert_eq!(reason(set(&mut key, &custom("mark", "fourth"), NOW)), ResultReason::MultiValuedAttribute);
        set(&mut key, &custom("other", "first"), NOW).unwrap();
        assert_eq!(customs(&key, "mark"), ["second", "third"]);
    }

    #[test]
    fn rejects_multi_instance_and_read_only_attributes() {
        let refused = |record: &mut Record, attribute| reason(set(record, &attribute, NOW));
        assert_eq!(refused(&mut key(), named("third")), ResultReason::MultiValuedAttribute);
        let state = || attribute(Tag::State, &State::Active);
        assert_eq!(refused(&mut key(), state()), ResultReason::ReadOnlyAttribute);
        let start = attribute(Tag::ProcessStartDate, &NOW);
        assert_eq!(refused(&mut object(ObjectType::Certificate), limits()), ResultReason::InvalidField);
        assert_eq!(refused(&mut key_in(State::Active), start), ResultReason::WrongKeyLifecycleState);
    }
}
