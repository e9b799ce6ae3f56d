//! How failures of the layers below reach a client: one total mapping each, and the words for the common ones.

use std::borrow::Cow;

use crate::crypto;
use crate::kmip::Error;
use crate::kmip::enums::ResultReason;
use crate::store;

/// A failure for that reason.
pub fn failed(reason: ResultReason, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(reason, message)
}

/// Something in the request cannot be.
pub fn invalid_field(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ResultReason::InvalidField, message)
}

/// No object has that identifier: Object Not Found, before 2.0 Item Not Found. Clients read this text.
pub fn not_found(identifier: &str) -> Error {
    Error::new(ResultReason::ObjectNotFound, format!("Could not locate object: {identifier}"))
}

/// Of the object nothing but its attributes is left: Object Destroyed, before 2.0 Item Not Found with the words
/// of [`not_found`].
pub fn destroyed(identifier: &str) -> Error {
    Error::new(ResultReason::ObjectDestroyed, format!("Could not locate object: {identifier}"))
}

/// The object's state does not allow it: Wrong Key Lifecycle State, before 2.0 Permission Denied.
pub fn wrong_state(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ResultReason::WrongKeyLifecycleState, message).or_before(ResultReason::PermissionDenied)
}

/// The object's policy does not allow it. Clients read this text, which tells no more than [`not_found`].
pub fn refused(identifier: &str) -> Error {
    Error::new(ResultReason::PermissionDenied, format!("Could not locate object: {identifier}"))
}

/// The longest text that goes to the log, in bytes: no request fills the log's file.
const MAX_LOGGED: usize = 4_096;

/// Checks the length of a text that a client wants in the log.
///
/// # Errors
/// Invalid Field where it is longer than 4096 bytes.
pub fn bounded_text(name: &str, text: &str) -> Result<(), Error> {
    if text.len() <= MAX_LOGGED {
        return Ok(());
    }
    Err(invalid_field(format!("{name} has {} bytes; the limit is {MAX_LOGGED}.", text.len())))
}

impl From<crypto::Error> for Error {
    fn from(error: crypto::Error) -> Self {
        let reason = match error.kind() {
            crypto::Kind::Parameters => ResultReason::InvalidField,
            crypto::Kind::Failure => ResultReason::CryptographicFailure,
            crypto::Kind::Key => ResultReason::PermissionDenied,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<store::Error> for Error {
    /// A client learns that the store failed; why is for the log.
    fn from(error: store::Error) -> Self {
        log::error!(target: "kmip.server.engine", "The store failed: {error}");
        Self::new(ResultReason::GeneralFailure, "The server's store failed. See the server log.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::enums::CryptographicAlgorithm;
    use crate::ttlv::{V1_4, V2_0};

    #[test]
    fn failures_that_2_0_names_more_exactly_keep_their_reasons_before() {
        let cases = [
            (not_found("1"), ResultReason::ItemNotFound, ResultReason::ObjectNotFound),
            (destroyed("1"), ResultReason::ItemNotFound, ResultReason::ObjectDestroyed),
            (wrong_state(""), ResultReason::PermissionDenied, ResultReason::WrongKeyLifecycleState),
        ];
        for (error, before, since) in cases {
            assert_eq!(error.reason_in(V1_4), before);
            assert_eq!(error.reason_in(V2_0), since);
        }
    }

    #[test]
    fn every_kind_of_cryptographic_error_has_its_reason() {
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
