//! The listener of the management interface: plain HTTP on an address of its own. [`crate::management`] answers the
//! requests; this file limits the connections and their time, with the code of the KMIP listener.

use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::deadline::DeadlineSocket;
use super::listener::{self, Serve};
use super::noise::Kind;
use super::registry::{Registry, Shutdown, Slot};
use super::status::Monitor;
use super::tls::{CurrentTls, linger};
use super::{Error, Explain, LOG, audit, expiry, resolve};
use crate::config::Config;
use crate::control::Control;
use crate::cpu_permits;
use crate::engine::Services;
use crate::http::{RequestError, Requests};
use crate::management::{
    Access, Events, Explanation, IDLE, Inspected, MANAGEMENT_CONNECTIONS, Management, REQUEST, Readiness,
    Sample, Subject,
};
use crate::observe::recorder::Recorder;
use crate::url;

/// The time after which a stream of events checks whether the server stops.
const EVENT_POLL: Duration = Duration::from_millis(250);
/// The time between two events of a stream.
const EVENT_PACE: Duration = Duration::from_millis(100);
/// The time after which a stream without events shows that it still exists, and notices a client that has left.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The niceness of threads that decode records of the server, as that of long computations.
const INSPECTION: i32 = 10;

/// The listener, before it serves.
pub(super) struct Listener {
    listener: TcpListener,
    registry: Arc<Registry>,
    service: Arc<Service>,
    explain: Arc<OnceLock<Explain>>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.registry.address()).finish_non_exhaustive()
    }
}

/// Returns the addresses of `management_address`, or `None` if the setting has no value.
///
/// # Errors
/// Returns [`Error::NoManagementToken`] if other machines can reach one of them and there is no token, and
/// [`Error::Bind`] if the host has no address.
pub(super) fn addresses(config: &Config) -> Result<Option<Vec<SocketAddr>>, Error> {
    let Some(address) = &config.management_address else { return Ok(None) };
    let failed = |cause| Error::Bind { setting: "management_address", address: address.clone(), cause };
    let invalid = |error| failed(io::Error::new(io::ErrorKind::InvalidInput, error));
    let (host, port) = url::endpoint(address).map_err(invalid)?;
    let addresses = resolve(host, port).map_err(failed)?;
    let is_local = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
    if config.management_token.is_none() && !addresses.iter().all(is_local) {
        return Err(Error::NoManagementToken { address: address.clone() });
    }
    Ok(Some(addresses))
}

/// Listens on `management_address`, if it has a value.
///
/// # Errors
/// Returns the errors of [`addresses`], and [`Error::Bind`] if the server cannot listen.
pub(super) fn bind(
    config: &Config,
    monitor: &Monitor,
    tls: &Arc<CurrentTls>,
    recorder: Arc<Recorder>,
    control: Option<&Control>,
) -> Result<Option<Listener>, Error> {
    let Some(addresses) = addresses(config)? else { return Ok(None) };
    let name = config.management_address.clone().unwrap_or_default();
    let failed = |cause| Error::Bind { setting: "management_address", address: name.clone(), cause };
    let listener = TcpListener::bind(&*addresses).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let registry = Registry::new(&listener, address, config, MANAGEMENT_CONNECTIONS).map_err(failed)?;
    let host = url::endpoint(&name).map_or("", |(host, _)| host);
    let access = Access::new(host, config.management_token.as_ref());
    let explain = Arc::<OnceLock<Explain>>::default();
    let watched = Arc::new(Watched {
        monitor: monitor.clone(),
        tls: Arc::clone(tls),
        recorder,
        audit_log: audit::path(config),
        explain: Arc::clone(&explain),
    });
    let management = Management::new(access, Arc::clone(&watched) as _, watched, control.cloned());
    let service = Arc::new(Service(management));
    Ok(Some(Listener { listener, registry: Arc::new(registry), service, explain }))
}

impl Listener {
    pub(super) fn address(&self) -> SocketAddr {
        self.registry.address()
    }

    pub(super) fn explain_by(&self, explain: Explain) {
        // The first explanation stays.
        let _unused = self.explain.set(explain);
    }

    /// Serves until [`Running::stop`].
    pub(super) fn start(self) -> Running {
        let Self { listener, registry, service, .. } = self;
        log::info!(target: LOG, "Starting management interface on {}.", registry.address());
        let shutdown = Shutdown::new(&registry);
        let serve = move || listener::run(listener, &service, &registry);
        let thread = thread::Builder::new().name("kmip-management".to_owned()).spawn(serve);
        if let Err(error) = &thread {
            log::error!(
                target: LOG,
                "The management interface does not answer, because its thread could not be started: {error}. Raise the \
                 limit of threads and restart the server."
            );
        }
        Running { shutdown, thread: thread.ok() }
    }
}

