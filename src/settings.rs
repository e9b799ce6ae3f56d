//! Builds a [`Config`] from a settings file and command line options.
//!
//! The file has the grammar of PyKMIP's ([`ini`]): the server reads the section `[server]`, whose settings are the
//! rows of [`SETTINGS`], and the sections of [`SECTIONS`]; it ignores all others. Options override the file.

pub mod ini;
pub mod options;
mod table;
mod value;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use table::{DefaultValue, OptionForm, SECTIONS, SETTINGS, SectionKind, Setting};
pub use value::{InvalidValue, Kind, MissingFeature};

use crate::config::{AuthPlugin, Config, Section};
use crate::secret::Secret;
use crate::suggestion::similar;
use crate::url;

/// Returns the names of the settings of the section `[server]`.
pub fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.name)
}

const LOG_FILE: &MissingFeature = &MissingFeature { ability: "log file", feature: "log-file" };
const SLUGS: &MissingFeature = &MissingFeature { ability: "SLUGS support", feature: "slugs" };

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This settings file.
    File(PathBuf),
    /// The command line.
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

/// The reason why the settings yield no [`Config`].
#[derive(Debug)]
pub enum Error {
    /// The settings file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The settings file has syntax errors.
    Malformed {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: ini::Error,
    },
    /// The settings file has no section `[server]`.
    NoServerSection(
        /// The file.
        PathBuf,
    ),
    /// The section `[server]` contains an unknown setting.
    Unknown {
        /// The file.
        path: PathBuf,
        /// The name.
        setting: String,
    },
    /// A required setting has no value.
    Missing {
        /// The name.
        setting: &'static str,
        /// The settings file, if the program read one.
        path: Option<PathBuf>,
        /// Whether its option has an empty value, which counts as none.
        has_empty_option: bool,
    },
    /// There are several errors.
    Several(Vec<Self>),
    /// A setting cannot have this value.
    Invalid {
        /// The origin of the value.
        source: Source,
        /// The section, unless it is `[server]`.
        section: Option<String>,
        /// The setting.
        setting: String,
        /// The value.
        value: String,
        /// The reason.
        reason: InvalidValue,
    },
}

impl Error {
    /// Returns one error for several, or `None` without any.
    fn of(mut errors: Vec<Self>) -> Option<Self> {
        if errors.len() > 1 { Some(Self::Several(errors)) } else { errors.pop() }
    }

    /// Returns where the values come from that the error is about.
    fn source(&self) -> Option<Source> {
        match self {
            Self::Unreadable { .. } | Self::Missing { path: None, .. } | Self::Several(_) => None,
            Self::Malformed { path, .. } | Self::NoServerSection(path) | Self::Unknown { path, .. } => {
                Some(Source::File(path.clone()))
            }
            Self::Missing { path: Some(path), .. } => Some(Source::File(path.clone())),
            Self::Invalid { source, .. } => Some(source.clone()),
        }
    }

    /// Writes the error without its source.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, cause } => {
                write!(f, "the settings file {} cannot be read: {cause}", path.display())
            }
            Self::Malformed { cause, .. } => fmt::Display::fmt(cause, f),
            Self::NoServerSection(_) => f.write_str("the section [server] is missing"),
            Self::Unknown { setting, .. } => {
                write!(f, "the setting '{setting}' does not exist{}", similar(setting, names()))
            }
            Self::Missing { setting, path, has_empty_option } => {
                write!(f, "the setting '{setting}' is missing")?;
                match path {
                    _ if *has_empty_option => {
                        write!(f, ": an empty --{setting} has no effect")?;
                        // In a file, an empty host stands for every address.
                        if *setting == "hostname" {
                            f.write_str("; * listens on every IPv4 address")
                        } else {
                            Ok(())
                        }
                    }
                    Some(_) => Ok(()),
                    None => write!(f, ": neither --{setting} nor a settings file (-f) sets it"),
                }
            }
            Self::Invalid { section, setting, value, reason, .. } => {
                if let Some(section) = section {
                    write!(f, "section [{section}]: ")?;
                }
                write!(f, "the setting '{setting}' cannot be '{}': {reason}", url::masked_value(value))
            }
            Self::Several(errors) => {
                let mut source = None;
                for (at, error) in errors.iter().enumerate() {
                    f.write_str(if at > 0 { "; " } else { "" })?;
                    let own = error.source();
                    if own != source
                        && let Some(own) = &own
                    {
                        write!(f, "{own}: ")?;
                    }
                    source = own;
                    error.describe(f)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = self.source() {
            write!(f, "{source}: ")?;
        }
        self.describe(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { cause, .. } => Some(cause),
            Self::Malformed { cause, .. } => Some(cause),
            Self::Invalid { reason, .. } => Some(reason),
            Self::NoServerSection(_) | Self::Unknown { .. } | Self::Missing { .. } | Self::Several(_) => None,
        }
    }
}

