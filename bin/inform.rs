//! `--check-config` and `--explain`: what the program only tells.

use std::process::ExitCode;

use kmip_server::internals::config::Config;
use kmip_server::internals::explain::{self, Explained, Explanation};
use kmip_server::internals::hardening;
use kmip_server::internals::server::check::{self, Obstacle};

use super::{FAILED_START, failure, say};

/// Tells what the server would do by these settings.
pub(crate) fn check(config: &Config) -> ExitCode {
    // Keys are read here as a server reads them.
    hardening::harden(0);
    let report = check::check(config);
    let mut lines = report.facts;
    lines.extend(report.warnings.into_iter().map(|warning| format!("warning: {warning}")));
    let count = report.errors.len();
    for error in report.errors {
        let (text, explanation) = match error {
            Obstacle::Server(error) => (error.to_string(), error.explanation()),
            Obstacle::Log(error) => (error.to_string(), error.explanation()),
        };
        lines.push(format!(
            "error: {text}. What to do: {} (--explain {})",
            explanation.advice, explanation.code
        ));
    }
    if count == 0 {
        lines.push("The server would start.".to_owned());
        return say(&lines.join("\n"));
    }
    say(&lines.join("\n"));
    failure(FAILED_START, &format!("the server would not start: {count} errors"), explain::CHECK_FAILED)
}

/// Tells what a code means.
pub(crate) fn explain(code: &str) -> ExitCode {
    if code == "list" {
        return say(&explain::codes().collect::<Vec<_>>().join("\n"));
    }
    let Some(Explanation { code, says, meaning, advice }) = explain::find(code) else {
        return failure(
            FAILED_START,
            &format!("there is no explanation of '{code}'"),
            explain::NOT_EXPLAINED,
        );
    };
    let says = if says.is_empty() { String::new() } else { format!("It says: {says}\n") };
    say(&format!("{code}\n{says}Meaning: {meaning}.\nWhat to do: {advice}."))
}
