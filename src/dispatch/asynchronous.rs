//! Asynchronous execution of batches (KMIP 1.4 §6.7, 2.1 §9.2): the choice of the batches, and the threads that
//! execute them.
//!
//! If the Asynchronous Indicator of the header allows it, a thread of a small pool executes a batch with an
//! operation that may take long, and the client requests the results by Poll. [`crate::engine::services::jobs`]
//! contains the state of the operations until then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::fair_queue::FairQueue;
use crate::kmip::enums::{AsynchronousIndicator, Operation, ResultReason};
use crate::kmip::{Error, RequestHeader};
use crate::lock::IgnorePoison;

use super::batch::Item;
use super::status::JobStatus;

/// The number of threads that execute batches. Most of them only wait for a CPU permit
/// ([`crate::engine::Context::with_cpu_permit`]).
const MAX_WORKERS: usize = 16;

/// The number of batches of one user that execute at once, so that a thread is free for another user.
const SHARE: usize = 4;

/// The time at which the items of a request execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Before the response.
    Synchronous,
    /// After the response if the server can queue the items, and before it otherwise.
    Optional,
    /// After the response.
    Mandatory,
    /// After the response, and not before this time.
    Postponed(Instant),
}

impl Mode {
    /// Returns the mode of a request that a fault rule postpones to `due`. Operations that cannot be asynchronous are not
    /// postponed.
    pub(super) fn postponed(self, due: Option<Instant>, items: &[Item<'_>]) -> Self {
        match due {
            Some(due) if items.iter().map(Item::operation).all(can_be_asynchronous) => Self::Postponed(due),
            _ => self,
        }
    }
}

/// Returns the mode of a request. If the client leaves the choice to the server, batches of short operations are
/// synchronous.
///
/// # Errors
/// Returns Invalid Message if the client requires asynchronous execution of operations that must be synchronous.
pub(super) fn mode(header: &RequestHeader, items: &[Item<'_>]) -> Result<Mode, Error> {
    let indicator =
        header.asynchronous_indicator.map_or(AsynchronousIndicator::Prohibited, |indicator| indicator.0);
    let operations = || items.iter().map(Item::operation);
    let possible = operations().all(can_be_asynchronous);
    match indicator {
        AsynchronousIndicator::Prohibited => Ok(Mode::Synchronous),
        AsynchronousIndicator::Mandatory if possible => Ok(Mode::Mandatory),
        AsynchronousIndicator::Mandatory => Err(Error::new(
            ResultReason::InvalidMessage,
            "Poll, Cancel, Process and Query Asynchronous Requests cannot be asynchronous; \
             send them without Asynchronous Indicator.",
        )),
        AsynchronousIndicator::Optional if possible && operations().any(may_take_long) => Ok(Mode::Optional),
        AsynchronousIndicator::Optional => Ok(Mode::Synchronous),
    }
}

/// Returns whether an operation can be asynchronous: the operations about asynchronous operations cannot.
fn can_be_asynchronous(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::Poll | Operation::Cancel | Operation::Process | Operation::QueryAsynchronousRequests
    )
}

/// Returns whether an operation computes for long, searches the whole store, or moves an object to or from the
/// archive.
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

/// The maximum time that a pool waits for running tasks when it is dropped.
const GRACE: Duration = Duration::from_secs(1);

/// The time between two looks at the injected clock.
const LOOK: Duration = Duration::from_millis(5);

/// The execution of one batch.
type Task = Box<dyn FnOnce() + Send>;

/// A pool of at most [`MAX_WORKERS`] threads. Users take turns; each has at most [`SHARE`] threads. A thread ends when
/// no task can start. Dropping the pool waits for the running tasks for at most [`GRACE`] and discards the waiting ones.
#[derive(Default)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    idle: Condvar,
    is_closed: AtomicBool,
}

/// Lets a task wait for a time of the injected clock.
pub(super) struct Waiter(Arc<Shared>);

