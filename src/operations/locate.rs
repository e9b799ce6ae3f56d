//! Locate (KMIP 1.4 §4.9, 2.1 §6.1.28): returns the identifiers of the objects that match the attributes.
//!
//! A single date must match exactly; two dates are a range. Every bit of a usage mask must be set. Any other attribute
//! must equal one of the object's values.

mod groups;

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

structure! {
    /// Request Payload.
    pub struct Request {
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
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let search = Search {
            criteria: criteria(&request.attributes.0)?,
            storage: request.storage_status_mask.unwrap_or(StorageStatusMask::ON_LINE_STORAGE),
            offset: number(request.offset_items, "Offset Items")?.unwrap_or(0),
            limit: number(request.maximum_items, "Maximum Items")?,
            order: Order::NewestFirst,
            count: request.offset_items.is_some(),
        };
        let group = groups::named(&request.attributes.0);
        let found = match (request.object_group_member, group) {
            (Some(ObjectGroupMember::GroupMemberFresh), group) => {
                groups::fresh(cx, search, group.as_deref())?
            }
            (Some(ObjectGroupMember::GroupMemberDefault), Some(group)) => {
                groups::default(cx, search, &group)?
            }
            // Without a group there is no default member.
            (Some(ObjectGroupMember::GroupMemberDefault) | None, _) => cx.locate(search)?,
        };
        match found.ids.as_slice() {
            [only] => cx.leave(UniqueIdentifierValue::Locate, *only),
            _ => cx.leave_nothing(),
        }
        Ok(Response {
            located_items: found.total.map(|total| i32::try_from(total).unwrap_or(i32::MAX)),
            unique_identifiers: found.ids.into_iter().map(UniqueIdentifier::from).collect(),
        })
    }
}

fn criteria(attributes: &[Attribute]) -> Result<Vec<Criterion>, Error> {
    let mut criteria = Vec::new();
    for (at, attribute) in attributes.iter().enumerate() {
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
                    "The request contains the {} attribute {} times; use one date for an exact match or two for a range.",
                    attribute.name(),
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
    use crate::kmip::attributes::AttributeDefinition;
    use crate::kmip::enums::ResultReason;
    use crate::operations::testing::{attribute, custom, named, reason};

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
