//! What the standard defines: enumerations, structures, objects, attributes and messages. Data only:
//! no input or output, no policy.

pub mod attributes;
pub mod enums;
mod error;
mod key_block;
mod key_material;

mod macros;
mod message;
mod object;
mod principal;
mod server_requests;
pub mod structures;

pub use error::Error;
pub use key_block::*;
pub use key_material::*;
pub(crate) use macros::structure;
pub use message::*;
pub use object::*;
pub use principal::Principal;
pub use server_requests::*;
