//! Elliptic curves: key generation and key agreement (SEC 1, RFC 7748), key formats and signatures.
//!
//! aws-lc-rs performs private-key operations in constant time on the curves that it supports. The RustCrypto packages
//! decode and encode points, and implement P-224, ECDH on secp256k1, and ECDSA with the hashes that aws-lc-rs does not
//! combine with a curve.

mod curve;
mod key;
mod sign;

use aws_lc_rs::agreement::{self, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin, EcPrivateKeyBin};
use aws_lc_rs::signature::Ed25519KeyPair;
use zeroize::Zeroizing;

use super::{Error, Purpose, random};
use crate::secret::Secret;

pub use curve::Curve;
pub use key::{PrivateKey, PublicKey};
pub(super) use sign::sign;
pub(crate) use sign::verify;

use curve::with_curve;

/// Generates a private key, from which [`PrivateKey::public`] computes the public key.
///
/// # Errors
/// Returns [`Error::Failed`] if the library returns an error.
pub fn generate(curve: Curve) -> Result<PrivateKey, Error> {
    let failed = Error::Failed(Purpose::CreateKeyPair);
    if let Some(algorithm) = aws_agreement(curve) {
        let key = agreement::PrivateKey::generate(algorithm).map_err(|_| failed)?;
        let scalar = if curve == Curve::X25519 {
            let seed: Curve25519SeedBin<'_> = key.as_be_bytes().map_err(|_| failed)?;
            Secret::new(seed.as_ref().to_vec())
        } else {
            let number: EcPrivateKeyBin<'_> = key.as_be_bytes().map_err(|_| failed)?;
            Secret::new(number.as_ref().to_vec())
        };
        return PrivateKey::from_scalar(curve, scalar.expose(), Purpose::CreateKeyPair);
    }
    if curve == Curve::Ed25519 {
        let key = Ed25519KeyPair::generate().map_err(|_| failed)?;
        let seed = key.seed().map_err(|_| failed)?;
        let bytes: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(|_| failed)?;
        return PrivateKey::from_scalar(curve, bytes.as_ref(), Purpose::CreateKeyPair);
    }
    // Rejection sampling (FIPS 186-5 §A.2.2): on these curves, nearly every number is less than the order.
    for _ in 0..MAX_SAMPLES {
        let candidate = random::secret(curve.field_bytes())?;
        if let Ok(key) = PrivateKey::from_scalar(curve, candidate.expose(), Purpose::CreateKeyPair) {
            return Ok(key);
        }
    }
    Err(failed)
}

/// The maximum number of samples for a private key. More are a sign of a broken random number generator.
const MAX_SAMPLES: usize = 64;

/// Computes the shared secret of a key agreement: the x coordinate, big-endian and as long as the field (SEC 1 §3.3.1), or
/// the 32 bytes of X25519 (RFC 7748 §6.1).
///
/// # Errors
/// Returns [`Error::Curve`] if the keys are on different curves or on Ed25519, and [`Error::Failed`] if the public point
/// is not suitable.
pub fn agree(private: &PrivateKey, public: &PublicKey) -> Result<Secret, Error> {
    let (curve, purpose) = (private.curve(), Purpose::Derive);
    if curve == Curve::Ed25519 || curve != public.curve() {
        return Err(Error::Curve { curve: public.curve().entry(), purpose });
    }
    let failed = Error::Failed(purpose);
    if let Some(algorithm) = aws_agreement(curve) {
        let own = agreement::PrivateKey::from_private_key(algorithm, private.scalar().expose())
            .map_err(|_| failed)?;
        let peer = UnparsedPublicKey::new(algorithm, public.point());
        return agreement::agree(&own, peer, failed, |secret| Ok(Secret::new(secret.to_vec())));
    }
    let agreed = with_curve!(curve, c => {
        let own = c::SecretKey::from_slice(private.scalar().expose()).map_err(|_| failed)?;
        let peer = c::PublicKey::from_sec1_bytes(public.point()).map_err(|_| failed)?;
        let secret = c::ecdh::diffie_hellman(own.to_nonzero_scalar(), peer.as_affine());
        Some(Zeroizing::new(secret.raw_secret_bytes().to_vec()))
    });
    agreed.map(|mut secret| Secret::new(std::mem::take(&mut *secret))).ok_or(failed)
}

/// Returns the key agreement algorithm of aws-lc-rs, or `None` if it does not support the curve.
fn aws_agreement(curve: Curve) -> Option<&'static agreement::Algorithm> {
    match curve {
        Curve::P256 => Some(&agreement::ECDH_P256),
        Curve::P384 => Some(&agreement::ECDH_P384),
        Curve::P521 => Some(&agreement::ECDH_P521),
        Curve::X25519 => Some(&agreement::X25519),
        Curve::P224 | Curve::Secp256k1 | Curve::Ed25519 => None,
    }
}

#[cfg(test)]
mod tests;
