//! The store in one SQLite file.
//!
//! Readers use pooled connections and see the last commit (`committed.rs`); recently used objects are cached
//! (`store/cache.rs`). One connection writes (`writer.rs`). Attributes and object of a record are stored as TTLV, next to
//! the columns and index values that Locate needs (`schema.sql`, `columns.rs`). `file.rs` decides which files are
//! accepted.

mod check;
mod checksums;
mod committed;
mod copies;
mod dump;
mod erase_requests;
mod eraser;
mod file;
mod file_lock;
#[cfg(test)]
mod groups;
mod inspect;
mod lazy_flush;
mod locate;
mod open_files;
mod pykmip_import;
mod pykmip_source;
mod pykmip_tables;
mod rows;
mod schema;
mod seal;
mod search_time;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;

pub use self::check::check;
pub use self::dump::{Dump, Restore};
pub use self::inspect::{Inspection, inspect, inspect_server_state};
pub use self::pykmip_import::{Complete, Found};
pub use self::pykmip_source::{TakenOver, is_pykmip, take_over};

use self::committed::Committed;
use self::erase_requests::EraseRequests;
use self::eraser::Eraser;
use self::file_lock::FileLock;
use self::open_files::{OpenFiles, beside};
use self::schema::Step;
use self::writer::Writer;
use super::optimistic;
use super::sealing::{DataKey, KeyEncryptionKey};
use super::{
    Error, Id, Located, Outcome, PendingCommit, Query, Record, Store, StoreCopy, StoreStatus, Transaction,
};
use crate::lock::IgnorePoison;
use crate::secret::Secret;

/// The maximum time that a start or stop waits for readers of another process, such as an export, before it leaves the
/// write-ahead log as it is.
const CLOSING: Duration = Duration::from_millis(500);

/// A store in an SQLite file.
pub struct Sqlite {
    /// Dropped first, because its thread uses the write connection.
    _eraser: Eraser,
    committed: Arc<Committed>,
    writer: Arc<Writer>,
    path: PathBuf,
    /// Dropped after the connections.
    _lock: FileLock,
}

