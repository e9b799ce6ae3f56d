//! The server for programs that embed it: [`Server`] and [`Error`], without the types of the layers below.

use std::error;
use std::fmt;
use std::net::SocketAddr;

use crate::config::Config;
use crate::control::Control;
use crate::explain::{self, Explained, Explanation};
#[cfg(feature = "certificates")]
use crate::pki::{self, automatic};
use crate::server::{self, ClientFiles, Reload, Shutdown};
#[cfg(not(feature = "certificates"))]
use crate::settings::{self, MissingFeature};
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
    /// Reads the certificates, opens the database and the policies, and listens. With `auto_certificates`, makes the
    /// certificates first if there are none. Does not read the environment.
    ///
    /// # Errors
    /// Returns an [`Error`] if a file of the configuration is unusable or the server cannot listen on the address.
    pub fn bind(config: &Config) -> Result<Self, Error> {
        let (config, clients) = prepared(config)?;
        let server = server::Server::bind(&config).map_err(Cause::Server)?;
        server.offer(clients);
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
pub struct Error(Cause);

enum Cause {
    Server(server::Error),
    #[cfg(feature = "certificates")]
    Certificates(pki::Error),
    #[cfg(not(feature = "certificates"))]
    Feature(MissingFeature),
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self(cause)
    }
}

impl Cause {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Server(error) => error.explanation(),
            #[cfg(feature = "certificates")]
            Self::Certificates(error) => error.explanation(),
            #[cfg(not(feature = "certificates"))]
            Self::Feature(error) => error.explanation(),
        }
    }

    fn error(&self) -> &(dyn error::Error + 'static) {
        match self {
            Self::Server(error) => error,
            #[cfg(feature = "certificates")]
            Self::Certificates(error) => error,
            #[cfg(not(feature = "certificates"))]
            Self::Feature(error) => error,
        }
    }
}

/// Returns the configuration with the certificates of `auto_certificates`, and the clients that have one.
#[cfg(feature = "certificates")]
fn prepared(config: &Config) -> Result<(Config, Vec<ClientFiles>), Cause> {
    let found = automatic::prepare(config, automatic::Task::Make).map_err(Cause::Certificates)?;
    Ok(found.map_or_else(|| (config.clone(), Vec::new()), |found| (found.config, found.clients)))
}

#[cfg(not(feature = "certificates"))]
fn prepared(config: &Config) -> Result<(Config, Vec<ClientFiles>), Cause> {
    match config.auto_certificates {
        None => Ok((config.clone(), Vec::new())),
        Some(_) => Err(Cause::Feature(settings::NO_CERTIFICATES)),
    }
}

impl Error {
    /// Returns the code of the error, which `run_server --explain` and docs/errors.md explain.
    pub fn code(&self) -> &'static str {
        self.0.explanation().code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An embedder may pass a URL as a path.
        let text = self.0.error().to_string();
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
        self.0.error().source()
    }
}
