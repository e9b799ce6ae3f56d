//! X.509 certificates (RFC 5280): reading their fields, verifying signatures and chains, and issuing them from
//! certificate requests (RFC 2986).
//!
//! Which certificates a client may present, and which it may request, is up to the server and the operations.

pub mod certificate;
pub mod chain;
mod der;
pub mod issuer;
mod name;
pub mod parsed;
pub mod path;
pub mod pem;
pub mod signature;
mod time;
pub mod trusted;

pub use certificate::{Certificate, DistinguishedName, NameAttribute};

use x509_cert::der::asn1::ObjectIdentifier;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}
