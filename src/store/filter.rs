//! What Locate asks the store for (KMIP 1.4 §4.9, 2.1 §6.1.28): who asks, which values, which page.

use crate::kmip::attributes::{Attribute, Row};
use crate::kmip::enums::{ObjectType, State, StorageStatusMask};
use crate::ttlv::DateTime;

use super::Id;

/// One question. An object is found when a grant covers it, every criterion holds, and the storage mask
/// has the place where it is kept.
#[derive(Clone, Debug)]
pub struct Query {
    /// Who asks: the owner that [`Grant::owner_only`] compares with.
    pub user: String,
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
    /// Whether to count all that match, the pages before and after included.
    pub count: bool,
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

/// One condition.
#[derive(Clone, Debug)]
pub enum Criterion {
    /// The object has that identifier.
    Identifier(Id),
    /// No object can match: what was asked for is no value that an object can have.
    Nothing,
    /// The object is in that state at [`Query::now`].
    State(State),
    /// The object's mask has every bit of this one.
    UsageMask(i32),
    /// The object's date of that row lies between the two, both included.
    Between(&'static Row, DateTime, DateTime),
    /// One of the object's values of the attribute's row equals this one.
    Equals(Attribute),
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The objects of the page: newest Initial Date first, ascending identifiers within one second.
    pub ids: Vec<Id>,
    /// How many match in all, where the query asked for it.
    pub total: Option<u64>,
}
