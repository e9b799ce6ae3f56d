//! The configuration of a server: the settings of PyKMIP's `KmipServer` constructor and the additional ones, typed.
//!
//! A program builds it in code, or [`crate::settings`] builds it from a file and a command line. The server checks the
//! files when it opens them.

use std::path::PathBuf;
use std::time::Duration;

use crate::compatibility::Compatibility;
use crate::secret::Secret;

/// The TLS versions that the server accepts.
///
/// ```
/// use kmip_server::{AuthSuite, Config};
///
/// let config = Config::builder("server.pem", "ca.pem").auth_suite(AuthSuite::Tls13).build();
/// assert_eq!(config.auth_suite, AuthSuite::Tls13);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthSuite {
    /// `Basic`: TLS 1.2 and 1.3. (PyKMIP's name for TLS 1.0, which this server does not support.)
    #[default]
    Basic,
    /// `TLS1.2`: TLS 1.2 only.
    Tls12,
    /// `TLS1.3`: TLS 1.3 only.
    Tls13,
}

impl AuthSuite {
    /// Every suite with its name in the settings.
    pub const NAMES: &'static [(&'static str, Self)] =
        &[("Basic", Self::Basic), ("TLS1.2", Self::Tls12), ("TLS1.3", Self::Tls13)];
}

/// The oldest TLS version that the server accepts.
///
/// ```
/// use kmip_server::{Config, TlsVersion};
///
/// let config = Config::builder("server.pem", "ca.pem").tls_minimum_version(TlsVersion::V1_0).build();
/// assert!(config.tls_minimum_version < TlsVersion::V1_2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0.
    V1_0,
    /// TLS 1.1.
    V1_1,
    /// TLS 1.2.
    #[default]
    V1_2,
}

impl TlsVersion {
    /// Every version with its name in the settings.
    pub const NAMES: &'static [(&'static str, Self)] =
        &[("1.0", Self::V1_0), ("1.1", Self::V1_1), ("1.2", Self::V1_2)];
}

/// The least severe level that is logged, with the names of Python's `logging`.
///
/// ```
/// use kmip_server::{Config, Level};
///
/// let config = Config::builder("server.pem", "ca.pem").logging_level(Level::Debug).build();
/// assert_eq!(config.logging_level, Level::Debug);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Adds requests and responses, with the key material masked.
    Debug,
    /// Adds regular events: starts, stops, sessions, identities.
    #[default]
    Info,
    /// Adds refused and ignored input.
    Warning,
    /// Logs failures only.
    Error,
    /// Logs nothing: the server has no messages of this level.
    Critical,
}

impl Level {
    /// Every level with its name in the settings.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("DEBUG", Self::Debug),
        ("INFO", Self::Info),
        ("WARNING", Self::Warning),
        ("ERROR", Self::Error),
        ("CRITICAL", Self::Critical),
    ];
}

/// An authentication service: a section `[auth:NAME]` of the settings.
///
/// ```
/// use kmip_server::{AuthPlugin, Config};
///
/// let service = AuthPlugin {
///     name: "auth:slugs".into(),
///     enabled: true,
///     url: Some("http://127.0.0.1:8080/slugs/".into()),
/// };
/// let config = Config::builder("server.pem", "ca.pem").auth_plugins([service]).build();
/// assert_eq!(config.auth_plugins.len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthPlugin {
    /// The name of the section: `auth:slugs`, `auth:slugs:second`.
    pub name: String,
    /// Whether the server asks the service.
    pub enabled: bool,
    /// The URL of the service.
    pub url: Option<String>,
}

impl AuthPlugin {
    /// Returns whether the section with this name is that of a SLUGS service.
    pub(crate) fn is_slugs(name: &str) -> bool {
        name.starts_with("auth:slugs")
    }
}

/// A section of the settings as names and values.
///
/// ```
/// use kmip_server::{Announcement, Section};
///
/// let entries = [("authority", "Unspecified"), ("type", "Software"), ("version", "1"), ("level", "1")];
/// let entries = entries.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
/// let validation = Section { name: "validation:example".into(), entries };
/// let announcement = Announcement { validations: vec![validation], ..Announcement::default() };
/// # assert_eq!(announcement.validations.len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The name of the section.
    pub name: String,
    /// The settings of the section by name.
    pub entries: Vec<(String, String)>,
}

