//! Lazily flushed commits: such a commit does not wait for the disk, and the next durable one flushes it as well.

use rusqlite::{Connection, ffi};

use super::rows;
use crate::store::Error;

/// The operation that an error of [`LazyFlush::checkpoint`] names.
const CHECKPOINT: &str = "checkpoint the write-ahead log";

/// The flush state of the write connection.
pub(super) struct LazyFlush {
    /// Whether a commit waits for the disk: `PRAGMA synchronous` is `FULL`, not `NORMAL`.
    waits: bool,
    /// Whether the write-ahead log contains lazy commits that were not flushed.
    unflushed: bool,
    /// Whether a flush of lazy commits failed. The system does not write those pages again with the next flush, and
    /// recovery would drop the log from that gap on.
    gap: bool,
}

/// The state in which a commit left the database.
#[derive(Clone, Copy, Debug)]
pub(super) enum CommitState {
    /// SQLite has committed the transaction.
    Committed,
    /// SQLite has not committed the transaction.
    Failed,
    /// A panic interrupted the commit, before or after SQLite committed the transaction.
    Unknown,
}

impl LazyFlush {
    /// Returns the state of a connection with `synchronous = FULL`.
    pub(super) fn new() -> Self {
        Self { waits: true, unflushed: false, gap: false }
    }

    /// Prepares a commit, which waits for the disk if `durable`.
    pub(super) fn prepare(&mut self, database: &Connection, durable: bool) -> Result<(), Error> {
        if self.gap && !self.checkpoint(database)? {
            let busy = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None);
            return Err(Error::sqlite(CHECKPOINT, busy));
        }
        if self.waits != durable {
            // If the pragma fails, the level is unknown and counts as NORMAL.
            self.waits = false;
            let level = if durable { "FULL" } else { "NORMAL" };
            let set = database.pragma_update(None, "synchronous", level);
            set.map_err(|why| Error::sqlite("set the synchronous level", why))?;
            self.waits = durable;
        }
        Ok(())
    }

    /// Moves the write-ahead log to the database, flushes it and truncates the log. Returns false if a reader or another
    /// process prevents it.
    pub(super) fn checkpoint(&mut self, database: &Connection) -> Result<bool, Error> {
        let is_busy = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        let is_done = !is_busy.map_err(|why| Error::sqlite(CHECKPOINT, why))?;
        if is_done {
            (self.unflushed, self.gap) = (false, false);
        }
        Ok(is_done)
    }

    /// Changes a page within a durable transaction: SQLite does not flush a transaction that changes no page.
    pub(super) fn force(&self, database: &Connection, durable: bool) -> Result<(), Error> {
        if durable && self.unflushed { rows::rewrite_counter(database) } else { Ok(()) }
    }

    /// Records the result of the commit.
    pub(super) fn conclude(&mut self, durable: bool, result: CommitState) {
        match (durable, result) {
            (true, CommitState::Committed) => self.unflushed = false,
            (true, _) => self.gap = self.unflushed,
            (false, CommitState::Failed) => {}
            (false, _) => self.unflushed = true,
        }
    }
}
