//! Enumerations without an entry of the standard: every number is a vendor's.

use crate::ttlv::{Error, Item, Tag, Value, Writer};

/// Opaque Data Type: the standard lists none, so that every number is a vendor's.
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
