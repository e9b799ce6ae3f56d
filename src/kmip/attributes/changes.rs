//! Attribute changes, as Notify reports them (KMIP 1.4 §5.1, 2.1 §6.2.2).
//!
//! In 1.x, each changed value has its index, and an Attribute structure without a value reports a deleted
//! value. In 2.x, all values of a changed attribute are reported, and references report deleted attributes.

use std::collections::HashSet;

use crate::ttlv::{Error, Field, ItemType, Reader, Tag, V2_0, Value, Writer};

use super::dialect::{Attribute, AttributeList, AttributeReference};
use super::table::{Attributes, TABLE};

/// The attributes whose changes alone are not reported: Fresh changes when a client gets the object, and Last
/// Change Date is reported with every other change.
const IGNORED: [Tag; 2] = [Tag::Fresh, Tag::LastChangeDate];

/// The estimated memory of one change without its values, in bytes.
const OVERHEAD: usize = 128;

/// The changed and deleted values of the attributes of an object (KMIP 1.4 §5.1, 2.1 §6.2.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributeChanges(Vec<AttributeChange>);

/// The changed and deleted values of one attribute.
#[derive(Clone, Debug, PartialEq)]
struct AttributeChange {
    reference: AttributeReference,
    /// The new values, and whether each has changed.
    values: Vec<(Attribute, bool)>,
    /// The indices of the deleted values.
    deleted: Vec<Option<i32>>,
}

impl AttributeChanges {
    /// Returns the changes from `before` to `after`. They include Last Change Date, if another attribute
    /// differs.
    pub(crate) fn between(before: &Attributes, after: &Attributes) -> Self {
        let mut changes = Vec::new();
        for row in TABLE.iter().filter(|row| !IGNORED.contains(&row.tag)) {
            // An attribute changes only if one of its values is between the equal values at both ends.
            let equal = before.of_row(row).zip(after.of_row(row)).take_while(|(old, new)| old == new).count();
            let counts = [before, after].map(|attributes| row.slot(attributes).count());
            if counts == [equal; 2] {
                continue;
            }
            let between = |attributes: &Attributes| attributes.of_row(row).skip(equal).collect::<Vec<_>>();
            let (mut old, mut new) = (between(before), between(after));
            while old.last().is_some() && old.last() == new.last() {
                old.pop();
                new.pop();
            }
            let mut seen = HashSet::new();
            let references = old.iter().chain(&new).map(AttributeReference::to);
            let references: Vec<_> = references.filter(|reference| seen.insert(reference.clone())).collect();
            let (old, new) = (before.grouped(), after.grouped());
            let changed = references
                .into_iter()
                .map(|reference| AttributeChange::of(old.of(&reference), new.of(&reference), reference));
            changes.extend(changed.filter(|change| !change.is_empty()));
        }
        let date = AttributeReference::named("Last Change Date");
        if !changes.is_empty() {
            let values = after.values(&date).into_iter().map(|(_, date)| (date, true)).collect();
            changes.push(AttributeChange { reference: date, values, deleted: Vec::new() });
        }
        Self(changes)
    }

    /// Returns whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the estimated memory of the changes in bytes.
    pub(crate) fn size(&self) -> usize {
        let values = self.0.iter().flat_map(|change| &change.values);
        let values: usize = values.map(|(value, _)| value.stored().len() + OVERHEAD).sum();
        values + self.0.len() * OVERHEAD
    }
}

impl AttributeChange {
    fn of(old_values: Vec<Attribute>, new_values: Vec<Attribute>, reference: AttributeReference) -> Self {
        let deleted = old_values.iter().skip(new_values.len()).map(|value| value.index).collect();
        let values = new_values.into_iter().enumerate().map(|(at, value)| {
            let same = old_values.get(at).is_some_and(|old| old.stored() == value.stored());
            (value, !same)
        });
        Self { values: values.collect(), deleted, reference }
    }

    fn is_empty(&self) -> bool {
        self.deleted.is_empty() && self.values.iter().all(|(_, changed)| !changed)
    }

    fn write_named(&self, writer: &mut Writer) {
        let changed = self.values.iter().filter(|(_, changed)| *changed);
        changed.for_each(|(value, _)| value.write(Tag::Attribute, writer));
        for index in &self.deleted {
            writer.structure(Tag::Attribute, |writer| {
                writer.item(Tag::AttributeName, ItemType::TextString, self.reference.name().as_bytes());
                index.filter(|index| *index > 0).write(Tag::AttributeIndex, writer);
            });
        }
    }
}

