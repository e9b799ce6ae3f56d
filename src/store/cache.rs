//! Caches of objects and server state.
//!
//! A cache contains only what the last commit of this server left. The writer removes entries before the commit that changes
//! them, and until that commit ends no entry takes their place: readers ask the database meanwhile. A value that was read
//! before such a commit and arrives after it is not cached either, because the shard counts commits.

use std::borrow::Borrow;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::lock::IgnorePoison;
use crate::secret::Secret;
use crate::store::{Id, Record};

/// The number of shards. Each has its own lock, which a thread holds for some tens of nanoseconds.
const SHARDS: usize = 64;

/// The maximum number of entries in a shard: 2048 in all, some ten megabytes of ordinary keys.
const SHARD_ENTRIES: usize = 32;

/// The maximum size of an entry in stored bytes, attributes included. Keys and certificates are smaller.
const MAX_BYTES: usize = 8 * 1024;

/// The objects and the server state that were read or written most recently. A hit needs neither SQLite nor the system calls
/// for its file locks.
#[derive(Default)]
pub(super) struct Cache {
    pub(super) objects: Shards<Id, Arc<Record>>,
    /// The server state by name; `None` for a name without state.
    pub(super) server_state: Shards<String, Option<Secret>>,
}

impl Cache {
    /// Removes all values before a commit that may change any of them.
    pub(super) fn begin_replacement(&self) {
        self.objects.begin_all();
        self.server_state.begin_all();
    }

    /// Ends the commit that [`Cache::begin_replacement`] began.
    pub(super) fn end_replacement(&self) {
        self.objects.end_all();
        self.server_state.end_all();
    }
}

/// A cache of values by key.
pub(super) struct Shards<K, V>([Mutex<Shard<K, V>>; SHARDS]);

struct Shard<K, V> {
    entries: Vec<(K, V)>,
    /// The entry that the next insert replaces if the shard is full.
    next: usize,
    /// The number of commits that changed a value of this shard.
    commits: u64,
    /// The number of such commits that have not ended.
    running: usize,
}

/// The state of a shard at a cache miss: the value may be inserted only if no commit has changed the shard since.
#[derive(Debug)]
pub(super) struct CacheToken {
    /// The number of commits, or `None` if one was running.
    commits: Option<u64>,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        let empty = || Shard { entries: Vec::new(), next: 0, commits: 0, running: 0 };
        Self(std::array::from_fn(|_| Mutex::new(empty())))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// Returns the value of `key`. After a miss, the caller reads it from the database and passes the token to
    /// [`Shards::insert`].
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Result<V, CacheToken>
    where
        K: Borrow<Q>,
    {
        let shard = self.shard(key);
        let found =
            shard.entries.iter().find(|(entry, _)| entry.borrow() == key).map(|(_, value)| value.clone());
        found.ok_or(CacheToken { commits: (shard.running == 0).then_some(shard.commits) })
    }

    /// Inserts a value of `bytes` stored bytes that was read after the miss that returned `token`.
    pub(super) fn insert(&self, key: K, value: impl FnOnce() -> V, bytes: usize, token: &CacheToken) {
        if bytes > MAX_BYTES || token.commits.is_none() {
            return;
        }
        let value = value();
        let mut shard = self.shard(&key);
        if shard.running == 0 && token.commits == Some(shard.commits) {
            shard.put(key, value);
        }
    }

    /// Removes a value.
    #[cfg(feature = "postgres")]
    pub(super) fn remove(&self, key: &K) {
        self.shard(key).remove(key);
    }

    /// Removes a value that the commit that begins now changes.
    pub(super) fn begin_commit(&self, key: &K) {
        let mut shard = self.shard(key);
        shard.remove(key);
        shard.commits += 1;
        shard.running += 1;
    }

    /// Inserts the `value` of `bytes` stored bytes that the commit left, or nothing if it failed.
    pub(super) fn end_commit(&self, key: &K, value: Option<V>, bytes: usize) {
        let mut shard = self.shard(key);
        shard.running -= 1;
        if let Some(value) = value.filter(|_| bytes <= MAX_BYTES) {
            shard.put(key.clone(), value);
        }
    }

    fn begin_all(&self) {
        for shard in &self.0 {
            let mut shard = shard.lock().ignore_poison();
            shard.entries.clear();
            shard.commits += 1;
            shard.running += 1;
        }
    }

    fn end_all(&self) {
        self.0.iter().for_each(|shard| shard.lock().ignore_poison().running -= 1);
    }

    /// Locks the shard of `key`. A shard is consistent between any two statements, so a poisoned lock is usable.
    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> MutexGuard<'_, Shard<K, V>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let index = hasher.finish() % SHARDS as u64;
        #[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "below SHARDS")]
        let shard = &self.0[index as usize];
        shard.lock().ignore_poison()
    }
}

impl<K: Eq, V> Shard<K, V> {
    fn remove(&mut self, key: &K) {
        self.entries.retain(|(entry, _)| entry != key);
    }

    fn put(&mut self, key: K, value: V) {
        if let Some((_, entry)) = self.entries.iter_mut().find(|(entry, _)| *entry == key) {
            *entry = value;
            return;
        }
        if self.entries.len() < SHARD_ENTRIES {
            self.entries.push((key, value));
            return;
        }
        let index = self.next % SHARD_ENTRIES;
        self.next = index + 1;
        if let Some(slot) = self.entries.get_mut(index) {
            *slot = (key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbers = Shards<u64, u64>;

    fn miss(cache: &Numbers, key: u64) -> CacheToken {
        cache.get(&key).unwrap_err()
    }

    #[test]
    fn keeps_a_value_until_a_commit_changes_it() {
        let cache = Numbers::default();
        let token = miss(&cache, 7);
        cache.insert(7, || 70, 100, &token);
        assert_eq!(cache.get(&7).unwrap(), 70);
        miss(&cache, 8);
        cache.begin_commit(&7);
        miss(&cache, 7);
        cache.end_commit(&7, None, 100);
        miss(&cache, 7);
        cache.begin_commit(&7);
        cache.end_commit(&7, Some(71), 100);
        assert_eq!(cache.get(&7).unwrap(), 71);
    }

    #[test]
    fn does_not_keep_a_value_that_was_read_before_or_during_a_commit() {
        let cache = Numbers::default();
        let before = miss(&cache, 7);
        cache.begin_commit(&7);
        cache.insert(7, || 70, 100, &before);
        let during = miss(&cache, 7);
        cache.insert(7, || 70, 100, &during);
        miss(&cache, 7);
        cache.end_commit(&7, None, 100);
        cache.insert(7, || 70, 100, &before);
        cache.insert(7, || 70, 100, &during);
        let after = miss(&cache, 7);
        cache.insert(7, || 71, 100, &after);
        assert_eq!(cache.get(&7).unwrap(), 71);
    }

    #[test]
    fn limits_the_number_and_the_size_of_its_entries() {
        let cache = Numbers::default();
        for key in 0..10 * (SHARDS * SHARD_ENTRIES) as u64 {
            let token = miss(&cache, key);
            cache.insert(key, || key, 100, &token);
            assert_eq!(cache.get(&key).unwrap(), key);
        }
        let entries: usize = cache.0.iter().map(|shard| shard.lock().unwrap().entries.len()).sum();
        assert_eq!(entries, SHARDS * SHARD_ENTRIES);
        let token = miss(&cache, 1);
        cache.insert(1, || 1, MAX_BYTES + 1, &token);
        miss(&cache, 1);
        cache.begin_commit(&1);
        cache.end_commit(&1, Some(1), MAX_BYTES + 1);
        miss(&cache, 1);
    }
}
