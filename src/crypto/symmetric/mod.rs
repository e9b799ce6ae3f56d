//! Encryption and decryption with symmetric keys (KMIP 1.4 §4.29 and §4.30, 2.1 §6.1.14 and §6.1.15).
//!
//! Judges the parameters in the order in which PyKMIP's server judges them and hands the data to the file of
//! its mode. What applies where a request is silent, and what the key may be used for, is left to the engine.
//!
//! IV lengths: one block for CBC, CFB, OFB, CTR and XTS; any from one byte for GCM; 7 to 13 bytes for CCM;
//! 12 for ChaCha20-Poly1305; 8, 12 or 16 for ChaCha20.

mod aead;
mod block;
mod padding;
mod parts;
mod stream;

use super::{Error, Parameter, Purpose, random, symmetric_key, wrap};
use crate::kmip::enums::{BlockCipherMode, CryptographicAlgorithm, PaddingMethod};
use crate::secret::Secret;

pub use parts::{MOST_HELD, Parts};

pub(super) use block::{block_length, with_block_cipher};

/// How data is encrypted or decrypted.
#[derive(Clone, Copy, Debug)]
pub struct Cipher<'a> {
    /// The algorithm of the key.
    pub algorithm: CryptographicAlgorithm,
    /// The bytes of the key.
    pub key: Key<'a>,
    /// The mode; RC4, ChaCha20 and ChaCha20-Poly1305 need none and pass it over.
    pub mode: Option<BlockCipherMode>,
    /// The padding: needed by CBC and ECB, passed over by all others.
    pub padding: Option<PaddingMethod>,
    /// The IV, counter or nonce; passed over by ECB, RC4 and key wrapping.
    pub iv: Option<&'a [u8]>,
    /// What is authenticated and not encrypted: GCM, CCM and ChaCha20-Poly1305 only.
    pub additional_data: Option<&'a [u8]>,
    /// The length of the tag in bytes, for encryption: needed by GCM and CCM.
    pub tag_length: Option<usize>,
}

/// The bytes of a key, which print as their number.
#[derive(Clone, Copy)]
pub struct Key<'a>(pub &'a [u8]);

impl std::fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

/// What encryption gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// The cipher text.
    pub data: Vec<u8>,
    /// The IV, where it was made here.
    pub iv: Option<Vec<u8>>,
    /// The tag, where the mode has one.
    pub tag: Option<Vec<u8>>,
}

/// The length of an IV that is made here for GCM, in bytes: a block, as PyKMIP's server makes it. NIST
/// SP 800-38D §8.2.2 allows random IVs of 96 bits and more.
const GCM_IV: usize = 16;

/// The length of an IV that is made here for CCM, in bytes: leaves four bytes to count 4 GiB of data with
/// (NIST SP 800-38C §A.1).
const CCM_IV: usize = 11;

/// The length of an IV that is made here for ChaCha20, in bytes (RFC 8439 §2.3).
const CHACHA_IV: usize = 12;

