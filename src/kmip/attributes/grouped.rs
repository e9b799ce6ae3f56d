//! The values of many attributes of one object: [`Attributes::values`] looks at all values, which would take quadratic
//! time for an object with many vendor attributes.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use super::dialect::{Attribute, AttributeReference};
use super::table::{AttributeDefinition, Attributes};
use crate::ttlv::Tag;

/// The values of an object, by attribute.
pub struct GroupedValues<'a> {
    attributes: &'a Attributes,
    /// The vendor attributes, as soon as one is requested.
    vendors: OnceCell<HashMap<AttributeReference, Vec<Attribute>>>,
}

impl Attributes {
    /// Returns the values, to read those of several attributes.
    pub fn grouped(&self) -> GroupedValues<'_> {
        GroupedValues { attributes: self, vendors: OnceCell::new() }
    }
}

impl GroupedValues<'_> {
    /// Returns the values of an attribute, those of [`Attributes::values`].
    pub fn of(&self, reference: &AttributeReference) -> Vec<Attribute> {
        let mut values = Vec::new();
        self.append(reference, &mut values);
        values
    }

    /// Appends the values of an attribute, those of [`Attributes::values`].
    pub fn append(&self, reference: &AttributeReference, values: &mut Vec<Attribute>) {
        if matches!(reference, AttributeReference::Vendor(..)) {
            let vendors = self.vendors.get_or_init(|| self.group());
            values.extend(vendors.get(reference).into_iter().flatten().cloned());
        } else {
            values.extend(self.attributes.values(reference).into_iter().map(|(_, value)| value));
        }
    }

    fn group(&self) -> HashMap<AttributeReference, Vec<Attribute>> {
        let mut groups = HashMap::<_, Vec<_>>::new();
        let row = AttributeDefinition::of(Tag::Attribute);
        for mut value in row.into_iter().flat_map(|row| self.attributes.of_row(row)) {
            let group = groups.entry(AttributeReference::to(&value)).or_default();
            value.index = (!group.is_empty()).then(|| i32::try_from(group.len()).unwrap_or(i32::MAX));
            group.push(value);
        }
        groups
    }
}

impl Hash for AttributeDefinition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tag.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::enums::NameType;
    use crate::kmip::structures::{Name, Raw, VendorAttribute};
    use crate::ttlv::V1_4;

    #[test]
    fn groups_contain_the_values_of_each_reference() {
        let vendor = |name: &str, value: i32| VendorAttribute {
            vendor_identification: "x".to_owned(),
            attribute_name: name.to_owned(),
            attribute_value: Raw::of(&value),
        };
        let name =
            |text: &str| Name { name_value: text.to_owned(), name_type: NameType::UninterpretedTextString };
        let attributes = Attributes {
            vendor: vec![vendor("a", 1), vendor("b", 2), vendor("a", 3), vendor("a", 4)],
            name: vec![name("a"), name("b")],
            ..Attributes::default()
        };
        let (references, grouped) = (attributes.references(V1_4), attributes.grouped());
        assert_eq!(references.len(), 3);
        let more = ["x-c", "State", "Weight"].map(AttributeReference::named);
        for reference in references.iter().chain(&more) {
            let values: Vec<_> = attributes.values(reference).into_iter().map(|(_, value)| value).collect();
            assert_eq!(grouped.of(reference), values, "{reference:?}");
        }
    }
}
