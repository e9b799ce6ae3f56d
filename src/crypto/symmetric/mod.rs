//! Encryption and decryption with symmetric keys (KMIP 1.4 §4.29 and §4.30, 2.1 §6.1.17 and §6.1.11).
//!
//! [`Cipher`] holds the parameters, [`CipherContext`] processes a message in parts, and [`encrypt`] and [`decrypt`]
//! process a whole message. Defaults for absent parameters, and whether a key may be used, are up to the engine.

mod aead;
mod block;
mod cipher;
mod context;
mod one_shot;
mod padding;
mod stream;
mod transform;

use super::{Error, Parameter, Purpose};
use crate::secret::Secret;
use cipher::Construction;

pub use aead::SHORTEST_DEFAULT_TAG;
pub use cipher::Cipher;
pub use context::{CipherContext, MAX_BUFFERED};

pub(super) use block::{block_length, with_block_cipher};

/// The result of an encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// The ciphertext.
    pub data: Vec<u8>,
    /// The IV, if [`encrypt`] generated it.
    pub iv: Option<Vec<u8>>,
    /// The authentication tag of GCM, CCM and ChaCha20-Poly1305.
    pub tag: Option<Vec<u8>>,
}

/// Encrypts `data`, with a random IV if the construction has one and `cipher` does not contain it.
///
/// # Errors
/// Returns an error of the kind [`super::ErrorKind::InvalidParameter`] if the algorithm, mode or padding is missing or
/// not supported, or if the length of the IV or the tag is invalid; of the kind [`super::ErrorKind::Failure`] if the key
/// does not fit the algorithm, or if the data is not a multiple of the block and nothing pads it.
pub fn encrypt(cipher: &Cipher<'_>, data: &[u8]) -> Result<Encrypted, Error> {
    let (construction, iv) = cipher.encryption()?;
    let cipher = Cipher { iv: cipher.iv.or(iv.as_deref()), ..*cipher };
    let (data, tag) = match construction {
        Construction::OneShot(one_shot) => one_shot.encrypt(&cipher, data)?,
        Construction::Streaming(mode) => (mode.process(&cipher, Purpose::Encrypt, data)?, None),
    };
    Ok(Encrypted { data, iv, tag })
}

/// Decrypts `data`. GCM, CCM and ChaCha20-Poly1305 require `tag`; every other mode ignores it.
///
/// # Errors
/// Returns the errors of [`encrypt`]; [`Error::Missing`] if the IV or the tag is absent; [`Error::Authentication`] if
/// the tag does not match; [`Error::Decryption`] if the padding is invalid.
pub fn decrypt(cipher: &Cipher<'_>, data: &[u8], tag: Option<&[u8]>) -> Result<Secret, Error> {
    let construction = cipher.construction(Purpose::Decrypt)?;
    if tag.is_none() && construction.is_aead() {
        return Err(Error::Missing(Parameter::Tag));
    }
    cipher.require_iv(construction)?;
    match construction {
        Construction::OneShot(one_shot) => one_shot.decrypt(cipher, data, tag),
        Construction::Streaming(mode) => mode.process(cipher, Purpose::Decrypt, data).map(Secret::new),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod vectors;
