//! The client of a SLUGS service, which knows users and their groups: `GET users/NAME`, then `GET users/NAME/groups`,
//! which returns `{"groups": [...]}` (pykmip-server.rst, "Third-Party Integration").
//!
//! This module follows redirects itself, because the service sends a `Location` with an unencoded space. For https, it
//! trusts the certificates of the system, or those of the file that the environment variable SSL_CERT_FILE names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::excerpt::Excerpt;
use crate::url::{self, ServiceError};

const HTTP: &str = "http://";
const HTTPS: &str = "https://";

/// The time limit for a request, including the connection; it is that of PyKMIP.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of redirects; the service sends one.
const MAX_REDIRECTS: usize = 5;
/// The maximum length of a response, in bytes: it is the list of groups of one user.
const MAX_RESPONSE: u64 = 1 << 20;

/// The reason for which a service does not accept a user.
#[derive(Debug)]
pub enum Error {
    /// The settings contain no URL, or one that is not supported.
    Url(ServiceError),
    /// There are no certificates to verify an https service with. Contains the reason, if there is one.
    NoRoots(String),
    /// The name would change the structure of the URL's path.
    UnusableName(String),
    /// The connection to the service failed.
    Unreachable {
        /// The URL of the request.
        url: String,
        /// The error.
        cause: Box<ureq::Error>,
    },
    /// The service does not know the user.
    UnknownUser(String),
    /// The service knows the user, and has no groups for it.
    NoGroups(String),
    /// The service returned an unexpected HTTP status.
    Status {
        /// The URL of the request.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// There are too many redirects, or one leads to another scheme.
    Redirects(String),
    /// The response is not a JSON object with a list of groups.
    Answer(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => write!(f, "the url cannot be used: {error}"),
            Self::NoRoots(reason) => write!(
                f,
                "no certificates exist to verify an https service with{reason}; install ca-certificates, or set the \
                 environment variable SSL_CERT_FILE to a PEM file of CA certificates"
            ),
            Self::UnusableName(name) => {
                write!(f, "the user name {:?} cannot be part of a URL path", Excerpt(name))
            }
            Self::Unreachable { url, cause } => write!(f, "GET {} failed: {cause}", Excerpt(url)),
            Self::UnknownUser(name) => write!(f, "the user {:?} is unknown", Excerpt(name)),
            Self::NoGroups(name) => write!(f, "the service has no groups for the user {:?}", Excerpt(name)),
            Self::Status { url, status } => write!(f, "GET {} returned HTTP status {status}", Excerpt(url)),
            Self::Redirects(url) => {
                write!(f, "the redirects of {} do not end, or lead to another scheme", Excerpt(url))
            }
            Self::Answer(url) => {
                write!(f, "GET {} did not return a JSON object with a list of groups", Excerpt(url))
            }
        }
    }
}

impl std::error::Error for Error {}

/// One SLUGS service of the settings.
#[derive(Debug)]
pub struct Service {
    name: String,
    /// The URL, with a last slash.
    url: String,
    agent: Agent,
}

impl Service {
    /// Creates the client of the service in section `name` (`auth:slugs`), at `url`, whose last slash is optional.
    ///
    /// # Errors
    /// Returns [`Error::Url`] if the URL is missing or not one of http or https, and [`Error::NoRoots`] if no certificates
    /// exist to verify an https service with.
    pub fn new(name: &str, url: Option<&str>) -> Result<Self, Error> {
        let url = url::service(url).map_err(Error::Url)?;
        url.parse::<Uri>().map_err(|_| Error::Url(ServiceError::NotHttp))?;
        let mut config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            // A pooled connection that the service has closed in the meantime would fail the request.
            .max_idle_connections(0);
        if url.starts_with(HTTPS) {
            config = config.tls_config(tls()?);
        }
        let url = format!("{}/", url.trim_end_matches('/'));
        Ok(Self { name: name.to_owned(), url, agent: config.build().into() })
    }

    /// Returns the name of the section.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the groups of `user`, or `None` if the service knows the user and returns no list of groups.
    ///
    /// # Errors
    /// Returns [`Error`] if the user is unknown or the service fails.
    pub fn groups(&self, user: &str) -> Result<Option<Vec<String>>, Error> {
        let base = &self.url;
        // "." and ".." change the path even if they are percent-encoded.
        if matches!(user, "" | "." | "..") {
            return Err(Error::UnusableName(user.to_owned()));
        }
        let users = format!(
            "{base}users/{}",
            encode(user.as_bytes(), |b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        );
        self.get(&users, || Error::UnknownUser(user.to_owned()))?;
        let url = format!("{users}/groups");
        let mut response = self.get(&url, || Error::NoGroups(user.to_owned()))?;
        let body = response.body_mut().with_config().limit(MAX_RESPONSE).read_to_vec();
        let body = body.map_err(|cause| Error::Unreachable { url: url.clone(), cause: Box::new(cause) })?;
        groups(&body).ok_or(Error::Answer(url))
    }

    /// Returns the response with status 2xx from `url` or its redirects; `not_found` is the error for status 404.
    fn get(&self, url: &str, not_found: impl Fn() -> Error) -> Result<Response<ureq::Body>, Error> {
        let mut target = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let response = match self.agent.get(&target).call() {
                Ok(response) => response,
                Err(cause) => return Err(Error::Unreachable { url: target, cause: Box::new(cause) }),
            };
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            } else if status == 404 {
                return Err(not_found());
            } else if !status.is_redirection() {
                return Err(Error::Status { url: target, status: status.as_u16() });
            }
            let location = response.headers().get("location").map(|value| value.as_bytes());
            target = location
                .and_then(|location| follow(&target, location))
                .ok_or_else(|| Error::Redirects(url.to_owned()))?;
        }
        Err(Error::Redirects(url.to_owned()))
    }
}

