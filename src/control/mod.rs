//! Test control: the clock, the faults, the content and the recorded messages of a server whose clients are tested.
//!
//! [`Control`] is its interface for programs that embed the server; the management interface offers the same over HTTP.

mod bundle;
mod error;
mod messages;
pub mod seed;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, SystemTime};

pub use bundle::ClientFiles;
pub use error::ControlError;
pub use messages::{MessageFilter, RecordedMessage};

use crate::clock::Clock;
use crate::engine::Services;
use crate::engine::services::Content;
use crate::faults::{Faults, MAX_RULES, Rule, Status};
use crate::lock::IgnorePoison;
use crate::observe::recorder::Recorder;
use crate::secret::Secret;

/// The maximum number of snapshots. Each is as large as the database.
pub const MAX_SNAPSHOTS: usize = 32;

/// The control of a server under test. Clones control the same server.
///
/// ```no_run
/// use kmip_server::{Config, Server};
/// use std::time::Duration;
///
/// let config = Config::builder("server.pem", "ca.pem").database_path(":memory:").test_control(true).build();
/// let server = Server::bind(&config)?;
/// let control = server.control().expect("test_control is set");
/// std::thread::spawn(|| server.run());
///
/// control.seed(r#"{"id": "1", "type": "Symmetric Key", "algorithm": "AES", "key": "000102030405060708090a0b0c0d0e0f"}"#)?;
/// let snapshot = control.snapshot()?;
/// let fault = control.add_fault(r#"{"operation": "Get", "action": "lose", "count": 1}"#)?;
/// // ... the client under test gets the key, and must repeat its request:
/// assert_eq!(control.wait_for_fault(fault, 1, Duration::from_secs(10))?, 1);
/// control.advance(Duration::from_secs(3_600))?;
/// control.restore(snapshot)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    /// Weak, so that the database is closed when the server stops.
    services: Weak<Services>,
    clock: Clock,
    faults: Arc<Faults>,
    recorder: Arc<Recorder>,
    snapshots: Mutex<Snapshots>,
    clients: OnceLock<Vec<ClientFiles>>,
}

#[derive(Default)]
struct Snapshots {
    contents: BTreeMap<u64, Arc<Content>>,
    last: u64,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("clock", &self.0.clock).finish_non_exhaustive()
    }
}

impl Control {
    /// Returns the control of a server with these parts.
    pub(crate) fn new(services: &Arc<Services>, faults: Arc<Faults>, recorder: Arc<Recorder>) -> Self {
        let (clock, services) = (services.clock.clone(), Arc::downgrade(services));
        let (snapshots, clients) = (Mutex::default(), OnceLock::new());
        Self(Arc::new(Inner { services, clock, faults, recorder, snapshots, clients }))
    }

    /// Lets test control hand out the certificates of these clients. Later calls have no effect.
    pub(crate) fn offer(&self, clients: Vec<ClientFiles>) {
        let _unused = self.0.clients.set(clients);
    }

    /// Returns the private key and the certificate of a client of `auto_certificates`, and the certificate of the CA, in
    /// PEM: one text for a file that is the certificate, the key and the trust anchor of a client. Without a name, it is
    /// that of the first client.
    ///
    /// # Errors
    /// Returns [`ControlError::Unknown`] if the server has no such client, and [`ControlError::Store`] if a file cannot be
    /// read.
    pub fn certificates(&self, client: Option<&str>) -> Result<Secret, ControlError> {
        bundle::of(self.0.clients.get().map_or(&[], Vec::as_slice), client)
    }

    fn services(&self) -> Result<Arc<Services>, ControlError> {
        self.0.services.upgrade().ok_or(ControlError::Stopped)
    }

    /// Returns the time of the server's clock.
    pub fn now(&self) -> SystemTime {
        self.0.clock.system_time()
    }

    /// Returns whether the clock stands still.
    pub fn is_frozen(&self) -> bool {
        self.0.clock.is_frozen()
    }

    /// Moves the clock forward. States by date, leases, usage, time stamps and asynchronous operations follow it; the
    /// certificates of TLS and the deadlines of connections do not.
    ///
    /// # Errors
    /// Returns [`ControlError::Invalid`] for a time after the year 9999.
    pub fn advance(&self, by: Duration) -> Result<(), ControlError> {
        Ok(self.0.clock.advance(by)?)
    }

