//! The schema: created and migrated by the first server that needs it, in one transaction; other servers that start meanwhile
//! wait for it. The table `kmip_server_schema` contains the version.

use std::thread;
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use super::connection::{CALL, Connection, Failure, LONG_CALL, Step};
use crate::store::sealing::{DataKey, KeyEncryptionKey, Sealing};
use crate::store::{Cause, Error, Inspection};

/// The steps from an empty database to the newest version. A released step never changes.
pub(super) const STEPS: &[&str] = &[include_str!("schema.sql"), include_str!("entries.sql")];

/// The table that contains the version.
const MARK: &str = "kmip_server_schema";

/// The first version that has the table of entries.
pub(super) const WITH_ENTRIES: i32 = 2;

/// The maximum time of a step, and of the wait for another server that creates the schema.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause before the next look at a schema that another server creates.
const PAUSE: Duration = Duration::from_millis(50);

/// The tables of other programs are visible in this view.
const TABLES: &str = "SELECT table_name::text FROM information_schema.tables \
    WHERE table_schema = current_schema() ORDER BY table_name";

/// Brings the schema of the database called `name` up to date, and returns the data key if the objects are sealed. Only a
/// database that this call creates can become a sealed one.
///
/// # Errors
/// Returns an error if the database contains tables of another program or a newer schema, if it is sealed with another key, or
/// if `key` is missing or comes too late.
pub(super) fn prepare(
    connection: &mut Connection,
    name: &str,
    steps: &[&str],
    key: Option<&KeyEncryptionKey>,
) -> Result<Option<DataKey>, Error> {
    let deadline = Instant::now() + PATIENCE;
    let newest = version_of(steps);
    loop {
        let found = match version(connection) {
            Ok(found) => found,
            Err(why) if Instant::now() > deadline => {
                return Err(failed("read the version of the database", why));
            }
            Err(why) if is_race(&why) => None,
            Err(why) => return Err(failed("read the version of the database", why)),
        };
        match found {
            Some(found) if found > newest => {
                return Err(Error::NewerVersion { path: name.into(), found, newest });
            }
            Some(found) if found == newest => return unlock(connection, name, key),
            _ => {}
        }
        if found.is_none()
            && let Some(table) = foreign_table(connection)?
        {
            return Err(Error::ForeignTable { database: name.to_owned(), table });
        }
        if let Err(why) = advance(connection, steps, found.unwrap_or(0), key)? {
            // The transaction is open and failed, or ended with the connection.
            let _ = connection.batch("ROLLBACK");
            if !is_race(&why) || Instant::now() > deadline {
                return Err(failed("create the tables of the database", why));
            }
            thread::sleep(PAUSE);
        }
    }
}

fn failed(doing: &'static str, why: Failure) -> Error {
    Error::Sql { doing, why: Cause::new(why) }
}

/// Returns the version after `steps`.
fn version_of(steps: &[&str]) -> i32 {
    i32::try_from(steps.len()).unwrap_or(i32::MAX)
}

/// Returns the version of the schema, or `None` if there is none.
pub(super) fn version(connection: &mut Connection) -> Result<Option<i32>, Failure> {
    let rows = connection.query(CALL, &Step::new(format!("SELECT version FROM {MARK}"), Vec::new()));
    match rows {
        Ok(rows) => Ok(rows.first().and_then(|row| row.try_get(0).ok())),
        Err(why) if why.code == Some(SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(why) => Err(why),
    }
}

/// Returns a table of another program, or `None` if the schema has no tables, or those of this server.
fn foreign_table(connection: &mut Connection) -> Result<Option<String>, Error> {
    let rows = connection.query(CALL, &Step::new(TABLES, Vec::new()));
    let rows = rows.map_err(|why| failed("list the tables of the database", why))?;
    let names: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    // Another server may have created the tables meanwhile.
    Ok(if names.iter().any(|name| name == MARK) { None } else { names.into_iter().next() })
}

/// Whether another server has created or migrated the schema meanwhile.
fn is_race(why: &Failure) -> bool {
    let codes = [
        SqlState::DUPLICATE_TABLE,
        // The type of the rows of the first table.
        SqlState::DUPLICATE_OBJECT,
        SqlState::UNIQUE_VIOLATION,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::UNDEFINED_TABLE,
    ];
    why.is_conflict() || why.code.as_ref().is_some_and(|code| codes.contains(code))
}

/// Applies the steps after `found` in one transaction.
fn advance(
    connection: &mut Connection,
    steps: &[&str],
    found: i32,
    key: Option<&KeyEncryptionKey>,
) -> Result<Result<(), Failure>, Error> {
    let wrapped = match key {
        Some(key) if found == 0 => Some(key.generate(Sealing::Database)?),
        _ => None,
    };
    Ok(advance_to(connection, steps, found, wrapped))
}

fn advance_to(
    connection: &mut Connection,
    steps: &[&str],
    found: i32,
    wrapped: Option<Vec<u8>>,
) -> Result<(), Failure> {
    // A step may rewrite every row.
    connection.batch(&format!("BEGIN; SET LOCAL statement_timeout = '{}s'", PATIENCE.as_secs()))?;
    if found == 0 {
        // The first statement, so that a second server waits here for the end of this transaction.
        connection.batch_within(PATIENCE, &format!("CREATE TABLE {MARK} (version INTEGER NOT NULL)"))?;
        connection.batch(&format!("INSERT INTO {MARK} VALUES (0)"))?;
    }
    let locked = Step::new(format!("SELECT version FROM {MARK} FOR UPDATE"), Vec::new());
    let rows = connection.query(PATIENCE, &locked)?;
    if rows.first().and_then(|row| row.try_get(0).ok()) != Some(found) {
        return connection.batch("ROLLBACK");
    }
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(0)) {
        connection.batch_within(PATIENCE, step)?;
    }
    if let Some(wrapped) = wrapped {
        connection.query(CALL, &Step::new("INSERT INTO seal VALUES (1, $1)", vec![Box::new(wrapped)]))?;
    }
    connection.batch_within(PATIENCE, &format!("UPDATE {MARK} SET version = {}; COMMIT", version_of(steps)))
}

