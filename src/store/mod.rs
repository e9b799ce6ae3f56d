//! The store of managed objects: the trait [`Store`] and its implementations.
//!
//! Reads return the last commit and do not wait for writers. A write runs in a [`Transaction`], which is atomic and
//! durable: [`Store::change`] returns after the commit. Access control belongs to the engine; the store applies it
//! only as a part of a [`Query`].

use std::path::Path;
use std::sync::Arc;

mod cache;
mod checksum;
mod columns;
mod commits;
#[cfg(test)]
mod contract;
mod copies;
mod databases;
mod encoded;
mod entries;
#[cfg(test)]
mod entries_contract;
mod error;
mod fault;
mod filter;
mod memory;
mod optimistic;
mod overlay;
mod plan;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(test)]
mod reader_contract;
mod record;
mod request_time;
mod sealing;
#[cfg(test)]
mod serializability;
mod sqlite;
#[cfg(test)]
pub(crate) mod testing;
mod transfer;
mod url_problem;

pub use copies::StoreCopy;
pub use databases::{change_key, check, source, target};
pub use entries::{Change, Entries, Entry, Kind, Lifetime, MemoryEntries, Replacement};
pub use error::{Cause, Error, KeyProblem, Obstacle};
pub use fault::Fault;
pub use filter::{Criterion, Grant, Located, Order, Query};
pub use memory::Memory;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
pub use record::{DEFAULT_POLICY, Id, Record, SortKey};
pub use request_time::as_one_request;
pub use sealing::{DataKey, KeyEncryptionKey, Sealing};
pub use sqlite::{
    Complete, Dump, Found, Inspection, Restore, Sqlite, TakenOver, inspect, inspect_server_state, is_pykmip,
    take_over,
};
pub use transfer::{Source, Target};
pub use url_problem::UrlProblem;

use crate::histogram::Distribution;
use crate::secret::Secret;

/// The logger of all stores.
const LOG: &str = "kmip.server.store";

/// Whether `database_path` is the URL of a PostgreSQL database.
pub fn is_url(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    text.starts_with(b"postgresql://") || text.starts_with(b"postgres://")
}

/// A store of managed objects that all threads share.
pub trait Store: Send + Sync + 'static {
    /// Returns the object with this number, or `None`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error>;

    /// Returns the objects that match `query`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn locate(&self, query: &Query) -> Result<Located, Error>;

    /// Returns the server state with this name, or `None`. Clients cannot read server state.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error>;

    /// Runs `job` in a transaction and commits it if `job` returns [`Outcome::Commit`]. The writes are durable when
    /// this function returns; transactions of several threads can share one flush to the disk.
    ///
    /// `job` must not start another transaction: the call would deadlock. A panic of `job` rolls the transaction back
    /// and propagates. A store may repeat `job` after a conflict with another server, so `job` has no effect besides its
    /// writes and its result, and each execution replaces the result of the one before.
    ///
    /// # Errors
    /// Returns an error if the store fails. Nothing of the transaction is stored then.
    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error>;

    /// Runs a `job` that may take long, as [`Store::change`] does, but beside other transactions. If one of them writes
    /// what `job` has read, `job` is repeated, at most twice; then it runs while other transactions wait. The result is
    /// that of the last execution, and the same as if it had run alone.
    ///
    /// The default implementation suits stores whose transactions are short.
    ///
    /// # Errors
    /// As [`Store::change`].
    fn change_optimistically(
        &self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), Error> {
        self.change(job)
    }

    /// Runs a `job` that consists of independent nested transactions, beside other transactions, and commits all of them
    /// together. The job is repeated once if another transaction changed an object that it has read. Returns false if
    /// nothing is stored, because `job` asks for a rollback or was always invalid; the nested transactions then have to run one
    /// by one.
    ///
    /// The default implementation suits stores that commit several transactions at the cost of one.
    ///
    /// # Errors
    /// As [`Store::change`].
    fn change_together(&self, _job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<bool, Error> {
        Ok(false)
    }

    /// Runs `job` as [`Store::change`] does, but returns before the writes are durable. They become durable with a
    /// later commit, at the latest in [`PendingCommit::wait`].
    ///
    /// Until then, transactions see the writes, readers may not see them, and no response may depend on them. The
    /// default implementation suits stores that do not need to flush.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn begin<'s>(
        &'s self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<Box<dyn PendingCommit + 's>, Error> {
        self.change(job)?;
        Ok(Box::new(AlreadyDurable))
    }

    /// Returns the entries in the database if servers share it, or `None`.
    fn entries(&self) -> Option<Arc<dyn Entries>> {
        None
    }

    /// Checks that the store answers.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Returns a copy of everything in the store, for [`Store::restore`].
    ///
    /// # Errors
    /// Returns [`Error::NoCopies`] if the store has no copies, and an error if the store fails.
    fn copy(&self) -> Result<StoreCopy, Error> {
        Err(Error::NoCopies)
    }

    /// Replaces everything in the store by a copy that it returned. Transactions under way run again.
    ///
    /// # Errors
    /// As [`Store::copy`].
    fn restore(&self, _copy: &StoreCopy) -> Result<(), Error> {
        Err(Error::NoCopies)
    }

    /// Removes all objects and all server state, except the state with the names `kept`. Numbers begin with 1 again.
    ///
    /// # Errors
    /// As [`Store::copy`].
    fn clear(&self, _kept: &[&str]) -> Result<(), Error> {
        Err(Error::NoCopies)
    }

    /// Returns the resources that the store uses, for monitoring.
    fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }

    /// Completes the main file of the store, so that a copy of it contains every object. The store remains usable.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// The resources that a store uses. A store that does not measure them reports zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// The size of its files in bytes.
    pub bytes: u64,
    /// The number of open read connections.
    pub readers_open: u32,
    /// The number of open read connections that are idle.
    pub readers_idle: u32,
    /// The numbers of transactions that one commit made durable.
    pub commits: Distribution,
    /// The number of commits that failed.
    pub failed_commits: u64,
}

