//! Printing of messages for logs: one line per item, with key material, passwords and data masked.

use std::fmt::Write as _;

use base16ct::lower;

use crate::excerpt::{Excerpt, MAX_CHARACTERS};

use super::{Error, Item, ItemType, Reader, Tag, Version};

/// The items whose values are replaced by their length, because readers of logs must not see them.
const MASKED: &[Tag] = &[
    Tag::KeyMaterial,
    Tag::KeyValue,
    Tag::Key,
    Tag::D,
    Tag::P,
    Tag::Q,
    Tag::X,
    Tag::PrimeExponentP,
    Tag::PrimeExponentQ,
    Tag::CrtCoefficient,
    Tag::PrivateExponent,
    Tag::OpaqueDataValue,
    Tag::CertificateRequest,
    Tag::Password,
    Tag::HashedPassword,
    Tag::ServerHashedPassword,
    Tag::OneTimePassword,
    Tag::TicketValue,
    Tag::AttestationAssertion,
    Tag::AttestationMeasurement,
    Tag::DerivationData,
    Tag::Salt,
    Tag::Data,
    Tag::Pkcs11InputParameters,
    Tag::Pkcs11OutputParameters,
];

/// The maximum number of items in a tree: more than any usual message has, except the responses of large batches.
const MAX_PRINTED: usize = 1_000;

/// Returns `message`, encoded for `version`, as an indented tree with one line per item.
///
/// The values of key material, passwords and data are replaced by their length. Of other values, the first 128
/// characters are printed, and of the items the first 1000; the rest is counted. If the encoding is invalid, the last
/// line contains the error after `!!`.
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{Tag, V1_2, Value, Writer, dump};
///
/// let mut writer = Writer::new(V1_2);
/// writer.structure(Tag::KeyValue, |writer| vec![7_u8; 16].encode(Tag::KeyMaterial, writer));
/// let tree = dump(&writer.into_bytes(), V1_2);
/// assert_eq!(tree, "Key Value (Structure)\n  Key Material (Byte String): <16 bytes>\n");
/// ```
pub fn dump(message: &[u8], version: Version) -> String {
    let mut tree = Tree::default();
    let printed = tree.print_items(&mut Reader::new(message, version), 0);
    let Tree { mut text, items } = tree;
    if let Some(count) = items.checked_sub(MAX_PRINTED).filter(|count| *count > 0) {
        let _ = writeln!(text, "… and {count} more items");
    }
    if let Err(error) = printed {
        let _ = writeln!(text, "!! {error}");
    }
    text
}

#[derive(Default)]
struct Tree {
    text: String,
    /// The number of items so far, printed or not.
    items: usize,
}

impl Tree {
    fn print_items(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<(), Error> {
        while let Some(item) = reader.next()? {
            self.items += 1;
            if self.items <= MAX_PRINTED {
                let value = print_value(&item).map(|value| format!(": {value}")).unwrap_or_default();
                let width = 2 * depth;
                let _ = writeln!(self.text, "{:width$}{} ({}){value}", "", item.tag, item.kind);
            }
            if item.kind == ItemType::Structure {
                self.print_items(&mut item.structure()?, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Returns the value, or `None` for a structure.
fn print_value(item: &Item<'_>) -> Option<String> {
    if item.kind != ItemType::Structure && MASKED.contains(&item.tag) {
        return Some(format!("<{} bytes>", item.bytes.len()));
    }
    let number = item.bytes.iter().fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    Some(match item.kind {
        // Extends the sign of the 32-bit value.
        ItemType::Integer => (number.cast_signed() << 32 >> 32).to_string(),
        ItemType::LongInteger | ItemType::DateTime | ItemType::DateTimeExtended => {
            number.cast_signed().to_string()
        }
        ItemType::Interval => number.to_string(),
        ItemType::Boolean => (number != 0).to_string(),
        ItemType::Enumeration => format!("0x{number:08X}"),
        ItemType::TextString => format!("{:?}", Excerpt(&String::from_utf8_lossy(item.bytes))),
        ItemType::BigInteger | ItemType::ByteString => print_bytes(item.bytes),
        ItemType::Structure => return None,
    })
}

fn print_bytes(bytes: &[u8]) -> String {
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

    #[test]
    fn prints_the_tree_and_masks_key_material() {
        let mut writer = Writer::new(V1_2);
        writer.structure(Tag::KeyValue, |writer| {
            writer.item(Tag::KeyMaterial, ItemType::ByteString, &[0xAB; 16]);
            writer.item(Tag::UniqueIdentifier, ItemType::TextString, b"7");
        });
        let tree = dump(&writer.into_bytes(), V1_2);
        assert_eq!(
            tree,
            "Key Value (Structure)\n  Key Material (Byte String): <16 bytes>\n  \
             Unique Identifier (Text String): \"7\"\n"
        );
    }

    #[test]
    fn prints_negative_numbers_with_their_sign() {
        let mut writer = Writer::new(V1_2);
        writer.item(Tag::BatchCount, ItemType::Integer, &(-5i32).to_be_bytes());
        writer.item(Tag::UsageLimitsTotal, ItemType::LongInteger, &(-6i64).to_be_bytes());
        writer.item(Tag::ActivationDate, ItemType::DateTime, &(-7i64).to_be_bytes());
        writer.item(Tag::LeaseTime, ItemType::Interval, &u32::MAX.to_be_bytes());
        let tree = dump(&writer.into_bytes(), V1_2);
        let printed: Vec<_> = tree.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(printed, ["-5", "-6", "-7", "4294967295"]);
    }

    #[test]
    fn bounds_the_values_and_the_number_of_items() {
        let mut writer = Writer::new(V1_2);
        writer.item(Tag::UniqueIdentifier, ItemType::TextString, "é".repeat(100_000).as_bytes());
        writer.item(Tag::CertificateValue, ItemType::ByteString, &[0xAB; 100_000]);
        (0..5_000).for_each(|_| writer.item(Tag::BatchCount, ItemType::Integer, &[0; 4]));
        let mut message = writer.into_bytes();
        message.push(0);
        let tree = dump(&message, V1_2);
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
            dump(&[0x42, 0, 0x78, 1, 0, 0, 0, 9], V1_2),
            "!! Request Message is truncated: expected 16 bytes, found 0\n"
        );
    }
}
