//! The conversion of errors of the lower layers into KMIP errors, and constructors of the common KMIP errors.

use std::borrow::Cow;

use crate::crypto;
use crate::excerpt::Excerpt;
use crate::kmip::Error;
use crate::kmip::enums::ResultReason;
use crate::store;
use crate::ttlv::V2_1;

/// Returns an error with this Result Reason.
pub fn failed(reason: ResultReason, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(reason, message)
}

/// Returns the error for an invalid request: Invalid Field.
pub fn invalid_field(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ResultReason::InvalidField, message)
}

/// Returns the error for an unknown identifier: Object Not Found, before 2.1 Item Not Found. PyKMIP's clients, up to
/// 2.0, parse the reason and this message.
pub fn not_found(identifier: &str) -> Error {
    let message = format!("Could not locate object: {}", Excerpt(identifier));
    Error::new(ResultReason::ObjectNotFound, message).from_version(V2_1)
}

/// Returns the error for a destroyed object: Object Destroyed, before 2.1 Item Not Found with the message of
/// [`not_found`].
pub fn destroyed(identifier: &str) -> Error {
    let message = format!("Could not locate object: {}", Excerpt(identifier));
    Error::new(ResultReason::ObjectDestroyed, message).from_version(V2_1)
}

/// Returns the error for an object in the wrong state: Wrong Key Lifecycle State, before 2.1 Permission Denied,
/// which the standard's test cases of 2.0 expect as well.
pub fn wrong_state(message: impl Into<Cow<'static, str>>) -> Error {
    let error = Error::new(ResultReason::WrongKeyLifecycleState, message).from_version(V2_1);
    error.with_fallback(ResultReason::PermissionDenied)
}

/// Returns the error for an object whose policy does not allow the operation: Permission Denied. The message, which
/// clients parse, is that of [`not_found`], so that it does not reveal whether the object exists.
pub fn refused(identifier: &str) -> Error {
    Error::new(ResultReason::PermissionDenied, format!("Could not locate object: {}", Excerpt(identifier)))
}

/// Returns the error for a batch with Undo that takes too long while other transactions wait for it: Server Limit
/// Exceeded, before 2.0 General Failure.
pub(super) fn too_long_for_lock() -> Error {
    let message = "The batch with Undo takes too long while all other changes wait for it, because it logs in or out, polls, or \
                   sends a part of a message, or because other requests changed its objects; send it again, without \
                   such operations or in several batches.";
    failed(ResultReason::ServerLimitExceeded, message).with_fallback(ResultReason::GeneralFailure)
}

/// The maximum length of a logged text, in bytes, so that a single request cannot fill the log.
const MAX_LOGGED: usize = 4_096;

/// Checks the length of a text that a client sends for the log.
///
/// # Errors
/// Returns Invalid Field if it is longer than 4096 bytes.
pub fn bounded_text(name: &str, text: &str) -> Result<(), Error> {
    if text.len() <= MAX_LOGGED {
        return Ok(());
    }
    Err(invalid_field(format!("{name} has {} bytes; the limit is {MAX_LOGGED}.", text.len())))
}

impl From<crypto::Error> for Error {
    fn from(error: crypto::Error) -> Self {
        let reason = match error.kind() {
            crypto::ErrorKind::InvalidParameter => ResultReason::InvalidField,
            crypto::ErrorKind::Failure => ResultReason::CryptographicFailure,
            crypto::ErrorKind::WrongKey => ResultReason::PermissionDenied,
        };
        Self::new(reason, error.to_string())
    }
}

/// The conversion of a failed store operation into a KMIP error.
pub(super) trait OrGeneralFailure<T> {
    /// Logs the cause of a failure, which a client must not see, and replaces it by General Failure.
    ///
    /// # Errors
    /// Returns General Failure if the store operation failed.
    fn or_general_failure(self) -> Result<T, Error>;
}

impl<T> OrGeneralFailure<T> for Result<T, store::Error> {
    fn or_general_failure(self) -> Result<T, Error> {
        self.map_err(|error| {
            if matches!(error, store::Error::SearchTooLong) {
                return too_long_for_lock();
            }
            log::error!(target: "kmip.server.engine", "A store operation failed: {error}");
            let message = match error {
                store::Error::Replaced { .. } => {
                    "A file of the server's database was deleted or replaced; the server refuses changes until the file is \
                     back. See the server log."
                }
                _ => "The server's store failed. See the server log.",
            };
            Error::new(ResultReason::GeneralFailure, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::enums::CryptographicAlgorithm;
    use crate::ttlv::SUPPORTED;

    #[test]
    fn reasons_that_2_x_adds_have_a_fallback_for_earlier_versions() {
        let cases = [
            (not_found("1"), V2_1, ResultReason::ItemNotFound, ResultReason::ObjectNotFound),
            (destroyed("1"), V2_1, ResultReason::ItemNotFound, ResultReason::ObjectDestroyed),
            (wrong_state(""), V2_1, ResultReason::PermissionDenied, ResultReason::WrongKeyLifecycleState),
        ];
        for (error, since, before, exact) in cases {
            for version in SUPPORTED {
                let expected = if version < since { before } else { exact };
                assert_eq!(error.reason_in(version), expected, "{error} in {version}");
            }
        }
    }

    #[test]
    fn maps_every_kind_of_cryptographic_error_to_a_reason() {
        let cases = [
            (
                crypto::Error::KeyLength { algorithm: CryptographicAlgorithm::Aes, bits: 7 },
                ResultReason::InvalidField,
            ),
            (crypto::Error::Random, ResultReason::CryptographicFailure),
            (crypto::Error::Inexpressible, ResultReason::PermissionDenied),
        ];
        for (error, reason) in cases {
            assert_eq!(Error::from(error).reason, reason);
        }
    }
}
