//! Tests of the store in a file: files, versions, crashes, query plans.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;

use rusqlite::{Connection, params_from_iter};

use super::committed::{MAX_SEARCHERS, READER_WAIT};
use super::schema::{APPLICATION, STEPS, Step};
use super::*;
use crate::cpu_permits::{self, Effort};
use crate::kmip::Principal;
use crate::kmip::attributes::{Attribute, AttributeDefinition, TABLE};
use crate::kmip::enums::{ObjectType, State, StorageStatusMask};
use crate::kmip::structures::{CryptographicParameters, Raw};
use crate::store::columns::COLUMNS;
use crate::store::plan::{Dialect, QueryPlan};
use crate::store::testing::{
    Folder, add, all_of, application, change, dates, everybody, insert, key, name, one_of_each_type, text,
    value, vendor, with_every_attribute,
};
use crate::store::{Criterion, Grant, Order};
use crate::ttlv::{DateTime, ItemType, Reader, STORED, Tag, Writer as Ttlv};

#[test]
fn keeps_all_objects_across_a_restart() {
    let folder = Folder::new();
    let path = folder.path("store");
    let mut records = one_of_each_type();
    let store = Sqlite::open(&path).unwrap();
    change(&store, |change| records.iter_mut().for_each(|record| insert(change, record)));
    drop(store);
    assert_eq!(files(&folder), ["store"], "a closed store is one file");

    let store = Sqlite::open(&path).unwrap();
    for record in &records {
        assert_eq!(store.read(record.id).unwrap().as_deref(), Some(record));
    }
    let next = records.len() as u64 + 1;
    assert_eq!(add(&store, key("next")).id, Id(next), "numbers go on");
}

#[test]
fn acknowledged_transactions_of_many_threads_survive_a_crash() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    let acknowledged: Vec<Record> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..16)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || {
                    (0..10).map(|number| add(store, key(&format!("{thread} {number}")))).collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    // SIGKILL leaves the file and its write-ahead log as they are.
    crash(&folder, "store", "copy");
    let copy = Sqlite::open(&folder.path("copy")).unwrap();
    assert_eq!(acknowledged.len(), 160);
    for record in &acknowledged {
        assert_eq!(copy.read(record.id).unwrap().as_deref(), Some(record));
    }
    assert_eq!(all_of(&copy).len(), 160);
}

#[test]
fn a_running_transaction_does_not_survive_a_crash() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.path("store")).unwrap();
    add(&store, key("kept"));
    change(&store, |change| {
        insert(change, &mut key("half"));
        crash(&folder, "store", "copy");
        let copy = Sqlite::open(&folder.path("copy")).unwrap();
        assert_eq!(all_of(&copy), [1]);
    });
    assert_eq!(all_of(&store), [1, 2]);
}

#[test]
fn only_the_owner_may_read_the_files() {
    let folder = Folder::new();
    fs::write(folder.path("empty"), "").unwrap();
    fs::set_permissions(folder.path("empty"), fs::Permissions::from_mode(0o644)).unwrap();
    for path in ["new", "empty"] {
        let store = Sqlite::open(&folder.path(path)).unwrap();
        add(&store, key("k"));
        for suffix in ["", "-wal", "-shm"] {
            let mode = fs::metadata(folder.path(format!("{path}{suffix}"))).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{path}{suffix}");
        }
    }
}

