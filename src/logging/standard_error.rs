//! A logger to standard error, for programs without the cargo feature `log-file`. Service managers and containers add
//! the time.

use std::io::{self, Write};

use log::{Log, Metadata, Record};

use super::{Error, filter, is_ours, write_message};
use crate::config::Config;

/// Starts to log to standard error.
///
/// # Errors
/// Returns [`Error::AlreadySet`] on a second call.
pub fn init(config: &Config) -> Result<(), Error> {
    log::set_logger(&StandardError).map_err(|_| Error::AlreadySet)?;
    log::set_max_level(filter(config.logging_level));
    Ok(())
}

/// Does nothing: standard error has no path.
pub fn reopen() {}

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut line = String::with_capacity(160);
            write_message(record, &mut line);
            // A closed standard error is no reason to stop serving.
            drop(io::stderr().write_all(line.as_bytes()));
        }
    }

    fn flush(&self) {}
}
