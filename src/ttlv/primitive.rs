//! Value types and their encoding (KMIP 1.4 §9.1.1.4, 2.1 §1.5 and §10.1.4).

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use zeroize::Zeroize;

use super::{Error, Item, ItemType, Reader, Tag, Writer};
use crate::secret::Secret;

/// A value that is encoded as one item (KMIP 1.4 §9.1.1.4, 2.1 §10.1.4).
///
/// `i32` is an Integer, `i64` a Long Integer, `bool` a Boolean, `String` a Text String and `Vec<u8>` a Byte
/// String. The enumerations, bit masks and structures of [`crate::kmip`] implement this trait too.
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{DateTime, Reader, Tag, V1_2, Value, Writer};
///
/// let mut writer = Writer::new(V1_2);
/// DateTime(1_700_000_000).encode(Tag::ActivationDate, &mut writer);
/// let bytes = writer.into_bytes();
///
/// let item = Reader::new(&bytes, V1_2).require(Tag::ActivationDate)?;
/// assert_eq!(DateTime::decode(&item)?, DateTime(1_700_000_000));
/// assert_eq!(
///     i32::decode(&item).unwrap_err().to_string(),
///     "Activation Date has the type Date-Time instead of Integer"
/// );
/// # Ok::<(), kmip_server::ttlv::Error>(())
/// ```
pub trait Value: Sized {
    /// Reads the value of `item`. The caller has checked the tag.
    ///
    /// # Errors
    /// Returns an [`Error`] with the tag of the item if its type, length or value is invalid.
    fn decode(item: &Item<'_>) -> Result<Self, Error>;

    /// Writes the value as one item with the tag `tag`.
    fn encode(&self, tag: Tag, writer: &mut Writer);
}

/// A field of a structure: a required value (`T`), an optional value (`Option<T>`), or any number of values
/// (`Vec<T>`).
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{Error, Field, Reader, Tag, V1_2, Writer};
///
/// let mut writer = Writer::new(V1_2);
/// vec!["red".to_owned(), "blue".to_owned()].write(Tag::ObjectGroup, &mut writer);
/// None::<i32>.write(Tag::MaximumItems, &mut writer);
/// let bytes = writer.into_bytes();
///
/// let mut reader = Reader::new(&bytes, V1_2);
/// let groups: Vec<String> = Field::read(Tag::ObjectGroup, &mut reader)?;
/// let maximum_items: Option<i32> = Field::read(Tag::MaximumItems, &mut reader)?;
/// let offset_items: Result<i32, Error> = Field::read(Tag::OffsetItems, &mut reader);
/// assert_eq!((groups.len(), maximum_items), (2, None));
/// assert_eq!(offset_items, Err(Error::Missing { tag: Tag::OffsetItems, found: None }));
/// # Ok::<(), Error>(())
/// ```
pub trait Field: Sized {
    /// Reads the items of the field: those at the position of `reader` with the tag `tag`.
    ///
    /// # Errors
    /// Returns [`Error::Missing`] if a required item is absent, and the errors of [`Value::decode`].
    fn read(tag: Tag, reader: &mut Reader<'_>) -> Result<Self, Error>;

    /// Writes the items of the field with the tag `tag`.
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

/// Returns the bytes of a value with a fixed length, which [`Reader::next`] has checked.
fn fixed_length_bytes<const N: usize>(item: &Item<'_>, kind: ItemType) -> Result<[u8; N], Error> {
    let bytes = item.expect(kind)?;
    bytes.try_into().map_err(|_| Error::WrongLength { tag: item.tag, kind, length: bytes.len() })
}

impl Value for i32 {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        fixed_length_bytes(item, ItemType::Integer).map(Self::from_be_bytes)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::Integer, &self.to_be_bytes());
    }
}

impl Value for i64 {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        fixed_length_bytes(item, ItemType::LongInteger).map(Self::from_be_bytes)
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::LongInteger, &self.to_be_bytes());
    }
}

impl Value for bool {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        match u64::from_be_bytes(fixed_length_bytes(item, ItemType::Boolean)?) {
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

/// A Date-Time: seconds since 1970-01-01 00:00 UTC (KMIP 1.4 §9.1.1.4, 2.1 §1.5).
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
        fixed_length_bytes(item, ItemType::DateTime).map(|bytes| Self(i64::from_be_bytes(bytes)))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::DateTime, &self.0.to_be_bytes());
    }
}

/// A Date-Time Extended: microseconds since 1970-01-01 00:00 UTC (KMIP 2.0 and 2.1 §1.5).
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{DateTime, DateTimeExtended};
///
/// assert_eq!(DateTimeExtended::from(DateTime(2)), DateTimeExtended(2_000_000));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTimeExtended(pub i64);

impl From<DateTime> for DateTimeExtended {
    fn from(date: DateTime) -> Self {
        Self(date.0.saturating_mul(1_000_000))
    }
}

