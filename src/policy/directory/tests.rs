//! Scans of a directory that changes. What a scan says is compared as text: it is what the log shows.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Directory, Event, MAX_FILE, SETTLING};
use crate::kmip::enums::{ObjectType, Operation};
use crate::policy::{Permission, Policies};

/// A new directory below the system's temporary one, removed when dropped.
pub(in crate::policy) struct Folder(PathBuf);

impl Folder {
    pub(in crate::policy) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kmip-policy-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(in crate::policy) fn path(&self) -> &Path {
        &self.0
    }

    pub(in crate::policy) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    pub(in crate::policy) fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    fn set_modified(&self, name: &str, time: SystemTime) {
        File::options().append(true).open(self.0.join(name)).unwrap().set_modified(time).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A policy whose answer for Get on symmetric keys tells it from others.
fn policy(name: &str, get: Permission) -> String {
    let get = match get {
        Permission::AllowAll => "ALLOW_ALL",
        Permission::AllowOwner => "ALLOW_OWNER",
        Permission::DisallowAll => "DISALLOW_ALL",
    };
    format!(r#"{{"{name}": {{"preset": {{"SYMMETRIC_KEY": {{"GET": "{get}"}}}}}}}}"#)
}

const ALL: Permission = Permission::AllowAll;
const OWNER: Permission = Permission::AllowOwner;
const NONE: Permission = Permission::DisallowAll;

/// A folder, its scans, and the policies as the last scan left them.
struct Watched {
    folder: Folder,
    directory: Directory,
    policies: Policies,
}

impl Watched {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let directory = Directory::new(folder.path());
        Self { folder, directory, policies: Policies::builtin() }
    }

    /// The lines that a scan logs, without the folder's path.
    fn scan(&mut self) -> Vec<String> {
        self.scan_at(SystemTime::now())
    }

    fn scan_at(&mut self, now: SystemTime) -> Vec<String> {
        let scan = self.directory.scan(now);
        if let Some(policies) = scan.policies {
            self.policies = policies;
        }
        let folder = format!("{}/", self.folder.path().display());
        let line = |event: &Event| format!("{} {event}", event.level()).replace(&folder, "");
        scan.events.iter().map(line).collect()
    }

    /// What policy `name` says of Get; `None` where there is no such policy.
    fn says(&self, name: &str) -> Option<Permission> {
        let policy = self.policies.policy(name)?;
        Some(policy.permission(None, ObjectType::SymmetricKey, Operation::Get))
    }
}

#[test]
fn additions_changes_and_removals_are_seen_and_told_once() {
    let mut watched = Watched::new("changes");
    assert_eq!(watched.scan(), [""; 0]);
    watched.folder.write("a.json", &policy("p", ALL));
    assert_eq!(watched.scan(), ["INFO Loading policy file a.json", "INFO Loaded policy \"p\""]);
    assert_eq!(watched.says("p"), Some(ALL));
    assert_eq!(watched.scan(), [""; 0]);
    watched.folder.write("a.json", &policy("q", OWNER));
    assert_eq!(
        watched.scan(),
        ["INFO Loading policy file a.json", "INFO Loaded policy \"q\"", "INFO Removed policy \"p\""]
    );
    assert_eq!((watched.says("p"), watched.says("q")), (None, Some(OWNER)));
    watched.folder.remove("a.json");
    assert_eq!(watched.scan(), ["INFO Policy file a.json is gone", "INFO Removed policy \"q\""]);
    assert_eq!((watched.says("q"), watched.says("default")), (None, Some(OWNER)));
    assert_eq!(watched.scan(), [""; 0]);
}

#[test]
fn only_names_that_end_in_json_count() {
    let mut watched = Watched::new("names");
    for name in ["a.jso", "b.json.bak", "c.JSON", "json", "d.json~"] {
        watched.folder.write(name, &policy("p", ALL));
    }
    assert_eq!(watched.scan(), [""; 0]);
    watched.folder.write(".json", &policy("p", ALL));
    assert_eq!(watched.scan().len(), 2);
}

#[test]
fn broken_file_keeps_what_it_defined_and_is_told_once() {
    let mut watched = Watched::new("broken");
    watched.folder.write("a.json", &policy("p", ALL));
    watched.scan();
    watched.folder.write("a.json", "{\n\"p\": }");
    let error =
        "ERROR policy file a.json, line 2, column 6: expected value; what it defined before stays in force";
    assert_eq!(watched.scan(), ["INFO Loading policy file a.json", error]);
    assert_eq!(watched.scan(), [""; 0]);
    assert_eq!(watched.says("p"), Some(ALL));
    watched.folder.write("a.json", &policy("p", OWNER));
    watched.scan();
    assert_eq!(watched.says("p"), Some(OWNER));
}

#[test]
fn file_that_is_broken_from_the_start_loads_when_it_is_mended() {
    let mut watched = Watched::new("mended");
    watched.folder.write("a.json", "");
    watched.folder.write("b.json", &policy("q", ALL));
    assert_eq!(watched.scan().iter().filter(|line| line.starts_with("ERROR")).count(), 1);
    assert_eq!((watched.says("p"), watched.says("q")), (None, Some(ALL)));
    watched.folder.write("a.json", &policy("p", ALL));
    watched.scan();
    assert_eq!(watched.says("p"), Some(ALL));
}

#[test]
fn broken_file_that_is_removed_takes_its_policies_along() {
    let mut watched = Watched::new("broken-removed");
    watched.folder.write("a.json", &policy("p", ALL));
    watched.scan();
    watched.folder.write("a.json", "?");
    watched.scan();
    watched.folder.remove("a.json");
    watched.scan();
    assert_eq!(watched.says("p"), None);
}

#[test]
fn reserved_names_are_ignored_with_a_warning() {
    let mut watched = Watched::new("reserved");
    let both = format!(
        "{},{}",
        policy("default", ALL).trim_end_matches('}'),
        policy("public", ALL).trim_start_matches('{')
    );
    let both = both.replacen("ALLOW_ALL\"", "ALLOW_ALL\"}}}", 1);
    watched.folder.write("a.json", &both);
    assert_eq!(
        watched.scan(),
        [
            "INFO Loading policy file a.json",
            "WARN Policy \"default\" of a.json is ignored: the name is reserved",
            "WARN Policy \"public\" of a.json is ignored: the name is reserved"
        ]
    );
    assert_eq!((watched.says("default"), watched.says("public")), (Some(OWNER), Some(NONE)));
}

#[test]
fn newer_file_overrides_and_its_removal_restores_the_older() {
    let mut watched = Watched::new("collision");
    watched.folder.write("b.json", &policy("p", ALL));
    watched.scan();
    watched.folder.write("a.json", &policy("p", NONE));
    assert_eq!(
        watched.scan(),
        [
            "INFO Loading policy file a.json",
            "INFO Loaded policy \"p\"",
            "INFO Policy \"p\" of a.json overrides that of b.json"
        ]
    );
    assert_eq!(watched.says("p"), Some(NONE));
    watched.folder.remove("a.json");
    let lines = ["INFO Policy file a.json is gone", "INFO Policy \"p\" of b.json is in force again"];
    assert_eq!(watched.scan(), lines);
    assert_eq!(watched.says("p"), Some(ALL));
}

#[test]
fn policy_taken_out_of_the_newer_file_restores_the_older() {
    let mut watched = Watched::new("restore");
    watched.folder.write("a.json", &policy("p", ALL));
    watched.folder.write("b.json", &policy("p", OWNER));
    watched.folder.write("c.json", &policy("p", NONE));
    watched.scan();
    assert_eq!(watched.says("p"), Some(NONE), "files of one scan load in the order of their names");
    watched.folder.write("c.json", &policy("q", NONE));
    watched.scan();
    assert_eq!(watched.says("p"), Some(OWNER));
    watched.folder.write("b.json", "{}");
    watched.scan();
    assert_eq!(watched.says("p"), Some(ALL));
}

#[test]
fn waiting_policy_that_its_file_gives_up_or_changes_does_not_return_as_it_was() {
    let mut watched = Watched::new("stale");
    watched.folder.write("a.json", &policy("p", ALL));
    watched.folder.write("b.json", &policy("p", NONE));
    watched.scan();
    watched.folder.write("a.json", &policy("q", ALL));
    watched.scan();
    watched.folder.remove("b.json");
    watched.scan();
    assert_eq!(watched.says("p"), None);
}

#[test]
fn file_that_changes_again_becomes_the_newest() {
    let mut watched = Watched::new("newest");
    watched.folder.write("a.json", &policy("p", ALL));
    watched.folder.write("b.json", &policy("p", NONE));
    watched.scan();
    watched.folder.write("a.json", &policy("p", OWNER));
    watched.scan();
    assert_eq!(watched.says("p"), Some(OWNER));
    watched.folder.remove("a.json");
    watched.scan();
    assert_eq!(watched.says("p"), Some(NONE));
}

#[test]
fn file_replaced_by_an_older_one_is_read_again() {
    let mut watched = Watched::new("older");
    let now = SystemTime::now();
    watched.folder.write("a.json", &policy("p", ALL));
    watched.folder.set_modified("a.json", now - Duration::from_secs(60));
    watched.scan();
    watched.folder.write("new", &policy("p", OWNER));
    watched.folder.set_modified("new", now - Duration::from_secs(600));
    fs::rename(watched.folder.path().join("new"), watched.folder.path().join("a.json")).unwrap();
    watched.scan();
    assert_eq!(watched.says("p"), Some(OWNER));
}

#[test]
fn change_that_shows_in_no_stamp_is_seen_while_the_stamp_is_young() {
    let mut watched = Watched::new("young");
    let time = SystemTime::now();
    let (one, other) = (policy("p", ALL), policy("q", ALL));
    assert_eq!(one.len(), other.len());
    let write = |watched: &Watched, text: &str| {
        watched.folder.write("a.json", text);
        watched.folder.set_modified("a.json", time);
    };
    write(&watched, &one);
    watched.scan_at(time);
    write(&watched, &other);
    assert_eq!(watched.scan_at(time + SETTLING).len(), 3);
    assert_eq!((watched.says("p"), watched.says("q")), (None, Some(ALL)));
    // Settles without a change; from then on the stamp alone counts.
    assert_eq!(watched.scan_at(time + SETTLING * 2), [""; 0]);
    write(&watched, &one);
    assert_eq!(watched.scan_at(time + SETTLING * 2), [""; 0]);
}

#[test]
fn what_is_no_regular_file_is_told_once_and_disturbs_no_other_file() {
    let mut watched = Watched::new("irregular");
    fs::create_dir(watched.folder.path().join("a.json")).unwrap();
    symlink("/dev/zero", watched.folder.path().join("b.json")).unwrap();
    symlink("nowhere", watched.folder.path().join("c.json")).unwrap();
    watched.folder.write("d.json", &policy("p", ALL));
    let lines = watched.scan();
    assert!(lines[0].starts_with("ERROR policy file a.json is no regular file"), "{lines:?}");
    assert!(lines[1].starts_with("ERROR policy file b.json is no regular file"), "{lines:?}");
    assert_eq!((lines.len(), watched.says("p")), (4, Some(ALL)));
    assert_eq!(watched.scan(), [""; 0]);
}

#[test]
fn link_is_followed_when_its_target_changes() {
    let mut watched = Watched::new("link");
    for (name, get) in [("one", ALL), ("two", OWNER)] {
        watched.folder.write(name, &policy("p", get));
    }
    let link = watched.folder.path().join("p.json");
    symlink("one", &link).unwrap();
    watched.scan();
    assert_eq!(watched.says("p"), Some(ALL));
    fs::remove_file(&link).unwrap();
    symlink("two", &link).unwrap();
    watched.scan();
    assert_eq!(watched.says("p"), Some(OWNER));
    watched.folder.remove("two");
    watched.scan();
    assert_eq!(watched.says("p"), None);
}

#[test]
fn file_larger_than_the_bound_is_refused() {
    let mut watched = Watched::new("large");
    watched.folder.write("a.json", "");
    let file = File::options().append(true).open(watched.folder.path().join("a.json")).unwrap();
    file.set_len(MAX_FILE + 1).unwrap();
    let lines = watched.scan();
    assert!(lines[0].contains("a.json is larger than 16777216 bytes"), "{lines:?}");
    assert_eq!(watched.scan(), [""; 0]);
}

#[test]
fn file_that_cannot_be_read_is_told_once_and_loads_when_it_can() {
    let mut watched = Watched::new("unreadable");
    let file = watched.folder.path().join("a.json");
    symlink("a.json", &file).unwrap();
    let lines = watched.scan();
    assert!(lines[0].starts_with("ERROR policy file a.json cannot be read: "), "{lines:?}");
    assert_eq!(watched.scan(), [""; 0]);
    fs::remove_file(&file).unwrap();
    watched.folder.write("a.json", &policy("p", ALL));
    watched.scan();
    assert_eq!(watched.says("p"), Some(ALL));
}

#[test]
fn directory_that_cannot_be_listed_keeps_its_policies_and_is_told_once() {
    let mut watched = Watched::new("directory");
    watched.folder.write("a.json", &policy("p", ALL));
    watched.scan();
    let (path, aside) = (watched.folder.path().to_owned(), watched.folder.path().with_extension("aside"));
    fs::rename(&path, &aside).unwrap();
    let lines = watched.scan();
    assert!(lines[0].starts_with("WARN policy directory ") && lines.len() == 1, "{lines:?}");
    assert_eq!((watched.scan(), watched.says("p")), (vec![], Some(ALL)));
    fs::rename(&aside, &path).unwrap();
    assert!(watched.scan()[0].ends_with("can be read again"));
    assert_eq!((watched.scan(), watched.says("p")), (vec![], Some(ALL)));
}
