//! scratch
pub mod ttlv;
pub mod kmip;
