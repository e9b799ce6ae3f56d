//! What operations stand on: who asks, what they may touch, how objects live, how changes are kept.
//!
//! An operation gets a [`Context`]. Its methods are the only way to a record: each decides by the object's
//! operation policy first. No decision, no record.

mod access;
mod certificates;
mod context;
mod creation;
mod error;
pub mod lifecycle;
pub mod material;
pub mod takeover;
pub mod usage;

pub use access::Granted;
pub use context::{Context, Search, Services};
pub use creation::{Asker, Draft, Given};
pub use error::{failed, invalid_field, not_found, refused};
