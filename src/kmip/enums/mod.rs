//! Enumerations and bit masks of KMIP 1.0 to 2.1 (1.4 §9.1.3.2 and §9.1.3.3, 2.1 §11 and §12).
//!
//! Each entry has its number, its name in the standard and the first version that defines it. An entry that
//! the standard does not define cannot be decoded; unknown bits of a mask are preserved.
//!
//! # Examples
//!
//! ```
//! use kmip_server::kmip::enums::{CryptographicAlgorithm, CryptographicUsageMask};
//! use kmip_server::ttlv::V2_0;
//!
//! assert_eq!(CryptographicAlgorithm::from_wire(3), Some(CryptographicAlgorithm::Aes));
//! assert_eq!(CryptographicAlgorithm::Aes.name(), "AES");
//! assert_eq!(CryptographicAlgorithm::Ed25519.since(), V2_0);
//!
//! let mask = CryptographicUsageMask::ENCRYPT | CryptographicUsageMask::DECRYPT;
//! assert!(mask.contains(CryptographicUsageMask::ENCRYPT));
//! assert_eq!(mask.0, 0x0C);
//! ```

mod attributes;
mod cryptography;
mod curves;
mod masks;
mod messages;
mod objects;
mod pkcs11;
mod profiles;
mod reasons;
mod vendor;

pub use attributes::*;
pub use cryptography::*;
pub use curves::*;
pub use masks::*;
pub use messages::*;
pub use objects::*;
pub use pkcs11::*;
pub use profiles::*;
pub use reasons::*;
pub use vendor::*;
