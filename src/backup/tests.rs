//! An import restores an export exactly, and refuses a changed file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Database, Error, LineError, Summary, export, round_trip};
use crate::kmip::enums::ObjectType;
use crate::secret::Secret;
use crate::store::testing::{
    Folder, Random, change, insert, one_of_each_type, random_record, record, sealed,
};
use crate::store::{Dump, Id, KeyEncryptionKey, Record, Sqlite, Store};

/// Imports an export.
fn import(database: Database<'_>, path: &Path, seal: Option<&Path>) -> Result<Summary, Error> {
    super::import(database, path, seal, &|_| unreachable!("it is no database of PyKMIP"))
}

/// Returns objects of every type with random attributes.
fn random_records(random: &mut Random, count: usize) -> Vec<Record> {
    let drawn = (0..count).map(|_| {
        let drawn = random_record(random);
        let object_type = ObjectType::ALL[random.position(ObjectType::ALL.len())];
        let mut whole = record(object_type, "whole");
        whole.attributes = drawn.attributes;
        whole.attributes.object_type = Some(object_type);
        whole.owner = drawn.owner;
        whole.owner.user += &format!(" \u{fc}\"\\\n{}", random.below(3));
        if random.below(10) == 0 {
            whole.object = None;
        }
        whole
    });
    drawn.collect()
}

/// Inserts the records, with gaps between their numbers and after the last one.
fn keep(store: &dyn Store, random: &mut Random, records: Vec<Record>) {
    change(store, |change| {
        for mut record in records.clone() {
            for _ in 0..random.below(3) {
                change.next_id().unwrap();
            }
            insert(change, &mut record);
        }
        change.next_id().unwrap();
        change.set_server_state("constraints of ann", &Secret::new(vec![0, 255, 7])).unwrap();
        change.set_server_state("authority", &Secret::new(b"a key".to_vec())).unwrap();
    });
}

fn database(path: &Path) -> Database<'_> {
    Database { path, key: None, interrupted: None }
}

/// Returns the content of a store.
fn contents(database: Database<'_>) -> (Vec<Record>, Vec<(String, Secret)>, u64) {
    let key = database.key.map(|path| KeyEncryptionKey::read(path).unwrap());
    let snapshot = Dump::open(database.path, key.as_ref()).unwrap();
    let mut records: Vec<Record> = Vec::new();
    while let Some(record) = snapshot.next(records.last().map_or(Id(0), |last| last.id)).unwrap() {
        records.push(record);
    }
    let own = snapshot.server_state_names().unwrap().into_iter().map(|name| {
        let value = snapshot.server_state(&name).unwrap().unwrap();
        (name, value)
    });
    (records, own.collect(), snapshot.last_id().unwrap())
}

/// Creates a store with objects of every type in `folder`, and its export.
fn exported(folder: &Folder, seal: Option<&Path>) -> (PathBuf, PathBuf) {
    let (path, file) = (folder.path("store"), folder.path("export"));
    let store = Sqlite::open(&path).unwrap();
    keep(&store, &mut Random::new(1), one_of_each_type());
    drop(store);
    export(database(&path), &file, seal).unwrap();
    (path, file)
}

fn key_file(folder: &Folder, name: &str, byte: u8) -> PathBuf {
    fs::write(folder.path(name), [byte; 32]).unwrap();
    folder.path(name)
}

#[test]
fn import_restores_an_export_of_random_objects() {
    for seed in 1..=30 {
        let (folder, random) = (Folder::new(), &mut Random::new(seed));
        let (path, file, copy) = (folder.path("store"), folder.path("export"), folder.path("copy"));
        let store = Sqlite::open(&path).unwrap();
        let mut records = one_of_each_type();
        records.extend(random_records(random, 40));
        let count = records.len() as u64;
        keep(&store, random, records);
        let seal = (seed % 2 == 0).then(|| key_file(&folder, "seal", 9));
        let summary = export(database(&path), &file, seal.as_deref()).unwrap();
        assert_eq!(summary.objects, count);
        // The counter counts more than the objects.
        assert!(summary.last_id > count);
        assert_eq!(import(database(&copy), &file, seal.as_deref()).unwrap(), summary);
        assert_eq!(contents(database(&copy)), contents(database(&path)), "seed {seed}");
        let again = Sqlite::open(&copy).unwrap();
        change(&again, |change| assert_eq!(change.next_id().unwrap(), Id(summary.last_id + 1)));
    }
}

