//! The kinds of settings: how each reads a value into its field of [`Config`], and how it writes the field.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::compatibility::Compatibility;
use crate::config::{AuthSuite, ClientEndpoint, Config, Level, TlsVersion};
use crate::secret::Secret;
use crate::url::{self, HostError, ServiceError};

/// The field of [`Config`] that a setting fills.
type Field<T> = fn(&mut Config) -> &mut T;

/// The kind of a setting, with its field.
///
/// The optional kinds ignore an empty value: the default remains.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A host to listen on; empty for every IPv4 address.
    Host(Field<String>),
    /// Text.
    OptionalText(Field<Option<String>>),
    /// A TCP port.
    Port(Field<u16>),
    /// A positive number.
    Count(Field<usize>),
    /// A positive number.
    OptionalCount(Field<Option<usize>>),
    /// A positive number of seconds.
    Seconds(Field<Duration>),
    /// A positive number of seconds.
    OptionalSeconds(Field<Option<Duration>>),
    /// A number, which may be zero.
    Number(Field<usize>),
    /// A number of bytes, which may be zero.
    Bytes(Field<u64>),
    /// True or false, in the words of Python's `getboolean`.
    Boolean(Field<bool>),
    /// A set of TLS versions.
    AuthSuite(Field<AuthSuite>),
    /// The oldest TLS version.
    TlsVersion(Field<TlsVersion>),
    /// PyKMIP's or the standard's behaviour, in any case.
    Compatibility(Field<Compatibility>),
    /// A logging level, in any case.
    Level(Field<Level>),
    /// The path of an existing file.
    File(Field<PathBuf>),
    /// The path of an existing file.
    OptionalFile(Field<Option<PathBuf>>),
    /// The path of a database file, or the URL of a PostgreSQL database; an empty value is ignored.
    Database(Field<PathBuf>),
    /// A path; an empty value is ignored.
    Path(Field<PathBuf>),
    /// A path.
    OptionalPath(Field<Option<PathBuf>>),
    /// The path of a folder of certificates; an empty value is ignored.
    CertificateFolder(Field<Option<PathBuf>>),
    /// Names, separated by white space or commas.
    Names(Field<Vec<String>>),
    /// Names, separated by lines or commas.
    Texts(Field<Vec<String>>),
    /// Profiles, separated by lines or commas.
    Profiles(Field<Option<Vec<String>>>),
    /// Client endpoints, separated by lines or commas.
    Endpoints(Field<Vec<ClientEndpoint>>),
    /// A host and a port to listen on.
    Endpoint(Field<Option<String>>),
    /// A secret text, which no message contains.
    Token(Field<Option<Secret>>),
}

/// The minimum length of a token: an attacker can guess a shorter one.
const MIN_TOKEN: usize = 16;

const MANAGEMENT: &MissingFeature =
    &MissingFeature { ability: "management interface", feature: "management" };

/// The feature that `auto_certificates` needs.
pub const NO_CERTIFICATES: MissingFeature =
    MissingFeature { ability: "certificates of its own", feature: "certificates" };

/// The beginnings of the URLs that name a database. The store reads the rest.
const DATABASES: [&str; 2] = ["postgresql://", "postgres://"];

/// A cargo feature that the program was built without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingFeature {
    /// The missing ability, as a noun phrase.
    pub ability: &'static str,
    /// The cargo feature.
    pub feature: &'static str,
}

impl fmt::Display for MissingFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this build has no {} (cargo feature `{}`)", self.ability, self.feature)
    }
}

impl std::error::Error for MissingFeature {}

/// The reason why a setting cannot have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidValue {
    /// The path names no existing file.
    NoSuchFile,
    /// The value is a URL.
    Url,
    /// The value is no host.
    Host(HostError),
    /// The value is no URL of a service.
    Service(ServiceError),
    /// The value needs a cargo feature that the program was built without.
    Unsupported(&'static MissingFeature),
    /// The value is not one of the allowed values.
    Expected(
        /// The allowed values.
        &'static str,
    ),
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchFile => f.write_str("the file does not exist"),
            Self::Url => f.write_str(
                "it is a URL; expected a path on this machine, or for database_path the URL of a PostgreSQL database",
            ),
            Self::Host(error) => error.fmt(f),
            Self::Service(error) => error.fmt(f),
            Self::Unsupported(feature) => feature.fmt(f),
            Self::Expected(values) => write!(f, "expected {values}"),
        }
    }
}

impl std::error::Error for InvalidValue {}

