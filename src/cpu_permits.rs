//! CPU permits: a job that computes for long, such as the generation of an RSA key, waits for a permit, so that other
//! requests get a share of the processors.
//!
//! - Users that wait take turns, and no user has all permits, so that one is free for the next user.
//! - Jobs of several seconds or minutes have permits of their own, because most of them cannot be interrupted.
//! - Searches of the database have permits of their own, too.
//! - A job runs on a thread of low priority, so that simple requests get a processor before it.
//!
//! All servers of a process share the permits, because they share the processors. A job must not start a transaction,
//! which would block others while the job waits.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock};
use std::thread::{Builder, available_parallelism, scope};
use std::time::Duration;

use crate::fair_queue::FairQueue;
use crate::lock::IgnorePoison;

/// The expected duration of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Milliseconds to a few seconds.
    Seconds,
    /// More than a few seconds.
    Minutes,
    /// A search of the database that is not short.
    Search,
}

static SECONDS: LazyLock<CpuPermits> = LazyLock::new(|| {
    // A user alone can keep all processors busy, and one more permit is free for another user.
    let share = processors();
    CpuPermits::new(Limits { total: share + 1, share, priority: 10 })
});

static MINUTES: LazyLock<CpuPermits> = LazyLock::new(|| {
    let total = processors();
    CpuPermits::new(Limits { total, share: (total / 2).max(1), priority: 19 })
});

static SEARCHES: LazyLock<CpuPermits> = LazyLock::new(|| {
    // Half of the processors for one user, and one permit more, which is free for another user.
    let share = (processors() / 2).max(1);
    CpuPermits::new(Limits { total: share + 1, share, priority: 10 })
});

/// Returns the number of searches that have a CPU permit at most.
pub fn max_searches() -> usize {
    (processors() / 2).max(1) + 1
}

/// Returns the number of processors that the process may use.
pub fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Runs `job` for `user` with a CPU permit of this process.
pub fn with_permit<T: Send>(user: &str, effort: Effort, job: impl FnOnce() -> T + Send) -> T {
    match effort {
        Effort::Seconds => SECONDS.run(user, job),
        Effort::Minutes => MINUTES.run(user, job),
        Effort::Search => SEARCHES.run(user, job),
    }
}

/// Returns the processor time that the current thread has used. Time in which it waits for a processor does not count.
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The limits of permits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The number of permits.
    pub total: usize,
    /// The number of permits that one user can have.
    pub share: usize,
    /// The niceness of a job's thread: 0 is the priority of other threads, and 19 is the lowest.
    pub priority: i32,
}

/// A semaphore whose permits users get in turn.
#[derive(Debug)]
pub struct CpuPermits {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    running: usize,
    /// The jobs that wait; each is notified through its cell.
    queue: FairQueue<Arc<OnceLock<()>>>,
}

impl CpuPermits {
    /// Creates permits that no job has.
    pub fn new(limits: Limits) -> Self {
        let state = State { running: 0, queue: FairQueue::new(limits.share) };
        Self { limits, state: Mutex::new(state) }
    }

    /// Runs `job` for `user` as soon as there is a permit.
    pub fn run<T: Send>(&self, user: &str, job: impl FnOnce() -> T + Send) -> T {
        let _permit = self.acquire(user);
        // A thread cannot raise its priority again, so the job needs its own. If the operating system starts none, the
        // job runs here.
        let job = Mutex::new(Some(job));
        let take = || job.lock().ignore_poison().take();
        scope(|scope| {
            let run = || {
                lower_priority(self.limits.priority);
                take().map(|job| job())
            };
            let started = Builder::new().name("compute".to_owned()).spawn_scoped(scope, run);
            let result = match started {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => take().map(|job| job()),
            };
            result.expect("only one of both takes the job")
        })
    }

    fn acquire<'a>(&'a self, user: &'a str) -> Permit<'a> {
        let turn = Arc::new(OnceLock::new());
        let mut state = self.state();
        state.queue.push(user, Arc::clone(&turn));
        self.grant(&mut state);
        drop(state);
        turn.wait();
        Permit { permits: self, user }
    }

