//! The place of the management interface in a build without the cargo feature `management`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use super::status::Monitor;
use super::tls::CurrentTls;
use super::{Error, Explain};
use crate::config::Config;
use crate::control::Control;
use crate::observe::recorder::Recorder;

/// A listener, which does not exist.
#[derive(Debug)]
pub(super) struct Listener(Infallible);

/// # Errors
/// Returns [`Error::NoManagement`] if the settings name an address.
pub(super) fn addresses(config: &Config) -> Result<Option<Vec<SocketAddr>>, Error> {
    if config.management_address.is_some() { Err(Error::NoManagement) } else { Ok(None) }
}

/// # Errors
/// Returns [`Error::NoManagement`] if the settings name an address.
pub(super) fn bind(
    config: &Config,
    _: &Monitor,
    _: &Arc<CurrentTls>,
    _: Arc<Recorder>,
    _: Option<&Control>,
) -> Result<Option<Listener>, Error> {
    addresses(config).map(|_| None)
}

impl Listener {
    pub(super) fn address(&self) -> SocketAddr {
        match self.0 {}
    }

    pub(super) fn explain_by(&self, _: Explain) {
        match self.0 {}
    }

    pub(super) fn start(self) -> Running {
        match self.0 {}
    }
}

/// A listener that serves, which does not exist.
pub(super) struct Running(Infallible);

impl Running {
    pub(super) fn stop(self) {
        match self.0 {}
    }
}
