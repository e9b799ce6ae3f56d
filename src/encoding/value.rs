//! The values of items as text: what XML and JSON have in common (Additional Message Encodings 1.0 §4.1.6, §6.1.6).

use std::fmt::Write;

use base16ct::{lower, mixed};

use super::{date, names};
use crate::ttlv::{ItemType, Tag};

/// The bytes of a value of type `kind` that is spelled `text`; `meaning` names its enumeration or mask. None where
/// the text cannot be such a value.
pub(super) fn parse(kind: ItemType, meaning: Tag, text: &str) -> Option<Vec<u8>> {
    Some(match kind {
        ItemType::Structure => return None,
        ItemType::Integer => integer(meaning, text)?.to_be_bytes().to_vec(),
        ItemType::LongInteger | ItemType::DateTimeExtended => long(text)?.to_be_bytes().to_vec(),
        ItemType::BigInteger => {
            let bytes = mixed::decode_vec(text.strip_prefix("0x").unwrap_or(text)).ok()?;
            // The sign is in the first bit, so that its place must not be guessed.
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

/// The bytes of a value of type `kind` that is a number in JSON.
pub(super) fn of_number(kind: ItemType, number: i64) -> Option<Vec<u8>> {
    Some(match kind {
        ItemType::Integer => i32::try_from(number).ok()?.to_be_bytes().to_vec(),
        ItemType::LongInteger | ItemType::BigInteger | ItemType::DateTimeExtended => {
            number.to_be_bytes().to_vec()
        }
        ItemType::Enumeration | ItemType::Interval => u32::try_from(number).ok()?.to_be_bytes().to_vec(),
        _ => return None,
    })
}

/// A value as it is written: JSON has numbers and truth values of its own.
pub(super) enum Written {
    /// Text, in XML always.
    Text(String),
    /// A number.
    Number(i64),
    /// A truth value.
    Boolean(bool),
}

/// The value `bytes` of type `kind`, parts of a mask joined by `separator`.
pub(super) fn print(kind: ItemType, meaning: Tag, bytes: &[u8], separator: char) -> Written {
    let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let low = u32::from_be_bytes(bytes.last_chunk().copied().unwrap_or_default());
    match kind {
        ItemType::Integer if names::is_mask(meaning) && low != 0 => {
            Written::Text(mask(meaning, low, separator))
        }
        ItemType::Integer => Written::Number(low.cast_signed().into()),
        ItemType::LongInteger | ItemType::DateTimeExtended => Written::Number(number.cast_signed()),
        ItemType::Interval => Written::Number(low.into()),
        ItemType::Boolean => Written::Boolean(number != 0),
        ItemType::Enumeration => {
            Written::Text(names::name(meaning, low).map_or_else(|| format!("0x{low:08x}"), str::to_owned))
        }
        ItemType::TextString => Written::Text(String::from_utf8_lossy(bytes).into_owned()),
        ItemType::DateTime => Written::Text(date::print(number.cast_signed())),
        ItemType::BigInteger | ItemType::ByteString | ItemType::Structure => {
            Written::Text(lower::encode_string(bytes))
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

/// The names of the bits; a hex number for those without.
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
        let _written = write!(text, "0x{unnamed:08x}");
    }
    text
}

fn long(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| hex64(text))
}

/// The XML Schema's words for truth values, and JSON's hex form of them.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "0x0000000000000001" => Some(true),
        "false" | "0" | "0x0000000000000000" => Some(false),
        _ => None,
    }
}

fn hex32(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x")?;
    if plain(digits, 8) { u32::from_str_radix(digits, 16).ok() } else { None }
}

fn hex64(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("0x")?;
    if plain(digits, 16) { u64::from_str_radix(digits, 16).ok().map(u64::cast_signed) } else { None }
}

/// Whether there are hex digits only, not more than `most`.
fn plain(digits: &str, most: usize) -> bool {
    (1..=most).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_read_by_name_by_number_and_mixed() {
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
    fn refuses_what_its_type_cannot_hold() {
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