    /// Sets the clock. If the new time is earlier, leases and tickets do not become younger.
    ///
    /// # Errors
    /// Returns [`ControlError::Invalid`] for a time before 1970 or after the year 9999.
    pub fn set_time(&self, time: SystemTime) -> Result<(), ControlError> {
        Ok(self.0.clock.set(time)?)
    }

    /// Stops the clock.
    ///
    /// # Errors
    /// Returns no error at present.
    pub fn freeze(&self) -> Result<(), ControlError> {
        Ok(self.0.clock.freeze()?)
    }

    /// Lets the clock run again.
    ///
    /// # Errors
    /// Returns no error at present.
    pub fn resume(&self) -> Result<(), ControlError> {
        Ok(self.0.clock.resume()?)
    }

    /// Sets the clock to the time of the machine and lets it run.
    ///
    /// # Errors
    /// Returns no error at present.
    pub fn reset_clock(&self) -> Result<(), ControlError> {
        Ok(self.0.clock.reset()?)
    }

    /// Adds a fault, in the JSON form that docs/testing-clients.md describes, and returns its number.
    ///
    /// # Errors
    /// Returns [`ControlError::Invalid`] for an invalid rule, and if there are too many.
    pub fn add_fault(&self, rule: &str) -> Result<u64, ControlError> {
        let rule = serde_json::from_str(rule)
            .map_err(|error| ControlError::Invalid(format!("the fault is no JSON: {error}")))?;
        self.add_rule(Rule::parse(&rule).map_err(|error| ControlError::Invalid(error.to_string()))?)
    }

    pub(crate) fn add_rule(&self, rule: Rule) -> Result<u64, ControlError> {
        let too_many =
            || ControlError::Invalid(format!("there are {MAX_RULES} faults already; remove some of them"));
        self.0.faults.add(rule).ok_or_else(too_many)
    }

    pub(crate) fn table(&self) -> &Arc<Faults> {
        &self.0.faults
    }

    pub(crate) fn faults(&self) -> Vec<Status> {
        self.0.faults.list()
    }

    /// Returns how often a fault has acted.
    ///
    /// # Errors
    /// Returns [`ControlError::Unknown`] if there is no such fault.
    pub fn fault_hits(&self, fault: u64) -> Result<u64, ControlError> {
        let found = self.faults().into_iter().find(|status| status.id == fault);
        found.map(|status| status.hits).ok_or_else(|| ControlError::unknown_fault(fault))
    }

    /// Waits until a fault has acted `hits` times, at most for `patience` and 60 seconds. Returns how often it has acted.
    ///
    /// # Errors
    /// Returns [`ControlError::Unknown`] if there is no such fault.
    pub fn wait_for_fault(&self, fault: u64, hits: u64, patience: Duration) -> Result<u64, ControlError> {
        self.0.faults.wait(fault, hits, patience).ok_or_else(|| ControlError::unknown_fault(fault))
    }

    /// Removes a fault.
    ///
    /// # Errors
    /// Returns [`ControlError::Unknown`] if there is no such fault.
    pub fn remove_fault(&self, fault: u64) -> Result<(), ControlError> {
        if self.0.faults.remove(fault) { Ok(()) } else { Err(ControlError::unknown_fault(fault)) }
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.0.faults.clear();
    }

    /// Lets the random numbers of the probabilities begin with `seed`.
    pub fn seed_faults(&self, seed: u64) {
        self.0.faults.seed(seed);
    }

    /// Adds objects with fixed identifiers and known bytes: one JSON object per line, in the short form that
    /// docs/testing-clients.md describes, or as `run_server --export` writes them. Returns the identifiers.
    ///
    /// # Errors
    /// Returns [`ControlError::Invalid`] for an invalid line and an identifier that exists already, and
    /// [`ControlError::Store`] if the store fails. No object is added then.
    pub fn seed(&self, lines: &str) -> Result<Vec<String>, ControlError> {
        let lines = lines.lines().filter(|line| !line.trim().is_empty()).enumerate();
        let parse = |(number, line): (usize, &str)| {
            serde_json::from_str(line)
                .map_err(|error| ControlError::Invalid(format!("line {} is no JSON: {error}", number + 1)))
        };
        self.seed_objects(&lines.map(parse).collect::<Result<Vec<_>, _>>()?)
    }

