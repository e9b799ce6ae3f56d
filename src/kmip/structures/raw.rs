//! Items whose tag and type the standard leaves open: kept as they came.

use crate::ttlv::{Error, Item, ItemType, Reader, STORED, Tag, Value, Writer};

/// Any one item, as it stands on the wire, its encoding checked to the innermost value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    wire: Vec<u8>,
}

impl Raw {
    /// The item that holds `value`.
    pub fn of<T: Value>(value: &T) -> Self {
        let mut writer = Writer::new(STORED);
        value.encode(Tag::AttributeValue, &mut writer);
        Self { wire: writer.into_bytes() }
    }

    /// The value, read as a `T`.
    ///
    /// # Errors
    /// Whatever `T` finds wrong with it.
    pub fn read<T: Value>(&self) -> Result<T, Error> {
        let mut reader = Reader::new(&self.wire, STORED);
        match reader.next()? {
            Some(item) => T::decode(&item),
            None => Err(Error::Missing { tag: Tag::AttributeValue, found: None }),
        }
    }

    /// How the item is encoded.
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
