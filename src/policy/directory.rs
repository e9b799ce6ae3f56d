//! The policy directory: each scan detects new, changed and removed files, resolves collisions of policy names, and
//! returns the events for the log.
//!
//! Files named `*.json` are policy files. If several files define a policy of the same name, the policy of the file
//! loaded last is in force; the others return when the collision ends (PyKMIP server documentation, "Policy Files").
//! Files that change between two scans are loaded in the order of their names. [`super::reload`] decides when to scan.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use log::Level;

use super::{Error, Policies, Policy, parse};
use crate::file_stamp::FileStamp;

/// The maximum size of a policy file. A policy for one group that names every operation of every object type is 30 KB
/// long, so that hundreds fit; a wrong file in the directory must not exhaust the server's memory.
const MAX_FILE: u64 = 16 << 20;

/// The policy directory, with the policies of the last scan.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    files: BTreeMap<PathBuf, File>,
    /// The number of the last load.
    loads: u64,
    /// The file whose policy is in force, by policy name.
    in_force: BTreeMap<String, PathBuf>,
    /// The error with which the last scan could not list the directory.
    last_error: Option<String>,
}

impl Directory {
    /// Returns the directory at `path`, before its first scan.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: BTreeMap::new(),
            loads: 0,
            in_force: BTreeMap::new(),
            last_error: None,
        }
    }

    /// Detects the changes since the last scan; `now` is the wall clock time. The policies of an invalid file stay in
    /// force, and so do all policies while the directory cannot be listed.
    pub(super) fn scan(&mut self, now: SystemTime) -> Scan {
        let mut events = Vec::new();
        let names = match json_files(&self.path) {
            Ok(names) => names,
            Err(cause) => {
                let error = Error::Directory { path: self.path.clone(), cause };
                if is_new(&mut self.last_error, &error) {
                    events.push(Event::DirectoryUnreadable(error));
                }
                return Scan { events, policies: None };
            }
        };
        if self.last_error.take().is_some() {
            events.push(Event::DirectoryReadable(self.path.clone()));
        }
        let mut changed = false;
        let removed: Vec<_> = self.files.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in removed {
            changed |= self.remove(&name, &mut events);
        }
        for name in names {
            changed |= self.update(&name, now, &mut events);
        }
        Scan { events, policies: changed.then(|| self.policies()) }
    }

    /// Forgets a file. Returns whether it was known.
    fn remove(&mut self, name: &Path, events: &mut Vec<Event>) -> bool {
        if self.files.remove(name).is_none() {
            return false;
        }
        events.push(Event::FileRemoved(name.to_owned()));
        self.resolve_names(events);
        true
    }

    /// Loads the file if it changed. Returns whether its policies may have changed.
    fn update(&mut self, name: &Path, now: SystemTime, events: &mut Vec<Event>) -> bool {
        let (stamp, digest, json) = match self.changed(name, now) {
            Ok(Some(found)) => found,
            Ok(None) => return false,
            // A dangling link, or a file that was removed after the listing.
            Err(Error::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return self.remove(name, events);
            }
            Err(error) => {
                if is_new(&mut self.files.entry(name.to_owned()).or_default().last_error, &error) {
                    events.push(Event::Invalid(error));
                }
                return false;
            }
        };
        let file = self.files.entry(name.to_owned()).or_default();
        file.stamp = Some(stamp);
        file.digest = digest;
        file.settled = stamp.is_settled(now);
        file.last_error = None;
        events.push(Event::Loading(name.to_owned()));
        let policies = match parse::policies(name, &json) {
            Ok(policies) => policies,
            Err(error) => {
                events.push(Event::Invalid(error));
                return false;
            }
        };
        self.loads += 1;
        file.load = self.loads;
        file.policies.clear();
        for (policy_name, policy) in policies {
            if Policies::is_reserved(&policy_name) {
                events.push(Event::Reserved { name: policy_name, file: name.to_owned() });
            } else {
                events.push(Event::Loaded(policy_name.clone()));
                file.policies.insert(policy_name, Arc::new(policy));
            }
        }
        self.resolve_names(events);
        true
    }

    /// The file's stamp, digest and text, if they differ from what was last seen.
    fn changed(&mut self, name: &Path, now: SystemTime) -> Result<Option<(FileStamp, u64, Vec<u8>)>, Error> {
        let stamp = stamp(name)?;
        let known = self.files.get_mut(name).filter(|file| file.stamp == Some(stamp));
        if known.as_ref().is_some_and(|file| file.settled) {
            return Ok(None);
        }
        let json = read(name)?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&json);
        let digest = hasher.finish();
        match known {
            Some(file) if file.digest == digest => {
                file.settled = stamp.is_settled(now);
                Ok(None)
            }
            _ => Ok(Some((stamp, digest, json))),
        }
    }

    /// Determines for each policy name which file's policy is in force, and reports the changes.
    fn resolve_names(&mut self, events: &mut Vec<Event>) {
        let winners = self.winners();
        let in_force: BTreeMap<_, _> =
            winners.iter().map(|(name, (path, _))| ((*name).to_owned(), (*path).to_owned())).collect();
        for name in self.in_force.keys().filter(|name| !in_force.contains_key(*name)) {
            events.push(Event::Removed(name.clone()));
        }
        for (name, (path, file)) in winners {
            let Some(previous) = self.in_force.get(name).filter(|previous| *previous != path) else {
                continue;
            };
            let (name, file_name) = (name.to_owned(), path.to_owned());
            events.push(if file.load == self.loads && self.files.contains_key(previous) {
                Event::Overridden { name, file: previous.clone(), by: file_name }
            } else {
                Event::Restored { name, file: file_name }
            });
        }
        self.in_force = in_force;
    }

    /// Returns, for each policy name, the file loaded last of those that define it.
    fn winners(&self) -> BTreeMap<&str, (&Path, &File)> {
        let mut winners: BTreeMap<&str, (&Path, &File)> = BTreeMap::new();
        for (path, file) in &self.files {
            for name in file.policies.keys() {
                let winner = winners.entry(name).or_insert((path, file));
                if winner.1.load < file.load {
                    *winner = (path, file);
                }
            }
        }
        winners
    }

    /// Returns the policies in force.
    fn policies(&self) -> Policies {
        let winners = self.winners().into_iter();
        let policies = winners.filter_map(|(name, (_, file))| {
            file.policies.get(name).map(|policy| (name.to_owned(), Arc::clone(policy)))
        });
        Policies::new(policies.collect())
    }
}

