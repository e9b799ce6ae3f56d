//! Transactions of many threads, with and without the transaction lock: their results are those of some serial order.
//!
//! Each transaction reads objects, searches, and writes some of the objects that it has read. The name of an object is
//! the number of the transaction that wrote it last, so the reads determine which transaction precedes which: the
//! writer of a value precedes its readers, and both precede the writer of the next value. A cycle has no serial order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::testing::{self, Folder, Random, add, all_of, change, everybody, key, value};
use super::{Id, Memory, Outcome, Query, Record, Sqlite, Store, Transaction};
use crate::secret::Secret;

/// The objects that transactions read and write; few, so that transactions conflict.
const OBJECTS: usize = 5;
const THREADS: u64 = 6;
const TRANSACTIONS: u64 = 60;
/// The name of server state that transactions read and write.
const STATE: &str = "counter";

/// A number of a transaction; 0 is the transaction that created the objects.
type Writer = u64;

/// What a committed transaction has read and written.
#[derive(Clone, Default)]
struct History {
    /// The values that it has read, by object; the position after the objects is the server state.
    reads: BTreeMap<usize, Writer>,
    writes: BTreeSet<usize>,
}

fn stores(folder: &Folder) -> [Box<dyn Store>; 2] {
    [Box::new(Memory::new()), Box::new(Sqlite::open(&folder.path("store")).unwrap())]
}

fn named(writer: Writer) -> Record {
    key(&writer.to_string())
}

fn writer_of(record: &Record) -> Writer {
    record.attributes.name[0].name_value.parse().unwrap()
}

/// Runs one random transaction and returns what it did, or `None` if it was rolled back.
fn run(store: &dyn Store, ids: &[Id], number: Writer, seed: u64) -> Option<History> {
    let mut history = History::default();
    let mut kept = Outcome::Commit;
    let job = &mut |transaction: &mut dyn Transaction| {
        // A repetition makes the same choices.
        let mut random = Random::new(seed);
        history = History::default();
        kept = if random.below(8) == 0 { Outcome::Rollback } else { Outcome::Commit };
        for _ in 0..1 + random.below(3) {
            let position = random.position(OBJECTS);
            if history.writes.contains(&position) {
                continue;
            }
            let record = transaction.read(ids[position]).unwrap().unwrap();
            history.reads.insert(position, writer_of(&record));
            if random.below(3) == 0 {
                // So that other transactions run in between.
                std::thread::yield_now();
            }
            if random.below(2) == 0 {
                let written = Record { id: record.id, ..named(number) };
                let outcome = if random.below(4) == 0 { Outcome::Rollback } else { Outcome::Commit };
                let update = &mut |nested: &mut dyn Transaction| {
                    nested.update(written.clone()).unwrap();
                    outcome
                };
                transaction.nested(update).unwrap();
                if outcome == Outcome::Commit {
                    history.writes.insert(position);
                }
            }
        }
        if random.below(4) == 0 {
            let state = transaction.server_state(STATE).unwrap().unwrap();
            history.reads.insert(OBJECTS, u64::from_be_bytes(state.expose().try_into().unwrap()));
            transaction.set_server_state(STATE, &Secret::new(number.to_be_bytes().to_vec())).unwrap();
            history.writes.insert(OBJECTS);
        }
        // An object of this name is created once.
        if random.below(3) == 0 {
            let unique = format!("unique {}", random.below(10));
            let query = Query { criteria: vec![value("Name", &testing::name(&unique))], ..everybody() };
            if transaction.locate(&query).unwrap().ids.is_empty() {
                testing::insert(transaction, &mut key(&unique));
            }
        }
        if random.below(10) == 0 && !transaction.lock() {
            return Outcome::Rollback;
        }
        kept
    };
    let done = if seed.is_multiple_of(3) { store.change(job) } else { store.change_optimistically(job) };
    done.unwrap();
    (kept == Outcome::Commit).then_some(history)
}

