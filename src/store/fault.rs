//! The faults that `--check-database` reports.

use std::fmt;

use super::{Error, Id};

/// A fault in a database.
#[derive(Debug)]
pub enum Fault {
    /// A fault of one object.
    Object(Id, String),
    /// A fault of the server state with this name.
    ServerState(String, String),
    /// A fault of the entry with this name; see `entries.rs`.
    Entry(String, String),
    /// Another fault.
    Database(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(id, why) => write!(f, "object {id}: {why}"),
            Self::ServerState(name, why) => write!(f, "server state {name:?}: {why}"),
            Self::Entry(name, why) => write!(f, "{name}: {why}"),
            Self::Database(why) => write!(f, "database: {why}"),
        }
    }
}

/// Returns the text of an error without the object, which [`Fault`] names.
pub(super) fn text(error: &Error) -> String {
    match error {
        Error::Checksum { .. } | Error::ServerStateChecksum { .. } => {
            "its checksum does not match".to_owned()
        }
        Error::Damaged { why, .. } => why.to_string(),
        other => other.to_string(),
    }
}