/// Inspects the database called `name`, without changing it.
///
/// # Errors
/// As [`prepare`].
pub(super) fn inspect(
    connection: &mut Connection,
    name: &str,
    steps: &[&str],
    key: Option<&KeyEncryptionKey>,
) -> Result<Inspection, Error> {
    let doing = "inspect the database";
    let newest = version_of(steps);
    match version(connection).map_err(|why| failed(doing, why))? {
        None => match foreign_table(connection)? {
            Some(table) => Err(Error::ForeignTable { database: name.to_owned(), table }),
            None => Ok(Inspection::New),
        },
        Some(found) if found > newest => Err(Error::NewerVersion { path: name.into(), found, newest }),
        Some(found) => {
            let is_sealed = unlock(connection, name, key)?.is_some();
            let rows = connection.query(LONG_CALL, &Step::new("SELECT count(*) FROM object", Vec::new()));
            let rows = rows.map_err(|why| failed(doing, why))?;
            let objects = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok()).map(i64::unsigned_abs);
            Ok(Inspection::Ours { objects, is_older: found < newest, is_sealed })
        }
    }
}

/// Returns the data key of the database called `name`, if it is sealed, without changing the database. An older version of the
/// schema has the same tables of objects and of server state.
///
/// # Errors
/// Returns an error if the database has no tables of this server or a newer schema, or if `key` is missing or wrong.
pub(super) fn existing(
    connection: &mut Connection,
    name: &str,
    steps: &[&str],
    key: Option<&KeyEncryptionKey>,
) -> Result<Option<DataKey>, Error> {
    let newest = version_of(steps);
    match version(connection).map_err(|why| failed("read the version of the database", why))? {
        None => {
            let why = std::io::Error::other("it contains no tables of this server");
            Err(Error::File { path: name.into(), why: why.into() })
        }
        Some(found) if found > newest => Err(Error::NewerVersion { path: name.into(), found, newest }),
        Some(_) => match wrapped_key(connection)? {
            Some(_) => unlock(connection, name, key),
            None => Ok(None),
        },
    }
}

/// Returns the data key of a sealed database.
fn unlock(
    connection: &mut Connection,
    name: &str,
    key: Option<&KeyEncryptionKey>,
) -> Result<Option<DataKey>, Error> {
    match (wrapped_key(connection)?, key) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::SealedTooLate { database: name.to_owned() }),
        (Some(_), None) => Err(Error::NeedsKey { path: name.into() }),
        (Some(wrapped), Some(key)) => key.open_database(&wrapped).map(Some),
    }
}

/// Returns the wrapped data key, or `None` if the database is not sealed.
fn wrapped_key(connection: &mut Connection) -> Result<Option<Vec<u8>>, Error> {
    let rows = connection.query(CALL, &Step::new("SELECT data_key FROM seal", Vec::new()));
    let rows = rows.map_err(|why| failed("read the key of the database", why))?;
    Ok(rows.first().and_then(|row| row.try_get(0).ok()))
}

/// Wraps the data key of the database called `name` with another key. Servers that run have the data key already.
///
/// # Errors
/// Returns [`Error::NotSealed`] or [`Error::Key`] if the database is not sealed with `old`.
pub(super) fn rewrap(
    connection: &mut Connection,
    name: &str,
    old: &KeyEncryptionKey,
    new: &KeyEncryptionKey,
) -> Result<(), Error> {
    let wrapped = wrapped_key(connection)?.ok_or(Error::NotSealed { path: name.into() })?;
    let changed = old.rewrap(&wrapped, new)?;
    // Only if no other process has changed the key meanwhile.
    let text = "UPDATE seal SET data_key = $1 WHERE data_key = $2 RETURNING only_row";
    let rows = connection.query(CALL, &Step::new(text, vec![Box::new(changed), Box::new(wrapped)]));
    let rows = rows.map_err(|why| failed("change the key of the database", why))?;
    if rows.is_empty() { Err(Error::Contended) } else { Ok(()) }
}
