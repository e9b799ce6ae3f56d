//! What a change did to the attributes of an object, as Notify tells it (KMIP 1.4 §5.1, 2.1 §6.2.2).
//!
//! In 1.x each changed value has its index, and an Attribute structure without a value stands for one that is gone.
//! In 2.x there are no indices: all values of a changed attribute are told, and references name the attributes that
//! are gone.

use crate::ttlv::{Error, Field, Reader, Tag, V2_0, Value, Writer};

use super::dialect::{Attribute, AttributeList, AttributeReference};
use super::table::{Attributes, TABLE};

/// What is no change of an object: that it was given to a client. Last Change Date is told with every other change.
const NOT_TOLD: [Tag; 2] = [Tag::Fresh, Tag::LastChangeDate];

/// What holding one change takes besides its values, in bytes, at a guess.
const ROOM: usize = 128;

/// The attributes that a change gave other values, and those that it took away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributeChanges(Vec<AttributeChange>);

/// One attribute.
#[derive(Clone, Debug, PartialEq)]
struct AttributeChange {
    reference: AttributeReference,
    /// Its values, and whether each is another than before.
    values: Vec<(Attribute, bool)>,
    /// The indices that have no value any more.
    gone: Vec<Option<i32>>,
}

impl AttributeChanges {
    /// What makes `after` of `before`, Last Change Date included; nothing where nothing else is different.
    pub fn between(before: &Attributes, after: &Attributes) -> Self {
        let mut changes = Vec::new();
        for row in TABLE.iter().filter(|row| !NOT_TOLD.contains(&row.tag)) {
            if before.of_row(row).eq(after.of_row(row)) {
                continue;
            }
            let mut references = Vec::new();
            for value in before.of_row(row).chain(after.of_row(row)) {
                let reference = AttributeReference::to(&value);
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
            let changed =
                references.into_iter().map(|reference| AttributeChange::of(reference, before, after));
            changes.extend(changed.filter(|change| !change.is_none()));
        }
        let date = AttributeReference::named("Last Change Date");
        if !changes.is_empty() {
            let values = after.values(&date).into_iter().map(|(_, date)| (date, true)).collect();
            changes.push(AttributeChange { reference: date, values, gone: Vec::new() });
        }
        Self(changes)
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they take in memory, in bytes, at a guess.
    pub fn size(&self) -> usize {
        let values = self.0.iter().flat_map(|change| &change.values);
        let values: usize = values.map(|(value, _)| value.stored().len() + ROOM).sum();
        values + self.0.len() * ROOM
    }
}

impl AttributeChange {
    fn of(reference: AttributeReference, before: &Attributes, after: &Attributes) -> Self {
        let (was, is) = (before.values(&reference), after.values(&reference));
        let gone = was.iter().skip(is.len()).map(|(_, value)| value.index).collect();
        let values = is.into_iter().enumerate().map(|(at, (_, value))| {
            let same = was.get(at).is_some_and(|(_, old)| old.stored() == value.stored());
            (value, !same)
        });
        Self { values: values.collect(), gone, reference }
    }

    fn is_none(&self) -> bool {
        self.gone.is_empty() && self.values.iter().all(|(_, changed)| !changed)
    }

    fn write_named(&self, writer: &mut Writer) {
        let changed = self.values.iter().filter(|(_, changed)| *changed);
        changed.for_each(|(value, _)| value.write(Tag::Attribute, writer));
        for index in &self.gone {
            writer.structure(Tag::Attribute, |writer| {
                self.reference.to_string().write(Tag::AttributeName, writer);
                index.filter(|index| *index > 0).write(Tag::AttributeIndex, writer);
            });
        }
    }
}

impl Field for AttributeChanges {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let told = |value: Attribute| AttributeChange {
            reference: AttributeReference::to(&value),
            values: vec![(value, true)],
            gone: Vec::new(),
        };
        let mut changes = Vec::new();
        if reader.version() >= V2_0 {
            changes.extend(AttributeList::read(tag, reader)?.0.into_iter().map(told));
            let gone: Vec<AttributeReference> = Field::read(Tag::AttributeReference, reader)?;
            let gone = gone.into_iter().map(|reference| AttributeChange {
                reference,
                values: Vec::new(),
                gone: vec![None],
            });
            changes.extend(gone);
            return Ok(Self(changes));
        }
        while let Some(item) = reader.take(Tag::Attribute)? {
            let mut rows = item.structure()?;
            let name = String::decode(&rows.require(Tag::AttributeName)?)?;
            let index = Field::read(Tag::AttributeIndex, &mut rows)?;
            if rows.peek()?.is_some() {
                changes.push(told(Attribute::read_named(&item)?));
            } else {
                let reference = AttributeReference::named(&name);
                changes.push(AttributeChange { reference, values: Vec::new(), gone: vec![index] });
            }
        }
        Ok(Self(changes))
    }

    /// What the version does not have is left out.
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
        let gone = changes.filter(|change| change.values.is_empty());
        let gone: Vec<_> = gone.map(|change| change.reference.clone()).collect();
        gone.write(Tag::AttributeReference, writer);
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

    /// What a message of `version` says, one text for each changed attribute.
    fn told(version: Version, after: &Attributes) -> Vec<String> {
        let mut writer = Writer::new(version);
        AttributeChanges::between(&before(), after).write(Tag::Attributes, &mut writer);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes, version);
        let read = AttributeChanges::read(Tag::Attributes, &mut reader).unwrap();
        reader.finish().unwrap();
        let texts = read.0.into_iter().map(|change| {
            let indices = change.values.iter().map(|(value, _)| value.index);
            let index = indices.chain(change.gone.iter().copied()).flatten().next();
            let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
            let end = if change.values.is_empty() { " gone" } else { "" };
            format!("{}{index}{end}", change.reference)
        });
        texts.collect()
    }

