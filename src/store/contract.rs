//! The contract of every store: one suite that runs on each implementation. [`Query::matches`] defines the result of a
//! query.

#![allow(clippy::cast_possible_truncation, reason = "the tests count in small numbers")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::testing::{self, Folder, Random, all_of, change, dates, everybody, key, record, text, value};
use super::{Criterion, Error, Grant, Id, Memory, Order, Outcome, Query, Record, Sqlite, Store};
use crate::kmip::attributes::{Attribute, AttributeDefinition};
use crate::kmip::enums::{NameType, ObjectType, State, StorageStatusMask};
use crate::kmip::structures::Name;
use crate::ttlv::DateTime;

/// Runs each function of this file on each store.
macro_rules! contract {
    ($($name:ident,)*) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&super::Memory::new()); })*
        }
        mod sealed {
            $(#[test] fn $name() { super::$name(&super::testing::sealed(&super::Folder::new())); })*
        }
        mod sqlite {
            $(#[test] fn $name() {
                super::$name(&super::Sqlite::open(&super::Folder::new().path("store")).unwrap());
            })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $name() { super::testing::on_postgres(|store| super::$name(&store)); })*
        }
        mod optimistic_memory {
            $(#[test] fn $name() { super::$name(&super::testing::Optimistic(super::Memory::new())); })*
        }
        mod optimistic_sqlite {
            $(#[test] fn $name() {
                let folder = super::Folder::new();
                let store = super::Sqlite::open(&folder.path("store")).unwrap();
                super::$name(&super::testing::Optimistic(store));
            })*
        }
        #[cfg(feature = "postgres")]
        mod optimistic_postgres {
            $(#[test] fn $name() { super::testing::on_postgres(|it| super::$name(&super::testing::Optimistic(it))); })*
        }
    };
}

contract! {
    returns_inserted_objects_unchanged,
    assigns_ascending_numbers_once,
    assigns_numbers_above_a_chosen_one,
    refuses_a_second_insert_and_an_update_of_a_missing_object,
    finds_no_object_with_an_unknown_number,
    only_the_transaction_sees_its_writes_before_the_commit,
    a_rollback_discards_all_writes,
    a_nested_transaction_is_rolled_back_on_its_own,
    nested_transactions_nest,
    a_panic_rolls_back_only_its_transaction,
    a_panic_rolls_back_its_nested_transaction,
    finds_an_updated_object_by_its_new_values,
    a_destroyed_object_keeps_its_attributes,
    finds_by_each_kind_of_criterion,
    compares_long_values_in_full,
    finds_values_of_any_attribute,
    evaluates_states_at_the_time_of_the_query,
    returns_only_objects_that_grants_cover,
    the_wider_of_two_grants_applies,
    searches_many_policies_as_it_searches_few,
    searches_the_storage_statuses_in_the_mask,
    returns_pages_in_order,
    agrees_with_the_definition_for_a_thousand_random_queries,
    stores_the_transactions_of_many_threads,
}

fn returns_inserted_objects_unchanged(store: &dyn Store) {
    let mut records = testing::one_of_each_type();
    change(store, |change| records.iter_mut().for_each(|record| testing::insert(change, record)));
    for record in &records {
        assert_eq!(store.read(record.id).unwrap().as_deref(), Some(record));
    }
}

fn assigns_ascending_numbers_once(store: &dyn Store) {
    let mut given = Vec::new();
    for _ in 0..3 {
        change(store, |change| {
            given.push(change.next_id().unwrap());
            given.push(change.next_id().unwrap());
        });
    }
    assert_eq!(given, [1, 2, 3, 4, 5, 6].map(Id));
}

fn assigns_numbers_above_a_chosen_one(store: &dyn Store) {
    change(store, |change| change.insert(Arc::new(Record { id: Id(7), ..key("k") })).unwrap());
    change(store, |change| assert_eq!(change.next_id().unwrap(), Id(8)));
}

fn refuses_a_second_insert_and_an_update_of_a_missing_object(store: &dyn Store) {
    change(store, |change| {
        let mut first = key("k");
        testing::insert(change, &mut first);
        let twice = change.insert(Arc::new(Record { owner: "other".into(), ..first.clone() }));
        assert!(matches!(twice, Err(Error::Taken { id }) if id == first.id), "{twice:?}");
        let missing = change.update(Record { id: Id(99), ..first.clone() });
        assert!(matches!(missing, Err(Error::Missing { id: Id(99) })), "{missing:?}");
        assert_eq!(change.read(first.id).unwrap().as_deref(), Some(&first));
    });
    assert_eq!(all_of(store), [1]);
}

