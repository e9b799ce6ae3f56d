//! The meaning of each error and what to do: one table for error messages of the program, `--explain` and
//! docs/errors.md, which is generated from it.
//!
//! `starts` contains the failures of the program, `answers` those that clients observe. This file maps each error type
//! to its explanations with exhaustive matches, so that every new error needs an explanation.

mod answers;
mod starts;

pub use answers::{CONNECTIONS, REASONS};
pub use starts::STARTS;

use std::io::ErrorKind;

use crate::auth;
use crate::backup;
use crate::kmip::enums::ResultReason;
use crate::logging;
#[cfg(feature = "management")]
use crate::management;
#[cfg(feature = "certificates")]
use crate::pki;
use crate::policy;
use crate::server::{self, AuthorityError, Symptom, TlsError, check_client};
use crate::settings;
use crate::store;

/// One explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The argument of `--explain`: a code of this program, or the name of a Result Reason.
    pub code: &'static str,
    /// The constant part of the message.
    pub says: &'static str,
    /// The meaning of the error.
    pub meaning: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// Declares a list of explanations, and a constant for each.
macro_rules! explanations {
    ($(#[$meta:meta])* $LIST:ident { $($NAME:ident $code:literal, $says:literal, $meaning:literal, $advice:literal;)* }) => {
        $(pub(super) const $NAME: $crate::explain::Explanation = $crate::explain::Explanation {
            code: $code, says: $says, meaning: $meaning, advice: $advice,
        };)*
        $(#[$meta])*
        pub const $LIST: &[$crate::explain::Explanation] = &[$($NAME),*];
    };
}
pub(crate) use explanations;

/// An error of the program that has an explanation.
pub trait Explained {
    /// Returns the explanation.
    fn explanation(&self) -> Explanation;
}

/// Returns the explanation of a code. `permission denied`, `PERMISSION_DENIED`, `PermissionDenied` and `12` are equal.
pub fn find(code: &str) -> Option<Explanation> {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|letter| letter.is_ascii_alphanumeric());
        letters.map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let number = match code.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => code.parse().ok(),
    };
    let wanted = match number.and_then(ResultReason::from_wire) {
        Some(reason) => plain(reason.name()),
        None => plain(code),
    };
    let known = STARTS.iter().chain(CONNECTIONS).chain(REASONS);
    if let Some(found) = known.copied().find(|explanation| plain(explanation.code) == wanted) {
        return Some(found);
    }
    let reason = ResultReason::ALL.iter().find(|reason| plain(reason.name()) == wanted)?;
    Some(Explanation {
        code: reason.name(),
        says: reason.name(),
        meaning: "A Result Reason of the standard that this server never returns",
        advice: "Check which server the client is connected to",
    })
}

/// Returns the meaning of a code and what to do, as [`find`] does.
pub fn in_words(code: &str) -> Option<(&'static str, &'static str)> {
    find(code).map(|found| (found.meaning, found.advice))
}

/// Returns all codes, in the order of docs/errors.md.
pub fn codes() -> impl Iterator<Item = &'static str> {
    STARTS.iter().chain(CONNECTIONS).chain(REASONS).map(|explanation| explanation.code)
}

