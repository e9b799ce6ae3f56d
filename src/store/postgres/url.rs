//! The URL of a database in the form of libpq:
//! `postgresql://user@host1:5432,host2:5432/keys?target_session_attrs=read-write&sslmode=verify-full&sslrootcert=ca.pem`.
//!
//! The URL contains no password, because logs, errors and lists of processes show it: the password comes from the environment
//! variable `PGPASSWORD`, or from a password file.

use std::fmt;
use std::path::PathBuf;

use tokio_postgres::config::TargetSessionAttrs;

use super::password;
use crate::store::{Error, UrlProblem};

/// The port of a host without one.
const PORT: u16 = 5432;

/// How the connection uses TLS: libpq's `sslmode`, except `allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS if the database offers it; its certificate is not verified.
    Prefer,
    /// TLS. The certificate is verified only if there is a root certificate.
    Require,
    /// TLS with a certificate of a known authority.
    VerifyCa,
    /// TLS with a certificate of a known authority for the host of the URL.
    VerifyFull,
}

/// A database, as its URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// The hosts with their ports, in the order in which they are tried. A host that begins with `/` is the folder of a socket.
    pub(super) hosts: Vec<(String, u16)>,
    /// The user, or `None` for the user of the process.
    pub(super) user: Option<String>,
    /// The database, or `None` for the one with the name of the user.
    pub(super) database: Option<String>,
    /// Whether only a host that accepts writes is used.
    pub(super) target: TargetSessionAttrs,
    pub(super) tls: TlsMode,
    /// The file of trusted certificates.
    pub(super) root_certificate: Option<PathBuf>,
    /// The password file.
    pub(super) password_file: Option<PathBuf>,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// Returns [`Error::Url`] with the part that is not valid. The error contains no password.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let failed = |why| Error::Url { why };
        let rest = ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or(failed(UrlProblem::Scheme))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        if user.contains(':') {
            return Err(failed(UrlProblem::Password));
        }
        let mut url = Self {
            hosts: Vec::new(),
            user: filled(decode(user).map_err(failed)?),
            database: filled(decode(database).map_err(failed)?),
            target: TargetSessionAttrs::Any,
            tls: TlsMode::Prefer,
            root_certificate: None,
            password_file: None,
        };
        for host in hosts.split(',') {
            url.hosts.push(host_and_port(host).map_err(failed)?);
        }
        let (mut host, mut port) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key).map_err(failed)?, decode(value).map_err(failed)?);
            match key.as_str() {
                "host" => host = filled(value),
                "port" => port = filled(value),
                _ => url.set(&key, value).map_err(failed)?,
            }
        }
        url.replace_hosts(host.as_deref(), port.as_deref()).map_err(failed)?;
        if url.hosts.iter().any(|(host, _)| host.is_empty()) {
            return Err(failed(UrlProblem::NoHost));
        }
        if matches!(url.tls, TlsMode::VerifyCa | TlsMode::VerifyFull) && url.root_certificate.is_none() {
            return Err(failed(UrlProblem::NoRootCertificate));
        }
        Ok(url)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), UrlProblem> {
        let invalid = |allowed| UrlProblem::Value { key: key.to_owned(), value: value.clone(), allowed };
        match key {
            "user" => self.user = filled(value),
            "dbname" => self.database = filled(value),
            "password" => return Err(UrlProblem::Password),
            "sslrootcert" => self.root_certificate = filled(value).map(PathBuf::from),
            "passfile" => self.password_file = filled(value).map(PathBuf::from),
            "target_session_attrs" => {
                self.target = match value.as_str() {
                    "any" => TargetSessionAttrs::Any,
                    "read-write" => TargetSessionAttrs::ReadWrite,
                    _ => return Err(invalid("any or read-write")),
                }
            }
            "sslmode" => {
                self.tls = match value.as_str() {
                    "disable" => TlsMode::Disable,
                    "prefer" => TlsMode::Prefer,
                    "require" => TlsMode::Require,
                    "verify-ca" => TlsMode::VerifyCa,
                    "verify-full" => TlsMode::VerifyFull,
                    _ => return Err(invalid("disable, prefer, require, verify-ca or verify-full")),
                }
            }
            _ => return Err(UrlProblem::Key { key: key.to_owned() }),
        }
        Ok(())
    }

    /// Applies the parameters `host` and `port`, which replace the hosts and ports before the path.
    fn replace_hosts(&mut self, hosts: Option<&str>, ports: Option<&str>) -> Result<(), UrlProblem> {
        if let Some(hosts) = hosts {
            self.hosts = hosts.split(',').map(|host| (host.to_owned(), PORT)).collect();
        }
        let Some(ports) = ports else { return Ok(()) };
        let ports: Vec<_> = ports.split(',').map(port).collect::<Result<_, _>>()?;
        for (position, (_, own)) in self.hosts.iter_mut().enumerate() {
            let given = if ports.len() == 1 { ports.first() } else { ports.get(position) };
            *own = *given.ok_or(UrlProblem::Ports)?;
        }
        if ports.len() > self.hosts.len() { Err(UrlProblem::Ports) } else { Ok(()) }
    }

    /// Returns the configuration of the connections to each host, with the password.
    ///
    /// # Errors
    /// Returns [`Error::Url`] if the password file cannot be used.
    pub(super) fn configs(&self) -> Result<Vec<tokio_postgres::Config>, Error> {
        use tokio_postgres::config::SslMode;
        let mut config = tokio_postgres::Config::new();
        config.application_name("kmip-server").target_session_attrs(self.target);
        config.ssl_mode(match self.tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        if let Some(user) = &self.user {
            config.user(user);
        }
        if let Some(database) = &self.database {
            config.dbname(database);
        }
        let user = self.user.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_default();
        let database = self.database.as_ref().unwrap_or(&user);
        let password = password::find(self.password_file.as_deref(), &self.hosts, database, &user);
        if let Some(password) = password.map_err(|why| Error::Url { why })? {
            config.password(password.expose());
        }
        let hosts = self.hosts.iter().map(|(host, port)| {
            let mut config = config.clone();
            if host.starts_with('/') {
                config.host_path(host)
            } else {
                config.host(host)
            };
            config.port(*port);
            config
        });
        Ok(hosts.collect())
    }
}

