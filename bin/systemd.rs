//! The service manager: a listening socket from it, and notifications to it (sd_listen_fds(3), sd_notify(3)). Without the
//! environment variables of systemd, nothing happens.

use std::io;
use std::net::TcpListener;
use std::thread;

use kmip_server::internals::server::Monitor;
use listenfd::ListenFd;
use sd_notify::NotifyState;

/// Returns the first socket of the socket unit.
///
/// # Errors
/// Returns an error if it is no listening TCP socket.
pub(crate) fn listener() -> io::Result<Option<TcpListener>> {
    let listener = ListenFd::from_env().take_tcp_listener(0)?;
    listener.iter().try_for_each(|listener| listener.set_nonblocking(false))?;
    Ok(listener)
}

/// Reports that clients can connect.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Reports that the server reads its certificates again; [`ready`] ends it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(time) => notify(&[NotifyState::Reloading, time]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// Reports that the server stops.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Starts a thread that reports, twice in the time of WatchdogSec, that the server runs. A store that does not return
/// ends the reports; one that returns an error does not, because a new start would not help.
pub(crate) fn start_watchdog(monitor: Monitor) -> io::Result<()> {
    let Some(limit) = sd_notify::watchdog_enabled() else { return Ok(()) };
    let watch = move || {
        loop {
            drop(monitor.ping_store());
            notify(&[NotifyState::Watchdog]);
            thread::sleep(limit / 2);
        }
    };
    thread::Builder::new().name("kmip-watchdog".to_owned()).spawn(watch).map(drop)
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!(target: "kmip.server", "systemd cannot be notified: {error}. Check NOTIFY_SOCKET.");
    }
}
