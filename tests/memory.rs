//! The memory of a large request: at most three times the bytes of the request and its response, for every operation, and
//! for a batch of many items.

use std::env;
use std::fs;
use std::process::Command;
use std::thread;

use kmip_server::internals::dispatch::{Dispatcher, Respond};
use kmip_server::internals::secret::Secret;
use kmip_server::internals::store::{KeyEncryptionKey, Sqlite};
use kmip_server::kmip::enums::{ObjectType, OpaqueDataType, Operation, ResultStatus};
use kmip_server::kmip::{Object, OpaqueObject};
use kmip_server::ttlv::{Field, ItemType, Reader, Tag, V1_2, V2_1, Version, Writer};

use crate::corpus::{
    algorithm, bare_dispatcher, dispatcher_on, id, length, message_of, peer, requests, statuses, template,
    usage,
};
use crate::harness::{Folder, resident};

/// The size to which a part of a request grows.
const LARGE: usize = 2 << 20;
/// The memory that does not depend on the size of a request: caches, stacks and the noise of the measurement.
const CONSTANT: u64 = 512 << 10;
/// The operations that store an object of the request. They use SQLite's cache of pages.
const STORING: [Operation; 2] = [Operation::Register, Operation::Import];
/// The most that SQLite's cache of the pages that it writes contains.
const PAGES: u64 = 4 << 20;
/// Set in the process that measures.
const MEASURES: &str = "KMIP_MEASURES_MEMORY";

/// An item of a message that a test changes.
#[derive(Clone)]
struct Node {
    tag: Tag,
    kind: ItemType,
    bytes: Vec<u8>,
    children: Vec<Node>,
    /// How often the item occurs.
    count: usize,
}

impl Node {
    fn read(mut reader: Reader<'_>) -> Vec<Self> {
        let mut nodes = Vec::new();
        while let Some(item) = reader.next().unwrap() {
            let (bytes, children) = match item.kind {
                ItemType::Structure => (Vec::new(), Self::read(item.structure().unwrap())),
                _ => (item.bytes.to_vec(), Vec::new()),
            };
            nodes.push(Self { tag: item.tag, kind: item.kind, bytes, children, count: 1 });
        }
        nodes
    }

    fn write(&self, writer: &mut Writer) {
        match self.kind {
            ItemType::Structure => {
                writer
                    .structure(self.tag, |writer| self.children.iter().for_each(|child| child.write(writer)));
            }
            _ => writer.item(self.tag, self.kind, &self.bytes),
        }
    }

    fn encoded(&self, version: Version) -> Vec<u8> {
        let mut writer = Writer::new(version);
        self.write(&mut writer);
        writer.into_bytes()
    }

    /// Calls `visit` for the items below this one, of all levels.
    fn visit(&mut self, visit: &mut impl FnMut(&mut Self)) {
        for child in &mut self.children {
            visit(child);
            child.visit(visit);
        }
    }
}

/// Returns the large variants of a message, each with a name: one value is long, or one item occurs often.
fn variants(message: &[u8], version: Version) -> Vec<(String, Vec<u8>)> {
    let mut whole = Node::read(Reader::new(message, version)).remove(0);
    let mut count = 0;
    whole.visit(&mut |_| count += 1);
    let mut variants = Vec::new();
    for number in 0..2 * count {
        let (mut changed, mut at, mut name) = (whole.clone(), 0, None);
        changed.visit(&mut |node| {
            let is_text =
                matches!(node.kind, ItemType::TextString | ItemType::ByteString | ItemType::BigInteger);
            let is_single = [Tag::RequestHeader, Tag::BatchItem, Tag::ProtocolVersion].contains(&node.tag);
            if at == number && is_text {
                name = Some(format!("long {}", node.tag));
                let length = node.bytes.len().max(8).next_multiple_of(8);
                node.bytes.resize(length, b'a');
                node.bytes = node.bytes.repeat(LARGE / length);
            } else if at + count == number && !is_single {
                node.count = LARGE / node.encoded(version).len();
                name = Some(format!("{} {}", node.count, node.tag));
            }
            at += 1;
        });
        variants.extend(name.map(|name| (name, changed.encoded(version))));
    }
    variants
}

#[test]
fn a_large_request_uses_little_more_memory_than_its_bytes() {
    alone("a_large_request_uses_little_more_memory_than_its_bytes", measure);
}

#[test]
fn large_objects_and_long_batches_use_little_more_memory_than_their_bytes() {
    alone("large_objects_and_long_batches_use_little_more_memory_than_their_bytes", || {
        // First, because its many small allocations would reuse what others have freed.
        measure_batch();
        let folder = Folder::new();
        measure_large_objects(Sqlite::open(&folder.path("kmip.database")).unwrap(), 3);
        fs::write(folder.path("key"), [7; 32]).unwrap();
        let key = KeyEncryptionKey::read(&folder.path("key")).unwrap();
        let complete = |_| unreachable!("it is no database of PyKMIP");
        let sealed = Sqlite::open_sealed(&folder.path("sealed.database"), &key, &complete).unwrap();
        measure_large_objects(sealed, 4);
    });
}

