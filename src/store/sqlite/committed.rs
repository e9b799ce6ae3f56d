//! What readers see: the last commit. They have connections of their own, and what was read lately is kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use scheduled_thread_pool::ScheduledThreadPool;

use super::cache::Cache;
use super::{file, locate, rows};
use crate::secret::Secret;
use crate::store::{Error, Id, Located, Query, Record};

/// How many connections read objects at the most. A read takes some microseconds, so this many serve any number of
/// threads; each is opened when all others are in use, and costs two descriptors and its cache.
const MAX_READERS: u32 = 8;

/// How many connections search at the most. A search can take seconds, so searches have connections of their own and
/// keep nobody from reading; so many of them leave a processor enough for those who read.
pub(super) const MAX_SEARCHERS: u32 = 8;

/// Pages that a connection for reading keeps in memory, in KiB: the upper levels of the table of objects. The operating
/// system caches the file as well. What connections that are seldom used come to keep, the server grows by.
const READER_CACHE_KIB: i64 = 128;

/// The same for searching, with the upper levels of the indexes.
const SEARCHER_CACHE_KIB: i64 = 512;

/// How long somebody waits for a connection. It takes as many long searches at once as there are connections
/// to make anybody wait at all, and only those who search.
pub(super) const READER_WAIT: Duration = Duration::from_secs(10);

type Pool = r2d2::Pool<SqliteConnectionManager>;
type Pooled = r2d2::PooledConnection<SqliteConnectionManager>;

/// What the last commit left.
pub(super) struct Committed {
    readers: Pool,
    searchers: Pool,
    /// Told of every commit by the writer.
    pub(super) cache: Cache,
}

impl Committed {
    /// What is in the file at `path`.
    pub(super) fn new(path: &Path) -> Self {
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
        Self { readers, searchers, cache: Cache::default() }
    }

    /// See [`crate::store::Store::read`].
    pub(super) fn read(&self, id: Id) -> Result<Option<Record>, Error> {
        let missed = match self.cache.objects.look(&id) {
            Ok(record) => return Ok(Some((*record).clone())),
            Err(missed) => missed,
        };
        let Some((record, bytes)) = rows::read(&*self.reader()?, id)? else { return Ok(None) };
        self.cache.objects.keep(id, || Arc::new(record.clone()), bytes, &missed);
        Ok(Some(record))
    }

    /// See [`crate::store::Store::own`].
    pub(super) fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        let missed = match self.cache.server_state.look(name) {
            Ok(value) => return Ok(value),
            Err(missed) => missed,
        };
        let value = rows::server_state(&*self.reader()?, name)?;
        let bytes = name.len() + value.as_ref().map_or(0, |value| value.len());
        self.cache.server_state.keep(name.to_owned(), || value.clone(), bytes, &missed);
        Ok(value)
    }

    /// See [`crate::store::Store::locate`].
    pub(super) fn locate(&self, query: &Query) -> Result<Located, Error> {
        locate::locate(&*self.searcher()?, query)
    }

    /// How many connections are open, and how many of them nobody uses.
    pub(super) fn connections(&self) -> (u32, u32) {
        let (readers, searchers) = (self.readers.state(), self.searchers.state());
        (readers.connections + searchers.connections, readers.idle_connections + searchers.idle_connections)
    }

    fn reader(&self) -> Result<Pooled, Error> {
        self.readers.get().map_err(|why| Error::NoReader { why: Arc::new(why) })
    }

    pub(super) fn searcher(&self) -> Result<Pooled, Error> {
        self.searchers.get().map_err(|why| Error::NoReader { why: Arc::new(why) })
    }
}
