//! The one place where KMIP 1.x meets 2.x: how attributes stand in messages.
//!
//! In 1.x an attribute is a structure of name, index and value (1.4 §2.1.1), and several of them stand in a
//! Template-Attribute (§2.1.8) or bare in the payload; in 2.x it is its value behind its own tag, in an
//! Attributes structure (2.1 §5.1 to §5.6). The types of this file read and write both, by the version of
//! the message; everybody else sees one typed model.

use std::borrow::Cow;
use std::fmt;

use crate::kmip::structures::{Name, Raw, VendorAttribute};
use crate::ttlv::{Error, Field, Item, ItemType, Reader, STORED, Tag, V1_0, V2_0, Value, Version, Writer};

use super::{AttributeDefinition, Attributes};

/// What separates the vendor from the name in a custom attribute's 1.x name: `x-NAME` is NAME of vendor `x`.
const CUSTOM_SEPARATOR: char = '-';

/// The vendors whose attributes have a 1.x name: `x` for what clients define, `y` for what servers define
/// (1.4 §3.39).
const CUSTOM_VENDORS: [&str; 2] = ["x", "y"];

/// Room for a value that spares most of them a second allocation, in bytes: a name of 40 letters fits.
const VALUE_ROOM: usize = 96;

/// One value of one attribute, as it stands in a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Which attribute it is.
    pub row: &'static AttributeDefinition,
    /// The Attribute Index, where the message gives one; 2.x never does.
    pub index: Option<i32>,
    /// The value as one item behind the attribute's tag, in the stored form.
    value: Vec<u8>,
}

impl Attribute {
    /// The attribute of `row` whose value `item` holds.
    fn decode(row: &'static AttributeDefinition, index: Option<i32>, item: &Item<'_>) -> Result<Self, Error> {
        let mut writer = Writer::new(STORED);
        row.recode(item, row.tag, &mut writer)?;
        Ok(Self { row, index, value: writer.into_bytes() })
    }

    /// The attribute of `row` with that value; `T` has to be the row's type.
    pub fn of<T: Value>(row: &'static AttributeDefinition, value: &T) -> Self {
        let mut writer = Writer::new(STORED);
        value.encode(row.tag, &mut writer);
        Self { row, index: None, value: writer.into_bytes() }
    }

    /// The attribute of `row` whose value `raw` is; none where the row's type is another.
    pub fn of_raw(row: &'static AttributeDefinition, raw: &Raw) -> Option<Self> {
        let mut writer = Writer::new(STORED);
        raw.encode(row.tag, &mut writer);
        let bytes = writer.into_bytes();
        let item = Reader::new(&bytes, STORED).require(row.tag).ok()?;
        Self::decode(row, None, &item).ok()
    }

    /// The same, where clients do not look for an index that is 0: it goes without saying (1.4 §2.1.1).
    #[must_use]
    pub fn without_zero_index(mut self) -> Self {
        self.index = self.index.filter(|index| *index > 0);
        self
    }

    /// The value as one item, whatever its type.
    pub fn raw(&self) -> Raw {
        let read = self.item().and_then(|item| Raw::decode(&item));
        read.expect("the value was written as one whole item")
    }

    /// The value, read as a `T`.
    ///
    /// # Errors
    /// Where `T` is not the row's type.
    pub fn read<T: Value>(&self) -> Result<T, Error> {
        self.item().and_then(|item| T::decode(&item))
    }

    /// The value in the stored form: one item behind the attribute's tag. Equal values have equal bytes.
    pub fn stored(&self) -> &[u8] {
        &self.value
    }

