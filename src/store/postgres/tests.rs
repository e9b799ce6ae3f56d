//! Tests of the store on PostgreSQL beside the contract: repetitions, and the schema.

use std::cell::Cell;
use std::path::Path;

use super::connection::Step;
use super::*;
use crate::bounded_map::{Bounds, WhenFull};
use crate::kmip::enums::{ObjectType, OpaqueDataType};
use crate::kmip::{Object, OpaqueObject};
use crate::secret::Secret;
use crate::store::testing::{add, all_of, change, everybody, insert, key, name, postgres, record, value};
use crate::store::{Change, Kind, Lifetime, Replacement};

const PATIENCE: Duration = Duration::from_secs(30);

fn open(url: &Path) -> Postgres {
    Postgres::open(url, None, PATIENCE).unwrap()
}

#[test]
fn a_change_that_meets_a_deadlock_is_repeated() {
    let Some(database) = postgres() else { return };
    let (one, other) = (open(&database.url()), open(&database.url()));
    let [first, second] = ["first", "second"].map(|name| add(&one, key(name)));
    let executions = Cell::new(0);
    std::thread::scope(|scope| {
        let done = one.change(&mut |transaction| {
            executions.set(executions.get() + 1);
            transaction.read(first.id).unwrap();
            if executions.get() == 1 {
                let other = &other;
                let (first, second) = (first.id, second.id);
                scope.spawn(move || {
                    change(other, |transaction| {
                        // Either transaction can be the one that the database ends; the store repeats it.
                        let read = |id| transaction.read(id);
                        let _ = [second, first].map(read);
                    });
                });
                std::thread::sleep(Duration::from_millis(200));
            }
            match transaction.read(second.id) {
                Ok(_) => {
                    transaction.update(Record { id: first.id, ..key("changed") }).unwrap();
                    Outcome::Commit
                }
                Err(_) => Outcome::Rollback,
            }
        });
        done.unwrap();
    });
    assert_eq!(one.read(first.id).unwrap().unwrap().attributes.name, [name("changed")]);
}

#[test]
fn an_object_that_another_server_has_changed_is_read_as_it_is() {
    let Some(database) = postgres() else { return };
    let (one, other) = (open(&database.url()), open(&database.url()));
    let id = add(&one, key("made")).id;
    for called in ["first", "second", "first"] {
        change(&other, |it| it.update(Record { id, ..key(called) }).unwrap());
        for store in [&one, &other] {
            assert_eq!(store.read(id).unwrap().unwrap().attributes.name, [name(called)]);
        }
        let read = || other.read(id).unwrap().unwrap();
        assert!(Arc::ptr_eq(&read(), &read()), "it is decoded once");
    }
}

#[test]
fn locate_by_name_is_planned_once_and_other_searches_as_postgresql_estimates() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    let made = add(&store, key("made"));
    let count = |text: String| {
        let mut connection = store.0.pool.get(Use::Read).unwrap();
        let rows = connection.query(CALL, &Step::new(text, Vec::new())).unwrap();
        rows::get::<i64>(&rows[0], 0).unwrap()
    };
    if count("SELECT current_setting('server_version_num')::bigint".to_owned()) < 140_000 {
        return;
    }
    let plans = |kind: &str, statements: &str| {
        count(format!(
            "SELECT COALESCE(sum({kind}_plans), 0)::bigint FROM pg_prepared_statements WHERE statement LIKE '{statements}%'"
        ))
    };
    let named = |text| Query { criteria: vec![value("Name", &name(text))], ..everybody() };
    let locate = || {
        for text in ["made", "a", "b", "c"] {
            assert_eq!(store.locate(&named(text)).unwrap().ids.len(), usize::from(text == "made"));
        }
    };
    locate();
    assert_eq!(all_of(&store).len(), 1);
    locate();
    let in_a_transaction = |outcome| {
        store
            .change(&mut |it| {
                it.read(made.id).unwrap();
                for query in [named("made"), everybody(), named("b"), everybody(), named("made")] {
                    it.locate(&query).unwrap();
                }
                outcome
            })
            .unwrap();
        locate();
    };
    in_a_transaction(Outcome::Rollback);
    in_a_transaction(Outcome::Commit);
    let by_name = "SELECT v.id";
    assert_eq!((plans("custom", by_name), plans("generic", by_name) > 0), (0, true));
    assert!(plans("custom", "SELECT o.id") > 0);
}

