//! Message digests (FIPS 180-4, FIPS 202, RFC 1321). ring computes a hash if it supports it, a RustCrypto package
//! otherwise.

use sha2::Digest;

use super::{Error, Purpose};
use crate::kmip::enums::HashingAlgorithm;

/// Evaluates `$body` with `$D` as RustCrypto's type of the hash.
macro_rules! with_hash {
    ($hash:expr, <$D:ident> => $body:expr) => {{
        macro_rules! with {
            ($Type:ty) => {{
                type $D = $Type;
                $body
            }};
        }
        match $hash {
            $crate::crypto::hash::Hash::Md5 => with!(md5::Md5),
            $crate::crypto::hash::Hash::Sha1 => with!(sha1::Sha1),
            $crate::crypto::hash::Hash::Sha224 => with!(sha2::Sha224),
            $crate::crypto::hash::Hash::Sha256 => with!(sha2::Sha256),
            $crate::crypto::hash::Hash::Sha384 => with!(sha2::Sha384),
            $crate::crypto::hash::Hash::Sha512 => with!(sha2::Sha512),
            $crate::crypto::hash::Hash::Sha512_224 => with!(sha2::Sha512_224),
            $crate::crypto::hash::Hash::Sha512_256 => with!(sha2::Sha512_256),
            $crate::crypto::hash::Hash::Sha3_224 => with!(sha3::Sha3_224),
            $crate::crypto::hash::Hash::Sha3_256 => with!(sha3::Sha3_256),
            $crate::crypto::hash::Hash::Sha3_384 => with!(sha3::Sha3_384),
            $crate::crypto::hash::Hash::Sha3_512 => with!(sha3::Sha3_512),
        }
    }};
}

pub(crate) use with_hash;

/// A supported hash algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the algorithms")]
pub enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512_224,
    Sha512_256,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

impl Hash {
    /// Every hash, in the order of KMIP's Hashing Algorithm enumeration.
    #[cfg(test)]
    pub(crate) const ALL: &'static [Self] = &[
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha512_224,
        Self::Sha512_256,
        Self::Sha3_224,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// Converts KMIP's Hashing Algorithm; `purpose` appears in the error.
    ///
    /// # Errors
    /// Returns [`Error::Hash`] for MD2, MD4, RIPEMD-160, Tiger and Whirlpool.
    pub const fn of(hash: HashingAlgorithm, purpose: Purpose) -> Result<Self, Error> {
        Ok(match hash {
            HashingAlgorithm::Md5 => Self::Md5,
            HashingAlgorithm::Sha1 => Self::Sha1,
            HashingAlgorithm::Sha224 => Self::Sha224,
            HashingAlgorithm::Sha256 => Self::Sha256,
            HashingAlgorithm::Sha384 => Self::Sha384,
            HashingAlgorithm::Sha512 => Self::Sha512,
            HashingAlgorithm::Sha512_224 => Self::Sha512_224,
            HashingAlgorithm::Sha512_256 => Self::Sha512_256,
            HashingAlgorithm::Sha3_224 => Self::Sha3_224,
            HashingAlgorithm::Sha3_256 => Self::Sha3_256,
            HashingAlgorithm::Sha3_384 => Self::Sha3_384,
            HashingAlgorithm::Sha3_512 => Self::Sha3_512,
            HashingAlgorithm::Md2
            | HashingAlgorithm::Md4
            | HashingAlgorithm::Ripemd160
            | HashingAlgorithm::Tiger
            | HashingAlgorithm::Whirlpool => return Err(Error::Hash { hash, purpose }),
        })
    }

    /// Returns KMIP's Hashing Algorithm.
    pub const fn entry(self) -> HashingAlgorithm {
        match self {
            Self::Md5 => HashingAlgorithm::Md5,
            Self::Sha1 => HashingAlgorithm::Sha1,
            Self::Sha224 => HashingAlgorithm::Sha224,
            Self::Sha256 => HashingAlgorithm::Sha256,
            Self::Sha384 => HashingAlgorithm::Sha384,
            Self::Sha512 => HashingAlgorithm::Sha512,
            Self::Sha512_224 => HashingAlgorithm::Sha512_224,
            Self::Sha512_256 => HashingAlgorithm::Sha512_256,
            Self::Sha3_224 => HashingAlgorithm::Sha3_224,
            Self::Sha3_256 => HashingAlgorithm::Sha3_256,
            Self::Sha3_384 => HashingAlgorithm::Sha3_384,
            Self::Sha3_512 => HashingAlgorithm::Sha3_512,
        }
    }

