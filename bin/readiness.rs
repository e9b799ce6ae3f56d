//! `--health` and `--wait-ready`: asks the management interface of a running server.

#[cfg(feature = "management")]
use std::os::unix::process::CommandExt;
#[cfg(feature = "management")]
use std::process::Command;
use std::process::ExitCode;
#[cfg(feature = "management")]
use std::time::Duration;

use getopts::Matches;
#[cfg(feature = "management")]
use kmip_server::Secret;
#[cfg(feature = "management")]
use kmip_server::internals::explain;
#[cfg(feature = "management")]
use kmip_server::internals::management::{self, Ready};
#[cfg(not(feature = "management"))]
use kmip_server::internals::settings::MissingFeature;
use kmip_server::internals::settings::Settings;
#[cfg(feature = "management")]
use kmip_server::internals::settings::options::{HEALTH, WAIT_READY};

#[cfg(feature = "management")]
use super::automatic;
use super::command_line::Failure;
#[cfg(feature = "management")]
use super::command_line::say;

/// The environment variable with the port of the server, for the command that waits.
#[cfg(feature = "management")]
const PORT: &str = "KMIP_SERVER_PORT";

#[cfg(feature = "management")]
fn no_address() -> Failure {
    Failure::new(&"the address of the management interface is not known", explain::NO_MANAGEMENT)
}

/// Returns the address of the management interface, and its token, which may be in the folder of `auto_certificates`.
#[cfg(feature = "management")]
fn management_of(settings: &Settings) -> (Option<String>, Option<Secret>) {
    let (address, token) = settings.management();
    let made = || automatic::token(settings.auto_certificates().as_deref()?);
    (address, token.or_else(made))
}

#[cfg(feature = "management")]
fn line(Ready { address }: Ready) -> String {
    format!("Listening on {} ({address})", address.port())
}

/// Asks once whether the server is ready. The address follows the option, or is that of the settings.
#[cfg(feature = "management")]
pub(crate) fn health(matches: &Matches, settings: &Settings) -> Result<ExitCode, Failure> {
    let (address, token) = management_of(settings);
    let given = matches.opt_str(HEALTH).or_else(|| matches.free.first().cloned());
    let address = given.or(address).ok_or_else(no_address)?;
    Ok(say(&line(management::ask(&address, token.as_ref())?)))
}

/// Waits until the server is ready, and becomes the command behind `--`, if there is one.
#[cfg(feature = "management")]
pub(crate) fn wait(matches: &Matches, settings: &Settings) -> Result<ExitCode, Failure> {
    let given = matches.opt_str(WAIT_READY).unwrap_or_default();
    let seconds: u32 = given.parse().map_err(|_| {
        Failure::of_command_line(&format!(
            "the option --{WAIT_READY} cannot be '{given}': expected a number of seconds"
        ))
    })?;
    let (address, token) = management_of(settings);
    let address = address.ok_or_else(no_address)?;
    let ready = management::wait(&address, token.as_ref(), Duration::from_secs(seconds.into()))?;
    let Some((program, arguments)) = matches.free.split_first() else { return Ok(say(&line(ready))) };
    let error = Command::new(program).args(arguments).env(PORT, ready.address.port().to_string()).exec();
    Err(Failure::of_command_line(&format!("the command '{program}' cannot be started: {error}")))
}

#[cfg(not(feature = "management"))]
const MANAGEMENT: MissingFeature = MissingFeature { ability: "management interface", feature: "management" };

#[cfg(not(feature = "management"))]
pub(crate) fn health(_: &Matches, _: &Settings) -> Result<ExitCode, Failure> {
    Err(MANAGEMENT.into())
}

#[cfg(not(feature = "management"))]
pub(crate) fn wait(_: &Matches, _: &Settings) -> Result<ExitCode, Failure> {
    Err(MANAGEMENT.into())
}
