//! Heads, bodies and chunks, valid or not, and the responses to invalid ones.

use std::io;

use super::*;
use crate::http::{MAX_CHUNK_LINE, MAX_HEAD};

const LIMIT: usize = 1000;

fn head(text: &str) -> Result<Head, RequestError> {
    read_head(&mut Requests::default(), &mut text.as_bytes(), LIMIT)
}

fn post(fields: &str) -> String {
    format!("POST /kmip HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn reads_pipelined_requests_in_chunks_of_any_size() {
    struct OneByteReader<'a>(&'a [u8]);
    impl Read for OneByteReader<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }
    let text = "POST /kmip HTTP/1.1\r\nhost:\r\ncontent-type: TEXT/XML; charset=utf-8\r\nContent-Length: 2\r\n\r\nab\
                POST https://b:5696/kmip?a HTTP/1.0\r\nContent-Type:application/json\r\nContent-Length:0\r\n\r\n";
    let mut stream = OneByteReader(text.as_bytes());
    let mut requests = Requests::default();
    let first = read_head(&mut requests, &mut stream, LIMIT).unwrap();
    assert_eq!(
        (first.encoding, first.persistence.keep_alive, first.persistence.is_http_1_0),
        (Encoding::Xml, true, false)
    );
    assert_eq!(*requests.body(&mut stream, first.framing).unwrap(), b"ab");
    let second = read_head(&mut requests, &mut stream, LIMIT).unwrap();
    assert_eq!(
        (second.encoding, second.persistence.keep_alive, second.persistence.is_http_1_0),
        (Encoding::Json, false, true)
    );
    assert_eq!(*requests.body(&mut stream, second.framing).unwrap(), b"");
    assert!(matches!(read_head(&mut requests, &mut stream, LIMIT), Err(RequestError::Closed)));

    let mut whole = text.as_bytes();
    let mut requests = Requests::default();
    let first = read_head(&mut requests, &mut whole, LIMIT).unwrap();
    assert_eq!(*requests.body(&mut whole, first.framing).unwrap(), b"ab");
    assert!(requests.has_begun());
}

