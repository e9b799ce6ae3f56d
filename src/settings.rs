//! From a settings file and a command line to a [`Config`]: names, values, precedence.
//!
//! The file is read as PyKMIP reads it ([`ini`] has the grammar): sections `[server]` and `[auth:NAME]`, all
//! others ignored. An option counts more than the file. The settings are the rows of [`SETTINGS`].

pub mod ini;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Announcement, AuthPlugin, AuthSuite, ClientEndpoint, Config, Level, Section};

/// One setting of the section `[server]`.
struct Setting {
    name: &'static str,
    set: fn(&mut Settings, &str) -> Result<(), Problem>,
}

/// Every setting, in the order of server.conf.example.
const SETTINGS: &[Setting] = &[
    Setting { name: "hostname", set: |it, value| put(&mut it.hostname, Ok(value.to_owned())) },
    Setting { name: "port", set: |it, value| put(&mut it.port, port(value)) },
    Setting { name: "certificate_path", set: |it, value| put(&mut it.certificate_path, existing(value)) },
    Setting { name: "key_path", set: |it, value| put_unless_empty(&mut it.key_path, value, existing) },
    Setting { name: "ca_path", set: |it, value| put(&mut it.ca_path, existing(value)) },
    Setting { name: "auth_suite", set: |it, value| put(&mut it.auth_suite, suite(value)) },
    Setting { name: "policy_path", set: |it, value| put_unless_empty(&mut it.policy_path, value, path) },
    Setting { name: "live_policies", set: |it, value| put(&mut it.live_policies, boolean(value)) },
    Setting {
        name: "enable_tls_client_auth",
        set: |it, value| put(&mut it.enable_tls_client_auth, boolean(value)),
    },
    Setting {
        name: "enable_credential_identity",
        set: |it, value| put(&mut it.enable_credential_identity, boolean(value)),
    },
    Setting { name: "tls_cipher_suites", set: |it, value| put(&mut it.tls_cipher_suites, Ok(words(value))) },
    Setting { name: "logging_level", set: |it, value| put(&mut it.logging_level, level(value)) },
    Setting { name: "database_path", set: |it, value| put_unless_empty(&mut it.database_path, value, path) },
    Setting {
        name: "key_encryption_key_path",
        set: |it, value| put_unless_empty(&mut it.key_encryption_key_path, value, existing),
    },
    Setting { name: "status_path", set: |it, value| put_unless_empty(&mut it.status_path, value, path) },
    Setting {
        name: "certify_ca_certificate",
        set: |it, value| put_unless_empty(&mut it.certify_ca_certificate, value, existing),
    },
    Setting {
        name: "certify_ca_key",
        set: |it, value| put_unless_empty(&mut it.certify_ca_key, value, existing),
    },
    Setting {
        name: "announced_profiles",
        set: |it, value| put_unless_empty(&mut it.announced.profiles, value, profiles),
    },
    Setting {
        name: "announced_manufacturer",
        set: |it, value| put_unless_empty(&mut it.announced.manufacturer, value, text),
    },
    Setting {
        name: "announced_product",
        set: |it, value| put_unless_empty(&mut it.announced.product, value, text),
    },
    Setting {
        name: "announced_version",
        set: |it, value| put_unless_empty(&mut it.announced.version, value, text),
    },
    Setting {
        name: "announced_pkcs11_version",
        set: |it, value| put_unless_empty(&mut it.announced.pkcs11_version, value, text),
    },
    Setting { name: "client_endpoints", set: |it, value| put(&mut it.client_endpoints, endpoints(value)) },
    Setting { name: "max_connections", set: |it, value| put(&mut it.max_connections, count(value)) },
    Setting { name: "max_request_size", set: |it, value| put(&mut it.max_request_size, count(value)) },
];

