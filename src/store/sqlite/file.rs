//! The database file: what it has to be before anything of ours touches it, and how connections to it are
//! set up.

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

use super::columns;
use super::schema::{self, Step};
use crate::store::Error;

/// Who may read and write a file that holds keys: its owner. SQLite gives the files that it puts beside
/// the database (`-wal`, `-shm`, `-journal`) the mode of the database.
const MODE: u32 = 0o600;

/// How long a statement waits for a lock that another process holds, such as a backup. Our own threads
/// never wait for each other here.
const BUSY: Duration = Duration::from_secs(10);

/// How long whoever needs the file for himself waits for others to leave it: a server that stops is gone by then.
const ALONE: Duration = Duration::from_secs(1);

/// What he keeps in memory of it, in KiB: a large store grows at many places of its indexes at once.
const ALONE_CACHE_KIB: i64 = 65_536;

/// Prepared statements kept by each connection: the fixed ones, and the shapes of query that are in use.
const STATEMENTS: usize = 64;

/// Pages that the writer keeps in memory, in KiB: the upper levels of all indexes of a large store.
const WRITER_CACHE_KIB: i64 = 4096;

/// The same for one that reads everything once.
const SNAPSHOT_CACHE_KIB: i64 = 512;

/// The function that criteria without column and index ask: `has_value(attributes, value)`.
const HAS_VALUE: &str = "has_value";

/// Tables that tell the database of the server that this one replaces.
const PYKMIP_TABLES: [&str; 3] = ["managed_objects", "crypto_objects", "keys"];

/// The connection that writes, to the file at `path`: made where it is missing or empty, brought to the
/// newest version where it is older, refused without a change to it where it is anything else.
///
/// # Errors
/// What the file is instead, and whatever the operating system or SQLite finds wrong with it.
pub(super) fn open_writer(path: &Path, steps: &[Step]) -> Result<Connection, Error> {
    if make_sure_it_exists(path)? {
        refuse_if_foreign(path, steps)?;
    }
    let opening = |why| Error::sqlite("open the database", why);
    let database = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "").map_err(opening)?;
    set_up_writer(&database).map_err(opening)?;
    bring_up_to_date(path, database, steps)
}

/// The same, for somebody who needs the file for himself alone.
///
/// # Errors
/// As [`open_writer`], and [`Error::InUse`] where somebody else has the file open.
pub(super) fn open_alone(path: &Path, steps: &[Step]) -> Result<Connection, Error> {
    if make_sure_it_exists(path)? {
        refuse_if_foreign(path, steps)?;
    }
    let opening = |why| Error::sqlite("open the database", why);
    let database = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "").map_err(opening)?;
    set_up_writer(&database).map_err(opening)?;
    database.busy_timeout(ALONE).map_err(opening)?;
    // Before anything is read: a connection that has begun to share the file goes on with it.
    database.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(opening)?;
    database.pragma_update(None, "cache_size", -ALONE_CACHE_KIB).map_err(opening)?;
    database.execute_batch("BEGIN EXCLUSIVE; COMMIT").map_err(|why| match why.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::InUse { path: path.to_owned() },
        _ => opening(why),
    })?;
    bring_up_to_date(path, database, steps)
}

/// A connection to the file at `path`, which has to be a store of ours, that reads one snapshot of it: nothing is
/// made or brought up to date, and whoever writes meanwhile is not held up.
///
/// # Errors
/// As [`open_writer`].
pub(super) fn open_snapshot(path: &Path, steps: &[Step]) -> Result<Connection, Error> {
    let failed = |why| Error::File { path: path.to_owned(), why: Arc::new(why) };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(ErrorKind::IsADirectory.into()));
    }
    refuse_if_foreign(path, steps)?;
    let opening = |why| Error::sqlite("open the database", why);
    // With the right to write, as only so the last one to close the file puts its log away.
    let database = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "").map_err(opening)?;
    set_up_reader(&database, SNAPSHOT_CACHE_KIB).map_err(opening)?;
    database.execute_batch("BEGIN").map_err(opening)?;
    // The first look at a table takes the snapshot.
    refuse_stamps(path, &database, steps)?;
    let (_, version) = schema::stamps(&database).map_err(opening)?;
    if version < schema::version_of(steps) {
        // Brought up to date in a transaction that never ends well: nothing of it stays.
        database.execute_batch("ROLLBACK; BEGIN IMMEDIATE").map_err(opening)?;
        refuse_stamps(path, &database, steps)?;
        let (_, version) = schema::stamps(&database).map_err(opening)?;
        let outdated = |why| Error::sqlite("read a database of an older version", why);
        schema::advance(&database, steps, version).map_err(outdated)?;
    }
    database.pragma_update(None, "query_only", true).map_err(opening)?;
    Ok(database)
}

