//! Work that keeps a processor busy for long, such as making an RSA key, waits for its turn here, so that it
//! leaves room for requests that are answered at once.
//!
//! The number of group_rotation is the machine's, so one line is shared by all servers of a process. Whoever comes first
//! goes first. A job must not touch the store: what it held there would wait in line with it.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard};
use std::thread::available_parallelism;

use crate::lock::IgnorePoison;

/// The line of this process.
static LINE: LazyLock<Line> = LazyLock::new(|| Line::new(most_at_once()));

/// How many heavy jobs run at the same time: one for each processor that the process may use. More would finish
/// no sooner, and each would take its part of the processors from the requests that are quickly done.
pub fn most_at_once() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Runs `job` when it is its turn.
pub(super) fn in_turn<T>(job: impl FnOnce() -> T) -> T {
    LINE.run(job)
}

/// A line of those who wait for one of a number of places.
struct Line {
    places: usize,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    waiting: VecDeque<u64>,
    last: u64,
}

impl Line {
    fn new(places: usize) -> Self {
        Self { places, state: Mutex::default(), moved: Condvar::new() }
    }

    fn run<T>(&self, job: impl FnOnce() -> T) -> T {
        let _place = self.enter();
        job()
    }

    fn enter(&self) -> Place<'_> {
        let mut state = self.state();
        state.last += 1;
        let ticket = state.last;
        state.waiting.push_back(ticket);
        let is_behind = |state: &mut State| {
            state.running >= self.places || state.waiting.front().is_some_and(|first| *first != ticket)
        };
        let mut state = self.moved.wait_while(state, is_behind).ignore_poison();
        state.waiting.pop_front();
        state.running += 1;
        drop(state);
        // The next one may have a place as well.
        self.moved.notify_all();
        Place(self)
    }

    // Nothing panics while the lock is held, so the state of a poisoned one is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

/// A place, given back when dropped, also by a job that panics.
struct Place<'a>(&'a Line);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state().running -= 1;
        self.0.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn no_more_run_at_once_than_there_are_places() {
        let (line, running, most) = (Line::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        line.run(|| {
                            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                            most.fetch_max(now, Ordering::SeqCst);
                            thread::yield_now();
                            running.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
        let most = most.into_inner();
        assert!((1..=3).contains(&most), "{most}");
        assert_eq!(line.state().running, 0);
    }

    #[test]
    fn whoever_comes_first_goes_first() {
        let line = Line::new(1);
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = line.enter();
            for number in 0..8 {
                let (line, order) = (&line, &order);
                scope.spawn(move || line.run(|| order.lock().unwrap().push(number)));
                while line.state().waiting.len() <= number {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn a_job_that_panics_gives_its_place_back() {
        let line = Line::new(1);
        assert!(catch_unwind(AssertUnwindSafe(|| line.run(|| panic!("a bug")))).is_err());
        assert_eq!(line.run(|| 7), 7);
    }
}
