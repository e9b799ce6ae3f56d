//! Group commit: transactions that share a commit, and those that follow a failed one.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::*;
use crate::store::Write;
use crate::store::testing::{Folder, add, all_of, change, everybody, insert, key};

/// A deferred constraint, checked at the commit: objects of the owner "bad" cannot be stored.
const TRAP: &str = "CREATE TABLE nobody (id INTEGER PRIMARY KEY);
    CREATE TABLE trap (id INTEGER REFERENCES nobody DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER bad AFTER INSERT ON object WHEN NEW.owner = 'bad'
    BEGIN INSERT INTO trap VALUES (1); END";

/// The owner of objects whose row cannot be encoded.
pub(super) const NO_ROW: &str = "no row";

/// The owner of objects whose commit panics.
const NO_COMMIT: &str = "no commit";

/// Panics if an object of the owner [`NO_COMMIT`] is written.
pub(super) fn panic_if_requested<'a>(mut writes: impl Iterator<Item = &'a Write>) {
    assert!(writes.all(|write| write.after.owner.user != NO_COMMIT), "on purpose");
}

#[test]
fn a_full_disk_loses_only_the_transaction_that_meets_it() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    add(&store, key("before"));
    let allow = |pages: i64| {
        store.writer.busy(|database| {
            database.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        });
    };
    allow(1); // SQLite raises the limit to the current number of pages.
    let record = key("k");
    let lost = store.change(&mut |change| {
        (100..1000).for_each(|id| change.insert(Arc::new(Record { id: Id(id), ..record.clone() })).unwrap());
        Outcome::Commit
    });
    let lost = lost.unwrap_err().to_string();
    assert!(lost.contains("database or disk is full"), "{lost}");
    assert_eq!(all_of(&store), [1]);

    allow(1_000_000);
    let after = add(&store, key("after"));
    assert_eq!(after.id, Id(2), "the numbers of lost objects are assigned again");
    assert!(store.read(after.id).unwrap().is_some());
    assert!(store.read(Id(1)).unwrap().is_some());
}

#[test]
fn only_lazy_updates_do_not_wait_for_the_disk() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let record = add(&store, key("k"));
    assert!(store.waited_for_the_disk());
    let note = |change: &mut dyn Transaction| change.update_lazily(record.clone()).unwrap();
    let update = |change: &mut dyn Transaction| change.update(record.clone()).unwrap();
    for (job, waits) in [
        (&note as &dyn Fn(&mut dyn Transaction), false),
        (&update, true),
        (&note, false),
        (&|change| insert(change, &mut key("new")), true),
        (&note, false),
        (&|change| change.set_server_state("name", &Secret::new(vec![1])).unwrap(), true),
    ] {
        change(&store, job);
        assert_eq!(store.waited_for_the_disk(), waits);
    }

    // A nested transaction that is rolled back needs no flush.
    change(&store, |change| {
        note(change);
        change
            .nested(&mut |part| {
                update(part);
                Outcome::Rollback
            })
            .unwrap();
    });
    assert!(!store.waited_for_the_disk());

    // A durable transaction flushes the lazy ones in its batch.
    let begin = |job: &dyn Fn(&mut dyn Transaction)| {
        let begun = store.begin(&mut |change| {
            job(change);
            Outcome::Commit
        });
        begun.unwrap()
    };
    for jobs in [[&note as &dyn Fn(&mut dyn Transaction), &update], [&update, &note]] {
        jobs.map(begin).into_iter().for_each(|begun| begun.wait().unwrap());
        assert!(store.waited_for_the_disk());
        change(&store, note);
        assert!(!store.waited_for_the_disk());
    }
}

#[test]
fn a_durable_update_without_a_difference_flushes_the_lazy_one_before_it() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let record = add(&store, key("k"));
    let noted = Record { owner: "other".into(), ..record };
    let log = || std::fs::metadata(folder.path("store-wal")).unwrap().len();
    change(&store, |change| change.update_lazily(noted.clone()).unwrap());
    let before = log();
    change(&store, |change| change.update(noted.clone()).unwrap());
    let after = log();
    assert!(after > before, "nothing was written, so nothing was flushed");
    change(&store, |change| change.update(noted.clone()).unwrap());
    assert_eq!(log(), after, "nothing is left to flush");
    assert_eq!(add(&store, key("next")).id, Id(2));
}

