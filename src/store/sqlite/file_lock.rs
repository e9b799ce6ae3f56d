//! The lock on the database file: one server at a time uses a database.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{io, process, thread};

use rustix::fs::{FlockOperation, flock, major, minor, statfs};
use rustix::io::Errno;

use super::open_files::{FileId, id};
use crate::lock::IgnorePoison;
use crate::store::{Error, LOG};

/// The time that a start waits for the lock: the kernel releases the lock of a killed process only when it has torn the
/// process down, and a server that stops in this process may still close its connections.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// The kernel's list of the locks on files.
const LOCKS: &str = "/proc/locks";

/// The file systems whose locks may not reach other machines, or collide with those of SQLite: NFS, SMB, CIFS, SMB 2,
/// AFS, Coda, 9P, Ceph, Lustre and GFS2, by `f_type` of statfs(2).
const NETWORK_FILE_SYSTEMS: [u64; 10] = [
    0x6969,
    0x517B,
    0xFF53_4D42,
    0xFE53_4D42,
    0x5346_414F,
    0x7375_7245,
    0x0102_1997,
    0x00C3_6400,
    0x0BD0_0BD0,
    0x0116_1970,
];

/// The database files that servers of this process use.
static LOCKED: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

/// The exclusive lock on a database file. The kernel releases it when the process ends.
///
/// It must be dropped after every SQLite connection to the file: when a process closes any descriptor of a file, the
/// kernel releases the locks of SQLite on it.
pub(super) struct FileLock {
    /// The lock and its file, or `None` on a file system without reliable locks.
    locked: Option<(File, FileId)>,
}

impl FileLock {
    /// Locks the database file at `path`, which exists; waits up to two seconds for the lock. On a network file
    /// system, logs a warning instead.
    ///
    /// # Errors
    /// Returns [`Error::Locked`] if another server uses the file, and [`Error::File`] if it cannot be opened.
    pub(super) fn acquire(path: &Path) -> Result<Self, Error> {
        let end = Instant::now() + PATIENCE;
        loop {
            match Self::try_acquire(path) {
                Err(Error::Locked { .. }) if Instant::now() < end => thread::sleep(PAUSE),
                outcome => return outcome,
            }
        }
    }

    fn try_acquire(path: &Path) -> Result<Self, Error> {
        let failed = |why| Error::File { path: path.to_owned(), why: Arc::new(why) };
        if is_on_network(path) {
            warn(path, "is on a network file system");
            return Ok(Self { locked: None });
        }
        let id = id(&fs::metadata(path).map_err(failed)?);
        let locked = |process| Error::Locked { path: path.to_owned(), process };
        // A file that this process has locked is not opened, because closing it would release the locks of SQLite.
        if !registered().insert(id) {
            return Err(locked(Some(process::id())));
        }
        let outcome = File::open(path).map_err(failed).and_then(|file| {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => Ok(Some((file, id))),
                Err(Errno::WOULDBLOCK) => {
                    Err(locked(holder(&fs::read_to_string(LOCKS).unwrap_or_default(), id)))
                }
                Err(why) => {
                    let why = io::Error::from(why);
                    warn(path, &format!("is on a file system without locks ({why})"));
                    Ok(None)
                }
            }
        });
        if !matches!(outcome, Ok(Some(_))) {
            registered().remove(&id);
        }
        Ok(Self { locked: outcome? })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if let Some((file, id)) = self.locked.take() {
            drop(file);
            registered().remove(&id);
        }
    }
}

fn registered() -> MutexGuard<'static, BTreeSet<FileId>> {
    LOCKED.lock().ignore_poison()
}

fn warn(path: &Path, why: &str) {
    log::warn!(
        target: LOG,
        "The database {} {why}, so the server cannot lock it. Make sure that no other server uses it, or move it to a \
         local disk.",
        path.display()
    );
}

fn is_on_network(path: &Path) -> bool {
    #[allow(
        clippy::allow_attributes,
        clippy::cast_sign_loss,
        clippy::cast_lossless,
        clippy::unnecessary_cast,
        reason = "the type of `f_type` depends on the architecture, and some sign-extend it"
    )]
    let file_system = statfs(path).map(|found| found.f_type as u64 & 0xFFFF_FFFF);
    file_system.is_ok_and(|file_system| NETWORK_FILE_SYSTEMS.contains(&file_system))
}

/// Returns the process that holds the lock on a file, according to the content of /proc/locks. Processes of other
/// namespaces are not listed. Some file systems list a file with another device than its metadata states.
fn holder(locks: &str, (device, inode): FileId) -> Option<u32> {
    let device = format!("{:02x}:{:02x}", major(device), minor(device));
    let mut same_inode = Vec::new();
    for line in locks.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, file, ..] = fields[..] else { continue };
        let (Ok(process), Some((of, number))) = (process.parse(), file.rsplit_once(':')) else { continue };
        if number.parse() == Ok(inode) {
            if of == device {
                return Some(process);
            }
            same_inode.push(process);
        }
    }
    match same_inode[..] {
        [process] => Some(process),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::makedev;

    use super::*;
    use crate::store::testing::Folder;

    #[test]
    fn finds_the_holder_in_the_list_of_the_kernel() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fd:01:700 128 128\n\
                     2: FLOCK  ADVISORY  WRITE 12 fd:01:700 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 13 fd:01:700 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 14 fd:02:700 0 EOF\n\
                     4: FLOCK  ADVISORY  READ 15 fd:01:701 0 EOF\n\
                     5: FLOCK  ADVISORY  WRITE 16 00:2a:702 0 EOF\n\
                     a line of another kernel\n";
        let holder = |device: u32, inode| holder(locks, (makedev(0xFD, device), inode));
        assert_eq!(holder(1, 700), Some(12));
        assert_eq!(holder(2, 700), Some(14));
        assert_eq!(holder(3, 700), None, "two files have this inode");
        assert_eq!(holder(1, 701), None);
        assert_eq!(holder(1, 702), Some(16), "one file has this inode");
        assert_eq!(holder(1, 703), None);
    }

    #[test]
    fn is_exclusive_within_a_process_and_free_again_when_dropped() {
        let folder = Folder::new();
        let path = folder.path("file");
        fs::write(&path, "").unwrap();
        let lock = FileLock::acquire(&path).unwrap();
        for _ in 0..2 {
            let refused = FileLock::acquire(&path).err();
            assert!(
                matches!(refused, Some(Error::Locked { process: Some(own), .. }) if own == process::id()),
                "{refused:?}"
            );
        }
        drop(lock);
        let other = File::open(&path).unwrap();
        flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
        let refused = FileLock::acquire(&path).err();
        assert!(matches!(refused, Some(Error::Locked { .. })), "{refused:?}");
        drop(other);
        FileLock::acquire(&path).unwrap();
    }
}
