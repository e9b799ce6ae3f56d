//! The endpoints of clients: the places of the setting `client_endpoints`, to which the server connects in order to
//! send what waits for their users. One thread each; no request ever waits for one.
//!
//! A listener shows the certificate of its user, which is checked as that of a client is; the server shows its own.
//! What is sent, and whether to that user at all, is left to [`crate::dispatch::outgoing`].

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{self, TcpStream, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::auth::{Certificate, Peer};
use crate::config::ClientEndpoint;
use crate::dispatch::Dispatcher;
use crate::dispatch::outgoing::{Delivery, Failure, PeerCapabilities};
use crate::engine::services::notifications::{Next, Notification};
use crate::lock::IgnorePoison;
use crate::ttlv::{FrameError, read_frame};

/// The logger of this file.
const LOG: &str = "kmip.server.endpoint";

/// How long a connection may take to be made, for each address of the host.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the handshake may take, and each request with its response.
const EXCHANGE: Duration = Duration::from_secs(5);
/// How much of a long request has to be taken in a second beyond that, in bytes.
const RATE: usize = 1 << 20;
/// How long a connection is kept without anything to send.
const IDLE: Duration = Duration::from_secs(60);
/// How often a message is tried to be sent at the most.
const ATTEMPTS: u32 = 5;
/// How long to wait before the second attempt; before each further one it is four times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest answer that is read, in bytes. Those to Put and Notify say hardly anything.
const MAX_ANSWER: usize = 64 * 1024;
/// For how long what waits is still sent when the server ends; connections are cut then.
const GRACE: Duration = Duration::from_secs(1);
/// How long the threads may take to end after that.
const END: Duration = Duration::from_secs(1);
/// A message needs little of it.
const STACK: usize = 1 << 20;

/// The listeners of a server, and the threads that send to them.
pub(super) struct Endpoints {
    dispatcher: Arc<Dispatcher>,
    tls: Arc<ClientConfig>,
    endpoints: Vec<ClientEndpoint>,
    running: Arc<Running>,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Endpoints {
    /// Those of the settings. What they are sent waits in the queues of `dispatcher`; `tls` is what connections to them
    /// are made with.
    pub(super) fn new(
        dispatcher: Arc<Dispatcher>,
        tls: Arc<ClientConfig>,
        endpoints: Vec<ClientEndpoint>,
    ) -> Self {
        Self { dispatcher, tls, endpoints, running: Arc::default() }
    }

    /// Begins to send.
    pub(super) fn start(&self) {
        for endpoint in &self.endpoints {
            let (dispatcher, tls) = (Arc::clone(&self.dispatcher), Arc::clone(&self.tls));
            let running = Arc::clone(&self.running);
            let sender = Sender {
                dispatcher,
                tls,
                endpoint: endpoint.clone(),
                running,
                line: None,
                capabilities: PeerCapabilities::default(),
                failing: false,
            };
            self.running.state().threads += 1;
            let thread = thread::Builder::new().name("kmip-endpoint".to_owned()).stack_size(STACK);
            if let Err(error) = thread.spawn(move || sender.run()) {
                log::error!(target: LOG, "There is no thread for the listener of {:?}: {error}", endpoint.user);
            }
        }
    }

    /// Ends it: what waits is sent for [`GRACE`] yet, and the rest dropped.
    pub(super) fn stop(&self) {
        let notifications = self.dispatcher.notifications();
        notifications.close(GRACE);
        if !self.running.wait(GRACE) {
            self.running
                .state()
                .sockets
                .values()
                .for_each(|socket| drop(socket.shutdown(net::Shutdown::Both)));
            self.running.wait(END);
        }
        for endpoint in &self.endpoints {
            let rest = notifications.drop_rest(&endpoint.user);
            if rest > 0 {
                log::warn!(target: LOG, "{rest} messages were not sent to the listener of {:?}.", endpoint.user);
            }
        }
    }
}

/// The threads that have not ended, and the connections that they have.
#[derive(Default)]
struct Running {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    threads: usize,
    /// By users.
    sockets: HashMap<String, TcpStream>,
}

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in between could panic.
        self.state.lock().ignore_poison()
    }

    fn end(&self, user: &str) {
        let mut state = self.state();
        state.sockets.remove(user);
        state.threads = state.threads.saturating_sub(1);
        drop(state);
        self.ended.notify_all();
    }

    /// Waits until all threads have ended; whether they have.
    fn wait(&self, time: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.state(), time, |state| state.threads > 0);
        !waited.ignore_poison().1.timed_out()
    }
}

/// The thread of one listener.
struct Sender {
    dispatcher: Arc<Dispatcher>,
    tls: Arc<ClientConfig>,
    endpoint: ClientEndpoint,
    running: Arc<Running>,
    /// The connection, where there is one.
    line: Option<Line>,
    /// What is known of the listener when the next connection begins.
    capabilities: PeerCapabilities,
    /// Whether the last attempt failed: that is told once, for as long as it lasts.
    failing: bool,
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.line = None;
        self.running.end(&self.endpoint.user);
    }
}

