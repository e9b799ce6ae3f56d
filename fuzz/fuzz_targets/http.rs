//! Requests of HTTP as a connection reads them: one head and body after the other, however they arrive.

#![no_main]

use std::io::{self, Read};

use kmip_server::internals::server::http::{Head, RequestError, Requests, begins_with, response};
use libfuzzer_sys::fuzz_target;

/// As small as inputs are, so that some requests are too long.
const LIMIT: usize = 2048;

/// A stream that comes in two pieces.
struct Pieces<'a> {
    first: &'a [u8],
    second: &'a [u8],
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.first.is_empty() { self.second.read(room) } else { self.first.read(room) }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((place, bytes)) = bytes.split_first() else { return };
    let (whole, end) = requests(bytes, bytes.len());
    let (pieces, other_end) = requests(bytes, bytes.len() * usize::from(*place) / 256);
    assert_eq!(whole, pieces, "where a request ends depends on how it arrives");
    assert_eq!(end, other_end);
    for (head, body) in whole {
        let Ok(message) = head.encoding.decode(body.into()) else { continue };
        let Ok(text) = head.encoding.encode(message.to_vec()) else { continue };
        assert!(response(&head, head.keep_alive, &text).ends_with(&text));
    }
});

/// Why the stream of requests ended.
#[derive(Debug, PartialEq)]
enum End {
    Closed,
    Cut,
    /// What is refused first may depend on how much is there.
    Refused,
}

/// What a connection reads of `bytes`, which come in two pieces: up to `cut`, and from there on.
fn requests(bytes: &[u8], cut: usize) -> (Vec<(Head, Vec<u8>)>, End) {
    let mut found = Vec::new();
    let Some((first, bytes)) = bytes.split_first() else { return (found, End::Closed) };
    if !begins_with(*first) {
        return (found, End::Refused);
    }
    let (first_piece, second) = bytes.split_at(cut.min(bytes.len()));
    let mut stream = Pieces { first: first_piece, second };
    let mut requests = Requests::beginning_with(*first);
    let problem = loop {
        let head = match requests.head(&mut stream, LIMIT) {
            Ok(head) => head,
            Err(problem) => break problem,
        };
        match requests.body(&mut stream, &head) {
            Ok(body) => found.push((head, body.to_vec())),
            Err(problem) => break problem,
        }
    };
    let end = match problem {
        RequestError::Closed => End::Closed,
        RequestError::Cut => End::Cut,
        RequestError::Rejected(refusal) => {
            assert!(refusal.response().starts_with(b"HTTP/1.1 "));
            End::Refused
        }
        RequestError::Io(error) => panic!("a slice does not fail: {error}"),
    };
    (found, end)
}
