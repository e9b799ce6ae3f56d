//! Adjust Attribute (KMIP 2.1 §6.1.3): increments, decrements or negates the value of an attribute.

use crate::engine::{Context, failed};
use crate::kmip::attributes::{Attribute, AttributeDefinition, AttributeReference};
use crate::kmip::enums::{AdjustmentType, ResultReason};
use crate::kmip::structures::{Raw, UniqueIdentifier, VendorAttribute};
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{DateTime, Interval, ItemType, Version};

use super::{Operation, attribute_rules as rules};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        AttributeReference => reference: Option<AttributeReference>,
        AdjustmentType => adjustment: AdjustmentType,
        AdjustmentValue => value: Option<Raw>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
    }
}

pub(super) struct AdjustAttribute;

impl Operation for AdjustAttribute {
    const CODE: enums::Operation = enums::Operation::AdjustAttribute;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let version = cx.version;
        let reference = request.reference.as_ref().ok_or_else(|| {
            failed(ResultReason::InvalidMessage, "The request does not say which attribute to adjust.")
        })?;
        let by = request.value.as_ref();
        let (id, ()) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, |record, now| {
            adjust(record, reference, request.adjustment, by, version, now)
        })?;
        Ok(Response { unique_identifier: id.into() })
    }
}

/// Adjusts the one value of the attribute, or what counts as none: zero, or false (errors: 2.1 §6.1.3.1).
fn adjust(
    record: &mut Record,
    reference: &AttributeReference,
    adjustment: AdjustmentType,
    by: Option<&Raw>,
    version: Version,
    now: DateTime,
) -> Result<(), Error> {
    let row = adjustable(record, reference, version)?;
    let values = record.attributes.values(reference);
    let current = match values.as_slice() {
        [] => None,
        [one] => Some(one),
        _ => {
            return Err(failed(
                ResultReason::MultiValuedAttribute,
                format!("The object has several values of the {reference} attribute."),
            ));
        }
    };
    let kind = kind_of(row, current.map(|(_, attribute)| attribute), by, reference)?;
    let before = current.map(|(_, attribute)| number(&value_of(attribute))).transpose()?;
    let after = compute(kind, before, adjustment, by, reference)?;
    let new = rules::completed(&written(row, reference, kind, after)?)?;
    rules::timely(record, row)?;
    match current.map(|(position, _)| *position) {
        Some(position) => {
            record.attributes.replace(position, &new);
        }
        None => record.attributes.push(&new),
    }
    rules::conclude(record, now)?;
    Ok(())
}

/// The row of the attribute, if a client may change it on that object.
fn adjustable(
    record: &Record,
    reference: &AttributeReference,
    version: Version,
) -> Result<&'static AttributeDefinition, Error> {
    let known = reference.row().filter(|row| row.exists_in(version));
    let row = known.filter(|row| row.rules.applies_to.contains(record.object_type)).ok_or_else(|| {
        failed(
            ResultReason::UnsupportedAttribute,
            format!("Objects of the type {} have no {reference} attribute.", record.object_type),
        )
    })?;
    if !row.rules.client_may_modify {
        return Err(failed(
            ResultReason::ReadOnlyAttribute,
            format!("The {reference} attribute is read-only."),
        ));
    }
    Ok(row)
}

/// The kinds of values that can be adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    LongInteger,
    Boolean,
    DateTime,
    Interval,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Integer, Self::LongInteger, Self::Boolean, Self::DateTime, Self::Interval];

    fn of(kind: ItemType) -> Option<Self> {
        match kind {
            ItemType::Integer => Some(Self::Integer),
            ItemType::LongInteger => Some(Self::LongInteger),
            ItemType::Boolean => Some(Self::Boolean),
            ItemType::DateTime => Some(Self::DateTime),
            ItemType::Interval => Some(Self::Interval),
            _ => None,
        }
    }
}

