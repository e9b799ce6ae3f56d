//! The table of settings. A row is the only declaration of a setting: the parser, `--check-config`, the command line,
//! `server.conf.example`, docs/settings.md and the manual page follow from it.

use super::value::Kind;

/// One setting of the section `[server]`.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name in the settings file, and of the long option.
    pub name: &'static str,
    /// The command line option that sets the setting, too.
    pub option: OptionForm,
    /// The kind, which determines the allowed values, and the field of `Config`.
    pub kind: Kind,
    /// The default.
    pub default: DefaultValue,
    /// A value that `server.conf.example` sets, instead of the default in a comment.
    pub example: Option<&'static str>,
    /// One sentence, which the help of the command line shows too.
    pub help: &'static str,
    /// Further sentences, for the documents. Lines that begin with four spaces are shown as they are.
    pub details: &'static str,
    /// The version of this server that introduced the setting.
    pub since: &'static str,
}

/// The command line option of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionForm {
    /// No option.
    None,
    /// The name of the setting after two hyphens.
    Long,
    /// The same, or this letter after one hyphen.
    Letter(char),
}

/// The value of a setting that neither the file nor the environment nor the command line contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// The setting is required.
    Required,
    /// The setting is required in a settings file; without a file it has the value of `Config::new`.
    RequiredInFile,
    /// The value of `Config::new`.
    Value,
    /// No value, with these consequences.
    Unset(&'static str),
}

