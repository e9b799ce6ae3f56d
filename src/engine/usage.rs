//! The rules for the cryptographic use of a key: object type, state, dates, Cryptographic Usage Mask and Usage Limits
//! (KMIP 1.4 §3.6, §3.19, §3.21, §3.22, §3.25 and §3.26).
//!
//! An operation calls [`open`], which checks the operation policy and then these rules; an operation with further checks
//! in between calls [`Context::open`] and [`check`]. After the computation and before it returns the result, it calls
//! [`count`]: a failed computation does not count, and no result leaves the server uncounted.

use crate::kmip::Error;
use crate::kmip::attributes::ObjectTypes;
use crate::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, ObjectType, Operation, ResultReason, UsageLimitsUnit,
};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier, UsageLimits};
use crate::store::Record;
use crate::ttlv::{DateTime, V2_0, Version};

use super::access::Granted;
use super::context::Context;
use super::error::{destroyed, failed};
use super::protection::Protection;
use super::{lifecycle, one_time_pad, usage_limits};

/// The purpose that a key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Signing.
    Sign,
    /// Verification of a signature.
    Verify,
    /// Encryption.
    Encrypt,
    /// Decryption.
    Decrypt,
    /// Encryption of another key.
    Wrap,
    /// Decryption of another key.
    Unwrap,
    /// Generation of a MAC.
    MacGenerate,
    /// Verification of a MAC.
    MacVerify,
    /// Derivation of another key.
    Derive,
}

/// The requirements of a purpose.
struct Rule {
    /// The bit that the Cryptographic Usage Mask must contain.
    bit: CryptographicUsageMask,
    /// The permitted object types.
    types: ObjectTypes,
    /// The Result Reason for any other object type up to 2.0, which is PyKMIP's.
    wrong_type: ResultReason,
    /// The Result Reason for a missing bit up to 2.0, which is PyKMIP's.
    missing_bit: ResultReason,
    /// Whether the key must be Active. PyKMIP derives keys from keys in any state.
    requires_active: bool,
    /// Whether the use protects data, so that Protect Stop Date and Usage Limits restrict it, or processes protected
    /// data, so that Process Start Date does (1.4 §3.21, §3.25, §3.26).
    protects: bool,
}

use ObjectType as T;
use ResultReason::{IllegalOperation, InvalidField, PermissionDenied};

const SYMMETRIC: ObjectTypes = ObjectTypes::of(&[T::SymmetricKey]);
const ENCRYPTING: ObjectTypes = ObjectTypes::of(&[T::SymmetricKey, T::PublicKey]);
const DECRYPTING: ObjectTypes = ObjectTypes::of(&[T::SymmetricKey, T::PrivateKey]);
const SIGNING: ObjectTypes = ObjectTypes::of(&[T::PrivateKey]);
const VERIFYING: ObjectTypes = ObjectTypes::of(&[T::PublicKey]);
const KEYS_AND_SECRETS: ObjectTypes =
    ObjectTypes::of(&[T::SymmetricKey, T::PublicKey, T::PrivateKey, T::SecretData]);

impl Use {
    /// Returns the use of the key that an operation names, or `None` if it is no cryptographic operation.
    pub fn of(operation: Operation) -> Option<Self> {
        Some(match operation {
            Operation::Sign => Self::Sign,
            Operation::SignatureVerify => Self::Verify,
            Operation::Encrypt => Self::Encrypt,
            Operation::Decrypt => Self::Decrypt,
            Operation::Mac => Self::MacGenerate,
            Operation::MacVerify => Self::MacVerify,
            Operation::DeriveKey => Self::Derive,
            _ => return None,
        })
    }

    fn rule(self) -> Rule {
        use CryptographicUsageMask as M;
        let rule = |bit, types, protects| Rule {
            bit,
            types,
            wrong_type: PermissionDenied,
            missing_bit: PermissionDenied,
            requires_active: true,
            protects,
        };
        match self {
            Self::Sign => rule(M::SIGN, SIGNING, true),
            Self::Verify => rule(M::VERIFY, VERIFYING, false),
            Self::Encrypt => rule(M::ENCRYPT, ENCRYPTING, true),
            Self::Decrypt => rule(M::DECRYPT, DECRYPTING, false),
            Self::Wrap => Rule { wrong_type: IllegalOperation, ..rule(M::WRAP_KEY, SYMMETRIC, true) },
            Self::Unwrap => Rule { wrong_type: IllegalOperation, ..rule(M::UNWRAP_KEY, SYMMETRIC, false) },
            Self::MacGenerate => rule(M::MAC_GENERATE, KEYS_AND_SECRETS, true),
            Self::MacVerify => rule(M::MAC_VERIFY, KEYS_AND_SECRETS, false),
            Self::Derive => Rule {
                wrong_type: InvalidField,
                missing_bit: InvalidField,
                requires_active: false,
                ..rule(M::DERIVE_KEY, KEYS_AND_SECRETS, false)
            },
        }
    }
}