#[test]
fn threads_that_read_together_find_the_object_of_each_or_none() {
    const THREADS: usize = 24;
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    let opaque_data_value = Secret::new(vec![1; rows::MAX_SHORT]);
    let opaque = OpaqueObject { opaque_data_type: OpaqueDataType(0x8000_0000), opaque_data_value };
    let long =
        Record { object: Some(Object::OpaqueObject(opaque)), ..record(ObjectType::OpaqueObject, "long") };
    let made = [key("first"), key("second"), long].map(|record| add(&store, record));
    let missing = made.iter().map(|record| record.id.0).max().unwrap() + 1;
    let numbers = [made[2].id, made[1].id, Id(missing), made[0].id].map(|id| number(id).unwrap());
    let found = store.0.pool.get(Use::Read).unwrap().query(CALL, &rows::read_all(&numbers)).unwrap();
    let mut found: Vec<i64> = found.iter().map(|row| rows::get(row, rows::NUMBER).unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, [numbers[3], numbers[1]], "neither the long object nor the missing one");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, made) = (&store, &made);
            scope.spawn(move || {
                for place in thread..thread + 100 {
                    match made.get(place % 4) {
                        Some(record) => {
                            let found = store.read(record.id).unwrap().unwrap();
                            assert_eq!(
                                (found.id, &found.attributes.name),
                                (record.id, &record.attributes.name)
                            );
                        }
                        None => assert!(store.read(Id(missing)).unwrap().is_none()),
                    }
                }
            });
        }
    });
}

#[test]
fn an_optimistic_change_is_repeated_if_another_server_changes_what_it_read() {
    let Some(database) = postgres() else { return };
    let (one, other) = (open(&database.url()), open(&database.url()));
    let read = add(&one, key("read"));
    let named = Query { criteria: vec![value("Name", &name("new"))], ..everybody() };
    let interferences: [&dyn Fn(); 3] = [
        &|| change(&other, |it| it.update(Record { id: read.id, ..key("changed") }).unwrap()),
        &|| drop(add(&other, key("new"))),
        &|| change(&other, |it| it.set_server_state("state", &Secret::new(vec![1])).unwrap()),
    ];
    for (number, interfere) in interferences.into_iter().enumerate() {
        for locks in [false, true] {
            let mut executions = 0;
            let done = one.change_optimistically(&mut |transaction| {
                executions += 1;
                match number {
                    0 => drop(transaction.read(read.id).unwrap()),
                    1 => drop(transaction.locate(&named).unwrap()),
                    _ => drop(transaction.server_state("state").unwrap()),
                }
                if executions == 1 {
                    interfere();
                }
                if locks && !transaction.lock() {
                    return Outcome::Rollback;
                }
                assert_eq!(transaction.is_locked(), locks);
                insert(transaction, &mut key("made"));
                Outcome::Commit
            });
            done.unwrap();
            assert_eq!(executions, 2, "interference {number}, with lock {locks}");
        }
    }
}

#[test]
fn a_chosen_number_in_the_block_of_another_server_is_skipped() {
    let Some(database) = postgres() else { return };
    let (one, other) = (open(&database.url()), open(&database.url()));
    assert_eq!(add(&one, key("one")).id, Id(1));
    change(&other, |it| it.insert(Arc::new(Record { id: Id(3), ..key("chosen") })).unwrap());
    assert_eq!([add(&one, key("two")).id, add(&one, key("three")).id], [Id(2), Id(4)]);
    assert_eq!(add(&other, key("other")).id, Id(65), "a block of its own");
    assert_eq!(all_of(&one).len(), 5);
}