impl Sqlite {
    /// Opens the store in the file at `path`. A missing or empty file becomes a new store.
    ///
    /// # Errors
    /// Returns an error if another server uses the file, or if it is not a store of this server or of a newer version,
    /// is sealed, or cannot be used; see [`Error`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_as(path, schema::STEPS)
    }

    /// Opens the store as [`Sqlite::open`] does, and imports a database of PyKMIP's server: its objects, which
    /// `complete` turns into records, keep their numbers. All or none are imported.
    ///
    /// # Errors
    /// Returns [`Error::TakeOver`] if the database cannot be imported, and the errors of [`Sqlite::open`].
    pub fn open_or_import(path: &Path, complete: Complete<'_>) -> Result<Self, Error> {
        let lock = Self::lock(path)?;
        let database = Self::connect_or_import(path, complete)?;
        Self::over_plain(path, lock, database)
    }

    /// Opens the store as [`Sqlite::open_or_import`] does, with sealed objects. Objects that are not sealed yet are
    /// sealed, all or none.
    ///
    /// # Errors
    /// Returns [`Error::Key`] if the file is sealed with another key, and the errors of [`Sqlite::open_or_import`].
    pub fn open_sealed(path: &Path, key: &KeyEncryptionKey, complete: Complete<'_>) -> Result<Self, Error> {
        let lock = Self::lock(path)?;
        let mut database = Self::connect_or_import(path, complete)?;
        let key = seal::unlock(&mut database, key)?;
        Self::over(path, lock, database, Some(key))
    }

    /// Replaces the key encryption key `old` of the sealed database at `path` by `new`. The change is atomic, and a
    /// server may use the database meanwhile.
    ///
    /// # Errors
    /// Returns [`Error::NotSealed`] or [`Error::Key`] if the database is not sealed with `old`, and an error if the
    /// file cannot be used.
    pub fn change_key(path: &Path, old: &KeyEncryptionKey, new: &KeyEncryptionKey) -> Result<(), Error> {
        seal::rewrap(path, schema::STEPS, old, new)
    }

    fn connect_or_import(path: &Path, complete: Complete<'_>) -> Result<Connection, Error> {
        match file::open_writer(path, schema::STEPS) {
            Err(Error::PykmipDatabase { .. }) => {
                pykmip_import::import(path, schema::STEPS, complete)?;
                file::open_writer(path, schema::STEPS)
            }
            other => other,
        }
    }

    fn open_as(path: &Path, steps: &[Step]) -> Result<Self, Error> {
        let lock = Self::lock(path)?;
        Self::over_plain(path, lock, file::open_writer(path, steps)?)
    }

    /// Locks the file at `path`, which is created if it is missing. The lock comes before the connection in every list
    /// of parameters, so that it is dropped after it.
    fn lock(path: &Path) -> Result<FileLock, Error> {
        file::create_if_missing(path)?;
        FileLock::acquire(path)
    }

    fn over_plain(path: &Path, lock: FileLock, database: Connection) -> Result<Self, Error> {
        if seal::wrapped_key(&database)?.is_some() {
            return Err(Error::NeedsKey { path: path.to_owned() });
        }
        Self::over(path, lock, database, None)
    }

    /// Returns the store whose write connection is `database`.
    fn over(path: &Path, lock: FileLock, database: Connection, key: Option<DataKey>) -> Result<Self, Error> {
        // The first read opens the write-ahead log and its index.
        rows::last_id(&database)?;
        let files = Arc::new(OpenFiles::of(path)?);
        let committed = Arc::new(Committed::new(path, Arc::clone(&files), key));
        let requests = Arc::new(EraseRequests::default());
        let writer = Writer::new(database, files, Arc::clone(&committed), Arc::clone(&requests))?;
        let writer = Arc::new(writer);
        // An earlier process may have ended before it erased destroyed keys.
        if !writer.checkpoint(CLOSING)? {
            requests.add();
        }
        let eraser = Eraser::start(Arc::clone(&writer), requests)?;
        Ok(Self { _eraser: eraser, committed, writer, path: path.to_owned(), _lock: lock })
    }

    /// Whether the last commit was flushed to the disk.
    #[cfg(test)]
    pub(crate) fn waited_for_the_disk(&self) -> bool {
        // NORMAL is 1, and FULL is 2.
        self.writer.busy(|database| database.pragma_query_value(None, "synchronous", |row| row.get(0)))
            == Ok(2)
    }
}

impl Store for Sqlite {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        self.committed.read(id)
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        self.committed.locate(query)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.committed.server_state(name)
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.writer.change(job)
    }

    fn change_optimistically(
        &self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), Error> {
        optimistic::change(&*self.writer, job)
    }

    fn begin<'s>(
        &'s self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<Box<dyn PendingCommit + 's>, Error> {
        self.writer.begin(job)
    }

    fn ping(&self) -> Result<(), Error> {
        self.committed.ping()
    }

    fn copy(&self) -> Result<StoreCopy, Error> {
        self.writer.copy().map(|content| StoreCopy::of(Mutex::new(content)))
    }

    fn restore(&self, copy: &StoreCopy) -> Result<(), Error> {
        let content = copy.content::<Mutex<Connection>>().ok_or(Error::NoCopies)?.lock().ignore_poison();
        self.writer.restore(&content)
    }

    fn clear(&self, kept: &[&str]) -> Result<(), Error> {
        self.writer.clear(kept)
    }

    fn status(&self) -> StoreStatus {
        let bytes =
            |ending: &str| fs::metadata(beside(&self.path, ending)).map_or(0, |metadata| metadata.len());
        let (readers_open, readers_idle) = self.committed.connections();
        let bytes = bytes("") + bytes("-wal");
        let status = StoreStatus { bytes, readers_open, readers_idle, ..StoreStatus::default() };
        self.writer.commits.complete(status)
    }

    fn close(&self) -> Result<(), Error> {
        // A reader that prevents the checkpoint is the last to close the file, or another process.
        self.writer.checkpoint(CLOSING).map(drop)
    }
}
