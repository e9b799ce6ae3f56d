//! What a file would be to a server that starts on it, found out without a change to it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use super::pykmip_import::{self, Complete};
use super::{file, schema, seal};
use crate::store::Error;
use crate::store::sealing::{KeyEncryptionKey, Sealing};

/// What a server would find, and do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// Nothing: it would make a new store.
    New,
    /// A store.
    Ours {
        /// How many objects it has; none where that cannot be told without a change: a crash left something to do.
        objects: Option<u64>,
        /// Whether an older version wrote it, so that it would be brought up to date.
        is_older: bool,
        /// Whether the objects are sealed.
        is_sealed: bool,
    },
    /// A database of PyKMIP's server, which would be taken over.
    Pykmip {
        /// How many objects it has.
        objects: u64,
    },
}

/// Looks at the file at `path`, which a server opens with `key`.
///
/// # Errors
/// Those of a server that starts on it.
pub fn inspect(
    path: &Path,
    key: Option<&KeyEncryptionKey>,
    complete: Complete<'_>,
) -> Result<Inspection, Error> {
    let failed = |why| Error::File { path: path.to_owned(), why: Arc::new(why) };
    match fs::metadata(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => {
            return look_at_folder(path).map(|()| Inspection::New);
        }
        Err(why) => return Err(failed(why)),
        Ok(metadata) if !metadata.is_file() => return Err(failed(ErrorKind::IsADirectory.into())),
        Ok(metadata) => {
            access(path, Access::READ_OK | Access::WRITE_OK).map_err(|why| failed(why.into()))?;
            if metadata.len() == 0 {
                return Ok(Inspection::New);
            }
        }
    }
    match file::refuse_if_foreign(path, schema::STEPS) {
        Err(Error::PykmipDatabase { .. }) => {
            return pykmip_import::try_out(path, complete).map(|objects| Inspection::Pykmip { objects });
        }
        other => other?,
    }
    look_at_folder(path)?;
    let looking = |why| Error::sqlite("look at the database", why);
    // The log holds what the file does not have yet. It can be read with what SQLite keeps beside it, which is there
    // while a server runs and after a crash; elsewhere the file is whole.
    let (has_log, has_index) = (is_filled(path, "-wal"), is_filled(path, "-shm"));
    let query = if has_log && has_index { "" } else { "?immutable=1" };
    let database = file::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, query).map_err(looking)?;
    file::refuse_stamps(path, &database, schema::STEPS)?;
    let (_, version) = schema::stamps(&database).map_err(looking)?;
    let is_sealed = match (seal::wrapped_key(&database)?, key) {
        (None, _) => false,
        (Some(wrapped), Some(key)) => key.open(Sealing::Database, &wrapped).map(|_| true)?,
        (Some(_), None) => return Err(Error::NeedsKey { path: path.to_owned() }),
    };
    let objects = if has_log && !has_index { None } else { Some(count(&database).map_err(looking)?) };
    Ok(Inspection::Ours { objects, is_older: version < schema::version_of(schema::STEPS), is_sealed })
}

fn count(database: &Connection) -> rusqlite::Result<u64> {
    let count = database.query_row("SELECT count(*) FROM object", [], |row| row.get::<_, i64>(0));
    count.map(i64::unsigned_abs)
}

/// The folder of the database, in which files come and go.
fn look_at_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        return Err(Error::NoDirectory { path: folder.to_owned() });
    }
    let allowed = access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from);
    allowed.map_err(|why| Error::File { path: path.to_owned(), why: Arc::new(why) })
}

fn is_filled(path: &Path, ending: &str) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    fs::metadata(PathBuf::from(name)).is_ok_and(|metadata| metadata.len() > 0)
}
