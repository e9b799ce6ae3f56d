//! The only error that reaches the wire: a Result Reason and a Result Message
//! (KMIP 1.4 §6.10, §6.11 and §11; 2.1 §9.20, §9.21 and §11.48).

use std::borrow::Cow;
use std::fmt;

use crate::kmip::enums::ResultReason;
use crate::ttlv::Version;

/// Why an operation failed, in the protocol's own terms. What a client must not learn is left out of
/// `message` and goes to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The class of the failure.
    pub reason: ResultReason,
    /// One sentence for people.
    pub message: Cow<'static, str>,
}

impl Error {
    /// A failure for that reason, told as `message`.
    pub fn new(reason: ResultReason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The reason as `version` can say it: what a later version brought becomes the nearest reason of 1.0.
    pub fn reason_in(&self, version: Version) -> ResultReason {
        use ResultReason as R;
        if self.reason.since() <= version {
            return self.reason;
        }
        match self.reason {
            R::EncodingOptionError | R::KeyWrapTypeNotSupported => R::FeatureNotSupported,
            R::KeyValueNotPresent
            | R::AttributeNotFound
            | R::AttributeInstanceNotFound
            | R::ObjectNotFound
            | R::ObjectDestroyed
            | R::WrappingObjectNotFound
            | R::WrappingObjectDestroyed
            | R::WrappingObjectArchived => R::ItemNotFound,
            R::Sensitive
            | R::NotExtractable
            | R::ReadOnlyAttribute
            | R::AttributeReadOnly
            | R::NotAuthorised
            | R::UsageLimitExceeded
            | R::ConstraintViolation => R::PermissionDenied,
            R::ObjectAlreadyExists | R::WrongKeyLifecycleState | R::IllegalObjectType => R::IllegalOperation,
            R::BadCryptographicParameters
            | R::UnsupportedCryptographicParameters
            | R::MissingInitializationVector => R::CryptographicFailure,
            R::NumericRange
            | R::InvalidDataType
            | R::MultiValuedAttribute
            | R::UnsupportedAttribute
            | R::AttributeSingleValued
            | R::IncompatibleCryptographicUsageMask
            | R::InvalidAttribute
            | R::InvalidAttributeValue
            | R::InvalidCsr
            | R::InvalidObjectType
            | R::NonUniqueNameAttribute
            | R::UnknownObjectGroup => R::InvalidField,
            R::UnsupportedProtocolVersion => R::InvalidMessage,
            _ => R::GeneralFailure,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{SUPPORTED, V1_0};

    #[test]
    fn every_reason_can_be_said_in_every_version() {
        for reason in ResultReason::ALL {
            for version in SUPPORTED {
                let said = Error::new(*reason, "").reason_in(version);
                assert!(said.since() <= version, "{reason} is said as {said} in {version}");
            }
        }
        assert_eq!(Error::new(ResultReason::Sensitive, "").reason_in(V1_0), ResultReason::PermissionDenied);
    }
}
