//! Whether a key may be used for a purpose, in which way, and how often (KMIP 1.4 §3.6, §3.19, §3.21, §3.22,
//! §3.25 and §3.26).
//!
//! [`open`] is what operations call: it asks the object's policy and then judges the object. An operation that
//! has checks of its own in between opens by [`Context::open`] and judges by [`judge`]. Once the work is done,
//! [`spend`] counts it, so that what failed is not counted and nothing is given out that could not be counted.
//! The computation itself is left to the operations.

use crate::kmip::Error;
use crate::kmip::attributes::ObjectTypes;
use crate::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, ObjectType, Operation, ResultReason, State,
    UsageLimitsUnit,
};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier, UsageLimits};
use crate::store::Record;
use crate::ttlv::{DateTime, V2_0, Version};

use super::access::Granted;
use super::context::Context;
use super::error::{destroyed, failed, wrong_state};
use super::{lifecycle, one_time_pad, usage_limits};

/// What a key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To sign.
    Sign,
    /// To verify a signature.
    Verify,
    /// To encrypt.
    Encrypt,
    /// To decrypt.
    Decrypt,
    /// To encrypt another key.
    Wrap,
    /// To decrypt another key.
    Unwrap,
    /// To make a message authentication code.
    MacGenerate,
    /// To verify a message authentication code.
    MacVerify,
    /// To derive another key from.
    Derive,
}

/// What a use asks of a key.
struct Rule {
    /// The bit of the Cryptographic Usage Mask.
    bit: CryptographicUsageMask,
    /// What the key has to be.
    types: ObjectTypes,
    /// The reason of the refusal where it is something else, up to 2.0: PyKMIP's.
    wrong_type: ResultReason,
    /// The reason of the refusal where the bit is not set, up to 2.0: PyKMIP's.
    missing_bit: ResultReason,
    /// Whether the key has to be Active. PyKMIP derives from keys in any state.
    active: bool,
    /// Whether the use protects something, so that Protect Stop Date and Usage Limits bound it, or processes
    /// what is protected, so that Process Start Date does (1.4 §3.21, §3.25, §3.26).
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
    fn rule(self) -> Rule {
        use CryptographicUsageMask as M;
        let rule = |bit, types, protects| Rule {
            bit,
            types,
            wrong_type: PermissionDenied,
            missing_bit: PermissionDenied,
            active: true,
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
                active: false,
                ..rule(M::DERIVE_KEY, KEYS_AND_SECRETS, false)
            },
        }
    }
}

/// The object that `identifier` names, if its policy allows `operation` and it may be used for `purpose` now.
///
/// # Errors
/// Those of [`Context::open`] and of [`judge`].
pub fn open(
    cx: &mut Context<'_>,
    identifier: Option<&UniqueIdentifier>,
    operation: Operation,
    purpose: Use,
) -> Result<Granted, Error> {
    let granted = cx.open(identifier, operation)?;
    judge(&granted, purpose, cx.version, cx.now)?;
    Ok(granted)
}

/// Whether the object may be used for `purpose` at `now`: what it is, its state and dates, and its usage mask, in
/// this order, which is PyKMIP's. What is left of its usage limits is judged by [`spend`].
///
/// # Errors
/// Object Destroyed (before 2.1 Item Not Found) for a destroyed object, Object Archived for an archived one. For
/// the rest PyKMIP's reasons up to 2.0, Permission Denied unless said otherwise, and those of the standard's own
/// table from 2.1 on: Invalid Object Type for another object, Incompatible Cryptographic Usage Mask for a bit
/// that is not set. A state or a date that does not allow the use is a Wrong Key Lifecycle State from 2.0 on.
pub fn judge(record: &Record, purpose: Use, version: Version, now: DateTime) -> Result<(), Error> {
    if lifecycle::is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    lifecycle::within_reach(record)?;
    let rule = purpose.rule();
    let reason = |pykmip, table| if version > V2_0 { table } else { pykmip };
    // A one-time pad may be secret data: it is all that it can be used for.
    let as_pad = matches!(purpose, Use::Encrypt | Use::Decrypt) && one_time_pad::is_pad(record);
    if !rule.types.contains(record.object_type) && !as_pad {
        return Err(failed(
            reason(rule.wrong_type, ResultReason::InvalidObjectType),
            format!("An object of the type {} cannot be used to {purpose}.", record.object_type),
        ));
    }
    judge_state(record, &rule, purpose, now).map_err(wrong_state)?;
    let mask = record.attributes.cryptographic_usage_mask.unwrap_or_default();
    if !mask.contains(rule.bit) {
        return Err(failed(
            reason(rule.missing_bit, ResultReason::IncompatibleCryptographicUsageMask),
            format!("The key's Cryptographic Usage Mask does not let it be used to {purpose}."),
        ));
    }
    Ok(())
}

