//! Printing of messages for logs: one line per item, with key material, passwords and data masked.

use std::fmt::Write as _;

use base16ct::lower;

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

/// Returns `message`, encoded for `version`, as an indented tree with one line per item.
///
/// The values of key material, passwords and data are replaced by their length. If the encoding is invalid,
/// the last line contains the error after `!!`.
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
    let mut tree = String::new();
    if let Err(error) = print_items(&mut Reader::new(message, version), 0, &mut tree) {
        let _ = writeln!(tree, "!! {error}");
    }
    tree
}

fn print_items(reader: &mut Reader<'_>, depth: usize, tree: &mut String) -> Result<(), Error> {
    while let Some(item) = reader.next()? {
        let _ = write!(tree, "{:width$}{} ({})", "", item.tag, item.kind, width = 2 * depth);
        if item.kind == ItemType::Structure {
            tree.push('\n');
            print_items(&mut item.structure()?, depth + 1, tree)?;
        } else {
            let _ = writeln!(tree, ": {}", print_value(&item));
        }
    }
    Ok(())
}

fn print_value(item: &Item<'_>) -> String {
    if MASKED.contains(&item.tag) {
        return format!("<{} bytes>", item.bytes.len());
    }
    let number = item.bytes.iter().fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    match item.kind {
        // Extends the sign of the 32-bit value.
        ItemType::Integer => (number.cast_signed() << 32 >> 32).to_string(),
        ItemType::LongInteger | ItemType::DateTime | ItemType::DateTimeExtended => {
            number.cast_signed().to_string()
        }
        ItemType::Interval => number.to_string(),
        ItemType::Boolean => (number != 0).to_string(),
        ItemType::Enumeration => format!("0x{number:08X}"),
        ItemType::TextString => format!("{:?}", String::from_utf8_lossy(item.bytes)),
        ItemType::BigInteger | ItemType::ByteString => lower::encode_string(item.bytes),
        ItemType::Structure => String::new(),
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
    fn ends_with_the_error_if_the_encoding_is_invalid() {
        assert_eq!(
            dump(&[0x42, 0, 0x78, 1, 0, 0, 0, 9], V1_2),
            "!! Request Message is truncated: expected 16 bytes, found 0\n"
        );
    }
}
