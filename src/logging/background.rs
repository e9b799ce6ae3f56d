//! Collects log lines of all threads; one thread writes them in batches, so that a request waits neither for the disk
//! nor for other threads. A line at WARNING or above waits until it is in the file, so that a crash does not lose
//! its own reason.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use log::{Level, Record};
use log4rs::append::Append;

use crate::lock::IgnorePoison;

/// The pause after a write, in which lines are collected. A line after a longer pause is written at once.
const PAUSE: Duration = Duration::from_millis(5);
/// The number of waiting bytes above which a thread that logs waits.
const MAX_WAITING: usize = 64 * 1024;

/// Formats a line with its line feed.
pub(super) type Format = fn(&Record<'_>, &mut String);

/// An appender whose writes happen on a thread of its own.
pub(super) struct Background {
    format: Format,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

impl Background {
    /// Writes the lines that `format` returns to `file`, whose encoder must not change them.
    ///
    /// # Errors
    /// Returns an error if the system refuses another thread.
    pub(super) fn new(file: Box<dyn Append>, format: Format) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let (lines, name) = (Arc::clone(&queue), "kmip-log".to_owned());
        let writer = thread::Builder::new().name(name).spawn(move || lines.write_to(&*file))?;
        Ok(Self { format, queue, writer: Some(writer) })
    }
}

impl Append for Background {
    fn append(&self, record: &Record<'_>) -> anyhow::Result<()> {
        let mut line = String::with_capacity(160);
        (self.format)(record, &mut line);
        let number = self.queue.push(&line);
        if record.level() <= Level::Warn {
            self.queue.wait_for(number);
        }
        Ok(())
    }

    /// Waits until every line is in the file.
    fn flush(&self) {
        let number = self.queue.state().queued;
        self.queue.wait_for(number);
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.queue.state().ends = true;
        self.queue.work.notify_one();
        if let Some(writer) = self.writer.take() {
            // The panic hook has reported a panic of the thread.
            drop(writer.join());
        }
    }
}

/// The lines that wait for the file.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// Wakes the writer thread.
    work: Condvar,
    /// Wakes the threads that wait for the writer.
    done: Condvar,
}

#[derive(Default)]
struct State {
    waiting: String,
    /// The number of lines that were queued, and of those in the file.
    queued: u64,
    written: u64,
    /// Whether the writer waits for a line or for an urgent one.
    sleeps: bool,
    /// Whether a thread waits for its line.
    urgent: bool,
    ends: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }

    /// Queues a line and returns its number.
    fn push(&self, line: &str) -> u64 {
        let state = self.state();
        let full = |state: &mut State| state.waiting.len() >= MAX_WAITING && !state.ends;
        let mut state = self.done.wait_while(state, full).ignore_poison();
        state.waiting.push_str(line);
        state.queued += 1;
        let number = state.queued;
        if state.sleeps || state.waiting.len() >= MAX_WAITING {
            state.sleeps = false;
            drop(state);
            self.work.notify_one();
        }
        number
    }

    /// Waits until the line with this number is in the file.
    fn wait_for(&self, number: u64) {
        let mut state = self.state();
        while state.written < number && !state.ends {
            state.urgent = true;
            self.work.notify_one();
            state = self.done.wait(state).ignore_poison();
        }
    }

    /// Writes lines until the queue ends.
    fn write_to(&self, file: &dyn Append) {
        let mut lines = String::new();
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() {
                if state.ends {
                    return;
                }
                state.sleeps = true;
                state = self.work.wait(state).ignore_poison();
            }
            state.sleeps = false;
            std::mem::swap(&mut lines, &mut state.waiting);
            let number = state.queued;
            drop(state);
            // A failed write cannot be logged, and requests do not depend on the log.
            let text = lines.as_str();
            drop(file.append(&Record::builder().args(format_args!("{text}")).build()));
            lines.clear();

            let mut state = self.state();
            state.written = number;
            state.urgent = false;
            self.done.notify_all();
            let calm = |state: &mut State| !state.urgent && !state.ends && state.waiting.len() < MAX_WAITING;
            drop(self.work.wait_timeout_while(state, PAUSE, calm));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose writes take two milliseconds.
    #[derive(Debug, Default)]
    struct Slow(Arc<Mutex<(String, usize)>>);

    impl Append for Slow {
        fn append(&self, record: &Record<'_>) -> anyhow::Result<()> {
            thread::sleep(Duration::from_millis(2));
            let mut file = self.0.lock().unwrap();
            file.0.push_str(&record.args().to_string());
            file.1 += 1;
            Ok(())
        }

        fn flush(&self) {}
    }

    fn log(appender: &Background, level: Level, message: &str) {
        let args = format_args!("{message}");
        appender.append(&Record::builder().level(level).args(args).build()).unwrap();
    }

    fn slow() -> (Background, Arc<Mutex<(String, usize)>>) {
        let file = Slow::default();
        let text = Arc::clone(&file.0);
        let format: Format = |record, line| line.push_str(&format!("{}\n", record.args()));
        (Background::new(Box::new(file), format).unwrap(), text)
    }

    #[test]
    fn writes_every_line_whole_in_order_and_in_batches() {
        let (appender, file) = slow();
        thread::scope(|scope| {
            for thread in 0..4 {
                let appender = &appender;
                scope.spawn(move || {
                    (0..2000).for_each(|n| log(appender, Level::Info, &format!("{thread} {n} {:40}", "x")));
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
        let (appender, file) = slow();
        for round in 0..20 {
            log(&appender, Level::Info, &format!("before {round}"));
            log(&appender, Level::Warn, &format!("warning {round}"));
            assert!(file.lock().unwrap().0.ends_with(&format!("before {round}\nwarning {round}\n")));
        }
    }

    #[test]
    fn a_flush_waits_for_all_earlier_lines() {
        let (appender, file) = slow();
        (0..20).for_each(|n| log(&appender, Level::Info, &n.to_string()));
        appender.flush();
        assert!(file.lock().unwrap().0.ends_with("\n19\n"));
    }
}
