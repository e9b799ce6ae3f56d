//! Requests that are answered before they are done (KMIP 1.4 §6.7, 2.1 §9.2): which ones, and who does them.
//!
//! A client that can wait says so in the header. Then a batch with an operation that may take long is done by a
//! thread of a small pool, and its client asks for the results by Poll. What is known of the operations until then
//! is in [`crate::engine::jobs`].

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::kmip::enums::{AsynchronousIndicator, Operation, ResultReason};
use crate::kmip::{Error, RequestHeader};
use crate::lock::IgnorePoison;

use super::batch::Item;

/// How many threads do batches at the same time. Those that compute for long wait for a processor elsewhere
/// ([`crate::engine::Context::heavy`]); more threads would only wait there.
const MAX_WORKERS: usize = 4;

/// How a request is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Before it is answered.
    Synchronous,
    /// After it, if there is room for it.
    Optional,
    /// After it.
    Mandatory,
}

/// How the request wants to be done. Where the client leaves it open, operations that are done at once are.
///
/// # Errors
/// Invalid Message for a request that has to be asynchronous, and has operations that cannot be.
pub(super) fn mode(header: &RequestHeader, items: &[Item]) -> Result<Mode, Error> {
    let asked = header.asynchronous_indicator.map_or(AsynchronousIndicator::Prohibited, |asked| asked.0);
    let operations = || items.iter().map(Item::operation);
    let possible = operations().all(can_wait);
    match asked {
        AsynchronousIndicator::Prohibited => Ok(Mode::Synchronous),
        AsynchronousIndicator::Mandatory if possible => Ok(Mode::Mandatory),
        AsynchronousIndicator::Mandatory => Err(Error::new(
            ResultReason::InvalidMessage,
            "Operations about asynchronous operations cannot be asynchronous themselves.",
        )),
        AsynchronousIndicator::Optional if possible && operations().any(may_take_long) => Ok(Mode::Optional),
        AsynchronousIndicator::Optional => Ok(Mode::Synchronous),
    }
}

/// Whether an operation can be asynchronous at all.
fn can_wait(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::Poll | Operation::Cancel | Operation::Process | Operation::QueryAsynchronousRequests
    )
}

/// Whether an operation computes for long, searches the whole store, or would go to an archive.
fn may_take_long(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CreateKeyPair
            | Operation::ReKeyKeyPair
            | Operation::DeriveKey
            | Operation::Certify
            | Operation::ReCertify
            | Operation::Validate
            | Operation::CreateSplitKey
            | Operation::JoinSplitKey
            | Operation::Locate
            | Operation::Archive
            | Operation::Recover
    )
}

/// One batch.
type Task = Box<dyn FnOnce() + Send>;

/// The threads; there are none while there is nothing to do. Dropped, it lets running tasks end and forgets the
/// others.
#[derive(Default)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    workers: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Tasks run outside of the lock, and nothing else panics.
        self.state.lock().ignore_poison()
    }

    fn work(&self) {
        loop {
            let mut state = self.state();
            let Some(task) = state.waiting.pop_front() else {
                state.workers -= 1;
                drop(state);
                self.idle.notify_all();
                return;
            };
            drop(state);
            task();
        }
    }
}

impl Pool {
    /// Does the task on one of the threads, after those that came before it; gives it back where there is no
    /// thread for it and none can be started.
    pub(super) fn spawn(&self, task: Task) -> Result<(), Task> {
        let mut state = self.shared.state();
        if state.workers < MAX_WORKERS {
            let shared = Arc::clone(&self.shared);
            let started = std::thread::Builder::new().name("job".to_owned()).spawn(move || shared.work());
            match started {
                Ok(_) => state.workers += 1,
                Err(_) if state.workers == 0 => return Err(task),
                Err(_) => {}
            }
        }
        state.waiting.push_back(task);
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.waiting.clear();
        while state.workers > 0 {
            state = self.shared.idle.wait(state).ignore_poison();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn tasks_run_at_the_same_time_up_to_the_bound_and_all_of_them() {
        let (pool, (sender, receiver)) = (Pool::default(), channel());
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for number in 0..20 {
            let (sender, running, most) = (sender.clone(), Arc::clone(&running), Arc::clone(&most));
            let task = move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                running.fetch_sub(1, Ordering::SeqCst);
                sender.send(number).unwrap();
            };
            assert!(pool.spawn(Box::new(task)).is_ok());
        }
        let mut done: Vec<_> = receiver.iter().take(20).collect();
        done.sort_unstable();
        assert_eq!(done, (0..20).collect::<Vec<_>>());
        assert!((2..=MAX_WORKERS).contains(&most.load(Ordering::SeqCst)));
    }

    #[test]
    fn a_pool_that_is_dropped_ends_what_runs_and_forgets_the_rest() {
        let done = Arc::new(AtomicUsize::new(0));
        let pool = Pool::default();
        for _ in 0..50 {
            let done = Arc::clone(&done);
            let task = move || {
                std::thread::sleep(Duration::from_millis(20));
                done.fetch_add(1, Ordering::SeqCst);
            };
            assert!(pool.spawn(Box::new(task)).is_ok());
        }
        drop(pool);
        let after = done.load(Ordering::SeqCst);
        assert!(after <= MAX_WORKERS * 2, "{after}");
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(done.load(Ordering::SeqCst), after);
    }
}