/// Returns for each transaction the transactions that it precedes.
fn precedence(histories: &BTreeMap<Writer, History>) -> BTreeMap<Writer, BTreeSet<Writer>> {
    // The transaction that replaced a value.
    let mut next = BTreeMap::new();
    for (number, history) in histories {
        for position in &history.writes {
            let replaced = next.insert((*position, history.reads[position]), *number);
            assert_eq!(replaced, None, "an update of the object {position} is lost");
        }
    }
    let mut precedes = BTreeMap::<_, BTreeSet<_>>::new();
    for (number, history) in histories {
        for (position, writer) in &history.reads {
            precedes.entry(*writer).or_default().insert(*number);
            let overwriter = next.get(&(*position, *writer)).filter(|other| *other != number);
            precedes.entry(*number).or_default().extend(overwriter);
        }
    }
    precedes
}

/// Asserts that the transactions have a serial order.
fn assert_acyclic(precedes: &BTreeMap<Writer, BTreeSet<Writer>>) {
    let mut before = BTreeMap::<_, usize>::new();
    precedes.values().flatten().for_each(|later| *before.entry(*later).or_default() += 1);
    let mut ready: Vec<_> = precedes.keys().filter(|number| !before.contains_key(*number)).copied().collect();
    while let Some(number) = ready.pop() {
        for later in precedes.get(&number).into_iter().flatten() {
            let left = before.get_mut(later).unwrap();
            *left -= 1;
            if *left == 0 {
                before.remove(later);
                ready.push(*later);
            }
        }
    }
    assert!(before.is_empty(), "no serial order of {:?}", before.keys());
}

#[test]
fn the_transactions_of_many_threads_have_a_serial_order() {
    let folder = Folder::new();
    for store in &stores(&folder) {
        let store = store.as_ref();
        let ids: Vec<_> = (0..OBJECTS).map(|_| add(store, named(0)).id).collect();
        change(store, |change| {
            change.set_server_state(STATE, &Secret::new(0_u64.to_be_bytes().to_vec())).unwrap();
        });
        let (last, histories) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..TRANSACTIONS {
                        let number = last.fetch_add(1, Ordering::Relaxed) + 1;
                        if let Some(history) = run(store, &ids, number, number) {
                            histories.lock().unwrap().insert(number, history);
                        }
                    }
                });
            }
        });
        let histories = histories.into_inner().unwrap();
        assert!(histories.len() as u64 > THREADS * TRANSACTIONS / 2);
        assert_acyclic(&precedence(&histories));
        let objects = all_of(store).into_iter().map(|id| store.read(Id(id)).unwrap().unwrap());
        let names: Vec<_> = objects.map(|it| it.attributes.name[0].name_value.clone()).collect();
        let unique: Vec<_> = names.iter().filter(|name| name.starts_with("unique")).collect();
        assert_eq!(unique.len(), unique.iter().collect::<BTreeSet<_>>().len(), "{unique:?}");
        assert_eq!(unique.len(), 10);
    }
}

#[test]
fn numbers_follow_a_number_that_the_same_transaction_chose() {
    let folder = Folder::new();
    for store in stores(&folder) {
        let insert = |change: &mut dyn Transaction, id: Id| {
            change.insert(Arc::new(Record { id, ..key("k") })).unwrap();
        };
        let change = |job: &dyn Fn(&mut dyn Transaction) -> Outcome| {
            store.change_optimistically(&mut |transaction| job(transaction)).unwrap();
        };
        change(&|change| {
            insert(change, Id(20));
            let next = change.next_id().unwrap();
            assert_eq!(next, Id(21));
            insert(change, next);
            assert_eq!(change.next_id().unwrap(), Id(22));
            Outcome::Commit
        });
        change(&|change| {
            [23, 22].into_iter().for_each(|id| insert(change, Id(id)));
            Outcome::Commit
        });
        // A transaction that is rolled back leaves no gap.
        change(&|change| {
            insert(change, Id(1000));
            assert_eq!(change.next_id().unwrap(), Id(1001));
            Outcome::Rollback
        });
        assert_eq!(add(store.as_ref(), key("after both")).id, Id(24));
        assert_eq!(all_of(store.as_ref()), [20, 21, 22, 23, 24]);
    }
}
