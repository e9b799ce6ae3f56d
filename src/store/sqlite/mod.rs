//! The store in one SQLite file.
//!
//! Readers have connections of their own from a pool, and see the last commit; one connection writes
//! (`writer.rs`). Objects that were read lately are kept (`cache.rs`). Attributes and object of a record are
//! kept as TTLV in the stored form, with what Locate and decisions about access need beside them (`schema.sql`,
//! `columns.rs`). Which files are taken at all is told in `file.rs`.

mod cache;
mod columns;
mod file;
mod grants;
mod locate;
mod look;
mod rows;
mod schema;
mod seal;
mod takeover;
#[cfg(test)]
mod tests;
mod whole;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use scheduled_thread_pool::ScheduledThreadPool;

pub use self::look::{Look, look};
pub use self::takeover::{Complete, Found};
pub use self::whole::{Intake, Snapshot};

use self::cache::Cache;
use self::schema::Step;
use self::writer::Writer;
use super::sealed::{DataKey, WrappingKey};
use super::{Error, Id, Keep, Located, Query, Record, Status, Store, Transaction, Unsettled};
use crate::ttlv::Secret;

/// How many connections read objects at the most. A read takes some microseconds, so this many serve any number of
/// threads; each is opened when all others are in use, and costs two descriptors and its cache.
const MAX_READERS: u32 = 8;

/// How many connections search at the most. A search can take seconds, so searches have connections of their own and
/// keep nobody from reading; so many of them leave a processor enough for those who read.
const MAX_SEARCHERS: u32 = 8;

/// Pages that a connection for reading keeps in memory, in KiB: the upper levels of the table of objects. The operating
/// system caches the file as well. What connections that are seldom used come to keep, the server grows by.
const READER_CACHE_KIB: i64 = 128;

/// The same for searching, with the upper levels of the indexes.
const SEARCHER_CACHE_KIB: i64 = 512;

/// How long somebody waits for a connection. It takes as many long searches at once as there are connections
/// to make anybody wait at all, and only those who search.
const READER_WAIT: Duration = Duration::from_secs(10);

/// A store in an SQLite file.
pub struct Sqlite {
    // Dropped first: the last connection to a file that is closed puts its log away, and readers cannot.
    readers: r2d2::Pool<SqliteConnectionManager>,
    searchers: r2d2::Pool<SqliteConnectionManager>,
    writer: Writer,
    path: PathBuf,
    cache: Arc<Cache>,
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
        key: &WrappingKey,
        complete: Complete<'_>,
    ) -> Result<(Self, DataKey), Error> {
        let mut database = match file::open_writer(path, schema::STEPS) {
            Err(Error::PykmipDatabase { .. }) => {
                takeover::take_over(path, schema::STEPS, complete)?;
                file::open_writer(path, schema::STEPS)?
            }
            other => other?,
        };
        let key = seal::unlock(&mut database, key)?;
        Ok((Self::over(path, database), key))
    }

    /// Wraps the key of the sealed database at `path`, which `old` opens, in `new`. What is interrupted leaves it
    /// as it was; a server that runs on the database does not mind.
    ///
    /// # Errors
    /// [`Error::NotSealed`], [`Error::Key`], and where the file cannot be used.
    pub fn change_key(path: &Path, old: &WrappingKey, new: &WrappingKey) -> Result<(), Error> {
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
                takeover::take_over(path, schema::STEPS, complete)?;
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
        Ok(Self::over(path, database))
    }

    /// Writes through `database`, which is a connection to the file at `path`, and reads through others.
    fn over(path: &Path, database: Connection) -> Self {
        let cache = Arc::new(Cache::new());
        let writer = Writer::new(database, Arc::clone(&cache));
        // All that it does is to open connections: one thread, where the pools' own would be three each.
        let opener = ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("store").build();
        let opener = Arc::new(opener);
        let pool = |size, cache_kib| {
            let (uri, flags) = file::reader(path);
            let manager = SqliteConnectionManager::file(uri)
                .with_flags(flags)
                .with_init(move |database| file::set_up_reader(database, cache_kib));
            r2d2::Pool::builder()
                .max_size(size)
                .min_idle(Some(0))
                .idle_timeout(None)
                .max_lifetime(None)
                .test_on_check_out(false)
                .connection_timeout(READER_WAIT)
                .error_handler(Box::new(r2d2::NopErrorHandler))
                .thread_pool(Arc::clone(&opener))
                .build_unchecked(manager)
        };
        let readers = pool(MAX_READERS, READER_CACHE_KIB);
        let searchers = pool(MAX_SEARCHERS, SEARCHER_CACHE_KIB);
        Self { readers, searchers, writer, path: path.to_owned(), cache }
    }

    fn reader(&self) -> Result<r2d2::PooledConnection<SqliteConnectionManager>, Error> {
        self.readers.get().map_err(|why| Error::NoReader { why: Arc::new(why) })
    }

    fn searcher(&self) -> Result<r2d2::PooledConnection<SqliteConnectionManager>, Error> {
        self.searchers.get().map_err(|why| Error::NoReader { why: Arc::new(why) })
    }
}

impl Store for Sqlite {
    fn read(&self, id: Id) -> Result<Option<Record>, Error> {
        let missed = match self.cache.look(id) {
            Ok(record) => return Ok(Some((*record).clone())),
            Err(missed) => missed,
        };
        let Some((record, bytes)) = rows::read(&*self.reader()?, id)? else { return Ok(None) };
        self.cache.keep(&record, bytes, &missed);
        Ok(Some(record))
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        let searcher = self.searcher()?;
        locate::locate(&searcher, query)
    }

    fn own(&self, name: &str) -> Result<Option<Secret>, Error> {
        let reader = self.reader()?;
        rows::own(&reader, name)
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Keep) -> Result<(), Error> {
        self.writer.change(job)
    }

    fn begin<'s>(
        &'s self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Keep,
    ) -> Result<Box<dyn Unsettled + 's>, Error> {
        self.writer.begin(job)
    }

    fn status(&self) -> Status {
        let bytes = |ending: &str| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(ending);
            fs::metadata(name).map_or(0, |metadata| metadata.len())
        };
        let (readers, searchers) = (self.readers.state(), self.searchers.state());
        Status {
            bytes: bytes("") + bytes("-wal"),
            readers_open: readers.connections + searchers.connections,
            readers_idle: readers.idle_connections + searchers.idle_connections,
        }
    }
}
