//! Copies of a whole store in memory, so that each test of a client can begin with the same state.

use std::sync::Mutex;

use rusqlite::Connection;

use super::Memory;

/// A copy of everything in a store. Only the store that returned it can restore it.
pub struct StoreCopy(Content);

enum Content {
    Memory(Box<Memory>),
    /// A database in memory.
    Sqlite(Mutex<Connection>),
}

impl StoreCopy {
    pub(super) fn of_memory(content: Memory) -> Self {
        Self(Content::Memory(Box::new(content)))
    }

    pub(super) fn of_sqlite(content: Connection) -> Self {
        Self(Content::Sqlite(Mutex::new(content)))
    }

    pub(super) fn memory(&self) -> Option<&Memory> {
        match &self.0 {
            Content::Memory(content) => Some(content),
            Content::Sqlite(_) => None,
        }
    }

    pub(super) fn sqlite(&self) -> Option<&Mutex<Connection>> {
        match &self.0 {
            Content::Sqlite(content) => Some(content),
            Content::Memory(_) => None,
        }
    }
}
