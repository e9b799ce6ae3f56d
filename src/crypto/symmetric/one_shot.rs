//! The constructions that need the whole message, or whose package does not process a message in parts.

use super::cipher::{Cipher, OneShot};
use super::{aead, stream};
use crate::crypto::{Error, Parameter, Purpose, wrap};
use crate::secret::Secret;

impl OneShot {
    /// Returns the ciphertext and the tag of an AEAD. The mode and the padding of `cipher` have no effect.
    pub(super) fn encrypt(
        self,
        cipher: &Cipher<'_>,
        data: &[u8],
    ) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
        let (key, iv) = (cipher.key.0, cipher.iv.unwrap_or_default());
        let additional = cipher.additional_data.unwrap_or_default();
        let tag_length = cipher.tag_length.unwrap_or(aead::TAG);
        let (data, tag) = match self {
            Self::Gcm => aead::gcm_encrypt(key, iv, additional, data, tag_length)?,
            Self::Ccm => aead::ccm_encrypt(key, iv, additional, data, tag_length)?,
            Self::ChaCha20Poly1305 => aead::chacha_encrypt(key, iv, additional, data, tag_length)?,
            Self::Xts => return Ok((stream::xts(key, iv, data, Purpose::Encrypt)?, None)),
            Self::KeyWrap { padded } => return Ok((wrap::aes_wrap(key, data, padded)?, None)),
        };
        Ok((data, Some(tag)))
    }

    /// Returns the plaintext after verifying the tag of an AEAD.
    pub(super) fn decrypt(
        self,
        cipher: &Cipher<'_>,
        data: &[u8],
        tag: Option<&[u8]>,
    ) -> Result<Secret, Error> {
        let (key, iv) = (cipher.key.0, cipher.iv.unwrap_or_default());
        let additional = cipher.additional_data.unwrap_or_default();
        let tag = || {
            let (shortest, max) = (cipher.tag_length.unwrap_or(aead::SHORTEST_DEFAULT_TAG), aead::TAG);
            if shortest > max {
                return Err(Error::range(Parameter::TagLength, shortest, 0, max));
            }
            match tag.ok_or(Error::Missing(Parameter::Tag))? {
                tag if tag.len() < shortest => Err(Error::range(Parameter::Tag, tag.len(), shortest, max)),
                tag => Ok(tag),
            }
        };
        match self {
            Self::Gcm => aead::gcm_decrypt(key, iv, additional, data, tag()?),
            Self::Ccm => aead::ccm_decrypt(key, iv, additional, data, tag()?),
            Self::ChaCha20Poly1305 => aead::chacha_decrypt(key, iv, additional, data, tag()?),
            Self::Xts => stream::xts(key, iv, data, Purpose::Decrypt).map(Secret::new),
            Self::KeyWrap { padded } => wrap::aes_unwrap(key, data, padded),
        }
    }
}
