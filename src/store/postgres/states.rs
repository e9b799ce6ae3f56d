//! A cache of the server state. Other servers change the state, so a value counts only if the commit, or the end of a
//! transaction without writes, finds the same version in the database.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::lock::IgnorePoison;
use crate::secret::Secret;

/// The maximum number of names. One more empties the cache.
const MAX_NAMES: usize = 1024;

/// The maximum size of a value in the cache, in bytes.
const MAX_VALUE: usize = 64 << 10;

/// A value with its version, or `None` if the state does not exist.
pub(super) type Versioned = Option<(Secret, i64)>;

/// The cache.
#[derive(Default)]
pub(super) struct States(Mutex<HashMap<String, Versioned>>);

impl States {
    /// Returns what the cache knows about the state with this name.
    pub(super) fn get(&self, name: &str) -> Option<Versioned> {
        self.table().get(name).cloned()
    }

    /// Records what the database contains.
    pub(super) fn insert(&self, name: &str, found: &Versioned) {
        if found.as_ref().is_some_and(|(value, _)| value.len() > MAX_VALUE) {
            return self.remove(name);
        }
        let mut table = self.table();
        if table.len() >= MAX_NAMES && !table.contains_key(name) {
            table.clear();
        }
        table.insert(name.to_owned(), found.clone());
    }

    /// Removes a state that has another version in the database.
    pub(super) fn remove(&self, name: &str) {
        self.table().remove(name);
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Versioned>> {
        self.0.lock().ignore_poison()
    }
}
