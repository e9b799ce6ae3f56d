//! The inspector: a page that shows messages, sessions, objects and policies in words. This module converts records, objects
//! and decisions to JSON; the page itself is in the files beside it.
//!
//! It never shows key material, and changes nothing.

mod history;
mod objects;
mod test_case;
mod words;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::engine::Services;
use crate::observe::recorder::{Record, Recorder};

/// The maximum number of records in one event for the page, except for the first event. Of more, the newest are sent: a
/// reader cannot follow more, and their decoding would slow the server down under load.
pub(super) const MAX_SENT: usize = 50;

/// The files of the page.
pub(super) const PAGE: &str = include_str!("inspector.html");
pub(super) const SCRIPT: &str = include_str!("inspector.js");
pub(super) const ICON: &str = include_str!("inspector.svg");
pub(super) const STYLE: &str = include_str!("inspector.css");

/// The fields of the responses with the files of the page: it uses nothing but these files and this server.
pub(super) const PAGE_FIELDS: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
                                      connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                                      frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n";

/// The explanation of a Result Reason or of a failed handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// A server, as its inspector sees it.
pub trait Inspected: Send + Sync + 'static {
    /// Returns the recorder of its messages.
    fn recorder(&self) -> &Arc<Recorder>;

    /// Calls `read` once with the services that contain its objects and policies, unless there are none.
    fn with_services(&self, read: &mut dyn FnMut(&Services));

    /// Returns the file of its audit log, or `None` if the lines of the audit are in the log.
    fn audit_log(&self) -> Option<&Path>;

    /// Returns the explanation of a Result Reason, by its name, or of a failed handshake, by its code.
    fn explain(&self, code: &str) -> Option<Explanation>;
}

/// A page of the inspector's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// The last records.
    Records,
    /// One record.
    Record,
    /// A listing of objects.
    Objects,
    /// One object.
    Object,
    /// The policies.
    Policies,
    /// Why a policy allows or refuses an operation.
    Access,
}

/// The reason why a view has no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A parameter is missing or invalid.
    Parameter(&'static str),
    /// There is no such record or object.
    NotFound(&'static str),
    /// The store failed.
    Store(String),
}

impl Failure {
    /// Returns the status code and reason phrase (RFC 9110 §15).
    pub(super) fn status(&self) -> &'static str {
        match self {
            Self::Parameter(_) => "400 Bad Request",
            Self::NotFound(_) => "404 Not Found",
            Self::Store(_) => "500 Internal Server Error",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(text) | Self::NotFound(text) => f.write_str(text),
            Self::Store(error) => f.write_str(error),
        }
    }
}

/// Returns the data of a view.
///
/// # Errors
/// Returns a [`Failure`].
pub(super) fn view(server: &dyn Inspected, view: View, parameters: &Parameters) -> Result<Value, Failure> {
    match view {
        View::Records => {
            let after = parameters.number("after")?.unwrap_or_default();
            Ok(rows(&server.recorder().after(after), usize::MAX, 0))
        }
        View::Record => {
            let number = parameters.number("number")?.ok_or(Failure::Parameter("number is missing"))?;
            let record = server.recorder().find(number);
            let record = record.ok_or(Failure::NotFound("the record is no longer kept"))?;
            Ok(words::details(&record, server))
        }
        View::Objects => objects::list(server, parameters),
        View::Object => objects::describe(server, parameters),
        View::Policies => objects::policies(server),
        View::Access => objects::access(server, parameters),
    }
}

/// Returns at most `limit` of the newest records of a list for the page, and the number of the records that are left
/// out: the older ones, and `others`.
pub(super) fn rows(records: &[Arc<Record>], limit: usize, others: u64) -> Value {
    let skipped = records.len().saturating_sub(limit);
    let newest = records.get(skipped..).unwrap_or_default();
    let skipped = skipped as u64 + others;
    let rows: Vec<_> = newest.iter().map(|record| words::row(record)).collect();
    json!({ "records": rows, "skipped": skipped })
}

/// The parameters of a request: the query of its target.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query such as `search=a%20b&below=7`.
    pub(super) fn read(query: &str) -> Self {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    /// Returns the value of a parameter, unless it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Returns the value of a parameter that is a number.
    ///
    /// # Errors
    /// Returns a [`Failure`] if it is none.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<u64>, Failure> {
        let invalid = |_| Failure::Parameter("after, below and number are whole numbers");
        self.text(name).map(str::parse).transpose().map_err(invalid)
    }
}

#[cfg(test)]
mod tests;
