//! The audit: one line of JSON for each operation, with its user, address, objects and result.
//!
//! If the audit is required, a line of intent precedes each operation. An operation whose line cannot be written is
//! refused, and after a lost result all operations are refused until the result is written.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::auth::{Identity, Peer};
use crate::encoding::rfc_3339;
use crate::excerpt::{Excerpt, is_printable};
use crate::kmip::enums::{Operation, ResultReason};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, RequestItem};
use crate::lock::IgnorePoison;
use crate::ttlv::{Tag, Value, Version};

use super::LOG;

/// The logger of audit lines if they have no log of their own.
const AUDIT: &str = "kmip.server.audit";
/// The result in a line of intent.
const INTENDED: &str = "Intended";
/// The result of an item that did not execute, because an earlier item of its batch failed.
pub(super) const NOT_EXECUTED: &str = "Not Executed";
/// The bytes of result lines that wait until they can be written. Only requests that were running when the log failed
/// add lines; beyond this size, the lines are counted.
const MAX_OWED: usize = 16 << 20;

/// A log of audit lines.
pub trait Sink: Send + Sync + 'static {
    /// Writes whole lines, and removes from the text what is written.
    ///
    /// # Errors
    /// Returns an error only if the sink is required.
    fn write(&self, lines: &mut String) -> io::Result<()>;

    /// Returns whether operations depend on the sink.
    fn is_required(&self) -> bool {
        false
    }

    /// Waits until the lines are written.
    fn flush(&self) {}

    /// Opens the file again if another one has its path.
    fn reopen(&self) {}
}

/// A sink that passes lines to the `log` facade, which reports no failures.
struct Facade;

impl Sink for Facade {
    fn write(&self, lines: &mut String) -> io::Result<()> {
        lines.lines().for_each(|line| log::info!(target: AUDIT, "{line}"));
        lines.clear();
        Ok(())
    }
}

/// The user, client and correlation value of a request.
#[derive(Clone, Copy)]
pub(super) struct AuditOrigin<'a> {
    pub(super) identity: &'a Identity,
    pub(super) peer: &'a Peer,
    pub(super) correlation: Option<&'a str>,
    /// The version of the request, whose Result Reasons the lines contain.
    pub(super) version: Version,
}

/// An operation that is to execute, with the object that the request names.
pub(super) type Intent<'a> = (Operation, &'a Option<String>);

/// The audit of a dispatcher.
pub(super) struct Audit {
    sink: Arc<dyn Sink>,
    owed: Mutex<Owed>,
}

/// The result lines that could not be written.
#[derive(Default)]
struct Owed {
    lines: String,
    lost: u64,
    fails: bool,
}

impl Default for Audit {
    fn default() -> Self {
        Self::to(Arc::new(Facade))
    }
}

impl Audit {
    pub(super) fn to(sink: Arc<dyn Sink>) -> Self {
        Self { sink, owed: Mutex::default() }
    }

    pub(super) fn is_required(&self) -> bool {
        self.sink.is_required()
    }

    pub(super) fn flush(&self) {
        self.sink.flush();
    }

    /// Writes the lines of intent if the audit is required. The operations may begin after that.
    ///
    /// # Errors
    /// Returns General Failure if these lines, or those of earlier results, cannot be written.
    pub(super) fn begin<'i>(
        &self,
        requester: AuditOrigin<'_>,
        intents: impl FnOnce() -> Vec<Intent<'i>>,
    ) -> Result<(), Error> {
        if !self.is_required() {
            return Ok(());
        }
        let mut lines = String::new();
        for (operation, object) in intents() {
            write_line(&mut lines, requester, operation, object.as_slice(), (INTENDED, None));
        }
        self.write(&mut lines).map_err(|_| {
            Error::new(
                ResultReason::GeneralFailure,
                "The server executes no operation, because it cannot write its audit log.",
            )
        })
    }

    /// Writes the lines of results.
    pub(super) fn end(&self, mut lines: String) {
        if !self.is_required() {
            drop(self.sink.write(&mut lines));
        } else if self.write(&mut lines).is_err() {
            self.owed.lock().ignore_poison().add(&lines);
        }
    }

    /// Writes the lines of earlier results, then `lines`. Logs the first failure and its end.
    fn write(&self, lines: &mut String) -> io::Result<()> {
        let mut owed = self.owed.lock().ignore_poison();
        let outcome = owed.settle(&*self.sink).and_then(|()| self.sink.write(lines));
        match (&outcome, std::mem::replace(&mut owed.fails, outcome.is_err())) {
            (Err(error), false) => log::error!(
                target: LOG,
                "The audit log cannot be written: {error}. The server refuses all operations until it can; free the \
                 disk, or read from the pipe."
            ),
            (Ok(()), true) => log::info!(target: LOG, "The audit log can be written again."),
            _ => {}
        }
        outcome
    }
}

