//! Warnings about certificates whose validity ends, or has not begun.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;

use super::trust;
use crate::config::Config;
use crate::x509::Certificate;

/// The length of a day.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The remaining validity of a certificate below which a running server warns.
const AHEAD: Duration = DAY.saturating_mul(14);

/// The maximum number of warnings about one file. A bundle of public authorities has over a hundred certificates.
const MAX_WARNINGS: usize = 10;

/// Returns a warning about a certificate that is not valid at the time `now`, or expires in less than `ahead`.
pub(super) fn warning(
    name: &str,
    certificate: &CertificateDer<'_>,
    now: SystemTime,
    ahead: Duration,
) -> Option<String> {
    let (from, to) = Certificate::read(certificate).validity?;
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let now = seconds(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    if to.0 < now {
        Some(format!("{name} has expired; replace it"))
    } else if to.0 < now.saturating_add(seconds(ahead)) {
        let days = (to.0 - now) / seconds(DAY);
        Some(format!("{name} expires in {days} days; replace it in time"))
    } else if from.0 > now {
        Some(format!("{name} is not valid yet; check the clock of this machine"))
    } else {
        None
    }
}

/// Returns the time since 1970, in seconds, at which a certificate expires.
#[cfg(feature = "management")]
pub(super) fn seconds(certificate: &CertificateDer<'_>) -> Option<u64> {
    crate::x509::certificate::expiry(certificate).map(|time| time.as_secs())
}

/// Describes a certificate: subject, file and end of validity.
pub(super) fn described(certificate: &CertificateDer<'_>, path: &Path) -> String {
    let until = Certificate::read(certificate).validity.map(|(_, to)| crate::encoding::http_date(to));
    format!(
        "{} in {}, valid until {}",
        trust::subject(certificate),
        path.display(),
        until.unwrap_or_default()
    )
}

/// Returns the warnings about the certificates that a running server uses: its own, with those above it, and those of
/// `ca_path`.
pub(super) fn warnings(
    config: &Config,
    chain: &[CertificateDer<'_>],
    trusted: &[CertificateDer<'_>],
    now: SystemTime,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for (setting, path, certificates) in
        [("certificate_path", &config.certificate_path, chain), ("ca_path", &config.ca_path, trusted)]
    {
        let found = certificates.iter().filter_map(|certificate| {
            let subject = trust::subject(certificate);
            let name = format!("{setting}: the certificate {subject} in {}", path.display());
            warning(&name, certificate, now, AHEAD)
        });
        let mut found: Vec<_> = found.collect();
        let count = found.len();
        found.truncate(MAX_WARNINGS);
        if count > MAX_WARNINGS {
            let more = count - MAX_WARNINGS;
            found.push(format!("{setting}: {more} more certificates in {} expire soon", path.display()));
        }
        warnings.extend(found);
    }
    warnings
}

/// Decides when a running server warns: at its start, and then daily.
#[derive(Debug, Default)]
pub(super) struct Reminder {
    /// The time of the next warning, or `None` for at once.
    next: Option<Instant>,
}

impl Reminder {
    /// Returns the time to wait until the next warning; zero if it is due, and then the next one is due in a day.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        let wait = self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now));
        if wait.is_zero() {
            self.next = Some(now + DAY);
        }
        wait
    }

    /// Lets the next warning be due at once.
    pub(super) fn hurry(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::trust::testing::Ca;
    use super::*;

    #[test]
    fn warns_two_weeks_before_the_end_and_after_it() {
        let end = UNIX_EPOCH + DAY * 20_000;
        let certificate = Ca::root("Root", |params| params.not_after = end.into()).certificate;
        let config = Config::new("server.pem", "ca.pem");
        let warnings = |now| warnings(&config, &[], std::slice::from_ref(&certificate), now);
        assert_eq!(warnings(end - DAY * 15), [""; 0]);
        let [warning] = &*warnings(end - DAY * 13) else { panic!() };
        assert!(
            warning.starts_with("ca_path:") && warning.contains("in ca.pem expires in 13 days"),
            "{warning}"
        );
        let [warning] = &*warnings(end + DAY) else { panic!() };
        assert!(warning.contains("CN=Root in ca.pem has expired"), "{warning}");
    }

    #[test]
    fn a_reminder_is_due_daily_and_after_a_change() {
        let (mut reminder, start) = (Reminder::default(), Instant::now());
        let hour = Duration::from_secs(3600);
        assert_eq!(reminder.wait(start), Duration::ZERO);
        assert_eq!(reminder.wait(start), DAY);
        assert_eq!(reminder.wait(start + DAY - hour), hour);
        reminder.hurry();
        assert_eq!(reminder.wait(start + DAY - hour), Duration::ZERO);
        assert_eq!(reminder.wait(start + DAY), DAY - hour);
        assert_eq!(reminder.wait(start + DAY * 2), Duration::ZERO);
    }

    #[test]
    fn bounds_the_number_of_warnings() {
        let certificate = Ca::root("Root", |params| params.not_after = UNIX_EPOCH.into()).certificate;
        let many = vec![certificate; 150];
        let warnings = warnings(&Config::new("server.pem", "ca.pem"), &many, &many, SystemTime::now());
        assert_eq!(warnings.len(), 2 * (MAX_WARNINGS + 1));
        assert!(warnings.iter().any(|warning| warning.contains("140 more certificates")), "{warnings:?}");
    }
}