impl Waiter {
    /// Waits until `due`, or until the pool is dropped.
    pub(super) fn wait(&self, clock: &Clock, due: Instant) {
        // A test can move the clock at any time.
        while clock.instant() < due && !self.0.is_closed.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
    }
}

struct State {
    queue: FairQueue<Task>,
    workers: usize,
}

impl Default for State {
    fn default() -> Self {
        Self { queue: FairQueue::new(SHARE), workers: 0 }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Tasks run outside of the lock, and nothing else panics.
        self.state.lock().ignore_poison()
    }

    /// Runs waiting tasks until none can start: those that wait then belong to users with running tasks, whose threads
    /// run them next.
    fn work(&self) {
        let mut state = self.state();
        while let Some((user, task)) = state.queue.take() {
            drop(state);
            task();
            state = self.state();
            state.queue.end(&user);
        }
        state.workers -= 1;
        drop(state);
        self.idle.notify_all();
    }
}

impl Pool {
    /// Returns what a task needs to wait.
    pub(super) fn waiter(&self) -> Waiter {
        Waiter(Arc::clone(&self.shared))
    }

    /// Queues a task of `user`; the tasks of a user start in the order of their arrival.
    ///
    /// # Errors
    /// Returns the task if the pool has no thread and the operating system cannot start one.
    pub(super) fn spawn(&self, user: &str, task: Task) -> Result<(), Task> {
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
        state.queue.push(user, task);
        Ok(())
    }
}

impl Pool {
    /// Returns the numbers of batches that wait and that execute.
    pub(super) fn status(&self) -> JobStatus {
        let state = self.shared.state();
        JobStatus { waiting: state.queue.waiting(), running: state.queue.running() }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
        let mut state = self.shared.state();
        state.queue.clear();
        let is_running = |state: &mut State| state.workers > 0;
        drop(self.shared.idle.wait_timeout_while(state, GRACE, is_running));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn runs_every_task_on_at_most_the_maximum_number_of_threads() {
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
            assert!(pool.spawn(&(number % 5).to_string(), Box::new(task)).is_ok());
        }
        let mut done: Vec<_> = receiver.iter().take(20).collect();
        done.sort_unstable();
        assert_eq!(done, (0..20).collect::<Vec<_>>());
        assert!((2..=MAX_WORKERS).contains(&most.load(Ordering::SeqCst)));
    }

    #[test]
    fn tasks_of_one_user_leave_threads_for_another() {
        let pool = Pool::default();
        let (sender, started) = channel();
        let (release, blocked) = channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        for _ in 0..2 * MAX_WORKERS {
            let (sender, blocked) = (sender.clone(), Arc::clone(&blocked));
            let task = move || {
                sender.send("a").unwrap();
                let _ = blocked.lock().ignore_poison().recv();
            };
            assert!(pool.spawn("a", Box::new(task)).is_ok());
        }
        let of_a: Vec<_> = started.iter().take(SHARE).collect();
        assert_eq!(of_a, ["a"; SHARE]);
        assert!(pool.spawn("b", Box::new(move || sender.send("b").unwrap())).is_ok());
        assert_eq!(started.recv(), Ok("b"));
        assert!(started.try_recv().is_err(), "a user has at most its share of threads");
        drop(release);
        assert_eq!(started.iter().take(2 * MAX_WORKERS - SHARE).count(), 2 * MAX_WORKERS - SHARE);
    }

    #[test]
    fn dropped_pool_waits_for_running_tasks_and_discards_waiting_ones() {
        let done = Arc::new(AtomicUsize::new(0));
        let pool = Pool::default();
        for _ in 0..50 {
            let done = Arc::clone(&done);
            let task = move || {
                std::thread::sleep(Duration::from_millis(20));
                done.fetch_add(1, Ordering::SeqCst);
            };
            assert!(pool.spawn("a", Box::new(task)).is_ok());
        }
        drop(pool);
        let after = done.load(Ordering::SeqCst);
        assert!(after <= MAX_WORKERS * 2, "{after}");
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(done.load(Ordering::SeqCst), after);
    }
}
