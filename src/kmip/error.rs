//! The error that responses contain: a Result Reason and a Result Message (KMIP 1.4 §6.10, §6.11 and §11; 2.1
//! §9.17, §9.18 and §11.46).

use std::borrow::Cow;
use std::fmt;

use crate::kmip::enums::ResultReason;
use crate::kmip::macros::structure;
use crate::kmip::structures::ProtocolVersion;
use crate::ttlv::{self, Item, Tag, Value, Version, Writer};

/// The reason of a failed operation, as a response contains it.
///
/// `message` contains nothing that the client must not know; the log contains the details.
///
/// # Examples
///
/// ```
/// use kmip_server::kmip::Error;
/// use kmip_server::kmip::enums::ResultReason;
/// use kmip_server::ttlv::{V1_2, V2_1};
///
/// let error = Error::new(ResultReason::ObjectNotFound, "Could not locate object: 7");
/// assert_eq!(error.reason_in(V2_1), ResultReason::ObjectNotFound);
/// assert_eq!(error.reason_in(V1_2), ResultReason::ItemNotFound, "1.2 does not define the other");
/// assert_eq!(error.to_string(), "Object Not Found: Could not locate object: 7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The Result Reason.
    pub reason: ResultReason,
    /// The Result Message: one sentence for people.
    pub message: Cow<'static, str>,
    /// The reason for versions that do not define `reason`, if it is not the default one.
    fallback: Option<ResultReason>,
    /// The first version that uses `reason`, if it is not the first that defines it.
    from: Option<Version>,
}

impl Error {
    /// Creates an error with this Result Reason and this Result Message.
    pub fn new(reason: ResultReason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), fallback: None, from: None }
    }

    /// Sets the reason for the versions that do not define the reason of this error.
    #[must_use]
    pub fn with_fallback(self, fallback: ResultReason) -> Self {
        Self { fallback: Some(fallback), ..self }
    }

    /// Sets the first version that uses the reason of this error. PyKMIP's clients, which support versions up
    /// to 2.0, expect the reasons of PyKMIP's server.
    #[must_use]
    pub fn from_version(self, version: Version) -> Self {
        Self { from: Some(version), ..self }
    }

    /// Returns the Result Reason for a response of `version`: if `version` does not define the reason of this
    /// error, the one of [`Error::with_fallback`] or the nearest reason of 1.0.
    pub fn reason_in(&self, version: Version) -> ResultReason {
        use ResultReason as R;
        if self.from.unwrap_or(self.reason.since()) <= version {
            return self.reason;
        }
        if let Some(fallback) = self.fallback.filter(|fallback| fallback.since() <= version) {
            return fallback;
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

structure! {
    /// The stored form of an error.
    pub struct StoredError {
        ResultReason => reason: ResultReason,
        ResultMessage => message: String,
        ResultReason => fallback: Option<ResultReason>,
        ProtocolVersion => from: Option<ProtocolVersion>,
    }
}

/// The stored form, which no message of the protocol contains.
impl Value for Error {
    fn decode(item: &Item<'_>) -> Result<Self, ttlv::Error> {
        let StoredError { reason, message, fallback, from } = Value::decode(item)?;
        Ok(Self { reason, message: message.into(), fallback, from: from.map(Version::from) })
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        let Self { reason, message, fallback, from } = self.clone();
        let message = message.into_owned();
        StoredError { reason, message, fallback, from: from.map(Into::into) }.encode(tag, writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{SUPPORTED, V1_0, V1_4, V2_0};

    #[test]
    fn every_version_defines_the_reason_that_it_receives() {
        for reason in ResultReason::ALL {
            for version in SUPPORTED {
                let reason_sent = Error::new(*reason, "").reason_in(version);
                assert!(reason_sent.since() <= version, "{reason} becomes {reason_sent} in {version}");
            }
        }
        assert_eq!(Error::new(ResultReason::Sensitive, "").reason_in(V1_0), ResultReason::PermissionDenied);
    }

    #[test]
    fn a_stored_error_is_read_unchanged() {
        let plain = Error::new(ResultReason::ItemNotFound, "gone");
        let precise = Error::new(ResultReason::WrongKeyLifecycleState, "")
            .with_fallback(ResultReason::PermissionDenied);
        for error in [plain, precise.from_version(V2_0)] {
            let mut writer = Writer::new(ttlv::STORED);
            error.encode(Tag::BatchItem, &mut writer);
            let bytes = writer.into_bytes();
            let item = ttlv::Reader::new(&bytes, ttlv::STORED).next().unwrap().unwrap();
            assert_eq!(Error::decode(&item), Ok(error));
        }
    }

    #[test]
    fn an_error_can_set_the_reason_for_older_versions() {
        let error = Error::new(ResultReason::WrongKeyLifecycleState, "");
        assert_eq!(error.reason_in(V1_4), ResultReason::IllegalOperation);
        let error = error.with_fallback(ResultReason::PermissionDenied);
        assert_eq!(error.reason_in(V1_4), ResultReason::PermissionDenied);
        assert_eq!(error.reason_in(V2_0), ResultReason::WrongKeyLifecycleState);
    }
}