impl Kind {
    /// Returns the allowed values, as a noun phrase.
    pub fn values(self) -> &'static str {
        match self {
            Self::Host(_) => "a host name or address, without port",
            Self::OptionalText(_) => "text",
            Self::Port(_) => "a number from 0 to 65535",
            Self::Count(_) | Self::OptionalCount(_) | Self::Seconds(_) | Self::OptionalSeconds(_) => {
                "a number above zero"
            }
            Self::Number(_) | Self::Bytes(_) => "a number",
            Self::Boolean(_) => "True or False",
            Self::AuthSuite(_) => "Basic, TLS1.2 or TLS1.3",
            Self::TlsVersion(_) => "1.0, 1.1 or 1.2",
            Self::Compatibility(_) => "PyKMIP or Standard",
            Self::Level(_) => "DEBUG, INFO, WARNING, ERROR or CRITICAL",
            Self::File(_) | Self::OptionalFile(_) => "the path of an existing file",
            Self::Database(_) => "a path, or a URL that begins with postgresql://",
            Self::Path(_) | Self::OptionalPath(_) => "a path",
            Self::CertificateFolder(_) => "the path of a folder",
            Self::Names(_) => "names, separated by white space or commas",
            Self::Texts(_) => "names, one per line or separated by commas",
            Self::Profiles(_) => "profiles, one per line or separated by commas, or none",
            Self::Endpoint(_) => "HOST:PORT",
            Self::Token(_) => "at least 16 printable ASCII characters without spaces",
            Self::Endpoints(_) => {
                "user=host:port, one per line or separated by commas, each user at most once"
            }
        }
    }

    /// Returns whether no message may contain the value.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Token(_))
    }

    fn is_path(self) -> bool {
        matches!(
            self,
            Self::File(_)
                | Self::OptionalFile(_)
                | Self::Database(_)
                | Self::Path(_)
                | Self::OptionalPath(_)
                | Self::CertificateFolder(_)
        )
    }

    /// Reads `value` into the field.
    ///
    /// # Errors
    /// Returns [`InvalidValue`] if the value is not allowed; the field is then unchanged.
    pub(super) fn set(self, config: &mut Config, value: &str) -> Result<(), InvalidValue> {
        let expected = || InvalidValue::Expected(self.values());
        let is_database =
            matches!(self, Self::Database(_)) && DATABASES.iter().any(|it| value.starts_with(it));
        if self.is_path() && url::is_url(value) && !is_database {
            return Err(InvalidValue::Url);
        }
        match self {
            Self::Host(field) => url::host(value).map_err(InvalidValue::Host)?.clone_into(field(config)),
            Self::Port(field) => *field(config) = port(value).ok_or_else(expected)?,
            Self::Count(field) => *field(config) = count(value).ok_or_else(expected)?,
            Self::Number(field) => *field(config) = value.trim().parse().map_err(|_| expected())?,
            Self::Bytes(field) => *field(config) = value.trim().parse().map_err(|_| expected())?,
            Self::Boolean(field) => *field(config) = boolean(value).ok_or_else(expected)?,
            Self::AuthSuite(field) => {
                let found = AuthSuite::NAMES.iter().find(|(name, _)| *name == value);
                *field(config) = found.ok_or_else(expected)?.1;
            }
            Self::TlsVersion(field) => {
                let found = TlsVersion::NAMES.iter().find(|(name, _)| *name == value);
                *field(config) = found.ok_or_else(expected)?.1;
            }
            Self::Compatibility(field) => {
                let found = Compatibility::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
                *field(config) = found.ok_or_else(expected)?.1;
            }
            Self::Level(field) => {
                let found = Level::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
                *field(config) = found.ok_or_else(expected)?.1;
            }
            Self::File(field) => *field(config) = existing(value)?,
            Self::Endpoint(_) | Self::Token(_) if value.is_empty() => {}
            Self::Endpoint(_) | Self::Token(_) if !cfg!(feature = "management") => {
                return Err(InvalidValue::Unsupported(MANAGEMENT));
            }
            Self::Endpoint(field) => {
                url::endpoint(value).map_err(InvalidValue::Host)?;
                *field(config) = Some(value.trim().to_owned());
            }
            Self::Token(field) => *field(config) = Some(token(value).ok_or_else(expected)?),
            Self::Names(_) | Self::Texts(_) if url::is_url(value) => return Err(expected()),
            Self::Names(field) => *field(config) = names(value),
            Self::Texts(field) => *field(config) = lines(value),
            Self::CertificateFolder(_) if value.is_empty() => {}
            Self::CertificateFolder(_) if !cfg!(feature = "certificates") => {
                return Err(InvalidValue::Unsupported(&NO_CERTIFICATES));
            }
            Self::CertificateFolder(field) => *field(config) = Some(value.into()),
            Self::Endpoints(field) => *field(config) = endpoints(value).ok_or_else(expected)?,
            Self::OptionalText(_)
            | Self::OptionalFile(_)
            | Self::OptionalCount(_)
            | Self::OptionalSeconds(_)
            | Self::Database(_)
            | Self::Path(_)
            | Self::OptionalPath(_)
                if value.is_empty() => {}
            Self::OptionalCount(field) => *field(config) = Some(count(value).ok_or_else(expected)?),
            Self::Seconds(field) => *field(config) = seconds(value).ok_or_else(expected)?,
            Self::OptionalSeconds(field) => *field(config) = Some(seconds(value).ok_or_else(expected)?),
            Self::OptionalText(field) => *field(config) = Some(value.to_owned()),
            Self::OptionalFile(field) => *field(config) = Some(existing(value)?),
            Self::Database(field) | Self::Path(field) => *field(config) = value.into(),
            Self::OptionalPath(field) => *field(config) = Some(value.into()),
            Self::Profiles(_) if value.is_empty() => {}
            Self::Profiles(field) => *field(config) = Some(profiles(value)),
        }
        Ok(())
    }

    /// Returns the field's value in `config` as a settings file states it; empty if the field has no value.
    pub fn show(self, mut config: Config) -> String {
        let path = |path: &PathBuf| path.display().to_string();
        let config = &mut config;
        match self {
            Self::Host(field) => field(config).clone(),
            Self::OptionalText(field) | Self::Endpoint(field) => field(config).clone().unwrap_or_default(),
            Self::Token(_) => String::new(),
            Self::Port(field) => field(config).to_string(),
            Self::Count(field) | Self::Number(field) => field(config).to_string(),
            Self::Bytes(field) => field(config).to_string(),
            Self::OptionalCount(field) => field(config).map(|count| count.to_string()).unwrap_or_default(),
            Self::Seconds(field) => field(config).as_secs().to_string(),
            Self::OptionalSeconds(field) => {
                field(config).map(|time| time.as_secs().to_string()).unwrap_or_default()
            }
            Self::Boolean(field) => (if *field(config) { "True" } else { "False" }).to_owned(),
            Self::AuthSuite(field) => name_of(AuthSuite::NAMES, *field(config)),
            Self::TlsVersion(field) => name_of(TlsVersion::NAMES, *field(config)),
            Self::Compatibility(field) => field(config).to_string(),
            Self::Level(field) => name_of(Level::NAMES, *field(config)),
            Self::File(field) | Self::Database(field) | Self::Path(field) => path(field(config)),
            Self::OptionalFile(field) | Self::OptionalPath(field) | Self::CertificateFolder(field) => {
                field(config).as_ref().map(path).unwrap_or_default()
            }
            Self::Names(field) => field(config).join(" "),
            Self::Texts(field) => field(config).join(", "),
            Self::Profiles(field) => field(config).as_ref().map(|it| it.join(", ")).unwrap_or_default(),
            Self::Endpoints(field) => {
                let endpoints = field(config).iter().map(|it| format!("{}={}:{}", it.user, it.host, it.port));
                endpoints.collect::<Vec<_>>().join(", ")
            }
        }
    }
}

