//! Multi-part encryption and decryption (KMIP 1.4 §4.29 and §4.30, "multi-part").
//!
//! When each construction releases output:
//!
//! | Construction | Output |
//! |---|---|
//! | CFB, OFB, CTR, RC4, ChaCha20 | every byte at once |
//! | ECB, CBC | whole blocks at once; a decryption with padding withholds the last block until the end |
//! | GCM encryption | every byte at once, and the tag at the end |
//! | GCM decryption | at the end, after the tag is verified |
//! | CCM, ChaCha20-Poly1305, XTS, key wrap | at the end |
//!
//! [`MAX_BUFFERED`] bounds the data that is withheld until the end.

use zeroize::Zeroizing;

use super::aead::{self, GcmEncryption};
use super::cipher::{Cipher, Construction, OneShot};
use super::transform::Transform;
use super::{block, padding, stream};
use crate::crypto::{Error, Parameter, Purpose, random, wrap};
use crate::kmip::enums::{BlockCipherMode, PaddingMethod};
use crate::secret::Secret;

/// The largest message that a multi-part operation buffers, in bytes: enough for keys, documents and certificates, and
/// small enough for many operations at once.
pub const MAX_BUFFERED: usize = 1 << 20;

/// An encryption or decryption in progress. Its key is wiped when it is dropped.
pub struct CipherContext {
    state: State,
    purpose: Purpose,
    /// The IV, if it was generated here.
    iv: Option<Vec<u8>>,
}

enum State {
    Stream(Box<dyn Transform>),
    Blocks(Blocks),
    Gcm(Box<dyn GcmEncryption>, usize),
    Buffered(Buffered),
}

impl CipherContext {
    /// Starts a multi-part encryption.
    ///
    /// # Errors
    /// Returns the errors of [`super::encrypt`] that do not depend on the data.
    pub fn encrypt(cipher: &Cipher<'_>) -> Result<Self, Error> {
        let mut context = Self::start_encryption(cipher)?;
        if let State::Buffered(buffered) = &context.state
            && buffered.construction == OneShot::Gcm
        {
            let (gcm, tag_length) = buffered.start_gcm()?;
            context.state = State::Gcm(gcm, tag_length);
        }
        Ok(context)
    }

    /// Starts an encryption. In contrast to [`Self::encrypt`], GCM needs the whole message, which is faster.
    pub(super) fn start_encryption(cipher: &Cipher<'_>) -> Result<Self, Error> {
        let construction = cipher.construction(Purpose::Encrypt)?;
        if let Construction::OneShot(OneShot::Gcm | OneShot::Ccm) = construction
            && cipher.tag_length.is_none()
        {
            return Err(Error::Missing(Parameter::TagLength));
        }
        let iv = match (cipher.iv, construction.iv_length(cipher.algorithm)) {
            (None, Some(length)) => Some(random::bytes(length)?),
            _ => None,
        };
        let cipher = Cipher { iv: cipher.iv.or(iv.as_deref()), ..*cipher };
        let state = State::start(&cipher, construction, Purpose::Encrypt)?;
        Ok(Self { state, purpose: Purpose::Encrypt, iv })
    }

    /// Starts a decryption. The tag may be given here or to [`Self::finish`].
    ///
    /// # Errors
    /// Returns the errors of [`super::decrypt`] that depend neither on the data nor on the tag.
    pub fn decrypt(cipher: &Cipher<'_>, tag: Option<&[u8]>) -> Result<Self, Error> {
        let construction = cipher.construction(Purpose::Decrypt)?;
        if construction.iv_length(cipher.algorithm).is_some() && cipher.iv.is_none() {
            return Err(Error::Missing(Parameter::Iv));
        }
        let mut state = State::start(cipher, construction, Purpose::Decrypt)?;
        if let State::Buffered(buffered) = &mut state {
            buffered.tag = tag.map(<[u8]>::to_vec);
        }
        Ok(Self { state, purpose: Purpose::Decrypt, iv: None })
    }

