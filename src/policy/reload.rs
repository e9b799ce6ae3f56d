//! Holds the policies in force and follows the policy directory while the server runs: a named thread scans it
//! four times a second and swaps a new snapshot in. Requests clone an [`Arc`] and never wait for a scan.

use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use crate::lock::IgnorePoison;

use super::directory::{Directory, Scan};
use super::{Error, Policies};

/// The name that log lines about policies carry, as in PyKMIP's log.
const TARGET: &str = "kmip.server.monitor";

/// The time between two scans. Users and PyKMIP's tests count on a change being in force after one second.
const INTERVAL: Duration = Duration::from_millis(250);

/// The policies in force. Dropping it ends the watch.
#[derive(Debug)]
pub struct PolicyStore {
    current: Arc<RwLock<Arc<Policies>>>,
    watcher: Option<Watcher>,
}

impl PolicyStore {
    /// Loads the policies of a directory, and follows its changes if `live`. Without a directory there are the
    /// built-in policies only. A directory that does not exist or cannot be read is a warning in the log, since
    /// PyKMIP's server runs on without it; if `live`, it is read once that is possible. Policy files that cannot
    /// be used are errors in the log.
    ///
    /// # Errors
    /// [`Error::Watcher`] if the system refuses another thread.
    pub fn open(directory: Option<&Path>, live: bool) -> Result<Self, Error> {
        let Some(path) = directory else { return Ok(Self::fixed(Policies::builtin())) };
        let mut directory = Directory::new(path);
        let mut store = Self::fixed(Policies::builtin());
        publish(directory.scan(SystemTime::now()), &store.current);
        if live {
            let watcher = Watcher::start(directory, Arc::clone(&store.current));
            store.watcher = Some(watcher.map_err(|cause| Error::Watcher { cause })?);
        }
        Ok(store)
    }

    /// Policies that stay as they are.
    pub fn fixed(policies: Policies) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(policies))), watcher: None }
    }

    /// The policies in force now. A request takes one snapshot, so that one change does not judge it twice.
    pub fn snapshot(&self) -> Arc<Policies> {
        Arc::clone(&self.current.read().ignore_poison())
    }
}

impl Drop for PolicyStore {
    fn drop(&mut self) {
        let Some(Watcher { stop, thread }) = self.watcher.take() else { return };
        drop(stop);
        // A thread that panicked has said so itself.
        let _ = thread.join();
    }
}

/// The thread that scans.
#[derive(Debug)]
struct Watcher {
    /// Its drop ends the thread's wait.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Watcher {
    fn start(directory: Directory, current: Arc<RwLock<Arc<Policies>>>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("policy-monitor".to_owned());
        let thread = thread.spawn(move || watch(directory, &current, &stopped))?;
        Ok(Self { stop, thread })
    }
}

fn watch(mut directory: Directory, current: &RwLock<Arc<Policies>>, stopped: &Receiver<()>) {
    log::info!(target: TARGET, "Policy monitor starts");
    while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        publish(directory.scan(SystemTime::now()), current);
    }
    log::info!(target: TARGET, "Policy monitor stops");
}

/// Puts new policies in force and logs what the scan saw.
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

    /// Waits until the store gives the answer, and fails when that takes a second.
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
    fn directory_that_comes_later_is_read_then() {
        let folder = Folder::new("later");
        let path = folder.path().join("policies");
        let store = PolicyStore::open(Some(&path), true).unwrap();
        assert!(!permits(&store));
        std::fs::create_dir(&path).unwrap();
        folder.write("policies/p.json", ALLOW);
        within_a_second(&store, true);
    }

    #[test]
    fn store_that_is_not_live_loads_once() {
        let folder = Folder::new("once");
        folder.write("p.json", ALLOW);
        let store = PolicyStore::open(Some(folder.path()), false).unwrap();
        assert!(permits(&store), "loaded before open returns");
        folder.remove("p.json");
        thread::sleep(INTERVAL * 3);
        assert!(permits(&store));
        assert!(store.watcher.is_none());
    }

    #[test]
    fn no_directory_means_the_built_in_policies() {
        let store = PolicyStore::open(None, true).unwrap();
        assert!(store.snapshot().policy("default").is_some());
        assert!(store.watcher.is_none());
    }

    #[test]
    fn snapshot_stays_as_it_was_taken() {
        let folder = Folder::new("snapshot");
        folder.write("p.json", ALLOW);
        let store = PolicyStore::open(Some(folder.path()), true).unwrap();
        let before = store.snapshot();
        folder.write("p.json", REFUSE);
        within_a_second(&store, false);
        assert!(before.permits("p", &"bob".into(), None, None, ObjectType::SymmetricKey, Operation::Get));
    }

    #[test]
    fn drop_ends_the_thread_at_once() {
        let folder = Folder::new("drop");
        let store = PolicyStore::open(Some(folder.path()), true).unwrap();
        let current = Arc::downgrade(&store.current);
        let start = Instant::now();
        drop(store);
        assert!(current.upgrade().is_none(), "the thread holds it no more");
        assert!(start.elapsed() < INTERVAL);
    }
}
