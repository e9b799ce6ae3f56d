//! What the files of the policy directory define, scan by scan: which file is new, changed or gone, whose
//! policy counts where several define one name, and what the log is to say about it.
//!
//! Files named `*.json` count. The file loaded last wins a name; the others' policies wait and return when the
//! collision ends (PyKMIP server documentation, "Policy Files"). Files changed at once load in the order of
//! their names. When to scan, and who gets the result, is for [`super::reload`].

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use log::Level;

use super::{Error, Policies, Policy, parse};

/// The most that is read of a policy file. A policy for one group that names every operation of every type
/// takes 30 KB, so this is room for hundreds; a mistake in the directory must not take the server's memory.
const MAX_FILE: u64 = 16 << 20;

/// How long after a file's time stamp another write may have the same one: some file systems count in steps of
/// two seconds. Until then the file is read again in each scan.
const SETTLING: Duration = Duration::from_secs(2);

/// The directory and what it last defined.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    files: BTreeMap<PathBuf, File>,
    /// How many loads there were: the number of the last one.
    loads: u64,
    /// The file whose policy counts, for each name.
    in_force: BTreeMap<String, PathBuf>,
    /// Why the directory could not be listed in the last scan.
    complaint: Option<String>,
}

impl Directory {
    /// A directory that no scan has seen yet.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: BTreeMap::new(),
            loads: 0,
            in_force: BTreeMap::new(),
            complaint: None,
        }
    }

    /// Looks for changes since the last scan; `now` is the wall clock. A file that cannot be used keeps what it
    /// last defined, and so does the whole directory while it cannot be listed.
    pub(super) fn scan(&mut self, now: SystemTime) -> Scan {
        let mut events = Vec::new();
        let names = match json_files(&self.path) {
            Ok(names) => names,
            Err(cause) => {
                let error = Error::Directory { path: self.path.clone(), cause };
                if is_news(&mut self.complaint, &error) {
                    events.push(Event::NoDirectory(error));
                }
                return Scan { events, policies: None };
            }
        };
        if self.complaint.take().is_some() {
            events.push(Event::DirectoryIsBack(self.path.clone()));
        }
        let mut changed = false;
        let gone: Vec<_> = self.files.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in gone {
            changed |= self.remove(&name, &mut events);
        }
        for name in names {
            changed |= self.update(&name, now, &mut events);
        }
        Scan { events, policies: changed.then(|| self.policies()) }
    }

    fn remove(&mut self, name: &Path, events: &mut Vec<Event>) -> bool {
        if self.files.remove(name).is_none() {
            return false;
        }
        events.push(Event::FileRemoved(name.to_owned()));
        self.decide_names(events);
        true
    }

    /// Loads the file if it changed. Returns whether it defines something else now.
    fn update(&mut self, name: &Path, now: SystemTime, events: &mut Vec<Event>) -> bool {
        let (stamp, digest, json) = match self.changed(name, now) {
            Ok(Some(found)) => found,
            Ok(None) => return false,
            // A link to nothing, or removed since the listing.
            Err(Error::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return self.remove(name, events);
            }
            Err(error) => {
                if is_news(&mut self.files.entry(name.to_owned()).or_default().complaint, &error) {
                    events.push(Event::Broken(error));
                }
                return false;
            }
        };
        let file = self.files.entry(name.to_owned()).or_default();
        file.stamp = Some(stamp);
        file.digest = digest;
        file.settled = stamp.is_settled(now);
        file.complaint = None;
        events.push(Event::Loading(name.to_owned()));
        let policies = match parse::policies(name, &json) {
            Ok(policies) => policies,
            Err(error) => {
                events.push(Event::Broken(error));
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
        self.decide_names(events);
        true
    }

    /// The file's stamp, digest and text, if they differ from what was last seen.
    fn changed(&mut self, name: &Path, now: SystemTime) -> Result<Option<(Stamp, u64, Vec<u8>)>, Error> {
        let stamp = Stamp::of(name)?;
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

    /// Settles again which file's policy counts for each name, and tells what changed in that.
    fn decide_names(&mut self, events: &mut Vec<Event>) {
        let winners = self.winners();
        let in_force: BTreeMap<_, _> =
            winners.iter().map(|(name, (path, _))| ((*name).to_owned(), (*path).to_owned())).collect();
        for name in self.in_force.keys().filter(|name| !in_force.contains_key(*name)) {
            events.push(Event::Removed(name.clone()));
        }
        for (name, (path, file)) in winners {
            let Some(before) = self.in_force.get(name).filter(|before| *before != path) else { continue };
            let (name, file_name) = (name.to_owned(), path.to_owned());
            events.push(if file.load == self.loads && self.files.contains_key(before) {
                Event::Overridden { name, file: before.clone(), by: file_name }
            } else {
                Event::Restored { name, file: file_name }
            });
        }
        self.in_force = in_force;
    }

    /// For each name the file loaded last of those that define it.
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

    fn policies(&self) -> Policies {
        let winners = self.winners().into_iter();
        let policies = winners.filter_map(|(name, (_, file))| {
            file.policies.get(name).map(|policy| (name.to_owned(), Arc::clone(policy)))
        });
        Policies::new(policies.collect())
    }
}

/// What a scan found.
#[derive(Debug)]
pub(super) struct Scan {
    /// What is worth a line in the log, in order.
    pub(super) events: Vec<Event>,
    /// All policies, if they may have changed.
    pub(super) policies: Option<Policies>,
}

/// What is known of one file.
#[derive(Debug, Default)]
struct File {
    /// Of the text last seen; `None` until it could be read.
    stamp: Option<Stamp>,
    digest: u64,
    /// Whether the stamp alone tells that the text is the same.
    settled: bool,
    /// The number of the load that `policies` come from.
    load: u64,
    policies: BTreeMap<String, Arc<Policy>>,
    /// Why the file could not be read in the last scan.
    complaint: Option<String>,
}

/// What a change of a file shows in, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
    inode: (u64, u64),
}

impl Stamp {
    fn of(file: &Path) -> Result<Self, Error> {
        let failed = |cause| Error::Read { file: file.to_owned(), cause };
        let metadata = fs::metadata(file).map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { file: file.to_owned() });
        }
        let modified = metadata.modified().map_err(failed)?;
        Ok(Self { modified, length: metadata.len(), inode: (metadata.dev(), metadata.ino()) })
    }

    /// Whether a later write would show in another stamp. A stamp from the future says nothing.
    fn is_settled(&self, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age > SETTLING)
    }
}

