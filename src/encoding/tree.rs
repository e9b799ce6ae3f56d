//! Messages in words, for logs and people: one line per item, with the standard's names, and with key material, passwords
//! and data masked.

use std::borrow::Cow;
use std::fmt;

use base16ct::lower;

use super::date;
use super::masking::is_masked;
use super::names::{self, AttributeContext};
use super::value::{self, Scalar};
use crate::excerpt::{Excerpt, MAX_CHARACTERS};
use crate::ttlv::{Error, Item, ItemType, Reader, Tag, V1_0};

/// The maximum number of items in a tree: more than any usual message has, except the responses of large batches.
const MAX_PRINTED: usize = 1_000;

/// A message in words: [`Display`](fmt::Display) prints one indented line per item.
///
/// The tags, the entries of enumerations and the bits of masks have the names of the standard. One that the standard does
/// not define has its number. Dates have the format of ISO 8601. The values of key material, passwords and data are
/// replaced by their length. Of other values, a tree contains the first 128 characters, and of the items the first 1000; the
/// rest is counted. If the encoding is invalid, the last line contains the error after `!!`.
///
/// # Examples
///
/// ```
/// use kmip_server::encoding::Tree;
/// use kmip_server::kmip::enums::CryptographicAlgorithm;
/// use kmip_server::ttlv::{Tag, V1_2, Value, Writer};
///
/// let mut writer = Writer::new(V1_2);
/// writer.structure(Tag::KeyBlock, |writer| {
///     CryptographicAlgorithm::TripleDes.encode(Tag::CryptographicAlgorithm, writer);
///     vec![7_u8; 16].encode(Tag::KeyMaterial, writer);
/// });
/// assert_eq!(
///     Tree::of(&writer.into_bytes()).to_string(),
///     "Key Block (Structure)\n  Cryptographic Algorithm (Enumeration): 3DES\n  Key Material (Byte String): <16 bytes>\n"
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tree {
    lines: Vec<Line>,
    /// The number of items that are not in `lines`.
    more: usize,
    error: Option<Error>,
}

/// One item of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The number of structures that contain the item.
    pub depth: usize,
    /// The tag.
    pub tag: Tag,
    /// The type.
    pub kind: ItemType,
    /// The value in words, or `None` for a structure.
    pub value: Option<String>,
}

impl Line {
    /// Returns whether the value is only described, because it is key material, a password or data.
    pub fn is_masked(&self) -> bool {
        is_masked(self.tag, self.kind)
    }
}

impl Tree {
    /// Reads the items of one message or of several.
    pub fn of(messages: &[u8]) -> Self {
        let mut tree = Self::default();
        tree.error = tree.read(&mut Reader::new(messages, V1_0), 0).err();
        tree
    }

    /// Returns the first 1000 items.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Returns the number of further items.
    pub fn more(&self) -> usize {
        self.more
    }

