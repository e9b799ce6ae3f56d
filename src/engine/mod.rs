//! The rules that operations share: access control, object lifecycle, key use and changes.
//!
//! An operation gets a [`Context`], whose methods are the only way to a record. Each of them evaluates the operation
//! policy of the object first.

mod access;
mod attribute_bounds;
mod certificates;
mod commit_pipeline;
pub mod constraints;
pub mod container;
mod context;
mod creation;
pub mod defaults;
mod error;
pub mod export;
pub mod import;
mod insertion;
#[cfg(feature = "management")]
pub mod inspection;
pub mod key;
pub mod lease;
pub mod lifecycle;
pub mod one_time_pad;
mod protection;
pub mod pykmip_import;
pub mod quantum;
pub mod replacement;
mod scope;
mod service_calls;
pub mod services;
pub mod usage;
pub mod usage_limits;
pub mod wrapping;

pub use access::Granted;
pub use attribute_bounds::reported_values;
pub use context::{Context, MAX_CRITERIA, MAX_LOCATED, Search};
pub use creation::{NewObject, RequestedAttributes, Requester};
pub use error::{bounded_text, destroyed, failed, invalid_field, not_found, refused, wrong_state};
pub use scope::LostTransaction;
pub use services::{Announced, AnnouncedProfile, Authority, IssuingKeys, Services};
