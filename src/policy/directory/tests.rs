//! Scans of a directory that changes. The tests compare events by their text, as the log shows it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Directory, Event, MAX_FILE};
use crate::file_stamp::TIMESTAMP_RESOLUTION;
use crate::kmip::enums::{ObjectType, Operation};
use crate::policy::{Permission, Policies};

/// A new directory in the system's temporary directory, removed when dropped.
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

/// Returns the text of a policy that is recognizable by its permission for Get on symmetric keys.
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

/// A policy directory with the policies of its last scan.
struct ScannedDirectory {
    folder: Folder,
    directory: Directory,
    policies: Policies,
}

impl ScannedDirectory {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let directory = Directory::new(folder.path());
        Self { folder, directory, policies: Policies::builtin() }
    }

    /// Scans the directory and returns the log lines, without the folder's path.
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

    /// Returns the permission of policy `name` for Get, or `None` if the policy does not exist.
    fn permission(&self, name: &str) -> Option<Permission> {
        let policy = self.policies.policy(name)?;
        Some(policy.permission(None, ObjectType::SymmetricKey, Operation::Get))
    }
}

#[test]
fn reports_additions_changes_and_removals_once() {
    let mut scanned = ScannedDirectory::new("changes");
    assert_eq!(scanned.scan(), [""; 0]);
    scanned.folder.write("a.json", &policy("p", ALL));
    assert_eq!(scanned.scan(), ["INFO Loading policy file a.json", "INFO Loaded policy \"p\""]);
    assert_eq!(scanned.permission("p"), Some(ALL));
    assert_eq!(scanned.scan(), [""; 0]);
    scanned.folder.write("a.json", &policy("q", OWNER));
    assert_eq!(
        scanned.scan(),
        ["INFO Loading policy file a.json", "INFO Loaded policy \"q\"", "INFO Removed policy \"p\""]
    );
    assert_eq!((scanned.permission("p"), scanned.permission("q")), (None, Some(OWNER)));
    scanned.folder.remove("a.json");
    assert_eq!(scanned.scan(), ["INFO Policy file a.json was removed", "INFO Removed policy \"q\""]);
    assert_eq!((scanned.permission("q"), scanned.permission("default")), (None, Some(OWNER)));
    assert_eq!(scanned.scan(), [""; 0]);
}

#[test]
fn ignores_files_whose_names_do_not_end_in_json() {
    let mut scanned = ScannedDirectory::new("names");
    for name in ["a.jso", "b.json.bak", "c.JSON", "json", "d.json~"] {
        scanned.folder.write(name, &policy("p", ALL));
    }
    assert_eq!(scanned.scan(), [""; 0]);
    scanned.folder.write(".json", &policy("p", ALL));
    assert_eq!(scanned.scan().len(), 2);
}

#[test]
fn invalid_file_keeps_its_policies_and_is_reported_once() {
    let mut scanned = ScannedDirectory::new("broken");
    scanned.folder.write("a.json", &policy("p", ALL));
    scanned.scan();
    scanned.folder.write("a.json", "{\n\"p\": }");
    let error = "ERROR policy file a.json, line 2, column 6: expected value; what it defined before stays in force \
         until the file is corrected";
    assert_eq!(scanned.scan(), ["INFO Loading policy file a.json", error]);
    assert_eq!(scanned.scan(), [""; 0]);
    assert_eq!(scanned.permission("p"), Some(ALL));
    scanned.folder.write("a.json", &policy("p", OWNER));
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(OWNER));
}

#[test]
fn initially_invalid_file_is_loaded_when_corrected() {
    let mut scanned = ScannedDirectory::new("mended");
    scanned.folder.write("a.json", "");
    scanned.folder.write("b.json", &policy("q", ALL));
    assert_eq!(scanned.scan().iter().filter(|line| line.starts_with("ERROR")).count(), 1);
    assert_eq!((scanned.permission("p"), scanned.permission("q")), (None, Some(ALL)));
    scanned.folder.write("a.json", &policy("p", ALL));
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(ALL));
}

