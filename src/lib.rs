//! A KMIP server that clients of PyKMIP's server use unchanged: the same command line, settings, policies and
//! results, for KMIP 1.0 to 2.1.
//!
//! Build a [`Config`], [`bind`](Server::bind) a [`Server`] to it, and [`run`](Server::run) it; `bin/run_server.rs`
//! does no more. [`ttlv`], [`kmip`] and [`encoding`] are the protocol: bytes, messages, XML and JSON.
//!
//! Each layer uses only layers to its left:
//!
//! `ttlv < kmip < {encoding, crypto, store, policy, auth} < {engine, backup} < operations < dispatch < {server, pki} < explain < bin`
//!
//! `config`, `settings` and `logging` are leaves that `server` and the layers to its right read; `hardening` is a leaf
//! that only `bin` reads; `secret` is a leaf that every layer may use. ARCHITECTURE.md describes the layers.

mod auth;
mod backup;
mod clock;
mod config;
mod crypto;
mod dispatch;
pub mod encoding;
mod engine;
mod explain;
mod hardening;
pub mod kmip;
mod lock;
mod logging;
mod operations;
mod pki;
mod policy;
mod secret;
mod server;
mod settings;
mod store;
pub mod ttlv;

pub use config::{
    Announcement, AuthPlugin, AuthSuite, ClientEndpoint, Config, ConfigBuilder, Level, Section,
};
pub use secret::Secret;
pub use server::{Error, Server, Shutdown};

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
        auth backup clock config crypto dispatch engine explain hardening logging operations pki policy secret server settings
        store
    }
}
