//! Message authentication codes (KMIP 1.4 §4.33 and §4.34, 2.1 §6.1.32 and §6.1.33): HMAC (RFC 2104, FIPS 198-1)
//! with every supported hash, and CMAC (NIST SP 800-38B) with every supported block cipher.
//!
//! ring computes HMAC if it supports the hash, the package hmac otherwise. Codes are compared in constant time.

use aes::cipher::KeyInit;
use aes::cipher::crypto_common::InnerInit;
use hmac::Mac;
use subtle::ConstantTimeEq;

use super::hash::{Absorb, Hash, with_hash};
use super::symmetric::{block_length, with_block_cipher};
use super::{Error, Key, Purpose};
use crate::kmip::enums::CryptographicAlgorithm;

/// Returns the code of `data`: an HMAC for the HMAC algorithms, a CMAC for block ciphers. Its length in bytes is that
/// of the digest or of the block.
///
/// # Errors
/// Returns the errors of [`MacContext::new`].
pub fn compute(algorithm: CryptographicAlgorithm, key: Key<'_>, data: &[u8]) -> Result<Vec<u8>, Error> {
    let mut context = MacContext::new(algorithm, key)?;
    context.update(data);
    Ok(context.finish())
}

/// Whether `code` is the code of `data`.
///
/// # Errors
/// Returns the errors of [`MacContext::new`].
pub fn verify(
    algorithm: CryptographicAlgorithm,
    key: Key<'_>,
    data: &[u8],
    code: &[u8],
) -> Result<bool, Error> {
    Ok(compute(algorithm, key, data)?.ct_eq(code).into())
}

/// A message authentication code over data that arrives in parts.
pub struct MacContext(Box<dyn Absorb>);

impl MacContext {
    /// Starts a code over no data.
    ///
    /// # Errors
    /// Returns [`Error::Algorithm`] if the algorithm has no message authentication code; [`Error::Failed`] for RC4, as
    /// PyKMIP does; [`Error::KeyBytes`] if the key does not fit the block cipher.
    pub fn new(algorithm: CryptographicAlgorithm, key: Key<'_>) -> Result<Self, Error> {
        if let Some(hash) = hash_of(algorithm) {
            return Ok(Self(HmacKey::new(hash, key.0).start()));
        }
        let unsupported = match algorithm {
            CryptographicAlgorithm::Rc4 => Error::Failed(Purpose::Mac),
            _ if block_length(algorithm).is_none() => Error::Algorithm { algorithm, purpose: Purpose::Mac },
            _ => Error::key_bytes(algorithm, key.0),
        };
        with_block_cipher!(
            algorithm, key.0,
            <C, Counter> => {
                let cipher = C::new_from_slice(key.0).map_err(|_| unsupported)?;
                Ok(Self(Box::new(RustCrypto(cmac::Cmac::<C>::from_core(InnerInit::inner_init(cipher))))))
            },
            _ => Err(unsupported)
        )
    }

    /// Adds the next part of the data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.absorb(data);
    }

    /// Returns the code of all parts.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish()
    }

    /// Whether `code` is the code of all parts.
    pub fn verify(self, code: &[u8]) -> bool {
        self.finish().ct_eq(code).into()
    }
}

impl Absorb for ring::hmac::Context {
    fn absorb(&mut self, data: &[u8]) {
        self.update(data);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.sign().as_ref().to_vec()
    }
}

/// A code that a RustCrypto package computes.
struct RustCrypto<M>(M);

impl<M: Mac + Send> Absorb for RustCrypto<M> {
    fn absorb(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().into_bytes().to_vec()
    }
}