/// The state at this moment and the dates that bound a use; the words where they do not allow it.
fn judge_state(record: &Record, rule: &Rule, purpose: Use, now: DateTime) -> Result<(), String> {
    let attributes = &record.attributes;
    match attributes.state {
        _ if !rule.active => {}
        Some(State::Active) => {}
        Some(state) => {
            return Err(format!("The key is {state} and not Active, so it cannot be used to {purpose}."));
        }
        None => return Err(format!("The object has no state, so it cannot be used to {purpose}.")),
    }
    if rule.protects && attributes.protect_stop_date.is_some_and(|date| date <= now) {
        return Err(format!("The key's Protect Stop Date has passed, so it cannot be used to {purpose}."));
    }
    if !rule.protects && attributes.process_start_date.is_some_and(|date| date > now) {
        return Err(format!(
            "The key's Process Start Date has not come, so it cannot be used to {purpose} yet."
        ));
    }
    Ok(())
}

/// How much of a key's Usage Limits a use takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// The bytes that are protected.
    pub bytes: usize,
    /// The objects that are protected: one for each operation, however many parts it comes in.
    pub objects: i64,
}

impl Amount {
    /// A whole operation, or the first part of one.
    pub const fn first(bytes: usize) -> Self {
        Self { bytes, objects: 1 }
    }

    /// A further part.
    pub const fn further(bytes: usize) -> Self {
        Self { bytes, objects: 0 }
    }
}

/// Counts a use against the key's Usage Limits (1.4 §3.21): one change of the store that takes it from what is
/// left, or fails. A key without limits, and a use that protects nothing, costs no change.
///
/// # Errors
/// Permission Denied where less than that is left, and those of [`Context::modify`].
pub fn spend(
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
    cx.modify(Some(&identifier), operation, |record, _| {
        record.attributes.usage_limits.as_mut().map_or(Ok(()), |limits| take(limits, amount))
    })?;
    Ok(())
}

fn take(limits: &mut UsageLimits, amount: Amount) -> Result<(), Error> {
    let amount = match limits.usage_limits_unit {
        UsageLimitsUnit::Byte => i64::try_from(amount.bytes).unwrap_or(i64::MAX),
        UsageLimitsUnit::Object => amount.objects,
    };
    if usage_limits::take(limits, amount) { Ok(()) } else { Err(used_up()) }
}

/// From 2.0 on there is a reason of its own, but the standard's test cases ask for this one there too.
fn used_up() -> Error {
    failed(PermissionDenied, "The key's Usage Limits do not allow this use any more.")
}

/// The Cryptographic Parameters of a use: those of the request as they are, or else the key's own of the lowest
/// index (1.4 §4.29). None where neither has any.
pub fn parameters(
    request: Option<CryptographicParameters>,
    record: &Record,
) -> Option<CryptographicParameters> {
    request.or_else(|| record.attributes.cryptographic_parameters.first().cloned())
}

