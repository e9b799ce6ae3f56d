//! Optimistic transactions: a job that may take long runs on an overlay without the transaction lock. Its commit fails
//! if another transaction wrote meanwhile what the job read; then the job is repeated, and at last runs with the lock.
//!
//! The store compares the writes of each transaction with the reads of the jobs under way before any of them can read
//! these writes. So a job that is not stale has read what it would have read with the lock.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use super::overlay::{self, Snapshot, WriteSet};
use super::{Error, Id, Located, Outcome, Query, Record, Transaction};
use crate::lock::IgnorePoison;
use crate::secret::Secret;

/// The number of times that a job runs without the lock.
const ATTEMPTS: usize = 3;

/// The number of queries of one job whose results are compared with writes. A job with more queries is stale after any
/// write, because each query adds to the cost of each transaction of the store.
const MAX_QUERIES: usize = 8;

type Job<'a> = &'a mut dyn FnMut(&mut dyn Transaction) -> Outcome;

/// The state behind the transaction lock of a store.
#[derive(Default)]
pub(super) struct Turn {
    /// The highest number of an object, including the numbers that jobs under way have reserved.
    pub(super) last_id: u64,
    /// The number of lost batches when `last_id` was read from the store.
    pub(super) lost: u64,
    /// The number of transactions with writes.
    commits: u64,
    /// The jobs that run without the lock.
    jobs: Vec<Arc<Mutex<Reads>>>,
}

impl Turn {
    /// Returns the state of a store in which `last_id` is the highest number.
    pub(super) fn new(last_id: u64) -> Self {
        Self { last_id, ..Self::default() }
    }

    /// Records the writes of a transaction. No job can read these writes before the call, and each reads them after
    /// it.
    pub(super) fn record(&mut self, writes: &WriteSet) {
        self.last_id = self.last_id.max(writes.last_id);
        self.commits += 1;
        for job in &self.jobs {
            job.lock().ignore_poison().note(writes);
        }
    }

    /// Records that everything in the store is replaced, so that `last_id` is the highest number of an object.
    pub(super) fn replace(&mut self, last_id: u64) {
        self.last_id = last_id;
        self.commits += 1;
        for job in &self.jobs {
            job.lock().ignore_poison().is_stale = true;
        }
    }

    /// Returns whether jobs run without the lock.
    pub(super) fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }
}

/// What a job has read.
#[derive(Default)]
struct Reads {
    records: HashSet<Id>,
    server_state: HashSet<String>,
    queries: Vec<Query>,
    /// Whether the job had more than [`MAX_QUERIES`] queries.
    is_unbounded: bool,
    /// Whether a transaction wrote what the job read.
    is_stale: bool,
}

impl Reads {
    fn note(&mut self, writes: &WriteSet) {
        self.is_stale = self.is_stale || self.depend_on(writes);
    }

    fn depend_on(&self, writes: &WriteSet) -> bool {
        let matches = |query: &Query, record: &Record| query.matches(record);
        self.is_unbounded
            || writes.records.values().any(|write| {
                self.records.contains(&write.after.id)
                    || self.queries.iter().any(|query| {
                        matches(query, &write.after)
                            || write.before.as_ref().is_some_and(|before| matches(query, before))
                    })
            })
            || writes.server_state.keys().any(|name| self.server_state.contains(name))
    }
}

/// A store with optimistic transactions.
pub(super) trait Host: Snapshot {
    /// Takes the transaction lock.
    fn turn(&self) -> MutexGuard<'_, Turn>;

    /// Returns the lock of which a thread needs both to hold the transaction lock for a whole job that may take long,
    /// so that other transactions get the transaction lock between two such jobs.
    fn long_turn(&self) -> &Mutex<()>;

    /// Prepares a transaction. Returns the number of lost batches.
    fn begin(&self, turn: &mut Turn) -> Result<u64, Error>;

    /// Returns the number of lost batches. A job that began before a loss may have read lost writes.
    fn lost(&self) -> u64;

