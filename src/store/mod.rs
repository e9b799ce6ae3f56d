//! Where managed objects are kept: one trait, and what runs behind it.
//!
//! A [`Store`] answers reads from a snapshot and without waiting for writers. A change runs in a
//! [`Transaction`]: all of it is kept, and is on the disk before [`Store::change`] returns, or none of it.
//! Who may see an object is for the engine to decide; the store knows it only as part of a [`Query`].

mod filter;
mod memory;
mod record;

pub use filter::{Criterion, Grant, Located, Query};
pub use memory::Memory;
pub use record::{DEFAULT_POLICY, Id, Record};

/// A keeper of managed objects, shared among all threads.
pub trait Store: Send + Sync + 'static {
    /// The object of that number.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn read(&self, id: Id) -> Result<Option<Record>, Error>;

    /// The objects that answer `query`.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn locate(&self, query: &Query) -> Result<Located, Error>;

    /// Runs `job`, which says whether to keep what it did. Kept changes are durable when this returns;
    /// changes of other threads may share the same flush to the disk. The job of one call must not begin
    /// another: it would wait for itself. Where the job panics, its change is taken back and the panic goes on.
    ///
    /// # Errors
    /// Where the store itself fails: nothing of the job is kept then.
    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Keep) -> Result<(), Error>;
}

/// What a job wants done with its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Keep them.
    Commit,
    /// Take them back.
    Rollback,
}

/// A change under way. It sees its own changes; nobody else does until it is kept.
pub trait Transaction {
    /// The object of that number.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn read(&mut self, id: Id) -> Result<Option<Record>, Error>;

    /// The objects that answer `query`.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn locate(&mut self, query: &Query) -> Result<Located, Error>;

    /// A number that no object has or had.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn next_id(&mut self) -> Result<Id, Error>;

    /// Adds an object, whose number comes from [`Transaction::next_id`].
    ///
    /// # Errors
    /// Where the store itself fails, or has an object of that number.
    fn insert(&mut self, record: &Record) -> Result<(), Error>;

    /// Replaces an object.
    ///
    /// # Errors
    /// Where the store itself fails, or has no object of that number.
    fn update(&mut self, record: &Record) -> Result<(), Error>;

    /// Runs `job` as a part that can be taken back without the rest; a panic takes it back and goes on.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Keep) -> Result<(), Error>;
}

/// Why the store failed. Clients learn that it did; the log learns why.
#[derive(Debug)]
pub enum Error {
    /// A record's bytes make no sense.
    Damaged {
        /// The record.
        id: Id,
        /// What is wrong with it.
        why: crate::ttlv::Error,
    },
    /// An object that should be there is not.
    Missing {
        /// The object.
        id: Id,
    },
    /// An object has the number that another is to get.
    Taken {
        /// The object.
        id: Id,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged { id, why } => write!(f, "object {id} is damaged in the store: {why}"),
            Self::Missing { id } => write!(f, "object {id} is not in the store"),
            Self::Taken { id } => write!(f, "there is an object {id} in the store already"),
        }
    }
}

impl std::error::Error for Error {}
