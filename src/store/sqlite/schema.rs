//! The schema: the application ID and version of a database, and the migration of older versions.

use rusqlite::{Connection, TransactionBehavior};

use super::checksums;

/// The `PRAGMA application_id` of this server's databases: "KMIP" in ASCII.
pub(super) const APPLICATION: i32 = 0x4B4D_4950;

/// A migration step from one version to the next.
pub(super) type Step = fn(&Connection) -> rusqlite::Result<()>;

/// The steps from an empty file to the newest version. `PRAGMA user_version` contains the number of steps that were
/// applied. A released step never changes.
pub(super) const STEPS: &[Step] = &[
    |database| database.execute_batch(include_str!("schema.sql")),
    |database| database.execute_batch(include_str!("schema_2.sql")),
    // The wrapped data key of a sealed database; no row if it is not sealed.
    |database| {
        database.execute_batch(
            "CREATE TABLE seal (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), data_key BLOB NOT NULL) STRICT",
        )
    },
    // The server state by name. It is not an object, so no client can read it.
    |database| {
        let table =
            "CREATE TABLE own (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID";
        database.execute_batch(table)
    },
    // The credential of the principal that created the object; NULL if there was none.
    |database| database.execute_batch("ALTER TABLE object ADD COLUMN credential TEXT"),
    // The checksum of each record. In a sealed database, `seal.rs` sets it, because it needs the key.
    |database| {
        database.execute_batch(
            "ALTER TABLE object ADD COLUMN checksum BLOB; ALTER TABLE own ADD COLUMN checksum BLOB",
        )?;
        let is_sealed = "SELECT count(*) FROM seal";
        if database.query_row(is_sealed, [], |row| row.get::<_, bool>(0))? {
            return Ok(());
        }
        checksums::set_all(database, None).map(drop)
    },
];

/// Returns the version after `steps`.
pub(super) fn version_of(steps: &[Step]) -> i32 {
    i32::try_from(steps.len()).unwrap_or(i32::MAX)
}

/// Returns the application ID and the version of a database.
pub(super) fn stamps(database: &Connection) -> rusqlite::Result<(i32, i32)> {
    let pragma = |name| database.pragma_query_value(None, name, |row| row.get(0));
    Ok((pragma("application_id")?, pragma("user_version")?))
}

/// Whether the database has no tables.
pub(super) fn is_empty(database: &Connection) -> rusqlite::Result<bool> {
    database.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

/// Migrates an empty or older database in one transaction. Other processes that open the file wait for its end.
pub(super) fn migrate(database: &mut Connection, steps: &[Step]) -> rusqlite::Result<()> {
    let newest = version_of(steps);
    if stamps(database)? == (APPLICATION, newest) {
        return Ok(());
    }
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (_, version) = stamps(&transaction)?;
    if version >= newest {
        return Ok(());
    }
    advance(&transaction, steps, version)?;
    transaction.commit()
}

/// Applies the steps after `version` within the caller's transaction.
pub(super) fn advance(database: &Connection, steps: &[Step], version: i32) -> rusqlite::Result<()> {
    for step in steps.iter().skip(usize::try_from(version).unwrap_or(0)) {
        step(database)?;
    }
    database.pragma_update(None, "application_id", APPLICATION)?;
    database.pragma_update(None, "user_version", version_of(steps))
}
