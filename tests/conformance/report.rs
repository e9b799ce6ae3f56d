//! Reports a run: a line for each case, a table of versions, and contradictions to the lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::case::Case;

/// The marks around the table of counts in docs/conformance.md.
const MARKS: (&str, &str) = ("<!-- conformance: begin -->\n", "<!-- conformance: end -->");

/// The marks around the table of counts with PyKMIP's behavior.
const PYKMIP_MARKS: (&str, &str) =
    ("<!-- conformance with PyKMIP: begin -->\n", "<!-- conformance with PyKMIP: end -->");

/// The outcome of a case.
pub(super) struct Outcome<'a> {
    pub(super) case: &'a Case,
    /// The failure, if the case failed.
    pub(super) failure: Option<String>,
}

/// The names in the two lists, with their reasons.
pub(super) struct Lists {
    unsupported: BTreeMap<String, String>,
    waiting: BTreeSet<String>,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

/// Returns the lines of a list, each split at its first space.
fn lines(name: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file(name)).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, reason) = line.split_once(' ').unwrap_or((line, ""));
            (name.to_owned(), reason.trim().to_owned())
        })
        .collect()
}

/// Returns the lines of a list whose names all have reasons.
fn with_reasons(name: &str) -> BTreeMap<String, String> {
    let list = lines(name);
    for (case, reason) in &list {
        assert!(!reason.is_empty(), "{name} gives no reason for {case}");
    }
    list
}

impl Lists {
    pub(super) fn read() -> Self {
        Self {
            unsupported: with_reasons("unsupported.txt"),
            waiting: lines("waiting.txt").into_keys().collect(),
        }
    }

    /// Returns the list of the cases that cannot pass in another version than their own.
    pub(super) fn of_other_versions() -> Self {
        Self { unsupported: with_reasons("versions.txt"), waiting: BTreeSet::new() }
    }

    /// Returns whether a case is expected to fail.
    pub(super) fn have(&self, id: &str) -> bool {
        self.unsupported.contains_key(id) || self.waiting.contains(id)
    }
}

/// Prints a line for each case, the reason of each unexpected failure (of each failure if `all`), and the table.
pub(super) fn print(outcomes: &[Outcome<'_>], lists: &Lists, all: bool) {
    for Outcome { case, failure } in outcomes {
        let id = case.id();
        match failure {
            None => println!("pass         {id}"),
            Some(failure) if lists.unsupported.contains_key(&id) => {
                println!("unsupported  {id}{}", if all { format!("\n    {failure}") } else { String::new() });
            }
            Some(_) if lists.waiting.contains(&id) && !all => println!("waiting      {id}"),
            Some(failure) => println!("FAIL         {id}\n    {failure}"),
        }
    }
    println!("\n{}", table(outcomes, lists));
}

/// Returns the table: passed, unsupported and all cases by version.
fn table(outcomes: &[Outcome<'_>], lists: &Lists) -> String {
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for Outcome { case, failure } in outcomes {
        let [cases, passed, unsupported] = counts.entry(&case.folder).or_default();
        *cases += 1;
        *passed += usize::from(failure.is_none());
        *unsupported += usize::from(lists.unsupported.contains_key(&case.id()));
    }
    let total = counts.values().fold([0; 3], |sum, row| [sum[0] + row[0], sum[1] + row[1], sum[2] + row[2]]);
    let mut text = "| Version | Cases | Pass | Not for a server |\n|---|---|---|---|\n".to_owned();
    let rows = counts.iter().map(|(folder, row)| (folder.trim_start_matches('v'), row));
    for (version, [cases, passed, unsupported]) in rows.chain([("All", &total)]) {
        text.push_str(&format!("| {version} | {cases} | {passed} | {unsupported} |\n"));
    }
    text
}

/// Returns the contradictions to the lists: a case outside them that fails, a case inside them that passes, and after a complete
/// run a name without case.
pub(super) fn surprises(outcomes: &[Outcome<'_>], lists: &Lists, everything: bool) -> Vec<String> {
    let mut surprises = Vec::new();
    let mut names = BTreeSet::new();
    for Outcome { case, failure } in outcomes {
        let id = case.id();
        match (failure, lists.have(&id)) {
            (Some(failure), false) => surprises.push(format!("{id} fails: {failure}")),
            (None, true) => surprises.push(format!("{id} passes: take it out of its list")),
            _ => {}
        }
        names.insert(id);
    }
    if everything {
        let listed = lists.unsupported.keys().chain(&lists.waiting);
        surprises.extend(listed.filter(|id| !names.contains(*id)).map(|id| format!("there is no case {id}")));
    }
    surprises
}

/// Returns the table of cases that pass with PyKMIP's behavior, by version.
fn pykmip_table(outcomes: &[Outcome<'_>]) -> String {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for Outcome { case, failure } in outcomes {
        let [cases, passed] = counts.entry(&case.folder).or_default();
        *cases += 1;
        *passed += usize::from(failure.is_none());
    }
    let total = counts.values().fold([0; 2], |sum, row| [sum[0] + row[0], sum[1] + row[1]]);
    let mut text = "| Version | Cases | Pass |\n|---|---|---|\n".to_owned();
    let rows = counts.iter().map(|(folder, row)| (folder.trim_start_matches('v'), row));
    for (version, [cases, passed]) in rows.chain([("All", &total)]) {
        text.push_str(&format!("| {version} | {cases} | {passed} |\n"));
    }
    text
}

/// Prints the failures with PyKMIP's behavior, and the table.
pub(super) fn print_pykmip(outcomes: &[Outcome<'_>]) {
    for Outcome { case, failure } in outcomes {
        if let Some(failure) = failure {
            println!("PyKMIP       {}\n    {failure}", case.id());
        }
    }
    println!("\n{}", pykmip_table(outcomes));
}

/// Writes the counts with PyKMIP's behavior into docs/conformance.md.
pub(super) fn keep_pykmip(outcomes: &[Outcome<'_>]) {
    write_table(PYKMIP_MARKS, &pykmip_table(outcomes));
}

/// Returns whether the run writes counts into docs/conformance.md.
pub(super) fn keeps_counts() -> bool {
    wanted().contains("counts")
}

fn wanted() -> String {
    std::env::var("CONFORMANCE_KEEP").unwrap_or_default()
}

fn write_table(marks: (&str, &str), table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(marks.0).unwrap();
    let (_, after) = rest.split_once(marks.1).unwrap();
    fs::write(&path, [before, marks.0, table, marks.1, after].concat()).unwrap();
}

/// Writes files after a complete run: `CONFORMANCE_KEEP=counts` the counts in docs/conformance.md, `CONFORMANCE_KEEP=waiting`
/// the list waiting.txt.
pub(super) fn keep(outcomes: &[Outcome<'_>], lists: &Lists) {
    if keeps_counts() {
        write_table(MARKS, &table(outcomes, lists));
    }
    if wanted().contains("waiting") {
        let text = fs::read_to_string(file("waiting.txt")).unwrap();
        let mut text: String =
            text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        text.push('\n');
        for Outcome { case, failure } in outcomes {
            let id = case.id();
            if failure.is_some() && !lists.unsupported.contains_key(&id) {
                text.push_str(&id);
                text.push('\n');
            }
        }
        fs::write(file("waiting.txt"), text).unwrap();
    }
}
