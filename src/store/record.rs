//! A managed object as the store keeps it.

use std::fmt;

use crate::kmip::attributes::Attributes;
use crate::kmip::enums::{ObjectType, State, StorageStatusMask};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Object, Principal};
use crate::ttlv::DateTime;

/// The policy of objects that name none.
pub const DEFAULT_POLICY: &str = "default";

/// The server's number of an object: 1, 2, 3 …, never given twice. Its decimal digits are the object's
/// Unique Identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

impl Id {
    /// The largest number that a client may choose for an object that it brings. New objects get numbers above it
    /// then, and of those as many are left: the store counts to 2^63 - 1.
    pub const LARGEST_CHOSEN: Self = Self(1 << 62);

    /// The object that a Unique Identifier names; none for a text that this server never gave.
    pub fn parse(text: &str) -> Option<Self> {
        // What parses and begins so is what `Display` writes.
        text.starts_with(|first| matches!(first, '1'..='9')).then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Id> for UniqueIdentifier {
    fn from(id: Id) -> Self {
        Self::Text(id.to_string())
    }
}

/// The sort key of an object: its Initial Date, then its number. Objects without Initial Date come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey {
    /// Its Initial Date.
    pub initial_date: Option<DateTime>,
    /// Its number.
    pub id: Id,
}

/// A managed object: who owns it, what is known about it, and the object itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number.
    pub id: Id,
    /// Who made it.
    pub owner: Principal,
    /// What it is. Kept apart from the attributes, because every decision about access asks for it.
    pub object_type: ObjectType,
    /// Its attributes; Unique Identifier, Object Type and Operation Policy Name among them.
    pub attributes: Attributes,
    /// The object; none once it is destroyed.
    pub object: Option<Object>,
}

impl Record {
    /// The name of the operation policy that says who may do what with the object.
    pub fn policy(&self) -> &str {
        self.attributes.operation_policy_name.as_deref().unwrap_or(DEFAULT_POLICY)
    }

    /// The state at `now`: a Pre-Active object whose Activation Date has come is Active, and an Active one
    /// whose Deactivation Date has come is Deactivated (KMIP 1.4 §3.22, transitions 4 and 6; 2.1 §4.57).
    /// Clients read the state, and nothing writes it at the moment when a date comes.
    pub fn state_at(&self, now: DateTime) -> Option<State> {
        let has_come = |date: Option<DateTime>| date.is_some_and(|date| date <= now);
        let begun = match self.attributes.state? {
            State::PreActive if has_come(self.attributes.activation_date) => State::Active,
            state => state,
        };
        Some(match begun {
            State::Active if has_come(self.attributes.deactivation_date) => State::Deactivated,
            state => state,
        })
    }

    /// Returns the sort key of the object.
    pub fn sort_key(&self) -> SortKey {
        SortKey { initial_date: self.attributes.initial_date, id: self.id }
    }

    /// Where the object is kept, one bit: destroyed (by its state, or by its Destroy Date where it has no
    /// state), archived (it has an Archive Date), else on-line.
    pub fn storage(&self) -> StorageStatusMask {
        let attributes = &self.attributes;
        match attributes.state {
            Some(State::Destroyed | State::DestroyedCompromised) => StorageStatusMask::DESTROYED_STORAGE,
            None if attributes.destroy_date.is_some() => StorageStatusMask::DESTROYED_STORAGE,
            _ if attributes.archive_date.is_some() => StorageStatusMask::ARCHIVAL_STORAGE,
            _ => StorageStatusMask::ON_LINE_STORAGE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_wrote_is_an_identifier() {
        assert_eq!(Id::parse("12"), Some(Id(12)));
        for text in ["", "0", "-1", "+1", "01", " 1", "1 ", "one", "99999999999999999999"] {
            assert_eq!(Id::parse(text), None, "{text:?}");
        }
    }
}
