//! SECURITY.md: the tests that it names exist, and its numbers are those of the source.

use std::collections::{BTreeMap, BTreeSet};

use super::statements::tests;
use super::{files, rust_files, text};

/// Returns the words in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns whether a word is the name of a function, which may end in an ellipsis, and not a single word.
fn is_name(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.contains('_') && word.trim_end_matches('…').chars().all(allowed)
}

/// Returns the rows and bullets of a section, each in one line.
fn promises<'a>(document: &'a str, section: &str, begin: &str) -> Vec<&'a str> {
    let (_, rest) = document.split_once(&format!("\n## {section}\n")).unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    section.split(begin).skip(1).map(|it| it.split("\n\n").next().unwrap()).collect()
}

#[test]
fn every_promise_of_the_security_document_names_tests_that_exist() {
    let document = text("SECURITY.md");
    let sources: Vec<_> = rust_files().iter().map(|file| text(file)).collect();
    let tests: Vec<_> = sources.iter().flat_map(|source| tests(source)).collect();
    let exists = |word: &str| match word.strip_suffix('…') {
        Some(begin) => tests.iter().any(|test| test.starts_with(begin)),
        None => tests.contains(&word),
    };
    // Settings, fields of the configuration, and modules.
    let others = text("src/settings/table.rs") + &text("src/config.rs");
    let modules = files("src", ".rs");
    let is_other = |word: &str| {
        others.contains(&format!("\"{word}\""))
            || others.contains(&format!(" {word}:"))
            || modules.iter().any(|file| file.ends_with(&format!("/{word}.rs")))
    };
    let unknown: Vec<_> =
        quoted(&document).filter(|word| is_name(word) && !exists(word) && !is_other(word)).collect();
    assert!(unknown.is_empty(), "SECURITY.md names neither tests nor settings: {unknown:?}");

    let bullets = promises(&document, "What is protected, and how", "\n- **");
    let rows = promises(&document, "Bounds", "\n| ");
    let rows = rows.into_iter().skip(1);
    let untested: Vec<_> = bullets
        .into_iter()
        .chain(rows)
        .filter(|promise| !quoted(promise).any(|word| is_name(word) && exists(word)))
        .map(|promise| promise.lines().next().unwrap())
        .collect();
    assert!(untested.is_empty(), "SECURITY.md names no test beside: {untested:#?}");
}

/// Returns the value of a constant expression of literals, `*` and `<<`.
fn number(expression: &str) -> Option<u128> {
    if let Some((value, shift)) = expression.split_once("<<") {
        return Some(number(value)? << number(shift)?);
    }
    let factors = expression.split('*').map(|factor| factor.trim().replace('_', "").parse::<u128>().ok());
    factors.product()
}

/// Returns the spellings of the value of a constant in a document.
fn spellings(expression: &str) -> Vec<String> {
    for (call, unit) in [("from_secs(", "s"), ("from_millis(", "ms")] {
        if let Some((_, rest)) = expression.split_once(call) {
            let value = rest.split(')').next().and_then(number);
            return value.map(|value| format!("{value} {unit}")).into_iter().collect();
        }
    }
    let Some(value) = number(expression) else { return Vec::new() };
    let digits: Vec<_> = value.to_string().bytes().rev().collect();
    let groups: Vec<_> = digits.chunks(3).map(|group| String::from_utf8(group.to_vec()).unwrap()).collect();
    let mut spelled = vec![groups.join(",").chars().rev().collect::<String>()];
    for (shift, unit) in [(10, "KiB"), (20, "MiB"), (30, "GiB")] {
        if value > 0 && value.trailing_zeros() >= shift {
            spelled.push(format!("{} {unit}", value >> shift));
        }
    }
    spelled
}

#[test]
fn the_numbers_of_the_security_document_are_those_of_the_source() {
    let mut constants = BTreeMap::<String, Vec<String>>::new();
    for file in files("src", ".rs") {
        for line in text(&file).lines() {
            let Some((_, rest)) = line.split_once("const ") else { continue };
            let Some((name, value)) = rest.split_once(": ") else { continue };
            let Some((_, value)) = value.split_once(" = ") else { continue };
            constants.entry(name.to_owned()).or_default().extend(spellings(value.trim_end_matches(';')));
        }
    }
    let document = text("SECURITY.md");
    let rows = promises(&document, "Bounds", "\n| ");
    let mut compared = 0;
    for word in rows.iter().flat_map(|row| quoted(row)).collect::<BTreeSet<_>>() {
        let default = format!("DEFAULT_{}", word.to_uppercase());
        let name = if constants.contains_key(&default) { &default } else { word };
        let is_constant = !word.contains(|c: char| !c.is_ascii_uppercase() && c != '_');
        let Some(spelled) = constants.get(name).filter(|spelled| !spelled.is_empty()) else {
            assert!(!is_constant || constants.contains_key(word), "SECURITY.md names no constant: {word}");
            continue;
        };
        let mut named = rows.iter().filter(|row| quoted(row).any(|other| other == word));
        let states = |row: &&&str| spelled.iter().any(|value| contains_number(row, value));
        // A setting may be mentioned without its default, too.
        let stated = if is_constant { named.all(|row| states(&row)) } else { named.any(|row| states(&row)) };
        assert!(stated, "SECURITY.md does not state {spelled:?}, the value of {name}, beside it");
        compared += 1;
    }
    assert!(compared >= 20, "{compared} numbers");
}

/// Returns whether a text contains a number that is no part of another.
fn contains_number(text: &str, number: &str) -> bool {
    let is_part = |place: usize| {
        let digit = |c: char| c.is_ascii_digit() || c == ',';
        text[..place].ends_with(digit)
            || text[place + number.len()..].starts_with(|c: char| c.is_ascii_digit())
    };
    text.match_indices(number).any(|(place, _)| !is_part(place))
}
