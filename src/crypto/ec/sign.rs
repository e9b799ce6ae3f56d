//! Signatures: ECDSA (FIPS 186-5 §6), DER of r and s (RFC 3279 §2.2.3), and Ed25519 (RFC 8032 §5.1).
//!
//! aws-lc-rs signs with the hashes that it pairs with a curve, in constant time; every other pair goes through the
//! curve's own package. Verifying has nothing to hide: the packages do it.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, UnparsedPublicKey};
use rsa::rand_core::OsRng;

use super::curve::with_curve;
use super::{Curve, PrivateKey, PublicKey};
use crate::crypto::hash::{Hash, SignatureInput};
use crate::crypto::{Error, Parameter, Purpose};

/// Signs. Data has to come with its hash; a digest may come without.
pub(in crate::crypto) fn sign(
    key: &PrivateKey,
    hash: Option<Hash>,
    message: SignatureInput<'_>,
) -> Result<Vec<u8>, Error> {
    let failed = Error::Failed(Purpose::Sign);
    let curve = key.curve();
    if curve == Curve::Ed25519 {
        let pair = Ed25519KeyPair::from_seed_unchecked(key.scalar().expose()).map_err(|_| failed)?;
        return Ok(pair.sign(bare(message)?).as_ref().to_vec());
    }
    let hashed = hashed(hash, message)?;
    if let Some((algorithm, digest)) = hash.and_then(|hash| fast(curve, hash))
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

/// Whether the signature is right. A signature that cannot be read is not.
pub(in crate::crypto) fn verify(
    key: &PublicKey,
    hash: Option<Hash>,
    message: SignatureInput<'_>,
    signature: &[u8],
) -> Result<bool, Error> {
    let curve = key.curve();
    if curve == Curve::Ed25519 {
        let key = UnparsedPublicKey::new(&signature::ED25519, key.point());
        return Ok(key.verify(bare(message)?, signature).is_ok());
    }
    let unreadable = Error::Failed(Purpose::Verify);
    let hashed = padded(curve, hashed(hash, message)?);
    let right = with_curve!(curve, c => {
        use c::ecdsa::signature::hazmat::PrehashVerifier;
        let key = c::ecdsa::VerifyingKey::from_sec1_bytes(key.point()).map_err(|_| unreadable)?;
        Some(c::ecdsa::Signature::from_der(signature).is_ok_and(|signature| {
            // secp256k1's package takes the lower of the two values of s only; both are right.
            let signature = signature.normalize_s().unwrap_or(signature);
            key.verify_prehash(&hashed, &signature).is_ok()
        }))
    });
    right.ok_or(Error::Curve { curve: curve.entry(), purpose: Purpose::Verify })
}

/// Ed25519 hashes the whole message itself, twice: a digest in its place cannot be taken.
fn bare(message: SignatureInput<'_>) -> Result<&[u8], Error> {
    match message {
        SignatureInput::Data(data) => Ok(data),
        SignatureInput::Digest(_) => Err(Error::Unexpected(Parameter::DigestedData)),
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

/// A digest shorter than the field, with zeros before it: the same number (FIPS 186-5 §6.4.1), and the packages
/// refuse less than half a field.
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

/// The curve and the hash in aws-lc-rs, where it has the pair.
fn fast(curve: Curve, hash: Hash) -> Option<(&'static EcdsaSigningAlgorithm, &'static digest::Algorithm)> {
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
