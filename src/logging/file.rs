//! A log file. It consists of whole lines: a line that the disk has no room for is removed again. The file is rotated by
//! its size, and created again if it was removed or renamed, because lines in the open file would be invisible under
//! its path.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Rotation;
use super::complaint::Complaint;

use crate::private_file::{self, MODE};

/// A log file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: Option<File>,
    complaint: Complaint,
}

impl LogFile {
    /// Opens the file at `path`; creates it and its directory if they are missing.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub(super) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let file = Some(open(path)?);
        Ok(Self { path: path.to_owned(), rotation, file, complaint: Complaint::default() })
    }

    /// Appends `lines`, and removes from the text what is in the file. Without lines, it only opens the file again if
    /// another one has the path.
    ///
    /// # Errors
    /// Returns the error of the operating system. The text then begins with the first line that is not in the file.
    pub(super) fn append(&mut self, lines: &mut String) -> io::Result<()> {
        if lines.is_empty() {
            return self.current().map(drop);
        }
        let mut rotates = true;
        while !lines.is_empty() {
            let rotation = self.rotation;
            let file = self.current()?;
            let metadata = file.metadata()?;
            let room = rotation.room(&metadata).filter(|_| rotates);
            let end = match room.map_or(lines.len(), |room| fitting(lines, room)) {
                0 if metadata.len() > 0 => {
                    rotates = self.rotate();
                    continue;
                }
                // One record is longer than a file.
                0 => ends(lines).next().unwrap_or_default(),
                end => end,
            };
            write_whole(file, lines, end, &metadata)?;
        }
        Ok(())
    }

    /// Returns the file that has the path now.
    fn current(&mut self) -> io::Result<&mut File> {
        let is_at = |file: &File| {
            let (opened, named) = (file.metadata(), fs::metadata(&self.path));
            matches!((opened, named), (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()))
        };
        let file = match self.file.take().filter(is_at) {
            Some(file) => file,
            None => open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }

    /// Renames the file and its predecessors, and creates a new file. Returns whether that succeeded; otherwise the
    /// file grows further.
    fn rotate(&mut self) -> bool {
        let outcome = rotate(&self.path, self.rotation.backups);
        if let Err(error) = &outcome {
            let path = self.path.display();
            self.complaint.report(format!(
                "the log {path} cannot be rotated: {error}; it grows further. Allow this user to rename files in its folder."
            ));
        }
        outcome.is_ok()
    }
}

/// Checks whether the program could write to the file at `path`. Leaves nothing behind.
///
/// # Errors
/// Returns the error of the operating system.
pub(super) fn check_writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    private_file::inspect(path).map_err(io::Error::other)?;
    private_file::check_writable(path)
}

/// Opens the file at `path`; creates it and its directory if they are missing.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    create(path)
}

/// Makes the file private; creates it if it does not exist, also at the end of a link.
fn create(path: &Path) -> io::Result<File> {
    private_file::claim(path).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.append(true).mode(MODE);
    match options.create_new(true).open(path) {
        Ok(file) => {
            // The umask may have removed bits of the mode.
            file.set_permissions(Permissions::from_mode(MODE))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create_new(false).create(true).open(path)
        }
        Err(error) => Err(error),
    }
}

impl Rotation {
    /// Returns the number of bytes until the file is rotated, or `None` if it is not.
    fn room(self, metadata: &Metadata) -> Option<u64> {
        let rotates = self.max_size > 0 && self.backups > 0 && metadata.is_file();
        rotates.then(|| self.max_size.saturating_sub(metadata.len()))
    }
}

/// Makes the file its own first predecessor.
fn rotate(path: &Path, backups: usize) -> io::Result<()> {
    let name = |number: usize| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    // The predecessor after the last one, or the one that is replaced.
    let last = (1..backups).find(|number| !name(*number).exists()).unwrap_or(backups);
    for number in (1..last).rev() {
        fs::rename(name(number), name(number + 1))?;
    }
    fs::rename(path, name(1))
}

/// Returns the ends of the records in `lines`; a record continues on indented lines.
fn ends(lines: &str) -> impl Iterator<Item = usize> {
    let pairs = lines.as_bytes().windows(2).enumerate();
    let ends = pairs.filter(|(_, pair)| matches!(pair, [b'\n', next] if *next != b' ')).map(|(at, _)| at + 1);
    ends.chain([lines.len()])
}

/// Returns the length of the longest start of `lines` that has at most `room` bytes and consists of whole records.
fn fitting(lines: &str, room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if lines.len() <= room {
        return lines.len();
    }
    ends(lines).take_while(|end| *end <= room).last().unwrap_or_default()
}

