//! The objects that were read lately. A read that finds its object here asks neither the database nor, for the
//! locks on its file, the operating system.
//!
//! What is kept is what the last commit left. The writer takes an object out before the commit that changes it,
//! and until that commit is over nothing is kept in its place: whoever reads it meanwhile asks the database. A row
//! that was read before such a change began and arrives after it is not kept either, because the shard has counted
//! the change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::{Id, Record};

/// Into how many parts the objects are divided by their numbers, each under a lock of its own that is held for some
/// tens of nanoseconds.
const SHARDS: usize = 64;
/// How many objects each part keeps: 2048 in all, some ten megabytes of ordinary keys.
const KEPT: usize = 32;
/// The largest object that is kept, in stored bytes, attributes included: keys and certificates are smaller.
const MAX_BYTES: usize = 8 * 1024;

/// The objects that were read lately.
pub(super) struct Cache {
    shards: Vec<Mutex<Shard>>,
}

#[derive(Default)]
struct Shard {
    objects: Vec<(Id, Arc<Record>)>,
    /// The place that the next object takes when all are taken.
    next: usize,
    /// How many changes there were.
    changes: u64,
    /// How many of them are not over.
    open: usize,
}

/// When an object was looked for: what was read since may be kept only if nothing has changed.
#[derive(Debug)]
pub(super) struct Missed {
    changes: Option<u64>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Looks for an object; where it is not there, the database has to be asked.
    pub(super) fn look(&self, id: Id) -> Result<Arc<Record>, Missed> {
        let shard = self.shard(id).ok_or(Missed { changes: None })?;
        let found = shard.objects.iter().find(|(kept, _)| *kept == id).map(|(_, record)| Arc::clone(record));
        found.ok_or(Missed { changes: (shard.open == 0).then_some(shard.changes) })
    }

    /// Keeps an object of so many stored bytes that was read after a look that `missed` it.
    pub(super) fn keep(&self, record: &Record, bytes: usize, missed: &Missed) {
        if bytes > MAX_BYTES || missed.changes.is_none() {
            return;
        }
        let kept = Arc::new(record.clone());
        let Some(mut shard) = self.shard(record.id) else { return };
        if shard.open > 0 || missed.changes != Some(shard.changes) {
            return;
        }
        shard.objects.retain(|(id, _)| *id != record.id);
        if shard.objects.len() < KEPT {
            shard.objects.push((record.id, kept));
            return;
        }
        let place = shard.next % KEPT;
        shard.next = place + 1;
        if let Some(slot) = shard.objects.get_mut(place) {
            *slot = (record.id, kept);
        }
    }

    /// Takes the objects out that a commit is about to change.
    pub(super) fn open_change(&self, ids: &[Id]) {
        for id in ids {
            if let Some(mut shard) = self.shard(*id) {
                shard.objects.retain(|(kept, _)| kept != id);
                shard.changes += 1;
                shard.open += 1;
            }
        }
    }

    /// The commit is over, whatever became of it.
    pub(super) fn close_change(&self, ids: &[Id]) {
        for id in ids {
            if let Some(mut shard) = self.shard(*id) {
                shard.open -= 1;
            }
        }
    }

    /// The part that has the object. It is whole between any two steps, so that a panic leaves it so.
    fn shard(&self, id: Id) -> Option<MutexGuard<'_, Shard>> {
        let place = usize::try_from(id.0 % SHARDS as u64).ok()?;
        Some(self.shards.get(place)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::key;

    fn record(id: u64) -> Record {
        Record { id: Id(id), ..key("k") }
    }

    fn missed(cache: &Cache, id: u64) -> Missed {
        cache.look(Id(id)).unwrap_err()
    }

    fn has(cache: &Cache, id: u64) -> bool {
        cache.look(Id(id)).is_ok()
    }

    #[test]
    fn an_object_is_kept_until_it_changes() {
        let cache = Cache::new();
        let look = missed(&cache, 7);
        cache.keep(&record(7), 100, &look);
        assert!(has(&cache, 7) && !has(&cache, 7 + SHARDS as u64));
        cache.open_change(&[Id(7)]);
        assert!(!has(&cache, 7));
        cache.close_change(&[Id(7)]);
        assert!(!has(&cache, 7));
    }

    #[test]
    fn what_was_read_around_a_change_is_not_kept() {
        let cache = Cache::new();
        let before = missed(&cache, 7);
        cache.open_change(&[Id(7)]);
        cache.keep(&record(7), 100, &before);
        let during = missed(&cache, 7);
        cache.keep(&record(7), 100, &during);
        assert!(!has(&cache, 7));
        cache.close_change(&[Id(7)]);
        cache.keep(&record(7), 100, &before);
        cache.keep(&record(7), 100, &during);
        assert!(!has(&cache, 7));
        let after = missed(&cache, 7);
        cache.keep(&record(7), 100, &after);
        assert!(has(&cache, 7));
    }

    #[test]
    fn the_number_and_the_size_of_what_is_kept_are_bounded() {
        let cache = Cache::new();
        for id in 0..10 * (SHARDS * KEPT) as u64 {
            let look = missed(&cache, id);
            cache.keep(&record(id), 100, &look);
            assert!(has(&cache, id));
        }
        let kept: usize = cache.shards.iter().map(|shard| shard.lock().unwrap().objects.len()).sum();
        assert_eq!(kept, SHARDS * KEPT);
        let look = missed(&cache, 1);
        cache.keep(&record(1), MAX_BYTES + 1, &look);
        assert!(!has(&cache, 1));
    }
}
