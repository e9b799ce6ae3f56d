//! scratch
pub mod auth;
pub mod crypto;
pub mod engine;
pub mod kmip;
pub mod policy;
pub mod store;
pub mod ttlv;