    #[test]
    fn a_changed_value_is_told_with_the_date_of_its_change() {
        let mut after = before();
        after.state = Some(State::Active);
        after.last_change_date = Some(DateTime(2));
        for version in [V1_0, V1_4, V2_1] {
            assert_eq!(told(version, &after), ["State", "Last Change Date"], "{version}");
        }
    }

    #[test]
    fn the_date_is_told_where_the_change_is_of_the_same_second() {
        let mut after = before();
        after.vendor[1] = custom("shape", "square");
        assert_eq!(told(V1_2, &after), ["x-shape", "Last Change Date"]);
        assert_eq!(told(V2_1, &after), ["x-shape", "Last Change Date"]);
    }

    #[test]
    fn of_several_values_1_x_tells_the_changed_ones_and_2_x_all() {
        let mut after = before();
        after.name.push(name("three"));
        assert_eq!(told(V1_2, &after), ["Name[2]", "Last Change Date"]);
        assert_eq!(told(V2_1, &after), ["Name", "Name", "Name", "Last Change Date"]);
        after = before();
        after.name.remove(0);
        assert_eq!(told(V1_2, &after), ["Name[0]", "Name[1] gone", "Last Change Date"]);
        assert_eq!(told(V2_1, &after), ["Name", "Last Change Date"]);
    }

    #[test]
    fn what_is_gone_has_no_value_and_in_2_x_a_reference() {
        let mut after = before();
        after.name.clear();
        after.vendor.remove(0);
        after.comment = None;
        assert_eq!(
            told(V1_4, &after),
            ["Name[0] gone", "Name[1] gone", "Comment gone", "x-colour gone", "Last Change Date"]
                .map(|text| text.replace("[0]", ""))
        );
        let in_2_x = ["Last Change Date", "Name gone", "Comment gone", "x-colour gone"];
        assert_eq!(told(V2_1, &after), in_2_x);
        // 1.2 has no Comment, and so nothing to say of it.
        assert!(!told(V1_2, &after).iter().any(|text| text.starts_with("Comment")));
    }

    #[test]
    fn what_was_only_given_to_a_client_or_touched_is_no_change() {
        let mut after = before();
        after.fresh = Some(false);
        after.last_change_date = Some(DateTime(9));
        assert!(AttributeChanges::between(&before(), &after).is_empty());
    }
}
