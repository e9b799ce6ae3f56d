//! The policies in force, which follow the policy directory while the server runs: a named thread scans it four times
//! a second and replaces the snapshot. Requests clone an [`Arc`] and never wait for a scan.

use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use log::Level;

use crate::lock::IgnorePoison;

use super::directory::{self, Directory, Scan};
use super::{Error, Policies};

/// The log target of messages about policies, which is PyKMIP's logger name.
const TARGET: &str = "kmip.server.monitor";

/// The time between two scans. Users and PyKMIP's tests rely on a change to be in force after one second.
const INTERVAL: Duration = Duration::from_millis(250);

/// The policies in force. Dropping the store ends the monitor thread.
#[derive(Debug)]
pub struct PolicyStore {
    current: Arc<RwLock<Arc<Policies>>>,
    monitor: Option<Monitor>,
    /// The warnings and errors of the first scan.
    problems: Vec<String>,
}

impl PolicyStore {
    /// Loads the policies of a directory, and follows its changes if `live`. Without a directory, the store contains
    /// only the built-in policies.
    ///
    /// A directory that cannot be read is logged as a warning, because PyKMIP's server continues without it; if `live`,
    /// the store reads it as soon as it can. Invalid policy files are logged as errors.
    ///
    /// # Errors
    /// Returns [`Error::NotADirectory`] if the path is that of a file, and [`Error::Monitor`] if the monitor thread cannot be
    /// started.
    pub fn open(directory: Option<&Path>, live: bool) -> Result<Self, Error> {
        let Some(path) = directory else { return Ok(Self::fixed(Policies::builtin())) };
        directory::check(path)?;
        let mut directory = Directory::new(path);
        let mut store = Self::fixed(Policies::builtin());
        let scan = directory.scan(SystemTime::now());
        let problems = scan.events.iter().filter(|event| event.level() <= Level::Warn);
        store.problems = problems.map(ToString::to_string).collect();
        publish(scan, &store.current);
        if live {
            let monitor = Monitor::start(directory, Arc::clone(&store.current));
            store.monitor = Some(monitor.map_err(|cause| Error::Monitor { cause })?);
        }
        Ok(store)
    }

    /// Returns a store whose policies never change.
    pub fn fixed(policies: Policies) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(policies))), monitor: None, problems: Vec::new() }
    }

    /// Returns the warnings and errors about the directory and its files when the store was opened.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Returns the policies in force now. Each request uses one snapshot, so that a change takes effect between requests.
    pub fn snapshot(&self) -> Arc<Policies> {
        Arc::clone(&self.current.read().ignore_poison())
    }
}

impl Drop for PolicyStore {
    fn drop(&mut self) {
        let Some(Monitor { stop, thread }) = self.monitor.take() else { return };
        drop(stop);
        // The panic of a thread is in the log already.
        let _ = thread.join();
    }
}

/// The thread that scans the directory.
#[derive(Debug)]
struct Monitor {
    /// Dropping the sender ends the thread's wait.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Monitor {
    fn start(directory: Directory, current: Arc<RwLock<Arc<Policies>>>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("policy-monitor".to_owned());
        let thread = thread.spawn(move || monitor(directory, &current, &stopped))?;
        Ok(Self { stop, thread })
    }
}

fn monitor(mut directory: Directory, current: &RwLock<Arc<Policies>>, stopped: &Receiver<()>) {
    log::info!(target: TARGET, "Policy monitor starts");
    while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        publish(directory.scan(SystemTime::now()), current);
    }
    log::info!(target: TARGET, "Policy monitor stops");
}

/// Puts the policies of a scan in force and logs its events.
fn publish(scan: Scan, current: &RwLock<Arc<Policies>>) {
    if let Some(policies) = scan.policies {
        *current.write().ignore_poison() = Arc::new(policies);
    }
    for event in scan.events {
        log::log!(target: TARGET, event.level(), "{event}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::directory::Folder;
    use super::*;
    use crate::kmip::enums::{ObjectType, Operation};

    const ALLOW: &str = r#"{"p": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}"#;
    const REFUSE: &str = r#"{"p": {"preset": {"SYMMETRIC_KEY": {"GET": "DISALLOW_ALL"}}}}"#;

    fn permits(store: &PolicyStore) -> bool {
        store.snapshot().permits(
            "p",
            &"bob".into(),
            None,
            Some(&"alice".into()),
            ObjectType::SymmetricKey,
            Operation::Get,
        )
    }

    /// Waits until the store returns the answer, and fails after one second.
    fn within_a_second(store: &PolicyStore, answer: bool) {
        let start = Instant::now();
        while permits(store) != answer {
            assert!(start.elapsed() < Duration::from_secs(1), "not {answer} after a second");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn additions_changes_and_removals_are_in_force_within_a_second() {
        let folder = Folder::new("live");
        let store = PolicyStore::open(Some(folder.path()), true).unwrap();
        assert!(!permits(&store));
        folder.write("p.json", ALLOW);
        within_a_second(&store, true);
        folder.write("p.json", REFUSE);
        within_a_second(&store, false);
        folder.write("q.json", ALLOW);
        within_a_second(&store, true);
        folder.remove("q.json");
        within_a_second(&store, false);
        folder.write("p.json", ALLOW);
        within_a_second(&store, true);
        folder.remove("p.json");
        within_a_second(&store, false);
    }

    #[test]
    fn reads_directory_that_is_created_later() {
        let folder = Folder::new("later");
        let path = folder.path().join("policies");
        let store = PolicyStore::open(Some(&path), true).unwrap();
        assert!(!permits(&store));
        std::fs::create_dir(&path).unwrap();
        folder.write("policies/p.json", ALLOW);
        within_a_second(&store, true);
    }

    #[test]
    fn loads_once_if_not_live() {
        let folder = Folder::new("once");
        folder.write("p.json", ALLOW);
        let store = PolicyStore::open(Some(folder.path()), false).unwrap();
        assert!(permits(&store), "loaded before open returns");
        assert!(store.monitor.is_none(), "only the monitor thread replaces the policies");
    }

    #[test]
    fn contains_built_in_policies_without_a_directory() {
        let store = PolicyStore::open(None, true).unwrap();
        assert!(store.snapshot().policy("default").is_some());
        assert!(store.monitor.is_none());
    }

    #[test]
    fn snapshot_does_not_change() {
        let folder = Folder::new("snapshot");
        folder.write("p.json", ALLOW);
        let store = PolicyStore::open(Some(folder.path()), true).unwrap();
        let before = store.snapshot();
        folder.write("p.json", REFUSE);
        within_a_second(&store, false);
        assert!(before.permits("p", &"bob".into(), None, None, ObjectType::SymmetricKey, Operation::Get));
    }

    #[test]
    fn drop_ends_the_monitor_thread() {
        let folder = Folder::new("drop");
        let store = PolicyStore::open(Some(folder.path()), true).unwrap();
        let current = Arc::downgrade(&store.current);
        let start = Instant::now();
        drop(store);
        assert!(current.upgrade().is_none(), "the thread holds no reference any longer");
        assert!(start.elapsed() < INTERVAL);
    }
}