fn finds_no_object_with_an_unknown_number(store: &dyn Store) {
    for id in [Id(0), Id(1), Id(u64::MAX)] {
        assert_eq!(store.read(id).unwrap(), None);
        let query = Query { criteria: vec![Criterion::Identifier(id)], ..everybody() };
        assert_eq!(store.locate(&query).unwrap().ids, []);
    }
}

fn only_the_transaction_sees_its_writes_before_the_commit(store: &dyn Store) {
    let old = testing::add(store, key("old"));
    let named_new = Query { criteria: vec![value("Name", &testing::name("new"))], ..everybody() };
    change(store, |change| {
        let mut new = key("new");
        testing::insert(change, &mut new);
        let renamed = Record { id: old.id, ..key("renamed") };
        change.update(renamed.clone()).unwrap();
        assert_eq!(change.read(new.id).unwrap().as_deref(), Some(&new.clone()));
        assert_eq!(change.read(old.id).unwrap().as_deref(), Some(&renamed));
        assert_eq!(change.locate(&named_new).unwrap().ids, [new.id]);
        assert_eq!(change.locate(&everybody()).unwrap().ids, [old.id, new.id]);

        assert_eq!(store.read(new.id).unwrap(), None);
        assert_eq!(store.read(old.id).unwrap().as_deref(), Some(&old.clone()));
        assert_eq!(store.locate(&named_new).unwrap().ids, []);
    });
    assert_eq!(store.locate(&named_new).unwrap().ids, [Id(2)]);
}

fn a_rollback_discards_all_writes(store: &dyn Store) {
    let old = testing::add(store, key("old"));
    let mut calls = 0;
    let done = store.change(&mut |change| {
        calls += 1;
        testing::insert(change, &mut key("new"));
        change.update(Record { id: old.id, ..key("renamed") }).unwrap();
        Outcome::Rollback
    });
    done.unwrap();
    assert_eq!(calls, 1);
    assert_eq!(store.read(old.id).unwrap().as_deref(), Some(&old));
    assert_eq!(all_of(store), [1]);
    // No response contains the number, so it may be assigned again.
    assert_eq!(testing::add(store, key("next")).id, Id(2));
    let query = Query { criteria: vec![value("Name", &testing::name("renamed"))], ..everybody() };
    assert_eq!(store.locate(&query).unwrap().ids, []);
}

fn a_nested_transaction_is_rolled_back_on_its_own(store: &dyn Store) {
    change(store, |change| {
        let mut kept = key("kept");
        testing::insert(change, &mut kept);
        for keep in [Outcome::Rollback, Outcome::Commit] {
            let mut part = |part: &mut dyn super::Transaction| {
                testing::insert(part, &mut key("in a part"));
                part.update(kept.clone()).unwrap();
                keep
            };
            change.nested(&mut part).unwrap();
        }
        testing::insert(change, &mut key("kept too"));
    });
    assert_eq!(all_of(store).len(), 3);
    let query = Query { criteria: vec![value("Name", &testing::name("in a part"))], ..everybody() };
    assert_eq!(store.locate(&query).unwrap().ids.len(), 1);
}

fn nested_transactions_nest(store: &dyn Store) {
    change(store, |change| {
        let mut outer = |outer: &mut dyn super::Transaction| {
            testing::insert(outer, &mut key("outer"));
            let mut inner = |inner: &mut dyn super::Transaction| {
                testing::insert(inner, &mut key("inner"));
                Outcome::Commit
            };
            outer.nested(&mut inner).unwrap();
            Outcome::Rollback
        };
        change.nested(&mut outer).unwrap();
        assert_eq!(change.locate(&everybody()).unwrap().ids, []);
    });
    assert_eq!(all_of(store), [0u64; 0]);
}

