//! `--check-config`, `--check-database` and `--explain`, which only print.

use std::path::Path;
use std::process::ExitCode;

use kmip_server::internals::config::Config;
use kmip_server::internals::explain::{self, Explained, Explanation};
use kmip_server::internals::hardening;
use kmip_server::internals::server::check::{self, StartError};
use kmip_server::internals::settings::Settings;
use kmip_server::internals::store::{self, KeyEncryptionKey};

use super::command_line::{Failure, say};

/// Prints what a server with this configuration would do.
pub(crate) fn check(config: &Config) -> Result<ExitCode, Failure> {
    // The check reads private keys.
    hardening::harden(0);
    let report = check::check(config);
    let mut lines = report.facts;
    lines.extend(report.warnings.into_iter().map(|warning| format!("warning: {warning}")));
    let count = report.errors.len();
    for error in report.errors {
        let (text, explanation) = match error {
            StartError::Server(error) => (error.to_string(), error.explanation()),
            StartError::Log(error) => (error.to_string(), error.explanation()),
        };
        lines.push(format!(
            "error: {text}. What to do: {} (--explain {})",
            explanation.advice, explanation.code
        ));
    }
    if count == 0 {
        lines.push("The server would start.".to_owned());
        return Ok(say(&lines.join("\n")));
    }
    say(&lines.join("\n"));
    let errors = if count == 1 { "error" } else { "errors" };
    Err(Failure::new(&format!("the server would not start: {count} {errors}"), explain::CHECK_FAILED))
}

/// Prints the faults of a database, which the settings may name a key for.
pub(crate) fn check_database(path: &Path, settings: &Settings) -> Result<ExitCode, Failure> {
    // The check reads the keys of all objects.
    hardening::harden(0);
    let (_, key) = settings.database();
    let key = key.as_deref().map(KeyEncryptionKey::read).transpose()?;
    let mut faults: u64 = 0;
    let objects = store::check(path, key.as_ref(), &mut |fault| {
        faults += 1;
        say(&fault.to_string());
    })?;
    if faults == 0 {
        return Ok(say(&format!("Checked {objects} objects in {}: no fault.", path.display())));
    }
    let text =
        format!("checked {objects} objects in {}; the database is damaged: {faults} faults", path.display());
    Err(Failure::new(&text, explain::DATABASE_DAMAGED))
}

/// Prints the explanation of a code, or all codes for `list`.
pub(crate) fn explain(code: &str) -> Result<ExitCode, Failure> {
    if code == "list" {
        return Ok(say(&explain::codes().collect::<Vec<_>>().join("\n")));
    }
    let Some(Explanation { code, says, meaning, advice }) = explain::find(code) else {
        return Err(Failure::new(&format!("the code '{code}' does not exist"), explain::NOT_EXPLAINED));
    };
    let says = if says.is_empty() { String::new() } else { format!("Message: {says}\n") };
    Ok(say(&format!("{code}\n{says}Meaning: {meaning}.\nWhat to do: {advice}.")))
}
