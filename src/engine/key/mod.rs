//! Keys apart from the Key Block that contains them: what a Key Block states about its key, and the conversion between
//! Key Format Types (KMIP 1.4 §2.1.3 to §2.1.7 and §4.11, 2.1 §3, §4.26 and §6.1.19).
//!
//! Everything here is a pure function of its arguments. Wrapping belongs to [`super::wrapping`], and whether a client
//! may have or use a key is decided by [`super::export`] and [`super::usage`].

mod bytes;
mod format;
mod plain;

pub use bytes::{bytes, forget};
pub use format::{complete_key_block, convert, in_default_format, key_block, secret_data, symmetric_key};
pub use plain::PlainKey;