    /// Returns the IV, if it was generated here.
    pub fn iv(&self) -> Option<&[u8]> {
        self.iv.as_deref()
    }

    pub(super) fn take_iv(&mut self) -> Option<Vec<u8>> {
        self.iv.take()
    }

    /// Processes the next part and returns the output that can be released, which may be empty.
    ///
    /// # Errors
    /// Returns [`Error::DataTooLong`] if more than [`MAX_BUFFERED`] bytes would be withheld.
    pub fn update(&mut self, data: &[u8]) -> Result<Secret, Error> {
        let mut out = Zeroizing::new(Vec::new());
        match &mut self.state {
            State::Stream(transform) => {
                out.extend_from_slice(data);
                transform.apply(&mut out)?;
            }
            State::Gcm(gcm, _) => {
                out.extend_from_slice(data);
                gcm.encrypt(&mut out)?;
            }
            State::Blocks(blocks) => blocks.update(self.purpose, data, &mut out)?,
            State::Buffered(buffered) => buffered.update(data)?,
        }
        Ok(secret(out))
    }

    /// Processes the last part and returns the rest of the output, and the tag of an authenticated encryption. `tag`
    /// is required by an authenticated decryption that started without one.
    ///
    /// # Errors
    /// Returns the errors of [`super::encrypt`] and [`super::decrypt`].
    pub fn finish(self, data: &[u8], tag: Option<&[u8]>) -> Result<(Secret, Option<Vec<u8>>), Error> {
        let mut out = Zeroizing::new(Vec::new());
        match self.state {
            State::Stream(mut transform) => {
                out.extend_from_slice(data);
                transform.apply(&mut out)?;
                Ok((secret(out), None))
            }
            State::Gcm(mut gcm, length) => {
                out.extend_from_slice(data);
                gcm.encrypt(&mut out)?;
                let mut tag = gcm.finish();
                tag.truncate(length);
                Ok((secret(out), Some(tag)))
            }
            State::Blocks(blocks) => Ok((blocks.finish(self.purpose, data)?, None)),
            State::Buffered(buffered) => buffered.finish(self.purpose, data, tag),
        }
    }
}

impl State {
    fn start(cipher: &Cipher<'_>, construction: Construction, purpose: Purpose) -> Result<Self, Error> {
        let (algorithm, key) = (cipher.algorithm, cipher.key.0);
        let iv = cipher.iv.unwrap_or_default();
        Ok(match construction {
            Construction::Block(mode @ (BlockCipherMode::Cbc | BlockCipherMode::Ecb)) => {
                let block = block::block_length(algorithm).ok_or(cipher.unsupported(purpose))?;
                let padding = cipher.padding(purpose)?;
                let transform = block::transform(algorithm, key, mode, iv, purpose)?;
                Self::Blocks(Blocks { transform, block, padding, withheld: None })
            }
            Construction::Block(mode) => Self::Stream(block::transform(algorithm, key, mode, iv, purpose)?),
            Construction::Rc4 => Self::Stream(stream::rc4(key)?),
            Construction::ChaCha20 => Self::Stream(stream::chacha20(key, iv)?),
            Construction::OneShot(construction) => Self::Buffered(Buffered {
                construction,
                key: Secret::new(key.to_vec()),
                iv: iv.to_vec(),
                additional_data: cipher.additional_data.map(<[u8]>::to_vec).unwrap_or_default(),
                tag_length: cipher.tag_length.unwrap_or(aead::TAG),
                tag: None,
                data: None,
            }),
        })
    }
}

/// ECB or CBC: processes whole blocks and withholds the rest.
struct Blocks {
    transform: Box<dyn Transform>,
    /// The block length, in bytes.
    block: usize,
    padding: PaddingMethod,
    /// The input that is not processed yet, or `None` before the first part.
    withheld: Option<Zeroizing<Vec<u8>>>,
}

