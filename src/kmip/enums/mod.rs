//! Enumerations and bit masks of KMIP 1.0 to 2.1, each entry with its first version
//! (1.4 §9.1.3.2 and §9.1.3.3, 2.1 §11 and §12). One table each; files go by subject.

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
