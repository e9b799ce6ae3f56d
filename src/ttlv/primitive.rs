//! The value types and how each is encoded (KMIP 1.4 §9.1.1.2, 2.1 §10.1.1.2).
//!
//! [`Value`] is one item behind a tag; [`Field`] is a row of a structure: a value that has to be there
//! (`T`), may be there (`Option<T>`), or may be there several times (`Vec<T>`).

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use zeroize::Zeroize;

use super::{Error, Item, ItemType, Reader, Tag, Writer};
use crate::secret::Secret;

/// What one item holds.
pub trait Value: Sized {
    /// Reads the value of `item`, whose tag is the one that was asked for.
    ///
    /// # Errors
    /// Whatever is wrong with the item, its tag named.
    fn decode(item: &Item<'_>) -> Result<Self, Error>;

    /// Writes the value as one item.
    fn encode(&self, tag: Tag, writer: &mut Writer);
}

/// What one row of a structure holds.
pub trait Field: Sized {
    /// Reads the row's items, as many as the row takes.
    ///
    /// # Errors
    /// [`Error::Missing`] for a row that has to be there, and whatever is wrong with its items.
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error>;

    /// Writes the row's items.
    fn write(&self, tag: Tag, writer: &mut Writer);
}

impl<T: Value> Field for T {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        T::decode(&reader.require(tag)?)
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        self.encode(tag, writer);
    }
}

impl<T: Value> Field for Option<T> {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.take(tag)?.as_ref().map(T::decode).transpose()
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        if let Some(value) = self {
            value.encode(tag, writer);
        }
    }
}

impl<T: Value> Field for Vec<T> {
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut values = Vec::new();
        while let Some(item) = reader.take(tag)? {
            values.push(T::decode(&item)?);
        }
        Ok(values)
    }

    fn write(&self, tag: Tag, writer: &mut Writer) {
        for value in self {
            value.encode(tag, writer);
        }
    }
}

/// The bytes of a value whose type fixes their number, which [`Reader::next`] has checked.
fn fixed<const N: usize>(item: &Item<'_>, kind: ItemType) -> Result<[u8; N], Error> {
    let bytes = item.expect(kind)?;
    bytes.try_into().map_err(|_| Error::WrongLength { tag: item.tag, kind, length: bytes.len() })
}

impl Value for i32 {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        fixed(item, ItemType::Integer).map(Self::from_be_bytes)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::Integer, &self.to_be_bytes());
    }
}

impl Value for i64 {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        fixed(item, ItemType::LongInteger).map(Self::from_be_bytes)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::LongInteger, &self.to_be_bytes());
    }
}

impl Value for bool {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        match u64::from_be_bytes(fixed(item, ItemType::Boolean)?) {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::NotBoolean { tag: item.tag }),
        }
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::Boolean, &u64::from(*self).to_be_bytes());
    }
}

impl Value for String {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        let bytes = item.expect(ItemType::TextString)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Error::NotUtf8 { tag: item.tag })
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::TextString, self.as_bytes());
    }
}

impl Value for Vec<u8> {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        item.expect(ItemType::ByteString).map(<[u8]>::to_vec)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::ByteString, self);
    }
}

/// A moment, in seconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(pub i64);

impl From<SystemTime> for DateTime {
    /// Drops the fraction of a second. A time before 1970 becomes 0.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH);
        Self(since.map_or(0, |elapsed| i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)))
    }
}

impl Value for DateTime {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        fixed(item, ItemType::DateTime).map(|bytes| Self(i64::from_be_bytes(bytes)))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::DateTime, &self.0.to_be_bytes());
    }
}

/// A moment, in microseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTimeExtended(pub i64);

impl From<DateTime> for DateTimeExtended {
    fn from(date: DateTime) -> Self {
        Self(date.0.saturating_mul(1_000_000))
    }
}

impl Value for DateTimeExtended {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        fixed(item, ItemType::DateTimeExtended).map(|bytes| Self(i64::from_be_bytes(bytes)))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::DateTimeExtended, &self.0.to_be_bytes());
    }
}

/// A span of time, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(pub u32);

impl Value for Interval {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        fixed(item, ItemType::Interval).map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::Interval, &self.0.to_be_bytes());
    }
}

/// A whole number of any size: two's complement, big-endian, sign-extended to a multiple of eight bytes.
#[derive(Clone, PartialEq, Eq, Zeroize)]
pub struct BigInteger(Vec<u8>);

