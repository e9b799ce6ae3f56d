//! Entries: what the services of the engine keep between requests beside the objects, such as tickets and asynchronous
//! operations. Entries are bounded in number and expire.
//!
//! Each change of an entry is atomic and takes effect at once; it is no part of a transaction. A store that servers share
//! contains the entries, too ([`Store::entries`](super::Store::entries)); with another store they are in memory
//! ([`MemoryEntries`]) and end with the server.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::Error;
use crate::bounded_map::{BoundedMap, Bounds};
use crate::lock::IgnorePoison;
use crate::secret::Secret;

/// A kind of entries.
#[derive(Debug)]
pub struct Kind {
    /// The number of the kind in a database; see `entries.sql`.
    pub number: i64,
    /// The name of the kind, for errors.
    pub name: &'static str,
    /// The maximum numbers of entries, of all servers together.
    pub bounds: Bounds,
}

/// How long an entry lives after it was inserted or renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// The time after which the entry is abandoned unless the server that inserted it renews it; `None` for an entry that
    /// needs no server.
    pub lease: Option<Duration>,
    /// The time after which the entry no longer exists, or `None` for an entry that does not expire.
    pub expiry: Option<Duration>,
}

/// An entry that has not expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Secret,
    /// Whether the lease has passed.
    pub is_abandoned: bool,
}

/// A change of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The entry stays as it is.
    Keep,
    /// The entry gets another value.
    Replace(Replacement),
    /// The entry is removed.
    Remove,
}

/// The new state of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacement {
    /// The value.
    pub value: Secret,
    /// The new lifetime, or `None` to keep it.
    pub lifetime: Option<Lifetime>,
    /// The content of an entry that ends with this change; it replaces an earlier one. `None` changes nothing. Only
    /// [`Change::Remove`] returns the content.
    pub ended: Option<Secret>,
}

/// The entries of a server, or of all servers that share a database.
///
/// The lifetimes in a database are those of its clock. `now` counts only in memory.
pub trait Entries: Send + Sync + 'static {
    /// Whether other servers see the entries and change them.
    fn is_shared(&self) -> bool;

    /// Returns the entry with this key, or `None` if there is none or it has expired.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn read(&self, kind: &Kind, key: &[u8], now: Instant) -> Result<Option<Entry>, Error>;

    /// Returns the entries of `owner` with their keys, the oldest first.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn of_owner(&self, kind: &Kind, owner: &str, now: Instant) -> Result<Vec<(Vec<u8>, Entry)>, Error>;

    /// Inserts all of these keys and values, or none. An existing key keeps its value. Returns false if a bound that refuses
    /// is reached.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn insert(
        &self,
        kind: &Kind,
        owner: &str,
        entries: Vec<(Vec<u8>, Secret)>,
        lifetime: Lifetime,
        now: Instant,
    ) -> Result<bool, Error>;

    /// Calls `change` with the entry, unless there is none, and applies what it returns. If another server changes the entry
    /// meanwhile, `change` is called again, so it has no effect besides its results, and each call replaces those of the one
    /// before. Returns the content of an entry that was removed.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn change(
        &self,
        kind: &Kind,
        key: &[u8],
        now: Instant,
        change: &mut dyn FnMut(&Entry) -> Change,
    ) -> Result<Option<Secret>, Error>;

    /// Replaces the values of those of the keys that exist, and renews their age.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn replace_existing(
        &self,
        kind: &Kind,
        entries: Vec<(Vec<u8>, Secret)>,
        now: Instant,
    ) -> Result<(), Error>;

    /// Gives those of the keys that exist and have a lease a new lifetime.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn renew(&self, kind: &Kind, keys: &[Vec<u8>], lifetime: Lifetime, now: Instant) -> Result<(), Error>;

    /// Removes the oldest entries that have ended until the values and contents of the others have at most this many bytes.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    fn bound_ended(&self, kind: &Kind, bytes: u64) -> Result<(), Error>;
}

/// Entries in memory.
#[derive(Debug, Default)]
pub struct MemoryEntries(Mutex<HashMap<i64, Table>>);

type Table = BoundedMap<Vec<u8>, Item>;

#[derive(Clone, Debug)]
struct Item {
    owner: String,
    value: Secret,
    abandoned_at: Option<Instant>,
    inserted: Instant,
    /// The content of an entry that has ended.
    ended: Option<Secret>,
}

impl Item {
    fn entry(&self, now: Instant) -> Entry {
        let is_abandoned = self.abandoned_at.is_some_and(|at| at <= now);
        Entry { value: self.value.clone(), is_abandoned }
    }

    fn ended_bytes(&self) -> u64 {
        self.ended.as_ref().map_or(0, |content| (self.value.len() + content.len()) as u64)
    }
}