impl fmt::Display for Url {
    /// Writes the hosts and the database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL ")?;
        for (position, (host, port)) in self.hosts.iter().enumerate() {
            let separator = if position == 0 { "" } else { "," };
            write!(f, "{separator}{host}:{port}")?;
        }
        if let Some(database) = &self.database {
            write!(f, "/{database}")?;
        }
        Ok(())
    }
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn port(text: &str) -> Result<u16, UrlProblem> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| UrlProblem::Port { port: text.to_owned() })
}

/// Reads `host`, `host:port` or `[address]:port`.
fn host_and_port(text: &str) -> Result<(String, u16), UrlProblem> {
    let (host, rest) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, rest)) => (address, rest),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let number = match rest.strip_prefix(':') {
        Some(number) => port(number)?,
        None if rest.is_empty() => PORT,
        None => return Err(UrlProblem::Port { port: rest.to_owned() }),
    };
    Ok((decode(host)?, number))
}

/// Decodes `%XX`.
fn decode(text: &str) -> Result<String, UrlProblem> {
    let escape = || UrlProblem::Escape { text: text.to_owned() };
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(escape)?;
        let mut byte = [0];
        base16ct::mixed::decode(digits, &mut byte).map_err(|_| escape())?;
        bytes.extend(byte);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| escape())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Url::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn reads_each_part_of_a_url() {
        let url = Url::parse(
            "postgresql://ann%40x@host1:5433,[::1]:5434,host3/keys%20?target_session_attrs=read-write&\
             sslmode=verify-full&sslrootcert=/etc/ca.pem&passfile=%2Fetc%2Fpass",
        )
        .unwrap();
        let hosts = [("host1", 5433), ("::1", 5434), ("host3", 5432)];
        assert_eq!(
            url,
            Url {
                hosts: hosts.map(|(host, port)| (host.to_owned(), port)).to_vec(),
                user: Some("ann@x".to_owned()),
                database: Some("keys ".to_owned()),
                target: TargetSessionAttrs::ReadWrite,
                tls: TlsMode::VerifyFull,
                root_certificate: Some("/etc/ca.pem".into()),
                password_file: Some("/etc/pass".into()),
            }
        );
        assert_eq!(url.to_string(), "PostgreSQL host1:5433,::1:5434,host3:5432/keys ");
        let socket = Url::parse("postgres:///keys?host=/run/postgresql&port=5433&user=ann").unwrap();
        assert_eq!(socket.hosts, [("/run/postgresql".to_owned(), 5433)]);
        assert_eq!(Url::parse("postgresql://%2Frun").unwrap().hosts, [("/run".to_owned(), 5432)]);
        let ports = Url::parse("postgresql:///?host=a,b&port=1,2").unwrap();
        assert_eq!(ports.hosts, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    }

    #[test]
    fn refuses_other_keys_and_values_by_name() {
        for (url, words) in [
            ("mysql://host/keys", "postgresql://"),
            ("postgresql:///keys", "names no host"),
            ("postgresql://host:x/keys", "the port 'x'"),
            ("postgresql://host:0/keys", "the port '0'"),
            ("postgresql://[::1]x/keys", "the port 'x'"),
            ("postgresql:///?host=a,b,c&port=1,2", "as many ports as hosts"),
            ("postgresql://host/keys?sslmode=allow", "sslmode cannot be 'allow'"),
            ("postgresql://host/keys?sslmode=verify-ca", "sslrootcert"),
            ("postgresql://host/keys?target_session_attrs=standby", "cannot be 'standby'"),
            ("postgresql://host/keys?application_name=x", "the key 'application_name'"),
            ("postgresql://host/keys?options=-cx", "the key 'options'"),
            ("postgresql://host/%zz", "'%zz'"),
            ("postgresql://host/%f", "'%f'"),
            ("postgresql://host/%FF", "'%FF'"),
        ] {
            assert!(fault(url).contains(words), "{url}: {}", fault(url));
        }
    }

    #[test]
    fn refuses_a_password_without_showing_it() {
        for url in ["postgresql://ann:geheim@host/keys", "postgresql://host/keys?password=geheim"] {
            let fault = fault(url);
            assert!(fault.contains("PGPASSWORD") && !fault.contains("geheim"), "{fault}");
        }
    }
}
