//! A change that collects what it writes beside what was there before it: nothing but this change sees it, and
//! nothing has to be undone where it is taken back.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::{Error, Id, Located, Outcome, Query, Record, Transaction};
use crate::secret::Secret;

/// What changes have written.
#[derive(Clone, Default)]
pub(super) struct Changes {
    /// The objects, each as it was written last.
    pub(super) records: BTreeMap<Id, Written>,
    /// What the server keeps for itself.
    pub(super) server_state: BTreeMap<String, Secret>,
    /// The last number that an object got.
    pub(super) last: u64,
    /// Whether any of it has to be on the disk before it is acknowledged.
    pub(super) durable: bool,
}

/// An object that was written.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) record: Arc<Record>,
    /// Whether there was none of its number before.
    pub(super) is_new: bool,
}

impl Changes {
    /// Nothing so far, after the number `last`.
    fn after(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    /// Adds what was written later.
    pub(super) fn add(&mut self, later: Self) {
        later.records.into_values().for_each(|written| self.put(written));
        self.server_state.extend(later.server_state);
        self.last = later.last;
        self.durable |= later.durable;
    }

    fn put(&mut self, mut written: Written) {
        let id = written.record.id;
        written.is_new |= self.records.get(&id).is_some_and(|earlier| earlier.is_new);
        self.records.insert(id, written);
    }
}

/// What was there before a change.
pub(super) trait Before {
    /// The object of that number.
    fn read(&self, id: Id) -> Result<Option<Record>, Error>;

    /// The objects that answer `query` where `changes` are made.
    fn locate(&self, query: &Query, changes: &Changes) -> Result<Located, Error>;

    /// What the server keeps for itself under that name.
    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error>;
}

/// Runs `job` on what was `before`, where `last` was the last number that an object got; gives what it wrote, or
/// nothing where that is to be taken back. A panic of the job goes on.
pub(super) fn run(
    before: &dyn Before,
    last: u64,
    job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
) -> Option<Changes> {
    let mut change =
        Change { before, last_before: last, seen: None, outer: Vec::new(), inner: Changes::after(last) };
    (job(&mut change) == Outcome::Commit).then_some(change.inner)
}

/// A change under way.
struct Change<'a> {
    before: &'a dyn Before,
    /// The last number that an object got before the change: none that was there has a higher one.
    last_before: u64,
    /// The object that was found last in what was there before.
    seen: Option<Id>,
    /// What was written outside of the innermost part, from the outermost on.
    outer: Vec<Changes>,
    /// What was written in it.
    inner: Changes,
}

impl Change<'_> {
    /// From the innermost part on.
    fn parts(&self) -> impl Iterator<Item = &Changes> {
        std::iter::once(&self.inner).chain(self.outer.iter().rev())
    }

    fn written(&self, id: Id) -> Option<&Written> {
        self.parts().find_map(|part| part.records.get(&id))
    }

    fn has(&self, id: Id) -> Result<bool, Error> {
        if self.written(id).is_some() || self.seen == Some(id) {
            return Ok(true);
        }
        Ok(id.0 <= self.last_before && self.before.read(id)?.is_some())
    }

    fn write(&mut self, record: Record, is_new: bool) {
        self.inner.last = self.inner.last.max(record.id.0);
        self.inner.put(Written { record: Arc::new(record), is_new });
    }

    /// All that was written so far.
    fn all(&self) -> Changes {
        let mut all = Changes::default();
        self.outer.iter().chain([&self.inner]).for_each(|part| all.add(part.clone()));
        all
    }
}

impl Transaction for Change<'_> {
    fn read(&mut self, id: Id) -> Result<Option<Record>, Error> {
        if let Some(written) = self.written(id) {
            return Ok(Some(Record::clone(&written.record)));
        }
        let found = self.before.read(id)?;
        if found.is_some() {
            self.seen = Some(id);
        }
        Ok(found)
    }

    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        self.before.locate(query, &self.all())
    }

    fn next_id(&mut self) -> Result<Id, Error> {
        self.inner.last += 1;
        Ok(Id(self.inner.last))
    }

    fn insert(&mut self, record: Record) -> Result<(), Error> {
        if self.has(record.id)? {
            return Err(Error::Taken { id: record.id });
        }
        self.write(record, true);
        self.inner.durable = true;
        Ok(())
    }

    fn update(&mut self, record: Record) -> Result<(), Error> {
        self.update_lazily(record)?;
        self.inner.durable = true;
        Ok(())
    }

    fn update_lazily(&mut self, record: Record) -> Result<(), Error> {
        if !self.has(record.id)? {
            return Err(Error::Missing { id: record.id });
        }
        self.write(record, false);
        Ok(())
    }

    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        match self.parts().find_map(|part| part.server_state.get(name)) {
            Some(value) => Ok(Some(value.clone())),
            None => self.before.server_state(name),
        }
    }

    fn set_server_state(&mut self, name: &str, value: &Secret) -> Result<(), Error> {
        self.inner.server_state.insert(name.to_owned(), value.clone());
        self.inner.durable = true;
        Ok(())
    }

    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        let inner = Changes::after(self.inner.last);
        self.outer.push(std::mem::replace(&mut self.inner, inner));
        let kept = catch_unwind(AssertUnwindSafe(|| job(self)));
        let outer = self.outer.pop().unwrap_or_default();
        let part = std::mem::replace(&mut self.inner, outer);
        match kept {
            Ok(Outcome::Commit) => self.inner.add(part),
            Ok(Outcome::Rollback) => {}
            Err(panic) => resume_unwind(panic),
        }
        Ok(())
    }
}
