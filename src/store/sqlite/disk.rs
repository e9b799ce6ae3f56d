//! The connection that writes: whether its commits wait for the disk, and what that means for the next one.
//!
//! A commit that does not wait is in the log all the same, and the next one that does takes it to the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, ffi};

use crate::store::Error;

/// The connection that writes.
pub(super) struct Disk {
    pub(super) database: Connection,
    /// Whether its commits wait until they are on the disk.
    flushes: bool,
    /// Whether the last commits did not wait, and may not be there yet.
    noted: bool,
    /// Whether a flush failed behind such commits. What the system could not write then is not written by the next
    /// flush, and what stands behind a gap in the log would be lost with it.
    doubtful: bool,
}

impl Disk {
    /// Over a connection that is set up to write.
    pub(super) fn new(database: Connection) -> Self {
        Self { database, flushes: true, noted: false, doubtful: false }
    }

    /// Whether something is committed that may not be on the disk.
    pub(super) fn has_noted(&self) -> bool {
        self.noted
    }

    /// Gets ready for a commit that waits for the disk, or for one that does not. One that waits takes those with it
    /// that did not.
    ///
    /// # Errors
    /// Where SQLite fails, and while a doubt cannot be settled.
    pub(super) fn prepare(&mut self, durable: bool) -> Result<(), Error> {
        if self.doubtful {
            // All that is in the log comes into the database, and the log begins anew.
            let failed = |why| Error::sqlite("put the log away", why);
            let busy = self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            if busy.map_err(failed)? {
                return Err(failed(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)));
            }
            (self.noted, self.doubtful) = (false, false);
        }
        if self.flushes != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            // Only what is certain counts.
            self.flushes = false;
            let set = self.database.pragma_update(None, "synchronous", level);
            set.map_err(|why| Error::sqlite("choose how safe a commit is", why))?;
            self.flushes = durable;
        }
        Ok(())
    }

    /// Takes note of what became of the commit.
    pub(super) fn conclude(&mut self, durable: bool, kept: bool) {
        match (durable, kept) {
            (true, true) => self.noted = false,
            (true, false) => self.doubtful = self.noted,
            (false, kept) => self.noted |= kept,
        }
    }
}

/// Runs `act` in a transaction. Where it does not commit, all is taken back; a panic is a failure.
pub(super) fn in_transaction<T>(
    database: &Connection,
    act: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    roll_back(database)?;
    // Immediate: a transaction that begins with a read could lose its right to write to somebody else's process.
    execute(database, "BEGIN IMMEDIATE")?;
    let outcome = catch_unwind(AssertUnwindSafe(act)).unwrap_or(Err(Error::GroupLost));
    // Where it fails, the next one tries again before it begins.
    let _ = roll_back(database);
    outcome
}

/// Takes back the transaction that is open, if one is: a commit that fails may leave it so.
fn roll_back(database: &Connection) -> Result<(), Error> {
    if database.is_autocommit() { Ok(()) } else { execute(database, "ROLLBACK") }
}

pub(super) fn execute(database: &Connection, statement: &'static str) -> Result<(), Error> {
    let done = database.prepare_cached(statement).and_then(|mut statement| statement.execute([]));
    done.map(drop).map_err(|why| Error::sqlite(statement, why))
}
