//! The command line: its parser and help from the tables of options, the settings that it yields, and the output.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use getopts::{Fail, Matches, Options};
use kmip_server::internals::config::Config;
use kmip_server::internals::explain::{self, Explained, Explanation};
use kmip_server::internals::settings::options::{self, Argument, CommandOption};
use kmip_server::internals::settings::{self, OptionForm, Settings};
use kmip_server::internals::suggestion::similar;
use kmip_server::internals::url;

const WRONG_COMMAND_LINE: u8 = 2;
const OTHER_FAILURE: u8 = 1;

/// The reason why the program cannot do what the command line requests.
pub(crate) struct Failure {
    exit: u8,
    text: String,
    explanation: Explanation,
}

impl Failure {
    /// Returns the failure of a wrong command line.
    pub(crate) fn of_command_line(error: &dyn fmt::Display) -> Self {
        Self::new(error, explain::COMMAND_LINE)
    }

    /// Returns the failure with this text and explanation.
    pub(crate) fn new(error: &dyn fmt::Display, explanation: Explanation) -> Self {
        let exit = if explanation == explain::COMMAND_LINE { WRONG_COMMAND_LINE } else { OTHER_FAILURE };
        Self { exit, text: url::masked(&error.to_string()).into_owned(), explanation }
    }

    /// Prints one line: what happened, what to do, and the code for `--explain`. Returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let Explanation { advice, code, .. } = self.explanation;
        drop(writeln!(
            io::stderr(),
            "run_server: {self}. What to do: {advice} (run_server --explain {code})"
        ));
        ExitCode::from(self.exit)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E: Explained + fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(&error, error.explanation())
    }
}

/// Returns the parser of these options.
fn parser(rows: impl IntoIterator<Item = CommandOption>) -> Options {
    let mut parser = Options::new();
    for CommandOption { letter, name, argument, help, .. } in rows {
        let letter = letter.map(String::from).unwrap_or_default();
        match argument {
            Argument::None => parser.optflag(&letter, name, help),
            Argument::NoneRepeatable => parser.optflagmulti(&letter, name, help),
            Argument::Once(placeholder) => parser.optopt(&letter, name, help, placeholder),
            Argument::Repeatable(placeholder) => parser.optmulti(&letter, name, help, placeholder),
            Argument::Optional(placeholder) => parser.optflagopt(&letter, name, help, placeholder),
        };
    }
    parser
}

