//! Creates the log file again if it was removed or renamed: lines in the open file would be invisible under its path.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use log::Record;
use log4rs::append::Append;

use crate::lock::IgnorePoison;

/// Opens the file.
pub(super) type Open = fn(&Path) -> io::Result<Box<dyn Append>>;

/// An appender to the file that has the path at the time of each line.
pub(super) struct Following {
    path: PathBuf,
    open: Open,
    file: Mutex<Box<dyn Append>>,
}

impl Following {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Returns the error of `open`.
    pub(super) fn new(path: &Path, open: Open) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), open, file: Mutex::new(open(path)?) })
    }
}

impl Append for Following {
    fn append(&self, record: &Record<'_>) -> anyhow::Result<()> {
        let mut file = self.file.lock().ignore_poison();
        if !self.path.exists() {
            *file = (self.open)(&self.path)?;
        }
        file.append(record)
    }

    fn flush(&self) {
        self.file.lock().ignore_poison().flush();
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("path", &self.path).finish_non_exhaustive()
    }
}
