//! Accepts connections, one named thread each, under a cap; and ends it all in good order.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{self, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::lock::IgnorePoison;

use super::LOG;
use super::connection::{self, Terms};

/// How long running requests are waited for at the end; what PyKMIP gives each of its threads.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait where no connection can be accepted, the usual cause being too many open files: without it
/// the loop would spin until one is closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How many connections may be shaking hands, beside those that have done so. Nobody knows them yet: when there
/// are more, the oldest is ended, so that those who never finish keep nobody out.
pub const MAX_HANDSHAKES: usize = 256;
/// A request needs little of it, and what is not touched costs only addresses.
const STACK: usize = 1 << 20;

/// The open connections, by their numbers.
#[derive(Debug, Default)]
struct Open {
    /// Those that shake hands, the oldest first.
    handshakes: BTreeMap<u64, Arc<TcpStream>>,
    /// Those that have done so.
    sessions: HashMap<u64, Arc<TcpStream>>,
}

impl Open {
    fn sockets(&self) -> impl Iterator<Item = &Arc<TcpStream>> {
        self.handshakes.values().chain(self.sessions.values())
    }
}

/// The open connections of a server.
#[derive(Debug)]
pub(super) struct Registry {
    open: Mutex<Open>,
    closed: Condvar,
    stopping: AtomicBool,
    accepted: AtomicU64,
    turned_away: AtomicU64,
    cap: usize,
    /// The listening socket in the guise of a stream, because only streams can be shut down.
    listening: TcpStream,
    address: SocketAddr,
}

impl Registry {
    pub(super) fn new(listener: &TcpListener, address: SocketAddr, cap: usize) -> io::Result<Self> {
        let listening = TcpStream::from(OwnedFd::from(listener.try_clone()?));
        let (open, closed) = (Mutex::default(), Condvar::new());
        let (accepted, turned_away) = (AtomicU64::default(), AtomicU64::default());
        let stopping = AtomicBool::new(false);
        Ok(Self { open, closed, stopping, accepted, turned_away, cap, listening, address })
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().ignore_poison()
    }

    /// A place for a connection that begins; `None` where all sessions are taken, or none is to be taken any more.
    fn enter(self: &Arc<Self>, number: u64, socket: &Arc<TcpStream>) -> Option<Slot> {
        let mut open = self.open();
        if open.sessions.len() >= self.cap || self.is_stopping() {
            return None;
        }
        if open.handshakes.len() >= MAX_HANDSHAKES
            && let Some((_, oldest)) = open.handshakes.pop_first()
        {
            drop(oldest.shutdown(net::Shutdown::Both));
        }
        open.handshakes.insert(number, Arc::clone(socket));
        Some(Slot { registry: Arc::clone(self), number })
    }

    /// The numbers of connections, for whoever watches the server.
    pub(super) fn status(&self) -> serde_json::Value {
        let open = self.open();
        serde_json::json!({
            "sessions": open.sessions.len(),
            "handshakes": open.handshakes.len(),
            "accepted": self.accepted.load(Ordering::Relaxed),
            "turned_away": self.turned_away.load(Ordering::Relaxed),
        })
    }

    /// Waits for the server to stop, for that long at the most; whether it does.
    pub(super) fn wait_for_stop(&self, time: Duration) -> bool {
        let waited = self.closed.wait_timeout_while(self.open(), time, |_| !self.is_stopping());
        drop(waited);
        self.is_stopping()
    }

    /// Counts a connection that found no place.
    fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    fn stop(&self) {
        if self.stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        // Both wake the accepting thread; where the system does not shut down listening sockets, the second.
        if self.listening.shutdown(net::Shutdown::Both).is_err() {
            drop(TcpStream::connect_timeout(&self.address, GRACE));
        }
        self.closed.notify_all();
        // Readers see the end of the stream: idle ones go, busy ones after their response.
        for socket in self.open().sockets() {
            drop(socket.shutdown(net::Shutdown::Read));
        }
    }

    /// Waits for the connections to end; how many are left when the grace is over.
    fn drain(&self) -> usize {
        let wait = self.closed.wait_timeout_while(self.open(), GRACE, |open| open.sockets().next().is_some());
        let (open, _) = wait.ignore_poison();
        for socket in open.sockets() {
            drop(socket.shutdown(net::Shutdown::Both));
        }
        open.sockets().count()
    }
}

/// A connection's place; given back when dropped, also by a thread that panics.
pub(super) struct Slot {
    registry: Arc<Registry>,
    number: u64,
}

impl Slot {
    /// Turns a handshake that is done into a session; false where all are taken by now, or the server stops.
    pub(super) fn begin_session(&self) -> bool {
        let mut open = self.registry.open();
        // One that was ended to make room is not here any more.
        let Some(socket) = open.handshakes.remove(&self.number) else { return false };
        if open.sessions.len() >= self.registry.cap {
            self.registry.turn_away();
            return false;
        }
        open.sessions.insert(self.number, socket);
        true
    }

    /// How many sessions there may be.
    pub(super) fn cap(&self) -> usize {
        self.registry.cap
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.registry.is_stopping()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.registry.open();
        open.handshakes.remove(&self.number);
        open.sessions.remove(&self.number);
        drop(open);
        self.registry.closed.notify_all();
    }
}

/// A handle that stops a server from any thread.
///
/// ```no_run
/// use kmip_server::{Config, Server};
///
/// let server = Server::bind(&Config::new("server.pem", "ca.pem"))?;
/// let shutdown = server.shutdown();
/// std::thread::spawn(move || shutdown.stop());
/// server.run();
/// # Ok::<(), kmip_server::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<Registry>);

impl Shutdown {
    pub(super) fn new(registry: &Arc<Registry>) -> Self {
        Self(Arc::clone(registry))
    }

    /// Requests the stop and returns immediately. Further calls have no effect.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// Accepts until the registry is stopped, then waits for what runs.
pub(super) fn run(listener: TcpListener, terms: &Arc<Terms>, registry: &Arc<Registry>) {
    log::info!(target: LOG, "Starting connection service on {}.", registry.address);
    let mut number = 0;
    while !registry.is_stopping() {
        match listener.accept() {
            Ok((socket, address)) => {
                number += 1;
                registry.accepted.fetch_add(1, Ordering::Relaxed);
                open(number, socket, address, terms, registry);
            }
            Err(_) if registry.is_stopping() => {}
            Err(error) => {
                log::warn!(target: LOG, "A connection could not be accepted: {error}");
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
    drop(listener);
    log::info!(target: LOG, "Stopping connection service.");
    let left = registry.drain();
    if left > 0 {
        log::warn!(target: LOG, "{left} connections did not end in time.");
    }
}

fn open(number: u64, socket: TcpStream, address: SocketAddr, terms: &Arc<Terms>, registry: &Arc<Registry>) {
    let socket = Arc::new(socket);
    let Some(slot) = registry.enter(number, &socket) else {
        if !registry.is_stopping() {
            let cap = registry.cap;
            registry.turn_away();
            log::warn!(target: LOG, "{address} is turned away: max_connections ({cap}) are open.");
        }
        return;
    };
    let terms = Arc::clone(terms);
    let session = move || {
        connection::serve(&socket, address, number, &terms, &slot);
        drop(slot);
    };
    let thread = thread::Builder::new().name(format!("kmip-{number:08}")).stack_size(STACK).spawn(session);
    if let Err(error) = thread {
        log::error!(target: LOG, "There is no thread for {address}: {error}");
    }
}