/// Overrides for the server information that Query and C_GetInfo of PKCS#11 return, to test clients.
///
/// ```
/// use kmip_server::{Announcement, Config};
///
/// let announced = Announcement { manufacturer: Some("Example Ltd".into()), ..Announcement::default() };
/// let config = Config::builder("server.pem", "ca.pem").announced(announced).build();
/// # assert_eq!(config.announced.manufacturer.as_deref(), Some("Example Ltd"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// The profiles, each as `NAME`, optionally with ` at URI` and ` port NUMBER`; `None` for the profiles that the
    /// server meets.
    pub profiles: Option<Vec<String>>,
    /// The sections `[validation:NAME]`: one for each validation of the product.
    pub validations: Vec<Section>,
    /// The manufacturer.
    pub manufacturer: Option<String>,
    /// The product.
    pub product: Option<String>,
    /// The version of the product.
    pub version: Option<String>,
    /// The version of PKCS#11 that C_GetInfo returns.
    pub pkcs11_version: Option<String>,
}

/// The address at which a user's client listens for Put and Notify requests of the server.
///
/// ```
/// use kmip_server::{ClientEndpoint, Config};
///
/// let endpoint = ClientEndpoint { user: "John Doe".into(), host: "127.0.0.1".into(), port: 5697 };
/// let config = Config::builder("server.pem", "ca.pem").client_endpoints([endpoint]).build();
/// # assert_eq!(config.client_endpoints.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEndpoint {
    /// The user: the identity in the certificate of the listening client.
    pub user: String,
    /// The host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Declares [`Config`], its defaults and its builder from one list of fields. The builder's