#[test]
fn a_failed_flush_after_lazy_commits_forces_a_checkpoint() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    store.writer.busy(|database| database.execute_batch(TRAP).unwrap());
    let record = add(&store, key("k"));
    let noted = Record { owner: "noted".into(), ..record.clone() };
    let log = || std::fs::metadata(folder.path("store-wal")).unwrap().len();
    let fail = || insert_for(&store, "bad").unwrap_err();
    let whole = log();
    fail();
    change(&store, |change| change.update_lazily(noted.clone()).unwrap());
    assert!(log() >= whole, "a failure without lazy commits before it needs no checkpoint");
    fail();
    add(&store, key("next"));
    assert!(log() < whole, "the log is checkpointed before the next transaction");
    assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&noted));
    assert_eq!(all_of(&store).len(), 2);
}

#[test]
fn a_row_that_cannot_be_encoded_loses_its_batch_and_blocks_no_other() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let lost = insert_for(&store, NO_ROW);
    assert!(matches!(lost, Err(Error::GroupLost)), "{lost:?}");
    assert_eq!(add(&store, key("next")).id, Id(1));
}

#[test]
fn a_commit_that_panics_loses_its_batch_and_the_one_behind_it_and_blocks_no_other() {
    let folder = Folder::new();
    let path = folder.path("store");
    let store = Sqlite::open(&path).unwrap();
    let record = add(&store, key("k"));
    let noted = Record { owner: "noted".into(), ..record.clone() };
    let doomed = Record { owner: NO_COMMIT.into(), ..record.clone() };
    let log = || std::fs::metadata(folder.path("store-wal")).unwrap().len();
    change(&store, |change| change.update_lazily(noted.clone()).unwrap());
    let whole = log();

    let [first, second] = in_a_row(
        &store,
        &path,
        |change| change.update(doomed.clone()).unwrap(),
        |change| insert(change, &mut key("behind")),
    );
    assert!(
        matches!((&first, &second), (Err(Error::GroupLost), Err(Error::GroupLost))),
        "{first:?} {second:?}"
    );
    for outcome in together(&store, &["one", NO_COMMIT, "two"], |_| {}) {
        assert!(matches!(outcome, Err(Error::GroupLost)), "{outcome:?}");
    }
    store.writer.busy(|database| assert!(database.is_autocommit(), "it would block other processes"));

    assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&noted));
    assert!(store.committed.cache.objects.get(&record.id).is_ok(), "the cache accepts the object again");
    assert_eq!(add(&store, key("next")).id, Id(2));
    assert!(log() < whole, "the lazy commit is checkpointed before the next transaction");
}

#[test]
fn a_lazy_commit_that_panics_counts_as_not_flushed() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let record = add(&store, key("k"));
    let doomed = Record { owner: NO_COMMIT.into(), ..record.clone() };
    let log = || std::fs::metadata(folder.path("store-wal")).unwrap().len();
    let lost = store.change(&mut |change| {
        change.update_lazily(doomed.clone()).unwrap();
        Outcome::Commit
    });
    assert!(matches!(lost, Err(Error::GroupLost)), "{lost:?}");
    let before = log();
    change(&store, |change| change.update(record.clone()).unwrap());
    assert!(log() > before, "an update without a difference flushes it");
}

/// Inserts an object of this owner.
fn insert_for(store: &Sqlite, owner: &str) -> Result<(), Error> {
    store.change(&mut |change| {
        insert(change, &mut Record { owner: owner.into(), ..key("k") });
        Outcome::Commit
    })
}

#[test]
fn transactions_that_share_a_commit_share_its_failure() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    store.writer.busy(|database| database.execute_batch(TRAP).unwrap());
    let outcomes = together(&store, &["good", "bad", "good too"], |_| {});
    for outcome in outcomes {
        let error = outcome.unwrap_err().to_string();
        assert!(error.starts_with("the store failed to COMMIT: "), "{error}");
    }
    assert_eq!(all_of(&store), [0u64; 0]);
    assert_eq!(add(&store, key("after")).id, Id(1));
}

