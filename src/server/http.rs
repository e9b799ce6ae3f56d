//! The part of HTTP/1.0 and 1.1 (RFC 9112) that KMIP over HTTPS needs: one message per request and per response, as
//! TTLV, XML or JSON (KMIP Additional Message Encodings 1.0 §2, KMIP Profiles 2.1 §5.3).
//!
//! A request must state its length. An invalid HTTP request is answered with an HTTP status and a sentence, and ends
//! the connection; [`crate::dispatch`] answers errors in the message itself.

use std::fmt;
use std::io::{self, Read};

use httparse::Status as Parsed;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::encoding::{self, json, xml};

/// The target of requests (Profiles 2.1 §5.3).
const TARGET: &str = "/kmip";

/// The maximum length of a request line with its fields, in bytes. Clients send a few hundred.
pub const MAX_HEAD: usize = 8 * 1024;

/// The maximum number of fields of a request.
pub const MAX_FIELDS: usize = 64;

/// The number of bytes per read: of a head, which usually fits together with a small body, and of a body. Small
/// chunks matter because the unused rest of a buffer is wiped, too.
const HEAD_CHUNK: usize = 1024;
const BODY_CHUNK: usize = 16 * 1024;

/// The encoding of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// TTLV.
    Ttlv,
    /// XML.
    Xml,
    /// JSON.
    Json,
}

impl Encoding {
    /// Returns the encoding of a Content-Type, whose parameters are ignored.
    fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let kinds = [
            ("application/octet-stream", Self::Ttlv),
            ("text/xml", Self::Xml),
            ("application/xml", Self::Xml),
            ("application/json", Self::Json),
        ];
        kinds.into_iter().find(|(name, _)| kind.eq_ignore_ascii_case(name)).map(|(_, encoding)| encoding)
    }

    /// Returns the Content-Type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Ttlv => "application/octet-stream",
            Self::Xml => "text/xml",
            Self::Json => "application/json",
        }
    }

    /// Decodes a message to TTLV.
    ///
    /// # Errors
    /// Returns an error if the body is not a message in this encoding.
    pub fn decode(self, body: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, encoding::Error> {
        match self {
            Self::Ttlv => Ok(body),
            Self::Xml => xml::decode(&body).map(Zeroizing::new),
            Self::Json => json::decode(&body).map(Zeroizing::new),
        }
    }

    /// Encodes a TTLV message.
    ///
    /// # Errors
    /// Returns an error if `message` is not TTLV, or has an item without a name in this encoding.
    pub fn encode(self, message: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, encoding::Error> {
        let message = Zeroizing::new(message);
        match self {
            Self::Ttlv => Ok(message),
            Self::Xml => xml::encode(&message).map(|text| Zeroizing::new(text.into_bytes())),
            Self::Json => json::encode(&message).map(|text| Zeroizing::new(text.into_bytes())),
        }
    }
}

/// The request line and fields of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// The encoding of the body, and of the response.
    pub encoding: Encoding,
    /// The length of the body, in bytes.
    length: usize,
    /// Whether the client waits for a 100 response before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// Whether the connection stays open after the response.
    pub keep_alive: bool,
    /// Whether the request is an HTTP/1.0 request: its response must be one, too.
    is_http_1_0: bool,
}

/// The reason for which no request could be read.
#[derive(Debug)]
pub enum RequestError {
    /// The client closed the connection between two requests.
    Closed,
    /// The client closed the connection inside a request.
    Cut,
    /// The stream failed.
    Io(io::Error),
    /// The request is answered with an HTTP error.
    Rejected(Rejection),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the client closed the connection"),
            Self::Cut => f.write_str("the client closed the connection inside an HTTP request"),
            Self::Io(error) => error.fmt(f),
            Self::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

impl From<Rejection> for RequestError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// The reason for which a request is answered with an HTTP error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "`Display` describes each")]
pub enum Rejection {
    Malformed,
    InvalidMessage(encoding::Error),
    WrongTarget,
    WrongMethod,
    NoLength,
    TooLong { limit: usize },
    WrongType,
    HeadTooLong,
    WrongTransferCoding,
}

impl Rejection {
    /// Returns the status code and reason phrase (RFC 9110 §15).
    fn status(&self) -> &'static str {
        match self {
            Self::Malformed | Self::InvalidMessage(_) => "400 Bad Request",
            Self::WrongTarget => "404 Not Found",
            Self::WrongMethod => "405 Method Not Allowed",
            Self::NoLength => "411 Length Required",
            Self::TooLong { .. } => "413 Content Too Large",
            Self::WrongType => "415 Unsupported Media Type",
            Self::HeadTooLong => "431 Request Header Fields Too Large",
            Self::WrongTransferCoding => "501 Not Implemented",
        }
    }