/// Encrypts `data`.
///
/// # Errors
/// Of the kind Parameters: an algorithm, mode or padding that is not offered or not given, a tag length or an
/// IV of a length that the mode does not have. Of the kind Failure: a key that is none of the algorithm's,
/// and data that does not fit whole blocks where nothing pads it.
pub fn encrypt(cipher: &Cipher<'_>, data: &[u8]) -> Result<Encrypted, Error> {
    let form = cipher.form(Purpose::Encrypt)?;
    if form.authenticates() && form != Form::ChaCha20Poly1305 && cipher.tag_length.is_none() {
        return Err(Error::Missing(Parameter::TagLength));
    }
    let made = match (cipher.iv, form.iv_length(cipher.algorithm)) {
        (None, Some(length)) => Some(random::bytes(length)?),
        _ => None,
    };
    let iv = cipher.iv.or(made.as_deref()).unwrap_or_default();
    let key = cipher.key.0;
    let additional = cipher.additional_data.unwrap_or_default();
    let (data, tag) = match form {
        Form::Block(mode) => {
            let padded = match mode {
                BlockCipherMode::Cbc | BlockCipherMode::Ecb => {
                    let block = block_length(cipher.algorithm).ok_or(cipher.unsupported(Purpose::Encrypt))?;
                    padding::pad(data, block, cipher.padding(Purpose::Encrypt)?)?
                }
                _ => data.to_vec(),
            };
            (block::encrypt(cipher.algorithm, key, mode, iv, padded)?, None)
        }
        Form::Gcm => {
            let length = cipher.tag_length.unwrap_or(aead::TAG);
            let (data, tag) = aead::gcm_encrypt(key, iv, additional, data, length)?;
            (data, Some(tag))
        }
        Form::Ccm => {
            let length = cipher.tag_length.unwrap_or(aead::TAG);
            let (data, tag) = aead::ccm_encrypt(key, iv, additional, data, length)?;
            (data, Some(tag))
        }
        Form::ChaCha20Poly1305 => {
            let (data, tag) = aead::chacha_encrypt(key, iv, additional, data, cipher.tag_length)?;
            (data, Some(tag))
        }
        Form::Xts => (stream::xts(key, iv, data.to_vec(), Purpose::Encrypt)?, None),
        Form::Rc4 => (stream::rc4(key, data.to_vec())?, None),
        Form::ChaCha20 => (stream::chacha20(key, iv, data.to_vec())?, None),
        Form::Wrap(padded) => (wrap::aes_wrap(key, data, padded)?, None),
    };
    Ok(Encrypted { data, iv: made, tag })
}

/// Decrypts `data`; `tag` is needed where the mode has one, and passed over elsewhere.
///
/// # Errors
/// Those of [`encrypt`]; [`Error::Missing`] for an IV or a tag; [`Error::Authentication`] where the tag does
/// not match; [`Error::Decryption`] where the padding is wrong.
pub fn decrypt(cipher: &Cipher<'_>, data: &[u8], tag: Option<&[u8]>) -> Result<Secret, Error> {
    let form = cipher.form(Purpose::Decrypt)?;
    if form.authenticates() && tag.is_none() {
        return Err(Error::Missing(Parameter::Tag));
    }
    if form.iv_length(cipher.algorithm).is_some() && cipher.iv.is_none() {
        return Err(Error::Missing(Parameter::Iv));
    }
    let (iv, tag) = (cipher.iv.unwrap_or_default(), tag.unwrap_or_default());
    let key = cipher.key.0;
    let additional = cipher.additional_data.unwrap_or_default();
    match form {
        Form::Block(mode @ (BlockCipherMode::Cbc | BlockCipherMode::Ecb)) => {
            let method = cipher.padding(Purpose::Decrypt)?;
            let block = block_length(cipher.algorithm).ok_or(cipher.unsupported(Purpose::Decrypt))?;
            let padded = block::decrypt(cipher.algorithm, key, mode, iv, data.to_vec())?;
            padding::unpad(padded, block, method)
        }
        Form::Block(mode) => block::decrypt(cipher.algorithm, key, mode, iv, data.to_vec()).map(Secret::new),
        Form::Gcm => aead::gcm_decrypt(key, iv, additional, data, tag),
        Form::Ccm => aead::ccm_decrypt(key, iv, additional, data, tag),
        Form::ChaCha20Poly1305 => aead::chacha_decrypt(key, iv, additional, data, tag),
        Form::Xts => stream::xts(key, iv, data.to_vec(), Purpose::Decrypt).map(Secret::new),
        Form::Rc4 => stream::rc4(key, data.to_vec()).map(Secret::new),
        Form::ChaCha20 => stream::chacha20(key, iv, data.to_vec()).map(Secret::new),
        Form::Wrap(padded) => wrap::aes_unwrap(key, data, padded),
    }
}

/// Which computation the algorithm and the mode come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A block cipher in ECB, CBC, CFB, OFB or CTR.
    Block(BlockCipherMode),
    Gcm,
    Ccm,
    Xts,
    Rc4,
    ChaCha20,
    ChaCha20Poly1305,
    /// NIST's key wrap as a mode: whether with padding.
    Wrap(bool),
}

