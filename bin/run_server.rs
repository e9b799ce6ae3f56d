//! Runs a server: PyKMIP's options, settings, log, [`Server`]. What fails becomes one line on standard error and
//! an exit code: 2 for a wrong command line, 1 for a failed start.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

#[path = "inform.rs"]
mod inform;
#[path = "tasks.rs"]
mod tasks;
#[path = "transfer.rs"]
mod transfer;

use getopts::{Matches, Options};
use kmip_server::internals::config::Config;
use kmip_server::internals::explain::{self, Explained, Explanation};
use kmip_server::internals::hardening;
use kmip_server::internals::logging;
use kmip_server::internals::server::{MAX_HANDSHAKES, Observer, Server, Shutdown};
use kmip_server::internals::settings::{self, Settings};
use kmip_server::internals::store::{self, KeyEncryptionKey, Sqlite};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

const WRONG_COMMAND_LINE: u8 = 2;
const FAILED_START: u8 = 1;

/// The options that give a setting of the same name: letter, name, what `-h` says.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("n", "hostname", "The name or address to listen on; empty for every IPv4 address."),
    ("p", "port", "The port to listen on: 5696 is KMIP's, 0 picks a free one."),
    ("c", "certificate_path", "The server's certificate, a PEM file."),
    ("k", "key_path", "The server's private key, a PEM file; the certificate's file where not given."),
    ("a", "ca_path", "The certificates that clients are trusted by, a PEM file."),
    ("s", "auth_suite", "The versions of TLS: Basic (1.2 and 1.3), TLS1.2 or TLS1.3."),
    ("o", "policy_path", "The directory of operation policy files."),
    ("v", "logging_level", "What is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL."),
    ("d", "database_path", "The SQLite file of the objects, or :memory: for none."),
];

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if tasks::wants_certificates(&arguments) {
        return match tasks::make_certificates(&arguments) {
            Ok(text) => say(&text),
            Err(error) => error.code(),
        };
    }
    let options = options();
    let matches = match options.parse(complete(arguments.into_iter())) {
        Ok(matches) => matches,
        Err(error) => return failure(WRONG_COMMAND_LINE, &error, explain::COMMAND_LINE),
    };
    if matches.opt_present("help") {
        return say(&help(&options));
    }
    if let Some(code) = matches.opt_str(EXPLAIN) {
        return inform::explain(&code);
    }
    if matches.opt_present("demo") {
        return demo(&matches).unwrap_or_else(|error| error.code());
    }
    let settings = settings(&matches);
    if let Some(task) = transfer::wanted(&matches) {
        return match task.and_then(|task| task.run(&settings?)) {
            Ok(text) => say(&text),
            Err(error) => error.code(),
        };
    }
    let config = match settings.and_then(Settings::into_config) {
        Ok(config) => config,
        Err(error) => return Problem::from(error).code(),
    };
    if matches.opt_present(CHECK_SETTINGS) {
        return say("The settings can be used.");
    }
    if matches.opt_present(CHECK_CONFIG) {
        return inform::check(&config);
    }
    if let Some(new) = matches.opt_str(ROTATE) {
        return match rotate(&config, Path::new(&new)) {
            Ok(()) => say("The database has the new key: name its file in key_encryption_key_path."),
            Err(error) => Problem::from(error).code(),
        };
    }
    run(&config, matches.opt_present("exit-on-eof"), |_| String::new())
}

/// The option that changes the key of an encrypted database.
const ROTATE: &str = "rotate-key-encryption-key";
/// The options that tell and do nothing.
const EXPLAIN: &str = "explain";
const CHECK_CONFIG: &str = "check-config";
const CHECK_SETTINGS: &str = "check-settings";

/// Why the program does not do what it was asked.
pub(crate) struct Problem {
    exit: u8,
    text: String,
    explanation: Explanation,
}

impl Problem {
    /// What is wrong with the command line.
    pub(crate) fn of_command_line(error: &dyn Display) -> Self {
        Self { exit: WRONG_COMMAND_LINE, text: error.to_string(), explanation: explain::COMMAND_LINE }
    }

