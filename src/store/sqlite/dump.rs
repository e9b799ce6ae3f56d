//! A store as a whole: reading all of it from one snapshot, beside a server that writes, and adding the whole of
//! another one, all or nothing.
//!
//! Objects are read and added one at a time: memory does not grow with the store.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::{file, rows, schema, seal};
use crate::secret::Secret;
use crate::store::sealed::{DataKey, KeyEncryptionKey, Sealing};
use crate::store::{Error, Id, Record};

/// The store as it was at one moment. Changes that others make meanwhile are not held up by it, but stand in the
/// log of the database until it is dropped.
pub struct Snapshot {
    database: Connection,
    key: Option<DataKey>,
}

impl Snapshot {
    /// Looks at the store in the file at `path`: everything is in it that was acknowledged before. `key` is the one
    /// that objects are sealed with from some start on; where they are not yet, it is not needed.
    ///
    /// # Errors
    /// Where there is no such file, or it is no store of ours, or of a newer version, or sealed with another key.
    pub fn open(path: &Path, key: Option<&KeyEncryptionKey>) -> Result<Self, Error> {
        let database = file::open_snapshot(path, schema::STEPS)?;
        let key = match (seal::wrapped_key(&database)?, key) {
            (None, _) => None,
            (Some(wrapped), Some(key)) => Some(key.open(Sealing::Database, &wrapped)?),
            (Some(_), None) => return Err(Error::NeedsKey { path: path.to_owned() }),
        };
        Ok(Self { database, key })
    }

    /// Whether the objects are sealed.
    pub fn is_sealed(&self) -> bool {
        self.key.is_some()
    }

    /// The last number that an object got.
    ///
    /// # Errors
    /// Where the store itself fails.
    pub fn last_id(&self) -> Result<u64, Error> {
        rows::last_id(&self.database)
    }

    /// How many objects there are.
    ///
    /// # Errors
    /// Where the store itself fails.
    pub fn count(&self) -> Result<u64, Error> {
        let count = self.database.query_row("SELECT count(*) FROM object", [], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(|why| Error::sqlite("count the objects", why))
    }

    /// The first object whose number is above that one.
    ///
    /// # Errors
    /// Where the store itself fails, and [`Error::Damaged`].
    pub fn next(&self, after: Id) -> Result<Option<Record>, Error> {
        let failed = |why| Error::sqlite("read an object", why);
        let Ok(after) = rows::number(after) else { return Ok(None) };
        let statement = "SELECT id FROM object WHERE id > ?1 ORDER BY id LIMIT 1";
        let next = self.database.prepare_cached(statement).map_err(failed)?;
        let next = { next }.query_row([after], |row| row.get::<_, i64>(0)).optional().map_err(failed)?;
        let Some(next) = next else { return Ok(None) };
        let Some((record, _)) = rows::read(&self.database, Id(next.unsigned_abs()))? else { return Ok(None) };
        match &self.key {
            Some(key) => key.open(record).map(Some),
            None => Ok(Some(record)),
        }
    }

    /// The names of all that the server keeps for itself, in order.
    ///
    /// # Errors
    /// Where the store itself fails.
    pub fn server_state_names(&self) -> Result<Vec<String>, Error> {
        rows::server_state_names(&self.database)
    }

    /// What it keeps under that name.
    ///
    /// # Errors
    /// Where the store itself fails.
    pub fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        let value = rows::server_state(&self.database, name)?;
        match (&self.key, value) {
            (Some(key), Some(value)) => key.open_server_state(name, &value).map(Some),
            (_, value) => Ok(value),
        }
    }
}

/// A change that adds objects with the numbers that they have. What is not [kept](Self::keep) is taken back.
pub struct Restore {
    database: Connection,
    key: Option<DataKey>,
    /// Whether the objects that were there are sealed by this change.
    seals: bool,
}

impl Restore {
    /// Begins, on the store in the file at `path`, made where it is missing, which nobody else may use meanwhile.
    ///
    /// # Errors
    /// Those of [`super::Sqlite::open`]; [`Error::InUse`], and [`Error::Key`] where the store is sealed with another
    /// key.
    pub fn open(path: &Path, key: Option<&KeyEncryptionKey>) -> Result<Self, Error> {
        let database = file::open_alone(path, schema::STEPS)?;
        database.execute_batch("BEGIN IMMEDIATE").map_err(|why| Error::sqlite("begin a change", why))?;
        let (key, seals) = match key {
            Some(key) => {
                let (key, sealed) = seal::unlock_within(&database, key)?;
                (Some(key), sealed.is_some())
            }
            None if seal::wrapped_key(&database)?.is_some() => {
                return Err(Error::NeedsKey { path: path.to_owned() });
            }
            None => (None, false),
        };
        Ok(Self { database, key, seals })
    }

    /// Adds an object.
    ///
    /// # Errors
    /// Where the store itself fails, and [`Error::Taken`].
    pub fn insert(&self, record: Record) -> Result<(), Error> {
        match &self.key {
            Some(key) => rows::insert(&self.database, &key.seal(record)?),
            None => rows::insert(&self.database, &record),
        }
    }

    /// What the server keeps for itself under that name.
    ///
    /// # Errors
    /// Where the store itself fails.
    pub fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        match (&self.key, rows::server_state(&self.database, name)?) {
            (Some(key), Some(value)) => key.open_server_state(name, &value).map(Some),
            (_, value) => Ok(value),
        }
    }

    /// Keeps `value` for the server itself under that name.
    ///
    /// # Errors
    /// Where the store itself fails.
    pub fn set_server_state(&self, name: &str, value: &Secret) -> Result<(), Error> {
        match &self.key {
            Some(key) => rows::set_server_state(&self.database, name, &key.seal_server_state(name, value)?),
            None => rows::set_server_state(&self.database, name, value),
        }
    }

    /// Has numbers that are given later be above that one.
    ///
    /// # Errors
    /// Where the store itself fails.
    pub fn count_from(&self, last: Id) -> Result<(), Error> {
        rows::count(&self.database, last.0)
    }

    /// Keeps all of it; it is on the disk when this returns.
    ///
    /// # Errors
    /// Where the store itself fails: nothing is kept then.
    pub fn keep(self) -> Result<(), Error> {
        let kept = self.database.execute_batch("COMMIT");
        kept.map_err(|why| Error::sqlite("keep the objects", why))?;
        if self.seals { seal::forget_log(&self.database) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;
    use crate::store::testing::{Folder, add, key};

    #[test]
    fn a_database_of_an_older_version_is_read_and_left_as_it_is() {
        let folder = Folder::new();
        let path = folder.path("older");
        let record = add(&Sqlite::open(&path).unwrap(), key("kept"));
        let older = "ALTER TABLE object DROP COLUMN credential; DROP TABLE own; PRAGMA user_version = 3";
        Connection::open(&path).unwrap().execute_batch(older).unwrap();
        let before = std::fs::read(&path).unwrap();
        let snapshot = Snapshot::open(&path, None).unwrap();
        assert_eq!(snapshot.next(Id(0)).unwrap(), Some(record));
        assert_eq!((snapshot.server_state_names().unwrap(), snapshot.last_id().unwrap()), (Vec::new(), 1));
        drop(snapshot);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        Sqlite::open(&path).unwrap();
    }
}
