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
    /// What versions say that do not have `reason` yet, where it is not the nearest in meaning.
    before: Option<ResultReason>,
    /// The first version that is told `reason`, where it is not the one that brought it.
    from: Option<Version>,
}

impl Error {
    /// A failure for that reason, told as `message`.
    pub fn new(reason: ResultReason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), before: None, from: None }
    }

    /// The same failure, told for the reason `before` in the versions that do not have the reason yet.
    pub fn with_fallback(self, before: ResultReason) -> Self {
        Self { before: Some(before), ..self }
    }

    /// The same failure, told for its reason only from `version` on: up to 2.0, clients know those that the server
    /// which this one replaces gives.
    pub fn from_version(self, version: Version) -> Self {
        Self { from: Some(version), ..self }
    }

    /// The reason as `version` can say it: what a later version brought becomes what the failure says of
    /// itself, or else the nearest reason of 1.0.
    pub fn reason_in(&self, version: Version) -> ResultReason {
        use ResultReason as R;
        if self.from.unwrap_or(self.reason.since()) <= version {
            return self.reason;
        }
        if let Some(before) = self.before.filter(|before| before.since() <= version) {
            return before;
        }
        match self.reason {
            R::EncodingOptionError | R::KeyWrapTypeNotSupported => R::FeatureNotSupported,
            R::KeyValueNotPresent
            | R::InvalidAsynchronousCorrelationValue
            | R::AttributeNotFound
            | R::AttributeInstanceNotFound
            | R::InvalidCorrelationValue
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
    use crate::ttlv::{SUPPORTED, V1_0, V1_4, V2_0};

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

    #[test]
    fn a_failure_can_name_the_reason_of_older_versions_itself() {
        let error = Error::new(ResultReason::WrongKeyLifecycleState, "");
        assert_eq!(error.reason_in(V1_4), ResultReason::IllegalOperation);
        let error = error.with_fallback(ResultReason::PermissionDenied);
        assert_eq!(error.reason_in(V1_4), ResultReason::PermissionDenied);
        assert_eq!(error.reason_in(V2_0), ResultReason::WrongKeyLifecycleState);
    }
}
