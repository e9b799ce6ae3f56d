//! Reads items from a borrowed buffer (KMIP 1.4 §9.1.1, 2.1 §10.1).
//!
//! Nothing is allocated on a length that was told: a value is a slice of what was received. Whoever opens a
//! structure has to [`Reader::finish`] it, and leftovers are an error there.

use std::fmt;

use super::{Error, Tag, Version};

/// How deep structures may nest. The deepest message of the standard has 9 levels; the bound keeps
/// a hostile one from exhausting a thread's stack.
pub const MAX_DEPTH: u8 = 32;

/// The type byte of an item (KMIP 1.4 §9.1.1.2, 2.1 §10.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the standard's names")]
pub enum ItemType {
    Structure = 0x01,
    Integer = 0x02,
    LongInteger = 0x03,
    BigInteger = 0x04,
    Enumeration = 0x05,
    Boolean = 0x06,
    TextString = 0x07,
    ByteString = 0x08,
    DateTime = 0x09,
    Interval = 0x0A,
    DateTimeExtended = 0x0B,
}

impl ItemType {
    /// Every type, in the order of its byte.
    pub const ALL: [ItemType; 11] = [
        Self::Structure,
        Self::Integer,
        Self::LongInteger,
        Self::BigInteger,
        Self::Enumeration,
        Self::Boolean,
        Self::TextString,
        Self::ByteString,
        Self::DateTime,
        Self::Interval,
        Self::DateTimeExtended,
    ];

    /// The type of that byte.
    pub fn from_byte(code: u8) -> Option<Self> {
        // In the order of their bytes, which begin with 1.
        let place = usize::from(code).checked_sub(1)?;
        Self::ALL.get(place).copied()
    }

    /// The length that every value of the type has, in bytes, where there is one.
    const fn fixed_length(self) -> Option<usize> {
        match self {
            Self::Integer | Self::Enumeration | Self::Interval => Some(4),
            Self::LongInteger | Self::Boolean | Self::DateTime | Self::DateTimeExtended => Some(8),
            Self::Structure | Self::BigInteger | Self::TextString | Self::ByteString => None,
        }
    }
}

impl fmt::Display for ItemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Structure => "Structure",
            Self::Integer => "Integer",
            Self::LongInteger => "Long Integer",
            Self::BigInteger => "Big Integer",
            Self::Enumeration => "Enumeration",
            Self::Boolean => "Boolean",
            Self::TextString => "Text String",
            Self::ByteString => "Byte String",
            Self::DateTime => "Date-Time",
            Self::Interval => "Interval",
            Self::DateTimeExtended => "Date-Time Extended",
        })
    }
}

/// One item: its tag, its type and its value's bytes, padding taken off and checked.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// What it is.
    pub tag: Tag,
    /// How it is encoded.
    pub kind: ItemType,
    /// The value's bytes, without padding; for a structure the items in it.
    pub bytes: &'a [u8],
    /// The item as it stands on the wire: header, value and padding.
    pub wire: &'a [u8],
    version: Version,
    depth: u8,
}

impl<'a> Item<'a> {
    /// The version of the message that the item is part of.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The same item, its contents read in the form of `version`.
    #[must_use]
    pub fn in_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// The value's bytes, where the type is the expected one.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn expect(&self, expected: ItemType) -> Result<&'a [u8], Error> {
        if self.kind == expected {
            return Ok(self.bytes);
        }
        Err(Error::WrongType { tag: self.tag, expected, found: self.kind })
    }

    /// A reader over the items of a structure.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::TooDeep`].
    pub fn structure(&self) -> Result<Reader<'a>, Error> {
        let rest = self.expect(ItemType::Structure)?;
        if self.depth >= MAX_DEPTH {
            return Err(Error::TooDeep { tag: self.tag });
        }
        Ok(Reader { rest, within: self.tag, version: self.version, depth: self.depth + 1 })
    }
}

/// Reads the items of one structure, in order.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    within: Tag,
    version: Version,
    depth: u8,
}

impl<'a> Reader<'a> {
    /// A reader over the outermost items of `bytes`, read as items of `version`.
    pub fn new(bytes: &'a [u8], version: Version) -> Self {
        Self { rest: bytes, within: Tag::default(), version, depth: 0 }
    }

    /// The version in whose form items are read.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Reads what follows in the form of `version`: called once, when the header has told it.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// The structure whose items are read.
    pub fn within(&self) -> Tag {
        self.within
    }

    /// The tag of the next item, none at the end.
    ///
    /// # Errors
    /// [`Error::Truncated`] where fewer than the three bytes of a tag are left.
    pub fn peek(&self) -> Result<Option<Tag>, Error> {
        match self.rest {
            [] => Ok(None),
            [a, b, c, ..] => Ok(Some(Tag(u32::from_be_bytes([0, *a, *b, *c])))),
            short => Err(Error::Truncated { tag: self.within, wanted: 8, got: short.len() }),
        }
    }

    /// The next item, whatever its tag; none at the end.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::UnknownType`], [`Error::WrongLength`], [`Error::Padding`].
    #[expect(clippy::should_implement_trait, reason = "it can fail, and callers have to see it at each item")]
    pub fn next(&mut self) -> Result<Option<Item<'a>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let Some((header, after)) = self.rest.split_first_chunk::<8>() else {
            return Err(Error::Truncated { tag: self.within, wanted: 8, got: self.rest.len() });
        };
        let [t0, t1, t2, code, l0, l1, l2, l3] = *header;
        let tag = Tag(u32::from_be_bytes([0, t0, t1, t2]));
        let kind = ItemType::from_byte(code).ok_or(Error::UnknownType { tag, code })?;
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;

        let possible = match kind.fixed_length() {
            Some(fixed) => length == fixed,
            None if kind == ItemType::BigInteger => length > 0 && length.is_multiple_of(8),
            None => true,
        };
        if !possible {
            return Err(Error::WrongLength { tag, kind, length });
        }
        let padded = length.next_multiple_of(8);
        if after.len() < padded {
            return Err(Error::Truncated { tag, wanted: padded, got: after.len() });
        }
        let (value, rest) = after.split_at(padded);
        let (bytes, padding) = value.split_at(length);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Error::Padding { tag });
        }
        let (wire, _) = self.rest.split_at(8 + padded);
        self.rest = rest;
        Ok(Some(Item { tag, kind, bytes, wire, version: self.version, depth: self.depth }))
    }

    /// The next item if it has this tag; otherwise nothing is read.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn take(&mut self, tag: Tag) -> Result<Option<Item<'a>>, Error> {
        if self.peek()? == Some(tag) { self.next() } else { Ok(None) }
    }

    /// The next item, which has to have this tag.
    ///
    /// # Errors
    /// [`Error::Missing`], and as [`Reader::next`].
    pub fn require(&mut self, tag: Tag) -> Result<Item<'a>, Error> {
        self.take(tag)?.ok_or_else(|| Error::Missing { tag, found: self.peek().ok().flatten() })
    }

    /// Ends the structure: nothing may be left in it.
    ///
    /// # Errors
    /// [`Error::Unexpected`], naming the item that is left.
    pub fn finish(self) -> Result<(), Error> {
        match self.peek()? {
            None => Ok(()),
            Some(found) => Err(Error::Unexpected { within: self.within, found }),
        }
    }
}
