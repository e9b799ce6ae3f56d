//! Elliptic curves: making keys and agreeing on secrets (SEC 1, RFC 7748); the formats of keys and signatures
//! have files of their own.
//!
//! What works on a private key goes through aws-lc-rs wherever it has the curve, in constant time. The packages of
//! the curves read and write points, and do what aws-lc-rs does not: all of P-224, ECDH on secp256k1, and hashes
//! that it does not sign a curve with.

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
pub(super) use sign::{sign, verify};

use curve::with_curve;

/// Makes a private key; its public half follows from it.
///
/// # Errors
/// [`Error::Failed`] where the library could not.
pub fn generate(curve: Curve) -> Result<PrivateKey, Error> {
    let failed = Error::Failed(Purpose::CreateKeyPair);
    if let Some(algorithm) = fast_agreement(curve) {
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
    // FIPS 186-5 A.2.2: numbers are drawn until one is below the order; on these curves nearly every one is.
    for _ in 0..DRAWS {
        let candidate = random::secret(curve.field_bytes())?;
        if let Ok(key) = PrivateKey::from_scalar(curve, candidate.expose(), Purpose::CreateKeyPair) {
            return Ok(key);
        }
    }
    Err(failed)
}

/// How often a private key is drawn before the source of random bytes counts as broken.
const DRAWS: usize = 64;

/// The secret that both owners of a key come to: the x coordinate (SEC 1 §3.3.1), or what X25519 gives
/// (RFC 7748 §6.1).
///
/// # Errors
/// [`Error::Curve`] for keys that do not agree (Ed25519 signs only), or are on two curves;
/// [`Error::Failed`] where the point is none to agree with.
pub fn agree(private: &PrivateKey, public: &PublicKey) -> Result<Secret, Error> {
    let (curve, purpose) = (private.curve(), Purpose::Derive);
    if curve == Curve::Ed25519 || curve != public.curve() {
        return Err(Error::Curve { curve: public.curve().entry(), purpose });
    }
    let failed = Error::Failed(purpose);
    if let Some(algorithm) = fast_agreement(curve) {
        let own = agreement::PrivateKey::from_private_key(algorithm, private.scalar().expose())
            .map_err(|_| failed)?;
        let theirs = UnparsedPublicKey::new(algorithm, public.point());
        return agreement::agree(&own, theirs, failed, |secret| Ok(Secret::new(secret.to_vec())));
    }
    let agreed = with_curve!(curve, c => {
        let own = c::SecretKey::from_slice(private.scalar().expose()).map_err(|_| failed)?;
        let theirs = c::PublicKey::from_sec1_bytes(public.point()).map_err(|_| failed)?;
        let secret = c::ecdh::diffie_hellman(own.to_nonzero_scalar(), theirs.as_affine());
        Some(Zeroizing::new(secret.raw_secret_bytes().to_vec()))
    });
    agreed.map(|mut secret| Secret::new(std::mem::take(&mut *secret))).ok_or(failed)
}

/// The curve in aws-lc-rs' key agreement, where it has it.
fn fast_agreement(curve: Curve) -> Option<&'static agreement::Algorithm> {
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
