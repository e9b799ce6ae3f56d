//! The store without a file: what `:memory:` as database path gives, and what the tests of other layers
//! build on. Everything is gone when it is dropped.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Error, Id, Keep, Located, Order, Query, Record, Store, Transaction};
use crate::ttlv::Secret;

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
    own: BTreeMap<String, Secret>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    // What the locks protect is replaced as a whole and by code that cannot panic between two steps, so the
    // data of a poisoned lock is as good as ever.

    fn kept(&self) -> RwLockReadGuard<'_, Objects> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept_mut(&self) -> RwLockWriteGuard<'_, Objects> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn own(&self, name: &str) -> Result<Option<Secret>, Error> {
        Ok(self.kept().own.get(name).cloned())
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Keep) -> Result<(), Error> {
        let _writer = self.writer();
        let changed = Objects { last: self.kept().last, ..Objects::default() };
        let mut change = Change { store: self, changed };
        if job(&mut change) == Keep::Commit {
            let Change { mut changed, .. } = change;
            let mut kept = self.kept_mut();
            kept.records.append(&mut changed.records);
            kept.own.append(&mut changed.own);
            kept.last = changed.last;
        }
        Ok(())
    }
}

/// A change under way: what it wrote so far, beside the kept objects.
struct Change<'a> {
    store: &'a Memory,
    changed: Objects,
}

impl Change<'_> {
    fn has(&self, id: Id) -> bool {
        self.changed.records.contains_key(&id) || self.store.kept().records.contains_key(&id)
    }

    fn put(&mut self, record: &Record) {
        self.changed.last = self.changed.last.max(record.id.0);
        self.changed.records.insert(record.id, Arc::new(record.clone()));
    }
}

impl Transaction for Change<'_> {
    fn read(&mut self, id: Id) -> Result<Option<Record>, Error> {
        match self.changed.records.get(&id) {
            Some(record) => Ok(Some(Record::clone(record))),
            None => self.store.read(id),
        }
    }

    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        let kept = self.store.kept();
        let unchanged = kept.records.values().filter(|record| !self.changed.records.contains_key(&record.id));
        Ok(page(query, unchanged.chain(self.changed.records.values())))
    }

    fn next_id(&mut self) -> Result<Id, Error> {
        self.changed.last += 1;
        Ok(Id(self.changed.last))
    }

    fn insert(&mut self, record: &Record) -> Result<(), Error> {
        if self.has(record.id) {
            return Err(Error::Taken { id: record.id });
        }
        self.put(record);
        Ok(())
    }

    fn update(&mut self, record: &Record) -> Result<(), Error> {
        if !self.has(record.id) {
            return Err(Error::Missing { id: record.id });
        }
        self.put(record);
        Ok(())
    }

    fn own(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        match self.changed.own.get(name) {
            Some(value) => Ok(Some(value.clone())),
            None => Store::own(self.store, name),
        }
    }

    fn set_own(&mut self, name: &str, value: &Secret) -> Result<(), Error> {
        self.changed.own.insert(name.to_owned(), value.clone());
        Ok(())
    }

    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Keep) -> Result<(), Error> {
        let before = self.changed.clone();
        match catch_unwind(AssertUnwindSafe(|| job(self))) {
            Ok(Keep::Commit) => {}
            Ok(Keep::Rollback) => self.changed = before,
            Err(panic) => {
                self.changed = before;
                resume_unwind(panic);
            }
        }
        Ok(())
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
