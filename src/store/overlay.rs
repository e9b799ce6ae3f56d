//! Transaction overlay: collects the writes of a transaction over an immutable snapshot of the store.
//!
//! Only the transaction sees its writes before it commits. A rollback drops them; the snapshot never changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Error, Id, Located, Outcome, Query, Record, SortKey, Transaction, Write};
use crate::secret::Secret;

/// The writes of one transaction, or of several in the order of their commits.
#[derive(Clone, Default)]
pub(super) struct WriteSet {
    /// One write per object: `before` is the record before the first write, `after` the one of the last write.
    pub(super) records: BTreeMap<Id, Write>,
    /// The server state by name.
    pub(super) server_state: BTreeMap<String, Secret>,
    /// The highest number of an object so far.
    pub(super) last_id: u64,
    /// Whether a commit must be flushed to the disk before it is acknowledged.
    pub(super) durable: bool,
}

impl WriteSet {
    /// An empty set, if the highest number so far is `last_id`.
    fn after(last_id: u64) -> Self {
        Self { last_id, ..Self::default() }
    }

    /// Adds the writes of a later transaction.
    pub(super) fn merge(&mut self, later: Self) {
        later.records.into_values().for_each(|write| self.put(write));
        self.server_state.extend(later.server_state);
        self.last_id = self.last_id.max(later.last_id);
        self.durable |= later.durable;
    }

    /// Returns the query whose result [`applied`](Self::applied) needs: the same from the first object on, with as many objects
    /// more as the writes can remove.
    pub(super) fn widened(&self, query: &Query) -> Query {
        let written = u64::try_from(self.records.len()).unwrap_or(u64::MAX);
        let needed = |limit: u64| limit.saturating_add(query.offset).saturating_add(written);
        Query { offset: 0, limit: query.limit.map(needed), ..query.clone() }
    }

    /// Returns the result of `query` after the writes. Of the state before them, `found` are the objects of the
    /// [widened](Self::widened) query, and `total` is the number of matching objects that the writes do not replace.
    pub(super) fn applied(&self, query: &Query, mut found: Vec<SortKey>, total: Option<u64>) -> Located {
        found.retain(|key| !self.records.contains_key(&key.id));
        let before = found.len();
        let matching = self.records.values().filter(|write| query.matches(&write.after));
        found.extend(matching.map(|write| write.after.sort_key()));
        let added = u64::try_from(found.len() - before).unwrap_or(u64::MAX);
        Located { total: total.map(|total| total + added), ids: query.page(found) }
    }

    fn put(&mut self, mut write: Write) {
        let id = write.after.id;
        if let Some(earlier) = self.records.remove(&id) {
            write.before = earlier.before;
        }
        self.records.insert(id, write);
    }
}

/// The state of a store that a transaction starts from.
pub(super) trait Snapshot {
    /// Returns the object with this number, or `None`.
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error>;

    /// Returns the objects that match `query` after `writes` are applied to the snapshot.
    fn locate(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error>;

    /// Returns the server state with this name, or `None`.
    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error>;

    /// Returns the next number for an object after `last`, which no other transaction uses.
    fn number_after(&self, last: u64) -> Result<u64, Error> {
        Ok(last + 1)
    }

    /// Whether the snapshot has reserved this number for the transaction, so that no object has it.
    fn is_reserved(&self, _: Id) -> bool {
        false
    }

    /// See [`Transaction::lock`].
    fn lock(&self) -> bool {
        true
    }

    /// See [`Transaction::is_locked`].
    fn is_locked(&self) -> bool {
        true
    }
}

/// Runs `job` on `base`, in which `last_id` is the highest number of an object. Returns the writes of `job`, or
/// `None` if it asks for a rollback. A panic of `job` propagates.
pub(super) fn run(
    base: &dyn Snapshot,
    last_id: u64,
    job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
) -> Option<WriteSet> {
    Overlay::run(base, last_id, last_id, job).map(|(writes, _)| writes)
}

/// Runs `job` as [`run`] does, while other transactions can insert objects with higher numbers than `last_id`.
pub(super) fn run_beside_others(
    base: &dyn Snapshot,
    last_id: u64,
    job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
) -> Option<WriteSet> {
    Overlay::run(base, last_id, u64::MAX, job).map(|(writes, _)| writes)
}

/// A running transaction.
struct Overlay<'a> {
    base: &'a dyn Snapshot,
    /// The highest number that an object in `base` can have.
    base_max_id: u64,
    /// The record that the last read found in `base`. An update of it does not read it again.
    last_read: Option<Arc<Record>>,
    writes: WriteSet,
    /// Every write that is not lazy, in order.
    log: Vec<Write>,
}

