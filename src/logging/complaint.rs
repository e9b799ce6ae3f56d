//! Reports on standard error that a log cannot be written, because the log cannot contain it.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// The time in which a further failure of the same log is not reported.
const PERIOD: Duration = Duration::from_secs(3600);

/// The reports about one log.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    last: Option<Instant>,
}

impl Complaint {
    /// Reports `text` on standard error, at most once in [`PERIOD`].
    pub(super) fn report(&mut self, text: String) {
        if self.last.is_some_and(|last| last.elapsed() < PERIOD) {
            return;
        }
        self.last = Some(Instant::now());
        // Standard error may be a pipe that nobody reads. Without a thread, the report is lost.
        let write = move || drop(writeln!(io::stderr(), "run_server: {text}"));
        drop(thread::Builder::new().name("kmip-complaint".to_owned()).spawn(write));
    }
}
