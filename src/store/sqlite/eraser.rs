//! The erasure of destroyed keys from the write-ahead log: a thread truncates the log shortly after commits that replaced
//! the bytes of an object. One truncation serves all commits of the meantime.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::erase_requests::EraseRequests;
use super::writer::Writer;
use crate::store::{Error, LOG};

/// The time until the next attempt after a reader prevented a truncation.
const RETRY: Duration = Duration::from_millis(100);

/// The maximum time that an attempt waits for readers. No transaction commits meanwhile.
const PATIENCE: Duration = Duration::from_millis(10);

/// The thread that truncates the log. It ends when this is dropped.
pub(super) struct Eraser {
    requests: Arc<EraseRequests>,
    thread: Option<JoinHandle<()>>,
}

impl Eraser {
    /// Starts the thread, which serves `requests` with the write connection of `writer`.
    ///
    /// # Errors
    /// Returns [`Error::NoThread`] if the system refuses the thread.
    pub(super) fn start(writer: Arc<Writer>, requests: Arc<EraseRequests>) -> Result<Self, Error> {
        let own = Arc::clone(&requests);
        let thread = thread::Builder::new().name("store-eraser".to_owned()).spawn(move || run(&writer, &own));
        let thread = thread.map_err(|why| Error::NoThread { why: Arc::new(why) })?;
        Ok(Self { requests, thread: Some(thread) })
    }
}

impl Drop for Eraser {
    fn drop(&mut self) {
        self.requests.stop();
        if let Some(thread) = self.thread.take() {
            // The log contains the panic already.
            drop(thread.join());
        }
    }
}

fn run(writer: &Writer, requests: &EraseRequests) {
    let mut is_failing = false;
    while requests.wait() {
        let outcome = writer.checkpoint(PATIENCE);
        if let Err(error) = &outcome
            && !is_failing
        {
            log::error!(
                target: LOG,
                "Destroyed keys remain in the write-ahead log, because {error}. Check the free space and the health of \
                 the disk; the server tries again."
            );
        }
        is_failing = outcome.is_err();
        if !matches!(outcome, Ok(true)) {
            requests.set_due(RETRY);
        }
    }
}
