//! The log of the program: a log file in PyKMIP's format, or standard error if the cargo feature `log-file` is
//! disabled.
//!
//! The rest of the library uses the `log` facade and does not depend on this module. Loggers have PyKMIP's names
//! (`kmip.server…`); the module path `kmip_server::a::b` becomes `kmip.server.a.b`. Messages of other packages are
//! discarded, as in PyKMIP. `log::logger().flush()` returns after all messages have been written.

#[cfg(feature = "log-file")]
mod background;
#[cfg(feature = "log-file")]
mod file;
#[cfg(feature = "log-file")]
mod following;
#[cfg(not(feature = "log-file"))]
mod standard_error;

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use log::{LevelFilter, Record};

#[cfg(feature = "log-file")]
pub use file::{check_writable, init};
#[cfg(not(feature = "log-file"))]
pub use standard_error::{check_writable, init};

use crate::config::Level;
use crate::excerpt::push_escaped;

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

/// Returns the destination of the log if the log file is at `path`.
pub fn destination(path: &Path) -> String {
    if cfg!(feature = "log-file") { path.display().to_string() } else { "standard error".to_owned() }
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