/// The names that the section `[server]` may hold.
pub fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.name)
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is no port number.
    NotAPort,
    /// It leads to no file.
    NoSuchFile,
    /// It is no authentication suite.
    NotASuite,
    /// It is neither true nor false.
    NotABoolean,
    /// It is no logging level.
    NotALevel,
    /// It is no number above zero.
    NotACount,
    /// It does not say which user listens where, or says it twice.
    NotEndpoints,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAPort => "a port is a number from 0 to 65535; 0 picks a free one",
            Self::NoSuchFile => "there is no such file",
            Self::NotASuite => "the authentication suites are Basic, TLS1.2 and TLS1.3",
            Self::NotABoolean => "this setting is either True or False",
            Self::NotALevel => "the logging levels are DEBUG, INFO, WARNING, ERROR and CRITICAL",
            Self::NotACount => "this setting is a number above zero",
            Self::NotEndpoints => {
                "this setting is user=host:port, one a line or separated by commas, each user once"
            }
        })
    }
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In this file.
    File(PathBuf),
    /// On the command line.
    Options,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Options => f.write_str("command line"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is not one of settings.
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: ini::Error,
    },
    /// The file has no section `[server]`.
    NoServerSection(
        /// The file.
        PathBuf,
    ),
    /// The section `[server]` holds a setting that does not exist.
    Unknown {
        /// The file.
        path: PathBuf,
        /// The name.
        setting: String,
    },
    /// A setting without default was given nowhere.
    Missing {
        /// The name.
        setting: &'static str,
        /// The file that could hold it, where one was read.
        path: Option<PathBuf>,
    },
    /// A value is not one that the setting can have.
    Invalid {
        /// Where it was given.
        source: Source,
        /// The section, where it is not `[server]`.
        section: Option<String>,
        /// The setting.
        setting: String,
        /// What was given.
        value: String,
        /// What is wrong with it.
        problem: Problem,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, cause } => {
                write!(f, "the configuration file {} cannot be read: {cause}", path.display())
            }
            Self::Malformed { path, cause } => write!(f, "{}: {cause}", path.display()),
            Self::NoServerSection(path) => write!(f, "{}: there is no section [server]", path.display()),
            Self::Unknown { path, setting } => {
                write!(f, "{}: the setting '{setting}' does not exist; remove it", path.display())
            }
            Self::Missing { setting, path: Some(path) } => {
                write!(f, "{}: the setting '{setting}' is missing", path.display())
            }
            Self::Missing { setting, path: None } => {
                write!(f, "the setting '{setting}' is missing: give it as --{setting} or in a file (-f)")
            }
            Self::Invalid { source, section, setting, value, problem } => {
                write!(f, "{source}: ")?;
                if let Some(section) = section {
                    write!(f, "section [{section}]: ")?;
                }
                write!(f, "the setting '{setting}' cannot be '{value}': {problem}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// The settings given so far, each checked as it is given.
#[derive(Debug, Default)]
pub struct Settings {
    file: Option<PathBuf>,
    hostname: Option<String>,
    port: Option<u16>,
    certificate_path: Option<PathBuf>,
    key_path: Option<PathBuf>,
    ca_path: Option<PathBuf>,
    auth_suite: Option<AuthSuite>,
    log_path: Option<PathBuf>,
    policy_path: Option<PathBuf>,
    live_policies: Option<bool>,
    enable_tls_client_auth: Option<bool>,
    enable_credential_identity: Option<bool>,
    tls_cipher_suites: Option<Vec<String>>,
    logging_level: Option<Level>,
    database_path: Option<PathBuf>,
    key_encryption_key_path: Option<PathBuf>,
    status_path: Option<PathBuf>,
    certify_ca_certificate: Option<PathBuf>,
    certify_ca_key: Option<PathBuf>,
    announced: Announcement,
    client_endpoints: Option<Vec<ClientEndpoint>>,
    max_connections: Option<usize>,
    max_request_size: Option<usize>,
    auth_plugins: Vec<AuthPlugin>,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// All of [`Error`] but `Missing`: an option may still give what the file does not.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| Error::Unreadable { path: path.to_owned(), cause })?;
        Self::from_text(path, &text)
    }

    /// Reads what the file at `path` holds.
    ///
    /// # Errors
    /// Those of [`Settings::from_file`].
    pub fn from_text(path: &Path, text: &str) -> Result<Self, Error> {
        let malformed = |cause| Error::Malformed { path: path.to_owned(), cause };
        let file = ini::File::parse(text).map_err(malformed)?;
        let server = file.section("server").map_err(malformed)?;
        let server = server.ok_or_else(|| Error::NoServerSection(path.to_owned()))?;
        let mut settings = Self { file: Some(path.to_owned()), ..Self::default() };
        if let Some((unknown, _)) = server.iter().find(|(key, _)| names().all(|name| name != key)) {
            return Err(Error::Unknown { path: path.to_owned(), setting: unknown.clone() });
        }
        for (key, value) in &server {
            settings.set(&Source::File(path.to_owned()), key, value)?;
        }
        for section in file.sections().filter(|name| name.starts_with("auth:")) {
            let entries = file.section(section).map_err(malformed)?.unwrap_or_default();
            settings.auth_plugins.push(plugin(path, section, &entries)?);
        }
        for section in file.sections().filter(|name| name.starts_with("validation:")) {
            let entries = file.section(section).map_err(malformed)?.unwrap_or_default();
            settings.announced.validations.push(Section { name: section.to_owned(), entries });
        }
        Ok(settings)
    }

    /// Takes an option of the command line, by the name of its setting; it counts more than the file. An empty
    /// one counts as not given, and a name that is no setting is left alone.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn option(&mut self, name: &str, value: &str) -> Result<(), Error> {
        if value.is_empty() { Ok(()) } else { self.set(&Source::Options, name, value) }
    }

    /// Takes the log path, which PyKMIP takes from the command line only.
    pub fn log_path(&mut self, path: &str) {
        self.log_path = Some(path).filter(|path| !path.is_empty()).map(PathBuf::from);
    }

    /// Where the objects are kept, and the file of the key that they are sealed with: all that those need who do
    /// not serve.
    pub fn database(&self) -> (PathBuf, Option<PathBuf>) {
        let path = self.database_path.clone();
        (path.unwrap_or_else(|| Config::DEFAULT_DATABASE.into()), self.key_encryption_key_path.clone())
    }

    /// All settings, the defaults where nothing was given.
    ///
    /// # Errors
    /// [`Error::Missing`] for a setting that has no default.
    pub fn into_config(self) -> Result<Config, Error> {
        let missing = |setting| Error::Missing { setting, path: self.file.clone() };
        let hostname = self.hostname.ok_or_else(|| missing("hostname"))?;
        let port = self.port.ok_or_else(|| missing("port"))?;
        let certificate_path = self.certificate_path.ok_or_else(|| missing("certificate_path"))?;
        let ca_path = self.ca_path.ok_or_else(|| missing("ca_path"))?;
        if self.auth_suite.is_none() && self.file.is_some() {
            return Err(missing("auth_suite"));
        }
        let defaults = Config::new(certificate_path, ca_path);
        Ok(Config {
            hostname,
            port,
            key_path: self.key_path,
            auth_suite: self.auth_suite.unwrap_or(defaults.auth_suite),
            log_path: self.log_path.unwrap_or(defaults.log_path),
            policy_path: self.policy_path,
            live_policies: self.live_policies.unwrap_or(defaults.live_policies),
            enable_tls_client_auth: self.enable_tls_client_auth.unwrap_or(defaults.enable_tls_client_auth),
            enable_credential_identity: self
                .enable_credential_identity
                .unwrap_or(defaults.enable_credential_identity),
            tls_cipher_suites: self.tls_cipher_suites.unwrap_or_default(),
            logging_level: self.logging_level.unwrap_or(defaults.logging_level),
            database_path: self.database_path.unwrap_or(defaults.database_path),
            key_encryption_key_path: self.key_encryption_key_path,
            status_path: self.status_path,
            certify_ca_certificate: self.certify_ca_certificate,
            certify_ca_key: self.certify_ca_key,
            announced: self.announced,
            client_endpoints: self.client_endpoints.unwrap_or_default(),
            max_connections: self.max_connections.unwrap_or(defaults.max_connections),
            max_request_size: self.max_request_size.unwrap_or(defaults.max_request_size),
            auth_plugins: self.auth_plugins,
            ..Config::new(defaults.certificate_path, defaults.ca_path)
        })
    }

    fn set(&mut self, source: &Source, name: &str, value: &str) -> Result<(), Error> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else { return Ok(()) };
        (setting.set)(self, value).map_err(|problem| Error::Invalid {
            source: source.clone(),
            section: None,
            setting: name.to_owned(),
            value: value.to_owned(),
            problem,
        })
    }
}

