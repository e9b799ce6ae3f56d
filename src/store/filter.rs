//! Queries of Locate (KMIP 1.4 §4.9, 2.1 §6.1.28): requester, criteria, page.

use std::cmp::Reverse;

use crate::kmip::Principal;
use crate::kmip::attributes::{Attribute, AttributeDefinition, ObjectTypes};
use crate::kmip::enums::{ObjectType, State, StorageStatusMask};
use crate::ttlv::DateTime;

use super::{Id, Record, SortKey};

/// A query. An object matches if a grant covers it, every criterion holds, and the storage mask contains its storage
/// status.
#[derive(Clone, Debug)]
pub struct Query {
    /// The requester. [`Grant::owner_only`] compares it with the owner of an object.
    pub requester: Principal,
    /// The objects that the requester may see.
    pub grants: Vec<Grant>,
    /// The criteria. All of them must hold.
    pub criteria: Vec<Criterion>,
    /// The storage statuses to search: on-line, archived, destroyed.
    pub storage: StorageStatusMask,
    /// The time at which states are evaluated; see [`Record::state_at`].
    pub now: DateTime,
    /// The number of matching objects before the page.
    pub offset: u64,
    /// The maximum number of objects, or `None` for all.
    pub limit: Option<u64>,
    /// The order of the objects.
    pub order: Order,
    /// Whether to count all matching objects.
    pub count: bool,
}

impl Query {
    /// Whether the object matches, on any page. This is the definition that every store implements.
    pub fn matches(&self, record: &Record) -> bool {
        self.storage.0 & record.storage().0 != 0
            && self.grants.iter().any(|grant| grant.covers(record, &self.requester))
            && self.criteria.iter().all(|criterion| criterion.holds(record, self.now))
    }
}

impl Query {
    /// Returns the page of the objects with these sort keys, which match.
    pub(super) fn page(&self, mut found: Vec<SortKey>) -> Vec<Id> {
        found.sort_unstable();
        match self.order {
            Order::NewestFirst => found.reverse(),
            Order::LatestSecondFirst => found.sort_by_key(|key| Reverse(key.initial_date)),
            Order::OldestFirst => (),
        }
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        found.into_iter().skip(offset).take(limit).map(|key| key.id).collect()
    }
}

/// The order of a result, by [`SortKey`]. Objects without Initial Date are the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The order of Locate.
    #[default]
    NewestFirst,
    /// The order of PyKMIP's Locate: by Initial Date, latest first, and within one second by number.
    LatestSecondFirst,
    /// The order in which a group serves its members.
    OldestFirst,
}

/// The permission to see the objects of one policy and one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The name of the policy.
    pub policy: String,
    /// The type of the objects.
    pub object_type: ObjectType,
    /// Whether the permission covers only the objects that the requester owns.
    pub owner_only: bool,
}

impl Grant {
    fn covers(&self, record: &Record, requester: &Principal) -> bool {
        self.policy == record.policy()
            && self.object_type == record.object_type
            && (!self.owner_only || requester.is_same_owner_as(&record.owner))
    }
}

/// A condition. An object without the attribute does not meet it.
#[derive(Clone, Debug, PartialEq)]
pub enum Criterion {
    /// The object has this number.
    Identifier(Id),
    /// The object follows this sort key in the order of [`Order::OldestFirst`].
    After(SortKey),
    /// No object matches, because no object can have the requested value.
    Nothing,
    /// The object has one of these types.
    OneOf(ObjectTypes),
    /// The object is in this state at [`Query::now`].
    State(State),
    /// The Cryptographic Usage Mask contains every bit of this one.
    UsageMask(i32),
    /// The date attribute lies between the two dates, inclusive.
    Between(&'static AttributeDefinition, DateTime, DateTime),
    /// One value of the attribute equals this one in its stored form. The Attribute Index is not compared. This
    /// criterion compares the stored state; [`Criterion::State`] compares the state at [`Query::now`].
    Equals(Attribute),
}

impl Criterion {
    /// Whether the object meets the criterion at `now`.
    pub fn holds(&self, record: &Record, now: DateTime) -> bool {
        let attributes = &record.attributes;
        match self {
            Self::Identifier(id) => record.id == *id,
            Self::After(key) => record.sort_key() > *key,
            Self::Nothing => false,
            Self::OneOf(types) => types.contains(record.object_type),
            Self::State(state) => record.state_at(now) == Some(*state),
            Self::UsageMask(mask) => {
                attributes.cryptographic_usage_mask.is_some_and(|usage| usage.0 & mask == *mask)
            }
            Self::Between(row, from, to) => {
                let mut dates = attributes.of_row(row).filter_map(|value| value.read::<DateTime>().ok());
                dates.any(|date| *from <= date && date <= *to)
            }
            Self::Equals(wanted) => {
                attributes.of_row(wanted.row).any(|value| value.stored() == wanted.stored())
            }
        }
    }
}

/// The result of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The objects of the page, in order.
    pub ids: Vec<Id>,
    /// The number of all matching objects, if the query counts them.
    pub total: Option<u64>,
}
