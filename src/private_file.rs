//! Files for the user of the server only: the rules for the database, the log and key files that exist already.
//!
//! In a sticky folder such as `/tmp`, another user can create a file or a link before the server does. SECURITY.md
//! describes what the server refuses.

use std::fs::{self, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use rustix::fs::{Access, Mode, OFlags, access};
use rustix::io::Errno;
use rustix::process::geteuid;

/// The mode of a private file: only its owner may read and write it.
pub const MODE: u32 = 0o600;

/// The bits of a mode that say who may do what.
const MODE_BITS: u32 = 0o7777;

/// The bit of a folder in which users may delete only their own files.
const STICKY: u32 = 0o1000;

/// The bits of a mode that allow group and others to write.
const OTHERS_WRITE: u32 = 0o022;

/// The bits of a mode that allow group and others to read or write.
const OTHERS_USE: u32 = 0o066;

/// The user who may use the files of all users.
const ROOT: u32 = 0;

/// The reason for which a file is not used.
#[derive(Debug)]
pub enum Refusal {
    /// A link in a sticky folder leads to it, or it has another name.
    Link(
        /// The link.
        PathBuf,
    ),
    /// It belongs to another user.
    Owner {
        /// The file.
        path: PathBuf,
        /// The user ID of its owner.
        owner: u32,
    },
    /// Its mode cannot be changed.
    Mode {
        /// The file.
        path: PathBuf,
        /// The mode that it has.
        mode: u32,
        /// The error of the operating system.
        why: io::Error,
    },
    /// Its properties cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        why: io::Error,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(path) => write!(
                f,
                "{} is a link in a folder in which every user may create links; replace it by the file, or name a file \
                 in a folder of the server's user",
                path.display()
            ),
            Self::Owner { path, owner } => write!(
                f,
                "{} belongs to the user {owner}; remove it, give it to the server's user, or name another file",
                path.display()
            ),
            Self::Mode { path, mode, why } => write!(
                f,
                "{} has the mode {mode:04o}, which cannot be changed to {MODE:04o}: {why}; give it to the server's user, \
                 or name another file",
                path.display()
            ),
            Self::Unreadable { path, why } => write!(f, "{} cannot be used: {why}", path.display()),
        }
    }
}

impl std::error::Error for Refusal {}

/// The rules for a user: the links and owners that this process accepts.
struct User {
    id: u32,
}

impl User {
    fn current() -> Self {
        Self { id: geteuid().as_raw() }
    }

    /// Checks the owner of a file. Root accepts the file of another user, such as that of a container, where no other
    /// user can have created it in advance.
    fn check_owner(&self, path: &Path, owner: u32, is_sticky: bool) -> Result<(), Refusal> {
        if owner == self.id || (self.id == ROOT && !is_sticky) {
            return Ok(());
        }
        Err(Refusal::Owner { path: path.to_owned(), owner })
    }

    /// Checks a link to a folder, which its owner can redirect.
    fn accepts_folder_link(&self, owner: u32) -> bool {
        owner == self.id || owner == ROOT
    }
}

/// Checks that the server could write the file at `path` after [`claim`], and create it if it is missing. Leaves nothing
/// behind.
///
/// # Errors
/// Returns the error of the operating system.
pub fn check_writable(path: &Path) -> io::Result<()> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let existing = path.ancestors().skip(1).find(|part| part.exists());
            return check_folder(existing.unwrap_or(Path::new(".")));
        }
        Err(error) => return Err(error),
    };
    // To open a pipe or a device could have an effect.
    if !metadata.is_file() {
        return Ok(access(path, Access::WRITE_OK)?);
    }
    match fs::OpenOptions::new().append(true).open(path) {
        // The server corrects the mode of its own file.
        Err(error)
            if Errno::from_io_error(&error) == Some(Errno::ACCESS)
                && metadata.uid() == geteuid().as_raw() =>
        {
            Ok(())
        }
        outcome => outcome.map(drop),
    }
}