impl Field for AttributeChanges {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let changed = |value: Attribute| AttributeChange {
            reference: AttributeReference::to(&value),
            values: vec![(value, true)],
            deleted: Vec::new(),
        };
        let mut changes = Vec::new();
        if reader.version() >= V2_0 {
            changes.extend(AttributeList::read(tag, reader)?.0.into_iter().map(changed));
            let deleted: Vec<AttributeReference> = Field::read(Tag::AttributeReference, reader)?;
            let deleted = deleted.into_iter().map(|reference| AttributeChange {
                reference,
                values: Vec::new(),
                deleted: vec![None],
            });
            changes.extend(deleted);
            return Ok(Self(changes));
        }
        while let Some(item) = reader.take(Tag::Attribute)? {
            let mut rows = item.structure()?;
            let name = String::decode(&rows.require(Tag::AttributeName)?)?;
            let index = Field::read(Tag::AttributeIndex, &mut rows)?;
            if rows.peek()?.is_some() {
                changes.push(changed(Attribute::read_named(&item)?));
            } else {
                let reference = AttributeReference::named(&name);
                changes.push(AttributeChange { reference, values: Vec::new(), deleted: vec![index] });
            }
        }
        Ok(Self(changes))
    }

    /// Omits the attributes that the version does not define.
    fn write(&self, tag: Tag, writer: &mut Writer) {
        let version = writer.version();
        let exists =
            |change: &&AttributeChange| change.reference.row().is_some_and(|row| row.exists_in(version));
        let changes = self.0.iter().filter(exists);
        if version < V2_0 {
            return changes.for_each(|change| change.write_named(writer));
        }
        let values = changes.clone().flat_map(|change| &change.values).map(|(value, _)| value.clone());
        AttributeList(values.collect()).write(tag, writer);
        let deleted = changes.filter(|change| change.values.is_empty());
        let deleted: Vec<_> = deleted.map(|change| change.reference.clone()).collect();
        deleted.write(Tag::AttributeReference, writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::enums::{NameType, State};
    use crate::kmip::structures::{Name, Raw, VendorAttribute};
    use crate::ttlv::{DateTime, V1_0, V1_2, V1_4, V2_1, Version};

    fn name(text: &str) -> Name {
        Name { name_value: text.to_owned(), name_type: NameType::UninterpretedTextString }
    }

    fn custom(name: &str, text: &str) -> VendorAttribute {
        let mut writer = Writer::new(V2_1);
        text.to_owned().encode(Tag::AttributeValue, &mut writer);
        let bytes = writer.into_bytes();
        let item = Reader::new(&bytes, V2_1).require(Tag::AttributeValue).unwrap();
        VendorAttribute {
            vendor_identification: "x".to_owned(),
            attribute_name: name.to_owned(),
            attribute_value: Raw::decode(&item).unwrap(),
        }
    }

    fn before() -> Attributes {
        Attributes {
            name: vec![name("one"), name("two")],
            state: Some(State::PreActive),
            fresh: Some(true),
            comment: Some("a comment".to_owned()),
            vendor: vec![custom("colour", "red"), custom("shape", "round")],
            last_change_date: Some(DateTime(1)),
            ..Attributes::default()
        }
    }

    /// Returns the changes in a message of `version`, one text per attribute.
    fn reported(version: Version, after: &Attributes) -> Vec<String> {
        let mut writer = Writer::new(version);
        AttributeChanges::between(&before(), after).write(Tag::Attributes, &mut writer);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes, version);
        let read = AttributeChanges::read(Tag::Attributes, &mut reader).unwrap();
        reader.finish().unwrap();
        let texts = read.0.into_iter().map(|change| {
            let indices = change.values.iter().map(|(value, _)| value.index);
            let index = indices.chain(change.deleted.iter().copied()).flatten().next();
            let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
            let end = if change.values.is_empty() { " deleted" } else { "" };
            format!("{}{index}{end}", change.reference)
        });
        texts.collect()
    }

    #[test]
    fn reports_a_changed_value_with_the_last_change_date() {
        let mut after = before();
        after.state = Some(State::Active);
        after.last_change_date = Some(DateTime(2));
        for version in [V1_0, V1_4, V2_1] {
            assert_eq!(reported(version, &after), ["State", "Last Change Date"], "{version}");
        }
    }

    #[test]
    fn reports_the_last_change_date_even_if_it_is_the_same() {
        let mut after = before();
        after.vendor[1] = custom("shape", "square");
        assert_eq!(reported(V1_2, &after), ["x-shape", "Last Change Date"]);
        assert_eq!(reported(V2_1, &after), ["x-shape", "Last Change Date"]);
    }

    #[test]
    fn reports_only_changed_values_in_1_x_and_all_values_of_the_attribute_in_2_x() {
        let mut after = before();
        after.name.push(name("three"));
        assert_eq!(reported(V1_2, &after), ["Name[2]", "Last Change Date"]);
        assert_eq!(reported(V2_1, &after), ["Name", "Name", "Name", "Last Change Date"]);
        after = before();
        after.name.remove(0);
        assert_eq!(reported(V1_2, &after), ["Name[0]", "Name[1] deleted", "Last Change Date"]);
        assert_eq!(reported(V2_1, &after), ["Name", "Last Change Date"]);
    }

    #[test]
    fn reports_deleted_values_without_value_in_1_x_and_by_reference_in_2_x() {
        let mut after = before();
        after.name.clear();
        after.vendor.remove(0);
        after.comment = None;
        assert_eq!(
            reported(V1_4, &after),
            ["Name[0] deleted", "Name[1] deleted", "Comment deleted", "x-colour deleted", "Last Change Date"]
                .map(|text| text.replace("[0]", ""))
        );
        let in_2_x = ["Last Change Date", "Name deleted", "Comment deleted", "x-colour deleted"];
        assert_eq!(reported(V2_1, &after), in_2_x);
        // 1.2 does not define Comment.
        assert!(!reported(V1_2, &after).iter().any(|text| text.starts_with("Comment")));
    }

    #[test]
    fn ignores_changes_of_fresh_and_last_change_date_alone() {
        let mut after = before();
        after.fresh = Some(false);
        after.last_change_date = Some(DateTime(9));
        assert!(AttributeChanges::between(&before(), &after).is_empty());
    }
}
