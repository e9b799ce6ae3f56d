//! The key lengths of the symmetric algorithms, and key generation.
//!
//! The table contains what PyKMIP's server creates, what the standard's test cases create (3DES of 112 and 168 bits,
//! SKIPJACK), and every other symmetric algorithm that this layer implements.

use super::{Error, Purpose, random};
use crate::kmip::enums::CryptographicAlgorithm::{self, *};
use crate::secret::Secret;

/// The key lengths of an algorithm, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lengths {
    /// These lengths only.
    Listed(&'static [u32]),
    /// Every whole number of bytes in the range.
    Bytes {
        /// The shortest, in bits.
        min: u32,
        /// The longest, in bits.
        max: u32,
    },
}

impl Lengths {
    /// Whether a key may have `bits` bits.
    pub fn allow(&self, bits: u32) -> bool {
        match self {
            Self::Listed(lengths) => lengths.contains(&bits),
            Self::Bytes { min, max } => bits.is_multiple_of(8) && (*min..=*max).contains(&bits),
        }
    }
}

/// The maximum length of a generated HMAC key, in bits. HMAC hashes keys that exceed the block of the hash (RFC 2104
/// §2), at most 144 bytes; the bound permits more and rejects a request for gigabytes.
pub const MAX_HMAC_KEY_BITS: u32 = 65_536;

/// The minimum length of a generated HMAC key, in bits. RFC 2104 §3 has no minimum; shorter keys offer no security.
pub const MIN_HMAC_KEY_BITS: u32 = 40;

const HMAC: Lengths = Lengths::Bytes { min: MIN_HMAC_KEY_BITS, max: MAX_HMAC_KEY_BITS };

/// The algorithms that have symmetric keys, with the lengths of their keys. AES of 512 bits is the pair of keys of
/// AES-256 in XTS. 3DES of 112 and 168 bits is 128 and 192 bits without the parity bits.
pub static LENGTHS: &[(CryptographicAlgorithm, Lengths)] = &[
    (Des, Lengths::Listed(&[56, 64])),
    (TripleDes, Lengths::Listed(&[64, 112, 128, 168, 192])),
    (Aes, Lengths::Listed(&[128, 192, 256, 512])),
    (HmacSha1, HMAC),
    (HmacSha224, HMAC),
    (HmacSha256, HMAC),
    (HmacSha384, HMAC),
    (HmacSha512, HMAC),
    (HmacMd5, HMAC),
    (Blowfish, Lengths::Bytes { min: 32, max: 448 }),
    (Camellia, Lengths::Listed(&[128, 192, 256])),
    (Cast5, Lengths::Bytes { min: 40, max: 128 }),
    (Idea, Lengths::Listed(&[128])),
    (Rc4, Lengths::Listed(&[40, 56, 64, 80, 128, 160, 192, 256])),
    (Skipjack, Lengths::Listed(&[80])),
    (ChaCha20, Lengths::Listed(&[256])),
    (ChaCha20Poly1305, Lengths::Listed(&[256])),
    (HmacSha3_224, HMAC),
    (HmacSha3_256, HMAC),
    (HmacSha3_384, HMAC),
    (HmacSha3_512, HMAC),
];

/// Returns the key lengths of an algorithm, or `None` if it has no symmetric keys.
pub fn lengths(algorithm: CryptographicAlgorithm) -> Option<Lengths> {
    LENGTHS.iter().find(|(entry, _)| *entry == algorithm).map(|(_, lengths)| *lengths)
}

/// Returns the length in bytes of a key of `bits` bits.
///
/// # Errors
/// Returns [`Error::Algorithm`] if the algorithm has no symmetric keys, and [`Error::KeyLength`] if it has none of
/// this length. As in PyKMIP, both are Invalid Field.
pub fn byte_length(algorithm: CryptographicAlgorithm, bits: u32) -> Result<usize, Error> {
    let lengths = lengths(algorithm).ok_or(Error::Algorithm { algorithm, purpose: Purpose::Create })?;
    if !lengths.allow(bits) {
        return Err(Error::KeyLength { algorithm, bits });
    }
    // Each byte of a DES key contains a parity bit (FIPS 46-3), which lengths that are multiples of 7 do not count.
    let bits_per_byte = if bits.is_multiple_of(7) && matches!(algorithm, Des | TripleDes) { 7 } else { 8 };
    usize::try_from(bits / bits_per_byte).map_err(|_| Error::KeyLength { algorithm, bits })
}

/// Generates a key of `bits` bits.
///
/// # Errors
/// Returns the errors of [`byte_length`], and [`Error::Random`] if the operating system returns an error.
pub fn generate(algorithm: CryptographicAlgorithm, bits: u32) -> Result<Secret, Error> {
    random::secret(byte_length(algorithm, bits)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key sizes that PyKMIP's library states for the algorithms that PyKMIP creates.
    #[test]
    fn creates_every_length_that_pykmip_creates() {
        let blowfish: Vec<u32> = (32..=448).step_by(8).collect();
        let cast5: Vec<u32> = (40..=128).step_by(8).collect();
        let table: &[(CryptographicAlgorithm, &[u32])] = &[
            (TripleDes, &[64, 128, 192]),
            (Aes, &[128, 192, 256, 512]),
            (Blowfish, &blowfish),
            (Camellia, &[128, 192, 256]),
            (Cast5, &cast5),
            (Idea, &[128]),
            (Rc4, &[40, 56, 64, 80, 128, 160, 192, 256]),
        ];
        for (algorithm, lengths) in table {
            for bits in *lengths {
                let key = generate(*algorithm, *bits).unwrap();
                assert_eq!(key.len() * 8, usize::try_from(*bits).unwrap(), "{algorithm:?} {bits}");
            }
        }
    }

    #[test]
    fn adds_parity_bits_to_des_lengths_without_them() {
        for (algorithm, bits, bytes) in
            [(Des, 56, 8), (Des, 64, 8), (TripleDes, 112, 16), (TripleDes, 168, 24), (TripleDes, 192, 24)]
        {
            assert_eq!(generate(algorithm, bits).unwrap().len(), bytes);
        }
    }

    #[test]
    fn rejects_lengths_that_an_algorithm_does_not_have() {
        for (algorithm, bits) in
            [(Aes, 0), (Aes, 129), (Aes, 64), (TripleDes, 56), (Blowfish, 33), (Blowfish, 456), (Rc4, 48)]
        {
            assert_eq!(generate(algorithm, bits), Err(Error::KeyLength { algorithm, bits }));
        }
        let bits = MAX_HMAC_KEY_BITS + 8;
        assert_eq!(generate(HmacSha256, bits), Err(Error::KeyLength { algorithm: HmacSha256, bits }));
    }

    #[test]
    fn rejects_algorithms_without_symmetric_keys() {
        for algorithm in [Rsa, Ecdsa, Sha3_256, McEliece] {
            assert_eq!(
                generate(algorithm, 2048),
                Err(Error::Algorithm { algorithm, purpose: Purpose::Create })
            );
        }
    }
}
