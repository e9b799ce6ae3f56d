//! The management interface: the health of the server, its metrics and its inspector, over plain HTTP. This layer converts a request to
//! its response; [`crate::server`] listens, and limits connections and time.

mod access;
mod client;
mod control;
mod events;
mod inspector;
mod metrics;
mod places;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use zeroize::Zeroizing;

pub use access::Access;
pub use client::{Failure, Ready, ask, wait};
pub use events::Events;
pub use inspector::{Explanation, Inspected};
pub use metrics::Sample;
pub use places::Place;

use inspector::{Parameters, View};
use places::Places;

use crate::control::Control;
use crate::http::{self, Framing, Head, Persistence, Refusal, Rejection};
use crate::lock::IgnorePoison;

/// The maximum number of connections at the same time. A further one ends the oldest one of the address with the most.
pub const MANAGEMENT_CONNECTIONS: usize = 64;
/// The time after which a connection without a request ends: longer than the usual interval of Prometheus.
pub const IDLE: Duration = Duration::from_secs(75);
/// The time limit of a request from its first byte on, and of its response.
pub const REQUEST: Duration = Duration::from_secs(10);

/// The maximum number of requests to inspector and test control that are answered at the same time. Each occupies a thread, for up
/// to a minute if it waits, even if its connection has ended in favour of another one.
pub const MAX_ANSWERS: usize = 32;

/// The type of the body of a request that changes something. A page of another origin cannot send it without the
/// permission of this server (CORS), which gives none.
const JSON: &str = "application/json";

const NOT_FOUND: Refusal = Refusal::new(
    "404 Not Found",
    "",
    "this path does not exist; the paths are /, /health/live, /health/ready, /version and /metrics, and those below /control \
     with test_control",
);
const TOO_MANY_WATCHERS: Refusal =
    Refusal::new("503 Service Unavailable", "Retry-After: 5\r\n", "8 pages watch already; close one of them");
const TOO_MANY_ANSWERS: Refusal = Refusal::new(
    "503 Service Unavailable",
    "Retry-After: 1\r\n",
    "32 requests to the inspector or to test control are being answered; repeat this one when one of them has ended",
);
const WRONG_METHOD: Refusal =
    Refusal::new("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "this path only answers GET");
const WRONG_TYPE: Refusal =
    Refusal::new("415 Unsupported Media Type", "", "a change needs the Content-Type application/json");

/// A server, as its management interface sees it.
pub trait Subject: Send + Sync + 'static {
    /// Returns whether the server can answer requests.
    fn readiness(&self) -> Readiness;

    /// Returns the values of the metrics.
    fn sample(&self) -> Sample;
}

/// Whether a server can answer requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The address on which KMIP clients connect.
    pub address: SocketAddr,
    /// Whether the server accepts connections; not while it stops.
    pub listening: bool,
    /// The error of the store, if it does not answer.
    pub store: Result<(), String>,
    /// The reason why clients refuse the certificate of the server, if it is not valid now.
    pub certificate: Result<(), String>,
}

impl Readiness {
    fn is_ready(&self) -> bool {
        self.listening && self.store.is_ok() && self.certificate.is_ok()
    }

    fn json(&self) -> String {
        let check = |result: &Result<(), String>| match result {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.clone(),
        };
        let listening = if self.listening { "ok" } else { "the server stops" };
        let checks = json!({
            "listening": listening,
            "store": check(&self.store),
            "certificate": check(&self.certificate),
        });
        let status = if self.is_ready() { "ready" } else { "not ready" };
        line(&json!({ "status": status, "address": self.address.to_string(), "checks": checks }))
    }
}

/// A resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    Live,
    Ready,
    Version,
    Metrics,
    /// A file of the inspector's page: its type and its content.
    File(&'static str, &'static str),
    /// Data of the inspector.
    View(View),
    /// The stream of events of the inspector.
    Events,
    Control(&'static control::Call),
    /// The certificates of a client.
    Certificates,
}

