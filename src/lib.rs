//! scratch
pub mod crypto;
pub mod kmip;
pub mod store;
pub mod ttlv;