    /// The name by which 1.x calls it.
    pub fn name(&self) -> Cow<'static, str> {
        match self.vendor() {
            Some(vendor) => custom_name(&vendor).into(),
            None => self.row.name.into(),
        }
    }

    /// The value, where it is one that a vendor or a client named.
    fn vendor(&self) -> Option<VendorAttribute> {
        self.row.is_vendor().then(|| self.read().ok()).flatten()
    }

    fn item(&self) -> Result<Item<'_>, Error> {
        Reader::new(&self.value, STORED).require(self.row.tag)
    }

    fn write_value(&self, tag: Tag, writer: &mut Writer) {
        match self.item() {
            // Versions differ in what a structure holds, and in nothing else of a value.
            Ok(item) if item.kind != ItemType::Structure => writer.encoded(tag, item.wire),
            // The bytes were written by this very row, so reading them again cannot fail.
            Ok(item) => drop(self.row.recode(&item, tag, writer)),
            Err(_) => {}
        }
    }

    /// Reads a 1.x Attribute structure.
    pub(super) fn read_named(item: &Item<'_>) -> Result<Self, Error> {
        let mut rows = item.structure()?;
        let missing = Error::Missing { tag: Tag::AttributeName, found: rows.peek()? };
        let name = rows.take(Tag::AttributeName)?.as_ref().map(String::decode).transpose()?;
        let index = rows.take(Tag::AttributeIndex)?.as_ref().map(i32::decode).transpose()?;
        let value = rows.require(Tag::AttributeValue)?;
        rows.finish()?;
        let Some(name) = name else { return Self::read_nameless(index, &value).ok_or(missing) };
        if let Some((vendor, custom)) = custom(&name) {
            let value = VendorAttribute {
                vendor_identification: vendor.to_owned(),
                attribute_name: custom.to_owned(),
                attribute_value: Raw::decode(&value)?,
            };
            return Ok(Self { index, ..Self::of(vendor_row(), &value) });
        }
        let row = AttributeDefinition::named(&name)
            .ok_or(Error::Invalid { tag: Tag::AttributeName, why: "there is no attribute of that name" })?;
        Self::decode(row, index, &value)
    }

    /// Reads the value of a 1.x Attribute structure that has no name. The standard wants one, and some clients leave
    /// it out; what the value is made of may still say which attribute it is. None where it may be several.
    fn read_nameless(index: Option<i32>, value: &Item<'_>) -> Option<Self> {
        value.structure().ok()?.peek().ok()??;
        let rows = super::TABLE.iter().filter(|row| row.exists_in(value.version()) && !row.is_vendor());
        let mut read = rows.filter_map(|row| Self::decode(row, index, value).ok());
        read.next().filter(|_| read.next().is_none())
    }

    /// Writes a 1.x Attribute structure.
    fn write_named(&self, writer: &mut Writer) {
        writer.structure(Tag::Attribute, |writer| {
            let vendor = self.vendor();
            let name = vendor.as_ref().map_or(Cow::Borrowed(self.row.name), |it| custom_name(it).into());
            writer.item(Tag::AttributeName, ItemType::TextString, name.as_bytes());
            // In 1.0 an index that is 0 goes without saying.
            if let Some(index) = self.index.filter(|index| *index != 0 || writer.version() > V1_0) {
                index.encode(Tag::AttributeIndex, writer);
            }
            match vendor {
                Some(vendor) => vendor.attribute_value.encode(Tag::AttributeValue, writer),
                None => self.write_value(Tag::AttributeValue, writer),
            }
        });
    }

    /// Reads a 2.x value behind its own tag.
    fn read_tagged(within: Tag, item: &Item<'_>) -> Result<Self, Error> {
        match AttributeDefinition::of(item.tag) {
            Some(row) if row.exists_in(item.version()) => Self::decode(row, None, item),
            _ => Err(Error::Unexpected { within, found: item.tag }),
        }
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

/// Several attributes as a bare run of 1.x Attribute structures, or a 2.x Attributes structure: what Locate
/// asks for and Get Attributes answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeList(pub Vec<Attribute>);

impl Field for AttributeList {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut attributes = Vec::new();
        if reader.version() >= V2_0 {
            if let Some(item) = reader.take(tag)? {
                attributes = read_all_tagged(&item)?;
            }
        } else {
            while let Some(item) = reader.take(Tag::Attribute)? {
                attributes.push(Attribute::read_named(&item)?);
            }
        }
        Ok(Self(attributes))
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        write_all(&self.0, tag, writer);
    }
}

/// The attributes that a client wants on a new object: a 1.x Template-Attribute, or a 2.x Attributes structure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateAttribute {
    /// The names of the templates to start from; 1.x only.
    pub templates: Vec<Name>,
    /// The attributes, in the order they were given.
    pub attributes: Vec<Attribute>,
}

