//! The contract of entries: one suite that runs in memory and on each store that servers share.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::entries::{Change, Entries, Entry, Kind, Lifetime, MemoryEntries, Replacement};
use crate::bounded_map::WhenFull::{EvictOldest, Refuse};
use crate::bounded_map::{Bounds, WhenFull};
use crate::secret::Secret;

/// Runs each function of this file in memory and on PostgreSQL.
macro_rules! contract {
    ($($name:ident,)*) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&super::MemoryEntries::default()); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $name() {
                super::super::testing::on_postgres(|store| {
                    use super::super::Store;
                    super::$name(&*store.entries().unwrap());
                });
            })*
        }
    };
}

contract! {
    an_entry_is_read_under_its_kind_and_key,
    an_existing_key_keeps_its_value,
    a_change_replaces_keeps_or_removes,
    only_a_removal_returns_the_content,
    entries_expire_and_are_abandoned,
    bounds_refuse,
    bounds_evict_the_oldest,
    several_entries_are_inserted_together_or_not_at_all,
    only_existing_entries_are_replaced_and_become_the_newest,
    the_oldest_ended_entries_are_removed_past_the_bound,
    changes_of_many_threads_are_atomic,
}

const fn kind(number: i64, when_full: WhenFull, when_share_used: WhenFull) -> Kind {
    Kind { number, name: "test", bounds: Bounds { capacity: 3, when_full, share: 2, when_share_used } }
}

const KIND: Kind = kind(1, Refuse, Refuse);

const FOREVER: Lifetime = Lifetime { lease: None, expiry: None };

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn insert(entries: &dyn Entries, kind: &Kind, owner: &str, keys: &[&str], lifetime: Lifetime) -> bool {
    let new = keys.iter().map(|key| (key.as_bytes().to_vec(), secret(key))).collect();
    // Later entries are younger in memory, too.
    thread::sleep(Duration::from_millis(2));
    entries.insert(kind, owner, new, lifetime, Instant::now()).unwrap()
}

fn read(entries: &dyn Entries, kind: &Kind, key: &str) -> Option<Entry> {
    entries.read(kind, key.as_bytes(), Instant::now()).unwrap()
}

fn value(entries: &dyn Entries, kind: &Kind, key: &str) -> Option<Secret> {
    read(entries, kind, key).map(|entry| entry.value)
}

fn change(entries: &dyn Entries, kind: &Kind, key: &str, change: Change) -> Option<Secret> {
    entries.change(kind, key.as_bytes(), Instant::now(), &mut |_| change.clone()).unwrap()
}

fn replaced(value: &str, ended: Option<&str>) -> Change {
    Change::Replace(Replacement { value: secret(value), lifetime: None, ended: ended.map(secret) })
}

/// Returns the keys of the owner's entries.
fn keys(entries: &dyn Entries, kind: &Kind, owner: &str) -> Vec<String> {
    let found = entries.of_owner(kind, owner, Instant::now()).unwrap();
    found.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
}

fn an_entry_is_read_under_its_kind_and_key(entries: &dyn Entries) {
    assert!(insert(entries, &KIND, "ann", &["a"], FOREVER));
    assert_eq!(read(entries, &KIND, "a"), Some(Entry { value: secret("a"), is_abandoned: false }));
    assert_eq!(read(entries, &KIND, "b"), None);
    assert_eq!(read(entries, &kind(2, Refuse, Refuse), "a"), None);
    assert!(insert(entries, &KIND, "ann", &["b"], FOREVER) && insert(entries, &KIND, "bob", &["c"], FOREVER));
    assert_eq!(keys(entries, &KIND, "ann"), ["a", "b"]);
    assert_eq!(keys(entries, &KIND, "bob"), ["c"]);
    assert_eq!(keys(entries, &KIND, "eve"), [""; 0]);
}

fn an_existing_key_keeps_its_value(entries: &dyn Entries) {
    insert(entries, &KIND, "ann", &["a"], FOREVER);
    change(entries, &KIND, "a", replaced("changed", None));
    assert!(insert(entries, &KIND, "ann", &["a"], FOREVER));
    assert_eq!(value(entries, &KIND, "a"), Some(secret("changed")));
}

