//! The server program: reads PyKMIP's options and settings, opens the log and runs a [`Server`]. Prints a failure as one
//! line on standard error and exits with code 2 for a wrong command line or 1 for any other failure.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

#[cfg(feature = "certificates")]
#[path = "certificates.rs"]
mod certificates;
#[path = "command_line.rs"]
mod command_line;
#[path = "inform.rs"]
mod inform;
#[path = "transfer.rs"]
mod transfer;

use command_line::{Failure, complete, parse, say, settings};
use getopts::Matches;
use kmip_server::internals::config::Config;
use kmip_server::internals::hardening;
use kmip_server::internals::logging;
use kmip_server::internals::server::{MAX_HANDSHAKES, Observer, Reload, Server, Shutdown};
#[cfg(not(feature = "certificates"))]
use kmip_server::internals::settings::MissingFeature;
use kmip_server::internals::settings::{self as all_settings, Settings, options};
use kmip_server::internals::store::{self, KeyEncryptionKey};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    execute(&arguments).unwrap_or_else(|failure| failure.report())
}

fn execute(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    if command_line::requests_certificates(arguments) {
        return make_certificates(arguments);
    }
    let matches = parse(&options::server_options().collect::<Vec<_>>(), complete(arguments.iter().cloned()))?;
    if matches.opt_present(options::HELP) {
        return Ok(say(&command_line::help()));
    }
    if matches.opt_present(options::VERSION) {
        return Ok(say(concat!("run_server ", env!("CARGO_PKG_VERSION"))));
    }
    command_line::refuse_words(&matches)?;
    if let Some(code) = matches.opt_str(options::EXPLAIN) {
        return inform::explain(&code);
    }
    if matches.opt_present(options::DEMO) {
        return demo(&matches);
    }
    // The program reports a wrong combination of options before errors in the settings.
    let transfer = transfer::requested(&matches).transpose()?;
    if arguments.is_empty() && !Path::new(Config::DEFAULT_FILE).exists() {
        return Err(command_line::not_configured());
    }
    let settings = settings(&matches)?;
    if let Some(transfer) = transfer {
        return transfer.run(&settings).map(|text| say(&text));
    }
    if let Some(path) = matches.opt_str(options::CHECK_DATABASE) {
        return inform::check_database(Path::new(&path), &settings);
    }
    let config = configured(settings)?;
    if matches.opt_present(options::CHECK_SETTINGS) {
        return Ok(say("The settings are valid."));
    }
    if let Some(path) = matches.opt_str(options::CHECK_CLIENT) {
        let key = matches.opt_strs(options::KEY).pop();
        return inform::check_client(&config, Path::new(&path), key.as_deref().map(Path::new));
    }
    if matches.opt_present(options::CHECK_CONFIG) {
        return inform::check(&config);
    }
    if let Some(new) = matches.opt_str(options::ROTATE) {
        rotate(&config, Path::new(&new))?;
        return Ok(say(
            "The database is encrypted with the new key; set key_encryption_key_path to its file.",
        ));
    }
    run(&config, AtHangup::Reload, matches.opt_present(options::EXIT_ON_EOF), |_| String::new())
}

/// Returns the configuration of the program, which writes the audit log beside the log by default.
fn configured(settings: Settings) -> Result<Config, all_settings::Error> {
    let mut config = settings.into_config()?;
    if cfg!(feature = "log-file") {
        config.audit_log_path.get_or_insert_with(|| logging::default_audit_path(&config.log_path));
    }
    Ok(config)
}

fn rotate(config: &Config, new: &Path) -> Result<(), store::Error> {
    let path = &config.database_path;
    let Some(old) = &config.key_encryption_key_path else {
        return Err(store::Error::NeedsKey { path: path.clone() });
    };
    store::change_key(path, &KeyEncryptionKey::read(old)?, &KeyEncryptionKey::read(new)?)
}

/// What the server does when it receives SIGHUP.
#[derive(Clone, Copy)]
enum AtHangup {
    /// It reads its certificates again, and opens its log files again.
    Reload,
    /// It stops, and removes the files of the trial.
    #[cfg(feature = "certificates")]
    Stop,
}

