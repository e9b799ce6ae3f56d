//! A rule of the fault table, and its JSON form.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::Subject;
use crate::kmip::Error;
use crate::kmip::enums::{Operation, ResultReason};
use crate::suggestion::{self, similar};

/// The maximum length of a text of a rule in bytes.
pub const MAX_TEXT: usize = 1024;

/// The maximum time of a delay and of a wait.
pub const MAX_TIME: Duration = Duration::from_secs(60);

/// The maximum time for which an operation is pending.
const MAX_PENDING: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Which requests a rule matches, when it acts, and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The user, or `None` for every user.
    pub user: Option<String>,
    /// The operation, or `None` for every operation.
    pub operation: Option<Operation>,
    /// The Unique Identifier in the request, or `None` for every request.
    pub object: Option<String>,
    /// The number of the first match at which the rule acts, from 1.
    pub nth: u64,
    /// How often the rule acts, or `None` for no limit.
    pub count: Option<u64>,
    /// The probability with which it acts, or `None` for always.
    pub probability: Option<f64>,
    /// What it does.
    pub action: Action,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The item is not executed and fails with this error.
    Fail(Error),
    /// The request waits before it is executed.
    Delay(Duration),
    /// The request is not executed, and the connection ends.
    Close,
    /// The items execute asynchronously, after this time of the injected clock.
    Pending(Duration),
    /// The request is executed, and its answer has a fault.
    Answer(AnswerFault),
    /// The TLS handshake ends with an alert.
    RefuseHandshake,
}

/// The fault of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFault {
    /// The connection ends without the answer.
    Lost,
    /// The connection ends in the middle of the answer.
    Cut,
    /// The answer lacks its second half; its length is that of the rest.
    Truncated,
    /// The answer cannot be parsed.
    Unparsable,
    /// The answer has another protocol version: major and minor.
    Version(i32, i32),
    /// The answer arrives at so many bytes in a second.
    Slow(u32),
}

/// The actions by their names in JSON.
const ACTIONS: &[&str] = &[
    "fail",
    "delay",
    "close",
    "pending",
    "lose",
    "cut",
    "truncate",
    "garble",
    "version",
    "slow",
    "refuse_handshake",
];

/// The members of a rule.
const MEMBERS: &[&str] = &[
    "user",
    "operation",
    "object",
    "nth",
    "count",
    "probability",
    "action",
    "reason",
    "message",
    "seconds",
    "version",
    "bytes_per_second",
];

/// The reason why a rule cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError(String);

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RuleError {}

impl Rule {
    /// Returns whether the rule matches a batch item.
    pub(super) fn matches(&self, subject: Subject<'_>) -> bool {
        self.user.as_deref().is_none_or(|user| user == subject.user)
            && self.operation.is_none_or(|operation| operation == subject.operation)
            && self.object.as_deref().is_none_or(|object| Some(object) == subject.object)
    }

    /// Reads a rule: a JSON object with the members that docs/testing-clients.md lists.
    ///
    /// # Errors
    /// Returns an error for an unknown member, and for a value that is missing or invalid.
    pub fn parse(rule: &Json) -> Result<Self, RuleError> {
        let members = rule.as_object().ok_or_else(|| RuleError("a fault is a JSON object".to_owned()))?;
        if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            let similar = similar(name, MEMBERS.iter());
            return Err(RuleError(format!(
                "a fault has no member {name:.64?}{similar}; the members are {}",
                MEMBERS.join(", ")
            )));
        }
        let members = Members(members);
        let nth = members.count("nth")?.unwrap_or(1);
        let (count, probability) = (members.count("count")?, members.probability()?);
        let operation =
            members.text("operation")?.map(|name| named("operation", &name, Operation::ALL, Operation::name));
        let rule = Self {
            user: members.text("user")?,
            operation: operation.transpose()?,
            object: members.text("object")?,
            nth,
            count,
            probability,
            action: members.action()?,
        };
        let is_for_items = rule.user.is_some() || rule.operation.is_some() || rule.object.is_some();
        if rule.action == Action::RefuseHandshake && is_for_items {
            return Err(RuleError(
                "refuse_handshake has no user, operation or object: the server does not know them before the handshake"
                    .to_owned(),
            ));
        }
        Ok(rule)
    }

    /// Returns the JSON form.
    pub fn json(&self) -> Json {
        let mut members = Map::new();
        let mut put = |name: &str, value: Json| drop(members.insert(name.to_owned(), value));
        if let Some(user) = &self.user {
            put("user", json!(user));
        }
        if let Some(operation) = self.operation {
            put("operation", json!(operation.name()));
        }
        if let Some(object) = &self.object {
            put("object", json!(object));
        }
        put("nth", json!(self.nth));
        if let Some(count) = self.count {
            put("count", json!(count));
        }
        if let Some(probability) = self.probability {
            put("probability", json!(probability));
        }
        put("action", json!(self.action.name()));
        match &self.action {
            Action::Fail(error) => {
                put("reason", json!(error.reason.name()));
                put("message", json!(error.message));
            }
            Action::Delay(time) | Action::Pending(time) => put("seconds", json!(time.as_secs_f64())),
            Action::Answer(AnswerFault::Version(major, minor)) => {
                put("version", json!(format!("{major}.{minor}")))
            }
            Action::Answer(AnswerFault::Slow(rate)) => put("bytes_per_second", json!(rate)),
            Action::Answer(_) | Action::Close | Action::RefuseHandshake => {}
        }
        Json::Object(members)
    }
}

