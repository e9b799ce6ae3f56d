//! `--check-config`, `--check-client`, `--check-database` and `--explain`, which only print.

use std::path::Path;
use std::process::ExitCode;

use kmip_server::internals::auth::Identity;
use kmip_server::internals::config::Config;
use kmip_server::internals::excerpt::Excerpt;
use kmip_server::internals::explain::{self, Explained, Explanation};
use kmip_server::internals::hardening;
use kmip_server::internals::server::check::{self, StartError};
use kmip_server::internals::server::check_client::{self, Check};
use kmip_server::internals::settings::Settings;
use kmip_server::internals::store::{self, KeyEncryptionKey};
use kmip_server::internals::url;

use super::command_line::{Failure, say};

/// Prints the origins of the settings, and what a server with this configuration would do. `shown` adapts each line.
pub(crate) fn check(
    config: &Config,
    origins: &[String],
    warnings: &[String],
    shown: impl Fn(&str) -> String,
) -> Result<ExitCode, Failure> {
    // The check reads private keys.
    hardening::harden(0);
    let report = check::check(config);
    let facts = origins.iter().chain(&report.facts);
    let mut lines: Vec<_> = facts.map(|fact| shown(&url::masked(fact))).collect();
    let warnings = warnings.iter().chain(&report.warnings);
    lines.extend(warnings.map(|warning| format!("warning: {}", shown(&url::masked(warning)))));
    let count = report.errors.len();
    for error in report.errors {
        let (text, explanation) = match error {
            StartError::Server(error) => (error.to_string(), error.explanation()),
            StartError::Log(error) => (error.to_string(), error.explanation()),
        };
        lines.push(format!(
            "error: {}. What to do: {} (--explain {})",
            shown(&url::masked(&text)),
            explanation.advice,
            explanation.code
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

/// Prints whether the server would let in the client with the certificate in a file, whose private key may be in another.
pub(crate) fn check_client(config: &Config, path: &Path, key: Option<&Path>) -> Result<ExitCode, Failure> {
    // The check reads private keys.
    hardening::harden(0);
    let Check { certificate, outcome } = check_client::check(config, path, key);
    if !certificate.is_empty() {
        say(&format!("The client's certificate: {certificate}."));
    }
    let Identity { principal, groups, .. } = outcome?;
    if key.is_some() {
        say("The private key is that of the certificate.");
    }
    let user = Excerpt(&principal.user);
    let groups = match groups {
        _ if !config.auth_plugins.iter().any(|plugin| plugin.enabled) => {
            "No service is asked for groups: policies apply without them".to_owned()
        }
        None => "The service knows the user and returns no list of groups".to_owned(),
        Some(groups) if groups.is_empty() => "The user is in no group".to_owned(),
        Some(groups) => {
            let groups: Vec<_> = groups.iter().map(|group| format!("{:?}", Excerpt(group))).collect();
            format!("The user is in the groups {}", groups.join(", "))
        }
    };
    Ok(say(&format!("The server would let in this client as the user {user:?}. {groups}.")))
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
