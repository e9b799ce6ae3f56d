//! Bounds on the attributes in a message. They are checked before an attribute is copied.

use crate::ttlv::{Error, Item, STORED};

/// The maximum number of attribute values of an object, and of attributes in a list of a message.
pub const MAX_VALUES: usize = 10_000;

/// The maximum size of an attribute value in a message, in bytes: far more than names, comments and digests need.
pub const MAX_VALUE_BYTES: usize = 64 << 10;

/// Checks the size of a value. A stored value was accepted when it was stored.
pub(super) fn check_value(item: &Item<'_>) -> Result<(), Error> {
    let why = "an attribute has at most 65536 bytes";
    let fits = item.bytes.len() <= MAX_VALUE_BYTES || item.version() == STORED;
    if fits { Ok(()) } else { Err(Error::Invalid { tag: item.tag, why }) }
}

/// Checks whether a list that has `count` attributes may have another one.
pub(super) fn check_count(count: usize, next: &Item<'_>) -> Result<(), Error> {
    let why = "a list has at most 10000 attributes";
    let fits = count < MAX_VALUES || next.version() == STORED;
    if fits { Ok(()) } else { Err(Error::Invalid { tag: next.tag, why }) }
}
