//! Unique Identifier: the name by which the server knows an object (KMIP 1.4 §3.1, 2.1 §4.59).

use std::fmt;

use crate::kmip::enums::UniqueIdentifierValue;
use crate::ttlv::{Error, Item, ItemType, Tag, V2_0, Value, Writer};

/// Names an object: by its identifier, or from 2.0 on by what an earlier item of the batch made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UniqueIdentifier {
    /// The identifier that the server gave the object.
    Text(String),
    /// The object that a batch item of that kind left behind (2.0 §4.59).
    Placeholder(UniqueIdentifierValue),
    /// The object that the batch item of that number, counted from zero, left behind; negative numbers
    /// count back from the item itself (2.0 §4.59).
    Item(i32),
}

impl UniqueIdentifier {
    /// The identifier, where it is one.
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