    /// Returns the response. The connection ends after it.
    pub fn response(&self) -> Vec<u8> {
        let allow = if *self == Self::WrongMethod { "Allow: POST\r\n" } else { "" };
        let text = format!("{self}.\n");
        let head = format!("HTTP/1.1 {}\r\n{allow}", self.status());
        finish(head, "text/plain; charset=utf-8", "close", text.as_bytes())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the HTTP request is malformed"),
            Self::InvalidMessage(error) => write!(f, "the body is no KMIP message: {error}"),
            Self::WrongTarget => write!(f, "KMIP messages are sent to {TARGET}"),
            Self::WrongMethod => f.write_str("KMIP messages are sent with POST"),
            Self::NoLength => f.write_str("the HTTP request has no Content-Length, which is required"),
            Self::TooLong { limit } => write!(f, "the message is longer than {limit} bytes"),
            Self::WrongType => {
                f.write_str("the Content-Type must be application/octet-stream, text/xml or application/json")
            }
            Self::HeadTooLong => {
                write!(
                    f,
                    "the HTTP request has fields of more than {MAX_HEAD} bytes, or more than {MAX_FIELDS}"
                )
            }
            Self::WrongTransferCoding => f.write_str(
                "the HTTP request has a Transfer-Encoding, which is not supported; send a Content-Length",
            ),
        }
    }
}

/// Returns whether a stream that begins with this byte is HTTP: methods consist of letters, and KMIP tags begin with
/// 0x42, the letter B.
pub fn begins_with(byte: u8) -> bool {
    byte.is_ascii_alphabetic() && byte != 0x42
}

/// The requests of one connection, in sequence.
#[derive(Debug, Default)]
pub struct Requests {
    /// Bytes that were read ahead. They are wiped, because bodies contain keys.
    ahead: Zeroizing<Vec<u8>>,
}

impl Requests {
    /// Starts with a stream whose first byte was read already.
    pub fn beginning_with(byte: u8) -> Self {
        Self { ahead: Zeroizing::new(vec![byte]) }
    }

    /// Returns whether part of the next request was read already.
    pub fn has_begun(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Reads the request line and fields of the next request.
    ///
    /// # Errors
    /// Returns [`RequestError`]; the caller must close the connection.
    pub fn head(&mut self, stream: &mut impl Read, limit: usize) -> Result<Head, RequestError> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut request = httparse::Request::new(&mut fields);
            match request.parse(&self.ahead) {
                Ok(Parsed::Complete(length)) if length <= MAX_HEAD => {
                    let head = parse(&request, limit)?;
                    self.ahead.drain(..length);
                    return Ok(head);
                }
                Err(httparse::Error::TooManyHeaders) | Ok(Parsed::Complete(_)) => {
                    return Err(Rejection::HeadTooLong.into());
                }
                Err(_) => return Err(Rejection::Malformed.into()),
                Ok(Parsed::Partial) if self.ahead.len() > MAX_HEAD => {
                    return Err(Rejection::HeadTooLong.into());
                }
                Ok(Parsed::Partial) => {
                    let begun = self.has_begun();
                    if self.read(stream, HEAD_CHUNK)? == 0 {
                        return Err(if begun { RequestError::Cut } else { RequestError::Closed });
                    }
                }
            }
        }
    }

    /// Reads the body that follows `head`. The buffer grows with the bytes that arrive, whatever length the client
    /// stated.
    ///
    /// # Errors
    /// Returns the same errors as [`Requests::head`].
    pub fn body(&mut self, stream: &mut impl Read, head: &Head) -> Result<Zeroizing<Vec<u8>>, RequestError> {
        while self.ahead.len() < head.length {
            let missing = head.length - self.ahead.len();
            if self.read(stream, missing.min(BODY_CHUNK))? == 0 {
                return Err(RequestError::Cut);
            }
        }
        let next = Zeroizing::new(self.ahead.split_off(head.length));
        Ok(std::mem::replace(&mut self.ahead, next))
    }

    fn read(&mut self, stream: &mut impl Read, max: usize) -> Result<usize, RequestError> {
        let have = self.ahead.len();
        self.ahead.resize(have + max, 0);
        let outcome = self.ahead.get_mut(have..).map_or(Ok(0), |buffer| stream.read(buffer));
        self.ahead.truncate(have + outcome.as_ref().map_or(0, |count| *count));
        outcome.map_err(RequestError::Io)
    }
}

/// Interprets a request line and its fields.
fn parse(request: &httparse::Request<'_, '_>, limit: usize) -> Result<Head, Rejection> {
    let fields = |name: &'static str| {
        let named = request.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| std::str::from_utf8(field.value).map(str::trim).map_err(|_| Rejection::Malformed))
    };
    let first = |name| fields(name).next().transpose();
    if path(request.path.unwrap_or_default()) != TARGET {
        return Err(Rejection::WrongTarget);
    }
    if request.method != Some("POST") {
        return Err(Rejection::WrongMethod);
    }
    if first("Transfer-Encoding")?.is_some() {
        return Err(Rejection::WrongTransferCoding);
    }
    let mut length = None;
    for stated in fields("Content-Length") {
        // Two lengths allow request smuggling (RFC 9112 §6.3).
        let stated = stated?;
        if stated.is_empty() || !stated.bytes().all(|digit| digit.is_ascii_digit()) || length.is_some() {
            return Err(Rejection::Malformed);
        }
        length = Some(stated.parse().unwrap_or(usize::MAX));
    }
    let length = length.ok_or(Rejection::NoLength)?;
    if length > limit {
        return Err(Rejection::TooLong { limit });
    }
    let encoding = first("Content-Type")?.and_then(Encoding::of).ok_or(Rejection::WrongType)?;
    let is_http_1_0 = request.version == Some(0);
    let mut options = Vec::new();
    for field in fields("Connection") {
        options.extend(field?.split(',').map(|option| option.trim().to_ascii_lowercase()));
    }
    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    Ok(Head {
        encoding,
        length,
        expects_continue: !is_http_1_0
            && first("Expect")?.is_some_and(|it| it.eq_ignore_ascii_case("100-continue")),
        keep_alive: if is_http_1_0 { has("keep-alive") } else { !has("close") },
        is_http_1_0,
    })
}

