//! The files that the server has open, by device and inode: a commit to a file that was deleted or replaced meanwhile
//! would be lost.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::Error;

/// The device and the inode of a file.
pub(super) type FileId = (u64, u64);

/// Returns the identity of a file.
pub(super) fn id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// Returns the path of the file that SQLite keeps beside the database at `path`, such as `-wal`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The database, its write-ahead log, and the index of that log, whose locks coordinate all processes.
pub(super) struct OpenFiles([(PathBuf, FileId); 3]);

impl OpenFiles {
    /// Records the files of the database at `path`, which a connection has read: all of them exist.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the operating system refuses access.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        // SQLite resolves links before it appends the endings.
        let failed = |path: &Path, why| Error::File { path: path.to_owned(), why: Arc::new(why) };
        let target = fs::canonicalize(path).map_err(|why| failed(path, why))?;
        let identified = |path: PathBuf| {
            let found = fs::metadata(&path).map_err(|why| failed(&path, why))?;
            Ok((path, id(&found)))
        };
        Ok(Self([
            identified(path.to_owned())?,
            identified(beside(&target, "-wal"))?,
            identified(beside(&target, "-shm"))?,
        ]))
    }

    /// Checks that each path still leads to the file that is open.
    ///
    /// # Errors
    /// Returns [`Error::Replaced`] with the first path that does not.
    pub(super) fn check(&self) -> Result<(), Error> {
        for (path, opened) in &self.0 {
            if !fs::metadata(path).is_ok_and(|found| id(&found) == *opened) {
                return Err(Error::Replaced { path: path.clone() });
            }
        }
        Ok(())
    }
}
