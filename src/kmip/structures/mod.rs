//! Structures of attributes, credentials, rights and Query responses. [`super::Object`] and
//! [`super::KeyBlock`] contain the structures of managed objects.
//!
//! # Examples
//!
//! ```
//! use kmip_server::kmip::enums::NameType;
//! use kmip_server::kmip::structures::Name;
//! use kmip_server::ttlv::{Field, Reader, Tag, V1_2, Writer};
//!
//! let name = Name { name_value: "backup key".to_owned(), name_type: NameType::UninterpretedTextString };
//! let mut writer = Writer::new(V1_2);
//! name.write(Tag::Name, &mut writer);
//! let bytes = writer.into_bytes();
//! assert_eq!(Name::read(Tag::Name, &mut Reader::new(&bytes, V1_2))?, name);
//! # Ok::<(), kmip_server::ttlv::Error>(())
//! ```

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