/// Returns the HMAC algorithm of ring, or `None` if ring does not support the hash.
fn ring_hmac(hash: Hash) -> Option<ring::hmac::Algorithm> {
    match hash {
        Hash::Sha1 => Some(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        Hash::Sha256 => Some(ring::hmac::HMAC_SHA256),
        Hash::Sha384 => Some(ring::hmac::HMAC_SHA384),
        Hash::Sha512 => Some(ring::hmac::HMAC_SHA512),
        _ => None,
    }
}

/// Returns the hash of an HMAC algorithm, or `None` for other algorithms.
pub const fn hash_of(algorithm: CryptographicAlgorithm) -> Option<Hash> {
    Some(match algorithm {
        CryptographicAlgorithm::HmacMd5 => Hash::Md5,
        CryptographicAlgorithm::HmacSha1 => Hash::Sha1,
        CryptographicAlgorithm::HmacSha224 => Hash::Sha224,
        CryptographicAlgorithm::HmacSha256 => Hash::Sha256,
        CryptographicAlgorithm::HmacSha384 => Hash::Sha384,
        CryptographicAlgorithm::HmacSha512 => Hash::Sha512,
        CryptographicAlgorithm::HmacSha3_224 => Hash::Sha3_224,
        CryptographicAlgorithm::HmacSha3_256 => Hash::Sha3_256,
        CryptographicAlgorithm::HmacSha3_384 => Hash::Sha3_384,
        CryptographicAlgorithm::HmacSha3_512 => Hash::Sha3_512,
        _ => return None,
    })
}

/// An HMAC key for the codes of many messages.
pub(super) struct HmacKey<'a> {
    hash: Hash,
    key: &'a [u8],
    ring: Option<ring::hmac::Key>,
}

impl<'a> HmacKey<'a> {
    pub(super) fn new(hash: Hash, key: &'a [u8]) -> Self {
        let ring = ring_hmac(hash).map(|algorithm| ring::hmac::Key::new(algorithm, key));
        Self { hash, key, ring }
    }

    fn start(&self) -> Box<dyn Absorb> {
        if let Some(key) = &self.ring {
            return Box::new(ring::hmac::Context::with_key(key));
        }
        with_hash!(self.hash, <D> => {
            let mac = <hmac::Hmac<D> as Mac>::new_from_slice(self.key).expect("HMAC takes keys of any length");
            Box::new(RustCrypto(mac))
        })
    }

    /// Returns the code of the concatenated parts.
    pub(super) fn compute(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut context = self.start();
        parts.iter().for_each(|part| context.absorb(part));
        context.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test::hex;
    use crate::kmip::enums::CryptographicAlgorithm::*;

    fn key(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from((37 * at + 11) % 256).unwrap()).collect()
    }

    /// Algorithm, key length in bytes, code: from PyKMIP 0.11 with Python's cryptography 50; SHA-3 from Python's
    /// hmac.
    const CODES: &[(CryptographicAlgorithm, usize, &str)] = &[
        (HmacMd5, 20, "314b6bbcde843242525873da68b5e447"),
        (HmacMd5, 200, "d84570018f668bb3fcfe7ee29baa1b3b"),
        (HmacSha1, 20, "f3f3eef3209d3dbdf955e6020b329bdc688f5616"),
        (HmacSha1, 200, "bfe64788aa3f2093af0741f7aba018794288a4c2"),
        (HmacSha224, 20, "4bb163d85dcc21de4f1f58133b76b577bad9ce0330ea4bf2920c51b8"),
        (HmacSha224, 200, "7557586c114a5efe0185d1b6a0f90d8fd148a5445c61ca72ed195796"),
        (HmacSha256, 20, "8c24aa84847edaed34bcb26c506aa4f713eee68071a2df9a8cda61318d9e876c"),
        (HmacSha256, 200, "8a163e492de1fa4e86b3852442810466697449764b358ba143d1415e6efc967a"),
        (
            HmacSha384,
            20,
            "222c5cf27537ad83858b5e38313c85241f41dda0aa37c51b15b507d6ee8a05330dfc7ced7b3e0b67c6dc67da4d7c64d0",
        ),
        (
            HmacSha384,
            200,
            "e2779801d479c6065c7eeb5fb6db16cc303c2495e3f3d6c8dc4b16ac7abaa797903d1cb1c9e34801026fde4435fd9ce5",
        ),
        (
            HmacSha512,
            20,
            "db39c77fa74b341665d5afd5df7a4ede5cd28f73edf566e9525df6d7b3606248953f3cc3f0f120f9ddbf685f8734ae6ecbbcf63baf1a7a03f5ad98fe51f77ce0",
        ),
        (
            HmacSha512,
            200,
            "0c7d5f06de0f2666d0f69822519da725a37b28b102f63d8dabd74ea15aab17cdfade4fe87a12b5e8c15b002d376519a1ac796daaf2d05ee032af1feb5ae4c197",
        ),
        (HmacSha3_224, 200, "0bd4f35d7763a32f9dcf544e5b4845d143baebb41e2714d60b83b084"),
        (HmacSha3_256, 200, "8fecbb8c5469214ea5b60bd7eac4813db7c1364a8dd3aa8f87851e85f7c53380"),
        (
            HmacSha3_384,
            200,
            "8c6507ff1bedc55594aa227d916ac32520a0201ab313a0ae137a26cb4ff9987be964219b9aec2df06fd8713c5e514765",
        ),
        (
            HmacSha3_512,
            200,
            "764a4c039385e2f51d04376ccd0900c96fdc0f10f05b8cb0a63bb36c09542d0abee2c3e0d8399be8b77a6847cff187199fe833927a223c820cea1e17155e1647",
        ),
        (TripleDes, 8, "8d9129e033565394"),
        (TripleDes, 16, "223ff4327d5f5fb1"),
        (TripleDes, 24, "ac5ecb710a02fd9f"),
        (Aes, 16, "5ef792a82d6c7637166c16c67a4c21dc"),
        (Aes, 24, "22791ce3290246dd310d50c447348541"),
        (Aes, 32, "2a7aadb6558f80d79c4fa4c1d15f27c7"),
        (Blowfish, 4, "b873483ba74a1337"),
        (Blowfish, 16, "59501189e3df384c"),
        (Blowfish, 56, "3856fb0e7ff686a0"),
        (Camellia, 16, "c0b76e10040bba4e4b267f7ced201360"),
        (Camellia, 24, "17b8abbf01ef3f9a103e1b97d60e1f66"),
        (Camellia, 32, "74a4301bffde59c802d128c82c57a4b2"),
        (Cast5, 5, "4bf3afe318579e45"),
        (Cast5, 16, "a45e254a03143828"),
        (Idea, 16, "ed71e3189f8e9bf3"),
    ];

