//! Requests and responses of HTTP/1.0 and 1.1 (RFC 9112), as far as KMIP over HTTPS needs them: a message in, a
//! message out, as TTLV, XML or JSON (KMIP Additional Message Encodings 1.0 §2, KMIP Profiles 2.1 §5.3).
//!
//! A request names its length. Whatever is wrong with one is told in an HTTP status and a sentence, and ends the
//! connection; what is wrong with a message that can be read is left to [`crate::dispatch`].

use std::fmt;
use std::io::{self, Read};

use httparse::Status as Parsed;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::encoding::{self, json, xml};

/// The target of requests (Profiles 2.1 §5.3).
const TARGET: &str = "/kmip";

/// How long a request line with its fields may be, in bytes. Clients send a few hundred.
pub const MAX_HEAD: usize = 8 * 1024;

/// How many fields a request may have.
pub const MAX_FIELDS: usize = 64;

/// How many bytes are read at a time: of a head, which with a small body fits, and of a body. Room that is not used
/// has to be wiped all the same.
const HEAD_CHUNK: usize = 1024;
const BODY_CHUNK: usize = 16 * 1024;

/// How a message is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As TTLV.
    Ttlv,
    /// As XML.
    Xml,
    /// As JSON.
    Json,
}

impl Encoding {
    /// The encoding of a Content-Type, its parameters aside.
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

    fn content_type(self) -> &'static str {
        match self {
            Self::Ttlv => "application/octet-stream",
            Self::Xml => "text/xml",
            Self::Json => "application/json",
        }
    }

    /// The TTLV of a message.
    ///
    /// # Errors
    /// Where the body is no message of this encoding.
    pub fn decode(self, body: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, encoding::Error> {
        match self {
            Self::Ttlv => Ok(body),
            Self::Xml => xml::decode(&body).map(Zeroizing::new),
            Self::Json => json::decode(&body).map(Zeroizing::new),
        }
    }

    /// A message of TTLV in this encoding.
    ///
    /// # Errors
    /// Where `message` is no TTLV, or cannot be spelled.
    pub fn encode(self, message: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, encoding::Error> {
        let message = Zeroizing::new(message);
        match self {
            Self::Ttlv => Ok(message),
            Self::Xml => xml::encode(&message).map(|text| Zeroizing::new(text.into_bytes())),
            Self::Json => json::encode(&message).map(|text| Zeroizing::new(text.into_bytes())),
        }
    }
}

/// What a request begins with.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// How the body is spelled, and the response's.
    pub encoding: Encoding,
    /// The bytes of the body.
    length: usize,
    /// Whether the client wants to be told that its body is welcome (RFC 9110 §10.1.1).
    pub expects: bool,
    /// Whether the connection stays open after the response.
    pub stays: bool,
    /// Whether the request is one of HTTP/1.0, whose clients have to be told that it stays open.
    old: bool,
}

/// Why there is no request.
#[derive(Debug)]
pub enum Problem {
    /// The peer ended the stream between two requests.
    Closed,
    /// The peer ended the stream inside a request.
    Cut,
    /// The stream failed.
    Io(io::Error),
    /// The request cannot be served.
    Refused(Refusal),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the client closed the connection"),
            Self::Cut => f.write_str("the client closed the connection inside an HTTP request"),
            Self::Io(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Why a request is answered with an HTTP error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "`Display` tells each")]
pub enum Refusal {
    Malformed,
    NoMessage(encoding::Error),
    WrongTarget,
    WrongMethod,
    NoLength,
    TooLong { limit: usize },
    WrongType,
    HeadTooLong,
    WrongTransferCoding,
}

