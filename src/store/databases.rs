//! The choice between the databases by `database_path`, for the commands that need no server.

use std::path::Path;
#[cfg(feature = "postgres")]
use std::time::Duration;

use super::fault::Fault;
#[cfg(feature = "postgres")]
use super::postgres::{self, Postgres};
use super::sealing::KeyEncryptionKey;
use super::sqlite::{self, Dump, Restore, Sqlite};
use super::transfer::{Source, Target};
use super::{Error, is_url};

/// The maximum time to wait for a PostgreSQL database.
#[cfg(feature = "postgres")]
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(not(feature = "postgres"))]
const UNSUPPORTED: Error = Error::Url { why: super::UrlProblem::Unsupported };

/// Opens a snapshot of the store that `database_path` names. It contains every transaction that was acknowledged before.
///
/// # Errors
/// Returns the errors of [`Dump::open`], and an error if a PostgreSQL database has no tables of this server.
pub fn source(path: &Path, key: Option<&KeyEncryptionKey>) -> Result<Box<dyn Source>, Error> {
    if !is_url(path) {
        return Ok(Box::new(Dump::open(path, key)?));
    }
    #[cfg(feature = "postgres")]
    return Ok(Box::new(postgres::Dump::open(path, key, PATIENCE)?));
    #[cfg(not(feature = "postgres"))]
    Err(UNSUPPORTED)
}

/// Begins a transaction on the store that `database_path` names. A missing file is created, and so are the tables of an empty
/// PostgreSQL database.
///
/// # Errors
/// Returns the errors of [`Restore::open`], and those of a start on a PostgreSQL database.
pub fn target(path: &Path, key: Option<&KeyEncryptionKey>) -> Result<Box<dyn Target>, Error> {
    if !is_url(path) {
        return Ok(Box::new(Restore::open(path, key)?));
    }
    #[cfg(feature = "postgres")]
    return Ok(Box::new(postgres::Restore::open(path, key, PATIENCE)?));
    #[cfg(not(feature = "postgres"))]
    Err(UNSUPPORTED)
}

/// Verifies every record of the database that `path` names, while servers may use it, and changes nothing. `key` is not used if
/// the objects are not sealed. Passes each fault to `report`, and returns the number of objects.
///
/// # Errors
/// Returns an error if there is no database of this server, if it is sealed with another key, or if it cannot be read at all.
pub fn check(
    path: &Path,
    key: Option<&KeyEncryptionKey>,
    report: &mut dyn FnMut(&Fault),
) -> Result<u64, Error> {
    if !is_url(path) {
        return sqlite::check(path, key, report);
    }
    #[cfg(feature = "postgres")]
    return postgres::check(path, key, PATIENCE, report);
    #[cfg(not(feature = "postgres"))]
    Err(UNSUPPORTED)
}

/// Replaces the key encryption key `old` of the sealed database that `database_path` names by `new`. The change is atomic, and
/// servers may use the database meanwhile.
///
/// # Errors
/// Returns [`Error::NotSealed`] or [`Error::Key`] if the database is not sealed with `old`, and an error if the database
/// cannot be used.
pub fn change_key(path: &Path, old: &KeyEncryptionKey, new: &KeyEncryptionKey) -> Result<(), Error> {
    if !is_url(path) {
        return Sqlite::change_key(path, old, new);
    }
    #[cfg(feature = "postgres")]
    return Postgres::change_key(path, old, new, PATIENCE);
    #[cfg(not(feature = "postgres"))]
    Err(UNSUPPORTED)
}
