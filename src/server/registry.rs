//! The registry of open connections: it limits their number, shares them among clients, counts them, and ends them when
//! the server stops.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{self, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::noise::{Kind, Noise};
use super::shares::{Origin, Shares};
use crate::config::Config;
use crate::lock::IgnorePoison;
use crate::observe;

/// The time that running requests have to finish after the server stops; PyKMIP waits as long for each thread.
const GRACE: Duration = Duration::from_secs(10);
/// The number of connections that may be in the TLS handshake, in addition to the sessions. Their clients are not
/// authenticated yet: above this number, the oldest handshake of the address with the most handshakes is aborted, so that
/// clients that never finish one cannot keep other clients out.
pub const MAX_HANDSHAKES: usize = 256;

/// The open connections, by connection number.
#[derive(Debug, Default)]
struct Connections {
    /// Connections in the TLS handshake, the oldest first.
    handshakes: BTreeMap<u64, Handshake>,
    origins: Shares<Origin>,
    /// Connections whose handshake is complete.
    sessions: HashMap<u64, Session>,
    users: Shares<Arc<str>>,
}

#[derive(Debug)]
struct Handshake {
    socket: Arc<TcpStream>,
    origin: Origin,
    activity: Arc<Activity>,
}

#[derive(Debug)]
struct Session {
    socket: Arc<TcpStream>,
    user: Arc<str>,
    address: SocketAddr,
    activity: Arc<Activity>,
}

/// What a connection does.
#[derive(Debug, Default)]
struct Activity {
    /// The time of the last change in milliseconds since the start of the server, and whether a request is executing in
    /// the lowest bit.
    last: AtomicU64,
    /// Whether the server has ended the connection in favour of another one.
    displaced: AtomicBool,
}

impl Activity {
    /// Returns whether a request is executing, and the time of the last change: the idlest connection has the least value.
    fn state(&self) -> (bool, u64) {
        let last = self.last.load(Ordering::Relaxed);
        (last & 1 == 1, last >> 1)
    }
}

/// A session that ended in favour of another user.
#[derive(Debug)]
pub(super) struct Displaced {
    pub(super) user: Arc<str>,
    pub(super) address: SocketAddr,
    pub(super) idle: Duration,
    /// The number of connections of that user.
    pub(super) share: usize,
}

/// The answer to a connection that wants to become a session.
#[derive(Debug)]
pub(super) enum Admission {
    Granted,
    GrantedInPlaceOf(Displaced),
    /// The user has as many sessions as a user may have.
    ShareTaken(usize),
    /// All sessions are taken, and no user has considerably more than the user of this connection.
    AllTaken,
    /// The handshake was aborted in the meantime, or the server stops.
    Ended,
}

impl Connections {
    fn sockets(&self) -> impl Iterator<Item = &Arc<TcpStream>> {
        let handshakes = self.handshakes.values().map(|handshake| &handshake.socket);
        handshakes.chain(self.sessions.values().map(|session| &session.socket))
    }

    fn remove_handshake(&mut self, number: u64) -> Option<Handshake> {
        let handshake = self.handshakes.remove(&number)?;
        self.origins.remove(&handshake.origin);
        Some(handshake)
    }

    fn remove_session(&mut self, number: u64) -> Option<Session> {
        let session = self.sessions.remove(&number)?;
        self.users.remove(&session.user);
        Some(session)
    }

    /// Aborts the oldest handshake of the origin with the most handshakes.
    fn abort_handshake(&mut self) {
        let most = self.origins.largest();
        let oldest = self.handshakes.iter().find(|(_, handshake)| self.origins.of(&handshake.origin) == most);
        let oldest = oldest.map(|(number, _)| *number);
        if let Some(handshake) = oldest.and_then(|number| self.remove_handshake(number)) {
            handshake.activity.displaced.store(true, Ordering::Relaxed);
            drop(handshake.socket.shutdown(net::Shutdown::Both));
        }
    }

