//! The contract of every store for readers, pending transactions and server state.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::testing::{self, Folder, all_of, change, everybody, key};
use super::{Id, Memory, Outcome, Record, Sqlite, Store, Transaction};
use crate::secret::Secret;

fn stores(folder: &Folder, other: &Folder) -> Vec<Box<dyn Store>> {
    let file = Sqlite::open(&folder.path("plain")).unwrap();
    let mut stores: Vec<Box<dyn Store>> =
        vec![Box::new(Memory::new()), Box::new(file), Box::new(testing::sealed(other))];
    #[cfg(feature = "postgres")]
    testing::on_postgres(|store| stores.push(Box::new(store)));
    stores
}

#[test]
fn readers_see_every_acknowledged_update_in_order() {
    let (folder, other) = (Folder::new(), Folder::new());
    for store in stores(&folder, &other) {
        reads_in_order(store.as_ref());
    }
}

fn reads_in_order(store: &dyn Store) {
    let mut record = key("k");
    record.attributes.cryptographic_length = Some(0);
    let record = testing::add(store, record);
    let acknowledged = AtomicI32::new(0);
    let length =
        |record: Option<Arc<Record>>| record.and_then(|it| it.attributes.cryptographic_length).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                while last < 100 {
                    let least = acknowledged.load(Ordering::SeqCst).max(last);
                    last = length(store.read(record.id).unwrap());
                    assert!(last >= least, "{last} was read after {least}");
                }
            });
        }
        for number in 1..=100 {
            let mut next = record.clone();
            next.attributes.cryptographic_length = Some(number);
            change(store, |change| change.update(next.clone()).unwrap());
            acknowledged.store(number, Ordering::SeqCst);
        }
    });
}

#[test]
fn transactions_see_a_pending_transaction_and_wait_commits_it() {
    let (folder, other) = (Folder::new(), Folder::new());
    for store in stores(&folder, &other) {
        sees_pending_transactions(store.as_ref());
    }
}

fn sees_pending_transactions(store: &dyn Store) {
    let mut record = key("k");
    let first = store.begin(&mut |change| {
        testing::insert(change, &mut record);
        Outcome::Commit
    });
    let mut seen = None;
    let second = store.begin(&mut |change| {
        seen = Some((change.read(record.id).unwrap(), change.locate(&everybody()).unwrap().ids));
        Outcome::Rollback
    });
    assert_eq!(seen, Some((Some(Arc::new(record.clone())), vec![record.id])));
    let renamed = Record { id: record.id, ..key("renamed") };
    let third = store.begin(&mut |change| {
        change.update(renamed.clone()).unwrap();
        Outcome::Commit
    });
    for begun in [second, first, third] {
        begun.unwrap().wait().unwrap();
    }
    assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&renamed));
    assert_eq!(all_of(store), [record.id.0]);
}

#[test]
fn readers_and_transactions_see_a_lazy_update() {
    let (folder, other) = (Folder::new(), Folder::new());
    for store in stores(&folder, &other) {
        let record = testing::add(store.as_ref(), key("k"));
        let noted = Record { id: record.id, ..key("noted") };
        change(store.as_ref(), |change| {
            change.update_lazily(noted.clone()).unwrap();
            assert_eq!(change.read(record.id).unwrap().as_deref(), Some(&noted));
            assert!(change.update_lazily(Record { id: Id(99), ..noted.clone() }).is_err());
        });
        assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&noted));
    }
}

#[test]
fn server_state_is_committed_and_rolled_back_with_its_transaction() {
    let (folder, other) = (Folder::new(), Folder::new());
    for store in stores(&folder, &other) {
        for (value, keep) in
            [(1, Outcome::Rollback), (2, Outcome::Commit), (3, Outcome::Rollback), (4, Outcome::Commit)]
        {
            let (before, new) = (store.server_state("name").unwrap(), Secret::new(vec![value]));
            let job = &mut |transaction: &mut dyn Transaction| {
                transaction.set_server_state("name", &new).unwrap();
                assert_eq!(transaction.server_state("name").unwrap().as_ref(), Some(&new));
                keep
            };
            store.change(job).unwrap();
            assert_eq!(
                store.server_state("name").unwrap(),
                if keep == Outcome::Commit { Some(new) } else { before }
            );
        }
    }
}

#[test]
fn server_state_is_sealed_with_the_database() {
    let folder = Folder::new();
    let plain = Sqlite::open(&folder.path("sealed")).unwrap();
    let secret = Secret::new(b"nobody should see this".to_vec());
    let keep = |store: &dyn Store| {
        change(store, |change| change.set_server_state("name", &secret).unwrap());
    };
    keep(&plain);
    drop(plain);
    for _ in 0..2 {
        let sealed = testing::sealed(&folder);
        assert_eq!(sealed.server_state("name").unwrap().as_ref(), Some(&secret));
        keep(&sealed);
        drop(sealed);
        let file = std::fs::read(folder.path("sealed")).unwrap();
        assert!(!file.windows(secret.len()).any(|window| window == secret.expose()));
    }
}

#[test]
fn queries_of_a_transaction_agree_with_the_definition() {
    let (folder, other) = (Folder::new(), Folder::new());
    for store in stores(&folder, &other) {
        finds_as_defined(store.as_ref());
    }
    let store = Sqlite::open(&folder.path("optimistic")).unwrap();
    finds_as_defined(&testing::Optimistic(store));
}

fn finds_as_defined(store: &dyn Store) {
    let mut random = testing::Random::new(11);
    let mut records: Vec<_> = (0..60).map(|_| testing::random_record(&mut random)).collect();
    change(store, |change| records.iter_mut().for_each(|record| testing::insert(change, record)));
    let changed: Vec<_> = records
        .iter()
        .step_by(3)
        .map(|record| Record { id: record.id, ..testing::random_record(&mut random) })
        .collect();
    let mut new: Vec<_> = (0..20).map(|_| testing::random_record(&mut random)).collect();
    let queries: Vec<_> = (0..200).map(|_| testing::random_query(&mut random, &records)).collect();
    change(store, |change| {
        changed.iter().for_each(|record| change.update(record.clone()).unwrap());
        new.iter_mut().for_each(|record| testing::insert(change, record));
        let kept = records.iter().filter(|record| changed.iter().all(|it| it.id != record.id));
        let all: Vec<_> = kept.chain(&changed).chain(&new).collect();
        for query in &queries {
            let matching: Vec<_> = all.iter().filter(|record| query.matches(record)).collect();
            let located = change.locate(query).unwrap();
            assert_eq!(
                located.ids,
                query.page(matching.iter().map(|it| it.sort_key()).collect()),
                "{query:#?}"
            );
            assert_eq!(located.total, query.count.then_some(matching.len() as u64), "{query:#?}");
        }
    });
}
