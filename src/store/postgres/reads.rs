//! Reads of single objects. If threads read at the same time, one statement answers several of them: its system calls, its
//! wake-ups and the work of the database then serve several requests.
//!
//! A thread with a statement *leads*. Further reads are queued; when the statement is answered, or soon if it is not, the first
//! queued thread leads, and its statement reads all queued objects. A read is queued before its statement is sent, so that it sees
//! each change that any server has acknowledged before it began.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::connection::CALL;
use crate::lock::IgnorePoison;
use crate::store::Error;
use crate::store::request_time::{left, waiting};

/// The maximum number of reads in a statement.
const MAX_TOGETHER: usize = 16;

/// The time after which the first queued read leads although others do: the database is far away or slow, or sends large
/// objects. Statements to a database on the same machine take about as long.
const PATIENCE: Duration = Duration::from_micros(200);

/// The reads of a store, whose statements return values of type `T`.
pub(super) struct Reads<T> {
    queue: Mutex<Queue<T>>,
    patience: Duration,
}

struct Queue<T> {
    /// The reads that no statement contains yet. If there are any, at least one thread leads.
    queued: VecDeque<Arc<Read<T>>>,
    /// The number of threads that lead.
    leaders: usize,
}

/// A read that waits for the statement of another thread.
struct Read<T> {
    number: i64,
    state: Mutex<State<T>>,
    changed: Condvar,
}

enum State<T> {
    /// The read is queued, or in a statement.
    Waits,
    /// It is not queued any more, and leads.
    Leads,
    /// The statement returned this.
    Answered(T),
    /// The statement failed, or did not return the object.
    Unanswered,
}

impl<T> Read<T> {
    fn set(&self, state: State<T>) {
        *self.state.lock().ignore_poison() = state;
        self.changed.notify_one();
    }

    /// Waits for another state, for at most `limit`, and takes it.
    fn wait(&self, limit: Duration) -> State<T> {
        let state = self.state.lock().ignore_poison();
        let is_waiting = |state: &mut State<T>| matches!(state, State::Waits);
        let waited = waiting(|| self.changed.wait_timeout_while(state, limit, is_waiting));
        std::mem::replace(&mut *waited.ignore_poison().0, State::Waits)
    }
}

impl<T> Default for Reads<T> {
    fn default() -> Self {
        Self { queue: Mutex::new(Queue { queued: VecDeque::new(), leaders: 0 }), patience: PATIENCE }
    }
}

impl<T: Clone> Reads<T> {
    /// Returns the object with this number, or `None`. `statement` returns the objects with these numbers, with the number of
    /// each. Of several objects, it may leave some out: they, and all of them if it fails, are read with statements of their own.
    ///
    /// # Errors
    /// Returns the error of `statement`.
    pub(super) fn read(
        &self,
        number: i64,
        statement: impl Fn(&[i64]) -> Result<Vec<(i64, T)>, Error>,
    ) -> Result<Option<T>, Error> {
        let alone = || Ok(statement(&[number])?.pop().map(|(_, found)| found));
        let Some((read, patience)) = self.queue(number) else {
            let _led = Led { reads: self, others: Vec::new() };
            return alone();
        };
        let mut state = self.wait(&read, patience);
        if let State::Leads = state {
            let led = Led { reads: self, others: self.locked().take() };
            if led.others.is_empty() {
                return alone();
            }
            state = led.read(number, &statement);
        }
        match state {
            State::Answered(found) => Ok(Some(found)),
            _ => alone(),
        }
    }

    /// Queues a read, and returns it with its patience. If none has to be queued, returns `None`, and this thread leads.
    fn queue(&self, number: i64) -> Option<(Arc<Read<T>>, Duration)> {
        let mut queue = self.locked();
        if queue.leaders == 0 {
            queue.leaders = 1;
            return None;
        }
        // When the first one leads, its statement contains the others, so that they set no timer.
        let patience = if queue.queued.is_empty() { self.patience } else { CALL };
        let read = Read { number, state: Mutex::new(State::Waits), changed: Condvar::new() };
        let read = Arc::new(read);
        queue.queued.push_back(Arc::clone(&read));
        Some((read, patience))
    }

