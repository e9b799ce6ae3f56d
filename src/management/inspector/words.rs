//! Records in words: a row for the list, and the details of one record.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Inspected;
use super::test_case::{self, indented};
use crate::encoding::{self, Tree};
use crate::excerpt::Excerpt;
use crate::faults::AnswerFault;
use crate::observe::recorder::{Event, Exchange, Message, Record};
use crate::ttlv::{Error, ItemType, Tag};

/// The maximum numbers of operations and of objects in a row.
const MAX_NAMED: usize = 20;
/// The length in bytes up to which a message is shown in hexadecimal.
const MAX_HEX: usize = 64 * 1024;

/// The objects that a payload names.
const IDENTIFIERS: [Tag; 3] =
    [Tag::UniqueIdentifier, Tag::PrivateKeyUniqueIdentifier, Tag::PublicKeyUniqueIdentifier];

/// Returns a record as a row of the list.
pub(super) fn row(record: &Record) -> Value {
    let (kind, event) = match &record.event {
        Event::Opened { chosen, .. } => ("session", json!({ "text": chosen })),
        Event::Closed(reason) => ("end", json!({ "text": reason })),
        Event::Failed { code, sentence, .. } => {
            ("handshake", json!({ "code": code, "text": sentence, "failed": true }))
        }
        Event::Exchange(exchange) => ("message", exchange_row(exchange)),
    };
    let user = record.exchange().and_then(|exchange| exchange.user.as_deref());
    let user = user.map_or_else(|| record.client.clone(), |user| Excerpt(user).to_string());
    let mut row = json!({
        "number": record.number,
        "kind": kind,
        "time": encoding::rfc_3339(record.time),
        "session": record.session,
        "address": record.address.to_string(),
        "user": user,
    });
    merge(&mut row, event);
    row
}

fn merge(object: &mut Value, other: Value) {
    if let (Value::Object(object), Value::Object(other)) = (object, other) {
        object.extend(other);
    }
}

/// What a message says about its version, its operations, their objects and their results.
#[derive(Default)]
struct Summary {
    version: [String; 2],
    operations: Vec<String>,
    objects: BTreeSet<String>,
    statuses: Vec<String>,
    reasons: BTreeSet<String>,
    messages: Vec<String>,
}

impl Summary {
    fn add(&mut self, message: &Message) {
        let Some(message) = message.shown() else { return };
        for line in Tree::of(&message).lines() {
            let Some(value) = &line.value else { continue };
            let value = unquoted(line.kind, value);
            match (line.depth, line.tag) {
                (3, Tag::ProtocolVersionMajor) => self.version[0] = value,
                (3, Tag::ProtocolVersionMinor) => self.version[1] = value,
                (2, Tag::Operation) => push(&mut self.operations, value),
                (2, Tag::ResultStatus) => push(&mut self.statuses, value),
                (2, Tag::ResultReason) => drop(self.reasons.insert(value)),
                (2, Tag::ResultMessage) => push(&mut self.messages, value),
                (3, tag) if IDENTIFIERS.contains(&tag) && self.objects.len() < MAX_NAMED => {
                    self.objects.insert(value);
                }
                _ => {}
            }
        }
    }
}

fn push(values: &mut Vec<String>, value: String) {
    if values.len() < MAX_NAMED {
        values.push(value);
    }
}

/// Returns a text without the quotation marks that it has in words.
fn unquoted(kind: ItemType, value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.filter(|_| kind == ItemType::TextString).unwrap_or(value).to_owned()
}

fn exchange_row(exchange: &Exchange) -> Value {
    let (mut request, mut response) = (Summary::default(), Summary::default());
    request.add(&exchange.request);
    response.add(&exchange.response);
    let operations = if request.operations.is_empty() { response.operations } else { request.operations };
    // A request that cannot be read has no version, and its response is one of KMIP 1.0.
    let version = if request.version[0].is_empty() { String::new() } else { request.version.join(".") };
    let mut objects: Vec<_> = request.objects.union(&response.objects).take(MAX_NAMED).cloned().collect();
    objects.sort_by_key(|object| (object.len(), object.clone()));
    let failed =
        response.statuses.iter().any(|status| status == "Operation Failed" || status == "Operation Undone");
    let pending = response.statuses.iter().any(|status| status == "Operation Pending");
    let result = match (failed, pending) {
        (true, _) => "failed",
        (false, true) => "pending",
        (false, false) if response.statuses.is_empty() => "unknown",
        (false, false) => "success",
    };
    json!({
        "version": version,
        "operations": operations,
        "objects": objects,
        "result": result,
        "failed": failed,
        "reasons": response.reasons,
        "messages": response.messages,
        "microseconds": u64::try_from(exchange.duration.as_micros()).unwrap_or(u64::MAX),
        "received": exchange.request.length,
        "sent": exchange.response.length,
        "fault": exchange.fault.map(AnswerFault::name),
    })
}

/// Returns everything about a record.
pub(super) fn details(record: &Record, server: &dyn Inspected) -> Value {
    let mut details = row(record);
    let mut codes: Vec<String> = Vec::new();
    let more = match &record.event {
        Event::Opened { chosen, offered, certificate } => {
            json!({ "chosen": chosen, "offered": offered, "certificate": certificate })
        }
        Event::Closed(_) => json!({}),
        Event::Failed { code, offered, .. } => {
            codes.push((*code).to_owned());
            json!({ "offered": offered })
        }
        Event::Exchange(exchange) => {
            let mut summary = Summary::default();
            summary.add(&exchange.response);
            codes.extend(summary.reasons);
            json!({
                "request": message(exchange.request.shown().as_deref()),
                "response": message(exchange.response.shown().as_deref()),
                "test_case": test_case::of(record, &server.recorder().after(0)),
            })
        }
    };
    merge(&mut details, more);
    let explanations = codes.iter().filter_map(|code| {
        let found = server.explain(code)?;
        Some(json!({ "code": code, "meaning": found.meaning, "advice": found.advice }))
    });
    let explanations: Vec<_> = explanations.collect();
    merge(&mut details, json!({ "explanations": explanations }));
    details
}

/// Returns a message as a tree, in hexadecimal, XML and JSON, or null if it was too long to be recorded.
fn message(bytes: Option<&[u8]>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    let text = |text: Result<String, encoding::Error>| text.unwrap_or_else(|error| error.to_string());
    let masked = encoding::find_masked(bytes);
    let masked = masked
        .iter()
        .map(|masked| [masked.range.start, masked.range.end])
        .filter(|[from, _]| *from < MAX_HEX);
    let shown = bytes.get(..MAX_HEX).unwrap_or(bytes);
    json!({
        "tree": tree(bytes),
        "hex": base16ct::lower::encode_string(shown),
        "masked": masked.collect::<Vec<_>>(),
        "length": bytes.len(),
        "xml": text(encoding::xml::encode(bytes).map(|xml| indented(&xml))),
        "json": text(encoding::json::encode(bytes).map(|json| pretty(&json))),
    })
}

/// Returns a message in words.
pub(super) fn tree(bytes: &[u8]) -> Value {
    let tree = Tree::of(bytes);
    let lines = tree.lines().iter().map(|line| {
        json!({
            "depth": line.depth,
            "name": line.tag.to_string(),
            "type": line.kind.to_string(),
            "value": line.value,
            "masked": line.is_masked(),
        })
    });
    let lines: Vec<_> = lines.collect();
    json!({ "lines": lines, "more": tree.more(), "error": tree.error().map(Error::to_string) })
}

fn pretty(json: &str) -> String {
    let value: Result<Value, _> = serde_json::from_str(json);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| json.to_owned())
}
