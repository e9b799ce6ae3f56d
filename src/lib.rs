//! A KMIP server that clients of PyKMIP's server use unchanged: the same command line, settings, policies and
//! results, for KMIP 1.0 to 2.1.
//!
//! Build a [`config::Config`], [`bind`](server::Server::bind) a [`server::Server`] to it, and
//! [`run`](server::Server::run) it; `bin/run_server.rs` does no more.
//!
//! Each layer uses only what stands left of it:
//!
//! `ttlv < kmip < {encoding, crypto, store, policy, auth} < {engine, backup} < operations < dispatch < {server, pki} < explain < bin`
//!
//! `config`, `settings` and `logging` are leaves that are read from server on, `hardening` is one of bin's alone.
//! ARCHITECTURE.md tells the rest.

pub mod auth;
pub mod backup;
pub mod config;
pub mod crypto;
pub mod dispatch;
pub mod encoding;
pub mod engine;
pub mod explain;
pub mod hardening;
pub mod kmip;
pub mod logging;
pub mod operations;
pub mod pki;
pub mod policy;
pub mod server;
pub mod settings;
pub mod store;
pub mod ttlv;
