//! Round robin among the members of an Object Group: which default member a user gets next (KMIP 1.4 §4.9,
//! 2.1 §6.1.28).
//!
//! The standard leaves the default member to the server. This server rotates: each Get of a member moves the position
//! to the next member, and the first follows the last. A position belongs to a user and a group, and exists from the
//! user's first Locate of a default member. Positions do not survive a restart of the server.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crate::bounded_map::{BoundedMap, Bounds, WhenFull};
use crate::crypto::hash::Hash;
use crate::kmip::Principal;
use crate::lock::IgnorePoison;
use crate::store::SortKey;

/// A position past a bound evicts the least recently requested one, whose rotation starts again.
const BOUNDS: Bounds = Bounds {
    capacity: 4096,
    when_full: WhenFull::EvictOldest,
    share: 64,
    when_share_used: WhenFull::EvictOldest,
};

/// The rotation positions of all users.
pub struct GroupRotation(Mutex<Table>);

/// The member that a user got last from a group.
type Table = BoundedMap<Key, Option<SortKey>>;

/// A user and the digest of a group's name, because a name can be as long as a request.
type Key = (String, Vec<u8>);

impl Default for GroupRotation {
    fn default() -> Self {
        Self(Mutex::new(BoundedMap::new(BOUNDS)))
    }
}

impl GroupRotation {
    /// Returns the sort key of the member of `group` that the user got last, or `None` if the first member is next.
    /// Starts a position for the user and the group if there is none.
    pub fn last_served(&self, user: &Principal, group: &str, now: Instant) -> Option<SortKey> {
        let key = key(user, group);
        let mut table = self.table();
        if let Some(last) = table.get(&key).copied() {
            table.renew(&key, None, now);
            return last;
        }
        // Both bounds evict, so the insertion cannot fail.
        let _ = table.insert(key, &user.user, None, None, now);
        None
    }

    /// Records that the user got the member of `groups` with this sort key. Does nothing for groups of which the
    /// user has never requested the default member.
    pub fn record(&self, user: &Principal, groups: &[String], member: SortKey) {
        for group in groups {
            if let Some(last) = self.table().get_mut(&key(user, group)) {
                *last = Some(member);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().ignore_poison()
    }
}

fn key(user: &Principal, group: &str) -> Key {
    (user.user.clone(), Hash::Sha256.digest(group.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Id;

    fn member(number: u64) -> SortKey {
        SortKey { initial_date: None, id: Id(number) }
    }

    fn groups(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn records_members_from_the_first_request_of_the_user_for_the_group() {
        let (rotation, now) = (GroupRotation::default(), Instant::now());
        rotation.record(&"john".into(), &groups(&["a"]), member(7));
        assert_eq!(rotation.table().len(), 0);
        assert_eq!(rotation.last_served(&"john".into(), "a", now), None);
        rotation.record(&"jane".into(), &groups(&["a"]), member(7));
        rotation.record(&"john".into(), &groups(&["b"]), member(7));
        assert_eq!(rotation.last_served(&"john".into(), "a", now), None);
        rotation.record(&"john".into(), &groups(&["b", "a"]), member(7));
        assert_eq!(rotation.last_served(&"john".into(), "a", now), Some(member(7)));
    }

    #[test]
    fn evicts_the_least_recently_requested_position() {
        let (rotation, now) = (GroupRotation::default(), Instant::now());
        let at = |number: usize| now + Duration::from_millis(number as u64);
        for number in 0..=64 {
            rotation.last_served(&"john".into(), &number.to_string(), at(number));
            rotation.record(&"john".into(), &[number.to_string()], member(1));
        }
        assert_eq!(rotation.table().len(), 64);
        assert_eq!(rotation.last_served(&"john".into(), "1", at(100)), Some(member(1)));
        assert_eq!(rotation.last_served(&"john".into(), "0", at(101)), None);
        for user in 0..4096 + 10 {
            rotation.last_served(&user.to_string().into(), "a", at(200 + user));
        }
        assert_eq!(rotation.table().len(), 4096);
    }
}
