//! The part of HTTP/1.0 and 1.1 (RFC 9112) that KMIP over HTTPS needs: one message per request and per response, as
//! TTLV, XML or JSON (KMIP Additional Message Encodings 1.0 §2, KMIP Profiles 2.1 §5.3).
//!
//! A request states its length or sends its body in chunks. An invalid HTTP request is answered with an HTTP status and
//! a sentence, and ends the connection; [`crate::dispatch`] answers errors in the message itself.

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

/// The maximum length of the line before a chunk, in bytes: a size and few extensions.
const MAX_CHUNK_LINE: usize = 256;

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
    /// The end of the body.
    framing: Framing,
    /// Whether the client waits for a 100 response before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// Whether the connection stays open after the response.
    pub keep_alive: bool,
    /// Whether the request is an HTTP/1.0 request: its response must be one, too.
    is_http_1_0: bool,
}

/// What determines the end of a body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// Its length, in bytes.
    Length(usize),
    /// Its last chunk. The body has at most so many bytes.
    Chunked(usize),
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
    WrongHost,
    LengthAndChunks,
    WrongChunk,
}

impl Rejection {
    /// Returns the status code and reason phrase (RFC 9110 §15).
    fn status(&self) -> &'static str {
        match self {
            Self::Malformed
            | Self::InvalidMessage(_)
            | Self::WrongHost
            | Self::LengthAndChunks
            | Self::WrongChunk => "400 Bad Request",
            Self::WrongTarget => "404 Not Found",
            Self::WrongMethod => "405 Method Not Allowed",
            Self::NoLength => "411 Length Required",
            Self::TooLong { .. } => "413 Content Too Large",
            Self::WrongType => "415 Unsupported Media Type",
            Self::HeadTooLong => "431 Request Header Fields Too Large",
            Self::WrongTransferCoding => "501 Not Implemented",
        }
    }

    /// Returns the response, for HEAD without its body (RFC 9110 §9.3.2). The connection ends after it.
    pub fn response(&self, is_head: bool) -> Vec<u8> {
        let allow = if *self == Self::WrongMethod { "Allow: POST\r\n" } else { "" };
        let text = format!("{self}.\n");
        let head = format!("HTTP/1.1 {}\r\n{allow}", self.status());
        let mut response = finish(head, "text/plain; charset=utf-8", "close", text.as_bytes());
        if is_head {
            response.truncate(response.len() - text.len());
        }
        response
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the HTTP request is malformed"),
            Self::InvalidMessage(error) => write!(f, "the body is no KMIP message: {error}"),
            Self::WrongTarget => write!(f, "KMIP messages are sent to {TARGET}"),
            Self::WrongMethod => f.write_str("KMIP messages are sent with POST"),
            Self::NoLength => f.write_str(
                "the HTTP request has neither Content-Length nor Transfer-Encoding, one of which is required",
            ),
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
                "the HTTP request has a Transfer-Encoding other than chunked, which is not supported; send a \
                 Content-Length",
            ),
            Self::WrongHost => f.write_str("the HTTP request needs the field Host exactly once"),
            Self::LengthAndChunks => f.write_str(
                "the HTTP request has a Transfer-Encoding that excludes its Content-Length or its version; send one of \
                 them, in HTTP/1.1",
            ),
            Self::WrongChunk => f.write_str("a chunk of the HTTP request is malformed"),
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
    /// Whether the last request was a HEAD request.
    is_head: bool,
}

impl Requests {
    /// Starts with a stream whose first byte was read already.
    pub fn beginning_with(byte: u8) -> Self {
        Self { ahead: Zeroizing::new(vec![byte]), is_head: false }
    }

