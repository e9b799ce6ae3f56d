//! The logs of the program: one of diagnostics in PyKMIP's format, and one of audit lines. Each goes to a file or to
//! standard output; if the cargo feature `log-file` is disabled, the diagnostics go to standard error.
//!
//! The rest of the library uses the `log` facade and does not depend on this module. Loggers have PyKMIP's names
//! (`kmip.server…`); the module path `kmip_server::a::b` becomes `kmip.server.a.b`. Messages of other packages are
//! discarded, as in PyKMIP. `log::logger().flush()` returns after all messages have been written.

mod audit;
mod background;
mod complaint;
#[cfg(feature = "log-file")]
mod diagnostics;
mod file;
mod output;
#[cfg(not(feature = "log-file"))]
mod standard_error;

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use log::{LevelFilter, Record};

pub use audit::{AuditLog, default_audit_path};
#[cfg(feature = "log-file")]
pub use diagnostics::{init, reopen};
#[cfg(not(feature = "log-file"))]
pub use standard_error::{init, reopen};

use crate::config::Level;
use crate::excerpt::push_escaped;

/// The path that stands for standard output.
pub const STANDARD_OUTPUT: &str = "-";

/// When a log file is rotated.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The size in bytes above which the file is rotated; 0 for never.
    pub max_size: u64,
    /// The number of predecessors; 0 for no rotation.
    pub backups: usize,
}

/// The reason why the program cannot log.
#[derive(Debug)]
pub enum Error {
    /// The log file cannot be written.
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The process already has a logger.
    AlreadySet,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritable { path, cause } => {
                write!(f, "the log file {} cannot be written: {cause}", path.display())
            }
            Self::AlreadySet => f.write_str("the process already has a logger"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unwritable { cause, .. } => Some(cause),
            Self::AlreadySet => None,
        }
    }
}

/// Checks whether the program could log to `path`, without creating a file.
///
/// # Errors
/// Returns [`Error::Unwritable`] if it could not.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    if path == Path::new(STANDARD_OUTPUT) {
        return Ok(());
    }
    file::check_writable(path).map_err(|cause| Error::Unwritable { path: path.to_owned(), cause })
}

/// Returns the name of the destination at `path`.
pub fn destination(path: &Path) -> String {
    if path == Path::new(STANDARD_OUTPUT) { "standard output".to_owned() } else { path.display().to_string() }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Debug => LevelFilter::Debug,
        Level::Info => LevelFilter::Info,
        Level::Warning => LevelFilter::Warn,
        Level::Error => LevelFilter::Error,
        Level::Critical => LevelFilter::Off,
    }
}

/// Returns whether a message with this target is from this package.
fn is_ours(target: &str) -> bool {
    target.starts_with("kmip.") || target.starts_with("kmip_server")
}

/// Appends `%(name)s - %(levelname)s - %(message)s` and a line feed.
fn write_message(record: &Record<'_>, line: &mut String) {
    match record.target().strip_prefix("kmip_server") {
        Some(module) => {
            line.push_str("kmip.server");
            line.push_str(&module.replace("::", "."));
        }
        None => line.push_str(record.target()),
    }
    line.push_str(match record.level() {
        log::Level::Error => " - ERROR - ",
        log::Level::Warn => " - WARNING - ",
        log::Level::Info => " - INFO - ",
        log::Level::Debug | log::Level::Trace => " - DEBUG - ",
    });
    let begin = line.len();
    // Writing to a string fails only if the formatting of an argument fails; the line then contains the part before it.
    let _ = write!(line, "{}", record.args());
    let message = line.get(begin..).unwrap_or_default();
    match escaped(message) {
        Some(escaped) => {
            line.truncate(begin);
            line.push_str(&escaped);
        }
        None => line.truncate(begin + message.trim_end().len()),
    }
    line.push('\n');
}

/// Returns the message with further lines indented and unprintable characters escaped, so that no text of a client
/// can look like a line of the log or hide a part of one; `None` if it needs no change.
fn escaped(message: &str) -> Option<String> {
    if message.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return None;
    }
    let mut text = String::with_capacity(message.len());
    for c in message.trim_end().chars() {
        match c {
            '\n' => text.push_str("\n    "),
            '\t' => text.push('\t'),
            c => push_escaped(&mut text, c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(target: &str, level: log::Level, message: &str) -> String {
        let mut text = String::new();
        let args = format_args!("{message}");
        write_message(&Record::builder().target(target).level(level).args(args).build(), &mut text);
        text
    }

    #[test]
    fn a_line_contains_logger_level_and_message() {
        let text = line("kmip.server.session.00000001", log::Level::Warn, "A message");
        assert_eq!(text, "kmip.server.session.00000001 - WARNING - A message\n");
        let text = line("kmip_server::policy::reload", log::Level::Info, "x");
        assert_eq!(text, "kmip.server.policy.reload - INFO - x\n");
    }

    #[test]
    fn a_message_cannot_forge_a_line() {
        let text = line("kmip.server", log::Level::Info, "user \"a\n2026-01-01 - forged\r\x1b[2J\"");
        assert!(text.contains("\n    2026-01-01 - forged\\r\\u{1b}[2J"), "{text}");
    }

    #[test]
    fn only_messages_of_this_package_are_logged() {
        assert!(is_ours("kmip.server") && is_ours("kmip_server::store") && !is_ours("rustls::conn"));
    }
}
