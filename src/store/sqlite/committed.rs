//! The read side of the store: the last commit, through pooled connections and a cache.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use scheduled_thread_pool::ScheduledThreadPool;

use super::open_files::OpenFiles;
use super::{file, locate, rows, search_time};
use crate::cpu_permits::{self, Effort};
use crate::secret::Secret;
use crate::store::cache::Cache;
use crate::store::overlay::WriteSet;
use crate::store::sealing::DataKey;
use crate::store::{Cause, Error, Id, Located, Query, Record};

/// The maximum number of connections that read objects. A read lasts some microseconds, so this many serve any number
/// of threads. A connection is opened when all others are in use, and costs two descriptors and its page cache.
const MAX_READERS: u32 = 8;

/// The maximum number of connections for short searches.
pub(super) const MAX_SEARCHERS: u32 = 8;

/// The page cache of a read connection in KiB: enough for the upper levels of the object table. The operating system
/// caches the file as well, and the page caches of rarely used connections add to the size of the process.
const READER_CACHE_KIB: i64 = 128;

/// The page cache of a search connection in KiB: enough for the upper levels of the indexes.
const SEARCHER_CACHE_KIB: i64 = 512;

/// The processor time of a short search. A search that needs more is interrupted, and repeated as a long search: with a
/// CPU permit of its user, at low priority, on a connection for long searches.
pub(super) const SHORT_SEARCH: Duration = Duration::from_millis(10);

/// The processor time of a search for which other transactions wait.
const LOCKED_SEARCH: Duration = Duration::from_millis(50);

/// The maximum time to wait for a connection.
pub(super) const READER_WAIT: Duration = Duration::from_secs(10);

type Pool = r2d2::Pool<SqliteConnectionManager>;
type Pooled = r2d2::PooledConnection<SqliteConnectionManager>;

/// The last commit.
pub(super) struct Committed {
    readers: Pool,
    searchers: Pool,
    long_searchers: Pool,
    files: Arc<OpenFiles>,
    /// The key of a sealed database.
    pub(super) key: Option<DataKey>,
    /// The cache; the writer updates it with every commit.
    pub(super) cache: Cache,
}

impl Committed {
    /// Returns the read side of the database at `path`, whose files are `files`, and whose objects are sealed with `key` if
    /// there is one.
    pub(super) fn new(path: &Path, files: Arc<OpenFiles>, key: Option<DataKey>) -> Self {
        // One thread opens the connections of all pools; by default, each pool starts three threads.
        let opener = ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("store").build();
        let opener = Arc::new(opener);
        let pool = |size, cache_kib| {
            let (uri, flags) = file::reader(path);
            let opened = Arc::clone(&files);
            let manager = SqliteConnectionManager::file(uri).with_flags(flags).with_init(move |database| {
                file::set_up_reader(database, cache_kib)?;
                // The file may have been replaced since `connection` has checked it.
                opened.check().map_err(|why| rusqlite::Error::ToSqlConversionFailure(why.into()))
            });
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
        // As many as CPU permits, so that a search with a permit has a connection.
        let permits = u32::try_from(cpu_permits::max_searches()).unwrap_or(u32::MAX);
        let long_searchers = pool(permits, SEARCHER_CACHE_KIB);
        Self { readers, searchers, long_searchers, files, key, cache: Cache::default() }
    }

    /// See [`crate::store::Store::read`].
    pub(super) fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        let token = match self.cache.objects.get(&id) {
            Ok(record) => return Ok(Some(record)),
            Err(token) => token,
        };
        let found = rows::read(&*self.reader()?, id, self.key.as_ref())?;
        let Some((record, bytes)) = found else { return Ok(None) };
        let record = Arc::new(record);
        self.cache.objects.insert(id, || Arc::clone(&record), bytes, &token);
        Ok(Some(record))
    }

    /// See [`crate::store::Store::server_state`].
    pub(super) fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        let token = match self.cache.server_state.get(name) {
            Ok(value) => return Ok(value),
            Err(token) => token,
        };
        let value = rows::server_state(&*self.reader()?, name, self.key.as_ref())?;
        let bytes = name.len() + value.as_ref().map_or(0, |value| value.len());
        self.cache.server_state.insert(name.to_owned(), || value.clone(), bytes, &token);
        Ok(value)
    }

    /// See [`crate::store::Store::ping`]. Reads from the file, not from the cache.
    pub(super) fn ping(&self) -> Result<(), Error> {
        self.files.check()?;
        rows::last_id(&*self.reader()?).map(drop)
    }

    /// See [`crate::store::Store::locate`].
    pub(super) fn locate(&self, query: &Query) -> Result<Located, Error> {
        self.search(query, |database| locate::locate(database, query))
    }

    /// Returns the objects that match `query` after `writes` are applied to the last commit.
    pub(super) fn locate_with(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error> {
        self.search(query, |database| locate::locate_with(database, query, writes, self.key.as_ref()))
    }

    /// Returns what [`Committed::locate_with`] returns, while other transactions wait.
    ///
    /// # Errors
    /// Returns [`Error::SearchTooLong`] if the search takes long.
    pub(super) fn locate_with_lock(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error> {
        let searcher = self.searcher()?;
        let search = || locate::locate_with(&searcher, query, writes, self.key.as_ref());
        search_time::within(LOCKED_SEARCH, search).unwrap_or(Err(Error::SearchTooLong))
    }

    /// Runs a search, again as a long search if it is not short.
    fn search(
        &self,
        query: &Query,
        search: impl Fn(&Connection) -> Result<Located, Error> + Sync,
    ) -> Result<Located, Error> {
        let searcher = self.searcher()?;
        if let Some(located) = search_time::within(SHORT_SEARCH, || search(&searcher)) {
            return located;
        }
        drop(searcher);
        cpu_permits::with_permit(&query.requester.user, Effort::Search, || {
            search(&*self.connection(&self.long_searchers)?)
        })
    }

    /// Returns the number of open connections and how many of them are idle.
    pub(super) fn connections(&self) -> (u32, u32) {
        let pools = [&self.readers, &self.searchers, &self.long_searchers].map(Pool::state);
        (pools.iter().map(|it| it.connections).sum(), pools.iter().map(|it| it.idle_connections).sum())
    }

    fn reader(&self) -> Result<Pooled, Error> {
        self.connection(&self.readers)
    }

    pub(super) fn searcher(&self) -> Result<Pooled, Error> {
        self.connection(&self.searchers)
    }

    /// Returns a connection that is open; if none is idle, one to the same files.
    fn connection(&self, pool: &Pool) -> Result<Pooled, Error> {
        if let Some(idle) = pool.try_get() {
            return Ok(idle);
        }
        self.files.check()?;
        pool.get().map_err(|why| Error::NoReader { why: Cause::new(why) })
    }
}
