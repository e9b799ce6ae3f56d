//! Microbenchmarks of the codec, the policy decision, the store and the dispatcher: `cargo bench`.
//!
//! The result is the median of eleven rounds in nanoseconds per call. With the name of a subject and a count as
//! arguments, the program only calls that subject, for use with a profiler:
//! `valgrind --tool=callgrind target/release/deps/micro-… "respond get" 1000`.

#[path = "../examples/load/requests.rs"]
#[allow(dead_code, reason = "the load generator asks for more than is measured here")]
mod requests;

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kmip_server::internals::auth::{Authenticator, Certificate, Peer};
use kmip_server::internals::config::Config;
use kmip_server::internals::dispatch::{Dispatcher, Respond};
use kmip_server::internals::engine::Services;
use kmip_server::internals::logging;
use kmip_server::internals::policy::{Policies, PolicyStore};
use kmip_server::internals::store::{Id, Outcome, Sqlite, Store};
use kmip_server::kmip::Principal;
use kmip_server::kmip::attributes::{AttributeDefinition, Attributes};
use kmip_server::kmip::enums::{ObjectType, Operation};
use kmip_server::ttlv::{Reader, STORED, Tag, V1_2, Value, Writer};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};

/// The number of objects in the store.
const OBJECTS: usize = 1000;
/// The number of rounds per subject, and their duration.
const ROUNDS: usize = 11;
const ROUND: Duration = Duration::from_millis(50);

type Failure = Box<dyn std::error::Error>;
type Subject<'a> = (&'static str, Box<dyn FnMut() + 'a>);

fn main() -> ExitCode {
    // `cargo bench` adds the option `--bench`.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let folder = std::env::temp_dir().join(format!("kmip-bench-{}", std::process::id()));
    let outcome = bench(&folder, &arguments);
    drop(std::fs::remove_dir_all(&folder));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("micro: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(folder: &Path, arguments: &[String]) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    let mut config = Config::new("", "");
    config.log_path = folder.join("server.log");
    logging::init(&config)?;
    let database = folder.join("kmip.database");
    let dispatcher = dispatcher(&database)?;
    let peer = peer()?;
    let ask = |request: &[u8]| dispatcher.respond(request, &peer).message;
    let mut ids = Vec::new();
    for number in 0..OBJECTS {
        let answer = ask(&requests::create(&format!("key-{number}")));
        let id = requests::identifier(&answer, Tag::UniqueIdentifier)?;
        requests::payload(&ask(&requests::on(Operation::Activate, &id)))?;
        requests::payload(&ask(&requests::on(Operation::Get, &id)))?;
        ids.push(id);
    }
    let id = ids.get(OBJECTS / 2).ok_or("there is no object")?;
    let store = Sqlite::open(&database)?;
    let mut subjects = subjects(&store, id)?;
    let messages = [
        ("respond query", requests::query()),
        ("respond get", requests::on(Operation::Get, id)),
        ("respond get-attributes", requests::on(Operation::GetAttributes, id)),
        ("respond locate", requests::locate("key-500")),
        ("respond encrypt", requests::encrypt(id, 1024)),
        ("respond create", requests::create("another")),
    ];
    let (dispatcher, peer) = (&dispatcher, &peer);
    for (name, message) in messages {
        subjects.push((name, Box::new(move || drop(black_box(dispatcher.respond(&message, peer))))));
    }
    match arguments {
        [name, count] => {
            let count: u64 = count.parse()?;
            let subject = subjects.iter_mut().find(|(other, _)| other == name);
            let (_, call) = subject.ok_or_else(|| format!("there is no subject {name}"))?;
            (0..count).for_each(|_| call());
        }
        _ => subjects.iter_mut().for_each(|(name, call)| println!("{name:24} {:>10.0} ns", measure(call))),
    }
    Ok(())
}

/// Returns the subjects of the layers below the dispatcher.
fn subjects<'a>(store: &'a Sqlite, id: &str) -> Result<Vec<Subject<'a>>, Failure> {
    let number = Id::parse(id).ok_or("the server gave no number")?;
    let record = store.read(number)?.ok_or("the object is not in the store")?;
    let mut writer = Writer::new(STORED);
    record.attributes.encode(Tag::Attributes, &mut writer);
    let stored = writer.into_bytes();
    let attributes = record.attributes.clone();
    let request = requests::create("name");
    let policies = Policies::builtin();
    let name = AttributeDefinition::of(Tag::Name).ok_or("there is no Name")?;
    Ok(vec![
        (
            "codec: read attributes",
            Box::new(move || {
                let item = Reader::new(&stored, STORED).next().ok().flatten();
                drop(black_box(item.as_ref().map(Attributes::decode)));
            }),
        ),
        (
            "codec: write attributes",
            Box::new(move || {
                let mut writer = Writer::new(STORED);
                attributes.encode(Tag::Attributes, &mut writer);
                drop(black_box(writer.into_bytes()));
            }),
        ),
        ("codec: walk a request", Box::new(move || _ = black_box(walk(Reader::new(&request, V1_2))))),
        (
            "policy: one decision",
            Box::new(move || {
                let (asker, kind) = (Principal::from("John Doe"), ObjectType::SymmetricKey);
                black_box(policies.permits("default", &asker, None, Some(&asker), kind, Operation::Get));
            }),
        ),
        ("store: read", Box::new(move || drop(black_box(store.read(number))))),
        (
            "store: change",
            Box::new(move || {
                let changed = store.change(&mut |transaction| match transaction.update((*record).clone()) {
                    Ok(()) => Outcome::Commit,
                    Err(_) => Outcome::Rollback,
                });
                drop(black_box(changed));
            }),
        ),
        (
            "attributes: find a row",
            Box::new(move || _ = black_box(AttributeDefinition::named(black_box(name.name)))),
        ),
    ])
}

fn walk(mut reader: Reader<'_>) -> Option<usize> {
    let mut items = 0;
    while let Some(item) = reader.next().ok()? {
        items += 1 + item.structure().ok().map_or(0, |inner| walk(inner).unwrap_or(0));
    }
    Some(items)
}

fn dispatcher(database: &Path) -> Result<Dispatcher, Failure> {
    let store = Arc::new(Sqlite::open(database)?);
    let services = Services::new(store, PolicyStore::fixed(Policies::builtin()));
    Ok(Dispatcher::new(services, Authenticator::new(true, Vec::new())))
}

fn peer() -> Result<Peer, Failure> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "John Doe");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&KeyPair::generate()?)?;
    let certificate = Certificate::from_der(certificate.der()).ok_or("the certificate cannot be read")?;
    Ok(Peer::new(([127, 0, 0, 1], 5696).into(), 1, Some(certificate)))
}

/// Nanoseconds for each call: the median of the rounds.
fn measure(call: &mut dyn FnMut()) -> f64 {
    let begin = Instant::now();
    let mut batch = 0_u32;
    while begin.elapsed() < ROUND / 5 {
        call();
        batch += 1;
    }
    let batch = batch.max(1);
    let mut rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            let mut calls = 0_u32;
            while begin.elapsed() < ROUND {
                (0..batch.min(1000)).for_each(|_| call());
                calls += batch.min(1000);
            }
            begin.elapsed().as_nanos() as f64 / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(ROUNDS / 2).copied().unwrap_or_default()
}
