//! The rules of the house, as far as a test can read them: layers, registers, tables and documents that have to
//! agree with each other. CONTRIBUTING.md tells them to people.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kmip_server::internals::operations::OPERATIONS;
use kmip_server::kmip::attributes::{AttributeDefinition, Origin, TABLE};
use kmip_server::ttlv::{SUPPORTED, V1_4, V2_0};

/// The longest a file may get before it has to be split.
const LONGEST_FILE: usize = 600;

/// Folders that hold what is made here, not what is written here.
const NOT_OURS: [&str; 3] = ["target", ".git", "__pycache__"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files below `folder` that end in `ending`, by their paths from the root, in order.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if !NOT_OURS.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<String> {
    ["src", "bin", "tests", "examples", "benches"]
        .iter()
        .filter(|folder| root().join(folder).is_dir())
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

/// The order of the layers, as a document states it: a set for each place, from left to right.
fn layers(document: &str) -> Vec<BTreeSet<String>> {
    let text = text(document);
    let line = text.lines().find(|line| line.contains("ttlv <")).unwrap();
    let names = |place: &str| {
        let names = place.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    line.split('<').map(names).collect()
}

/// The modules outside of the order, which are read from server on; `config` is read by the other two as well.
const LEAVES: [&str; 4] = ["config", "settings", "logging", "hardening"];

/// A source without its tests: they may use what they like.
fn without_tests(source: &str) -> &str {
    source.find("#[cfg(test)]\nmod ").map_or(source, |at| &source[..at])
}

/// Whether the file is there for tests alone: its module is declared behind `#[cfg(test)]`.
fn is_for_tests(file: &str) -> bool {
    let path = PathBuf::from(file);
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let folder = path.parent().unwrap();
    let parents = [folder.join("mod.rs"), folder.with_extension("rs")];
    parents.iter().filter_map(|parent| fs::read_to_string(root().join(parent)).ok()).any(|parent| {
        let declared = |visibility| parent.contains(&format!("#[cfg(test)]\n{visibility}mod {name};"));
        declared("") || declared("pub(crate) ") || declared("pub(super) ") || declared("pub ")
    })
}

/// The modules of this crate that a source names: `crate::x`, and `crate::{x, y::{z}}`.
fn modules_named(source: &str) -> BTreeSet<String> {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(|line| [line, " "]).collect();
    let first = |name: &str| -> String {
        name.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut named = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            named.insert(first(after));
            continue;
        };
        let (mut depth, mut start) = (1, 0);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                named.insert(first(&list[start..at]));
                start = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    // Behind a last comma there is no name.
    named.remove("");
    named
}

#[test]
fn modules_are_found_in_every_form_of_their_names() {
    let source = "use crate::{\n    store::{Id, Record},\n    ttlv,\n};\n// crate::server\nfn f() { crate::kmip::f() }";
    let expected = ["kmip", "store", "ttlv"].map(str::to_owned);
    assert_eq!(modules_named(source), BTreeSet::from(expected));
}

#[test]
fn each_layer_uses_only_what_stands_left_of_it() {
    let order = layers("ARCHITECTURE.md");
    assert_eq!(order, layers("src/lib.rs"), "ARCHITECTURE.md and src/lib.rs tell different orders");
    let known: BTreeSet<&str> = order.iter().flatten().map(String::as_str).chain(LEAVES).collect();
    let place = |name: &str| order.iter().position(|place| place.contains(name));

    for line in text("src/lib.rs").lines() {
        if let Some(module) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            assert!(known.contains(module), "the module {module} has no place in the order of layers");
        }
    }
    for file in files("src", ".rs") {
        let module = file.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" || is_for_tests(&file) {
            continue;
        }
        let source = text(&file);
        for used in modules_named(without_tests(&source)) {
            if used == module || !known.contains(used.as_str()) {
                continue;
            }
            let allowed = match (place(&module), place(&used)) {
                (Some(own), Some(other)) => other < own,
                (Some(own), None) => own >= place("server").unwrap(),
                (None, None) => used == "config",
                (None, Some(_)) => false,
            };
            assert!(allowed, "{file} uses {used}, which does not stand left of {module}");
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    for file in rust_files() {
        let source = text(&file);
        assert!(source.starts_with("//!"), "{file} does not begin with what it is (//!)");
        let lines = source.lines().count();
        assert!(lines <= LONGEST_FILE, "{file} has {lines} lines; past {LONGEST_FILE} it has to be split");
    }
    for file in files("tests/interop", ".py") {
        let lines = text(&file).lines().count();
        assert!(lines <= LONGEST_FILE, "{file} has {lines} lines; past {LONGEST_FILE} it has to be split");
    }
}

#[test]
fn every_operation_is_registered_and_tested_by_name() {
    let sources = files("src/operations", ".rs");
    let implemented: Vec<_> = sources
        .iter()
        .filter(|file| {
            text(file).lines().any(|line| line.starts_with("impl ") && line.contains("Operation for "))
        })
        .collect();
    let written = |line: &str| line.contains("const CODE: ");
    let codes: usize =
        sources.iter().map(|file| text(file).lines().filter(|line| written(line)).count()).sum();
    // One of them is the declaration in the trait.
    assert_eq!(codes - 1, OPERATIONS.len(), "an operation is written and not registered: {implemented:?}");

    let numbers: BTreeSet<_> = OPERATIONS.iter().map(|entry| entry.code).collect();
    assert_eq!(numbers.len(), OPERATIONS.len(), "an operation is registered twice");

    let tests: String =
        files("tests", ".rs").iter().chain(&files("tests/interop", ".py")).map(|file| text(file)).collect();
    for entry in OPERATIONS {
        let name = format!("{:?}", entry.code);
        let tested = tests.contains(&format!("Operation::{name}"));
        assert!(tested, "no test names Operation::{name}");
    }
}

#[test]
fn every_row_of_the_attribute_table_is_consistent() {
    for (at, row) in TABLE.iter().enumerate() {
        let AttributeDefinition { name, since, rules, .. } = row;
        assert!(SUPPORTED.contains(since), "{name}: {since} is no version");
        assert!(!TABLE.iter().take(at).any(|other| other.tag == row.tag), "{name}: the tag stands twice");
        assert!(!TABLE.iter().take(at).any(|other| other.name == *name), "{name}: the name stands twice");
        assert!(rules.until.is_none_or(|until| since <= &until), "{name}: gone before it came");
        assert!(rules.deprecated.is_none_or(|from| since < &from), "{name}: deprecated before it came");
        assert!(rules.until.is_none() || rules.deprecated.is_some(), "{name}: dropped without a warning");
        assert!(
            rules.reported_by_default_from.is_none_or(|from| since < &from && from <= V2_0),
            "{name}: told unasked from its beginning, or never"
        );
        assert!(!(rules.always && rules.client_may_delete), "{name}: always there, and yet may be deleted");
        assert!(
            !rules.client_may_delete || rules.origin != Origin::Server,
            "{name}: clients may delete what only the server sets"
        );
        assert!(*since <= V1_4 || rules.until.is_none(), "{name}: 2.x has dropped no attribute");
    }
}

#[test]
fn every_package_has_its_reason() {
    let (manifest, table) = (text("Cargo.toml"), text("docs/packages.md"));
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n[").unwrap();
    for line in dependencies.lines().filter(|line| line.contains(" = ")) {
        let (name, rest) = line.split_once(" = ").unwrap();
        // A package that is known here by another name.
        let package =
            rest.split("package = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or(name);
        assert!(table.contains(package), "docs/packages.md gives no reason for the package {package}");
    }
}

#[test]
fn every_interop_test_is_run_and_every_deviation_has_its_reason() {
    let runner = text("tests/interop.rs");
    for file in files("tests/interop", ".py") {
        let name = file.rsplit('/').next().unwrap();
        assert!(!name.starts_with("test_") || runner.contains(name), "tests/interop.rs does not run {name}");
    }
    let rows: serde_json::Value = serde_json::from_str(&text("tests/interop/deviations.json")).unwrap();
    for row in rows.as_array().unwrap() {
        assert!(row["why"].as_str().is_some_and(|why| !why.is_empty()), "without a reason: {row}");
    }
}

#[test]
fn the_project_speaks_of_no_machine() {
    let documents = files(".", ".md").into_iter().chain(rust_files()).chain(files("tests/interop", ""));
    // Put together here, so that this file does not hold them.
    let words = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    for file in documents {
        let text = text(&file);
        for word in &words {
            assert!(!text.contains(word), "{file} names a folder of somebody's machine: {word}");
        }
    }
}
