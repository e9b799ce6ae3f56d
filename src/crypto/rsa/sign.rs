//! RSA signatures: PKCS#1 v1.5 and PSS (RFC 8017 §8).
//!
//! aws-lc-rs signs with SHA-256, SHA-384 and SHA-512 and keys of at least 2048 bits. The package rsa signs with other
//! hashes and shorter keys, with blinding, and verifies all signatures.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, RsaPssSaltLength, RsaSignatureEncoding};
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, Pss};

use super::{PKCS1_OVERHEAD, PrivateKey, PublicKey, ready};
use crate::crypto::hash::{Hash, with_hash};
use crate::crypto::{Error, Parameter, Purpose};

/// A signature scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1,
    /// RSASSA-PSS with a salt length in bytes and one hash for message and mask. Without a salt length, signing uses
    /// the longest salt that fits, as PyKMIP does, and verification accepts the longest and the length of the digest.
    Pss(Option<usize>),
}

/// Signs a digest.
pub(in crate::crypto) fn sign(
    key: &PrivateKey,
    scheme: Scheme,
    hash: Hash,
    hashed: &[u8],
) -> Result<Vec<u8>, Error> {
    let salt = salt(key.bits, scheme, hash)?;
    if hashed.len() != hash.length() {
        return Err(Error::data_length(hashed.len(), hash.length()));
    }
    if let Some((encoding, algorithm)) = aws_algorithms(key.bits, scheme, hash) {
        let failed = Error::Failed(Purpose::Sign);
        let pair = ready::pair(key)?;
        let hashed = digest::Digest::import_less_safe(hashed, algorithm).map_err(|_| failed)?;
        let mut signed = vec![0; pair.public_modulus_len()];
        pair.sign_digest(encoding, &hashed, &mut signed).map_err(|_| failed)?;
        return Ok(signed);
    }
    let key = key.portable(Purpose::Sign)?;
    let signed = with_hash!(hash, <D> => match salt {
        None => key.sign_with_rng(&mut OsRng, pkcs1(hash), hashed),
        Some(salt) => key.sign_with_rng(&mut OsRng, Pss::new_blinded_with_salt::<D>(salt), hashed),
    });
    signed.map_err(|_| Error::Failed(Purpose::Sign))
}

/// Whether the signature of the digest is valid. A signature of another length than the modulus is not (RFC 8017
/// §8.1.2 and §8.2.2); the package rsa finds that only after it made copies of the signature.
pub(crate) fn verify(
    key: &PublicKey,
    scheme: Scheme,
    hash: Hash,
    hashed: &[u8],
    signature: &[u8],
) -> Result<bool, Error> {
    let longest = salt(key.bits, scheme, hash)?;
    let key = key.portable(Purpose::Verify)?;
    if signature.len() != key.size() {
        return Ok(false);
    }
    Ok(with_hash!(hash, <D> => match (longest, scheme) {
        (Some(longest), Scheme::Pss(None)) => [longest, hash.length()]
            .iter()
            .any(|salt| key.verify(Pss::new_with_salt::<D>(*salt), hashed, signature).is_ok()),
        (Some(salt), _) => key.verify(Pss::new_with_salt::<D>(salt), hashed, signature).is_ok(),
        (None, _) => key.verify(pkcs1(hash), hashed, signature).is_ok(),
    }))
}

/// Signs a digest with PKCS#1 v1.5 and without the DigestInfo prefix that names the hash (CKM_RSA_PKCS of PKCS#11).
pub(in crate::crypto) fn sign_unprefixed(key: &PrivateKey, digest: &[u8]) -> Result<Vec<u8>, Error> {
    let key = key.portable(Purpose::Sign)?;
    key.sign_with_rng(&mut OsRng, Pkcs1v15Sign::new_unprefixed(), digest).map_err(|error| match error {
        rsa::Error::MessageTooLong => {
            Error::data_too_long(digest.len(), key.size().saturating_sub(PKCS1_OVERHEAD))
        }
        _ => Error::Failed(Purpose::Sign),
    })
}

/// Whether a signature of [`sign_unprefixed`] is valid.
pub(in crate::crypto) fn verify_unprefixed(
    key: &PublicKey,
    digest: &[u8],
    signature: &[u8],
) -> Result<bool, Error> {
    let key = key.portable(Purpose::Verify)?;
    Ok(signature.len() == key.size() && key.verify(Pkcs1v15Sign::new_unprefixed(), digest, signature).is_ok())
}

