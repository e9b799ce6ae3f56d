//! The scopes in which a request reads and runs transactions.

use std::sync::Arc;

use crate::kmip::Error;
use crate::secret::Secret;
use crate::store::{Id, Located, Outcome, Query, Record, Store, Transaction};

use super::error::OrGeneralFailure;

/// A transaction whose commit failed after its execution.
#[derive(Debug)]
pub struct LostTransaction {
    /// The number of transactions of the batch that started before it.
    pub number: usize,
    /// General Failure; the log contains the cause.
    pub error: Error,
}

/// The time at which the transactions of a scope become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitMode {
    /// Before [`Scope::transact`] returns.
    Immediate,
    /// Before [`Scope::take_lost`] returns, one by one.
    Pipelined,
    /// With the transaction that encloses them, or not at all.
    Enclosed,
    /// All together after the last one; each can be rolled back on its own.
    Together,
}

/// A scope: the store, a pipeline of commits, or an open transaction.
///
/// A method returns General Failure if the store fails, and logs the cause.
pub(super) trait Scope {
    /// Returns the record with this identifier, as the transactions of the scope left it.
    fn read(&mut self, id: Id) -> Result<Option<Arc<Record>>, Error>;

    /// Returns the objects that match `query`, as the transactions of the scope left them.
    fn locate(&mut self, query: &Query) -> Result<Located, Error>;

    /// Returns the server state of this name, as the transactions of the scope left it.
    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error>;

    /// Runs `job` as one transaction. A store may repeat `job` if it conflicts with another transaction.
    fn transact(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error>;

    /// Runs `job` as [`Scope::transact`] does, but beside other transactions, because it takes long.
    fn transact_beside_others(
        &mut self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), Error> {
        self.transact(job)
    }

    /// Returns the time at which the transactions become durable.
    fn commit_mode(&self) -> CommitMode;

    /// Makes other transactions wait until the end of the transaction that encloses the scope, so that it is not
    /// repeated any more. Returns false if it has to be repeated already.
    fn lock(&mut self) -> bool {
        true
    }

    /// Returns whether other transactions wait for the one that encloses the scope.
    fn is_locked(&self) -> bool {
        false
    }

    /// Returns the number of transactions that were started in a pipeline.
    fn transactions_started(&self) -> usize {
        0
    }

    /// Waits for the commits of a pipeline and returns the transactions that were lost.
    fn take_lost(&mut self) -> Vec<LostTransaction> {
        Vec::new()
    }
}

impl Scope for &dyn Store {
    fn read(&mut self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        Store::read(*self, id).or_general_failure()
    }

    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        Store::locate(*self, query).or_general_failure()
    }

    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        Store::server_state(*self, name).or_general_failure()
    }

    fn transact(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.change(job).or_general_failure()
    }

    fn transact_beside_others(
        &mut self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), Error> {
        Store::change_optimistically(*self, job).or_general_failure()
    }

    fn commit_mode(&self) -> CommitMode {
        CommitMode::Immediate
    }
}

impl Scope for &mut dyn Transaction {
    fn read(&mut self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        Transaction::read(*self, id).or_general_failure()
    }

    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        Transaction::locate(*self, query).or_general_failure()
    }

    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        Transaction::server_state(*self, name).or_general_failure()
    }

    fn transact(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.nested(job).or_general_failure()
    }

    fn commit_mode(&self) -> CommitMode {
        CommitMode::Enclosed
    }

    fn lock(&mut self) -> bool {
        Transaction::lock(*self)
    }

    fn is_locked(&self) -> bool {
        Transaction::is_locked(*self)
    }
}

/// The transaction of a batch whose items do not depend on each other. It never locks, so that no other transaction waits
/// while an item computes; instead, the items have to run in transactions of their own.
pub(super) struct Together<'a> {
    transaction: &'a mut dyn Transaction,
    /// The number of nested transactions, and of reads after the first one, which may have read its writes.
    started: usize,
}

impl<'a> Together<'a> {
    pub(super) fn new(transaction: &'a mut dyn Transaction) -> Self {
        Self { transaction, started: 0 }
    }

    fn reads(&mut self) -> &mut dyn Transaction {
        self.started += usize::from(self.started > 0);
        self.transaction
    }
}

impl Scope for Together<'_> {
    fn read(&mut self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        self.reads().read(id).or_general_failure()
    }

    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        self.reads().locate(query).or_general_failure()
    }

    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        self.reads().server_state(name).or_general_failure()
    }

    fn transact(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.started += 1;
        self.transaction.nested(job).or_general_failure()
    }

    fn commit_mode(&self) -> CommitMode {
        CommitMode::Together
    }

    fn lock(&mut self) -> bool {
        false
    }

    fn transactions_started(&self) -> usize {
        self.started
    }
}
