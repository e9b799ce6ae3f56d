//! The errors of policy files and of their directory.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::names;
use crate::suggestion::similar;

/// A position in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePosition {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The number of the byte in the line, from 1.
    pub column: usize,
}

/// A policy file or directory that cannot be used.
#[derive(Debug)]
pub enum Error {
    /// The path of the directory is that of a file.
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The directory cannot be listed.
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The file cannot be read.
    Read {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The path is not a regular file.
    NotAFile {
        /// The path.
        file: PathBuf,
    },
    /// The file exceeds the size limit.
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The text is not JSON.
    Json {
        /// The position of the error.
        position: FilePosition,
        /// The error of the JSON parser.
        cause: serde_json::Error,
    },
    /// A value is not a JSON object.
    NotAnObject {
        /// The position of the value.
        position: FilePosition,
        /// What the object would be.
        what: &'static str,
        /// The kind of the value.
        found: &'static str,
    },
    /// A policy has a member that is neither a section nor an object type.
    UnknownSection {
        /// The position of the name.
        position: FilePosition,
        /// The policy.
        policy: String,
        /// The name.
        name: String,
    },
    /// A policy has both sections and object types.
    MixedSections {
        /// The position of the object type.
        position: FilePosition,
        /// The policy.
        policy: String,
        /// The object type.
        name: String,
    },
    /// An object type is unknown.
    UnknownObjectType {
        /// The position of the name.
        position: FilePosition,
        /// The name.
        name: String,
    },
    /// An operation is unknown.
    UnknownOperation {
        /// The position of the name.
        position: FilePosition,
        /// The name.
        name: String,
    },
    /// A permission is unknown.
    UnknownPermission {
        /// The position of the value.
        position: FilePosition,
        /// The text in quotes, or the kind of a value that is not a string.
        found: String,
    },
    /// The thread that monitors the directory cannot be started.
    Monitor {
        /// The error of the operating system.
        cause: io::Error,
    },
}

impl fmt::Display for FilePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy file {}, line {}, column {}", self.file.display(), self.line, self.column)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADirectory { path } => {
                write!(
                    f,
                    "policy_path: {} is a file; expected the directory of the policy files",
                    path.display()
                )
            }
            Self::Directory { path, cause } => {
                write!(f, "policy directory {} cannot be read: {cause}", path.display())
            }
            Self::Read { file, cause } => write!(f, "policy file {} cannot be read: {cause}", file.display()),
            Self::NotAFile { file } => {
                write!(f, "policy file {} is no regular file; replace or remove it", file.display())
            }
            Self::TooLarge { file, limit } => {
                write!(f, "policy file {} is larger than {limit} bytes; split it", file.display())
            }
            Self::Json { position, cause } => write!(f, "{position}: {}", without_position(cause)),
            Self::NotAnObject { position, what, found } => {
                write!(f, "{position}: {what} must be a JSON object, not {found}")
            }
            Self::UnknownSection { position, policy, name } => write!(
                f,
                "{position}: policy {policy:?} has a section {name:?}; sections are \"preset\" and \"groups\""
            ),
            Self::MixedSections { position, policy, name } => write!(
                f,
                "{position}: policy {policy:?} has {name:?} beside its sections; it belongs into \"preset\" or a group"
            ),
            Self::UnknownObjectType { position, name } => write!(
                f,
                "{position}: {name:?} is no type of object; types are written like \"SYMMETRIC_KEY\"{}",
                similar(name, names::object_types())
            ),
            Self::UnknownOperation { position, name } => write!(
                f,
                "{position}: {name:?} is no operation; operations are written like \"GET_ATTRIBUTES\"{}",
                similar(name, names::operations())
            ),
            Self::UnknownPermission { position, found } => write!(
                f,
                "{position}: {found} is no permission; permissions are \"ALLOW_ALL\", \"ALLOW_OWNER\" and \"DISALLOW_ALL\""
            ),
            Self::Monitor { cause } => write!(
                f,
                "the policy monitor's thread cannot be started: {cause}; raise the limit of threads"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Directory { cause, .. } | Self::Read { cause, .. } | Self::Monitor { cause } => Some(cause),
            Self::Json { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// Returns the message of the JSON parser without its position, which precedes the message already.
fn without_position(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    let position = format!(" at line {} column {}", cause.line(), cause.column());
    text.strip_suffix(&position).map(str::to_owned).unwrap_or(text)
}
