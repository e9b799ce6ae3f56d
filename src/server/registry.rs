//! The registry of open connections: it limits their number, counts them, and ends them when the server stops.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{self, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::noise::{Kind, Noise};
use crate::lock::IgnorePoison;

/// The time that running requests have to finish after the server stops; PyKMIP waits as long for each thread.
const GRACE: Duration = Duration::from_secs(10);
/// The number of connections that may be in the TLS handshake, in addition to the sessions. Their clients are not
/// authenticated yet: above this number, the oldest handshake is aborted, so that clients that never finish one
/// cannot keep other clients out.
pub const MAX_HANDSHAKES: usize = 256;

/// The open connections, by connection number.
#[derive(Debug, Default)]
struct Connections {
    /// Connections in the TLS handshake, the oldest first.
    handshakes: BTreeMap<u64, Arc<TcpStream>>,
    /// Connections whose handshake is complete.
    sessions: HashMap<u64, Arc<TcpStream>>,
}

impl Connections {
    fn sockets(&self) -> impl Iterator<Item = &Arc<TcpStream>> {
        self.handshakes.values().chain(self.sessions.values())
    }
}

/// The open connections of a server, with its listening socket.
#[derive(Debug)]
pub(super) struct Registry {
    connections: Mutex<Connections>,
    /// Notified when a connection closes, and when the server stops.
    changed: Condvar,
    stopping: AtomicBool,
    accepted: AtomicU64,
    turned_away: AtomicU64,
    noise: Arc<Noise>,
    max_sessions: usize,
    /// The listening socket, typed as a stream because the standard library only shuts down streams.
    listening: TcpStream,
    address: SocketAddr,
}

impl Registry {
    pub(super) fn new(listener: &TcpListener, address: SocketAddr, max_sessions: usize) -> io::Result<Self> {
        let listening = TcpStream::from(OwnedFd::from(listener.try_clone()?));
        Ok(Self {
            connections: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
            accepted: AtomicU64::default(),
            turned_away: AtomicU64::default(),
            noise: Arc::default(),
            max_sessions,
            listening,
            address,
        })
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns whether an event is to be logged; counts it otherwise.
    pub(super) fn allows_line(&self, kind: Kind) -> bool {
        self.noise.allows(kind)
    }

    /// The setting `max_connections`.
    pub(super) fn max_sessions(&self) -> usize {
        self.max_sessions
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().ignore_poison()
    }

    /// Registers a connection that begins its handshake. Returns `None` if all sessions are taken or the server
    /// stops.
    pub(super) fn enter(self: &Arc<Self>, number: u64, socket: &Arc<TcpStream>) -> Option<Slot> {
        let mut connections = self.connections();
        if connections.sessions.len() >= self.max_sessions || self.is_stopping() {
            return None;
        }
        if connections.handshakes.len() >= MAX_HANDSHAKES
            && let Some((_, oldest)) = connections.handshakes.pop_first()
        {
            drop(oldest.shutdown(net::Shutdown::Both));
        }
        connections.handshakes.insert(number, Arc::clone(socket));
        Some(Slot { registry: Arc::clone(self), number })
    }

    /// Returns the connection counts as JSON, for the status file.
    pub(super) fn status(&self) -> serde_json::Value {
        let connections = self.connections();
        serde_json::json!({
            "sessions": connections.sessions.len(),
            "handshakes": connections.handshakes.len(),
            "accepted": self.accepted.load(Ordering::Relaxed),
            "turned_away": self.turned_away.load(Ordering::Relaxed),
        })
    }

    /// Waits until the server stops, for at most `timeout`. Returns whether the server stops.
    pub(super) fn wait_for_stop(&self, timeout: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.connections(), timeout, |_| !self.is_stopping());
        drop(waited);
        self.is_stopping()
    }

    /// Counts an accepted connection.
    pub(super) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that is closed because all sessions are taken.
    pub(super) fn count_turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    fn stop(&self) {
        if self.stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        // The shutdown wakes the accepting thread; the connection does so on systems that cannot shut down a
        // listening socket.
        if self.listening.shutdown(net::Shutdown::Both).is_err() {
            drop(TcpStream::connect_timeout(&self.address, GRACE));
        }
        self.changed.notify_all();
        // Session threads read the end of the stream: idle sessions end at once, busy ones after their response.
        for socket in self.connections().sockets() {
            drop(socket.shutdown(net::Shutdown::Read));
        }
    }

    /// Waits for the connections to end, for at most [`GRACE`], then cuts the rest. Returns how many were cut.
    pub(super) fn drain(&self) -> usize {
        let is_open = |connections: &mut Connections| connections.sockets().next().is_some();
        let waited = self.changed.wait_timeout_while(self.connections(), GRACE, is_open);
        let (connections, _) = waited.ignore_poison();
        self.noise.summarize();
        for socket in connections.sockets() {
            drop(socket.shutdown(net::Shutdown::Both));
        }
        connections.sockets().count()
    }
}

/// The entry of one connection in the registry. Dropping it, also by unwinding, removes the entry.
pub(super) struct Slot {
    registry: Arc<Registry>,
    number: u64,
}

impl Slot {
    /// Moves the connection from the handshakes to the sessions. Returns false if all sessions are taken, or if the
    /// handshake was aborted in the meantime.
    pub(super) fn begin_session(&self) -> bool {
        let mut connections = self.registry.connections();
        let Some(socket) = connections.handshakes.remove(&self.number) else { return false };
        if connections.sessions.len() >= self.registry.max_sessions {
            self.registry.count_turned_away();
            return false;
        }
        connections.sessions.insert(self.number, socket);
        true
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.registry.is_stopping()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut connections = self.registry.connections();
        connections.handshakes.remove(&self.number);
        connections.sessions.remove(&self.number);
        drop(connections);
        self.registry.changed.notify_all();
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