/// methods convert texts and paths, take values as they are, collect lists from iterators, and wrap options in `Some`.
macro_rules! config {
    (
        texts { $($(#[$text_meta:meta])* $text:ident: $Text:ty = $text_default:expr,)* }
        values { $($(#[$value_meta:meta])* $value:ident: $Value:ty = $default:expr,)* }
        lists { $($(#[$list_meta:meta])* $list:ident: $Item:ty,)* }
        options { $($(#[$option_meta:meta])* $option:ident: $Content:ty,)* }
    ) => {
        /// The configuration of one server.
        ///
        /// [`Config::builder`] and [`Config::new`] start with the defaults; the fields can also be assigned.
        ///
        /// ```
        /// use kmip_server::Config;
        ///
        /// let mut config = Config::builder("server.pem", "ca.pem").port(0).database_path(":memory:").build();
        /// config.max_connections = 64;
        /// assert_eq!((config.port, config.hostname.as_str()), (0, "127.0.0.1"));
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Config {
            /// The server's certificate, PEM, followed by the intermediate CA certificates.
            pub certificate_path: PathBuf,
            /// The trusted certificates, PEM: of CAs that issue client certificates, or of single clients.
            pub ca_path: PathBuf,
            $($(#[$text_meta])* pub $text: $Text,)*
            $($(#[$value_meta])* pub $value: $Value,)*
            $($(#[$list_meta])* pub $list: Vec<$Item>,)*
            $($(#[$option_meta])* pub $option: Option<$Content>,)*
        }

        impl Config {
            /// Returns the configuration of a server on 127.0.0.1, port 5696, with the default of each other setting.
            ///
            /// The file `certificate_path` also contains the private key, unless `key_path` is set.
            pub fn new(certificate_path: impl Into<PathBuf>, ca_path: impl Into<PathBuf>) -> Self {
                Self {
                    certificate_path: certificate_path.into(),
                    ca_path: ca_path.into(),
                    $($text: $text_default.into(),)*
                    $($value: $default,)*
                    $($list: Vec::new(),)*
                    $($option: None,)*
                }
            }
        }

        impl ConfigBuilder {
            $(
                #[doc = concat!("Sets `", stringify!($text), "`.\n")]
                $(#[$text_meta])*
                #[must_use]
                pub fn $text(mut self, value: impl Into<$Text>) -> Self {
                    self.config.$text = value.into();
                    self
                }
            )*
            $(
                #[doc = concat!("Sets `", stringify!($value), "`.\n")]
                $(#[$value_meta])*
                #[must_use]
                pub fn $value(mut self, value: $Value) -> Self {
                    self.config.$value = value;
                    self
                }
            )*
            $(
                #[doc = concat!("Sets `", stringify!($list), "`.\n")]
                $(#[$list_meta])*
                #[must_use]
                pub fn $list(mut self, values: impl IntoIterator<Item = $Item>) -> Self {
                    self.config.$list = values.into_iter().collect();
                    self
                }
            )*
            $(
                #[doc = concat!("Sets `", stringify!($option), "`.\n")]
                $(#[$option_meta])*
                #[must_use]
                pub fn $option(mut self, value: impl Into<$Content>) -> Self {
                    self.config.$option = Some(value.into());
                    self
                }
            )*
        }
    };
}

config! {
    texts {
        /// The host name or address to listen on; empty for every IPv4 address of the machine.
        hostname: String = "127.0.0.1",
        /// The log file, with its predecessors in the same folder; `-` for standard output.
        log_path: PathBuf = Self::DEFAULT_LOG,
        /// The SQLite database file, or the URL of a PostgreSQL database (`postgresql://…`, without a password); `:memory:` keeps
        /// the objects in memory only.
        database_path: PathBuf = Self::DEFAULT_DATABASE,
    }
    values {
        /// The port to listen on; 0 selects a free port.
        port: u16 = Self::DEFAULT_PORT,
        /// The TLS versions.
        auth_suite: AuthSuite = AuthSuite::default(),
        /// Whether OpenSSL serves the TLS clients that rustls cannot serve.
        legacy_tls: bool = true,
        /// The oldest TLS version; only clients that OpenSSL serves use one below 1.2.
        tls_minimum_version: TlsVersion = TlsVersion::default(),
        /// Whether the running server applies changes in the policy directory.
        live_policies: bool = true,
        /// Whether the running server reads changed certificates, keys and CA certificates.
        live_certificates: bool = true,
        /// Whether client certificates need an extended key usage that contains client authentication.
        enable_tls_client_auth: bool = true,
        /// Whether the Credential of a request distinguishes users that share a certificate.
        enable_credential_identity: bool = false,
        /// Whether the server refuses key files that group or others can read, instead of a warning.
        strict_file_modes: bool = false,
        /// Whether tests may change the clock, the objects and the answers of the server, and read its messages.
        test_control: bool = false,
        /// Whose behaviour the server has if PyKMIP and the standard differ.
        compatibility: Compatibility = Compatibility::default(),
        /// The least severe level that is logged.
        logging_level: Level = Level::default(),
        /// The size in bytes above which the log file is rotated; 0 for never.
        log_max_size: u64 = Self::DEFAULT_LOG_MAX_SIZE,
        /// The number of predecessors of the log file; 0 for no rotation.
        log_backups: usize = Self::DEFAULT_LOG_BACKUPS,
        /// The size in bytes above which the audit log is rotated; 0 for never.
        audit_max_size: u64 = Self::DEFAULT_AUDIT_MAX_SIZE,
        /// The number of predecessors of the audit log; 0 for no rotation.
        audit_backups: usize = Self::DEFAULT_AUDIT_BACKUPS,
        /// Whether the server refuses operations that it cannot write to the audit log.
        audit_required: bool = false,
        /// Overrides for the server information that clients query.
        announced: Announcement = Announcement::default(),
        /// The largest number of simultaneous client connections.
        max_connections: usize = Self::DEFAULT_MAX_CONNECTIONS,
        /// The largest request in bytes; the server disconnects a client that announces a larger one.
        max_request_size: usize = Self::DEFAULT_MAX_REQUEST_SIZE,
        /// The memory for the large messages of all connections, in bytes; at least five times `max_request_size`.
        max_request_memory: usize = Self::DEFAULT_MAX_REQUEST_MEMORY,
        /// The time that a start waits for a PostgreSQL database.
        database_connect_timeout: Duration = Self::DEFAULT_DATABASE_CONNECT_TIMEOUT,
        /// The time limit of a TLS handshake.
        handshake_timeout: Duration = Self::DEFAULT_HANDSHAKE_TIMEOUT,
        /// The time limit of a request, from its first byte to its last.
        request_timeout: Duration = Self::DEFAULT_REQUEST_TIMEOUT,
        /// The longest time in which a client may read no byte of a response. A long response also has a minimum rate.
        response_timeout: Duration = Self::DEFAULT_RESPONSE_TIMEOUT,
    }
    lists {
        /// The cipher suites of TLS, by standard or OpenSSL names, or as cipher strings of OpenSSL; empty for the defaults.
        tls_cipher_suites: String,
        /// The common names of the clients of `auto_certificates`; empty for John Doe and Jane Doe.
        auto_certificate_clients: String,
        /// Further names and addresses in the server certificate of `auto_certificates`.
        auto_certificate_hosts: String,
        /// The authentication services, in the order in which the server asks them.
        auth_plugins: AuthPlugin,
        /// The addresses at which clients listen for Put and Notify, at most one per user.
        client_endpoints: ClientEndpoint,
    }
    options {
        /// The folder of certificates for tests, which the first start makes. It needs an empty `certificate_path` and `ca_path`.
        auto_certificates: PathBuf,
        /// The largest number of simultaneous connections of one user; `None` for the share that the other users leave.
        max_connections_per_user: usize,
        /// The time after which a connection without a request ends; `None` to keep it open.
        idle_timeout: Duration,
        /// The private key of the server's certificate, PEM; `None` if the certificate's file contains it.
        key_path: PathBuf,
        /// The directory of operation policy files; `None` for the built-in policies only.
        policy_path: PathBuf,
        /// The file of the key that encrypts the objects in the database; `None` to store them in clear.
        key_encryption_key_path: PathBuf,
        /// The audit log; `-` for standard output. `None` for the file `audit.log` beside `log_path` if `audit_required`,
        /// and for the logger `kmip.server.audit` of the `log` facade otherwise.
        audit_log_path: PathBuf,
        /// The address of the management interface, as `HOST:PORT`; `None` for none.
        management_address: String,
        /// The token of clients of the management interface; `None` if every client on this machine may use it.
        management_token: Secret,
        /// The file to which the server periodically writes its status as JSON; `None` for no such file.
        status_path: PathBuf,
        /// The certificate of the CA that signs for Certify and Re-certify, PEM; `None` for a CA that the server
        /// creates and stores.
        certify_ca_certificate: PathBuf,
        /// The private key of that CA, PEM; `None` if the file of its certificate contains it.
        certify_ca_key: PathBuf,
    }
}

impl Config {
    /// The settings file that `run_server` reads by default.
    pub const DEFAULT_FILE: &'static str = "/etc/pykmip/server.conf";
    /// The port that IANA registered for KMIP.
    pub const DEFAULT_PORT: u16 = 5696;
    /// PyKMIP's log file.
    pub const DEFAULT_LOG: &'static str = "/var/log/pykmip/server.log";
    /// PyKMIP's size of a log file.
    pub const DEFAULT_LOG_MAX_SIZE: u64 = 1_000_000;
    /// PyKMIP's number of predecessors of the log file.
    pub const DEFAULT_LOG_BACKUPS: usize = 5;
    /// Some 400,000 operations.
    pub const DEFAULT_AUDIT_MAX_SIZE: u64 = 100_000_000;
    /// Together with the file itself, at most 1.1 GB.
    pub const DEFAULT_AUDIT_BACKUPS: usize = 10;
    /// PyKMIP's database file.
    pub const DEFAULT_DATABASE: &'static str = "/tmp/pykmip.database";
    /// Enough for a test farm, and few enough that idle clients cannot exhaust the memory.
    pub const DEFAULT_MAX_CONNECTIONS: usize = 1024;
    /// 16 MiB. PyKMIP declares a limit of 1 MiB but does not enforce it, so its clients may send more.
    pub const DEFAULT_MAX_REQUEST_SIZE: usize = 16 << 20;
    /// 1 GiB: 64 of the largest messages.
    pub const DEFAULT_MAX_REQUEST_MEMORY: usize = 1 << 30;
    /// Long enough for a database that starts together with the server.
    pub const DEFAULT_DATABASE_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
    /// PyKMIP's limit for each step of a handshake, here for the whole handshake.
    pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
    /// Long enough for the largest request on a slow line, short enough to release the resources of a dead client.
    pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
    /// Long enough for a busy client, short enough to release the resources of a dead one.
    pub const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

    /// Returns a builder with the defaults of [`Config::new`].
    ///
    /// ```
    /// use kmip_server::Config;
    ///
    /// let config = Config::builder("server.pem", "ca.pem").key_path("server.key").port(0).build();
    /// assert!(config.key_path.is_some());
    /// ```
    pub fn builder(certificate_path: impl Into<PathBuf>, ca_path: impl Into<PathBuf>) -> ConfigBuilder {
        ConfigBuilder { config: Self::new(certificate_path, ca_path) }
    }
}

/// Builds a [`Config`], one setting at a time.
///
/// ```
/// use std::time::Duration;
///
/// use kmip_server::Config;
///
/// let config = Config::builder("server.pem", "ca.pem")
///     .hostname("0.0.0.0")
///     .database_path("/var/lib/kmip/kmip.database")
///     .request_timeout(Duration::from_secs(5))
///     .build();
/// assert_eq!(config.hostname, "0.0.0.0");
/// ```
#[derive(Clone, Debug)]
pub struct ConfigBuilder {
    config: Config,
}

impl ConfigBuilder {
    /// Returns the configuration.
    pub fn build(self) -> Config {
        self.config
    }
}