/// Something that the log is to tell.
#[derive(Debug)]
pub(super) enum Event {
    /// The directory cannot be listed; what was known stays.
    NoDirectory(Error),
    /// It can be listed again.
    DirectoryIsBack(PathBuf),
    /// A file is new or changed.
    Loading(PathBuf),
    /// A policy was read.
    Loaded(String),
    /// A file cannot be used; what it last defined stays.
    Broken(Error),
    /// A file defines a policy that no file may.
    Reserved {
        /// The policy.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// Two files define the policy; the later one counts.
    Overridden {
        /// The policy.
        name: String,
        /// The file whose policy counted.
        file: PathBuf,
        /// The file whose policy counts now.
        by: PathBuf,
    },
    /// The file whose policy counted defines it no more, and another one does.
    Restored {
        /// The policy.
        name: String,
        /// The file whose policy counts now.
        file: PathBuf,
    },
    /// No file defines the policy any more.
    Removed(String),
    /// A file is gone.
    FileRemoved(PathBuf),
}

impl Event {
    /// How grave it is.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Broken(_) => Level::Error,
            Self::NoDirectory(_) | Self::Reserved { .. } => Level::Warn,
            _ => Level::Info,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory(error) => write!(f, "{error}; the policies known so far stay in force"),
            Self::DirectoryIsBack(path) => write!(f, "Policy directory {} can be read again", path.display()),
            Self::Loading(file) => write!(f, "Loading policy file {}", file.display()),
            Self::Loaded(name) => write!(f, "Loaded policy {name:?}"),
            Self::Broken(error) => write!(f, "{error}; what it defined before stays in force"),
            Self::Reserved { name, file } => {
                write!(f, "Policy {name:?} of {} is ignored: the name is reserved", file.display())
            }
            Self::Overridden { name, file, by } => {
                write!(f, "Policy {name:?} of {} overrides that of {}", by.display(), file.display())
            }
            Self::Restored { name, file } => {
                write!(f, "Policy {name:?} of {} is in force again", file.display())
            }
            Self::Removed(name) => write!(f, "Removed policy {name:?}"),
            Self::FileRemoved(file) => write!(f, "Policy file {} is gone", file.display()),
        }
    }
}

/// Remembers the error and returns whether it is another one than last time: a scan may meet the same one four
/// times a second.
fn is_news(complaint: &mut Option<String>, error: &Error) -> bool {
    let text = error.to_string();
    let is_news = complaint.as_ref() != Some(&text);
    *complaint = Some(text);
    is_news
}

/// The paths of the directory's policy files, in order.
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
