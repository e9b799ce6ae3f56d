//! The store in one SQLite file.
//!
//! Readers have connections of their own from a pool, and see the last commit; one connection writes
//! (`writer.rs`). Objects that were read lately are kept (`cache.rs`). Attributes and object of a record are
//! kept as TTLV in the stored form, with what Locate and decisions about access need beside them (`schema.sql`,
//! `columns.rs`). Which files are taken at all is told in `file.rs`.

mod cache;
mod columns;
mod committed;
mod disk;
mod dump;
mod file;
mod grants;
#[cfg(test)]
mod groups;
mod inspect;
mod locate;
mod pykmip_import;
mod rows;
mod schema;
mod seal;
#[cfg(test)]
mod tests;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

pub use self::dump::{Restore, Snapshot};
pub use self::inspect::{Inspection, inspect};
pub use self::pykmip_import::{Complete, Found};

use self::committed::Committed;
use self::schema::Step;
use self::writer::Writer;
use super::sealed::{DataKey, KeyEncryptionKey};
use super::{Error, Id, Located, Outcome, PendingCommit, Query, Record, Status, Store, Transaction};
use crate::secret::Secret;

/// A store in an SQLite file.
pub struct Sqlite {
    committed: Arc<Committed>,
    writer: Writer,
    path: PathBuf,
}

impl Sqlite {
    /// Opens the store in the file at `path`: a new one where there is no file or an empty one.
    ///
    /// # Errors
    /// Where the file is no store of ours, or of a newer version, or sealed, or cannot be used; see [`Error`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_as(path, schema::STEPS)
    }

    /// The store in the file at `path`, and the key that its objects are sealed with from now on.
    ///
    /// # Errors
    /// As [`Sqlite::open_or_take_over`], and [`Error::Key`].
    pub(super) fn open_sealed(
        path: &Path,
        key: &KeyEncryptionKey,
        complete: Complete<'_>,
    ) -> Result<(Self, DataKey), Error> {
        let mut database = match file::open_writer(path, schema::STEPS) {
            Err(Error::PykmipDatabase { .. }) => {
                pykmip_import::take_over(path, schema::STEPS, complete)?;
                file::open_writer(path, schema::STEPS)?
            }
            other => other?,
        };
        let key = seal::unlock(&mut database, key)?;
        Ok((Self::over(path, database)?, key))
    }

    /// Wraps the key of the sealed database at `path`, which `old` opens, in `new`. What is interrupted leaves it
    /// as it was; a server that runs on the database does not mind.
    ///
    /// # Errors
    /// [`Error::NotSealed`], [`Error::Key`], and where the file cannot be used.
    pub fn change_key(path: &Path, old: &KeyEncryptionKey, new: &KeyEncryptionKey) -> Result<(), Error> {
        seal::rewrap(path, schema::STEPS, old, new)
    }

    /// The same, but a database of PyKMIP's server is taken over: its objects, completed by `complete`, become
    /// ours with their numbers, all or none.
    ///
    /// # Errors
    /// As [`Sqlite::open`], and [`Error::TakeOver`].
    pub fn open_or_take_over(path: &Path, complete: Complete<'_>) -> Result<Self, Error> {
        match Self::open(path) {
            Err(Error::PykmipDatabase { .. }) => {
                pykmip_import::take_over(path, schema::STEPS, complete)?;
                Self::open(path)
            }
            other => other,
        }
    }

    fn open_as(path: &Path, steps: &[Step]) -> Result<Self, Error> {
        let database = file::open_writer(path, steps)?;
        if seal::wrapped_key(&database)?.is_some() {
            return Err(Error::NeedsKey { path: path.to_owned() });
        }
        Self::over(path, database)
    }

    /// Writes through `database`, which is a connection to the file at `path`, and reads through others.
    fn over(path: &Path, database: Connection) -> Result<Self, Error> {
        let committed = Arc::new(Committed::new(path));
        let writer = Writer::new(database, Arc::clone(&committed))?;
        Ok(Self { committed, writer, path: path.to_owned() })
    }

    /// Whether the last commit waited until it was on the disk.
    #[cfg(test)]
    pub(crate) fn waited_for_the_disk(&self) -> bool {
        // NORMAL is 1, and FULL is 2.
        self.writer.busy(|database| database.pragma_query_value(None, "synchronous", |row| row.get(0)))
            == Ok(2)
    }
}

impl Store for Sqlite {
    fn read(&self, id: Id) -> Result<Option<Record>, Error> {
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

    fn begin<'s>(
        &'s self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<Box<dyn PendingCommit + 's>, Error> {
        self.writer.begin(job)
    }

    fn status(&self) -> Status {
        let bytes = |ending: &str| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(ending);
            fs::metadata(name).map_or(0, |metadata| metadata.len())
        };
        let (readers_open, readers_idle) = self.committed.connections();
        Status { bytes: bytes("") + bytes("-wal"), readers_open, readers_idle }
    }
}