/// The result of a scan.
#[derive(Debug)]
pub(super) struct Scan {
    /// The events for the log, in order.
    pub(super) events: Vec<Event>,
    /// The policies in force, if they may have changed.
    pub(super) policies: Option<Policies>,
}

/// A policy file.
#[derive(Debug, Default)]
struct File {
    /// The stamp of the text that was read last; `None` until the file could be read.
    stamp: Option<FileStamp>,
    /// The digest of that text.
    digest: u64,
    /// Whether an equal stamp proves that the text is unchanged.
    settled: bool,
    /// The number of the load that produced `policies`.
    load: u64,
    policies: BTreeMap<String, Arc<Policy>>,
    /// The error with which the last scan could not read the file.
    last_error: Option<String>,
}

/// Returns the stamp of a policy file.
fn stamp(file: &Path) -> Result<FileStamp, Error> {
    let failed = |cause| Error::Read { file: file.to_owned(), cause };
    let metadata = fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { file: file.to_owned() });
    }
    FileStamp::of(&metadata).map_err(failed)
}

/// An event for the log.
#[derive(Debug)]
pub(super) enum Event {
    /// The directory cannot be listed; its policies stay in force.
    DirectoryUnreadable(Error),
    /// The directory can be listed again.
    DirectoryReadable(PathBuf),
    /// A file is new or changed.
    Loading(PathBuf),
    /// A policy was loaded.
    Loaded(String),
    /// A file cannot be used; the policies that it defined before stay in force.
    Invalid(Error),
    /// A file defines a policy with a reserved name.
    Reserved {
        /// The policy.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// Two files define the policy; the one loaded last is in force.
    Overridden {
        /// The policy.
        name: String,
        /// The file whose policy was in force before.
        file: PathBuf,
        /// The file whose policy is in force now.
        by: PathBuf,
    },
    /// The file whose policy was in force no longer defines it, and another file does.
    Restored {
        /// The policy.
        name: String,
        /// The file whose policy is in force now.
        file: PathBuf,
    },
    /// No file defines the policy any longer.
    Removed(String),
    /// A file was removed.
    FileRemoved(PathBuf),
}

impl Event {
    /// Returns the log level.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Invalid(_) => Level::Error,
            Self::DirectoryUnreadable(_) | Self::Reserved { .. } => Level::Warn,
            _ => Level::Info,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectoryUnreadable(error) => write!(
                f,
                "{error}; the policies known so far stay in force; correct policy_path or the rights of the directory"
            ),
            Self::DirectoryReadable(path) => {
                write!(f, "Policy directory {} can be read again", path.display())
            }
            Self::Loading(file) => write!(f, "Loading policy file {}", file.display()),
            Self::Loaded(name) => write!(f, "Loaded policy {name:?}"),
            Self::Invalid(error) => {
                write!(f, "{error}; what it defined before stays in force until the file is corrected")
            }
            Self::Reserved { name, file } => {
                write!(f, "Policy {name:?} of {} is ignored: the name is reserved; rename it", file.display())
            }
            Self::Overridden { name, file, by } => {
                write!(f, "Policy {name:?} of {} overrides that of {}", by.display(), file.display())
            }
            Self::Restored { name, file } => {
                write!(f, "Policy {name:?} of {} is in force again", file.display())
            }
            Self::Removed(name) => write!(f, "Removed policy {name:?}"),
            Self::FileRemoved(file) => write!(f, "Policy file {} was removed", file.display()),
        }
    }
}

/// Stores the error and returns whether it differs from the last one, because scans can find the same error four times
/// a second.
fn is_new(last_error: &mut Option<String>, error: &Error) -> bool {
    let text = error.to_string();
    let is_new = last_error.as_ref() != Some(&text);
    *last_error = Some(text);
    is_new
}

/// Checks that the path of a policy directory is not that of a file. A missing directory may be created later.
///
/// # Errors
/// Returns [`Error::NotADirectory`].
pub fn check(path: &Path) -> Result<(), Error> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(Error::NotADirectory { path: path.to_owned() });
    }
    Ok(())
}

/// Returns the paths of the policy files in the directory, in order.
fn json_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().map(OsStr::as_encoded_bytes).is_some_and(|name| name.ends_with(b".json")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a policy file.
fn read(file: &Path) -> Result<Vec<u8>, Error> {
    let failed = |cause| Error::Read { file: file.to_owned(), cause };
    let mut text = Vec::new();
    let mut reader = fs::File::open(file).map_err(failed)?.take(MAX_FILE + 1);
    reader.read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(Error::TooLarge { file: file.to_owned(), limit: MAX_FILE });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::Folder;
