//! The structures of the standard, a row an item, in wire order. Attribute values, what keys are wrapped
//! with, what Query tells, what a header proves; keys and objects are in [`super::key_block`] and [`super::object`].

mod attributes;
mod credential;
mod identifier;
mod information;
mod raw;
mod rights;

pub use attributes::*;
pub use credential::*;
pub use identifier::*;
pub use information::*;
pub use raw::*;
pub use rights::*;
