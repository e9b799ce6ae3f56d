//! The audit log: lines that its caller has formatted, in a file of its own or on standard output.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::background::{Background, Lost};
use super::complaint::Complaint;
use super::output::Output;
use super::{Error, Rotation, STANDARD_OUTPUT, destination};
use crate::lock::IgnorePoison;

/// The name of the audit log beside the log.
const NAME: &str = "audit.log";
/// The time that an operation waits for a pipe that is full.
const PATIENCE: Duration = Duration::from_secs(1);

/// Returns the default path of the audit log: beside the log, or where the log goes if that is no regular file.
pub fn default_audit_path(log: &Path) -> PathBuf {
    let is_special =
        log == Path::new(STANDARD_OUTPUT) || log.metadata().is_ok_and(|it| !it.is_file() && !it.is_dir());
    if is_special { log.to_owned() } else { log.with_file_name(NAME) }
}

/// An audit log.
#[derive(Debug)]
pub struct AuditLog {
    name: String,
    writing: Writing,
}

#[derive(Debug)]
enum Writing {
    /// By a thread of its own: an operation does not wait, and does not depend on the log.
    Behind(Background),
    /// By the thread of the operation, which waits for the result.
    Direct(Mutex<Direct>),
}

#[derive(Debug)]
struct Direct {
    output: Output,
    fails: bool,
    complaint: Complaint,
}

impl AuditLog {
    /// Opens the log at `path`. If it is `required`, [`write`](Self::write) reports failures; otherwise `lost` returns the
    /// line that replaces lines which could not be written.
    ///
    /// # Errors
    /// Returns [`Error::Unwritable`].
    pub fn open(path: &Path, rotation: Rotation, required: bool, lost: Lost) -> Result<Self, Error> {
        let unwritable = |cause| Error::Unwritable { path: path.to_owned(), cause };
        let mut output = Output::open(path, rotation).map_err(unwritable)?;
        let name = format!("the audit log {}", destination(path));
        let writing = if required {
            Writing::Direct(Mutex::new(Direct { output, fails: false, complaint: Complaint::default() }))
        } else {
            let write = Box::new(move |lines: &mut String| output.append(lines));
            Writing::Behind(Background::new(name.clone(), write, lost).map_err(unwritable)?)
        };
        Ok(Self { name, writing })
    }

    /// Returns whether operations depend on the log.
    pub fn is_required(&self) -> bool {
        matches!(self.writing, Writing::Direct(_))
    }

    /// Writes whole lines, and removes from the text what is written or queued.
    ///
    /// # Errors
    /// Returns the error of the operating system if the log is required, and `TimedOut` for a pipe that stays full.
    pub fn write(&self, lines: &mut String) -> io::Result<()> {
        match &self.writing {
            Writing::Behind(background) => {
                background.push(lines, false);
                lines.clear();
                Ok(())
            }
            Writing::Direct(direct) => direct.lock().ignore_poison().write(lines, &self.name),
        }
    }

    /// Opens the file again if another one has its path.
    pub fn reopen(&self) {
        match &self.writing {
            Writing::Behind(background) => background.reopen(),
            // The next line reports an error.
            Writing::Direct(direct) => drop(direct.lock().ignore_poison().output.append(&mut String::new())),
        }
    }

    /// Waits until every line is written, for at most a second.
    pub fn flush(&self) {
        if let Writing::Behind(background) = &self.writing {
            background.flush();
        }
    }
}

impl Direct {
    fn write(&mut self, lines: &mut String, name: &str) -> io::Result<()> {
        // One operation has waited for the pipe already.
        let patience = if self.fails { Duration::ZERO } else { PATIENCE };
        let outcome = self.output.append_in_time(lines, patience);
        self.fails = outcome.is_err();
        if let Err(error) = &outcome {
            self.complaint.report(format!(
                "{name} cannot be written: {error}. The server refuses operations until it can; free its disk, or read from it."
            ));
        }
        outcome
    }
}
