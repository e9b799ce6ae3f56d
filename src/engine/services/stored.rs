//! The stored form of what a service keeps in an entry.

use super::super::error::failed;
use crate::kmip::Error;
use crate::kmip::enums::ResultReason;
use crate::secret::Secret;
use crate::ttlv::{Reader, STORED, Tag, Value, Writer};

/// The tag of every stored value; no message contains it there.
const ROOT: Tag = Tag::BatchItem;

/// Returns the stored bytes of a value.
pub(super) fn encode<T: Value>(value: &T) -> Secret {
    let mut bytes = Writer::wiped(STORED, |writer| value.encode(ROOT, writer));
    Secret::new(std::mem::take(&mut *bytes))
}

/// Reads a value.
///
/// # Errors
/// Returns General Failure if the bytes are not those of a `T`.
pub(super) fn decode<T: Value>(bytes: &Secret) -> Result<T, Error> {
    let read = || {
        let mut reader = Reader::new(bytes.expose(), STORED);
        let value = T::decode(&reader.require(ROOT)?)?;
        reader.finish()?;
        Ok(value)
    };
    read().map_err(|error: crate::ttlv::Error| {
        log::error!(target: "kmip.server.engine", "An entry of the store cannot be read: {error}");
        failed(ResultReason::GeneralFailure, "The server's store failed. See the server log.")
    })
}
