//! Enumerations for which the standard defines no entries.

use crate::ttlv::{Error, Item, Tag, Value, Writer};

/// Opaque Data Type: the standard defines no entries, so vendors assign all numbers (KMIP 1.4 §9.1.3.2.10,
/// 2.1 §11.35).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpaqueDataType(pub u32);

impl Value for OpaqueDataType {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        crate::kmip::macros::enumeration(item).map(Self)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, crate::ttlv::ItemType::Enumeration, &self.0.to_be_bytes());
    }
}
