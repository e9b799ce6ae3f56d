//! Where managed objects are kept: one trait, and what runs behind it.
//!
//! A [`Store`] answers reads from a snapshot and without waiting for writers. A change runs in a
//! [`Transaction`]: all of it is kept, and is on the disk before [`Store::change`] returns, or none of it.
//! Who may see an object is for the engine to decide; the store knows it only as part of a [`Query`].

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

#[cfg(test)]
mod contract;
mod filter;
mod memory;
mod overlay;
#[cfg(test)]
mod reader_contract;
mod record;
mod sealed;
mod sqlite;
#[cfg(test)]
pub(crate) mod testing;

pub use filter::{Criterion, Grant, Located, Order, Query};
pub use memory::Memory;
pub use record::{DEFAULT_POLICY, Id, Place, Record};
pub use sealed::{DataKey, KeyEncryptionKey, KeyProblem, Sealed, Sealing};
pub use sqlite::{Found, Inspection, Restore, Snapshot, Sqlite, inspect};

use crate::secret::Secret;

/// A keeper of managed objects, shared among all threads.
pub trait Store: Send + Sync + 'static {
    /// The object of that number.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn read(&self, id: Id) -> Result<Option<Record>, Error>;

    /// The objects that answer `query`.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn locate(&self, query: &Query) -> Result<Located, Error>;

    /// What the server keeps for itself under that name; no client can ask for it.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error>;

    /// Runs `job`, which says whether to keep what it did. Kept changes are durable when this returns;
    /// changes of other threads may share the same flush to the disk. The job of one call must not begin
    /// another: it would wait for itself. Where the job panics, its change is taken back and the panic goes on.
    ///
    /// # Errors
    /// Where the store itself fails: nothing of the job is kept then.
    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error>;

    /// The same, but it returns when the job has run: what it kept becomes durable with what follows, and is when
    /// [`PendingCommit::settle`] returns. Until then changes see it, readers need not, and nobody may be told of it.
    /// A store to which flushes are nothing need not have an own one.
    ///
    /// # Errors
    /// As [`Store::change`].
    fn begin<'s>(
        &'s self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<Box<dyn PendingCommit + 's>, Error> {
        self.change(job)?;
        Ok(Box::new(AlreadyDurable))
    }

    /// What it takes up, for whoever watches the server.
    fn status(&self) -> Status {
        Status::default()
    }
}

/// A store that whoever opened it looks into beside the engine.
impl<S: Store> Store for Arc<S> {
    fn read(&self, id: Id) -> Result<Option<Record>, Error> {
        self.as_ref().read(id)
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        self.as_ref().locate(query)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.as_ref().server_state(name)
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.as_ref().change(job)
    }

    fn begin<'s>(
        &'s self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<Box<dyn PendingCommit + 's>, Error> {
        self.as_ref().begin(job)
    }

    fn status(&self) -> Status {
        self.as_ref().status()
    }
}

/// What a store takes up; zeros where it does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its files, in bytes.
    pub bytes: u64,
    /// The connections that it has open to read with.
    pub readers_open: u32,
    /// Those of them that nobody reads with.
    pub readers_idle: u32,
}

/// A change that has been made and may not be on the disk yet.
pub trait PendingCommit {
    /// Waits until it is.
    ///
    /// # Errors
    /// Where the change was lost.
    fn wait(self: Box<Self>) -> Result<(), Error>;
}

/// A change that is settled already.
struct AlreadyDurable;

impl PendingCommit for AlreadyDurable {
    fn wait(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

/// What a job wants done with its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Keep them.
    Commit,
    /// Take them back.
    Rollback,
}

/// A change under way. It sees its own changes; nobody else does until it is kept.
pub trait Transaction {
    /// The object of that number.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn read(&mut self, id: Id) -> Result<Option<Record>, Error>;

    /// The objects that answer `query`.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn locate(&mut self, query: &Query) -> Result<Located, Error>;

    /// A number that no object has or had.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn next_id(&mut self) -> Result<Id, Error>;

    /// Adds an object, whose number comes from [`Transaction::next_id`], or is one that no object has. Numbers that
    /// are given later are above it.
    ///
    /// # Errors
    /// Where the store itself fails, or has an object of that number.
    fn insert(&mut self, record: Record) -> Result<(), Error>;

    /// Replaces an object.
    ///
    /// # Errors
    /// Where the store itself fails, or has no object of that number.
    fn update(&mut self, record: Record) -> Result<(), Error>;

    /// The same for what the server notes of its own accord: it need not wait for the disk. Everybody sees it, and the
    /// end of the process does not lose it; a machine that stops can, where no other change became durable since.
    ///
    /// # Errors
    /// As [`Transaction::update`].
    fn update_lazily(&mut self, record: Record) -> Result<(), Error> {
        self.update(record)
    }

    /// What the server keeps for itself under that name.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error>;

    /// Keeps `value` for the server itself under that name, instead of what was there.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn set_server_state(&mut self, name: &str, value: &Secret) -> Result<(), Error>;

