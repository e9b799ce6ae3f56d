//! Unique Identifier (KMIP 1.4 §3.1, 2.1 §4.58).

use std::fmt;

use crate::kmip::enums::UniqueIdentifierValue;
use crate::kmip::macros::enumeration;
use crate::ttlv::{Error, Item, ItemType, STORED, Tag, V2_0, Value, Writer};

/// The maximum length of an identifier in a message, in bytes. Those of this server have at most 20, those of PyKMIP
/// too; a longer one names no object, and is refused before it is copied.
pub const MAX_IDENTIFIER: usize = 1024;

/// Unique Identifier: identifies an object, since 2.0 also as the result of an earlier batch item (KMIP 1.4
/// §3.1, 2.1 §4.58).
///
/// # Examples
///
/// ```
/// use kmip_server::kmip::structures::UniqueIdentifier;
///
/// assert_eq!(UniqueIdentifier::from("7".to_owned()).text(), Some("7"));
/// assert_eq!(UniqueIdentifier::Item(-1).text(), None, "the object of the preceding batch item");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UniqueIdentifier {
    /// The identifier that the server assigned to the object.
    Text(String),
    /// The object of the last batch item with this operation (since 2.0).
    Placeholder(UniqueIdentifierValue),
    /// The object of the batch item with this index, counted from zero; a negative number is relative to the
    /// current item (since 2.0).
    Item(i32),
}

impl UniqueIdentifier {
    /// Returns the identifier, or `None` if this is a reference to a batch item.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Placeholder(_) | Self::Item(_) => None,
        }
    }
}

impl fmt::Display for UniqueIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Placeholder(placeholder) => placeholder.fmt(f),
            Self::Item(number) => write!(f, "batch item {number}"),
        }
    }
}

impl From<String> for UniqueIdentifier {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Value for UniqueIdentifier {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        match item.kind {
            ItemType::Enumeration if item.version() >= V2_0 => Value::decode(item).map(Self::Placeholder),
            ItemType::Integer if item.version() >= V2_0 => Value::decode(item).map(Self::Item),
            // Some clients of 1.x send an identifier that is a number as an Enumeration or an Integer.
            ItemType::Enumeration => enumeration(item).map(|number| Self::Text(number.to_string())),
            ItemType::Integer => i32::decode(item).map(|number| Self::Text(number.to_string())),
            // A stored identifier was accepted when it was stored.
            _ if item.bytes.len() > MAX_IDENTIFIER && item.version() != STORED => {
                Err(Error::Invalid { tag: item.tag, why: "an identifier has at most 1024 bytes" })
            }
            _ => Value::decode(item).map(Self::Text),
        }
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        match self {
            Self::Text(text) => text.encode(tag, writer),
            Self::Placeholder(placeholder) => placeholder.encode(tag, writer),
            Self::Item(number) => number.encode(tag, writer),
        }
    }
}
