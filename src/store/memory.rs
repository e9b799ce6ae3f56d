//! The store in memory: the setting `database_path = :memory:` selects it, and tests of other layers use it. Its
//! content is lost when it is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::commits::Commits;
use super::optimistic::{self, Host, Turn};
use super::overlay::{self, Snapshot, WriteSet};
use super::{Error, Id, Located, Outcome, Query, Record, Store, StoreCopy, StoreStatus, Transaction};
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
    transaction: Mutex<Turn>,
    long_turn: Mutex<()>,
    commits: Commits,
}

/// The committed content.
#[derive(Clone, Default)]
struct State {
    records: BTreeMap<Id, Arc<Record>>,
    server_state: BTreeMap<String, Secret>,
}

impl Memory {
    /// Returns an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the content between two transactions.
    fn replace(&self, replace: impl FnOnce(&mut State)) {
        let mut turn = self.turn();
        let mut state = self.state_mut();
        replace(&mut state);
        turn.replace(state.records.keys().next_back().map_or(0, |id| id.0));
    }

    // No code panics between two changes of the locked data, so the data behind a poisoned lock is consistent.

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().ignore_poison()
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().ignore_poison()
    }
}

/// A clone contains what was committed so far.
impl Clone for Memory {
    fn clone(&self) -> Self {
        let state = self.state().clone();
        let last_id = state.records.keys().next_back().map_or(0, |id| id.0);
        Self {
            state: RwLock::new(state),
            transaction: Mutex::new(Turn::new(last_id)),
            long_turn: Mutex::default(),
            commits: Commits::default(),
        }
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
        let turn = self.turn();
        let writes = overlay::run(self, turn.last_id, job);
        self.join(turn, 0, writes)
    }

    fn copy(&self) -> Result<StoreCopy, Error> {
        Ok(StoreCopy::of(self.state().clone()))
    }

    fn restore(&self, copy: &StoreCopy) -> Result<(), Error> {
        let state = copy.content::<State>().ok_or(Error::NoCopies)?.clone();
        self.replace(|current| *current = state);
        Ok(())
    }

    fn clear(&self, kept: &[&str]) -> Result<(), Error> {
        self.replace(|current| {
            current.records.clear();
            current.server_state.retain(|name, _| kept.contains(&name.as_str()));
        });
        Ok(())
    }

    fn change_optimistically(
        &self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), Error> {
        optimistic::change(self, job)
    }

    fn status(&self) -> StoreStatus {
        self.commits.complete(StoreStatus::default())
    }
}

impl Host for Memory {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.transaction.lock().ignore_poison()
    }

    fn long_turn(&self) -> &Mutex<()> {
        &self.long_turn
    }

    fn begin(&self, _: &mut Turn) -> Result<u64, Error> {
        Ok(0)
    }

    fn lost(&self) -> u64 {
        0
    }

    fn join(&self, mut turn: MutexGuard<'_, Turn>, _: u64, writes: Option<WriteSet>) -> Result<(), Error> {
        if let Some(writes) = writes {
            let mut state = self.state_mut();
            turn.record(&writes);
            state.records.extend(writes.records.into_iter().map(|(id, write)| (id, write.after)));
            state.server_state.extend(writes.server_state);
            self.commits.count(1, true);
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
    let found: Vec<_> = matching.map(|record| record.sort_key()).collect();
    let total = query.count.then_some(found.len() as u64);
    Located { ids: query.page(found), total }
}