#[test]
fn server_state_that_another_server_has_changed_is_not_read_from_the_cache() {
    let Some(database) = postgres() else { return };
    let (one, other) = (open(&database.url()), open(&database.url()));
    let set = |store: &dyn Store, value: u8| {
        change(store, |it| it.set_server_state("state", &Secret::new(vec![value])).unwrap());
    };
    for value in 1..4 {
        set(&other, value);
        let mut seen = None;
        change(&one, |it| seen = it.server_state("state").unwrap());
        assert_eq!(seen, Some(Secret::new(vec![value])));
    }
    // Both servers count, and no count is lost.
    std::thread::scope(|scope| {
        for store in [&one, &other] {
            scope.spawn(move || {
                for _ in 0..20 {
                    change(store, |it| {
                        let last = it.server_state("state").unwrap().map_or(0, |value| value.expose()[0]);
                        it.set_server_state("state", &Secret::new(vec![last + 1])).unwrap();
                    });
                }
            });
        }
    });
    assert_eq!(one.server_state("state").unwrap(), Some(Secret::new(vec![43])));
}

#[test]
fn an_older_schema_is_brought_up_to_date_by_one_of_the_servers_that_start() {
    let Some(database) = postgres() else { return };
    let kept = add(&open(&database.url()), key("kept"));
    let steps = [schema::STEPS, &["ALTER TABLE object ADD COLUMN more BIGINT"]].concat();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| Postgres::open_as(&database.url(), None, PATIENCE, &steps).map(drop).unwrap());
        }
    });
    assert!(database.execute("SELECT more FROM object"));
    database.disconnect();
    let refused = Postgres::open(&database.url(), None, PATIENCE).map(drop).unwrap_err();
    let newest = i32::try_from(schema::STEPS.len()).unwrap();
    let is_newer = matches!(refused, Error::NewerVersion { found, newest: known, .. } if found == newest + 1 && known == newest);
    assert!(is_newer, "{refused}");
    let newer = Postgres::open_as(&database.url(), None, PATIENCE, &steps).unwrap();
    assert_eq!(newer.read(kept.id).unwrap().as_deref(), Some(&kept));
}

#[test]
fn a_database_of_version_1_gets_the_table_of_entries_from_ten_starts_at_once() {
    let Some(database) = postgres() else { return };
    let old = Postgres::open_as(&database.url(), None, PATIENCE, &schema::STEPS[..1]).unwrap();
    let kept = add(&old, key("kept"));
    assert!(!database.execute("SELECT key FROM entry"), "version 1 has no such table");
    let tables = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..10).map(|_| scope.spawn(|| open(&database.url()))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect::<Vec<_>>()
    });
    let now = std::time::Instant::now();
    for (number, store) in tables.iter().enumerate() {
        let entry = (vec![u8::try_from(number).unwrap()], Secret::new(vec![7]));
        let entries = store.entries().unwrap();
        assert!(entries.insert(&TICKET, "ann", vec![entry], Lifetime::default(), now).unwrap());
        assert_eq!(entries.of_owner(&TICKET, "ann", now).unwrap().len(), number + 1);
        assert_eq!(store.read(kept.id).unwrap().as_deref(), Some(&kept));
    }
    // A server of the old version that runs is not disturbed.
    assert_eq!(old.read(kept.id).unwrap().as_deref(), Some(&kept));
}

const TICKET: Kind = Kind {
    number: 1,
    name: "ticket",
    bounds: Bounds {
        capacity: 100,
        when_full: WhenFull::Refuse,
        share: 100,
        when_share_used: WhenFull::Refuse,
    },
};

