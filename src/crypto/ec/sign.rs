//! Signatures: ECDSA (FIPS 186-5 §6) as DER of r and s (RFC 3279 §2.2.3), and Ed25519 (RFC 8032 §5.1).
//!
//! aws-lc-rs signs in constant time with the combinations of curve and hash that it supports, the RustCrypto package of
//! the curve with the others. The RustCrypto packages verify ECDSA, because verification uses no secrets.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, UnparsedPublicKey};
use rsa::rand_core::OsRng;

use super::curve::with_curve;
use super::{Curve, PrivateKey, PublicKey};
use crate::crypto::hash::{Hash, SignatureInput};
use crate::crypto::{Error, Parameter, Purpose};

/// Signs `message`. Data without a hash is hashed with that of the curve.
pub(in crate::crypto) fn sign(
    key: &PrivateKey,
    hash: Option<Hash>,
    message: SignatureInput<'_>,
) -> Result<Vec<u8>, Error> {
    let failed = Error::Failed(Purpose::Sign);
    let curve = key.curve();
    if curve == Curve::Ed25519 {
        let pair = Ed25519KeyPair::from_seed_unchecked(key.scalar().expose()).map_err(|_| failed)?;
        return Ok(pair.sign(whole_message(message)?).as_ref().to_vec());
    }
    let hash = hash.or_else(|| curve_hash(curve, message));
    let hashed = hashed(hash, message)?;
    if let Some((algorithm, digest)) = hash.and_then(|hash| aws_algorithms(curve, hash))
        && let Ok(digest) = digest::Digest::import_less_safe(&hashed, digest)
    {
        let public = key.public()?;
        let scalar = key.scalar().expose();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, public.point());
        let signed = pair.map_err(|_| failed)?.sign_digest(&digest).map_err(|_| failed)?;
        return Ok(signed.as_ref().to_vec());
    }
    let hashed = padded(curve, hashed);
    let signed = with_curve!(curve, c => {
        use c::ecdsa::signature::hazmat::RandomizedPrehashSigner;
        let key = c::ecdsa::SigningKey::from_slice(key.scalar().expose()).map_err(|_| failed)?;
        let signature: c::ecdsa::Signature =
            key.sign_prehash_with_rng(&mut OsRng, &hashed).map_err(|_| failed)?;
        Some(signature.to_der().as_bytes().to_vec())
    });
    signed.ok_or(Error::Curve { curve: curve.entry(), purpose: Purpose::Sign })
}

/// Whether the signature is valid. A malformed signature is not.
pub(crate) fn verify(
    key: &PublicKey,
    hash: Option<Hash>,
    message: SignatureInput<'_>,
    signature: &[u8],
) -> Result<bool, Error> {
    let curve = key.curve();
    if curve == Curve::Ed25519 {
        let key = UnparsedPublicKey::new(&signature::ED25519, key.point());
        return Ok(key.verify(whole_message(message)?, signature).is_ok());
    }
    let unreadable = Error::Failed(Purpose::Verify);
    let hash = hash.or_else(|| curve_hash(curve, message));
    let hashed = padded(curve, hashed(hash, message)?);
    let valid = with_curve!(curve, c => {
        use c::ecdsa::signature::hazmat::PrehashVerifier;
        let key = c::ecdsa::VerifyingKey::from_sec1_bytes(key.point()).map_err(|_| unreadable)?;
        Some(c::ecdsa::Signature::from_der(signature).is_ok_and(|signature| {
            // The package k256 accepts only the lower of the two valid values of s.
            let signature = signature.normalize_s().unwrap_or(signature);
            key.verify_prehash(&hashed, &signature).is_ok()
        }))
    });
    valid.ok_or(Error::Curve { curve: curve.entry(), purpose: Purpose::Verify })
}

/// Returns the data for Ed25519, which hashes the whole message twice and therefore does not support digests.
fn whole_message(message: SignatureInput<'_>) -> Result<&[u8], Error> {
    match message {
        SignatureInput::Data(data) => Ok(data),
        SignatureInput::Digest(_) => Err(Error::Unexpected(Parameter::DigestedData)),
    }
}

/// Returns the hash for data whose request names none: the one of the security strength of the curve (FIPS 186-5 §6.1.1).
/// A digest needs none.
fn curve_hash(curve: Curve, message: SignatureInput<'_>) -> Option<Hash> {
    match (message, curve) {
        (SignatureInput::Digest(_), _) | (_, Curve::X25519 | Curve::Ed25519) => None,
        (_, Curve::P224) => Some(Hash::Sha224),
        (_, Curve::P256 | Curve::Secp256k1) => Some(Hash::Sha256),
        (_, Curve::P384) => Some(Hash::Sha384),
        (_, Curve::P521) => Some(Hash::Sha512),
    }
}

fn hashed(hash: Option<Hash>, message: SignatureInput<'_>) -> Result<Vec<u8>, Error> {
    match (message, hash) {
        (SignatureInput::Data(data), Some(hash)) => Ok(hash.digest(data)),
        (SignatureInput::Data(_), None) => Err(Error::Missing(Parameter::HashingAlgorithm)),
        (SignatureInput::Digest(digest), Some(hash)) if digest.len() != hash.length() => {
            Err(Error::data_length(digest.len(), hash.length()))
        }
        (SignatureInput::Digest([]), None) => Err(Error::Missing(Parameter::DigestedData)),
        (SignatureInput::Digest(digest), _) => Ok(digest.to_vec()),
    }
}

/// Adds leading zeros to a digest shorter than the field. The number is the same (FIPS 186-5 §6.4.1), and the packages
/// reject digests shorter than half the field.
fn padded(curve: Curve, digest: Vec<u8>) -> Vec<u8> {
    match curve.field_bytes().checked_sub(digest.len()) {
        None | Some(0) => digest,
        Some(missing) => {
            let mut padded = vec![0; missing];
            padded.extend_from_slice(&digest);
            padded
        }
    }
}

/// Returns the algorithms of aws-lc-rs, or `None` if it does not combine the curve with the hash.
fn aws_algorithms(
    curve: Curve,
    hash: Hash,
) -> Option<(&'static EcdsaSigningAlgorithm, &'static digest::Algorithm)> {
    Some(match (curve, hash) {
        (Curve::P256, Hash::Sha256) => (&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &digest::SHA256),
        (Curve::P384, Hash::Sha384) => (&signature::ECDSA_P384_SHA384_ASN1_SIGNING, &digest::SHA384),
        (Curve::P521, Hash::Sha256) => (&signature::ECDSA_P521_SHA256_ASN1_SIGNING, &digest::SHA256),
        (Curve::P521, Hash::Sha384) => (&signature::ECDSA_P521_SHA384_ASN1_SIGNING, &digest::SHA384),
        (Curve::P521, Hash::Sha512) => (&signature::ECDSA_P521_SHA512_ASN1_SIGNING, &digest::SHA512),
        (Curve::Secp256k1, Hash::Sha256) => (&signature::ECDSA_P256K1_SHA256_ASN1_SIGNING, &digest::SHA256),
        _ => return None,
    })
}
