//! Bytes that are never printed and are overwritten when dropped.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A secret Byte String: overwritten with zeros when its last clone is dropped; `Debug` prints only its length. Clones share
/// the bytes.
///
/// ```
/// use kmip_server::Secret;
///
/// let key = Secret::new(vec![1, 2, 3]);
/// assert_eq!(format!("{key:?}"), "Secret(3 bytes)");
/// assert_eq!(key.expose(), [1, 2, 3]);
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Wraps the bytes without copying them.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// Returns the bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the length is zero.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}
