//! The environment variables of settings: `KMIP_` and the name of the setting in upper case.
//!
//! Values that begin with `tcp://` are those of Kubernetes: it describes each service with variables, and the address of
//! a service named `kmip` is in `KMIP_PORT`.

use std::ffi::OsString;

use super::{Error, InvalidValue, SETTINGS, Settings, Source, names, options};
use crate::suggestion::similar;

/// The beginning of each name.
const PREFIX: &str = "KMIP_";

/// The beginning of a value that Kubernetes sets.
const SERVICE_LINK: &[u8] = b"tcp://";

/// Returns the environment variable of the setting with this name.
pub fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_uppercase())
}

impl Settings {
    /// Sets the settings of these environment variables, which override the file. The log path has a variable, too.
    ///
    /// Ignores empty values, values that begin with `tcp://`, and other names. A name that resembles that of a setting
    /// yields a warning.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let ours = |(name, value): (OsString, OsString)| {
            name.into_string().ok().filter(|name| name.starts_with(PREFIX)).map(|name| (name, value))
        };
        let mut variables: Vec<_> = variables.into_iter().filter_map(ours).collect();
        variables.sort();
        for (name, value) in variables {
            let is_its = |setting: &&str| variable(setting) == name;
            match names().chain([options::LOG_PATH]).find(is_its) {
                Some(setting) => self.variable(setting, name, value),
                None => self.other_variable(&name),
            }
        }
    }

    fn variable(&mut self, setting: &'static str, name: String, value: OsString) {
        if value.is_empty() {
            return self.empty.push((setting, format!("an empty {name}")));
        }
        if value.as_encoded_bytes().starts_with(SERVICE_LINK) {
            self.empty
                .push((setting, format!("a {name} that begins with tcp://, as those of Kubernetes do,")));
            return;
        }
        let source = Source::Environment(setting);
        match value.into_string() {
            Ok(value) if setting == options::LOG_PATH => self.set_log_path(&source, &value),
            Ok(value) => self.set(&source, setting, &value),
            Err(value) => {
                let is_secret = SETTINGS.iter().any(|it| it.name == setting && it.kind.is_secret());
                let shown = if is_secret { "…".into() } else { value.to_string_lossy().into_owned() };
                self.errors.push(Error::Invalid {
                    source,
                    section: None,
                    setting: setting.to_owned(),
                    value: shown,
                    reason: InvalidValue::Expected("UTF-8"),
                });
            }
        }
    }

    /// Warns about a name that resembles that of a setting. Other programs have variables with the same beginning.
    fn other_variable(&mut self, name: &str) {
        let known = names().chain([options::LOG_PATH]).map(variable);
        let similar = similar(name.trim_start_matches(PREFIX), known.map(|it| it.replace(PREFIX, "")));
        if let Some(setting) = similar.strip_prefix("; similar: ") {
            self.warnings.push(format!(
                "the environment variable {name} has no effect, because no setting has this name; similar: {PREFIX}{setting}"
            ));
        }
    }
}
