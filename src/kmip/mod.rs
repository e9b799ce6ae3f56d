//! The data model of KMIP 1.0 to 2.1: enumerations, structures, managed objects, attributes and message
//! headers.
//!
//! All types implement [`Value`](crate::ttlv::Value) or [`Field`](crate::ttlv::Field). The version of the
//! [`Writer`](crate::ttlv::Writer) or [`Reader`](crate::ttlv::Reader) determines which fields of a structure,
//! and which of the two forms of attributes (1.x or 2.x), are encoded.
//!
//! # Examples
//!
//! A Get request for the object 7, and a reader of its header and its batch item:
//!
//! ```
//! use kmip_server::kmip::enums::Operation;
//! use kmip_server::kmip::structures::UniqueIdentifier;
//! use kmip_server::kmip::{RequestHeader, RequestItem};
//! use kmip_server::ttlv::{Error, Field, Reader, Tag, V1_2, Value, Writer};
//!
//! let mut writer = Writer::new(V1_2);
//! writer.structure(Tag::RequestMessage, |writer| {
//!     RequestHeader::new(V1_2, 1).encode(Tag::RequestHeader, writer);
//!     writer.structure(Tag::BatchItem, |writer| {
//!         Operation::Get.encode(Tag::Operation, writer);
//!         writer.structure(Tag::RequestPayload, |writer| {
//!             UniqueIdentifier::from("7".to_owned()).encode(Tag::UniqueIdentifier, writer);
//!         });
//!     });
//! });
//! let message = writer.into_bytes();
//!
//! let mut items = Reader::new(&message, V1_2).require(Tag::RequestMessage)?.structure()?;
//! let header: RequestHeader = Field::read(Tag::RequestHeader, &mut items)?;
//! assert_eq!(header.batch_count, 1);
//! let item = RequestItem::read(&mut items)?;
//! assert_eq!(Operation::from_wire(item.operation), Some(Operation::Get));
//! let id: UniqueIdentifier = Field::read(Tag::UniqueIdentifier, &mut item.payload.structure()?)?;
//! assert_eq!(id.text(), Some("7"));
//! items.finish()?;
//! # Ok::<(), Error>(())
//! ```

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
