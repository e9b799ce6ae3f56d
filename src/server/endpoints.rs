//! The client endpoints: the listeners named by the setting `client_endpoints`, to which the server connects in order
//! to deliver the notifications of their users. Each has its own thread; requests never wait for one.
//!
//! A listener presents the certificate of its user, which is verified like that of a client; the server presents its
//! own. [`crate::dispatch::outgoing`] decides what is sent, and whether the user may receive it.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::net::{self, TcpStream, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::auth::{Certificate, Peer};
use crate::config::ClientEndpoint;
use crate::dispatch::Dispatcher;
use crate::dispatch::delivery::Next;
use crate::dispatch::outgoing::{Delivery, DeliveryError, PeerCapabilities};
use crate::engine::services::notifications::Notification;
use crate::lock::IgnorePoison;
use crate::ttlv::{FrameError, read_frame};

use super::deadline::DeadlineSocket;
use super::tls::{CurrentTls, Standing};

/// The log target of this module.
const LOG: &str = "kmip.server.endpoint";

/// The time limit for a TCP connection, for each address of the host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time limit for the TLS handshake, and for each request with its response.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);
/// The rate, in bytes per second, at which the listener must read a request that takes longer.
const READ_RATE: usize = 1 << 20;
/// The time after which an idle connection is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum number of attempts to deliver a notification.
const MAX_ATTEMPTS: u32 = 5;
/// The pause before the second attempt; each further pause is four times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The maximum length of a response, in bytes. Responses to Put and Notify are almost empty.
const MAX_RESPONSE: usize = 64 * 1024;
/// The time for which queued notifications are still delivered after the server stops, before connections are cut.
const GRACE: Duration = Duration::from_secs(1);
/// The time limit for the threads to end after their connections are cut.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// The stack size of a delivery thread.
const STACK: usize = 1 << 20;

/// The client endpoints of a server, with their delivery threads.
pub(super) struct Endpoints {
    dispatcher: Arc<Dispatcher>,
    tls: Arc<CurrentTls>,
    endpoints: Vec<ClientEndpoint>,
    threads: Arc<DeliveryThreads>,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Endpoints {
    /// Returns the endpoints of the settings. `dispatcher` holds their notification queues; connections use `tls`.
    pub(super) fn new(
        dispatcher: Arc<Dispatcher>,
        tls: Arc<CurrentTls>,
        endpoints: Vec<ClientEndpoint>,
    ) -> Self {
        Self { dispatcher, tls, endpoints, threads: Arc::default() }
    }

    /// Starts the delivery threads.
    pub(super) fn start(&self) {
        for endpoint in &self.endpoints {
            let (dispatcher, tls) = (Arc::clone(&self.dispatcher), Arc::clone(&self.tls));
            let threads = Arc::clone(&self.threads);
            let sender = Sender {
                dispatcher,
                tls,
                endpoint: endpoint.clone(),
                threads,
                connection: None,
                capabilities: PeerCapabilities::default(),
                failing: false,
            };
            self.threads.state().running += 1;
            let thread = thread::Builder::new().name("kmip-endpoint".to_owned()).stack_size(STACK);
            if let Err(error) = thread.spawn(move || sender.run()) {
                log::error!(
                    target: LOG,
                    "Nothing is sent to the listener of {:?}, because no thread could be started for it: {error}. \
                     Raise the limit of threads and restart the server.",
                    endpoint.user
                );
            }
        }
    }

    /// Stops delivery: queued notifications are delivered for another [`GRACE`], then the rest is dropped.
    pub(super) fn stop(&self) {
        let notifications = self.dispatcher.deliveries();
        notifications.close(GRACE);
        if !self.threads.wait(GRACE) {
            let state = self.threads.state();
            state.sockets.values().for_each(|socket| drop(socket.shutdown(net::Shutdown::Both)));
            drop(state);
            self.threads.wait(END_TIMEOUT);
        }
        for endpoint in &self.endpoints {
            let dropped = notifications.drop_rest(&endpoint.user);
            if dropped > 0 {
                log::warn!(
                    target: LOG,
                    "{dropped} notifications for the listener of {:?} were dropped, because the server stopped before \
                     they were delivered; the listener must query the state of its objects.",
                    endpoint.user
                );
            }
        }
    }
}

/// The delivery threads that have not ended, with their sockets.
#[derive(Default)]
struct DeliveryThreads {
    state: Mutex<ThreadState>,
    ended: Condvar,
}

#[derive(Default)]
struct ThreadState {
    running: usize,
    /// The open sockets, by user.
    sockets: HashMap<String, TcpStream>,
}

impl DeliveryThreads {
    fn state(&self) -> MutexGuard<'_, ThreadState> {
        self.state.lock().ignore_poison()
    }