/// A transaction that may not be durable yet.
pub trait PendingCommit {
    /// Waits until the transaction is durable.
    ///
    /// # Errors
    /// Returns an error if the transaction is lost.
    fn wait(self: Box<Self>) -> Result<(), Error>;
}

/// A transaction that was durable when [`Store::begin`] returned.
struct AlreadyDurable;

impl PendingCommit for AlreadyDurable {
    fn wait(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

/// The end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The writes are stored.
    Commit,
    /// The writes are discarded.
    Rollback,
}

/// A running transaction. It sees its own writes; readers and other transactions do not see them before it commits.
pub trait Transaction {
    /// Returns the object with this number, or `None`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn read(&mut self, id: Id) -> Result<Option<Arc<Record>>, Error>;

    /// Returns the objects that match `query`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn locate(&mut self, query: &Query) -> Result<Located, Error>;

    /// Returns a number that no object has or had.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn next_id(&mut self) -> Result<Id, Error>;

    /// Inserts an object. Its number comes from [`Transaction::next_id`] or is unused; later numbers are higher.
    ///
    /// # Errors
    /// Returns [`Error::Taken`] if an object has this number, and an error if the store fails.
    fn insert(&mut self, record: Arc<Record>) -> Result<(), Error>;

    /// Replaces an object.
    ///
    /// # Errors
    /// Returns [`Error::Missing`] if no object has this number, and an error if the store fails.
    fn update(&mut self, record: Record) -> Result<(), Error>;

    /// Replaces an object without a flush to the disk. Use it for changes that no client asked for.
    ///
    /// All readers see the update, and it survives the end of the process. A crash of the machine loses it unless a
    /// later commit was flushed.
    ///
    /// # Errors
    /// As [`Transaction::update`].
    fn update_lazily(&mut self, record: Record) -> Result<(), Error>;

    /// Returns the server state with this name, or `None`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error>;

    /// Sets the server state with this name.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn set_server_state(&mut self, name: &str, value: &Secret) -> Result<(), Error>;

    /// Returns the inserts and updates of this transaction so far, in order. Lazy updates, rolled back nested
    /// transactions, and writes of the transaction around a nested one are not included.
    fn writes(&self) -> &[Write];

    /// Runs `job` as a nested transaction that can be rolled back on its own. A panic of `job` rolls it back and
    /// propagates.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error>;

    /// Makes other transactions wait until the end of this one, so that it is not repeated any more. Returns false if it
    /// has to be repeated already; the job should end then.
    fn lock(&mut self) -> bool;

    /// Returns whether other transactions wait for this one.
    fn is_locked(&self) -> bool;
}

/// A write to one object.
#[derive(Clone, Debug)]
pub struct Write {
    /// The record before the write, or `None` if the write inserts the object.
    pub before: Option<Arc<Record>>,
    /// The record after the write.
    pub after: Arc<Record>,
}