/// Parses the options of these rows.
pub(crate) fn parse(
    rows: &[CommandOption],
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Matches, Failure> {
    parser(rows.iter().copied()).parse(arguments).map_err(|error| match error {
        Fail::UnrecognizedOption(name) => {
            let dashes = if name.chars().count() == 1 { "-" } else { "--" };
            let known = rows.iter().map(|option| format!("--{}", option.name));
            let similar = similar(&format!("{dashes}{name}"), known);
            Failure::of_command_line(&format!("the option {dashes}{name} does not exist{similar}"))
        }
        error => Failure::of_command_line(&error),
    })
}

/// Refuses the name of an option without its dashes. Like PyKMIP, ignores other arguments that belong to no option.
pub(crate) fn refuse_words(matches: &Matches) -> Result<(), Failure> {
    let is_name = |word: &&String| options::server_options().any(|option| option.name == **word);
    match matches.free.iter().find(is_name) {
        Some(word) => Err(Failure::of_command_line(&format!(
            "the argument '{word}' belongs to no option; similar: --{word}"
        ))),
        None => Ok(()),
    }
}

/// Returns the failure of a start without options and without the default settings file.
pub(crate) fn not_configured() -> Failure {
    let text = format!(
        "the server has no settings: there are no options, no environment variables, and no file {}",
        Config::DEFAULT_FILE
    );
    Failure::new(&text, explain::NOT_CONFIGURED)
}

/// Returns the text of `--help`.
pub(crate) fn help() -> String {
    let server = parser(options::server_options());
    let certificates = parser(options::CERTIFICATE_OPTIONS.iter().copied());
    format!(
        "{}\n{}",
        server.usage(&format!(
            "Usage: run_server [options]\n\nRuns a KMIP server. Each setting can also be an environment variable: {} for \
             port.",
            settings::variable("port")
        )),
        certificates.usage(
            "Usage: run_server --make-certs DIR [options]\n\nCreates certificates for trials and tests."
        )
    )
}

/// Reads the settings of the file, then those of the environment, then those of the options. The last of several equal
/// options applies.
pub(crate) fn settings(matches: &Matches) -> Result<Settings, settings::Error> {
    let last = |name| matches.opt_strs(name).pop().filter(|value| !value.is_empty());
    let default = Path::new(Config::DEFAULT_FILE);
    let mut settings = match last(options::CONFIG_PATH) {
        Some(path) => Settings::from_file(Path::new(&path))?,
        None if default.exists() => Settings::from_file(default)?,
        None => Settings::default(),
    };
    settings.environment(std::env::vars_os());
    option_settings(matches, &mut settings);
    Ok(settings)
}

/// Sets the settings of the options.
pub(crate) fn option_settings(matches: &Matches, settings: &mut Settings) {
    let last = |name| matches.opt_strs(name).pop();
    for setting in settings::SETTINGS.iter().filter(|setting| setting.option != OptionForm::None) {
        if let Some(value) = last(setting.name) {
            settings.option(setting.name, &value);
        }
    }
    // PyKMIP's users abbreviate the option `key_path`.
    if let Some(path) = last(options::KEY).filter(|_| !matches.opt_present(options::CHECK_CLIENT)) {
        settings.option("key_path", &path);
    }
    if let Some(path) = last(options::LOG_PATH) {
        settings.log_path(&path);
    }
    if matches.opt_present(options::IGNORE_TLS_CLIENT_AUTH) {
        settings.option("enable_tls_client_auth", "False");
    }
}

/// Returns whether the command line requests certificates. That mode has its own options.
pub(crate) fn requests_certificates(arguments: &[OsString]) -> bool {
    let option = format!("--{}", options::MAKE_CERTS);
    let with_value = format!("{option}=");
    let mut arguments = arguments.iter().filter_map(|argument| argument.to_str());
    arguments.any(|argument| argument == option || argument.starts_with(&with_value))
}

/// Completes abbreviated long options as PyKMIP does: `--host` becomes `--hostname` if no other option begins so.
pub(crate) fn complete(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let options: Vec<_> = options::server_options().filter(|option| option.letter.is_some()).collect();
    let takes_value = |option: &&CommandOption| option.argument.placeholder().is_some();
    let mut is_value = false;
    let mut complete = |argument: OsString| {
        let Some(text) = argument.to_str().filter(|_| !is_value) else {
            is_value = false;
            return argument;
        };
        let Some(long) = text.strip_prefix("--").filter(|long| !long.is_empty()) else {
            let flag = |option: &CommandOption| option.letter.is_some_and(|letter| text.ends_with(letter));
            let is_flag = options.iter().filter(|option| !takes_value(option)).any(flag);
            is_value = text.len() == 2 && text.starts_with('-') && text != "--" && !is_flag;
            return argument;
        };
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        // `--key` has a meaning of its own beside `--check-client`.
        if name == options::KEY {
            is_value = value.is_none();
            return argument;
        }
        // The names of settings have underscores, those of other options hyphens.
        let other = if name.contains('_') { name.replace('_', "-") } else { name.replace('-', "_") };
        let known = |name: &str| options::server_options().find(|option| option.name == name);
        if let Some(known) = known(name).or_else(|| known(&other)) {
            let is_optional = matches!(known.argument, Argument::Optional(_));
            is_value = value.is_none() && takes_value(&&known) && !is_optional;
            let name = known.name;
            return value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}")).into();
        }
        let mut candidates = options.iter().filter(|option| option.name.starts_with(name));
        let found = match (candidates.next(), candidates.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        };
        is_value = value.is_none() && found.as_ref().is_none_or(takes_value);
        let name = found.map_or(name, |option| option.name);
        value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}")).into()
    };
    // What follows two dashes belongs to a command.
    let mut arguments = arguments.peekable();
    let mut completed = Vec::new();
    while let Some(argument) = arguments.next_if(|argument| argument != "--") {
        completed.push(complete(argument));
    }
    completed.extend(arguments);
    completed
}

/// Prints a warning on standard error. Ignores errors, because standard error may be closed.
pub(crate) fn warn(text: &str) {
    drop(writeln!(io::stderr(), "run_server: warning: {}", url::masked(text)));
}

/// Prints a text on standard output. Ignores errors, because standard output may be closed.
pub(crate) fn say(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    ExitCode::SUCCESS
}