#[test]
fn refuses_other_files_without_changing_them() {
    let folder = Folder::new();
    fs::write(folder.path("text"), "hello, this is a text and not a database").unwrap();
    fs::write(folder.path("long text"), "no database ".repeat(1000)).unwrap();
    make(&folder.path("foreign"), "CREATE TABLE t (x); PRAGMA application_id = 42");
    make(&folder.path("in wal"), "PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
    let pykmip =
        "CREATE TABLE managed_objects (uid); CREATE TABLE crypto_objects (uid); CREATE TABLE keys (uid)";
    make(&folder.path("pykmip.database"), pykmip);
    make(
        &folder.path("newer"),
        &format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 1000"),
    );
    fs::create_dir(folder.path("folder")).unwrap();

    let expected = [
        ("text", "is not a database; it was not changed"),
        ("long text", "is not a database; it was not changed"),
        ("foreign", "is a database of another program (application id 0x0000002A); it was not changed"),
        ("in wal", "is a database of another program (application id 0x00000000); it was not changed"),
        ("pykmip.database", "is a database of PyKMIP's server; it was not changed"),
        ("newer", "has the version 1000 of a newer server; this server supports versions up to 6"),
        ("folder", "cannot be used: is a directory"),
        ("no/such/store", "the directory of the database does not exist: "),
    ];
    let before = files(&folder);
    for (file, text) in expected {
        let path = folder.path(file);
        let bytes = fs::read(&path).ok();
        let error = Sqlite::open(&path).err().unwrap_or_else(|| panic!("{file} was opened")).to_string();
        assert!(error.contains(text), "{error}");
        assert_eq!(fs::read(&path).ok(), bytes, "{file}");
    }
    assert_eq!(files(&folder), before);
}

#[test]
fn creates_a_store_again_after_a_crash_during_its_creation() {
    let folder = Folder::new();
    let path = folder.path("store");
    // A transaction on a new file that has written pages, with its journal.
    let half = Connection::open(&path).unwrap();
    half.execute_batch(
        "PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(1000000))",
    )
    .unwrap();
    fs::copy(folder.path("store-journal"), folder.path("copy-journal")).unwrap();
    // A transaction that fits into memory writes its first page first.
    drop(Sqlite::open(&folder.path("whole")).unwrap());
    let mut pages = fs::read(folder.path("whole")).unwrap();
    pages.truncate(2 * 4096);
    fs::write(folder.path("copy"), pages).unwrap();
    assert!(fs::metadata(folder.path("copy-journal")).unwrap().len() > 0);

    let store = Sqlite::open(&folder.path("copy")).unwrap();
    assert_eq!(add(&store, key("k")).id, Id(1));
}

#[test]
fn migrates_an_older_database_once() {
    let folder = Folder::new();
    let path = folder.path("store");
    let record = add(&Sqlite::open(&path).unwrap(), key("old"));
    let newest = schema::version_of(STEPS);
    let next: Step = |database| database.execute_batch("ALTER TABLE object ADD COLUMN colour TEXT");
    let steps = [STEPS, &[next]].concat();
    for _ in 0..2 {
        let store = Sqlite::open_as(&path, &steps).unwrap();
        assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&record));
        add(&store, key("new"));
    }
    let database = Connection::open(&path).unwrap();
    assert_eq!(schema::stamps(&database).unwrap(), (APPLICATION, newest + 1));
    let colours: i64 =
        database.query_row("SELECT count(*) - count(colour) FROM object", [], |row| row.get(0)).unwrap();
    assert_eq!(colours, 3);
    drop(database);
    let error = Sqlite::open(&path).err().unwrap();
    let Error::NewerVersion { found, newest: known, .. } = error else { panic!("{error}") };
    assert_eq!((found, known), (newest + 1, newest));
}

#[test]
fn locates_the_objects_of_a_version_1_database_in_the_new_order() {
    let folder = Folder::new();
    let path = folder.path("store");
    let old: Vec<Record> = (0..5).map(|_| key("old")).collect();
    let ids: Vec<Id> = of_version(1, &path, old).iter().map(|record| record.id).collect();
    let store = Sqlite::open(&path).unwrap();
    let name = value("Name", &name("old"));
    for criteria in [vec![], vec![name]] {
        let query = Query { criteria, order: Order::OldestFirst, ..everybody() };
        assert_eq!(store.locate(&query).unwrap().ids, ids);
        let newest_first: Vec<Id> = ids.iter().rev().copied().collect();
        assert_eq!(store.locate(&Query { order: Order::NewestFirst, ..query }).unwrap().ids, newest_first);
    }
}

#[test]
fn objects_of_a_version_4_database_belong_to_every_credential_of_their_owner() {
    let folder = Folder::new();
    let path = folder.path("store");
    let [record] = &of_version(4, &path, vec![key("old")])[..] else { panic!("one record") };
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.read(record.id).unwrap().as_deref(), Some(record));
    assert_eq!(record.owner.credential, None);
    let owner = Principal { credential: Some("user x".to_owned()), ..record.owner.clone() };
    let new = add(&store, Record { owner: owner.clone(), ..key("new") });
    let grants = everybody().grants.into_iter().map(|grant| Grant { owner_only: true, ..grant }).collect();
    let of = |credential: &str| {
        let requester = Principal { credential: Some(credential.to_owned()), ..owner.clone() };
        store.locate(&Query { requester, grants: Vec::clone(&grants), ..everybody() }).unwrap().ids
    };
    assert_eq!((of("user x"), of("user y")), (vec![record.id, new.id], vec![record.id]));
}