    /// Returns the response to a request that is rejected.
    pub fn rejection(&self, rejection: &Rejection) -> Vec<u8> {
        rejection.response(self.is_head)
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
            let parsed = request.parse(&self.ahead);
            self.is_head = request.method == Some("HEAD");
            match parsed {
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
        let length = match head.framing {
            Framing::Length(length) => length,
            Framing::Chunked(limit) => return self.chunks(stream, limit),
        };
        while self.ahead.len() < length {
            let missing = length - self.ahead.len();
            self.read_on(stream, missing.min(BODY_CHUNK))?;
        }
        let next = Zeroizing::new(self.ahead.split_off(length));
        Ok(std::mem::replace(&mut self.ahead, next))
    }

    /// Reads a body in chunks of at most `limit` bytes together (RFC 9112 §7.1). The lines of the chunks may have as many
    /// bytes. Extensions and trailers are ignored.
    fn chunks(&mut self, stream: &mut impl Read, limit: usize) -> Result<Zeroizing<Vec<u8>>, RequestError> {
        let mut body = Zeroizing::new(Vec::new());
        let mut lines = 0;
        loop {
            let (line, size) = self.chunk_line(stream)?;
            self.ahead.drain(..line);
            lines += line;
            if size == 0 {
                self.trailers(stream)?;
                return Ok(body);
            }
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > limit - body.len() || lines > limit.max(MAX_HEAD) {
                return Err(Rejection::TooLong { limit }.into());
            }
            let mut missing = size;
            while missing > 0 {
                if self.ahead.is_empty() {
                    self.read_on(stream, missing.min(BODY_CHUNK))?;
                }
                let part = missing.min(self.ahead.len());
                body.extend(self.ahead.drain(..part));
                missing -= part;
            }
            while self.ahead.len() < 2 {
                self.read_on(stream, HEAD_CHUNK)?;
            }
            if !self.ahead.starts_with(b"\r\n") {
                return Err(Rejection::WrongChunk.into());
            }
            self.ahead.drain(..2);
        }
    }

    /// Returns the length of the line before a chunk, and the size of the chunk.
    fn chunk_line(&mut self, stream: &mut impl Read) -> Result<(usize, u64), RequestError> {
        loop {
            match httparse::parse_chunk_size(&self.ahead) {
                Ok(Parsed::Complete((line, size))) if line <= MAX_CHUNK_LINE => return Ok((line, size)),
                Ok(Parsed::Partial) if self.ahead.len() <= MAX_CHUNK_LINE => {
                    self.read_on(stream, HEAD_CHUNK)?
                }
                _ => return Err(Rejection::WrongChunk.into()),
            }
        }
    }

    /// Reads the fields after the last chunk.
    fn trailers(&mut self, stream: &mut impl Read) -> Result<(), RequestError> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            match httparse::parse_headers(&self.ahead, &mut fields) {
                Ok(Parsed::Complete((length, _))) if length <= MAX_HEAD => {
                    self.ahead.drain(..length);
                    return Ok(());
                }
                Ok(Parsed::Partial) if self.ahead.len() <= MAX_HEAD => self.read_on(stream, HEAD_CHUNK)?,
                Err(httparse::Error::TooManyHeaders) | Ok(_) => return Err(Rejection::HeadTooLong.into()),
                Err(_) => return Err(Rejection::WrongChunk.into()),
            }
        }
    }

    /// Reads at least one byte.
    fn read_on(&mut self, stream: &mut impl Read, max: usize) -> Result<(), RequestError> {
        if self.read(stream, max)? == 0 { Err(RequestError::Cut) } else { Ok(()) }
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
    let is_http_1_0 = request.version == Some(0);
    let hosts = fields("Host").count();
    if hosts > 1 || (hosts == 0 && !is_http_1_0) {
        return Err(Rejection::WrongHost);
    }
    if path(request.path.unwrap_or_default()) != TARGET {
        return Err(Rejection::WrongTarget);
    }
    if request.method != Some("POST") {
        return Err(Rejection::WrongMethod);
    }
    let codings = fields("Transfer-Encoding").collect::<Result<Vec<_>, _>>()?;
    let lengths = fields("Content-Length").collect::<Result<Vec<_>, _>>()?;
    let framing = framing(&codings, &lengths, is_http_1_0, limit)?;
    let encoding = first("Content-Type")?.and_then(Encoding::of).ok_or(Rejection::WrongType)?;
    let mut options = Vec::new();
    for field in fields("Connection") {
        options.extend(field?.split(',').map(|option| option.trim().to_ascii_lowercase()));
    }
    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    Ok(Head {
        encoding,
        framing,
        expects_continue: !is_http_1_0
            && first("Expect")?.is_some_and(|it| it.eq_ignore_ascii_case("100-continue")),
        keep_alive: if is_http_1_0 { has("keep-alive") } else { !has("close") },
        is_http_1_0,
    })
}

/// Returns what determines the end of the body. Two of them would allow request smuggling (RFC 9112 §6.3).
fn framing(
    codings: &[&str],
    lengths: &[&str],
    is_http_1_0: bool,
    limit: usize,
) -> Result<Framing, Rejection> {
    match (codings, lengths) {
        ([], []) => Err(Rejection::NoLength),
        ([], [length]) if !length.is_empty() && length.bytes().all(|digit| digit.is_ascii_digit()) => {
            let length = length.parse().unwrap_or(usize::MAX);
            if length > limit { Err(Rejection::TooLong { limit }) } else { Ok(Framing::Length(length)) }
        }
        ([], _) => Err(Rejection::Malformed),
        (_, [_, ..]) => Err(Rejection::LengthAndChunks),
        _ if is_http_1_0 => Err(Rejection::LengthAndChunks),
        ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked(limit)),
        _ => Err(Rejection::WrongTransferCoding),
    }
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
mod tests;
