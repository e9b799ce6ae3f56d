//! Writes items (KMIP 1.4 §9.1.1, 2.1 §10.1): padding and the lengths of structures are done here, once.

use zeroize::Zeroizing;

use super::{ItemType, Tag, Version};

/// Room for the bytes of almost every key.
const KEY_ROOM: usize = 4096;

/// A growing message, written in the form of one version.
#[derive(Clone, Debug)]
pub struct Writer {
    buf: Vec<u8>,
    version: Version,
}

impl Writer {
    /// An empty buffer; items are written in the form of `version`.
    pub fn new(version: Version) -> Self {
        Self::reusing(Vec::new(), version)
    }

    /// The same on the allocation of `buf`, whose contents are dropped.
    pub fn reusing(mut buf: Vec<u8>, version: Version) -> Self {
        buf.clear();
        Self { buf, version }
    }

    /// What `write` writes, in the form of `version`, for what holds a key: wiped when it is dropped. There is room that
    /// spares almost every key a move, which would leave a copy of it behind: a 4096-bit private key takes 2.4 KiB.
    pub fn wiped(version: Version, write: impl FnOnce(&mut Self)) -> Zeroizing<Vec<u8>> {
        let mut writer = Self::reusing(Vec::with_capacity(KEY_ROOM), version);
        write(&mut writer);
        Zeroizing::new(writer.into_bytes())
    }

    /// The version in whose form items are written.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How many bytes are written so far.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing is written so far.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Forgets what was written after the first `length` bytes: how a failed batch item is taken back.
    pub fn truncate(&mut self, length: usize) {
        self.buf.truncate(length);
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.buf
    }

    /// Writes a structure whose items `items` writes.
    pub fn structure(&mut self, tag: Tag, items: impl FnOnce(&mut Self)) {
        self.header(tag, ItemType::Structure, 0);
        let start = self.buf.len();
        items(self);
        let length = length_field(self.buf.len() - start);
        if let Some(field) = self.buf.get_mut(start - 4..start) {
            field.copy_from_slice(&length);
        }
    }

    /// Writes one item; `value` is padded with zeros to a multiple of eight bytes.
    pub fn item(&mut self, tag: Tag, kind: ItemType, value: &[u8]) {
        let padded = value.len().next_multiple_of(8);
        self.buf.reserve(8 + padded);
        self.header(tag, kind, value.len());
        self.buf.extend_from_slice(value);
        let padding = [0; 7];
        self.buf.extend_from_slice(padding.get(..padded - value.len()).unwrap_or_default());
    }

    /// Writes an item that is already encoded, header and padding included, under another tag.
    pub fn encoded(&mut self, tag: Tag, wire: &[u8]) {
        if let Some((_, rest)) = wire.split_first_chunk::<3>() {
            let [_, tag @ ..] = tag.0.to_be_bytes();
            self.buf.reserve(wire.len());
            self.buf.extend_from_slice(&tag);
            self.buf.extend_from_slice(rest);
        }
    }

    fn header(&mut self, tag: Tag, kind: ItemType, length: usize) {
        let ([_, t0, t1, t2], [l0, l1, l2, l3]) = (tag.0.to_be_bytes(), length_field(length));
        self.buf.extend_from_slice(&[t0, t1, t2, kind as u8, l0, l1, l2, l3]);
    }
}

/// The four length bytes. No value reaches 4 GiB: requests are capped at a thousandth of it, and
/// responses are made from them.
fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
