//! TTLV, the encoding of KMIP messages: bytes to values and back (KMIP 1.4 §9.1, 2.1 §10).
//!
//! Knows tags, types and versions; what an item means is left to [`crate::kmip`].

mod dump;
mod error;
mod frame;
mod primitive;
mod reader;
mod tag;
mod version;
mod writer;

pub use dump::dump;
pub use error::Error;
pub use frame::{FrameError, read_frame};
pub use primitive::{BigInteger, DateTime, DateTimeExtended, Field, Interval, Value};
pub use reader::{Item, ItemType, MAX_DEPTH, Reader};
pub use tag::Tag;
pub use version::{STORED, SUPPORTED, V1_0, V1_1, V1_2, V1_3, V1_4, V2_0, V2_1, V3_0, Version};
pub use writer::Writer;