fn name_of<T: PartialEq>(names: &[(&str, T)], value: T) -> String {
    names.iter().find(|(_, other)| *other == value).map(|(name, _)| (*name).to_owned()).unwrap_or_default()
}

fn port(value: &str) -> Option<u16> {
    value.trim().parse().ok()
}

fn count(value: &str) -> Option<usize> {
    value.trim().parse().ok().filter(|&count| count > 0)
}

fn token(value: &str) -> Option<Secret> {
    let is_long = value.len() >= MIN_TOKEN && value.bytes().all(|byte| byte.is_ascii_graphic());
    is_long.then(|| Secret::new(value.as_bytes().to_vec()))
}

fn seconds(value: &str) -> Option<Duration> {
    let seconds = count(value).and_then(|seconds| u32::try_from(seconds).ok());
    seconds.map(|seconds| Duration::from_secs(seconds.into()))
}

/// Reads the words of Python's `getboolean`.
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

fn existing(value: &str) -> Result<PathBuf, InvalidValue> {
    let path = PathBuf::from(value);
    if path.exists() { Ok(path) } else { Err(InvalidValue::NoSuchFile) }
}

/// PyKMIP's settings file separates names by white space, its constructor by commas.
fn names(value: &str) -> Vec<String> {
    let names = value.split(|c: char| c.is_whitespace() || c == ',');
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The word `none` stands for an empty list.
fn profiles(value: &str) -> Vec<String> {
    if value.trim().eq_ignore_ascii_case("none") {
        return Vec::new();
    }
    lines(value)
}

fn lines(value: &str) -> Vec<String> {
    let lines = value.split(['\n', ',']).map(str::trim);
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn endpoints(value: &str) -> Option<Vec<ClientEndpoint>> {
    let mut endpoints: Vec<ClientEndpoint> = Vec::new();
    for entry in value.split(['\n', ',']).map(str::trim).filter(|entry| !entry.is_empty()) {
        let endpoint = endpoint(entry)?;
        if endpoints.iter().any(|other| other.user == endpoint.user) {
            return None;
        }
        endpoints.push(endpoint);
    }
    Some(endpoints)
}

/// A user name may contain spaces and equals signs, so the last equals sign is the separator.
fn endpoint(entry: &str) -> Option<ClientEndpoint> {
    let (user, address) = entry.rsplit_once('=')?;
    let (host, port) = address.rsplit_once(':')?;
    let (user, host) = (user.trim(), host.trim());
    // Brackets separate the colons of an IPv6 address from the port.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = self::port(port).filter(|port| *port > 0)?;
    let is_complete = !user.is_empty() && !host.is_empty() && !host.contains(['/', '@']);
    is_complete.then(|| ClientEndpoint { user: user.to_owned(), host: host.to_owned(), port })
}
