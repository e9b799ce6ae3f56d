//! The services that requests share: the store, the policies, the clock, and the state between requests.
//!
//! No service depends on the context of a request: its methods have the principal, the time, or a small trait as
//! parameters.

mod announced;
mod authority;
mod content;
mod group_rotation;
pub mod jobs;
pub mod notifications;
mod stored;
mod streams;
pub mod tickets;

use std::sync::{Arc, Mutex};

use crate::clock::Clock;
use crate::compatibility::Compatibility;
use crate::policy::PolicyStore;
use crate::store::{self, Entries, MemoryEntries, Store};

pub use announced::{Announced, Profile as AnnouncedProfile};
pub use authority::{Authority, AuthorityHost, IssuingKeys};
pub use content::Content;
pub use group_rotation::GroupRotation;
pub use streams::Streams;
pub use tickets::Tickets;

use jobs::Jobs;
use notifications::{NoListeners, NotificationSink};

/// The services that all requests share.
pub struct Services {
    /// The store. Only the context of a request accesses it, after the access check.
    pub(super) store: Arc<dyn Store>,
    /// The operation policies in force.
    pub(super) policies: PolicyStore,
    /// The source of time.
    pub clock: Clock,
    /// The multi-part operations under way.
    pub streams: Streams,
    /// The authority that signs certificates.
    pub authority: Arc<Authority>,
    /// The server information that Query returns.
    pub announced: Announced,
    /// The behaviour in cases in which PyKMIP and the standard differ.
    pub compatibility: Compatibility,
    /// The tickets of users who logged in.
    pub tickets: Tickets,
    /// The rotation of default members of object groups.
    pub group_rotation: GroupRotation,
    /// The asynchronous operations.
    pub jobs: Jobs,
    /// The receiver of notifications to the listeners of clients.
    pub notifications: Arc<dyn NotificationSink>,
    /// The entries, if they are in memory.
    memory_entries: Option<Arc<MemoryEntries>>,
    /// Held during the change of an object with many attributes.
    pub(super) long_change: Mutex<()>,
}

impl Services {
    /// Returns the services of a server with this store and these policies, without listeners, and with an authority
    /// that the first use creates.
    pub fn new(store: Arc<dyn Store>, policies: PolicyStore) -> Self {
        let shared = store.entries();
        let memory_entries = shared.is_none().then(|| Arc::new(MemoryEntries::default()));
        let in_memory = || memory_entries.clone().unwrap_or_default();
        let entries: Arc<dyn Entries> = shared.unwrap_or_else(|| in_memory());
        Self {
            store,
            policies,
            clock: Clock::system(),
            streams: Streams::default(),
            authority: Arc::new(Authority::own()),
            announced: Announced::default(),
            compatibility: Compatibility::Standard,
            tickets: Tickets::new(Arc::clone(&entries)),
            group_rotation: GroupRotation::new(Arc::clone(&entries)),
            jobs: Jobs::new(entries),
            notifications: Arc::new(NoListeners),
            memory_entries,
            long_change: Mutex::default(),
        }
    }

    /// Completes the files of the store.
    pub fn close_store(&self) {
        if let Err(error) = self.store.close() {
            log::error!(
                target: "kmip.server.store",
                "The database could not be closed: {error}. Copy its files together, because the main file is \
                 incomplete."
            );
        }
    }

    /// Returns the state of the store.
    pub fn store_status(&self) -> store::StoreStatus {
        self.store.status()
    }

    /// Checks that the store answers.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn ping_store(&self) -> Result<(), store::Error> {
        self.store.ping()
    }

    /// Returns the number of operation policies in force.
    pub fn policy_count(&self) -> usize {
        self.policies.snapshot().len()
    }
}
