//! Modify Attribute (KMIP 1.4 §4.15, 2.1 §6.1.34): replaces the value of an attribute.

use crate::compatibility::{Behavior, Difference};
use crate::engine::{Context, failed, invalid_field};
use crate::kmip::attributes::{Attribute, AttributeReference};
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{DateTime, V2_0, Version};

use super::{Operation, attribute_rules as rules};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CurrentAttribute[V2_0..] => current: Option<Attribute>,
        NewAttribute => new: Attribute,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Attribute[..V2_0] => attribute: Option<Attribute>,
    }
}

pub(super) struct ModifyAttribute;

impl Operation for ModifyAttribute {
    const CODE: enums::Operation = enums::Operation::ModifyAttribute;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (version, behavior) = (cx.version, cx.compatibility);
        let Request { unique_identifier, current, new } = request;
        let (id, attribute) = cx.modify(unique_identifier.as_ref(), Self::CODE, |record, now| {
            check_as_pykmip(&new, behavior)?;
            let before = record.attributes.sensitive;
            let modified = modify(record, current.as_ref(), &new, version, now)?;
            rules::stays_sensitive(before, record, behavior)?;
            Ok(modified)
        })?;
        let attribute = Some(rules::in_response(cx, attribute));
        Ok(Response { unique_identifier: id.into(), attribute })
    }
}

/// Checks what only PyKMIP checks, or with another reason.
fn check_as_pykmip(new: &Attribute, behavior: Behavior) -> Result<(), Error> {
    if !new.row.rules.client_may_modify && behavior.has(Difference::ReadOnlyAttribute) {
        return Err(failed(ResultReason::PermissionDenied, format!("The {new} attribute is read-only.")));
    }
    let has_excess_index = new.row.rules.client_may_modify && !new.row.multiple && new.index.is_some();
    if has_excess_index && behavior.has(Difference::IndexOfSingleValue) {
        return Err(invalid_field(format!("The {new} attribute has a single value and no index.")));
    }
    Ok(())
}

/// Replaces the value and returns the new one with its index.
fn modify(
    record: &mut Record,
    current: Option<&Attribute>,
    new: &Attribute,
    version: Version,
    now: DateTime,
) -> Result<Attribute, Error> {
    rules::known(new, version)?;
    if !new.row.rules.client_may_modify {
        let message = format!("The {new} attribute is read-only.");
        return Err(
            failed(ResultReason::AttributeReadOnly, message).with_fallback(ResultReason::PermissionDenied)
        );
    }
    let (position, index) =
        if version >= V2_0 { by_value(record, current, new)? } else { by_index(record, new)? };
    rules::timely(record, new.row)?;
    let mut modified = rules::completed(new)?;
    record.attributes.replace(position, &modified);
    rules::conclude(record, now)?;
    // The response contains the index that the request contains, even if it is 0.
    modified.index = index.or(new.index.filter(|_| new.row.multiple));
    Ok(modified)
}

/// Returns the position of the current value of a 2.x request.
fn by_value(
    record: &Record,
    current: Option<&Attribute>,
    new: &Attribute,
) -> Result<(usize, Option<i32>), Error> {
    let values = record.attributes.values(&AttributeReference::to(new));
    // The name identifies a vendor attribute with a single value.
    let needs_current = new.row.multiple && !(new.row.is_vendor() && values.len() == 1);
    if current.is_none() && needs_current {
        return Err(failed(
            ResultReason::AttributeInstanceNotFound,
            format!(
                "The {new} attribute can have several values; the request must contain the Current Attribute."
            ),
        ));
    }
    let mut meant = values.into_iter().filter(|(_, own)| {
        current.is_none_or(|current| current.row == own.row && current.stored() == own.stored())
    });
    let (position, found) = meant.next().ok_or_else(|| {
        failed(
            ResultReason::AttributeNotFound,
            format!("The object does not have this value of the {new} attribute."),
        )
    })?;
    Ok((position, found.index))
}

