//! Durability over many rounds: clients write by every kind of request while the server is killed.
//! Afterwards, every acknowledged write is complete, every other write is complete or absent, and no file of the
//! database contains a destroyed key.
//!
//! The default is three rounds; `make crash ROUNDS=100` runs 100. All rounds use one database.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use kmip_server::kmip::enums::{
    BatchErrorContinuationOption, ObjectType, Operation, ResultStatus, RevocationReasonCode, State,
};
use kmip_server::kmip::structures::RevocationReason;
use kmip_server::ttlv::{Field, Tag, V1_2, V1_4, Writer};
use rusqlite::Connection;

use crate::corpus::{
    aes_key, algorithm, first, flat, id, length, message_of, named, register, statuses, template, usage,
};
use crate::database_file::found_in_files;
use crate::harness::{Client, Draw, Pki, Running};

/// The default number of rounds.
const ROUNDS: u64 = 3;
/// The number of clients.
const WRITERS: u64 = 4;
/// The minimum and maximum time from start to kill in milliseconds.
const LIFE: (u64, u64) = (30, 300);

/// The expected state of an object.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    name: String,
    /// The key bytes, if the client registered or read them.
    key: Option<Vec<u8>>,
    destroyed: bool,
}

/// A change without a response.
#[derive(Debug)]
enum Unanswered {
    /// One or several new objects with these names: all or none exist.
    Made(Vec<String>),
    /// The object has one name or the other.
    Renamed(String, String),
    /// The object is destroyed or not.
    Destroyed(String),
    /// No change is expected.
    Undone,
}

/// The writes of one client until the kill.
#[derive(Default)]
struct Writing {
    objects: BTreeMap<String, Known>,
    undone: Vec<String>,
    unanswered: Option<Unanswered>,
    acknowledged: usize,
}

impl Writing {
    /// Writes until the server is killed.
    fn go(mut self, client: &mut Client, mut draw: Draw, prefix: &str) -> Self {
        for number in 0.. {
            let name = format!("{prefix}.{number}");
            if self.step(client, &mut draw, name).is_err() {
                break;
            }
            self.unanswered = None;
            self.acknowledged += 1;
        }
        self
    }

    fn step(&mut self, client: &mut Client, draw: &mut Draw, name: String) -> io::Result<()> {
        let live: Vec<_> = self.objects.iter().filter(|(_, known)| !known.destroyed).collect();
        let some = (!live.is_empty()).then(|| draw.one_of(&live).0.clone());
        match (draw.below(7), some) {
            (0, Some(object)) => self.rename(client, object, name),
            (1, Some(object)) => self.destroy(client, object),
            (2, _) => self.make_two(client, name),
            (3, _) => self.make_and_undo(client, name),
            (4 | 5, _) => self.register(client, name),
            _ => self.create(client, name),
        }
    }

    fn create(&mut self, client: &mut Client, name: String) -> io::Result<()> {
        self.unanswered = Some(Unanswered::Made(vec![name.clone()]));
        let answer = done(client, &message_of(V1_2, None, &[(Operation::Create, create(&name))]))?;
        self.know(made(&answer), Known { name, key: None, destroyed: false });
        Ok(())
    }

    fn register(&mut self, client: &mut Client, name: String) -> io::Result<()> {
        self.unanswered = Some(Unanswered::Made(vec![name.clone()]));
        // No two keys are equal, because a search for destroyed keys must not find others.
        let key = format!("{name:-^32}").into_bytes();
        let given = aes_key(&name, key.clone());
        let payload = |w: &mut Writer| register(&given, w);
        let answer = done(client, &message_of(V1_2, None, &[(Operation::Register, payload)]))?;
        self.know(made(&answer), Known { name, key: Some(key), destroyed: false });
        Ok(())
    }

    fn rename(&mut self, client: &mut Client, object: String, name: String) -> io::Result<()> {
        self.unanswered = Some(Unanswered::Renamed(object.clone(), name.clone()));
        let payload = |w: &mut Writer| {
            id(&object, w);
            named(&name).write(Tag::NewAttribute, w);
        };
        done(client, &message_of(V1_2, None, &[(Operation::ModifyAttribute, payload)]))?;
        self.objects.get_mut(&object).unwrap().name = name;
        Ok(())
    }

