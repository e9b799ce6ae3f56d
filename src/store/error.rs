//! The errors of the stores.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use super::Id;
use super::url_problem::UrlProblem;
use crate::private_file::Refusal;

/// A failure of the store. Clients learn only that the store failed; the log contains the reason.
///
/// The type is `Clone` because transactions that share a commit share its failure.
#[derive(Clone, Debug)]
pub enum Error {
    /// The bytes of a record cannot be read.
    Damaged {
        /// The object.
        id: Id,
        /// The first fault in the bytes.
        why: crate::ttlv::Error,
    },
    /// The checksum of a record does not match.
    Checksum {
        /// The object.
        id: Id,
    },
    /// The checksum of the server state does not match.
    ServerStateChecksum {
        /// The name of the state.
        name: String,
    },
    /// The store has no object with this number.
    Missing {
        /// The object.
        id: Id,
    },
    /// The store already has an object with this number.
    Taken {
        /// The object.
        id: Id,
    },
    /// The transaction is lost, because a commit failed that contained it or a transaction that it depends on.
    GroupLost,
    /// The store cannot be copied, restored and emptied.
    NoCopies,
    /// A key encryption key cannot be used.
    Key {
        /// The key file.
        path: PathBuf,
        /// The reason.
        why: KeyProblem,
    },
    /// The objects of the database are sealed, and no key is configured.
    NeedsKey {
        /// The database.
        path: PathBuf,
    },
    /// The objects of the database are not sealed.
    NotSealed {
        /// The database.
        path: PathBuf,
    },
    /// An object or a key cannot be encrypted or decrypted.
    Sealing,
    /// No read connection became free in time, or none could be opened.
    NoReader {
        /// The error of the connection pool.
        why: Cause,
    },
    /// A search takes too long while other transactions wait for it.
    SearchTooLong,
    /// The operating system refuses a thread.
    NoThread {
        /// The error of the operating system.
        why: Arc<io::Error>,
    },
    /// An SQLite operation failed.
    Sqlite {
        /// The operation.
        doing: &'static str,
        /// The error of SQLite.
        why: Cause,
    },
    /// The directory of the database file does not exist.
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system refuses access to the database file.
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        why: Arc<io::Error>,
    },
    /// Another user can read or replace the database file.
    NotPrivate {
        /// The reason.
        why: Arc<Refusal>,
    },
    /// The file is not an SQLite database.
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a database of PyKMIP's server.
    PykmipDatabase {
        /// The file.
        path: PathBuf,
    },
    /// A database of PyKMIP's server cannot be imported. It is unchanged.
    TakeOver {
        /// The file.
        path: PathBuf,
        /// The object that prevents the import, or `None` if the database itself does.
        object: Option<Id>,
        /// The reason.
        why: Obstacle,
    },
    /// The file is a database of another program.
    Foreign {
        /// The file.
        path: PathBuf,
        /// The application ID in its header; 0 if there is none.
        application: i32,
    },
    /// A newer version of this server wrote the database.
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i32,
        /// The newest schema version that this server supports.
        newest: i32,
    },
    /// Another server uses the database.
    Locked {
        /// The file.
        path: PathBuf,
        /// The process of that server, or `None` if it is not visible to this one.
        process: Option<u32>,
    },
    /// A file of the database was deleted or replaced while the server uses it.
    Replaced {
        /// The path, which no longer leads to the open file.
        path: PathBuf,
    },
    /// Another process has the database open.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// `database_path` is not a URL that names a PostgreSQL database.
    Url {
        /// The part that is not valid.
        why: UrlProblem,
    },
    /// The database server cannot be reached, or refuses the connection.
    Unreachable {
        /// The hosts and the database.
        database: String,
        /// The error of the connection.
        why: Cause,
    },
    /// A statement of a database server failed.
    Sql {
        /// The operation.
        doing: &'static str,
        /// The error of the statement.
        why: Cause,
    },
    /// The database did not confirm a commit.
    Uncertain {
        /// The reason.
        why: Cause,
    },
    /// Other changes of the same objects made every execution of a change invalid.
    Contended,
    /// The database contains a table of another program.
    ForeignTable {
        /// The hosts and the database.
        database: String,
        /// The table.
        table: String,
    },
    /// A row that the schema creates is missing.
    NotInitialized,
    /// The database was created without a key, and cannot be sealed any more.
    SealedTooLate {
        /// The hosts and the database.
        database: String,
    },
    /// The file system does not support the shared memory that write-ahead logging needs.
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
    },
}

