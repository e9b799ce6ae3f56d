//! SQLite transactions of the write connection.

use rusqlite::Connection;

use crate::store::Error;

/// Rolls the open transaction back when it is dropped, also during a panic.
struct RollBack<'a>(&'a Connection);

impl Drop for RollBack<'_> {
    fn drop(&mut self) {
        // If it fails, the next transaction tries again before it begins.
        let _ = roll_back(self.0);
    }
}

/// Runs `act` in an SQLite transaction. It is rolled back unless `act` commits it.
///
/// # Errors
/// Returns the error of `act`, or an error if SQLite fails.
pub(super) fn in_transaction<T>(
    database: &Connection,
    act: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    roll_back(database)?;
    // Immediate: a transaction that begins with a read can lose the write lock to another process.
    execute(database, "BEGIN IMMEDIATE")?;
    let _guard = RollBack(database);
    act()
}

/// Rolls the open transaction back, if there is one: a failed commit can leave it open.
fn roll_back(database: &Connection) -> Result<(), Error> {
    if database.is_autocommit() { Ok(()) } else { execute(database, "ROLLBACK") }
}

/// Executes a statement without parameters.
///
/// # Errors
/// Returns an error if SQLite fails.
pub(super) fn execute(database: &Connection, statement: &'static str) -> Result<(), Error> {
    let done = database.prepare_cached(statement).and_then(|mut statement| statement.execute([]));
    done.map(drop).map_err(|why| Error::sqlite(statement, why))
}