#[test]
fn removal_of_an_invalid_file_removes_its_policies() {
    let mut scanned = ScannedDirectory::new("broken-removed");
    scanned.folder.write("a.json", &policy("p", ALL));
    scanned.scan();
    scanned.folder.write("a.json", "?");
    scanned.scan();
    scanned.folder.remove("a.json");
    scanned.scan();
    assert_eq!(scanned.permission("p"), None);
}

#[test]
fn ignores_reserved_names_with_a_warning() {
    let mut scanned = ScannedDirectory::new("reserved");
    let both = format!(
        "{},{}",
        policy("default", ALL).trim_end_matches('}'),
        policy("public", ALL).trim_start_matches('{')
    );
    let both = both.replacen("ALLOW_ALL\"", "ALLOW_ALL\"}}}", 1);
    scanned.folder.write("a.json", &both);
    assert_eq!(
        scanned.scan(),
        [
            "INFO Loading policy file a.json",
            "WARN Policy \"default\" of a.json is ignored: the name is reserved; rename it",
            "WARN Policy \"public\" of a.json is ignored: the name is reserved; rename it"
        ]
    );
    assert_eq!((scanned.permission("default"), scanned.permission("public")), (Some(OWNER), Some(NONE)));
}

#[test]
fn newer_file_overrides_and_its_removal_restores_the_older() {
    let mut scanned = ScannedDirectory::new("collision");
    scanned.folder.write("b.json", &policy("p", ALL));
    scanned.scan();
    scanned.folder.write("a.json", &policy("p", NONE));
    assert_eq!(
        scanned.scan(),
        [
            "INFO Loading policy file a.json",
            "INFO Loaded policy \"p\"",
            "INFO Policy \"p\" of a.json overrides that of b.json"
        ]
    );
    assert_eq!(scanned.permission("p"), Some(NONE));
    scanned.folder.remove("a.json");
    let lines = ["INFO Policy file a.json was removed", "INFO Policy \"p\" of b.json is in force again"];
    assert_eq!(scanned.scan(), lines);
    assert_eq!(scanned.permission("p"), Some(ALL));
}

#[test]
fn policy_removed_from_the_newer_file_restores_the_older() {
    let mut scanned = ScannedDirectory::new("restore");
    scanned.folder.write("a.json", &policy("p", ALL));
    scanned.folder.write("b.json", &policy("p", OWNER));
    scanned.folder.write("c.json", &policy("p", NONE));
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(NONE), "files of one scan load in the order of their names");
    scanned.folder.write("c.json", &policy("q", NONE));
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(OWNER));
    scanned.folder.write("b.json", "{}");
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(ALL));
}

#[test]
fn overridden_policy_that_changes_does_not_return_in_its_old_version() {
    let mut scanned = ScannedDirectory::new("stale");
    scanned.folder.write("a.json", &policy("p", ALL));
    scanned.folder.write("b.json", &policy("p", NONE));
    scanned.scan();
    scanned.folder.write("a.json", &policy("q", ALL));
    scanned.scan();
    scanned.folder.remove("b.json");
    scanned.scan();
    assert_eq!(scanned.permission("p"), None);
}

#[test]
fn changed_file_becomes_the_newest() {
    let mut scanned = ScannedDirectory::new("newest");
    scanned.folder.write("a.json", &policy("p", ALL));
    scanned.folder.write("b.json", &policy("p", NONE));
    scanned.scan();
    scanned.folder.write("a.json", &policy("p", OWNER));
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(OWNER));
    scanned.folder.remove("a.json");
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(NONE));
}

#[test]
fn file_replaced_by_an_older_one_is_read_again() {
    let mut scanned = ScannedDirectory::new("older");
    let now = SystemTime::now();
    scanned.folder.write("a.json", &policy("p", ALL));
    scanned.folder.set_modified("a.json", now - Duration::from_secs(60));
    scanned.scan();
    scanned.folder.write("new", &policy("p", OWNER));
    scanned.folder.set_modified("new", now - Duration::from_secs(600));
    fs::rename(scanned.folder.path().join("new"), scanned.folder.path().join("a.json")).unwrap();
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(OWNER));
}

