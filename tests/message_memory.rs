//! The memory of requests: what they compute with counts against `max_request_memory`, beside the bytes of messages.

use kmip_server::internals::dispatch::Respond;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kmip_server::internals::memory_quota::{FREE, MemoryQuota};
use kmip_server::kmip::enums::{
    AsynchronousIndicator, BatchErrorContinuationOption, CryptographicAlgorithm, ObjectType, Operation,
    ResultReason, ResultStatus,
};
use kmip_server::kmip::{Asynchronous, RequestHeader};
use kmip_server::ttlv::{Field, Tag, V1_4, Writer};

use crate::corpus::{
    algorithm, attribute, dispatcher, header, length, message_of, message_under, peer, statuses, template,
    usage,
};
use crate::dialogue::Caller;
use crate::harness::{Pki, Running, within};

/// The bytes of one result.
const RESULT: i32 = 1 << 20;
/// The number of results that use up most of the memory; each is counted with its copy in the response.
const RESULTS: usize = 7;
const MEMORY: usize = 16 << 20;

type Item = (Operation, Box<dyn Fn(&mut Writer)>);

fn random() -> Item {
    (Operation::RngRetrieve, Box::new(|w| RESULT.write(Tag::DataLength, w)))
}

/// Returns a Create Key Pair that takes minutes.
fn pair() -> Item {
    let payload = |w: &mut Writer| {
        let common = [attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa), length(8192)];
        template(Tag::CommonAttributes, &common, w);
        template(Tag::PrivateKeyAttributes, &[usage(0x1)], w);
        template(Tag::PublicKeyAttributes, &[usage(0x2)], w);
    };
    (Operation::CreateKeyPair, Box::new(payload))
}

/// Returns results that use memory, and a computation during which they are kept.
fn results_that_wait() -> Vec<Item> {
    (0..RESULTS).map(|_| random()).chain([pair()]).collect()
}

const PROCEED: Option<BatchErrorContinuationOption> = Some(BatchErrorContinuationOption::Continue);

#[test]
fn results_of_a_batch_that_waits_count_against_the_memory_of_messages() {
    for asynchronous in [false, true] {
        let indicator = asynchronous.then_some(Asynchronous(AsynchronousIndicator::Mandatory));
        let header = RequestHeader { asynchronous_indicator: indicator, ..header(V1_4, PROCEED) };
        let long = message_under(V1_4, header, &results_that_wait());
        let pki = Pki::new();
        let settings = pki.settings(&format!("max_request_size={}\nmax_request_memory={MEMORY}", 1 << 20));
        let log = pki.folder.path("server.log");
        let server = Running::start(["-f".as_ref(), settings.as_os_str(), "-l".as_ref(), log.as_os_str()]);
        let mut mallory = pki.connect(server.port, &pki.ca.client("Mallory"));
        mallory.send(&long).unwrap();
        let mut john = Caller::new(pki.connect(server.port, &pki.client));
        let large = message_of(V1_4, PROCEED, &[random(), random(), random()]);
        within(|| {
            let answers = john.send(V1_4, &large);
            let refused = answers.iter().filter(|answer| answer.status == ResultStatus::OperationFailed);
            let refused: Vec<_> = refused.map(|answer| answer.reason.unwrap()).collect();
            assert!(refused.iter().all(|reason| *reason == ResultReason::GeneralFailure), "{refused:?}");
            (!refused.is_empty()).then_some(())
        });
        let (operation, small) = random();
        let common = john.ask(V1_4, operation, |w| 100.write(Tag::DataLength, w));
        assert!(!common.done().is_empty(), "common requests need none of this memory");
        drop(small);
    }
}

#[test]
fn a_request_returns_the_memory_that_it_computed_with() {
    let dispatcher = dispatcher();
    let message = message_of(V1_4, PROCEED, &[random(), random()]);
    let ask = |memory: usize| {
        let mut memory = MemoryQuota::new(memory).reservation();
        assert!(memory.add(message.len()));
        let reply = dispatcher.respond_within(&message, peer(), &mut memory);
        (statuses(&reply.message), memory.bytes())
    };
    let (done, failed) = (ResultStatus::Success, ResultStatus::OperationFailed);
    let (found, bytes) = ask(MEMORY);
    assert_eq!(found, [done, done]);
    assert!((4 << 20..5 << 20).contains(&bytes), "two results and their copies: {bytes}");
    let (found, bytes) = ask((3 << 20) - FREE);
    assert_eq!(found, [done, failed]);
    assert!((2 << 20..3 << 20).contains(&bytes), "one result and its copy: {bytes}");
    assert_eq!(ask(0).0, [failed, failed]);
    let long =
        message_of(V1_4, None, &[(Operation::Hash, |w: &mut Writer| vec![7u8; FREE].write(Tag::Data, w))]);
    let mut memory = MemoryQuota::new(2 * FREE).reservation();
    assert!(memory.add(long.len()));
    let refused = dispatcher.respond_within(&long, peer(), &mut memory);
    assert_eq!(statuses(&refused.message), [failed], "three times the request");
}

/// The length of an identifier and the number of connections that send it.
const IDENTIFIER: usize = 15_000_000;
const CONNECTIONS: u64 = 12;

#[test]
fn long_identifiers_use_little_memory_and_log_and_do_not_delay_other_users() {
    let pki = Pki::new();
    let server = Running::start(pki.options());
    let mut john = Caller::new(pki.connect(server.port, &pki.client));
    let key = john.ask(V1_4, Operation::Create, create).id();
    let mallory = pki.ca.client("Mallory");
    let get = |id: &str, writer: &mut Writer| crate::corpus::id(id, writer);
    let name = "7".repeat(IDENTIFIER);
    let long = message_of(V1_4, None, &[(Operation::Get, |w: &mut Writer| get(&name, w))]);
    let (before, over) = (server.resident(), AtomicBool::new(false));
    let mut times: Vec<_> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = pki.connect(server.port, &mallory);
                    for _ in 0..3 {
                        assert_eq!(
                            statuses(&client.exchange(&long).unwrap()),
                            [ResultStatus::OperationFailed]
                        );
                    }
                })
            })
            .collect();
        let john = scope.spawn(|| {
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                assert!(!john.ask(V1_4, Operation::Get, |w| get(&key, w)).done().is_empty());
                times.push(begun.elapsed());
                std::thread::sleep(Duration::from_millis(10));
            }
            times
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        over.store(true, Ordering::Relaxed);
        john.join().unwrap()
    });
    let peak = peak(&server);
    let log = std::fs::metadata(pki.folder.path("server.log")).unwrap().len();
    times.sort_unstable();
    let (median, slow) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{} MB more at most, {log} bytes of log, Get {median:?} {slow:?}", (peak - before) / 1_000_000);
    assert!(peak - before < 2 * CONNECTIONS * IDENTIFIER as u64, "{peak} bytes");
    assert!(log < 64 << 10, "{log} bytes");
    // In a debug build on a machine that other processes use too; once, it was 14 s.
    assert!(median < Duration::from_millis(200) && slow < Duration::from_secs(2), "{median:?} {slow:?}");
}

/// Returns the largest resident memory that the process had.
fn peak(server: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn create(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
}
