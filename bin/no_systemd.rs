//! The place of the service manager in a build without the cargo feature `systemd`.

use std::io;
use std::net::TcpListener;

use kmip_server::internals::server::Monitor;

pub(crate) fn listener() -> io::Result<Option<TcpListener>> {
    Ok(None)
}

pub(crate) fn ready() {}

pub(crate) fn reloading() {}

pub(crate) fn stopping() {}

pub(crate) fn start_watchdog(_: Monitor) -> io::Result<()> {
    Ok(())
}
