//! What a server is told before it starts: every setting of PyKMIP's `KmipServer` constructor, typed.
//!
//! Built in code, or by [`crate::settings`] from a file and a command line. Whether the paths lead anywhere is
//! left to whoever opens them.

use std::path::PathBuf;
use std::time::Duration;

/// Which versions of TLS are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthSuite {
    /// `Basic`: TLS 1.2 and 1.3. (The name once stood for TLS 1.0, which is not spoken.)
    #[default]
    Basic,
    /// `TLS1.2`: that version only.
    Tls12,
    /// `TLS1.3`: that version only.
    Tls13,
}

impl AuthSuite {
    /// Every suite by its name in the settings.
    pub const NAMES: &'static [(&'static str, Self)] =
        &[("Basic", Self::Basic), ("TLS1.2", Self::Tls12), ("TLS1.3", Self::Tls13)];
}

/// The least severe messages that are logged, by Python's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Also each request and response, as trees with the key material masked.
    Debug,
    /// Also what is normal: starts, stops, sessions, identities.
    #[default]
    Info,
    /// Also what was refused or left out.
    Warning,
    /// Also what failed.
    Error,
    /// Nothing: the server has no message of this level.
    Critical,
}

impl Level {
    /// Every level by its name in the settings.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("DEBUG", Self::Debug),
        ("INFO", Self::Info),
        ("WARNING", Self::Warning),
        ("ERROR", Self::Error),
        ("CRITICAL", Self::Critical),
    ];
}

/// One `[auth:NAME]` section of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthPlugin {
    /// The name of the section: `auth:slugs`, `auth:slugs:second`.
    pub name: String,
    /// Whether it is asked.
    pub enabled: bool,
    /// Where it is.
    pub url: Option<String>,
}

/// Any other section of the settings that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The name of the section.
    pub name: String,
    /// Its settings, by their names.
    pub entries: Vec<(String, String)>,
}

/// What clients are told of the server, where it is not what the server knows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// The profiles, each as `NAME at URI port NUMBER`, the last two or not; `None` for those that the server meets.
    pub profiles: Option<Vec<String>>,
    /// The sections `[validation:NAME]`: one for each validation of the product.
    pub validations: Vec<Section>,
    /// Who made the server.
    pub manufacturer: Option<String>,
    /// What it is.
    pub product: Option<String>,
    /// Which version of it.
    pub version: Option<String>,
    /// The version of PKCS#11 that C_GetInfo tells.
    pub pkcs11_version: Option<String>,
}

/// Where a user's client listens for what the server sends of its own accord.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEndpoint {
    /// The user, as the certificate of the user's client names them.
    pub user: String,
    /// The name or address of the machine.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The settings of one server. [`Config::new`] gives the defaults; each field may be changed after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name or address to listen on; empty for every IPv4 address of the machine.
    pub hostname: String,
    /// The port to listen on; 0 picks a free one.
    pub port: u16,
    /// The server's certificate, PEM, its chain after it.
    pub certificate_path: PathBuf,
    /// The server's private key, PEM; `None` where the certificate's file holds it.
    pub key_path: Option<PathBuf>,
    /// The certificates that clients are trusted by, PEM.
    pub ca_path: PathBuf,
    /// The versions of TLS.
    pub auth_suite: AuthSuite,
    /// The log file; its five older parts stand beside it.
    pub log_path: PathBuf,
    /// The directory of operation policy files; `None` for the built-in policies alone.
    pub policy_path: Option<PathBuf>,
    /// Whether changes in the policy directory count while the server runs.
    pub live_policies: bool,
    /// Whether client certificates need an extended key usage that lists client authentication.
    pub enable_tls_client_auth: bool,
    /// Whether those who share a certificate are told apart by whom the credentials of their requests name.
    pub enable_credential_identity: bool,
    /// The cipher suites to restrict TLS to, by standard or OpenSSL names; empty for all that are offered.
    pub tls_cipher_suites: Vec<String>,
    /// What is logged.
    pub logging_level: Level,
    /// The SQLite file of the objects; `:memory:` for none.
    pub database_path: PathBuf,
    /// The file of the key that objects are sealed with in the database; `None` to keep them as they are.
    pub key_encryption_key_path: Option<PathBuf>,
    /// The authentication services, in the order they are asked in.
    pub auth_plugins: Vec<AuthPlugin>,
    /// The file that the state of the server is written to as JSON, again and again; `None` for no such file.
    pub status_path: Option<PathBuf>,
    /// The certificate of the authority that signs for Certify and Re-certify, PEM; `None` for one that the server
    /// makes and keeps itself.
    pub certify_ca_certificate: Option<PathBuf>,
    /// That authority's private key, PEM; `None` where its certificate's file holds it.
    pub certify_ca_key: Option<PathBuf>,
    /// What clients are told of the server, where it is not what the server knows of itself.
    pub announced: Announcement,
    /// Where clients listen for Put and Notify, each user once; none for a server that only answers.
    pub client_endpoints: Vec<ClientEndpoint>,
    /// How many clients may be connected at once; more are turned away.
    pub max_connections: usize,
    /// The longest request that is read, in bytes; a client that announces more is cut off.
    pub max_request_size: usize,
    /// How much of the large messages of all connections may be in memory at once, in bytes; never less than four
    /// of the longest requests.
    pub message_memory: usize,
    /// How long a client may take for the TLS handshake.
    pub handshake_timeout: Duration,
    /// How long a client may take for a request, from its first byte to its last.
    pub request_timeout: Duration,
    /// How long a client may read nothing of a response; a longer one has to be read at a certain rate as well.
    pub response_timeout: Duration,
}