/// Writes `lines` and removes from the text what is written. After an error, a regular file remains as it was.
fn write_whole(file: &File, lines: &mut String, end: usize, before: &Metadata) -> io::Result<()> {
    let bytes = lines.as_bytes().get(..end).unwrap_or_default();
    let (mut written, outcome) = write(file, bytes);
    if outcome.is_err() {
        // If the length is another one, the end of the file is from another process.
        let is_last = |now: Metadata| now.is_file() && now.len() == before.len() + written as u64;
        if file.metadata().is_ok_and(is_last) && file.set_len(before.len()).is_ok() {
            written = 0;
        }
    }
    remove(lines, written);
    outcome
}

/// Writes `bytes` and returns the number of written ones, also after an error.
pub(super) fn write(mut file: &File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Removes the written bytes from the start of `lines`, with the rest of a character that was not written whole.
pub(super) fn remove(lines: &mut String, written: usize) {
    let end = (written..lines.len()).find(|end| lines.is_char_boundary(*end));
    lines.drain(..end.unwrap_or(lines.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: Rotation = Rotation { max_size: 1 << 20, backups: 3 };

    /// Calls `test` with the path of a log in a folder of its own.
    fn in_folder(name: &str, test: impl FnOnce(&Path)) {
        let folder = std::env::temp_dir().join(format!("kmip-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        test(&folder.join("a.log"));
        fs::remove_dir_all(folder).unwrap();
    }

    fn text(path: &Path, suffix: &str) -> String {
        fs::read_to_string(format!("{}{suffix}", path.display())).unwrap_or_default()
    }

    #[test]
    fn whole_records_move_through_the_window_and_are_private_to_their_owner() {
        in_folder("window", |path| {
            let rotation = Rotation { max_size: 20, backups: 2 };
            let mut log = LogFile::open(path, rotation).unwrap();
            let mut lines: String = (0..9).map(|n| format!("{n} line\n    more\n")).collect();
            log.append(&mut lines).unwrap();
            assert_eq!(lines, "");
            let [newest, older, oldest] = ["", ".1", ".2"].map(|suffix| text(path, suffix));
            assert_eq!(newest, "8 line\n    more\n");
            assert_eq!((&*older, &*oldest), ("7 line\n    more\n", "6 line\n    more\n"));
            assert!(!path.with_extension("log.3").exists());
            for suffix in ["", ".1"] {
                let metadata = fs::metadata(format!("{}{suffix}", path.display())).unwrap();
                assert_eq!(metadata.permissions().mode() & 0o777, MODE);
            }
        });
    }

    #[test]
    fn a_record_that_is_longer_than_a_file_is_written_whole() {
        in_folder("long", |path| {
            let mut log = LogFile::open(path, Rotation { max_size: 4, backups: 1 }).unwrap();
            log.append(&mut "first record\nsecond record\n".to_owned()).unwrap();
            assert_eq!(
                (text(path, ".1"), text(path, "")),
                ("first record\n".into(), "second record\n".into())
            );
        });
    }

    #[test]
    fn a_size_or_a_number_of_zero_means_no_rotation() {
        for rotation in [Rotation { max_size: 0, backups: 3 }, Rotation { max_size: 8, backups: 0 }] {
            in_folder("forever", |path| {
                let mut log = LogFile::open(path, rotation).unwrap();
                (0..9).for_each(|_| log.append(&mut "a record\n".to_owned()).unwrap());
                assert_eq!((text(path, "").len(), path.with_extension("log.1").exists()), (81, false));
            });
        }
    }

    #[test]
    fn a_renamed_or_replaced_file_is_followed() {
        in_folder("followed", |path| {
            let mut log = LogFile::open(path, LARGE).unwrap();
            log.append(&mut "one\n".to_owned()).unwrap();
            fs::rename(path, path.with_extension("old")).unwrap();
            log.append(&mut "two\n".to_owned()).unwrap();
            assert_eq!(text(path, ""), "two\n");
            // logrotate's `create` makes the new file itself.
            fs::rename(path, path.with_extension("old")).unwrap();
            fs::write(path, "").unwrap();
            log.append(&mut "three\n".to_owned()).unwrap();
            assert_eq!(text(path, ""), "three\n");
        });
    }

    #[test]
    fn a_device_is_never_rotated() {
        let mut log = LogFile::open(Path::new("/dev/null"), Rotation { max_size: 1, backups: 1 }).unwrap();
        log.append(&mut "one\ntwo\n".to_owned()).unwrap();
        assert!(!Path::new("/dev/null.1").exists());
    }

    #[test]
    fn a_failed_write_leaves_the_lines() {
        let mut log = LogFile::open(Path::new("/dev/full"), LARGE).unwrap();
        let mut lines = "one\ntwo\n".to_owned();
        assert_eq!(log.append(&mut lines).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(lines, "one\ntwo\n");
    }
}