    pub(crate) fn seed_objects(&self, objects: &[serde_json::Value]) -> Result<Vec<String>, ControlError> {
        let services = self.services()?;
        let records = seed::records(objects, services.next_id()?, self.0.clock.now())?;
        let ids = records.iter().map(|record| record.id.to_string()).collect();
        services.insert(records)?;
        Ok(ids)
    }

    /// Adds the objects of a database of PyKMIP's server, which stays as it is.
    ///
    /// # Errors
    /// As [`Control::seed`].
    pub fn seed_from_pykmip(&self, database: &std::path::Path) -> Result<Vec<String>, ControlError> {
        let services = self.services()?;
        let records = seed::of_pykmip(database)?;
        let ids = records.iter().map(|record| record.id.to_string()).collect();
        services.insert(records)?;
        Ok(ids)
    }

    /// Copies all objects, the server's state and the tickets, and returns the number of the copy.
    ///
    /// # Errors
    /// Returns [`ControlError::Invalid`] if there are [`MAX_SNAPSHOTS`], and [`ControlError::Store`] if the store cannot be
    /// copied: one on PostgreSQL cannot.
    pub fn snapshot(&self) -> Result<u64, ControlError> {
        if self.snapshots().contents.len() >= MAX_SNAPSHOTS {
            let message = format!("there are {MAX_SNAPSHOTS} snapshots already; forget some of them");
            return Err(ControlError::Invalid(message));
        }
        let content = Arc::new(self.services()?.copy()?);
        let mut snapshots = self.snapshots();
        snapshots.last += 1;
        let number = snapshots.last;
        snapshots.contents.insert(number, content);
        Ok(number)
    }

    /// Replaces the objects, the server's state and the tickets by those of a snapshot. Asynchronous and streamed operations
    /// end without a result.
    ///
    /// # Errors
    /// Returns [`ControlError::Unknown`] if there is no such snapshot, and [`ControlError::Store`] if the store fails.
    pub fn restore(&self, snapshot: u64) -> Result<(), ControlError> {
        let content = self.snapshots().contents.get(&snapshot).cloned();
        let content = content.ok_or_else(|| ControlError::unknown_snapshot(snapshot))?;
        Ok(self.services()?.restore(&content)?)
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// Returns [`ControlError::Unknown`] if there is no such snapshot.
    pub fn forget(&self, snapshot: u64) -> Result<(), ControlError> {
        let removed = self.snapshots().contents.remove(&snapshot);
        removed.map(drop).ok_or_else(|| ControlError::unknown_snapshot(snapshot))
    }

    /// Removes all objects, tickets, faults and recorded messages, and resets the clock. New identifiers begin with 1.
    /// Snapshots remain, and so does the authority that signs certificates.
    ///
    /// # Errors
    /// Returns [`ControlError::Store`] if the store cannot be emptied.
    pub fn reset(&self) -> Result<(), ControlError> {
        self.services()?.clear()?;
        self.clear_faults();
        self.clear_messages();
        self.reset_clock()
    }

    /// Returns the recorded messages that match, in their order.
    pub fn messages(&self, filter: &MessageFilter) -> Vec<RecordedMessage> {
        messages::find(&self.0.recorder, filter)
    }

    /// Waits for a message that matches, at most for `patience` and 60 seconds, and returns those that match.
    pub fn wait_for_messages(&self, filter: &MessageFilter, patience: Duration) -> Vec<RecordedMessage> {
        messages::wait(&self.0.recorder, filter, patience)
    }

    /// Returns the number of the last recorded message, or 0.
    pub fn last_message(&self) -> u64 {
        self.0.recorder.last_exchange()
    }

    /// Forgets the recorded messages. Their numbers continue.
    pub fn clear_messages(&self) {
        self.0.recorder.clear();
    }

    fn snapshots(&self) -> MutexGuard<'_, Snapshots> {
        self.0.snapshots.lock().ignore_poison()
    }
}
