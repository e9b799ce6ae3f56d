//! Adjust Attribute (KMIP 2.1 §6.1.3): increments, decrements or negates the value of an attribute.

use crate::engine::{Context, failed};
use crate::kmip::attributes::{Attribute, AttributeDefinition, AttributeReference};
use crate::kmip::enums::{AdjustmentType, ResultReason};
use crate::kmip::structures::{Raw, UniqueIdentifier, VendorAttribute};
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{DateTime, Interval, ItemType, Version};

use super::object_payloads::Response;
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

pub(super) struct AdjustAttribute;

impl Operation for AdjustAttribute {
    const CODE: enums::Operation = enums::Operation::AdjustAttribute;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let version = cx.version;
        let reference = request.reference.as_ref().ok_or_else(|| {
            failed(ResultReason::InvalidMessage, "The request contains no Attribute Reference.")
        })?;
        let by = request.value.as_ref();
        let (id, ()) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, |record, now| {
            adjust(record, reference, request.adjustment, by, version, now)
        })?;
        Ok(Response { unique_identifier: id.into() })
    }
}

/// Adjusts the value of the attribute; a missing value counts as zero or false (errors: 2.1 §6.1.3.1).
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
                format!(
                    "The object has several values for the {reference} attribute; only a single value can be adjusted."
                ),
            ));
        }
    };
    let value_type = value_type_of(row, current.map(|(_, attribute)| attribute), by, reference)?;
    let before = current.map(|(_, attribute)| number(&value_of(attribute))).transpose()?;
    let after = compute(value_type, before, adjustment, by, reference)?;
    let new = rules::completed(&written(row, reference, value_type, after)?)?;
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

/// The row of the attribute, if a client can change it on that object.
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

/// The item types that can be adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueType {
    Integer,
    LongInteger,
    Boolean,
    DateTime,
    Interval,
}

impl ValueType {
    const ALL: [Self; 5] = [Self::Integer, Self::LongInteger, Self::Boolean, Self::DateTime, Self::Interval];

    fn of(value_type: ItemType) -> Option<Self> {
        match value_type {
            ItemType::Integer => Some(Self::Integer),
            ItemType::LongInteger => Some(Self::LongInteger),
            ItemType::Boolean => Some(Self::Boolean),
            ItemType::DateTime => Some(Self::DateTime),
            ItemType::Interval => Some(Self::Interval),
            _ => None,
        }
    }
}

/// Returns the type of the current value, or else that of the definition or of the Adjustment Value.
fn value_type_of(
    row: &'static AttributeDefinition,
    current: Option<&Attribute>,
    by: Option<&Raw>,
    reference: &AttributeReference,
) -> Result<ValueType, Error> {
    let value_type = match current {
        Some(attribute) => value_of(attribute).kind().and_then(ValueType::of),
        None if row.is_vendor() => by.and_then(Raw::kind).and_then(ValueType::of),
        None => ValueType::ALL.into_iter().find(|value_type| {
            raw(*value_type, 0).is_ok_and(|nothing| Attribute::of_raw(row, &nothing).is_some())
        }),
    };
    value_type.ok_or_else(|| {
        failed(
            ResultReason::InvalidDataType,
            format!("The {reference} attribute is not a number, date, interval or Boolean."),
        )
    })
}

/// Returns the value; for a vendor attribute, its Attribute Value.
fn value_of(attribute: &Attribute) -> Raw {
    match attribute.read::<VendorAttribute>() {
        Ok(vendor) if attribute.row.is_vendor() => vendor.attribute_value,
        _ => attribute.raw(),
    }
}

