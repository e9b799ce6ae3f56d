//! A KMIP server that clients of PyKMIP's server use unchanged.
pub mod auth;
pub mod config;
pub mod dispatch;
pub mod kmip;
pub mod logging;
pub mod server;
pub mod settings;
pub mod ttlv;
