//! Errors of the XML and JSON encodings. They do not contain values, because values may be keys.

use std::fmt;

use crate::excerpt::Excerpt;
use crate::ttlv::{self, ItemType};

/// A violation of XML, of JSON, or of the encoding of messages in them.
///
/// # Examples
///
/// ```
/// use kmip_server::encoding::{Error, json, xml};
///
/// let error = xml::decode(b"<Nothing/>").unwrap_err();
/// assert_eq!(error, Error::UnknownTag { element: "Nothing".to_owned() });
/// assert_eq!(json::decode(b"{").unwrap_err().to_string(), "the JSON is malformed at line 1, column 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The text is not UTF-8.
    NotUtf8,
    /// The text is not XML, or contains a construct that messages do not use.
    Xml {
        /// The innermost open element; empty before the first.
        element: String,
        /// The error of the XML parser.
        why: String,
    },
    /// The text is not JSON.
    Json {
        /// The line of the error, counted from 1.
        line: usize,
        /// The column of the error, counted from 1.
        column: usize,
    },
    /// The text or the TTLV contains no item.
    Empty,
    /// No version of the standard defines the tag.
    UnknownTag {
        /// The name of the tag.
        element: String,
    },
    /// The standard does not define the type of the item.
    UnknownType {
        /// The name of the element, or the tag in JSON.
        element: String,
    },
    /// The item is not a Structure and has no value.
    NoValue {
        /// The name of the element, or the tag in JSON.
        element: String,
    },
    /// The value is invalid for the type.
    BadValue {
        /// The name of the element, or the tag in JSON.
        element: String,
        /// The type.
        kind: ItemType,
    },
    /// A Structure contains something other than items, or an item of another type contains items.
    Misplaced {
        /// The name of the element, or the tag in JSON.
        element: String,
    },
    /// Structures are nested deeper than [`ttlv::MAX_DEPTH`].
    TooDeep {
        /// The element at the maximum depth.
        element: String,
    },
    /// The bytes to convert are not valid TTLV.
    Ttlv(ttlv::Error),
}

impl Error {
    /// Bounds the name of an element to the length that an error may contain.
    pub(super) fn name(element: &str) -> String {
        Excerpt(element).to_string()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("the text is not UTF-8"),
            Self::Xml { element, why } if element.is_empty() => write!(f, "the XML is malformed: {why}"),
            Self::Xml { element, why } => write!(f, "the XML is malformed at {element}: {why}"),
            Self::Json { line, column } => write!(f, "the JSON is malformed at line {line}, column {column}"),
            Self::Empty => f.write_str("the text contains no message"),
            Self::UnknownTag { element } => {
                write!(
                    f,
                    "{element} is not a tag of the standard; write its name, or 0x and six hexadecimal digits"
                )
            }
            Self::UnknownType { element } => write!(f, "{element} has an unknown type"),
            Self::NoValue { element } => write!(f, "{element} has no value"),
            Self::BadValue { element, kind } => write!(f, "{element} has a value that is not a valid {kind}"),
            Self::Misplaced { element } => write!(f, "{element} contains something other than items"),
            Self::TooDeep { element } => {
                write!(f, "{element} is nested deeper than {} structures", ttlv::MAX_DEPTH)
            }
            Self::Ttlv(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Ttlv(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ttlv::Error> for Error {
    fn from(error: ttlv::Error) -> Self {
        Self::Ttlv(error)
    }
}
