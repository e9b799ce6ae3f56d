//! The content of a server as a whole, for test control: it is copied, restored, emptied and seeded beside the requests.
//!
//! Asynchronous and streamed operations are no part of a copy: none exists after [`Services::restore`] and
//! [`Services::clear`].

use std::sync::Arc;

use super::Services;
use super::authority::STATE_NAME;
use super::jobs::KIND as JOBS;
use crate::store::{self, Id, MemoryEntries, Outcome, Record};

/// A copy of the objects, the server state, the tickets and the positions in groups.
pub struct Content {
    store: store::StoreCopy,
    entries: MemoryEntries,
}

impl Services {
    /// Returns a copy of the content.
    ///
    /// # Errors
    /// Returns an error if the store has no copies or fails.
    pub fn copy(&self) -> Result<Content, store::Error> {
        let store = self.store.copy()?;
        let entries = self.memory_entries.as_ref().map(|entries| entries.copy(&JOBS)).unwrap_or_default();
        Ok(Content { store, entries })
    }

    /// Replaces the content by a copy of it.
    ///
    /// # Errors
    /// As [`Services::copy`].
    pub fn restore(&self, content: &Content) -> Result<(), store::Error> {
        self.store.restore(&content.store)?;
        self.replace_entries(&content.entries);
        Ok(())
    }

    /// Removes all objects and all server state, except the authority that signs certificates.
    ///
    /// # Errors
    /// As [`Services::copy`].
    pub fn clear(&self) -> Result<(), store::Error> {
        self.store.clear(&[STATE_NAME])?;
        self.replace_entries(&MemoryEntries::default());
        Ok(())
    }

    /// Adds objects with their numbers, all or none.
    ///
    /// # Errors
    /// Returns [`store::Error::Taken`] if an object has the number of one of them, and an error if the store fails.
    pub fn insert(&self, records: Vec<Record>) -> Result<(), store::Error> {
        let records: Vec<_> = records.into_iter().map(Arc::new).collect();
        let mut inserted = Ok(());
        self.store.change(&mut |transaction| {
            inserted = records.iter().try_for_each(|record| transaction.insert(Arc::clone(record)));
            if inserted.is_ok() { Outcome::Commit } else { Outcome::Rollback }
        })?;
        inserted
    }

    /// Returns the number for a new object.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn next_id(&self) -> Result<Id, store::Error> {
        let mut id = Ok(Id(0));
        self.store.change(&mut |transaction| {
            id = transaction.next_id();
            Outcome::Rollback
        })?;
        id
    }

    fn replace_entries(&self, copy: &MemoryEntries) {
        if let Some(entries) = &self.memory_entries {
            entries.restore(copy);
        }
        self.streams.clear();
        self.jobs.announce_end();
    }
}
