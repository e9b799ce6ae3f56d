//! `--export` and `--import`: all of a database into a file, and back.

use std::path::{Path, PathBuf};

use getopts::{Matches, Options};
use kmip_server::internals::backup::{self, Database};
use kmip_server::internals::explain::{self, Explained, Explanation};
use kmip_server::internals::hardening;
use kmip_server::internals::settings::Settings;

use super::Problem;

const EXPORT: &str = "export";
const IMPORT: &str = "import";
const SEAL_KEY: &str = "seal-key";

pub(crate) fn add_options(options: &mut Options) {
    options.optopt("", EXPORT, "Writes all of the database into a new file, and exits.", "FILE");
    options.optopt("", IMPORT, "Adds all of an export to the database, or nothing, and exits.", "FILE");
    options.optopt("", SEAL_KEY, "With either: the file of the key that the export is sealed with.", "FILE");
}

/// What the command line asks for.
pub(crate) struct Task {
    exports: bool,
    file: PathBuf,
    seal: Option<PathBuf>,
}

/// The task, if there is one.
pub(crate) fn wanted(matches: &Matches) -> Option<Result<Task, Problem>> {
    let wrong = |text: &str| Some(Err(Problem::of_command_line(&text)));
    let path = |name| matches.opt_str(name).map(PathBuf::from);
    let (exports, file) = match (path(EXPORT), path(IMPORT)) {
        (Some(_), Some(_)) => return wrong("--export and --import are two tasks; give one of them"),
        (Some(file), None) => (true, file),
        (None, Some(file)) => (false, file),
        (None, None) if matches.opt_present(SEAL_KEY) => {
            return wrong("--seal-key belongs to --export or --import");
        }
        (None, None) => return None,
    };
    Some(Ok(Task { exports, file, seal: path(SEAL_KEY) }))
}

impl Task {
    /// Does it, and tells what was done.
    pub(crate) fn run(&self, settings: &Settings) -> Result<String, Problem> {
        let (path, key) = settings.database();
        if path == Path::new(":memory:") {
            return Err(InMemory.into());
        }
        // Keys go through this process as they do through a server.
        hardening::harden(0);
        let database = Database { path: &path, key: key.as_deref() };
        let (file, seal) = (self.file.as_path(), self.seal.as_deref());
        if self.exports {
            let done = backup::export(database, file, seal)?;
            return Ok(format!("Exported {} objects to {}.", done.objects, file.display()));
        }
        let done = backup::import(database, file, seal)?;
        let mut text = format!("Imported {} objects into {}.", done.objects, path.display());
        for name in &done.left {
            text.push_str(&format!("\nThe database had {name:?} of its own, which stays as it is."));
        }
        Ok(text)
    }
}

/// There is no file.
struct InMemory;

impl std::fmt::Display for InMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the database is :memory:, which ends with its server")
    }
}

impl Explained for InMemory {
    fn explanation(&self) -> Explanation {
        explain::NO_DATABASE
    }
}
