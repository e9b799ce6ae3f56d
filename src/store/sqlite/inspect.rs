//! Inspects a database file without changing it, as `--check-config` needs.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::open_files::beside;
use super::pykmip_import::{self, Complete};
use super::{file, rows, schema, seal};
use crate::private_file;
use crate::secret::Secret;
use crate::store::Error;
use crate::store::sealing::{DataKey, KeyEncryptionKey};

/// The result of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// There is no database: a server would create one.
    New,
    /// A store of this server.
    Ours {
        /// The number of objects, or `None` if a crash left a write-ahead log that only a writer can recover.
        objects: Option<u64>,
        /// Whether an older version wrote it, so that a server would migrate it.
        is_older: bool,
        /// Whether the objects are sealed.
        is_sealed: bool,
    },
    /// A database of PyKMIP's server, which a server would import.
    Pykmip {
        /// The number of objects.
        objects: u64,
    },
}

/// Inspects the file at `path`, which a server opens with `key`.
///
/// # Errors
/// Returns the error that a server would report that starts on the file.
pub fn inspect(
    path: &Path,
    key: Option<&KeyEncryptionKey>,
    complete: Complete<'_>,
) -> Result<Inspection, Error> {
    private_file::inspect(path).map_err(|why| Error::NotPrivate { why: Arc::new(why) })?;
    let failed = |why| Error::File { path: path.to_owned(), why: Arc::new(why) };
    match fs::metadata(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => {
            return check_directory(path).map(|()| Inspection::New);
        }
        Err(why) => return Err(failed(why)),
        Ok(metadata) if !metadata.is_file() => return Err(failed(ErrorKind::IsADirectory.into())),
        Ok(metadata) => {
            private_file::check_writable(path).map_err(failed)?;
            if metadata.len() == 0 {
                return Ok(Inspection::New);
            }
        }
    }
    match file::refuse_if_foreign(path, schema::STEPS) {
        Err(Error::PykmipDatabase { .. }) => {
            return pykmip_import::check(path, complete).map(|objects| Inspection::Pykmip { objects });
        }
        other => other?,
    }
    check_directory(path)?;
    let Opened { database, is_complete, is_older, key } = open(path, key)?;
    let failed = |why| Error::sqlite("inspect the database", why);
    let objects = if is_complete { Some(count(&database).map_err(failed)?) } else { None };
    Ok(Inspection::Ours { objects, is_older, is_sealed: key.is_some() })
}

/// Returns the server state with this name in the store at `path`, which [`inspect`] has found, or `None`.
///
/// # Errors
/// Returns the error that a server would report that starts on the file.
pub fn inspect_server_state(
    path: &Path,
    key: Option<&KeyEncryptionKey>,
    name: &str,
) -> Result<Option<Secret>, Error> {
    let Opened { database, is_older, key, .. } = open(path, key)?;
    if !is_older {
        return rows::server_state(&database, name, key.as_ref());
    }
    let found = rows::server_state_before_migration(&database, name);
    match (found.map_err(|why| Error::sqlite("inspect the database", why))?, key) {
        (Some(value), Some(key)) => key.open_server_state(name, &value).map(Some),
        (value, _) => Ok(value),
    }
}

/// A store that was opened to inspect it.
struct Opened {
    database: Connection,
    /// Whether the connection reads all commits.
    is_complete: bool,
    /// Whether an older version wrote it.
    is_older: bool,
    /// The data key of a sealed store.
    key: Option<DataKey>,
}

fn open(path: &Path, key: Option<&KeyEncryptionKey>) -> Result<Opened, Error> {
    let failed = |why| Error::sqlite("inspect the database", why);
    // The write-ahead log contains commits that are not in the file yet. It can be read together with the shared
    // memory file, which exists while a server runs and after a crash. Otherwise the file is complete.
    let (has_log, has_index) = (is_filled(path, "-wal"), is_filled(path, "-shm"));
    let query = if has_log && has_index { "" } else { "?immutable=1" };
    let database = file::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, query).map_err(failed)?;
    file::refuse_stamps(path, &database, schema::STEPS)?;
    let (_, version) = schema::stamps(&database).map_err(failed)?;
    let key = match (seal::wrapped_key(&database)?, key) {
        (None, _) => None,
        (Some(wrapped), Some(key)) => Some(key.open_database(&wrapped)?),
        (Some(_), None) => return Err(Error::NeedsKey { path: path.to_owned() }),
    };
    let is_older = version < schema::version_of(schema::STEPS);
    Ok(Opened { database, is_complete: has_index || !has_log, is_older, key })
}

fn count(database: &Connection) -> rusqlite::Result<u64> {
    let count = database.query_row("SELECT count(*) FROM object", [], |row| row.get::<_, i64>(0));
    count.map(i64::unsigned_abs)
}

/// Checks that the server can create files in the directory of the database.
fn check_directory(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        return Err(Error::NoDirectory { path: folder.to_owned() });
    }
    private_file::check_folder(folder)
        .map_err(|why| Error::File { path: path.to_owned(), why: Arc::new(why) })
}

fn is_filled(path: &Path, suffix: &str) -> bool {
    fs::metadata(beside(path, suffix)).is_ok_and(|metadata| metadata.len() > 0)
}
