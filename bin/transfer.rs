//! `--export` and `--import`: the whole database to a file, and back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use getopts::Matches;
use kmip_server::internals::backup::{self, Database};
use kmip_server::internals::engine::pykmip_import;
use kmip_server::internals::explain;
use kmip_server::internals::hardening;
use kmip_server::internals::settings::Settings;
use kmip_server::internals::settings::options::{EXPORT, IMPORT, SEAL_KEY};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::command_line::Failure;

/// An export or import that the command line requests.
pub(crate) struct Transfer {
    is_export: bool,
    file: PathBuf,
    seal_key: Option<PathBuf>,
}

/// Returns the requested export or import, or `None` if the command line requests neither.
pub(crate) fn requested(matches: &Matches) -> Option<Result<Transfer, Failure>> {
    let wrong = |text: &str| Some(Err(Failure::of_command_line(&text)));
    let path = |name| matches.opt_str(name).map(PathBuf::from);
    let (is_export, file) = match (path(EXPORT), path(IMPORT)) {
        (Some(_), Some(_)) => return wrong("the options --export and --import exclude each other"),
        (Some(file), None) => (true, file),
        (None, Some(file)) => (false, file),
        (None, None) if matches.opt_present(SEAL_KEY) => {
            return wrong("the option --seal-key requires --export or --import");
        }
        (None, None) => return None,
    };
    Some(Ok(Transfer { is_export, file, seal_key: path(SEAL_KEY) }))
}

impl Transfer {
    /// Exports or imports, and returns a summary.
    pub(crate) fn run(&self, settings: &Settings) -> Result<String, Failure> {
        let (path, key) = settings.database();
        if path == Path::new(":memory:") {
            let text = "the database is :memory:, which exists only in the memory of its server";
            return Err(Failure::new(&text, explain::NO_DATABASE));
        }
        // The process reads the keys of all objects.
        hardening::harden(0);
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&interrupted))?;
        }
        let database = Database { path: &path, key: key.as_deref(), interrupted: Some(&interrupted) };
        let (file, seal_key) = (self.file.as_path(), self.seal_key.as_deref());
        if self.is_export {
            let done = backup::export(database, file, seal_key)?;
            let from = path.display();
            return Ok(format!("Exported {} objects of {from} to {}.", done.objects, file.display()));
        }
        let done = backup::import(database, file, seal_key, &pykmip_import::complete)?;
        let mut text = format!("Imported {} objects into {}.", done.objects, path.display());
        for name in &done.left {
            text.push_str(&format!("\nKept {name:?} of the database instead of that of the export."));
        }
        Ok(text)
    }
}
