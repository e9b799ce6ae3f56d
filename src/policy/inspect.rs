//! A report on a policy directory, for `--check-config`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use log::Level;

use super::directory::{Directory, Event};

/// What a server would read from a policy directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The names of the policies that the files define, in order.
    pub names: Vec<String>,
    /// The messages about invalid files and about policies that several files define.
    pub problems: Vec<String>,
    /// Files that the server ignores, because their names do not end in `.json`.
    pub ignored: Vec<PathBuf>,
}

/// Inspects the directory at `path`.
pub fn inspect(path: &Path) -> Inspection {
    let mut inspection = Inspection::default();
    for event in Directory::new(path).scan(SystemTime::now()).events {
        match &event {
            Event::Loaded(name) => inspection.names.push(name.clone()),
            Event::Invalid(error) => inspection.problems.push(error.to_string()),
            Event::Overridden { .. } => inspection.problems.push(event.to_string()),
            event if event.level() <= Level::Warn => inspection.problems.push(event.to_string()),
            _ => {}
        }
    }
    inspection.names.sort();
    inspection.names.dedup();
    let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    inspection.ignored = entries.filter(|path| path.extension().is_none_or(|it| it != "json")).collect();
    inspection.ignored.sort();
    inspection
}
