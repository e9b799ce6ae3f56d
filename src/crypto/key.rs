//! Borrowed key bytes.

use std::fmt;

/// The bytes of a key, in the encoding that its algorithm reads. `Debug` prints their number only.
#[derive(Clone, Copy)]
pub struct Key<'a>(pub &'a [u8]);

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}