    /// Runs `job` as a part that can be taken back without the rest; a panic takes it back and goes on.
    ///
    /// # Errors
    /// Where the store itself fails.
    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error>;
}

/// Why the store failed. Clients learn that it did; the log learns why.
///
/// It can be cloned because changes that share a flush share its failure too.
#[derive(Clone, Debug)]
pub enum Error {
    /// A record's bytes make no sense.
    Damaged {
        /// The record.
        id: Id,
        /// What is wrong with it.
        why: crate::ttlv::Error,
    },
    /// An object that should be there is not.
    Missing {
        /// The object.
        id: Id,
    },
    /// An object has the number that another is to get.
    Taken {
        /// The object.
        id: Id,
    },
    /// The change was lost with others that were to become durable together with it.
    GroupLost,
    /// A key file is not the key that it should be.
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: KeyProblem,
    },
    /// The objects of the database are sealed, and no key was given.
    NeedsKey {
        /// The database.
        path: PathBuf,
    },
    /// The objects of the database are not sealed.
    NotSealed {
        /// The database.
        path: PathBuf,
    },
    /// An object or a key could not be encrypted.
    Sealing,
    /// No connection to read with became free in time, or none could be opened.
    NoReader {
        /// What the pool says.
        why: Arc<r2d2::Error>,
    },
    /// SQLite refused or failed.
    Sqlite {
        /// What it was asked to do.
        doing: &'static str,
        /// What it says.
        why: Arc<rusqlite::Error>,
    },
    /// The directory of the database file does not exist.
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system refuses the database file.
    File {
        /// The file.
        path: PathBuf,
        /// What it says.
        why: Arc<io::Error>,
    },
    /// The file is not a database.
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is the database of PyKMIP's server.
    PykmipDatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database of PyKMIP's server cannot be taken over, and was left as it was.
    TakeOver {
        /// The file.
        path: PathBuf,
        /// The object that is in the way; none where it is the database as a whole.
        object: Option<Id>,
        /// What is wrong with it.
        why: Obstacle,
    },
    /// The file is a database of some other program.
    Foreign {
        /// The file.
        path: PathBuf,
        /// The application that its header names; 0 for none.
        application: i32,
    },
    /// The database was written by a newer version of this server.
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version it has.
        found: i32,
        /// The newest version that this server knows.
        newest: i32,
    },
    /// Another process, a server for instance, has the database open.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file system cannot share memory between connections, which write-ahead logging needs.
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
    },
}

/// What keeps a database of PyKMIP's server from being taken over.
#[derive(Clone, Debug)]
pub enum Obstacle {
    /// SQLite finds the file damaged.
    Damaged(String),
    /// A table is not as any version of PyKMIP made it.
    NoColumn {
        /// The table.
        table: &'static str,
        /// The column that is missing.
        column: &'static str,
    },
    /// A column's value is none that PyKMIP writes.
    Value {
        /// The column.
        column: String,
    },
    /// The object as a whole cannot be.
    Refused(crate::kmip::Error),
    /// The object could not be written.
    NotKept(Box<Error>),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(why) => write!(f, "the file is damaged ({why})"),
            Self::NoColumn { table, column } => write!(f, "its table {table} has no column {column}"),
            Self::Value { column } => write!(f, "its column {column} has a value that PyKMIP does not write"),
            Self::Refused(error) => error.fmt(f),
            Self::NotKept(error) => error.fmt(f),
        }
    }
}

impl Error {
    fn sqlite(doing: &'static str, why: rusqlite::Error) -> Self {
        Self::Sqlite { doing, why: Arc::new(why) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { id, why } => write!(f, "object {id} is damaged in the store: {why}"),
            Self::Missing { id } => write!(f, "object {id} is not in the store"),
            Self::Taken { id } => write!(f, "there is an object {id} in the store already"),
            Self::GroupLost => write!(f, "the change was lost with others that were to be kept with it"),
            Self::Key { path, why } => {
                write!(f, "the key encryption key {} cannot be used: {why}", path.display())
            }
            Self::NeedsKey { path } => write!(
                f,
                "the objects of {} are sealed: key_encryption_key_path has to name the file of their key",
                path.display()
            ),
            Self::NotSealed { path } => write!(f, "the objects of {} are not sealed", path.display()),
            Self::Sealing => f.write_str("an object could not be sealed"),
            Self::NoReader { why } => write!(f, "the store has no connection to read with: {why}"),
            Self::Sqlite { doing, why } => write!(f, "the store failed to {doing}: {why}"),
            Self::NoDirectory { path } => {
                write!(f, "the directory of the database does not exist: {}", path.display())
            }
            Self::File { path, why } => write!(f, "the database {} cannot be used: {why}", path.display()),
            Self::NotADatabase { path } => {
                write!(f, "{} is not a database; it was left as it is", path.display())
            }
            Self::PykmipDatabase { path } => write!(
                f,
                "{} is a database of PyKMIP's server, which is taken over when the server starts on it; it was left as \
                 it is",
                path.display()
            ),
            Self::TakeOver { path, object, why } => {
                write!(f, "the database of PyKMIP's server in {} cannot be taken over: ", path.display())?;
                if let Some(id) = object {
                    write!(f, "object {id}: ")?;
                }
                write!(f, "{why}; it was left as it was")
            }
            Self::Foreign { path, application } => write!(
                f,
                "{} is a database of another program (application id {application:#010X}); it was left as it is",
                path.display()
            ),
            Self::NewerVersion { path, found, newest } => write!(
                f,
                "{} has the version {found} of a newer server; this one knows versions up to {newest}",
                path.display()
            ),
            Self::InUse { path } => {
                write!(f, "the database {} is in use; stop the server that runs on it first", path.display())
            }
            Self::NoWriteAheadLog { path } => write!(
                f,
                "the database {} is on a file system without shared memory, which its write-ahead log needs",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}