/// Parses `{"groups": [...]}`. Returns `Some(None)` if the list is missing or null, and `None` for any other JSON.
pub fn groups(body: &[u8]) -> Option<Option<Vec<String>>> {
    let Value::Object(response) = serde_json::from_slice(body).ok()? else { return None };
    match response.get("groups") {
        None | Some(Value::Null) => Some(None),
        Some(Value::Array(names)) => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            names.collect::<Option<Vec<_>>>().map(Some)
        }
        Some(_) => None,
    }
}

/// Returns the TLS configuration for an https service.
fn tls() -> Result<TlsConfig, Error> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reason = found.errors.first().map(|error| format!(": {error}"));
        return Err(Error::NoRoots(reason.unwrap_or_default()));
    }
    let roots = found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build())
}

/// Returns the URL to which a redirect from `base` leads, or `None` if it has another scheme than `base`.
/// Bytes that a URL must not contain (RFC 3986 §2) are percent-encoded.
pub fn follow(base: &str, location: &[u8]) -> Option<String> {
    let location = encode(location, |b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    let scheme = if base.starts_with(HTTPS) { HTTPS } else { HTTP };
    if location.starts_with(scheme) {
        return Some(location);
    } else if location.starts_with("//") {
        return Some(format!("{}{location}", scheme.trim_end_matches("//")));
    }
    let path = base.get(scheme.len()..)?.find('/').map_or(base.len(), |at| scheme.len() + at);
    if location.starts_with('/') {
        Some(format!("{}{location}", base.get(..path)?))
    } else if location.contains("://") {
        None
    } else {
        let folder = base.rfind('/').filter(|&at| at >= path)?;
        Some(format!("{}{location}", base.get(..=folder)?))
    }
}

/// Returns the bytes as text, and percent-encodes those that `keep` rejects (RFC 3986 §2.1).
fn encode(bytes: &[u8], keep: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if keep(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_redirect_with_unencoded_space() {
        let base = "http://127.0.0.1:8080/slugs/users/John%20Doe/groups";
        let to = |location: &str| follow(base, location.as_bytes());
        let full = "http://127.0.0.1:8080/slugs/users/John%20Doe/groups/";
        assert_eq!(to("http://127.0.0.1:8080/slugs/users/John Doe/groups/").as_deref(), Some(full));
        assert_eq!(to("/slugs/users/John Doe/groups/").as_deref(), Some(full));
        assert_eq!(to("//127.0.0.1:8080/slugs/users/John%20Doe/groups/").as_deref(), Some(full));
        assert_eq!(to("groups/").as_deref(), Some(full));
        assert_eq!(follow(base, "/J\u{f6}rg".as_bytes()).as_deref(), Some("http://127.0.0.1:8080/J%C3%B6rg"));
    }

    #[test]
    fn rejects_redirect_to_another_scheme() {
        for (base, location) in [
            ("http://a/b", "https://a/b/"),
            ("https://a/b", "http://a/b/"),
            ("http://a/b", "file:///etc/passwd"),
        ] {
            assert_eq!(follow(base, location.as_bytes()), None, "{location}");
        }
        for location in ["https://c/d", "//c/d"] {
            assert_eq!(follow("https://a/b", location.as_bytes()).as_deref(), Some("https://c/d"));
        }
    }

    #[test]
    fn parses_list_of_groups_or_its_absence() {
        assert_eq!(
            groups(br#"{"groups": ["Group A", "B"]}"#),
            Some(Some(vec!["Group A".into(), "B".into()]))
        );
        assert_eq!(groups(br#"{"groups": []}"#), Some(Some(vec![])));
        assert_eq!(groups(br#"{"groups": null}"#), Some(None));
        assert_eq!(groups(br#"{}"#), Some(None));
        for other in ["null", "[]", r#"{"groups": "A"}"#, r#"{"groups": [1]}"#, "<html>", ""] {
            assert_eq!(groups(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn rejects_names_that_change_the_path() {
        let service = Service::new("auth:slugs", Some("http://127.0.0.1:1/slugs")).unwrap();
        for name in ["", ".", ".."] {
            assert!(matches!(service.groups(name), Err(Error::UnusableName(_))), "{name:?}");
        }
        assert_eq!(
            encode(b"../a?b#c d", |b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
            "..%2Fa%3Fb%23c%20d"
        );
    }

    #[test]
    fn needs_a_url_of_http_or_https() {
        for (url, expected) in [
            (None, ServiceError::Missing),
            (Some(""), ServiceError::Missing),
            (Some("ftp://a/"), ServiceError::NotHttp),
            (Some("http://a b/"), ServiceError::NotHttp),
            (Some("http://a:b@c/"), ServiceError::WithUser),
        ] {
            let error = Service::new("auth:slugs", url).err();
            assert!(matches!(&error, Some(Error::Url(error)) if *error == expected), "{url:?}: {error:?}");
        }
    }
}
