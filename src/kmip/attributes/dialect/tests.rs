//! Tests of attributes without Attribute Name.

use super::*;
use crate::kmip::enums::{HashingAlgorithm, PaddingMethod};
use crate::kmip::structures::CryptographicParameters;
use crate::ttlv::V1_2;

/// Reads an Attribute structure of 1.2 without Attribute Name.
fn nameless(value: impl Fn(&mut Writer)) -> Result<Attribute, Error> {
    let mut writer = Writer::new(V1_2);
    writer.structure(Tag::Attribute, value);
    let bytes = writer.into_bytes();
    Attribute::read_named(&Reader::new(&bytes, V1_2).require(Tag::Attribute)?)
}

#[test]
fn accepts_an_attribute_without_name_if_its_value_is_valid_for_one_attribute() {
    let parameters = CryptographicParameters {
        padding_method: Some(PaddingMethod::Pss),
        hashing_algorithm: Some(HashingAlgorithm::Sha256),
        ..CryptographicParameters::default()
    };
    let read = nameless(|writer| parameters.encode(Tag::AttributeValue, writer)).unwrap();
    assert_eq!(read.row.tag, Tag::CryptographicParameters);
    assert_eq!(read.read(), Ok(parameters));
}

#[test]
fn rejects_an_attribute_without_name_if_its_value_is_valid_for_several_or_none() {
    let assert_rejected = |outcome: Result<Attribute, Error>| {
        assert!(matches!(outcome, Err(Error::Missing { tag: Tag::AttributeName, .. })), "{outcome:?}");
    };
    assert_rejected(nameless(|writer| 128.encode(Tag::AttributeValue, writer)));
    assert_rejected(nameless(|writer| "text".to_owned().encode(Tag::AttributeValue, writer)));
    assert_rejected(nameless(|writer| writer.structure(Tag::AttributeValue, |_| ())));
    let unknown = |writer: &mut Writer| {
        writer.structure(Tag::AttributeValue, |writer| 1.encode(Tag::BatchCount, writer));
    };
    assert_rejected(nameless(unknown));
}