/// The resources by their paths.
const RESOURCES: &[(&str, Resource)] = &[
    ("/health/live", Resource::Live),
    ("/health/ready", Resource::Ready),
    ("/version", Resource::Version),
    ("/metrics", Resource::Metrics),
    ("/", Resource::File("text/html; charset=utf-8", inspector::PAGE)),
    ("/inspector.js", Resource::File("text/javascript; charset=utf-8", inspector::SCRIPT)),
    ("/inspector.css", Resource::File("text/css; charset=utf-8", inspector::STYLE)),
    ("/inspector.svg", Resource::File("image/svg+xml", inspector::ICON)),
    ("/inspector/events", Resource::Events),
    ("/inspector/records", Resource::View(View::Records)),
    ("/inspector/record", Resource::View(View::Record)),
    ("/inspector/objects", Resource::View(View::Objects)),
    ("/inspector/object", Resource::View(View::Object)),
    ("/inspector/policies", Resource::View(View::Policies)),
    ("/inspector/access", Resource::View(View::Access)),
];

/// A request that is answered.
#[derive(Clone, Debug)]
pub struct Request {
    resource: Resource,
    parameters: Parameters,
    is_head: bool,
    persistence: Persistence,
    /// The end of the body.
    pub framing: Framing,
}

impl Request {
    /// Returns whether the connection stays open after the response.
    pub fn keeps_alive(&self) -> bool {
        self.persistence.keep_alive
    }

    /// Returns whether the response contains records of the server, whose decoding must not delay KMIP clients.
    pub fn is_inspection(&self) -> bool {
        match self.resource {
            Resource::View(_) => true,
            Resource::Control(call) => call.reads_messages(),
            _ => false,
        }
    }
}

/// The management interface of one server.
pub struct Management {
    access: Access,
    subject: Arc<dyn Subject>,
    inspected: Arc<dyn Inspected>,
    control: Option<Control>,
    places: Places,
    /// Held while a long body is decoded and used, because its values occupy up to 30 times the memory of their text.
    long_body: Mutex<()>,
}

impl Management {
    /// Returns the interface of this server for the clients that have access.
    pub fn new(
        access: Access,
        subject: Arc<dyn Subject>,
        inspected: Arc<dyn Inspected>,
        control: Option<Control>,
    ) -> Self {
        let (places, long_body) = (Places::new(MAX_ANSWERS), Mutex::default());
        Self { access, subject, inspected, control, places, long_body }
    }

