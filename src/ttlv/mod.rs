//! TTLV (tag, type, length, value): the binary encoding of KMIP messages (KMIP 1.4 §9.1, 2.1 §10.1).
//!
//! [`Reader`] and [`Writer`] handle items; [`Value`] and [`Field`] convert them from and to Rust types. This
//! module defines tags, types and protocol versions; [`crate::kmip`] defines the contents of each structure.
//!
//! # Examples
//!
//! ```
//! use kmip_server::ttlv::{Field, Reader, Tag, V1_2, Writer};
//!
//! let mut writer = Writer::new(V1_2);
//! writer.structure(Tag::ProtocolVersion, |writer| {
//!     1.write(Tag::ProtocolVersionMajor, writer);
//!     2.write(Tag::ProtocolVersionMinor, writer);
//! });
//! let bytes = writer.into_bytes();
//! assert_eq!(bytes.len(), 8 + 16 + 16);
//!
//! let mut message = Reader::new(&bytes, V1_2);
//! let mut items = message.require(Tag::ProtocolVersion)?.structure()?;
//! let major: i32 = Field::read(Tag::ProtocolVersionMajor, &mut items)?;
//! let minor: Option<i32> = Field::read(Tag::ProtocolVersionMinor, &mut items)?;
//! items.finish()?;
//! message.finish()?;
//! assert_eq!((major, minor), (1, Some(2)));
//! # Ok::<(), kmip_server::ttlv::Error>(())
//! ```

mod error;
mod frame;
mod item_type;
mod primitive;
mod reader;
mod tag;
mod version;
mod writer;

pub use error::Error;
pub use frame::{FrameError, read_frame};
pub use item_type::ItemType;
pub use primitive::{BigInteger, DateTime, DateTimeExtended, Field, Interval, Value};
pub use reader::{Item, Reader};
pub use tag::Tag;
pub use version::{STORED, SUPPORTED, V1_0, V1_1, V1_2, V1_3, V1_4, V2_0, V2_1, Version};
pub use writer::Writer;

/// The maximum depth of nested structures.
///
/// The deepest message of the standard has 9 levels. The bound prevents a hostile message from exhausting the
/// stack of a thread.
pub const MAX_DEPTH: u8 = 32;