impl Refusal {
    /// Status and reason phrase (RFC 9110 §15).
    fn status(&self) -> &'static str {
        match self {
            Self::Malformed | Self::NoMessage(_) => "400 Bad Request",
            Self::WrongTarget => "404 Not Found",
            Self::WrongMethod => "405 Method Not Allowed",
            Self::NoLength => "411 Length Required",
            Self::TooLong { .. } => "413 Content Too Large",
            Self::WrongType => "415 Unsupported Media Type",
            Self::HeadTooLong => "431 Request Header Fields Too Large",
            Self::WrongTransferCoding => "501 Not Implemented",
        }
    }

    /// The response that says so. The connection ends after it.
    pub fn response(&self) -> Vec<u8> {
        let allow = if *self == Self::WrongMethod { "Allow: POST\r\n" } else { "" };
        let text = format!("{self}.\n");
        let head = format!("HTTP/1.1 {}\r\n{allow}", self.status());
        finish(head, "text/plain; charset=utf-8", "close", text.as_bytes())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the HTTP request is malformed"),
            Self::NoMessage(error) => write!(f, "the body is no KMIP message: {error}"),
            Self::WrongTarget => write!(f, "KMIP messages are sent to {TARGET}"),
            Self::WrongMethod => f.write_str("KMIP messages are sent with POST"),
            Self::NoLength => f.write_str("the HTTP request has no Content-Length"),
            Self::TooLong { limit } => write!(f, "the message is longer than {limit} bytes"),
            Self::WrongType => f.write_str(
                "the Content-Type is none of application/octet-stream, text/xml and application/json",
            ),
            Self::HeadTooLong => {
                write!(
                    f,
                    "the HTTP request has fields of more than {MAX_HEAD} bytes, or more than {MAX_FIELDS}"
                )
            }
            Self::WrongTransferCoding => f.write_str("the HTTP request has a Transfer-Encoding"),
        }
    }
}

/// Whether a stream that begins with this byte is one of HTTP: methods are letters, and the tags of KMIP begin with
/// 0x42.
pub fn begins_with(byte: u8) -> bool {
    byte.is_ascii_alphabetic() && byte != 0x42
}

/// What one client sends: request after request.
#[derive(Debug, Default)]
pub struct Requests {
    /// What was read and not yet used. Bodies hold keys.
    ahead: Zeroizing<Vec<u8>>,
}

impl Requests {
    /// The requests of a stream whose first byte was read already.
    pub fn beginning_with(byte: u8) -> Self {
        Self { ahead: Zeroizing::new(vec![byte]) }
    }

    /// Whether some of the next request is here.
    pub fn has_begun(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Reads what the next request begins with.
    ///
    /// # Errors
    /// [`Problem`]; only closing the connection is left then.
    pub fn head(&mut self, stream: &mut impl Read, limit: usize) -> Result<Head, Problem> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut request = httparse::Request::new(&mut fields);
            match request.parse(&self.ahead) {
                Ok(Parsed::Complete(length)) if length <= MAX_HEAD => {
                    let head = judge(&request, limit)?;
                    self.ahead.drain(..length);
                    return Ok(head);
                }
                Err(httparse::Error::TooManyHeaders) | Ok(Parsed::Complete(_)) => {
                    return Err(Refusal::HeadTooLong.into());
                }
                Err(_) => return Err(Refusal::Malformed.into()),
                Ok(Parsed::Partial) if self.ahead.len() > MAX_HEAD => {
                    return Err(Refusal::HeadTooLong.into());
                }
                Ok(Parsed::Partial) => {
                    let begun = self.has_begun();
                    if self.read(stream, HEAD_CHUNK)? == 0 {
                        return Err(if begun { Problem::Cut } else { Problem::Closed });
                    }
                }
            }
        }
    }

    /// Reads the body behind `head`. The buffer grows with what arrives, not with what was told.
    ///
    /// # Errors
    /// As [`Requests::head`].
    pub fn body(&mut self, stream: &mut impl Read, head: &Head) -> Result<Zeroizing<Vec<u8>>, Problem> {
        while self.ahead.len() < head.length {
            let missing = head.length - self.ahead.len();
            if self.read(stream, missing.min(BODY_CHUNK))? == 0 {
                return Err(Problem::Cut);
            }
        }
        let next = Zeroizing::new(self.ahead.split_off(head.length));
        Ok(std::mem::replace(&mut self.ahead, next))
    }

    fn read(&mut self, stream: &mut impl Read, most: usize) -> Result<usize, Problem> {
        let have = self.ahead.len();
        self.ahead.resize(have + most, 0);
        let outcome = self.ahead.get_mut(have..).map_or(Ok(0), |room| stream.read(room));
        self.ahead.truncate(have + outcome.as_ref().map_or(0, |count| *count));
        outcome.map_err(Problem::Io)
    }
}

