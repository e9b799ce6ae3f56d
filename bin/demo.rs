//! `--demo`: a trial server with certificates of its own, which it removes when it stops.

use std::path::PathBuf;
use std::process::ExitCode;

use getopts::Matches;
use kmip_server::internals::settings::options;
use kmip_server::internals::settings::{OptionForm, SETTINGS, Settings};
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
};
use signal_hook::iterator::Signals;

use super::certificates::Trial;
use super::command_line::{Failure, option_settings};
use super::{AtHangup, Start, configured, run};

/// The other options that a trial server honours, besides those of settings.
const HONOURED: [&str; 5] =
    [options::DEMO, options::KEEP, options::EXIT_ON_EOF, options::LOG_PATH, options::IGNORE_TLS_CLIENT_AUTH];

/// The settings of certificates. A trial server has its own, and its clients could not connect with others.
const CERTIFICATES: [&str; 4] = ["certificate_path", "key_path", "ca_path", "auto_certificates"];

/// Runs a trial server: on a free port of this machine, in memory, with a management interface. Options override that.
/// A trial server reads neither the settings file nor the environment, so that it never uses the database of another server.
pub(crate) fn run_demo(matches: &Matches) -> Result<ExitCode, Failure> {
    refuse(matches)?;
    // Every signal that ends a process by default and that a process can handle. The handlers exist before the folder.
    let signals = Signals::new([
        SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
    ])?;
    let keep = matches.opt_strs(options::KEEP).pop().map(PathBuf::from);
    let hostname = matches.opt_strs("hostname").pop().unwrap_or_default();
    let trial = Trial::begin(keep.as_deref(), &hostname)?;
    let mut settings = Settings::default();
    for (name, value) in trial.options() {
        settings.option(name, &value);
    }
    #[cfg(feature = "management")]
    settings.option("management_address", "127.0.0.1:0");
    #[cfg(feature = "log-file")]
    settings.log_path(&trial.log_path());
    option_settings(matches, &mut settings);
    let config = configured(settings)?;
    let lines = |address| format!("\n\nPaste into a python3 with PyKMIP:\n\n{}", trial.lines(address));
    let exit_on_eof = matches.opt_present(options::EXIT_ON_EOF);
    let start = Start {
        signals,
        at_hangup: AtHangup::Stop,
        exit_on_eof,
        listener: None,
        clients: trial.clients(),
        warnings: Vec::new(),
    };
    run(&config, start, lines)
}

/// Refuses the options that a trial server does not have.
fn refuse(matches: &Matches) -> Result<(), Failure> {
    let is_setting = |name: &str| {
        !CERTIFICATES.contains(&name)
            && SETTINGS.iter().any(|setting| setting.name == name && setting.option != OptionForm::None)
    };
    let given = options::server_options().filter(|option| matches.opt_present(option.name));
    let mut refused = given.filter(|option| !HONOURED.contains(&option.name) && !is_setting(option.name));
    match refused.next() {
        Some(option) => Err(Failure::of_command_line(&format!(
            "the options --demo and --{} exclude each other",
            option.name
        ))),
        None => Ok(()),
    }
}
