//! The order of the layers, and the size of files.

use std::collections::BTreeSet;

use super::{files, is_for_tests, rust_files, text, without_comments, without_tests};

/// The greatest number of lines in a file.
const MAX_LINES: usize = 600;

/// The modules outside the order, which `server` and the layers to its right may import. Any of them may import
/// `config`.
const UNORDERED: [&str; 4] = ["config", "settings", "logging", "hardening"];

/// Returns the order of the layers that `document` states: a set of modules per position, from left to right.
fn layers(document: &str) -> Vec<BTreeSet<String>> {
    let text = text(document);
    let line = text.lines().find(|line| line.contains("ttlv <")).unwrap();
    let names = |place: &str| {
        let names = place.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    line.split('<').map(names).collect()
}

/// Returns the top-level modules of this crate that a source imports: `crate::x`, and `crate::{x, y::{z}}`.
fn imported_modules(source: &str) -> BTreeSet<String> {
    let code = without_comments(source);
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
    // A trailing comma leaves an empty name.
    named.remove("");
    named
}

#[test]
fn finds_modules_in_every_form_of_path() {
    let source = "use crate::{\n    store::{Id, Record},\n    ttlv,\n};\n// crate::server\nfn f() { crate::kmip::f() }";
    let expected = ["kmip", "store", "ttlv"].map(str::to_owned);
    assert_eq!(imported_modules(source), BTreeSet::from(expected));
}

#[test]
fn each_layer_imports_only_layers_to_its_left() {
    let order = layers("ARCHITECTURE.md");
    assert_eq!(order, layers("src/lib.rs"), "ARCHITECTURE.md and src/lib.rs state different orders");
    let known: BTreeSet<&str> = order.iter().flatten().map(String::as_str).chain(UNORDERED).collect();
    let position = |name: &str| order.iter().position(|layer| layer.contains(name));

    for line in text("src/lib.rs").lines() {
        if let Some(module) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            assert!(known.contains(module), "the order of layers lacks the module {module}");
        }
    }
    for file in files("src", ".rs") {
        let module = file.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" || is_for_tests(&file) {
            continue;
        }
        let source = text(&file);
        for used in imported_modules(without_tests(&source)) {
            if used == module || !known.contains(used.as_str()) {
                continue;
            }
            let allowed = match (position(&module), position(&used)) {
                (Some(own), Some(other)) => other < own,
                (Some(own), None) => own >= position("server").unwrap(),
                (None, None) => used == "config",
                (None, Some(_)) => false,
            };
            assert!(allowed, "{file} imports {used}, which is not left of {module}");
        }
    }
}

#[test]
fn every_file_begins_with_a_doc_comment_and_is_short() {
    for file in rust_files() {
        let source = text(&file);
        assert!(source.starts_with("//!"), "{file} does not begin with a doc comment (//!)");
        let lines = source.lines().count();
        assert!(lines <= MAX_LINES, "{file} has {lines} lines, more than {MAX_LINES}; split it");
    }
    for file in files("tests/interop", ".py") {
        let lines = text(&file).lines().count();
        assert!(lines <= MAX_LINES, "{file} has {lines} lines, more than {MAX_LINES}; split it");
    }
}