    fn end(&self, user: &str) {
        let mut state = self.state();
        state.sockets.remove(user);
        state.running = state.running.saturating_sub(1);
        drop(state);
        self.ended.notify_all();
    }

    /// Waits until all threads have ended, for at most `timeout`. Returns whether they have.
    fn wait(&self, timeout: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.state(), timeout, |state| state.running > 0);
        !waited.ignore_poison().1.timed_out()
    }
}

/// The sender of notifications to one listener.
struct Sender {
    dispatcher: Arc<Dispatcher>,
    tls: Arc<CurrentTls>,
    endpoint: ClientEndpoint,
    threads: Arc<DeliveryThreads>,
    /// The open connection, if any.
    connection: Option<Connection>,
    /// The capabilities that the next connection assumes of the listener.
    capabilities: PeerCapabilities,
    /// Whether the last attempt failed. A series of failures is logged once.
    failing: bool,
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.connection = None;
        self.threads.end(&self.endpoint.user);
    }
}

impl Sender {
    fn run(mut self) {
        let dispatcher = Arc::clone(&self.dispatcher);
        loop {
            match dispatcher.deliveries().next(&self.endpoint.user, IDLE_TIMEOUT) {
                Next::Notification(notification) => {
                    // A panic costs one notification, not the listener.
                    if catch_unwind(AssertUnwindSafe(|| self.send(&notification))).is_err() {
                        self.disconnect();
                        dispatcher
                            .deliveries()
                            .dropped(&self.endpoint.user, "the server panicked, which is a bug");
                    }
                }
                Next::Nothing => self.disconnect(),
                Next::Closed => return,
            }
        }
    }

    /// Delivers a notification, in several attempts if necessary.
    fn send(&mut self, notification: &Notification) {
        let dispatcher = Arc::clone(&self.dispatcher);
        let (notifications, user) = (dispatcher.deliveries(), self.endpoint.user.clone());
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=MAX_ATTEMPTS {
            // The listener may have closed an idle connection, which does not count as a failed attempt.
            let was_idle = self.connection.is_some();
            let mut outcome = self.attempt(notification);
            if was_idle && outcome.is_err() {
                outcome = self.attempt(notification);
            }
            match outcome {
                Ok(Delivery::Accepted) => {
                    notifications.delivered(&user);
                    return self.recovered();
                }
                Ok(Delivery::Rejected(why)) => {
                    notifications.dropped(&user, &why);
                    return self.recovered();
                }
                Err(failure) => self.failed(&failure),
            }
            if attempt < MAX_ATTEMPTS && !notifications.pause(&user, pause) {
                break;
            }
            pause *= 4;
        }
        notifications.dropped(&user, "it is out of reach");
    }