impl TemplateAttribute {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        if item.version() >= V2_0 {
            return Ok(Self { templates: Vec::new(), attributes: read_all_tagged(item)? });
        }
        let mut rows = item.structure()?;
        let templates = Field::read(Tag::Name, &mut rows)?;
        let AttributeList(attributes) = Field::read(Tag::Attributes, &mut rows)?;
        rows.finish()?;
        Ok(Self { templates, attributes })
    }
}

impl Field for TemplateAttribute {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        Self::decode(&reader.require(template_tag(tag, reader.version()))?)
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        if writer.version() >= V2_0 {
            return write_all(&self.attributes, tag, writer);
        }
        writer.structure(template_tag(tag, writer.version()), |writer| {
            self.templates.write(Tag::Name, writer);
            write_all(&self.attributes, tag, writer);
        });
    }
}

impl Field for Option<TemplateAttribute> {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let item = reader.take(template_tag(tag, reader.version()))?;
        item.as_ref().map(TemplateAttribute::decode).transpose()
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        if let Some(attributes) = self {
            attributes.write(tag, writer);
        }
    }
}

/// One attribute: a 1.x Attribute structure, or a 2.x structure of the field's own tag (New Attribute,
/// Current Attribute) with one value in it.
impl Field for Attribute {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let missing = Error::Missing { tag: one_tag(tag, reader.version()), found: reader.peek()? };
        Option::<Self>::read(tag, reader)?.ok_or(missing)
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        if writer.version() >= V2_0 {
            writer.structure(tag, |writer| self.write_value(self.row.tag, writer));
        } else {
            self.write_named(writer);
        }
    }
}

impl Field for Option<Attribute> {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let Some(item) = reader.take(one_tag(tag, reader.version()))? else { return Ok(None) };
        if item.version() < V2_0 {
            return Attribute::read_named(&item).map(Some);
        }
        let mut values = item.structure()?;
        let Some(value) = values.next()? else { return Err(Error::Missing { tag, found: None }) };
        values.finish()?;
        Attribute::read_tagged(tag, &value).map(Some)
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        if let Some(attribute) = self {
            attribute.write(tag, writer);
        }
    }
}

/// Says which attribute is meant: a 1.x Attribute Name, or a 2.x Attribute Reference (a tag, or a vendor's name).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeReference {
    /// An attribute of the standard.
    Standard(&'static AttributeDefinition),
    /// A vendor attribute, by vendor and name.
    Vendor(String, String),
    /// A name or a tag that no attribute has.
    Unknown(String),
}

impl AttributeReference {
    /// The attribute of that 1.x name.
    pub fn named(name: &str) -> Self {
        match (custom(name), AttributeDefinition::named(name)) {
            (Some((vendor, name)), _) => Self::Vendor(vendor.to_owned(), name.to_owned()),
            (None, Some(row)) => Self::Standard(row),
            (None, None) => Self::Unknown(name.to_owned()),
        }
    }

    /// What refers to the attribute that `attribute` is a value of.
    pub fn to(attribute: &Attribute) -> Self {
        match attribute.vendor() {
            Some(vendor) => Self::Vendor(vendor.vendor_identification, vendor.attribute_name),
            None => Self::Standard(attribute.row),
        }
    }

    /// The row that tells the attribute's rules; none for an unknown one.
    pub fn row(&self) -> Option<&'static AttributeDefinition> {
        match self {
            Self::Standard(row) => Some(row),
            Self::Vendor(..) => Some(vendor_row()),
            Self::Unknown(_) => None,
        }
    }

    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        if item.version() < V2_0 {
            return String::decode(item).map(|name| Self::named(&name));
        }
        if item.kind != ItemType::Structure {
            let number = crate::kmip::macros::enumeration(item)?;
            return Ok(AttributeDefinition::of(Tag(number))
                .map_or_else(|| Self::Unknown(Tag(number).to_string()), Self::Standard));
        }
        let mut rows = item.structure()?;
        let vendor = String::decode(&rows.require(Tag::VendorIdentification)?)?;
        let name = String::decode(&rows.require(Tag::AttributeName)?)?;
        rows.finish()?;
        // PyKMIP's client refers to attributes of the standard in this way too.
        Ok(AttributeDefinition::named(&name).map_or(Self::Vendor(vendor, name), Self::Standard))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        if writer.version() < V2_0 {
            return self.to_string().encode(Tag::AttributeName, writer);
        }
        match self {
            Self::Standard(row) => {
                writer.item(tag, ItemType::Enumeration, &row.tag.0.to_be_bytes());
            }
            Self::Vendor(vendor, name) => writer.structure(tag, |writer| {
                vendor.encode(Tag::VendorIdentification, writer);
                name.encode(Tag::AttributeName, writer);
            }),
            Self::Unknown(_) => {}
        }
    }
}

