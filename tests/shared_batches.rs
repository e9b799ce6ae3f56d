//! Batches without Undo on a shared PostgreSQL database: their changes are committed together, and no other server waits for an
//! item that computes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::kmip::enums::{
    BatchErrorContinuationOption, CryptographicAlgorithm, Operation, ResultReason, ResultStatus,
    UsageLimitsUnit,
};
use kmip_server::kmip::structures::UsageLimits;
use kmip_server::ttlv::{Field, Tag, V1_4, V2_1, Writer};

use crate::corpus::{attribute, id, length, message_of, named, template, usage};
use crate::dialogue::{Answer, Caller};
use crate::groups::join;
use crate::shared_database::{Servers, create, hmac, locate, register};

type Payload<'a> = &'a dyn Fn(&mut Writer);

const CONTINUE: BatchErrorContinuationOption = BatchErrorContinuationOption::Continue;

fn batch(
    caller: &mut Caller,
    option: BatchErrorContinuationOption,
    items: &[(Operation, Payload<'_>)],
) -> Vec<Answer> {
    caller.send(V2_1, &message_of(V2_1, Some(option), items))
}

fn statuses(answers: &[Answer]) -> Vec<bool> {
    answers.iter().map(Answer::is_done).collect()
}

/// The transactions that wrote the objects are this many.
fn transactions(count: u32) -> String {
    format!("SELECT 1 / (CASE WHEN count(DISTINCT xmin::text) = {count} THEN 1 ELSE 0 END) FROM object")
}

#[test]
fn batch_is_one_transaction_in_which_a_failed_item_fails_alone() {
    let Some(servers) = Servers::start(2) else { return };
    let (mut one, mut other) = (servers.caller(0), servers.caller(1));
    let [first, second] = ["first", "second"].map(create);
    let (first, second): (Payload<'_>, Payload<'_>) = (&first, &second);
    let gone: Payload<'_> = &|writer| id("999", writer);
    let placeholder: Payload<'_> = &|_| ();
    let found: Payload<'_> = &|writer| template(Tag::Attributes, &[named("second")], writer);
    let items = [
        (Operation::Create, first),
        (Operation::Activate, gone),
        (Operation::Create, second),
        (Operation::Activate, placeholder),
        (Operation::Locate, found),
    ];
    let answers = batch(&mut one, CONTINUE, &items);
    assert_eq!(statuses(&answers), [true, false, true, true, true]);
    assert_eq!(answers[4].ids(), answers[2].ids(), "Locate sees the changes of the batch");
    assert!(servers.database.execute(&transactions(1)), "one transaction");
    assert_eq!(locate(&mut other, "first"), answers[0].ids());
    assert_eq!(locate(&mut other, "second"), answers[2].ids());
    // With Stop, the items before the failure are kept.
    let answers = batch(&mut one, BatchErrorContinuationOption::Stop, &items);
    assert_eq!(statuses(&answers), [true, false]);
    assert_eq!(locate(&mut other, "first").len(), 2);
    assert!(servers.database.execute(&transactions(2)));
    // Two items, each in a transaction of its own.
    batch(&mut one, CONTINUE, &items[..1]);
    batch(&mut one, CONTINUE, &items[..1]);
    assert!(servers.database.execute(&transactions(4)));
}

#[test]
fn batches_of_three_servers_use_a_limit_of_100_exactly() {
    let Some(servers) = Servers::start(3) else { return };
    let limits = UsageLimits {
        usage_limits_total: 100,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Object,
    };
    let key = register(&mut servers.caller(0), &[usage(0x80), attribute(Tag::UsageLimits, &limits)]);
    servers.caller(0).ask(V1_4, Operation::Activate, |writer| id(&key, writer)).done();
    let used = AtomicU32::new(0);
    thread::scope(|scope| {
        for number in 0..6 {
            let (servers, key, used) = (&servers, &key, &used);
            scope.spawn(move || {
                let mut caller = servers.caller(number);
                let mac: Payload<'_> = &|writer| {
                    id(key, writer);
                    hmac(writer);
                    b"data".to_vec().write(Tag::Data, writer);
                };
                for _ in 0..6 {
                    let answers = batch(&mut caller, CONTINUE, &[(Operation::Mac, mac); 4]);
                    used.fetch_add(
                        u32::try_from(answers.iter().filter(|answer| answer.is_done()).count()).unwrap(),
                        Ordering::Relaxed,
                    );
                }
            });
        }
    });
    assert_eq!(used.into_inner(), 100);
}

#[test]
fn effects_outside_of_the_store_happen_once_in_a_batch() {
    let Some(servers) = Servers::start(2) else { return };
    let mut one = servers.caller(0);
    let [first, second] = ["first", "second"].map(create);
    let (first, second): (Payload<'_>, Payload<'_>) = (&first, &second);
    let member = join(&mut one, "group");
    let get: Payload<'_> = &|writer| id(&member, writer);
    let nothing: Payload<'_> = &|_| ();
    // The rotation of the group is outside of the transaction, so the items run in transactions of their own.
    let items = [(Operation::Create, first), (Operation::Get, get), (Operation::Create, second)];
    assert_eq!(statuses(&batch(&mut one, CONTINUE, &items)), [true; 3]);
    let items = [(Operation::Create, first), (Operation::Login, nothing), (Operation::Create, second)];
    assert_eq!(statuses(&batch(&mut one, CONTINUE, &items)), [true; 3]);
    for name in ["first", "second"] {
        assert_eq!(locate(&mut one, name).len(), 2);
    }
}

#[test]
fn no_other_server_waits_for_a_batch_that_computes() {
    let Some(servers) = Servers::start(2) else { return };
    let mut one = servers.caller(0);
    let key = register(&mut one, &[usage(12)]);
    let renamed: Payload<'_> = &|writer| {
        id(&key, writer);
        named("of the batch").write(Tag::Attribute, writer);
    };
    let pair: Payload<'_> = &|writer| {
        let rsa = attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa);
        template(Tag::CommonAttributes, &[rsa, length(2048)], writer);
        template(Tag::PrivateKeyAttributes, &[usage(0x1)], writer);
        template(Tag::PublicKeyAttributes, &[usage(0x2)], writer);
    };
    let mut items = vec![(Operation::AddAttribute, renamed)];
    items.resize(3, (Operation::CreateKeyPair, pair));
    let request = message_of(V1_4, Some(CONTINUE), &items);
    let (mut changes, mut longest) = (0, Duration::ZERO);
    thread::scope(|scope| {
        let batch = scope.spawn(|| one.send(V1_4, &request));
        let mut other = servers.caller(1);
        // The same object as the batch changes.
        while !batch.is_finished() {
            let begun = Instant::now();
            let answer = other.ask(V1_4, Operation::Activate, |writer| id(&key, writer));
            let is_expected = answer.is_done() || answer.refused() == ResultReason::PermissionDenied;
            assert!(is_expected, "{answer:?}");
            longest = longest.max(begun.elapsed());
            changes += 1;
            thread::sleep(Duration::from_millis(5));
        }
        let answers = batch.join().unwrap();
        assert!(answers.iter().all(|answer| answer.status == ResultStatus::Success), "{answers:?}");
    });
    assert!(changes > 0, "{changes} changes in the time of the batch");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert_eq!(locate(&mut servers.caller(1), "of the batch"), [key]);
}

/// Prints the times of batches; `cargo test shared_batches -- --ignored --nocapture`.
#[test]
#[ignore = "it measures"]
fn times_of_batches() {
    let Some(servers) = Servers::start(1) else { return };
    let mut one = servers.caller(0);
    let create = create("many");
    let create: Payload<'_> = &create;
    let made = register(&mut one, &[usage(12)]);
    let get: Payload<'_> = &|writer| id(&made, writer);
    one.get(V1_4, &made);
    for (name, item) in [("Create", (Operation::Create, create)), ("Get", (Operation::Get, get))] {
        for count in [2, 10, 100] {
            let request = message_of(V2_1, Some(CONTINUE), &vec![item; count]);
            let begun = Instant::now();
            for _ in 0..20 {
                assert!(one.send(V2_1, &request).iter().all(Answer::is_done));
            }
            println!("{count} x {name}: {:?}", begun.elapsed() / 20);
        }
    }
}
