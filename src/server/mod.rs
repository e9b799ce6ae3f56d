//! The network side: a listener, its connections, their TLS. Frames go in, replies come out; what they mean is
//! left to [`crate::dispatch`].
//!
//! ```no_run
//! use kmip_server::{Config, Server};
//!
//! let config = Config::builder("/etc/pykmip/server.pem", "/etc/pykmip/ca.pem").port(0).build();
//! let server = Server::bind(&config)?;
//! println!("port {}", server.port());
//! let shutdown = server.shutdown(); // `shutdown.stop()`, from any thread, ends `run`
//! # let _ = shutdown;
//! server.run();
//! # Ok::<(), kmip_server::Error>(())
//! ```

mod announced;
mod authority;
mod budget;
pub mod check;
mod connection;
mod endpoints;
pub mod http;
mod listener;
mod status;
mod tickets;
mod tls;
mod trust;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

pub use authority::Error as AuthorityError;
pub use listener::{MAX_HANDSHAKES, Shutdown};
pub use status::{Observer, PERIOD as STATUS_PERIOD};
pub use tls::Error as TlsError;
pub use trust::Trust;

use crate::auth::{Authenticator, Service};
use crate::config::Config;
use crate::dispatch::{Dispatcher, Respond};
use crate::engine::services::notifications::Notifications;
use crate::engine::{Services, pykmip_import};
use crate::policy::{self, PolicyStore};
use crate::store::{self, KeyEncryptionKey, Memory, Sqlite, Store};
use budget::Budget;
use connection::Terms;
use endpoints::Endpoints;
use listener::Registry;

/// The logger of the server as a whole, by PyKMIP's name.
const LOG: &str = "kmip.server";

