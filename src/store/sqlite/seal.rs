//! The data key of a sealed database, and the sealing of a plain one: all objects and the key in one transaction.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::schema::Step;
use super::{checksums, file, rows};
use crate::store::sealing::{DataKey, KeyEncryptionKey, Sealing};
use crate::store::{Error, Id, LOG};

/// Returns the wrapped data key, or `None` if the database is not sealed.
pub(super) fn wrapped_key(database: &Connection) -> Result<Option<Vec<u8>>, Error> {
    let failed = |why| Error::sqlite("read the key of the database", why);
    // Databases before version 3 have no such table.
    if !database.table_exists(None, "seal").map_err(failed)? {
        return Ok(None);
    }
    database.query_row("SELECT data_key FROM seal", [], |row| row.get(0)).optional().map_err(failed)
}

/// Returns the data key of the database, unwrapped with `key`. A database without a data key gets one, and its
/// objects are sealed.
///
/// # Errors
/// Returns [`Error::Key`] if the database is sealed with another key, and an error if SQLite fails.
pub(super) fn unlock(database: &mut Connection, key: &KeyEncryptionKey) -> Result<DataKey, Error> {
    let failed = |why| Error::sqlite("seal the database", why);
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let (data_key, change) = unlock_within(&transaction, key)?;
    if change == Change::None {
        return Ok(data_key);
    }
    transaction.commit().map_err(failed)?;
    truncate_log(database)?;
    match change {
        Change::Sealed(count) if count > 0 => {
            log::info!(target: LOG, "Sealed {count} objects of the database.")
        }
        Change::Authenticated(count) if count > 0 => log::info!(
            target: LOG,
            "Authenticated {count} objects of the database of an older version. Replace its key with \
             --rotate-key-encryption-key, so that an edited copy of the older version cannot take its place."
        ),
        _ => {}
    }
    Ok(data_key)
}

/// A change that [`unlock_within`] made, with the number of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// The database was plain.
    Sealed(u64),
    /// An older version had sealed the database.
    Authenticated(u64),
}

/// As [`unlock`], within the caller's transaction. After a change, the caller commits and calls [`truncate_log`].
pub(super) fn unlock_within(
    database: &Connection,
    key: &KeyEncryptionKey,
) -> Result<(DataKey, Change), Error> {
    let failed = |why| Error::sqlite("seal the database", why);
    if let Some(wrapped) = wrapped_key(database)? {
        let data_key = key.open_database(&wrapped)?;
        if data_key.authenticates_rows() {
            return Ok((data_key, Change::None));
        }
        let count = checksums::set_all(database, Some(&data_key)).map_err(failed)?;
        let wrapped = key.authenticate(&wrapped)?;
        database.execute("UPDATE seal SET data_key = ?1", [&wrapped]).map_err(failed)?;
        return Ok((key.open_database(&wrapped)?, Change::Authenticated(count)));
    }
    let wrapped = key.generate(Sealing::Database)?;
    let data_key = key.open_database(&wrapped)?;
    database.execute("INSERT INTO seal VALUES (1, ?1)", [&wrapped]).map_err(failed)?;
    let mut count: u64 = 0;
    let mut last = 0;
    while let Some(id) = next_object(database, last).map_err(failed)? {
        last = id;
        let Some((record, _)) = rows::read(database, Id(id.unsigned_abs()), None)? else { continue };
        rows::update(database, &record, Some(&data_key))?;
        count += u64::from(record.object.is_some());
    }
    for name in rows::server_state_names(database)? {
        let Some(value) = rows::server_state(database, &name, None)? else { continue };
        rows::set_server_state(database, &name, &value, Some(&data_key))?;
    }
    Ok((data_key, Change::Sealed(count)))
}

/// Empties the write-ahead log, which may contain the plain objects.
pub(super) fn truncate_log(database: &Connection) -> Result<(), Error> {
    let emptied = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    emptied.map_err(|why| Error::sqlite("seal the database", why))
}

fn next_object(database: &Connection, after: i64) -> rusqlite::Result<Option<i64>> {
    let next = "SELECT id FROM object WHERE id > ?1 ORDER BY id LIMIT 1";
    database.prepare_cached(next)?.query_row([after], |row| row.get(0)).optional()
}

/// Wraps the data key of the database at `path` with another key.
///
/// # Errors
/// Returns [`Error::NotSealed`] or [`Error::Key`] if the database is not sealed with `old`, and an error if SQLite
/// fails.
pub(super) fn rewrap(
    path: &Path,
    steps: &[Step],
    old: &KeyEncryptionKey,
    new: &KeyEncryptionKey,
) -> Result<(), Error> {
    let failed = |why| Error::sqlite("change the key of the database", why);
    let mut database = file::open_writer(path, steps)?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let wrapped = wrapped_key(&transaction)?.ok_or(Error::NotSealed { path: path.to_owned() })?;
    transaction.execute("UPDATE seal SET data_key = ?1", [old.rewrap(&wrapped, new)?]).map_err(failed)?;
    transaction.commit().map_err(failed)
}
