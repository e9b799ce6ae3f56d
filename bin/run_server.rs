//! The server program: reads PyKMIP's options and settings, opens the log and runs a [`Server`]. Prints a failure as one
//! line on standard error and exits with code 2 for a wrong command line or 1 for any other failure.

use std::ffi::OsString;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

#[cfg_attr(feature = "certificates", path = "automatic.rs")]
#[cfg_attr(not(feature = "certificates"), path = "no_automatic.rs")]
mod automatic;
#[cfg(feature = "certificates")]
#[path = "certificates.rs"]
mod certificates;
#[path = "command_line.rs"]
mod command_line;
#[cfg(feature = "certificates")]
#[path = "demo.rs"]
mod demo;
#[path = "inform.rs"]
mod inform;
#[path = "namesake.rs"]
mod namesake;
#[path = "readiness.rs"]
mod readiness;
#[cfg_attr(feature = "systemd", path = "systemd.rs")]
#[cfg_attr(not(feature = "systemd"), path = "no_systemd.rs")]
mod systemd;
#[path = "transfer.rs"]
mod transfer;

use automatic::Prepared;
use command_line::{Failure, complete, parse, say, settings};
use getopts::Matches;
use kmip_server::internals::config::Config;
use kmip_server::internals::hardening;
use kmip_server::internals::logging;
use kmip_server::internals::server::check;
use kmip_server::internals::server::{ClientFiles, MAX_HANDSHAKES, Monitor, Reload, Server, Shutdown};
#[cfg(not(feature = "certificates"))]
use kmip_server::internals::settings::MissingFeature;
use kmip_server::internals::settings::{self as all_settings, Settings, options};
use kmip_server::internals::store::{self, Inspection, KeyEncryptionKey};
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
    if matches.opt_present(options::WAIT_READY) {
        return readiness::wait(&matches, &settings(&matches)?.checked()?);
    }
    if matches.opt_present(options::HEALTH) {
        return readiness::health(&matches, &settings(&matches)?.checked()?);
    }
    command_line::refuse_words(&matches)?;
    if let Some(code) = matches.opt_str(options::EXPLAIN) {
        return inform::explain(&code);
    }
    if matches.opt_present(options::DEMO) {
        return demo(&matches);
    }
    if matches.opt_present(options::KEEP) {
        return Err(Failure::of_command_line(&"the option --keep requires --demo"));
    }
    // The program reports a wrong combination of options before errors in the settings.
    let transfer = transfer::requested(&matches).transpose()?;
    let settings = settings(&matches)?;
    if arguments.is_empty() && !settings.has_values() && !Path::new(Config::DEFAULT_FILE).exists() {
        // A misspelt variable may be the reason.
        settings.warnings().iter().for_each(|warning| command_line::warn(warning));
        return Err(command_line::not_configured());
    }
    if let Some(transfer) = transfer {
        return transfer.run(&settings.checked()?).map(|text| say(&text));
    }
    if let Some(path) = matches.opt_str(options::CHECK_DATABASE) {
        return inform::check_database(Path::new(&path), &settings.checked()?);
    }
    let (origins, warnings) = (settings.origins(), settings.warnings().to_vec());
    let config = configured(settings)?;
    if matches.opt_present(options::CHECK_SETTINGS) {
        warnings.iter().for_each(|warning| command_line::warn(warning));
        return Ok(say("The settings are valid."));
    }
    if let Some(path) = matches.opt_str(options::CHECK_CLIENT) {
        let key = matches.opt_strs(options::KEY).pop();
        let config = automatic::found(&config)?;
        return inform::check_client(&config, Path::new(&path), key.as_deref().map(Path::new));
    }
    if matches.opt_present(options::CHECK_CONFIG) {
        return automatic::check(&config, origins, warnings);
    }
    if let Some(new) = matches.opt_str(options::ROTATE) {
        rotate(&config, Path::new(&new))?;
        return Ok(say(
            "The database is encrypted with the new key; set key_encryption_key_path to its file.",
        ));
    }
    // The handlers exist before the first line, so that a process that reads the line can send signals.
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1])?;
    let exit_on_eof = matches.opt_present(options::EXIT_ON_EOF);
    let listener = systemd::listener()?;
    let Prepared { config, clients, notes } = automatic::prepare(config)?;
    let start = Start { signals, at_hangup: AtHangup::Reload, exit_on_eof, listener, clients, warnings };
    let notes: String = notes.iter().map(|note| format!("\n{note}")).collect();
    run(&config, start, |_| notes)
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
        // A database that is not encrypted has no key to replace.
        return Err(match check::inspect(config) {
            Ok(Inspection::Ours { is_sealed: true, .. }) => store::Error::NeedsKey { path: path.clone() },
            Ok(_) => store::Error::NotSealed { path: path.clone() },
            Err(error) => error,
        });
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

