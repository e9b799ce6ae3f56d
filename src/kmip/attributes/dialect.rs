//! The two encodings of attributes.
//!
//! In 1.x, an attribute is a structure of name, index and value (KMIP 1.4 §2.1.1), and several attributes are
//! in a Template-Attribute (§2.1.8) or directly in the payload. In 2.x, an attribute is its value with a tag
//! of its own, in an Attributes structure (2.1 §5.1 to §5.7). The types of this file read and write both, by
//! the version of the message.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use crate::excerpt::Excerpt;
use crate::kmip::structures::{Name, Raw, VendorAttribute};
use crate::ttlv::{Error, Field, Item, ItemType, Reader, STORED, Tag, V2_0, Value, Version, Writer};

use super::bounds::{check_count, check_value};
use super::{AttributeDefinition, Attributes};

/// The separator of vendor and name in the name of a 1.x custom attribute: `x-NAME` is NAME of the vendor
/// `x`.
const CUSTOM_SEPARATOR: char = '-';

/// The vendors of 1.x custom attributes: `x` for clients, `y` for servers (KMIP 1.4 §3.39).
const CUSTOM_VENDORS: [&str; 2] = ["x", "y"];

/// The initial capacity for an encoded value in bytes, enough for a Name of 40 letters.
const VALUE_CAPACITY: usize = 96;

/// One value of an attribute (KMIP 1.4 §2.1.1, 2.1 §5.1).
///
/// # Examples
///
/// ```
/// use kmip_server::kmip::attributes::{Attribute, AttributeDefinition};
/// use kmip_server::ttlv::Tag;
///
/// let comment = AttributeDefinition::of(Tag::Comment).expect("Comment is an attribute");
/// let attribute = Attribute::of(comment, &"for backups".to_owned());
/// assert_eq!(attribute.name(), "Comment");
/// assert_eq!(attribute.read::<String>()?, "for backups");
/// # Ok::<(), kmip_server::ttlv::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The definition of the attribute.
    pub row: &'static AttributeDefinition,
    /// The Attribute Index, if the message contains one; 2.x has none.
    pub index: Option<i32>,
    /// The value as one item with the tag of the attribute, encoded for [`STORED`].
    value: Vec<u8>,
}

impl Attribute {
    /// Reads the value `item` of the attribute `row`.
    fn decode(row: &'static AttributeDefinition, index: Option<i32>, item: &Item<'_>) -> Result<Self, Error> {
        check_value(item)?;
        let mut writer = Writer::new(STORED);
        row.recode(item, row.tag, &mut writer)?;
        Ok(Self { row, index, value: writer.into_bytes() })
    }

    /// Creates a value of the attribute `row`. `T` must be the type of the attribute.
    pub fn of<T: Value>(row: &'static AttributeDefinition, value: &T) -> Self {
        let mut writer = Writer::new(STORED);
        value.encode(row.tag, &mut writer);
        Self { row, index: None, value: writer.into_bytes() }
    }

    /// Creates a value of the attribute `row` from `raw`, or returns `None` if the attribute has another
    /// type.
    pub fn of_raw(row: &'static AttributeDefinition, raw: &Raw) -> Option<Self> {
        let mut writer = Writer::new(STORED);
        raw.encode(row.tag, &mut writer);
        let bytes = writer.into_bytes();
        let item = Reader::new(&bytes, STORED).require(row.tag).ok()?;
        Self::decode(row, None, &item).ok()
    }

    /// Removes an Attribute Index of 0, which is the default (KMIP 1.4 §2.1.1).
    #[must_use]
    pub fn without_zero_index(mut self) -> Self {
        self.index = self.index.filter(|index| *index > 0);
        self
    }

    /// Returns the value as an item of any type.
    pub fn raw(&self) -> Raw {
        let read = self.item().and_then(|item| Raw::decode(&item));
        read.expect("the value is one encoded item")
    }