    fn attempt(&mut self, notification: &Notification) -> Result<Delivery, DeliveryError> {
        let mut open = self.connection.take();
        // The handshake of the next connection decides on a listener whose certificate is not accepted any more.
        if let Some(refused) = open.take_if(|open| !open.is_trusted(&self.tls)) {
            close(refused.stream);
        }
        let connection = match open {
            Some(connection) => connection,
            None => self.connect().map_err(DeliveryError::Connection)?,
        };
        let Connection { mut stream, peer, standing, mut capabilities } = connection;
        let to = (&*self.endpoint.user, &peer);
        let delivered = self
            .dispatcher
            .deliver(notification, to, &mut capabilities, &mut |request| exchange(&mut stream, request));
        match delivered {
            Ok(delivery) => {
                self.connection = Some(Connection { stream, peer, standing, capabilities });
                Ok(delivery)
            }
            Err(failure) => {
                self.capabilities = capabilities.after_failure();
                close(stream);
                Err(failure)
            }
        }
    }

    fn connect(&self) -> io::Result<Connection> {
        let ClientEndpoint { user, host, port } = &self.endpoint;
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        let mut connected = None;
        for address in (host.as_str(), *port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(socket) => {
                    connected = Some((socket, address));
                    break;
                }
                Err(error) => failure = error,
            }
        }
        let (socket, address) = connected.ok_or(failure)?;
        socket.set_nodelay(true)?;
        self.threads.state().sockets.insert(user.clone(), socket.try_clone()?);
        // The name is for listeners that choose their certificate by SNI. Only the certificate identifies the user.
        let name = ServerName::try_from(host.clone()).unwrap_or_else(|_| address.ip().into());
        let config = self.tls.snapshot();
        let tls = ClientConnection::new(Arc::clone(&config.client), name).map_err(io::Error::other)?;
        let mut socket = DeadlineSocket::new(socket);
        socket.set_timeout(EXCHANGE_TIMEOUT);
        let mut stream = StreamOwned::new(tls, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let chain = stream.conn.peer_certificates().unwrap_or_default();
        let certificate = chain.first().and_then(|der| Certificate::from_der(der));
        let standing = Standing::of(&config, chain);
        let peer = Peer::new(address, 0, certificate);
        Ok(Connection { stream, peer, standing, capabilities: self.capabilities.clone() })
    }

    fn disconnect(&mut self) {
        self.threads.state().sockets.remove(&self.endpoint.user);
        if let Some(connection) = self.connection.take() {
            close(connection.stream);
        }
    }

    fn failed(&mut self, failure: &DeliveryError) {
        self.disconnect();
        if !std::mem::replace(&mut self.failing, true) {
            let ClientEndpoint { user, host, port } = &self.endpoint;
            log::warn!(
                target: LOG,
                "Nothing can be sent to the listener of {user:?} at {host}:{port}: {failure}. Start that listener, or \
                 correct client_endpoints."
            );
        }
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            log::info!(target: LOG, "The listener of {:?} is within reach again.", self.endpoint.user);
        }
    }
}

type Stream = StreamOwned<ClientConnection, DeadlineSocket<TcpStream>>;

/// A connection to a listener.
struct Connection {
    stream: Stream,
    peer: Peer,
    standing: Standing,
    capabilities: PeerCapabilities,
}

impl Connection {
    /// Returns whether the certificates of the listener are still accepted.
    fn is_trusted(&mut self, tls: &CurrentTls) -> bool {
        let chain = || self.stream.conn.peer_certificates().unwrap_or_default().to_vec();
        self.standing.verify(tls, chain).is_ok()
    }
}

/// Sends a request and returns the response.
fn exchange(stream: &mut Stream, request: &[u8]) -> io::Result<Vec<u8>> {
    let seconds = u64::try_from(request.len() / READ_RATE).unwrap_or(u64::MAX);
    stream.sock.set_timeout(EXCHANGE_TIMEOUT.saturating_add(Duration::from_secs(seconds)));
    stream.write_all(request)?;
    stream.flush()?;
    let mut response = Vec::new();
    match read_frame(stream, &mut response, MAX_RESPONSE) {
        Ok(()) => Ok(response),
        Err(FrameError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Sends the close_notify alert, if the listener can still be reached.
fn close(mut stream: Stream) {
    stream.sock.set_timeout(EXCHANGE_TIMEOUT);
    stream.conn.send_close_notify();
    drop(stream.flush());
}