impl Explained for Symptom {
    fn explanation(&self) -> Explanation {
        match self {
            Self::PortProbe => answers::PORT_PROBE,
            Self::Closed => answers::CLIENT_CLOSED,
            Self::Late => answers::HANDSHAKE_TIMEOUT,
            Self::Connection => answers::CONNECTION_FAILED,
            Self::TooMany => answers::TOO_MANY_HANDSHAKES,
            Self::PlainHttp => answers::PLAIN_HTTP,
            Self::Ssh => answers::SSH,
            Self::PlainKmip => answers::PLAIN_KMIP,
            Self::ProxyHeader => answers::PROXY_HEADER,
            Self::NotTls => answers::NOT_TLS,
            Self::BadTls => answers::BAD_TLS,
            Self::NoVersion => answers::NO_VERSION,
            Self::NoCipherSuite => answers::NO_CIPHER_SUITE,
            Self::NoGroup => answers::NO_GROUP,
            Self::NoSignatureAlgorithm => answers::NO_SIGNATURE_ALGORITHM,
            Self::NoCertificate => answers::NO_CLIENT_CERTIFICATE,
            Self::UnknownIssuer => answers::UNKNOWN_ISSUER,
            Self::OtherIssuerKey => answers::OTHER_ISSUER_KEY,
            Self::IssuerExpired => answers::ISSUER_EXPIRED,
            Self::Expired => answers::EXPIRED,
            Self::NotYetValid => answers::NOT_YET_VALID,
            Self::NotForClients => answers::NOT_FOR_CLIENTS,
            Self::BadCertificate => answers::BAD_CLIENT_CERTIFICATE,
            Self::Distrust => answers::DISTRUST,
            Self::Alert => answers::CLIENT_ALERT,
            Self::Other => answers::HANDSHAKE_FAILED,
        }
    }
}

impl Explained for check_client::Refusal {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Unusable(error) => error.explanation(),
            Self::Key(error) => error.explanation(),
            Self::OtherKey { .. } => starts::KEY_MISMATCH,
            Self::Handshake { symptom, .. } => symptom.explanation(),
            Self::Identity(error) => error.explanation(),
        }
    }
}

impl Explained for auth::Error {
    fn explanation(&self) -> Explanation {
        match self {
            Self::NoCertificate => answers::CERTIFICATE_UNREADABLE,
            Self::NotAnyMore(_) => answers::NO_LONGER_ACCEPTED,
            Self::NoExtendedKeyUsage => answers::NO_EXTENDED_KEY_USAGE,
            Self::NotForClients => answers::NOT_FOR_CLIENTS,
            Self::NoCommonName => answers::NO_COMMON_NAME,
            Self::SeveralCommonNames(_) => answers::SEVERAL_COMMON_NAMES,
            Self::LongCredential(_) => answers::LONG_CREDENTIAL,
            Self::Refused(_) => answers::SLUGS_REFUSED,
        }
    }
}

impl Explained for settings::Error {
    fn explanation(&self) -> Explanation {
        use settings::InvalidValue;
        match self {
            Self::Invalid { reason: InvalidValue::Unsupported(_), .. } => starts::FEATURE_MISSING,
            Self::Invalid { source: settings::Source::Options, .. } => starts::COMMAND_LINE,
            Self::Unreadable { .. } => starts::SETTINGS_UNREADABLE,
            Self::Malformed { .. } | Self::NoServerSection(_) => starts::SETTINGS_MALFORMED,
            Self::Unknown { .. } => starts::SETTING_UNKNOWN,
            Self::Missing { .. } => starts::SETTING_MISSING,
            Self::Several(errors) => errors.first().map_or(starts::SETTING_INVALID, Self::explanation),
            Self::Invalid { reason: InvalidValue::NoSuchFile, .. } => starts::NO_SUCH_FILE,
            Self::Invalid { .. } => starts::SETTING_INVALID,
        }
    }
}

impl Explained for settings::MissingFeature {
    fn explanation(&self) -> Explanation {
        starts::FEATURE_MISSING
    }
}

impl Explained for logging::Error {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Unwritable { .. } => starts::LOG_UNWRITABLE,
            Self::AlreadySet => starts::INTERNAL,
        }
    }
}