    /// Tells it, and gives the exit code for it.
    pub(crate) fn code(&self) -> ExitCode {
        failure(self.exit, &self.text, self.explanation)
    }
}

impl<E: Explained + Display> From<E> for Problem {
    fn from(error: E) -> Self {
        let explanation = error.explanation();
        let exit = if explanation == explain::COMMAND_LINE { WRONG_COMMAND_LINE } else { FAILED_START };
        Self { exit, text: error.to_string(), explanation }
    }
}

fn rotate(config: &Config, new: &Path) -> Result<(), store::Error> {
    let path = &config.database_path;
    let Some(old) = &config.key_encryption_key_path else {
        return Err(store::Error::NeedsKey { path: path.clone() });
    };
    Sqlite::change_key(path, &KeyEncryptionKey::read(old)?, &KeyEncryptionKey::read(new)?)
}

/// Logs and serves; `more` is said once the port is known.
fn run(config: &Config, ends_with_input: bool, more: impl FnOnce(u16) -> String) -> ExitCode {
    if let Err(error) = logging::init(&config.log_path, config.logging_level) {
        return Problem::from(error).code();
    }
    hardening::harden(config.max_connections.saturating_add(MAX_HANDSHAKES));
    std::panic::set_hook(Box::new(|panic| log::error!(target: "kmip.server", "{panic}")));
    let code = match serve(config, ends_with_input, more) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            log::error!(target: "kmip.server", "The server cannot start: {}", problem.text);
            problem.code()
        }
    };
    log::logger().flush();
    code
}

fn serve(config: &Config, ends_with_input: bool, more: impl FnOnce(u16) -> String) -> Result<(), Problem> {
    // Before the port is told, so that a signal from whoever waits for it finds its handler.
    let signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
    let server = Server::bind(config)?;
    heed(signals, server.shutdown(), server.observer())?;
    if ends_with_input {
        stop_at_end_of_input(server.shutdown())?;
    }
    say(&format!("Listening on {} ({}){}", server.port(), server.address(), more(server.port())));
    server.run();
    Ok(())
}

/// A server in memory with certificates of its own, for a trial, on a free port. Of the options, `-p` and `-v`
/// count.
fn demo(matches: &Matches) -> Result<ExitCode, Problem> {
    let trial = tasks::Trial::begin()?;
    let mut settings = Settings::default();
    for (name, value) in trial.options() {
        settings.option(name, &value)?;
    }
    for name in ["port", "logging_level"] {
        if let Some(value) = matches.opt_strs(name).pop() {
            settings.option(name, &value)?;
        }
    }
    settings.log_path(&trial.log_path());
    let config = settings.into_config()?;
    let lines = |port| format!("\n\nPaste into a python3 with PyKMIP:\n\n{}", trial.lines(port));
    Ok(run(&config, matches.opt_present("exit-on-eof"), lines))
}

/// For programs that start a server and must not leave it behind: whoever holds the other end of its standard
/// input is gone when there is no more.
fn stop_at_end_of_input(shutdown: Shutdown) -> io::Result<()> {
    let wait = move || {
        let (mut input, mut room) = (io::stdin().lock(), [0; 256]);
        while input.read(&mut room).is_ok_and(|count| count > 0) {}
        log::info!(target: "kmip.server", "Standard input has ended: the server stops.");
        shutdown.stop();
    };
    thread::Builder::new().name("kmip-input".to_owned()).spawn(wait).map(drop)
}

fn heed(mut signals: Signals, shutdown: Shutdown, observer: Observer) -> io::Result<()> {
    let wait = move || {
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                log::info!(target: "kmip.server", "State: {}", observer.status());
                continue;
            }
            log::info!(target: "kmip.server", "Signal {signal}: the server stops.");
            shutdown.stop();
        }
    };
    thread::Builder::new().name("kmip-signals".to_owned()).spawn(wait).map(drop)
}

