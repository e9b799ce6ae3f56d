//! What an export reads from a store, and what an import writes to one: the same for each database.

use super::{Error, Id, Record};
use crate::secret::Secret;

/// A snapshot of all of a store.
pub trait Source {
    /// Returns the highest number that an object got.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn last_id(&self) -> Result<u64, Error>;

    /// Returns the object with the lowest number above `after`, or `None`.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] if the object cannot be read, and an error if the store fails.
    fn next(&self, after: Id) -> Result<Option<Record>, Error>;

    /// Returns the names of the server state, in order.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn server_state_names(&self) -> Result<Vec<String>, Error>;

    /// Returns the server state with this name, or `None`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error>;
}

/// A transaction that inserts objects with given numbers. It is rolled back unless it is [committed](Self::commit).
pub trait Target {
    /// Inserts an object.
    ///
    /// # Errors
    /// Returns [`Error::Taken`] if the store has an object with this number, and an error if the store fails.
    fn insert(&self, record: &Record) -> Result<(), Error>;

    /// Returns the server state with this name, or `None`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error>;

    /// Sets the server state with this name.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn set_server_state(&self, name: &str, value: &Secret) -> Result<(), Error>;

    /// Makes the store assign numbers above `last` to new objects.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn count_from(&self, last: Id) -> Result<(), Error>;

    /// Commits the transaction; it is durable when this function returns.
    ///
    /// # Errors
    /// Returns an error if the store fails. Nothing of the transaction is stored then.
    fn commit(self: Box<Self>) -> Result<(), Error>;
}
