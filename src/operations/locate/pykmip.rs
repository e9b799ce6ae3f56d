//! Locate as PyKMIP's server executes it.

use crate::compatibility::{Behavior, Difference};
use crate::kmip::attributes::{AttributeDefinition, ObjectTypes};
use crate::kmip::enums::ObjectType;
use crate::store::{Criterion, Id};
use crate::ttlv::Tag;

/// The attributes that PyKMIP's Locate reads without comparing them, because PyKMIP does not store them.
const UNCOMPARED: [Tag; 15] = [
    Tag::CryptographicParameters,
    Tag::CertificateLength,
    Tag::Digest,
    Tag::LeaseTime,
    Tag::ActivationDate,
    Tag::ProcessStartDate,
    Tag::ProtectStopDate,
    Tag::DeactivationDate,
    Tag::DestroyDate,
    Tag::CompromiseOccurrenceDate,
    Tag::CompromiseDate,
    Tag::ArchiveDate,
    Tag::Fresh,
    Tag::ContactInformation,
    Tag::LastChangeDate,
];

/// The object types that can have dates of a usage period.
const USED_IN_A_PERIOD: ObjectTypes =
    ObjectTypes::of(&[ObjectType::SymmetricKey, ObjectType::SplitKey, ObjectType::Template]);

/// The object types that have a life cycle in PyKMIP.
const ALL_BUT_OPAQUE: ObjectTypes = ObjectTypes::of(&[
    ObjectType::Certificate,
    ObjectType::SymmetricKey,
    ObjectType::PublicKey,
    ObjectType::PrivateKey,
    ObjectType::SplitKey,
    ObjectType::Template,
    ObjectType::SecretData,
    ObjectType::PgpKey,
    ObjectType::CertificateRequest,
]);

/// Returns the criterion for an attribute whose value PyKMIP does not compare, or `None` if PyKMIP compares it or its
/// behaviour does not apply.
pub(super) fn criterion(row: &AttributeDefinition, behavior: Behavior) -> Option<Criterion> {
    // PyKMIP compares the attribute with a value of another type.
    if row.tag == Tag::Sensitive && behavior.has(Difference::SensitiveMatchesNothing) {
        return Some(Criterion::Nothing);
    }
    if !UNCOMPARED.contains(&row.tag) || !behavior.has(Difference::UncomparedAttributes) {
        return None;
    }
    Some(Criterion::OneOf(match row.tag {
        Tag::ProcessStartDate | Tag::ProtectStopDate => USED_IN_A_PERIOD,
        Tag::ActivationDate | Tag::DeactivationDate => ALL_BUT_OPAQUE,
        _ => row.rules.applies_to,
    }))
}

/// Returns the slice `[offset:offset + maximum]` of Python, in which negative bounds count from the end.
pub(super) fn slice(ids: Vec<Id>, offset: Option<i32>, maximum: Option<i32>) -> Vec<Id> {
    let length = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let position = |bound: i64| {
        let bound = if bound < 0 { bound.saturating_add(length) } else { bound };
        usize::try_from(bound.clamp(0, length)).unwrap_or(usize::MAX)
    };
    let offset = offset.map_or(0, i64::from);
    let start = position(offset);
    let end = maximum.map_or(ids.len(), |maximum| position(offset.saturating_add(maximum.into())));
    ids.into_iter().take(end).skip(start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_like_python() {
        let sliced = |offset, maximum| {
            let ids = slice((0..5).map(Id).collect(), offset, maximum);
            ids.into_iter().map(|id| id.0).collect::<Vec<_>>()
        };
        assert_eq!(sliced(None, Some(-1)), [0, 1, 2, 3]);
        assert_eq!(sliced(Some(-2), None), [3, 4]);
        assert_eq!(sliced(Some(-2), Some(1)), [3]);
        assert_eq!(sliced(Some(-2), Some(2)), [0; 0]);
        assert_eq!(sliced(Some(-9), Some(10)), [0]);
        assert_eq!(sliced(Some(1), Some(-3)), [1, 2]);
        assert_eq!(sliced(Some(7), Some(-1)), [0; 0]);
        assert_eq!(sliced(None, Some(-9)), [0; 0]);
    }
}