/// Returns the object with this identifier, if its policy allows `operation` and its attributes allow `purpose` now.
///
/// # Errors
/// Returns the errors of [`Context::open`] and [`check`].
pub fn open(
    cx: &mut Context<'_>,
    identifier: Option<&UniqueIdentifier>,
    operation: Operation,
    purpose: Use,
) -> Result<Granted, Error> {
    let granted = cx.open(identifier, operation)?;
    check(&granted, purpose, cx.version, cx.now)?;
    Ok(granted)
}

/// Checks that the object may be used for `purpose` at `now`: object type, state, dates and Cryptographic Usage Mask, in
/// PyKMIP's order. [`count`] checks the Usage Limits.
///
/// # Errors
/// Returns Object Destroyed (before 2.1 Item Not Found), Object Archived, Invalid Object Type (up to 2.0 PyKMIP's
/// reason), Wrong Key Lifecycle State (before 2.1 Permission Denied) if the state or a date does not allow the use, and
/// Incompatible Cryptographic Usage Mask (up to 2.0 PyKMIP's reason).
pub fn check(record: &Record, purpose: Use, version: Version, now: DateTime) -> Result<(), Error> {
    check_present(record)?;
    let rule = purpose.rule();
    // A one-time pad can be Secret Data.
    let as_pad = matches!(purpose, Use::Encrypt | Use::Decrypt) && one_time_pad::is_pad(record);
    if !rule.types.contains(record.object_type) && !as_pad {
        return Err(failed(
            reason(version, rule.wrong_type, ResultReason::InvalidObjectType),
            format!("An object of the type {} cannot be used to {purpose}.", record.object_type),
        ));
    }
    check_state_and_mask(record, &rule, purpose, version, now)
}

/// Checks what [`check`] checks, except for the object type.
///
/// # Errors
/// Returns the errors of [`check`].
pub fn check_any_type(record: &Record, purpose: Use, version: Version, now: DateTime) -> Result<(), Error> {
    check_present(record)?;
    check_state_and_mask(record, &purpose.rule(), purpose, version, now)
}

fn check_present(record: &Record) -> Result<(), Error> {
    if lifecycle::is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    lifecycle::check_not_archived(record)
}

fn check_state_and_mask(
    record: &Record,
    rule: &Rule,
    purpose: Use,
    version: Version,
    now: DateTime,
) -> Result<(), Error> {
    if rule.requires_active {
        let protection = if rule.protects { Protection::Apply } else { Protection::Process };
        protection.check(record, &purpose, now)?;
    }
    let mask = record.attributes.cryptographic_usage_mask.unwrap_or_default();
    if !mask.contains(rule.bit) {
        return Err(failed(
            reason(version, rule.missing_bit, ResultReason::IncompatibleCryptographicUsageMask),
            format!("The key's Cryptographic Usage Mask does not allow it to {purpose}."),
        ));
    }
    Ok(())
}

fn reason(version: Version, pykmip: ResultReason, standard: ResultReason) -> ResultReason {
    if version > V2_0 { standard } else { pykmip }
}

/// The amount that a use subtracts from the key's Usage Limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// The number of protected bytes.
    pub bytes: usize,
    /// The number of protected objects: one for each operation, also if its data comes in several parts.
    pub objects: i64,
}

impl Amount {
    /// Returns the amount of a whole operation, or of its first part.
    pub const fn first(bytes: usize) -> Self {
        Self { bytes, objects: 1 }
    }

    /// Returns the amount of a further part of an operation.
    pub const fn further(bytes: usize) -> Self {
        Self { bytes, objects: 0 }
    }
}

/// Subtracts a use from the key's Usage Limits (1.4 §3.21) in one transaction. Does nothing if the key has no limits or
/// the use protects no data. Checks the state again, because another request can have revoked the key since [`check`].
///
/// # Errors
/// Returns Permission Denied if less is left, and the errors of [`Context::modify`] and [`check_any_type`].
pub fn count(
    cx: &mut Context<'_>,
    granted: &Granted,
    operation: Operation,
    purpose: Use,
    amount: Amount,
) -> Result<(), Error> {
    if !purpose.rule().protects || granted.attributes.usage_limits.is_none() {
        return Ok(());
    }
    let identifier = UniqueIdentifier::from(granted.id);
    let version = cx.version;
    cx.modify(Some(&identifier), operation, |record, now| {
        check_any_type(record, purpose, version, now)?;
        record.attributes.usage_limits.as_mut().map_or(Ok(()), |limits| subtract(limits, amount))
    })?;
    Ok(())
}