    /// Returns the length of a digest, in bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha512_224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha512_256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// Returns the digest of `data`.
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        let ring = |algorithm| ring::digest::digest(algorithm, data).as_ref().to_vec();
        match self {
            Self::Md5 => md5::Md5::digest(data).to_vec(),
            Self::Sha1 => ring(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha224 => sha2::Sha224::digest(data).to_vec(),
            Self::Sha256 => ring(&ring::digest::SHA256),
            Self::Sha384 => ring(&ring::digest::SHA384),
            Self::Sha512 => ring(&ring::digest::SHA512),
            Self::Sha512_224 => sha2::Sha512_224::digest(data).to_vec(),
            Self::Sha512_256 => ring(&ring::digest::SHA512_256),
            Self::Sha3_224 => sha3::Sha3_224::digest(data).to_vec(),
            Self::Sha3_256 => sha3::Sha3_256::digest(data).to_vec(),
            Self::Sha3_384 => sha3::Sha3_384::digest(data).to_vec(),
            Self::Sha3_512 => sha3::Sha3_512::digest(data).to_vec(),
        }
    }
}

/// The data to be signed, or its digest.
#[derive(Clone, Copy, Debug)]
pub enum SignatureInput<'a> {
    /// Data, which is hashed before it is signed.
    Data(&'a [u8]),
    /// The digest of the data.
    Digest(&'a [u8]),
}

impl SignatureInput<'_> {
    /// Returns the digest, computed with `hash` if this is data.
    pub(super) fn digest(&self, hash: Hash) -> Vec<u8> {
        match self {
            Self::Data(data) => hash.digest(data),
            Self::Digest(digest) => digest.to_vec(),
        }
    }
}

/// A digest or a message authentication code in progress.
pub(super) trait Absorb: Send {
    fn absorb(&mut self, data: &[u8]);

    fn finish(self: Box<Self>) -> Vec<u8>;
}

impl Absorb for ring::digest::Context {
    fn absorb(&mut self, data: &[u8]) {
        self.update(data);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        (*self).finish().as_ref().to_vec()
    }
}

/// A digest that a RustCrypto package computes.
struct RustCrypto<D>(D);

impl<D: Digest + Send> Absorb for RustCrypto<D> {
    fn absorb(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

/// A digest of data that arrives in parts.
pub struct Hasher(Box<dyn Absorb>);

impl Hasher {
    /// Starts a digest over no data.
    pub fn new(hash: Hash) -> Self {
        let ring = match hash {
            Hash::Sha1 => Some(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY),
            Hash::Sha256 => Some(&ring::digest::SHA256),
            Hash::Sha384 => Some(&ring::digest::SHA384),
            Hash::Sha512 => Some(&ring::digest::SHA512),
            Hash::Sha512_256 => Some(&ring::digest::SHA512_256),
            _ => None,
        };
        match ring {
            Some(algorithm) => Self(Box::new(ring::digest::Context::new(algorithm))),
            None => with_hash!(hash, <D> => Self(Box::new(RustCrypto(D::new())))),
        }
    }

    /// Adds the next part of the data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.absorb(data);
    }

    /// Returns the digest of all parts.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish()
    }
}

/// Returns the digest of `data` (KMIP 1.4 §3.17 and §4.37, 2.1 §6.1.24).
///
/// # Errors
/// Returns [`Error::Hash`] if the hash is not supported.
pub fn digest(hash: HashingAlgorithm, data: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(Hash::of(hash, Purpose::Hash)?.digest(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test::hex;

    /// RFC 1321 A.5 and the examples of FIPS 180-4 and FIPS 202 for "abc".
    #[test]
    fn digests_agree_with_their_standards() {
        let expected = [
            "900150983cd24fb0d6963f7d28e17f72",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
            "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
            "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        ];
        assert_eq!(expected.len(), Hash::ALL.len());
        for (hash, digest) in Hash::ALL.iter().zip(expected) {
            assert_eq!(hash.digest(b"abc"), hex(digest), "{hash:?}");
        }
    }

    #[test]
    fn length_equals_that_of_the_digest() {
        for hash in Hash::ALL {
            assert_eq!(hash.digest(b"").len(), hash.length(), "{hash:?}");
            assert_eq!(Hash::of(hash.entry(), Purpose::Hash), Ok(*hash));
        }
    }

    #[test]
    fn multi_part_digest_equals_one_shot_digest() {
        for hash in Hash::ALL {
            let mut parts = Hasher::new(*hash);
            for part in [&b"a"[..], b"", b"bc"] {
                parts.update(part);
            }
            assert_eq!(parts.finish(), hash.digest(b"abc"), "{hash:?}");
        }
    }

    #[test]
    fn rejects_unsupported_hashes() {
        let offered = HashingAlgorithm::ALL.iter().filter(|hash| digest(**hash, b"").is_ok()).count();
        assert_eq!(offered, Hash::ALL.len());
        let hash = HashingAlgorithm::Md2;
        assert_eq!(digest(hash, b""), Err(Error::Hash { hash, purpose: Purpose::Hash }));
    }
}