impl fmt::Display for AttributeReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(row) => f.write_str(row.name),
            Self::Vendor(vendor, name) => write!(f, "{vendor}{CUSTOM_SEPARATOR}{name}"),
            Self::Unknown(name) => f.write_str(name),
        }
    }
}

impl Field for Vec<AttributeReference> {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut references = Vec::new();
        while let Some(item) = reader.take(reference_tag(tag, reader.version()))? {
            references.push(AttributeReference::decode(&item)?);
        }
        Ok(references)
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        for reference in self {
            reference.encode(tag, writer);
        }
    }
}

impl Field for Option<AttributeReference> {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let item = reader.take(reference_tag(tag, reader.version()))?;
        item.as_ref().map(AttributeReference::decode).transpose()
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        if let Some(reference) = self {
            reference.encode(tag, writer);
        }
    }
}

impl Value for Attributes {
    /// Reads an Attributes structure in the form of 2.x, or in the stored form.
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        let mut attributes = Self::default();
        let mut values = item.structure()?;
        while let Some(value) = values.next()? {
            if !attributes.push_item(&value)? {
                return Err(Error::Unexpected { within: item.tag, found: value.tag });
            }
        }
        Ok(attributes)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.structure(tag, |writer| {
            let version = writer.version();
            for row in super::TABLE.iter().filter(|row| row.exists_in(version)) {
                let slot = row.slot(self);
                (0..slot.count()).for_each(|index| slot.write(index, row.tag, writer));
            }
        });
    }
}

impl Attributes {
    /// Adds a value; a single-valued attribute is replaced.
    pub fn push(&mut self, attribute: &Attribute) {
        if let Ok(item) = attribute.item() {
            // The value was read by this very row before, so reading it again cannot fail.
            let _ = attribute.row.slot_mut(self).push(&item);
        }
    }

    /// Replaces the value at `index` of the attribute's slot; false where there is none.
    pub fn replace(&mut self, index: usize, attribute: &Attribute) -> bool {
        let replaced = attribute.item().and_then(|item| attribute.row.slot_mut(self).replace(index, &item));
        replaced.unwrap_or(false)
    }

    /// The values that `reference` means, with their positions in the slot. An Attribute Index is given where the
    /// attribute can have several values, counted per name for vendor attributes (1.4 §2.1.1). That the first
    /// value's is 0 goes without saying, as in the standard's test cases; clients of PyKMIP look for it all the
    /// same, in the attributes that its server keeps.
    pub fn values(&self, reference: &AttributeReference) -> Vec<(usize, Attribute)> {
        let Some(row) = reference.row() else { return Vec::new() };
        let all = self.of_row(row).enumerate();
        let meant = all.filter(|(_, value)| !row.is_vendor() || AttributeReference::to(value) == *reference);
        let looked_for =
            matches!(row.tag, Tag::Name | Tag::ObjectGroup | Tag::ApplicationSpecificInformation);
        let indexed = meant.enumerate().map(|(index, (position, value))| {
            let told = row.multiple && (index > 0 || looked_for);
            let index = told.then(|| i32::try_from(index).unwrap_or(i32::MAX));
            (position, Attribute { index, ..value })
        });
        indexed.collect()
    }

    /// Every value of one row, in order, without index.
    pub fn of_row(&self, row: &'static AttributeDefinition) -> impl Iterator<Item = Attribute> {
        let slot = row.slot(self);
        (0..slot.count()).map(move |index| {
            let mut writer = Writer::reusing(Vec::with_capacity(VALUE_ROOM), STORED);
            slot.write(index, row.tag, &mut writer);
            Attribute { row, index: None, value: writer.into_bytes() }
        })
    }