#[test]
fn rejects_invalid_requests_with_the_fitting_status() {
    let long = format!("X: {}\r\n", "a".repeat(MAX_HEAD));
    let many = "X: a\r\n".repeat(MAX_FIELDS + 1);
    let typed = "Content-Type: application/octet-stream\r\n";
    for (text, status) in [
        ("GET /kmip HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "405"),
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "404"),
        (post(""), "411"),
        (format!("POST /kmip HTTP/1.1\r\n{typed}Content-Length: 0\r\n\r\n"), "400"),
        (post(&format!("{typed}Content-Length: 0\r\nHost: a\r\n")), "400"),
        (format!("POST /kmip HTTP/1.0\r\nHost: a\r\nHost: a\r\n{typed}Content-Length: 0\r\n\r\n"), "400"),
        ("POST /kmip HTTP/2.0\r\n\r\n".to_owned(), "400"),
        ("POST/kmip\r\n\r\n".to_owned(), "400"),
        (post("Content-Length: 1\r\n"), "415"),
        (post("Content-Length: 1\r\nContent-Type: text/plain\r\n"), "415"),
        (post("Transfer-Encoding: gzip\r\n"), "501"),
        (post("Transfer-Encoding: gzip, chunked\r\n"), "501"),
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "501"),
        (post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), "400"),
        (post("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"), "400"),
        ("POST /kmip HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), "400"),
        (post(&format!("{typed}Content-Length: 1\r\nContent-Length: 2\r\n")), "400"),
        (post(&format!("{typed}Content-Length: +1\r\n")), "400"),
        (post(&format!("{typed}Content-Length: 1001\r\n")), "413"),
        (post(&format!("{typed}Content-Length: 99999999999999999999999\r\n")), "413"),
        (post(&long), "431"),
        (post(&many), "431"),
    ] {
        match head(&text) {
            Err(RequestError::Rejected(rejection)) => {
                assert!(rejection.status().starts_with(status), "{text}: {rejection}")
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

/// Reads a chunked body and returns it with the bytes after it.
fn chunked(chunks: &str) -> Result<(Vec<u8>, Vec<u8>), RequestError> {
    let text = post("Content-Type: text/xml\r\nTransfer-Encoding: Chunked\r\n") + chunks;
    let (mut stream, mut requests) = (text.as_bytes(), Requests::default());
    let head = read_head(&mut requests, &mut stream, LIMIT)?;
    let body = requests.body(&mut stream, head.framing)?;
    Ok((body.to_vec(), [requests.ahead.as_slice(), stream].concat()))
}

#[test]
fn reads_chunks_and_what_follows_them_as_the_next_request() {
    for (chunks, body) in [
        ("0\r\n\r\n", ""),
        ("3\r\nabc\r\n0\r\n\r\n", "abc"),
        ("1\r\na\r\n00A;x=\"y\"\r\n0123456789\r\n0;x\r\nX: 1\r\nContent-Length: 9\r\n\r\n", "a0123456789"),
    ] {
        let (read, after) = chunked(&format!("{chunks}POST /")).unwrap();
        assert_eq!((read.as_slice(), after.as_slice()), (body.as_bytes(), &b"POST /"[..]), "{chunks}");
    }
    let whole = format!("3e8\r\n{}\r\n0\r\n\r\n", "a".repeat(LIMIT));
    assert_eq!(chunked(&whole).unwrap().0.len(), LIMIT);
}

#[test]
fn refuses_malformed_and_long_chunks() {
    let long_line = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(MAX_CHUNK_LINE));
    let many_lines = format!("1;{}\r\na\r\n", "x".repeat(200)).repeat(100) + "0\r\n\r\n";
    let long_trailer = format!("0\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD));
    let many_trailers = format!("0\r\n{}\r\n", "X: a\r\n".repeat(MAX_FIELDS + 1));
    for (chunks, status) in [
        ("x\r\n", "400"),
        ("-1\r\n", "400"),
        ("1\r\nab\r\n0\r\n\r\n", "400"),
        ("1\r\na\n\n0\r\n\r\n", "400"),
        ("0\r\nno field\r\n\r\n", "400"),
        ("ffffffffffffffffff\r\n", "400"),
        (&long_line, "400"),
        ("ffffffffffffffff\r\n", "413"),
        ("3e9\r\n", "413"),
        (&format!("3e8\r\n{}\r\n1\r\n", "a".repeat(LIMIT)), "413"),
        (&many_lines, "413"),
        (&long_trailer, "431"),
        (&many_trailers, "431"),
    ] {
        match chunked(chunks) {
            Err(RequestError::Rejected(rejection)) => {
                assert!(rejection.status().starts_with(status), "{chunks:?}: {rejection}")
            }
            other => panic!("{chunks:?}: {other:?}"),
        }
    }
    for cut in ["", "3", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "0\r\n", "0\r\nX: 1\r\n"] {
        assert!(matches!(chunked(cut), Err(RequestError::Cut)), "{cut:?}");
    }
}

#[test]
fn distinguishes_end_of_stream_inside_a_request_from_one_between_requests() {
    assert!(matches!(head(""), Err(RequestError::Closed)));
    assert!(matches!(head("POST /kmip"), Err(RequestError::Cut)));
    let text = post("Content-Type: text/xml\r\nContent-Length: 3\r\n") + "ab";
    let (mut stream, mut requests) = (text.as_bytes(), Requests::default());
    let head = read_head(&mut requests, &mut stream, LIMIT).unwrap();
    assert!(matches!(requests.body(&mut stream, head.framing), Err(RequestError::Cut)));
}

#[test]
fn rejection_is_a_complete_response_that_closes_the_connection() {
    let text = String::from_utf8(Rejection::from(WRONG_METHOD).response(false)).unwrap();
    assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nDate: "), "{text}");
    assert!(text.contains("\r\nConnection: close\r\n\r\nKMIP messages are sent with POST.\n"), "{text}");
    let to_head = String::from_utf8(Rejection::from(WRONG_METHOD).response(true)).unwrap();
    assert!(text.starts_with(&to_head) && to_head.ends_with("\r\n\r\n"), "{to_head}");
}
