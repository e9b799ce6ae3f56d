//! Copies of a whole store in memory, so that each test of a client can begin with the same state.

use std::any::Any;

/// A copy of everything in a store. Only a store of the same kind can restore it.
pub struct StoreCopy(Box<dyn Any + Send + Sync>);

impl StoreCopy {
    /// Returns a copy with this content.
    pub(super) fn of<T: Any + Send + Sync>(content: T) -> Self {
        Self(Box::new(content))
    }

    /// Returns the content if it is a `T`.
    pub(super) fn content<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}