impl Blocks {
    fn update(&mut self, purpose: Purpose, data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let withheld = self.withheld.get_or_insert_default();
        withheld.extend_from_slice(data);
        let incomplete = withheld.len() % self.block;
        // The last block of a decryption may contain the padding.
        let may_be_last =
            purpose == Purpose::Decrypt && self.padding != PaddingMethod::None && incomplete == 0;
        let kept = if may_be_last { self.block } else { incomplete };
        let ready = withheld.len().saturating_sub(kept);
        out.extend(withheld.drain(..ready));
        self.transform.apply(out)
    }

    fn finish(mut self, purpose: Purpose, data: &[u8]) -> Result<Secret, Error> {
        let withheld = self.withheld.as_deref().map(Vec::as_slice);
        let mut out = Zeroizing::new(Vec::with_capacity(
            withheld.map_or(0, <[u8]>::len).saturating_add(data.len()).saturating_add(self.block),
        ));
        out.extend_from_slice(withheld.unwrap_or_default());
        out.extend_from_slice(data);
        if purpose == Purpose::Encrypt {
            padding::pad(&mut out, self.block, self.padding)?;
            self.transform.apply(&mut out)?;
            return Ok(secret(out));
        }
        if !out.len().is_multiple_of(self.block) {
            return Err(Error::data_length(out.len(), self.block));
        }
        self.transform.apply(&mut out)?;
        // Parts that were released before may end in zeros, so that only the last block counts as padding.
        let unpadded = match withheld {
            Some(_) => out.len().saturating_sub(self.block),
            None => 0,
        };
        padding::unpad(&mut out, self.block, self.padding, unpadded)?;
        Ok(secret(out))
    }
}

/// A construction that needs the whole message, with its parameters and the data so far.
struct Buffered {
    construction: OneShot,
    key: Secret,
    iv: Vec<u8>,
    additional_data: Vec<u8>,
    /// The length of the tag of an encryption, in bytes.
    tag_length: usize,
    /// The tag of a decryption, if it was given at the start.
    tag: Option<Vec<u8>>,
    /// The data so far, or `None` before the first part.
    data: Option<Zeroizing<Vec<u8>>>,
}

impl Buffered {
    fn start_gcm(&self) -> Result<(Box<dyn GcmEncryption>, usize), Error> {
        let gcm = aead::start_gcm(self.key.expose(), &self.iv, &self.additional_data, self.tag_length)?;
        Ok((gcm, self.tag_length))
    }

    fn update(&mut self, data: &[u8]) -> Result<(), Error> {
        let buffer = self.data.get_or_insert_default();
        let length = buffer.len().saturating_add(data.len());
        if length > MAX_BUFFERED {
            return Err(Error::data_too_long(length, MAX_BUFFERED));
        }
        buffer.extend_from_slice(data);
        Ok(())
    }

    fn finish(
        mut self,
        purpose: Purpose,
        data: &[u8],
        tag: Option<&[u8]>,
    ) -> Result<(Secret, Option<Vec<u8>>), Error> {
        if self.data.is_some() {
            self.update(data)?;
        }
        let data = self.data.as_deref().map_or(data, Vec::as_slice);
        match purpose {
            Purpose::Decrypt => Ok((self.decrypt(data, tag.or(self.tag.as_deref()))?, None)),
            _ => {
                let (data, tag) = self.encrypt(data)?;
                Ok((Secret::new(data), tag))
            }
        }
    }

