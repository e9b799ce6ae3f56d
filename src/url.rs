//! URLs and host names in settings: what they may contain, and what of them a log line or an error may contain.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

/// The names of query parameters whose value is a password.
const PASSWORDS: [&str; 3] = ["password=", "passwd=", "pwd="];

/// Returns whether a value is a URL, with any scheme.
pub fn is_url(value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, _)| {
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        !scheme.trim_start().is_empty() && scheme.trim_start().chars().all(is_scheme)
    })
}

/// Returns a text with `***` in place of the password of each URL in it. A URL ends at white space or at a quotation mark.
pub fn masked(text: &str) -> Cow<'_, str> {
    mask(text, |c| c.is_whitespace() || matches!(c, '"' | '\''))
}

/// Returns a value with `***` in place of the passwords of a URL in it, which may contain any character.
pub fn masked_value(value: &str) -> Cow<'_, str> {
    mask(value, |_| false)
}

fn mask(text: &str, ends: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains("://") {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(&ends).unwrap_or(after.len());
        let (url, next) = after.split_at(end);
        shown.push_str(before);
        shown.push_str("://");
        shown.push_str(&mask_parameters(&mask_authority(url)));
        rest = next;
    }
    shown.push_str(rest);
    shown.into()
}

/// Masks what is between the first colon and the last at sign: a password may contain any other separator.
fn mask_authority(url: &str) -> Cow<'_, str> {
    match url.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{user}:***@{host}").into(),
        None => url.into(),
    }
}

fn mask_parameters(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let masked = query.split('&').map(|parameter| {
        let lower = parameter.to_ascii_lowercase();
        match PASSWORDS.iter().find(|name| lower.starts_with(**name)) {
            Some(name) => format!("{}***", parameter.get(..name.len()).unwrap_or_default()),
            None => parameter.to_owned(),
        }
    });
    format!("{path}?{}", masked.collect::<Vec<_>>().join("&"))
}

/// The reason why a value is no host to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    /// The value contains a port.
    WithPort,
    /// The value is a URL, or contains characters that no host name has.
    NoHost,
    /// The value is not a host with a port.
    NoEndpoint,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithPort => "it contains a port; remove it, and set the setting 'port' to that port",
            Self::NoEndpoint => "expected HOST:PORT, such as 127.0.0.1:9696, localhost:9696 or [::1]:9696",
            Self::NoHost => {
                "expected a host name or an address, such as kmip.example, 127.0.0.1 or ::1; * or nothing for every \
                 IPv4 address"
            }
        })
    }
}

impl std::error::Error for HostError {}

/// Reads a host to listen on: a name or an address, an IPv6 address also in brackets. Returns an empty text, which stands
/// for every IPv4 address, for `*`.
///
/// # Errors
/// Returns [`HostError`] if the value is none.
pub fn host(value: &str) -> Result<&str, HostError> {
    let value = value.trim();
    if value == "*" {
        return Ok("");
    }
    if let Some(rest) = value.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((address, "")) if is_ipv6(address) => Ok(address),
            Some((address, port)) if is_ipv6(address) && port.starts_with(':') => Err(HostError::WithPort),
            _ => Err(HostError::NoHost),
        };
    }
    if value.contains("://") || value.contains(['/', '@', ' ', '*', ']']) {
        return Err(HostError::NoHost);
    }
    match value.split_once(':') {
        None => Ok(value),
        Some(_) if is_ipv6(value) => Ok(value),
        Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Err(HostError::WithPort),
        Some(_) => Err(HostError::NoHost),
    }
}

/// Reads `HOST:PORT` to listen on; an IPv6 address is in brackets. The host is as [`host`] returns it.
///
/// # Errors
/// Returns [`HostError`] if the value has another form.
pub fn endpoint(value: &str) -> Result<(&str, u16), HostError> {
    let (host, port) = value.trim().rsplit_once(':').ok_or(HostError::NoEndpoint)?;
    let is_bare = host.contains(':') && !host.starts_with('[');
    // The parser of numbers accepts a sign.
    let port = if port.starts_with('+') { None } else { port.parse().ok() };
    match (self::host(host), port) {
        (Ok(host), Some(port)) if !is_bare => Ok((host, port)),
        _ => Err(HostError::NoEndpoint),
    }
}

/// Returns whether a text is an IPv6 address, which may have a zone such as `%eth0`.
fn is_ipv6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

/// The reason why a URL is not that of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceError {
    /// There is no URL.
    Missing,
    /// The scheme is another one than http and https, or the URL is malformed.
    NotHttp,
    /// The URL contains a user name or a password.
    WithUser,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "an enabled service needs its URL, such as http://127.0.0.1:8080/slugs/",
            Self::NotHttp => "expected a URL that begins with http:// or https://, followed by a host",
            Self::WithUser => {
                "the server sends no user name and no password; remove what precedes the sign @"
            }
        })
    }
}