impl Overlay<'_> {
    fn run(
        base: &dyn Snapshot,
        last_id: u64,
        base_max_id: u64,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Option<(WriteSet, Vec<Write>)> {
        let writes = WriteSet::after(last_id);
        let mut overlay = Overlay { base, base_max_id, last_read: None, writes, log: Vec::new() };
        (job(&mut overlay) == Outcome::Commit).then_some((overlay.writes, overlay.log))
    }

    fn written(&self, id: Id) -> Option<Arc<Record>> {
        self.writes.records.get(&id).map(|write| Arc::clone(&write.after))
    }

    /// Returns the record that a write to `id` replaces.
    fn replaced(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        let last_read = self.last_read.as_ref().filter(|record| record.id == id);
        match self.written(id).or_else(|| last_read.map(Arc::clone)) {
            None if id.0 <= self.base_max_id && !self.base.is_reserved(id) => self.base.read(id),
            known => Ok(known),
        }
    }

    fn write(&mut self, write: Write, lazy: bool) {
        self.writes.last_id = self.writes.last_id.max(write.after.id.0);
        if !lazy {
            self.writes.durable = true;
            self.log.push(write.clone());
        }
        self.writes.put(write);
    }

    fn replace(&mut self, record: Record, lazy: bool) -> Result<(), Error> {
        let before = self.replaced(record.id)?;
        if before.is_none() {
            return Err(Error::Missing { id: record.id });
        }
        self.write(Write { before, after: Arc::new(record) }, lazy);
        Ok(())
    }
}

impl Transaction for Overlay<'_> {
    fn read(&mut self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        if let Some(record) = self.written(id) {
            return Ok(Some(record));
        }
        self.last_read = self.base.read(id)?;
        Ok(self.last_read.clone())
    }

    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        self.base.locate(query, &self.writes)
    }

    fn next_id(&mut self) -> Result<Id, Error> {
        self.writes.last_id = self.base.number_after(self.writes.last_id)?;
        Ok(Id(self.writes.last_id))
    }

    fn insert(&mut self, record: Arc<Record>) -> Result<(), Error> {
        if self.replaced(record.id)?.is_some() {
            return Err(Error::Taken { id: record.id });
        }
        self.write(Write { before: None, after: record }, false);
        Ok(())
    }

    fn update(&mut self, record: Record) -> Result<(), Error> {
        self.replace(record, false)
    }

    fn update_lazily(&mut self, record: Record) -> Result<(), Error> {
        self.replace(record, true)
    }

    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        Snapshot::server_state(self, name)
    }

    fn set_server_state(&mut self, name: &str, value: &Secret) -> Result<(), Error> {
        self.writes.server_state.insert(name.to_owned(), value.clone());
        self.writes.durable = true;
        Ok(())
    }

    fn writes(&self) -> &[Write] {
        &self.log
    }

    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        // `self` is the snapshot of the nested transaction, so a panic of `job` leaves it unchanged.
        let (last_id, max_id) = (self.writes.last_id, self.writes.last_id.max(self.base_max_id));
        if let Some((writes, log)) = Overlay::run(self, last_id, max_id, job) {
            self.writes.merge(writes);
            self.log.extend(log);
        }
        Ok(())
    }

    fn lock(&mut self) -> bool {
        self.base.lock()
    }

    fn is_locked(&self) -> bool {
        self.base.is_locked()
    }
}