fn bring_up_to_date(path: &Path, mut database: Connection, steps: &[Step]) -> Result<Connection, Error> {
    // What was read above was the file alone. A transaction that a crash cut off is undone by now, and a
    // newer version may have been in the write-ahead log.
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

/// How a reader opens the file at `path`: the name for SQLite, the flags for it.
pub(super) fn reader(path: &Path) -> (String, OpenFlags) {
    (uri(path, ""), flags(OpenFlags::SQLITE_OPEN_READ_ONLY))
}

/// Sets a new reader up, with so many KiB of pages in memory.
pub(super) fn set_up_reader(database: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    set_up(database, cache_kib)
}

/// Sets the connection that writes up.
pub(super) fn set_up_writer(database: &Connection) -> rusqlite::Result<()> {
    set_up(database, WRITER_CACHE_KIB)?;
    // A commit is on the disk when it returns, not only after the next checkpoint.
    database.pragma_update(None, "synchronous", "FULL")?;
    // What a destroyed key leaves in a page is overwritten with zeros, in free pages too.
    database.pragma_update(None, "secure_delete", "ON")?;
    // A savepoint keeps the pages it changes. They hold keys, and temporary files are outside of our care.
    database.pragma_update(None, "temp_store", "MEMORY")
}

fn set_up(database: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    database.busy_timeout(BUSY)?;
    database.set_prepared_statement_cache_capacity(STATEMENTS);
    database.pragma_update(None, "cache_size", -cache_kib)?;
    // Every question is told its way, so values need not be looked at for one: with them, each would be prepared
    // anew for each value.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Nothing in the file itself is to be trusted more than its bytes: no functions in its schema.
    database.pragma_update(None, "trusted_schema", false)?;
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    database.create_scalar_function(HAS_VALUE, 2, flags, |call| {
        let (attributes, value) = (call.get_raw(0).as_blob()?, call.get_raw(1).as_blob()?);
        columns::has_value(attributes, value).map_err(|why| rusqlite::Error::UserFunctionError(why.into()))
    })
}

/// Makes a missing file, empty; tells whether there is anything in it already.
fn make_sure_it_exists(path: &Path) -> Result<bool, Error> {
    let failed = |why| Error::File { path: path.to_owned(), why: Arc::new(why) };
    let size = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => return Err(failed(ErrorKind::IsADirectory.into())),
        Err(why) if why.kind() == ErrorKind::NotFound => {
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            if let Some(directory) = directory.filter(|directory| !directory.exists()) {
                return Err(Error::NoDirectory { path: directory.to_owned() });
            }
            make(path).map_err(failed)?;
            0
        }
        Err(why) => return Err(failed(why)),
    };
    if size == 0 {
        // An empty file may belong to somebody else who gave us the right to write to it; then its mode is
        // theirs to choose.
        let _ = fs::set_permissions(path, Permissions::from_mode(MODE));
    }
    Ok(size > 0)
}

fn make(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    // The umask may have taken bits away that we need.
    file.set_permissions(Permissions::from_mode(MODE))
}

/// Looks at the file in a way that leaves no trace: read-only, without locks, without its log.
pub(super) fn refuse_if_foreign(path: &Path, steps: &[Step]) -> Result<(), Error> {
    let looking = |why: rusqlite::Error| match why.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotADatabase { path: path.to_owned() },
        _ => Error::sqlite("look at the database", why),
    };
    let database = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, "?immutable=1").map_err(looking)?;
    // A file that a crash cut off is shorter than its header says; that is no reason not to look at the header.
    database.pragma_update(None, "writable_schema", true).map_err(looking)?;
    let (application, _) = schema::stamps(&database).map_err(looking)?;
    if application != schema::APPLICATION {
        let marks = "SELECT count(*) = 3 FROM sqlite_schema WHERE type = 'table' AND name IN (?1, ?2, ?3)";
        let pykmip = database.query_row(marks, PYKMIP_TABLES, |row| row.get(0)).map_err(looking)?;
        let path = path.to_owned();
        return Err(if pykmip {
            Error::PykmipDatabase { path }
        } else {
            Error::Foreign { path, application }
        });
    }
    refuse_stamps(path, &database, steps)
}

pub(super) fn refuse_stamps(path: &Path, database: &Connection, steps: &[Step]) -> Result<(), Error> {
    let looking = |why| Error::sqlite("look at the database", why);
    let (application, version) = schema::stamps(database).map_err(looking)?;
    if application != schema::APPLICATION && !schema::is_empty(database).map_err(looking)? {
        return Err(Error::Foreign { path: path.to_owned(), application });
    }
    let newest = schema::version_of(steps);
    if version > newest {
        return Err(Error::NewerVersion { path: path.to_owned(), found: version, newest });
    }
    Ok(())
}

/// A connection to the file at `path`, which has to be there.
pub(super) fn connect(path: &Path, mode: OpenFlags, query: &str) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(uri(path, query), flags(mode))
}

/// A connection is used by one thread at a time, so SQLite need not lock it. It must not make the file: we do.
fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// The path as a URI. SQLite takes a bare name that looks like a URI for one, and `:memory:` for no file.
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
    fn every_path_is_a_file_to_sqlite() {
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