    /// Returns the reason why the rest of the message cannot be read.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    fn read(&mut self, items: &mut Reader<'_>, depth: usize) -> Result<(), Error> {
        let mut context = AttributeContext::default();
        while let Some(item) = items.next()? {
            if self.lines.len() < MAX_PRINTED {
                let value = in_words(&item, context.meaning(item.tag));
                self.lines.push(Line { depth, tag: item.tag, kind: item.kind, value });
            } else {
                self.more += 1;
            }
            if item.tag == Tag::AttributeName {
                context.record(item.tag, &String::from_utf8_lossy(item.bytes));
            }
            if item.kind == ItemType::Structure {
                self.read(&mut item.structure()?, depth + 1)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { depth, tag, kind, value } in &self.lines {
            let width = 2 * depth;
            write!(f, "{:width$}{tag} ({kind})", "")?;
            match value {
                Some(value) => writeln!(f, ": {value}")?,
                None => writeln!(f)?,
            }
        }
        if self.more > 0 {
            writeln!(f, "… and {} more items", self.more)?;
        }
        match &self.error {
            Some(error) => writeln!(f, "!! {error}"),
            None => Ok(()),
        }
    }
}

/// Returns the value of an item, or `None` for a structure. `meaning` is the tag that determines the enumeration or mask.
fn in_words(item: &Item<'_>, meaning: Tag) -> Option<String> {
    if is_masked(item.tag, item.kind) {
        return Some(format!("<{} bytes>", item.bytes.len()));
    }
    let number = item.bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let low = u32::from_be_bytes(item.bytes.last_chunk().copied().unwrap_or_default());
    Some(match item.kind {
        ItemType::Structure => return None,
        ItemType::Integer if names::is_mask(meaning) => mask(meaning, low),
        ItemType::Enumeration => match names::standard_name(meaning, low) {
            Some(name) => name.to_owned(),
            None => format!("unknown (0x{low:08X})"),
        },
        ItemType::DateTimeExtended => date::print_extended(number.cast_signed()),
        ItemType::Interval => match low {
            1 => "1 second".to_owned(),
            _ => format!("{low} seconds"),
        },
        ItemType::TextString => format!("{:?}", Excerpt(&String::from_utf8_lossy(item.bytes))),
        ItemType::BigInteger | ItemType::ByteString => bytes(item.bytes),
        ItemType::Integer | ItemType::LongInteger | ItemType::Boolean | ItemType::DateTime => {
            match value::print(item.kind, meaning, item.bytes, ' ') {
                Scalar::Text(text) => text,
                Scalar::Number(number) => number.to_string(),
                Scalar::Boolean(boolean) => boolean.to_string(),
            }
        }
    })
}

/// Returns the names of the bits that are set, then one number for the bits without a name.
fn mask(meaning: Tag, bits: u32) -> String {
    if bits == 0 {
        return "none".to_owned();
    }
    let (mut words, mut unnamed) = (Vec::new(), 0);
    for bit in (0..u32::BITS).map(|at| 1 << at).filter(|bit| bits & bit != 0) {
        match names::standard_bit_name(meaning, bit) {
            Some(name) => words.push(Cow::Borrowed(name)),
            None => unnamed |= bit,
        }
    }
    if unnamed != 0 {
        words.push(format!("unknown (0x{unnamed:08X})").into());
    }
    words.join(" | ")
}

fn bytes(bytes: &[u8]) -> String {
    match bytes.split_at_checked(MAX_CHARACTERS / 2) {
        Some((shown, rest)) if !rest.is_empty() => {
            format!("{} (and {} more bytes)", lower::encode_string(shown), rest.len())
        }
        _ => lower::encode_string(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{V1_2, Writer};

    fn dump(message: &[u8]) -> String {
        Tree::of(message).to_string()
    }

    #[test]
    fn prints_the_tree_and_masks_key_material() {
        let mut writer = Writer::new(V1_2);
        writer.structure(Tag::KeyValue, |writer| {
            writer.item(Tag::KeyMaterial, ItemType::ByteString, &[0xAB; 16]);
            writer.item(Tag::UniqueIdentifier, ItemType::TextString, b"7");
        });
        let tree = dump(&writer.into_bytes());
        assert_eq!(
            tree,
            "Key Value (Structure)\n  Key Material (Byte String): <16 bytes>\n  \
             Unique Identifier (Text String): \"7\"\n"
        );
    }

    /// Returns the values of the items, in a structure with the Attribute Name before them.
    fn values(attribute: &str, items: &[(Tag, ItemType, &[u8])]) -> Vec<String> {
        let mut writer = Writer::new(V1_2);
        writer.structure(Tag::Attribute, |writer| {
            writer.item(Tag::AttributeName, ItemType::TextString, attribute.as_bytes());
            items.iter().for_each(|(tag, kind, bytes)| writer.item(*tag, *kind, bytes));
        });
        Tree::of(&writer.into_bytes()).lines().iter().skip(2).filter_map(|line| line.value.clone()).collect()
    }

    #[test]
    fn enumerations_and_masks_have_the_names_of_the_standard() {
        let (mask, enumeration) = (ItemType::Integer, ItemType::Enumeration);
        let words = values(
            "Cryptographic Algorithm",
            &[
                (Tag::Operation, enumeration, &[0, 0, 0, 0x1D]),
                (Tag::Operation, enumeration, &[0x80, 0, 0, 1]),
                (Tag::AttributeReference, enumeration, &[0, 0x42, 0, 0x28]),
                (Tag::AttributeValue, enumeration, &[0, 0, 0, 2]),
                (Tag::CryptographicUsageMask, mask, &[0, 0, 0, 0x0C]),
                (Tag::CryptographicUsageMask, mask, &[0x80, 0, 0, 1]),
                (Tag::CryptographicUsageMask, mask, &[0; 4]),
                (Tag::BatchCount, mask, &[0, 0, 0, 0x0C]),
            ],
        );
        assert_eq!(
            words,
            [
                "Re-key Key Pair",
                "unknown (0x80000001)",
                "Cryptographic Algorithm",
                "3DES",
                "Encrypt | Decrypt",
                "Sign | unknown (0x80000000)",
                "none",
                "12",
            ]
        );
        let words = values("Cryptographic Usage Mask", &[(Tag::AttributeValue, mask, &[0, 0, 0, 4])]);
        assert_eq!(words, ["Encrypt"]);
    }

    #[test]
    fn dates_and_numbers_are_readable() {
        let minus = |number: i64| number.to_be_bytes();
        let words = values(
            "x-own",
            &[
                (Tag::BatchCount, ItemType::Integer, &(-5_i32).to_be_bytes()),
                (Tag::UsageLimitsTotal, ItemType::LongInteger, &minus(-6)),
                (Tag::ActivationDate, ItemType::DateTime, &minus(1_335_514_341)),
                (Tag::ActivationDate, ItemType::DateTime, &minus(-1)),
                (Tag::TimeStamp, ItemType::DateTimeExtended, &minus(1_335_514_341_000_250)),
                (Tag::TimeStamp, ItemType::DateTimeExtended, &minus(-1)),
                (Tag::LeaseTime, ItemType::Interval, &u32::MAX.to_be_bytes()),
                (Tag::Fresh, ItemType::Boolean, &minus(1)),
            ],
        );
        assert_eq!(
            words,
            [
                "-5",
                "-6",
                "2012-04-27T08:12:21+00:00",
                "1969-12-31T23:59:59+00:00",
                "2012-04-27T08:12:21.000250+00:00",
                "1969-12-31T23:59:59.999999+00:00",
                "4294967295 seconds",
                "true",
            ]
        );
    }

    #[test]
    fn bounds_the_values_and_the_number_of_items() {
        let mut writer = Writer::new(V1_2);
        writer.item(Tag::UniqueIdentifier, ItemType::TextString, "é".repeat(100_000).as_bytes());
        writer.item(Tag::CertificateValue, ItemType::ByteString, &[0xAB; 100_000]);
        (0..5_000).for_each(|_| writer.item(Tag::BatchCount, ItemType::Integer, &[0; 4]));
        let mut message = writer.into_bytes();
        message.push(0);
        let tree = dump(&message);
        let lines: Vec<_> = tree.lines().collect();
        let (text, bytes) = ("é".repeat(128), "ab".repeat(64));
        assert_eq!(
            lines[0],
            format!("Unique Identifier (Text String): \"{text}\" (and 99872 more characters)")
        );
        assert_eq!(lines[1], format!("Certificate Value (Byte String): {bytes} (and 99936 more bytes)"));
        assert_eq!(lines.len(), 1_002);
        assert_eq!(lines[1_000], "… and 4002 more items");
        assert!(lines[1_001].starts_with("!! "), "{}", lines[1_001]);
    }

    #[test]
    fn ends_with_the_error_if_the_encoding_is_invalid() {
        assert_eq!(
            dump(&[0x42, 0, 0x78, 1, 0, 0, 0, 9]),
            "!! Request Message is truncated: expected 16 bytes, found 0\n"
        );
    }
}
