//! Accepts connections, and serves each on a named thread of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use super::LOG;
use super::connection::{self, ConnectionConfig};
use super::noise::Kind;
use super::registry::Registry;

/// The pause after a failed accept. The usual cause is a lack of file descriptors, which lasts until a connection
/// closes: without a pause the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The stack size of a session thread. Pages that a thread does not touch cost address space only.
const STACK: usize = 1 << 20;

/// Accepts connections until the registry is stopped, then waits for the open ones to end.
pub(super) fn run(listener: TcpListener, config: &Arc<ConnectionConfig>, registry: &Arc<Registry>) {
    log::info!(target: LOG, "Starting connection service on {}.", registry.address());
    let mut number = 0;
    while !registry.is_stopping() {
        match listener.accept() {
            Ok((socket, address)) => {
                number += 1;
                registry.count_accepted();
                open(number, socket, address, config, registry);
            }
            Err(_) if registry.is_stopping() => {}
            Err(error) => {
                if registry.allows_line(Kind::NotAccepted) {
                    log::warn!(
                        target: LOG,
                        "A connection could not be accepted: {error}. If files are the limit, raise it (ulimit -n) or lower \
                         max_connections."
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
    log::info!(target: LOG, "Stopping connection service.");
    let cut = registry.drain();
    if cut > 0 {
        log::warn!(
            target: LOG,
            "{cut} connections did not end in time and were cut; their clients must repeat their last request."
        );
    }
}

fn open(
    number: u64,
    socket: TcpStream,
    address: SocketAddr,
    config: &Arc<ConnectionConfig>,
    registry: &Arc<Registry>,
) {
    let socket = Arc::new(socket);
    let Some(slot) = registry.enter(number, &socket, address) else { return };
    let config = Arc::clone(config);
    let session = move || {
        connection::serve(&socket, address, number, &config, &slot);
        // The server closes the database after the last slot.
        drop(config);
        drop(slot);
    };
    let thread = thread::Builder::new().name(format!("kmip-{number:08}")).stack_size(STACK).spawn(session);
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