    /// Decodes the value as a `T`.
    ///
    /// # Errors
    /// Returns an [`Error`] if `T` is not the type of the attribute.
    pub fn read<T: Value>(&self) -> Result<T, Error> {
        self.item().and_then(|item| T::decode(&item))
    }

    /// Returns the value as one item with the tag of the attribute, encoded for [`STORED`]. Equal values have
    /// equal bytes.
    pub fn stored(&self) -> &[u8] {
        &self.value
    }

    /// Returns the Attribute Name in 1.x.
    pub fn name(&self) -> Cow<'static, str> {
        self.name_with(self.vendor().as_ref())
    }

    fn name_with(&self, vendor: Option<&VendorAttribute>) -> Cow<'static, str> {
        match vendor {
            Some(vendor) => custom_name(&vendor.vendor_identification, &vendor.attribute_name).into(),
            None => self.row.name.into(),
        }
    }

    /// Returns the value of a vendor attribute, or `None` for an attribute of the standard.
    fn vendor(&self) -> Option<VendorAttribute> {
        self.row.is_vendor().then(|| self.read().ok()).flatten()
    }

    fn item(&self) -> Result<Item<'_>, Error> {
        Reader::new(&self.value, STORED).require(self.row.tag)
    }

    fn write_value(&self, tag: Tag, writer: &mut Writer) {
        match self.item() {
            // The encoding depends on the version only for structures.
            Ok(item) if item.kind != ItemType::Structure => writer.encoded(tag, item.wire),
            // The same definition wrote the bytes, so that reading them cannot fail.
            Ok(item) => drop(self.row.recode(&item, tag, writer)),
            Err(_) => {}
        }
    }

    /// Reads a 1.x Attribute structure.
    pub(super) fn read_named(item: &Item<'_>) -> Result<Self, Error> {
        check_value(item)?;
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
        let row = AttributeDefinition::named(&name).ok_or(Error::Invalid {
            tag: Tag::AttributeName,
            why: "the standard defines no attribute with this name",
        })?;
        Self::decode(row, index, &value)
    }

    /// Reads the value of a 1.x Attribute structure without Attribute Name, which some clients omit. Returns
    /// `None` unless the value is valid for exactly one attribute.
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
            writer.item(Tag::AttributeName, ItemType::TextString, self.name_with(vendor.as_ref()).as_bytes());
            if let Some(index) = self.index {
                index.encode(Tag::AttributeIndex, writer);
            }
            match vendor {
                Some(vendor) => vendor.attribute_value.encode(Tag::AttributeValue, writer),
                None => self.write_value(Tag::AttributeValue, writer),
            }
        });
    }

    /// Reads a 2.x value with the tag of its attribute.
    fn read_tagged(within: Tag, item: &Item<'_>) -> Result<Self, Error> {
        match AttributeDefinition::of(item.tag) {
            Some(row) if row.exists_in(item.version()) => Self::decode(row, None, item),
            _ => Err(Error::Unexpected { within, found: item.tag }),
        }
    }
}

/// Formats the name of the attribute, for messages.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Excerpt(&self.name()).fmt(f)
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A list of attributes: consecutive Attribute structures in 1.x (KMIP 1.4 §2.1.1), an Attributes structure
/// in 2.x (2.1 §5.1).
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
                check_count(attributes.len(), &item)?;
                attributes.push(Attribute::read_named(&item)?);
            }
        }
        Ok(Self(attributes))
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        write_all(&self.0, tag, writer);
    }
}

/// The attributes of a new object: a Template-Attribute in 1.x (KMIP 1.4 §2.1.8), an Attributes structure in
/// 2.x (2.1 §5.1 to §5.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateAttribute {
    /// The names of templates, in 1.x only.
    pub templates: Vec<Name>,
    /// The attributes, in the order of the message.
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