impl Config {
    /// Where the settings are looked for when no file is named.
    pub const DEFAULT_FILE: &'static str = "/etc/pykmip/server.conf";
    /// The port that IANA registered for KMIP.
    pub const DEFAULT_PORT: u16 = 5696;
    /// Where the log goes.
    pub const DEFAULT_LOG: &'static str = "/var/log/pykmip/server.log";
    /// Where the objects are kept.
    pub const DEFAULT_DATABASE: &'static str = "/tmp/pykmip.database";
    /// Enough for a test farm, and few enough that idle clients cannot use up the memory.
    pub const DEFAULT_MAX_CONNECTIONS: usize = 1024;
    /// 16 MiB. PyKMIP has a limit of 1 MiB that it never applies, so data to sign or to digest may be longer.
    pub const DEFAULT_MAX_REQUEST_SIZE: usize = 16 << 20;
    /// 1 GiB: sixty-four of the longest messages.
    pub const DEFAULT_MESSAGE_MEMORY: usize = 1 << 30;
    /// PyKMIP's limit for each step of a handshake; here it covers the whole.
    pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
    /// Enough for the longest request on a slow line, and short enough to free what a dead client holds.
    pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

    /// Enough for a client that has other things to do first, and short enough to free what a dead one holds.
    pub const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

    /// A server on 127.0.0.1, port 5696, with the defaults of each setting.
    ///
    /// `certificate_path` may hold the private key as well; set `key_path` where it does not.
    pub fn new(certificate_path: impl Into<PathBuf>, ca_path: impl Into<PathBuf>) -> Self {
        Self {
            hostname: "127.0.0.1".to_owned(),
            port: Self::DEFAULT_PORT,
            certificate_path: certificate_path.into(),
            key_path: None,
            ca_path: ca_path.into(),
            auth_suite: AuthSuite::default(),
            log_path: Self::DEFAULT_LOG.into(),
            policy_path: None,
            live_policies: true,
            enable_tls_client_auth: true,
            enable_credential_identity: true,
            tls_cipher_suites: Vec::new(),
            logging_level: Level::default(),
            database_path: Self::DEFAULT_DATABASE.into(),
            key_encryption_key_path: None,
            auth_plugins: Vec::new(),
            status_path: None,
            certify_ca_certificate: None,
            certify_ca_key: None,
            announced: Announcement::default(),
            client_endpoints: Vec::new(),
            max_connections: Self::DEFAULT_MAX_CONNECTIONS,
            max_request_size: Self::DEFAULT_MAX_REQUEST_SIZE,
            message_memory: Self::DEFAULT_MESSAGE_MEMORY,
            handshake_timeout: Self::DEFAULT_HANDSHAKE_TIMEOUT,
            request_timeout: Self::DEFAULT_REQUEST_TIMEOUT,
            response_timeout: Self::DEFAULT_RESPONSE_TIMEOUT,
        }
    }
}