/// The algorithm of a use: that of the parameters, or else the key's.
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
            Self::MacGenerate => "make a MAC",
            Self::MacVerify => "verify a MAC",
            Self::Derive => "derive a key from it",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
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

    /// A key that may be used for everything that its type allows.
    fn key(object_type: ObjectType) -> Record {
        let attributes = Attributes {
            state: Some(State::Active),
            cryptographic_usage_mask: Some(CryptographicUsageMask(i32::MAX)),
            ..Attributes::default()
        };
        Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None }
    }

    fn fit(purpose: Use) -> Record {
        key(match purpose {
            Use::Sign => ObjectType::PrivateKey,
            Use::Verify => ObjectType::PublicKey,
            _ => ObjectType::SymmetricKey,
        })
    }

    fn reason(record: &Record, purpose: Use, version: Version) -> Option<ResultReason> {
        judge(record, purpose, version, NOW).err().map(|error| error.reason_in(version))
    }

    #[test]
    fn an_active_key_of_the_right_type_and_mask_may_be_used() {
        for purpose in ALL {
            assert_eq!(reason(&fit(purpose), purpose, V1_2), None, "{purpose}");
        }
    }

    #[test]
    fn another_type_is_refused_for_the_reason_of_the_version() {
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
    fn a_key_that_is_not_active_can_only_be_derived_from() {
        for state in [State::PreActive, State::Deactivated, State::Compromised] {
            for purpose in ALL {
                let mut record = fit(purpose);
                record.attributes.state = Some(state);
                let refused = purpose != Use::Derive;
                assert_eq!(reason(&record, purpose, V1_2), refused.then_some(PermissionDenied), "{purpose}");
                let later = refused.then_some(ResultReason::WrongKeyLifecycleState);
                assert_eq!(reason(&record, purpose, V2_0), later, "{purpose}");
            }
        }
    }

    #[test]
    fn dates_bound_protecting_at_its_end_and_processing_at_its_beginning() {
        let judged = |purpose: Use, start: Option<i64>, stop: Option<i64>| {
            let mut record = fit(purpose);
            record.attributes.process_start_date = start.map(DateTime);
            record.attributes.protect_stop_date = stop.map(DateTime);
            reason(&record, purpose, V1_2)
        };
        for purpose in [Use::Encrypt, Use::Sign, Use::MacGenerate, Use::Wrap] {
            assert_eq!(judged(purpose, Some(2_000), Some(1_001)), None);
            assert_eq!(judged(purpose, None, Some(1_000)), Some(PermissionDenied));
        }
        for purpose in [Use::Decrypt, Use::Verify, Use::MacVerify, Use::Unwrap] {
            assert_eq!(judged(purpose, Some(1_000), Some(10)), None);
            assert_eq!(judged(purpose, Some(1_001), None), Some(PermissionDenied));
        }
    }

    #[test]
    fn each_use_asks_for_its_own_bit_of_the_mask() {
        for purpose in ALL {
            let mut record = fit(purpose);
            record.attributes.cryptographic_usage_mask = Some(purpose.rule().bit);
            assert_eq!(reason(&record, purpose, V1_2), None);
            record.attributes.cryptographic_usage_mask =
                Some(CryptographicUsageMask(i32::MAX & !purpose.rule().bit.0));
            let pykmip = if purpose == Use::Derive { InvalidField } else { PermissionDenied };
            assert_eq!(reason(&record, purpose, V2_0), Some(pykmip));
            let table = ResultReason::IncompatibleCryptographicUsageMask;
            assert_eq!(reason(&record, purpose, V2_1), Some(table));
        }
    }

    #[test]
    fn what_is_judged_first_is_said_first() {
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
    fn limits_are_counted_down_to_nothing_by_bytes_or_by_objects() {
        let mut limits = UsageLimits {
            usage_limits_total: 16,
            usage_limits_count: None,
            usage_limits_unit: UsageLimitsUnit::Byte,
        };
        assert_eq!(take(&mut limits, Amount::first(17)).unwrap_err().reason, PermissionDenied);
        take(&mut limits, Amount::first(10)).unwrap();
        take(&mut limits, Amount::first(6)).unwrap();
        assert_eq!((limits.usage_limits_total, limits.usage_limits_count), (16, Some(0)));
        assert_eq!(take(&mut limits, Amount::first(1)).unwrap_err().reason, PermissionDenied);

        let unit = UsageLimitsUnit::Object;
        let mut limits =
            UsageLimits { usage_limits_total: 1, usage_limits_count: Some(1), usage_limits_unit: unit };
        take(&mut limits, Amount::first(1 << 20)).unwrap();
        take(&mut limits, Amount::further(1 << 20)).unwrap();
        assert_eq!(limits.usage_limits_count, Some(0));
    }

    #[test]
    fn parameters_of_the_request_count_before_those_of_the_key() {
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
        let given = parameters(Some(CryptographicParameters::default()), &record).unwrap();
        assert_eq!(algorithm(&given, &record), Some(CryptographicAlgorithm::Aes));
    }
}