fn a_change_replaces_keeps_or_removes(entries: &dyn Entries) {
    insert(entries, &KIND, "ann", &["a", "b"], FOREVER);
    for (step, left) in [(Change::Keep, Some("a")), (replaced("x", None), Some("x")), (Change::Remove, None)]
    {
        assert_eq!(change(entries, &KIND, "a", step), None);
        assert_eq!(value(entries, &KIND, "a"), left.map(secret));
        assert_eq!(value(entries, &KIND, "b"), Some(secret("b")));
    }
    let unknown = &mut |_: &Entry| unreachable!("there is no entry");
    assert_eq!(entries.change(&KIND, b"a", Instant::now(), unknown).unwrap(), None);
}

fn only_a_removal_returns_the_content(entries: &dyn Entries) {
    insert(entries, &KIND, "ann", &["a", "b"], FOREVER);
    assert_eq!(change(entries, &KIND, "a", replaced("ended", Some("first"))), None);
    assert_eq!(change(entries, &KIND, "a", replaced("again", Some("content"))), None);
    assert_eq!(change(entries, &KIND, "a", replaced("later", None)), None, "the content stays");
    assert_eq!(value(entries, &KIND, "a"), Some(secret("later")));
    assert_eq!(change(entries, &KIND, "a", Change::Remove), Some(secret("content")));
    assert_eq!(change(entries, &KIND, "a", Change::Remove), None);
    let large = "x".repeat(3 << 20);
    change(entries, &KIND, "b", replaced("ended", Some(&large)));
    assert_eq!(change(entries, &KIND, "b", Change::Remove), Some(secret(&large)));
}

fn entries_expire_and_are_abandoned(entries: &dyn Entries) {
    let short = |lease: Option<u64>, expiry: Option<u64>| Lifetime {
        lease: lease.map(Duration::from_millis),
        expiry: expiry.map(Duration::from_millis),
    };
    insert(entries, &KIND, "ann", &["leased", "renewed"], short(Some(500), None));
    insert(entries, &KIND, "bob", &["short"], short(None, Some(500)));
    assert!(!read(entries, &KIND, "leased").unwrap().is_abandoned && read(entries, &KIND, "short").is_some());
    thread::sleep(Duration::from_millis(600));
    assert!(read(entries, &KIND, "leased").unwrap().is_abandoned, "it exists");
    assert_eq!(read(entries, &KIND, "short"), None);
    assert_eq!(keys(entries, &KIND, "bob"), [""; 0]);
    assert_eq!(change(entries, &KIND, "short", Change::Remove), None);
    let day = short(Some(86_400_000), Some(86_400_000));
    entries.renew(&KIND, &[b"renewed".to_vec(), b"short".to_vec()], day, Instant::now()).unwrap();
    assert!(!read(entries, &KIND, "renewed").unwrap().is_abandoned);
    assert!(read(entries, &KIND, "leased").unwrap().is_abandoned && read(entries, &KIND, "short").is_none());
    // An entry without a lease is not renewed.
    let ended = Replacement { value: secret("v"), lifetime: Some(FOREVER), ended: None };
    change(entries, &KIND, "renewed", Change::Replace(ended));
    let past = short(Some(0), None);
    entries.renew(&KIND, &[b"renewed".to_vec(), b"leased".to_vec()], past, Instant::now()).unwrap();
    assert!(!read(entries, &KIND, "renewed").unwrap().is_abandoned);
    assert!(read(entries, &KIND, "leased").unwrap().is_abandoned);
}

fn bounds_refuse(entries: &dyn Entries) {
    assert!(insert(entries, &KIND, "ann", &["a"], FOREVER) && insert(entries, &KIND, "ann", &["b"], FOREVER));
    assert!(!insert(entries, &KIND, "ann", &["c"], FOREVER), "the share of an owner");
    assert!(insert(entries, &KIND, "bob", &["d"], FOREVER));
    assert!(!insert(entries, &KIND, "bob", &["e"], FOREVER), "the capacity");
    assert!(insert(entries, &kind(2, Refuse, Refuse), "bob", &["e"], FOREVER), "each kind has its own");
    change(entries, &KIND, "a", Change::Remove);
    let moment = Lifetime { lease: None, expiry: Some(Duration::from_millis(100)) };
    assert!(insert(entries, &KIND, "bob", &["e"], moment));
    thread::sleep(Duration::from_millis(150));
    assert!(insert(entries, &KIND, "bob", &["f"], FOREVER), "an expired entry makes room");
}