/// Creates a database of an older version with these objects.
fn of_version(version: usize, path: &Path, records: Vec<Record>) -> Vec<Record> {
    let newest = path.with_extension("newest");
    let records: Vec<_> = {
        let store = Sqlite::open(&newest).unwrap();
        records.into_iter().map(|record| add(&store, record)).collect()
    };
    drop(Sqlite::open_as(path, &STEPS[..version]).unwrap());
    let database = Connection::open(path).unwrap();
    database.execute("ATTACH ?1 AS newest", [newest.to_str().unwrap()]).unwrap();
    for table in ["object", "attribute_value"] {
        let columns: String = database
            .query_row("SELECT group_concat(name) FROM pragma_table_info(?1)", [table], |row| row.get(0))
            .unwrap();
        let copy = format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newest.{table}");
        database.execute(&copy, []).unwrap();
    }
    database.execute("UPDATE main.counter SET last_id = (SELECT last_id FROM newest.counter)", []).unwrap();
    records
}

#[test]
fn a_failed_migration_leaves_the_older_database() {
    let folder = Folder::new();
    let path = folder.path("store");
    let record = add(&Sqlite::open(&path).unwrap(), key("old"));
    let next: Step = |database| database.execute_batch("DROP TABLE attribute_value");
    let last: Step = |database| database.execute_batch("SELECT no_such_function()");
    let steps = [STEPS, &[next, last]].concat();
    let error = Sqlite::open_as(&path, &steps).err().unwrap().to_string();
    assert!(error.contains("bring the database up to date"), "{error}");
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&record));
}

#[test]
fn a_destroyed_key_is_overwritten_in_the_file() {
    let folder = Folder::new();
    let path = folder.path("store");
    let store = Sqlite::open(&path).unwrap();
    let mut record = add(&store, key("k"));
    (0..50).for_each(|number| drop(add(&store, key(&format!("filler {number}")))));
    let secret: Vec<u8> = (100..132).collect();
    let block = record.object.as_mut().and_then(|object| object.key_block_mut()).unwrap();
    let material = crate::kmip::KeyMaterial::Bytes(crate::secret::Secret::new(secret.clone()));
    block.key_value = Some(crate::kmip::KeyValue::of(material));
    let holds = |path: &Path| fs::read(path).unwrap().windows(32).any(|bytes| bytes == secret);
    change(&store, |change| change.update(record.clone()).unwrap());
    drop(store);
    assert!(holds(&path));

    let store = Sqlite::open(&path).unwrap();
    record.object = None;
    change(&store, |change| change.update(record.clone()).unwrap());
    drop(store);
    assert!(!holds(&path));
}

#[test]
fn reports_a_damaged_record_by_its_number() {
    let folder = Folder::new();
    let path = folder.path("store");
    let record = add(&Sqlite::open(&path).unwrap(), key("k"));
    let text = "object 1 is damaged in the store: its checksum does not match";
    for column in
        ["attributes = x'00'", "attributes = x'', object_type = 77", "attributes = x'', object_type = -1"]
    {
        make(&path, &format!("UPDATE object SET {column}"));
        let store = Sqlite::open(&path).unwrap();
        let error = store.read(record.id).unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
    }
}

#[test]
fn long_searches_do_not_delay_reads() {
    let folder = Folder::new();
    let path = folder.path("store");
    let id = add(&Sqlite::open(&path).unwrap(), key("read")).id;
    // A new store has an empty cache.
    let store = Sqlite::open(&path).unwrap();
    let busy: Vec<_> = (0..MAX_SEARCHERS).map(|_| store.committed.searcher().unwrap()).collect();
    let begun = std::time::Instant::now();
    assert!(store.read(id).unwrap().is_some());
    assert!(begun.elapsed() < READER_WAIT / 2);
    drop(busy);
}