    /// Returns the objects that match `query` after `writes` are applied to the snapshot, for a job without the lock.
    fn locate_beside_others(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error> {
        self.locate(query, writes)
    }

    /// Commits the writes of a transaction, or ends it without writes. Returns when the writes, and all writes that it
    /// read, are durable.
    fn join(&self, turn: MutexGuard<'_, Turn>, lost: u64, writes: Option<WriteSet>) -> Result<(), Error>;
}

/// See [`super::Store::change_optimistically`].
pub(super) fn change<H: Host>(host: &H, job: Job<'_>) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        let mut attempt = Attempt::begin(host)?;
        let writes = overlay::run_beside_others(&attempt, attempt.base_last_id, job);
        if attempt.end(writes)? {
            return Ok(());
        }
    }
    let long = host.long_turn().lock().ignore_poison();
    let mut turn = host.turn();
    let lost = host.begin(&mut turn)?;
    let writes = overlay::run(host, turn.last_id, job);
    drop(long);
    host.join(turn, lost, writes)
}

/// A job that runs without the lock: its snapshot, which records what the job reads.
struct Attempt<'h, H: Host> {
    host: &'h H,
    reads: Arc<Mutex<Reads>>,
    base_last_id: u64,
    lost: u64,
    commits: u64,
    /// The numbers that only this job uses, in ascending order.
    reserved: RefCell<Vec<Reserved>>,
    /// The lock, from the time at which the job asks for it.
    lock: RefCell<Option<Lock<'h>>>,
    has_ended: bool,
}

/// A number that a job has reserved.
#[derive(Clone, Copy)]
struct Reserved {
    number: u64,
    /// The highest number before: less by more than one if the job inserted an object with a number of its own choice.
    before: u64,
}

/// The transaction lock, for a job that may take long.
struct Lock<'h> {
    turn: MutexGuard<'h, Turn>,
    _long: MutexGuard<'h, ()>,
}

impl<'h, H: Host> Attempt<'h, H> {
    fn begin(host: &'h H) -> Result<Self, Error> {
        let mut turn = host.turn();
        let lost = host.begin(&mut turn)?;
        let reads = Arc::default();
        turn.jobs.push(Arc::clone(&reads));
        Ok(Self {
            host,
            reads,
            base_last_id: turn.last_id,
            lost,
            commits: turn.commits,
            reserved: RefCell::default(),
            lock: RefCell::default(),
            has_ended: false,
        })
    }

    fn reads(&self) -> MutexGuard<'_, Reads> {
        self.reads.lock().ignore_poison()
    }

    fn is_stale(&self) -> bool {
        // The reads must not be locked while the host locks its queue.
        let is_stale = self.reads().is_stale;
        is_stale || self.host.lost() != self.lost
    }

    /// Commits the writes of the job, or ends it without writes. Returns false if it has to be repeated.
    fn end(&mut self, writes: Option<WriteSet>) -> Result<bool, Error> {
        let turn = self.leave(writes.as_ref().map_or(0, |writes| writes.last_id));
        if self.is_stale() {
            return Ok(false);
        }
        self.host.join(turn, self.lost, writes)?;
        Ok(true)
    }

    /// Removes the job from those under way, and frees the numbers above `used` if no other transaction can depend on
    /// them.
    fn leave(&mut self, used: u64) -> MutexGuard<'h, Turn> {
        let lock = self.lock.get_mut().take();
        let mut turn = lock.map_or_else(|| self.host.turn(), |lock| lock.turn);
        self.has_ended = true;
        turn.jobs.retain(|job| !Arc::ptr_eq(job, &self.reads));
        if turn.commits == self.commits && !self.is_stale() {
            let reserved = self.reserved.get_mut();
            while turn.last_id > used
                && let Some(last) = reserved.pop_if(|last| last.number == turn.last_id)
            {
                turn.last_id = last.before.max(used);
            }
        }
        turn
    }
}

impl<H: Host> Drop for Attempt<'_, H> {
    /// Removes a job that panicked.
    fn drop(&mut self) {
        if !self.has_ended {
            drop(self.leave(0));
        }
    }
}