    fn encrypt(&self, data: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
        let (key, iv, additional) = (self.key.expose(), &self.iv, &self.additional_data);
        let (data, tag) = match self.construction {
            OneShot::Gcm => aead::gcm_encrypt(key, iv, additional, data, self.tag_length)?,
            OneShot::Ccm => aead::ccm_encrypt(key, iv, additional, data, self.tag_length)?,
            OneShot::ChaCha20Poly1305 => aead::chacha_encrypt(key, iv, additional, data, self.tag_length)?,
            OneShot::Xts => return Ok((stream::xts(key, iv, data, Purpose::Encrypt)?, None)),
            OneShot::KeyWrap { padded } => return Ok((wrap::aes_wrap(key, data, padded)?, None)),
        };
        Ok((data, Some(tag)))
    }

    fn decrypt(&self, data: &[u8], tag: Option<&[u8]>) -> Result<Secret, Error> {
        let (key, iv, additional) = (self.key.expose(), &self.iv, &self.additional_data);
        let tag = tag.ok_or(Error::Missing(Parameter::Tag));
        match self.construction {
            OneShot::Gcm => aead::gcm_decrypt(key, iv, additional, data, tag?),
            OneShot::Ccm => aead::ccm_decrypt(key, iv, additional, data, tag?),
            OneShot::ChaCha20Poly1305 => aead::chacha_decrypt(key, iv, additional, data, tag?),
            OneShot::Xts => stream::xts(key, iv, data, Purpose::Decrypt).map(Secret::new),
            OneShot::KeyWrap { padded } => wrap::aes_unwrap(key, data, padded),
        }
    }
}

fn secret(mut bytes: Zeroizing<Vec<u8>>) -> Secret {
    Secret::new(std::mem::take(&mut *bytes))
}

#[cfg(test)]
mod tests {
    use super::super::encrypt;
    use super::*;
    use crate::crypto::Key;
    use crate::kmip::enums::BlockCipherMode::*;
    use crate::kmip::enums::CryptographicAlgorithm;
    use crate::kmip::enums::CryptographicAlgorithm::*;

    const KEY: [u8; 64] = {
        let mut key = [7; 64];
        key[40] = 9;
        key
    };
    const IV: [u8; 16] = *b"sixteen bytes iv";

