//! The key files of the settings that other users of the machine can read.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::private_file;

/// A key file that other users can read or write.
#[derive(Debug)]
pub struct ExposedKey {
    /// The setting that names the file.
    setting: &'static str,
    path: PathBuf,
    mode: u32,
}

impl fmt::Display for ExposedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, path, mode } = self;
        let path = path.display();
        write!(
            f,
            "{setting}: {path} has the mode {mode:04o}, so other users can use the key; run chmod 600 on it"
        )
    }
}

/// Returns the key files that other users can read or write.
pub(super) fn exposed(config: &Config) -> impl Iterator<Item = ExposedKey> {
    let or = |key: (&'static str, &Option<PathBuf>), certificate: (&'static str, Option<&PathBuf>)| {
        key.1.clone().map(|path| (key.0, path)).or(certificate.1.map(|path| (certificate.0, path.clone())))
    };
    let files = [
        or(("key_path", &config.key_path), ("certificate_path", Some(&config.certificate_path))),
        or(
            ("certify_ca_key", &config.certify_ca_key),
            ("certify_ca_certificate", config.certify_ca_certificate.as_ref()),
        ),
        config.key_encryption_key_path.clone().map(|path| ("key_encryption_key_path", path)),
    ];
    files.into_iter().flatten().filter_map(|(setting, path)| exposed_file(setting, &path))
}

fn exposed_file(setting: &'static str, path: &Path) -> Option<ExposedKey> {
    private_file::exposed(path).map(|mode| ExposedKey { setting, path: path.to_owned(), mode })
}

/// Logs a warning for each of them.
///
/// # Errors
/// Returns the first of them if the setting `strict_file_modes` is True.
pub(super) fn check(config: &Config) -> Result<(), ExposedKey> {
    for key in exposed(config) {
        if config.strict_file_modes {
            return Err(key);
        }
        log::warn!(target: super::LOG, "{key}.");
    }
    Ok(())
}