impl Owed {
    fn add(&mut self, lines: &str) {
        if self.lines.len() + lines.len() > MAX_OWED {
            self.lost += lines.lines().count() as u64;
        } else {
            self.lines.push_str(lines);
        }
    }

    /// Writes the waiting lines.
    fn settle(&mut self, sink: &dyn Sink) -> io::Result<()> {
        if self.lost > 0 {
            self.lines.push_str(&lost(std::mem::take(&mut self.lost)));
        }
        if self.lines.is_empty() { Ok(()) } else { sink.write(&mut self.lines) }
    }
}

/// Returns the line that stands for this number of lines which could not be written.
pub fn lost(count: u64) -> String {
    let mut line = String::new();
    let mut fields = Fields::begin(&mut line);
    fields.absent("user").absent("address").absent("operation").excerpts("object", &[]);
    fields.text("result", "Lines Lost").text("reason", &format!("{count} lines could not be written"));
    fields.absent("correlation").end();
    line
}

/// Appends the line of an operation. Values that a client chose are JSON strings, so that no value can imitate another.
pub(super) fn write_line(
    line: &mut String,
    AuditOrigin { identity, peer, correlation, version }: AuditOrigin<'_>,
    operation: Operation,
    objects: &[String],
    (result, failure): (&str, Option<&Error>),
) {
    let mut fields = Fields::begin(line);
    fields.excerpt("user", &identity.principal.user);
    if let Some(credential) = &identity.principal.credential {
        fields.excerpt("credential", credential);
    }
    if let Some(delegate) = &identity.delegate {
        fields.excerpt("delegate", &delegate.user);
    }
    fields.text("address", peer.address_text()).text("operation", operation.name());
    fields.excerpts("object", objects).text("result", result);
    match failure {
        Some(failure) => {
            fields.text("reason", failure.reason_in(version).name()).text("message", &failure.message)
        }
        None => fields.absent("reason"),
    };
    match correlation {
        Some(correlation) => fields.excerpt("correlation", correlation),
        None => fields.absent("correlation"),
    };
    fields.end();
}

/// The fields of one JSON object, which is a line.
struct Fields<'a>(&'a mut String);

impl<'a> Fields<'a> {
    /// Begins with the current time.
    fn begin(line: &'a mut String) -> Self {
        line.push_str("{\"time\":");
        let mut fields = Self(line);
        fields.value(&rfc_3339(SystemTime::now()));
        fields
    }

    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    /// Appends a JSON string (RFC 8259 §7) in which unprintable characters are escaped.
    fn value(&mut self, text: &str) {
        self.0.push('"');
        let is_plain = |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        // Without an early end, so that the processor compares many bytes at once.
        if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
            self.0.push_str(text);
            self.0.push('"');
            return;
        }
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                c if is_printable(c) => self.0.push(c),
                c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                    // Writing to a string does not fail.
                    let _ = write!(self.0, "\\u{unit:04x}");
                }),
            }
        }
        self.0.push('"');
    }

    fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.name(name);
        self.value(text);
        self
    }

    fn excerpt(&mut self, name: &str, text: &str) -> &mut Self {
        self.text(name, &Excerpt(text).bounded())
    }

    /// Appends an array of texts of a client.
    fn excerpts(&mut self, name: &str, texts: &[String]) -> &mut Self {
        self.name(name);
        self.0.push('[');
        for (number, text) in texts.iter().enumerate() {
            if number > 0 {
                self.0.push(',');
            }
            self.value(&Excerpt(text).bounded());
        }
        self.0.push(']');
        self
    }

    fn absent(&mut self, name: &str) -> &mut Self {
        self.name(name);
        self.0.push_str("null");
        self
    }

    fn end(&mut self) {
        self.0.push_str("}\n");
    }
}
/// Returns the Unique Identifier of a payload, or `None` if it has none.
pub(super) fn requested(item: &RequestItem<'_>) -> Option<String> {
    let mut rows = item.payload.structure().ok()?;
    while let Some(row) = rows.next().ok()? {
        if row.tag == Tag::UniqueIdentifier {
            return UniqueIdentifier::decode(&row).ok().map(|identifier| identifier.to_string());
        }
    }
    None
}