/// Opens the log and serves. Prints the text that `more` returns for the port after the first line.
fn run(
    config: &Config,
    at_hangup: AtHangup,
    exit_on_eof: bool,
    more: impl FnOnce(u16) -> String,
) -> Result<ExitCode, Failure> {
    logging::init(config)?;
    hardening::harden(config.max_connections.saturating_add(MAX_HANDSHAKES));
    std::panic::set_hook(Box::new(|panic| log::error!(target: "kmip.server", "{panic}")));
    let outcome = serve(config, at_hangup, exit_on_eof, more);
    if let Err(failure) = &outcome {
        log::error!(target: "kmip.server", "The server cannot start: {failure}");
    }
    log::logger().flush();
    outcome.map(|()| ExitCode::SUCCESS)
}

fn serve(
    config: &Config,
    at_hangup: AtHangup,
    exit_on_eof: bool,
    more: impl FnOnce(u16) -> String,
) -> Result<(), Failure> {
    // The handlers exist before the first line, so that a process that reads the line can send signals.
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1])?;
    let server = Server::bind(config)?;
    let reload = matches!(at_hangup, AtHangup::Reload).then(|| server.reload());
    handle_signals(signals, server.shutdown(), reload, server.observer())?;
    if exit_on_eof {
        stop_at_end_of_input(server.shutdown())?;
    }
    say(&format!("Listening on {} ({}){}", server.port(), server.address(), more(server.port())));
    server.run();
    Ok(())
}

#[cfg(feature = "certificates")]
fn make_certificates(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    certificates::make(arguments).map(|text| say(&text))
}

#[cfg(not(feature = "certificates"))]
const CERTIFICATES: MissingFeature =
    MissingFeature { ability: "tools for certificates", feature: "certificates" };

#[cfg(not(feature = "certificates"))]
fn make_certificates(_: &[OsString]) -> Result<ExitCode, Failure> {
    Err(CERTIFICATES.into())
}

#[cfg(not(feature = "certificates"))]
fn demo(_: &Matches) -> Result<ExitCode, Failure> {
    Err(CERTIFICATES.into())
}

/// Runs a trial server on a free port, in memory and with temporary certificates. Of the other options, it uses only
/// `-p`, `-v` and `--exit-on-eof`.
#[cfg(feature = "certificates")]
fn demo(matches: &Matches) -> Result<ExitCode, Failure> {
    let trial = certificates::Trial::begin()?;
    let mut settings = Settings::default();
    for (name, value) in trial.options() {
        settings.option(name, &value)?;
    }
    for name in ["port", "logging_level"] {
        if let Some(value) = matches.opt_strs(name).pop() {
            settings.option(name, &value)?;
        }
    }
    #[cfg(feature = "log-file")]
    settings.log_path(&trial.log_path())?;
    let config = configured(settings)?;
    let lines = |port| format!("\n\nPaste into a python3 with PyKMIP:\n\n{}", trial.lines(port));
    // Nothing else removes the folder if the terminal closes.
    run(&config, AtHangup::Stop, matches.opt_present(options::EXIT_ON_EOF), lines)
}

/// Stops the server when its standard input ends, which happens at the latest when the process that started it ends.
fn stop_at_end_of_input(shutdown: Shutdown) -> io::Result<()> {
    let wait = move || {
        let (mut input, mut buffer) = (io::stdin().lock(), [0; 256]);
        while input.read(&mut buffer).is_ok_and(|count| count > 0) {}
        log::info!(target: "kmip.server", "Standard input has ended: the server stops.");
        shutdown.stop();
    };
    thread::Builder::new().name("kmip-input".to_owned()).spawn(wait).map(drop)
}

fn handle_signals(
    mut signals: Signals,
    shutdown: Shutdown,
    reload: Option<Reload>,
    observer: Observer,
) -> io::Result<()> {
    let wait = move || {
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                log::info!(target: "kmip.server", "State: {}", observer.status());
                continue;
            }
            if let Some(reload) = reload.as_ref().filter(|_| signal == SIGHUP) {
                logging::reopen();
                log::info!(target: "kmip.server", "Signal {signal}: the server reads its certificates again.");
                reload.request();
                continue;
            }
            log::info!(target: "kmip.server", "Signal {signal}: the server stops.");
            shutdown.stop();
        }
    };
    thread::Builder::new().name("kmip-signals".to_owned()).spawn(wait).map(drop)
}
