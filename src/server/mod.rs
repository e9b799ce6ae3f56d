//! The network layer: a listener, its connections, and TLS. It exchanges whole messages with [`crate::dispatch`],
//! which interprets them.
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

mod audit;
mod authority;
pub mod check;
pub mod check_client;
mod connection;
mod deadline;
mod endpoints;
mod expiry;
mod faulty;
#[cfg(feature = "http")]
pub mod http;
mod key_files;
mod listener;
#[cfg(feature = "management")]
mod management;
#[cfg(not(feature = "management"))]
#[path = "no_management.rs"]
mod management;
mod metered_reader;
mod noise;
mod registry;
mod reload;
mod server_information;
mod shares;
mod status;
mod tls;
mod trust;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

pub use authority::Error as AuthorityError;
pub use key_files::ExposedKey;
pub use registry::{MAX_HANDSHAKES, Shutdown};
pub use reload::Reload;
pub use status::{Monitor, PERIOD as STATUS_PERIOD};
pub use tls::{
    ClientHello, Error as TlsError, KeyType, LEGACY_SUITES, LegacySuite, Offered, Symptom, openssl_name,
};
pub use trust::Trust;

use crate::auth::{Authenticator, Service, slugs};
use crate::clock::Clock;
use crate::config::{AuthPlugin, Config};
pub use crate::control::ClientFiles;
use crate::control::Control;
use crate::dispatch::{Dispatcher, Respond};
use crate::engine::{Authority, Services, pykmip_import};
use crate::faults::Faults;
use crate::logging;
use crate::memory_quota::MemoryQuota;
use crate::observe::Observers;
use crate::observe::metrics::Metrics;
use crate::observe::recorder::Recorder;
use crate::policy::{self, PolicyStore};
use crate::store::{self, KeyEncryptionKey, Memory, Sqlite, Store};
use crate::url;
use connection::ConnectionConfig;
use endpoints::Endpoints;
use registry::Registry;
use reload::{Certificates, Certify};
use tls::{CurrentTls, Files, Timeouts, TlsConfig};

/// The number of connections that the system keeps until the server accepts them; the standard library's number is too
/// small for a flood. The system may use a smaller one (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// The log target of the server as a whole, which is PyKMIP's logger name.
const LOG: &str = "kmip.server";

/// Returns the meaning of a Result Reason or of the code of a failed handshake, and what to do.
pub type Explain = fn(&str) -> Option<(&'static str, &'static str)>;

