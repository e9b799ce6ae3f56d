//! Collects log lines of all threads; one thread writes them in batches, so that a request waits neither for the disk
//! nor for other threads. An urgent line waits until it is in the file, so that a crash does not lose its own reason.
//!
//! If the lines cannot be written, they wait for their number to reach a bound; further ones are counted. No thread waits
//! longer than [`PATIENCE`] for a log.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::complaint::Complaint;
use crate::lock::IgnorePoison;

/// The pause after a write, in which lines are collected. A line after a longer pause is written at once.
const PAUSE: Duration = Duration::from_millis(5);
/// The pause after a failed write.
const RETRY: Duration = Duration::from_millis(500);
/// The number of waiting bytes above which the writer interrupts its pause.
const MANY: usize = 64 * 1024;
/// The number of waiting bytes above which lines are dropped.
const MAX_WAITING: usize = 1 << 20;
/// The time that a thread waits for its urgent line, or for room, while the writer works.
const PATIENCE: Duration = Duration::from_millis(250);
/// The time that the end of the program waits for the last lines.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Writes lines and removes them from the text.
pub(super) type Write = Box<dyn FnMut(&mut String) -> io::Result<()> + Send>;

/// Returns the line that stands for this number of lost lines.
pub(super) type Lost = fn(u64) -> String;

/// A log whose writes happen on a thread of its own. Dropping it waits for the last lines.
pub(super) struct Background {
    queue: Arc<Queue>,
}

impl Background {
    /// Writes the lines by `write`. `name` is that of the log, for reports.
    ///
    /// # Errors
    /// Returns an error if the system refuses another thread.
    pub(super) fn new(name: String, write: Write, lost: Lost) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            name,
            lost,
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let lines = Arc::clone(&queue);
        thread::Builder::new().name("kmip-log".to_owned()).spawn(move || lines.write_by(write))?;
        Ok(Self { queue })
    }

    /// Queues whole lines. If they are urgent, waits until they are written.
    pub(super) fn push(&self, lines: &str, urgent: bool) {
        if let Some(number) = self.queue.push(lines)
            && urgent
        {
            self.queue.wait_for(number, PATIENCE, |state| state.stalled);
        }
    }

    /// Calls the function that writes without lines, so that a file is opened again if another one has its path.
    pub(super) fn reopen(&self) {
        let mut state = self.queue.state();
        state.reopens = true;
        state.sleeps = false;
        self.queue.work.notify_one();
    }

    /// Waits until every line is written, for at most a second.
    pub(super) fn flush(&self) {
        let number = self.queue.state().queued;
        self.queue.wait_for(number, LAST_PATIENCE, |_| false);
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.ends = true;
        self.queue.work.notify_one();
        // The writer may wait for a pipe for ever.
        let works = |state: &mut State| !state.ended;
        drop(self.queue.done.wait_timeout_while(state, LAST_PATIENCE, works));
    }
}

/// The lines that wait for the writer.
struct Queue {
    name: String,
    lost: Lost,
    state: Mutex<State>,
    /// Wakes the writer thread.
    work: Condvar,
    /// Wakes the threads that wait for the writer.
    done: Condvar,
}

#[derive(Default)]
struct State {
    waiting: String,
    /// The number of texts that were queued, and of those that are written.
    queued: u64,
    written: u64,
    /// The number of lines that were dropped since the last write.
    dropped: u64,
    /// Whether the writer waits for a line or for an urgent one.
    sleeps: bool,
    /// Whether a thread waits for its line.
    urgent: bool,
    /// Whether the file is to be opened again.
    reopens: bool,
    /// Whether the last write failed or takes longer than a thread waits.
    stalled: bool,
    ends: bool,
    ended: bool,
    complaint: Complaint,
}

