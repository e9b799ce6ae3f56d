//! Round robin among the members of an Object Group: which default member a user gets next (KMIP 1.4 §4.9,
//! 2.1 §6.1.28).
//!
//! The standard leaves the default member to the server. This server rotates: each Get of a member moves the position
//! to the next member, and the first follows the last. A position belongs to a user and a group, and exists from the
//! user's first Locate of a default member. Servers that share a database share the positions; otherwise they end
//! with the server.

use std::sync::Arc;
use std::time::Instant;

use crate::bounded_map::{Bounds, WhenFull};
use crate::crypto::hash::Hash;
use crate::kmip::Principal;
use crate::secret::Secret;
use crate::store::{Entries, Error, Id, Kind, Lifetime, SortKey};
use crate::ttlv::DateTime;

/// A position past a bound evicts the one that has moved least recently, whose rotation starts again.
const KIND: Kind = Kind {
    number: 2,
    name: "position",
    bounds: Bounds {
        capacity: 4096,
        when_full: WhenFull::EvictOldest,
        share: 64,
        when_share_used: WhenFull::EvictOldest,
    },
};

/// The rotation positions of all users: the member that a user got last from a group.
pub struct GroupRotation(Arc<dyn Entries>);

impl GroupRotation {
    /// Creates the service, which keeps the positions in these entries.
    pub fn new(entries: Arc<dyn Entries>) -> Self {
        Self(entries)
    }

    /// Returns the sort key of the member of `group` that the user got last, or `None` if the first member is next.
    /// Starts a position for the user and the group if there is none.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn last_served(&self, user: &Principal, group: &str, now: Instant) -> Result<Option<SortKey>, Error> {
        let key = key(user, group);
        if let Some(entry) = self.0.read(&KIND, &key, now)? {
            return Ok(decode(&entry.value));
        }
        // Both bounds evict, so no bound refuses the position.
        self.0.insert(&KIND, &user.user, vec![(key, encode(None))], Lifetime::default(), now)?;
        Ok(None)
    }

    /// Records that the user got the member of `groups` with this sort key. Does nothing for groups of which the
    /// user has never requested the default member.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn record(
        &self,
        user: &Principal,
        groups: &[String],
        member: SortKey,
        now: Instant,
    ) -> Result<(), Error> {
        let positions = groups.iter().map(|group| (key(user, group), encode(Some(member))));
        self.0.replace_existing(&KIND, positions.collect(), now)
    }
}

/// Returns the digests of the user and the group, because both names can be long.
fn key(user: &Principal, group: &str) -> Vec<u8> {
    [user.user.as_str(), group].map(|name| Hash::Sha256.digest(name.as_bytes())).concat()
}

/// Returns the number of the member and its Initial Date; nothing if the first member is next.
fn encode(member: Option<SortKey>) -> Secret {
    let mut bytes = Vec::new();
    if let Some(SortKey { initial_date, id }) = member {
        bytes.extend(id.0.to_be_bytes());
        bytes.extend(initial_date.iter().flat_map(|date| date.0.to_be_bytes()));
    }
    Secret::new(bytes)
}

fn decode(bytes: &Secret) -> Option<SortKey> {
    let (id, date) = bytes.expose().split_first_chunk::<8>()?;
    let initial_date = date.first_chunk().map(|date| DateTime(i64::from_be_bytes(*date)));
    Some(SortKey { initial_date, id: Id(u64::from_be_bytes(*id)) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::MemoryEntries;

    fn rotation() -> (Arc<MemoryEntries>, GroupRotation) {
        let entries = Arc::new(MemoryEntries::default());
        (Arc::clone(&entries), GroupRotation::new(entries))
    }

    fn member(number: u64) -> SortKey {
        SortKey { initial_date: None, id: Id(number) }
    }

    fn groups(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn records_members_from_the_first_request_of_the_user_for_the_group() {
        let ((entries, rotation), now) = (rotation(), Instant::now());
        let record = |user: &str, names: &[&str]| {
            rotation.record(&user.into(), &groups(names), member(7), now).unwrap();
        };
        let last = || rotation.last_served(&"john".into(), "a", now).unwrap();
        record("john", &["a"]);
        assert_eq!(entries.len(&KIND), 0);
        assert_eq!(last(), None);
        record("jane", &["a"]);
        record("john", &["b"]);
        assert_eq!(last(), None);
        record("john", &["b", "a"]);
        assert_eq!(last(), Some(member(7)));
    }

    #[test]
    fn evicts_the_position_that_has_moved_least_recently() {
        let ((entries, rotation), now) = (rotation(), Instant::now());
        let at = |number: usize| now + Duration::from_millis(number as u64);
        let last = |user: &str, group: usize, time: usize| {
            rotation.last_served(&user.into(), &group.to_string(), at(time)).unwrap()
        };
        for number in 0..=64 {
            last("john", number, number);
            rotation.record(&"john".into(), &[number.to_string()], member(1), at(number)).unwrap();
        }
        assert_eq!(entries.len(&KIND), 64);
        assert_eq!(last("john", 1, 100), Some(member(1)));
        assert_eq!(last("john", 0, 101), None);
        for user in 0..4096 + 10 {
            last(&user.to_string(), 1, 200 + user);
        }
        assert_eq!(entries.len(&KIND), 4096);
    }

    #[test]
    fn position_is_stored_with_and_without_a_date() {
        let dated = SortKey { initial_date: Some(DateTime(-5)), id: Id(u64::MAX) };
        for position in [None, Some(member(7)), Some(dated)] {
            assert_eq!(decode(&encode(position)), position);
        }
    }
}
