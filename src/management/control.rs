//! Test control over HTTP: the paths below `/control`. Each call is a POST of a JSON object; the answer is one, too.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value as Json, json};

use crate::control::{Control, ControlError, MessageFilter};
use crate::encoding;
use crate::faults::{Rule, Status};
use crate::http::Refusal;
use crate::suggestion::similar;

/// The maximum length of the body of a seed, in bytes.
const MAX_BODY: usize = 16 << 20;
/// The maximum length of the bodies of other calls, in bytes.
pub(super) const MAX_SHORT_BODY: usize = 64 << 10;

const SEED: &str = "/control/seed";
const MESSAGES: &str = "/control/messages";

/// The path of the certificates of a client. The parameter `client` contains its name.
pub(super) const CERTIFICATES: &str = "/control/certificates";

pub(super) const NEEDS_POST: Refusal =
    Refusal::new("405 Method Not Allowed", "Allow: POST\r\n", "this path needs a POST with a JSON object");

/// A call of test control.
pub(super) struct Call {
    path: &'static str,
    /// The members of the JSON object.
    members: &'static [&'static str],
    /// Whether the call is a GET.
    is_read: bool,
    run: fn(&Control, &Members) -> Result<Json, ControlError>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for Call {}

const CALLS: &[Call] = &[
    Call { path: "/control", members: &[], is_read: true, run: overview },
    Call {
        path: "/control/reset",
        members: &[],
        is_read: false,
        run: |control, _| control.reset().map(|()| json!({})),
    },
    Call {
        path: "/control/clock",
        members: &["advance", "set", "freeze", "resume", "reset"],
        is_read: false,
        run: clock,
    },
    Call { path: "/control/faults/add", members: &["fault"], is_read: false, run: add_fault },
    Call {
        path: "/control/faults/list",
        members: &[],
        is_read: false,
        run: |control, _| Ok(faults(control)),
    },
    Call {
        path: "/control/faults/wait",
        members: &["id", "hits", "seconds"],
        is_read: false,
        run: wait_for_fault,
    },
    Call { path: "/control/faults/remove", members: &["id"], is_read: false, run: remove_fault },
    Call { path: "/control/faults/clear", members: &["seed"], is_read: false, run: clear_faults },
    Call { path: SEED, members: &["objects", "pykmip_database"], is_read: false, run: seed },
    Call { path: "/control/snapshot", members: &[], is_read: false, run: snapshot },
    Call { path: "/control/restore", members: &["id"], is_read: false, run: restore },
    Call { path: "/control/forget", members: &["id"], is_read: false, run: forget },
    Call {
        path: MESSAGES,
        members: &["operation", "user", "after", "last", "secrets", "seconds"],
        is_read: false,
        run: messages,
    },
    Call {
        path: "/control/messages/clear",
        members: &[],
        is_read: false,
        run: |control, _| {
            control.clear_messages();
            Ok(json!({}))
        },
    },
];

impl Call {
    /// Returns the call with this path.
    pub(super) fn find(path: &str) -> Option<&'static Self> {
        CALLS.iter().find(|call| call.path == path)
    }

    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// Returns whether the answer contains recorded messages.
    pub(super) fn reads_messages(&self) -> bool {
        self.path == MESSAGES
    }

    /// Returns the maximum length of the body, in bytes.
    pub(super) fn max_body(&self) -> usize {
        if self.path == SEED { MAX_BODY } else { MAX_SHORT_BODY }
    }

    /// Returns the status and the body of the response.
    pub(super) fn answer(&self, control: &Control, body: &[u8]) -> (&'static str, Json) {
        match Members::read(body, self.members).and_then(|members| (self.run)(control, &members)) {
            Ok(answer) => ("200 OK", answer),
            Err(error) => (status(&error), json!({ "error": error.to_string() })),
        }
    }
}

/// Returns the status of the response to a call that fails.
pub(super) fn status(error: &ControlError) -> &'static str {
    match error {
        ControlError::Invalid(_) => "400 Bad Request",
        ControlError::Unknown(_) => "404 Not Found",
        ControlError::Store(_) => "409 Conflict",
        ControlError::Stopped => "503 Service Unavailable",
    }
}

fn overview(control: &Control, _: &Members) -> Result<Json, ControlError> {
    Ok(json!({ "clock": time(control), "faults": faults(control), "last_message": control.last_message() }))
}

fn time(control: &Control) -> Json {
    let now = control.now();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    json!({ "now": encoding::rfc_3339(now), "seconds": seconds, "frozen": control.is_frozen() })
}

fn clock(control: &Control, members: &Members) -> Result<Json, ControlError> {
    if members.flag("reset")? {
        control.reset_clock()?;
    }
    // Before a movement, so that no time passes between both.
    if members.flag("freeze")? {
        control.freeze()?;
    }
    if let Some(seconds) = members.number("set")? {
        control.set_time(SystemTime::UNIX_EPOCH + duration("set", seconds)?)?;
    }
    if let Some(seconds) = members.number("advance")? {
        control.advance(duration("advance", seconds)?)?;
    }
    if members.flag("resume")? {
        control.resume()?;
    }
    Ok(time(control))
}

fn faults(control: &Control) -> Json {
    Json::Array(control.faults().iter().map(of_fault).collect())
}

