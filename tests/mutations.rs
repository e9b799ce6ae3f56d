//! Invalid requests: the dispatcher processes every prefix of every valid request, and 100,000 mutated
//! requests. It must respond to each with a well-formed message, without a panic and within a time limit.
//!
//! The sequence of requests is the same in each run, so that failures are reproducible.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic;
use std::sync::Once;
use std::time::Instant;

use kmip_server::internals::dispatch::{Dispatcher, MAX_RESPONSE, Respond};
use kmip_server::kmip::enums::ResultStatus;

use crate::corpus::{batches, dispatcher, peer, requests, statuses, text};
use crate::harness::{Draw, PATIENCE, resident};

/// The number of mutated requests; `KMIP_MUTATIONS` overrides it.
const MUTATIONS: usize = 100_000;
/// The number of requests that share a dispatcher. Requests also meet objects that earlier requests changed.
const SHARED: usize = 64;
/// The fraction of key pair requests that are sent: one in this number.
const HEAVY: u64 = 40;
/// The permitted growth of the process: the largest response, and room for the tests that run at the same time.
const GROWTH: u64 = 256 << 20;

#[test]
fn answers_truncated_requests_with_a_failure() {
    let bugs = Bugs::here();
    let dispatcher = dispatcher();
    let mut count = 0;
    for (row, version, request) in requests() {
        for length in 0..request.len() {
            let cut = &request[..length];
            let statuses = answer(&dispatcher, cut);
            assert_eq!(statuses, [ResultStatus::OperationFailed], "{} in {version}, cut", row.operation);
            count += 1;
        }
        bugs.assert_none(&format!("{} in {version}, cut", row.operation));
    }
    assert!(count > 10_000, "{count}");
}

#[test]
fn answers_mutated_requests_without_a_panic() {
    let count = std::env::var("KMIP_MUTATIONS").map_or(MUTATIONS, |count| count.parse().unwrap());
    let bugs = Bugs::here();
    let mut draw = Draw::new(0x9e37_79b9_7f4a_7c15);
    let (heavy, mut light): (Vec<_>, Vec<_>) = requests().partition(|(row, ..)| row.heavy);
    let light: Vec<_> =
        light.drain(..).map(|(.., request)| request).chain(batches().map(|it| it.1)).collect();
    let heavy: Vec<_> = heavy.into_iter().map(|(.., request)| request).collect();

    let before = resident("self");
    let mut dispatcher = dispatcher();
    let mut outcomes = BTreeMap::new();
    for round in 0..count {
        if round % SHARED == 0 {
            dispatcher = crate::corpus::dispatcher();
        }
        let from = if draw.below(HEAVY) == 0 && !heavy.is_empty() { &heavy } else { &light };
        let mut request = draw.one_of(from).clone();
        for _ in 0..=draw.below(3) {
            mutate(&mut request, &light, &mut draw);
        }
        // A connection passes only complete frames on.
        if let Some(length) = request.get(4..8) {
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if draw.below(8) > 0 && request.len() > 8 && length + 8 != request.len() {
                let length = u32::try_from(request.len() - 8).unwrap();
                request[4..8].copy_from_slice(&length.to_be_bytes());
            }
        }
        let begun = Instant::now();
        for status in answer(&dispatcher, &request) {
            *outcomes.entry(status as u32).or_insert(0usize) += 1;
        }
        assert!(begun.elapsed() < PATIENCE, "round {round} took {:?}: {}", begun.elapsed(), text(&request));
        bugs.assert_none(&format!("round {round}"));
    }
    let (done, failed) = (
        outcomes.get(&(ResultStatus::Success as u32)).copied().unwrap_or_default(),
        outcomes.get(&(ResultStatus::OperationFailed as u32)).copied().unwrap_or_default(),
    );
    assert!(done > count / 100 && failed > count / 4, "the changes reach all depths: {outcomes:?}");
    let growth = resident("self").saturating_sub(before);
    assert!(growth < GROWTH, "the process grew by {growth} bytes");
}

fn answer(dispatcher: &Dispatcher, request: &[u8]) -> Vec<ResultStatus> {
    let reply = dispatcher.respond(request, peer());
    assert!(reply.message.len() <= MAX_RESPONSE);
    statuses(&reply.message)
}

/// Applies one mutation: of bits, numbers, lengths, types, tags or order.
fn mutate(request: &mut Vec<u8>, others: &[Vec<u8>], draw: &mut Draw) {
    if request.len() < 16 {
        return;
    }
    let at = draw.index(request.len());
    // Items begin at multiples of eight: a tag, a type and a length, or a value.
    let word = draw.index(request.len() / 8) * 8;
    match draw.below(12) {
        0 => request[at] ^= 1 << draw.below(8),
        1 => request[at] = *draw.one_of(&[0x00, 0x01, 0x7F, 0x80, 0xFF, 0x42]),
        2 => request[word + 3] = u8::try_from(draw.below(14)).unwrap(),
        3 => {
            let lengths = [0, 1, 7, 8, 9, 1 << 16, 0x3FFF_FFFF, 0x7FFF_FFFF, 0x8000_0000, u32::MAX];
            request[word + 4..word + 8].copy_from_slice(&draw.one_of(&lengths).to_be_bytes());
        }
        4 => {
            let numbers = [0, 1, -1, 31, 32, 16_384, i32::MAX, i32::MIN, 0x0042_0008, 8, 128];
            request[word..word + 4].copy_from_slice(&draw.one_of(&numbers).to_be_bytes());
        }
        5 => {
            let numbers = [0, 1, -1, i64::MAX, i64::MIN, i64::from(u32::MAX)];
            request[word..word + 8].copy_from_slice(&draw.one_of(&numbers).to_be_bytes());
        }
        6 => {
            // Replaces a tag by another tag of the standard.
            let tag = 0x0042_0001 + u32::try_from(draw.below(0x170)).unwrap();
            request[word..word + 3].copy_from_slice(&tag.to_be_bytes()[1..]);
        }
        7 => {
            request.drain(word..(word + 8 * (1 + draw.index(4))).min(request.len()));
        }
        8 => {
            let end = (word + 8 * (1 + draw.index(8))).min(request.len());
            let part = request[word..end].to_vec();
            request.splice(word..word, part);
        }
        9 => {
            let other = draw.one_of(others);
            let from = draw.index(other.len() / 8) * 8;
            let part = other[from..(from + 8 * (1 + draw.index(8))).min(other.len())].to_vec();
            request.splice(word..word, part);
        }
        10 => {
            let other = draw.one_of(others);
            request.truncate(word);
            request.extend_from_slice(other.get(word..).unwrap_or_default());
        }
        _ => {
            let (one, two) = (word, draw.index(request.len() / 8) * 8);
            for offset in 0..8 {
                request.swap(one + offset, two + offset);
            }
        }
    }
    request.truncate(64 << 10);
}

/// Counts the panics of this thread, because the dispatcher catches them and responds.
struct Bugs;

thread_local! {
    /// The number of panics, if counting is enabled.
    static COUNT: Cell<Option<u64>> = const { Cell::new(None) };
}

impl Bugs {
    /// Counts the panics of this thread from now on.
    fn here() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                COUNT.set(COUNT.get().map(|count| count + 1));
                before(panic);
            }));
        });
        COUNT.set(Some(0));
        Self
    }

    fn assert_none(&self, doing: &str) {
        let count = COUNT.replace(Some(0));
        assert_eq!(count, Some(0), "a bug was met: {doing}");
    }
}

impl Drop for Bugs {
    fn drop(&mut self) {
        COUNT.set(None);
    }
}