/// One `[auth:NAME]` section; entries it does not know are left alone, as PyKMIP leaves them.
fn plugin(path: &Path, section: &str, entries: &[(String, String)]) -> Result<AuthPlugin, Error> {
    let value = |key| entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    // A misspelt "True" must not switch authentication off unseen.
    let enabled = value("enabled").filter(|it| !it.is_empty()).map_or(Ok(false), |it| {
        boolean(it).map_err(|problem| Error::Invalid {
            source: Source::File(path.to_owned()),
            section: Some(section.to_owned()),
            setting: "enabled".to_owned(),
            value: it.to_owned(),
            problem,
        })
    })?;
    Ok(AuthPlugin { name: section.to_owned(), enabled, url: value("url").map(str::to_owned) })
}

fn put<T>(field: &mut Option<T>, value: Result<T, Problem>) -> Result<(), Problem> {
    *field = Some(value?);
    Ok(())
}

fn put_unless_empty<T>(
    field: &mut Option<T>,
    value: &str,
    read: fn(&str) -> Result<T, Problem>,
) -> Result<(), Problem> {
    if value.is_empty() { Ok(()) } else { put(field, read(value)) }
}

fn port(value: &str) -> Result<u16, Problem> {
    value.trim().parse().map_err(|_| Problem::NotAPort)
}