    #[test]
    fn codes_agree_with_pykmip_for_every_algorithm() {
        for (algorithm, length, code) in CODES {
            let (key, code) = (key(*length), hex(code));
            let data = b"twenty bytes of text";
            assert_eq!(compute(*algorithm, Key(&key), data), Ok(code.clone()), "{algorithm:?} {length}");
            assert_eq!(verify(*algorithm, Key(&key), data, &code), Ok(true));
            assert_eq!(verify(*algorithm, Key(&key), b"other", &code), Ok(false));
            assert_eq!(verify(*algorithm, Key(&key), data, &code[1..]), Ok(false));
            let context = || {
                let mut context = MacContext::new(*algorithm, Key(&key)).unwrap();
                data.chunks(7).for_each(|part| context.update(part));
                context
            };
            assert_eq!(context().finish(), code, "{algorithm:?} {length}");
            assert!(context().verify(&code) && !context().verify(&code[1..]));
        }
    }

    /// RFC 4231 §4.3, RFC 2202 §2 and §3, test case 2.
    #[test]
    fn hmac_agrees_with_its_rfcs() {
        for (algorithm, code) in [
            (HmacMd5, "750c783e6ab0b503eaa86e310a5db738"),
            (HmacSha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (HmacSha224, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
            (HmacSha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ] {
            assert_eq!(compute(algorithm, Key(b"Jefe"), b"what do ya want for nothing?"), Ok(hex(code)));
        }
    }

    /// NIST SP 800-38B appendix D.1, examples 1 and 2.
    #[test]
    fn cmac_agrees_with_nist_sp_800_38b() {
        let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
        let block = hex("6bc1bee22e409f96e93d7e117393172a");
        assert_eq!(compute(Aes, Key(&key), b""), Ok(hex("bb1d6929e95937287fa37d129b756746")));
        assert_eq!(compute(Aes, Key(&key), &block), Ok(hex("070a16b46b4d4144f79bdd9dd04a287c")));
    }

    #[test]
    fn rejects_algorithms_and_keys_without_a_code() {
        assert_eq!(
            compute(Rsa, Key(b""), b""),
            Err(Error::Algorithm { algorithm: Rsa, purpose: Purpose::Mac })
        );
        assert_eq!(compute(Rc4, Key(&key(16)), b""), Err(Error::Failed(Purpose::Mac)));
        assert_eq!(compute(Aes, Key(b"short"), b""), Err(Error::KeyBytes { algorithm: Aes, bits: 40 }));
        for (algorithm, key) in [(Rsa, &b""[..]), (Rc4, &key(16)), (Aes, b"short")] {
            assert_eq!(MacContext::new(algorithm, Key(key)).err(), compute(algorithm, Key(key), b"").err());
        }
    }
}