fn of_fault(status: &Status) -> Json {
    let mut fault = status.rule.json();
    if let Some(members) = fault.as_object_mut() {
        members.insert("id".to_owned(), json!(status.id));
        members.insert("matches".to_owned(), json!(status.matches));
        members.insert("hits".to_owned(), json!(status.hits));
    }
    fault
}

fn add_fault(control: &Control, members: &Members) -> Result<Json, ControlError> {
    let fault = members.value("fault").ok_or_else(|| missing("fault"))?;
    let rule = Rule::parse(fault).map_err(|error| ControlError::Invalid(error.to_string()))?;
    Ok(json!({ "id": control.add_rule(rule)? }))
}

fn wait_for_fault(control: &Control, members: &Members) -> Result<Json, ControlError> {
    let hits = members.count("hits")?.unwrap_or(1);
    let patience = duration("seconds", members.number("seconds")?.unwrap_or(10.0))?;
    Ok(json!({ "hits": control.wait_for_fault(members.id()?, hits, patience)? }))
}

fn remove_fault(control: &Control, members: &Members) -> Result<Json, ControlError> {
    control.remove_fault(members.id()?).map(|()| json!({}))
}

fn clear_faults(control: &Control, members: &Members) -> Result<Json, ControlError> {
    let seed = members.count("seed")?;
    control.clear_faults();
    seed.into_iter().for_each(|seed| control.seed_faults(seed));
    Ok(json!({}))
}

fn seed(control: &Control, members: &Members) -> Result<Json, ControlError> {
    let ids = match (members.value("objects"), members.text("pykmip_database")?) {
        (Some(objects), None) => {
            let objects = objects.as_array().ok_or_else(|| wrong("objects", "a list of objects"))?;
            control.seed_objects(objects)?
        }
        (None, Some(path)) => control.seed_from_pykmip(Path::new(&path))?,
        _ => return Err(ControlError::Invalid("a seed needs either objects or pykmip_database".to_owned())),
    };
    Ok(json!({ "ids": ids }))
}

fn snapshot(control: &Control, _: &Members) -> Result<Json, ControlError> {
    Ok(json!({ "id": control.snapshot()? }))
}

fn restore(control: &Control, members: &Members) -> Result<Json, ControlError> {
    control.restore(members.id()?).map(|()| json!({}))
}

fn forget(control: &Control, members: &Members) -> Result<Json, ControlError> {
    control.forget(members.id()?).map(|()| json!({}))
}

fn messages(control: &Control, members: &Members) -> Result<Json, ControlError> {
    let filter = MessageFilter {
        operation: members.text("operation")?,
        user: members.text("user")?,
        after: members.count("after")?.unwrap_or_default(),
        last: members.count("last")?.map(|last| usize::try_from(last).unwrap_or(usize::MAX)),
        secrets: members.flag("secrets")?,
    };
    let found = match members.number("seconds")? {
        Some(seconds) => control.wait_for_messages(&filter, duration("seconds", seconds)?),
        None => control.messages(&filter),
    };
    let found: Vec<_> = found.into_iter().map(|message| message.json).collect();
    Ok(json!({ "last": control.last_message(), "messages": found }))
}

fn duration(name: &str, seconds: f64) -> Result<Duration, ControlError> {
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong(name, "a number of seconds that is not negative"))
}

fn wrong(name: &str, expected: &str) -> ControlError {
    ControlError::Invalid(format!("{name} must be {expected}"))
}

fn missing(name: &str) -> ControlError {
    ControlError::Invalid(format!("{name} is missing"))
}

/// The members of the JSON object of a call.
struct Members(Map<String, Json>);

impl Members {
    /// Reads a body. An empty one is an empty object.
    fn read(body: &[u8], known: &[&str]) -> Result<Self, ControlError> {
        let body: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { body };
        let invalid =
            |error: serde_json::Error| ControlError::Invalid(format!("the body is no JSON object: {error}"));
        let object: Map<String, Json> = serde_json::from_slice(body).map_err(invalid)?;
        if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
            let similar = similar(name, known.iter());
            return Err(ControlError::Invalid(format!("the call has no member {name:.64?}{similar}")));
        }
        Ok(Self(object))
    }

    fn value(&self, name: &str) -> Option<&Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<String>, ControlError> {
        let read = |value: &Json| value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "a text"));
        self.value(name).map(read).transpose()
    }

    fn flag(&self, name: &str) -> Result<bool, ControlError> {
        let read = |value: &Json| value.as_bool().ok_or_else(|| wrong(name, "true or false"));
        self.value(name).map(read).transpose().map(Option::unwrap_or_default)
    }

    fn number(&self, name: &str) -> Result<Option<f64>, ControlError> {
        let read = |value: &Json| value.as_f64().ok_or_else(|| wrong(name, "a number"));
        self.value(name).map(read).transpose()
    }

    fn count(&self, name: &str) -> Result<Option<u64>, ControlError> {
        let read = |value: &Json| value.as_u64().ok_or_else(|| wrong(name, "a whole number from 0 on"));
        self.value(name).map(read).transpose()
    }

    fn id(&self) -> Result<u64, ControlError> {
        self.count("id")?.ok_or_else(|| missing("id"))
    }
}