/// Runs `measure` for the test `name` in a process without other tests, which use memory too.
fn alone(name: &str, measure: impl FnOnce()) {
    if env::var_os(MEASURES).is_some() {
        return measure();
    }
    let name = format!("memory::{name}");
    // glibc returns large blocks at once if it has a fixed threshold.
    let output = Command::new(env::current_exe().unwrap())
        .args([&*name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MEASURES, "1")
        .env("MALLOC_MMAP_THRESHOLD_", "65536")
        .env("MALLOC_TRIM_THRESHOLD_", "65536")
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

fn measure() {
    let folder = Folder::new();
    let (original, copy) = (folder.path("original.database"), folder.path("kmip.database"));
    drop(dispatcher_on(Box::new(Sqlite::open(&original).unwrap())));
    let (mut excess, mut count) = (Vec::new(), 0);
    for (row, version, request) in requests().filter(|(_, version, _)| [V1_2, V2_1].contains(version)) {
        if row.heavy && version == V1_2 {
            continue;
        }
        let constant = if STORING.contains(&row.operation) { CONSTANT + PAGES } else { CONSTANT };
        for (name, large) in variants(&request, version) {
            // Each request meets the same objects.
            fs::copy(&original, &copy).unwrap();
            let dispatcher = bare_dispatcher(Box::new(Sqlite::open(&copy).unwrap()));
            let (used, bytes) = used(&dispatcher, &large);
            count += 1;
            if used > 3 * bytes + constant {
                excess.push(format!("{:?} {version} {name}: {used} for {bytes} bytes", row.operation));
            }
        }
    }
    assert!(count > 500, "{count} requests");
    assert!(excess.is_empty(), "{} of {count} requests use more:\n{}", excess.len(), excess.join("\n"));
}

/// The number of requests at the same time.
const PARALLEL: u64 = 8;

/// Measures parallel Registers, and the first Get, which also records that the object is not Fresh: `factor` times the
/// response. In a sealed database, the fourth copy is the encrypted one.
fn measure_large_objects(store: Sqlite, factor: u64) {
    let dispatcher = bare_dispatcher(Box::new(store));
    let object = Object::OpaqueObject(OpaqueObject {
        opaque_data_type: OpaqueDataType(0x8000_0001),
        opaque_data_value: Secret::new(vec![7; LARGE]),
    });
    let message = message_of(
        V1_2,
        None,
        &[(Operation::Register, |w: &mut Writer| {
            ObjectType::OpaqueObject.write(Tag::ObjectType, w);
            template(Tag::Attributes, &[], w);
            object.write(Tag::default(), w);
        })],
    );
    // The first request fills the caches of the store.
    assert_eq!(statuses(&dispatcher.respond(&message, peer()).message), [ResultStatus::Success]);
    let used = peak_of(|| {
        thread::scope(|scope| {
            for _ in 0..PARALLEL {
                scope.spawn(|| {
                    let request = message.clone();
                    let reply = dispatcher.respond(&request, peer());
                    assert_eq!(statuses(&reply.message), [ResultStatus::Success]);
                });
            }
        });
    });
    let bytes = message.len() as u64;
    println!("{PARALLEL} parallel Registers of {bytes} bytes use {used}");
    // Each thread has a stack.
    assert!(used < 3 * PARALLEL * bytes + PAGES + 4 * CONSTANT, "{used}");
    let get = message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id("1", w))]);
    let mut response = 0;
    let used = peak_of(|| response = dispatcher.respond(&get, peer()).message.len() as u64);
    println!("Get of {response} bytes uses {used}");
    assert!(response > LARGE as u64 && used < factor * response + CONSTANT, "{used}");
}

/// The number of items of a batch that has almost [`LARGE`] bytes.
const ITEMS: usize = 9_700;
/// The number of objects in the store's cache.
const CACHED: usize = 2048;

fn measure_batch() {
    let folder = Folder::new();
    let dispatcher = bare_dispatcher(Box::new(Sqlite::open(&folder.path("kmip.database")).unwrap()));
    let create = |w: &mut Writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, w);
        template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], w);
    };
    // Short batches fill the caches of the store, and leave little memory that the long one could use again.
    let short = message_of(V1_2, None, &vec![(Operation::Create, create); CACHED / 8]);
    for _ in 0..24 {
        dispatcher.respond(&short, peer());
    }
    let message = message_of(V1_2, None, &vec![(Operation::Create, create); ITEMS]);
    let mut response = 0;
    let used = peak_of(|| response = dispatcher.respond(&message, peer()).message.len() as u64);
    let bytes = message.len() as u64 + response;
    println!("a batch of {ITEMS} Creates uses {used} for {bytes} bytes");
    assert!(used < 3 * bytes + CONSTANT, "{used} for {bytes} bytes");
}

/// Returns the memory that `act` uses at most.
fn peak_of(act: impl FnOnce()) -> u64 {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = resident("self");
    act();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    (peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10).saturating_sub(before)
}

/// Returns the memory that a request uses at most, with the request itself, and the bytes of request and response.
fn used(dispatcher: &Dispatcher, request: &[u8]) -> (u64, u64) {
    let mut reply = None;
    let used = peak_of(|| reply = Some(dispatcher.respond(request, peer())));
    let bytes = (request.len() + reply.unwrap().message.len()) as u64;
    (used + request.len() as u64, bytes)
}
