//! Objects and attributes for the tests of the operations on attributes.

use crate::engine::lifecycle;
use crate::kmip::Error;
use crate::kmip::attributes::{Attribute, AttributeDefinition, AttributeReference, Attributes};
use crate::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, NameType, ObjectType, ResultReason, State,
    UsageLimitsUnit,
};
use crate::kmip::structures::{Name, Raw, UsageLimits, VendorAttribute};
use crate::store::{Id, Record};
use crate::ttlv::{DateTime, Tag, V1_4, Value};

/// The time of the requests.
pub(super) const NOW: DateTime = DateTime(1_000);

/// Returns an object of this type, a second old, with two names, a group and custom attributes.
pub(super) fn object(object_type: ObjectType) -> Record {
    let attributes = Attributes {
        unique_identifier: Some(Id(1).into()),
        object_type: Some(object_type),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        cryptographic_length: Some(128),
        cryptographic_usage_mask: Some(CryptographicUsageMask::ENCRYPT),
        name: vec![name("first"), name("second")],
        object_group: vec!["group".to_owned()],
        sensitive: Some(true),
        always_sensitive: Some(true),
        extractable: Some(false),
        never_extractable: Some(true),
        operation_policy_name: Some("default".to_owned()),
        vendor: vec![vendor("colour", "red"), vendor("shape", "round"), vendor("colour", "blue")],
        ..Attributes::default()
    };
    let mut record = Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None };
    lifecycle::initialize(&mut record, DateTime(999));
    record
}

/// Returns a pre-active symmetric key.
pub(super) fn key() -> Record {
    object(ObjectType::SymmetricKey)
}

/// Returns a symmetric key in this state.
pub(super) fn key_in(state: State) -> Record {
    let mut key = key();
    key.attributes.state = Some(state);
    key
}

pub(super) fn name(text: &str) -> Name {
    Name { name_value: text.to_owned(), name_type: NameType::UninterpretedTextString }
}

fn vendor(name: &str, value: &str) -> VendorAttribute {
    VendorAttribute {
        vendor_identification: "x".to_owned(),
        attribute_name: name.to_owned(),
        attribute_value: Raw::of(&value.to_owned()),
    }
}

/// Returns the attribute with this tag and value.
pub(super) fn attribute(tag: Tag, value: &impl Value) -> Attribute {
    Attribute::of(AttributeDefinition::of(tag).unwrap(), value)
}

/// Returns a Name attribute.
pub(super) fn named(text: &str) -> Attribute {
    attribute(Tag::Name, &name(text))
}

/// Returns the custom attribute `x-NAME`.
pub(super) fn custom(name: &str, value: &str) -> Attribute {
    attribute(Tag::Attribute, &vendor(name, value))
}

/// Returns the attribute with this Attribute Index.
pub(super) fn at(index: i32, mut attribute: Attribute) -> Attribute {
    attribute.index = Some(index);
    attribute
}

/// Returns the names of the object in order.
pub(super) fn names(record: &Record) -> Vec<&str> {
    record.attributes.name.iter().map(|name| name.name_value.as_str()).collect()
}

/// Returns the values of `x-NAME` in order.
pub(super) fn customs(record: &Record, name: &str) -> Vec<String> {
    let reference = AttributeReference::named(&format!("x-{name}"));
    let values = record.attributes.values(&reference).into_iter();
    values
        .map(|(_, value)| value.read::<VendorAttribute>().unwrap().attribute_value.read().unwrap())
        .collect()
}

/// Returns Usage Limits, which apply to keys but not to certificates.
pub(super) fn limits() -> Attribute {
    let limits = UsageLimits {
        usage_limits_total: 10,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Byte,
    };
    attribute(Tag::UsageLimits, &limits)
}

/// Returns the Result Reason of an error.
pub(super) fn reason<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ResultReason {
    outcome.unwrap_err().reason
}

#[test]
fn a_custom_attribute_of_a_test_is_one_of_the_wire() {
    let reference = AttributeReference::to(&custom("colour", "red"));
    assert_eq!(reference, AttributeReference::named("x-colour"));
    assert!(reference.row().unwrap().exists_in(V1_4));
}