impl BigInteger {
    /// The non-negative number whose big-endian digits are `magnitude`.
    pub fn from_magnitude(magnitude: &[u8]) -> Self {
        let start = magnitude.iter().position(|digit| *digit != 0).unwrap_or(magnitude.len());
        let (_, digits) = magnitude.split_at(start);
        // One more byte than the digits, so that the sign bit is clear.
        let length = (digits.len() + 1).next_multiple_of(8);
        let mut bytes = vec![0; length - digits.len()];
        bytes.extend_from_slice(digits);
        Self(bytes)
    }

    /// The big-endian digits without leading zeros; none for a negative number.
    pub fn magnitude(&self) -> Option<&[u8]> {
        if self.0.first().is_some_and(|sign| sign & 0x80 != 0) {
            return None;
        }
        let start = self.0.iter().position(|digit| *digit != 0).unwrap_or(self.0.len());
        self.0.get(start..)
    }
}

impl Drop for BigInteger {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for BigInteger {
    /// Big integers are parts of keys: the length is all that is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BigInteger({} bytes)", self.0.len())
    }
}

impl Value for BigInteger {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        item.expect(ItemType::BigInteger).map(|bytes| Self(bytes.to_vec()))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::BigInteger, &self.0);
    }
}

impl Value for Secret {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        Vec::<u8>::decode(item).map(Self::new)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::ByteString, self.expose());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::V1_0;

    fn wire<T: Value>(value: &T) -> String {
        let mut writer = Writer::new(V1_0);
        value.encode(Tag::CompromiseDate, &mut writer);
        writer.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn back<T: Value>(hex: &str) -> Result<T, Error> {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let mut reader = Reader::new(&bytes, V1_0);
        let value = Field::read(Tag::CompromiseDate, &mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    /// The examples of KMIP 1.4 §9.1.2.
    #[test]
    fn encodes_the_examples_of_the_standard() {
        let examples: [(String, &str); 8] = [
            (wire(&8i32), "42002002000000040000000800000000"),
            (wire(&123_456_789_000_000_000i64), "420020030000000801b69b4ba5749200"),
            (wire(&BigInteger::from_magnitude(&[0x12, 0x34])), "42002004000000080000000000001234"),
            (wire(&true), "42002006000000080000000000000001"),
            (wire(&"Hello World".to_owned()), "420020070000000b48656c6c6f20576f726c640000000000"),
            (wire(&vec![1u8, 2, 3]), "42002008000000030102030000000000"),
            (wire(&DateTime(0x47DA_67F8)), "42002009000000080000000047da67f8"),
            (wire(&Interval(864_000)), "4200200a00000004000d2f0000000000"),
        ];
        for (got, expected) in examples {
            assert_eq!(got, expected);
        }
        assert_eq!(back::<i32>("42002002000000040000000800000000"), Ok(8));
        assert_eq!(
            back::<String>("420020070000000b48656c6c6f20576f726c640000000000"),
            Ok("Hello World".to_owned())
        );
    }

    #[test]
    fn refuses_what_a_value_cannot_be_and_names_the_tag() {
        let refused: [(Error, &str); 6] = [
            (back::<bool>("42002006000000080000000000000002").unwrap_err(), "Compromise Date is neither"),
            (back::<String>("4200200700000001ff00000000000000").unwrap_err(), "Compromise Date is not UTF-8"),
            (
                back::<i32>("42002002000000080000000800000000").unwrap_err(),
                "Compromise Date has the length 8",
            ),
            (back::<i32>("42002003000000080000000800000000").unwrap_err(), "Compromise Date has the type"),
            (back::<i32>("42002002000000040000000800000001").unwrap_err(), "Compromise Date is padded"),
            (back::<i32>("4200200200000004").unwrap_err(), "Compromise Date is truncated"),
        ];
        for (error, text) in refused {
            assert!(error.to_string().starts_with(text), "{error}");
        }
    }

    #[test]
    fn secrets_and_big_integers_print_their_length_only() {
        assert_eq!(format!("{:?}", Secret::new(vec![7; 16])), "Secret(16 bytes)");
        assert_eq!(format!("{:?}", BigInteger::from_magnitude(&[7; 16])), "BigInteger(24 bytes)");
    }

    #[test]
    fn big_integers_keep_their_magnitude_and_sign() {
        for magnitude in [&[][..], &[1], &[0x80], &[0xFF; 8], &[1; 9]] {
            assert_eq!(BigInteger::from_magnitude(magnitude).magnitude(), Some(magnitude));
        }
        assert_eq!(back::<BigInteger>("4200200400000008ffffffffffffffff").unwrap().magnitude(), None);
    }
}
