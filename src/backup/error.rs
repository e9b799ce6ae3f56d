//! Why a store cannot be exported or imported: one variant each, wording in Display.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{MAX_LINE, VERSION};
use crate::encoding;
use crate::store::{self, Id, KeyProblem};
use crate::ttlv;

/// Why there is no export, or nothing was imported.
#[derive(Debug)]
pub enum Error {
    /// The store fails, or cannot be used.
    Store(store::Error),
    /// The file to write is there already.
    Exists(
        /// The file.
        PathBuf,
    ),
    /// A file cannot be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The key that the file is sealed with, or is to be, does not do.
    Key {
        /// The file of the key.
        path: PathBuf,
        /// Why.
        why: KeyProblem,
    },
    /// The file is sealed, and no key was named.
    NeedsKey(
        /// The file.
        PathBuf,
    ),
    /// A key was named, and the file is not sealed.
    NotSealed(
        /// The file.
        PathBuf,
    ),
    /// A line of the file cannot be used.
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        why: Wrong,
    },
    /// A line that was to be written does not read back as what it is.
    Unwritable {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        why: Wrong,
    },
    /// The store has an object of a number that one of the file has.
    Taken {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: u64,
        /// The object.
        id: Id,
    },
}

/// What is wrong with a line. Values are left out: they may be keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It does not begin an export.
    NotAnExport,
    /// The export has the form of another version.
    Version(
        /// That version.
        u64,
    ),
    /// It is not the line that was written behind those before it.
    Changed,
    /// It does not open with the key.
    DoesNotOpen,
    /// It is longer than any line that is written.
    TooLong,
    /// The file ends where more should follow.
    CutOff,
    /// Something stands behind the last line.
    NotTheEnd,
    /// It is no JSON object of a kind that there is.
    Malformed(
        /// Which member is missing, too much or no such value.
        String,
    ),
    /// Its items cannot be read.
    Encoding(encoding::Error),
    /// Its items make no object.
    Ttlv(ttlv::Error),
    /// The object comes behind one of the same or a higher number.
    Order(Id),
    /// The counts of the last line are others than those of the lines before it.
    Counts,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnExport => f.write_str("this is no export of this server"),
            Self::Version(version) => {
                write!(f, "the export has version {version}; this server reads version {VERSION}")
            }
            Self::Changed => {
                f.write_str("the line is damaged, or lines before it were changed, moved or taken away")
            }
            Self::DoesNotOpen => f.write_str(
                "the line does not open: it is damaged, or not at its place, or of another export",
            ),
            Self::TooLong => write!(f, "the line is longer than {MAX_LINE} bytes"),
            Self::CutOff => f.write_str("the file was cut off here: its last line is missing"),
            Self::NotTheEnd => f.write_str("something stands behind the last line of the export"),
            Self::Malformed(what) => write!(f, "{what}"),
            Self::Encoding(error) => error.fmt(f),
            Self::Ttlv(error) => error.fmt(f),
            Self::Order(id) => write!(f, "object {id} does not come behind those of lower numbers"),
            Self::Counts => f.write_str("the counts are not those of the lines before"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Exists(path) => {
                write!(f, "{} is there already and is not written over; name another file", path.display())
            }
            Self::Io { path, cause } => write!(f, "{}: {cause}", path.display()),
            Self::Key { path, why: KeyProblem::Wrong } => {
                write!(f, "the seal key {} is not the one that the export is sealed with", path.display())
            }
            Self::Key { path, why } => write!(f, "the seal key {} cannot be used: {why}", path.display()),
            Self::NeedsKey(path) => {
                write!(f, "{} is sealed: --seal-key has to name the file of its key", path.display())
            }
            Self::NotSealed(path) => {
                write!(
                    f,
                    "{} is not sealed; import it without --seal-key if it is to be trusted",
                    path.display()
                )
            }
            Self::Line { path, line, why } => {
                write!(f, "{}, line {line}: {why}; nothing was imported", path.display())
            }
            Self::Unwritable { line, why } => {
                write!(f, "line {line} of the export would not read back: {why}; nothing was exported")
            }
            Self::Taken { path, line, id } => write!(
                f,
                "{}, line {line}: the database has an object {id} already; nothing was imported",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
