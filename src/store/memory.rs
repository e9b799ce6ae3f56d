//! The store in memory: the setting `database_path = :memory:` selects it, and tests of other layers use it. Its
//! content is lost when it is dropped.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::overlay::{self, Snapshot, WriteSet};
use super::{Error, Id, Located, Order, Outcome, Query, Record, Store, Transaction};
use crate::lock::IgnorePoison;
use crate::secret::Secret;

/// A store in memory.
///
/// A transaction collects its writes in an overlay and applies them when it commits. Readers wait only while the
/// writes are applied.
#[derive(Default)]
pub struct Memory {
    state: RwLock<State>,
    /// The running transaction holds this lock: transactions run one at a time, because each reads the writes of
    /// all earlier ones.
    transaction: Mutex<()>,
}

/// The committed content.
#[derive(Clone, Default)]
struct State {
    records: BTreeMap<Id, Arc<Record>>,
    last_id: u64,
    server_state: BTreeMap<String, Secret>,
}

impl Memory {
    /// Returns an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    // No code panics between two changes of the locked data, so the data behind a poisoned lock is consistent.

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().ignore_poison()
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().ignore_poison()
    }

    fn transaction(&self) -> MutexGuard<'_, ()> {
        self.transaction.lock().ignore_poison()
    }
}

/// A clone contains what was committed so far.
impl Clone for Memory {
    fn clone(&self) -> Self {
        Self { state: RwLock::new(self.state().clone()), transaction: Mutex::default() }
    }
}

impl Store for Memory {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        Ok(self.state().records.get(&id).map(Arc::clone))
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        Ok(page(query, self.state().records.values()))
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        Ok(self.state().server_state.get(name).cloned())
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        let _transaction = self.transaction();
        let last_id = self.state().last_id;
        if let Some(writes) = overlay::run(self, last_id, job) {
            let mut state = self.state_mut();
            state.records.extend(writes.records.into_iter().map(|(id, write)| (id, write.after)));
            state.server_state.extend(writes.server_state);
            state.last_id = writes.last_id;
        }
        Ok(())
    }
}

impl Snapshot for Memory {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        Store::read(self, id)
    }

    fn locate(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error> {
        let state = self.state();
        let unchanged = state.records.values().filter(|record| !writes.records.contains_key(&record.id));
        let changed = writes.records.values().map(|write| &write.after);
        Ok(page(query, unchanged.chain(changed)))
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        Store::server_state(self, name)
    }
}

/// Returns the page of `records` that `query` asks for.
fn page<'a>(query: &Query, records: impl Iterator<Item = &'a Arc<Record>>) -> Located {
    let matching = records.filter(|record| query.matches(record));
    let mut found: Vec<_> = matching.map(|record| record.sort_key()).collect();
    found.sort_unstable();
    match query.order {
        Order::NewestFirst => found.reverse(),
        Order::LatestSecondFirst => found.sort_by_key(|key| Reverse(key.initial_date)),
        Order::OldestFirst => (),
    }
    let total = query.count.then_some(found.len() as u64);
    let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Located { ids: found.into_iter().skip(offset).take(limit).map(|key| key.id).collect(), total }
}
