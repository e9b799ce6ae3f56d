//! The status of a running server for monitoring: as JSON, and in a file that is written every few seconds if the
//! setting `status_path` names one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
#[cfg(feature = "management")]
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::LOG;
use super::registry::Registry;
#[cfg(feature = "management")]
use crate::dispatch::DispatcherStatus;
use crate::dispatch::Respond;
#[cfg(feature = "management")]
use crate::engine::Services;
use crate::lock::IgnorePoison;
#[cfg(feature = "management")]
use crate::observe::Connections;
use crate::observe::metrics::Metrics;

/// The time between two writes of the status file.
pub const PERIOD: Duration = Duration::from_secs(5);

/// A handle that reports the status of a server, from any thread. It does not keep the server's database open: after
/// the stop, it reports no operations and an empty store.
#[derive(Clone)]
pub struct Monitor {
    registry: Arc<Registry>,
    /// Locked while a status is collected, so that the server can wait for it.
    responder: Arc<Mutex<Weak<dyn Respond>>>,
    metrics: Arc<Metrics>,
    started: Instant,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

impl Monitor {
    /// Returns the monitor of a server that starts now.
    pub(super) fn new(
        registry: &Arc<Registry>,
        responder: &Arc<dyn Respond>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let responder = Arc::new(Mutex::new(Arc::downgrade(responder)));
        let (registry, metrics) = (Arc::clone(registry), Arc::clone(metrics));
        Self { registry, responder, metrics, started: Instant::now() }
    }

    /// Calls `read` with the responder, or returns `None` after the stop.
    fn with_responder<T>(&self, read: impl FnOnce(&dyn Respond) -> T) -> Option<T> {
        let responder = self.responder.lock().ignore_poison();
        responder.upgrade().map(|responder| read(&*responder))
    }

    /// Calls `end`, which drops the responder, while no thread collects a status.
    pub(super) fn finish(&self, end: impl FnOnce()) {
        let _unused = self.responder.lock().ignore_poison();
        end();
    }

    /// Checks that the store answers.
    ///
    /// # Errors
    /// Returns the error as text.
    pub fn ping_store(&self) -> Result<(), String> {
        match self.with_responder(|responder| responder.ping_store()) {
            Some(outcome) => outcome.map_err(|error| error.to_string()),
            None => Err("the server has stopped".to_owned()),
        }
    }

    /// Calls `read` with the objects and policies of the server, unless it has stopped or has none.
    #[cfg(feature = "management")]
    pub(super) fn with_services(&self, read: &mut dyn FnMut(&Services)) {
        self.with_responder(|responder| responder.services().into_iter().for_each(read));
    }

    /// Returns the address on which KMIP clients connect.
    #[cfg(feature = "management")]
    pub(super) fn address(&self) -> SocketAddr {
        self.registry.address()
    }

    /// Returns whether the server accepts connections.
    #[cfg(feature = "management")]
    pub(super) fn is_listening(&self) -> bool {
        !self.registry.is_stopping()
    }

    /// Returns the counters, and the time since 1970, in seconds, at which the server started.
    #[cfg(feature = "management")]
    pub(super) fn counts(&self) -> (Arc<Metrics>, Connections, DispatcherStatus, u64) {
        let dispatcher = self.with_responder(|responder| responder.status()).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = now.saturating_sub(self.started.elapsed()).as_secs();
        (Arc::clone(&self.metrics), self.registry.counts(), dispatcher, started)
    }

    /// Returns the current status as one JSON object: connections, operations by name, errors, the store.
    pub fn status(&self) -> Value {
        let dispatcher = self.with_responder(|responder| responder.status()).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let operations = self.metrics.operations().into_iter().map(|counts| {
            let failed: u64 = counts.failed.iter().map(|(_, count)| count).sum();
            (counts.operation.name().to_owned(), json!({ "done": counts.succeeded, "failed": failed }))
        });
        let operations: Map<_, _> = operations.collect();
        let refused: u64 = self.metrics.refusals().iter().map(|(_, count)| count).sum();
        let connections = self.registry.counts();
        let (received, sent) = self.metrics.bytes();
        let endpoints: Map<_, _> = dispatcher
            .endpoints
            .into_iter()
            .map(|queue| {
                let counts = json!({
                    "waiting": queue.waiting,
                    "delivered": queue.delivered,
                    "dropped": queue.dropped,
                });
                (queue.user, counts)
            })
            .collect();
        let store = dispatcher.store;
        json!({
            "time": now,
            "uptime_seconds": self.started.elapsed().as_secs(),
            "connections": {
                "sessions": connections.sessions,
                "handshakes": connections.handshakes,
                "accepted": connections.accepted,
                "turned_away": connections.turned_away,
                "displaced": connections.displaced,
            },
            "operations": operations,
            "handshakes_failed": self.metrics.handshakes(),
            "requests": self.metrics.exchanges().total(),
            "requests_refused": refused,
            "bytes_received": received,
            "bytes_sent": sent,
            "bugs_met": self.metrics.panics(),
            "store": {
                "bytes": store.bytes,
                "readers_open": store.readers_open,
                "readers_idle": store.readers_idle,
            },
            "client_endpoints": endpoints,
        })
    }

    /// Writes the status to `path` every [`PERIOD`] until the server stops. Each write replaces the file atomically.
    /// A series of failed writes is logged once.
    pub(super) fn write_to(&self, path: &Path) {
        let mut failing = false;
        loop {
            let written = replace(path, format!("{:#}\n", self.status()).as_bytes());
            if let Err(error) = &written
                && !failing
            {
                log::warn!(
                    target: LOG,
                    "The status file {} cannot be written: {error}. Correct status_path, or give this user the right \
                     to write there.",
                    path.display()
                );
            }
            failing = written.is_err();
            if self.registry.wait_for_stop(PERIOD) {
                return;
            }
        }
    }
}

/// Replaces the file at `path` atomically.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(new)?;
    file.write_all(text)?;
    drop(file);
    fs::rename(new, path)
}
