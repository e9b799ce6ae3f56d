//! What the standard defines: enumerations, structures, objects, attributes and messages. Data only:
//! no input or output, no policy.

pub mod enums;
mod macros;
