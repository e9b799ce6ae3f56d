//! The errors of export and import.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{MAX_LINE, VERSION};
use crate::encoding;
use crate::store::{self, Id, KeyProblem};
use crate::ttlv;

/// A failed export or import. Neither a file nor a part of it is left behind.
#[derive(Debug)]
pub enum Error {
    /// The store failed or cannot be used.
    Store(store::Error),
    /// The export file already exists.
    Exists(
        /// The file.
        PathBuf,
    ),
    /// A file cannot be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The seal key cannot be used, or it is not the key of the export.
    Key {
        /// The key file.
        path: PathBuf,
        /// The reason.
        why: KeyProblem,
    },
    /// The export is sealed, and no key is named.
    NeedsKey(
        /// The file.
        PathBuf,
    ),
    /// The file is a database of this server instead of an export.
    IsDatabase(
        /// The file.
        PathBuf,
    ),
    /// A key is named, and the export is not sealed.
    NotSealed(
        /// The file.
        PathBuf,
    ),
    /// A line of the export is not valid.
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: u64,
        /// The fault.
        why: LineError,
    },
    /// A line would not read back as the entry that it was written from.
    Unwritable {
        /// The number of the line, from 1.
        line: u64,
        /// The fault.
        why: LineError,
    },
    /// The store already has an object with the number of an object in the export.
    Taken {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1; `None` for a database of PyKMIP's server.
        line: Option<u64>,
        /// The object.
        id: Id,
    },
    /// A signal ended the export or import.
    Interrupted,
}

/// A fault of a line. It contains no values, because they may be keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineError {
    /// The first line does not begin an export.
    NotAnExport,
    /// The export has another format version.
    Version(
        /// The version of the export.
        u64,
    ),
    /// The check of the line does not match the line and the lines before it.
    Changed,
    /// The line does not decrypt with the key.
    DoesNotOpen,
    /// The line is longer than [`MAX_LINE`].
    TooLong,
    /// The file ends before the last line of the export.
    CutOff,
    /// The file continues after the last line of the export.
    NotTheEnd,
    /// The line is not a JSON object of a known kind.
    Malformed(
        /// The member that is missing, unknown or has a wrong value.
        String,
    ),
    /// The items of the line cannot be decoded.
    Encoding(encoding::Error),
    /// The items of the line are not an object with attributes.
    Ttlv(ttlv::Error),
    /// The object follows one with the same or a higher number.
    Order(Id),
    /// The counts in the last line differ from the lines before it.
    Counts,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnExport => f.write_str("the file is not an export of this server"),
            Self::Version(version) => {
                write!(f, "the export has version {version}; this server reads version {VERSION}")
            }
            Self::Changed => {
                f.write_str("the line is damaged, or a line before it was changed, moved or removed")
            }
            Self::DoesNotOpen => f.write_str(
                "the line does not decrypt: it is damaged, was moved, or belongs to another export",
            ),
            Self::TooLong => write!(f, "the line is longer than {MAX_LINE} bytes"),
            Self::CutOff => {
                f.write_str("the file ends here, without the last line of the export; copy it again")
            }
            Self::NotTheEnd => f.write_str("the file continues after the last line of the export"),
            Self::Malformed(what) => write!(f, "{what}"),
            Self::Encoding(error) => error.fmt(f),
            Self::Ttlv(error) => error.fmt(f),
            Self::Order(id) => write!(f, "object {id} does not follow the objects with lower numbers"),
            Self::Counts => f.write_str("the counts differ from the lines before"),
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
                write!(f, "{} is sealed; name the file of its key with --seal-key", path.display())
            }
            Self::NotSealed(path) => {
                write!(f, "{} is not sealed; import it without --seal-key if you trust it", path.display())
            }
            Self::Line { path, line, why } => {
                write!(f, "{}, line {line}: {why}; nothing was imported", path.display())
            }
            Self::Unwritable { line, why } => {
                write!(f, "line {line} of the export would not read back: {why}; nothing was exported")
            }
            Self::Interrupted => f.write_str("a signal ended it, and nothing was changed"),
            Self::IsDatabase(path) => write!(
                f,
                "{} is a database of this server; export it with -d {} --export FILE, and import that file",
                path.display(),
                path.display()
            ),
            Self::Taken { path, line, id } => {
                let line = line.map_or(String::new(), |line| format!(", line {line}"));
                let path = path.display();
                write!(f, "{path}{line}: the database has an object {id} already; nothing was imported")
            }
        }
    }
}

impl std::error::Error for LineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Encoding(error) => Some(error),
            Self::Ttlv(error) => Some(error),
            _ => None,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Io { cause, .. } => Some(cause),
            Self::Line { why, .. } | Self::Unwritable { why, .. } => Some(why),
            _ => None,
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
