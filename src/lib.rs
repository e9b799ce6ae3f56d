//! A KMIP server for KMIP 1.0 to 2.1 that replaces PyKMIP's server: clients, settings, policies and databases work
//! unchanged.
//!
//! A program that embeds the server builds a [`Config`], [binds](Server::bind) a [`Server`] and [runs](Server::run) it:
//!
//! ```no_run
//! use kmip_server::{Config, Server};
//!
//! fn main() -> Result<(), kmip_server::Error> {
//!     let config = Config::builder("server.pem", "ca.pem").database_path(":memory:").build();
//!     Server::bind(&config)?.run();
//!     Ok(())
//! }
//! ```
//!
//! [`ttlv`], [`kmip`] and [`encoding`] contain the protocol: the TTLV encoding, the messages, and their XML and JSON
//! encodings. The library logs through the `log` facade and installs no logger.
//!
//! # Cargo features
//!
//! All features are enabled by default.
//!
//! - `http`: KMIP over HTTPS (TTLV, XML and JSON).
//! - `legacy-tls`: OpenSSL for TLS clients that rustls cannot serve.
//! - `postgres`: a store on PostgreSQL, which several servers can share.
//! - `management`: the health, the metrics and the inspector of the server over HTTP.
//! - `slugs`: user groups from SLUGS services.
//! - `certificates`: `run_server --make-certs` and `--demo`.
//! - `systemd`: notifications to systemd, and a socket from it.
//! - `log-file`: a log file; without it, `run_server` logs to standard error.
//!
//! # Layers
//!
//! Each layer uses only layers to its left:
//!
//! `ttlv < {kmip, clock} < {encoding, crypto, faults} < {x509, http} < {store, policy, auth} < observe < {engine, backup} < operations < dispatch < control < management < {server, pki} < explain < api < bin`
//!
//! `config`, `settings` and `logging` are modules outside this order that `server` and the layers to its right use;
//! only `bin` and `server::check` use `hardening`; every layer may use `secret`, `lock`, `bounded_map`, `fair_queue`, `cpu_permits`,
//! `excerpt`, `file_stamp`, `url`, `private_file`, `suggestion` and `compatibility`. ARCHITECTURE.md describes the layers.

mod api;
mod auth;
mod backup;
mod bounded_map;
mod clock;
mod compatibility;
mod config;
mod control;
mod cpu_permits;
mod crypto;
mod dispatch;
pub mod encoding;
mod engine;
mod excerpt;
mod explain;
mod fair_queue;
mod faults;
mod file_stamp;
mod hardening;
mod histogram;
#[cfg(any(feature = "http", feature = "management"))]
mod http;
pub mod kmip;
mod lock;
mod logging;
#[cfg(feature = "management")]
mod management;
mod memory_quota;
mod observe;
mod operations;
#[cfg(feature = "certificates")]
mod pki;
mod policy;
mod private_file;
mod secret;
mod server;
mod settings;
mod store;
mod suggestion;
pub mod ttlv;
mod url;
mod x509;

pub use api::{Error, Server};
pub use compatibility::Compatibility;
pub use config::{
    Announcement, AuthPlugin, AuthSuite, ClientEndpoint, Config, ConfigBuilder, Level, Section, TlsVersion,
};
pub use control::{Control, ControlError, MessageFilter, RecordedMessage};
pub use secret::Secret;
pub use server::{Reload, Shutdown};

/// The parts of the server, for this project's own executables, tests, benchmarks and fuzz programs.
///
/// Nothing in this module is public API: it changes without notice.
#[doc(hidden)]
pub mod internals {
    macro_rules! expose {
        ($($module:ident)*) => {
            $(pub mod $module {
                pub use crate::$module::*;
            })*
        };
    }

    expose! {
        auth backup clock compatibility config control cpu_permits crypto dispatch engine excerpt explain faults hardening logging memory_quota operations policy secret server settings
        store suggestion url x509
    }
    #[cfg(feature = "certificates")]
    expose! { pki }
    #[cfg(feature = "management")]
    expose! { http management }
}
