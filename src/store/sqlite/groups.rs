//! What becomes of changes that share a commit, and of those that follow one that fails.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::*;
use crate::store::testing::{Folder, add, all_of, change, everybody, insert, key};

/// A constraint that is looked at when the transaction commits: objects of "bad" cannot be kept.
const TRAP: &str = "CREATE TABLE nobody (id INTEGER PRIMARY KEY);
    CREATE TABLE trap (id INTEGER REFERENCES nobody DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER bad AFTER INSERT ON object WHEN NEW.owner = 'bad'
    BEGIN INSERT INTO trap VALUES (1); END";

/// The owner of objects whose row cannot be made.
pub(super) const NO_ROW: &str = "no row";

#[test]
fn a_full_disk_loses_what_met_it_and_nothing_before_or_after() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    add(&store, key("before"));
    let allow = |pages: i64| {
        store.writer.busy(|database| {
            database.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        });
    };
    allow(1); // SQLite takes it for the number of pages there are.
    let record = key("k");
    let lost = store.change(&mut |change| {
        (100..1000).for_each(|id| change.insert(Record { id: Id(id), ..record.clone() }).unwrap());
        Outcome::Commit
    });
    let lost = lost.unwrap_err().to_string();
    assert!(lost.contains("database or disk is full"), "{lost}");
    assert_eq!(all_of(&store), [1]);

    allow(1_000_000);
    let after = add(&store, key("after"));
    assert_eq!(after.id, Id(2), "the numbers of what was lost are nobody's");
    assert!(store.read(after.id).unwrap().is_some());
    assert!(store.read(Id(1)).unwrap().is_some());
}

#[test]
fn what_is_only_noted_does_not_wait_for_the_disk_and_everything_else_does() {
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

    // A part that is taken back wants nothing.
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

    // Whoever waits takes those with it who did not.
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
fn a_change_that_leaves_all_as_it_was_noted_takes_it_to_the_disk() {
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
    assert_eq!(log(), after, "it is there already");
    assert_eq!(add(&store, key("next")).id, Id(2));
}

#[test]
fn the_log_begins_anew_where_a_flush_fails_behind_what_was_noted() {
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
    assert!(log() >= whole, "what failed with nothing noted before it casts no doubt");
    fail();
    add(&store, key("next"));
    assert!(log() < whole, "the log was put away before the next change");
    assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&noted));
    assert_eq!(all_of(&store).len(), 2);
}

#[test]
fn a_row_that_cannot_be_made_loses_its_group_and_holds_up_nobody() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let lost = insert_for(&store, NO_ROW);
    assert!(matches!(lost, Err(Error::GroupLost)), "{lost:?}");
    assert_eq!(add(&store, key("next")).id, Id(1));
}

/// What becomes of a new object of that owner.
fn insert_for(store: &Sqlite, owner: &str) -> Result<(), Error> {
    store.change(&mut |change| {
        insert(change, &mut Record { owner: owner.into(), ..key("k") });
        Outcome::Commit
    })
}

#[test]
fn changes_that_share_a_commit_share_its_failure() {
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
fn a_panic_within_a_group_is_nobody_elses() {
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
fn changes_that_are_begun_share_one_commit() {
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
    assert_eq!(all_of(&store), [0u64; 0], "nobody sees them yet");
    first.wait().unwrap();
    assert_eq!(all_of(&store).len(), 2, "the first took the second with it");
    second.wait().unwrap();
}

#[test]
fn whoever_waits_takes_those_with_it_who_only_began() {
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
    assert_eq!(all_of(&store).len(), 2, "it was settled with the one that waited");
    after.wait().unwrap();
    assert_eq!(all_of(&store).len(), 3);
}

#[test]
fn a_request_that_begins_many_changes_does_not_collect_them_all() {
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
fn what_was_built_on_a_lost_commit_is_lost_with_it() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let kept = add(&store, key("kept"));
    let renamed = Record { id: kept.id, ..key("renamed") };
    // It waits for the group of the first to be committed, and sees it.
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
            // The disk is full when the first one is written.
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
fn whoever_commits_waits_for_those_who_are_likely_to_come_and_not_for_ever() {
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
fn a_change_that_is_begun_and_never_settled_holds_up_nobody() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    drop(store.begin(&mut |_| Outcome::Commit).unwrap());
    assert_eq!(add(&store, key("after")).id, Id(1));
}

/// Runs `first`, which waits in the middle of its commit until `second`, run meanwhile, has joined the next group;
/// what became of both.
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
    // The lock of somebody else, for which the commit waits.
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
fn a_change_sees_what_is_on_its_way_to_the_disk() {
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
fn whoever_waits_behind_a_commit_that_fails_is_told() {
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
fn a_search_within_a_change_leaves_nothing_behind() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let begun = store.begin(&mut |change| {
        insert(change, &mut key("k"));
        assert_eq!(change.locate(&everybody()).unwrap().ids, [Id(1)]);
        Outcome::Rollback
    });
    store.writer.busy(|database| assert!(database.is_autocommit(), "it would lock others out"));
    begun.unwrap().wait().unwrap();
    assert_eq!(all_of(&store), [0u64; 0]);
}

fn wait_until(so: impl Fn() -> bool) {
    while !so() {
        std::thread::yield_now();
    }
}

/// Runs a change for each owner, all in one group: the connection is busy until they have joined it. What `also`
/// does is part of each job; a job that panics counts as an error.
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
