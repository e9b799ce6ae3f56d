//! The TLS configuration in force, which a running server can replace: each handshake uses one snapshot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use super::TlsConfig;
use crate::lock::IgnorePoison;

/// The TLS configuration in force.
pub(in crate::server) struct CurrentTls {
    config: RwLock<Arc<TlsConfig>>,
    /// The number of the configuration in force. An open connection reads it at each request.
    number: AtomicU64,
}

impl CurrentTls {
    pub(in crate::server) fn new(config: TlsConfig) -> Self {
        let number = AtomicU64::new(config.number);
        Self { config: RwLock::new(Arc::new(config)), number }
    }

    /// Returns the configuration in force now.
    pub(in crate::server) fn snapshot(&self) -> Arc<TlsConfig> {
        Arc::clone(&self.config.read().ignore_poison())
    }

    /// Returns the number of the configuration in force now.
    pub(in crate::server) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Puts another configuration in force, for handshakes that begin from now on.
    pub(in crate::server) fn replace(&self, mut config: TlsConfig) {
        let mut current = self.config.write().ignore_poison();
        config.number = current.number + 1;
        let number = config.number;
        *current = Arc::new(config);
        // After the configuration: a connection that reads the new number also finds the new configuration.
        self.number.store(number, Ordering::Release);
    }
}
