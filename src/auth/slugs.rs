//! Asks a SLUGS service who a user is: `GET users/NAME`, then `GET users/NAME/groups`, which answers
//! `{"groups": [...]}` (pykmip-server.rst, "Third-Party Integration").
//!
//! Redirects are followed here and not by the HTTP client, because the service sends a `Location` with the
//! raw space of a name in it. Plain http only: the service is meant to run beside the server.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

/// How long one request may take, the connection included; PyKMIP's limit.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many redirects are followed; the service sends one.
const MAX_REDIRECTS: usize = 5;
/// The longest answer read, in bytes: a list of the groups of one user.
const MAX_ANSWER: u64 = 1 << 20;

/// Why a service does not vouch for a user.
#[derive(Debug)]
pub enum Error {
    /// The settings give no address.
    NoUrl,
    /// The address is not one of plain http.
    NotHttp(String),
    /// The name would change the path it is put into.
    UnusableName(String),
    /// The service could not be reached, or broke off.
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong.
        cause: Box<ureq::Error>,
    },
    /// The service does not know the user.
    UnknownUser(String),
    /// The service knows the user, but nothing about groups.
    NoGroups(String),
    /// An answer that is neither yes nor no.
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The redirects do not end, or lead to what is no http address.
    Redirects(String),
    /// The answer is not the JSON it should be.
    Answer(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUrl => f.write_str("the settings give no url"),
            Self::NotHttp(url) => write!(f, "the url is not one of plain http: {url}"),
            Self::UnusableName(name) => write!(f, "{name:?} cannot be part of a path"),
            Self::Unreachable { url, cause } => write!(f, "GET {url} failed: {cause}"),
            Self::UnknownUser(name) => write!(f, "the user {name:?} is unknown"),
            Self::NoGroups(name) => write!(f, "there are no groups of the user {name:?}"),
            Self::Status { url, status } => write!(f, "GET {url} was answered with status {status}"),
            Self::Redirects(url) => write!(f, "the redirects of {url} lead nowhere"),
            Self::Answer(url) => write!(f, "GET {url} was not answered with the JSON of a list of groups"),
        }
    }
}

impl std::error::Error for Error {}

/// One SLUGS service of the settings.
#[derive(Debug)]
pub struct Service {
    name: String,
    url: Option<String>,
    agent: Agent,
}

impl Service {
    /// The service of the section `name` (`auth:slugs`), at `url`, which may lack its last slash. Without a
    /// url, or with one that is not http, each user is refused: another service may still know them.
    pub fn new(name: &str, url: Option<&str>) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            // A pooled connection that the service has closed since would refuse a known user.
            .max_idle_connections(0)
            .build();
        let url = url.filter(|url| !url.is_empty()).map(|url| format!("{}/", url.trim_end_matches('/')));
        Self { name: name.to_owned(), url, agent: config.into() }
    }

    /// The name of the section.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The groups of `user`; `None` where the service knows the user and names no groups.
    ///
    /// # Errors
    /// [`Error`], also where the user is unknown.
    pub fn groups(&self, user: &str) -> Result<Option<Vec<String>>, Error> {
        let base = self.url.as_deref().ok_or(Error::NoUrl)?;
        if !base.starts_with("http://") {
            return Err(Error::NotHttp(base.to_owned()));
        }
        // "." and ".." would name the parent folder, percent-encoded or not.
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
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        let body = body.map_err(|cause| Error::Unreachable { url: url.clone(), cause: Box::new(cause) })?;
        groups(&body).ok_or(Error::Answer(url))
    }

    /// The answer of status 2xx behind `url` and its redirects; `missing` tells what a 404 means.
    fn get(&self, url: &str, missing: impl Fn() -> Error) -> Result<Response<ureq::Body>, Error> {
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
                return Err(missing());
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

/// The groups of `{"groups": [...]}`; `None` outside where the JSON is another.
pub fn groups(body: &[u8]) -> Option<Option<Vec<String>>> {
    let Value::Object(answer) = serde_json::from_slice(body).ok()? else { return None };
    match answer.get("groups") {
        None | Some(Value::Null) => Some(None),
        Some(Value::Array(names)) => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            names.collect::<Option<Vec<_>>>().map(Some)
        }
        Some(_) => None,
    }
}

/// Where a redirect from `base` leads; `None` where it leaves http. Bytes that no address may have (RFC 3986
/// §2) are percent-encoded.
pub fn follow(base: &str, location: &[u8]) -> Option<String> {
    let location = encode(location, |b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    if location.starts_with("http://") {
        return Some(location);
    } else if location.starts_with("//") {
        return Some(format!("http:{location}"));
    }
    let host = "http://".len();
    let path = base.get(host..)?.find('/').map_or(base.len(), |at| host + at);
    if location.starts_with('/') {
        Some(format!("{}{location}", base.get(..path)?))
    } else if location.contains("://") {
        None
    } else {
        let folder = base.rfind('/').filter(|&at| at >= path)?;
        Some(format!("{}{location}", base.get(..=folder)?))
    }
}

/// The bytes as text, those that `keep` refuses percent-encoded (RFC 3986 §2.1).
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
    fn a_redirect_with_a_raw_space_is_followed() {
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
    fn a_redirect_out_of_http_is_not_followed() {
        assert_eq!(follow("http://a/b", b"https://a/b/"), None);
        assert_eq!(follow("http://a/b", b"file:///etc/passwd"), None);
    }

    #[test]
    fn groups_are_a_list_of_names_or_nothing() {
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
    fn a_name_cannot_leave_its_place_in_the_path() {
        let service = Service::new("auth:slugs", Some("http://127.0.0.1:1/slugs"));
        for name in ["", ".", ".."] {
            assert!(matches!(service.groups(name), Err(Error::UnusableName(_))), "{name:?}");
        }
        assert_eq!(
            encode(b"../a?b#c d", |b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
            "..%2Fa%3Fb%23c%20d"
        );
    }

    #[test]
    fn a_service_without_an_http_address_refuses() {
        assert!(matches!(Service::new("auth:slugs", None).groups("A"), Err(Error::NoUrl)));
        assert!(matches!(Service::new("auth:slugs", Some("")).groups("A"), Err(Error::NoUrl)));
        assert!(matches!(Service::new("auth:slugs", Some("https://a/")).groups("A"), Err(Error::NotHttp(_))));
    }
}
