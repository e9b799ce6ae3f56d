//! What Locate asks the store for (KMIP 1.4 §4.9, 2.1 §6.1.28): who asks, which values, which page.

use crate::kmip::Principal;
use crate::kmip::attributes::{Attribute, AttributeDefinition};
use crate::kmip::enums::{ObjectType, State, StorageStatusMask};
use crate::ttlv::DateTime;

use super::{Id, Record, SortKey};

/// One question. An object is found when a grant covers it, every criterion holds, and the storage mask
/// has the place where it is kept.
#[derive(Clone, Debug)]
pub struct Query {
    /// Who asks: whom [`Grant::owner_only`] compares the owner with.
    pub asker: Principal,
    /// What the asker may see at all.
    pub grants: Vec<Grant>,
    /// What has to hold, all of it.
    pub criteria: Vec<Criterion>,
    /// Where to look: on-line, archived, destroyed.
    pub storage: StorageStatusMask,
    /// The moment at which states are judged: an activation or deactivation date that has come counts.
    pub now: DateTime,
    /// How many objects to leave out at the beginning.
    pub offset: u64,
    /// How many objects to give at the most; none for all.
    pub limit: Option<u64>,
    /// Which of them come first.
    pub order: Order,
    /// Whether to count all that match, the pages before and after included.
    pub count: bool,
}

impl Query {
    /// Whether the object is one of those that the query asks for, whatever the page: what a store has to
    /// find, said once and plainly.
    pub fn matches(&self, record: &Record) -> bool {
        self.storage.0 & record.storage().0 != 0
            && self.grants.iter().any(|grant| grant.covers(record, &self.asker))
            && self.criteria.iter().all(|criterion| criterion.holds(record, self.now))
    }
}

/// The order of an answer: by Initial Date, and of one second by number. Objects without date are the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As Locate tells what it finds.
    #[default]
    NewestFirst,
    /// As a group hands out its members.
    OldestFirst,
}

/// Lets the asker see the objects of one policy and one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The policy's name.
    pub policy: String,
    /// The objects' type.
    pub object_type: ObjectType,
    /// Whether only those that the asker owns.
    pub owner_only: bool,
}

impl Grant {
    fn covers(&self, record: &Record, asker: &Principal) -> bool {
        self.policy == record.policy()
            && self.object_type == record.object_type
            && (!self.owner_only || asker.is_same_owner_as(&record.owner))
    }
}

/// One condition. An object without the attribute in question does not meet it.
#[derive(Clone, Debug, PartialEq)]
pub enum Criterion {
    /// The object has that identifier.
    Identifier(Id),
    /// The object follows this sort key in the order of [`Order::OldestFirst`].
    After(SortKey),
    /// No object can match: what was asked for is no value that an object can have.
    Nothing,
    /// The object is in that state at [`Query::now`].
    State(State),
    /// The object's mask has every bit of this one.
    UsageMask(i32),
    /// The object's date of that row lies between the two, both included.
    Between(&'static AttributeDefinition, DateTime, DateTime),
    /// One of the object's values of the attribute's row equals this one, as a whole and as it is stored;
    /// the Attribute Index does not matter. [`Criterion::State`] is the one that looks at the clock.
    Equals(Attribute),
}

impl Criterion {
    /// Whether the object meets it at `now`.
    pub fn holds(&self, record: &Record, now: DateTime) -> bool {
        let attributes = &record.attributes;
        match self {
            Self::Identifier(id) => record.id == *id,
            Self::After(key) => record.sort_key() > *key,
            Self::Nothing => false,
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

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The objects of the page, in the order that was asked for.
    pub ids: Vec<Id>,
    /// How many match in all, where the query asked for it.
    pub total: Option<u64>,
}
