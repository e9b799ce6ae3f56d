//! The part of HTTP/1.0 and 1.1 (RFC 9112) that the server needs: one request after another, and their responses. KMIP
//! over HTTPS and the management listener interpret the requests.
//!
//! A request states its length or sends its body in chunks. An invalid request is answered with an HTTP status and a
//! sentence, and ends the connection.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

use httparse::Status as Parsed;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::encoding;

/// The maximum length of a request line with its fields, in bytes. Clients send a few hundred.
pub const MAX_HEAD: usize = 8 * 1024;

/// The maximum number of fields of a request.
pub const MAX_FIELDS: usize = 64;

/// The maximum length of the line before a chunk, in bytes: a size and few extensions.
pub(crate) const MAX_CHUNK_LINE: usize = 256;

/// The number of bytes per read: of a head, which usually fits together with a small body, and of a body. Small
/// chunks matter because the unused rest of a buffer is wiped, too.
const HEAD_CHUNK: usize = 1024;
const BODY_CHUNK: usize = 16 * 1024;

/// The request line and fields of a request.
#[derive(Debug)]
pub struct Head<'r> {
    fields: &'r [httparse::Header<'r>],
    method: &'r str,
    target: &'r str,
    is_http_1_0: bool,
}

/// How the response to a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Whether the connection stays open after the response.
    pub keep_alive: bool,
    /// Whether the request is an HTTP/1.0 request: its response must be one, too.
    pub is_http_1_0: bool,
}

impl<'r> Head<'r> {
    /// Checks that the field Host exists once (RFC 9112 §3.2).
    fn of(request: &'r httparse::Request<'_, 'r>) -> Result<Self, Rejection> {
        let head = Self {
            fields: request.headers,
            method: request.method.unwrap_or_default(),
            target: request.path.unwrap_or_default(),
            is_http_1_0: request.version == Some(0),
        };
        match head.fields("Host").count() {
            1 => Ok(head),
            0 if head.is_http_1_0 => Ok(head),
            _ => Err(Rejection::WrongHost),
        }
    }

    /// Returns the method.
    pub fn method(&self) -> &str {
        self.method
    }

    /// Returns the path of the target, without its query.
    pub fn path(&self) -> &str {
        path(self.target)
    }

    /// Returns the query of the target, or an empty text.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// Returns the values of the fields with this name.
    pub fn fields(&self, name: &'static str) -> impl Iterator<Item = Result<&str, Rejection>> {
        let named = self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| std::str::from_utf8(field.value).map(str::trim).map_err(|_| Rejection::Malformed))
    }

    /// Returns the value of the first field with this name.
    ///
    /// # Errors
    /// Returns [`Rejection::Malformed`] if it is not UTF-8.
    pub fn field(&self, name: &'static str) -> Result<Option<&str>, Rejection> {
        self.fields(name).next().transpose()
    }

    /// Returns what determines the end of the body, which has at most `limit` bytes.
    ///
    /// # Errors
    /// Returns [`Rejection`] if nothing determines it, several fields do, or the body is too long.
    pub fn framing(&self, limit: usize) -> Result<Framing, Rejection> {
        let codings = self.fields("Transfer-Encoding").collect::<Result<Vec<_>, _>>()?;
        let lengths = self.fields("Content-Length").collect::<Result<Vec<_>, _>>()?;
        framing(&codings, &lengths, self.is_http_1_0, limit)
    }

    /// Returns the same as [`Head::framing`], for a method whose requests usually have no body: without a field that
    /// determines its end, there is none.
    ///
    /// # Errors
    /// Returns [`Rejection`] if several fields determine the end of the body, or it is too long.
    pub fn framing_if_any(&self, limit: usize) -> Result<Framing, Rejection> {
        match self.framing(limit) {
            Err(Rejection::NoLength) => Ok(Framing::Length(0)),
            framing => framing,
        }
    }

    /// Returns how the response is sent.
    ///
    /// # Errors
    /// Returns [`Rejection::Malformed`] if a field is not UTF-8.
    pub fn persistence(&self) -> Result<Persistence, Rejection> {
        let mut options = Vec::new();
        for field in self.fields("Connection") {
            options.extend(field?.split(',').map(|option| option.trim().to_ascii_lowercase()));
        }
        let has = |wanted: &str| options.iter().any(|option| option == wanted);
        let is_http_1_0 = self.is_http_1_0;
        Ok(Persistence {
            keep_alive: if is_http_1_0 { has("keep-alive") } else { !has("close") },
            is_http_1_0,
        })
    }

    /// Returns whether the client waits for a 100 response before it sends the body (RFC 9110 §10.1.1).
    ///
    /// # Errors
    /// Returns [`Rejection::Malformed`] if the field is not UTF-8.
    pub fn expects_continue(&self) -> Result<bool, Rejection> {
        Ok(!self.is_http_1_0
            && self.field("Expect")?.is_some_and(|value| value.eq_ignore_ascii_case("100-continue")))
    }
}