impl Sender {
    fn run(mut self) {
        let dispatcher = Arc::clone(&self.dispatcher);
        loop {
            match dispatcher.notifications().next(&self.endpoint.user, IDLE) {
                Next::Notification(notification) => {
                    // A bug costs one message, not the listener.
                    if catch_unwind(AssertUnwindSafe(|| self.send(&notification))).is_err() {
                        self.hang_up();
                        dispatcher.notifications().dropped(&self.endpoint.user, "the server has a bug");
                    }
                }
                Next::Nothing => self.hang_up(),
                Next::Closed => return,
            }
        }
    }

    /// Sends a notification, again and again where that fails.
    fn send(&mut self, notification: &Notification) {
        let dispatcher = Arc::clone(&self.dispatcher);
        let (notifications, user) = (dispatcher.notifications(), self.endpoint.user.clone());
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            // The listener may have closed a connection that was idle: that is no failure of its own.
            let was_idle = self.line.is_some();
            let mut outcome = self.attempt(notification);
            if was_idle && outcome.is_err() {
                outcome = self.attempt(notification);
            }
            match outcome {
                Ok(Delivery::Taken) => {
                    notifications.delivered(&user);
                    return self.recovered();
                }
                Ok(Delivery::NotTaken(why)) => {
                    notifications.dropped(&user, &why);
                    return self.recovered();
                }
                Err(failure) => self.failed(&failure),
            }
            if attempt < ATTEMPTS && !notifications.pause(&user, pause) {
                break;
            }
            pause *= 4;
        }
        notifications.dropped(&user, "it is out of reach");
    }

    fn attempt(&mut self, notification: &Notification) -> Result<Delivery, Failure> {
        let line = match self.line.take() {
            Some(line) => line,
            None => self.connect().map_err(Failure::Connection)?,
        };
        let Line { mut stream, peer, mut capabilities } = line;
        let to = (&*self.endpoint.user, &peer);
        let delivered = self
            .dispatcher
            .deliver(notification, to, &mut capabilities, &mut |request| exchange(&mut stream, request));
        match delivered {
            Ok(delivery) => {
                self.line = Some(Line { stream, peer, capabilities });
                Ok(delivery)
            }
            Err(failure) => {
                self.capabilities = capabilities.after_failure();
                close(stream);
                Err(failure)
            }
        }
    }

    fn connect(&self) -> io::Result<Line> {
        let ClientEndpoint { user, host, port } = &self.endpoint;
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        let mut connected = None;
        for address in (host.as_str(), *port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(socket) => {
                    connected = Some((socket, address));
                    break;
                }
                Err(error) => failure = error,
            }
        }
        let (socket, address) = connected.ok_or(failure)?;
        socket.set_nodelay(true)?;
        self.running.state().sockets.insert(user.clone(), socket.try_clone()?);
        // The name is for listeners that choose their certificate by it; who they are is told by the certificate.
        let name = ServerName::try_from(host.clone()).unwrap_or_else(|_| address.ip().into());
        let tls = ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, Timed { socket, due: Instant::now() + EXCHANGE });
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let shown = stream.conn.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.and_then(|shown| Certificate::from_der(shown).ok());
        let peer = Peer::new(address, 0, certificate);
        Ok(Line { stream, peer, capabilities: self.capabilities.clone() })
    }

    fn hang_up(&mut self) {
        self.running.state().sockets.remove(&self.endpoint.user);
        if let Some(line) = self.line.take() {
            close(line.stream);
        }
    }

    fn failed(&mut self, failure: &Failure) {
        self.hang_up();
        if !std::mem::replace(&mut self.failing, true) {
            let ClientEndpoint { user, host, port } = &self.endpoint;
            log::warn!(target: LOG, "Nothing can be sent to the listener of {user:?} at {host}:{port}: {failure}");
        }
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            log::info!(target: LOG, "The listener of {:?} is within reach again.", self.endpoint.user);
        }
    }
}

type Stream = StreamOwned<ClientConnection, Timed>;

/// A connection to a listener.
struct Line {
    stream: Stream,
    peer: Peer,
    capabilities: PeerCapabilities,
}

fn exchange(stream: &mut Stream, request: &[u8]) -> io::Result<Vec<u8>> {
    let seconds = u64::try_from(request.len() / RATE).unwrap_or(u64::MAX);
    stream.sock.due = Instant::now() + EXCHANGE.saturating_add(Duration::from_secs(seconds));
    stream.write_all(request)?;
    stream.flush()?;
    let mut response = Vec::new();
    match read_frame(stream, &mut response, MAX_ANSWER, || ()) {
        Ok(()) => Ok(response),
        Err(FrameError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Says goodbye; a listener that is gone does not hear it.
fn close(mut stream: Stream) {
    stream.sock.due = Instant::now() + EXCHANGE;
    stream.conn.send_close_notify();
    drop(stream.flush());
}

/// A socket that is read and written under a deadline.
struct Timed {
    socket: TcpStream,
    due: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.due.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

/// What the system says where a deadline is over.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        self.socket.read(room).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        self.socket.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
