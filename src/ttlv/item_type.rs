//! Item types (KMIP 1.4 §9.1.1.2, 2.1 §10.1.2).

use std::fmt;

/// The type of an item: the byte after its tag (KMIP 1.4 §9.1.1.2, 2.1 §10.1.2).
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::ItemType;
///
/// assert_eq!(ItemType::from_byte(0x08), Some(ItemType::ByteString));
/// assert_eq!(ItemType::from_byte(0x00), None);
/// assert_eq!(ItemType::DateTime.to_string(), "Date-Time");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ItemType {
    /// A sequence of items.
    Structure = 0x01,
    /// A signed number of 32 bits.
    Integer = 0x02,
    /// A signed number of 64 bits.
    LongInteger = 0x03,
    /// A signed number of any size, in a multiple of 8 bytes.
    BigInteger = 0x04,
    /// An unsigned number of 32 bits that names an entry of a list.
    Enumeration = 0x05,
    /// 0 or 1, in 8 bytes.
    Boolean = 0x06,
    /// UTF-8.
    TextString = 0x07,
    /// Bytes.
    ByteString = 0x08,
    /// Seconds since 1970-01-01 00:00 UTC, in 8 bytes.
    DateTime = 0x09,
    /// Seconds, in 4 bytes.
    Interval = 0x0A,
    /// Microseconds since 1970-01-01 00:00 UTC, in 8 bytes; since 2.0.
    DateTimeExtended = 0x0B,
}

impl ItemType {
    /// Every type, in ascending order of its byte.
    pub const ALL: [ItemType; 11] = [
        Self::Structure,
        Self::Integer,
        Self::LongInteger,
        Self::BigInteger,
        Self::Enumeration,
        Self::Boolean,
        Self::TextString,
        Self::ByteString,
        Self::DateTime,
        Self::Interval,
        Self::DateTimeExtended,
    ];

    /// Returns the type with the byte `code`, or `None` if the standard defines none.
    pub fn from_byte(code: u8) -> Option<Self> {
        // The bytes are consecutive and begin with 1.
        let index = usize::from(code).checked_sub(1)?;
        Self::ALL.get(index).copied()
    }

    /// Returns the length of every value of the type in bytes, or `None` if the length varies.
    pub(super) const fn fixed_length(self) -> Option<usize> {
        match self {
            Self::Integer | Self::Enumeration | Self::Interval => Some(4),
            Self::LongInteger | Self::Boolean | Self::DateTime | Self::DateTimeExtended => Some(8),
            Self::Structure | Self::BigInteger | Self::TextString | Self::ByteString => None,
        }
    }
}

impl fmt::Display for ItemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Structure => "Structure",
            Self::Integer => "Integer",
            Self::LongInteger => "Long Integer",
            Self::BigInteger => "Big Integer",
            Self::Enumeration => "Enumeration",
            Self::Boolean => "Boolean",
            Self::TextString => "Text String",
            Self::ByteString => "Byte String",
            Self::DateTime => "Date-Time",
            Self::Interval => "Interval",
            Self::DateTimeExtended => "Date-Time Extended",
        })
    }
}