#[test]
fn a_panic_of_one_transaction_does_not_affect_its_batch() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let outcomes = together(&store, &["one", "panics", "two"], |owner| {
        assert_ne!(owner, "panics", "on purpose");
    });
    let [one, panicked, two] = outcomes.try_into().unwrap();
    assert!(one.is_ok() && two.is_ok() && panicked.is_err());
    assert_eq!(all_of(&store).len(), 2);
}

#[test]
fn pending_transactions_share_one_commit() {
    let folder = Folder::new();
    let path = folder.path("store");
    let store = Sqlite::open(&path).unwrap();
    let begin = || {
        store.begin(&mut |change| {
            insert(change, &mut key("k"));
            Outcome::Commit
        })
    };
    let (first, second) = (begin().unwrap(), begin().unwrap());
    assert_eq!(all_of(&store), [0u64; 0], "readers do not see them yet");
    first.wait().unwrap();
    assert_eq!(all_of(&store).len(), 2, "the first commit includes the second transaction");
    second.wait().unwrap();
}

#[test]
fn a_transaction_that_waits_commits_the_pending_ones_before_it() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let begin = || {
        store.begin(&mut |change| {
            insert(change, &mut key("k"));
            Outcome::Commit
        })
    };
    let before = begin().unwrap();
    add(&store, key("waits"));
    assert_eq!(all_of(&store).len(), 2);
    let after = begin().unwrap();
    assert_eq!(all_of(&store).len(), 2);
    before.wait().unwrap();
    assert_eq!(all_of(&store).len(), 2, "it was committed with the one that waited");
    after.wait().unwrap();
    assert_eq!(all_of(&store).len(), 3);
}

#[test]
fn the_number_of_pending_transactions_in_a_batch_is_limited() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let mut begun = Vec::new();
    for _ in 0..600 {
        begun.push(store.begin(&mut |change| {
            insert(change, &mut key("k"));
            Outcome::Commit
        }));
        assert!(store.writer.open_transactions() < 256);
    }
    begun.into_iter().for_each(|begun| begun.unwrap().wait().unwrap());
    assert_eq!(all_of(&store).len(), 600);
}

#[test]
fn a_transaction_that_read_lost_writes_is_lost() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let kept = add(&store, key("kept"));
    let renamed = Record { id: kept.id, ..key("renamed") };
    // The second transaction reads the write of the first, and ends after the first is lost.
    let late = Barrier::new(2);
    std::thread::scope(|scope| {
        let second = store.writer.busy(|database| {
            let first = scope.spawn(|| {
                store.change(&mut |change| {
                    change.update(renamed.clone()).unwrap();
                    Outcome::Commit
                })
            });
            wait_until(|| store.writer.open_transactions() == 1);
            let second = scope.spawn(|| {
                store.change(&mut |change| {
                    assert_eq!(change.read(kept.id).unwrap().as_deref(), Some(&renamed));
                    late.wait();
                    late.wait();
                    insert(change, &mut key("second"));
                    Outcome::Commit
                })
            });
            late.wait();
            // The write of the first transaction fails.
            database
                .execute_batch(
                    "CREATE TEMP TRIGGER full BEFORE UPDATE ON object BEGIN SELECT RAISE(FAIL, 'full'); END",
                )
                .unwrap();
            (first, second)
        });
        let (first, second) = second;
        assert!(first.join().unwrap().unwrap_err().to_string().contains("full"));
        late.wait();
        assert!(matches!(second.join().unwrap(), Err(Error::GroupLost)));
    });
    assert_eq!(store.read(kept.id).unwrap().as_deref(), Some(&kept));
    assert_eq!(all_of(&store), [1]);
    assert_eq!(add(&store, key("after")).id, Id(2));
}

#[test]
fn the_commit_leader_waits_for_expected_transactions_for_a_limited_time() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let long = Duration::from_secs(600);
    store.writer.expect(2, long);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| add(&store, key("first")));
        wait_until(|| store.writer.open_transactions() == 1);
        std::thread::sleep(Duration::from_millis(50));
        assert!(!first.is_finished());
        add(&store, key("second"));
        first.join().unwrap();
    });
    let (begun, short) = (Instant::now(), Duration::from_millis(50));
    store.writer.expect(2, short);
    add(&store, key("alone"));
    assert!(begun.elapsed() >= short);
    add(&store, key("alone again"));
    assert!(begun.elapsed() < long);
}