impl Value for DateTimeExtended {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        fixed_length_bytes(item, ItemType::DateTimeExtended).map(|bytes| Self(i64::from_be_bytes(bytes)))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::DateTimeExtended, &self.0.to_be_bytes());
    }
}

/// An Interval: a duration in seconds (KMIP 1.4 §9.1.1.4, 2.1 §1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(pub u32);

impl Value for Interval {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        fixed_length_bytes(item, ItemType::Interval).map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ItemType::Interval, &self.0.to_be_bytes());
    }
}

/// A Big Integer: a number of any size, in two's complement, big-endian, and sign-extended to a multiple of
/// eight bytes (KMIP 1.4 §9.1.1.4, 2.1 §1.5).
///
/// Big Integers are components of keys: the bytes are zeroed on drop, and `Debug` prints only their number.
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::BigInteger;
///
/// let modulus = BigInteger::from_magnitude(&[0x00, 0xC5, 0x01]);
/// assert_eq!(modulus.magnitude(), Some([0xC5, 0x01].as_slice()));
/// assert_eq!(format!("{modulus:?}"), "BigInteger(8 bytes)");
/// ```
#[derive(Clone, PartialEq, Eq, Zeroize)]
pub struct BigInteger(Vec<u8>);

impl BigInteger {
    /// Creates the non-negative number with the big-endian bytes `magnitude`.
    pub fn from_magnitude(magnitude: &[u8]) -> Self {
        let start = magnitude.iter().position(|digit| *digit != 0).unwrap_or(magnitude.len());
        let (_, digits) = magnitude.split_at(start);
        // One byte more than the digits, to clear the sign bit.
        let length = (digits.len() + 1).next_multiple_of(8);
        let mut bytes = vec![0; length - digits.len()];
        bytes.extend_from_slice(digits);
        Self(bytes)
    }

    /// Returns the big-endian bytes without leading zeros, or `None` if the number is negative.
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

    fn encode<T: Value>(value: &T) -> String {
        let mut writer = Writer::new(V1_0);
        value.encode(Tag::CompromiseDate, &mut writer);
        writer.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn decode<T: Value>(hex: &str) -> Result<T, Error> {
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
            (encode(&8i32), "42002002000000040000000800000000"),
            (encode(&123_456_789_000_000_000i64), "420020030000000801b69b4ba5749200"),
            (encode(&BigInteger::from_magnitude(&[0x12, 0x34])), "42002004000000080000000000001234"),
            (encode(&true), "42002006000000080000000000000001"),
            (encode(&"Hello World".to_owned()), "420020070000000b48656c6c6f20576f726c640000000000"),
            (encode(&vec![1u8, 2, 3]), "42002008000000030102030000000000"),
            (encode(&DateTime(0x47DA_67F8)), "42002009000000080000000047da67f8"),
            (encode(&Interval(864_000)), "4200200a00000004000d2f0000000000"),
        ];
        for (encoded, expected) in examples {
            assert_eq!(encoded, expected);
        }
        assert_eq!(decode::<i32>("42002002000000040000000800000000"), Ok(8));
        assert_eq!(
            decode::<String>("420020070000000b48656c6c6f20576f726c640000000000"),
            Ok("Hello World".to_owned())
        );
    }

    #[test]
    fn rejects_invalid_values_and_names_the_tag() {
        let rejected: [(Error, &str); 6] = [
            (decode::<bool>("42002006000000080000000000000002").unwrap_err(), "Compromise Date is neither"),
            (
                decode::<String>("4200200700000001ff00000000000000").unwrap_err(),
                "Compromise Date is not UTF-8",
            ),
            (
                decode::<i32>("42002002000000080000000800000000").unwrap_err(),
                "Compromise Date has the length 8",
            ),
            (decode::<i32>("42002003000000080000000800000000").unwrap_err(), "Compromise Date has the type"),
            (decode::<i32>("42002002000000040000000800000001").unwrap_err(), "Compromise Date is padded"),
            (decode::<i32>("4200200200000004").unwrap_err(), "Compromise Date is truncated"),
        ];
        for (error, text) in rejected {
            assert!(error.to_string().starts_with(text), "{error}");
        }
    }

    #[test]
    fn prints_only_the_length_of_secrets_and_big_integers() {
        assert_eq!(format!("{:?}", Secret::new(vec![7; 16])), "Secret(16 bytes)");
        assert_eq!(format!("{:?}", BigInteger::from_magnitude(&[7; 16])), "BigInteger(24 bytes)");
    }

    #[test]
    fn big_integers_have_their_magnitude_and_sign() {
        for magnitude in [&[][..], &[1], &[0x80], &[0xFF; 8], &[1; 9]] {
            assert_eq!(BigInteger::from_magnitude(magnitude).magnitude(), Some(magnitude));
        }
        assert_eq!(decode::<BigInteger>("4200200400000008ffffffffffffffff").unwrap().magnitude(), None);
    }
}