impl MemoryEntries {
    fn tables(&self) -> MutexGuard<'_, HashMap<i64, Table>> {
        self.0.lock().ignore_poison()
    }

    /// Calls `job` with the entries of a kind.
    fn with<T>(&self, kind: &Kind, job: impl FnOnce(&mut Table) -> T) -> T {
        let mut tables = self.tables();
        job(tables.entry(kind.number).or_insert_with(|| BoundedMap::new(kind.bounds)))
    }

    /// Returns a copy without the entries of the kind `left_out`.
    pub fn copy(&self, left_out: &Kind) -> Self {
        let mut tables = self.tables().clone();
        tables.remove(&left_out.number);
        Self(Mutex::new(tables))
    }

    /// Replaces all entries by those of a copy.
    pub fn restore(&self, copy: &Self) {
        let tables = copy.tables().clone();
        *self.tables() = tables;
    }

    /// Returns the number of entries of a kind, expired ones included.
    #[cfg(test)]
    pub fn len(&self, kind: &Kind) -> usize {
        self.with(kind, |table| table.len())
    }
}

impl Entries for MemoryEntries {
    fn is_shared(&self) -> bool {
        false
    }

    fn read(&self, kind: &Kind, key: &[u8], now: Instant) -> Result<Option<Entry>, Error> {
        Ok(self.with(kind, |table| table.live_mut(key, now).map(|item| item.entry(now))))
    }

    fn of_owner(&self, kind: &Kind, owner: &str, now: Instant) -> Result<Vec<(Vec<u8>, Entry)>, Error> {
        Ok(self.with(kind, |table| {
            table.expire(now);
            let mut items: Vec<_> = table.iter().filter(|(_, item)| item.owner == owner).collect();
            items.sort_by_key(|(key, item)| (item.inserted, *key));
            items.into_iter().map(|(key, item)| (key.clone(), item.entry(now))).collect()
        }))
    }

    fn insert(
        &self,
        kind: &Kind,
        owner: &str,
        entries: Vec<(Vec<u8>, Secret)>,
        lifetime: Lifetime,
        now: Instant,
    ) -> Result<bool, Error> {
        Ok(self.with(kind, |table| {
            table.expire(now);
            if !table.admits(owner, entries.len()) {
                return false;
            }
            let abandoned_at = lifetime.lease.map(|lease| now + lease);
            for (key, value) in entries {
                if table.get(&key).is_none() {
                    let owner_name = owner.to_owned();
                    let item = Item { owner: owner_name, value, abandoned_at, inserted: now, ended: None };
                    // The bounds admit it.
                    let _ = table.insert(key, owner, item, lifetime.expiry, now);
                }
            }
            true
        }))
    }

    fn change(
        &self,
        kind: &Kind,
        key: &[u8],
        now: Instant,
        change: &mut dyn FnMut(&Entry) -> Change,
    ) -> Result<Option<Secret>, Error> {
        Ok(self.with(kind, |table| {
            let item = table.live_mut(key, now)?;
            match change(&item.entry(now)) {
                Change::Keep => None,
                Change::Remove => table.remove(key).and_then(|item| item.ended),
                Change::Replace(Replacement { value, lifetime, ended }) => {
                    item.value = value;
                    item.ended = ended.or(item.ended.take());
                    if let Some(lifetime) = lifetime {
                        item.abandoned_at = lifetime.lease.map(|lease| now + lease);
                        table.renew(key, lifetime.expiry, now);
                    }
                    None
                }
            }
        }))
    }

    fn replace_existing(
        &self,
        kind: &Kind,
        entries: Vec<(Vec<u8>, Secret)>,
        now: Instant,
    ) -> Result<(), Error> {
        self.with(kind, |table| {
            for (key, value) in entries {
                if let Some(item) = table.live_mut(&key, now) {
                    item.value = value;
                    table.touch(&key, now);
                }
            }
        });
        Ok(())
    }

    fn renew(&self, kind: &Kind, keys: &[Vec<u8>], lifetime: Lifetime, now: Instant) -> Result<(), Error> {
        self.with(kind, |table| {
            for key in keys {
                if let Some(item) = table.live_mut(key, now).filter(|item| item.abandoned_at.is_some()) {
                    item.abandoned_at = lifetime.lease.map(|lease| now + lease);
                    table.renew(key, lifetime.expiry, now);
                }
            }
        });
        Ok(())
    }

    fn bound_ended(&self, kind: &Kind, bytes: u64) -> Result<(), Error> {
        self.with(kind, |table| {
            let mut total: u64 = table.iter().map(|(_, item)| item.ended_bytes()).sum();
            while total > bytes {
                let Some(oldest) = table.oldest_where(|item| item.ended.is_some()) else { return };
                total -= table.remove(&oldest).map_or(0, |item| item.ended_bytes());
            }
        });
        Ok(())
    }
}
