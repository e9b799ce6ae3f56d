//! Values as text, for XML and JSON (Additional Message Encodings 1.0 §4.1.6 and §6.1.6).

use std::fmt::Write;

use base16ct::{lower, mixed};

use super::{date, names};
use crate::ttlv::{ItemType, Tag};

/// Returns the bytes of the value of type `kind` with the text `text`, or `None` if the text is invalid.
/// `meaning` is the tag that determines the enumeration or mask.
pub(super) fn parse(kind: ItemType, meaning: Tag, text: &str) -> Option<Vec<u8>> {
    Some(match kind {
        ItemType::Structure => return None,
        ItemType::Integer => integer(meaning, text)?.to_be_bytes().to_vec(),
        ItemType::LongInteger | ItemType::DateTimeExtended => long(text)?.to_be_bytes().to_vec(),
        ItemType::BigInteger => {
            let bytes = mixed::decode_vec(text.strip_prefix("0x").unwrap_or(text)).ok()?;
            // The first bit is the sign, so that padding here could change the number.
            if bytes.is_empty() || !bytes.len().is_multiple_of(8) {
                return None;
            }
            bytes
        }
        ItemType::Enumeration => {
            let number = if text.starts_with("0x") { hex32(text) } else { names::number(meaning, text) };
            number?.to_be_bytes().to_vec()
        }
        ItemType::Boolean => u64::from(boolean(text)?).to_be_bytes().to_vec(),
        ItemType::TextString => text.as_bytes().to_vec(),
        ItemType::ByteString => mixed::decode_vec(text).ok()?,
        ItemType::DateTime => {
            let seconds = if text.starts_with("0x") { hex64(text) } else { date::parse(text) };
            seconds?.to_be_bytes().to_vec()
        }
        ItemType::Interval => {
            let seconds = if text.starts_with("0x") { hex32(text) } else { text.parse().ok() };
            seconds?.to_be_bytes().to_vec()
        }
    })
}

/// Returns the bytes of the value of type `kind` that JSON contains as a number, or `None` if it is out of
/// range.
pub(super) fn from_number(kind: ItemType, number: i64) -> Option<Vec<u8>> {
    Some(match kind {
        ItemType::Integer => i32::try_from(number).ok()?.to_be_bytes().to_vec(),
        ItemType::LongInteger | ItemType::BigInteger | ItemType::DateTimeExtended => {
            number.to_be_bytes().to_vec()
        }
        ItemType::Enumeration | ItemType::Interval => u32::try_from(number).ok()?.to_be_bytes().to_vec(),
        _ => return None,
    })
}

/// A value in one of the types of JSON. XML prints each of them as text.
pub(super) enum Scalar {
    /// A string.
    Text(String),
    /// A number.
    Number(i64),
    /// A Boolean.
    Boolean(bool),
}

/// Converts the value `bytes` of type `kind`, with `separator` between the bits of a mask.
pub(super) fn print(kind: ItemType, meaning: Tag, bytes: &[u8], separator: char) -> Scalar {
    let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let low = u32::from_be_bytes(bytes.last_chunk().copied().unwrap_or_default());
    match kind {
        ItemType::Integer if names::is_mask(meaning) && low != 0 => {
            Scalar::Text(mask(meaning, low, separator))
        }
        ItemType::Integer => Scalar::Number(low.cast_signed().into()),
        ItemType::LongInteger | ItemType::DateTimeExtended => Scalar::Number(number.cast_signed()),
        ItemType::Interval => Scalar::Number(low.into()),
        ItemType::Boolean => Scalar::Boolean(number != 0),
        ItemType::Enumeration => {
            Scalar::Text(names::name(meaning, low).map_or_else(|| format!("0x{low:08x}"), str::to_owned))
        }
        ItemType::TextString => Scalar::Text(String::from_utf8_lossy(bytes).into_owned()),
        ItemType::DateTime => Scalar::Text(date::print(number.cast_signed())),
        ItemType::BigInteger | ItemType::ByteString | ItemType::Structure => {
            Scalar::Text(lower::encode_string(bytes))
        }
    }
}

fn integer(meaning: Tag, text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    if !names::is_mask(meaning) {
        return hex32(text).map(u32::cast_signed);
    }
    let mut mask = 0;
    for part in text.split([' ', '|']).filter(|part| !part.is_empty()) {
        mask |= if part.starts_with("0x") { hex32(part) } else { names::bit(meaning, part) }?;
    }
    Some(mask.cast_signed())
}

/// Returns the names of the bits, and one hexadecimal number for the bits without a name.
fn mask(meaning: Tag, bits: u32, separator: char) -> String {
    let mut text = String::new();
    let mut unnamed = 0;
    for bit in (0..u32::BITS).map(|at| 1 << at).filter(|bit| bits & bit != 0) {
        match names::bit_name(meaning, bit) {
            Some(name) if text.is_empty() => text.push_str(name),
            Some(name) => text.extend([separator.encode_utf8(&mut [0; 4]), name]),
            None => unnamed |= bit,
        }
    }
    if unnamed != 0 {
        if !text.is_empty() {
            text.push(separator);
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "0x{unnamed:08x}");
    }
    text
}

fn long(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| hex64(text))
}

/// Parses a Boolean of XML Schema, or its hexadecimal form in JSON.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "0x0000000000000001" => Some(true),
        "false" | "0" | "0x0000000000000000" => Some(false),
        _ => None,
    }
}

fn hex32(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x")?;
    if is_hex(digits, 8) { u32::from_str_radix(digits, 16).ok() } else { None }
}

fn hex64(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("0x")?;
    if is_hex(digits, 16) { u64::from_str_radix(digits, 16).ok().map(u64::cast_signed) } else { None }
}

/// Returns whether `digits` is one to `maximum` hexadecimal digits.
fn is_hex(digits: &str, maximum: usize) -> bool {
    (1..=maximum).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_masks_of_names_and_numbers() {
        for text in [
            "Encrypt Decrypt CertificateSign",
            "Encrypt|Decrypt|CertificateSign",
            "0x0000100c",
            "CertificateSign 0x00000004 0x0000008",
            "CertificateSign|0x0000000c",
            " Encrypt   Decrypt  CertificateSign ",
            "4108",
        ] {
            let bytes = parse(ItemType::Integer, Tag::CryptographicUsageMask, text);
            assert_eq!(bytes, Some(vec![0, 0, 0x10, 0x0c]), "{text}");
        }
        assert_eq!(parse(ItemType::Integer, Tag::CryptographicUsageMask, "Fly"), None);
        assert_eq!(parse(ItemType::Integer, Tag::BatchCount, "Encrypt"), None);
        assert_eq!(mask(Tag::CryptographicUsageMask, 0x8000_000c, ' '), "Encrypt Decrypt 0x80000000");
    }

    #[test]
    fn rejects_values_that_are_invalid_for_their_type() {
        for (kind, text) in [
            (ItemType::Integer, "2147483648"),
            (ItemType::Integer, "0x100000000"),
            (ItemType::Integer, "0x+1"),
            (ItemType::Interval, "-1"),
            (ItemType::LongInteger, "9223372036854775808"),
            (ItemType::Boolean, "True"),
            (ItemType::ByteString, "abc"),
            (ItemType::ByteString, "0xab"),
            (ItemType::BigInteger, "01"),
            (ItemType::BigInteger, ""),
            (ItemType::Enumeration, "Nothing"),
            (ItemType::DateTime, "today"),
            (ItemType::Structure, ""),
        ] {
            assert_eq!(parse(kind, Tag::ObjectType, text), None, "{kind} {text}");
        }
    }
}