fn subtract(limits: &mut UsageLimits, amount: Amount) -> Result<(), Error> {
    let amount = match limits.usage_limits_unit {
        UsageLimitsUnit::Byte => i64::try_from(amount.bytes).unwrap_or(i64::MAX),
        UsageLimitsUnit::Object => amount.objects,
    };
    if usage_limits::try_subtract(limits, amount) {
        Ok(())
    } else {
        // 2.0 adds the reason Usage Limit Exceeded, but the standard's test cases expect this one in 2.x as well.
        Err(failed(PermissionDenied, "The key's Usage Limits do not allow this use any more."))
    }
}

/// Returns the Cryptographic Parameters of a use: those of the request, otherwise the key's own with the lowest index
/// (1.4 §4.29), otherwise `None`.
pub fn parameters(
    request: Option<CryptographicParameters>,
    record: &Record,
) -> Option<CryptographicParameters> {
    request.or_else(|| record.attributes.cryptographic_parameters.first().cloned())
}

/// Returns the algorithm of a use: that of the parameters, otherwise the key's own.
pub fn algorithm(parameters: &CryptographicParameters, record: &Record) -> Option<CryptographicAlgorithm> {
    parameters.cryptographic_algorithm.or(record.attributes.cryptographic_algorithm)
}

impl std::fmt::Display for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sign => "sign",
            Self::Verify => "verify a signature",
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Wrap => "wrap a key",
            Self::Unwrap => "unwrap a key",
            Self::MacGenerate => "generate a MAC",
            Self::MacVerify => "verify a MAC",
            Self::Derive => "derive a key",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::State;
    use crate::store::Id;
    use crate::ttlv::{V1_2, V2_1};

    const NOW: DateTime = DateTime(1_000);
    const ALL: [Use; 9] = [
        Use::Sign,
        Use::Verify,
        Use::Encrypt,
        Use::Decrypt,
        Use::Wrap,
        Use::Unwrap,
        Use::MacGenerate,
        Use::MacVerify,
        Use::Derive,
    ];

    /// Returns an active key with every bit of the usage mask.
    fn key(object_type: ObjectType) -> Record {
        let attributes = Attributes {
            state: Some(State::Active),
            cryptographic_usage_mask: Some(CryptographicUsageMask(i32::MAX)),
            ..Attributes::default()
        };
        Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None }
    }

    fn suitable(purpose: Use) -> Record {
        key(match purpose {
            Use::Sign => ObjectType::PrivateKey,
            Use::Verify => ObjectType::PublicKey,
            _ => ObjectType::SymmetricKey,
        })
    }

    fn reason(record: &Record, purpose: Use, version: Version) -> Option<ResultReason> {
        check(record, purpose, version, NOW).err().map(|error| error.reason_in(version))
    }

    #[test]
    fn allows_an_active_key_with_the_right_type_and_mask() {
        for purpose in ALL {
            assert_eq!(reason(&suitable(purpose), purpose, V1_2), None, "{purpose}");
        }
    }

    #[test]
    fn rejects_other_types_with_the_reason_of_the_version() {
        for (purpose, pykmip) in [
            (Use::Sign, PermissionDenied),
            (Use::Encrypt, PermissionDenied),
            (Use::MacGenerate, PermissionDenied),
            (Use::Wrap, IllegalOperation),
            (Use::Derive, InvalidField),
        ] {
            let record = key(ObjectType::OpaqueObject);
            assert_eq!(reason(&record, purpose, V1_2), Some(pykmip), "{purpose}");
            assert_eq!(reason(&record, purpose, V2_0), Some(pykmip), "{purpose}");
            assert_eq!(reason(&record, purpose, V2_1), Some(ResultReason::InvalidObjectType), "{purpose}");
        }
        assert_eq!(reason(&key(ObjectType::PublicKey), Use::Sign, V1_2), Some(PermissionDenied));
        assert_eq!(reason(&key(ObjectType::PrivateKey), Use::Encrypt, V1_2), Some(PermissionDenied));
        assert_eq!(reason(&key(ObjectType::SecretData), Use::MacVerify, V1_2), None);
    }

    #[test]
    fn only_derivation_allows_a_key_that_is_not_active() {
        for state in [State::PreActive, State::Deactivated, State::Compromised] {
            for purpose in ALL {
                let mut record = suitable(purpose);
                record.attributes.state = Some(state);
                let refused = purpose != Use::Derive;
                assert_eq!(reason(&record, purpose, V1_2), refused.then_some(PermissionDenied), "{purpose}");
                assert_eq!(reason(&record, purpose, V2_0), refused.then_some(PermissionDenied), "{purpose}");
                let from_2_1 = refused.then_some(ResultReason::WrongKeyLifecycleState);
                assert_eq!(reason(&record, purpose, V2_1), from_2_1, "{purpose}");
            }
        }
    }

    #[test]
    fn protect_stop_date_restricts_protection_and_process_start_date_processing() {
        let with_dates = |purpose: Use, start: Option<i64>, stop: Option<i64>| {
            let mut record = suitable(purpose);
            record.attributes.process_start_date = start.map(DateTime);
            record.attributes.protect_stop_date = stop.map(DateTime);
            reason(&record, purpose, V1_2)
        };
        for purpose in [Use::Encrypt, Use::Sign, Use::MacGenerate, Use::Wrap] {
            assert_eq!(with_dates(purpose, Some(2_000), Some(1_001)), None);
            assert_eq!(with_dates(purpose, None, Some(1_000)), Some(PermissionDenied));
        }
        for purpose in [Use::Decrypt, Use::Verify, Use::MacVerify, Use::Unwrap] {
            assert_eq!(with_dates(purpose, Some(1_000), Some(10)), None);
            assert_eq!(with_dates(purpose, Some(1_001), None), Some(PermissionDenied));
        }
    }

    #[test]
    fn each_use_requires_its_own_bit_of_the_mask() {
        for purpose in ALL {
            let mut record = suitable(purpose);
            record.attributes.cryptographic_usage_mask = Some(purpose.rule().bit);
            assert_eq!(reason(&record, purpose, V1_2), None);
            record.attributes.cryptographic_usage_mask =
                Some(CryptographicUsageMask(i32::MAX & !purpose.rule().bit.0));
            let pykmip = if purpose == Use::Derive { InvalidField } else { PermissionDenied };
            assert_eq!(reason(&record, purpose, V2_0), Some(pykmip));
            let standard = ResultReason::IncompatibleCryptographicUsageMask;
            assert_eq!(reason(&record, purpose, V2_1), Some(standard));
        }
    }

    #[test]
    fn reports_the_first_failed_check() {
        let mut record = key(ObjectType::PublicKey);
        record.attributes.state = Some(State::PreActive);
        record.attributes.cryptographic_usage_mask = None;
        assert_eq!(reason(&record, Use::Sign, V2_1), Some(ResultReason::InvalidObjectType));
        record.object_type = ObjectType::PrivateKey;
        assert_eq!(reason(&record, Use::Sign, V2_1), Some(ResultReason::WrongKeyLifecycleState));
        record.attributes.archive_date = Some(NOW);
        assert_eq!(reason(&record, Use::Sign, V2_1), Some(ResultReason::ObjectArchived));
        record.attributes.destroy_date = Some(NOW);
        assert_eq!(reason(&record, Use::Sign, V1_2), Some(ResultReason::ItemNotFound));
    }

    #[test]
    fn subtracts_bytes_or_objects_from_the_limits() {
        let mut limits = UsageLimits {
            usage_limits_total: 16,
            usage_limits_count: None,
            usage_limits_unit: UsageLimitsUnit::Byte,
        };
        assert_eq!(subtract(&mut limits, Amount::first(17)).unwrap_err().reason, PermissionDenied);
        subtract(&mut limits, Amount::first(10)).unwrap();
        subtract(&mut limits, Amount::first(6)).unwrap();
        assert_eq!((limits.usage_limits_total, limits.usage_limits_count), (16, Some(0)));
        assert_eq!(subtract(&mut limits, Amount::first(1)).unwrap_err().reason, PermissionDenied);

        let unit = UsageLimitsUnit::Object;
        let mut limits =
            UsageLimits { usage_limits_total: 1, usage_limits_count: Some(1), usage_limits_unit: unit };
        subtract(&mut limits, Amount::first(1 << 20)).unwrap();
        subtract(&mut limits, Amount::further(1 << 20)).unwrap();
        assert_eq!(limits.usage_limits_count, Some(0));
    }

    #[test]
    fn parameters_of_the_request_override_those_of_the_key() {
        let of = |algorithm| CryptographicParameters {
            cryptographic_algorithm: Some(algorithm),
            ..CryptographicParameters::default()
        };
        let mut record = key(ObjectType::SymmetricKey);
        assert_eq!(parameters(None, &record), None);
        record.attributes.cryptographic_algorithm = Some(CryptographicAlgorithm::Aes);
        record.attributes.cryptographic_parameters =
            vec![of(CryptographicAlgorithm::HmacSha256), of(CryptographicAlgorithm::HmacMd5)];
        let own = parameters(None, &record).unwrap();
        assert_eq!(algorithm(&own, &record), Some(CryptographicAlgorithm::HmacSha256));
        let requested = parameters(Some(CryptographicParameters::default()), &record).unwrap();
        assert_eq!(algorithm(&requested, &record), Some(CryptographicAlgorithm::Aes));
    }
}
