//! A map with a capacity, a share of it per owner, and a lifetime per entry, for what the server keeps in memory
//! between requests.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How many entries a [`BoundedMap`] holds, and what an insertion past a bound does.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The number of entries of all owners together.
    pub capacity: usize,
    /// The effect of an insertion into a full map.
    pub when_full: WhenFull,
    /// The number of entries of one owner.
    pub share: usize,
    /// The effect of an insertion by an owner whose share is used up.
    pub when_share_used: WhenFull,
}

/// The effect of an insertion past a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The insertion fails.
    Refuse,
    /// The insertion removes the oldest entry within the bound: one of the owner, or one of all owners.
    EvictOldest,
}

/// The error of an insertion past a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A map whose entries have an owner, an age and optionally a lifetime.
#[derive(Clone, Debug)]
pub struct BoundedMap<K, V> {
    bounds: Bounds,
    entries: HashMap<K, Entry<V>>,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    owner: String,
    /// The time from which age and lifetime count.
    since: Instant,
    /// The time after `since` for which the entry lives, or `None` for an entry that does not expire.
    lifetime: Option<Duration>,
    value: V,
}

impl<V> Entry<V> {
    fn is_live(&self, now: Instant) -> bool {
        self.lifetime.is_none_or(|lifetime| now.saturating_duration_since(self.since) < lifetime)
    }
}

