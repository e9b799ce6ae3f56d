//! The tables and documents that must agree with each other.

use kmip_server::kmip::attributes::{AttributeDefinition, Origin, TABLE};
use kmip_server::ttlv::{SUPPORTED, V1_4};

use super::{files, rust_files, text};

#[test]
fn every_row_of_the_attribute_table_is_consistent() {
    for (at, row) in TABLE.iter().enumerate() {
        let AttributeDefinition { name, since, rules, .. } = row;
        assert!(SUPPORTED.contains(since), "{name}: {since} is not a version");
        assert!(!TABLE.iter().take(at).any(|other| other.tag == row.tag), "{name}: duplicate tag");
        assert!(!TABLE.iter().take(at).any(|other| other.name == *name), "duplicate name {name}");
        assert!(rules.until.is_none_or(|until| since <= &until), "{name}: removed before it was added");
        assert!(rules.deprecated.is_none_or(|from| since < &from), "{name}: deprecated before it was added");
        assert!(rules.until.is_none() || rules.deprecated.is_some(), "{name}: removed without deprecation");
        assert!(
            !(rules.always && rules.client_may_delete),
            "{name}: every object has it, but clients may delete it"
        );
        assert!(
            !rules.client_may_delete || rules.origin != Origin::Server,
            "{name}: only the server sets it, but clients may delete it"
        );
        assert!(*since <= V1_4 || rules.until.is_none(), "{name}: 2.x removed no attribute");
    }
}

#[test]
fn documents_state_a_reason_for_every_dependency() {
    let (manifest, table) = (text("Cargo.toml"), text("docs/packages.md"));
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n[").unwrap();
    for line in dependencies.lines().filter(|line| line.contains(" = ")) {
        let (name, rest) = line.split_once(" = ").unwrap();
        // A renamed package.
        let package =
            rest.split("package = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or(name);
        assert!(table.contains(package), "docs/packages.md states no reason for the package {package}");
    }
}

#[test]
fn every_interop_test_runs_and_every_deviation_has_a_reason() {
    let runner = text("tests/interop.rs");
    for file in files("tests/interop", ".py") {
        let name = file.rsplit('/').next().unwrap();
        assert!(!name.starts_with("test_") || runner.contains(name), "tests/interop.rs does not run {name}");
    }
    let rows: serde_json::Value = serde_json::from_str(&text("tests/interop/deviations.json")).unwrap();
    for row in rows.as_array().unwrap() {
        assert!(row["why"].as_str().is_some_and(|why| !why.is_empty()), "no reason: {row}");
    }
}

#[test]
fn no_file_contains_a_path_of_a_developers_machine() {
    let documents = files(".", ".md").into_iter().chain(rust_files()).chain(files("tests/interop", ""));
    // Concatenated, so that this file does not contain them.
    let words = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    for file in documents {
        let text = text(&file);
        for word in &words {
            assert!(!text.contains(word), "{file} contains a path of a developer's machine: {word}");
        }
    }
}