/// Returns a store whose objects have a long attribute, so that a search for another value of it takes long.
fn slow_to_search(folder: &Folder) -> (Sqlite, Query) {
    let store = Sqlite::open(&folder.path("store")).unwrap();
    // No index contains these values, so that they are stored quickly.
    let values = vec![CryptographicParameters::default(); 6_000];
    change(&store, |change| {
        for _ in 0..60 {
            let mut record = key("k");
            record.attributes.cryptographic_parameters = values.clone();
            insert(change, &mut record);
        }
    });
    let query = Query { criteria: vec![text("PKCS#12 Friendly Name", "none")], ..everybody() };
    (store, query)
}

#[test]
fn a_long_search_waits_for_a_permit_of_its_user_and_a_short_one_does_not() {
    let folder = Folder::new();
    let (store, long) = slow_to_search(&folder);
    assert_eq!(store.locate(&long).unwrap().ids, []);
    assert_eq!(store.committed.connections(), (2, 2), "one for short and one for long searches");
    let short = Query { limit: Some(1), ..everybody() };
    std::thread::scope(|scope| {
        // The user has all permits but the one that is free for another user.
        let (started, all_started) = mpsc::channel();
        let hold = |_| {
            let (started, (release, until_released)) = (started.clone(), mpsc::channel::<()>());
            scope.spawn(|| {
                cpu_permits::with_permit("ann", Effort::Search, move || {
                    started.send(()).unwrap();
                    let _ = until_released.recv();
                });
            });
            release
        };
        let held: Vec<_> = (1..cpu_permits::max_searches()).map(hold).collect();
        all_started.iter().take(held.len()).for_each(drop);
        let waiting = scope.spawn(|| store.locate(&long).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(store.locate(&short).unwrap().ids.len(), 1);
        let mut other = long.clone();
        other.requester = "bob".into();
        assert_eq!(store.locate(&other).unwrap().ids, []);
        assert!(!waiting.is_finished());
        drop(held);
    });
}

#[test]
fn a_long_search_for_which_other_transactions_wait_fails() {
    let folder = Folder::new();
    let (store, long) = slow_to_search(&folder);
    for lock in [false, true] {
        let search = &mut |transaction: &mut dyn Transaction| {
            assert!(!lock || transaction.lock());
            let found = transaction.locate(&long).map(|located| located.ids.len());
            if lock {
                assert!(matches!(found, Err(Error::SearchTooLong)), "{found:?}");
            } else {
                assert!(matches!(found, Ok(0)), "{found:?}");
            }
            Outcome::Commit
        };
        store.change_optimistically(search).unwrap();
    }
}

#[test]
fn every_kind_of_query_uses_an_index() {
    let folder = Folder::new();
    let path = folder.path("store");
    add(&Sqlite::open(&path).unwrap(), with_every_attribute());
    let database = file::open_writer(&path, STEPS).unwrap();

    let by_name = "SEARCH v USING PRIMARY KEY (tag=? AND value=?)";
    let seen = "SEARCH o USING INDEX object_by_owner (storage=? AND owner=? AND policy=? AND object_type=?";
    let custom = vendor("colour", Raw::of(&"red".to_owned()));
    let mut expected = vec![
        (vec![], "SEARCH o USING COVERING INDEX object_by_owner".to_owned(), Sorted::No),
        (vec![value("Name", &name("k"))], by_name.to_owned(), Sorted::No),
        (vec![text("Object Group", "g"), value("Name", &name("k"))], by_name.to_owned(), Sorted::No),
        (vec![text("Object Group", "g")], by_name.to_owned(), Sorted::No),
        (
            vec![value("Application Specific Information", &application("space", "data"))],
            by_name.to_owned(),
            Sorted::No,
        ),
        (
            vec![Criterion::Equals(Attribute::of(AttributeDefinition::of(Tag::Attribute).unwrap(), &custom))],
            by_name.to_owned(),
            Sorted::No,
        ),
        (vec![Criterion::Identifier(Id(1))], "SEARCH o USING INTEGER PRIMARY KEY".to_owned(), Sorted::No),
        (
            vec![Criterion::State(State::Active)],
            "SEARCH o USING INDEX object_by_owner_state (storage=? AND owner=? AND policy=? AND object_type=? AND state=?)"
                .to_owned(),
            Sorted::No,
        ),
        (
            vec![Criterion::State(State::Active), value("Object Type", &ObjectType::SymmetricKey)],
            "SEARCH o USING INDEX object_by_owner_state".to_owned(),
            Sorted::No,
        ),
        (vec![Criterion::UsageMask(4)], seen.to_owned(), Sorted::No),
        (vec![text("Description", "d")], seen.to_owned(), Sorted::No),
        (
            vec![dates("Initial Date", 1, 2)],
            "object_by_owner (storage=? AND owner=? AND policy=? AND object_type=? AND initial_date>? AND initial_date<?)"
                .to_owned(),
            Sorted::No,
        ),
    ];
    for column in COLUMNS.iter().filter(|column| column.date && column.tag != Tag::InitialDate) {
        let row = AttributeDefinition::of(column.tag).unwrap();
        let plan = format!("SEARCH o USING INDEX object_by_{} ({0}>? AND {0}<?)", column.name);
        expected.push((vec![dates(row.name, 1, 2)], plan, Sorted::Yes));
        let plan = format!("SEARCH o USING INDEX object_by_{} ({0}>? AND {0}<?)", column.name);
        expected.push((vec![value(row.name, &DateTime(1))], plan, Sorted::Yes));
    }
    for (criteria, way, sorted) in expected {
        let query = Query { criteria, ..ordinary() };
        let plan = plan(&database, &query);
        assert!(plan.iter().any(|step| step.contains(&way)), "{way}: {plan:#?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN o")), "{plan:#?}");
        let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        assert_eq!(sorts, sorted == Sorted::Yes, "{plan:#?}");
    }
}

