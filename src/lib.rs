//! scratch
pub mod ttlv;
pub mod kmip;
pub mod policy;
