//! What was read or written lately: objects, and what the server keeps for itself. A read that finds it here asks
//! neither the database nor, for the locks on its file, the operating system.
//!
//! What is kept is what the last commit left. The writer takes things out before the commit that changes them, and
//! until that commit is over nothing is kept in their place: whoever reads them meanwhile asks the database. What was
//! read before such a change began and arrives after it is not kept either, because the shard has counted the change.

use std::borrow::Borrow;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::lock::IgnorePoison;
use crate::secret::Secret;
use crate::store::{Id, Record};

/// Into how many parts things are divided by their keys, each under a lock of its own that is held for some tens of
/// nanoseconds.
const SHARDS: usize = 64;
/// How many each part keeps: 2048 in all, some ten megabytes of ordinary keys.
const KEPT: usize = 32;
/// The largest that is kept, in stored bytes, attributes included: keys and certificates are smaller.
const MAX_BYTES: usize = 8 * 1024;

/// What was read or written lately.
#[derive(Default)]
pub(super) struct Cache {
    pub(super) objects: Shards<Id, Arc<Record>>,
    /// What the server keeps for itself under a name, which may be nothing.
    pub(super) server_state: Shards<String, Option<Secret>>,
}

/// Values by their keys.
pub(super) struct Shards<K, V>([Mutex<Shard<K, V>>; SHARDS]);

struct Shard<K, V> {
    kept: Vec<(K, V)>,
    /// The place that the next one takes when all are taken.
    next: usize,
    /// How many changes there were.
    changes: u64,
    /// How many of them are not over.
    open: usize,
}

/// When something was looked for: what was read since may be kept only if nothing has changed.
#[derive(Debug)]
pub(super) struct Missed {
    changes: Option<u64>,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        let empty = || Shard { kept: Vec::new(), next: 0, changes: 0, open: 0 };
        Self(std::array::from_fn(|_| Mutex::new(empty())))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// Looks for something; where it is not there, the database has to be asked.
    pub(super) fn look<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Result<V, Missed>
    where
        K: Borrow<Q>,
    {
        let shard = self.shard(key);
        let found = shard.kept.iter().find(|(kept, _)| kept.borrow() == key).map(|(_, value)| value.clone());
        found.ok_or(Missed { changes: (shard.open == 0).then_some(shard.changes) })
    }

    /// Keeps something of so many stored bytes that was read after a look that `missed` it.
    pub(super) fn keep(&self, key: K, value: impl FnOnce() -> V, bytes: usize, missed: &Missed) {
        if bytes > MAX_BYTES || missed.changes.is_none() {
            return;
        }
        let value = value();
        let mut shard = self.shard(&key);
        if shard.open == 0 && missed.changes == Some(shard.changes) {
            shard.put(key, value);
        }
    }

    /// Takes something out that a commit is about to change.
    pub(super) fn open_change(&self, key: &K) {
        let mut shard = self.shard(key);
        shard.kept.retain(|(kept, _)| kept != key);
        shard.changes += 1;
        shard.open += 1;
    }

    /// The commit is over, and left `value`, of so many stored bytes; none where it failed.
    pub(super) fn close_change(&self, key: &K, value: Option<V>, bytes: usize) {
        let mut shard = self.shard(key);
        shard.open -= 1;
        if let Some(value) = value.filter(|_| bytes <= MAX_BYTES) {
            shard.put(key.clone(), value);
        }
    }

    /// The part that the key belongs to. It is whole between any two steps, so that a panic leaves it so.
    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> MutexGuard<'_, Shard<K, V>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let place = hasher.finish() % SHARDS as u64;
        #[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "below SHARDS")]
        let shard = &self.0[place as usize];
        shard.lock().ignore_poison()
    }
}

impl<K: Eq, V> Shard<K, V> {
    fn put(&mut self, key: K, value: V) {
        if let Some((_, kept)) = self.kept.iter_mut().find(|(kept, _)| *kept == key) {
            *kept = value;
            return;
        }
        if self.kept.len() < KEPT {
            self.kept.push((key, value));
            return;
        }
        let place = self.next % KEPT;
        self.next = place + 1;
        if let Some(slot) = self.kept.get_mut(place) {
            *slot = (key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbers = Shards<u64, u64>;

    fn missed(cache: &Numbers, key: u64) -> Missed {
        cache.look(&key).unwrap_err()
    }

    #[test]
    fn what_was_read_is_kept_until_it_changes() {
        let cache = Numbers::default();
        let look = missed(&cache, 7);
        cache.keep(7, || 70, 100, &look);
        assert_eq!(cache.look(&7).unwrap(), 70);
        missed(&cache, 8);
        cache.open_change(&7);
        missed(&cache, 7);
        cache.close_change(&7, None, 100);
        missed(&cache, 7);
        cache.open_change(&7);
        cache.close_change(&7, Some(71), 100);
        assert_eq!(cache.look(&7).unwrap(), 71);
    }

    #[test]
    fn what_was_read_around_a_change_is_not_kept() {
        let cache = Numbers::default();
        let before = missed(&cache, 7);
        cache.open_change(&7);
        cache.keep(7, || 70, 100, &before);
        let during = missed(&cache, 7);
        cache.keep(7, || 70, 100, &during);
        missed(&cache, 7);
        cache.close_change(&7, None, 100);
        cache.keep(7, || 70, 100, &before);
        cache.keep(7, || 70, 100, &during);
        let after = missed(&cache, 7);
        cache.keep(7, || 71, 100, &after);
        assert_eq!(cache.look(&7).unwrap(), 71);
    }

    #[test]
    fn the_number_and_the_size_of_what_is_kept_are_bounded() {
        let cache = Numbers::default();
        for key in 0..10 * (SHARDS * KEPT) as u64 {
            let look = missed(&cache, key);
            cache.keep(key, || key, 100, &look);
            assert_eq!(cache.look(&key).unwrap(), key);
        }
        let kept: usize = cache.0.iter().map(|shard| shard.lock().unwrap().kept.len()).sum();
        assert_eq!(kept, SHARDS * KEPT);
        let look = missed(&cache, 1);
        cache.keep(1, || 1, MAX_BYTES + 1, &look);
        missed(&cache, 1);
        cache.open_change(&1);
        cache.close_change(&1, Some(1), MAX_BYTES + 1);
        missed(&cache, 1);
    }
}