/// The kind of the attribute's value: what it is, or where there is none, what the row or the adjustment says.
fn kind_of(
    row: &'static AttributeDefinition,
    current: Option<&Attribute>,
    by: Option<&Raw>,
    reference: &AttributeReference,
) -> Result<Kind, Error> {
    let kind = match current {
        Some(attribute) => value_of(attribute).kind().and_then(Kind::of),
        None if row.is_vendor() => by.and_then(Raw::kind).and_then(Kind::of),
        None => Kind::ALL
            .into_iter()
            .find(|kind| raw(*kind, 0).is_ok_and(|nothing| Attribute::of_raw(row, &nothing).is_some())),
    };
    kind.ok_or_else(|| {
        failed(
            ResultReason::InvalidDataType,
            format!("The {reference} attribute holds no number, date, interval or Boolean."),
        )
    })
}

/// The value, of a vendor attribute the value in it.
fn value_of(attribute: &Attribute) -> Raw {
    match attribute.read::<VendorAttribute>() {
        Ok(vendor) if attribute.row.is_vendor() => vendor.attribute_value,
        _ => attribute.raw(),
    }
}

/// The value as a number; false is 0 and true 1.
fn number(raw: &Raw) -> Result<i64, Error> {
    let wrong = || failed(ResultReason::InvalidDataType, "The value is of another kind than the attribute.");
    let read = match raw.kind().and_then(Kind::of) {
        Some(Kind::Integer) => raw.read::<i32>().map(i64::from),
        Some(Kind::LongInteger) => raw.read::<i64>(),
        Some(Kind::Boolean) => raw.read::<bool>().map(i64::from),
        Some(Kind::DateTime) => raw.read::<DateTime>().map(|date| date.0),
        Some(Kind::Interval) => raw.read::<Interval>().map(|interval| i64::from(interval.0)),
        None => return Err(wrong()),
    };
    read.map_err(|_| wrong())
}

/// The value after the adjustment.
fn compute(
    kind: Kind,
    before: Option<i64>,
    adjustment: AdjustmentType,
    by: Option<&Raw>,
    reference: &AttributeReference,
) -> Result<i64, Error> {
    let value = before.unwrap_or(0);
    // A date or an interval may be moved by a plain number of seconds too.
    let by = by.map(number).transpose()?;
    let range = || {
        let message = format!("The {reference} attribute cannot hold the result.");
        failed(ResultReason::NumericRange, message)
    };
    match (adjustment, kind) {
        (AdjustmentType::Negate, Kind::Boolean) => Ok(1 - value),
        (AdjustmentType::Negate, Kind::Integer | Kind::LongInteger) => value.checked_neg().ok_or_else(range),
        (AdjustmentType::Increment, Kind::Boolean)
        | (AdjustmentType::Decrement, Kind::Boolean)
        | (AdjustmentType::Negate, Kind::DateTime | Kind::Interval) => Err(failed(
            ResultReason::InvalidDataType,
            format!("{adjustment} is nothing that can be done to the {reference} attribute."),
        )),
        (AdjustmentType::Increment, _) => value.checked_add(by.unwrap_or(1)).ok_or_else(range),
        (AdjustmentType::Decrement, _) => value.checked_sub(by.unwrap_or(1)).ok_or_else(range),
    }
}

/// The value as an item of that kind.
fn raw(kind: Kind, value: i64) -> Result<Raw, Error> {
    let range = |_| failed(ResultReason::NumericRange, "The attribute cannot hold the result.");
    Ok(match kind {
        Kind::Integer => Raw::of(&i32::try_from(value).map_err(range)?),
        Kind::LongInteger => Raw::of(&value),
        Kind::Boolean => Raw::of(&(value != 0)),
        Kind::DateTime => Raw::of(&DateTime(value)),
        Kind::Interval => Raw::of(&Interval(u32::try_from(value).map_err(range)?)),
    })
}

