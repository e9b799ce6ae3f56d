//! The store without a file: what `:memory:` as database path gives, and what the tests of other layers
//! build on. Everything is gone when it is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::overlay::{self, Before, Changes};
use super::{Error, Id, Located, Order, Outcome, Query, Record, Store, Transaction};
use crate::lock::IgnorePoison;
use crate::secret::Secret;

/// A store in memory.
///
/// A change collects what it writes beside the kept objects and adds it to them at its end, so readers wait
/// for nothing but that.
#[derive(Default)]
pub struct Memory {
    kept: RwLock<Objects>,
    /// Held by the change that is under way: one at a time, as every change sees all before it.
    writer: Mutex<()>,
}

/// Objects by their numbers, the last number that was given, and what is no object.
#[derive(Clone, Default)]
struct Objects {
    records: BTreeMap<Id, Arc<Record>>,
    last: u64,
    /// What the server keeps for itself.
    server_state: BTreeMap<String, Secret>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    // What the locks protect is replaced as a whole and by code that cannot panic between two steps, so the
    // data of a poisoned lock is as good as ever.

    fn kept(&self) -> RwLockReadGuard<'_, Objects> {
        self.kept.read().ignore_poison()
    }

    fn kept_mut(&self) -> RwLockWriteGuard<'_, Objects> {
        self.kept.write().ignore_poison()
    }

    fn writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().ignore_poison()
    }
}

/// As it stands between two changes.
impl Clone for Memory {
    fn clone(&self) -> Self {
        Self { kept: RwLock::new(self.kept().clone()), writer: Mutex::default() }
    }
}

impl Store for Memory {
    fn read(&self, id: Id) -> Result<Option<Record>, Error> {
        let record = self.kept().records.get(&id).map(Arc::clone);
        Ok(record.as_deref().cloned())
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        Ok(page(query, self.kept().records.values()))
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        Ok(self.kept().server_state.get(name).cloned())
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        let _writer = self.writer();
        let last = self.kept().last;
        if let Some(changes) = overlay::run(self, last, job) {
            let mut kept = self.kept_mut();
            kept.records.extend(changes.records.into_iter().map(|(id, written)| (id, written.record)));
            kept.server_state.extend(changes.server_state);
            kept.last = changes.last;
        }
        Ok(())
    }
}

impl Before for Memory {
    fn read(&self, id: Id) -> Result<Option<Record>, Error> {
        Store::read(self, id)
    }

    fn locate(&self, query: &Query, changes: &Changes) -> Result<Located, Error> {
        let kept = self.kept();
        let unchanged = kept.records.values().filter(|record| !changes.records.contains_key(&record.id));
        let changed = changes.records.values().map(|written| &written.record);
        Ok(page(query, unchanged.chain(changed)))
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        Store::server_state(self, name)
    }
}

/// The page that `query` asks for of all `records`.
fn page<'a>(query: &Query, records: impl Iterator<Item = &'a Arc<Record>>) -> Located {
    let matching = records.filter(|record| query.finds(record));
    let mut found: Vec<_> = matching.map(|record| (record.attributes.initial_date, record.id)).collect();
    found.sort_unstable();
    if query.order == Order::NewestFirst {
        found.reverse();
    }
    let total = query.count.then_some(found.len() as u64);
    let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Located { ids: found.into_iter().skip(offset).take(limit).map(|(_, id)| id).collect(), total }
}
