//! CPU permits: a job that computes for long, such as the generation of an RSA key, waits for a permit, so that other
//! requests get a share of the processors.
//!
//! All servers of a process share the permits, because they share the processors. Waiting jobs get permits in the
//! order of their arrival. A job must not access the store, because its transaction would block others while it
//! waits.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard};
use std::thread::available_parallelism;

use crate::lock::IgnorePoison;

static PERMITS: LazyLock<CpuPermits> = LazyLock::new(|| CpuPermits::new(cpu_permits()));

/// Returns the number of CPU permits: one per processor that the process may use. With more, no job would end sooner,
/// and short requests would get a smaller share of the processors.
pub fn cpu_permits() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Runs `job` with a CPU permit of this process.
pub(super) fn with_permit<T>(job: impl FnOnce() -> T) -> T {
    PERMITS.run(job)
}

/// A fair semaphore.
struct CpuPermits {
    permits: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    running: usize,
    waiting: VecDeque<u64>,
    last_number: u64,
}

impl CpuPermits {
    fn new(permits: usize) -> Self {
        Self { permits, queue: Mutex::default(), changed: Condvar::new() }
    }

    fn run<T>(&self, job: impl FnOnce() -> T) -> T {
        let _permit = self.acquire();
        job()
    }

    fn acquire(&self) -> Permit<'_> {
        let mut queue = self.queue();
        queue.last_number += 1;
        let number = queue.last_number;
        queue.waiting.push_back(number);
        let must_wait = |queue: &mut Queue| {
            queue.running >= self.permits || queue.waiting.front().is_some_and(|first| *first != number)
        };
        let mut queue = self.changed.wait_while(queue, must_wait).ignore_poison();
        queue.waiting.pop_front();
        queue.running += 1;
        drop(queue);
        // Another permit may be free for the next job.
        self.changed.notify_all();
        Permit(self)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().ignore_poison()
    }
}

/// A permit. Its drop returns it to the semaphore, also if the job panics.
struct Permit<'a>(&'a CpuPermits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.queue().running -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn runs_as_many_jobs_at_once_as_there_are_permits() {
        let (permits, running, most) = (CpuPermits::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        permits.run(|| {
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
        assert_eq!(permits.queue().running, 0);
    }

    #[test]
    fn grants_permits_in_the_order_of_arrival() {
        let permits = CpuPermits::new(1);
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = permits.acquire();
            for number in 0..8 {
                let (permits, order) = (&permits, &order);
                scope.spawn(move || permits.run(|| order.lock().unwrap().push(number)));
                while permits.queue().waiting.len() <= number {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn job_that_panics_returns_its_permit() {
        let permits = CpuPermits::new(1);
        assert!(catch_unwind(AssertUnwindSafe(|| permits.run(|| panic!("a bug")))).is_err());
        assert_eq!(permits.run(|| 7), 7);
    }
}