/// The error of a library that the store uses.
#[derive(Clone)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl Cause {
    pub(super) fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reason why a key file cannot be used.
#[derive(Clone, Debug)]
pub enum KeyProblem {
    /// The file cannot be read.
    Unreadable(Arc<io::Error>),
    /// The file contains neither 32 bytes nor 64 hexadecimal digits.
    NotAKey,
    /// The database is sealed with another key.
    Wrong,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::NotAKey => f.write_str(
                "it contains neither 32 bytes nor 64 hexadecimal digits; write one with openssl rand -hex 32",
            ),
            Self::Wrong => {
                f.write_str("it is not the key that the database is sealed with; name the file of that key")
            }
        }
    }
}

/// A reason why a database of PyKMIP's server cannot be imported.
#[derive(Clone, Debug)]
pub enum Obstacle {
    /// SQLite reports that the file is damaged.
    Damaged(String),
    /// A table lacks a column that every version of PyKMIP creates.
    NoColumn {
        /// The table.
        table: &'static str,
        /// The missing column.
        column: &'static str,
    },
    /// A column has a value that PyKMIP never writes.
    Value {
        /// The column.
        column: String,
    },
    /// The object is not a valid managed object.
    Refused(crate::kmip::Error),
    /// The object could not be written to the store.
    NotStored(Box<Error>),
    /// The import was stopped.
    Stopped,
}

impl Error {
    pub(super) fn sqlite(doing: &'static str, why: rusqlite::Error) -> Self {
        Self::Sqlite { doing, why: Cause::new(why) }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(why) => write!(f, "the file is damaged ({why})"),
            Self::NoColumn { table, column } => write!(f, "its table {table} has no column {column}"),
            Self::Value { column } => write!(f, "its column {column} has a value that PyKMIP does not write"),
            Self::Refused(error) => error.fmt(f),
            Self::NotStored(error) => error.fmt(f),
            Self::Stopped => f.write_str("the import was stopped"),
        }
    }
}

