//! RSA (RFC 8017): key generation, key formats, encryption and signatures.
//!
//! aws-lc-rs performs private-key operations on keys of at least 2048 bits if it supports the hash. The package rsa
//! performs the others, with blinding.

mod cipher;
mod key;
mod ready;
mod sign;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::OsRng;

use super::{Error, Purpose};
use crate::kmip::enums::CryptographicAlgorithm;
use crate::secret::Secret;

pub use cipher::{Padding, decrypt, encrypt};
pub use key::{PrivateKey, PrivateNumbers, PublicKey};
pub use ready::forget;
#[cfg(test)]
pub(crate) use ready::is_ready;
pub(crate) use sign::{Scheme, verify};
pub(super) use sign::{sign, sign_unprefixed, verify_unprefixed};

/// The shortest modulus that aws-lc-rs supports, in bits.
const AWS_MIN_BITS: u32 = 2048;

/// The shortest supported modulus, in bits, as in PyKMIP.
pub const MIN_BITS: u32 = 512;

/// The longest supported modulus, in bits, as in aws-lc-rs. Longer ones would permit requests that take minutes.
pub const MAX_BITS: u32 = 8192;

/// A length that the encoding of a private key with a modulus of 2048 bits does not exceed, in bytes, except as PEM.
const FAST_LENGTH: usize = 1_250;

/// The bytes of a block that PKCS#1 v1.5 padding needs at least (RFC 8017 §7.2.1 and §9.2).
const PKCS1_OVERHEAD: usize = 11;

/// A generated key pair.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The public key: DER of PKCS#1's RSAPublicKey, as PyKMIP stores it.
    pub public_pkcs1: Vec<u8>,
    /// The private key: DER of PKCS#8's PrivateKeyInfo, as PyKMIP stores it.
    pub private_pkcs8: Secret,
}

/// Returns whether [`generate`] can take more than a few seconds.
pub const fn takes_minutes(bits: u32) -> bool {
    match bits {
        3072 | 4096 => false,
        // The package rsa needs several times as long as aws-lc-rs.
        bits => bits > AWS_MIN_BITS,
    }
}

/// Returns whether an operation with this encoded private key takes more than a millisecond: it is an RSA key with a
/// modulus longer than 2048 bits.
pub fn is_slow(key: &[u8]) -> bool {
    key.len() > FAST_LENGTH && PrivateKey::read(key, Purpose::Sign).is_ok_and(|key| key.bits > AWS_MIN_BITS)
}

/// Generates a key pair with a modulus of `bits` bits and the public exponent 65537.
///
/// aws-lc-rs generates keys of 2048, 3072, 4096 and 8192 bits, and the package rsa those of other lengths up to 4096 bits.
///
/// # Errors
/// Returns [`Error::KeyLength`] for other lengths, and [`Error::Failed`] if the library returns an error.
pub fn generate(bits: u32) -> Result<Pair, Error> {
    match bits {
        2048 => generate_with_aws(KeySize::Rsa2048),
        3072 => generate_with_aws(KeySize::Rsa3072),
        4096 => generate_with_aws(KeySize::Rsa4096),
        8192 => generate_with_aws(KeySize::Rsa8192),
        MIN_BITS..=key::RSA_MAX_BITS => generate_with_rsa(bits),
        _ => Err(Error::KeyLength { algorithm: CryptographicAlgorithm::Rsa, bits }),
    }
}

fn generate_with_aws(size: KeySize) -> Result<Pair, Error> {
    let failed = |_| Error::Failed(Purpose::CreateKeyPair);
    let pair = KeyPair::generate(size).map_err(failed)?;
    let private = pair.as_der().map_err(failed)?;
    Ok(Pair {
        public_pkcs1: pair.public_key().as_ref().to_vec(),
        private_pkcs8: Secret::new(private.as_ref().to_vec()),
    })
}

fn generate_with_rsa(bits: u32) -> Result<Pair, Error> {
    let failed = Error::Failed(Purpose::CreateKeyPair);
    let bits = usize::try_from(bits).map_err(|_| failed)?;
    let private = rsa::RsaPrivateKey::new(&mut OsRng, bits).map_err(|_| failed)?;
    let public = private.to_public_key().to_pkcs1_der().map_err(|_| failed)?;
    let private = private.to_pkcs8_der().map_err(|_| failed)?;
    Ok(Pair {
        public_pkcs1: public.as_bytes().to_vec(),
        private_pkcs8: Secret::new(private.as_bytes().to_vec()),
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
