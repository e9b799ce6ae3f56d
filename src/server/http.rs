//! KMIP messages over HTTP: one message per request and per response, as TTLV, XML or JSON (KMIP Additional Message
//! Encodings 1.0 §2, KMIP Profiles 2.1 §5.3).
//!
//! [`crate::http`] reads the requests. An invalid HTTP request is answered with an HTTP status; [`crate::dispatch`]
//! answers errors in the message itself.

use std::io::Read;

use zeroize::Zeroizing;

use crate::encoding::{self, json, xml};
use crate::http::{self, Persistence, Refusal};
pub use crate::http::{CONTINUE, Framing, MAX_FIELDS, Rejection, RequestError, Requests};

/// The target of requests (Profiles 2.1 §5.3).
const TARGET: &str = "/kmip";

const WRONG_TARGET: Refusal = Refusal::new("404 Not Found", "", "KMIP messages are sent to /kmip");
const WRONG_METHOD: Refusal =
    Refusal::new("405 Method Not Allowed", "Allow: POST\r\n", "KMIP messages are sent with POST");
const WRONG_TYPE: Refusal = Refusal::new(
    "415 Unsupported Media Type",
    "",
    "the Content-Type must be application/octet-stream, text/xml or application/json",
);

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

/// What the request line and fields of a request determine.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// The encoding of the body, and of the response.
    pub encoding: Encoding,
    /// The end of the body.
    pub framing: Framing,
    /// Whether the client waits for a 100 response before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// How the response is sent.
    pub persistence: Persistence,
}

/// Reads the request line and fields of the next request, whose body has at most `limit` bytes.
///
/// # Errors
/// Returns [`RequestError`]; the caller must close the connection.
pub fn read_head(
    requests: &mut Requests,
    stream: &mut impl Read,
    limit: usize,
) -> Result<Head, RequestError> {
    requests.head(stream, |head| interpret(head, limit))
}

fn interpret(head: &http::Head<'_>, limit: usize) -> Result<Head, Rejection> {
    if head.path() != TARGET {
        return Err(WRONG_TARGET.into());
    }
    if head.method() != "POST" {
        return Err(WRONG_METHOD.into());
    }
    let framing = head.framing(limit)?;
    let encoding = head.field("Content-Type")?.and_then(Encoding::of).ok_or(WRONG_TYPE)?;
    let (persistence, expects_continue) = (head.persistence()?, head.expects_continue()?);
    Ok(Head { encoding, framing, expects_continue, persistence })
}

/// Returns the refusal of a body that is no KMIP message.
pub fn no_message(error: &encoding::Error) -> Rejection {
    let text = format!("the body is no KMIP message: {error}").into();
    Rejection::Refused(Refusal { text, ..Refusal::new("400 Bad Request", "", "") })
}

/// Returns whether a stream that begins with this byte is HTTP: methods consist of letters, and KMIP tags begin with
/// 0x42, the letter B.
pub fn begins_with(byte: u8) -> bool {
    byte.is_ascii_alphabetic() && byte != 0x42
}

/// Returns the response with a message, which has the encoding of the request already.
pub fn response(head: &Head, keep_alive: bool, message: &[u8]) -> Vec<u8> {
    let persistence = Persistence { keep_alive, ..head.persistence };
    http::response("200 OK", persistence, "", head.encoding.content_type(), message)
}

#[cfg(test)]
mod tests;
