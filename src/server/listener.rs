//! Accepts connections, one named thread each, under a cap; and ends it all in good order.

use std::collections::HashMap;
use std::io;
use std::net::{self, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::LOG;
use super::connection::{self, Terms};

/// How long running requests are waited for at the end; what PyKMIP gives each of its threads.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait where no connection can be accepted, the usual cause being too many open files: without it
/// the loop would spin until one is closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A request needs little of it, and what is not touched costs only addresses.
const STACK: usize = 1 << 20;

/// The open connections of a server.
#[derive(Debug)]
pub(super) struct Registry {
    open: Mutex<HashMap<u64, Arc<TcpStream>>>,
    closed: Condvar,
    stopping: AtomicBool,
    cap: usize,
    /// The listening socket in the guise of a stream, because only streams can be shut down.
    listening: TcpStream,
    address: SocketAddr,
}

impl Registry {
    pub(super) fn new(listener: &TcpListener, address: SocketAddr, cap: usize) -> io::Result<Self> {
        let listening = TcpStream::from(OwnedFd::from(listener.try_clone()?));
        let (open, closed) = (Mutex::default(), Condvar::new());
        Ok(Self { open, closed, stopping: AtomicBool::new(false), cap, listening, address })
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<TcpStream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection; `None` where all are taken, or none is to be taken any more.
    fn enter(self: &Arc<Self>, number: u64, socket: &Arc<TcpStream>) -> Option<Slot> {
        let mut open = self.open();
        if open.len() >= self.cap || self.is_stopping() {
            return None;
        }
        open.insert(number, Arc::clone(socket));
        Some(Slot { registry: Arc::clone(self), number })
    }

    fn stop(&self) {
        if self.stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        // Both wake the accepting thread; where the system does not shut down listening sockets, the second.
        if self.listening.shutdown(net::Shutdown::Both).is_err() {
            drop(TcpStream::connect_timeout(&self.address, GRACE));
        }
        // Readers see the end of the stream: idle ones go, busy ones after their response.
        for socket in self.open().values() {
            drop(socket.shutdown(net::Shutdown::Read));
        }
    }

    /// Waits for the connections to end; how many are left when the grace is over.
    fn drain(&self) -> usize {
        let wait = self.closed.wait_timeout_while(self.open(), GRACE, |open| !open.is_empty());
        let (open, _) = wait.unwrap_or_else(PoisonError::into_inner);
        for socket in open.values() {
            drop(socket.shutdown(net::Shutdown::Both));
        }
        open.len()
    }
}

/// A connection's place; given back when dropped, also by a thread that panics.
struct Slot {
    registry: Arc<Registry>,
    number: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.registry.open().remove(&self.number);
        self.registry.closed.notify_all();
    }
}

/// Ends a server's run, from any thread.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<Registry>);

impl Shutdown {
    pub(super) fn new(registry: &Arc<Registry>) -> Self {
        Self(Arc::clone(registry))
    }

    /// Tells the server to stop; returns at once. A second call does nothing.
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
            log::warn!(target: LOG, "{address} is turned away: max_connections ({cap}) are open.");
        }
        return;
    };
    let terms = Arc::clone(terms);
    let session = move || {
        connection::serve(&socket, address, number, &terms, &|| slot.registry.is_stopping());
        drop(slot);
    };
    let thread = thread::Builder::new().name(format!("kmip-{number:08}")).stack_size(STACK).spawn(session);
    if let Err(error) = thread {
        log::error!(target: LOG, "There is no thread for {address}: {error}");
    }
}