    /// Gives the free permits to jobs that wait.
    fn grant(&self, state: &mut State) {
        while state.running < self.limits.total
            && let Some((_, turn)) = state.queue.take()
        {
            state.running += 1;
            // Only this function sets the cell.
            let _ = turn.set(());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

/// A permit. Its drop returns it to the semaphore, also if the job panics.
struct Permit<'a> {
    permits: &'a CpuPermits,
    user: &'a str,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.permits.state();
        state.running -= 1;
        state.queue.end(self.user);
        self.permits.grant(&mut state);
    }
}

/// Lowers the priority of the current thread. Without success, the operating system shares the processors equally.
pub fn lower_priority(niceness: i32) {
    // Elsewhere, the call would change the priority of the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, niceness);
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn permits(total: usize, share: usize) -> CpuPermits {
        CpuPermits::new(Limits { total, share, priority: 10 })
    }

    /// Waits until that many jobs wait.
    fn until_waiting(permits: &CpuPermits, count: usize) {
        while permits.state().queue.waiting() < count {
            thread::yield_now();
        }
    }

    #[test]
    fn runs_as_many_jobs_at_once_as_there_are_permits() {
        let (permits, running, most) = (permits(3, 2), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for user in 0..16 {
                let (permits, running, most) = (&permits, &running, &most);
                scope.spawn(move || {
                    for _ in 0..20 {
                        permits.run(&(user % 4).to_string(), || {
                            let current = running.fetch_add(1, Ordering::SeqCst) + 1;
                            most.fetch_max(current, Ordering::SeqCst);
                            thread::yield_now();
                            running.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
        let most = most.into_inner();
        assert!((1..=3).contains(&most), "{most}");
        assert_eq!(permits.state().running, 0);
    }

    #[test]
    fn users_that_wait_take_turns() {
        let permits = permits(1, 1);
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = permits.acquire("first");
            let jobs = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)];
            for (count, (user, job)) in jobs.into_iter().enumerate() {
                let (permits, order) = (&permits, &order);
                scope.spawn(move || permits.run(user, || order.lock().unwrap().push(job)));
                until_waiting(permits, count + 1);
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [1, 4, 5, 2, 6, 3]);
    }

    #[test]
    fn a_permit_is_free_for_the_next_user_whatever_one_user_does() {
        for permits in [&*SECONDS, &permits(2, 1)] {
            thread::scope(|scope| {
                let share = permits.limits.share;
                assert!(share < permits.limits.total);
                let held: Vec<_> = (0..share).map(|_| permits.acquire("a")).collect();
                let more = scope.spawn(|| permits.run("a", || ()));
                until_waiting(permits, 1);
                assert_eq!(permits.run("b", || 7), 7);
                assert!(!more.is_finished());
                drop(held);
            });
        }
        // Other tests use the permits of searches.
        assert!(SEARCHES.limits.share < SEARCHES.limits.total && SEARCHES.limits.total == max_searches());
    }

    #[test]
    fn jobs_of_minutes_leave_the_permits_for_jobs_of_seconds() {
        let held: Vec<_> =
            (0..processors()).map(|user| MINUTES.acquire(["a", "b", "c", "d"][user % 4])).collect();
        assert_eq!(with_permit("a", Effort::Seconds, || 7), 7);
        drop(held);
    }

    #[test]
    fn job_that_panics_returns_its_permit_and_its_panic() {
        let permits = permits(1, 1);
        let panic = catch_unwind(AssertUnwindSafe(|| permits.run("a", || panic!("a bug")))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"a bug"));
        assert_eq!(permits.run("a", || 7), 7);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn job_has_a_low_priority_and_its_requester_keeps_its_own() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        assert_eq!(permits(1, 1).run("a", niceness), before.max(10));
        assert_eq!(niceness(), before);
    }
}