#[test]
fn exports_and_imports_plain_and_sealed_stores_in_every_combination() {
    let folder = Folder::new();
    let store = sealed(&folder);
    keep(&store, &mut Random::new(1), one_of_each_type());
    let (path, key) = (folder.path("sealed"), folder.path("key"));
    let from = Database { path: &path, key: Some(&key), interrupted: None };
    assert!(matches!(
        export(database(&path), &folder.path("none"), None),
        Err(Error::Store(crate::store::Error::NeedsKey { .. }))
    ));
    let seal = key_file(&folder, "seal", 9);
    let other = key_file(&folder, "other", 8);
    for (name, seal) in [("plain", None), ("closed", Some(seal.as_path()))] {
        let file = folder.path(name);
        export(from, &file, seal).unwrap();
        let is_plain = fs::read_to_string(&file).unwrap().contains("every attribute");
        assert_eq!(is_plain, seal.is_none());
        for (to, key) in [("to plain", None), ("to sealed", Some(other.as_path()))] {
            let to = folder.path(format!("{name} {to}"));
            let to = Database { path: &to, key, interrupted: None };
            import(to, &file, seal).unwrap();
            assert_eq!(contents(to), contents(from));
            let bytes = fs::read(to.path).unwrap();
            let material: Vec<u8> = (0..32).collect();
            assert_eq!(bytes.windows(32).any(|window| window == material), key.is_none());
        }
    }
    assert!(matches!(import(from, &folder.path("closed"), None), Err(Error::NeedsKey(_))));
    assert!(matches!(import(from, &folder.path("plain"), Some(&seal)), Err(Error::NotSealed(_))));
    let wrong = import(from, &folder.path("closed"), Some(&other)).unwrap_err().to_string();
    assert!(wrong.contains("is not the one that the export is sealed with"), "{wrong}");
}

#[test]
fn import_names_an_object_that_exists_and_changes_nothing() {
    let folder = Folder::new();
    let (path, file) = exported(&folder, None);
    let before = contents(database(&path));
    let first = before.0[0].id;
    let error = import(database(&path), &file, None).unwrap_err();
    assert!(error.to_string().contains(&format!("line 2: the database has an object {first} already")));
    assert_eq!(contents(database(&path)), before);

    // An import adds to a store without these objects, and does not change its server state.
    let other = folder.path("other");
    let store = Sqlite::open(&other).unwrap();
    change(&store, |change| {
        for _ in 0..before.2 {
            change.next_id().unwrap();
        }
        insert(change, &mut record(ObjectType::SecretData, "mine"));
        change.set_server_state("authority", &Secret::new(b"another key".to_vec())).unwrap();
    });
    drop(store);
    assert_eq!(import(database(&other), &file, None).unwrap().left, ["authority"]);
    let (records, own, last) = contents(database(&other));
    assert_eq!((records.len(), last), (before.0.len() + 1, before.2 + 1));
    assert_eq!(own[0].1, Secret::new(b"another key".to_vec()));
}

#[test]
fn import_merges_a_one_time_pad_to_the_higher_offset_of_each_direction() {
    let folder = Folder::new();
    let places = |one: u64, other: u64| Secret::new([one.to_be_bytes(), other.to_be_bytes()].concat());
    let (from, to, file) = (folder.path("from"), folder.path("to"), folder.path("export"));
    for (path, value) in [(&from, places(0x1_00, 7)), (&to, places(0xff, 9))] {
        let store = Sqlite::open(path).unwrap();
        change(&store, |change| change.set_server_state("pad 00", &value).unwrap());
    }
    export(database(&from), &file, None).unwrap();
    assert!(import(database(&to), &file, None).unwrap().left.is_empty());
    assert_eq!(contents(database(&to)).1, [("pad 00".to_owned(), places(0x1_00, 9))]);
}

#[test]
fn another_process_on_the_database_blocks_an_import_and_not_an_export() {
    let folder = Folder::new();
    let (path, file) = exported(&folder, None);
    let store = Sqlite::open(&path).unwrap();
    let error = import(database(&path), &file, None).unwrap_err().to_string();
    assert!(error.contains("is in use"), "{error}");
    export(database(&path), &folder.path("second"), None).unwrap();
    drop(store);
}