impl<H: Host> Snapshot for Attempt<'_, H> {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        self.reads().records.insert(id);
        self.host.read(id)
    }

    fn locate(&self, query: &Query, writes: &WriteSet) -> Result<Located, Error> {
        let mut reads = self.reads();
        if reads.queries.len() < MAX_QUERIES {
            reads.queries.push(query.clone());
        } else {
            reads.is_unbounded = true;
        }
        drop(reads);
        if self.is_locked() {
            self.host.locate(query, writes)
        } else {
            self.host.locate_beside_others(query, writes)
        }
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.reads().server_state.insert(name.to_owned());
        self.host.server_state(name)
    }

    fn number_after(&self, last: u64) -> Result<u64, Error> {
        let mut reserved = self.reserved.borrow_mut();
        let next = reserved.partition_point(|reserved| reserved.number <= last);
        if let Some(next) = reserved.get(next) {
            return Ok(next.number);
        }
        // The last number of the job is higher than that of the store after an object with a chosen number.
        let reserve = |turn: &mut Turn| {
            let before = turn.last_id;
            turn.last_id = before.max(last) + 1;
            Reserved { number: turn.last_id, before }
        };
        let next = match self.lock.borrow_mut().as_mut() {
            Some(lock) => reserve(&mut lock.turn),
            None => reserve(&mut self.host.turn()),
        };
        reserved.push(next);
        Ok(next.number)
    }

    fn lock(&self) -> bool {
        if self.is_locked() {
            return true;
        }
        let long = self.host.long_turn().lock().ignore_poison();
        let lock = Lock { turn: self.host.turn(), _long: long };
        let is_valid = !self.is_stale();
        if is_valid {
            *self.lock.borrow_mut() = Some(lock);
        }
        is_valid
    }

    fn is_locked(&self) -> bool {
        self.lock.borrow().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::testing::{self, Folder, add, all_of, change, everybody, key, value};
    use super::super::{Criterion, Memory, Sqlite, Store};
    use super::*;

    /// Runs `test` on each store.
    fn on_each_store(test: impl Fn(&dyn Store)) {
        let folder = Folder::new();
        test(&Memory::new());
        test(&Sqlite::open(&folder.path("store")).unwrap());
    }

    /// Runs `job` optimistically, and `other` in the middle of its first `times` executions. Returns the number of
    /// executions.
    fn executions(
        store: &dyn Store,
        times: usize,
        job: impl Fn(&mut dyn Transaction),
        other: impl Fn() + Sync,
    ) -> usize {
        let mut executions = 0;
        let done = store.change_optimistically(&mut |transaction| {
            job(transaction);
            if executions < times {
                assert!(!transaction.is_locked());
                other();
            }
            executions += 1;
            testing::insert(transaction, &mut key("new"));
            Outcome::Commit
        });
        done.unwrap();
        executions
    }

    #[test]
    fn job_is_repeated_if_a_transaction_writes_what_it_read() {
        on_each_store(|store| {
            let (read, unread) = (add(store, key("read")), add(store, key("unread")));
            let update = |record: &Record| {
                change(store, |change| change.update(record.clone()).unwrap());
            };
            let reading = |transaction: &mut dyn Transaction| drop(transaction.read(read.id).unwrap());
            assert_eq!(executions(store, 1, reading, || update(&read)), 2);
            assert_eq!(executions(store, 2, reading, || update(&read)), 3);
            assert_eq!(executions(store, 1, reading, || update(&unread)), 1);

            let state = |transaction: &mut dyn Transaction| drop(transaction.server_state("read").unwrap());
            let set = |name: &str| {
                change(store, |change| change.set_server_state(name, &Secret::new(vec![1])).unwrap());
            };
            assert_eq!(executions(store, 1, state, || set("read")), 2);
            assert_eq!(executions(store, 1, state, || set("other")), 1);
        });
    }

    #[test]
    fn job_is_repeated_if_a_transaction_changes_the_result_of_a_query() {
        on_each_store(|store| {
            let named = |name| Query { criteria: vec![value("Name", &testing::name(name))], ..everybody() };
            let old = add(store, key("old"));
            let searching = |transaction: &mut dyn Transaction| {
                transaction.locate(&named("old")).unwrap();
            };
            assert_eq!(executions(store, 1, searching, || drop(add(store, key("old")))), 2, "one more");
            assert_eq!(executions(store, 1, searching, || drop(add(store, key("other")))), 1);
            let rename = || {
                change(store, |change| change.update(Record { id: old.id, ..key("renamed") }).unwrap());
            };
            assert_eq!(executions(store, 1, searching, rename), 2, "one less");
            let nothing = Query { criteria: vec![Criterion::Nothing], ..everybody() };
            let many = |transaction: &mut dyn Transaction| {
                (0..=MAX_QUERIES).for_each(|_| drop(transaction.locate(&nothing).unwrap()));
            };
            assert_eq!(executions(store, 1, many, || drop(add(store, key("any")))), 2, "too many queries");
        });
    }

    #[test]
    fn last_repetition_holds_the_lock() {
        on_each_store(|store| {
            let read = add(store, key("read"));
            let (executions, locked) = (Cell::new(0), Cell::new(0));
            let done = store.change_optimistically(&mut |transaction| {
                transaction.read(read.id).unwrap();
                executions.set(executions.get() + 1);
                if transaction.is_locked() {
                    locked.set(locked.get() + 1);
                } else {
                    change(store, |change| change.update(read.clone()).unwrap());
                }
                Outcome::Commit
            });
            done.unwrap();
            assert_eq!((executions.get(), locked.get()), (ATTEMPTS + 1, 1));
        });
    }

    #[test]
    fn other_transactions_run_beside_a_job_and_get_other_numbers() {
        on_each_store(|store| {
            let mut numbers = Vec::new();
            let done = store.change_optimistically(&mut |transaction| {
                let mut first = key("first");
                testing::insert(transaction, &mut first);
                let between = add(store, key("between")).id;
                let mut last = key("last");
                testing::insert(transaction, &mut last);
                transaction.update(Record { id: first.id, ..key("renamed") }).unwrap();
                assert!(matches!(
                    transaction.insert(Arc::new(Record { id: between, ..key("k") })),
                    Err(Error::Taken { .. })
                ));
                numbers = vec![first.id.0, between.0, last.id.0];
                Outcome::Commit
            });
            done.unwrap();
            assert_eq!(numbers, [1, 2, 3]);
            assert_eq!(all_of(store).len(), 3);
            assert_eq!(add(store, key("next")).id, Id(4));
        });
    }

    #[test]
    fn job_that_takes_the_lock_is_not_repeated_afterwards() {
        on_each_store(|store| {
            let read = add(store, key("read"));
            let mut answers = Vec::new();
            let done = store.change_optimistically(&mut |transaction| {
                transaction.read(read.id).unwrap();
                if answers.is_empty() {
                    change(store, |change| change.update(read.clone()).unwrap());
                }
                let locked = transaction.nested(&mut |nested| {
                    answers.push(nested.lock());
                    Outcome::Commit
                });
                locked.unwrap();
                testing::insert(transaction, &mut key("new"));
                if transaction.is_locked() { Outcome::Commit } else { Outcome::Rollback }
            });
            done.unwrap();
            assert_eq!(answers, [false, true]);
            add(store, key("the lock is free"));
            assert_eq!(all_of(store).len(), 3);
        });
    }

    #[test]
    fn rollback_and_panic_free_numbers_and_locks() {
        on_each_store(|store| {
            for lock in [false, true] {
                let rolled_back = store.change_optimistically(&mut |transaction| {
                    transaction.next_id().unwrap();
                    assert!(!lock || transaction.lock());
                    testing::insert(transaction, &mut key("new"));
                    Outcome::Rollback
                });
                rolled_back.unwrap();
                let panics = AssertUnwindSafe(|| {
                    store.change_optimistically(&mut |transaction| {
                        transaction.next_id().unwrap();
                        assert!(!lock || transaction.lock());
                        panic!("on purpose");
                    })
                });
                assert!(catch_unwind(panics).is_err());
            }
            assert_eq!(add(store, key("next")).id, Id(1));
        });
    }
}
