//! Accepts connections, and serves each on a named thread of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use super::LOG;
use super::noise::Kind;
use super::registry::{Registry, Slot};

/// The pause after a failed accept. The usual cause is a lack of file descriptors, which lasts until a connection
/// closes: without a pause the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The stack size of a session thread. Pages that a thread does not touch cost address space only.
const STACK: usize = 1 << 20;

/// Serves the connections of a listener.
pub(super) trait Serve: Send + Sync + 'static {
    /// The beginning of the names of the threads.
    const THREADS: &'static str;

    /// Serves a connection to its end.
    fn serve(&self, socket: &TcpStream, address: SocketAddr, number: u64, slot: &Slot);
}

/// Accepts connections until the registry is stopped, then waits for the open ones to end.
pub(super) fn run<S: Serve>(listener: TcpListener, service: &Arc<S>, registry: &Arc<Registry>) {
    let mut number = 0;
    while !registry.is_stopping() {
        match listener.accept() {
            Ok((socket, address)) => {
                number += 1;
                registry.count_accepted();
                open(number, socket, address, service, registry);
            }
            Err(_) if registry.is_stopping() => {}
            Err(error) => {
                if registry.allows_line(Kind::NotAccepted) {
                    log::warn!(
                        target: LOG,
                        "A connection to {} could not be accepted: {error}. If files are the limit, raise it (ulimit -n) \
                         or lower max_connections.",
                        registry.address()
                    );
                }
                // A client without a certificate must not keep the descriptor that others lack.
                if matches!(Errno::from_io_error(&error), Some(Errno::MFILE | Errno::NFILE)) {
                    registry.abort_handshake();
                }
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
    drop(listener);
    let cut = registry.drain();
    if cut > 0 {
        log::warn!(
            target: LOG,
            "{cut} connections did not end in time and were cut; their clients must repeat their last request."
        );
    }
}

fn open<S: Serve>(
    number: u64,
    socket: TcpStream,
    address: SocketAddr,
    service: &Arc<S>,
    registry: &Arc<Registry>,
) {
    let socket = Arc::new(socket);
    let Some(slot) = registry.enter(number, &socket, address) else { return };
    let service = Arc::clone(service);
    let session = move || {
        service.serve(&socket, address, number, &slot);
        // The server closes the database after the last slot.
        drop(service);
        drop(slot);
    };
    let thread =
        thread::Builder::new().name(format!("{}-{number:08}", S::THREADS)).stack_size(STACK).spawn(session);
    if let Err(error) = thread
        && registry.allows_line(Kind::NotAccepted)
    {
        log::error!(
            target: LOG,
            "The connection from {address} is closed, because no thread could be started for it: {error}. Raise the \
             limit of threads or lower max_connections."
        );
    }
}