/// A field with one attribute: an Attribute structure in 1.x, and in 2.x a structure with the tag of the
/// field, such as New Attribute, that contains one value (KMIP 2.1 §5.6 and §5.7).
impl Field for Attribute {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let missing = Error::Missing { tag: attribute_tag(tag, reader.version()), found: reader.peek()? };
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
        let Some(item) = reader.take(attribute_tag(tag, reader.version()))? else { return Ok(None) };
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

/// A reference to an attribute: an Attribute Name in 1.x (KMIP 1.4 §2.1.1), and an Attribute Reference in
/// 2.x, which is a tag or a vendor with a name (2.1 §5.5).
///
/// # Examples
///
/// ```
/// use kmip_server::kmip::attributes::AttributeReference;
///
/// let custom = AttributeReference::named("x-colour");
/// assert_eq!(custom, AttributeReference::Vendor("x".to_owned(), "colour".to_owned()));
/// assert!(matches!(AttributeReference::named("State"), AttributeReference::Standard(_)));
/// assert!(AttributeReference::named("Weight").row().is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttributeReference {
    /// An attribute of the standard.
    Standard(&'static AttributeDefinition),
    /// A vendor attribute, by vendor and name.
    Vendor(String, String),
    /// A name or a tag of no attribute.
    Unknown(String),
}

impl AttributeReference {
    /// Creates a reference to the attribute with this 1.x name.
    pub fn named(name: &str) -> Self {
        match (custom(name), AttributeDefinition::named(name)) {
            (Some((vendor, name)), _) => Self::Vendor(vendor.to_owned(), name.to_owned()),
            (None, Some(row)) => Self::Standard(row),
            (None, None) => Self::Unknown(name.to_owned()),
        }
    }

    /// Creates a reference to the attribute of the value `attribute`.
    pub fn to(attribute: &Attribute) -> Self {
        match attribute.vendor() {
            Some(vendor) => Self::Vendor(vendor.vendor_identification, vendor.attribute_name),
            None => Self::Standard(attribute.row),
        }
    }

    /// Returns the definition of the attribute, or `None` if it is unknown.
    pub fn row(&self) -> Option<&'static AttributeDefinition> {
        match self {
            Self::Standard(row) => Some(row),
            Self::Vendor(..) => Some(vendor_row()),
            Self::Unknown(_) => None,
        }
    }

    /// Returns the Attribute Name in 1.x.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Standard(row) => row.name.into(),
            Self::Vendor(vendor, name) => custom_name(vendor, name).into(),
            Self::Unknown(name) => name.into(),
        }
    }

    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        check_value(item)?;
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
        // PyKMIP's client also refers to attributes of the standard in this way.
        Ok(AttributeDefinition::named(&name).map_or(Self::Vendor(vendor, name), Self::Standard))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        if writer.version() < V2_0 {
            return writer.item(Tag::AttributeName, ItemType::TextString, self.name().as_bytes());
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

/// Formats the name of the attribute, for messages.
impl fmt::Display for AttributeReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Excerpt(&self.name()).fmt(f)
    }
}

