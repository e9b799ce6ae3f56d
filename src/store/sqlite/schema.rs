//! Which database is ours, which version it has, and how an older one becomes the newest.

use rusqlite::{Connection, TransactionBehavior};

/// `PRAGMA application_id` of our files: "KMIP" in ASCII.
pub(super) const APPLICATION: i32 = 0x4B4D_4950;

/// One step: makes a database of the version before it one of its own.
pub(super) type Step = fn(&Connection) -> rusqlite::Result<()>;

/// The steps from an empty file to the newest version; a version is the number of steps that a database has
/// behind it, and is kept as `PRAGMA user_version`. A step that was released is never changed.
pub(super) const STEPS: &[Step] = &[
    |database| database.execute_batch(include_str!("schema.sql")),
    |database| database.execute_batch(include_str!("schema_2.sql")),
    // The key of a sealed database, wrapped in the administrator's; no row where it is not sealed.
    |database| {
        database.execute_batch(
            "CREATE TABLE seal (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), data_key BLOB NOT NULL) STRICT",
        )
    },
    // What the server keeps for itself, by name: no object, so that no client can ask for it.
    |database| {
        let table =
            "CREATE TABLE own (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID";
        database.execute_batch(table)
    },
    // Whom the credential named under which an object was made; NULL where there was none.
    |database| database.execute_batch("ALTER TABLE object ADD COLUMN credential TEXT"),
];

/// The version that `steps` lead to.
pub(super) fn version_of(steps: &[Step]) -> i32 {
    i32::try_from(steps.len()).unwrap_or(i32::MAX)
}

/// A database's application and version.
pub(super) fn stamps(database: &Connection) -> rusqlite::Result<(i32, i32)> {
    let pragma = |name| database.pragma_query_value(None, name, |row| row.get(0));
    Ok((pragma("application_id")?, pragma("user_version")?))
}

/// Whether nothing was ever made in the database.
pub(super) fn is_empty(database: &Connection) -> rusqlite::Result<bool> {
    database.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

/// Brings a database, ours or empty, to the version that `steps` lead to, all in one transaction; whoever
/// opens the file meanwhile waits for its end.
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

/// Makes a database of `version` one of the version that `steps` lead to, within the caller's transaction.
pub(super) fn advance(database: &Connection, steps: &[Step], version: i32) -> rusqlite::Result<()> {
    for step in steps.iter().skip(usize::try_from(version).unwrap_or(0)) {
        step(database)?;
    }
    database.pragma_update(None, "application_id", APPLICATION)?;
    database.pragma_update(None, "user_version", version_of(steps))
}