impl State {
    fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }

    /// Queues lines and returns their number, or `None` if they were dropped.
    fn push(&self, lines: &str) -> Option<u64> {
        let mut state = self.state();
        if state.is_full() && !state.stalled {
            let is_full = |state: &mut State| state.is_full() && !state.stalled;
            state = self.done.wait_timeout_while(state, PATIENCE, is_full).ignore_poison().0;
        }
        if state.is_full() {
            state.stalled = true;
            state.dropped += lines.lines().count() as u64;
            let name = &self.name;
            state.complaint.report(format!(
                "{name} takes no more lines; lines are lost until it does. Read from it, or free its disk."
            ));
            return None;
        }
        state.waiting.push_str(lines);
        state.queued += 1;
        let number = state.queued;
        if state.sleeps || (state.waiting.len() >= MANY && !state.stalled) {
            state.sleeps = false;
            drop(state);
            self.work.notify_one();
        }
        Some(number)
    }

    /// Waits until the text with this number is written, for at most `patience`, and not while `is_vain`.
    fn wait_for(&self, number: u64, patience: Duration, is_vain: fn(&State) -> bool) {
        let mut state = self.state();
        state.urgent = true;
        self.work.notify_one();
        let waits = |state: &mut State| state.written < number && !state.ended && !is_vain(state);
        let (mut state, outcome) = self.done.wait_timeout_while(state, patience, waits).ignore_poison();
        state.stalled |= outcome.timed_out();
    }

    /// Writes lines until the queue ends.
    fn write_by(&self, mut write: Write) {
        let (mut lines, mut number) = (String::new(), 0);
        loop {
            let mut state = self.state();
            while lines.is_empty() && state.waiting.is_empty() && state.dropped == 0 && !state.reopens {
                if state.ends {
                    return self.end(state);
                }
                state.sleeps = true;
                state = self.work.wait(state).ignore_poison();
            }
            state.sleeps = false;
            state.reopens = false;
            if lines.is_empty() {
                std::mem::swap(&mut lines, &mut state.waiting);
                number = state.queued;
                if state.dropped > 0 {
                    lines.push_str(&(self.lost)(std::mem::take(&mut state.dropped)));
                }
            }
            drop(state);
            let outcome = write(&mut lines);
            lines.shrink_to(MANY);

            let mut state = self.state();
            state.urgent = false;
            state.stalled = outcome.is_err();
            match outcome {
                Ok(()) => state.written = number,
                Err(_) if state.ends => return self.end(state),
                Err(error) => state.complaint.report(format!(
                    "{} cannot be written: {error}. The server goes on without it; free its disk, or read from it.",
                    self.name
                )),
            }
            self.done.notify_all();
            let (pause, stalled) = if state.stalled { (RETRY, true) } else { (PAUSE, false) };
            let calm =
                |state: &mut State| !state.ends && (stalled || (!state.urgent && state.waiting.len() < MANY));
            drop(self.work.wait_timeout_while(state, pause, calm));
        }
    }

    fn end(&self, mut state: MutexGuard<'_, State>) {
        state.ended = true;
        self.done.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// What a log contains, and the number of writes.
    type Written = Arc<Mutex<(String, usize)>>;

    fn log(log: &Background, message: &str, urgent: bool) {
        log.push(&format!("{message}\n"), urgent);
    }

    /// Returns a log whose writes take that long.
    fn slow(time: Duration) -> (Background, Written) {
        let written = Written::default();
        let file = Arc::clone(&written);
        let write = move |lines: &mut String| {
            thread::sleep(time);
            let mut file = file.lock().unwrap();
            file.0.push_str(&std::mem::take(lines));
            file.1 += 1;
            Ok(())
        };
        (of(Box::new(write)), written)
    }

    fn of(write: Write) -> Background {
        Background::new("the log of a test".to_owned(), write, |count| format!("{count} lost\n")).unwrap()
    }

    const QUICK: Duration = Duration::from_millis(2);

    #[test]
    fn writes_every_line_whole_in_order_and_in_batches() {
        let (appender, file) = slow(QUICK);
        thread::scope(|scope| {
            for thread in 0..4 {
                let appender = &appender;
                scope.spawn(move || {
                    (0..2000).for_each(|n| log(appender, &format!("{thread} {n} {:40}", "x"), false));
                });
            }
        });
        drop(appender);
        let (text, writes) = &*file.lock().unwrap();
        for thread in 0..4 {
            let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("{thread} ")));
            let numbers: Vec<usize> =
                lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
            assert_eq!(numbers, (0..2000).collect::<Vec<_>>());
        }
        assert!(*writes < 1000, "{writes} writes");
    }

    #[test]
    fn a_warning_and_all_earlier_lines_are_in_the_file_when_the_call_returns() {
        let (appender, file) = slow(QUICK);
        for round in 0..20 {
            log(&appender, &format!("before {round}"), false);
            log(&appender, &format!("warning {round}"), true);
            assert!(file.lock().unwrap().0.ends_with(&format!("before {round}\nwarning {round}\n")));
        }
    }

    #[test]
    fn a_file_is_opened_again_without_a_line() {
        let (log, file) = slow(QUICK);
        log.reopen();
        let begun = Instant::now();
        while file.lock().unwrap().1 == 0 {
            assert!(begun.elapsed() < Duration::from_secs(10));
            thread::sleep(QUICK);
        }
        assert_eq!(file.lock().unwrap().0, "");
    }

    #[test]
    fn a_flush_waits_for_all_earlier_lines() {
        let (appender, file) = slow(QUICK);
        (0..20).for_each(|n| log(&appender, &n.to_string(), false));
        appender.flush();
        assert!(file.lock().unwrap().0.ends_with("\n19\n"));
    }

    #[test]
    fn a_log_that_is_stuck_delays_nobody_and_counts_what_it_drops() {
        let (gate, file) = (Arc::new(Mutex::new(())), Written::default());
        let (behind, written) = (Arc::clone(&gate), Arc::clone(&file));
        let appender = of(Box::new(move |lines| {
            let _open = behind.lock().unwrap();
            written.lock().unwrap().0.push_str(&std::mem::take(lines));
            Ok(())
        }));
        let closed = gate.lock().unwrap();
        let begun = Instant::now();
        let long = "x".repeat(1023);
        (0..3000).for_each(|number| log(&appender, &long, number % 2 == 0));
        appender.flush();
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        drop(closed);
        appender.flush();
        drop(appender);
        let text = &file.lock().unwrap().0;
        let kept = text.lines().filter(|line| *line == long).count();
        let lost: Vec<usize> =
            text.lines().filter_map(|line| line.strip_suffix(" lost")?.parse().ok()).collect();
        assert_eq!(kept + lost.iter().sum::<usize>(), 3000, "{kept} and {lost:?}");
        assert!((1024..=2100).contains(&kept), "{kept}");
    }

    #[test]
    fn lines_of_a_failed_write_are_written_when_the_fault_is_gone() {
        let (file, mut failures) = (Written::default(), 2);
        let written = Arc::clone(&file);
        let appender = of(Box::new(move |lines| {
            if failures > 0 {
                failures -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            written.lock().unwrap().0.push_str(&std::mem::take(lines));
            Ok(())
        }));
        (0..3).for_each(|n| log(&appender, &n.to_string(), true));
        let end = Instant::now() + Duration::from_secs(10);
        while file.lock().unwrap().0 != "0\n1\n2\n" && Instant::now() < end {
            thread::sleep(PAUSE);
        }
        assert_eq!(file.lock().unwrap().0, "0\n1\n2\n");
    }
}
