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

/// No object has that identifier. Clients read this text.
pub fn not_found(identifier: &str) -> Error {
    Error::new(ResultReason::ItemNotFound, format!("Could not locate object: {identifier}"))
}

/// The object's policy does not allow it. Clients read this text, which tells no more than [`not_found`].
pub fn refused(identifier: &str) -> Error {
    Error::new(ResultReason::PermissionDenied, format!("Could not locate object: {identifier}"))
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