#[test]
fn an_export_is_readable_by_its_owner_only_and_replaces_no_file() {
    let folder = Folder::new();
    let (path, file) = exported(&folder, None);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    assert!(matches!(export(database(&path), &file, None), Err(Error::Exists(_))));
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(export(database(&folder.path("nowhere")), &folder.path("none"), None).is_err());
    assert!(export(database(&path), &folder.path("no folder/none"), None).is_err());
    let names = fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["export", "store"], "nothing is left behind, and no database is made");
}

/// Returns the line and the fault that an import of `text` reports, and checks that the database is unchanged.
fn refusal(folder: &Folder, text: &[u8], seal: Option<&Path>) -> (u64, LineError) {
    let (file, to) = (folder.path("changed"), folder.path("to"));
    fs::write(&file, text).unwrap();
    let outcome = import(database(&to), &file, seal);
    assert!(!to.exists(), "the database was made");
    match outcome {
        Err(Error::Line { line, why, .. }) => (line, why),
        other => panic!("{other:?}: {}", String::from_utf8_lossy(text)),
    }
}

#[test]
fn detects_every_changed_line_by_its_number() {
    let folder = Folder::new();
    let seal = key_file(&folder, "seal", 9);
    for seal in [None, Some(seal.as_path())] {
        let (path, file) = exported(&folder, seal);
        let text = fs::read(&file).unwrap();
        let lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let join = |lines: &[&[u8]]| lines.concat();
        let is = |found: (u64, LineError), line: usize| {
            assert_eq!(found.0, line as u64, "{found:?}");
            assert!(matches!(found.1, LineError::Changed | LineError::DoesNotOpen), "{found:?}");
        };
        // A byte of each line behind the first, at its beginning, middle and end.
        for (number, line) in lines.iter().enumerate().skip(1) {
            for at in [0, line.len() / 2, line.len() - 2] {
                let mut changed = line.to_vec();
                changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
                let mut all = lines.clone();
                all[number] = &changed;
                is(refusal(&folder, &join(&all), seal), number + 1);
            }
        }
        let mut swapped = lines.clone();
        swapped.swap(2, 3);
        is(refusal(&folder, &join(&swapped), seal), 3);
        let mut less = lines.clone();
        less.remove(2);
        is(refusal(&folder, &join(&less), seal), 3);
        let mut twice = lines.clone();
        twice.insert(2, lines[2]);
        is(refusal(&folder, &join(&twice), seal), 4);
        for cut in [1, lines.len() - 1] {
            let found = refusal(&folder, &join(&lines[..cut]), seal);
            assert_eq!(found, (cut as u64 + 1, LineError::CutOff));
        }
        let last = lines.len() as u64;
        assert_eq!(refusal(&folder, &text[..text.len() - 1], seal), (last, LineError::CutOff));
        assert_eq!(refusal(&folder, &text[..text.len() - 30], seal), (last, LineError::CutOff));
        assert_eq!(refusal(&folder, &[&text[..], b"\n"].concat(), seal), (last + 1, LineError::NotTheEnd));
        assert_eq!(refusal(&folder, &[&text[..], b"x"].concat(), seal).0, last + 1);
        for path in [path, file] {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn refuses_lines_of_another_export_with_the_same_seal_key() {
    let (folder, other) = (Folder::new(), Folder::new());
    let seal = key_file(&folder, "seal", 9);
    let (_, file) = exported(&folder, Some(&seal));
    let (_, second) = exported(&other, Some(&seal));
    let (text, second) = (fs::read_to_string(file).unwrap(), fs::read_to_string(second).unwrap());
    let mut lines: Vec<_> = text.lines().collect();
    lines[3] = second.lines().nth(3).unwrap();
    let text = lines.join("\n") + "\n";
    assert_eq!(refusal(&folder, text.as_bytes(), Some(&seal)), (4, LineError::DoesNotOpen));
}

#[test]
fn refuses_other_files_and_versions_by_their_first_line() {
    let folder = Folder::new();
    for text in ["", "\n", "{}\n", "nonsense", "[1]\n", "{\"format\":\"another\",\"version\":1}\n"] {
        assert_eq!(refusal(&folder, text.as_bytes(), None), (1, LineError::NotAnExport), "{text:?}");
    }
    let newer = "{\"format\":\"kmip-server export\",\"version\":2,\"more\":true}\n";
    assert_eq!(refusal(&folder, newer.as_bytes(), None), (1, LineError::Version(2)));
    let unchecked = "{\"format\":\"kmip-server export\",\"version\":1}\n";
    assert_eq!(refusal(&folder, unchecked.as_bytes(), None), (1, LineError::Changed));
}

#[test]
fn random_changes_of_a_line_never_cause_a_panic() {
    let folder = Folder::new();
    let (_, file) = exported(&folder, None);
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<_> =
        text.lines().map(|line| line.split(",\"check\"").next().unwrap().to_owned() + "}").collect();
    let random = &mut Random::new(5);
    let mut read = 0;
    for line in &lines[1..] {
        let same = round_trip(line.as_bytes()).unwrap();
        assert_eq!(same, line.as_bytes());
        for _ in 0..200 {
            let mut changed = line.clone().into_bytes();
            for _ in 0..=random.below(3) {
                let (at, other) = (random.position(changed.len()), random.position(changed.len()));
                match random.below(4) {
                    0 => changed[at] = changed[other],
                    1 => changed[at] = u8::try_from(random.below(128)).unwrap(),
                    2 => drop(changed.drain(at.min(other)..at.max(other))),
                    _ => changed.insert(at, changed[other]),
                }
                if changed.is_empty() {
                    break;
                }
            }
            if let Ok(once) = round_trip(&changed) {
                assert_eq!(round_trip(&once).as_ref(), Ok(&once));
                read += 1;
            }
        }
    }
    assert!(read > 0, "none was read: the changes are too large to tell anything");
}

/// Returns a file of these lines with valid checks, as another program could write it.
fn made(lines: &[&str]) -> Vec<u8> {
    let (mut text, mut check) = (Vec::new(), String::new());
    for line in lines {
        let begun = line.strip_suffix('}').unwrap();
        let digest = crate::crypto::hash::Hash::Sha256.digest(format!("{check}{begun}").as_bytes());
        check = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..16].to_owned();
        text.extend(format!("{begun},\"check\":\"{check}\"}}\n").bytes());
    }
    text
}

#[test]
fn checks_the_content_of_lines_with_valid_checks() {
    let folder = Folder::new();
    let first = r#"{"format":"kmip-server export","version":1}"#;
    let end = r#"{"end":true,"objects":1,"own":0,"last_id":7}"#;
    let object = |id: &str, rest: &str| {
        format!(
            r#"{{"id":"{id}","owner":"ann","type":"Opaque Object","attributes":{{"tag":"Attributes"}},{rest}}}"#
        )
    };
    let opaque = r#""object":{"tag":"OpaqueObject","value":[{"tag":"OpaqueDataType","type":"Enumeration","value":"0x80000000"},{"tag":"OpaqueDataValue","type":"ByteString","value":"00"}]}"#;
    let good = object("7", opaque);
    fs::write(folder.path("good"), made(&[first, &good, end])).unwrap();
    let summary = import(database(&folder.path("from others")), &folder.path("good"), None).unwrap();
    assert_eq!((summary.objects, summary.last_id), (1, 7));

    let wrong = |lines: &[&str]| {
        let (line, why) = refusal(&folder, &made(lines), None);
        (line, why.to_string())
    };
    for (line, text) in [
        (object("07", opaque), "\"id\" is not an identifier"),
        (object("7", "\"object\":1"), "contains something other than items"),
        (object("7", "\"more\":1"), "\"object\" is missing"),
        (object("7", &format!("{opaque},\"more\":1")), "\"more\" is not known"),
        (object("7", opaque).replace("Opaque Object", "Secret Data"), "\"object\" is of another type"),
        (object("7", opaque).replace("Opaque Object", "Nothing"), "\"type\" is not an object type"),
        (object("7", opaque).replace("0x80000000", "Nothing"), "OpaqueDataType has a value"),
        (object("7", opaque).replace("\"Attributes\"", "\"Name\""), "Name"),
        (object("99999999999999999999", opaque), "is not an identifier"),
        (object("7", &format!("{opaque},\"credential\":1")), "\"credential\" is not a text"),
        ("{\"what\":1}".to_owned(), "of no known kind"),
        ("{\"own\":\"a\",\"bytes\":\"0g\"}".to_owned(), "not hexadecimal"),
    ] {
        let (at, why) = wrong(&[first, &line, end]);
        assert_eq!(at, 2, "{line}: {why}");
        assert!(why.contains(text), "{line}: {why}");
    }
    assert!(wrong(&[first, &good, &good, end]).1.contains("object 7 does not follow"));
    let low = end.replace("\"last_id\":7", "\"last_id\":6");
    for last in [&end.replace("\"objects\":1", "\"objects\":2"), &low] {
        assert_eq!(wrong(&[first, &good, last]).0, 3);
    }
}
