//! Attributes: the table that defines them, their values, their rules, and their encoding in 1.x and 2.x
//! (KMIP 1.4 §3, 2.1 §4 and §5).
//!
//! # Examples
//!
//! ```
//! use kmip_server::kmip::attributes::{Attribute, AttributeDefinition, AttributeReference, Attributes};
//! use kmip_server::kmip::enums::State;
//! use kmip_server::ttlv::{Field, Reader, Tag, V1_2, V2_1, Writer};
//!
//! let attributes = Attributes { state: Some(State::Active), ..Attributes::default() };
//! let values = attributes.values(&AttributeReference::named("State"));
//! let (_, state) = values.first().expect("one value");
//! assert_eq!(state.read::<State>()?, State::Active);
//!
//! // The same value in the message of each major version.
//! for version in [V1_2, V2_1] {
//!     let mut writer = Writer::new(version);
//!     state.write(Tag::NewAttribute, &mut writer);
//!     let bytes = writer.into_bytes();
//!     let read: Attribute = Field::read(Tag::NewAttribute, &mut Reader::new(&bytes, version))?;
//!     assert_eq!(&read, state);
//! }
//!
//! let definition = AttributeDefinition::of(Tag::State).expect("State is an attribute");
//! assert!(!definition.rules.client_may_modify);
//! # Ok::<(), kmip_server::ttlv::Error>(())
//! ```

mod bounds;
mod changes;
mod dialect;
mod grouped;
mod rules;
mod slot;
mod table;

pub use bounds::{MAX_VALUE_BYTES, MAX_VALUES};
pub use changes::AttributeChanges;
pub use dialect::{Attribute, AttributeList, AttributeReference, TemplateAttribute};
pub use grouped::GroupedValues;
pub use rules::{ObjectTypes, Origin, Rules};
pub use slot::Slot;
pub use table::{AttributeDefinition, Attributes, TABLE};