fn bounds_evict_the_oldest(entries: &dyn Entries) {
    let share = kind(1, Refuse, EvictOldest);
    for key in ["a", "b", "c"] {
        assert!(insert(entries, &share, "ann", &[key], FOREVER));
    }
    assert_eq!(keys(entries, &share, "ann"), ["b", "c"]);
    assert!(insert(entries, &share, "bob", &["d"], FOREVER));
    assert!(insert(entries, &share, "ann", &["e"], FOREVER), "one of its own makes room");
    assert!(!insert(entries, &share, "eve", &["f"], FOREVER));
    let capacity = kind(2, EvictOldest, Refuse);
    for owner in ["ann", "bob", "eve", "joe"] {
        assert!(insert(entries, &capacity, owner, &[owner], FOREVER));
    }
    assert_eq!(value(entries, &capacity, "ann"), None);
    assert!(value(entries, &capacity, "bob").is_some() && value(entries, &capacity, "joe").is_some());
}

fn several_entries_are_inserted_together_or_not_at_all(entries: &dyn Entries) {
    assert!(insert(entries, &KIND, "ann", &["a"], FOREVER));
    assert!(!insert(entries, &KIND, "ann", &["b", "c"], FOREVER));
    assert_eq!(keys(entries, &KIND, "ann"), ["a"]);
    assert!(insert(entries, &KIND, "bob", &["b", "c"], FOREVER));
    assert_eq!(keys(entries, &KIND, "bob"), ["b", "c"]);
}

fn only_existing_entries_are_replaced_and_become_the_newest(entries: &dyn Entries) {
    let kind = kind(3, EvictOldest, EvictOldest);
    insert(entries, &kind, "ann", &["a"], FOREVER);
    insert(entries, &kind, "ann", &["b"], FOREVER);
    let new = ["a", "c"].map(|key| (key.as_bytes().to_vec(), secret("new")));
    thread::sleep(Duration::from_millis(2));
    entries.replace_existing(&kind, new.to_vec(), Instant::now()).unwrap();
    assert_eq!(value(entries, &kind, "a"), Some(secret("new")));
    assert_eq!(value(entries, &kind, "c"), None);
    insert(entries, &kind, "ann", &["d"], FOREVER);
    assert_eq!(value(entries, &kind, "b"), None, "the oldest one was evicted");
    assert_eq!(value(entries, &kind, "a"), Some(secret("new")));
}

fn the_oldest_ended_entries_are_removed_past_the_bound(entries: &dyn Entries) {
    insert(entries, &KIND, "ann", &["a", "b"], FOREVER);
    insert(entries, &KIND, "bob", &["c"], FOREVER);
    for key in ["b", "a"] {
        let ended =
            Replacement { value: secret("12345"), lifetime: Some(FOREVER), ended: Some(secret("67890")) };
        thread::sleep(Duration::from_millis(2));
        change(entries, &KIND, key, Change::Replace(ended));
    }
    entries.bound_ended(&KIND, 20).unwrap();
    assert!(value(entries, &KIND, "a").is_some() && value(entries, &KIND, "b").is_some());
    entries.bound_ended(&KIND, 19).unwrap();
    assert!(value(entries, &KIND, "a").is_some() && value(entries, &KIND, "b").is_none());
    entries.bound_ended(&KIND, 0).unwrap();
    assert!(value(entries, &KIND, "a").is_none() && value(entries, &KIND, "c").is_some());
}

fn changes_of_many_threads_are_atomic(entries: &dyn Entries) {
    let number = |entry: &Entry| entry.value.expose()[0];
    let new = vec![(b"count".to_vec(), Secret::new(vec![100]))];
    assert!(entries.insert(&KIND, "ann", new, FOREVER, Instant::now()).unwrap());
    let spent = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut is_spent = false;
                    let spend = &mut |entry: &Entry| {
                        is_spent = number(entry) > 0;
                        match number(entry).checked_sub(1) {
                            Some(left) => Change::Replace(Replacement {
                                value: Secret::new(vec![left]),
                                ..Replacement::default()
                            }),
                            None => Change::Keep,
                        }
                    };
                    entries.change(&KIND, b"count", Instant::now(), spend).unwrap();
                    spent.fetch_add(u32::from(is_spent), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(spent.into_inner(), 100);
    assert_eq!(read(entries, &KIND, "count").map(|entry| number(&entry)), Some(0));
}