/// The reason for which a server cannot start.
#[derive(Debug)]
pub enum Error {
    /// The certificates, the private key or the cipher suites cannot be used.
    Tls(tls::Error),
    /// The certificate authority for Certify cannot be used.
    Authority(authority::Error),
    /// A setting that begins with `announced_`, or a section `[validation:NAME]`, is invalid.
    Announced(server_information::Error),
    /// Other users can read a key file, and `strict_file_modes` is True.
    KeyFile(ExposedKey),
    /// The audit log cannot be written.
    Audit(logging::Error),
    /// The database cannot be used.
    Store(store::Error),
    /// The policy directory cannot be monitored.
    Policy(policy::Error),
    /// An authentication service cannot be used.
    Service {
        /// The section of the settings.
        section: String,
        /// The reason.
        cause: slugs::Error,
    },
    /// The server cannot listen on an address.
    Bind {
        /// The setting with the address: `hostname` or `management_address`.
        setting: &'static str,
        /// The host and the port.
        address: String,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// Other machines can reach the management interface, and it has no token.
    NoManagementToken {
        /// The setting `management_address`.
        address: String,
    },
    /// The program was built without the cargo feature `management`.
    NoManagement,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(f),
            Self::Authority(error) => error.fmt(f),
            Self::Announced(error) => error.fmt(f),
            Self::KeyFile(error) => error.fmt(f),
            Self::Audit(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Policy(error) => error.fmt(f),
            Self::Service { section, cause } => write!(f, "section [{section}]: {cause}"),
            Self::Bind { setting, address, cause } => {
                write!(f, "the server cannot listen on {address}")?;
                if *setting != "hostname" {
                    write!(f, " ({setting})")?;
                }
                match cause.kind() {
                    io::ErrorKind::AddrInUse => f.write_str(": the port is already in use"),
                    // The cause of a name without address is a text.
                    io::ErrorKind::AddrNotAvailable if cause.raw_os_error().is_some() => {
                        f.write_str(": this machine does not have that address")
                    }
                    _ => write!(f, ": {cause}"),
                }
            }
            Self::NoManagementToken { address } => write!(
                f,
                "management_address: other machines can reach {address}, and management_token has no value"
            ),
            Self::NoManagement => {
                f.write_str("this build has no management interface (cargo feature `management`)")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<ExposedKey> for Error {
    fn from(error: ExposedKey) -> Self {
        Self::KeyFile(error)
    }
}

impl From<logging::Error> for Error {
    fn from(error: logging::Error) -> Self {
        Self::Audit(error)
    }
}

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

impl From<server_information::Error> for Error {
    fn from(error: server_information::Error) -> Self {
        Self::Announced(error)
    }
}

impl From<tls::Error> for Error {
    fn from(error: tls::Error) -> Self {
        Self::Tls(error)
    }
}

/// A server that listens. Clients that connect are served once [`run`](Self::run) is called.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Arc<ConnectionConfig>,
    registry: Arc<Registry>,
    monitor: Monitor,
    management: Option<management::Listener>,
    status_path: Option<PathBuf>,
    endpoints: Option<Endpoints>,
    certificates: Certificates,
    warnings: Vec<String>,
    control: Option<Control>,
}

impl Server {
    /// Opens the audit log and the database, reads certificates and policies, and listens on the port.
    ///
    /// # Errors
    /// Returns [`Error`], with one variant per kind of failed start.
    pub fn bind(config: &Config) -> Result<Self, Error> {
        Self::bind_on(config, None)
    }

    /// Opens the same files as [`bind`](Self::bind), and serves the clients of `listener` instead of `hostname` and `port`,
    /// if there is one.
    ///
    /// # Errors
    /// Returns [`Error`], with one variant per kind of failed start.
    pub fn bind_on(config: &Config, listener: Option<TcpListener>) -> Result<Self, Error> {
        key_files::check(config)?;
        let audit = audit::open(config)?;
        let store = open_store(config)?;
        let policies = PolicyStore::open(config.policy_path.as_deref(), config.live_policies)?;
        let problems = policies.problems().iter().map(|problem| format!("policy_path: {problem}"));
        let mut warnings: Vec<_> = problems.collect();
        let files = Files::read(config)?;
        warnings.extend(own_certificate_warning(config, &files));
        let stored = Authority::stored(|name| store.server_state(name))?;
        let authority = authority::load(config, &files.trusted, files.chain(), stored)?;
        let authority = Arc::new(authority);
        let certify = Certify { authority: Arc::clone(&authority), store: Arc::clone(&store) };
        let announced = server_information::read(config)?;
        let mut services = Services::new(store, policies);
        services.authority = authority;
        services.announced = announced;
        services.compatibility = config.compatibility;
        let users = config.client_endpoints.iter().map(|endpoint| endpoint.user.clone());
        let watching = Watching::of(config);
        if config.test_control {
            services.clock = Clock::movable();
            warnings.push(TEST_CONTROL.to_owned());
            log::warn!(target: LOG, "{TEST_CONTROL}");
        }
        let dispatcher = Dispatcher::with_listeners(services, authenticator(config)?, users);
        let mut dispatcher = dispatcher.with_observers(watching.observers.clone());
        let mut control = None;
        if config.test_control {
            let faults = Arc::<Faults>::default();
            dispatcher = dispatcher.with_faults(Arc::clone(&faults));
            control = Some(Control::new(dispatcher.services(), faults, Arc::clone(&watching.recorder)));
        }
        let dispatcher = Arc::new(match audit.clone() {
            Some(audit) => dispatcher.with_audit(audit),
            None => dispatcher,
        });
        let responder = Arc::clone(&dispatcher) as _;
        let mut server = Self::listen(config, files, responder, Some(certify), watching, listener, control)?;
        server.certificates.reopen(audit);
        let endpoints = config.client_endpoints.clone();
        let endpoints = Endpoints::new(dispatcher, Arc::clone(&server.config.tls), endpoints);
        Ok(Self { endpoints: Some(endpoints), warnings, ..server })
    }

    /// Listens on the port with `responder` in place of the KMIP engine, and without client endpoints.
    ///
    /// # Errors
    /// Returns [`Error`], with one variant per kind of failed start.
    pub fn bind_with(config: &Config, responder: Arc<dyn Respond>) -> Result<Self, Error> {
        Self::listen(config, Files::read(config)?, responder, None, Watching::of(config), None, None)
    }

    fn listen(
        config: &Config,
        files: Files,
        responder: Arc<dyn Respond>,
        certify: Option<Certify>,
        Watching { metrics, recorder, observers }: Watching,
        listener: Option<TcpListener>,
        control: Option<Control>,
    ) -> Result<Self, Error> {
        let issuing = certify.as_ref().map(|certify| certify.authority.keys()).unwrap_or_default();
        files.announce();
        let tls = TlsConfig::new(config, files.identity, files.trusted, issuing)?;
        tls.announce();
        let tls = Arc::new(CurrentTls::new(tls));
        let certificates = Certificates::new(config, Arc::clone(&tls), certify);
        let bind = |cause| bind_error(config, cause);
        let listener = match listener {
            Some(listener) => listener,
            None => TcpListener::bind(&*addresses(config).map_err(bind)?).map_err(bind)?,
        };
        rustix::net::listen(&listener, BACKLOG).map_err(|error| bind(error.into()))?;
        let address = listener.local_addr().map_err(bind)?;
        let registry = Registry::new(&listener, address, config, MAX_HANDSHAKES).map_err(bind)?;
        let registry = Arc::new(registry);
        let monitor = Monitor::new(&registry, &responder, &metrics);
        let management = management::bind(config, &monitor, &tls, recorder, control.as_ref())?;
        let status_path = config.status_path.clone();
        let config = Arc::new(ConnectionConfig {
            tls,
            responder,
            timeouts: Timeouts {
                handshake: config.handshake_timeout,
                request: config.request_timeout,
                response: config.response_timeout,
                idle: config.idle_timeout,
            },
            max_request_size: config.max_request_size,
            max_request_memory: MemoryQuota::new(request_memory(config)),
            observers,
            faults: control.as_ref().map(|control| Arc::clone(control.table())),
        });
        let endpoints = None;
        Ok(Self {
            listener,
            address,
            config,
            registry,
            monitor,
            management,
            status_path,
            endpoints,
            certificates,
            warnings: Vec::new(),
            control,
        })
    }

    /// Returns the port on which the server listens; if the setting is 0, the port that the system chose.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the warnings of the start that concern every client: policy files that cannot be used, and a certificate that
    /// is not valid. The log contains them too.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the control of the server under test, if the settings have `test_control`.
    pub fn control(&self) -> Option<Control> {
        self.control.clone()
    }

    /// Returns a handle that ends [`run`](Self::run) from any thread.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown::new(&self.registry)
    }

    /// Returns a handle that makes the server read its certificates again, from any thread.
    pub fn reload(&self) -> Reload {
        self.certificates.handle()
    }

    /// Returns a handle that reports the status of the server from any thread.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Lets test control hand out the certificates of these clients.
    pub fn offer(&self, clients: Vec<ClientFiles>) {
        if let Some(control) = &self.control {
            control.offer(clients);
        }
    }

    /// Lets the management interface explain Result Reasons and failed handshakes.
    #[must_use]
    pub fn explaining(self, explain: Explain) -> Self {
        if let Some(management) = &self.management {
            management.explain_by(explain);
        }
        self
    }

    /// Returns the address of the management interface, if the settings have one.
    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(management::Listener::address)
    }

    /// Serves clients until [`Shutdown::stop`] is called. Then it accepts no further connections, closes idle ones,
    /// answers running requests, closes the database, and returns after at most ten seconds; after at most twelve if
    /// notifications for client endpoints are queued, and one more if an asynchronous operation runs.
    pub fn run(self) {
        let Self { listener, config, registry, monitor, status_path, endpoints, certificates, .. } = self;
        let management = self.management.map(management::Listener::start);
        let stop_certificates = certificates.stopper();
        let reader = thread::Builder::new().name("kmip-certs".to_owned()).spawn(move || certificates.run());
        let writer = status_path.map(|path| {
            let monitor = monitor.clone();
            let write = move || monitor.write_to(&path);
            thread::Builder::new().name("kmip-status".to_owned()).spawn(write)
        });
        endpoints.iter().for_each(Endpoints::start);
        log::info!(target: LOG, "Starting connection service on {}.", registry.address());
        listener::run(listener, &config, &registry);
        log::info!(target: LOG, "Stopping connection service.");
        management.into_iter().for_each(management::Running::stop);
        endpoints.iter().for_each(Endpoints::stop);
        stop_certificates();
        match reader {
            // The thread ends with the server. If it panicked, the panic is in the log already.
            Ok(thread) => drop(thread.join()),
            Err(error) => log::error!(
                target: LOG,
                "Changed certificates were not read, because their thread could not be started: {error}. Raise the limit \
                 of threads and restart the server."
            ),
        }
        match writer {
            // The thread ends with the server. If it panicked, the panic is in the log already.
            Some(Ok(thread)) => drop(thread.join()),
            Some(Err(error)) => log::error!(
                target: LOG,
                "The status file was not written, because its thread could not be started: {error}. Raise the limit \
                 of threads and restart the server."
            ),
            None => {}
        }
        // Closes the database, even if a connection that was cut still uses the engine.
        config.responder.close();
        drop(endpoints);
        monitor.finish(|| drop(config));
    }
}

/// The warning at the start of a server under test.
const TEST_CONTROL: &str = "test_control is on: each client of the management interface can change the clock, the objects and \
                            the answers, and read keys. Do not keep keys of value in this server.";

/// Opens the store that `database_path` names: a file, a PostgreSQL database, or memory only.
fn open_store(config: &Config) -> Result<Arc<dyn Store>, store::Error> {
    let path = config.database_path.as_path();
    if path == Path::new(IN_MEMORY) {
        return Ok(Arc::new(Memory::new()));
    }
    let key = config.key_encryption_key_path.as_deref().map(KeyEncryptionKey::read).transpose()?;
    if store::is_url(path) {
        return open_database(config, key.as_ref());
    }
    match key {
        Some(key) => Ok(Arc::new(Sqlite::open_sealed(path, &key, &pykmip_import::complete)?)),
        None => Ok(Arc::new(Sqlite::open_or_import(path, &pykmip_import::complete)?)),
    }
}

#[cfg(feature = "postgres")]
fn open_database(config: &Config, key: Option<&KeyEncryptionKey>) -> Result<Arc<dyn Store>, store::Error> {
    let (url, patience) = (&config.database_path, config.database_connect_timeout);
    Ok(Arc::new(store::Postgres::open(url, key, patience)?))
}

#[cfg(not(feature = "postgres"))]
fn open_database(_: &Config, _: Option<&KeyEncryptionKey>) -> Result<Arc<dyn Store>, store::Error> {
    Err(store::Error::Url { why: store::UrlProblem::Unsupported })
}

/// Returns the memory for large messages: at least what the longest request and the longest response need.
fn request_memory(config: &Config) -> usize {
    config.max_request_memory.max(config.max_request_size.saturating_mul(5))
}

/// The `database_path` of a server that keeps its objects in memory only.
const IN_MEMORY: &str = ":memory:";

/// Returns the authenticator for these settings. A plugin that is not a SLUGS service is ignored with a warning.
///
/// # Errors
/// Returns [`Error::Service`] if an enabled service cannot be used.
pub fn authenticator(config: &Config) -> Result<Authenticator, Error> {
    let (supported, unsupported): (Vec<_>, Vec<_>) =
        config.auth_plugins.iter().partition(|plugin| AuthPlugin::is_slugs(&plugin.name));
    for plugin in unsupported {
        log::warn!(
            target: LOG,
            "The authentication plugin '{}' is not supported and is ignored; remove its section, or name it auth:slugs.",
            plugin.name
        );
    }
    let enabled = supported.into_iter().filter(|plugin| plugin.enabled);
    let services = enabled.map(service).collect::<Result<_, _>>()?;
    Ok(Authenticator::new(config.enable_tls_client_auth, services)
        .with_credentials(config.enable_credential_identity))
}

/// Returns the client of an authentication service.
fn service(plugin: &AuthPlugin) -> Result<Service, Error> {
    let unusable = |cause| Error::Service { section: plugin.name.clone(), cause };
    Service::new(&plugin.name, plugin.url.as_deref()).map_err(unusable)
}

/// Resolves the hostname; an empty one means every IPv4 address. IPv4 addresses come first, because PyKMIP listens on
/// IPv4 only.
fn addresses(config: &Config) -> io::Result<Vec<SocketAddr>> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    resolve(url::host(&config.hostname).map_err(invalid)?, config.port)
}

fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.is_empty() {
        return Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into()]);
    }
    // The system has no error kind for a name without address.
    let unknown = |error: io::Error| io::Error::new(io::ErrorKind::AddrNotAvailable, error);
    let mut addresses: Vec<_> = (host, port).to_socket_addrs().map_err(unknown)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

/// Returns a warning if the certificate of the server is not valid now, so that clients refuse it.
fn own_certificate_warning(config: &Config, files: &Files) -> Option<String> {
    let name = format!("certificate_path: the server's certificate in {}", config.certificate_path.display());
    expiry::warning(&name, files.chain().first()?, SystemTime::now(), Duration::ZERO)
}

/// Returns the error of a server that cannot listen on `hostname`.
fn bind_error(config: &Config, cause: io::Error) -> Error {
    let host = if config.hostname.is_empty() { "*" } else { config.hostname.as_str() };
    Error::Bind { setting: "hostname", address: format!("{host}:{}", config.port), cause }
}

/// The parts that watch a server.
struct Watching {
    metrics: Arc<Metrics>,
    recorder: Arc<Recorder>,
    /// These parts; the recorder only if test control or the management interface can read it.
    observers: Observers,
}

impl Watching {
    fn of(config: &Config) -> Self {
        let metrics = Arc::<Metrics>::default();
        let recorder = if config.test_control { Recorder::of_test_control() } else { Recorder::default() };
        let recorder = Arc::new(recorder);
        let mut observers = Observers::default().with(Arc::clone(&metrics) as _);
        if config.test_control || config.management_address.is_some() {
            observers = observers.with(Arc::clone(&recorder) as _);
        }
        Self { metrics, recorder, observers }
    }
}