/// What determines the end of a body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
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
    NoLength,
    TooLong { limit: usize },
    HeadTooLong,
    WrongTransferCoding,
    WrongHost,
    LengthAndChunks,
    WrongChunk,
    Refused(Refusal),
}

/// The reason for which the part of the server that interprets a valid HTTP request refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code and reason phrase (RFC 9110 §15).
    pub status: &'static str,
    /// A field that the status requires, with its line break, or an empty text.
    pub field: &'static str,
    /// A sentence without its full stop.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// Returns a refusal with a constant text.
    pub const fn new(status: &'static str, field: &'static str, text: &'static str) -> Self {
        Self { status, field, text: Cow::Borrowed(text) }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Rejection {
    /// Returns the status code and reason phrase (RFC 9110 §15).
    pub fn status(&self) -> &'static str {
        match self {
            Self::Malformed | Self::WrongHost | Self::LengthAndChunks | Self::WrongChunk => "400 Bad Request",
            Self::NoLength => "411 Length Required",
            Self::TooLong { .. } => "413 Content Too Large",
            Self::HeadTooLong => "431 Request Header Fields Too Large",
            Self::WrongTransferCoding => "501 Not Implemented",
            Self::Refused(refusal) => refusal.status,
        }
    }

    /// Returns the response, for HEAD without its body (RFC 9110 §9.3.2). The connection ends after it.
    pub fn response(&self, is_head: bool) -> Vec<u8> {
        let field = match self {
            Self::Refused(refusal) => refusal.field,
            _ => "",
        };
        let text = format!("{self}.\n");
        let persistence = Persistence { keep_alive: false, is_http_1_0: false };
        let content_type = "text/plain; charset=utf-8";
        let mut response = response(self.status(), persistence, field, content_type, text.as_bytes());
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
            Self::NoLength => f.write_str(
                "the HTTP request has neither Content-Length nor Transfer-Encoding, one of which is required",
            ),
            Self::TooLong { limit } => write!(f, "the message is longer than {limit} bytes"),
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
            Self::Refused(refusal) => f.write_str(&refusal.text),
        }
    }
}

/// The requests of one connection, in sequence.
#[derive(Debug, Default)]
pub struct Requests {
    /// Bytes that were read ahead. They are wiped, because bodies contain keys.
    pub(crate) ahead: Zeroizing<Vec<u8>>,
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

    /// Waits for the first byte of the next request.
    ///
    /// # Errors
    /// Returns [`RequestError`]; the caller must close the connection.
    pub fn wait(&mut self, stream: &mut impl Read) -> Result<(), RequestError> {
        if !self.has_begun() && self.read(stream, HEAD_CHUNK)? == 0 {
            return Err(RequestError::Closed);
        }
        Ok(())
    }

    /// Reads the request line and fields of the next request, and returns what `accept` makes of them.
    ///
    /// # Errors
    /// Returns [`RequestError`]; the caller must close the connection.
    pub fn head<T>(
        &mut self,
        stream: &mut impl Read,
        accept: impl Fn(&Head<'_>) -> Result<T, Rejection>,
    ) -> Result<T, RequestError> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut request = httparse::Request::new(&mut fields);
            let parsed = request.parse(&self.ahead);
            self.is_head = request.method == Some("HEAD");
            match parsed {
                Ok(Parsed::Complete(length)) if length <= MAX_HEAD => {
                    let accepted = accept(&Head::of(&request)?)?;
                    self.ahead.drain(..length);
                    return Ok(accepted);
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

    /// Reads the body that follows a head. The buffer grows with the bytes that arrive, whatever length the client
    /// stated.
    ///
    /// # Errors
    /// Returns the same errors as [`Requests::head`].
    pub fn body(
        &mut self,
        stream: &mut impl Read,
        framing: Framing,
    ) -> Result<Zeroizing<Vec<u8>>, RequestError> {
        let length = match framing {
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

/// Returns a response with this status and body. `fields` are further fields, each with its line break.
pub fn response(
    status: &str,
    persistence: Persistence,
    fields: &str,
    content_type: &str,
    body: &[u8],
) -> Vec<u8> {
    let connection = if persistence.keep_alive { "keep-alive" } else { "close" };
    let version = if persistence.is_http_1_0 { "1.0" } else { "1.1" };
    let (date, length) = (encoding::http_date(Clock::system().now()), body.len());
    let head = format!(
        "HTTP/{version} {status}\r\n{fields}Date: {date}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-cache\r\nConnection: {connection}\r\n\r\n"
    );
    let mut response = head.into_bytes();
    response.extend_from_slice(body);
    response
}
