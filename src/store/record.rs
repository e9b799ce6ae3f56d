//! A managed object with its owner and attributes.

use std::fmt;

use crate::kmip::attributes::Attributes;
use crate::kmip::enums::{ObjectType, State, StorageStatusMask};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Object, Principal};
use crate::ttlv::DateTime;

/// The operation policy of an object without Operation Policy Name.
pub const DEFAULT_POLICY: &str = "default";

/// The number of an object: 1, 2, 3 …, never assigned twice. Its decimal digits are the Unique Identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

impl Id {
    /// The highest number that a client may choose for an imported object. New objects get higher numbers then, and
    /// as many remain: the store counts to 2^63 - 1.
    pub const LARGEST_CHOSEN: Self = Self(1 << 62);

    /// Returns the number in a Unique Identifier, or `None` for a text that this server never assigns.
    pub fn parse(text: &str) -> Option<Self> {
        // `u64::from_str` also accepts a sign and leading zeros, which `Display` never writes.
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

/// A managed object with its owner and attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number.
    pub id: Id,
    /// The principal that created it.
    pub owner: Principal,
    /// Its Object Type. A separate field, because every access decision reads it.
    pub object_type: ObjectType,
    /// Its attributes; Unique Identifier, Object Type and Operation Policy Name among them.
    pub attributes: Attributes,
    /// The object, or `None` after Destroy.
    pub object: Option<Object>,
}

impl Record {
    /// Returns the name of its operation policy.
    pub fn policy(&self) -> &str {
        self.attributes.operation_policy_name.as_deref().unwrap_or(DEFAULT_POLICY)
    }

    /// Returns the state at `now`. A Pre-Active object becomes Active at its Activation Date, and an Active one
    /// becomes Deactivated at its Deactivation Date (KMIP 1.4 §3.22, transitions 4 and 6; 2.1 §4.57). The stored
    /// state does not change at these times.
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

    /// Returns the storage status as one bit: destroyed (by its state, or by its Destroy Date if it has no state),
    /// archived (if it has an Archive Date), else on-line.
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
    fn parses_only_the_identifiers_that_display_writes() {
        assert_eq!(Id::parse("12"), Some(Id(12)));
        for text in ["", "0", "-1", "+1", "01", " 1", "1 ", "one", "99999999999999999999"] {
            assert_eq!(Id::parse(text), None, "{text:?}");
        }
    }
}
