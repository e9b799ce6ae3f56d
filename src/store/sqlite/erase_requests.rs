//! Requests to erase destroyed keys from the write-ahead log, from the commits to the thread in `eraser.rs`.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::lock::IgnorePoison;

/// The time in which commits share a truncation. The bytes must be gone a second after the first commit.
const DELAY: Duration = Duration::from_millis(300);

/// The requests to the thread that truncates the log.
#[derive(Default)]
pub(super) struct EraseRequests {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The time of the next truncation, or `None` if the log contains no bytes to erase.
    due: Option<Instant>,
    is_stopping: bool,
}

impl EraseRequests {
    /// Requests a truncation of the log.
    pub(super) fn add(&self) {
        self.set_due(DELAY);
    }

    /// Requests a truncation of the log after `delay`, unless one is due.
    pub(super) fn set_due(&self, delay: Duration) {
        let mut state = self.state();
        if state.due.is_none() {
            state.due = Some(Instant::now() + delay);
            self.changed.notify_all();
        }
    }

    /// Waits until a truncation is due. Returns false if the thread must end.
    pub(super) fn wait(&self) -> bool {
        let mut state = self.state();
        loop {
            let left = state.due.map(|due| due.saturating_duration_since(Instant::now()));
            state = match left {
                _ if state.is_stopping => return false,
                Some(Duration::ZERO) => {
                    state.due = None;
                    return true;
                }
                Some(left) => self.changed.wait_timeout(state, left).ignore_poison().0,
                None => self.changed.wait(state).ignore_poison(),
            };
        }
    }

    /// Makes the thread end.
    pub(super) fn stop(&self) {
        self.state().is_stopping = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}