    /// Reads the key, so that a search for its bytes is possible, and destroys it.
    fn destroy(&mut self, client: &mut Client, object: String) -> io::Result<()> {
        let key =
            done(client, &message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id(&object, w))]))?;
        self.objects.get_mut(&object).unwrap().key = first(&key, Tag::KeyMaterial);
        self.unanswered = Some(Unanswered::Destroyed(object.clone()));
        done(client, &message_of(V1_2, None, &[(Operation::Destroy, |w: &mut Writer| id(&object, w))]))?;
        self.objects.get_mut(&object).unwrap().destroyed = true;
        Ok(())
    }

    /// Sends a batch of two new objects: both or none exist afterwards.
    fn make_two(&mut self, client: &mut Client, name: String) -> io::Result<()> {
        let names = vec![format!("{name}.a"), format!("{name}.b")];
        self.unanswered = Some(Unanswered::Made(names.clone()));
        let items = [(Operation::Create, create(&names[0])), (Operation::Create, create(&names[1]))];
        let request = message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &items);
        let answer = client.exchange(&request)?;
        assert_eq!(statuses(&answer), [ResultStatus::Success; 2]);
        for name in names {
            let found = locate(client, &name)?;
            let [object] = &found[..] else { panic!("{name} stands for {found:?}") };
            self.know(object.clone(), Known { name, key: None, destroyed: false });
        }
        Ok(())
    }

    /// Sends a batch whose last item fails, so that the server undoes the first.
    fn make_and_undo(&mut self, client: &mut Client, name: String) -> io::Result<()> {
        self.unanswered = Some(Unanswered::Undone);
        self.undone.push(name.clone());
        let fails: Box<dyn Fn(&mut Writer)> = Box::new(|w| {
            id("0", w);
            let reason = RevocationReason {
                revocation_reason_code: RevocationReasonCode::KeyCompromise,
                revocation_message: None,
            };
            reason.write(Tag::RevocationReason, w);
        });
        let items = [
            (Operation::Create, Box::new(create(&name)) as Box<dyn Fn(&mut Writer)>),
            (Operation::Revoke, fails),
        ];
        let request = message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &items);
        let answer = client.exchange(&request)?;
        assert_eq!(statuses(&answer), [ResultStatus::OperationUndone, ResultStatus::OperationFailed]);
        Ok(())
    }

    fn know(&mut self, object: String, known: Known) {
        assert!(self.objects.insert(object.clone(), known).is_none(), "{object} was given twice");
    }

    /// Compares the expected state with a restarted server.
    fn check(&mut self, client: &mut Client) {
        for name in &self.undone {
            assert_eq!(locate(client, name).unwrap(), Vec::<String>::new(), "{name} was undone");
        }
        match self.unanswered.take() {
            Some(Unanswered::Made(names)) => {
                let found: Vec<_> = names.iter().map(|name| locate(client, name).unwrap()).collect();
                let count = found.iter().filter(|found| !found.is_empty()).count();
                assert!(count == 0 || count == names.len(), "half of {names:?} is there: {found:?}");
                for (object, name) in found.into_iter().flatten().zip(names) {
                    assert_eq!(get(client, &object).0, ResultStatus::Success, "{object} is not whole");
                    self.objects.entry(object).or_insert(Known { name, key: None, destroyed: false });
                }
            }
            Some(Unanswered::Renamed(object, name)) => {
                let found = locate(client, &name).unwrap();
                assert!(found.is_empty() || found == [object.clone()], "{name} stands for {found:?}");
                if !found.is_empty() {
                    self.objects.get_mut(&object).unwrap().name = name;
                }
            }
            Some(Unanswered::Destroyed(object)) => {
                let destroyed = state(client, &object) == Some(State::Destroyed);
                self.objects.get_mut(&object).unwrap().destroyed = destroyed;
            }
            Some(Unanswered::Undone) | None => {}
        }
        for (object, known) in &self.objects {
            let (status, key) = get(client, object);
            if known.destroyed {
                assert_eq!(status, ResultStatus::OperationFailed, "{object} was destroyed");
                assert_eq!(state(client, object), Some(State::Destroyed), "{object}");
                continue;
            }
            assert_eq!(status, ResultStatus::Success, "{object}, {known:?}, is lost");
            assert_eq!(locate(client, &known.name).unwrap(), std::slice::from_ref(object), "{known:?}");
            if known.key.is_some() {
                assert_eq!(key, known.key, "{object} has another key");
            }
        }
    }
}

fn create(name: &str) -> impl Fn(&mut Writer) + use<> {
    let name = name.to_owned();
    move |w| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, w);
        template(Tag::Attributes, &[named(&name), algorithm(), length(256), usage(0xC)], w);
    }
}

/// Sends a request that must succeed if there is a response.
fn done(client: &mut Client, request: &[u8]) -> io::Result<Vec<u8>> {
    let answer = client.exchange(request)?;
    assert_eq!(statuses(&answer), [ResultStatus::Success], "{}", crate::corpus::text(&answer));
    Ok(answer)
}

