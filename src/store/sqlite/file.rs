//! The database file: the checks before it is opened, and the configuration of connections.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::open_files::beside;
use super::schema::{self, Step};
use super::search_time;
use crate::private_file::{self, MODE};
use crate::store::{Error, LOG, columns};

/// The maximum time that a statement waits for a lock of another process, such as a backup. The threads of this
/// server do not wait for each other here.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// The maximum time to wait for exclusive access: a server that is stopping exits within this time.
const ALONE: Duration = Duration::from_secs(1);

/// The page cache of an exclusive connection in KiB: an import changes many pages of the indexes of a large store.
const ALONE_CACHE_KIB: i64 = 65_536;

/// The number of prepared statements that each connection caches: the fixed ones, and the query plans in use.
const STATEMENTS: usize = 64;

/// The page cache of the write connection in KiB: enough for the upper levels of all indexes of a large store.
const WRITER_CACHE_KIB: i64 = 4096;

/// The page cache of a connection that reads every object once, in KiB.
const SNAPSHOT_CACHE_KIB: i64 = 512;

/// The SQL function for criteria without column and index: `has_value(attributes, value)`.
const HAS_VALUE: &str = "has_value";

/// The tables by which a database of PyKMIP's server is recognized.
const PYKMIP_TABLES: [&str; 3] = ["managed_objects", "crypto_objects", "keys"];

/// The endings of the names of the files that SQLite creates beside the database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Opens the write connection to the file at `path`. A missing or empty file becomes a new database, an older database
/// is migrated, and any other file is refused without a change.
///
/// # Errors
/// Returns an error that states what the file is, or why the operating system or SQLite refuses it.
pub(super) fn open_writer(path: &Path, steps: &[Step]) -> Result<Connection, Error> {
    if create_if_missing(path)? {
        refuse_if_foreign(path, steps)?;
    }
    let opening = |why| Error::sqlite("open the database", why);
    let database = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "").map_err(opening)?;
    set_up_writer(&database).map_err(opening)?;
    migrate(path, database, steps)
}

/// Opens a write connection as [`open_writer`] does, with exclusive access to the file.
///
/// # Errors
/// Returns [`Error::InUse`] if another process has the file open, and the errors of [`open_writer`].
pub(super) fn open_alone(path: &Path, steps: &[Step]) -> Result<Connection, Error> {
    if create_if_missing(path)? {
        refuse_if_foreign(path, steps)?;
    }
    let opening = |why| Error::sqlite("open the database", why);
    let database = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "").map_err(opening)?;
    set_up_writer(&database).map_err(opening)?;
    database.busy_timeout(ALONE).map_err(opening)?;
    // Before the first read: a connection that has read in shared mode stays in it.
    database.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(opening)?;
    database.pragma_update(None, "cache_size", -ALONE_CACHE_KIB).map_err(opening)?;
    database.execute_batch("BEGIN EXCLUSIVE; COMMIT").map_err(|why| match why.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::InUse { path: path.to_owned() },
        _ => opening(why),
    })?;
    migrate(path, database, steps)
}

/// Opens a connection that reads one snapshot of the database at `path`. It creates and migrates nothing, and does not
/// block writers.
///
/// # Errors
/// Returns an error if the file is missing, and the errors of [`open_writer`].
pub(super) fn open_snapshot(path: &Path, steps: &[Step]) -> Result<Connection, Error> {
    let failed = |why| Error::File { path: path.to_owned(), why: Arc::new(why) };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(ErrorKind::IsADirectory.into()));
    }
    refuse_if_foreign(path, steps)?;
    let opening = |why| Error::sqlite("open the database", why);
    // Read-write, because only then the last connection that closes checkpoints the write-ahead log.
    let database = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "").map_err(opening)?;
    set_up_reader(&database, SNAPSHOT_CACHE_KIB).map_err(opening)?;
    database.execute_batch("BEGIN").map_err(opening)?;
    // The first read of a table takes the snapshot.
    refuse_stamps(path, &database, steps)?;
    let (_, version) = schema::stamps(&database).map_err(opening)?;
    if version < schema::version_of(steps) {
        // The migration runs in a transaction that is never committed.
        database.execute_batch("ROLLBACK; BEGIN IMMEDIATE").map_err(opening)?;
        refuse_stamps(path, &database, steps)?;
        let (_, version) = schema::stamps(&database).map_err(opening)?;
        let outdated = |why| Error::sqlite("read a database of an older version", why);
        schema::advance(&database, steps, version).map_err(outdated)?;
    }
    database.pragma_update(None, "query_only", true).map_err(opening)?;
    Ok(database)
}

fn migrate(path: &Path, mut database: Connection, steps: &[Step]) -> Result<Connection, Error> {
    // The earlier check read the file without its write-ahead log, which may contain a newer version. By now SQLite has
    // also rolled back a transaction that a crash interrupted.
    refuse_stamps(path, &database, steps)?;
    schema::migrate(&mut database, steps)
        .map_err(|why| Error::sqlite("bring the database up to date", why))?;
    let mode: String = database
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|why| Error::sqlite("switch the database to write-ahead logging", why))?;
    if mode != "wal" {
        return Err(Error::NoWriteAheadLog { path: path.to_owned() });
    }
    Ok(database)
}

/// Returns the URI and the flags of a read connection to the file at `path`.
pub(super) fn reader(path: &Path) -> (String, OpenFlags) {
    (uri(path, ""), flags(OpenFlags::SQLITE_OPEN_READ_ONLY))
}

/// Configures a read connection with a page cache of `cache_kib` KiB.
pub(super) fn set_up_reader(database: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    set_up(database, cache_kib)?;
    search_time::watch(database)
}