impl Field for Vec<AttributeReference> {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut references = Vec::new();
        while let Some(item) = reader.take(reference_tag(tag, reader.version()))? {
            check_count(references.len(), &item)?;
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
    /// Reads an Attributes structure of 2.x or of [`STORED`].
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
    /// Adds a value; replaces the value of a single-valued attribute.
    pub fn push(&mut self, attribute: &Attribute) {
        if let Ok(item) = attribute.item() {
            // The same definition wrote the bytes, so that reading them cannot fail.
            let _ = attribute.row.slot_mut(self).push(&item);
        }
    }

    /// Replaces the value at `index`. Returns `false` if there is none.
    pub fn replace(&mut self, index: usize, attribute: &Attribute) -> bool {
        let replaced = attribute.item().and_then(|item| attribute.row.slot_mut(self).replace(index, &item));
        replaced.unwrap_or(false)
    }

    /// Returns the values of the attribute `reference`, with their positions in its slot.
    ///
    /// Values of an attribute that can have several contain an Attribute Index, counted per name for vendor
    /// attributes (KMIP 1.4 §2.1.1). An index of 0 is omitted, as in the test cases of the standard, except
    /// in the attributes that PyKMIP's server supports: its clients expect the index.
    pub fn values(&self, reference: &AttributeReference) -> Vec<(usize, Attribute)> {
        let Some(row) = reference.row() else { return Vec::new() };
        let all = self.of_row(row).enumerate();
        let values = all.filter(|(_, value)| !row.is_vendor() || AttributeReference::to(value) == *reference);
        let always_indexed =
            matches!(row.tag, Tag::Name | Tag::ObjectGroup | Tag::ApplicationSpecificInformation);
        let indexed = values.enumerate().map(|(index, (position, value))| {
            let has_index = row.multiple && (index > 0 || always_indexed);
            let index = has_index.then(|| i32::try_from(index).unwrap_or(i32::MAX));
            (position, Attribute { index, ..value })
        });
        indexed.collect()
    }

    /// Returns every value of the attribute `row` in order, without Attribute Index.
    pub fn of_row(&self, row: &'static AttributeDefinition) -> impl Iterator<Item = Attribute> {
        let slot = row.slot(self);
        (0..slot.count()).map(move |index| {
            let mut writer = Writer::reusing(Vec::with_capacity(VALUE_CAPACITY), STORED);
            slot.write(index, row.tag, &mut writer);
            Attribute { row, index: None, value: writer.into_bytes() }
        })
    }

    /// Returns a reference to each attribute that has a value and that `version` defines, in the order of the
    /// table.
    pub fn references(&self, version: Version) -> Vec<AttributeReference> {
        let mut references = Vec::new();
        for row in super::TABLE.iter().filter(|row| row.exists_in(version)) {
            if !row.is_vendor() {
                references.extend((row.slot(self).count() > 0).then_some(AttributeReference::Standard(row)));
                continue;
            }
            let mut seen = HashSet::new();
            let named = self.of_row(row).map(|value| AttributeReference::to(&value));
            references.extend(named.filter(|reference| seen.insert(reference.clone())));
        }
        references
    }
}

fn read_all_tagged(item: &Item<'_>) -> Result<Vec<Attribute>, Error> {
    let mut attributes = Vec::new();
    let mut values = item.structure()?;
    while let Some(value) = values.next()? {
        check_count(attributes.len(), &value)?;
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

/// Returns the tag in `version` of the field with the 2.x tag `tag`.
fn template_tag(tag: Tag, version: Version) -> Tag {
    match tag {
        _ if version >= V2_0 => tag,
        Tag::CommonAttributes => Tag::CommonTemplateAttribute,
        Tag::PrivateKeyAttributes => Tag::PrivateKeyTemplateAttribute,
        Tag::PublicKeyAttributes => Tag::PublicKeyTemplateAttribute,
        _ => Tag::TemplateAttribute,
    }
}

fn attribute_tag(tag: Tag, version: Version) -> Tag {
    if version >= V2_0 { tag } else { Tag::Attribute }
}

fn reference_tag(tag: Tag, version: Version) -> Tag {
    if version >= V2_0 { tag } else { Tag::AttributeName }
}

/// Splits the 1.x name of a custom attribute into vendor and name.
fn custom(name: &str) -> Option<(&str, &str)> {
    name.split_once(CUSTOM_SEPARATOR).filter(|(vendor, _)| CUSTOM_VENDORS.contains(vendor))
}

fn custom_name(vendor: &str, name: &str) -> String {
    format!("{vendor}{CUSTOM_SEPARATOR}{name}")
}

fn vendor_row() -> &'static AttributeDefinition {
    AttributeDefinition::of(Tag::Attribute).expect("the table contains the vendor attributes")
}

#[cfg(test)]
mod tests;
