//! The log of diagnostics in PyKMIP's format, in a file or on standard output.
//!
//! `2026-09-01 12:00:00,123 - kmip.server.session.00000001 - INFO - Starting session`

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Local};
use log::{Level, Record};
use log4rs::append::Append;
use log4rs::config::{Appender, Config as LoggerConfig, Root};
use log4rs::filter::{Filter, Response};

use super::background::Background;
use super::output::Output;
use super::{Error, Rotation, destination, filter, is_ours, write_message};
use crate::config::Config;

/// The name of the appender in the configuration of log4rs.
const APPENDER: &str = "diagnostics";
/// Python's `asctime` without the milliseconds, in local time.
const TIME_PATTERN: &str = "%Y-%m-%d %H:%M:%S";

/// Starts to log to the configured path; creates missing directories.
///
/// # Errors
/// Returns [`Error::Unwritable`] if the file cannot be written, [`Error::AlreadySet`] on a second call.
pub fn init(config: &Config) -> Result<(), Error> {
    let path = config.log_path.as_path();
    let unwritable = |cause| Error::Unwritable { path: path.to_owned(), cause };
    let rotation = Rotation { max_size: config.log_max_size, backups: config.log_backups };
    let mut output = Output::open(path, rotation).map_err(unwritable)?;
    let write = Box::new(move |lines: &mut String| output.append(lines));
    let log = Background::new(format!("the log {}", destination(path)), write, lost).map_err(unwritable)?;
    let log = Arc::new(log);
    let reopened = Arc::downgrade(&log);
    let appender =
        Appender::builder().filter(Box::new(OwnMessages)).build(APPENDER, Box::new(Diagnostics(log)));
    let root = Root::builder().appender(APPENDER).build(filter(config.logging_level));
    let logger = LoggerConfig::builder().appender(appender).build(root);
    let logger = logger.map_err(|error| unwritable(io::Error::other(error)))?;
    log4rs::init_config(logger).map_err(|_| Error::AlreadySet)?;
    LOG.get_or_init(|| reopened);
    Ok(())
}

/// The log of the process.
static LOG: OnceLock<Weak<Background>> = OnceLock::new();

/// Opens the log file again if another one has its path.
pub fn reopen() {
    if let Some(log) = LOG.get().and_then(Weak::upgrade) {
        log.reopen();
    }
}

/// Returns the line that replaces lines which could not be written.
fn lost(count: u64) -> String {
    let mut text = String::new();
    let args = format_args!("{count} lines are missing here, because the log took no more.");
    line(&Record::builder().level(Level::Warn).target("kmip.server.logging").args(args).build(), &mut text);
    text
}

/// Rejects the messages of other packages.
#[derive(Debug)]
struct OwnMessages;

impl Filter for OwnMessages {
    fn filter(&self, record: &Record<'_>) -> Response {
        if is_ours(record.target()) { Response::Neutral } else { Response::Reject }
    }
}

/// The appender of log4rs that formats each message as a line, which a thread writes.
#[derive(Debug)]
struct Diagnostics(Arc<Background>);

impl Append for Diagnostics {
    fn append(&self, record: &Record<'_>) -> anyhow::Result<()> {
        let mut text = String::with_capacity(160);
        line(record, &mut text);
        self.0.push(&text, record.level() <= Level::Warn);
        Ok(())
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Appends PyKMIP's line: `%(asctime)s - %(name)s - %(levelname)s - %(message)s`.
fn line(record: &Record<'_>, line: &mut String) {
    write_time(line);
    line.push_str(" - ");
    write_message(record, line);
}

/// Appends the current time. Each thread caches the text of the second, because the conversion to local time costs
/// more than the rest of the line.
fn write_time(line: &mut String) {
    thread_local! {
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != since_epoch.as_secs() || text.is_empty() {
            *second = since_epoch.as_secs();
            *text = DateTime::<Local>::from(now).format(TIME_PATTERN).to_string();
        }
        line.push_str(text);
        let _ = write!(line, ",{:03}", since_epoch.subsec_millis());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_the_time_as_python_writes_it() {
        let mut text = String::new();
        line(&Record::builder().target("kmip.server").args(format_args!("A message")).build(), &mut text);
        let (time, rest) = text.split_at(23);
        assert_eq!(rest, " - kmip.server - INFO - A message\n");
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00,000");
    }
}
