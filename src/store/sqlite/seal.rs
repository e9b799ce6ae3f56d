//! Where the data key of a sealed database stands, and how a plain one becomes sealed: every object of it, in one
//! transaction with the key.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::schema::Step;
use super::{file, rows};
use crate::store::sealed::{DataKey, KeyEncryptionKey, Sealing};
use crate::store::{Error, Id};

/// The logger of this file.
const LOG: &str = "kmip.server.store";

/// The wrapped data key; none where the database is not sealed.
pub(super) fn wrapped_key(database: &Connection) -> Result<Option<Vec<u8>>, Error> {
    let failed = |why| Error::sqlite("look for the key of the database", why);
    // Databases of the first version have no place for one.
    if !database.table_exists(None, "seal").map_err(failed)? {
        return Ok(None);
    }
    database.query_row("SELECT data_key FROM seal", [], |row| row.get(0)).optional().map_err(failed)
}

/// The data key of the database, opened with `key`. A database that has none gets one, and its objects are sealed.
///
/// # Errors
/// Where `key` is not the one that the database is sealed with, and where SQLite fails.
pub(super) fn unlock(database: &mut Connection, key: &KeyEncryptionKey) -> Result<DataKey, Error> {
    let failed = |why| Error::sqlite("seal the database", why);
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let (data_key, sealed) = unlock_within(&transaction, key)?;
    let Some(count) = sealed else { return Ok(data_key) };
    transaction.commit().map_err(failed)?;
    forget_log(database)?;
    if count > 0 {
        log::info!(target: LOG, "{count} objects are sealed from now on.");
    }
    Ok(data_key)
}

/// The same within the caller's transaction; and how many objects were sealed by it, where the database was not
/// sealed yet. Then [`forget_log`] has to follow the commit.
pub(super) fn unlock_within(
    database: &Connection,
    key: &KeyEncryptionKey,
) -> Result<(DataKey, Option<u64>), Error> {
    let failed = |why| Error::sqlite("seal the database", why);
    if let Some(wrapped) = wrapped_key(database)? {
        return Ok((key.open(Sealing::Database, &wrapped)?, None));
    }
    let wrapped = key.make(Sealing::Database)?;
    let data_key = key.open(Sealing::Database, &wrapped)?;
    database.execute("INSERT INTO seal VALUES (1, ?1)", [&wrapped]).map_err(failed)?;
    let mut count: u64 = 0;
    let mut last = 0;
    while let Some(id) = next_object(database, last).map_err(failed)? {
        last = id;
        let Some((record, _)) = rows::read(database, Id(id.unsigned_abs()))? else { continue };
        rows::update(database, &data_key.seal(record)?)?;
        count += 1;
    }
    for name in rows::server_state_names(database)? {
        let Some(value) = rows::server_state(database, &name)? else { continue };
        rows::set_server_state(database, &name, &data_key.seal_server_state(&name, &value)?)?;
    }
    Ok((data_key, Some(count)))
}

/// Empties the log of the database, in which what the objects were stands until then.
pub(super) fn forget_log(database: &Connection) -> Result<(), Error> {
    let emptied = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    emptied.map_err(|why| Error::sqlite("seal the database", why))
}

fn next_object(database: &Connection, after: i64) -> rusqlite::Result<Option<i64>> {
    let next = "SELECT id FROM object WHERE id > ?1 AND object IS NOT NULL ORDER BY id LIMIT 1";
    database.prepare_cached(next)?.query_row([after], |row| row.get(0)).optional()
}

/// Wraps the data key of the database at `path` anew: one row, changed whole or not at all.
///
/// # Errors
/// Where the database is not sealed with `old`, and where SQLite fails.
pub(super) fn rewrap(
    path: &Path,
    steps: &[Step],
    old: &KeyEncryptionKey,
    new: &KeyEncryptionKey,
) -> Result<(), Error> {
    let failed = |why| Error::sqlite("wrap the key of the database anew", why);
    let mut database = file::open_writer(path, steps)?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let wrapped = wrapped_key(&transaction)?.ok_or(Error::NotSealed { path: path.to_owned() })?;
    transaction.execute("UPDATE seal SET data_key = ?1", [old.rewrap(&wrapped, new)?]).map_err(failed)?;
    transaction.commit().map_err(failed)
}
