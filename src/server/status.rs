//! The state of a running server, for whoever watches it: as JSON, and in a file that is written every few
//! seconds where the settings name one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::LOG;
use super::listener::Registry;
use crate::dispatch::Respond;

/// How often the file is written.
pub const PERIOD: Duration = Duration::from_secs(5);

/// Tells the state of a server, from any thread.
#[derive(Clone)]
pub struct Observer {
    pub(super) registry: Arc<Registry>,
    pub(super) responder: Arc<dyn Respond>,
    pub(super) since: Instant,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl Observer {
    /// The state of this moment, one JSON object: connections, operations by their names, errors, the store.
    pub fn status(&self) -> Value {
        let dispatcher = self.responder.status();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let operations: Map<_, _> = dispatcher
            .operations
            .iter()
            .map(|(operation, done, failed)| {
                (operation.name().to_owned(), json!({ "done": done, "failed": failed }))
            })
            .collect();
        let endpoints: Map<_, _> = dispatcher
            .endpoints
            .into_iter()
            .map(|it| {
                let state =
                    json!({ "waiting": it.waiting, "delivered": it.delivered, "dropped": it.dropped });
                (it.user, state)
            })
            .collect();
        let store = dispatcher.store;
        json!({
            "time": time,
            "uptime_seconds": self.since.elapsed().as_secs(),
            "connections": self.registry.status(),
            "operations": operations,
            "requests_refused": dispatcher.refused,
            "bugs_met": dispatcher.bugs,
            "store": {
                "bytes": store.bytes,
                "readers_open": store.readers_open,
                "readers_idle": store.readers_idle,
            },
            "client_endpoints": endpoints,
        })
    }

    /// Writes the state to `path` every [`PERIOD`] until the server stops, each time as a whole: who reads the
    /// file never sees half of one. A file that cannot be written is a warning, once for as long as it lasts.
    pub(super) fn write_to(&self, path: &Path) {
        let mut failing = false;
        loop {
            let written = replace(path, format!("{:#}\n", self.status()).as_bytes());
            if let Err(error) = &written
                && !failing
            {
                log::warn!(target: LOG, "The status file {} cannot be written: {error}", path.display());
            }
            failing = written.is_err();
            if self.registry.wait_for_stop(PERIOD) {
                return;
            }
        }
    }
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(new)?;
    file.write_all(text)?;
    drop(file);
    fs::rename(new, path)
}