/// The listener while it serves.
pub(super) struct Running {
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(super) fn stop(self) {
        self.shutdown.stop();
        // If the thread panicked, the panic is in the log already.
        self.thread.into_iter().for_each(|thread| drop(thread.join()));
    }
}

struct Service(Management);

impl Serve for Service {
    const THREADS: &'static str = "kmip-http";

    fn serve(&self, socket: &TcpStream, address: SocketAddr, _: u64, slot: &Slot) {
        let mut stream = DeadlineSocket::new(socket);
        let mut requests = Requests::default();
        loop {
            match self.exchange(&mut stream, &mut requests, slot) {
                Ok(true) => {}
                Ok(false) => return,
                Err(RequestError::Rejected(rejection)) => {
                    if slot.registry().allows_line(Kind::TurnedAway) {
                        log::warn!(target: LOG, "Management interface: {address} is refused: {rejection}.");
                    }
                    stream.set_timeout(REQUEST);
                    if stream.write_all(&requests.rejection(&rejection)).is_ok() {
                        linger(socket);
                    }
                    return;
                }
                Err(error) => return log::debug!(target: LOG, "Management interface: {address}: {error}."),
            }
        }
    }
}

impl Service {
    /// Answers one request. Returns whether the connection stays open.
    fn exchange(
        &self,
        stream: &mut DeadlineSocket<&TcpStream>,
        requests: &mut Requests,
        slot: &Slot,
    ) -> Result<bool, RequestError> {
        stream.set_timeout(IDLE);
        requests.wait(stream)?;
        stream.set_timeout(REQUEST);
        let request = requests.head(stream, |head| self.0.accept(head))?;
        let body = requests.body(stream, request.framing)?;
        if let Some(events) = self.0.events(&request)? {
            cpu_permits::lower_priority(INSPECTION);
            return stream_events(stream, events, slot).map_err(RequestError::Io);
        }
        let _place = self.0.enter(&request)?;
        if request.is_inspection() {
            cpu_permits::lower_priority(INSPECTION);
        }
        let is_last = slot.is_stopping();
        let response = self.0.respond(&request, &body, is_last);
        stream.set_timeout(REQUEST);
        stream.write_all(&response).map_err(RequestError::Io)?;
        Ok(request.keeps_alive() && !is_last)
    }
}

/// Sends events until the client leaves or the server stops. The connection ends then.
fn stream_events(
    stream: &mut DeadlineSocket<&TcpStream>,
    mut events: Events,
    slot: &Slot,
) -> io::Result<bool> {
    stream.set_timeout(REQUEST);
    stream.write_all(Events::HEAD)?;
    let mut last_sent = Instant::now();
    while !slot.is_stopping() && !slot.is_displaced() {
        let next = events.next(EVENT_POLL);
        if next.is_empty() && last_sent.elapsed() < HEARTBEAT {
            continue;
        }
        stream.set_timeout(REQUEST);
        stream.write_all(if next.is_empty() { Events::HEARTBEAT } else { &next })?;
        last_sent = Instant::now();
        // Under load, an event contains many records.
        thread::sleep(EVENT_PACE);
    }
    Ok(false)
}

/// The server, as its management interface sees it.
struct Watched {
    monitor: Monitor,
    tls: Arc<CurrentTls>,
    recorder: Arc<Recorder>,
    audit_log: Option<PathBuf>,
    explain: Arc<OnceLock<Explain>>,
}

impl Inspected for Watched {
    fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    fn with_services(&self, read: &mut dyn FnMut(&Services)) {
        self.monitor.with_services(read);
    }

    fn audit_log(&self) -> Option<&Path> {
        self.audit_log.as_deref()
    }

    fn explain(&self, code: &str) -> Option<Explanation> {
        let (meaning, advice) = self.explain.get()?(code)?;
        Some(Explanation { meaning, advice })
    }
}

impl Subject for Watched {
    fn readiness(&self) -> Readiness {
        let store = self.monitor.ping_store().map_err(|error| url::masked(&error).into_owned());
        let tls = self.tls.snapshot();
        let leaf = tls.chain().first();
        let warning = leaf.and_then(|leaf| expiry::warning("it", leaf, SystemTime::now(), Duration::ZERO));
        let (listening, address) = (self.monitor.is_listening(), self.monitor.address());
        Readiness { address, listening, store, certificate: warning.map_or(Ok(()), Err) }
    }

    fn sample(&self) -> Sample {
        let tls = self.tls.snapshot();
        let files = [("certificate_path", tls.chain()), ("ca_path", tls.trusted())];
        let earliest = files.map(|(setting, certificates)| {
            let expiries = certificates.iter().filter_map(|certificate| expiry::seconds(certificate));
            expiries.min().map(|time| (setting, time))
        });
        let (metrics, connections, dispatcher, started) = self.monitor.counts();
        let expiries = earliest.into_iter().flatten().collect();
        Sample { metrics, connections, dispatcher, expiries, started }
    }
}
