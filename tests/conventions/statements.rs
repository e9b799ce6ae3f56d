//! `tests/statements.txt`: the statements of PyKMIP's page about its server, and the tests of each.
//!
//! `tests/interop/test_compare.py` checks the names of the comparison cases.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, rust_files, text};

/// The least number of statements that the file lists.
const STATEMENTS: usize = 500;

/// Returns the names of the functions that `marker` announces, up to their parenthesis.
fn names<'a>(source: &'a str, marker: &'a str) -> impl Iterator<Item = &'a str> {
    source.split(marker).skip(1).filter_map(|rest| rest.split('(').next())
}

/// Returns the names of the tests in a Rust source.
pub(super) fn tests(source: &str) -> impl Iterator<Item = &str> {
    let after = source.split("#[test]\n").skip(1);
    after.filter_map(|rest| names(rest, "fn ").next())
}

#[test]
fn every_statement_about_pykmips_server_has_tests_that_exist() {
    let sources: Vec<_> = rust_files().iter().map(|file| text(file)).collect();
    let rust: BTreeSet<_> = sources.iter().flat_map(|source| tests(source)).collect();
    let scripts = files("tests/interop", ".py").into_iter().chain(files("python/tests", ".py"));
    let scripts: Vec<_> = scripts.map(|file| text(&file)).collect();
    let python: BTreeSet<_> = scripts.iter().flat_map(|source| names(source, "def ")).collect();

    let list = text("tests/statements.txt");
    let mut statements = BTreeMap::new();
    for row in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [line, statement, named] = *row.split(" | ").collect::<Vec<_>>() else {
            panic!("not `line | statement | tests`: {row}")
        };
        let line: u32 = line.parse().unwrap_or_else(|error| panic!("{row}: {error}"));
        assert_eq!(statements.insert(line, row), None, "line {line} is listed twice");
        assert!(statement.split(' ').count() <= 10, "more than ten words: {row}");
        if let Some(reason) = named.strip_prefix("untested: ") {
            assert!(!reason.is_empty(), "no reason: {row}");
            continue;
        }
        for name in named.split(", ") {
            let exists = match name.split_once(':') {
                None => rust.contains(name),
                Some(("python", name)) => python.contains(name),
                Some((kind, _)) => kind == "compare",
            };
            assert!(exists, "tests/statements.txt: line {line} names no test: {name}");
        }
    }
    let found = statements.len();
    assert!(found >= STATEMENTS, "{found} statements");
}