impl Action {
    fn name(&self) -> &'static str {
        match self {
            Self::Fail(_) => "fail",
            Self::Delay(_) => "delay",
            Self::Close => "close",
            Self::Pending(_) => "pending",
            Self::Answer(fault) => fault.name(),
            Self::RefuseHandshake => "refuse_handshake",
        }
    }
}

impl AnswerFault {
    /// Returns the name of the action in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lose",
            Self::Cut => "cut",
            Self::Truncated => "truncate",
            Self::Unparsable => "garble",
            Self::Version(..) => "version",
            Self::Slow(_) => "slow",
        }
    }
}

fn named<T: Copy>(
    what: &str,
    name: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<T, RuleError> {
    suggestion::named(name, all, name_of)
        .map_err(|similar| RuleError(format!("the standard has no {what} {name:.64?}{similar}")))
}

/// The members of a rule.
struct Members<'a>(&'a Map<String, Json>);

impl Members<'_> {
    fn value(&self, name: &str) -> Option<&Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<String>, RuleError> {
        let read = |value: &Json| {
            let text = value.as_str().filter(|text| !text.is_empty() && text.len() <= MAX_TEXT);
            text.map(str::to_owned).ok_or_else(|| wrong(name, &format!("a text of 1 to {MAX_TEXT} bytes")))
        };
        self.value(name).map(read).transpose()
    }

    fn count(&self, name: &str) -> Result<Option<u64>, RuleError> {
        let read = |value: &Json| {
            value.as_u64().filter(|count| *count > 0).ok_or_else(|| wrong(name, "a number from 1 on"))
        };
        self.value(name).map(read).transpose()
    }

    fn probability(&self) -> Result<Option<f64>, RuleError> {
        let read = |value: &Json| {
            let probability = value.as_f64().filter(|probability| (0.0..=1.0).contains(probability));
            probability.ok_or_else(|| wrong("probability", "a number from 0 to 1"))
        };
        self.value("probability").map(read).transpose()
    }

    fn seconds(&self, longest: Duration) -> Result<Duration, RuleError> {
        let expected = || wrong("seconds", &format!("a number from 0 to {}", longest.as_secs()));
        let seconds = self.value("seconds").and_then(Json::as_f64).ok_or_else(expected)?;
        let time = Duration::try_from_secs_f64(seconds).map_err(|_| expected())?;
        if time > longest { Err(expected()) } else { Ok(time) }
    }

    fn version(&self) -> Result<(i32, i32), RuleError> {
        let text = self.text("version")?.unwrap_or_else(|| "9.9".to_owned());
        let parsed =
            text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        parsed.ok_or_else(|| wrong("version", "MAJOR.MINOR, such as \"9.9\""))
    }

    fn action(&self) -> Result<Action, RuleError> {
        let Some(name) = self.text("action")? else {
            return Err(RuleError(format!("a fault needs an action: {}", ACTIONS.join(", "))));
        };
        let (action, own): (Action, &[&str]) = match name.as_str() {
            "fail" => {
                let reason =
                    self.text("reason")?.unwrap_or_else(|| ResultReason::GeneralFailure.name().to_owned());
                let reason = named("Result Reason", &reason, ResultReason::ALL, ResultReason::name)?;
                let message = self.text("message")?.unwrap_or_else(|| "A fault of the test.".to_owned());
                (Action::Fail(Error::new(reason, message)), &["reason", "message"])
            }
            "delay" => (Action::Delay(self.seconds(MAX_TIME)?), &["seconds"]),
            "pending" => (Action::Pending(self.seconds(MAX_PENDING)?), &["seconds"]),
            "close" => (Action::Close, &[]),
            "lose" => (Action::Answer(AnswerFault::Lost), &[]),
            "cut" => (Action::Answer(AnswerFault::Cut), &[]),
            "truncate" => (Action::Answer(AnswerFault::Truncated), &[]),
            "garble" => (Action::Answer(AnswerFault::Unparsable), &[]),
            "version" => {
                let (major, minor) = self.version()?;
                (Action::Answer(AnswerFault::Version(major, minor)), &["version"])
            }
            "slow" => {
                let rate = self.count("bytes_per_second")?.and_then(|rate| u32::try_from(rate).ok());
                let rate = rate.ok_or_else(|| wrong("bytes_per_second", "a number from 1 on"))?;
                (Action::Answer(AnswerFault::Slow(rate)), &["bytes_per_second"])
            }
            "refuse_handshake" => (Action::RefuseHandshake, &[]),
            other => {
                let similar = similar(other, ACTIONS.iter());
                return Err(RuleError(format!(
                    "there is no action {other:.64?}{similar}; the actions are {}",
                    ACTIONS.join(", ")
                )));
            }
        };
        let all = ["reason", "message", "seconds", "version", "bytes_per_second"];
        match all.iter().find(|member| !own.contains(member) && self.value(member).is_some()) {
            Some(member) => Err(RuleError(format!("the action {name} has no {member}"))),
            None => Ok(action),
        }
    }
}

