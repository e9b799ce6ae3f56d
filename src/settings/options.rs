//! The table of command line options. A row is the only declaration of an option: the parser, `--help`,
//! docs/command-line.md and the manual page follow from it. Options that set a setting come from its row in
//! [`SETTINGS`].

use super::table::{OptionForm, SETTINGS};

/// One command line option.
#[derive(Clone, Copy, Debug)]
pub struct CommandOption {
    /// The letter, if the option has one. The long names of options with a letter can be abbreviated: those of PyKMIP and
    /// `--version`.
    pub letter: Option<char>,
    /// The long name.
    pub name: &'static str,
    /// The argument.
    pub argument: Argument,
    /// One or two sentences.
    pub help: &'static str,
    /// The version of this server that introduced the option.
    pub since: &'static str,
}

/// The argument of an option, by its placeholder in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// No argument.
    None,
    /// No argument; repetitions have no effect.
    NoneRepeatable,
    /// An argument; the option is given at most once.
    Once(&'static str),
    /// An argument; the option can be given several times.
    Repeatable(&'static str),
    /// An argument, which may be missing; the option is given at most once.
    Optional(&'static str),
}

impl Argument {
    /// Returns the placeholder, or `None` for an option without argument.
    pub fn placeholder(self) -> Option<&'static str> {
        match self {
            Self::None | Self::NoneRepeatable => None,
            Self::Once(placeholder) | Self::Repeatable(placeholder) | Self::Optional(placeholder) => {
                Some(placeholder)
            }
        }
    }
}

/// The option for the settings file.
pub const CONFIG_PATH: &str = "config_path";
/// The option for the log file.
pub const LOG_PATH: &str = "log_path";
/// The option that sets `enable_tls_client_auth` to False.
pub const IGNORE_TLS_CLIENT_AUTH: &str = "ignore_tls_client_auth";
/// The option for a trial server.
pub const DEMO: &str = "demo";
/// The option for the folder of a trial server that is kept.
pub const KEEP: &str = "keep";
/// The option that asks whether a server is ready.
pub const HEALTH: &str = "health";
/// The option that waits until a server is ready.
pub const WAIT_READY: &str = "wait-ready";
/// The option that changes the key of an encrypted database.
pub const ROTATE: &str = "rotate-key-encryption-key";
/// The option that exports the database.
pub const EXPORT: &str = "export";
/// The option that imports an export.
pub const IMPORT: &str = "import";
/// The option for the key of an export.
pub const SEAL_KEY: &str = "seal-key";
/// The option that checks the settings and the files that they name.
pub const CHECK_CONFIG: &str = "check-config";
/// The option that checks the settings only.
pub const CHECK_SETTINGS: &str = "check-settings";
/// The option that verifies every record of a database.
pub const CHECK_DATABASE: &str = "check-database";
/// The option that checks a client's certificate.
pub const CHECK_CLIENT: &str = "check-client";
/// The option for the private key of that certificate; without [`CHECK_CLIENT`], an abbreviation of `key_path`.
pub const KEY: &str = "key";
/// The option that explains an error.
pub const EXPLAIN: &str = "explain";
/// The option that ties the server to its standard input.
pub const EXIT_ON_EOF: &str = "exit-on-eof";
/// The option that creates certificates.
pub const MAKE_CERTS: &str = "make-certs";
/// The option that prints the options.
pub const HELP: &str = "help";
/// The option that prints the version.
pub const VERSION: &str = "version";

const fn row(
    letter: Option<char>,
    name: &'static str,
    argument: Argument,
    help: &'static str,
    since: &'static str,
) -> CommandOption {
    CommandOption { letter, name, argument, help, since }
}

/// The options of the server that are not in [`SETTINGS`].
const OTHERS: &[CommandOption] = &[
    row(
        Some('f'),
        CONFIG_PATH,
        Argument::Repeatable("FILE"),
        "The settings file; by default /etc/pykmip/server.conf, if it exists.",
        "0.1.0",
    ),
    row(
        Some('l'),
        LOG_PATH,
        Argument::Repeatable("FILE"),
        "The log file; by default /var/log/pykmip/server.log; - for standard output.",
        "0.1.0",
    ),
    row(
        Some('i'),
        IGNORE_TLS_CLIENT_AUTH,
        Argument::NoneRepeatable,
        "Sets enable_tls_client_auth to False.",
        "0.1.0",
    ),
    row(Some('h'), HELP, Argument::None, "Prints the options and exits.", "0.1.0"),
    row(Some('V'), VERSION, Argument::None, "Prints the version of this program and exits.", "0.1.0"),
    row(
        None,
        DEMO,
        Argument::None,
        "Serves from memory on a free port with temporary certificates, and prints Python lines for a first key; other \
         options change the settings.",
        "0.1.0",
    ),
    row(
        None,
        KEEP,
        Argument::Once("DIR"),
        "The folder of --demo's certificates and log, which remains; the next --demo with it uses the same certificates.",
        "0.1.0",
    ),
    row(
        None,
        HEALTH,
        Argument::Optional("[ADDRESS]"),
        "Asks the server with the management interface ADDRESS, by default management_address, whether it is ready, and \
         exits with 0 or 1.",
        "0.1.0",
    ),
    row(
        None,
        WAIT_READY,
        Argument::Once("SECONDS"),
        "Waits until the server with management_address is ready, at most SECONDS, then prints its port, or runs the \
         command that follows -- with the port in KMIP_SERVER_PORT.",
        "0.1.0",
    ),
    row(
        None,
        CHECK_CONFIG,
        Argument::None,
        "Prints what the server would do with its settings, then errors and warnings, and exits; changes nothing.",
        "0.1.0",
    ),
    row(
        None,
        CHECK_SETTINGS,
        Argument::None,
        "Checks the settings, but not the contents of the files that they name, and exits.",
        "0.1.0",
    ),
    row(
        None,
        CHECK_DATABASE,
        Argument::Once("FILE"),
        "Verifies every record of the database FILE or of a PostgreSQL URL, prints the damaged ones, and exits with 1 if there \
         are any.",
        "0.1.0",
    ),
    row(
        None,
        CHECK_CLIENT,
        Argument::Once("CERT"),
        "Prints whether the server would let in a client with the certificate in the file CERT, as which user and in \
         which groups, or why not, and exits with 1.",
        "0.1.0",
    ),
    row(
        None,
        KEY,
        Argument::Repeatable("KEY"),
        "The file of the client's private key, for --check-client; without it, short for --key_path.",
        "0.1.0",
    ),
    row(
        None,
        EXPLAIN,
        Argument::Once("CODE"),
        "Explains an error code of this program or a Result Reason, and exits; list prints all codes.",
        "0.1.0",
    ),
    row(None, EXPORT, Argument::Once("FILE"), "Writes the whole database to a new file, and exits.", "0.1.0"),
    row(
        None,
        IMPORT,
        Argument::Once("FILE"),
        "Adds a whole export, or a database of PyKMIP's server, to the database, or nothing if an error occurs, and exits.",
        "0.1.0",
    ),
    row(
        None,
        SEAL_KEY,
        Argument::Once("FILE"),
        "The file of the key that encrypts the export, for --export and --import.",
        "0.1.0",
    ),
    row(
        None,
        ROTATE,
        Argument::Once("NEW"),
        "Re-encrypts the database with the key in the file NEW, and exits.",
        "0.1.0",
    ),
    row(
        None,
        EXIT_ON_EOF,
        Argument::None,
        "Stops the server at the end of standard input, for programs that start it.",
        "0.1.0",
    ),
];

/// The options of `--make-certs`, that one first.
pub const CERTIFICATE_OPTIONS: &[CommandOption] = &[
    row(
        None,
        MAKE_CERTS,
        Argument::Once("DIR"),
        "Creates a CA, a server certificate, client certificates and a settings file of PyKMIP's client in the \
         folder DIR; with --client, adds clients to the CA in DIR; overwrites nothing.",
        "0.1.0",
    ),
    row(
        None,
        "client",
        Argument::Repeatable("NAME"),
        "The common name of a client; by default John Doe and Jane Doe.",
        "0.1.0",
    ),
    row(
        None,
        "host",
        Argument::Repeatable("NAME"),
        "A host name or address of the server; by default those of this machine.",
        "0.1.0",
    ),
    row(
        None,
        "days",
        Argument::Once("N"),
        "The validity of the certificates in days; by default 3650.",
        "0.1.0",
    ),
    row(None, "ec", Argument::None, "Creates P-256 keys instead of RSA keys of 2048 bits.", "0.1.0"),
    row(
        None,
        "pkcs12",
        Argument::Once("PASSWORD_FILE"),
        "Also creates a PKCS#12 container for each client, with the password in that file.",
        "0.1.0",
    ),
    row(
        Some('p'),
        "port",
        Argument::Once("PORT"),
        "The server's port in the client settings; by default 5696.",
        "0.1.0",
    ),
    row(Some('h'), HELP, Argument::None, "Prints the options and exits.", "0.1.0"),
];

/// Returns the options of the server: those of the settings first.
pub fn server_options() -> impl Iterator<Item = CommandOption> {
    let of_settings = SETTINGS.iter().filter_map(|setting| {
        let letter = match setting.option {
            OptionForm::None => return None,
            OptionForm::Long => None,
            OptionForm::Letter(letter) => Some(letter),
        };
        Some(row(letter, setting.name, Argument::Repeatable("VALUE"), setting.help, setting.since))
    });
    of_settings.chain(OTHERS.iter().copied())
}
