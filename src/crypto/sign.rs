//! Signing and verifying (KMIP 1.4 §4.31 and §4.32, 2.1 §6.1.51 and §6.1.52): finds the scheme that a request's
//! parameters come to and hands the digest to the file of its algorithm.
//!
//! Which key may sign, and which parameters apply where a request is silent, is left to the engine.

use super::hash::Hash;
use super::rsa::{self, PrivateKey, PublicKey, Scheme};
use super::{Error, Key, Parameter, Purpose};
use crate::kmip::enums::{
    CryptographicAlgorithm, DigitalSignatureAlgorithm, HashingAlgorithm, PaddingMethod,
};

/// How something is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The key: private for signing, public for verifying, in any format that its file reads.
    pub key: Key<'a>,
    /// The algorithm and the hash in one.
    pub signature: Option<DigitalSignatureAlgorithm>,
    /// The algorithm; needed where `signature` is absent.
    pub algorithm: Option<CryptographicAlgorithm>,
    /// The hash; needed where `signature` is absent or names none.
    pub hash: Option<HashingAlgorithm>,
    /// The padding; needed by RSA.
    pub padding: Option<PaddingMethod>,
    /// The hash of the mask of PSS: absent, or the same as `hash`.
    pub mask_hash: Option<HashingAlgorithm>,
    /// The length of the salt of PSS, in bytes.
    pub salt_length: Option<usize>,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// Data, which is hashed here.
    Data(&'a [u8]),
    /// Data that has been hashed already.
    Digest(&'a [u8]),
}

impl Message<'_> {
    fn digest(&self, hash: Hash) -> Vec<u8> {
        match self {
            Self::Data(data) => hash.digest(data),
            Self::Digest(digest) => digest.to_vec(),
        }
    }
}

/// Signs `message`.
///
/// # Errors
/// Of the kind Parameters, as PyKMIP has it: no signature algorithm and no algorithm with a hash; an algorithm
/// other than RSA; a key that cannot be read; a padding that is missing or not for signing.
pub fn sign(signing: &Signing<'_>, message: Message<'_>) -> Result<Vec<u8>, Error> {
    let hash = signing.resolve(Purpose::Sign)?;
    let key = PrivateKey::read(signing.key.0, Purpose::Sign)?;
    let scheme = signing.scheme(hash, Purpose::Sign)?;
    rsa::sign(&key, scheme, hash, &message.digest(hash))
}

/// Whether `signature` is the signature of `message`.
///
/// # Errors
/// As for [`sign`], but [`Error::Conflict`] where the signature algorithm and the algorithm or the hash beside
/// it differ, and a key that cannot be read is of the kind Failure.
pub fn verify(signing: &Signing<'_>, message: Message<'_>, signature: &[u8]) -> Result<bool, Error> {
    let one = Parameter::DigitalSignatureAlgorithm;
    if let Some((algorithm, hash)) = signing.signature.and_then(parts) {
        if hash.zip(signing.hash).is_some_and(|(named, beside)| named != beside) {
            return Err(Error::Conflict { one, other: Parameter::HashingAlgorithm });
        }
        if signing.algorithm.is_some_and(|beside| beside != algorithm) {
            return Err(Error::Conflict { one, other: Parameter::CryptographicAlgorithm });
        }
    }
    let hash = signing.resolve(Purpose::Verify)?;
    let scheme = signing.scheme(hash, Purpose::Verify)?;
    let key = PublicKey::read(signing.key.0, Purpose::Verify)?;
    rsa::verify(&key, scheme, hash, &message.digest(hash), signature)
}

impl Signing<'_> {
    /// Judges the algorithm and finds the hash.
    fn resolve(&self, purpose: Purpose) -> Result<Hash, Error> {
        let (algorithm, hash) = match self.signature {
            Some(signature) => {
                let (algorithm, hash) = parts(signature).ok_or(Error::Signature(signature))?;
                (algorithm, hash.or(self.hash))
            }
            None => (self.algorithm.ok_or(Error::Missing(Parameter::CryptographicAlgorithm))?, self.hash),
        };
        if algorithm != CryptographicAlgorithm::Rsa {
            return Err(Error::Algorithm { algorithm, purpose });
        }
        Hash::of(hash.ok_or(Error::Missing(Parameter::HashingAlgorithm))?, purpose)
    }

    fn scheme(&self, hash: Hash, purpose: Purpose) -> Result<Scheme, Error> {
        let padding = match (self.padding, self.signature) {
            (None, Some(DigitalSignatureAlgorithm::RsassaPss)) => PaddingMethod::Pss,
            (padding, _) => padding.ok_or(Error::Missing(Parameter::PaddingMethod))?,
        };
        match padding {
            PaddingMethod::Pkcs1V1_5 => Ok(Scheme::Pkcs1),
            PaddingMethod::Pss if self.mask_hash.is_some_and(|mask| mask != hash.entry()) => {
                let one = Parameter::HashingAlgorithm;
                Err(Error::Conflict { one, other: Parameter::MaskGeneratorHashingAlgorithm })
            }
            PaddingMethod::Pss => Ok(Scheme::Pss(self.salt_length)),
            padding => Err(Error::Padding { padding, purpose }),
        }
    }
}

/// The algorithm and the hash of a signature algorithm; the hash is absent where it is named beside it. None
/// for what is not offered.
const fn parts(
    signature: DigitalSignatureAlgorithm,
) -> Option<(CryptographicAlgorithm, Option<HashingAlgorithm>)> {
    let hash = match signature {
        DigitalSignatureAlgorithm::Md5WithRsaEncryption => Some(HashingAlgorithm::Md5),
        DigitalSignatureAlgorithm::Sha1WithRsaEncryption => Some(HashingAlgorithm::Sha1),
        DigitalSignatureAlgorithm::Sha224WithRsaEncryption => Some(HashingAlgorithm::Sha224),
        DigitalSignatureAlgorithm::Sha256WithRsaEncryption => Some(HashingAlgorithm::Sha256),
        DigitalSignatureAlgorithm::Sha384WithRsaEncryption => Some(HashingAlgorithm::Sha384),
        DigitalSignatureAlgorithm::Sha512WithRsaEncryption => Some(HashingAlgorithm::Sha512),
        DigitalSignatureAlgorithm::Sha3_256WithRsaEncryption => Some(HashingAlgorithm::Sha3_256),
        DigitalSignatureAlgorithm::Sha3_384WithRsaEncryption => Some(HashingAlgorithm::Sha3_384),
        DigitalSignatureAlgorithm::Sha3_512WithRsaEncryption => Some(HashingAlgorithm::Sha3_512),
        DigitalSignatureAlgorithm::RsassaPss => None,
        _ => return None,
    };
    Some((CryptographicAlgorithm::Rsa, hash))
}
