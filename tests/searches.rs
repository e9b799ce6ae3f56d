//! Searches that take long leave processors and database connections to other requests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kmip_server::internals::store::{Id, Outcome, Sqlite, Store};
use kmip_server::kmip::enums::{BatchErrorContinuationOption, CertificateType, ObjectType, Operation};
use kmip_server::kmip::structures::UniqueIdentifier;
use kmip_server::ttlv::{Field, Tag, V1_4, Writer};

use crate::corpus::{algorithm, attribute, flat, id, length, message_of, named, template, usage};
use crate::dialogue::{Caller, answers};
use crate::harness::{Credential, Pki, Running};

/// The number of objects that each search compares.
const OBJECTS: usize = 10_000;
/// The number of connections that search.
const SEARCHERS: usize = 24;
/// The time for which the answers to another user are timed, and the interval of its requests.
const TIME: Duration = Duration::from_millis(1_200);
const PERIOD: Duration = Duration::from_millis(10);
/// The maximum median and 99th percentile of the times, in a debug build on a machine that other processes use too.
const MEDIAN: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(250);

/// A server with many objects of one user.
struct Full {
    pki: Pki,
    server: Running,
    owner: Credential,
}

impl Full {
    fn new() -> Self {
        let pki = Pki::new();
        let owner = pki.ca.client("Mallory");
        let database = pki.folder.path("full.database");
        let mut options = pki.options();
        options.extend(["-d".to_owned(), database.display().to_string()]);
        let mut server = Running::start(&options);
        Caller::new(pki.connect(server.port, &owner)).ask(V1_4, Operation::Create, create).id();
        server.signal("TERM");
        assert_eq!(server.wait(), Some(0));
        fill(&database);
        let server = Running::start(&options);
        Self { pki, server, owner }
    }

    fn caller(&self, user: &Credential) -> Caller {
        Caller::new(self.pki.connect(self.server.port, user))
    }
}

/// Adds copies of the first object.
fn fill(database: &Path) {
    let store = Sqlite::open(database).unwrap();
    let first = store.read(Id(1)).unwrap().unwrap();
    let add = &mut |transaction: &mut dyn kmip_server::internals::store::Transaction| {
        for _ in 1..OBJECTS {
            let mut record = (*first).clone();
            record.id = transaction.next_id().unwrap();
            record.attributes.unique_identifier = Some(UniqueIdentifier::from(record.id));
            transaction.insert(Arc::new(record)).unwrap();
        }
        Outcome::Commit
    };
    store.change(add).unwrap();
}

fn create(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
}

fn create_named(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[algorithm(), length(128), usage(0xC), named("john")], writer);
}

fn by_name(writer: &mut Writer) {
    flat(&[named("john")], writer);
}

/// Writes a Locate by an attribute that no index contains and no object of the server has.
fn search_everything(writer: &mut Writer) {
    flat(&[attribute(Tag::CertificateType, &CertificateType::X509)], writer);
}

/// Returns the median and the 99th percentile of the times of `ask`, which is called in an interval.
fn times(mut ask: impl FnMut()) -> (Duration, Duration) {
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < TIME {
        let asked = Instant::now();
        ask();
        times.push(asked.elapsed());
        std::thread::sleep(PERIOD.saturating_sub(asked.elapsed()));
    }
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

#[test]
fn searches_of_one_user_for_everything_do_not_delay_the_requests_of_another() {
    let mut full = Full::new();
    let mut john = full.caller(&full.pki.client);
    let key = john.ask(V1_4, Operation::Create, create_named).id();
    let alone = message_of(V1_4, None, &[(Operation::Locate, search_everything)]);
    let undo = Some(BatchErrorContinuationOption::Undo);
    let in_transaction = message_of(V1_4, undo, &[(Operation::Locate, search_everything); 2]);
    let searches = AtomicU32::new(0);
    let found = std::thread::scope(|scope| {
        for request in [&alone, &in_transaction].into_iter().cycle().take(SEARCHERS) {
            let mut mallory = full.pki.connect(full.server.port, &full.owner);
            let searches = &searches;
            // The end of the server ends the searches.
            scope.spawn(move || {
                while let Ok(response) = mallory.exchange(request) {
                    assert!(answers(V1_4, &response).iter().all(|answer| answer.ids().is_empty()));
                    searches.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(300));
        let get = times(|| assert!(!john.ask(V1_4, Operation::Get, |w| id(&key, w)).done().is_empty()));
        let locate = times(|| assert_eq!(john.ask(V1_4, Operation::Locate, by_name).ids(), [&*key]));
        full.server.child.kill().unwrap();
        [get, locate]
    });
    println!("{found:?} beside {searches:?} searches");
    assert!(searches.into_inner() > 0);
    for (median, slow) in found {
        assert!(median < MEDIAN && slow < SLOW, "{median:?}, 99th percentile {slow:?}");
    }
}
