//! Request Payloads of which PyKMIP reads only the beginning.

use crate::compatibility::{Behavior, Difference};
use crate::kmip::Error;
use crate::kmip::enums::ResultReason;
use crate::ttlv::{self, Field, Item, Tag, Value, Writer};

/// The items of a Request Payload, and the error if others follow them.
#[derive(Clone)]
pub struct WithExcess<T> {
    items: T,
    error: Option<ttlv::Error>,
}

impl<T> WithExcess<T> {
    /// Returns the items.
    ///
    /// # Errors
    /// Returns Invalid Message if others follow them, unless PyKMIP's behaviour applies.
    pub(super) fn admit(self, behavior: Behavior) -> Result<T, Error> {
        match self.error {
            Some(error) if !behavior.has(Difference::ExcessPayloadItems) => Err(Error::new(
                ResultReason::InvalidMessage,
                format!("The batch item cannot be parsed: {error}."),
            )),
            _ => Ok(self.items),
        }
    }
}

impl<T: Field> Value for WithExcess<T> {
    fn decode(item: &Item<'_>) -> Result<Self, ttlv::Error> {
        let mut rows = item.structure()?;
        let items = T::read(Tag::default(), &mut rows)?;
        Ok(Self { items, error: rows.finish().err() })
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.structure(tag, |writer| self.items.write(Tag::default(), writer));
    }
}
