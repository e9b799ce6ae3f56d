//! What can be wrong with policy files and their directory: one variant each, wording in Display.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A place in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The byte in the line, from 1.
    pub column: usize,
}

/// A policy file or directory that cannot be used.
#[derive(Debug)]
pub enum Error {
    /// The directory cannot be listed.
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The file cannot be read.
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The name is that of a folder, a pipe or a device.
    NotAFile {
        /// The name.
        file: PathBuf,
    },
    /// The file is larger than any policy file has reason to be.
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// The text is no JSON.
    Json {
        /// Where it stops being JSON.
        place: Place,
        /// What the JSON reader says.
        cause: serde_json::Error,
    },
    /// Something other than a JSON object where one belongs.
    NotAnObject {
        /// Where it begins.
        place: Place,
        /// What belongs there.
        what: &'static str,
        /// The kind of value that stands there.
        found: &'static str,
    },
    /// A policy has a member that is neither a section nor a type of object.
    UnknownSection {
        /// Where the name begins.
        place: Place,
        /// The policy.
        policy: String,
        /// The name.
        name: String,
    },
    /// A policy has types of objects beside its sections, as only older files without sections do.
    MixedSections {
        /// Where the type's name begins.
        place: Place,
        /// The policy.
        policy: String,
        /// The type's name.
        name: String,
    },
    /// Rules for something that is no type of object.
    UnknownObjectType {
        /// Where the name begins.
        place: Place,
        /// The name.
        name: String,
    },
    /// A permission for something that is no operation.
    UnknownOperation {
        /// Where the name begins.
        place: Place,
        /// The name.
        name: String,
    },
    /// A value that is none of the three permissions.
    UnknownPermission {
        /// Where the value begins.
        place: Place,
        /// The text, or the kind of a value that is no text.
        found: String,
    },
    /// The thread that watches the directory cannot be started.
    Watcher {
        /// What the system says.
        cause: io::Error,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy file {}, line {}, column {}", self.file.display(), self.line, self.column)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, cause } => {
                write!(f, "policy directory {} cannot be read: {cause}", path.display())
            }
            Self::Read { file, cause } => write!(f, "policy file {} cannot be read: {cause}", file.display()),
            Self::NotAFile { file } => write!(f, "policy file {} is no regular file", file.display()),
            Self::TooLarge { file, limit } => {
                write!(f, "policy file {} is larger than {limit} bytes", file.display())
            }
            Self::Json { place, cause } => write!(f, "{place}: {}", without_position(cause)),
            Self::NotAnObject { place, what, found } => {
                write!(f, "{place}: {what} must be a JSON object, not {found}")
            }
            Self::UnknownSection { place, policy, name } => write!(
                f,
                "{place}: policy {policy:?} has a section {name:?}; sections are \"preset\" and \"groups\""
            ),
            Self::MixedSections { place, policy, name } => write!(
                f,
                "{place}: policy {policy:?} has {name:?} beside its sections; it belongs into \"preset\" or a group"
            ),
            Self::UnknownObjectType { place, name } => write!(f, "{place}: {name:?} is no type of object"),
            Self::UnknownOperation { place, name } => write!(f, "{place}: {name:?} is no operation"),
            Self::UnknownPermission { place, found } => write!(
                f,
                "{place}: {found} is no permission; permissions are \"ALLOW_ALL\", \"ALLOW_OWNER\" and \"DISALLOW_ALL\""
            ),
            Self::Watcher { cause } => write!(f, "the policy monitor's thread cannot be started: {cause}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory { cause, .. } | Self::Read { cause, .. } | Self::Watcher { cause } => Some(cause),
            Self::Json { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// The JSON reader's sentence without its own way of telling the position, which we tell before it.
fn without_position(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    let position = format!(" at line {} column {}", cause.line(), cause.column());
    text.strip_suffix(&position).map(str::to_owned).unwrap_or(text)
}
