//! Sustained load: many clients read their writes back without failures, and the memory and the file
//! descriptors of the server do not grow.
//!
//! The default is a few seconds; `make soak SECONDS=600` runs longer.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::kmip::enums::{ObjectType, Operation, ResultStatus};
use kmip_server::ttlv::{Field, Tag, V1_2, V2_0, Writer};

use crate::corpus::{
    aes_key, algorithm, first, flat, id, length, message_of, named, register, statuses, template, text, usage,
};
use crate::harness::{Client, Draw, Pki, Running};

/// The default duration in seconds.
const SECONDS: u64 = 3;
const CLIENTS: u64 = 8;
/// The number of clients of a long run.
const MANY_CLIENTS: u64 = 64;
/// The minimum duration in seconds of a long run, in which the test checks the memory.
const LONG: u64 = 60;
/// The maximum growth of the memory after the first fifth of a long run in bytes.
const GROWTH: u64 = 5 << 20;
/// The maximum number of objects of a client.
const OBJECTS: usize = 20;

/// The objects of one client: identifier, key and name.
struct Load {
    client: Client,
    draw: Draw,
    prefix: String,
    objects: Vec<(String, Vec<u8>, String)>,
    count: u64,
}

impl Load {
    fn ask(&mut self, operation: Operation, payload: impl Fn(&mut Writer)) -> Vec<u8> {
        let version = if self.draw.below(2) == 0 { V1_2 } else { V2_0 };
        let request = message_of(version, None, &[(operation, payload)]);
        let answer = self.client.exchange(&request).unwrap();
        assert_eq!(statuses(&answer), [ResultStatus::Success], "{}{}", text(&request), text(&answer));
        self.count += 1;
        answer
    }

    fn step(&mut self) {
        if self.objects.len() < OBJECTS {
            return self.make();
        }
        let at = self.draw.index(self.objects.len());
        let (object, key, name) = self.objects[at].clone();
        match self.draw.below(10) {
            0 => {
                self.ask(Operation::Destroy, |w| id(&object, w));
                self.objects.swap_remove(at);
            }
            1 => {
                let name = format!("{} {}", self.prefix, self.count);
                let request = |w: &mut Writer| {
                    id(&object, w);
                    if w.version() >= V2_0 {
                        Some(named(&self.objects[at].2)).write(Tag::CurrentAttribute, w);
                    }
                    named(&name).write(Tag::NewAttribute, w);
                };
                let version = V2_0;
                let answer = self.client.exchange(&message_of(
                    version,
                    None,
                    &[(Operation::ModifyAttribute, request)],
                ));
                assert_eq!(statuses(&answer.unwrap()), [ResultStatus::Success]);
                self.count += 1;
                self.objects[at].2 = name;
            }
            2 => {
                let answer = self.ask(Operation::Create, |w| {
                    ObjectType::SymmetricKey.write(Tag::ObjectType, w);
                    template(Tag::Attributes, &[algorithm(), length(256), usage(0xC)], w);
                });
                let made = String::from_utf8(first(&answer, Tag::UniqueIdentifier).unwrap()).unwrap();
                self.ask(Operation::Destroy, |w| id(&made, w));
            }
            3 | 4 => {
                let answer = self.ask(Operation::Locate, |w| flat(&[named(&name)], w));
                assert_eq!(
                    first(&answer, Tag::UniqueIdentifier).as_deref(),
                    Some(object.as_bytes()),
                    "{name}"
                );
            }
            5 => {
                self.ask(Operation::GetAttributes, |w| id(&object, w));
            }
            _ => {
                let answer = self.ask(Operation::Get, |w| id(&object, w));
                assert_eq!(first(&answer, Tag::KeyMaterial), Some(key), "object {object}");
            }
        }
    }

    fn make(&mut self) {
        let key: Vec<u8> = (0..32).map(|_| u8::try_from(self.draw.below(256)).unwrap()).collect();
        let name = format!("{} {}", self.prefix, self.count);
        let given = aes_key(&name, key.clone());
        let answer = self.ask(Operation::Register, |w| register(&given, w));
        let object = String::from_utf8(first(&answer, Tag::UniqueIdentifier).unwrap()).unwrap();
        self.objects.push((object, key, name));
    }
}

fn descriptors(server: &Running) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.child.id())).map_or(0, Iterator::count)
}

#[test]
fn a_long_mixed_load_causes_no_failures_and_no_growth() {
    let seconds = std::env::var("KMIP_SOAK_SECONDS").ok().and_then(|it| it.parse().ok()).unwrap_or(SECONDS);
    let clients = if seconds >= LONG { MANY_CLIENTS } else { CLIENTS };
    let pki = Pki::new();
    let database = pki.folder.path("kmip.database").display().to_string();
    let server = Running::start(pki.options().into_iter().chain(["-d".to_owned(), database]));
    let (begin, time) = (Instant::now(), Duration::from_secs(seconds));
    let (counts, early, late) = thread::scope(|scope| {
        let loads: Vec<_> = (1..=clients)
            .map(|number| {
                let mut load = Load {
                    client: pki.connect(server.port, &pki.client),
                    draw: Draw::new(number),
                    prefix: format!("client {number}"),
                    objects: Vec::new(),
                    count: 0,
                };
                scope.spawn(move || {
                    while begin.elapsed() < time {
                        load.step();
                    }
                    (load.count, load.client)
                })
            })
            .collect();
        let look = || (server.resident(), descriptors(&server));
        thread::sleep(time / 5);
        let early = look();
        thread::sleep((time * 19 / 20).saturating_sub(begin.elapsed()));
        let late = look();
        let counts: Vec<_> = loads.into_iter().map(|load| load.join().unwrap().0).collect();
        (counts, early, late)
    });
    let count: u64 = counts.iter().sum();
    let growth = late.0.saturating_sub(early.0);
    println!(
        "{clients} clients, {seconds} s: {count} requests, no error; memory {} KiB and {growth} bytes more at the \
         end, descriptors {} and {}",
        early.0 >> 10,
        early.1,
        late.1
    );
    assert!(counts.iter().all(|count| *count > 0));
    if seconds >= LONG {
        assert!(growth < GROWTH, "the memory grew by {growth} bytes");
        assert!(late.1 <= early.1 + 4, "descriptors: {} and then {}", early.1, late.1);
    }
}