#[test]
fn a_pending_transaction_that_is_dropped_blocks_no_other() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    drop(store.begin(&mut |_| Outcome::Commit).unwrap());
    assert_eq!(add(&store, key("after")).id, Id(1));
}

/// Runs `first`, whose commit waits until `second`, run meanwhile, has joined the next batch. Returns both results.
fn in_a_row(
    store: &Sqlite,
    path: &Path,
    first: impl Fn(&mut dyn Transaction) + Send,
    second: impl Fn(&mut dyn Transaction) + Send,
) -> [Result<(), Error>; 2] {
    let run = |job: &dyn Fn(&mut dyn Transaction)| {
        store.change(&mut |change| {
            job(change);
            Outcome::Commit
        })
    };
    // The write lock of another process, for which the commit waits.
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(move || run(&first));
        wait_until(|| store.writer.is_committing());
        let second = scope.spawn(move || run(&second));
        wait_until(|| second.is_finished() || store.writer.open_transactions() == 1);
        other.execute_batch("ROLLBACK").unwrap();
        [first.join().unwrap(), second.join().unwrap()]
    })
}

#[test]
fn a_transaction_reads_writes_that_are_being_committed() {
    let folder = Folder::new();
    let path = folder.path("store");
    let store = Sqlite::open(&path).unwrap();
    let record = add(&store, key("before"));
    let [renamed, again] = ["renamed", "again"].map(|name| Record { id: record.id, ..key(name) });
    let secret = Secret::new(vec![1]);
    let outcomes = in_a_row(
        &store,
        &path,
        |change| {
            change.update(renamed.clone()).unwrap();
            change.set_server_state("name", &secret).unwrap();
        },
        |change| {
            assert_eq!(change.read(record.id).unwrap().as_deref(), Some(&renamed));
            assert_eq!(change.server_state("name").unwrap().as_ref(), Some(&secret));
            assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&record), "readers do not see it yet");
            change.update(again.clone()).unwrap();
        },
    );
    outcomes.into_iter().for_each(Result::unwrap);
    assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&again));
}

#[test]
fn a_failed_commit_loses_the_batch_behind_it() {
    let folder = Folder::new();
    let path = folder.path("store");
    let store = Sqlite::open(&path).unwrap();
    store.writer.busy(|database| database.execute_batch(TRAP).unwrap());
    let insert_of = |owner: &'static str| {
        move |change: &mut dyn Transaction| insert(change, &mut Record { owner: owner.into(), ..key("k") })
    };
    let [first, second] = in_a_row(&store, &path, insert_of("bad"), insert_of("good"));
    assert!(first.unwrap_err().to_string().starts_with("the store failed to COMMIT: "));
    assert!(matches!(second, Err(Error::GroupLost)));
    assert_eq!(add(&store, key("after")).id, Id(1));
}

#[test]
fn a_search_within_a_transaction_leaves_no_open_sqlite_transaction() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let begun = store.begin(&mut |change| {
        insert(change, &mut key("k"));
        assert_eq!(change.locate(&everybody()).unwrap().ids, [Id(1)]);
        Outcome::Rollback
    });
    store.writer.busy(|database| assert!(database.is_autocommit(), "it would block other processes"));
    begun.unwrap().wait().unwrap();
    assert_eq!(all_of(&store), [0u64; 0]);
}

fn wait_until(so: impl Fn() -> bool) {
    while !so() {
        std::thread::yield_now();
    }
}

/// Runs a transaction for each owner, all in one batch: the connection is busy until they have joined it. Each calls
/// `also`; a panic counts as an error.
fn together(store: &Sqlite, owners: &[&str], also: impl Fn(&str) + Sync) -> Vec<Result<(), Error>> {
    let also = &also;
    std::thread::scope(|scope| {
        let threads: Vec<_> = store.writer.busy(|_| {
            let threads = owners.iter().map(|owner| {
                let joined = store.writer.open_transactions();
                let thread = scope.spawn(move || {
                    store.change(&mut |change| {
                        insert(change, &mut Record { owner: (*owner).into(), ..key("k") });
                        also(owner);
                        Outcome::Commit
                    })
                });
                wait_until(|| thread.is_finished() || store.writer.open_transactions() > joined);
                thread
            });
            threads.collect()
        });
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err(Error::GroupLost))).collect()
    })
}
