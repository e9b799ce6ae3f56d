//! Errors of the TTLV encoding and of structures.

use std::fmt;

use super::{ItemType, MAX_DEPTH, Tag};

/// A violation of the TTLV encoding (KMIP 1.4 §9.1, 2.1 §10.1) or of the definition of a structure.
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{Error, Reader, Tag, V1_2};
///
/// let batch_count_of_12_bytes = [0x42, 0x00, 0x0D, 0x02, 0, 0, 0, 12];
/// let error = Reader::new(&batch_count_of_12_bytes, V1_2).next().err();
/// assert!(matches!(error, Some(Error::WrongLength { tag: Tag::BatchCount, length: 12, .. })));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end before the item does.
    Truncated {
        /// The item, or the structure that contains it if its header is truncated.
        tag: Tag,
        /// The number of bytes that the item needs after its header, or 8 for a header.
        wanted: usize,
        /// The number of bytes that are left.
        got: usize,
    },
    /// A required item is absent.
    Missing {
        /// The required item.
        tag: Tag,
        /// The item in its place, or `None` at the end of the structure.
        found: Option<Tag>,
    },
    /// The item has another type than its tag requires.
    WrongType {
        /// The item.
        tag: Tag,
        /// The type that the tag requires.
        expected: ItemType,
        /// The type of the item.
        found: ItemType,
    },
    /// The standard defines no type with this byte.
    UnknownType {
        /// The item.
        tag: Tag,
        /// The type byte.
        code: u8,
    },
    /// No value of the type has this length.
    WrongLength {
        /// The item.
        tag: Tag,
        /// The type of the item.
        kind: ItemType,
        /// The length in its header, in bytes.
        length: usize,
    },
    /// The padding is not zero.
    Padding {
        /// The item.
        tag: Tag,
    },
    /// The enumeration of the item has no entry with this number.
    UnknownValue {
        /// The item.
        tag: Tag,
        /// The number.
        value: u32,
    },
    /// The value of a Boolean is neither 0 nor 1.
    NotBoolean {
        /// The item.
        tag: Tag,
    },
    /// The value of a Text String is not UTF-8.
    NotUtf8 {
        /// The item.
        tag: Tag,
    },
    /// The structure does not define an item with this tag at this position.
    Unexpected {
        /// The structure.
        within: Tag,
        /// The item.
        found: Tag,
    },
    /// Structures are nested deeper than [`MAX_DEPTH`].
    TooDeep {
        /// The structure at the maximum depth.
        tag: Tag,
    },
    /// The value violates a rule of the item.
    Invalid {
        /// The item.
        tag: Tag,
        /// The rule.
        why: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { tag, wanted, got } => {
                write!(f, "{tag} is truncated: expected {wanted} bytes, found {got}")
            }
            Self::Missing { tag, found: Some(found) } => write!(f, "{tag} is missing before {found}"),
            Self::Missing { tag, found: None } => write!(f, "{tag} is missing"),
            Self::WrongType { tag, expected, found } => {
                write!(f, "{tag} has the type {found} instead of {expected}")
            }
            Self::UnknownType { tag, code } => write!(f, "{tag} has the unknown type 0x{code:02X}"),
            Self::WrongLength { tag, kind, length } => {
                write!(f, "{tag} has the length {length}, which is invalid for the type {kind}")
            }
            Self::Padding { tag } => write!(f, "{tag} is padded with other bytes than zeros"),
            Self::UnknownValue { tag, value } => write!(f, "{tag} has the unknown value 0x{value:08X}"),
            Self::NotBoolean { tag } => write!(f, "{tag} is neither 0 (false) nor 1 (true)"),
            Self::NotUtf8 { tag } => write!(f, "{tag} is not UTF-8"),
            Self::Unexpected { within, found } => write!(f, "{within} contains an unexpected {found}"),
            Self::TooDeep { tag } => {
                write!(f, "{tag} is nested deeper than {MAX_DEPTH} structures")
            }
            Self::Invalid { tag, why } => write!(f, "{tag} is invalid: {why}"),
        }
    }
}

impl std::error::Error for Error {}