/// Returns the path of a request target, which may be an absolute URI (RFC 9112 §3.2.2), without its query.
fn path(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    path.split('?').next().unwrap_or_default()
}

/// The response that asks a client to send its body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Returns the response with a message, which has the encoding of the request already.
pub fn response(head: &Head, keep_alive: bool, message: &[u8]) -> Vec<u8> {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let version = if head.is_http_1_0 { "1.0" } else { "1.1" };
    finish(format!("HTTP/{version} 200 OK\r\n"), head.encoding.content_type(), connection, message)
}

fn finish(mut head: String, content_type: &str, connection: &str, body: &[u8]) -> Vec<u8> {
    let (date, length) = (encoding::http_date(Clock::system().now()), body.len());
    head.push_str(&format!(
        "Date: {date}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nCache-Control: no-cache\r\n\
         Connection: {connection}\r\n\r\n"
    ));
    let mut response = head.into_bytes();
    response.extend_from_slice(body);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    fn head(text: &str) -> Result<Head, RequestError> {
        Requests::default().head(&mut text.as_bytes(), LIMIT)
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
        let text = "POST /kmip HTTP/1.1\r\ncontent-type: TEXT/XML; charset=utf-8\r\nContent-Length: 2\r\n\r\nab\
                    POST https://b:5696/kmip?a HTTP/1.0\r\nContent-Type:application/json\r\nContent-Length:0\r\n\r\n";
        let mut stream = OneByteReader(text.as_bytes());
        let mut requests = Requests::default();
        let first = requests.head(&mut stream, LIMIT).unwrap();
        assert_eq!((first.encoding, first.keep_alive, first.is_http_1_0), (Encoding::Xml, true, false));
        assert_eq!(*requests.body(&mut stream, &first).unwrap(), b"ab");
        let second = requests.head(&mut stream, LIMIT).unwrap();
        assert_eq!((second.encoding, second.keep_alive, second.is_http_1_0), (Encoding::Json, false, true));
        assert_eq!(*requests.body(&mut stream, &second).unwrap(), b"");
        assert!(matches!(requests.head(&mut stream, LIMIT), Err(RequestError::Closed)));

        let mut whole = text.as_bytes();
        let mut requests = Requests::default();
        let first = requests.head(&mut whole, LIMIT).unwrap();
        assert_eq!(*requests.body(&mut whole, &first).unwrap(), b"ab");
        assert!(requests.has_begun());
    }

    #[test]
    fn rejects_invalid_requests_with_the_fitting_status() {
        let long = format!("X: {}\r\n", "a".repeat(MAX_HEAD));
        let many = "X: a\r\n".repeat(MAX_FIELDS + 1);
        let typed = "Content-Type: application/octet-stream\r\n";
        for (text, status) in [
            ("GET /kmip HTTP/1.1\r\n\r\n".to_owned(), "405"),
            ("POST / HTTP/1.1\r\n\r\n".to_owned(), "404"),
            ("POST /kmip HTTP/1.1\r\n\r\n".to_owned(), "411"),
            ("POST /kmip HTTP/2.0\r\n\r\n".to_owned(), "400"),
            ("POST/kmip\r\n\r\n".to_owned(), "400"),
            (post("Content-Length: 1\r\n"), "415"),
            (post("Content-Length: 1\r\nContent-Type: text/plain\r\n"), "415"),
            (post("Transfer-Encoding: chunked\r\n"), "501"),
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

    #[test]
    fn distinguishes_end_of_stream_inside_a_request_from_one_between_requests() {
        assert!(matches!(head(""), Err(RequestError::Closed)));
        assert!(matches!(head("POST /kmip"), Err(RequestError::Cut)));
        let text = post("Content-Type: text/xml\r\nContent-Length: 3\r\n") + "ab";
        let (mut stream, mut requests) = (text.as_bytes(), Requests::default());
        let head = requests.head(&mut stream, LIMIT).unwrap();
        assert!(matches!(requests.body(&mut stream, &head), Err(RequestError::Cut)));
    }

    #[test]
    fn rejection_is_a_complete_response_that_closes_the_connection() {
        let text = String::from_utf8(Rejection::WrongMethod.response()).unwrap();
        assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nDate: "), "{text}");
        assert!(text.contains("\r\nConnection: close\r\n\r\nKMIP messages are sent with POST.\n"), "{text}");
    }
}