impl Error {
    /// Writes an error about other users of a database file.
    fn fmt_of_use(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path, process } => {
                write!(f, "the database {} is used by another server", path.display())?;
                match process {
                    Some(process) => write!(f, ", the process {process}")?,
                    None => f.write_str(", in another container or of another user")?,
                }
                f.write_str("; stop that server, or set database_path to another file")
            }
            Self::Replaced { path } => write!(
                f,
                "the file {} of the database was deleted or replaced while the server uses it, so the server refuses \
                 changes; move the original file back, or stop the server and restore a backup",
                path.display()
            ),
            Self::InUse { path } => {
                write!(f, "the database {} is in use; stop the server that uses it first", path.display())
            }
            _ => Ok(()),
        }
    }

    /// Writes an error that only a database server causes.
    fn fmt_of_database_server(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { why } => write!(f, "database_path is not the URL of a PostgreSQL database: {why}"),
            Self::Unreachable { database, why } => write!(
                f,
                "the database {database} cannot be reached: {why}; check that it runs, database_path, and the password"
            ),
            Self::Sql { doing, why } => write!(f, "the store failed to {doing}: {why}"),
            Self::Uncertain { why } => write!(
                f,
                "the database did not confirm a commit ({why}); the change is stored completely or not at all: look for it \
                 before you send the request again"
            ),
            Self::Contended => f.write_str(
                "other requests changed the same objects during each execution of the change; send the request again",
            ),
            Self::ForeignTable { database, table } => write!(
                f,
                "{database} contains the table {table} of another program; it was not changed; name an empty database in \
                 database_path"
            ),
            Self::NotInitialized => {
                f.write_str("the database lacks a row that the server creates; restore it from a backup")
            }
            Self::SealedTooLate { database } => write!(
                f,
                "the objects of {database} are not sealed, and only a new PostgreSQL database can be: export them, and import \
                 them with key_encryption_key_path into an empty database"
            ),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { id, why } => {
                write!(f, "object {id} is damaged in the store: {why}; restore the database from a backup")
            }
            Self::Checksum { id } => write!(
                f,
                "object {id} is damaged in the store: its checksum does not match; restore the database from a backup"
            ),
            Self::ServerStateChecksum { name } => write!(
                f,
                "the server state {name:?} is damaged in the store: its checksum does not match; restore the database \
                 from a backup"
            ),
            Self::Missing { id } => write!(f, "the store has no object {id}"),
            Self::Taken { id } => write!(f, "the store already has an object {id}"),
            Self::GroupLost => f.write_str(
                "a commit failed that contained this change, or one that it depends on; send the request again",
            ),
            Self::NoCopies => f.write_str(
                "only a database in one file or in memory can be copied, restored and emptied; change database_path",
            ),
            Self::Key { path, why } => {
                write!(f, "the key encryption key {} cannot be used: {why}", path.display())
            }
            Self::NeedsKey { path } => write!(
                f,
                "the objects of {} are sealed; set key_encryption_key_path to the file of their key",
                path.display()
            ),
            Self::NotSealed { path } => write!(
                f,
                "the objects of {} are not sealed; to seal them, start the server with key_encryption_key_path",
                path.display()
            ),
            Self::Sealing => f.write_str("an object or a key could not be encrypted or decrypted"),
            Self::NoReader { why } => write!(f, "the store has no free connection to read with: {why}"),
            Self::SearchTooLong => f.write_str("a search took too long while other changes waited for it"),
            Self::Sqlite { doing, why } => write!(f, "the store failed to {doing}: {why}"),
            Self::NoDirectory { path } => write!(
                f,
                "the directory of the database does not exist: {}; create it, or change database_path",
                path.display()
            ),
            Self::File { path, why } => write!(f, "the database {} cannot be used: {why}", path.display()),
            Self::NotPrivate { why } => write!(f, "the database is not used, because {why}"),
            Self::NotADatabase { path } => write!(
                f,
                "{} is not a database; it was not changed; set database_path to another file",
                path.display()
            ),
            Self::PykmipDatabase { path } => write!(
                f,
                "{} is a database of PyKMIP's server; it was not changed; start the server on it once to import it",
                path.display()
            ),
            Self::TakeOver { path, object, why } => {
                write!(f, "the database of PyKMIP's server in {} cannot be taken over: ", path.display())?;
                if let Some(id) = object {
                    write!(f, "object {id}: ")?;
                }
                write!(f, "{why}; the database was not changed")
            }
            Self::Foreign { path, application } => write!(
                f,
                "{} is a database of another program (application id {application:#010X}); it was not changed; set \
                 database_path to another file",
                path.display()
            ),
            Self::NewerVersion { path, found, newest } => write!(
                f,
                "{} has the version {found} of a newer server; this server supports versions up to {newest}: \
                 upgrade it, or restore a backup of the older version",
                path.display()
            ),
            Self::NoThread { why } => write!(
                f,
                "no thread could be started for the store: {why}; raise the limit of threads"
            ),
            Self::Locked { .. } | Self::Replaced { .. } | Self::InUse { .. } => self.fmt_of_use(f),
            Self::Url { .. }
            | Self::Unreachable { .. }
            | Self::Sql { .. }
            | Self::Uncertain { .. }
            | Self::Contended
            | Self::ForeignTable { .. }
            | Self::NotInitialized
            | Self::SealedTooLate { .. } => self.fmt_of_database_server(f),
            Self::NoWriteAheadLog { path } => write!(
                f,
                "the database {} is on a file system without shared memory, which SQLite's write-ahead log needs; \
                 move it to a local disk",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Damaged { why, .. } => Some(why),
            Self::NoReader { why }
            | Self::Sqlite { why, .. }
            | Self::Unreachable { why, .. }
            | Self::Sql { why, .. }
            | Self::Uncertain { why } => Some(&*why.0),
            Self::File { why, .. }
            | Self::NoThread { why }
            | Self::Key { why: KeyProblem::Unreadable(why), .. } => Some(&**why),
            Self::TakeOver { why: Obstacle::Refused(error), .. } => Some(error),
            Self::TakeOver { why: Obstacle::NotStored(error), .. } => Some(&**error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn reports_the_error_of_sqlite_as_text_and_as_source() {
        let error = Error::sqlite("COMMIT", rusqlite::Error::InvalidQuery);
        assert_eq!(
            error.to_string(),
            format!("the store failed to COMMIT: {}", rusqlite::Error::InvalidQuery)
        );
        let source = error.source().unwrap();
        assert_eq!(source.downcast_ref::<rusqlite::Error>(), Some(&rusqlite::Error::InvalidQuery));
    }
}