/// Returns the position of the value with the index of a 1.x request.
fn by_index(record: &Record, new: &Attribute) -> Result<(usize, Option<i32>), Error> {
    let index = new.index.unwrap_or(0);
    if !new.row.multiple && index != 0 {
        return Err(invalid_field(format!("The {new} attribute has a single value; its index must be 0.")));
    }
    let values = record.attributes.values(&AttributeReference::to(new));
    let meant = usize::try_from(index).ok().and_then(|index| values.into_iter().nth(index));
    let (position, found) = meant.ok_or_else(|| {
        let reason = if new.row.multiple { ResultReason::ItemNotFound } else { ResultReason::InvalidField };
        failed(reason, format!("The object has no {new} attribute with the index {index}."))
    })?;
    Ok((position, found.index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::enums::State;
    use crate::operations::testing::*;
    use crate::ttlv::{Tag, V1_2, V1_4, V2_1};

    fn group(text: &str) -> Attribute {
        attribute(Tag::ObjectGroup, &text.to_owned())
    }

    #[test]
    fn an_index_tells_which_value_is_meant_in_1_x() {
        let mut key = key();
        let modified = modify(&mut key, None, &at(1, named("other")), V1_2, NOW).unwrap();
        assert_eq!(modified.index, Some(1));
        assert_eq!(modify(&mut key, None, &named("new"), V1_2, NOW).unwrap().index, Some(0));
        assert_eq!(names(&key), ["new", "other"]);
        modify(&mut key, None, &at(1, custom("colour", "green")), V1_2, NOW).unwrap();
        assert_eq!(customs(&key, "colour"), ["red", "green"], "counted by their names");
        assert_eq!(customs(&key, "shape"), ["round"]);
        for index in [2, -1] {
            let outcome = modify(&mut key, None, &at(index, named("none")), V1_2, NOW);
            assert_eq!(reason(outcome), ResultReason::ItemNotFound);
        }
    }

    #[test]
    fn an_attribute_of_one_value_has_no_index_but_0() {
        let (mut key, shown) = (key(), attribute(Tag::Sensitive, &false));
        assert_eq!(
            reason(modify(&mut key, None, &at(1, shown.clone()), V1_4, NOW)),
            ResultReason::InvalidField
        );
        assert_eq!(modify(&mut key, None, &at(0, shown.clone()), V1_4, NOW).unwrap().index, None);
        assert_eq!(key.attributes.sensitive, Some(false));
        assert_eq!(key.attributes.always_sensitive, Some(false), "no longer always sensitive");
        let unset = attribute(Tag::ContactInformation, &"here".to_owned());
        assert_eq!(reason(modify(&mut key, None, &unset, V1_4, NOW)), ResultReason::InvalidField);
    }

    #[test]
    fn the_value_itself_tells_which_is_meant_in_2_x() {
        let mut key = key();
        modify(&mut key, Some(&named("second")), &named("new"), V2_1, NOW).unwrap();
        assert_eq!(names(&key), ["first", "new"]);
        let outcome = modify(&mut key, None, &named("new"), V2_1, NOW);
        assert_eq!(reason(outcome), ResultReason::AttributeInstanceNotFound);
        for other in [named("none"), group("group")] {
            let outcome = modify(&mut key, Some(&other), &named("newer"), V2_1, NOW);
            assert_eq!(reason(outcome), ResultReason::AttributeNotFound);
        }
        modify(&mut key, None, &attribute(Tag::Extractable, &true), V2_1, NOW).unwrap();
        assert_eq!(key.attributes.never_extractable, Some(false));
        let unset = attribute(Tag::ContactInformation, &"here".to_owned());
        assert_eq!(reason(modify(&mut key, None, &unset, V2_1, NOW)), ResultReason::AttributeNotFound);
    }

    #[test]
    fn rejects_read_only_and_past_attributes() {
        use ResultReason::{AttributeReadOnly, PermissionDenied, WrongKeyLifecycleState};
        let mut key = key_in(State::Deactivated);
        key.attributes.deactivation_date = Some(NOW);
        for (refused, in_2_1) in [
            (attribute(Tag::State, &State::Active), AttributeReadOnly),
            (attribute(Tag::CryptographicLength, &256), AttributeReadOnly),
            (attribute(Tag::DeactivationDate, &DateTime(5_000)), WrongKeyLifecycleState),
        ] {
            let error = modify(&mut key, None, &refused, V2_1, NOW).unwrap_err();
            assert_eq!(error.reason_in(V2_1), in_2_1, "{refused:?}");
            assert_eq!(error.reason_in(V1_4), PermissionDenied, "{refused:?}");
        }
        let comment = attribute(Tag::Comment, &"younger than 1.2".to_owned());
        assert_eq!(reason(modify(&mut key, None, &comment, V1_2, NOW)), ResultReason::InvalidField);
    }
}
