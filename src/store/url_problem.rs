//! The reasons why a URL does not name a PostgreSQL database.

use std::fmt;
use std::path::PathBuf;

/// A reason why a URL does not name a PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlProblem {
    /// It begins with another scheme.
    Scheme,
    /// It contains a password.
    Password,
    /// It names no host.
    NoHost,
    /// A port is not a number from 1 to 65535.
    Port {
        /// The text.
        port: String,
    },
    /// The numbers of hosts and ports differ.
    Ports,
    /// A percent sign is not followed by two hexadecimal digits, or the text is not UTF-8.
    Escape {
        /// The text.
        text: String,
    },
    /// A key is not supported.
    Key {
        /// The key.
        key: String,
    },
    /// A key has a value that it cannot have.
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// The values that it can have.
        allowed: &'static str,
    },
    /// The certificate of the database cannot be verified without trusted certificates.
    NoRootCertificate,
    /// The trusted certificates cannot be used.
    RootCertificate {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The password file cannot be used.
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The TLS library refuses the settings.
    Tls {
        /// The reason.
        why: String,
    },
    /// This build cannot use PostgreSQL.
    Unsupported,
}

impl fmt::Display for UrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("it does not begin with postgresql://"),
            Self::Password => f.write_str(
                "it contains a password, which logs and lists of processes would show; set the environment variable \
                 PGPASSWORD, or name a password file with passfile=",
            ),
            Self::NoHost => f.write_str("it names no host; write postgresql://user@host/database"),
            Self::Port { port } => write!(f, "the port '{port}' is not a number from 1 to 65535"),
            Self::Ports => f.write_str("it does not name as many ports as hosts"),
            Self::Escape { text } => {
                write!(f, "'{text}' is not UTF-8 with %XX for reserved characters; write % as %25")
            }
            Self::Key { key } => write!(
                f,
                "the key '{key}' is not supported; the keys are host, port, user, dbname, target_session_attrs, sslmode, \
                 sslrootcert and passfile"
            ),
            Self::Value { key, value, allowed } => {
                write!(f, "{key} cannot be '{value}'; the values are {allowed}")
            }
            Self::NoRootCertificate => f.write_str(
                "sslmode verify-ca and verify-full need sslrootcert=, the file of trusted certificates",
            ),
            Self::RootCertificate { path, why } => {
                write!(f, "the file {} of sslrootcert cannot be used: {why}", path.display())
            }
            Self::PasswordFile { path, why } => {
                write!(f, "the password file {} cannot be used: {why}", path.display())
            }
            Self::Tls { why } => write!(f, "TLS cannot be set up: {why}"),
            Self::Unsupported => {
                f.write_str("this build has no PostgreSQL support (cargo feature `postgres`)")
            }
        }
    }
}