/// Returns the value as a number; false is 0 and true is 1.
fn number(raw: &Raw) -> Result<i64, Error> {
    let wrong = || {
        failed(ResultReason::InvalidDataType, "The Adjustment Value does not have the type of the attribute.")
    };
    let read = match raw.kind().and_then(ValueType::of) {
        Some(ValueType::Integer) => raw.read::<i32>().map(i64::from),
        Some(ValueType::LongInteger) => raw.read::<i64>(),
        Some(ValueType::Boolean) => raw.read::<bool>().map(i64::from),
        Some(ValueType::DateTime) => raw.read::<DateTime>().map(|date| date.0),
        Some(ValueType::Interval) => raw.read::<Interval>().map(|interval| i64::from(interval.0)),
        None => return Err(wrong()),
    };
    read.map_err(|_| wrong())
}

/// Returns the value after the adjustment.
fn compute(
    value_type: ValueType,
    before: Option<i64>,
    adjustment: AdjustmentType,
    by: Option<&Raw>,
    reference: &AttributeReference,
) -> Result<i64, Error> {
    let value = before.unwrap_or(0);
    // An Integer of seconds can also adjust a date or an interval.
    let by = by.map(number).transpose()?;
    let range = || {
        let message = format!("The result is out of range for the {reference} attribute.");
        failed(ResultReason::NumericRange, message)
    };
    match (adjustment, value_type) {
        (AdjustmentType::Negate, ValueType::Boolean) => Ok(1 - value),
        (AdjustmentType::Negate, ValueType::Integer | ValueType::LongInteger) => {
            value.checked_neg().ok_or_else(range)
        }
        (AdjustmentType::Increment, ValueType::Boolean)
        | (AdjustmentType::Decrement, ValueType::Boolean)
        | (AdjustmentType::Negate, ValueType::DateTime | ValueType::Interval) => Err(failed(
            ResultReason::InvalidDataType,
            format!("{adjustment} does not apply to the {reference} attribute."),
        )),
        (AdjustmentType::Increment, _) => value.checked_add(by.unwrap_or(1)).ok_or_else(range),
        (AdjustmentType::Decrement, _) => value.checked_sub(by.unwrap_or(1)).ok_or_else(range),
    }
}

/// Returns the value as an item of `value_type`.
fn raw(value_type: ValueType, value: i64) -> Result<Raw, Error> {
    let range = |_| failed(ResultReason::NumericRange, "The result is out of range for the attribute.");
    Ok(match value_type {
        ValueType::Integer => Raw::of(&i32::try_from(value).map_err(range)?),
        ValueType::LongInteger => Raw::of(&value),
        ValueType::Boolean => Raw::of(&(value != 0)),
        ValueType::DateTime => Raw::of(&DateTime(value)),
        ValueType::Interval => Raw::of(&Interval(u32::try_from(value).map_err(range)?)),
    })
}

fn written(
    row: &'static AttributeDefinition,
    reference: &AttributeReference,
    value_type: ValueType,
    value: i64,
) -> Result<Attribute, Error> {
    let raw = raw(value_type, value)?;
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
            format!("{value} is not a valid value for the {reference} attribute."),
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
    fn increments_and_decrements_by_one_or_by_the_adjustment_value() {
        use AdjustmentType::*;
        assert_eq!(outcome("x-count", Decrement, None), Ok(vec![i64::from(i32::MAX) - 1]));
        assert_eq!(outcome("x-count", Decrement, Some(Raw::of(&7))), Ok(vec![i64::from(i32::MAX) - 7]));
        assert_eq!(outcome("Deactivation Date", Increment, Some(Raw::of(&Interval(60)))), Ok(vec![60]));
        assert_eq!(outcome("x-new", Increment, Some(Raw::of(&5i64))), Ok(vec![5]));
        assert_eq!(outcome("Protection Period", Increment, None), Ok(vec![1]));
    }

    #[test]
    fn negates_booleans_and_numbers() {
        use AdjustmentType::Negate;
        assert_eq!(outcome("Sensitive", Negate, None), Ok(vec![1]));
        assert_eq!(outcome("x-count", Negate, None), Ok(vec![-i64::from(i32::MAX)]));
    }

    #[test]
    fn reports_a_reason_for_each_invalid_adjustment() {
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