    /// Ends the idlest session of the user with the most sessions, if that user has at least two more than `user`.
    fn displace(&mut self, user: &Arc<str>, now: u64) -> Option<Displaced> {
        let share = self.users.largest();
        if share < self.users.of(user) + 2 {
            return None;
        }
        let largest = self.sessions.iter().filter(|(_, session)| self.users.of(&session.user) == share);
        let number = *largest.min_by_key(|(_, session)| session.activity.state())?.0;
        let session = self.remove_session(number)?;
        session.activity.displaced.store(true, Ordering::Relaxed);
        let (is_busy, last) = session.activity.state();
        // An idle connection ends in order; a response that the client does not read must not keep the connection.
        let how = if is_busy { net::Shutdown::Both } else { net::Shutdown::Read };
        drop(session.socket.shutdown(how));
        let idle = Duration::from_millis(now.saturating_sub(last));
        Some(Displaced { user: session.user, address: session.address, idle, share })
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
    displaced: AtomicU64,
    started: Instant,
    noise: Arc<Noise>,
    max_sessions: usize,
    max_per_user: usize,
    max_handshakes: usize,
    /// The listening socket, typed as a stream because the standard library only shuts down streams.
    listening: TcpStream,
    address: SocketAddr,
}

impl Registry {
    /// Returns the registry of a listener, for at most `max_handshakes` connections besides the sessions that the settings
    /// allow.
    pub(super) fn new(
        listener: &TcpListener,
        address: SocketAddr,
        config: &Config,
        max_handshakes: usize,
    ) -> io::Result<Self> {
        let listening = TcpStream::from(OwnedFd::from(listener.try_clone()?));
        Ok(Self {
            connections: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
            accepted: AtomicU64::default(),
            turned_away: AtomicU64::default(),
            displaced: AtomicU64::default(),
            started: Instant::now(),
            noise: Arc::default(),
            max_sessions: config.max_connections,
            max_per_user: config.max_connections_per_user.unwrap_or(usize::MAX),
            max_handshakes,
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

    /// Returns the time from the start of the server until `time`, in milliseconds.
    fn milliseconds(&self, time: Instant) -> u64 {
        u64::try_from(time.duration_since(self.started).as_millis()).unwrap_or(u64::MAX >> 1)
    }

    /// Registers a connection that begins its handshake. Returns `None` if the server stops.
    pub(super) fn enter(
        self: &Arc<Self>,
        number: u64,
        socket: &Arc<TcpStream>,
        address: SocketAddr,
    ) -> Option<Slot> {
        let mut connections = self.connections();
        if self.is_stopping() {
            return None;
        }
        if connections.handshakes.len() >= self.max_handshakes {
            connections.abort_handshake();
        }
        let (origin, activity) = (Origin::from(address), Arc::<Activity>::default());
        let handshake = Handshake { socket: Arc::clone(socket), origin, activity: Arc::clone(&activity) };
        connections.handshakes.insert(number, handshake);
        connections.origins.add(origin);
        Some(Slot { registry: Arc::clone(self), number, address, activity })
    }

    /// Aborts the oldest handshake of the address with the most handshakes, because a resource is used up.
    pub(super) fn abort_handshake(&self) {
        self.connections().abort_handshake();
    }

    /// Returns the numbers of connections.
    pub(super) fn counts(&self) -> observe::Connections {
        let connections = self.connections();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        observe::Connections {
            sessions: connections.sessions.len() as u64,
            handshakes: connections.handshakes.len() as u64,
            accepted: count(&self.accepted),
            turned_away: count(&self.turned_away),
            displaced: count(&self.displaced),
        }
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
        self.noise.finish();
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
    address: SocketAddr,
    activity: Arc<Activity>,
}

impl Slot {
    /// Moves the connection from the handshakes to the sessions of its user.
    pub(super) fn begin_session(&self, user: &str) -> Admission {
        let (registry, user) = (&self.registry, Arc::from(user));
        let mut connections = registry.connections();
        let Some(Handshake { socket, activity, .. }) = connections.remove_handshake(self.number) else {
            return Admission::Ended;
        };
        self.record(false);
        if connections.users.of(&user) >= registry.max_per_user {
            registry.turned_away.fetch_add(1, Ordering::Relaxed);
            return Admission::ShareTaken(registry.max_per_user);
        }
        let mut admission = Admission::Granted;
        if connections.sessions.len() >= registry.max_sessions {
            let Some(displaced) = connections.displace(&user, registry.milliseconds(Instant::now())) else {
                registry.turned_away.fetch_add(1, Ordering::Relaxed);
                return Admission::AllTaken;
            };
            registry.displaced.fetch_add(1, Ordering::Relaxed);
            admission = Admission::GrantedInPlaceOf(displaced);
        }
        connections.users.add(Arc::clone(&user));
        let session = Session { socket, user, address: self.address, activity };
        connections.sessions.insert(self.number, session);
        admission
    }

    /// Records that a request begins or ends to execute, and returns the time.
    pub(super) fn record(&self, is_executing: bool) -> Instant {
        let now = Instant::now();
        let time = self.registry.milliseconds(now);
        self.activity.last.store(time << 1 | u64::from(is_executing), Ordering::Relaxed);
        now
    }

    /// Returns whether the server has ended the connection in favour of another one.
    pub(super) fn is_displaced(&self) -> bool {
        self.activity.displaced.load(Ordering::Relaxed)
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
        drop((connections.remove_handshake(self.number), connections.remove_session(self.number)));
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
