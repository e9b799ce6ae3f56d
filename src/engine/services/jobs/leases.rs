//! The leases of the operations that this server executes. If servers share the operations, a thread renews the leases, so that
//! the other servers know that this one still executes them.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::{KIND, RESULT_LIFETIME};
use crate::lock::IgnorePoison;
use crate::store::{Entries, Lifetime};

/// The time after which an operation is abandoned if its server does not renew the lease: longer than a failover of the
/// database takes.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// The time between two renewals.
pub(super) const RENEWAL: Duration = Duration::from_secs(5);

/// The lifetime of an operation that has not ended. Its failure can be polled as long as a result.
pub(super) const PENDING: Lifetime =
    Lifetime { lease: Some(LEASE), expiry: Some(LEASE.saturating_add(RESULT_LIFETIME)) };

/// The operations whose leases the thread renews. It runs while there are any, and ends when this is dropped.
#[derive(Default)]
pub(super) struct Leases(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: BTreeSet<Vec<u8>>,
    is_running: bool,
    is_closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }

    fn renew(&self, entries: &dyn Entries) {
        loop {
            let is_open = |state: &mut State| !state.is_closed;
            let waited = self.changed.wait_timeout_while(self.state(), RENEWAL, is_open);
            let mut state = waited.ignore_poison().0;
            if state.is_closed || state.held.is_empty() {
                state.is_running = false;
                return;
            }
            let held: Vec<_> = state.held.iter().cloned().collect();
            drop(state);
            if let Err(error) = entries.renew(&KIND, &held, PENDING, Instant::now()) {
                log::warn!(
                    target: "kmip.server.engine",
                    "The leases of {} asynchronous operations could not be renewed: {error}",
                    held.len()
                );
            }
        }
    }
}

impl Leases {
    /// Adds operations.
    ///
    /// # Errors
    /// Returns an error if the operating system refuses the thread.
    pub(super) fn hold(&self, entries: &Arc<dyn Entries>, correlations: &[Vec<u8>]) -> io::Result<()> {
        let mut state = self.0.state();
        if !state.is_running {
            let (shared, entries) = (Arc::clone(&self.0), Arc::clone(entries));
            let renew = move || shared.renew(&*entries);
            std::thread::Builder::new().name("kmip-leases".to_owned()).spawn(renew)?;
            state.is_running = true;
        }
        state.held.extend(correlations.iter().cloned());
        Ok(())
    }

    /// Removes an operation.
    pub(super) fn release(&self, correlation: &[u8]) {
        self.0.state().held.remove(correlation);
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
        self.0.changed.notify_all();
    }
}
