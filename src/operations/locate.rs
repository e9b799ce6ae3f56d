//! Locate (KMIP 1.4 §4.9, 2.1 §6.1.28): returns the identifiers of the objects that match the attributes.
//!
//! A single date must match exactly; two dates are a range. Every bit of a usage mask must be set. Any other attribute
//! must equal one of the object's values.

mod groups;
mod pykmip;

use crate::compatibility::{Behavior, Difference};
use crate::engine::{Context, Search, invalid_field};
use crate::kmip::attributes::{Attribute, AttributeList};
use crate::kmip::enums::{
    CryptographicUsageMask, ObjectGroupMember, State, StorageStatusMask, UniqueIdentifierValue,
};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::{Criterion, Id, Order};
use crate::ttlv::{DateTime, Tag, V1_3};

use super::Operation;
use super::excess::WithExcess;

structure! {
    /// Request Payload.
    pub rows Request {
        MaximumItems => maximum_items: Option<i32>,
        OffsetItems => offset_items: Option<i32>,
        StorageStatusMask => storage_status_mask: Option<StorageStatusMask>,
        ObjectGroupMember => object_group_member: Option<ObjectGroupMember>,
        Attributes => attributes: AttributeList,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        LocatedItems[V1_3..] => located_items: Option<i32>,
        UniqueIdentifier => unique_identifiers: Vec<UniqueIdentifier>,
    }
}

pub(super) struct Locate;

impl Operation for Locate {
    const CODE: enums::Operation = enums::Operation::Locate;
    type Request = WithExcess<Request>;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Self::Request) -> Result<Response, Error> {
        let request = request.admit(cx.compatibility)?;
        let Request { maximum_items, offset_items, attributes, .. } = request;
        let behavior = cx.compatibility;
        let is_negative =
            maximum_items.is_some_and(i32::is_negative) || offset_items.is_some_and(i32::is_negative);
        let from_end = is_negative && behavior.has(Difference::NegativeItems);
        let (offset, limit) = if from_end {
            (0, None)
        } else {
            (number(offset_items, "Offset Items")?.unwrap_or(0), number(maximum_items, "Maximum Items")?)
        };
        let is_page = maximum_items.is_some() || offset_items.is_some();
        let search = Search {
            criteria: criteria(&attributes.0, behavior)?,
            storage: storage(request.storage_status_mask, behavior),
            offset,
            limit,
            order: match behavior.has(Difference::LocateOrder) {
                true => Order::LatestSecondFirst,
                false => Order::NewestFirst,
            },
            count: is_page && cx.version >= V1_3 && !behavior.has(Difference::LocatedItems),
        };
        let group = groups::named(&attributes.0);
        let member =
            request.object_group_member.filter(|_| !behavior.has(Difference::ObjectGroupMemberIgnored));
        let mut found = match (member, group) {
            (Some(ObjectGroupMember::GroupMemberFresh), group) => {
                groups::fresh(cx, search, group.as_deref())?
            }
            (Some(ObjectGroupMember::GroupMemberDefault), Some(group)) => {
                groups::default(cx, search, &group)?
            }
            // Without a group there is no default member.
            (Some(ObjectGroupMember::GroupMemberDefault) | None, _) => cx.locate(search)?,
        };
        if from_end {
            found.ids = pykmip::slice(found.ids, offset_items, maximum_items);
        }
        match found.ids.as_slice() {
            [only] => cx.set_placeholders(UniqueIdentifierValue::Locate, *only),
            _ => cx.clear_id_placeholder(),
        }
        Ok(Response {
            located_items: found.total.map(|total| i32::try_from(total).unwrap_or(i32::MAX)),
            unique_identifiers: found.ids.into_iter().map(UniqueIdentifier::from).collect(),
        })
    }
}

/// Returns the storage statuses to search.
fn storage(requested: Option<StorageStatusMask>, behavior: Behavior) -> StorageStatusMask {
    let online = StorageStatusMask::ON_LINE_STORAGE;
    match requested {
        // PyKMIP archives no objects and does not store destroyed ones.
        Some(mask) if behavior.has(Difference::StorageStatusMaskIgnored) => {
            StorageStatusMask(online.0 | (mask.0 & StorageStatusMask::ARCHIVAL_STORAGE.0))
        }
        requested => requested.unwrap_or(online),
    }
}

