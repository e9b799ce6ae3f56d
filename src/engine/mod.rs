//! What operations stand on: who asks, what they may touch, how objects live, how changes are kept.
//!
//! An operation gets a [`Context`]. Its methods are the only way to a record: each decides by the object's
//! operation policy first. No decision, no record.

mod access;
mod announced;
mod authority;
mod certificates;
pub mod constraints;
pub mod container;
mod context;
mod creation;
pub mod defaults;
mod error;
pub mod export;
mod group_rotation;
mod heavy;
pub mod import;
mod insertion;
pub mod jobs;
pub mod key;
pub mod lease;
pub mod lifecycle;
pub mod notifications;
pub mod one_time_pad;
pub mod pykmip_import;
pub mod quantum;
pub mod replacement;
mod run;
mod streams;
mod tickets;
pub mod usage;
pub mod usage_limits;
pub mod wrapping;

pub use access::Granted;
pub use announced::{Announced, Profile as AnnouncedProfile};
pub use authority::Authority;
pub use context::{Context, MAX_CRITERIA, MAX_HEAVY_IN_BATCH, MAX_LOCATED, Noticed, Search, Services};
pub use creation::{NewObject, RequestedAttributes, Requester};
pub use error::{bounded_text, destroyed, failed, invalid_field, not_found, refused, wrong_state};
pub use group_rotation::GroupRotation;
pub use heavy::most_at_once as heavy_jobs_at_once;
pub use run::Lost;
pub use streams::Streams;
pub use tickets::{LONGEST as LONGEST_TICKET, MOST_OF_A_USER as MAX_TICKETS_OF_A_USER, Tickets};
