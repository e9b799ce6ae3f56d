//! What can be wrong with bytes that claim to be TTLV: one variant each, wording beside it.

use std::fmt;

use super::{ItemType, Tag};

/// A violation of the encoding (KMIP 1.4 §9.1, 2.1 §10) or of a structure's declared rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes end before the item does.
    Truncated {
        /// The item, or the structure in which its header is cut.
        tag: Tag,
        /// How many bytes the item wants.
        wanted: usize,
        /// How many are there.
        got: usize,
    },
    /// A structure ended, or went on with something else, where a required item belongs.
    Missing {
        /// The required item.
        tag: Tag,
        /// What stands in its place.
        found: Option<Tag>,
    },
    /// The item's type is not the one its tag calls for.
    WrongType {
        /// The item.
        tag: Tag,
        /// The type its tag calls for.
        expected: ItemType,
        /// The type it has.
        found: ItemType,
    },
    /// The type byte is none of the standard's.
    UnknownType {
        /// The item.
        tag: Tag,
        /// The type byte.
        code: u8,
    },
    /// The length is impossible for the type.
    WrongLength {
        /// The item.
        tag: Tag,
        /// Its type.
        kind: ItemType,
        /// The length it states, in bytes.
        length: usize,
    },
    /// Padding that is not zero.
    Padding {
        /// The item.
        tag: Tag,
    },
    /// A number that the item's enumeration does not list.
    UnknownValue {
        /// The item.
        tag: Tag,
        /// The number.
        value: u32,
    },
    /// A Boolean that is neither 0 nor 1.
    NotBoolean {
        /// The item.
        tag: Tag,
    },
    /// A Text String that is not UTF-8.
    NotUtf8 {
        /// The item.
        tag: Tag,
    },
    /// An item that its structure has no row for, at the place where it stands.
    Unexpected {
        /// The structure.
        within: Tag,
        /// The item.
        found: Tag,
    },
    /// Structures nested deeper than [`super::MAX_DEPTH`].
    TooDeep {
        /// The structure at the bound.
        tag: Tag,
    },
    /// A value that its item cannot have, for the reason given.
    Invalid {
        /// The item.
        tag: Tag,
        /// Why not.
        why: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { tag, wanted, got } => {
                write!(f, "{tag} is truncated: {wanted} bytes wanted, {got} there")
            }
            Self::Missing { tag, found: Some(found) } => write!(f, "{tag} is missing: {found} in its place"),
            Self::Missing { tag, found: None } => write!(f, "{tag} is missing"),
            Self::WrongType { tag, expected, found } => {
                write!(f, "{tag} has the type {found} and should have {expected}")
            }
            Self::UnknownType { tag, code } => write!(f, "{tag} has the unknown type 0x{code:02X}"),
            Self::WrongLength { tag, kind, length } => {
                write!(f, "{tag} has the length {length}, impossible for the type {kind}")
            }
            Self::Padding { tag } => write!(f, "{tag} is padded with something other than zeros"),
            Self::UnknownValue { tag, value } => write!(f, "{tag} has the unknown value 0x{value:08X}"),
            Self::NotBoolean { tag } => write!(f, "{tag} is neither true nor false"),
            Self::NotUtf8 { tag } => write!(f, "{tag} is not UTF-8"),
            Self::Unexpected { within, found } => write!(f, "{within} holds an unexpected {found}"),
            Self::TooDeep { tag } => {
                write!(f, "{tag} is nested deeper than {} structures", super::MAX_DEPTH)
            }
            Self::Invalid { tag, why } => write!(f, "{tag} is invalid: {why}"),
        }
    }
}

impl std::error::Error for Error {}