fn existing(value: &str) -> Result<PathBuf, Problem> {
    let path = PathBuf::from(value);
    if path.exists() { Ok(path) } else { Err(Problem::NoSuchFile) }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where readers that can fail stand")]
fn path(value: &str) -> Result<PathBuf, Problem> {
    Ok(value.into())
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where readers that can fail stand")]
fn text(value: &str) -> Result<String, Problem> {
    Ok(value.to_owned())
}

/// Profiles stand in lines of their own, or behind commas; the word none stands for none.
#[expect(clippy::unnecessary_wraps, reason = "it stands where readers that can fail stand")]
fn profiles(value: &str) -> Result<Vec<String>, Problem> {
    if value.trim().eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let profiles = value.split(['\n', ',']).map(str::trim);
    Ok(profiles.filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn suite(value: &str) -> Result<AuthSuite, Problem> {
    let found = AuthSuite::NAMES.iter().find(|(name, _)| *name == value);
    found.map(|(_, suite)| *suite).ok_or(Problem::NotASuite)
}

fn level(value: &str) -> Result<Level, Problem> {
    let found = Level::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    found.map(|(_, level)| *level).ok_or(Problem::NotALevel)
}

/// The words of Python's `getboolean`.
fn boolean(value: &str) -> Result<bool, Problem> {
    match value.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => Err(Problem::NotABoolean),
    }
}

/// The file separates names by white space, the constructor by commas.
fn words(value: &str) -> Vec<String> {
    let words = value.split(|c: char| c.is_whitespace() || c == ',');
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn count(value: &str) -> Result<usize, Problem> {
    value.trim().parse().ok().filter(|&count| count > 0).ok_or(Problem::NotACount)
}

/// A user's name may have blanks and equals signs in it; the last of these is the separator.
fn endpoints(value: &str) -> Result<Vec<ClientEndpoint>, Problem> {
    let mut endpoints: Vec<ClientEndpoint> = Vec::new();
    for entry in value.split(['\n', ',']).map(str::trim).filter(|entry| !entry.is_empty()) {
        let endpoint = endpoint(entry).ok_or(Problem::NotEndpoints)?;
        if endpoints.iter().any(|other| other.user == endpoint.user) {
            return Err(Problem::NotEndpoints);
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

fn endpoint(entry: &str) -> Option<ClientEndpoint> {
    let (user, address) = entry.rsplit_once('=')?;
    let (host, port) = address.rsplit_once(':')?;
    let (user, host) = (user.trim(), host.trim());
    // The brackets of an address of IPv6 keep its colons apart from the port's.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = self::port(port).ok().filter(|port| *port > 0)?;
    let whole = !user.is_empty() && !host.is_empty();
    whole.then(|| ClientEndpoint { user: user.to_owned(), host: host.to_owned(), port })
}