    fn wait(&self, read: &Arc<Read<T>>, patience: Duration) -> State<T> {
        match read.wait(patience.min(left(CALL))) {
            State::Waits if self.begins_to_lead(read) => State::Leads,
            // It is in a statement, or leads since this moment.
            State::Waits => read.wait(left(CALL)),
            other => other,
        }
    }

    /// Lets a read lead that is still queued.
    fn begins_to_lead(&self, read: &Arc<Read<T>>) -> bool {
        let mut queue = self.locked();
        let place = queue.queued.iter().position(|queued| Arc::ptr_eq(queued, read));
        queue.leaders += usize::from(place.is_some());
        place.and_then(|place| queue.queued.remove(place)).is_some()
    }
}

impl<T> Reads<T> {
    fn locked(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().ignore_poison()
    }
}

impl<T> Queue<T> {
    /// Returns the reads for the statement of a thread that leads. If others remain, another one leads at once.
    fn take(&mut self) -> Vec<Arc<Read<T>>> {
        let count = self.queued.len().min(MAX_TOGETHER - 1);
        let taken = self.queued.drain(..count).collect();
        self.let_next_lead();
        taken
    }

    fn let_next_lead(&mut self) {
        if let Some(next) = self.queued.pop_front() {
            self.leaders += 1;
            next.set(State::Leads);
        }
    }
}

/// The reads of others in the statement of a thread that leads. It ends also if the thread panics.
struct Led<'r, T> {
    reads: &'r Reads<T>,
    others: Vec<Arc<Read<T>>>,
}

impl<T: Clone> Led<'_, T> {
    /// Reads the objects of the others and this one.
    fn read(mut self, number: i64, statement: &impl Fn(&[i64]) -> Result<Vec<(i64, T)>, Error>) -> State<T> {
        let mut numbers: Vec<_> = self.others.iter().map(|read| read.number).chain([number]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let all = statement(&numbers).unwrap_or_default();
        let find = |number| {
            let found = all.iter().find(|(of, _)| *of == number);
            found.map_or(State::Unanswered, |(_, found)| State::Answered(found.clone()))
        };
        self.others.drain(..).for_each(|read| read.set(find(read.number)));
        find(number)
    }
}

