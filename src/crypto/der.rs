//! Recognizes the format of a DER-encoded key by its outermost elements, without validating the key.

use x509_cert::der::{AnyRef, Decode, Encode, Reader, SliceReader, Tag, Tagged};

use crate::kmip::enums::KeyFormatType;

/// Returns the length in bytes of the first DER element, including its header, or `None` if it is incomplete.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let reader = SliceReader::new(bytes).ok()?;
    let header = reader.peek_header().ok()?;
    let header_length = usize::try_from(header.encoded_len().ok()?).ok()?;
    header_length.checked_add(usize::try_from(header.length).ok()?).filter(|length| *length <= bytes.len())
}

/// Recognizes PKCS#8 (RFC 5208), PKCS#1 (RFC 8017 §A.1.2) and ECPrivateKey (RFC 5915), each of which begins with a
/// version. Returns `None` for other bytes.
pub fn private_key(bytes: &[u8]) -> Option<KeyFormatType> {
    match items(bytes)?.as_slice() {
        [Tag::Integer, Tag::Sequence, ..] => Some(KeyFormatType::Pkcs8),
        [Tag::Integer, Tag::Integer, ..] => Some(KeyFormatType::Pkcs1),
        [Tag::Integer, Tag::OctetString, ..] => Some(KeyFormatType::ECPrivateKey),
        _ => None,
    }
}

/// Recognizes SubjectPublicKeyInfo (RFC 5280 §4.1) and PKCS#1 (RFC 8017 §A.1.1). Returns `None` for other bytes.
pub fn public_key(bytes: &[u8]) -> Option<KeyFormatType> {
    match items(bytes)?.as_slice() {
        [Tag::Sequence, Tag::BitString] => Some(KeyFormatType::X509),
        [Tag::Integer, Tag::Integer] => Some(KeyFormatType::Pkcs1),
        _ => None,
    }
}

/// Returns the tags of the first three elements of a SEQUENCE without trailing bytes.
fn items(bytes: &[u8]) -> Option<Vec<Tag>> {
    let outer = AnyRef::from_der(bytes).ok().filter(|outer| outer.tag() == Tag::Sequence)?;
    let mut reader = SliceReader::new(outer.value()).ok()?;
    let mut tags = Vec::new();
    while !reader.is_finished() && tags.len() < 3 {
        tags.push(AnyRef::decode(&mut reader).ok()?.tag());
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rsa;

    #[test]
    fn recognizes_key_formats() {
        let pair = rsa::generate(512).unwrap();
        assert_eq!(private_key(pair.private_pkcs8.expose()), Some(KeyFormatType::Pkcs8));
        assert_eq!(public_key(&pair.public_pkcs1), Some(KeyFormatType::Pkcs1));
        assert_eq!(public_key(pair.private_pkcs8.expose()), None);
        assert_eq!(private_key(&[0x30, 6, 2, 1, 1, 4, 1, 7]), Some(KeyFormatType::ECPrivateKey));
        assert_eq!(private_key(&[0x30, 6, 2, 1, 0, 2, 1, 7]), Some(KeyFormatType::Pkcs1));
        assert_eq!(public_key(&[0x30, 6, 0x30, 0, 3, 2, 0, 7]), Some(KeyFormatType::X509));
        for bytes in [&[][..], &[7; 32], &[0x30, 0], &[0x30, 6, 2, 1]] {
            assert_eq!((private_key(bytes), public_key(bytes)), (None, None));
        }
    }

    #[test]
    fn returns_the_length_of_the_first_element() {
        assert_eq!(length(&[0x30, 1, 7, 0, 0]), Some(3));
        assert_eq!(length(&[0x30, 9, 7]), None);
        assert_eq!(length(&[]), None);
    }
}