/// Returns the length of the salt in bytes, or `None` for PKCS#1 v1.5. The longest is emLen - hLen - 2 (RFC 8017 §9.1.1).
fn salt(bits: u32, scheme: Scheme, hash: Hash) -> Result<Option<usize>, Error> {
    let Scheme::Pss(wanted) = scheme else { return Ok(None) };
    let encoded = usize::try_from(bits.saturating_sub(1).div_ceil(8)).unwrap_or_default();
    let longest = encoded.checked_sub(hash.length() + 2);
    let longest = longest.ok_or(Error::Hash { hash: hash.entry(), purpose: Purpose::Sign })?;
    match wanted {
        Some(wanted) if wanted > longest => Err(Error::range(Parameter::SaltLength, wanted, 0, longest)),
        wanted => Ok(Some(wanted.unwrap_or(longest))),
    }
}

type AwsAlgorithms = (&'static RsaSignatureEncoding, &'static digest::Algorithm);

/// Returns the algorithms of aws-lc-rs, or `None` if it does not support the combination.
fn aws_algorithms(bits: u32, scheme: Scheme, hash: Hash) -> Option<AwsAlgorithms> {
    const MAX: RsaPssSaltLength = RsaPssSaltLength::Max;
    if bits < super::AWS_MIN_BITS {
        return None;
    }
    let digest_length_salt = matches!(scheme, Scheme::Pss(Some(length)) if length == hash.length());
    Some(match (scheme, hash) {
        (Scheme::Pkcs1, Hash::Sha256) => (&signature::RSA_PKCS1_SHA256, &digest::SHA256),
        (Scheme::Pkcs1, Hash::Sha384) => (&signature::RSA_PKCS1_SHA384, &digest::SHA384),
        (Scheme::Pkcs1, Hash::Sha512) => (&signature::RSA_PKCS1_SHA512, &digest::SHA512),
        (Scheme::Pss(None), Hash::Sha256) => {
            (&const { signature::RSA_PSS_SHA256.with_pss_salt_length(MAX) }, &digest::SHA256)
        }
        (Scheme::Pss(None), Hash::Sha384) => {
            (&const { signature::RSA_PSS_SHA384.with_pss_salt_length(MAX) }, &digest::SHA384)
        }
        (Scheme::Pss(None), Hash::Sha512) => {
            (&const { signature::RSA_PSS_SHA512.with_pss_salt_length(MAX) }, &digest::SHA512)
        }
        (_, Hash::Sha256) if digest_length_salt => (&signature::RSA_PSS_SHA256, &digest::SHA256),
        (_, Hash::Sha384) if digest_length_salt => (&signature::RSA_PSS_SHA384, &digest::SHA384),
        (_, Hash::Sha512) if digest_length_salt => (&signature::RSA_PSS_SHA512, &digest::SHA512),
        _ => return None,
    })
}

/// Returns PKCS#1 v1.5 with the DigestInfo prefix of the hash (RFC 8017 §9.2; NIST's identifiers for SHA-3).
fn pkcs1(hash: Hash) -> Pkcs1v15Sign {
    const NIST: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let nist = |last| {
        let mut id = NIST.to_vec();
        id.push(last);
        id
    };
    let id = match hash {
        Hash::Md5 => vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05],
        Hash::Sha1 => vec![0x2b, 0x0e, 0x03, 0x02, 0x1a],
        Hash::Sha224 => nist(4),
        Hash::Sha256 => nist(1),
        Hash::Sha384 => nist(2),
        Hash::Sha512 => nist(3),
        Hash::Sha512_224 => nist(5),
        Hash::Sha512_256 => nist(6),
        Hash::Sha3_224 => nist(7),
        Hash::Sha3_256 => nist(8),
        Hash::Sha3_384 => nist(9),
        Hash::Sha3_512 => nist(10),
    };
    // All lengths are below 128: one byte each.
    let byte = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let (id_length, length) = (byte(id.len()), byte(hash.length()));
    let mut prefix = vec![0x30, id_length + length + 8, 0x30, id_length + 4, 0x06, id_length];
    prefix.extend_from_slice(&id);
    prefix.extend_from_slice(&[0x05, 0x00, 0x04, length]);
    Pkcs1v15Sign { hash_len: Some(hash.length()), prefix: prefix.into_boxed_slice() }
}
