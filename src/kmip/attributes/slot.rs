//! Access to the values of an attribute, independent of their type: at most one (`Option<T>`), or any number
//! (`Vec<T>`).

use crate::ttlv::{Error, Item, Tag, Value, Writer};

/// The values of one attribute of one object, independent of their type.
pub trait Slot {
    /// Returns the number of values.
    fn count(&self) -> usize;

    /// Appends the value of `item`; replaces the value of a single-valued attribute.
    ///
    /// # Errors
    /// Returns an [`Error`] if the item is invalid for the type of the attribute.
    fn push(&mut self, item: &Item<'_>) -> Result<(), Error>;

    /// Replaces the value at `index`. Returns `false` if there is none.
    ///
    /// # Errors
    /// Returns an [`Error`] if the item is invalid for the type of the attribute.
    fn replace(&mut self, index: usize, item: &Item<'_>) -> Result<bool, Error>;

    /// Removes the value at `index`. Returns `false` if there is none.
    fn remove(&mut self, index: usize) -> bool;

    /// Removes all values.
    fn clear(&mut self);

    /// Writes the value at `index`, if there is one, as an item with the tag `tag`.
    fn write(&self, index: usize, tag: Tag, writer: &mut Writer);
}

/// The type and number of the values of a slot.
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
        let exists = index < self.len();
        if exists {
            Vec::remove(self, index);
        }
        exists
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