    /// What refers to each attribute that has a value and that `version` has, each once, in table order.
    pub fn references(&self, version: Version) -> Vec<AttributeReference> {
        let mut references = Vec::new();
        for row in super::TABLE.iter().filter(|row| row.exists_in(version)) {
            if !row.is_vendor() {
                references.extend((row.slot(self).count() > 0).then_some(AttributeReference::Standard(row)));
                continue;
            }
            for value in self.of_row(row) {
                let reference = AttributeReference::to(&value);
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
        }
        references
    }

    /// Those that Get Attributes tells in `version` to whoever names none.
    pub fn reported_by_default(&self, version: Version) -> Vec<AttributeReference> {
        let mut references = self.references(version);
        references.retain(|reference| reference.row().is_some_and(|row| row.is_reported_by_default(version)));
        references
    }
}

fn read_all_tagged(item: &Item<'_>) -> Result<Vec<Attribute>, Error> {
    let mut attributes = Vec::new();
    let mut values = item.structure()?;
    while let Some(value) = values.next()? {
        attributes.push(Attribute::read_tagged(item.tag, &value)?);
    }
    Ok(attributes)
}

fn write_all(attributes: &[Attribute], tag: Tag, writer: &mut Writer) {
    if writer.version() >= V2_0 {
        writer.structure(tag, |writer| {
            attributes.iter().for_each(|attribute| attribute.write_value(attribute.row.tag, writer));
        });
    } else {
        attributes.iter().for_each(|attribute| attribute.write_named(writer));
    }
}

/// The tag under which 1.x has what 2.x calls `tag`.
fn template_tag(tag: Tag, version: Version) -> Tag {
    match tag {
        _ if version >= V2_0 => tag,
        Tag::CommonAttributes => Tag::CommonTemplateAttribute,
        Tag::PrivateKeyAttributes => Tag::PrivateKeyTemplateAttribute,
        Tag::PublicKeyAttributes => Tag::PublicKeyTemplateAttribute,
        _ => Tag::TemplateAttribute,
    }
}

fn one_tag(tag: Tag, version: Version) -> Tag {
    if version >= V2_0 { tag } else { Tag::Attribute }
}

fn reference_tag(tag: Tag, version: Version) -> Tag {
    if version >= V2_0 { tag } else { Tag::AttributeName }
}

/// Vendor and name of a custom attribute, by its 1.x name.
fn custom(name: &str) -> Option<(&str, &str)> {
    name.split_once(CUSTOM_SEPARATOR).filter(|(vendor, _)| CUSTOM_VENDORS.contains(vendor))
}

fn custom_name(vendor: &VendorAttribute) -> String {
    format!("{}{CUSTOM_SEPARATOR}{}", vendor.vendor_identification, vendor.attribute_name)
}

fn vendor_row() -> &'static AttributeDefinition {
    AttributeDefinition::of(Tag::Attribute).expect("the table ends with the row of vendor attributes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::enums::{HashingAlgorithm, PaddingMethod};
    use crate::kmip::structures::CryptographicParameters;
    use crate::ttlv::V1_2;

    /// An Attribute structure of 1.2 without a name.
    fn nameless(value: impl Fn(&mut Writer)) -> Result<Attribute, Error> {
        let mut writer = Writer::new(V1_2);
        writer.structure(Tag::Attribute, value);
        let bytes = writer.into_bytes();
        Attribute::read_named(&Reader::new(&bytes, V1_2).require(Tag::Attribute)?)
    }

    #[test]
    fn an_attribute_without_a_name_is_told_by_its_value_where_only_one_can_have_that() {
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
    fn an_attribute_without_a_name_is_refused_where_it_could_be_several() {
        let refused = |outcome: Result<Attribute, Error>| {
            assert!(matches!(outcome, Err(Error::Missing { tag: Tag::AttributeName, .. })), "{outcome:?}");
        };
        refused(nameless(|writer| 128.encode(Tag::AttributeValue, writer)));
        refused(nameless(|writer| "text".to_owned().encode(Tag::AttributeValue, writer)));
        refused(nameless(|writer| writer.structure(Tag::AttributeValue, |_| ())));
        let unknown = |writer: &mut Writer| {
            writer.structure(Tag::AttributeValue, |writer| 1.encode(Tag::BatchCount, writer));
        };
        refused(nameless(unknown));
    }
}