/// The settings read so far. Each value is checked when it is read, and the errors are reported together.
#[derive(Debug)]
pub struct Settings {
    file: Option<PathBuf>,
    config: Config,
    /// The settings that the file or an option sets.
    given: Vec<&'static str>,
    /// The settings whose option has an empty value.
    empty: Vec<String>,
    errors: Vec<Error>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: None,
            config: Config::new("", ""),
            given: Vec::new(),
            empty: Vec::new(),
            errors: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads the settings file at `path`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is malformed. [`into_config`](Self::into_config) returns those of the
    /// settings.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| Error::Unreadable { path: path.to_owned(), cause })?;
        Self::from_text(path, &text)
    }

    /// Reads `text`, the content of the settings file at `path`.
    ///
    /// # Errors
    /// Returns the errors of [`Settings::from_file`].
    pub fn from_text(path: &Path, text: &str) -> Result<Self, Error> {
        let malformed = |cause| Error::Malformed { path: path.to_owned(), cause };
        let file = ini::File::parse(text).map_err(malformed)?;
        let server = file.section("server").map_err(malformed)?;
        let server = server.ok_or_else(|| Error::NoServerSection(path.to_owned()))?;
        let mut settings = Self { file: Some(path.to_owned()), ..Self::default() };
        for (key, value) in &server {
            if names().any(|name| name == key) {
                settings.set(&Source::File(path.to_owned()), key, value);
            } else {
                settings.errors.push(Error::Unknown { path: path.to_owned(), setting: key.clone() });
            }
        }
        for section in file.sections().filter(|name| name.starts_with("auth:")) {
            let entries = file.section(section).map_err(malformed)?.unwrap_or_default();
            match plugin(path, section, &entries) {
                Ok(plugin) => settings.config.auth_plugins.push(plugin),
                Err(error) => settings.errors.push(error),
            }
        }
        for section in file.sections().filter(|name| name.starts_with("validation:")) {
            let entries = file.section(section).map_err(malformed)?.unwrap_or_default();
            settings.config.announced.validations.push(Section { name: section.to_owned(), entries });
        }
        Ok(settings)
    }

    /// Sets the setting `name` to the value of the command line option of that name, which overrides the file.
    ///
    /// Ignores empty values and names that are not settings.
    pub fn option(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            self.empty.push(name.to_owned());
        } else {
            self.set(&Source::Options, name, value);
        }
    }

    /// Sets the path of the log file, which, as in PyKMIP, is a command line option and not a setting.
    ///
    /// Ignores an empty path.
    pub fn log_path(&mut self, path: &str) {
        if path.is_empty() {
            return;
        }
        let reason = if !cfg!(feature = "log-file") {
            Some(InvalidValue::Unsupported(LOG_FILE))
        } else {
            url::is_url(path).then_some(InvalidValue::Url)
        };
        if let Some(reason) = reason {
            return self.errors.push(Error::Invalid {
                source: Source::Options,
                section: None,
                setting: options::LOG_PATH.to_owned(),
                value: path.to_owned(),
                reason,
            });
        }
        self.config.log_path = path.into();
    }

    /// Returns the settings if none has an error, for uses that require no setting.
    ///
    /// # Errors
    /// Returns the errors of all settings.
    pub fn checked(mut self) -> Result<Self, Error> {
        let errors = std::mem::take(&mut self.errors);
        Error::of(errors).map_or(Ok(self), Err)
    }

    /// Returns the path of the database and the file of its key encryption key. Unlike
    /// [`into_config`](Self::into_config), requires no other setting.
    pub fn database(&self) -> (PathBuf, Option<PathBuf>) {
        (self.config.database_path.clone(), self.config.key_encryption_key_path.clone())
    }

    /// Returns the address of the management interface and its token. Requires no other setting.
    pub fn management(&self) -> (Option<String>, Option<Secret>) {
        (self.config.management_address.clone(), self.config.management_token.clone())
    }

    /// Returns the configuration; settings without a value have their defaults.
    ///
    /// # Errors
    /// Returns the errors of all settings, and [`Error::Missing`] for each required one without a value.
    pub fn into_config(mut self) -> Result<Config, Error> {
        let is_missing = |setting: &&Setting| {
            let is_required = match setting.default {
                DefaultValue::Required => true,
                DefaultValue::RequiredInFile => self.file.is_some(),
                DefaultValue::Value | DefaultValue::Unset(_) => false,
            };
            is_required && !self.given.contains(&setting.name)
        };
        let missing = SETTINGS.iter().filter(is_missing).map(|setting| Error::Missing {
            setting: setting.name,
            path: self.file.clone(),
            has_empty_option: self.empty.iter().any(|name| name == setting.name),
        });
        let missing: Vec<_> = missing.collect();
        self.errors.extend(missing);
        Error::of(self.errors).map_or(Ok(self.config), Err)
    }

    fn set(&mut self, source: &Source, name: &str, value: &str) {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else { return };
        self.given.push(setting.name);
        let outcome = setting.kind.set(&mut self.config, value).map_err(|reason| Error::Invalid {
            source: source.clone(),
            section: None,
            setting: name.to_owned(),
            value: if setting.kind.is_secret() { "…".to_owned() } else { value.to_owned() },
            reason,
        });
        self.errors.extend(outcome.err());
    }
}

/// Reads an `[auth:NAME]` section. Like PyKMIP, ignores unknown entries.
fn plugin(path: &Path, section: &str, entries: &[(String, String)]) -> Result<AuthPlugin, Error> {
    let value = |key| entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let invalid = |setting: &str, value: &str, reason| Error::Invalid {
        source: Source::File(path.to_owned()),
        section: Some(section.to_owned()),
        setting: setting.to_owned(),
        value: value.to_owned(),
        reason,
    };
    // A misspelt "True" must not silently disable authentication.
    let enabled = value("enabled").filter(|it| !it.is_empty()).map_or(Ok(false), |it| {
        let enabled = match value::boolean(it) {
            Some(true) if !cfg!(feature = "slugs") => Err(InvalidValue::Unsupported(SLUGS)),
            Some(enabled) => Ok(enabled),
            None => Err(InvalidValue::Expected("True or False")),
        };
        enabled.map_err(|reason| invalid("enabled", it, reason))
    })?;
    let url = value("url");
    if enabled && AuthPlugin::is_slugs(section) {
        url::service(url)
            .map_err(|reason| invalid("url", url.unwrap_or_default(), InvalidValue::Service(reason)))?;
    }
    Ok(AuthPlugin { name: section.to_owned(), enabled, url: url.map(str::to_owned) })
}
