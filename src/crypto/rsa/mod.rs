//! RSA (RFC 8017): making key pairs; the formats of keys, encryption and signatures have files of their own.
//!
//! Private-key work on keys of 2048 bits and more goes through aws-lc-rs wherever it has the hash; the rest
//! goes through the package rsa, blinded.

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
pub(super) use sign::{sign, sign_bare, verify_bare};

/// The shortest modulus that aws-lc-rs computes with, in bits.
const FAST_BITS: u32 = 2048;

/// The shortest modulus, in bits: the shortest that PyKMIP's documentation offers.
pub const MIN_BITS: u32 = 512;

/// The longest modulus, in bits: the longest that aws-lc-rs computes with, and longer ones would let a client
/// buy minutes of computing with one request.
pub const MAX_BITS: u32 = 8192;

/// The bytes of a block that PKCS#1 v1.5 padding needs at least (RFC 8017 §7.2.1 and §9.2).
const PKCS1_OVERHEAD: usize = 11;

/// A new pair.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The public key: DER of PKCS#1's RSAPublicKey, as PyKMIP stores it.
    pub public_pkcs1: Vec<u8>,
    /// The private key: DER of PKCS#8's PrivateKeyInfo, as PyKMIP stores it.
    pub private_pkcs8: Secret,
}

/// Makes a pair with a modulus of `bits` bits and the public exponent 65537.
///
/// aws-lc-rs makes 2048, 3072, 4096 and 8192 bits, the package rsa every other length up to 4096.
///
/// # Errors
/// [`Error::KeyLength`] for other lengths (PyKMIP: Cryptographic Failure),
/// [`Error::Failed`] where the library could not.
pub fn generate(bits: u32) -> Result<Pair, Error> {
    match bits {
        2048 => generate_fast(KeySize::Rsa2048),
        3072 => generate_fast(KeySize::Rsa3072),
        4096 => generate_fast(KeySize::Rsa4096),
        8192 => generate_fast(KeySize::Rsa8192),
        MIN_BITS..=key::RSA_MOST_PRIVATE => generate_any(bits),
        _ => Err(Error::KeyLength { algorithm: CryptographicAlgorithm::Rsa, bits }),
    }
}

fn generate_fast(size: KeySize) -> Result<Pair, Error> {
    let failed = |_| Error::Failed(Purpose::CreateKeyPair);
    let pair = KeyPair::generate(size).map_err(failed)?;
    let private = pair.as_der().map_err(failed)?;
    Ok(Pair {
        public_pkcs1: pair.public_key().as_ref().to_vec(),
        private_pkcs8: Secret::new(private.as_ref().to_vec()),
    })
}

fn generate_any(bits: u32) -> Result<Pair, Error> {
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
