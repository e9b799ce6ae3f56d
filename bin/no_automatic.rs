//! The certificates of `auto_certificates` in a build without the feature `certificates`: the settings refuse them.

use std::process::ExitCode;

use kmip_server::internals::config::Config;
use kmip_server::internals::server::ClientFiles;

use super::command_line::Failure;
use super::inform;

/// The configuration of a server with its certificates.
pub(crate) struct Prepared {
    pub(crate) config: Config,
    pub(crate) clients: Vec<ClientFiles>,
    pub(crate) notes: Vec<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "the other build can fail")]
pub(crate) fn prepare(config: Config) -> Result<Prepared, Failure> {
    Ok(Prepared { config, clients: Vec::new(), notes: Vec::new() })
}

#[expect(clippy::unnecessary_wraps, reason = "the other build can fail")]
pub(crate) fn found(config: &Config) -> Result<Config, Failure> {
    Ok(config.clone())
}

pub(crate) fn check(
    config: &Config,
    origins: Vec<String>,
    warnings: Vec<String>,
) -> Result<ExitCode, Failure> {
    inform::check(config, &origins, &warnings, str::to_owned)
}

#[cfg(feature = "management")]
pub(crate) fn token(_: &std::path::Path) -> Option<kmip_server::Secret> {
    None
}
