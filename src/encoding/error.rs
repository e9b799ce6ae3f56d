//! What can be wrong with text that claims to be a message: one variant each, wording beside it. Values are left
//! out, as they may be keys.

use std::fmt;

use crate::ttlv::{self, ItemType};

/// How much of a name that a client made up is repeated, in characters.
const REPEATED: usize = 64;

/// A violation of the notation, or of what an item can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The text is not UTF-8.
    NotUtf8,
    /// The text is no XML, or has what a message has no place for.
    Xml {
        /// The innermost element that was begun; empty before the first.
        element: String,
        /// What is wrong.
        why: String,
    },
    /// The text is no JSON.
    Json {
        /// Where, counted from 1.
        line: usize,
        /// Likewise.
        column: usize,
    },
    /// There is no message.
    Empty,
    /// An element or a tag that no version of the standard has.
    UnknownTag {
        /// Its name.
        element: String,
    },
    /// A type that the standard does not have.
    UnknownType {
        /// The element.
        element: String,
    },
    /// An item that is no structure has no value.
    NoValue {
        /// The element.
        element: String,
    },
    /// The value cannot be one of its type.
    BadValue {
        /// The element.
        element: String,
        /// The type.
        kind: ItemType,
    },
    /// A structure that holds something else than items, or another item with items in it.
    Misplaced {
        /// The element.
        element: String,
    },
    /// Structures nested deeper than [`ttlv::MAX_DEPTH`].
    TooDeep {
        /// The element at the bound.
        element: String,
    },
    /// Bytes to be spelled are no TTLV.
    Ttlv(ttlv::Error),
}

impl Error {
    /// The name of an element as an error may repeat it.
    pub(super) fn name(element: &str) -> String {
        element.chars().take(REPEATED).collect()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("the text is not UTF-8"),
            Self::Xml { element, why } if element.is_empty() => write!(f, "the XML is broken: {why}"),
            Self::Xml { element, why } => write!(f, "the XML is broken at {element}: {why}"),
            Self::Json { line, column } => write!(f, "the JSON is broken in line {line}, column {column}"),
            Self::Empty => f.write_str("the text holds no message"),
            Self::UnknownTag { element } => write!(f, "{element} is no tag of the standard"),
            Self::UnknownType { element } => write!(f, "{element} has an unknown type"),
            Self::NoValue { element } => write!(f, "{element} has no value"),
            Self::BadValue { element, kind } => write!(f, "{element} has a value that is no {kind}"),
            Self::Misplaced { element } => write!(f, "{element} holds what it has no place for"),
            Self::TooDeep { element } => {
                write!(f, "{element} is nested deeper than {} structures", ttlv::MAX_DEPTH)
            }
            Self::Ttlv(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<ttlv::Error> for Error {
    fn from(error: ttlv::Error) -> Self {
        Self::Ttlv(error)
    }
}