impl<T> Drop for Led<'_, T> {
    fn drop(&mut self) {
        self.others.drain(..).for_each(|read| read.set(State::Unanswered));
        let mut queue = self.reads.locked();
        queue.leaders -= 1;
        if queue.leaders == 0 {
            queue.let_next_lead();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
    use std::thread::{self, scope};
    use std::time::Instant;

    use super::super::failure::Failure;
    use super::*;
    use crate::store::Cause;

    const LONG: Duration = Duration::from_secs(60);

    fn reads(patience: Duration) -> Reads<i64> {
        Reads { patience, ..Reads::default() }
    }

    fn await_queue(reads: &Reads<i64>, is_expected: impl Fn(&Queue<i64>) -> bool) {
        let begun = Instant::now();
        while !is_expected(&reads.locked()) {
            assert!(begun.elapsed() < LONG);
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until this number of reads is queued.
    fn await_queued(reads: &Reads<i64>, count: usize) {
        await_queue(reads, |queue| queue.queued.len() == count);
    }

    fn await_leader(reads: &Reads<i64>) {
        await_queue(reads, |queue| queue.leaders > 0);
    }

    fn assert_idle(reads: &Reads<i64>) {
        let queue = reads.locked();
        assert_eq!((queue.queued.len(), queue.leaders), (0, 0));
    }

    /// A statement that finds ten times each number but 0.
    fn tenfold(numbers: &[i64]) -> Result<Vec<(i64, i64)>, Error> {
        Ok(numbers.iter().filter(|number| **number != 0).map(|number| (*number, 10 * number)).collect())
    }

    fn failure() -> Error {
        Error::Sql { doing: "test", why: Cause::new(Failure::local("", false)) }
    }

    /// Runs reads of `numbers` that begin while the statement of another read waits. Returns the numbers of each statement.
    fn together(
        reads: &Reads<i64>,
        numbers: &[i64],
        statement: impl Fn(&[i64]) -> Result<Vec<(i64, i64)>, Error> + Sync,
    ) -> Vec<Vec<i64>> {
        let sent = Mutex::new(Vec::new());
        scope(|scope| {
            let first = scope.spawn(|| {
                reads.read(-1, |found| {
                    assert_eq!(found, [-1]);
                    await_queued(reads, numbers.len());
                    tenfold(found)
                })
            });
            await_leader(reads);
            let others: Vec<_> = numbers
                .iter()
                .map(|number| {
                    let (sent, statement) = (&sent, &statement);
                    scope.spawn(move || {
                        let found = reads.read(*number, |numbers| {
                            sent.lock().unwrap().push(numbers.to_vec());
                            statement(numbers)
                        });
                        assert_eq!(found.unwrap(), (*number != 0).then_some(10 * number));
                    })
                })
                .collect();
            assert_eq!(first.join().unwrap().unwrap(), Some(-10));
            others.into_iter().for_each(|other| other.join().unwrap());
        });
        assert_idle(reads);
        sent.into_inner().unwrap()
    }

    #[test]
    fn one_statement_answers_the_reads_that_begin_while_another_one_waits_unless_it_leaves_them_out() {
        assert_eq!(together(&reads(LONG), &[3, 0, 3, 1], tenfold), [vec![0, 1, 3], vec![0]]);
    }

    #[test]
    fn a_statement_has_a_bounded_number_of_reads_and_the_others_have_another_one_at_once() {
        let numbers: Vec<_> = (1..=40).collect();
        let mut sent = together(&reads(LONG), &numbers, tenfold);
        assert!(sent.iter().all(|numbers| numbers.len() <= MAX_TOGETHER) && sent.len() >= 3, "{sent:?}");
        let mut all: Vec<_> = sent.drain(..).flatten().collect();
        all.sort_unstable();
        assert_eq!(all, numbers);
    }

    #[test]
    fn reads_have_statements_of_their_own_if_the_common_one_fails() {
        let fails_together = |numbers: &[i64]| match numbers {
            [_] => tenfold(numbers),
            _ => Err(failure()),
        };
        let reads = reads(LONG);
        assert!(reads.read(5, |_| Err(failure())).is_err());
        let sent: Vec<_> = together(&reads, &[1, 2, 0], fails_together).iter().map(Vec::len).collect();
        assert_eq!(sent, [3, 1, 1, 1]);
    }

    #[test]
    fn a_panic_of_the_thread_that_leads_ends_its_own_read_only() {
        let reads = reads(LONG);
        scope(|scope| {
            let panics = scope.spawn(|| {
                reads.read(1, |_| {
                    await_queued(&reads, 1);
                    panic!("in a statement")
                })
            });
            await_leader(&reads);
            assert_eq!(reads.read(2, tenfold).unwrap(), Some(20));
            assert!(panics.join().is_err());
        });
        assert_idle(&reads);
        assert_eq!(reads.read(3, tenfold).unwrap(), Some(30));
    }

    #[test]
    fn reads_do_not_wait_for_a_slow_statement_that_does_not_contain_them() {
        let reads = reads(PATIENCE);
        let is_done = AtomicBool::new(false);
        scope(|scope| {
            let slow = scope.spawn(|| {
                reads.read(1, |_| {
                    let begun = Instant::now();
                    while !is_done.load(SeqCst) && begun.elapsed() < LONG {
                        thread::yield_now();
                    }
                    assert!(is_done.load(SeqCst));
                    tenfold(&[1])
                })
            });
            await_leader(&reads);
            let others: Vec<_> = (2..50)
                .map(|number| {
                    scope.spawn({
                        let reads = &reads;
                        move || assert_eq!(reads.read(number, tenfold).unwrap(), Some(10 * number))
                    })
                })
                .collect();
            others.into_iter().for_each(|other| other.join().unwrap());
            is_done.store(true, SeqCst);
            assert_eq!(slow.join().unwrap().unwrap(), Some(10));
        });
        assert_idle(&reads);
    }

    #[test]
    fn a_read_sees_what_was_written_before_it_began() {
        let reads = reads(PATIENCE);
        let written = AtomicI64::new(0);
        scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let before = written.fetch_add(1, SeqCst) + 1;
                        let found = reads.read(7, |numbers| {
                            let now = written.load(SeqCst);
                            thread::yield_now();
                            Ok(numbers.iter().map(|number| (*number, now)).collect())
                        });
                        assert!(found.unwrap().unwrap() >= before);
                    }
                });
            }
        });
        assert_idle(&reads);
    }
}