/// Configures the write connection.
pub(super) fn set_up_writer(database: &Connection) -> rusqlite::Result<()> {
    set_up(database, WRITER_CACHE_KIB)?;
    // A commit is flushed when it returns, not only at the next checkpoint.
    database.pragma_update(None, "synchronous", "FULL")?;
    // Deleted content, such as a destroyed key, is overwritten with zeros.
    database.pragma_update(None, "secure_delete", "ON")?;
    // A statement journal may contain keys, so it must not be a temporary file.
    database.pragma_update(None, "temp_store", "MEMORY")
}

fn set_up(database: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    database.busy_timeout(BUSY)?;
    database.set_prepared_statement_cache_capacity(STATEMENTS);
    database.pragma_update(None, "cache_size", -cache_kib)?;
    // Each query names its access path. Without this setting, SQLite prepares a statement again when its parameters
    // change, to choose a path by their values.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The schema of the file is not trusted: it must not call functions.
    database.pragma_update(None, "trusted_schema", false)?;
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    database.create_scalar_function(HAS_VALUE, 2, flags, |call| {
        let (attributes, value) = (call.get_raw(0).as_blob()?, call.get_raw(1).as_blob()?);
        if search_time::is_over_after(attributes.len()) {
            return Err(rusqlite::Error::UserFunctionError("the search has used up its time".into()));
        }
        columns::has_value(attributes, value).map_err(|why| rusqlite::Error::UserFunctionError(why.into()))
    })
}

/// Makes the files of the database private, and creates an empty file if it is missing. SQLite copies the mode to the
/// files that it creates beside the database. Returns whether the file has content.
pub(super) fn create_if_missing(path: &Path) -> Result<bool, Error> {
    let failed = |why| Error::File { path: path.to_owned(), why: Arc::new(why) };
    claim(path)?;
    let size = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => return Err(failed(ErrorKind::IsADirectory.into())),
        Err(why) if why.kind() == ErrorKind::NotFound => {
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            if let Some(directory) = directory.filter(|directory| !directory.exists()) {
                return Err(Error::NoDirectory { path: directory.to_owned() });
            }
            create(path).map_err(failed)?;
            0
        }
        Err(why) => return Err(failed(why)),
    };
    Ok(size > 0)
}

/// Makes the database at `path` and the files beside it private. Of the database of another user, root gets a warning.
fn claim(path: &Path) -> Result<(), Error> {
    let claim =
        |path: &Path| private_file::claim(path).map_err(|why| Error::NotPrivate { why: Arc::new(why) });
    if let Some(owner) = claim(path)? {
        log::warn!(
            target: LOG,
            "The database {} belongs to the user {owner}, who can read it. Run the server as that user, or give the file \
             to root.",
            path.display()
        );
    }
    // SQLite uses a file beside the database that exists, with its mode.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    BESIDE.iter().try_for_each(|ending| claim(&beside(&target, ending)).map(drop))
}

fn create(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    // The umask may have removed bits of the mode.
    file.set_permissions(Permissions::from_mode(MODE))
}

/// Refuses a file that is not a database of this server. The check is read-only, takes no locks and ignores the
/// write-ahead log.
pub(super) fn refuse_if_foreign(path: &Path, steps: &[Step]) -> Result<(), Error> {
    let failed = |why: rusqlite::Error| match why.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotADatabase { path: path.to_owned() },
        _ => Error::sqlite("inspect the database", why),
    };
    let database = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, "?immutable=1").map_err(failed)?;
    // Without this pragma, SQLite refuses a file that is shorter than its header states, as a crash can leave it.
    database.pragma_update(None, "writable_schema", true).map_err(failed)?;
    let (application, _) = schema::stamps(&database).map_err(failed)?;
    if application != schema::APPLICATION {
        let recognize =
            "SELECT count(*) = 3 FROM sqlite_schema WHERE type = 'table' AND name IN (?1, ?2, ?3)";
        let pykmip = database.query_row(recognize, PYKMIP_TABLES, |row| row.get(0)).map_err(failed)?;
        let path = path.to_owned();
        return Err(if pykmip {
            Error::PykmipDatabase { path }
        } else {
            Error::Foreign { path, application }
        });
    }
    refuse_stamps(path, &database, steps)
}

/// Refuses a database with the application ID of another program or with a newer version.
pub(super) fn refuse_stamps(path: &Path, database: &Connection, steps: &[Step]) -> Result<(), Error> {
    let failed = |why| Error::sqlite("inspect the database", why);
    let (application, version) = schema::stamps(database).map_err(failed)?;
    if application != schema::APPLICATION && !schema::is_empty(database).map_err(failed)? {
        return Err(Error::Foreign { path: path.to_owned(), application });
    }
    let newest = schema::version_of(steps);
    if version > newest {
        return Err(Error::NewerVersion { path: path.to_owned(), found: version, newest });
    }
    Ok(())
}

/// Opens a connection to the existing file at `path`.
pub(super) fn connect(path: &Path, mode: OpenFlags, query: &str) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(uri(path, query), flags(mode))
}

/// Returns the flags of a connection. One thread at a time uses a connection, so SQLite need not lock it. SQLite must
/// not create the file, because it would choose the mode.
fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Returns the path as a URI. SQLite interprets a plain name that starts with `file:` as a URI, and `:memory:` as no file.
fn uri(path: &Path, query: &str) -> String {
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "file:" });
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str(query);
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_every_path_as_a_file_uri() {
        let uris = [
            ("/var/a b?.db", "file:///var/a%20b%3F.db"),
            ("//x/y", "file:////x/y"),
            (":memory:", "file:%3Amemory%3A"),
            ("file:x#1", "file:file%3Ax%231"),
        ];
        for (path, expected) in uris {
            assert_eq!(uri(Path::new(path), ""), expected);
        }
    }
}
