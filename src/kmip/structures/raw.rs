//! Items of any tag and type, stored without interpretation.

use crate::ttlv::{Error, Item, ItemType, Reader, STORED, Tag, Value, Writer};

/// One item of any type, with a valid encoding.
///
/// # Examples
///
/// ```
/// use kmip_server::kmip::structures::Raw;
/// use kmip_server::ttlv::ItemType;
///
/// let raw = Raw::of(&42);
/// assert_eq!(raw.kind(), Some(ItemType::Integer));
/// assert_eq!(raw.read::<i32>()?, 42);
/// assert!(raw.read::<String>().is_err());
/// # Ok::<(), kmip_server::ttlv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    wire: Vec<u8>,
}

impl Raw {
    /// Creates the item with the value `value`.
    pub fn of<T: Value>(value: &T) -> Self {
        let mut writer = Writer::new(STORED);
        value.encode(Tag::AttributeValue, &mut writer);
        Self { wire: writer.into_bytes() }
    }

    /// Decodes the value as a `T`.
    ///
    /// # Errors
    /// Returns the errors of `T::decode`.
    pub fn read<T: Value>(&self) -> Result<T, Error> {
        let mut reader = Reader::new(&self.wire, STORED);
        match reader.next()? {
            Some(item) => T::decode(&item),
            None => Err(Error::Missing { tag: Tag::AttributeValue, found: None }),
        }
    }

    /// Returns the type of the item.
    pub fn kind(&self) -> Option<ItemType> {
        Reader::new(&self.wire, STORED).next().ok().flatten().map(|item| item.kind)
    }
}

impl Value for Raw {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        check(item)?;
        Ok(Self { wire: item.wire.to_vec() })
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.encoded(tag, &self.wire);
    }
}

fn check(item: &Item<'_>) -> Result<(), Error> {
    match item.kind {
        ItemType::Structure => {
            let mut items = item.structure()?;
            while let Some(inner) = items.next()? {
                check(&inner)?;
            }
            Ok(())
        }
        ItemType::TextString => String::decode(item).map(drop),
        ItemType::Boolean => bool::decode(item).map(drop),
        _ => Ok(()),
    }
}
