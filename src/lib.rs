//! scratch
pub mod ttlv;
pub mod crypto;
pub mod kmip;
