//! Dump and restore: a [`Dump`] reads all of a store from one snapshot while a server uses it; a [`Restore`] adds the
//! content of a dump to a store in one transaction.
//!
//! Both process one object at a time, so memory use does not grow with the store.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::{file, rows, schema, seal};
use crate::secret::Secret;
use crate::store::sealing::{DataKey, KeyEncryptionKey};
use crate::store::transfer::{Source, Target};
use crate::store::{Error, Id, Record, encoded};

/// A snapshot of all of a store. It does not block writers, but the write-ahead log grows until it is dropped.
pub struct Dump {
    database: Connection,
    key: Option<DataKey>,
}

impl Dump {
    /// Opens a snapshot of the store in the file at `path`. It contains every transaction that was acknowledged
    /// before. `key` is not used if the objects are not sealed yet.
    ///
    /// # Errors
    /// Returns an error if the file is missing, is not a store of this server or of a newer version, or is sealed
    /// with another key.
    pub fn open(path: &Path, key: Option<&KeyEncryptionKey>) -> Result<Self, Error> {
        let database = file::open_snapshot(path, schema::STEPS)?;
        let key = match (seal::wrapped_key(&database)?, key) {
            (None, _) => None,
            (Some(wrapped), Some(key)) => Some(key.open_database(&wrapped)?),
            (Some(_), None) => return Err(Error::NeedsKey { path: path.to_owned() }),
        };
        Ok(Self { database, key })
    }

    pub(super) fn database(&self) -> &Connection {
        &self.database
    }

    pub(super) fn key(&self) -> Option<&DataKey> {
        self.key.as_ref()
    }

    /// Whether the objects are sealed.
    pub fn is_sealed(&self) -> bool {
        self.key.is_some()
    }

    /// Returns the highest number that an object got.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn last_id(&self) -> Result<u64, Error> {
        rows::last_id(&self.database)
    }

    /// Returns the number of objects.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn count(&self) -> Result<u64, Error> {
        let count = self.database.query_row("SELECT count(*) FROM object", [], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(|why| Error::sqlite("count the objects", why))
    }

    /// Returns the object with the lowest number above `after`, or `None`.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] if the object cannot be read, and an error if the store fails.
    pub fn next(&self, after: Id) -> Result<Option<Record>, Error> {
        let Some(next) = self.next_id(after)? else { return Ok(None) };
        let found = rows::read(&self.database, next, self.key.as_ref())?;
        Ok(found.map(|(record, _)| record))
    }

    /// Returns the lowest number of an object above `after`, or `None`.
    pub(super) fn next_id(&self, after: Id) -> Result<Option<Id>, Error> {
        let failed = |why| Error::sqlite("read an object", why);
        let Ok(after) = encoded::number(after) else { return Ok(None) };
        let statement = "SELECT id FROM object WHERE id > ?1 ORDER BY id LIMIT 1";
        let next = self.database.prepare_cached(statement).map_err(failed)?;
        let next = { next }.query_row([after], |row| row.get::<_, i64>(0)).optional().map_err(failed)?;
        Ok(next.map(|id| Id(id.unsigned_abs())))
    }

    /// Returns the names of the server state, in order.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn server_state_names(&self) -> Result<Vec<String>, Error> {
        rows::server_state_names(&self.database)
    }

    /// Returns the server state with this name, or `None`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        rows::server_state(&self.database, name, self.key.as_ref())
    }
}

/// A transaction that inserts objects with given numbers. It is rolled back unless it is
/// [committed](Self::commit).
pub struct Restore {
    database: Connection,
    key: Option<DataKey>,
    /// Whether this transaction also seals the objects that the store had before.
    seals: bool,
}

impl Restore {
    /// Begins a transaction on the store in the file at `path` and locks the file. A missing file is created.
    ///
    /// # Errors
    /// Returns [`Error::InUse`] if another process has the file open, [`Error::Key`] if the store is sealed with
    /// another key, and the errors of [`super::Sqlite::open`].
    pub fn open(path: &Path, key: Option<&KeyEncryptionKey>) -> Result<Self, Error> {
        let database = file::open_alone(path, schema::STEPS)?;
        database.execute_batch("BEGIN IMMEDIATE").map_err(|why| Error::sqlite("begin a transaction", why))?;
        let (key, seals) = match key {
            Some(key) => {
                let (key, sealed) = seal::unlock_within(&database, key)?;
                (Some(key), sealed != seal::Change::None)
            }
            None if seal::wrapped_key(&database)?.is_some() => {
                return Err(Error::NeedsKey { path: path.to_owned() });
            }
            None => (None, false),
        };
        Ok(Self { database, key, seals })
    }

    /// Inserts an object.
    ///
    /// # Errors
    /// Returns [`Error::Taken`] if the store has an object with this number, and an error if the store fails.
    pub fn insert(&self, record: &Record) -> Result<(), Error> {
        rows::insert(&self.database, record, self.key.as_ref())
    }

    /// Returns the server state with this name, or `None`.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        rows::server_state(&self.database, name, self.key.as_ref())
    }

    /// Sets the server state with this name.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn set_server_state(&self, name: &str, value: &Secret) -> Result<(), Error> {
        rows::set_server_state(&self.database, name, value, self.key.as_ref())
    }

    /// Makes the store assign numbers above `last` to new objects.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn count_from(&self, last: Id) -> Result<(), Error> {
        rows::count(&self.database, last.0)
    }

    /// Commits the transaction; it is durable when this function returns.
    ///
    /// # Errors
    /// Returns an error if the store fails. Nothing of the transaction is stored then.
    pub fn commit(self) -> Result<(), Error> {
        let committed = self.database.execute_batch("COMMIT");
        committed.map_err(|why| Error::sqlite("commit the import", why))?;
        if self.seals { seal::truncate_log(&self.database) } else { Ok(()) }
    }
}

impl Source for Dump {
    fn last_id(&self) -> Result<u64, Error> {
        Self::last_id(self)
    }

    fn next(&self, after: Id) -> Result<Option<Record>, Error> {
        Self::next(self, after)
    }

    fn server_state_names(&self) -> Result<Vec<String>, Error> {
        Self::server_state_names(self)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        Self::server_state(self, name)
    }
}

impl Target for Restore {
    fn insert(&self, record: &Record) -> Result<(), Error> {
        Self::insert(self, record)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        Self::server_state(self, name)
    }

    fn set_server_state(&self, name: &str, value: &Secret) -> Result<(), Error> {
        Self::set_server_state(self, name, value)
    }

    fn count_from(&self, last: Id) -> Result<(), Error> {
        Self::count_from(self, last)
    }

    fn commit(self: Box<Self>) -> Result<(), Error> {
        Self::commit(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;
    use crate::store::testing::{Folder, add, key};

    #[test]
    fn a_dump_reads_a_database_of_an_older_version_without_changing_it() {
        let folder = Folder::new();
        let path = folder.path("older");
        let record = add(&Sqlite::open(&path).unwrap(), key("kept"));
        let older = "ALTER TABLE object DROP COLUMN credential; ALTER TABLE object DROP COLUMN checksum; DROP TABLE own; PRAGMA user_version = 3";
        Connection::open(&path).unwrap().execute_batch(older).unwrap();
        let before = std::fs::read(&path).unwrap();
        let dump = Dump::open(&path, None).unwrap();
        assert_eq!(dump.next(Id(0)).unwrap(), Some(record));
        assert_eq!((dump.server_state_names().unwrap(), dump.last_id().unwrap()), (Vec::new(), 1));
        drop(dump);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        Sqlite::open(&path).unwrap();
    }
}
