//! Durability: acknowledged writes survive a restart and a kill at any moment.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kmip_server::kmip::enums::{ObjectType, Operation, ResultStatus};
use kmip_server::ttlv::{Field, Tag, V1_2, Writer};

use crate::corpus::{self, algorithm, length, named, template, usage};
use crate::dialogue::{Answer, Caller};
use crate::harness::{Pki, Running, within};

/// The number of acknowledged writes before the kill, which is high enough that every connection is writing.
const ENOUGH: usize = 30;

/// Starts the executable with a database in the folder of the PKI.
fn start(pki: &Pki) -> Running {
    let database = pki.folder.path("kmip.database").display().to_string();
    let mut options = pki.options();
    options.extend(["-d".to_owned(), database]);
    Running::start(options)
}

fn connect(pki: &Pki, port: u16) -> Caller {
    Caller::new(pki.connect(port, &pki.client))
}

fn create(client: &mut Caller, name: &str) -> std::io::Result<String> {
    let answer = client.try_ask(V1_2, Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &[named(name), algorithm(), length(256), usage(0xC)], writer);
    })?;
    Ok(answer.id())
}

fn get(client: &mut Caller, id: &str) -> Answer {
    client.ask(V1_2, Operation::Get, |writer| corpus::id(id, writer))
}

fn all(client: &mut Caller) -> BTreeSet<String> {
    client.ask(V1_2, Operation::Locate, |_: &mut Writer| ()).ids().into_iter().collect()
}

#[test]
fn an_acknowledged_write_survives_a_kill_100_milliseconds_later() {
    let pki = Pki::new();
    let mut server = start(&pki);
    let mut client = connect(&pki, server.port);
    let kept = create(&mut client, "kept").unwrap();
    let before = get(&mut client, &kept);
    let last = create(&mut client, "last").unwrap();
    thread::sleep(Duration::from_millis(100));
    server.child.kill().unwrap();
    assert_eq!(server.wait(), None, "it ended by a signal");

    let server = start(&pki);
    let mut client = connect(&pki, server.port);
    assert_eq!(get(&mut client, &kept).payload, before.payload);
    assert_eq!(get(&mut client, &last).status, ResultStatus::Success);
    assert_eq!(all(&mut client), BTreeSet::from([kept, last.clone()]));
    let next = create(&mut client, "next").unwrap();
    assert!(next.parse::<u64>().unwrap() > last.parse().unwrap(), "identifiers are not used again");
}

#[test]
fn acknowledged_writes_survive_a_kill_under_load() {
    let pki = Pki::new();
    let mut server = start(&pki);
    let port = server.port;
    let written = AtomicUsize::new(0);
    let (acknowledged, unanswered) = thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (pki, written) = (&pki, &written);
                scope.spawn(move || {
                    let mut client = connect(pki, port);
                    let mut ids = Vec::new();
                    // Ends when the server is killed.
                    while let Ok(id) = create(&mut client, &format!("{writer}, {}", ids.len())) {
                        ids.push(id);
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                    ids
                })
            })
            .collect();
        within(|| (written.load(Ordering::Relaxed) >= ENOUGH).then_some(()));
        server.child.kill().unwrap();
        let count = writers.len();
        let ids: BTreeSet<String> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        (ids, count)
    });
    assert!(acknowledged.len() >= ENOUGH);

    let server = start(&pki);
    let mut client = connect(&pki, server.port);
    let there = all(&mut client);
    assert!(there.is_superset(&acknowledged), "lost: {:?}", acknowledged.difference(&there));
    // One write per connection may be durable although the kill prevented its response.
    assert!(there.len() <= acknowledged.len() + unanswered, "{} more", there.len() - acknowledged.len());
    for id in &there {
        assert_eq!(get(&mut client, id).status, ResultStatus::Success, "object {id} is whole");
    }
}

#[test]
fn every_object_and_attribute_survives_a_restart() {
    let pki = Pki::new();
    let mut server = start(&pki);
    let mut client = connect(&pki, server.port);
    let ids: Vec<_> = corpus::objects()
        .iter()
        .map(|object| client.ask(V1_2, Operation::Register, |writer| corpus::register(object, writer)).id())
        .collect();
    let seen = |client: &mut Caller| -> Vec<_> {
        ids.iter()
            .map(|id| {
                let object = get(client, id);
                let attributes = client.ask(V1_2, Operation::GetAttributes, |writer| corpus::id(id, writer));
                assert_eq!(object.status, ResultStatus::Success);
                (object.payload, attributes.payload)
            })
            .collect()
    };
    let before = seen(&mut client);
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));

    let server = start(&pki);
    let after = seen(&mut connect(&pki, server.port));
    assert_eq!(after, before);
}
