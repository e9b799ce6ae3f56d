//! scratch
pub mod auth;
pub mod crypto;
pub mod dispatch;
pub mod engine;
pub mod kmip;
pub mod operations;
pub mod policy;
pub mod store;
pub mod ttlv;
