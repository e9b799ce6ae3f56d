//! Masking of messages for people: key material, passwords and data.

use std::ops::Range;

#[cfg(feature = "management")]
use super::names;
use crate::ttlv::{Error, ItemType, Reader, Tag, V1_0};

/// The items whose values readers of logs and of recorded messages must not see.
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

/// The length of the tag, the type and the length of an item.
const HEADER: usize = 8;

/// Returns whether the value of an item of this type is masked.
pub(super) fn is_masked(tag: Tag, kind: ItemType) -> bool {
    kind != ItemType::Structure && MASKED.contains(&tag)
}

/// Returns whether the values of items with this name in XML are masked.
#[cfg(feature = "management")]
pub(crate) fn is_masked_name(name: &str) -> bool {
    names::tag(name).is_some_and(|tag| MASKED.contains(&tag))
}

/// Replaces key material, passwords and data in a message: texts by asterisks, other values by zeros. The message keeps its
/// length and its items.
///
/// If the encoding is invalid, the meaning of the rest of the message is unknown, and it becomes zeros.
///
/// # Examples
///
/// ```
/// use kmip_server::encoding::{mask, xml};
/// use kmip_server::ttlv::{Tag, V1_2, Value, Writer};
///
/// let mut writer = Writer::new(V1_2);
/// vec![7_u8; 2].encode(Tag::KeyMaterial, &mut writer);
/// let mut message = writer.into_bytes();
/// mask(&mut message);
/// assert_eq!(xml::encode(&message)?, r#"<KeyMaterial type="ByteString" value="0000"/>"#);
/// # Ok::<(), kmip_server::encoding::Error>(())
/// ```
pub fn mask(message: &mut [u8]) {
    for Masked { range, fill } in find_masked(message) {
        message.get_mut(range).unwrap_or_default().fill(fill);
    }
}

/// The bytes of a value that is masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Masked {
    /// The position in the message.
    pub(crate) range: Range<usize>,
    /// The byte that replaces each byte.
    fill: u8,
}

/// Returns the masked values of a message, in ascending order of their positions.
pub(crate) fn find_masked(message: &[u8]) -> Vec<Masked> {
    let mut found = Found { values: Vec::new(), end: 0 };
    if found.read(&mut Reader::new(message, V1_0), 0).is_err() {
        found.values.push(Masked { range: found.end..message.len(), fill: 0 });
    }
    found.values
}

struct Found {
    values: Vec<Masked>,
    /// The position of the first byte that was not read.
    end: usize,
}

impl Found {
    /// Finds the masked values. `at` is the position of the next item in the message.
    fn read(&mut self, items: &mut Reader<'_>, mut at: usize) -> Result<(), Error> {
        while let Some(item) = items.next()? {
            let value = at + HEADER;
            if item.kind == ItemType::Structure {
                self.end = value;
                self.read(&mut item.structure()?, value)?;
            } else if is_masked(item.tag, item.kind) {
                let fill = if item.kind == ItemType::TextString { b'*' } else { 0 };
                self.values.push(Masked { range: value..value + item.bytes.len(), fill });
            }
            at += item.wire.len();
            self.end = at;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{V1_2, Writer};

    fn message() -> Vec<u8> {
        let mut writer = Writer::new(V1_2);
        writer.structure(Tag::RequestPayload, |writer| {
            writer.item(Tag::UniqueIdentifier, ItemType::TextString, b"7");
            writer.structure(Tag::KeyValue, |writer| {
                writer.item(Tag::KeyMaterial, ItemType::ByteString, &[0xAB; 9]);
                writer.item(Tag::CryptographicLength, ItemType::Integer, &[0xCD; 4]);
            });
            writer.item(Tag::Password, ItemType::TextString, b"\xEFsecret");
        });
        writer.into_bytes()
    }

    #[test]
    fn only_the_values_of_masked_items_are_replaced() {
        let (original, mut masked) = (message(), message());
        mask(&mut masked);
        let changed: Vec<_> = (0..original.len()).filter(|at| original[*at] != masked[*at]).collect();
        let expected: Vec<_> = find_masked(&original).into_iter().flat_map(|masked| masked.range).collect();
        assert_eq!(changed, expected);
        assert_eq!(changed.len(), 9 + 7);
        assert_eq!(find_masked(&masked), find_masked(&original));
        assert!(masked.ends_with(b"*******\0"));
    }

    #[test]
    fn bytes_that_cannot_be_decoded_are_masked() {
        let whole = message();
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            mask(&mut cut);
            assert!(!cut.windows(2).any(|pair| pair == [0xAB, 0xAB]), "{length}");
            assert!(!cut.contains(&0xEF), "{length}");
        }
        let mut noise = vec![0xAB; 40];
        mask(&mut noise);
        assert_eq!(noise, [0; 40]);
    }
}
