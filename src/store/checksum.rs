//! The checksum of each record: CRC-32C, which reveals accidental damage, or in a sealed database an authentication code,
//! which reveals edits too.
//!
//! It covers what a read returns: number, owner, credential, type, attributes and object. The attributes contain policy,
//! state, masks and dates; the columns with copies of them serve Locate only, and `sqlite/check.rs` compares them.

use crate::crypto::envelope::{AUTHENTICATION_LENGTH, AuthenticationKey};
use crate::store::sealing::DataKey;

/// A checksum of one of both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Crc([u8; 4]),
    Authentication([u8; AUTHENTICATION_LENGTH]),
}

impl Checksum {
    /// Returns the stored form.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Crc(bytes) => bytes,
            Self::Authentication(bytes) => bytes,
        }
    }
}

/// The content of a row that a checksum covers.
pub(super) enum Content<'a> {
    Object {
        number: i64,
        object_type: i64,
        owner: &'a str,
        credential: Option<&'a str>,
        attributes: &'a [u8],
        object: Option<&'a [u8]>,
    },
    ServerState {
        name: &'a str,
        value: &'a [u8],
    },
}

/// The number of variable parts of a content.
const PARTS: usize = 4;

impl Content<'_> {
    /// Returns the fixed part of the content, with the lengths of the variable parts, and these parts.
    fn parts(&self) -> ([u8; 8 * (3 + PARTS)], [&[u8]; PARTS]) {
        let (numbers, parts) = match *self {
            Self::Object { number, object_type, owner, credential, attributes, object } => (
                [1, number, object_type],
                [Some(owner.as_bytes()), credential.map(str::as_bytes), Some(attributes), object],
            ),
            Self::ServerState { name, value } => {
                ([2, 0, 0], [Some(name.as_bytes()), Some(value), None, None])
            }
        };
        let length =
            |part: Option<&[u8]>| part.map_or(-1, |part| i64::try_from(part.len()).unwrap_or(i64::MAX));
        let mut fixed = [0; 8 * (3 + PARTS)];
        let words = numbers.into_iter().chain(parts.map(length));
        for (place, word) in fixed.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        (fixed, parts.map(Option::unwrap_or_default))
    }

    /// Returns the checksum for a database that is sealed with `key`, or not sealed.
    pub(super) fn checksum(&self, key: Option<&DataKey>) -> Checksum {
        let (fixed, parts) = self.parts();
        let all = std::iter::once(&fixed[..]).chain(parts);
        match key {
            Some(key) => Checksum::Authentication(key.authentication().code(all)),
            None => Checksum::Crc(all.fold(0, crc32c::crc32c_append).to_be_bytes()),
        }
    }

    /// Whether `stored` is the checksum of this content. The rows of a database that an earlier version sealed have none.
    pub(super) fn has(&self, stored: Option<&[u8]>, key: Option<&DataKey>) -> bool {
        if key.is_some_and(|key| !key.authenticates_rows()) {
            return true;
        }
        let Some(stored) = stored else { return false };
        match self.checksum(key) {
            Checksum::Crc(expected) => stored == expected,
            Checksum::Authentication(expected) => AuthenticationKey::is_same(&expected, stored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_stored_as_crc_32c_over_lengths_and_parts() {
        // Databases contain these values.
        let state = Content::ServerState { name: "name", value: b"value" };
        let mut bytes = Vec::new();
        for word in [2_i64, 0, 0, 4, 5, -1, -1] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(b"namevalue");
        assert_eq!(state.checksum(None), Checksum::Crc(crc32c::crc32c(&bytes).to_be_bytes()));
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283, "RFC 3720 appendix B.4");
    }

    #[test]
    fn every_part_and_its_length_change_the_checksum() {
        let object = |number, object_type, owner, credential, attributes, object| {
            let content = Content::Object { number, object_type, owner, credential, attributes, object };
            content.checksum(None)
        };
        let one = object(1, 2, "ab", Some("c"), b"d", Some(b"e"));
        for other in [
            object(2, 2, "ab", Some("c"), b"d", Some(b"e")),
            object(1, 3, "ab", Some("c"), b"d", Some(b"e")),
            object(1, 2, "a", Some("bc"), b"d", Some(b"e")),
            object(1, 2, "ab", None, b"cd", Some(b"e")),
            object(1, 2, "ab", Some("c"), b"de", None),
            object(1, 2, "ab", Some("c"), b"de", Some(b"")),
            object(1, 2, "ab", Some("c"), b"d", Some(b"f")),
        ] {
            assert_ne!(one, other);
        }
    }
}
