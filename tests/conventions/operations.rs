//! The registration of operations, the clauses that they cite, and their tests.

use std::collections::{BTreeMap, BTreeSet};

use kmip_server::internals::operations::OPERATIONS;

use super::{files, text};

/// Returns the files that implement an operation.
fn operation_files() -> Vec<String> {
    let mut sources = files("src/operations", ".rs");
    sources.retain(|file| {
        let source = text(file);
        let implements = |line: &str| line.starts_with("impl ") && line.contains("Operation for ");
        source.lines().any(implements) || source.contains("pub(super) const ENTRY: Entry")
    });
    sources
}

#[test]
fn every_operation_is_registered_once() {
    let sources = files("src/operations", ".rs");
    let codes: usize = sources.iter().map(|file| text(file).matches("const CODE: ").count()).sum();
    // One of them is the declaration in the trait.
    assert_eq!(codes - 1, OPERATIONS.len(), "an operation is not registered");
    let numbers: BTreeSet<_> = OPERATIONS.iter().map(|entry| entry.code).collect();
    assert_eq!(numbers.len(), OPERATIONS.len(), "an operation is registered twice");
    assert_eq!(operation_files().len(), OPERATIONS.len(), "a file implements several operations");
}

/// Returns the clauses that the first line of a file cites, without the minor version of 1.x: "1.4 §4.33" is "1.x §4.33".
fn clauses(file: &str) -> Vec<String> {
    let source = text(file);
    let heading = source.lines().next().unwrap_or_default();
    let Some((_, rest)) = heading.split_once("(KMIP ") else { return Vec::new() };
    let (cited, _) = rest.split_once(')').unwrap_or_else(|| panic!("{file}: the citation has no end"));
    let mut clauses: Vec<_> = cited
        .split(", ")
        .map(|citation| {
            let (version, clause) = citation.split_once(' ').unwrap_or(("", citation));
            if version.starts_with("1.") { format!("1.x {clause}") } else { format!("{version} {clause}") }
        })
        .collect();
    clauses.dedup();
    clauses
}

#[test]
fn each_operation_cites_clauses_that_no_other_operation_cites() {
    let forms = ["1.x §4.", "1.x §5.", "2.1 §6.1."];
    let mut cited = BTreeMap::new();
    for file in operation_files() {
        let clauses = clauses(&file);
        assert!(!clauses.is_empty(), "{file} does not begin with the clause that it implements");
        for clause in clauses {
            assert!(forms.iter().any(|form| clause.starts_with(form)), "{file} cites {clause}");
            if let Some(other) = cited.insert(clause.clone(), file.clone()) {
                panic!("{other} and {file} both cite {clause}");
            }
        }
    }
}

/// A function in the tests.
struct Function {
    is_test: bool,
    body: String,
}

/// Returns the functions of a formatted source by name. A function ends with the brace at its own indentation.
fn functions(source: &str) -> Vec<(String, Function)> {
    let mut found = Vec::new();
    let lines: Vec<_> = source.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let code = code.strip_prefix("pub ").or(code.strip_prefix("pub(super) ")).unwrap_or(code);
        let Some(rest) = code.strip_prefix("fn ") else { continue };
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let indentation = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indentation}}}");
        let length = lines[at..].iter().position(|line| *line == end).unwrap_or(0);
        let body = lines[at + 1..=at + length].join("\n");
        let attributes = lines[..at].iter().rev().take_while(|line| line.trim_start().starts_with("#["));
        let is_test = attributes.into_iter().any(|line| line.trim() == "#[test]");
        found.push((name, Function { is_test, body }));
    }
    found
}

/// Returns the words of a source that stand directly before an opening parenthesis or after a path separator.
fn words(source: &str) -> BTreeSet<&str> {
    source.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect()
}

/// Returns the operations that a body names outside assertions.
fn operations_named(body: &str) -> BTreeSet<String> {
    let code = body.lines().filter(|line| !line.trim_start().starts_with("assert"));
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric()).collect();
    code.flat_map(|line| line.split("Operation::").skip(1)).map(name).collect()
}

/// Returns the operations that the tests of `sources` request, directly or through helper functions.
fn requested(sources: &[String]) -> BTreeSet<String> {
    let functions: Vec<_> = sources.iter().flat_map(|source| functions(source)).collect();
    let mut by_name: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for (name, function) in &functions {
        by_name.entry(name).or_default().push(function);
    }
    let mut pending: Vec<_> = functions.iter().map(|(_, it)| it).filter(|it| it.is_test).collect();
    let (mut visited, mut requested) = (BTreeSet::new(), BTreeSet::new());
    while let Some(function) = pending.pop() {
        requested.extend(operations_named(&function.body));
        for word in words(&function.body) {
            if let Some(called) = by_name.get(word).filter(|_| visited.insert(word)) {
                pending.extend(called);
            }
        }
    }
    requested
}

#[test]
fn finds_requests_in_tests_and_helpers_but_not_in_assertions_or_unused_functions() {
    let source = "\
#[test]
fn tests() {
    send(Operation::Get);
    helper();
    assert_eq!(entry, Operation::Check);
}

fn helper() {
    send(Operation::SignatureVerify);
}

fn unused() {
    send(Operation::Create);
}
";
    let expected = ["Get", "SignatureVerify"].map(str::to_owned);
    assert_eq!(requested(&[source.to_owned()]), BTreeSet::from(expected));
}

#[test]
fn a_test_requests_every_operation() {
    let mut sources = files("tests", ".rs");
    sources.retain(|file| !file.starts_with("tests/conventions"));
    let sources: Vec<_> = sources.iter().map(|file| text(file)).collect();
    let requested = requested(&sources);
    for entry in OPERATIONS {
        let name = format!("{:?}", entry.code);
        assert!(requested.contains(&name), "no test sends a request with Operation::{name}");
    }
}
