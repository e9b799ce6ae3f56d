//! What the policy directory defines, for whoever only wants to know.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use log::Level;

use super::directory::{Directory, Event};

/// What a server would read from a policy directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The names of the policies that its files define, in order.
    pub names: Vec<String>,
    /// What the server's log would say of files that do not do, or define the same.
    pub troubles: Vec<String>,
    /// What it would not look at: files that are not named `*.json`.
    pub ignored: Vec<PathBuf>,
}

/// Reads the directory at `path`.
pub fn look(path: &Path) -> Look {
    let mut look = Look::default();
    for event in Directory::new(path).scan(SystemTime::now()).events {
        match &event {
            Event::Loaded(name) => look.names.push(name.clone()),
            Event::Broken(error) => look.troubles.push(error.to_string()),
            Event::Overridden { .. } => look.troubles.push(event.to_string()),
            event if event.level() <= Level::Warn => look.troubles.push(event.to_string()),
            _ => {}
        }
    }
    look.names.sort();
    look.names.dedup();
    let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    look.ignored = entries.filter(|path| path.extension().is_none_or(|it| it != "json")).collect();
    look.ignored.sort();
    look
}