#[test]
fn detects_changes_with_equal_metadata_within_the_timestamp_resolution() {
    let mut scanned = ScannedDirectory::new("young");
    let time = SystemTime::now();
    let (one, other) = (policy("p", ALL), policy("q", ALL));
    assert_eq!(one.len(), other.len());
    let write = |scanned: &ScannedDirectory, text: &str| {
        scanned.folder.write("a.json", text);
        scanned.folder.set_modified("a.json", time);
    };
    write(&scanned, &one);
    scanned.scan_at(time);
    write(&scanned, &other);
    assert_eq!(scanned.scan_at(time + TIMESTAMP_RESOLUTION).len(), 3);
    assert_eq!((scanned.permission("p"), scanned.permission("q")), (None, Some(ALL)));
    // From now on, only the stamp is compared.
    assert_eq!(scanned.scan_at(time + TIMESTAMP_RESOLUTION * 2), [""; 0]);
    write(&scanned, &one);
    assert_eq!(scanned.scan_at(time + TIMESTAMP_RESOLUTION * 2), [""; 0]);
}

#[test]
fn irregular_file_is_reported_once_and_other_files_are_loaded() {
    let mut scanned = ScannedDirectory::new("irregular");
    fs::create_dir(scanned.folder.path().join("a.json")).unwrap();
    symlink("/dev/zero", scanned.folder.path().join("b.json")).unwrap();
    symlink("nowhere", scanned.folder.path().join("c.json")).unwrap();
    scanned.folder.write("d.json", &policy("p", ALL));
    let lines = scanned.scan();
    assert!(lines[0].starts_with("ERROR policy file a.json is no regular file"), "{lines:?}");
    assert!(lines[1].starts_with("ERROR policy file b.json is no regular file"), "{lines:?}");
    assert_eq!((lines.len(), scanned.permission("p")), (4, Some(ALL)));
    assert_eq!(scanned.scan(), [""; 0]);
}

#[test]
fn follows_a_link_whose_target_changes() {
    let mut scanned = ScannedDirectory::new("link");
    for (name, get) in [("one", ALL), ("two", OWNER)] {
        scanned.folder.write(name, &policy("p", get));
    }
    let link = scanned.folder.path().join("p.json");
    symlink("one", &link).unwrap();
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(ALL));
    fs::remove_file(&link).unwrap();
    symlink("two", &link).unwrap();
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(OWNER));
    scanned.folder.remove("two");
    scanned.scan();
    assert_eq!(scanned.permission("p"), None);
}

#[test]
fn rejects_file_above_the_size_limit() {
    let mut scanned = ScannedDirectory::new("large");
    scanned.folder.write("a.json", "");
    let file = File::options().append(true).open(scanned.folder.path().join("a.json")).unwrap();
    file.set_len(MAX_FILE + 1).unwrap();
    let lines = scanned.scan();
    assert!(lines[0].contains("a.json is larger than 16777216 bytes"), "{lines:?}");
    assert_eq!(scanned.scan(), [""; 0]);
}

#[test]
fn unreadable_file_is_reported_once_and_loaded_when_readable() {
    let mut scanned = ScannedDirectory::new("unreadable");
    let file = scanned.folder.path().join("a.json");
    symlink("a.json", &file).unwrap();
    let lines = scanned.scan();
    assert!(lines[0].starts_with("ERROR policy file a.json cannot be read: "), "{lines:?}");
    assert_eq!(scanned.scan(), [""; 0]);
    fs::remove_file(&file).unwrap();
    scanned.folder.write("a.json", &policy("p", ALL));
    scanned.scan();
    assert_eq!(scanned.permission("p"), Some(ALL));
}

#[test]
fn unreadable_directory_keeps_its_policies_and_is_reported_once() {
    let mut scanned = ScannedDirectory::new("directory");
    scanned.folder.write("a.json", &policy("p", ALL));
    scanned.scan();
    let (path, aside) = (scanned.folder.path().to_owned(), scanned.folder.path().with_extension("aside"));
    fs::rename(&path, &aside).unwrap();
    let lines = scanned.scan();
    assert!(lines[0].starts_with("WARN policy directory ") && lines.len() == 1, "{lines:?}");
    assert_eq!((scanned.scan(), scanned.permission("p")), (vec![], Some(ALL)));
    fs::rename(&aside, &path).unwrap();
    assert!(scanned.scan()[0].ends_with("can be read again"));
    assert_eq!((scanned.scan(), scanned.permission("p")), (vec![], Some(ALL)));
}