impl Explained for server::Error {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Tls(error) => error.explanation(),
            Self::Authority(error) => error.explanation(),
            Self::Announced(_) => starts::ANNOUNCEMENT,
            Self::KeyFile(_) => starts::FILE_NOT_PRIVATE,
            Self::Audit(error) => error.explanation(),
            Self::Store(error) => error.explanation(),
            Self::Policy(error) => error.explanation(),
            Self::Service { .. } => starts::SLUGS_UNUSABLE,
            Self::Bind { cause, .. } => match cause.kind() {
                ErrorKind::AddrInUse => starts::PORT_IN_USE,
                ErrorKind::PermissionDenied => starts::PORT_FORBIDDEN,
                ErrorKind::AddrNotAvailable => starts::NO_SUCH_ADDRESS,
                _ => starts::CANNOT_LISTEN,
            },
            Self::NoManagementToken { .. } => starts::NO_MANAGEMENT_TOKEN,
            Self::NoManagement => starts::FEATURE_MISSING,
        }
    }
}

impl Explained for TlsError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Unreadable { .. } => starts::PEM_UNREADABLE,
            Self::NoCertificate { .. } => starts::NO_CERTIFICATE,
            Self::BadCertificate { .. } => starts::BAD_CERTIFICATE,
            Self::NoKey { encrypted: true, .. } => starts::KEY_ENCRYPTED,
            Self::NoKey { .. } => starts::NO_KEY,
            Self::BadKey { .. } => starts::BAD_KEY,
            Self::Mismatch { .. } => starts::KEY_MISMATCH,
            Self::Rustls(_) => starts::INTERNAL,
            #[cfg(feature = "legacy-tls")]
            Self::OpenSsl(_) => starts::INTERNAL,
        }
    }
}

impl Explained for AuthorityError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::File(error) => error.explanation(),
            Self::NoCertificate | Self::NoKey(_) | Self::Unusable { .. } => starts::AUTHORITY_UNUSABLE,
            Self::Trusted { .. } => starts::AUTHORITY_TRUSTED,
        }
    }
}

impl Explained for policy::Error {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Monitor { .. } => starts::NO_THREAD,
            Self::NotADirectory { .. } => starts::POLICY_PATH,
            _ => starts::POLICY_BROKEN,
        }
    }
}

impl Explained for store::Error {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Damaged { .. }
            | Self::Checksum { .. }
            | Self::ServerStateChecksum { .. }
            | Self::Missing { .. } => starts::DATABASE_DAMAGED,
            Self::Taken { .. } => starts::IDENTIFIER_TAKEN,
            Self::Key { .. } => starts::DATABASE_KEY,
            Self::NeedsKey { .. } => starts::DATABASE_SEALED,
            Self::NotSealed { .. } => starts::DATABASE_NOT_SEALED,
            Self::NoDirectory { .. } => starts::DATABASE_NO_FOLDER,
            Self::File { .. } => starts::DATABASE_UNUSABLE,
            Self::NotPrivate { .. } => starts::FILE_NOT_PRIVATE,
            Self::NotADatabase { .. } | Self::Foreign { .. } => starts::DATABASE_FOREIGN,
            Self::PykmipDatabase { .. } => starts::DATABASE_PYKMIP,
            Self::TakeOver { .. } => starts::DATABASE_NOT_TAKEN_OVER,
            Self::NewerVersion { .. } => starts::DATABASE_NEWER,
            Self::NoThread { .. } => starts::NO_THREAD,
            Self::Locked { .. } => starts::DATABASE_LOCKED,
            Self::InUse { .. } => starts::DATABASE_IN_USE,
            Self::NoWriteAheadLog { .. } => starts::DATABASE_FILE_SYSTEM,
            Self::Url { .. } => starts::DATABASE_URL,
            Self::Unreachable { .. } => starts::DATABASE_UNREACHABLE,
            Self::ForeignTable { .. } => starts::DATABASE_FOREIGN,
            Self::SealedTooLate { .. } => starts::DATABASE_SEALED_TOO_LATE,
            Self::NotInitialized => starts::DATABASE_DAMAGED,
            Self::Sql { .. } | Self::Uncertain { .. } | Self::Contended => starts::DATABASE_STATEMENT,
            Self::GroupLost
            | Self::NoCopies
            | Self::Sealing
            | Self::NoReader { .. }
            | Self::SearchTooLong
            | Self::Replaced { .. }
            | Self::Sqlite { .. } => starts::DATABASE_FAILED,
        }
    }
}