#[test]
fn entries_of_a_sealed_database_are_sealed_and_valid_at_their_place_only() {
    let Some(database) = postgres() else { return };
    let folder = crate::store::testing::Folder::new();
    std::fs::write(folder.path("key"), [9; 32]).unwrap();
    let kek = KeyEncryptionKey::read(&folder.path("key")).unwrap();
    let store = Postgres::open(&database.url(), Some(&kek), PATIENCE).unwrap();
    let (entries, now) = (store.entries().unwrap(), std::time::Instant::now());
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    let two = [b"one", b"two"].map(|key| (key.to_vec(), secret("a value in clear")));
    assert!(entries.insert(&TICKET, "ann", two.to_vec(), Lifetime::default(), now).unwrap());
    let ended = Replacement { value: secret("v"), lifetime: None, ended: Some(secret("a content in clear")) };
    let end = |key: &[u8]| {
        entries.change(&TICKET, key, now, &mut |_| Change::Replace(ended.clone())).unwrap();
    };
    end(b"one");
    let clear = "SELECT 1 / (CASE WHEN count(*) = 0 THEN 1 ELSE 0 END) FROM entry \
        WHERE position('clear'::bytea IN value) > 0 OR position('clear'::bytea IN content) > 0";
    assert!(database.execute(clear), "nothing is in clear");
    let remove = |key: &[u8]| entries.change(&TICKET, key, now, &mut |_| Change::Remove);
    // An edit of the database cannot move the content of an entry to another one.
    let copy = "UPDATE entry SET content = one.content, content_checksum = one.content_checksum \
        FROM entry AS one WHERE one.key = 'one' AND entry.key = 'two'";
    assert!(database.execute(copy));
    assert!(matches!(remove(b"two"), Err(Error::ServerStateChecksum { .. })));
    assert_eq!(remove(b"one").unwrap(), Some(secret("a content in clear")));
    let edit = "UPDATE entry SET value = value || 'x'";
    assert!(entries.insert(&TICKET, "ann", two[..1].to_vec(), Lifetime::default(), now).unwrap());
    assert!(database.execute(edit));
    assert!(matches!(entries.read(&TICKET, b"one", now), Err(Error::ServerStateChecksum { .. })));
}

/// Runs a job that locks, searches for a name, and inserts an object of this name if there is none. Sends a message after the
/// search, and waits before the insertion.
fn insert_once(store: &dyn Store, called: &str, locks: bool, searched: &dyn Fn()) {
    let named = Query { criteria: vec![value("Name", &name(called))], ..everybody() };
    let done = store.change_optimistically(&mut |transaction| {
        if locks && !transaction.lock() {
            return Outcome::Rollback;
        }
        let is_new = transaction.locate(&named).unwrap().ids.is_empty();
        searched();
        if is_new {
            insert(transaction, &mut key(called));
        }
        Outcome::Commit
    });
    done.unwrap();
}

#[test]
fn an_object_that_a_search_misses_after_the_lock_is_not_inserted_meanwhile() {
    let Some(database) = postgres() else { return };
    let (one, other) = (open(&database.url()), open(&database.url()));
    for (called, other_locks) in [("first", false), ("second", true)] {
        let (sender, searched) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let other = &other;
            scope.spawn(move || {
                searched.recv().unwrap();
                insert_once(other, called, other_locks, &|| ());
            });
            insert_once(&one, called, true, &|| {
                let _ = sender.send(());
                std::thread::sleep(Duration::from_millis(300));
            });
        });
        let named = Query { criteria: vec![value("Name", &name(called))], ..everybody() };
        assert_eq!(one.locate(&named).unwrap().ids.len(), 1, "both searched before either inserted");
    }
}

#[test]
fn searches_after_the_lock_are_of_one_time() {
    let Some(database) = postgres() else { return };
    let (one, other) = (open(&database.url()), open(&database.url()));
    let named = Query { criteria: vec![value("Name", &name("new"))], ..everybody() };
    let mut found = Vec::new();
    let done = one.change_optimistically(&mut |transaction| {
        assert!(transaction.lock());
        found = vec![transaction.locate(&named).unwrap().ids.len()];
        add(&other, key("new"));
        found.push(transaction.locate(&named).unwrap().ids.len());
        Outcome::Commit
    });
    // A job that has locked is not repeated, so it fails instead.
    assert!(found == [0, 0] || matches!(done, Err(Error::Contended)), "{found:?}, {done:?}");
}