/// What a request line and its fields ask for.
fn judge(request: &httparse::Request<'_, '_>, limit: usize) -> Result<Head, Refusal> {
    let all = |name: &'static str| {
        let named = request.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| std::str::from_utf8(field.value).map(str::trim).map_err(|_| Refusal::Malformed))
    };
    let first = |name| all(name).next().transpose();
    if path(request.path.unwrap_or_default()) != TARGET {
        return Err(Refusal::WrongTarget);
    }
    if request.method != Some("POST") {
        return Err(Refusal::WrongMethod);
    }
    if first("Transfer-Encoding")?.is_some() {
        return Err(Refusal::WrongTransferCoding);
    }
    let mut length = None;
    for told in all("Content-Length") {
        // Two lengths are two opinions about where the next request begins (RFC 9112 §6.3).
        let told = told?;
        if told.is_empty() || !told.bytes().all(|digit| digit.is_ascii_digit()) || length.is_some() {
            return Err(Refusal::Malformed);
        }
        length = Some(told.parse().unwrap_or(usize::MAX));
    }
    let length = length.ok_or(Refusal::NoLength)?;
    if length > limit {
        return Err(Refusal::TooLong { limit });
    }
    let encoding = first("Content-Type")?.and_then(Encoding::of).ok_or(Refusal::WrongType)?;
    let old = request.version == Some(0);
    let mut options = Vec::new();
    for field in all("Connection") {
        options.extend(field?.split(',').map(|option| option.trim().to_ascii_lowercase()));
    }
    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    Ok(Head {
        encoding,
        length,
        expects: !old && first("Expect")?.is_some_and(|it| it.eq_ignore_ascii_case("100-continue")),
        stays: if old { has("keep-alive") } else { !has("close") },
        old,
    })
}

/// The path of a request target, which may be a whole URI (RFC 9112 §3.2.2), without its query.
fn path(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    path.split('?').next().unwrap_or_default()
}

/// Tells a client that it may send its body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The response that holds a message, already in the request's encoding.
pub fn response(head: &Head, stays: bool, message: &[u8]) -> Vec<u8> {
    let connection = if stays { "keep-alive" } else { "close" };
    let version = if head.old { "1.0" } else { "1.1" };
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

    fn head(text: &str) -> Result<Head, Problem> {
        Requests::default().head(&mut text.as_bytes(), LIMIT)
    }

    fn post(fields: &str) -> String {
        format!("POST /kmip HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    }

    #[test]
    fn reads_requests_that_follow_each_other_however_they_arrive() {
        struct Dribble<'a>(&'a [u8]);
        impl Read for Dribble<'_> {
            fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                room[0] = *first;
                self.0 = rest;
                Ok(1)
            }
        }
        let text = "POST /kmip HTTP/1.1\r\ncontent-type: TEXT/XML; charset=utf-8\r\nContent-Length: 2\r\n\r\nab\
                    POST https://b:5696/kmip?a HTTP/1.0\r\nContent-Type:application/json\r\nContent-Length:0\r\n\r\n";
        let mut stream = Dribble(text.as_bytes());
        let mut requests = Requests::default();
        let first = requests.head(&mut stream, LIMIT).unwrap();
        assert_eq!((first.encoding, first.stays, first.old), (Encoding::Xml, true, false));
        assert_eq!(*requests.body(&mut stream, &first).unwrap(), b"ab");
        let second = requests.head(&mut stream, LIMIT).unwrap();
        assert_eq!((second.encoding, second.stays, second.old), (Encoding::Json, false, true));
        assert_eq!(*requests.body(&mut stream, &second).unwrap(), b"");
        assert!(matches!(requests.head(&mut stream, LIMIT), Err(Problem::Closed)));

        let mut whole = text.as_bytes();
        let mut requests = Requests::default();
        let first = requests.head(&mut whole, LIMIT).unwrap();
        assert_eq!(*requests.body(&mut whole, &first).unwrap(), b"ab");
        assert!(requests.has_begun());
    }

    #[test]
    fn says_what_is_wrong_with_a_request() {
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
                Err(Problem::Refused(refusal)) => {
                    assert!(refusal.status().starts_with(status), "{text}: {refusal}")
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_stream_that_ends_inside_a_request_is_told_from_one_that_ends_between() {
        assert!(matches!(head(""), Err(Problem::Closed)));
        assert!(matches!(head("POST /kmip"), Err(Problem::Cut)));
        let text = post("Content-Type: text/xml\r\nContent-Length: 3\r\n") + "ab";
        let (mut stream, mut requests) = (text.as_bytes(), Requests::default());
        let head = requests.head(&mut stream, LIMIT).unwrap();
        assert!(matches!(requests.body(&mut stream, &head), Err(Problem::Cut)));
    }

    #[test]
    fn an_error_is_a_whole_response_that_closes() {
        let text = String::from_utf8(Refusal::WrongMethod.response()).unwrap();
        assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nDate: "), "{text}");
        assert!(text.contains("\r\nConnection: close\r\n\r\nKMIP messages are sent with POST.\n"), "{text}");
    }
}