#[derive(PartialEq)]
enum Sorted {
    No,
    Yes,
}

/// A query with the grants of the default policy: certificates and public keys of all owners, else own objects.
fn ordinary() -> Query {
    let grants = ObjectType::ALL.iter().map(|object_type| Grant {
        policy: "default".into(),
        object_type: *object_type,
        owner_only: !matches!(object_type, ObjectType::Certificate | ObjectType::PublicKey),
    });
    let grants = grants.collect();
    let order = Order::NewestFirst;
    Query { grants, storage: StorageStatusMask(1), limit: Some(10), order, ..everybody() }
}

fn plan(database: &Connection, query: &Query) -> Vec<String> {
    let query_plan = QueryPlan::of(query, Dialect::Sqlite).unwrap();
    let text = format!("EXPLAIN QUERY PLAN {}", query_plan.page());
    let mut statement = database.prepare(&text).unwrap();
    let page = [10.into(), 0.into()];
    let values = params_from_iter(query_plan.values.iter().chain(&page));
    statement.query_map(values, |row| row.get(3)).unwrap().map(Result::unwrap).collect()
}

/// A change of this list needs a step of the schema that updates the index of existing objects.
#[test]
fn indexes_the_attributes_of_the_current_schema_version() {
    let indexed: Vec<_> = TABLE.iter().filter(|row| row.rules.indexed).map(|row| row.name).collect();
    let expected = [
        "Name",
        "Object Group",
        "Link",
        "Application Specific Information",
        "Contact Information",
        "X.509 Certificate Identifier",
        "X.509 Certificate Subject",
        "X.509 Certificate Issuer",
        "Alternative Name",
        "Short Unique Identifier",
        "Custom Attribute",
    ];
    assert_eq!(indexed, expected);
}

#[test]
fn every_date_attribute_has_a_column() {
    for row in TABLE {
        let mut writer = Ttlv::new(STORED);
        writer.item(row.tag, ItemType::DateTime, &[0; 8]);
        let bytes = writer.into_bytes();
        let item = Reader::new(&bytes, STORED).next().unwrap().unwrap();
        let is_date = row.recode(&item, row.tag, &mut Ttlv::new(STORED)).is_ok();
        let column = COLUMNS.iter().find(|column| column.tag == row.tag);
        assert_eq!(is_date, column.is_some_and(|column| column.date), "{row:?}");
        assert!(column.is_none() || !row.multiple, "{row:?}");
    }
}

/// Returns the file names in the folder.
fn files(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Creates or changes a database as another program.
fn make(path: &Path, statements: &str) {
    Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

/// Copies the database `from` and its write-ahead log to `to`.
fn crash(folder: &Folder, from: &str, to: &str) {
    for suffix in ["", "-wal"] {
        fs::copy(folder.path(format!("{from}{suffix}")), folder.path(format!("{to}{suffix}"))).unwrap();
    }
}