fn criteria(attributes: &[Attribute], behavior: Behavior) -> Result<Vec<Criterion>, Error> {
    let mut criteria = Vec::new();
    for (at, attribute) in attributes.iter().enumerate() {
        if let Some(criterion) = pykmip::criterion(attribute.row, behavior) {
            criteria.push(criterion);
            continue;
        }
        let same = |other: &&Attribute| other.row == attribute.row;
        let Ok(date) = attribute.read::<DateTime>() else {
            criteria.push(criterion(attribute));
            continue;
        };
        if attributes.iter().take(at).any(|other| same(&other)) {
            continue;
        }
        let mut dates = vec![date];
        dates.extend(
            attributes.iter().skip(at + 1).filter(same).filter_map(|other| other.read::<DateTime>().ok()),
        );
        let (first, last) = match dates.as_slice() {
            [exact] => (*exact, *exact),
            [one, other] => (*one.min(other), *one.max(other)),
            _ => {
                return Err(invalid_field(format!(
                    "The request contains the {attribute} attribute {} times; use one date for an exact match or two for a range.",
                    dates.len()
                )));
            }
        };
        criteria.push(Criterion::Between(attribute.row, first, last));
    }
    Ok(criteria)
}

fn criterion(attribute: &Attribute) -> Criterion {
    let read = match attribute.row.tag {
        Tag::State => attribute.read::<State>().ok().map(Criterion::State),
        Tag::CryptographicUsageMask => {
            attribute.read::<CryptographicUsageMask>().ok().map(|mask| Criterion::UsageMask(mask.0))
        }
        Tag::UniqueIdentifier => {
            let identifier = attribute.read::<UniqueIdentifier>().ok();
            let id = identifier.as_ref().and_then(UniqueIdentifier::text).and_then(Id::parse);
            Some(id.map_or(Criterion::Nothing, Criterion::Identifier))
        }
        _ => None,
    };
    read.unwrap_or_else(|| Criterion::Equals(attribute.clone()))
}

fn number(value: Option<i32>, name: &str) -> Result<Option<u64>, Error> {
    let negative = |_| invalid_field(format!("{name} must not be negative."));
    value.map(|value| u64::try_from(value).map_err(negative)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compatibility::Compatibility;
    use crate::kmip::attributes::AttributeDefinition;
    use crate::kmip::enums::ResultReason;
    use crate::operations::testing::{attribute, custom, named, reason};

    fn criteria(attributes: &[Attribute]) -> Result<Vec<Criterion>, Error> {
        super::criteria(attributes, Compatibility::Standard.in_version(1, 4))
    }

    fn date(tag: Tag, seconds: i64) -> Attribute {
        attribute(tag, &DateTime(seconds))
    }

    fn row(tag: Tag) -> &'static AttributeDefinition {
        AttributeDefinition::of(tag).unwrap()
    }

    #[test]
    fn matches_one_date_exactly_and_two_dates_as_a_range() {
        let between = |from, to| Criterion::Between(row(Tag::InitialDate), DateTime(from), DateTime(to));
        let initial = |seconds| date(Tag::InitialDate, seconds);
        assert_eq!(criteria(&[initial(7)]), Ok(vec![between(7, 7)]));
        assert_eq!(criteria(&[initial(7), initial(9)]), Ok(vec![between(7, 9)]));
        assert_eq!(criteria(&[initial(9), named("a"), initial(7)]).unwrap()[0], between(7, 9));
        assert_eq!(reason(criteria(&[initial(1), initial(2), initial(3)])), ResultReason::InvalidField);
        let both = criteria(&[initial(1), date(Tag::ActivationDate, 2), initial(3)]).unwrap();
        let activation = Criterion::Between(row(Tag::ActivationDate), DateTime(2), DateTime(2));
        assert_eq!(both, [between(1, 3), activation]);
    }

    #[test]
    fn converts_states_masks_and_identifiers_to_specific_criteria() {
        let mask = CryptographicUsageMask::SIGN | CryptographicUsageMask::VERIFY;
        let identifier =
            |text: &str| attribute(Tag::UniqueIdentifier, &UniqueIdentifier::Text(text.to_owned()));
        let found = criteria(&[
            attribute(Tag::State, &State::Active),
            attribute(Tag::CryptographicUsageMask, &mask),
            identifier("17"),
            identifier("no number"),
        ]);
        let expected = [
            Criterion::State(State::Active),
            Criterion::UsageMask(mask.0),
            Criterion::Identifier(Id(17)),
            Criterion::Nothing,
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn converts_each_other_attribute_to_an_equality() {
        let given = [named("a"), custom("colour", "red"), named("b")];
        assert_eq!(criteria(&given).unwrap(), given.clone().map(Criterion::Equals));
        assert_eq!(criteria(&[]), Ok(Vec::new()));
    }

    #[test]
    fn rejects_negative_numbers() {
        assert_eq!(number(Some(0), "Maximum Items"), Ok(Some(0)));
        assert_eq!(number(None, "Maximum Items"), Ok(None));
        assert_eq!(reason(number(Some(-1), "Maximum Items")), ResultReason::InvalidField);
    }
}