/// Every setting, in the order of `server.conf.example`.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "hostname",
        option: OptionForm::Letter('n'),
        kind: Kind::Host(|config| &mut config.hostname),
        default: DefaultValue::Required,
        example: Some("127.0.0.1"),
        help: "The host name or address to listen on; * means every IPv4 address, and so does nothing in a file.",
        details: "An IPv6 address may be in brackets. The setting port contains the port.",
        since: "0.1.0",
    },
    Setting {
        name: "port",
        option: OptionForm::Letter('p'),
        kind: Kind::Port(|config| &mut config.port),
        default: DefaultValue::Required,
        example: Some("5696"),
        help: "The port to listen on: 5696 is registered for KMIP, 0 selects a free port.",
        details: "The first line on standard output contains the port.",
        since: "0.1.0",
    },
    Setting {
        name: "certificate_path",
        option: OptionForm::Letter('c'),
        kind: Kind::File(|config| &mut config.certificate_path),
        default: DefaultValue::Required,
        example: Some("/etc/pykmip/server.pem"),
        help: "The server's certificate, PEM, followed by the intermediate CA certificates.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "key_path",
        option: OptionForm::Letter('k'),
        kind: Kind::OptionalFile(|config| &mut config.key_path),
        default: DefaultValue::Unset("the file of certificate_path contains the key"),
        example: Some("/etc/pykmip/server.key"),
        help: "The private key of the server's certificate, PEM.",
        details: "RSA or EC, in PKCS#8, PKCS#1 or SEC1, not encrypted.",
        since: "0.1.0",
    },
    Setting {
        name: "ca_path",
        option: OptionForm::Letter('a'),
        kind: Kind::File(|config| &mut config.ca_path),
        default: DefaultValue::Required,
        example: Some("/etc/pykmip/ca.pem"),
        help: "The trusted certificates, PEM: of CAs that issue client certificates, or of single clients.",
        details: "Only a client whose certificate is in this file, or has a valid path to a certificate in it, can \
                  connect.",
        since: "0.1.0",
    },
    Setting {
        name: "auto_certificates",
        option: OptionForm::Long,
        kind: Kind::CertificateFolder(|config| &mut config.auto_certificates),
        default: DefaultValue::Unset("certificate_path and ca_path name the certificates"),
        example: None,
        help: "The folder of certificates for tests: a CA and certificates of the server and of clients, made at the first start.",
        details: "It replaces certificate_path, key_path and ca_path. With certificate_path and ca_path, it has no effect. \
                  Later starts use the certificates, add those of new clients, and renew an expired one or a server \
                  certificate without a name of the server. The names are localhost, the addresses of loopback, the name of \
                  the machine with its addresses in /etc/hosts, hostname, and auto_certificate_hosts. A \
                  management_address that other machines can reach gets a token, in the file management_token of the \
                  folder, unless management_token is set. Not for production: the private key of the CA is in the folder.",
        since: "0.1.0",
    },
    Setting {
        name: "auto_certificate_clients",
        option: OptionForm::None,
        kind: Kind::Texts(|config| &mut config.auto_certificate_clients),
        default: DefaultValue::Unset("John Doe and Jane Doe"),
        example: None,
        help: "The common names of the clients for which auto_certificates has certificates.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "auto_certificate_hosts",
        option: OptionForm::None,
        kind: Kind::Names(|config| &mut config.auto_certificate_hosts),
        default: DefaultValue::Unset("only the names of this machine"),
        example: None,
        help: "Further names and addresses in the server certificate of auto_certificates, such as that of a Compose service.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "auth_suite",
        option: OptionForm::Letter('s'),
        kind: Kind::AuthSuite(|config| &mut config.auth_suite),
        default: DefaultValue::RequiredInFile,
        example: Some("Basic"),
        help: "The TLS versions: Basic (1.2 and 1.3), TLS1.2 or TLS1.3 (that version only).",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "policy_path",
        option: OptionForm::Letter('o'),
        kind: Kind::OptionalPath(|config| &mut config.policy_path),
        default: DefaultValue::Unset("only the built-in policies default and public exist"),
        example: None,
        help: "The directory of the operation policy files (*.json).",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "live_policies",
        option: OptionForm::None,
        kind: Kind::Boolean(|config| &mut config.live_policies),
        default: DefaultValue::Value,
        example: None,
        help: "Whether the running server applies changes in policy_path.",
        details: "With False, the policies remain as the server read them at its start.",
        since: "0.1.0",
    },
    Setting {
        name: "live_certificates",
        option: OptionForm::None,
        kind: Kind::Boolean(|config| &mut config.live_certificates),
        default: DefaultValue::Value,
        example: None,
        help: "Whether the running server uses changed certificates and keys.",
        details: "The server looks at the files of certificate_path, key_path, ca_path, certify_ca_certificate and \
                  certify_ca_key every two seconds. Files that do not fit together change nothing. With False, the \
                  server reads the files when it receives SIGHUP.",
        since: "0.1.0",
    },
    Setting {
        name: "enable_tls_client_auth",
        option: OptionForm::None,
        kind: Kind::Boolean(|config| &mut config.enable_tls_client_auth),
        default: DefaultValue::Value,
        example: None,
        help: "Whether a client certificate needs an extended key usage that contains client authentication.",
        details: "With False (or -i), the server accepts every trusted certificate, including those of servers.",
        since: "0.1.0",
    },
    Setting {
        name: "enable_credential_identity",
        option: OptionForm::None,
        kind: Kind::Boolean(|config| &mut config.enable_credential_identity),
        default: DefaultValue::Value,
        example: None,
        help: "Whether the Credential of a request distinguishes users or devices that share a certificate.",
        details: "Each of them then owns only the objects that it creates; a request without Credential owns all \
                  objects that were created with the certificate. The server does not check passwords. With False, \
                  the server ignores Credentials, as PyKMIP does.",
        since: "0.1.0",
    },
    Setting {
        name: "compatibility",
        option: OptionForm::Long,
        kind: Kind::Compatibility(|config| &mut config.compatibility),
        default: DefaultValue::Value,
        example: None,
        help: "Whose behaviour the server has if PyKMIP and the standard differ: PyKMIP or Standard.",
        details: "COMPATIBILITY.md lists the differences. Requests of KMIP 2.1, which PyKMIP does not support, always \
                  get the standard's behaviour.",
        since: "0.1.0",
    },
    Setting {
        name: "legacy_tls",
        option: OptionForm::None,
        kind: Kind::Boolean(|config| &mut config.legacy_tls),
        default: DefaultValue::Value,
        example: None,
        help: "Whether clients without a modern TLS cipher suite can connect, as to PyKMIP's server.",
        details: "OpenSSL serves the clients that rustls cannot serve: with RSA key exchange or CBC, or with other key \
                  exchange groups. docs/tls.md lists the suites. With False, only rustls serves clients. With auth_suite \
                  TLS1.3, the setting has no effect.",
        since: "0.1.0",
    },
    Setting {
        name: "tls_minimum_version",
        option: OptionForm::None,
        kind: Kind::TlsVersion(|config| &mut config.tls_minimum_version),
        default: DefaultValue::Value,
        example: None,
        help: "The oldest TLS version: 1.2, or 1.1 or 1.0 for appliances that support nothing newer.",
        details: "TLS 1.0 and 1.1 are insecure, and the server warns of them at its start. They need legacy_tls.",
        since: "0.1.0",
    },
    Setting {
        name: "tls_cipher_suites",
        option: OptionForm::None,
        kind: Kind::Names(|config| &mut config.tls_cipher_suites),
        default: DefaultValue::Unset("the server offers the suites that docs/tls.md lists"),
        example: None,
        help: "The TLS cipher suites to offer, by their standard or OpenSSL names, or as OpenSSL cipher strings.",
        details: "The server offers exactly these suites. The log warns of names that it cannot offer; if no suite remains \
                  that the server's certificate can serve, the server offers the suites of the default. A list of names \
                  without TLS 1.3 suites disables TLS 1.3; a list of TLS 1.3 suites only disables TLS 1.2. A cipher \
                  string such as HIGH:!aNULL keeps the suites of TLS 1.3.",
        since: "0.1.0",
    },
    Setting {
        name: "logging_level",
        option: OptionForm::Letter('v'),
        kind: Kind::Level(|config| &mut config.logging_level),
        default: DefaultValue::Value,
        example: None,
        help: "The least severe level that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
        details: "DEBUG adds each request and response, with the key material masked; CRITICAL disables the log. \
                  Only the option -l sets the log file; - stands for standard output.",
        since: "0.1.0",
    },
    Setting {
        name: "log_max_size",
        option: OptionForm::None,
        kind: Kind::Bytes(|config| &mut config.log_max_size),
        default: DefaultValue::Value,
        example: None,
        help: "The size in bytes above which the log file is rotated; 0 for never.",
        details: "Rotation renames server.log to server.log.1, and so on. For logrotate, set 0: the server follows a file that was \
                  renamed. PyKMIP's values are the defaults.",
        since: "0.1.0",
    },
    Setting {
        name: "log_backups",
        option: OptionForm::None,
        kind: Kind::Number(|config| &mut config.log_backups),
        default: DefaultValue::Value,
        example: None,
        help: "The number of predecessors of the log file that are kept; 0 for no rotation.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "audit_log_path",
        option: OptionForm::None,
        kind: Kind::OptionalPath(|config| &mut config.audit_log_path),
        default: DefaultValue::Unset("audit.log in the folder of the log file; standard output with -l -"),
        example: None,
        help: "The audit log: one line of JSON for each operation; - for standard output.",
        details: "A line contains time, user, address, operation, object, result, reason and correlation. logging_level does not \
                  apply to it. Without the cargo feature log-file, the default is the logger kmip.server.audit.",
        since: "0.1.0",
    },
    Setting {
        name: "audit_max_size",
        option: OptionForm::None,
        kind: Kind::Bytes(|config| &mut config.audit_max_size),
        default: DefaultValue::Value,
        example: None,
        help: "The size in bytes above which the audit log is rotated; 0 for never.",
        details: "Rotation deletes the oldest lines once audit_backups files exist. A client can fill the files with operations of \
                  its own: to keep every line, set 0 and move the file with logrotate.",
        since: "0.1.0",
    },
    Setting {
        name: "audit_backups",
        option: OptionForm::None,
        kind: Kind::Number(|config| &mut config.audit_backups),
        default: DefaultValue::Value,
        example: None,
        help: "The number of predecessors of the audit log that are kept; 0 for no rotation.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "audit_required",
        option: OptionForm::None,
        kind: Kind::Boolean(|config| &mut config.audit_required),
        default: DefaultValue::Value,
        example: None,
        help: "Whether the server refuses operations that it cannot write to the audit log.",
        details: "With True, the server writes a line with the result Intended before each operation, and refuses the operation if \
                  that fails. If the line of a result fails, it refuses all operations until that line is written. \
                  Each line is handed to the operating system before the response: it survives the end of the \
                  server, but not a loss of power in the next seconds. With False, a thread writes the lines; it drops and \
                  counts those that a full disk or a blocked pipe does not take.",
        since: "0.1.0",
    },
    Setting {
        name: "database_path",
        option: OptionForm::Letter('d'),
        kind: Kind::Database(|config| &mut config.database_path),
        default: DefaultValue::Value,
        example: None,
        help: "The SQLite database file of the objects, or the URL of a PostgreSQL database; :memory: keeps the objects in memory only.",
        details: "Set it: the system may delete files in /tmp. With :memory:, the objects are lost when the server \
                  stops. Several servers can share a PostgreSQL database: \
                  postgresql://USER@HOST:PORT,HOST:PORT/NAME?target_session_attrs=read-write&sslmode=verify-full&sslrootcert=FILE; \
                  docs/many-servers.md describes the URL. It contains no password: set the environment variable PGPASSWORD, or \
                  name a password file with passfile=FILE.",
        since: "0.1.0",
    },
    Setting {
        name: "database_connect_timeout",
        option: OptionForm::None,
        kind: Kind::Seconds(|config| &mut config.database_connect_timeout),
        default: DefaultValue::Value,
        example: None,
        help: "The number of seconds that a start waits for a PostgreSQL database.",
        details: "A wrong password, user or name of the database ends the start at once.",
        since: "0.1.0",
    },
    Setting {
        name: "key_encryption_key_path",
        option: OptionForm::None,
        kind: Kind::OptionalFile(|config| &mut config.key_encryption_key_path),
        default: DefaultValue::Unset("the database stores the objects in clear"),
        example: None,
        help: "The file of the 256-bit key that encrypts the objects in the database.",
        details: "The file contains 32 bytes or 64 hexadecimal digits (openssl rand -hex 32). At the next start, the \
                  server also encrypts the objects that the database already contains. Without the key, the server \
                  refuses an encrypted database. run_server --rotate-key-encryption-key NEW re-encrypts the database \
                  with the key in the file NEW.",
        since: "0.1.0",
    },
    Setting {
        name: "strict_file_modes",
        option: OptionForm::None,
        kind: Kind::Boolean(|config| &mut config.strict_file_modes),
        default: DefaultValue::Value,
        example: None,
        help: "Whether the server refuses to start with a key file that other users can read.",
        details: "The files are those of key_path, certify_ca_key and key_encryption_key_path. With False, the server logs \
                  a warning.",
        since: "0.1.0",
    },
    Setting {
        name: "status_path",
        option: OptionForm::None,
        kind: Kind::OptionalPath(|config| &mut config.status_path),
        default: DefaultValue::Unset("the server writes no such file"),
        example: None,
        help: "The file to which the server writes its status as JSON every five seconds.",
        details: "The status contains the connections, the successful and failed operations, the errors and the store. \
                  The signal USR1 writes the same status to the log.",
        since: "0.1.0",
    },
    Setting {
        name: "management_address",
        option: OptionForm::Long,
        kind: Kind::Endpoint(|config| &mut config.management_address),
        default: DefaultValue::Unset("the server has no management interface"),
        example: None,
        help: "The HOST:PORT on which the server answers health, version and metrics over HTTP, such as 127.0.0.1:9696.",
        details: "docs/management.md describes the interface. It is not encrypted. On another address than loopback it needs \
                  management_token; the server refuses to start otherwise. Port 0 selects a free port, which standard \
                  output contains.",
        since: "0.1.0",
    },
    Setting {
        name: "management_token",
        option: OptionForm::None,
        kind: Kind::Token(|config| &mut config.management_token),
        default: DefaultValue::Unset("every client on this machine may use the management interface"),
        example: None,
        help: "The token that each request to management_address contains: at least 16 characters without spaces.",
        details: "Clients send the field Authorization: Bearer TOKEN. Make one with openssl rand -hex 32, and let only the \
                  server's user read the settings file.",
        since: "0.1.0",
    },
    Setting {
        name: "test_control",
        option: OptionForm::Long,
        kind: Kind::Boolean(|config| &mut config.test_control),
        default: DefaultValue::Value,
        example: None,
        help: "Whether tests of clients may move the clock, make requests fail, change the objects and read the messages.",
        details: "docs/testing-clients.md describes it. The management interface (management_address) then has the paths below \
                  /control, and the log contains a warning. Never set it for a server with keys of value.",
        since: "0.1.0",
    },
    Setting {
        name: "certify_ca_certificate",
        option: OptionForm::None,
        kind: Kind::OptionalFile(|config| &mut config.certify_ca_certificate),
        default: DefaultValue::Unset(
            "the server creates a CA at the first use and stores it in the database",
        ),
        example: None,
        help: "The certificate of the CA that signs for Certify and Re-certify, PEM.",
        details: "The key is RSA with at least 2048 bits, P-256 or P-384. Clients choose the names in the certificates \
                  that this CA signs; the server therefore refuses to start if ca_path trusts the CA directly or \
                  through another CA.",
        since: "0.1.0",
    },
    Setting {
        name: "certify_ca_key",
        option: OptionForm::None,
        kind: Kind::OptionalFile(|config| &mut config.certify_ca_key),
        default: DefaultValue::Unset("the file of certify_ca_certificate contains the key"),
        example: None,
        help: "The private key of certify_ca_certificate, PEM.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "announced_profiles",
        option: OptionForm::None,
        kind: Kind::Profiles(|config| &mut config.announced.profiles),
        default: DefaultValue::Unset("Query returns the profiles that the server meets"),
        example: None,
        help: "The profiles that Query returns, to test clients.",
        details: "The announced_ settings change no other behaviour of the server. A profile is a Profile Name of the \
                  standard, optionally followed by \"at\" and a URI, and by \"port\" and a port. Query returns only \
                  the profiles that the version of the request defines. The word none announces no profile.\n    \
                  announced_profiles=\n        \
                  Tape Library Server KMIP v1.4\n        \
                  HTTPS Server KMIP v1.4 at https://kmip.example:5696/kmip port 5696",
        since: "0.1.0",
    },
    Setting {
        name: "announced_manufacturer",
        option: OptionForm::None,
        kind: Kind::OptionalText(|config| &mut config.announced.manufacturer),
        default: DefaultValue::Unset("kmip-server"),
        example: None,
        help: "The manufacturer in the Vendor Identification of Query and in C_GetInfo of PKCS#11, at most 32 bytes.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "announced_product",
        option: OptionForm::None,
        kind: Kind::OptionalText(|config| &mut config.announced.product),
        default: DefaultValue::Unset("kmip-server"),
        example: None,
        help: "The product in the Server Information of Query and in C_GetInfo of PKCS#11, at most 32 bytes.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "announced_version",
        option: OptionForm::None,
        kind: Kind::OptionalText(|config| &mut config.announced.version),
        default: DefaultValue::Unset("the version of this server"),
        example: None,
        help: "The version in the Server Information of Query and in C_GetInfo of PKCS#11, at most 32 bytes.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "announced_pkcs11_version",
        option: OptionForm::None,
        kind: Kind::OptionalText(|config| &mut config.announced.pkcs11_version),
        default: DefaultValue::Unset("3.0"),
        example: None,
        help: "The version of PKCS#11 that C_GetInfo returns; older clients expect 2.40.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "client_endpoints",
        option: OptionForm::None,
        kind: Kind::Endpoints(|config| &mut config.client_endpoints),
        default: DefaultValue::Unset("the server sends no requests"),
        example: None,
        help: "The addresses at which clients listen for Put and Notify requests of the server.",
        details: "The server sends a Put for each object that is created for the user, and a Notify for each change \
                  of an attribute. The user is the identity in the certificate of the listener; the server sends \
                  nothing to a listener with another identity. The server authenticates with its own certificate. It \
                  drops requests that it cannot deliver in time.",
        since: "0.1.0",
    },
    Setting {
        name: "max_connections",
        option: OptionForm::None,
        kind: Kind::Count(|config| &mut config.max_connections),
        default: DefaultValue::Value,
        example: None,
        help: "The largest number of simultaneous client connections.",
        details: "Each connection needs one file descriptor: the limit of the process (ulimit -n) must be higher.",
        since: "0.1.0",
    },
    Setting {
        name: "max_connections_per_user",
        option: OptionForm::None,
        kind: Kind::OptionalCount(|config| &mut config.max_connections_per_user),
        default: DefaultValue::Unset("the share of max_connections that the other users leave"),
        example: None,
        help: "The largest number of simultaneous connections of one user; the server refuses further ones.",
        details: "Without it, one user may have all connections. When all are taken, the idlest one of the user with the most \
                  ends for a user with at least two fewer.",
        since: "0.1.0",
    },
    Setting {
        name: "idle_timeout",
        option: OptionForm::None,
        kind: Kind::OptionalSeconds(|config| &mut config.idle_timeout),
        default: DefaultValue::Unset("a connection may stay idle, as with PyKMIP"),
        example: None,
        help: "The number of seconds after which a connection without a request ends.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "max_request_size",
        option: OptionForm::None,
        kind: Kind::Count(|config| &mut config.max_request_size),
        default: DefaultValue::Value,
        example: None,
        help: "The largest request in bytes; the server disconnects a client that announces a larger one.",
        details: "",
        since: "0.1.0",
    },
    Setting {
        name: "max_request_memory",
        option: OptionForm::None,
        kind: Kind::Count(|config| &mut config.max_request_memory),
        default: DefaultValue::Value,
        example: None,
        help: "The memory in bytes for the large messages of all connections; at least five times max_request_size.",
        details: "It contains the messages that are received or sent, and what the server computes with them: three times the \
                  bytes of a request, and twice the results of a batch. Each connection has 64 KiB besides. A connection whose \
                  message does not fit ends; an operation whose result does not fit is refused.",
        since: "0.1.0",
    },
];
