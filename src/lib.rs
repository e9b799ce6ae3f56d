//! scratch
pub mod kmip;
pub mod store;
pub mod ttlv;