    /// Interprets the request line and fields of a request.
    ///
    /// # Errors
    /// Returns the refusal of a client without access, of an unknown path and of a method that the path does not have.
    pub fn accept(&self, head: &Head<'_>) -> Result<Request, Rejection> {
        let found = RESOURCES.iter().find(|(path, _)| *path == head.path());
        match found {
            // A browser cannot send a token for a page; the page sends it for the data.
            Some((_, Resource::File(..))) => self.access.check_public(head)?,
            _ => self.access.check(head)?,
        }
        let is_head = head.method() == "HEAD";
        let is_read = is_head || head.method() == "GET";
        let is_json =
            |kind: &str| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON));
        if !is_read && !head.field("Content-Type")?.is_some_and(is_json) {
            return Err(WRONG_TYPE.into());
        }
        if self.control.is_some()
            && let Some(call) = control::Call::find(head.path())
        {
            if is_read != call.is_read() {
                return Err(if is_read { control::NEEDS_POST } else { WRONG_METHOD }.into());
            }
            let limit = if is_read { 0 } else { call.max_body() };
            let (framing, persistence) = (head.framing_if_any(limit)?, head.persistence()?);
            let (resource, parameters) = (Resource::Control(call), Parameters::read(head.query()));
            return Ok(Request { resource, parameters, is_head, persistence, framing });
        }
        let is_certificates = self.control.is_some() && head.path() == control::CERTIFICATES;
        let resource = match found {
            None if is_certificates => &Resource::Certificates,
            found => &found.ok_or(NOT_FOUND)?.1,
        };
        if !is_read {
            return Err(WRONG_METHOD.into());
        }
        // A request that only reads needs no body.
        let (framing, persistence) = (head.framing_if_any(0)?, head.persistence()?);
        let parameters = Parameters::read(head.query());
        Ok(Request { resource: *resource, parameters, is_head, persistence, framing })
    }

    /// Takes one of the places of requests that need one, until the returned value is dropped.
    ///
    /// # Errors
    /// Returns the refusal of a request too many.
    pub fn enter(&self, request: &Request) -> Result<Option<Place<'_>>, Rejection> {
        match request.resource {
            Resource::View(_) | Resource::Control(_) => {
                self.places.take().map(Some).ok_or_else(|| TOO_MANY_ANSWERS.into())
            }
            _ => Ok(None),
        }
    }

    /// Returns the response. `is_last` ends the connection after it.
    pub fn respond(&self, request: &Request, body: &[u8], is_last: bool) -> Zeroizing<Vec<u8>> {
        let (status, kind, body) = self.answer(request, body);
        // Under test control, it can contain keys.
        let body = Zeroizing::new(body);
        let keep_alive = request.persistence.keep_alive && !is_last;
        let persistence = Persistence { keep_alive, ..request.persistence };
        let page = if matches!(request.resource, Resource::File(..)) { inspector::PAGE_FIELDS } else { "" };
        let fields = format!("X-Content-Type-Options: nosniff\r\n{page}");
        let mut response = http::response(status, persistence, &fields, kind, body.as_bytes());
        if request.is_head {
            response.truncate(response.len() - body.len());
        }
        Zeroizing::new(response)
    }

    /// Returns the events that the request asks for, or `None` if it asks for something else.
    ///
    /// # Errors
    /// Returns the refusal of a watcher too many.
    pub fn events(&self, request: &Request) -> Result<Option<Events>, Rejection> {
        if request.resource != Resource::Events || request.is_head {
            return Ok(None);
        }
        let after = request.parameters.number("after").ok().flatten().unwrap_or_default();
        let watcher = self.inspected.recorder().watch().ok_or(TOO_MANY_WATCHERS)?;
        Ok(Some(Events::new(watcher, after)))
    }

    fn answer(&self, request: &Request, body: &[u8]) -> (&'static str, &'static str, String) {
        match request.resource {
            Resource::File(kind, content) => ("200 OK", kind, content.to_owned()),
            Resource::Events => ("200 OK", "text/event-stream", String::new()),
            Resource::View(view) => match inspector::view(&*self.inspected, view, &request.parameters) {
                Ok(value) => ("200 OK", JSON, line(&value)),
                Err(failure) => (failure.status(), "text/plain; charset=utf-8", format!("{failure}\n")),
            },
            Resource::Live => ("200 OK", JSON, line(&json!({ "status": "live" }))),
            Resource::Ready => {
                let readiness = self.subject.readiness();
                let status = if readiness.is_ready() { "200 OK" } else { "503 Service Unavailable" };
                (status, JSON, readiness.json())
            }
            Resource::Version => {
                let version = json!({
                    "name": "kmip-server",
                    "version": env!("CARGO_PKG_VERSION"),
                    "test_control": self.control.is_some(),
                });
                ("200 OK", JSON, line(&version))
            }
            Resource::Control(call) => {
                let is_long = body.len() > control::MAX_SHORT_BODY;
                let _alone = is_long.then(|| self.long_body.lock().ignore_poison());
                let (status, answer) = match &self.control {
                    Some(control) => call.answer(control, body),
                    None => ("404 Not Found", json!({ "error": NOT_FOUND.text })),
                };
                (status, JSON, line(&answer))
            }
            Resource::Certificates => {
                let client = request.parameters.text("client");
                let found = self.control.as_ref().map(|control| control.certificates(client));
                match found {
                    Some(Ok(found)) => (
                        "200 OK",
                        "application/x-pem-file",
                        String::from_utf8_lossy(found.expose()).into_owned(),
                    ),
                    Some(Err(error)) => {
                        (control::status(&error), "text/plain; charset=utf-8", format!("{error}\n"))
                    }
                    None => ("404 Not Found", "text/plain; charset=utf-8", format!("{}\n", NOT_FOUND.text)),
                }
            }
            Resource::Metrics => match metrics::encode(self.subject.sample()) {
                Ok(text) => ("200 OK", metrics::CONTENT_TYPE, text),
                Err(error) => {
                    ("500 Internal Server Error", "text/plain; charset=utf-8", format!("{error}\n"))
                }
            },
        }
    }
}

fn line(value: &serde_json::Value) -> String {
    format!("{value}\n")
}

#[cfg(test)]
mod tests;