/// Why a server cannot start.
#[derive(Debug)]
pub enum Error {
    /// The certificates, the key or the cipher suites do not do.
    Tls(tls::Error),
    /// The authority that signs certificates does not do.
    Authority(authority::Error),
    /// The settings of what clients are told say nothing.
    Announced(announced::Error),
    /// The database cannot be used.
    Store(store::Error),
    /// The policies cannot be watched.
    Policy(policy::Error),
    /// The address cannot be listened on.
    Bind {
        /// The hostname of the settings.
        hostname: String,
        /// The port of the settings.
        port: u16,
        /// Why.
        cause: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(f),
            Self::Authority(error) => error.fmt(f),
            Self::Announced(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Policy(error) => error.fmt(f),
            Self::Bind { hostname, port, cause } => {
                write!(f, "the server cannot listen on {hostname}:{port}: {cause}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<policy::Error> for Error {
    fn from(error: policy::Error) -> Self {
        Self::Policy(error)
    }
}

impl From<authority::Error> for Error {
    fn from(error: authority::Error) -> Self {
        Self::Authority(error)
    }
}

impl From<announced::Error> for Error {
    fn from(error: announced::Error) -> Self {
        Self::Announced(error)
    }
}

impl From<tls::Error> for Error {
    fn from(error: tls::Error) -> Self {
        Self::Tls(error)
    }
}

/// A server that listens. Clients that connect wait until it [runs](Self::run).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    terms: Arc<Terms>,
    registry: Arc<Registry>,
    observer: Observer,
    status_path: Option<PathBuf>,
    endpoints: Option<Endpoints>,
}

impl Server {
    /// Reads the certificates and takes the port.
    ///
    /// # Errors
    /// [`Error`], one for each kind of failed start.
    pub fn bind(config: &Config) -> Result<Self, Error> {
        let store = open_store(config)?;
        let policies = PolicyStore::open(config.policy_path.as_deref(), config.live_policies)?;
        let authority = authority::of(config)?;
        let notifications =
            Notifications::of(config.client_endpoints.iter().map(|endpoint| endpoint.user.clone()));
        let announced = announced::of(config)?;
        let mut services = Services::new(store, policies);
        services.authority = authority;
        services.announced = announced;
        services.notifications = notifications;
        let dispatcher = Arc::new(Dispatcher::new(services, authenticator(config)));
        let server = Self::bind_with(config, Arc::clone(&dispatcher) as _)?;
        let endpoints = config.client_endpoints.clone();
        let endpoints = Endpoints::new(dispatcher, Arc::clone(&server.terms.tls.outgoing), endpoints);
        Ok(Self { endpoints: Some(endpoints), ..server })
    }

    /// The same, with requests answered by `responder`, and nothing sent to the listeners of clients.
    ///
    /// # Errors
    /// [`Error`], one for each kind of failed start.
    pub fn bind_with(config: &Config, responder: Arc<dyn Respond>) -> Result<Self, Error> {
        let tls = tls::terms(config)?;
        let bind = |cause| Error::Bind { hostname: config.hostname.clone(), port: config.port, cause };
        let listener = TcpListener::bind(&*addresses(config).map_err(bind)?).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let registry = Registry::new(&listener, address, config.max_connections).map_err(bind)?;
        let registry = Arc::new(registry);
        let observer = Observer {
            registry: Arc::clone(&registry),
            responder: Arc::clone(&responder),
            since: Instant::now(),
        };
        let terms = Terms {
            tls,
            responder,
            handshake_timeout: config.handshake_timeout,
            request_timeout: config.request_timeout,
            response_timeout: config.response_timeout,
            max_request_size: config.max_request_size,
            budget: Budget::new(config.message_memory.max(config.max_request_size.saturating_mul(4))),
        };
        let status_path = config.status_path.clone();
        let terms = Arc::new(terms);
        Ok(Self { listener, address, terms, registry, observer, status_path, endpoints: None })
    }

    /// The port that it listens on; the one picked where the settings say 0.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What ends [`run`](Self::run), from any thread.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown::new(&self.registry)
    }

    /// What tells the state of the server, from any thread.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Serves until [`Shutdown::stop`]: then no client is accepted any more, idle ones are let go, running
    /// requests are answered, and it returns, after ten seconds at the latest; after twelve where the listeners of
    /// clients take long.
    pub fn run(self) {
        let Self { listener, terms, registry, observer, status_path, endpoints, .. } = self;
        let writer = status_path.map(|path| {
            let write = move || observer.write_to(&path);
            thread::Builder::new().name("kmip-status".to_owned()).spawn(write)
        });
        endpoints.iter().for_each(Endpoints::start);
        listener::run(listener, &terms, &registry);
        endpoints.iter().for_each(Endpoints::stop);
        match writer {
            // It ends with the server; a panic of it is in the log.
            Some(Ok(thread)) => drop(thread.join()),
            Some(Err(error)) => log::error!(target: LOG, "The state is not written to status_path: {error}"),
            None => {}
        }
    }
}

/// The keeper of objects: a file, or nothing but memory where the path says so.
fn open_store(config: &Config) -> Result<Box<dyn Store>, store::Error> {
    let path = config.database_path.as_path();
    if path == Path::new(IN_MEMORY) {
        return Ok(Box::new(Memory::new()));
    }
    if let Some(key) = &config.key_encryption_key_path {
        let key = KeyEncryptionKey::read(key)?;
        return Ok(Box::new(Sqlite::open_sealed(path, &key, &pykmip_import::complete)?));
    }
    Ok(Box::new(Sqlite::open_or_import(path, &pykmip_import::complete)?))
}

/// The `database_path` of a server that keeps its objects in memory only.
const IN_MEMORY: &str = ":memory:";

/// Who is let in by these settings. Plugins that are no SLUGS service are named in a warning.
pub fn authenticator(config: &Config) -> Authenticator {
    let (ours, others): (Vec<_>, Vec<_>) =
        config.auth_plugins.iter().partition(|plugin| plugin.name.starts_with("auth:slugs"));
    for plugin in others {
        log::warn!(target: LOG, "The authentication plugin '{}' is not supported.", plugin.name);
    }
    let enabled = ours.into_iter().filter(|plugin| plugin.enabled);
    let services = enabled.map(|plugin| Service::new(&plugin.name, plugin.url.as_deref())).collect();
    Authenticator::new(config.enable_tls_client_auth, services)
        .with_credentials(config.enable_credential_identity)
}

/// What the hostname stands for: IPv4 first, which is all that PyKMIP listens on; every address where it is
/// empty.
fn addresses(config: &Config) -> io::Result<Vec<SocketAddr>> {
    if config.hostname.is_empty() {
        return Ok(vec![(Ipv4Addr::UNSPECIFIED, config.port).into()]);
    }
    let mut addresses: Vec<_> = (config.hostname.as_str(), config.port).to_socket_addrs()?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}
