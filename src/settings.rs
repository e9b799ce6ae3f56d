//! Builds a [`Config`] from a settings file and command line options.
//!
//! The file has the grammar of PyKMIP's ([`ini`]): the server reads the section `[server]`, whose settings are the
//! rows of [`SETTINGS`], and the sections of [`SECTIONS`]; it ignores all others. Environment variables override the file,
//! and options override both.

mod environment;
pub mod ini;
pub mod options;
mod sections;
mod table;
mod value;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use environment::variable;
pub use sections::{SECTIONS, SectionKind};
pub use table::{DefaultValue, OptionForm, SETTINGS, Setting};
pub use value::{InvalidValue, Kind, MissingFeature, NO_CERTIFICATES};

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
    /// The environment variable of the setting with this name.
    Environment(&'static str),
    /// The command line.
    Options,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Environment(setting) => write!(f, "environment variable {}", variable(setting)),
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
        /// A noun phrase for its option or environment variable, if that has no effect.
        ineffective: Option<String>,
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
            Self::Missing { setting, path, ineffective } => {
                write!(f, "the setting '{setting}' is missing")?;
                match (ineffective, path) {
                    (Some(ineffective), _) => {
                        write!(f, ": {ineffective} has no effect")?;
                        // In a file, an empty host stands for every address.
                        if *setting == "hostname" {
                            f.write_str("; * listens on every IPv4 address")
                        } else {
                            Ok(())
                        }
                    }
                    (None, Some(_)) => Ok(()),
                    (None, None) => write!(
                        f,
                        ": neither --{setting} nor {} nor a settings file (-f) sets it",
                        variable(setting)
                    ),
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
    /// The settings that have a value, with its origin.
    given: Vec<(&'static Setting, Source)>,
    /// The origin of [`Config::log_path`], unless it is the default.
    log_source: Option<Source>,
    /// The settings whose option or environment variable has no effect, and a noun phrase for it.
    empty: Vec<(&'static str, String)>,
    /// Environment variables that have no effect, each with the reason.
    warnings: Vec<String>,
    errors: Vec<Error>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: None,
            config: Config::new("", ""),
            given: Vec::new(),
            log_source: None,
            empty: Vec::new(),
            warnings: Vec::new(),
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

    /// Sets the setting `name` to the value of the command line option of that name, which overrides file and environment.
    ///
    /// Ignores empty values and names that are not settings.
    pub fn option(&mut self, name: &str, value: &str) {
        match names().find(|known| *known == name) {
            Some(name) if value.is_empty() => self.empty.push((name, format!("an empty --{name}"))),
            _ => self.set(&Source::Options, name, value),
        }
    }

    /// Sets the path of the log file, which, as in PyKMIP, is a command line option and not a setting.
    ///
    /// Ignores an empty path.
    pub fn log_path(&mut self, path: &str) {
        self.set_log_path(&Source::Options, path);
    }

    fn set_log_path(&mut self, source: &Source, path: &str) {
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
                source: source.clone(),
                section: None,
                setting: options::LOG_PATH.to_owned(),
                value: path.to_owned(),
                reason,
            });
        }
        self.config.log_path = path.into();
        self.log_source = Some(source.clone());
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

    /// Returns the folder of `auto_certificates`. Requires no other setting.
    pub fn auto_certificates(&self) -> Option<PathBuf> {
        self.config.auto_certificates.clone()
    }

    /// Returns whether a setting has a value.
    pub fn has_values(&self) -> bool {
        !self.given.is_empty() || self.log_source.is_some()
    }

    /// Returns the environment variables that have no effect, each with the reason.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns each setting that has a value as one line: name, value and origin.
    pub fn origins(&self) -> Vec<String> {
        let line = |name: &str, value: &str, source: &Source| {
            let article = if *source == Source::Options { "the " } else { "" };
            format!("Uses {name}={value} from {article}{source}")
        };
        let of_table = SETTINGS.iter().filter_map(|setting| {
            let (_, source) = self.given.iter().rev().find(|(given, _)| given.name == setting.name)?;
            let shown = if setting.kind.is_secret() {
                "…".to_owned()
            } else {
                setting.kind.show(self.config.clone())
            };
            Some(line(setting.name, &shown, source))
        });
        let log = self.log_source.iter();
        let log =
            log.map(|source| line(options::LOG_PATH, &self.config.log_path.display().to_string(), source));
        let ineffective = self.empty.iter().map(|(name, it)| format!("Ignores {it} for {name}"));
        of_table.chain(log).chain(ineffective).collect()
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
            let is_automatic = self.config.auto_certificates.is_some()
                && ["certificate_path", "ca_path"].contains(&setting.name);
            is_required && !is_automatic && !self.given.iter().any(|(given, _)| given.name == setting.name)
        };
        let missing = SETTINGS.iter().filter(is_missing).map(|setting| Error::Missing {
            setting: setting.name,
            path: self.file.clone(),
            ineffective: self.empty.iter().find(|(name, _)| *name == setting.name).map(|(_, it)| it.clone()),
        });
        let missing: Vec<_> = missing.collect();
        self.errors.extend(missing);
        Error::of(self.errors).map_or(Ok(self.config), Err)
    }

    fn set(&mut self, source: &Source, name: &str, value: &str) {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else { return };
        self.given.push((setting, source.clone()));
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
