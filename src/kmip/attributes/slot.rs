//! How an attribute's values are kept: none or one (`Option<T>`), or any number in order (`Vec<T>`).
//!
//! All behaviour of attributes that does not depend on what they mean is here, once, for both shapes.

use crate::ttlv::{Error, Item, Tag, Value, Writer};

/// The values of one attribute of one object, whatever their type.
pub trait Slot {
    /// How many values there are.
    fn count(&self) -> usize;

    /// Adds the value of `item` as the last one; a single-valued attribute is replaced.
    ///
    /// # Errors
    /// Whatever the attribute's type finds wrong with the item.
    fn push(&mut self, item: &Item<'_>) -> Result<(), Error>;

    /// Replaces the value at `index`; false where there is none.
    ///
    /// # Errors
    /// Whatever the attribute's type finds wrong with the item.
    fn replace(&mut self, index: usize, item: &Item<'_>) -> Result<bool, Error>;

    /// Takes the value at `index` away; false where there is none.
    fn remove(&mut self, index: usize) -> bool;

    /// Takes all values away.
    fn clear(&mut self);

    /// Writes the value at `index`, if there is one, as an item behind `tag`.
    fn write(&self, index: usize, tag: Tag, writer: &mut Writer);
}

/// The shape of a slot, told by its type.
pub trait Shape {
    /// The type of one value.
    type Of: Value;
    /// Whether an object may have several values.
    const MULTIPLE: bool;
}

impl<T: Value> Shape for Option<T> {
    type Of = T;
    const MULTIPLE: bool = false;
}

impl<T: Value> Shape for Vec<T> {
    type Of = T;
    const MULTIPLE: bool = true;
}

impl<T: Value> Slot for Option<T> {
    fn count(&self) -> usize {
        usize::from(self.is_some())
    }

    fn push(&mut self, item: &Item<'_>) -> Result<(), Error> {
        *self = Some(T::decode(item)?);
        Ok(())
    }

    fn replace(&mut self, index: usize, item: &Item<'_>) -> Result<bool, Error> {
        if index > 0 || self.is_none() {
            return Ok(false);
        }
        self.push(item).map(|()| true)
    }

    fn remove(&mut self, index: usize) -> bool {
        index == 0 && self.take().is_some()
    }

    fn clear(&mut self) {
        *self = None;
    }

    fn write(&self, index: usize, tag: Tag, writer: &mut Writer) {
        if let (0, Some(value)) = (index, self) {
            value.encode(tag, writer);
        }
    }
}

impl<T: Value> Slot for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn push(&mut self, item: &Item<'_>) -> Result<(), Error> {
        self.push(T::decode(item)?);
        Ok(())
    }

    fn replace(&mut self, index: usize, item: &Item<'_>) -> Result<bool, Error> {
        let value = T::decode(item)?;
        Ok(self.get_mut(index).map(|slot| *slot = value).is_some())
    }

    fn remove(&mut self, index: usize) -> bool {
        let there = index < self.len();
        if there {
            Vec::remove(self, index);
        }
        there
    }

    fn clear(&mut self) {
        Vec::clear(self);
    }

    fn write(&self, index: usize, tag: Tag, writer: &mut Writer) {
        if let Some(value) = self.get(index) {
            value.encode(tag, writer);
        }
    }
}
