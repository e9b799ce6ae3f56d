//! Recorded messages in JSON and as text, for assertions about what a client sent.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::encoding;
use crate::faults::AnswerFault;
use crate::observe::recorder::{Exchange, MAX_WAIT, Message, Record, Recorder};
use crate::suggestion::plain;

/// Which messages [`Control::messages`](super::Control::messages) returns.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// The operation of at least one batch item, such as `Encrypt`, or `None` for every message.
    pub operation: Option<String>,
    /// The user, or `None` for every user.
    pub user: Option<String>,
    /// Only messages with higher numbers.
    pub after: u64,
    /// The number of the last messages that are returned, or `None` for all.
    pub last: Option<usize>,
    /// Whether the messages contain key material. Without it, key material, passwords and data are zeros.
    pub secrets: bool,
}

/// A recorded message with its answer.
#[derive(Clone, Debug)]
pub struct RecordedMessage {
    /// Its number.
    pub number: u64,
    /// The names of the operations of its batch items.
    pub operations: Vec<String>,
    /// The user, or `None` if the request was refused before its user was known.
    pub user: Option<String>,
    /// All of it as JSON; docs/testing-clients.md describes the members.
    pub json: Json,
    /// The request, one line per item, without Time Stamp.
    pub request: String,
    /// The response, one line per item, without Time Stamp.
    pub response: String,
}

/// Returns the messages that match.
pub(super) fn find(recorder: &Recorder, filter: &MessageFilter) -> Vec<RecordedMessage> {
    let wanted = filter.operation.as_deref().map(plain);
    let by_user = |exchange: &Exchange| filter.user.is_none() || exchange.user == filter.user;
    let records = recorder.exchanges_after(filter.after);
    let exchanges = records.iter().filter_map(|record| Some((record, record.exchange()?)));
    let decoded = exchanges
        .filter(|(_, exchange)| by_user(exchange))
        .map(|(it, exchange)| decode(it, exchange, filter.secrets));
    let is_wanted = |message: &RecordedMessage| {
        wanted.as_ref().is_none_or(|wanted| message.operations.iter().any(|name| plain(name) == *wanted))
    };
    let mut found: Vec<_> = decoded.filter(is_wanted).collect();
    if let Some(last) = filter.last {
        found.drain(..found.len().saturating_sub(last));
    }
    found
}

/// Waits for a message that matches, and returns those that match.
pub(super) fn wait(recorder: &Recorder, filter: &MessageFilter, patience: Duration) -> Vec<RecordedMessage> {
    let end = Instant::now() + patience.min(MAX_WAIT);
    let mut filter = filter.clone();
    loop {
        let last = recorder.last_exchange();
        let found = find(recorder, &filter);
        let left = end.saturating_duration_since(Instant::now());
        if !found.is_empty() || left.is_zero() {
            return found;
        }
        // A message that did not match is not decoded again.
        filter.after = filter.after.max(last);
        recorder.wait_for_exchange(last, left);
    }
}

fn decode(record: &Record, exchange: &Exchange, secrets: bool) -> RecordedMessage {
    let (request, response) = (tree(&exchange.request, secrets), tree(&exchange.response, secrets));
    let of_items = |tag| -> Vec<String> { items(&request).filter_map(|item| text(item, tag)).collect() };
    let operations = of_items("Operation");
    let objects: Vec<_> = items(&request)
        .chain(items(&response))
        .filter_map(|item| ["RequestPayload", "ResponsePayload"].iter().find_map(|tag| child(item, tag)))
        .filter_map(|payload| text(payload, "UniqueIdentifier"))
        .collect();
    let results: Vec<_> = items(&response)
        .map(|item| {
            json!({
                "status": text(item, "ResultStatus"),
                "reason": text(item, "ResultReason"),
                "message": text(item, "ResultMessage"),
            })
        })
        .collect();
    let (request_text, response_text) = (lines(&request), lines(&response));
    let json = json!({
        "number": exchange.number,
        "time": encoding::rfc_3339(record.time),
        "seconds": exchange.duration.as_secs_f64(),
        "session": record.session,
        "client": record.address.to_string(),
        "user": exchange.user,
        "version": version(&request),
        "operations": operations,
        "objects": objects,
        "results": results,
        "fault": exchange.fault.map(AnswerFault::name),
        "request": request,
        "response": response,
        "request_text": request_text,
        "response_text": response_text,
    });
    RecordedMessage {
        number: exchange.number,
        operations,
        user: exchange.user.clone(),
        json,
        request: request_text,
        response: response_text,
    }
}

/// Returns a message as JSON, or null if it was too long to be recorded or cannot be decoded.
fn tree(message: &Message, secrets: bool) -> Json {
    let bytes = if secrets { message.bytes().map(Cow::Borrowed) } else { message.masked() };
    bytes.and_then(|bytes| encoding::json::encode_value(&bytes).ok()).unwrap_or(Json::Null)
}

fn children(structure: &Json) -> impl Iterator<Item = &Json> {
    structure.get("value").and_then(Json::as_array).into_iter().flatten()
}

fn child<'j>(structure: &'j Json, tag: &str) -> Option<&'j Json> {
    children(structure).find(|item| item.get("tag").and_then(Json::as_str) == Some(tag))
}

/// Returns the batch items of a message.
fn items(message: &Json) -> impl Iterator<Item = &Json> {
    children(message).filter(|item| item.get("tag").and_then(Json::as_str) == Some("BatchItem"))
}

/// Returns the value of an item in a structure as text.
fn text(structure: &Json, tag: &str) -> Option<String> {
    child(structure, tag)?.get("value")?.as_str().map(str::to_owned)
}

fn version(message: &Json) -> Option<String> {
    let version = child(child(message, "RequestHeader")?, "ProtocolVersion")?;
    let number = |tag| child(version, tag)?.get("value")?.as_i64();
    Some(format!("{}.{}", number("ProtocolVersionMajor")?, number("ProtocolVersionMinor")?))
}

/// Returns a message as text: a line per item, which begins with two spaces per level. It has no Time Stamp, so that the same
/// message has the same text in each run.
fn lines(message: &Json) -> String {
    fn write(item: &Json, depth: usize, lines: &mut String) {
        let name = item.get("tag").and_then(Json::as_str).unwrap_or_default();
        if name == "TimeStamp" {
            return;
        }
        let indent = "  ".repeat(depth);
        let value = match item.get("value") {
            Some(Json::Array(_)) | None => String::new(),
            Some(Json::String(text)) => format!(": {text}"),
            Some(value) => format!(": {value}"),
        };
        lines.push_str(&format!("{indent}{name}{value}\n"));
        children(item).for_each(|inner| write(inner, depth + 1, lines));
    }
    let mut text = String::new();
    if !message.is_null() {
        write(message, 0, &mut text);
    }
    text
}