fn made(answer: &[u8]) -> String {
    String::from_utf8(first(answer, Tag::UniqueIdentifier).unwrap()).unwrap()
}

fn locate(client: &mut Client, name: &str) -> io::Result<Vec<String>> {
    let payload = |w: &mut Writer| {
        2.write(Tag::MaximumItems, w);
        // Including destroyed objects.
        7.write(Tag::StorageStatusMask, w);
        flat(&[named(name)], w);
    };
    let answer = done(client, &message_of(V1_2, None, &[(Operation::Locate, payload)]))?;
    Ok(first(&answer, Tag::UniqueIdentifier).map(|id| String::from_utf8(id).unwrap()).into_iter().collect())
}

fn get(client: &mut Client, object: &str) -> (ResultStatus, Option<Vec<u8>>) {
    let request = message_of(V1_2, None, &[(Operation::Get, |w: &mut Writer| id(object, w))]);
    let answer = client.exchange(&request).unwrap();
    (statuses(&answer)[0], first(&answer, Tag::KeyMaterial))
}

fn state(client: &mut Client, object: &str) -> Option<State> {
    let request = message_of(
        kmip_server::ttlv::V2_0,
        None,
        &[(Operation::GetAttributes, |w: &mut Writer| id(object, w))],
    );
    let state = first(&client.exchange(&request).unwrap(), Tag::State)?;
    State::from_wire(u32::from_be_bytes(state.try_into().unwrap()))
}

/// Runs SQLite's integrity check on a copy of the database, so that the server recovers the original.
fn assert_sound(pki: &Pki) {
    for ending in ["", "-wal"] {
        let from = pki.folder.path(&format!("kmip.database{ending}"));
        if from.exists() {
            fs::copy(from, pki.folder.path(&format!("copy.database{ending}"))).unwrap();
        }
    }
    let copy = Connection::open(pki.folder.path("copy.database")).unwrap();
    let sound: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn kills_lose_no_acknowledged_write_and_leave_no_partial_write() {
    let rounds = std::env::var("KMIP_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let pki = Pki::new();
    let database = pki.folder.path("kmip.database").display().to_string();
    let start = || {
        Running::start(
            pki.options()
                .into_iter()
                .chain(["-d", &database, "--compatibility", "Standard"].map(str::to_owned)),
        )
    };
    let mut draw = Draw::new(0x2545_f491_4f6c_dd1d);
    let mut given = BTreeSet::new();
    let (mut destroyed, mut live) = (Vec::new(), Vec::new());
    let (mut acknowledged, mut unanswered) = (0, 0);
    for round in 0..rounds {
        let mut server = start();
        let port = server.port;
        let seeds: Vec<_> = (0..WRITERS).map(|_| draw.next()).collect();
        let life = Duration::from_millis(LIFE.0 + draw.below(LIFE.1 - LIFE.0));
        let mut writings: Vec<Writing> = thread::scope(|scope| {
            let writers: Vec<_> = seeds
                .iter()
                .enumerate()
                .map(|(writer, seed)| {
                    let mut client = pki.connect(port, &pki.client);
                    let (draw, prefix) = (Draw::new(*seed), format!("{round}.{writer}"));
                    scope.spawn(move || Writing::default().go(&mut client, draw, &prefix))
                })
                .collect();
            thread::sleep(life);
            server.child.kill().unwrap();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(server.wait(), None, "it ended by a signal");
        assert_sound(&pki);

        let server = start();
        let mut client = pki.connect(server.port, &pki.client);
        for writing in &mut writings {
            acknowledged += writing.acknowledged;
            unanswered += usize::from(writing.unanswered.is_some());
            writing.check(&mut client);
            for object in writing.objects.keys() {
                assert!(given.insert(object.clone()), "{object} was given twice");
            }
            for known in std::mem::take(&mut writing.objects).into_values() {
                if known.destroyed { &mut destroyed } else { &mut live }.extend(known.key);
            }
        }
        // Each round searches for the keys of all rounds, because a later change may bring old pages back.
        let keys: Vec<_> = destroyed.iter().map(Vec::as_slice).collect();
        assert_eq!(found_in_files(&pki.folder.path("kmip.database"), &keys), [], "destroyed keys");
    }
    println!(
        "{rounds} rounds: {acknowledged} changes acknowledged, {unanswered} unanswered, nothing lost; {} keys \
         destroyed, nothing left",
        destroyed.len()
    );
    assert!(acknowledged > 0 && unanswered > 0 && !destroyed.is_empty());
    let found = found_in_files(&pki.folder.path("kmip.database"), &[&live[0]]);
    assert!(!found.is_empty(), "the search finds the keys that are there");
}
