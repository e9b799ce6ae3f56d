//! The certificates of `auto_certificates`: made, used or only examined, before the server reads them.

#[cfg(feature = "management")]
use std::path::Path;
use std::process::{self, ExitCode};
use std::{env, fs};

#[cfg(feature = "management")]
use kmip_server::Secret;
use kmip_server::internals::config::Config;
use kmip_server::internals::pki::Error;
use kmip_server::internals::pki::automatic::{self, Automatic, Task};
use kmip_server::internals::server::ClientFiles;

use super::certificates::create_private;
use super::command_line::Failure;
use super::inform;

/// The configuration of a server with its certificates.
pub(crate) struct Prepared {
    pub(crate) config: Config,
    /// The clients that have a certificate in the folder.
    pub(crate) clients: Vec<ClientFiles>,
    /// Lines for standard output.
    pub(crate) notes: Vec<String>,
}

/// Makes the certificates that do not exist.
pub(crate) fn prepare(config: Config) -> Result<Prepared, Failure> {
    Ok(match automatic::prepare(&config, Task::Make)? {
        Some(Automatic { config, clients, notes, .. }) => Prepared { config, clients, notes },
        None => Prepared { config, clients: Vec::new(), notes: Vec::new() },
    })
}

/// Returns the configuration with the certificates that exist.
pub(crate) fn found(config: &Config) -> Result<Config, Failure> {
    let found = automatic::prepare(config, Task::Examine)?;
    Ok(found.map_or_else(|| config.clone(), |found| found.config))
}

/// Checks the settings. Certificates that do not exist are made in a temporary folder, so that the check can read them.
pub(crate) fn check(
    config: &Config,
    mut origins: Vec<String>,
    warnings: Vec<String>,
) -> Result<ExitCode, Failure> {
    let Some(found) = automatic::prepare(config, Task::Examine)? else {
        return inform::check(config, &origins, &warnings, str::to_owned);
    };
    origins.extend(found.notes);
    let folder = config.auto_certificates.clone().unwrap_or_default();
    if found.exists {
        return inform::check(&found.config, &origins, &warnings, str::to_owned);
    }
    let temporary = env::temp_dir().join(format!("kmip-check-{}", process::id()));
    let created = create_private(&temporary);
    created.map_err(|cause| Error::Folder { path: temporary.clone(), cause })?;
    let mut trial = config.clone();
    trial.auto_certificates = Some(temporary.clone());
    let outcome = automatic::prepare(&trial, Task::Make).map_err(Failure::from).and_then(|made| {
        let made = made.map_or_else(|| config.clone(), |made| made.config);
        let (from, to) = (temporary.display().to_string(), folder.display().to_string());
        inform::check(&made, &origins, &warnings, |line| line.replace(&from, &to))
    });
    drop(fs::remove_dir_all(&temporary));
    outcome
}

/// Returns the token of the management interface in the folder, if there is one.
#[cfg(feature = "management")]
pub(crate) fn token(folder: &Path) -> Option<Secret> {
    automatic::token(folder)
}