impl Form {
    const fn authenticates(self) -> bool {
        matches!(self, Self::Gcm | Self::Ccm | Self::ChaCha20Poly1305)
    }

    /// The length of an IV that is made here; none where the form takes no IV.
    fn iv_length(self, algorithm: CryptographicAlgorithm) -> Option<usize> {
        match self {
            Self::Block(BlockCipherMode::Ecb) | Self::Rc4 | Self::Wrap(_) => None,
            Self::Block(_) | Self::Xts => block_length(algorithm),
            Self::Gcm => Some(GCM_IV),
            Self::Ccm => Some(CCM_IV),
            Self::ChaCha20 | Self::ChaCha20Poly1305 => Some(CHACHA_IV),
        }
    }
}

impl Cipher<'_> {
    const fn unsupported(&self, purpose: Purpose) -> Error {
        Error::Algorithm { algorithm: self.algorithm, purpose }
    }

    fn padding(&self, purpose: Purpose) -> Result<PaddingMethod, Error> {
        let method = self.padding.ok_or(Error::Missing(Parameter::PaddingMethod))?;
        if padding::offers(method) { Ok(method) } else { Err(Error::Padding { padding: method, purpose }) }
    }

    /// Judges the algorithm, the key, the additional data and the mode, in this order.
    fn form(&self, purpose: Purpose) -> Result<Form, Error> {
        use CryptographicAlgorithm::{Aes, ChaCha20, ChaCha20Poly1305, Rc4};
        let stream = match self.algorithm {
            Rc4 => Some(Form::Rc4),
            ChaCha20 => Some(Form::ChaCha20),
            ChaCha20Poly1305 => Some(Form::ChaCha20Poly1305),
            algorithm if block_length(algorithm).is_some() => None,
            _ => return Err(self.unsupported(purpose)),
        };
        let bits = self.key.0.len().saturating_mul(8);
        let fits = |bits| symmetric_key::lengths(self.algorithm).is_some_and(|lengths| lengths.allow(bits));
        if !u32::try_from(bits).is_ok_and(fits) {
            return Err(key_bytes(self.algorithm, self.key.0));
        }
        let form = match (stream, self.mode, self.algorithm) {
            (Some(form), _, _) => Ok(form),
            (None, None, _) => Err(Error::Missing(Parameter::BlockCipherMode)),
            (None, Some(BlockCipherMode::Gcm), Aes) => Ok(Form::Gcm),
            (None, Some(BlockCipherMode::Ccm), Aes) => Ok(Form::Ccm),
            (None, Some(BlockCipherMode::Xts), Aes) => Ok(Form::Xts),
            (None, Some(BlockCipherMode::NISTKeyWrap), Aes) => Ok(Form::Wrap(false)),
            (None, Some(BlockCipherMode::AESKeyWrapPadding), Aes) => Ok(Form::Wrap(true)),
            (None, Some(mode), _) if block::offers(mode) => Ok(Form::Block(mode)),
            (None, Some(mode), algorithm) => Err(Error::Mode { algorithm, mode }),
        };
        // PyKMIP looks at the additional data before the mode.
        if self.additional_data.is_some() && !form.is_ok_and(Form::authenticates) {
            return Err(Error::Unexpected(Parameter::AdditionalData));
        }
        form
    }
}

/// The error for bytes that are no key of the algorithm.
pub(super) fn key_bytes(algorithm: CryptographicAlgorithm, key: &[u8]) -> Error {
    Error::KeyBytes { algorithm, bits: u64::try_from(key.len()).unwrap_or(u64::MAX).saturating_mul(8) }
}

/// The error for a parameter whose length or value is outside of its bounds.
pub(super) fn range(parameter: Parameter, value: usize, least: usize, most: usize) -> Error {
    let wide = |value| u64::try_from(value).unwrap_or(u64::MAX);
    Error::Range { parameter, value: wide(value), least: wide(least), most: wide(most) }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod vectors;