fn written(
    row: &'static AttributeDefinition,
    reference: &AttributeReference,
    kind: Kind,
    value: i64,
) -> Result<Attribute, Error> {
    let raw = raw(kind, value)?;
    if let AttributeReference::Vendor(vendor, name) = reference {
        let value = VendorAttribute {
            vendor_identification: vendor.clone(),
            attribute_name: name.clone(),
            attribute_value: raw,
        };
        return Ok(Attribute::of(row, &value));
    }
    Attribute::of_raw(row, &raw).ok_or_else(|| {
        failed(
            ResultReason::InvalidAttributeValue,
            format!("{value} is no value of the {reference} attribute."),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::ObjectType;
    use crate::store::Id;
    use crate::ttlv::V2_1;

    const NOW: DateTime = DateTime(1_000);

    fn record() -> Record {
        let vendor = |name: &str, value: Raw| VendorAttribute {
            vendor_identification: "x".to_owned(),
            attribute_name: name.to_owned(),
            attribute_value: value,
        };
        let attributes = Attributes {
            sensitive: Some(false),
            comment: Some("no number".to_owned()),
            vendor: vec![
                vendor("count", Raw::of(&i32::MAX)),
                vendor("twice", Raw::of(&1)),
                vendor("twice", Raw::of(&2)),
            ],
            ..Attributes::default()
        };
        let object_type = ObjectType::SymmetricKey;
        Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None }
    }

    fn outcome(name: &str, how: AdjustmentType, by: Option<Raw>) -> Result<Vec<i64>, ResultReason> {
        let mut record = record();
        let reference = AttributeReference::named(name);
        adjust(&mut record, &reference, how, by.as_ref(), V2_1, NOW).map_err(|error| error.reason)?;
        let values = record.attributes.values(&reference);
        Ok(values.iter().map(|(_, value)| number(&value_of(value)).unwrap()).collect())
    }

    #[test]
    fn numbers_and_dates_go_up_and_down_by_one_or_by_what_is_said() {
        use AdjustmentType::*;
        assert_eq!(outcome("x-count", Decrement, None), Ok(vec![i64::from(i32::MAX) - 1]));
        assert_eq!(outcome("x-count", Decrement, Some(Raw::of(&7))), Ok(vec![i64::from(i32::MAX) - 7]));
        assert_eq!(outcome("Deactivation Date", Increment, Some(Raw::of(&Interval(60)))), Ok(vec![60]));
        assert_eq!(outcome("x-new", Increment, Some(Raw::of(&5i64))), Ok(vec![5]));
        assert_eq!(outcome("Protection Period", Increment, None), Ok(vec![1]));
    }

    #[test]
    fn what_is_false_becomes_true_and_what_is_positive_negative() {
        use AdjustmentType::Negate;
        assert_eq!(outcome("Sensitive", Negate, None), Ok(vec![1]));
        assert_eq!(outcome("x-count", Negate, None), Ok(vec![-i64::from(i32::MAX)]));
    }

    #[test]
    fn each_refusal_has_its_reason() {
        use AdjustmentType::*;
        use ResultReason as R;
        assert_eq!(outcome("x-count", Increment, None), Err(R::NumericRange));
        assert_eq!(outcome("Protection Period", Decrement, None), Err(R::NumericRange));
        assert_eq!(outcome("x-twice", Increment, None), Err(R::MultiValuedAttribute));
        assert_eq!(outcome("Comment", Increment, None), Err(R::InvalidDataType));
        assert_eq!(outcome("Sensitive", Increment, None), Err(R::InvalidDataType));
        assert_eq!(outcome("Deactivation Date", Negate, None), Err(R::InvalidDataType));
        assert_eq!(outcome("x-count", Increment, Some(Raw::of(&"one".to_owned()))), Err(R::InvalidDataType));
        assert_eq!(outcome("Cryptographic Length", Increment, None), Err(R::ReadOnlyAttribute));
        assert_eq!(outcome("Certificate Length", Increment, None), Err(R::UnsupportedAttribute));
        assert_eq!(outcome("No Such", Increment, None), Err(R::UnsupportedAttribute));
    }
}
