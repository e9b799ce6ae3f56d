//! `--export` and `--import`: all of a database into a file, and back.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use getopts::{Matches, Options};
use kmip_server::backup::{self, Database};
use kmip_server::hardening;
use kmip_server::settings::{self, Settings, Source};

const EXPORT: &str = "export";
const IMPORT: &str = "import";
const SEAL_KEY: &str = "seal-key";

/// What went wrong: on the command line, or later.
pub(crate) enum Error {
    CommandLine(Box<dyn Display>),
    Other(Box<dyn Display>),
}

impl From<settings::Error> for Error {
    fn from(error: settings::Error) -> Self {
        match error {
            settings::Error::Invalid { source: Source::Options, .. } => Self::CommandLine(Box::new(error)),
            _ => Self::Other(Box::new(error)),
        }
    }
}

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
pub(crate) fn wanted(matches: &Matches) -> Option<Result<Task, Error>> {
    let wrong = |text: &str| Some(Err(Error::CommandLine(Box::new(text.to_owned()))));
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
    pub(crate) fn run(&self, settings: Settings) -> Result<String, Error> {
        let (path, key) = settings.database();
        if path == Path::new(":memory:") {
            let text = "the database is :memory:, which ends with its server; name a file with -d";
            return Err(Error::Other(Box::new(text)));
        }
        // Keys go through this process as they do through a server.
        hardening::harden(0);
        let database = Database { path: &path, key: key.as_deref() };
        let (file, seal) = (self.file.as_path(), self.seal.as_deref());
        let failed = |error| Error::Other(Box::new(error));
        if self.exports {
            let done = backup::export(database, file, seal).map_err(failed)?;
            return Ok(format!("Exported {} objects to {}.", done.objects, file.display()));
        }
        let done = backup::import(database, file, seal).map_err(failed)?;
        let mut text = format!("Imported {} objects into {}.", done.objects, path.display());
        for name in &done.left {
            text.push_str(&format!("\nThe database had {name:?} of its own, which stays as it is."));
        }
        Ok(text)
    }
}