fn wrong(name: &str, expected: &str) -> RuleError {
    RuleError(format!("{name} must be {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_and_written() {
        for rule in [
            json!({"operation": "Create Key Pair", "user": "ann", "object": "7", "nth": 2, "count": 3,
                   "probability": 0.5, "action": "fail", "reason": "Item Not Found", "message": "no"}),
            json!({"nth": 1, "action": "delay", "seconds": 1.5}),
            json!({"nth": 1, "action": "pending", "seconds": 3600.0}),
            json!({"nth": 1, "action": "close"}),
            json!({"nth": 1, "action": "lose"}),
            json!({"nth": 1, "action": "cut"}),
            json!({"nth": 1, "action": "truncate"}),
            json!({"nth": 1, "action": "garble"}),
            json!({"nth": 1, "action": "version", "version": "3.0"}),
            json!({"nth": 1, "action": "slow", "bytes_per_second": 10}),
            json!({"nth": 1, "action": "refuse_handshake"}),
        ] {
            assert_eq!(Rule::parse(&rule).unwrap().json(), rule);
        }
    }

    #[test]
    fn names_of_the_standard_may_have_the_form_of_other_libraries() {
        let rule = json!({"operation": "CREATE_KEY_PAIR", "action": "fail", "reason": "itemNotFound"});
        let rule = Rule::parse(&rule).unwrap();
        assert_eq!(rule.operation, Some(Operation::CreateKeyPair));
        assert!(matches!(rule.action, Action::Fail(error) if error.reason == ResultReason::ItemNotFound));
    }

    #[test]
    fn wrong_rules_are_refused_with_the_reason() {
        for (rule, expected) in [
            (json!([]), "a fault is a JSON object"),
            (json!({"action": "lose", "operatoin": "Get"}), "similar: operation"),
            (
                json!({"action": "lose", "operation": "Gte"}),
                "the standard has no operation \"Gte\"; similar: Get",
            ),
            (json!({}), "a fault needs an action"),
            (json!({"action": "loose"}), "similar: lose"),
            (json!({"action": "fail", "reason": "Item Not Fund"}), "similar: Item Not Found"),
            (json!({"action": "delay"}), "seconds must be a number from 0 to 60"),
            (json!({"action": "delay", "seconds": 61}), "seconds must be a number from 0 to 60"),
            (json!({"action": "lose", "nth": 0}), "nth must be a number from 1 on"),
            (json!({"action": "lose", "probability": 2}), "probability must be a number from 0 to 1"),
            (json!({"action": "lose", "seconds": 1}), "the action lose has no seconds"),
            (json!({"action": "version", "version": "two"}), "version must be MAJOR.MINOR"),
            (json!({"action": "slow"}), "bytes_per_second must be a number from 1 on"),
            (json!({"action": "refuse_handshake", "user": "ann"}), "before the handshake"),
            (json!({"action": "lose", "user": ""}), "user must be a text of 1 to 1024 bytes"),
        ] {
            let error = Rule::parse(&rule).unwrap_err().to_string();
            assert!(error.contains(expected), "{rule}: {error}");
        }
    }
}
