//! The metadata by which a changed file is detected without reading it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// The resolution of file timestamps: some file systems store them in steps of two seconds.
pub(crate) const TIMESTAMP_RESOLUTION: Duration = Duration::from_secs(2);

/// The identity, the length and the time of the last change of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp {
    modified: SystemTime,
    length: u64,
    inode: (u64, u64),
}

impl FileStamp {
    /// Returns the stamp of a file.
    ///
    /// # Errors
    /// Returns the error of a file system without timestamps.
    pub(crate) fn of(metadata: &Metadata) -> io::Result<Self> {
        let inode = (metadata.dev(), metadata.ino());
        Ok(Self { modified: metadata.modified()?, length: metadata.len(), inode })
    }

    /// Returns whether a later write would result in another stamp. Until a timestamp is older than its resolution, a
    /// later write can have the same one. For a timestamp in the future this is unknown.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age > TIMESTAMP_RESOLUTION)
    }
}
