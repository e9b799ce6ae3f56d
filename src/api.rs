//! The server for programs that embed it: [`Server`] and [`Error`], without the types of the layers below.

use std::error;
use std::fmt;
use std::net::SocketAddr;

use crate::config::Config;
use crate::control::Control;
use crate::explain::{self, Explained};
use crate::server::{self, Reload, Shutdown};
use crate::url;

/// A KMIP server that listens on its port. Clients that connect wait until it [runs](Self::run).
///
/// ```no_run
/// use kmip_server::{Config, Server};
///
/// fn main() -> Result<(), kmip_server::Error> {
///     let config = Config::builder("server.pem", "ca.pem").port(0).database_path(":memory:").build();
///     let server = Server::bind(&config)?;
///     println!("port {}", server.port());
///     let shutdown = server.shutdown();
///     std::thread::spawn(move || {
///         // ... when the server shall stop:
///         shutdown.stop();
///     });
///     server.run();
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Server(server::Server);

impl Server {
    /// Reads the certificates, opens the database and the policies, and listens.
    ///
    /// # Errors
    /// Returns an [`Error`] if a file of the configuration is unusable or the server cannot listen on the address.
    pub fn bind(config: &Config) -> Result<Self, Error> {
        let server = server::Server::bind(config).map_err(Error)?;
        Ok(Self(server.explaining(explain::in_words)))
    }

    /// Returns the port; if the configuration states port 0, the port that the system selected.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Returns the address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Returns a handle that stops [`run`](Self::run) from any thread.
    pub fn shutdown(&self) -> Shutdown {
        self.0.shutdown()
    }

    /// Returns the control of a server under test, or `None` without `test_control`.
    pub fn control(&self) -> Option<Control> {
        self.0.control()
    }

    /// Returns a handle that makes the server read its certificates again, from any thread.
    pub fn reload(&self) -> Reload {
        self.0.reload()
    }

    /// Serves clients until [`Shutdown::stop`]. The server then accepts no further clients, closes idle connections,
    /// completes running requests, and returns within ten seconds, or twelve if it sends requests to clients.
    pub fn run(self) {
        self.0.run();
    }
}

/// The reason why a server cannot start.
///
/// Both `Display` and `Debug` state what happened and what to do, so that a `main` that returns this error prints a
/// readable text.
///
/// ```
/// use kmip_server::{Config, Server};
///
/// let config = Config::builder("missing.pem", "missing.pem").database_path(":memory:").build();
/// let error = Server::bind(&config).unwrap_err();
/// assert!(error.to_string().contains("missing.pem"));
/// assert_eq!(error.code(), "pem-unreadable");
/// ```
pub struct Error(server::Error);

impl Error {
    /// Returns the code of the error, which `run_server --explain` and docs/errors.md explain.
    pub fn code(&self) -> &'static str {
        self.0.explanation().code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An embedder may pass a URL as a path.
        let text = self.0.to_string();
        write!(f, "{}. What to do: {}", url::masked(&text), self.0.explanation().advice)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source()
    }
}
