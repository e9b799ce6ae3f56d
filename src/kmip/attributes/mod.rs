//! Attributes: THE table of them, how their values are kept, what may be done with them, and how they
//! stand in the messages of 1.x and 2.x.

mod changes;
mod dialect;
mod rules;
mod slot;
mod table;

pub use changes::AttributeChanges;
pub use dialect::{Attribute, AttributeList, AttributeReference, TemplateAttribute};
pub use rules::{ObjectTypes, Origin, Rules};
pub use slot::Slot;
pub use table::{AttributeDefinition, Attributes, TABLE};
