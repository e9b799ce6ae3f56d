//! Writing items (KMIP 1.4 §9.1.1, 2.1 §10.1), with their padding and the lengths of structures.

use zeroize::{Zeroize, Zeroizing};

use super::{ItemType, Tag, Version};

/// The initial capacity of a buffer that is wiped, in bytes: a symmetric key needs about 200.
const WIPED_CAPACITY: usize = 512;

/// Encodes items into a buffer, for one protocol version.
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{ItemType, Tag, V1_2, Value, Writer};
///
/// let mut writer = Writer::new(V1_2);
/// writer.structure(Tag::RequestPayload, |writer| {
///     "7".to_owned().encode(Tag::UniqueIdentifier, writer);
///     writer.item(Tag::KeyFormatType, ItemType::Enumeration, &1_u32.to_be_bytes());
/// });
/// assert_eq!(writer.len(), 8 + 16 + 16);
/// assert!(writer.into_bytes().starts_with(&[0x42, 0x00, 0x79, 0x01, 0, 0, 0, 32]));
/// ```
#[derive(Clone, Debug)]
pub struct Writer {
    buf: Vec<u8>,
    version: Version,
    /// Whether a buffer that is replaced by a larger one is zeroed.
    wipes: bool,
}

impl Writer {
    /// Creates a writer with an empty buffer, for `version`.
    pub fn new(version: Version) -> Self {
        Self::reusing(Vec::new(), version)
    }

    /// Creates a writer that clears `buf` and reuses its allocation.
    pub(crate) fn reusing(mut buf: Vec<u8>, version: Version) -> Self {
        buf.clear();
        Self { buf, version, wipes: false }
    }

    /// Returns the bytes that `write` writes, zeroed on drop. No copy of them stays in freed memory.
    pub(crate) fn wiped(version: Version, write: impl FnOnce(&mut Self)) -> Zeroizing<Vec<u8>> {
        let mut writer = Self { wipes: true, ..Self::reusing(Vec::with_capacity(WIPED_CAPACITY), version) };
        write(&mut writer);
        Zeroizing::new(writer.into_bytes())
    }

    /// Returns the protocol version for which items are encoded.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the number of bytes written.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Returns whether no bytes are written.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Returns the bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.buf
    }

    /// Writes a structure with the items that `items` writes.
    pub fn structure(&mut self, tag: Tag, items: impl FnOnce(&mut Self)) {
        self.reserve(8);
        self.header(tag, ItemType::Structure, 0);
        let start = self.buf.len();
        items(self);
        self.set_length(start);
    }

    /// Writes one item. `write` writes its value. `replace` gets the buffer and the position of the value in it, changes the
    /// value, and may append `more` bytes.
    pub(crate) fn replaced<T>(
        &mut self,
        tag: Tag,
        kind: ItemType,
        more: usize,
        write: impl FnOnce(&mut Self),
        replace: impl FnOnce(&mut Vec<u8>, usize) -> T,
    ) -> T {
        self.reserve(8);
        self.header(tag, kind, 0);
        let start = self.buf.len();
        write(self);
        self.reserve(more + 7);
        let result = replace(&mut self.buf, start);
        self.set_length(start);
        let padded = start + (self.buf.len() - start).next_multiple_of(8);
        self.buf.resize(padded, 0);
        result
    }

    /// Writes zeros that are no item.
    pub(crate) fn zeros(&mut self, count: usize) {
        self.reserve(count);
        self.buf.resize(self.buf.len() + count, 0);
    }

    /// Writes one item and pads `value` with zeros to a multiple of eight bytes.
    ///
    /// The caller ensures that `value` is valid for the type; [`Value::encode`](super::Value::encode) does
    /// so.
    pub fn item(&mut self, tag: Tag, kind: ItemType, value: &[u8]) {
        let padded = value.len().next_multiple_of(8);
        self.reserve(8 + padded);
        self.header(tag, kind, value.len());
        self.buf.extend_from_slice(value);
        let padding = [0; 7];
        self.buf.extend_from_slice(padding.get(..padded - value.len()).unwrap_or_default());
    }

    /// Writes the encoded item `wire`, as in [`Item::wire`](super::Item::wire), with another tag.
    pub fn encoded(&mut self, tag: Tag, wire: &[u8]) {
        if let Some((_, rest)) = wire.split_first_chunk::<3>() {
            let [_, tag @ ..] = tag.0.to_be_bytes();
            self.reserve(wire.len());
            self.buf.extend_from_slice(&tag);
            self.buf.extend_from_slice(rest);
        }
    }

    /// Makes room for `count` further bytes. Every write calls it first.
    #[inline]
    fn reserve(&mut self, count: usize) {
        if self.buf.capacity() - self.buf.len() < count {
            self.grow(count);
        }
    }

    #[cold]
    fn grow(&mut self, count: usize) {
        if !self.wipes {
            return self.buf.reserve(count);
        }
        // The margin has room for the short items that follow a long one, so that the long one is copied once.
        let needed = self.buf.len().saturating_add(count).saturating_add(WIPED_CAPACITY);
        let capacity = self.buf.capacity().saturating_mul(2).max(needed);
        let mut larger = Vec::with_capacity(capacity);
        larger.extend_from_slice(&self.buf);
        self.buf.zeroize();
        self.buf = larger;
    }

    /// Sets the length of the item whose value begins at `start` and ends at the end of the buffer.
    fn set_length(&mut self, start: usize) {
        let length = length_field(self.buf.len() - start);
        if let Some(field) = self.buf.get_mut(start - 4..start) {
            field.copy_from_slice(&length);
        }
    }

    fn header(&mut self, tag: Tag, kind: ItemType, length: usize) {
        let ([_, t0, t1, t2], [l0, l1, l2, l3]) = (tag.0.to_be_bytes(), length_field(length));
        self.buf.extend_from_slice(&[t0, t1, t2, kind as u8, l0, l1, l2, l3]);
    }
}

/// Returns the four bytes of an item's length. No value reaches 4 GiB, because messages are limited to a
/// fraction of it.
fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::V1_4;

    #[test]
    fn a_wiped_buffer_grows_without_losing_bytes() {
        let write = |writer: &mut Writer| {
            writer.structure(Tag::KeyMaterial, |writer| {
                for length in [0, 1, 8, 100, 399, 1000, 5000] {
                    writer.item(Tag::KeyMaterial, ItemType::ByteString, &vec![7; length]);
                }
                writer.encoded(Tag::KeyValue, &[0x42; 3000]);
            });
        };
        let mut plain = Writer::new(V1_4);
        write(&mut plain);
        assert_eq!(*Writer::wiped(V1_4, write), plain.into_bytes());
    }
}
