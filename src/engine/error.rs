//! How failures of the layers below reach a client: one total mapping each, and the words for the common ones.

use std::borrow::Cow;

use crate::crypto;
use crate::kmip::Error;
use crate::kmip::enums::ResultReason;
use crate::store;
use crate::ttlv::V2_1;

/// A failure for that reason.
pub fn failed(reason: ResultReason, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(reason, message)
}

/// Something in the request cannot be.
pub fn invalid_field(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ResultReason::InvalidField, message)
}

/// No object has that identifier: Object Not Found, before 2.1 Item Not Found. PyKMIP's clients, up to 2.0, read
/// both the reason and this text.
pub fn not_found(identifier: &str) -> Error {
    let told = format!("Could not locate object: {identifier}");
    Error::new(ResultReason::ObjectNotFound, told).from_version(V2_1)
}

/// Of the object nothing but its attributes is left: Object Destroyed, before 2.1 Item Not Found with the words
/// of [`not_found`].
pub fn destroyed(identifier: &str) -> Error {
    let told = format!("Could not locate object: {identifier}");
    Error::new(ResultReason::ObjectDestroyed, told).from_version(V2_1)
}

/// The object's state does not allow it: Wrong Key Lifecycle State, before 2.0 Permission Denied.
pub fn wrong_state(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ResultReason::WrongKeyLifecycleState, message).with_fallback(ResultReason::PermissionDenied)
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
            crypto::ErrorKind::InvalidParameter => ResultReason::InvalidField,
            crypto::ErrorKind::Failure => ResultReason::CryptographicFailure,
            crypto::ErrorKind::WrongKey => ResultReason::PermissionDenied,
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
    use crate::ttlv::{SUPPORTED, V2_0};

    #[test]
    fn failures_that_2_x_names_more_exactly_keep_their_reasons_before() {
        let cases = [
            (not_found("1"), V2_1, ResultReason::ItemNotFound, ResultReason::ObjectNotFound),
            (destroyed("1"), V2_1, ResultReason::ItemNotFound, ResultReason::ObjectDestroyed),
            (wrong_state(""), V2_0, ResultReason::PermissionDenied, ResultReason::WrongKeyLifecycleState),
        ];
        for (error, since, before, exact) in cases {
            for version in SUPPORTED {
                let expected = if version < since { before } else { exact };
                assert_eq!(error.reason_in(version), expected, "{error} in {version}");
            }
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
