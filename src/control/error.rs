//! The reasons for which test control refuses a call.

use std::fmt;

use crate::clock::ClockError;
use crate::store;

/// The reason for which test control refuses a call.
#[derive(Clone, Debug)]
pub enum ControlError {
    /// A value is invalid, or a limit is reached; contains a sentence.
    Invalid(String),
    /// There is no fault and no snapshot with this number; contains a sentence.
    Unknown(String),
    /// The store refuses; contains a sentence.
    Store(String),
    /// The server has stopped.
    Stopped,
}

impl ControlError {
    pub(super) fn unknown_fault(id: u64) -> Self {
        Self::Unknown(format!("there is no fault {id}"))
    }

    pub(super) fn unknown_snapshot(id: u64) -> Self {
        Self::Unknown(format!("there is no snapshot {id}"))
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(message) | Self::Unknown(message) | Self::Store(message) => f.write_str(message),
            Self::Stopped => f.write_str("the server has stopped"),
        }
    }
}

impl std::error::Error for ControlError {}

impl From<ClockError> for ControlError {
    fn from(error: ClockError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<store::Error> for ControlError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Taken { .. } => Self::Invalid(error.to_string()),
            error => Self::Store(error.to_string()),
        }
    }
}