impl<K: Clone + Eq + Hash, V> BoundedMap<K, V> {
    /// Creates an empty map.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, entries: HashMap::new() }
    }

    /// Removes the entries whose lifetime has passed.
    pub fn expire(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.is_live(now));
    }

    /// Returns whether no bound refuses that many more entries of `owner`.
    pub fn admits(&self, owner: &str, additional: usize) -> bool {
        let Bounds { capacity, when_full, share, when_share_used } = self.bounds;
        let owned = || self.entries.values().filter(|entry| entry.owner == owner).count();
        let exceeds = |used: usize, most: usize| used + additional > most;
        let has_share = when_share_used != WhenFull::Refuse || !exceeds(owned(), share);
        if !has_share || when_full != WhenFull::Refuse {
            return has_share;
        }
        // An owner whose share is used up makes room by an eviction.
        let evicted = if when_share_used == WhenFull::Refuse {
            0
        } else {
            (owned() + additional).saturating_sub(share)
        };
        !exceeds(self.entries.len().saturating_sub(evicted), capacity)
    }

    /// Adds an entry after removing the expired ones.
    ///
    /// # Errors
    /// Returns [`Full`] if a bound that refuses is reached. An entry of the owner that made room for the new one
    /// is gone even then.
    pub fn insert(
        &mut self,
        key: K,
        owner: &str,
        value: V,
        lifetime: Option<Duration>,
        now: Instant,
    ) -> Result<(), Full> {
        self.expire(now);
        let Bounds { capacity, when_full, share, when_share_used } = self.bounds;
        self.make_room(Some(owner), share, when_share_used)?;
        self.make_room(None, capacity, when_full)?;
        self.put_back(key, owner, value, lifetime, now);
        Ok(())
    }

    /// Adds an entry without checking the bounds: one that was inserted before and removed for a short time.
    pub fn put_back(&mut self, key: K, owner: &str, value: V, lifetime: Option<Duration>, now: Instant) {
        self.entries.insert(key, Entry { owner: owner.to_owned(), since: now, lifetime, value });
    }

    /// Returns the value of a key, whether or not its lifetime has passed.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Returns the value of a key if its lifetime has not passed.
    pub fn live_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, now: Instant) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).filter(|entry| entry.is_live(now)).map(|entry| &mut entry.value)
    }

    /// Restarts age and lifetime of an entry.
    pub fn renew<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, lifetime: Option<Duration>, now: Instant)
    where
        K: Borrow<Q>,
    {
        if let Some(entry) = self.entries.get_mut(key) {
            (entry.since, entry.lifetime) = (now, lifetime);
        }
    }

    /// Restarts the age of an entry, and its lifetime.
    pub fn touch<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, now: Instant)
    where
        K: Borrow<Q>,
    {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.since = now;
        }
    }

    /// Removes an entry and returns its value.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.entries.remove(key).map(|entry| entry.value)
    }

    /// Returns the entries in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, entry)| (key, &entry.value))
    }

    /// Returns the key of the oldest entry among those whose values meet `condition`.
    pub fn oldest_where(&self, condition: impl Fn(&V) -> bool) -> Option<K> {
        self.oldest(|entry| condition(&entry.value))
    }

    /// Returns the number of entries, expired ones included.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn make_room(&mut self, owner: Option<&str>, most: usize, when_full: WhenFull) -> Result<(), Full> {
        let counts = |entry: &Entry<V>| owner.is_none_or(|owner| entry.owner == owner);
        if self.entries.values().filter(|entry| counts(entry)).count() < most {
            return Ok(());
        }
        if when_full == WhenFull::Refuse {
            return Err(Full);
        }
        if let Some(oldest) = self.oldest(counts) {
            self.entries.remove(&oldest);
        }
        Ok(())
    }

    fn oldest(&self, condition: impl Fn(&Entry<V>) -> bool) -> Option<K> {
        let candidates = self.entries.iter().filter(|(_, entry)| condition(entry));
        candidates.min_by_key(|(_, entry)| entry.since).map(|(key, _)| key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::WhenFull::{EvictOldest, Refuse};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn map(when_full: WhenFull, when_share_used: WhenFull) -> BoundedMap<u8, &'static str> {
        BoundedMap::new(Bounds { capacity: 3, when_full, share: 2, when_share_used })
    }

    #[test]
    fn entry_lives_for_its_lifetime_and_is_renewed() {
        let (mut map, now) = (map(Refuse, Refuse), Instant::now());
        map.insert(1, "john", "one", Some(SECOND), now).unwrap();
        map.insert(2, "john", "two", None, now).unwrap();
        assert!(map.live_mut(&1, now + SECOND / 2).is_some());
        assert!(map.live_mut(&1, now + SECOND).is_none());
        assert_eq!(map.get(&1), Some(&"one"), "an entry that was not removed yet");
        map.renew(&1, Some(SECOND), now + SECOND);
        assert!(map.live_mut(&1, now + SECOND).is_some());
        map.expire(now + 2 * SECOND);
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&2, &"two")]);
    }

    #[test]
    fn share_evicts_the_oldest_entry_of_the_owner_or_refuses() {
        for (when_share_used, left) in [(EvictOldest, [2, 3, 9]), (Refuse, [1, 2, 9])] {
            let (mut map, now) = (map(Refuse, when_share_used), Instant::now());
            map.insert(9, "jane", "", None, now).unwrap();
            map.insert(1, "john", "", None, now + SECOND).unwrap();
            map.insert(2, "john", "", None, now + 2 * SECOND).unwrap();
            assert_eq!(map.admits("john", 1), when_share_used == EvictOldest, "one of its own makes room");
            assert!(!map.admits("jane", 1));
            let third = map.insert(3, "john", "", None, now + 3 * SECOND);
            assert_eq!(third.is_ok(), when_share_used == EvictOldest);
            let mut keys: Vec<_> = map.iter().map(|(key, _)| *key).collect();
            keys.sort_unstable();
            assert_eq!(keys, left);
        }
    }

    #[test]
    fn capacity_evicts_the_oldest_entry_of_all_or_refuses() {
        for when_full in [EvictOldest, Refuse] {
            let (mut map, now) = (map(when_full, Refuse), Instant::now());
            for (key, owner) in [(1, "a"), (2, "b"), (3, "c")] {
                map.insert(key, owner, "", None, now + SECOND * key.into()).unwrap();
            }
            let fourth = map.insert(4, "d", "", None, now + 4 * SECOND);
            assert_eq!(fourth.is_ok(), when_full == EvictOldest);
            assert_eq!((map.get(&1).is_some(), map.len()), (when_full == Refuse, 3));
        }
    }

    #[test]
    fn expired_entries_make_room_before_a_bound_is_checked() {
        let (mut map, now) = (map(Refuse, Refuse), Instant::now());
        map.insert(1, "john", "", Some(SECOND), now).unwrap();
        map.insert(2, "john", "", Some(SECOND), now).unwrap();
        assert_eq!(map.insert(3, "john", "", None, now), Err(Full));
        assert_eq!(map.insert(3, "john", "", None, now + SECOND), Ok(()));
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn entry_that_is_put_back_is_exempt_from_the_bounds() {
        let (mut map, now) = (map(Refuse, Refuse), Instant::now());
        for key in 0..5 {
            map.put_back(key, "john", "", None, now);
        }
        assert_eq!(map.len(), 5);
        assert_eq!(map.remove(&0), Some(""));
    }
}
