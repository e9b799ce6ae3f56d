//! Locate (KMIP 1.4 §4.9, 2.1 §6.1.28): the identifiers of the objects that meet all of the given attributes.
//!
//! A date that is given once has to be met exactly; given twice, the object's date lies between the two. Every bit
//! of a usage mask has to be set. Any other attribute has to be among the object's values.

use crate::engine::{Context, Search, invalid_field};
use crate::kmip::attributes::{Attribute, Flat, Row};
use crate::kmip::enums::{
    CryptographicUsageMask, ObjectGroupMember, State, StorageStatusMask, UniqueIdentifierValue,
};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::{Criterion, Id};
use crate::ttlv::{DateTime, Tag, V1_3};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        MaximumItems => maximum_items: Option<i32>,
        OffsetItems => offset_items: Option<i32>,
        StorageStatusMask => storage_status_mask: Option<StorageStatusMask>,
        ObjectGroupMember => object_group_member: Option<ObjectGroupMember>,
        Attributes => attributes: Flat,
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

    fn run(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let mut criteria = criteria(&request.attributes.0)?;
        if let (Some(member), Some(fresh)) = (request.object_group_member, Row::of(Tag::Fresh)) {
            let is_fresh = member == ObjectGroupMember::GroupMemberFresh;
            criteria.push(Criterion::Equals(Attribute::of(fresh, &is_fresh)));
        }
        let count = request.offset_items.is_some();
        let found = cx.locate(Search {
            criteria,
            storage: request.storage_status_mask.unwrap_or(StorageStatusMask::ON_LINE_STORAGE),
            offset: number(request.offset_items, "Offset Items")?.unwrap_or(0),
            limit: number(request.maximum_items, "Maximum Items")?,
            count,
        })?;
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
                    "The {} attribute is given {} times: once asks for that date, twice for a range.",
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
    let negative = |_| invalid_field(format!("{name} cannot be negative."));
    value.map(|value| u64::try_from(value).map_err(negative)).transpose()
}