fn a_panic_rolls_back_only_its_transaction(store: &dyn Store) {
    testing::add(store, key("before"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        change(store, |change| {
            testing::insert(change, &mut key("lost"));
            panic!("on purpose");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(all_of(store), [1]);
    testing::add(store, key("after"));
    assert_eq!(all_of(store), [1, 2]);
}

fn a_panic_rolls_back_its_nested_transaction(store: &dyn Store) {
    change(store, |change| {
        testing::insert(change, &mut key("kept"));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            change.nested(&mut |part| {
                testing::insert(part, &mut key("lost"));
                panic!("on purpose");
            })
        }));
        assert!(panicked.is_err());
    });
    assert_eq!(all_of(store), [1]);
}

fn finds_an_updated_object_by_its_new_values(store: &dyn Store) {
    let mut moved = testing::add(store, key("before"));
    let same = text("Object Group", "same");
    let found = |criterion: &Criterion| {
        let query = Query { criteria: vec![criterion.clone()], ..everybody() };
        !store.locate(&query).unwrap().ids.is_empty()
    };
    let mut put = |edit: &dyn Fn(&mut Record)| {
        edit(&mut moved);
        change(store, |change| change.update(moved.clone()).unwrap());
        assert_eq!(store.read(moved.id).unwrap().as_deref(), Some(&moved));
    };
    put(&|record| record.attributes.object_group = vec!["same".into(), "gone".into(), "gone".into()]);
    assert!(found(&same) && found(&text("Object Group", "gone")));
    put(&|record| {
        record.attributes.object_group = vec!["new".into(), "same".into()];
        record.attributes.name = vec![testing::name("after")];
        record.attributes.state = Some(State::Compromised);
        record.attributes.compromise_date = Some(DateTime(77));
    });
    assert!(found(&same) && found(&text("Object Group", "new")) && !found(&text("Object Group", "gone")));
    assert!(found(&value("Name", &testing::name("after"))));
    assert!(!found(&value("Name", &testing::name("before"))));
    assert!(found(&Criterion::State(State::Compromised)) && !found(&Criterion::State(State::Active)));
    assert!(found(&dates("Compromise Date", 77, 77)));
    // The index is ordered by this date.
    put(&|record| record.attributes.initial_date = Some(DateTime(5)));
    assert!(found(&same) && found(&dates("Initial Date", 5, 5)));
    put(&|record| record.attributes.object_group.clear());
    assert!(!found(&same));
    put(&|record| {
        record.owner = "other".into();
        record.attributes.operation_policy_name = Some("other".into());
    });
    assert!(!found(&Criterion::State(State::Compromised)));
}

fn a_destroyed_object_keeps_its_attributes(store: &dyn Store) {
    let mut record = testing::add(store, key("k"));
    record.object = None;
    record.attributes.state = Some(State::Destroyed);
    record.attributes.destroy_date = Some(DateTime(2000));
    change(store, |change| change.update(record.clone()).unwrap());
    assert_eq!(store.read(record.id).unwrap().as_deref(), Some(&record));
}

fn finds_by_each_kind_of_criterion(store: &dyn Store) {
    let one = testing::add(store, key("one"));
    let two = testing::add(store, key("two"));
    let found = |criteria: Vec<Criterion>| store.locate(&Query { criteria, ..everybody() }).unwrap().ids;
    let both = [one.id, two.id];

    assert_eq!(found(vec![]), both);
    assert_eq!(found(vec![Criterion::Nothing]), []);
    assert_eq!(found(vec![value("Name", &testing::name("one")), Criterion::Nothing]), []);
    assert_eq!(found(vec![Criterion::Identifier(two.id)]), [two.id]);
    assert_eq!(found(vec![Criterion::Identifier(two.id), Criterion::Identifier(one.id)]), []);
    assert_eq!(found(vec![Criterion::State(State::Active)]), both);
    assert_eq!(found(vec![Criterion::UsageMask(0x0C)]), both);
    assert_eq!(found(vec![Criterion::UsageMask(0x04)]), both);
    assert_eq!(found(vec![Criterion::UsageMask(0)]), both);
    assert_eq!(found(vec![Criterion::UsageMask(0x0D)]), []);
    assert_eq!(found(vec![dates("Initial Date", 1000, 1000)]), both);
    assert_eq!(found(vec![dates("Initial Date", i64::MIN, 999)]), []);
    assert_eq!(found(vec![dates("Last Change Date", 1000, i64::MAX)]), both);
    assert_eq!(found(vec![dates("Last Change Date", 1001, 1000)]), []);
    assert_eq!(found(vec![dates("Destroy Date", i64::MIN, i64::MAX)]), []);
    assert_eq!(found(vec![value("Name", &testing::name("one"))]), [one.id]);
    assert_eq!(found(vec![value("Name", &testing::name("one")), value("Name", &testing::name("two"))]), []);
    assert_eq!(found(vec![value("Object Type", &ObjectType::SymmetricKey)]), both);
    assert_eq!(found(vec![value("Object Type", &ObjectType::Certificate)]), []);
    assert_eq!(found(vec![value("Cryptographic Length", &256)]), both);
    assert_eq!(found(vec![value("Cryptographic Length", &128)]), []);

    // A name is its type as well.
    let uri = Name { name_type: NameType::Uri, ..testing::name("one") };
    assert_eq!(found(vec![value("Name", &uri)]), []);
    // The index of an attribute's value is no part of it.
    let mut indexed = Attribute::of(AttributeDefinition::named("Name").unwrap(), &testing::name("one"));
    indexed.index = Some(3);
    assert_eq!(found(vec![Criterion::Equals(indexed)]), [one.id]);
}

fn compares_long_values_in_full(store: &dyn Store) {
    let stem = "x".repeat(3000);
    let one = testing::add(store, key(&format!("{stem}1")));
    testing::add(store, key(&format!("{stem}2")));
    let three = testing::add(store, key(&stem));
    let found = |criteria| store.locate(&Query { criteria, ..everybody() }).unwrap().ids;
    let by_name = |name: &str| value("Name", &testing::name(name));
    assert_eq!(found(vec![by_name(&format!("{stem}1"))]), [one.id]);
    assert_eq!(found(vec![by_name(&stem)]), [three.id]);
    assert_eq!(found(vec![Criterion::Identifier(one.id), by_name(&format!("{stem}2"))]), []);
    assert_eq!(found(vec![by_name(&format!("{stem}3"))]), []);
}

fn finds_values_of_any_attribute(store: &dyn Store) {
    let record = testing::add(store, testing::with_every_attribute());
    testing::add(store, key("bare"));
    let mut seen = BTreeSet::new();
    for row in crate::kmip::attributes::TABLE {
        for wanted in record.attributes.of_row(row) {
            let query = Query {
                criteria: vec![Criterion::Equals(wanted), value("Description", &"all".to_owned())],
                ..everybody()
            };
            assert_eq!(store.locate(&query).unwrap().ids, [record.id], "{row:?}");
            seen.insert(row.name);
        }
    }
    assert!(seen.len() > 40, "{seen:?}");
}

fn evaluates_states_at_the_time_of_the_query(store: &dyn Store) {
    let add = |state, begin, end| {
        let mut record = key("k");
        record.attributes.state = state;
        record.attributes.activation_date = begin;
        record.attributes.deactivation_date = end;
        testing::add(store, record).id
    };
    let at = |seconds| Some(DateTime(seconds));
    use State::*;
    let plan = [
        add(Some(PreActive), None, None),
        add(Some(PreActive), at(10), None),
        add(Some(PreActive), at(10), at(20)),
        add(Some(PreActive), None, at(10)),
        add(Some(Active), at(5), at(10)),
        add(Some(Deactivated), at(90), at(90)),
        add(Some(Compromised), at(5), at(10)),
        add(None, at(5), at(10)),
    ];
    let expected = [
        (9, [PreActive, PreActive, PreActive, PreActive, Active, Deactivated, Compromised]),
        (10, [PreActive, Active, Active, PreActive, Deactivated, Deactivated, Compromised]),
        (20, [PreActive, Active, Deactivated, PreActive, Deactivated, Deactivated, Compromised]),
    ];
    for (now, states) in expected {
        for state in State::ALL {
            let wanted: Vec<_> =
                plan.iter().zip(states).filter(|(_, found)| found == state).map(|(id, _)| *id).collect();
            // Alone it selects the access path; with a name it filters.
            for more in [None, Some(value("Name", &testing::name("k")))] {
                let criteria = [Criterion::State(*state)].into_iter().chain(more).collect();
                let query = Query { criteria, now: DateTime(now), ..everybody() };
                assert_eq!(store.locate(&query).unwrap().ids, wanted, "{state} at {now}");
            }
        }
    }
}

fn returns_only_objects_that_grants_cover(store: &dyn Store) {
    let add = |owner: &str, policy: Option<&str>, object_type| {
        let mut record = record(object_type, "k");
        record.owner = owner.into();
        record.attributes.operation_policy_name = policy.map(str::to_owned);
        testing::add(store, record).id
    };
    let anns = add("ann", None, ObjectType::SymmetricKey);
    let bobs = add("bob", Some("default"), ObjectType::SymmetricKey);
    let certificate = add("bob", Some("default"), ObjectType::Certificate);
    let open = add("bob", Some("open"), ObjectType::SymmetricKey);
    let grant =
        |policy: &str, object_type, owner_only| Grant { policy: policy.into(), object_type, owner_only };
    let key = ObjectType::SymmetricKey;
    let cases = [
        (vec![], vec![]),
        (vec![grant("default", key, true)], vec![anns]),
        (vec![grant("default", key, false)], vec![anns, bobs]),
        (vec![grant("default", ObjectType::Certificate, true)], vec![]),
        (
            vec![grant("default", key, true), grant("default", ObjectType::Certificate, false)],
            vec![anns, certificate],
        ),
        (vec![grant("open", key, false), grant("none", key, false)], vec![open]),
        (vec![grant("open", key, true)], vec![]),
    ];
    for (grants, expected) in cases {
        for more in [None, Some(value("Name", &testing::name("k"))), Some(Criterion::State(State::Active))] {
            let query = Query {
                requester: "ann".into(),
                grants: grants.clone(),
                criteria: more.into_iter().collect(),
                count: true,
                ..everybody()
            };
            let located = store.locate(&query).unwrap();
            assert_eq!(located.ids, expected, "{query:?}");
            assert_eq!(located.total, Some(expected.len() as u64));
        }
    }
}

fn the_wider_of_two_grants_applies(store: &dyn Store) {
    let bobs = testing::add(store, Record { owner: "bob".into(), ..key("k") });
    let grants = [true, false, true].map(|owner_only| Grant {
        policy: "default".into(),
        object_type: ObjectType::SymmetricKey,
        owner_only,
    });
    let mut query = Query { requester: "ann".into(), grants: grants.to_vec(), ..everybody() };
    assert_eq!(store.locate(&query).unwrap().ids, [bobs.id]);
    query.criteria = vec![Criterion::Identifier(bobs.id)];
    assert_eq!(store.locate(&query).unwrap().ids, [bobs.id]);
}

fn searches_many_policies_as_it_searches_few(store: &dyn Store) {
    let mut expected = Vec::new();
    for number in [0, 500, 2999] {
        let mut record = Record { owner: "ann".into(), ..key("k") };
        record.attributes.operation_policy_name = Some(format!("policy {number}"));
        record.attributes.initial_date = Some(DateTime(number));
        expected.insert(0, testing::add(store, record).id);
    }
    let grants = |count: u64| -> Vec<Grant> {
        let policies = (0..count).map(|number| Grant {
            policy: format!("policy {number}"),
            object_type: ObjectType::SymmetricKey,
            owner_only: number % 2 == 0,
        });
        policies.collect()
    };
    for criteria in [vec![], vec![value("Name", &testing::name("k"))], vec![Criterion::State(State::Active)]]
    {
        let query = |count| Query {
            requester: "ann".into(),
            grants: grants(count),
            criteria: criteria.clone(),
            order: Order::NewestFirst,
            ..everybody()
        };
        assert_eq!(store.locate(&query(3000)).unwrap().ids, expected, "{criteria:?}");
        assert_eq!(store.locate(&query(20)).unwrap().ids, expected[2..], "{criteria:?}");
    }
}

fn searches_the_storage_statuses_in_the_mask(store: &dyn Store) {
    let add = |edit: &dyn Fn(&mut Record)| {
        let mut record = key("k");
        edit(&mut record);
        testing::add(store, record).id
    };
    let date = Some(DateTime(5));
    let online = add(&|_| {});
    let archived = add(&|record| record.attributes.archive_date = date);
    let destroyed = add(&|record| record.attributes.state = Some(State::Destroyed));
    let compromised = add(&|record| {
        record.attributes.state = Some(State::DestroyedCompromised);
        record.attributes.archive_date = date;
    });
    let stateless = add(&|record| (record.attributes.state, record.attributes.destroy_date) = (None, date));
    for (mask, expected) in [
        (0, vec![]),
        (1, vec![online]),
        (2, vec![archived]),
        (3, vec![online, archived]),
        (4, vec![destroyed, compromised, stateless]),
        (7, vec![online, archived, destroyed, compromised, stateless]),
        (8, vec![]),
    ] {
        for more in [None, Some(value("Name", &testing::name("k")))] {
            let criteria = more.into_iter().collect();
            let query = Query { storage: StorageStatusMask(mask), criteria, ..everybody() };
            assert_eq!(store.locate(&query).unwrap().ids, expected, "storage {mask}");
        }
    }
}

fn returns_pages_in_order(store: &dyn Store) {
    let types = [ObjectType::SymmetricKey, ObjectType::SecretData, ObjectType::Certificate];
    let mut all: Vec<Record> = Vec::new();
    for number in 0..60u32 {
        let mut record = record(types[number as usize % 3], "k");
        record.attributes.initial_date = (number > 5).then_some(DateTime(i64::from(number) / 7 % 5));
        record.attributes.object_group = vec!["all".into()];
        all.push(testing::add(store, record));
    }
    all.sort_by_key(|record| (record.attributes.initial_date, record.id));
    let oldest_first: Vec<Id> = all.into_iter().map(|record| record.id).collect();
    let newest_first: Vec<Id> = oldest_first.iter().rev().copied().collect();
    let kinds = [
        vec![],
        vec![text("Object Group", "all")],
        vec![Criterion::State(State::Active)],
        vec![dates("Last Change Date", 0, 5000)],
    ];
    for criteria in kinds {
        for (offset, limit) in
            [(0, None), (0, Some(7)), (7, Some(7)), (55, Some(7)), (60, None), (3, Some(0))]
        {
            for (order, all) in [(Order::NewestFirst, &newest_first), (Order::OldestFirst, &oldest_first)] {
                let criteria = criteria.clone();
                let query = Query { criteria, offset, limit, order, count: true, ..everybody() };
                let located = store.locate(&query).unwrap();
                assert_eq!(located.ids, page(&query, all), "{query:?}");
                assert_eq!(located.total, Some(60));
                assert_eq!(store.locate(&Query { count: false, ..query }).unwrap().total, None);
            }
        }
        let bounds = Query { criteria, offset: u64::MAX, limit: Some(u64::MAX), ..everybody() };
        assert_eq!(store.locate(&bounds).unwrap().ids, []);
    }
}

/// The page that `query` asks for of all that match.
fn page(query: &Query, all: &[Id]) -> Vec<Id> {
    let bound = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let limit = query.limit.map_or(usize::MAX, bound);
    all.iter().skip(bound(query.offset)).take(limit).copied().collect()
}

fn agrees_with_the_definition_for_a_thousand_random_queries(store: &dyn Store) {
    let mut random = Random::new(1);
    let mut records: Vec<Record> = (0..300).map(|_| testing::random_record(&mut random)).collect();
    change(store, |change| records.iter_mut().for_each(|record| testing::insert(change, record)));
    // Some of them change afterwards, so that the columns and the index are seen to follow.
    for _ in 0..150 {
        let position = random.position(300);
        let id = records[position].id;
        records[position] = Record { id, ..testing::random_record(&mut random) };
        change(store, |change| change.update(records[position].clone()).unwrap());
    }
    let mut found = 0;
    for _ in 0..1000 {
        let query = testing::random_query(&mut random, &records);
        let mut expected: Vec<_> = records.iter().filter(|record| query.matches(record)).collect();
        expected.sort_by_key(|record| (record.attributes.initial_date, record.id));
        match query.order {
            Order::NewestFirst => expected.reverse(),
            Order::LatestSecondFirst => {
                expected.sort_by_key(|record| std::cmp::Reverse(record.attributes.initial_date));
            }
            Order::OldestFirst => (),
        }
        let expected: Vec<_> = expected.into_iter().map(|record| record.id).collect();
        let located = store.locate(&query).unwrap();
        assert_eq!(located.ids, page(&query, &expected), "{query:#?}");
        assert_eq!(located.total, query.count.then_some(expected.len() as u64), "{query:#?}");
        found += u32::from(!expected.is_empty());
    }
    assert!(found > 300, "only {found} queries found anything");
}

fn stores_the_transactions_of_many_threads(store: &dyn Store) {
    let kept = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let kept = &kept;
            scope.spawn(move || {
                for number in 0..20 {
                    let mut id = Id(0);
                    let keep = if number % 5 == 4 { Outcome::Rollback } else { Outcome::Commit };
                    let job = &mut |change: &mut dyn super::Transaction| {
                        let mut record = key(&format!("{thread} {number}"));
                        testing::insert(change, &mut record);
                        id = record.id;
                        keep
                    };
                    store.change(job).unwrap();
                    if keep == Outcome::Commit {
                        // What was acknowledged can be read at once.
                        assert!(store.read(id).unwrap().is_some());
                        kept.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let ids: BTreeSet<_> = all_of(store).into_iter().collect();
    assert_eq!(ids.len() as u64, kept.into_inner());
    assert_eq!(ids.len(), 16 * 16);
}
