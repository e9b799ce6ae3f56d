//! The listener of the management interface: plain HTTP on an address of its own. [`crate::management`] answers the
//! requests; this file limits the connections and their time, with the code of the KMIP listener.

use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use super::deadline::DeadlineSocket;
use super::listener::{self, Serve};
use super::noise::Kind;
use super::registry::{Registry, Shutdown, Slot};
use super::status::Monitor;
use super::tls::{CurrentTls, linger};
use super::{Error, LOG, expiry, resolve};
use crate::config::Config;
use crate::http::{RequestError, Requests};
use crate::management::{
    Access, IDLE, MANAGEMENT_CONNECTIONS, Management, REQUEST, Readiness, Sample, Subject,
};
use crate::url;

/// The listener, before it serves.
pub(super) struct Listener {
    listener: TcpListener,
    registry: Arc<Registry>,
    service: Arc<Service>,
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
) -> Result<Option<Listener>, Error> {
    let Some(addresses) = addresses(config)? else { return Ok(None) };
    let name = config.management_address.clone().unwrap_or_default();
    let failed = |cause| Error::Bind { setting: "management_address", address: name.clone(), cause };
    let listener = TcpListener::bind(&*addresses).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let registry = Registry::new(&listener, address, config, MANAGEMENT_CONNECTIONS).map_err(failed)?;
    let host = url::endpoint(&name).map_or("", |(host, _)| host);
    let access = Access::new(host, config.management_token.as_ref());
    let watched = Watched { monitor: monitor.clone(), tls: Arc::clone(tls) };
    let service = Arc::new(Service(Management::new(access, Arc::new(watched))));
    Ok(Some(Listener { listener, registry: Arc::new(registry), service }))
}

impl Listener {
    pub(super) fn address(&self) -> SocketAddr {
        self.registry.address()
    }

    /// Serves until [`Running::stop`].
    pub(super) fn start(self) -> Running {
        let Self { listener, registry, service } = self;
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
        drop(requests.body(stream, request.framing)?);
        let is_last = slot.is_stopping();
        let response = self.0.respond(&request, is_last);
        stream.set_timeout(REQUEST);
        stream.write_all(&response).map_err(RequestError::Io)?;
        Ok(request.keeps_alive() && !is_last)
    }
}

/// The server, as its management interface sees it.
struct Watched {
    monitor: Monitor,
    tls: Arc<CurrentTls>,
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