impl std::error::Error for ServiceError {}

/// Returns the URL of a service.
///
/// # Errors
/// Returns [`ServiceError`] if it is missing, or not one of http or https without user name.
pub fn service(url: Option<&str>) -> Result<&str, ServiceError> {
    let url = url.map(str::trim).filter(|url| !url.is_empty()).ok_or(ServiceError::Missing)?;
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or(ServiceError::NotHttp)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if rest.contains('@') {
        return Err(ServiceError::WithUser);
    }
    if authority.is_empty() || authority.starts_with(':') { Err(ServiceError::NotHttp) } else { Ok(url) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_url_remains() {
        for (text, expected) in [
            ("cannot open mysql://user:pass@host/db: no", "cannot open mysql://user:***@host/db: no"),
            ("mysql://user:p@ss/w:rd@host/db", "mysql://user:***@host/db"),
            ("redis://:secret@host", "redis://:***@host"),
            ("'https://a:b@c' and \"d://e:f@g\"", "'https://a:***@c' and \"d://e:***@g\""),
            ("postgresql://h/db?user=a&PassWord=b&c=d", "postgresql://h/db?user=a&PassWord=***&c=d"),
            ("ssh://git@host/path", "ssh://git@host/path"),
            ("http://127.0.0.1:8080/slugs/", "http://127.0.0.1:8080/slugs/"),
            ("no URL: a@b", "no URL: a@b"),
        ] {
            assert_eq!(masked(text), expected);
        }
        assert_eq!(masked_value("mysql://user:pass word'x@host"), "mysql://user:***@host");
    }

    #[test]
    fn urls_are_known_by_their_scheme() {
        for (value, expected) in [
            ("mysql://h", true),
            ("mysql+pymysql://h", true),
            ("/var/lib/a://b", false),
            ("a/b", false),
            ("://", false),
        ] {
            assert_eq!(is_url(value), expected, "{value}");
        }
    }

    #[test]
    fn hosts_have_brackets_or_not_and_no_port() {
        for (value, expected) in [
            ("localhost", Ok("localhost")),
            ("", Ok("")),
            ("*", Ok("")),
            ("::1", Ok("::1")),
            ("[::1]", Ok("::1")),
            ("fe80::1%eth0", Ok("fe80::1%eth0")),
            ("localhost:5696", Err(HostError::WithPort)),
            ("127.0.0.1:5696", Err(HostError::WithPort)),
            ("[::1]:5696", Err(HostError::WithPort)),
            ("[localhost]", Err(HostError::NoHost)),
            ("https://localhost", Err(HostError::NoHost)),
            ("a:b", Err(HostError::NoHost)),
            ("*.example", Err(HostError::NoHost)),
        ] {
            assert_eq!(host(value), expected, "{value}");
        }
    }

    #[test]
    fn endpoints_have_a_host_and_a_port() {
        for (value, expected) in [
            ("127.0.0.1:9696", Ok(("127.0.0.1", 9696))),
            ("localhost:0", Ok(("localhost", 0))),
            ("[::1]:1", Ok(("::1", 1))),
            ("*:9696", Ok(("", 9696))),
            ("::1:1", Err(HostError::NoEndpoint)),
            ("127.0.0.1", Err(HostError::NoEndpoint)),
            ("127.0.0.1:", Err(HostError::NoEndpoint)),
            ("127.0.0.1:65536", Err(HostError::NoEndpoint)),
            ("127.0.0.1:+1", Err(HostError::NoEndpoint)),
            ("http://localhost:1", Err(HostError::NoEndpoint)),
            ("9696", Err(HostError::NoEndpoint)),
        ] {
            assert_eq!(endpoint(value), expected, "{value}");
        }
    }

    #[test]
    fn services_have_http_or_https() {
        for (url, expected) in [
            (Some("http://127.0.0.1:1/slugs"), Ok("http://127.0.0.1:1/slugs")),
            (Some("https://slugs.example/"), Ok("https://slugs.example/")),
            (None, Err(ServiceError::Missing)),
            (Some(" "), Err(ServiceError::Missing)),
            (Some("ldap://a/"), Err(ServiceError::NotHttp)),
            (Some("slugs.example"), Err(ServiceError::NotHttp)),
            (Some("https://"), Err(ServiceError::NotHttp)),
            (Some("https:///users"), Err(ServiceError::NotHttp)),
            (Some("https://a:b@c/"), Err(ServiceError::WithUser)),
        ] {
            assert_eq!(service(url), expected, "{url:?}");
        }
    }
}