/// The state that a nested transaction starts from.
impl Snapshot for Overlay<'_> {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        match self.written(id) {
            None => self.base.read(id),
            written => Ok(written),
        }
    }

    fn locate(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error> {
        let mut all = self.writes.clone();
        all.merge(writes.clone());
        self.base.locate(query, &all)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        match self.writes.server_state.get(name) {
            Some(value) => Ok(Some(value.clone())),
            None => self.base.server_state(name),
        }
    }

    fn number_after(&self, last: u64) -> Result<u64, Error> {
        self.base.number_after(last)
    }

    fn is_reserved(&self, id: Id) -> bool {
        !self.writes.records.contains_key(&id) && self.base.is_reserved(id)
    }

    fn lock(&self) -> bool {
        self.base.lock()
    }

    fn is_locked(&self) -> bool {
        self.base.is_locked()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::store::testing::key;

    /// A snapshot with the objects 1 and 2 that counts how often it is read.
    #[derive(Default)]
    struct Base(std::cell::Cell<u32>);

    const LAST_ID: u64 = 2;

    fn object(id: u64, name: &str) -> Record {
        Record { id: Id(id), ..key(name) }
    }

    impl Snapshot for Base {
        fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
            self.0.set(self.0.get() + 1);
            Ok((1..=LAST_ID).contains(&id.0).then(|| Arc::new(object(id.0, "base"))))
        }

        fn locate(&self, _: &Query, writes: &WriteSet) -> Result<Located, Error> {
            Ok(Located { ids: writes.records.keys().copied().collect(), total: None })
        }

        fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
            Ok((name == "base").then(|| Secret::new(vec![0])))
        }
    }

    /// Commits `job` on a new [`Base`]; returns its writes.
    fn commit(job: impl Fn(&mut dyn Transaction)) -> WriteSet {
        let job = &mut |transaction: &mut dyn Transaction| {
            job(transaction);
            Outcome::Commit
        };
        run(&Base::default(), LAST_ID, job).unwrap()
    }

    fn nest(transaction: &mut dyn Transaction, outcome: Outcome, job: impl Fn(&mut dyn Transaction)) {
        let job = &mut |nested: &mut dyn Transaction| {
            job(nested);
            outcome
        };
        transaction.nested(job).unwrap();
    }

    #[test]
    fn merges_the_writes_to_one_object_and_keeps_the_record_before_the_first() {
        let writes = commit(|transaction| {
            transaction.update(object(1, "first")).unwrap();
            transaction.update(object(1, "second")).unwrap();
            transaction.insert(Arc::new(object(7, "new"))).unwrap();
            transaction.update(object(7, "renamed")).unwrap();
        });
        let replaced = &writes.records[&Id(1)];
        assert_eq!(replaced.before.as_deref(), Some(&object(1, "base")));
        assert_eq!(*replaced.after, object(1, "second"));
        let new = &writes.records[&Id(7)];
        assert_eq!((new.before.as_deref(), &*new.after), (None, &object(7, "renamed")));
        assert_eq!((writes.records.len(), writes.last_id), (2, 7));
    }

    #[test]
    fn lists_each_durable_write_in_order_with_the_record_it_replaced() {
        commit(|transaction| {
            transaction.update(object(2, "first")).unwrap();
            transaction.update_lazily(object(2, "lazy")).unwrap();
            nest(transaction, Outcome::Rollback, |nested| nested.update(object(1, "lost")).unwrap());
            nest(transaction, Outcome::Commit, |nested| {
                nested.update(object(2, "nested")).unwrap();
                assert_eq!(nested.writes().len(), 1, "a nested transaction lists its own writes");
            });
            let writes = transaction.writes().iter();
            let writes: Vec<_> =
                writes.map(|write| (write.before.as_deref().unwrap(), &*write.after)).collect();
            let [base, first, lazy, nested] = ["base", "first", "lazy", "nested"].map(|name| object(2, name));
            assert_eq!(writes, [(&base, &first), (&lazy, &nested)]);
        });
    }

    #[test]
    fn only_lazy_updates_and_empty_transactions_need_no_flush() {
        let record = || object(1, "k");
        assert!(!commit(|_| {}).durable);
        assert!(!commit(|transaction| transaction.update_lazily(record()).unwrap()).durable);
        assert!(commit(|transaction| transaction.update(record()).unwrap()).durable);
        assert!(commit(|transaction| transaction.insert(Arc::new(object(3, "k"))).unwrap()).durable);
        assert!(commit(|transaction| transaction.set_server_state("n", &Secret::default()).unwrap()).durable);
        let nested = |outcome| {
            commit(|transaction| {
                nest(transaction, outcome, |nested| nested.update(record()).unwrap());
            })
        };
        assert!(nested(Outcome::Commit).durable);
        assert!(!nested(Outcome::Rollback).durable);
    }

    #[test]
    fn a_nested_transaction_sees_the_outer_writes_and_the_base() {
        commit(|transaction| {
            transaction.update(object(1, "outer")).unwrap();
            transaction.set_server_state("outer", &Secret::new(vec![1])).unwrap();
            nest(transaction, Outcome::Commit, |nested| {
                let mut name = |id| nested.read(Id(id)).unwrap().map(Arc::unwrap_or_clone);
                assert_eq!(name(1), Some(object(1, "outer")));
                assert_eq!(name(2), Some(object(2, "base")));
                assert_eq!(name(3), None);
                for (name, value) in [("base", Some(0)), ("outer", Some(1)), ("none", None)] {
                    let expected = value.map(|value| Secret::new(vec![value]));
                    assert_eq!(nested.server_state(name).unwrap(), expected);
                }
                nested.update(object(2, "nested")).unwrap();
                let query = crate::store::testing::everybody();
                assert_eq!(nested.locate(&query).unwrap().ids, [Id(1), Id(2)]);
            });
        });
    }

    #[test]
    fn a_rollback_frees_the_numbers_that_the_nested_transaction_took() {
        commit(|transaction| {
            for outcome in [Outcome::Rollback, Outcome::Commit] {
                nest(transaction, outcome, |nested| assert_eq!(nested.next_id().unwrap(), Id(3)));
            }
            assert_eq!(transaction.next_id().unwrap(), Id(4));
        });
    }

    #[test]
    fn a_panic_of_a_nested_transaction_discards_only_its_writes() {
        let writes = commit(|transaction| {
            transaction.update(object(1, "outer")).unwrap();
            let panics = || {
                nest(transaction, Outcome::Commit, |nested| {
                    nested.update(object(2, "lost")).unwrap();
                    panic!("on purpose");
                })
            };
            catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        });
        assert_eq!(writes.records.keys().collect::<Vec<_>>(), [&Id(1)]);
    }

    #[test]
    fn refuses_to_insert_an_object_twice_and_to_update_a_missing_one() {
        commit(|transaction| {
            assert!(matches!(transaction.insert(Arc::new(object(1, "k"))), Err(Error::Taken { id: Id(1) })));
            transaction.insert(Arc::new(object(3, "k"))).unwrap();
            assert!(matches!(transaction.insert(Arc::new(object(3, "k"))), Err(Error::Taken { id: Id(3) })));
            assert!(matches!(transaction.update(object(9, "k")), Err(Error::Missing { id: Id(9) })));
            assert!(matches!(transaction.update_lazily(object(9, "k")), Err(Error::Missing { id: Id(9) })));
        });
    }

    #[test]
    fn an_update_of_the_record_that_was_just_read_does_not_read_it_again() {
        let base = Base::default();
        let job = &mut |transaction: &mut dyn Transaction| {
            transaction.read(Id(1)).unwrap();
            transaction.update(object(1, "k")).unwrap();
            // No object of the base has a higher number than the last one.
            transaction.insert(Arc::new(object(3, "k"))).unwrap();
            Outcome::Commit
        };
        run(&base, LAST_ID, job).unwrap();
        assert_eq!(base.0.get(), 1);
    }

    #[test]
    fn returns_no_writes_after_a_rollback() {
        let job = &mut |transaction: &mut dyn Transaction| {
            transaction.update(object(1, "k")).unwrap();
            Outcome::Rollback
        };
        assert!(run(&Base::default(), LAST_ID, job).is_none());
    }
}