    fn cipher(algorithm: CryptographicAlgorithm, mode: Option<BlockCipherMode>) -> Cipher<'static> {
        let (length, iv) = match (algorithm, mode) {
            (_, Some(Xts)) => (64, 16),
            (_, Some(Ccm)) => (16, 11),
            (ChaCha20 | ChaCha20Poly1305, _) => (32, 12),
            (TripleDes, _) => (24, 8),
            _ => (16, 16),
        };
        let authenticates = matches!(mode, Some(Gcm | Ccm)) || algorithm == ChaCha20Poly1305;
        Cipher {
            algorithm,
            key: Key(&KEY[..length]),
            mode,
            padding: Some(PaddingMethod::Pkcs5),
            iv: Some(&IV[..iv]),
            additional_data: authenticates.then_some(b"header"),
            tag_length: authenticates.then_some(16),
        }
    }

    /// Returns all output, the tag, and the length of the output before the last part.
    fn run(
        mut context: CipherContext,
        data: &[u8],
        size: usize,
        tag: Option<&[u8]>,
    ) -> (Vec<u8>, Option<Vec<u8>>, usize) {
        let mut out = Vec::new();
        for part in data.chunks(size) {
            out.extend_from_slice(context.update(part).unwrap().expose());
        }
        let released = out.len();
        let (rest, tag) = context.finish(b"", tag).unwrap();
        out.extend_from_slice(rest.expose());
        (out, tag, released)
    }

    #[test]
    fn multi_part_output_equals_one_shot_output_for_every_part_size() {
        let data = [b'd'; 75];
        for (algorithm, mode, released, released_decrypted) in [
            (Aes, Some(Ecb), 64, 64),
            (Aes, Some(Cbc), 64, 64),
            (TripleDes, Some(Cbc), 72, 72),
            (Aes, Some(Cfb), 75, 75),
            (Aes, Some(Ofb), 75, 75),
            (TripleDes, Some(Ctr), 75, 75),
            (Aes, Some(Gcm), 75, 0),
            (Aes, Some(Ccm), 0, 0),
            (Aes, Some(Xts), 0, 0),
            (Rc4, None, 75, 75),
            (ChaCha20, None, 75, 75),
            (ChaCha20Poly1305, None, 0, 0),
        ] {
            let cipher = cipher(algorithm, mode);
            let whole = encrypt(&cipher, &data).unwrap();
            for size in [1, 8, 13, 16, 33, 75] {
                let (encrypted, tag, early) =
                    run(CipherContext::encrypt(&cipher).unwrap(), &data, size, None);
                assert_eq!(
                    (encrypted.as_slice(), &tag),
                    (whole.data.expose(), &whole.tag),
                    "{algorithm:?} {mode:?} {size}"
                );
                assert_eq!(early, released, "{algorithm:?} {mode:?} {size}");
                let context = CipherContext::decrypt(&cipher, None).unwrap();
                let (decrypted, _, early) = run(context, &encrypted, size, tag.as_deref());
                assert_eq!(decrypted, data, "{algorithm:?} {mode:?} {size}");
                assert_eq!(early, released_decrypted, "{algorithm:?} {mode:?} {size}");
            }
        }
    }

    #[test]
    fn releases_every_whole_block_at_once_without_padding() {
        let cipher = Cipher { padding: Some(PaddingMethod::None), ..cipher(Aes, Some(Ecb)) };
        let mut context = CipherContext::encrypt(&cipher).unwrap();
        assert!(context.update(&[1; 8]).unwrap().is_empty());
        assert_eq!(context.update(&[1; 8]).unwrap().len(), 16);
        assert!(context.finish(b"", None).unwrap().0.is_empty());
        let mut context = CipherContext::decrypt(&cipher, None).unwrap();
        assert_eq!(context.update(&[1; 40]).unwrap().len(), 32);
        assert_eq!(context.finish(b"", None).unwrap_err(), Error::DataLength { length: 8, block: 16 });
    }

    #[test]
    fn generates_an_iv_for_encryption_and_requires_one_for_decryption() {
        let cipher = Cipher { iv: None, ..cipher(Aes, Some(Cbc)) };
        let context = CipherContext::encrypt(&cipher).unwrap();
        assert_eq!(context.iv().map(<[u8]>::len), Some(16));
        assert_eq!(CipherContext::decrypt(&cipher, None).err(), Some(Error::Missing(Parameter::Iv)));
    }

    #[test]
    fn releases_nothing_if_the_tag_is_wrong_or_missing() {
        let cipher = cipher(Aes, Some(Gcm));
        let whole = encrypt(&cipher, b"data").unwrap();
        let mut tag = whole.tag.unwrap();
        tag[0] ^= 1;
        let mut context = CipherContext::decrypt(&cipher, Some(&tag)).unwrap();
        assert!(context.update(whole.data.expose()).unwrap().is_empty());
        assert_eq!(context.finish(b"", None).unwrap_err(), Error::Authentication);
        let context = CipherContext::decrypt(&cipher, None).unwrap();
        assert_eq!(context.finish(whole.data.expose(), None).unwrap_err(), Error::Missing(Parameter::Tag));
    }

    #[test]
    fn bounds_the_buffered_data() {
        let mut context = CipherContext::decrypt(&cipher(Aes, Some(Gcm)), None).unwrap();
        context.update(&vec![0; MAX_BUFFERED]).unwrap();
        let max = u64::try_from(MAX_BUFFERED).unwrap();
        assert_eq!(context.update(&[0]).unwrap_err(), Error::DataTooLong { length: max + 1, max });
        let mut context = CipherContext::encrypt(&cipher(Aes, Some(Ctr))).unwrap();
        assert_eq!(context.update(&vec![0; MAX_BUFFERED + 1]).unwrap().len(), MAX_BUFFERED + 1);
    }
}
