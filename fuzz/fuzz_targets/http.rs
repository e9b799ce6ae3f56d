//! HTTP requests of a connection: heads and bodies in turn, independent of the sizes of the reads.

#![no_main]

use std::io::{self, Read};

use kmip_server::internals::server::http::{Head, RequestError, Requests, begins_with, read_head, response};
use libfuzzer_sys::fuzz_target;

/// A small limit, so that inputs of the usual size exceed it.
const LIMIT: usize = 2048;

/// A stream that arrives in two pieces.
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
    assert_eq!(whole, pieces, "the ends of the requests depend on the sizes of the reads");
    assert_eq!(end, other_end);
    for (head, body) in whole {
        let Ok(message) = head.encoding.decode(body.into()) else { continue };
        let Ok(text) = head.encoding.encode(message.to_vec()) else { continue };
        assert!(response(&head, head.persistence.keep_alive, &text).ends_with(&text));
    }
});

/// The end of the stream of requests.
#[derive(Debug, PartialEq)]
enum End {
    Closed,
    Cut,
    /// The reason can depend on the number of bytes that arrived.
    Refused,
}

/// Returns the requests that a connection reads from `bytes`, which arrive in two pieces, split at `cut`.
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
        let head = match read_head(&mut requests, &mut stream, LIMIT) {
            Ok(head) => head,
            Err(problem) => break problem,
        };
        match requests.body(&mut stream, head.framing) {
            Ok(body) => found.push((head, body.to_vec())),
            Err(problem) => break problem,
        }
    };
    let end = match problem {
        RequestError::Closed => End::Closed,
        RequestError::Cut => End::Cut,
        RequestError::Rejected(refusal) => {
            assert!(refusal.response(false).starts_with(b"HTTP/1.1 "));
            End::Refused
        }
        RequestError::Io(error) => panic!("a slice does not fail: {error}"),
    };
    (found, end)
}