fn options() -> Options {
    let mut options = Options::new();
    options.optflag("h", "help", "Shows this and exits.");
    for (letter, name, help) in SETTINGS {
        options.optmulti(letter, name, help, "VALUE");
    }
    options.optmulti(
        "f",
        "config_path",
        "The settings file; /etc/pykmip/server.conf where not given.",
        "FILE",
    );
    options.optmulti("l", "log_path", "The log file; /var/log/pykmip/server.log where not given.", "FILE");
    options.optflagmulti(
        "i",
        "ignore_tls_client_auth",
        "Takes client certificates without client authentication in their extended key usage.",
    );
    options.optopt("", ROTATE, "Changes an encrypted database to the key in that file, and exits.", "NEW");
    transfer::add_options(&mut options);
    options.optflag(
        "",
        CHECK_CONFIG,
        "Shows what the server would do, what would keep it from starting and what looks like a mistake, and exits.",
    );
    options.optflag("", CHECK_SETTINGS, "Reads the settings, and nothing that they name, and exits.");
    options.optopt(
        "",
        EXPLAIN,
        "Says what an error of this program or a Result Reason means; list shows all.",
        "CODE",
    );
    options.optflag("", "exit-on-eof", "Stops when standard input ends: for programs that start a server.");
    options.optflag(
        "",
        "demo",
        "Serves from memory, with certificates of its own, and shows lines to paste.",
    );
    options
}

fn help(options: &Options) -> String {
    let certificates = tasks::certificate_options();
    format!(
        "{}\n{}",
        options.usage("Usage: run_server [options]\n\nRuns a KMIP server."),
        certificates.usage(
            "Usage: run_server --make-certs DIR [options]\n\nMakes certificates for trials and tests."
        )
    )
}

/// The settings of the file, then those of the options, of which the last of its kind counts.
fn settings(matches: &Matches) -> Result<Settings, settings::Error> {
    let last = |name| matches.opt_strs(name).pop().filter(|value| !value.is_empty());
    let mut settings = match last("config_path") {
        Some(path) => Settings::from_file(Path::new(&path))?,
        None if Path::new(Config::DEFAULT_FILE).exists() => {
            Settings::from_file(Path::new(Config::DEFAULT_FILE))?
        }
        None => Settings::default(),
    };
    for (_, name, _) in SETTINGS {
        if let Some(value) = last(name) {
            settings.option(name, &value)?;
        }
    }
    if let Some(path) = last("log_path") {
        settings.log_path(&path);
    }
    if matches.opt_present("ignore_tls_client_auth") {
        settings.option("enable_tls_client_auth", "False")?;
    }
    Ok(settings)
}

/// Writes long options out in full: `--host` is `--hostname`, as for PyKMIP, where no other begins so.
fn complete(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let flags = ["help", "ignore_tls_client_auth"];
    let valued = SETTINGS.iter().map(|(_, name, _)| *name).chain(["config_path", "log_path"]);
    let names: Vec<_> = valued.chain(flags).collect();
    let mut is_value = false;
    let write_out = |argument: OsString| {
        let Some(text) = argument.to_str().filter(|_| !is_value) else {
            is_value = false;
            return argument;
        };
        let Some(long) = text.strip_prefix("--").filter(|long| !long.is_empty()) else {
            is_value = text.len() == 2 && text.starts_with('-') && !matches!(text, "-h" | "-i" | "--");
            return argument;
        };
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let mut fitting = names.iter().filter(|full| full.starts_with(name));
        let name = match (fitting.next(), fitting.next()) {
            (Some(only), None) => only,
            _ => name,
        };
        is_value = value.is_none() && !flags.contains(&name);
        value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}")).into()
    };
    arguments.map(write_out).collect()
}

/// Nobody may be reading: that is no reason to fail.
fn say(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    ExitCode::SUCCESS
}

/// One line: what is wrong, what to do about it, and where there is more.
fn failure(code: u8, error: &dyn Display, explanation: Explanation) -> ExitCode {
    let Explanation { advice, code: word, .. } = explanation;
    drop(writeln!(io::stderr(), "run_server: {error}. What to do: {advice} (run_server --explain {word})"));
    ExitCode::from(code)
}
