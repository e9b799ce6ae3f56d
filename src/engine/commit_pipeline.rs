//! Pipelined commits: each transaction of a batch starts before the earlier ones are durable, all are durable
//! before the response is sent, and each can fail on its own.

use std::sync::Arc;

use crate::kmip::Error;
use crate::secret::Secret;
use crate::store::{Id, Located, Outcome, PendingCommit, Query, Record, Store, Transaction};

use super::error::OrGeneralFailure;
use super::scope::{CommitMode, LostTransaction, Scope};

/// The transactions of one batch, whose commits the store performs while later items of the batch execute.
pub(super) struct CommitPipeline<'a> {
    store: &'a dyn Store,
    /// The commits that can still fail, with the numbers of their transactions.
    pending: Vec<(usize, Box<dyn PendingCommit + 'a>)>,
    started: usize,
    lost: Vec<LostTransaction>,
}

impl<'a> CommitPipeline<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Self { store, pending: Vec::new(), started: 0, lost: Vec::new() }
    }

    /// Waits for all pending commits, and returns the error of one that failed.
    fn wait(&mut self) -> Result<(), Error> {
        let mut outcome = Ok(());
        for (number, pending) in self.pending.drain(..) {
            if let Err(error) = pending.wait().or_general_failure() {
                self.lost.push(LostTransaction { number, error: error.clone() });
                outcome = Err(error);
            }
        }
        outcome
    }
}

impl Scope for CommitPipeline<'_> {
    /// A read after a transaction of the batch runs as a transaction too, because a read outside a transaction may
    /// not see pending commits.
    fn read(&mut self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        if self.pending.is_empty() {
            return self.store.read(id).or_general_failure();
        }
        let mut record = Ok(None);
        self.transact(&mut |transaction| {
            record = transaction.read(id);
            Outcome::Commit
        })?;
        record.or_general_failure()
    }

    /// Waits for the pending commits instead of searching in a transaction, which would block other transactions.
    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        self.wait()?;
        self.store.locate(query).or_general_failure()
    }

    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        if self.pending.is_empty() {
            return self.store.server_state(name).or_general_failure();
        }
        let mut state = Ok(None);
        self.transact(&mut |transaction| {
            state = transaction.server_state(name);
            Outcome::Commit
        })?;
        state.or_general_failure()
    }

    fn transact(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.pending.push((self.started, self.store.begin(job).or_general_failure()?));
        self.started += 1;
        Ok(())
    }

    /// Waits for the commit.
    fn transact_beside_others(
        &mut self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), Error> {
        self.started += 1;
        self.store.change_optimistically(job).or_general_failure()
    }

    fn commit_mode(&self) -> CommitMode {
        CommitMode::Pipelined
    }

    fn transactions_started(&self) -> usize {
        self.started
    }

    fn take_lost(&mut self) -> Vec<LostTransaction> {
        // `lost` contains the failures.
        drop(self.wait());
        std::mem::take(&mut self.lost)
    }
}
