//! The changes of a batch whose items are kept or lost one by one: each is begun by itself, and all are on the disk
//! before the answer goes out.
//!
//! What the changes are, and who may make them, is left to the context.

use std::sync::Arc;

use crate::kmip::Error;
use crate::secret::Secret;
use crate::store::{self, Id, Located, Outcome, PendingCommit, Query, Record, Store, Transaction};

/// Changes that become durable together: those of the items of one batch.
pub(super) struct Run<'a> {
    store: &'a dyn Store,
    /// Those of which nobody knows yet whether they are on the disk, by their numbers.
    pending: Vec<(usize, Box<dyn PendingCommit + 'a>)>,
    /// How many changes were begun.
    begun: usize,
    lost: Vec<Lost>,
}

/// A change that was made and then lost.
#[derive(Debug)]
pub struct Lost {
    /// Its number: how many there were before it, as [`super::Context::changes`] counts them.
    pub change: usize,
    /// Why.
    pub error: Error,
}

impl<'a> Run<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Self { store, pending: Vec::new(), begun: 0, lost: Vec::new() }
    }

    /// How many changes were begun so far.
    pub(super) fn begun(&self) -> usize {
        self.begun
    }

    pub(super) fn begin(
        &mut self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), store::Error> {
        self.pending.push((self.begun, self.store.begin(job)?));
        self.begun += 1;
        Ok(())
    }

    /// Reads an object as the changes left it, those that are not settled included.
    pub(super) fn read(&mut self, id: Id) -> Result<Option<Arc<Record>>, store::Error> {
        if self.pending.is_empty() {
            return self.store.read(id);
        }
        let mut record = Ok(None);
        self.begin(&mut |transaction| {
            record = transaction.read(id);
            Outcome::Commit
        })?;
        record
    }

    /// What the server keeps for itself under that name, as the changes left it.
    pub(super) fn server_state(&mut self, name: &str) -> Result<Option<Secret>, store::Error> {
        if self.pending.is_empty() {
            return self.store.server_state(name);
        }
        let mut own = Ok(None);
        self.begin(&mut |transaction| {
            own = transaction.server_state(name);
            Outcome::Commit
        })?;
        own
    }

    /// A long search does not hold up those who write, so it is a reader's.
    pub(super) fn locate(&mut self, query: &Query) -> Result<Located, store::Error> {
        self.settle()?;
        self.store.locate(query)
    }

    /// Waits until every change is on the disk; those that were lost instead.
    pub(super) fn take_lost(&mut self) -> Vec<Lost> {
        // What failed is among the lost ones.
        drop(self.settle());
        std::mem::take(&mut self.lost)
    }

    fn settle(&mut self) -> Result<(), store::Error> {
        let mut outcome = Ok(());
        for (change, pending) in self.pending.drain(..) {
            if let Err(error) = pending.wait() {
                self.lost.push(Lost { change, error: error.clone().into() });
                outcome = Err(error);
            }
        }
        outcome
    }
}