/// How a server starts and stops.
struct Start {
    signals: Signals,
    at_hangup: AtHangup,
    exit_on_eof: bool,
    /// The socket of the service manager, in place of `hostname` and `port`.
    listener: Option<TcpListener>,
    /// The clients whose certificates the server may hand out.
    clients: Vec<ClientFiles>,
    /// Warnings about the settings.
    warnings: Vec<String>,
}

/// Opens the log and serves. Prints the text that `more` returns for the address after the first lines.
fn run(config: &Config, start: Start, more: impl FnOnce(SocketAddr) -> String) -> Result<ExitCode, Failure> {
    logging::init(config)?;
    hardening::harden(config.max_connections.saturating_add(MAX_HANDSHAKES));
    std::panic::set_hook(Box::new(|panic| log::error!(target: "kmip.server", "{panic}")));
    let outcome = serve(config, start, more);
    if let Err(failure) = &outcome {
        log::error!(target: "kmip.server", "The server cannot start: {failure}");
    }
    log::logger().flush();
    outcome.map(|()| ExitCode::SUCCESS)
}

fn serve(config: &Config, start: Start, more: impl FnOnce(SocketAddr) -> String) -> Result<(), Failure> {
    let Start { signals, at_hangup, exit_on_eof, listener, clients, warnings } = start;
    for warning in &warnings {
        log::warn!(target: "kmip.server", "{warning}.");
        command_line::warn(warning);
    }
    let server = Server::bind_on(config, listener)?.explaining(kmip_server::internals::explain::in_words);
    for warning in server.warnings() {
        command_line::warn(warning);
    }
    namesake::warning().iter().for_each(|warning| command_line::warn(warning));
    server.offer(clients);
    let reload = matches!(at_hangup, AtHangup::Reload).then(|| server.reload());
    handle_signals(signals, server.shutdown(), reload, server.monitor())?;
    if exit_on_eof {
        stop_at_end_of_input(server.shutdown())?;
    }
    systemd::start_watchdog(server.monitor())?;
    let management = server.management_address().map(|address| format!("\nManagement on http://{address}"));
    let address = server.address();
    let lines = format!("Listening on {} ({address}){}", address.port(), management.unwrap_or_default());
    say(&format!("{lines}{}", more(address)));
    systemd::ready();
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

#[cfg(feature = "certificates")]
fn demo(matches: &Matches) -> Result<ExitCode, Failure> {
    demo::run_demo(matches)
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
    monitor: Monitor,
) -> io::Result<()> {
    let wait = move || {
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                log::info!(target: "kmip.server", "State: {}", monitor.status());
                continue;
            }
            if let Some(reload) = reload.as_ref().filter(|_| signal == SIGHUP) {
                logging::reopen();
                log::info!(target: "kmip.server", "Signal {signal}: the server reads its certificates again.");
                systemd::reloading();
                reload.wait();
                systemd::ready();
                continue;
            }
            log::info!(target: "kmip.server", "Signal {signal}: the server stops.");
            systemd::stopping();
            shutdown.stop();
        }
    };
    thread::Builder::new().name("kmip-signals".to_owned()).spawn(wait).map(drop)
}
