//! Whose turn it is in a group of objects: the default member that Locate finds (KMIP 1.4 §4.9, 2.1 §6.1.28).
//!
//! The standard leaves the default member to the server. Here the members take group_rotation: each Get of a member moves
//! on to the one after it, and the first follows the last. A turn belongs to a user and a group, and is kept in
//! memory from the first time that the user asks for the default member: a server that starts anew begins with the
//! first. Finding the member is left to Locate.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crate::crypto::hash::Hash;
use crate::lock::IgnorePoison;
use crate::store::{Place, Record};

use super::context::Context;

/// Of how many groups a user's group_rotation are kept; one more costs the one that was asked for longest ago, whose turn
/// begins anew then.
const MOST_OF_A_USER: usize = 64;

/// How many group_rotation are kept for all users together. One more costs the oldest of all.
const MOST: usize = 4096;

/// The group_rotation that are kept.
#[derive(Default)]
pub struct GroupRotation(Mutex<HashMap<Key, Turn>>);

/// A user, and the digest of a group's name: names can be as long as a request.
type Key = (String, Vec<u8>);

struct Turn {
    /// The member that was served last.
    last: Option<Place>,
    touched: Instant,
}

impl GroupRotation {
    /// The place of the member of `group` that `user` was served last; from now on it is kept.
    fn last(&self, user: &str, group: &str, now: Instant) -> Option<Place> {
        let key = key(user, group);
        let mut kept = self.lock();
        if let Some(turn) = kept.get_mut(&key) {
            turn.touched = now;
            return turn.last;
        }
        let oldest = |kept: &HashMap<Key, Turn>, user: Option<&str>, most: usize| {
            let group_rotation = kept.iter().filter(|((owner, _), _)| user.is_none_or(|user| owner == user));
            let full = group_rotation.clone().count() >= most;
            group_rotation.min_by_key(|(_, turn)| turn.touched).map(|(key, _)| key.clone()).filter(|_| full)
        };
        for (of, most) in [(Some(user), MOST_OF_A_USER), (None, MOST)] {
            if let Some(oldest) = oldest(&kept, of, most) {
                kept.remove(&oldest);
            }
        }
        kept.insert(key, Turn { last: None, touched: now });
        None
    }

    /// Notes that `user` was served a member of `groups`. Of groups whose default member the user never asked for,
    /// nothing is kept.
    fn serve(&self, user: &str, groups: &[String], place: Place) {
        for group in groups {
            if let Some(turn) = self.lock().get_mut(&key(user, group)) {
                turn.last = Some(place);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Turn>> {
        // Nothing here leaves the map half changed.
        self.0.lock().ignore_poison()
    }
}

fn key(user: &str, group: &str) -> Key {
    (user.to_owned(), Hash::Sha256.digest(group.as_bytes()))
}

impl Context<'_> {
    /// The place of the member of `group` that the asker was served last; none where the first is next.
    pub fn last_served(&self, group: &str) -> Option<Place> {
        self.group_rotation.last(&self.identity.principal.user, group, self.instant())
    }

    /// Moves on the group_rotation of the groups of `record`, which the asker is served.
    pub(super) fn take_turns(&self, record: &Record) {
        self.group_rotation.serve(
            &self.identity.principal.user,
            &record.attributes.object_group,
            record.place(),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Id;

    fn place(number: u64) -> Place {
        Place { initial_date: None, id: Id(number) }
    }

    fn groups(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_turn_is_kept_from_the_first_question_on_for_its_user_and_group() {
        let (group_rotation, now) = (GroupRotation::default(), Instant::now());
        group_rotation.serve("john", &groups(&["a"]), place(7));
        assert_eq!(group_rotation.lock().len(), 0);
        assert_eq!(group_rotation.last("john", "a", now), None);
        group_rotation.serve("jane", &groups(&["a"]), place(7));
        group_rotation.serve("john", &groups(&["b"]), place(7));
        assert_eq!(group_rotation.last("john", "a", now), None);
        group_rotation.serve("john", &groups(&["b", "a"]), place(7));
        assert_eq!(group_rotation.last("john", "a", now), Some(place(7)));
    }

    #[test]
    fn a_user_loses_the_turn_that_was_asked_for_longest_ago_and_all_users_have_a_bound() {
        let (group_rotation, now) = (GroupRotation::default(), Instant::now());
        let at = |number: usize| now + Duration::from_millis(number as u64);
        for number in 0..=MOST_OF_A_USER {
            group_rotation.last("john", &number.to_string(), at(number));
            group_rotation.serve("john", &[number.to_string()], place(1));
        }
        assert_eq!(group_rotation.lock().len(), MOST_OF_A_USER);
        assert_eq!(group_rotation.last("john", "1", at(100)), Some(place(1)));
        assert_eq!(group_rotation.last("john", "0", at(101)), None);
        for user in 0..MOST + 10 {
            group_rotation.last(&user.to_string(), "a", at(200 + user));
        }
        assert_eq!(group_rotation.lock().len(), MOST);
    }
}