impl Explained for backup::Error {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Store(error) => error.explanation(),
            Self::Exists(_) => starts::EXPORT_EXISTS,
            Self::Io { .. } => starts::EXPORT_FILE,
            Self::Key { .. } | Self::NeedsKey(_) | Self::NotSealed(_) => starts::EXPORT_KEY,
            Self::Line { .. } | Self::IsDatabase(_) => starts::EXPORT_DAMAGED,
            Self::Unwritable { .. } => starts::INTERNAL,
            Self::Taken { .. } => starts::IDENTIFIER_TAKEN,
            Self::Interrupted => starts::INTERRUPTED,
        }
    }
}

#[cfg(feature = "management")]
impl Explained for management::Failure {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Address(..) => starts::COMMAND_LINE,
            Self::Unreachable(..) | Self::Foreign(_) | Self::NotReady(..) => starts::NOT_READY,
        }
    }
}

#[cfg(feature = "certificates")]
impl Explained for pki::Error {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Exists(_) => starts::CERTIFICATES_EXIST,
            Self::Io { .. } => starts::CERTIFICATES_FILE,
            Self::Folder { .. } => starts::TEMPORARY_FOLDER,
            Self::Authority { .. } => starts::CERTIFICATES_AUTHORITY,
            Self::Incomplete { .. } => starts::AUTO_INCOMPLETE,
            Self::Expired { .. } => starts::AUTO_EXPIRED,
            Self::Beside { .. } => starts::AUTO_BESIDE,
            Self::NoClient
            | Self::ClientName(_)
            | Self::Days(_)
            | Self::Password { .. }
            | Self::Container(_)
            | Self::Certificate(_) => starts::CERTIFICATES_OPTION,
        }
    }
}

impl Explained for std::io::Error {
    fn explanation(&self) -> Explanation {
        starts::NO_THREAD
    }
}

/// The explanation of a wrong command line.
pub const COMMAND_LINE: Explanation = starts::COMMAND_LINE;
/// The explanation of a start without any settings.
pub const NOT_CONFIGURED: Explanation = starts::NOT_CONFIGURED;
/// The explanation of errors that `--check-config` finds.
pub const CHECK_FAILED: Explanation = starts::CHECK_FAILED;
/// The explanation of faults that `--check-database` finds.
pub const DATABASE_DAMAGED: Explanation = starts::DATABASE_DAMAGED;
/// The explanation of an unknown code.
pub const NOT_EXPLAINED: Explanation = starts::NOT_EXPLAINED;
/// The explanation of a question about the health of a server without an address.
pub const NO_MANAGEMENT: Explanation = starts::NO_MANAGEMENT;
/// The explanation of an export or import with a database in memory.
pub const NO_DATABASE: Explanation = starts::NO_DATABASE;

/// Returns a list as a Markdown table.
pub fn table(heads: [&str; 3], list: &[Explanation]) -> String {
    let escaped = |text: &str| text.replace('|', "\\|");
    let mut text = format!("| Code | {} |\n|---|---|---|---|\n", heads.join(" | "));
    for Explanation { code, says, meaning, advice } in list {
        let row = [says, meaning, advice].map(|cell| escaped(cell)).join(" | ");
        text.push_str(&format!("| `{code}` | {row} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_symptom_has_the_explanation_of_its_code() {
        for symptom in Symptom::ALL {
            assert_eq!(symptom.explanation().code, symptom.code());
        }
        for error in [
            auth::Error::NoCertificate,
            auth::Error::NotAnyMore(String::new()),
            auth::Error::NoExtendedKeyUsage,
            auth::Error::NotForClients,
            auth::Error::NoCommonName,
            auth::Error::SeveralCommonNames(2),
            auth::Error::LongCredential(2000),
            auth::Error::Refused(Vec::new()),
        ] {
            assert_eq!(error.explanation().code, error.code());
        }
    }
}
