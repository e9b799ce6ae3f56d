//! Where a log goes: a file, or standard output.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Mutex, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::file::{self, LogFile};
use super::{Rotation, STANDARD_OUTPUT};
use crate::lock::IgnorePoison;

/// Held during a write to standard output, so that the lines of several logs do not mix.
static WRITING: Mutex<()> = Mutex::new(());

/// The pause between two looks at a pipe that is full.
const LOOK: Duration = Duration::from_millis(5);

/// A file, or standard output.
#[derive(Debug)]
pub(super) enum Output {
    File(LogFile),
    /// A descriptor of its own, which buffers nothing.
    Standard(File),
}

impl Output {
    /// Opens the file at `path`, or standard output if it is [`STANDARD_OUTPUT`].
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub(super) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        if path == Path::new(STANDARD_OUTPUT) {
            return Ok(Self::Standard(File::from(io::stdout().as_fd().try_clone_to_owned()?)));
        }
        LogFile::open(path, rotation).map(Self::File)
    }

    /// Writes `lines`, and removes from the text what is written. Waits as long as a pipe is full.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub(super) fn append(&mut self, lines: &mut String) -> io::Result<()> {
        match self {
            Self::File(file) => file.append(lines),
            Self::Standard(out) => {
                let _writing = WRITING.lock().ignore_poison();
                write(out, lines)
            }
        }
    }

    /// Does the same, but does not begin to write to a pipe that stays full for `patience`.
    ///
    /// # Errors
    /// Returns the error of the operating system, and `TimedOut` for such a pipe.
    pub(super) fn append_in_time(&mut self, lines: &mut String, patience: Duration) -> io::Result<()> {
        let out = match self {
            Self::File(file) => return file.append(lines),
            Self::Standard(out) => out,
        };
        let end = Instant::now() + patience;
        loop {
            let writing = match WRITING.try_lock() {
                Ok(writing) => Some(writing),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            if writing.is_some() && accepts(out)? {
                return write(out, lines);
            }
            drop(writing);
            if Instant::now() >= end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(LOOK);
        }
    }
}

/// Returns whether a write of up to 4,096 bytes (`PIPE_BUF`) succeeds or fails at once.
fn accepts(out: &File) -> io::Result<bool> {
    let mut polled = [PollFd::new(out, PollFlags::OUT)];
    Ok(poll(&mut polled, Some(&Timespec::default()))? > 0)
}

fn write(out: &File, lines: &mut String) -> io::Result<()> {
    let (written, outcome) = file::write(out, lines.as_bytes());
    file::remove(lines, written);
    outcome
}
