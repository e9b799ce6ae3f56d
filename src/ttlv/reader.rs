//! Reading items from a buffer (KMIP 1.4 §9.1.1, 2.1 §10.1).
//!
//! The reader allocates nothing: a value is a slice of the received bytes. A caller that opens a structure
//! calls [`Reader::finish`] after the last item, which returns an error if items are left.

use super::{Error, ItemType, MAX_DEPTH, Tag, Version};

/// One item: its tag, its type and the bytes of its value, without the padding.
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{ItemType, Reader, Tag, V1_2, Value, Writer};
///
/// let mut writer = Writer::new(V1_2);
/// "7".to_owned().encode(Tag::UniqueIdentifier, &mut writer);
/// let bytes = writer.into_bytes();
///
/// let item = Reader::new(&bytes, V1_2).next()?.expect("one item");
/// assert_eq!((item.tag, item.kind), (Tag::UniqueIdentifier, ItemType::TextString));
/// assert_eq!((item.bytes, item.wire.len()), (b"7".as_slice(), 16));
/// assert_eq!(String::decode(&item)?, "7");
/// assert!(item.structure().is_err(), "a Text String contains no items");
/// # Ok::<(), kmip_server::ttlv::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// The tag.
    pub tag: Tag,
    /// The type.
    pub kind: ItemType,
    /// The bytes of the value, without padding; the items, if the item is a structure.
    pub bytes: &'a [u8],
    /// The encoded item: header, value and padding.
    pub wire: &'a [u8],
    version: Version,
    depth: u8,
}

impl<'a> Item<'a> {
    /// Returns the protocol version of the message that contains the item.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the item with another protocol version, which determines the rows of its structures.
    #[must_use]
    pub fn in_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Returns the bytes of the value if the item has the type `expected`.
    ///
    /// # Errors
    /// Returns [`Error::WrongType`] otherwise.
    pub fn expect(&self, expected: ItemType) -> Result<&'a [u8], Error> {
        if self.kind == expected {
            return Ok(self.bytes);
        }
        Err(Error::WrongType { tag: self.tag, expected, found: self.kind })
    }

    /// Returns a reader for the items of a structure.
    ///
    /// # Errors
    /// Returns [`Error::WrongType`] if the item is not a structure, and [`Error::TooDeep`] if it is nested in
    /// [`MAX_DEPTH`] others.
    pub fn structure(&self) -> Result<Reader<'a>, Error> {
        let rest = self.expect(ItemType::Structure)?;
        if self.depth >= MAX_DEPTH {
            return Err(Error::TooDeep { tag: self.tag });
        }
        Ok(Reader { rest, parent: self.tag, version: self.version, depth: self.depth + 1 })
    }
}

/// Reads items in order: those of a message, or those of one structure.
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{Error, Reader, Tag, V1_2, Value, Writer};
///
/// let mut writer = Writer::new(V1_2);
/// 1.encode(Tag::BatchCount, &mut writer);
/// true.encode(Tag::BatchOrderOption, &mut writer);
/// let bytes = writer.into_bytes();
///
/// let mut reader = Reader::new(&bytes, V1_2);
/// assert_eq!(reader.peek()?, Some(Tag::BatchCount));
/// assert!(reader.take(Tag::TimeStamp)?.is_none(), "the next item has another tag");
/// assert_eq!(i32::decode(&reader.require(Tag::BatchCount)?)?, 1);
/// let missing = reader.require(Tag::TimeStamp).err();
/// assert_eq!(missing, Some(Error::Missing { tag: Tag::TimeStamp, found: Some(Tag::BatchOrderOption) }));
/// assert!(reader.finish().is_err(), "one item is left");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// The structure whose items are read; the default tag for a message.
    parent: Tag,
    version: Version,
    depth: u8,
}

impl<'a> Reader<'a> {
    /// Creates a reader for the outermost items of `bytes`, which are encoded for `version`.
    pub fn new(bytes: &'a [u8], version: Version) -> Self {
        Self { rest: bytes, parent: Tag::default(), version, depth: 0 }
    }

    /// Returns the protocol version for which the items are encoded.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Sets the protocol version of the following items: a server knows it only after it has read the header.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Returns the tag of the next item without reading the item, or `None` at the end.
    ///
    /// # Errors
    /// Returns [`Error::Truncated`] if fewer than the three bytes of a tag are left.
    pub fn peek(&self) -> Result<Option<Tag>, Error> {
        match self.rest {
            [] => Ok(None),
            [a, b, c, ..] => Ok(Some(Tag(u32::from_be_bytes([0, *a, *b, *c])))),
            short => Err(Error::Truncated { tag: self.parent, wanted: 8, got: short.len() }),
        }
    }

    /// Reads the next item, or returns `None` at the end.
    ///
    /// # Errors
    /// Returns [`Error::Truncated`] if the bytes end before the item, [`Error::UnknownType`] and
    /// [`Error::WrongLength`] if the header is invalid, and [`Error::Padding`] if the padding is not zero.
    #[expect(clippy::should_implement_trait, reason = "each call can fail, so callers use `?` per item")]
    pub fn next(&mut self) -> Result<Option<Item<'a>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let Some((header, after)) = self.rest.split_first_chunk::<8>() else {
            return Err(Error::Truncated { tag: self.parent, wanted: 8, got: self.rest.len() });
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

    /// Reads the next item if it has this tag; otherwise reads nothing and returns `None`.
    ///
    /// # Errors
    /// Returns the errors of [`Reader::next`].
    pub fn take(&mut self, tag: Tag) -> Result<Option<Item<'a>>, Error> {
        if self.peek()? == Some(tag) { self.next() } else { Ok(None) }
    }

    /// Reads the next item, which must have this tag.
    ///
    /// # Errors
    /// Returns [`Error::Missing`] if it has another tag or there is none, and the errors of [`Reader::next`].
    pub fn require(&mut self, tag: Tag) -> Result<Item<'a>, Error> {
        self.take(tag)?.ok_or_else(|| Error::Missing { tag, found: self.peek().ok().flatten() })
    }

    /// Checks that no item is left.
    ///
    /// # Errors
    /// Returns [`Error::Unexpected`] with the tag of the next item if one is left.
    pub fn finish(self) -> Result<(), Error> {
        match self.peek()? {
            None => Ok(()),
            Some(found) => Err(Error::Unexpected { within: self.parent, found }),
        }
    }
}