/// Checks that the server could create files in a folder: creates one, without a name if the file system can, and removes
/// it.
///
/// # Errors
/// Returns the error of the operating system.
pub fn check_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match rustix::fs::open(folder, OFlags::TMPFILE | OFlags::WRONLY, Mode::from_raw_mode(MODE)) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => {
            let probe = folder.join(format!(".kmip-check-{}", std::process::id()));
            fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(&probe)?;
            fs::remove_file(&probe)
        }
        outcome => Ok(outcome.map(drop)?),
    }
}

/// Checks the file at `path` and returns its properties, or `None` if it is missing. Changes nothing.
///
/// # Errors
/// Returns the reason for which the server does not use the file.
pub fn inspect(path: &Path) -> Result<Option<Metadata>, Refusal> {
    let user = User::current();
    for folder in path.ancestors().skip(1) {
        if let Ok(link) = fs::symlink_metadata(folder)
            && link.is_symlink()
            && is_sticky(folder)
            && !user.accepts_folder_link(link.uid())
        {
            return Err(Refusal::Link(folder.to_owned()));
        }
    }
    inspect_name(path, &user)
}

fn inspect_name(path: &Path, user: &User) -> Result<Option<Metadata>, Refusal> {
    let unreadable = |why| Refusal::Unreadable { path: path.to_owned(), why };
    let found = match fs::symlink_metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(unreadable)?,
    };
    let is_sticky = is_sticky(path);
    if found.is_symlink() {
        if is_sticky {
            return Err(Refusal::Link(path.to_owned()));
        }
        return match fs::canonicalize(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            target => inspect_name(&target.map_err(unreadable)?, user),
        };
    }
    // Devices and pipes, such as /dev/null, are not private.
    if found.is_file() {
        if is_sticky && found.nlink() > 1 {
            return Err(Refusal::Link(path.to_owned()));
        }
        user.check_owner(path, found.uid(), is_sticky)?;
    }
    Ok(Some(found))
}

/// Checks the file at `path` and makes it private. Returns the user ID of its owner if that is another user, whose file
/// root accepts.
///
/// # Errors
/// Returns the reason for which the server does not use the file.
pub fn claim(path: &Path) -> Result<Option<u32>, Refusal> {
    let Some(found) = inspect(path)?.filter(Metadata::is_file) else { return Ok(None) };
    let mode = found.mode() & MODE_BITS;
    if mode != MODE {
        fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(|why| Refusal::Mode {
            path: path.to_owned(),
            mode,
            why,
        })?;
    }
    Ok(Some(found.uid()).filter(|owner| *owner != User::current().id))
}

/// Returns the mode of the key file at `path` if group or others may read or write it.
pub fn exposed(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok().filter(Metadata::is_file)?.mode() & MODE_BITS;
    (mode & OTHERS_USE != 0).then_some(mode)
}

/// Whether every user may create files beside `path`, and delete only their own.
fn is_sticky(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(folder).is_ok_and(|folder| folder.mode() & STICKY != 0 && folder.mode() & OTHERS_WRITE != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_accepts_a_file_of_another_user_and_only_outside_of_sticky_folders() {
        let accepts =
            |id, owner, is_sticky| User { id }.check_owner(Path::new("file"), owner, is_sticky).is_ok();
        for is_sticky in [false, true] {
            assert!(accepts(0, 0, is_sticky) && accepts(7, 7, is_sticky));
            assert!(!accepts(7, 0, is_sticky) && !accepts(7, 8, is_sticky));
        }
        assert!(accepts(0, 7, false) && !accepts(0, 7, true));
    }

    #[test]
    fn a_link_to_a_folder_belongs_to_the_user_or_to_root() {
        let user = User { id: 7 };
        assert!(user.accepts_folder_link(7) && user.accepts_folder_link(0) && !user.accepts_folder_link(8));
    }
}
