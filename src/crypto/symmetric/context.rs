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
use super::cipher::{Cipher, Construction, OneShot, StreamingMode};
use super::transform::{Boxed, Transform, Whole};
use super::{block, padding, stream};
use crate::crypto::{Error, Key, Purpose};
use crate::kmip::enums::{BlockCipherMode, CryptographicAlgorithm, PaddingMethod};
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
    Streaming(Streaming),
    Gcm(Box<dyn GcmEncryption>, usize),
    Buffered(Buffered),
}

impl CipherContext {
    /// Starts a multi-part encryption.
    ///
    /// # Errors
    /// Returns the errors of [`super::encrypt`] that do not depend on the data.
    pub fn encrypt(cipher: &Cipher<'_>) -> Result<Self, Error> {
        let (construction, iv) = cipher.encryption()?;
        let cipher = Cipher { iv: cipher.iv.or(iv.as_deref()), ..*cipher };
        let state = match construction {
            Construction::OneShot(OneShot::Gcm) => {
                let (iv, additional_data) = (cipher.iv.unwrap_or_default(), cipher.additional_data);
                let length = cipher.tag_length.unwrap_or(aead::TAG);
                let key = cipher.key.0;
                State::Gcm(aead::start_gcm(key, iv, additional_data.unwrap_or_default(), length)?, length)
            }
            Construction::OneShot(one_shot) => State::Buffered(Buffered::new(one_shot, &cipher, None)),
            Construction::Streaming(mode) => {
                State::Streaming(Streaming::start(&cipher, mode, Purpose::Encrypt)?)
            }
        };
        Ok(Self { state, purpose: Purpose::Encrypt, iv })
    }

    /// Starts a decryption. The tag may be given here or to [`Self::finish`].
    ///
    /// # Errors
    /// Returns the errors of [`super::decrypt`] that depend neither on the data nor on the tag.
    pub fn decrypt(cipher: &Cipher<'_>, tag: Option<&[u8]>) -> Result<Self, Error> {
        let construction = cipher.construction(Purpose::Decrypt)?;
        cipher.require_iv(construction)?;
        let state = match construction {
            Construction::OneShot(one_shot) => State::Buffered(Buffered::new(one_shot, cipher, tag)),
            Construction::Streaming(mode) => {
                State::Streaming(Streaming::start(cipher, mode, Purpose::Decrypt)?)
            }
        };
        Ok(Self { state, purpose: Purpose::Decrypt, iv: None })
    }

    /// Returns the IV, if it was generated here.
    pub fn iv(&self) -> Option<&[u8]> {
        self.iv.as_deref()
    }

    /// Processes the next part and returns the output that can be released, which may be empty.
    ///
    /// # Errors
    /// Returns [`Error::DataTooLong`] if more than [`MAX_BUFFERED`] bytes would be withheld.
    pub fn update(&mut self, data: &[u8]) -> Result<Secret, Error> {
        match &mut self.state {
            State::Streaming(streaming) => streaming.update(data),
            State::Gcm(gcm, _) => {
                let mut out = Zeroizing::new(data.to_vec());
                gcm.encrypt(&mut out)?;
                Ok(secret(out))
            }
            State::Buffered(buffered) => {
                buffered.update(data)?;
                Ok(Secret::default())
            }
        }
    }

    /// Processes the last part and returns the rest of the output, and the tag of an authenticated encryption. `tag`
    /// is required by an authenticated decryption that started without one.
    ///
    /// # Errors
    /// Returns the errors of [`super::encrypt`] and [`super::decrypt`].
    pub fn finish(self, data: &[u8], tag: Option<&[u8]>) -> Result<(Secret, Option<Vec<u8>>), Error> {
        match self.state {
            State::Streaming(streaming) => Ok((streaming.finish(data)?, None)),
            State::Gcm(mut gcm, length) => {
                let mut out = Zeroizing::new(data.to_vec());
                gcm.encrypt(&mut out)?;
                let mut tag = gcm.finish();
                tag.truncate(length);
                Ok((secret(out), Some(tag)))
            }
            State::Buffered(buffered) => buffered.finish(self.purpose, data, tag),
        }
    }
}

/// A computation that processes data as it arrives.
enum Streaming {
    Bytes(Box<dyn Transform>),
    Blocks(Blocks),
}

impl Streaming {
    fn start(cipher: &Cipher<'_>, mode: StreamingMode, purpose: Purpose) -> Result<Self, Error> {
        let padding = Padding::of(cipher, mode, purpose)?;
        let transform = mode.start(cipher, purpose)?;
        Ok(match padding {
            Some(padding) => Self::Blocks(Blocks { transform, padding, withheld: None }),
            None => Self::Bytes(transform),
        })
    }

    fn update(&mut self, data: &[u8]) -> Result<Secret, Error> {
        let mut out = Zeroizing::new(Vec::new());
        match self {
            Self::Bytes(transform) => {
                out.extend_from_slice(data);
                transform.apply(&mut out)?;
            }
            Self::Blocks(blocks) => blocks.update(data, &mut out)?,
        }
        Ok(secret(out))
    }

    fn finish(self, data: &[u8]) -> Result<Secret, Error> {
        let mut out = Zeroizing::new(Vec::new());
        match self {
            Self::Bytes(mut transform) => {
                out.extend_from_slice(data);
                transform.apply(&mut out)?;
            }
            Self::Blocks(blocks) => blocks.finish(data, &mut out)?,
        }
        Ok(secret(out))
    }
}

impl StreamingMode {
    /// Processes a whole message. The caller wipes the output if it is plaintext.
    pub(super) fn process(
        self,
        cipher: &Cipher<'_>,
        purpose: Purpose,
        data: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let padding = Padding::of(cipher, self, purpose)?;
        let block = padding.as_ref().map_or(0, |padding| padding.block);
        let mut out = Zeroizing::new(Vec::with_capacity(data.len().saturating_add(block)));
        out.extend_from_slice(data);
        let apply = |data: &mut [u8]| self.apply(cipher, purpose, data);
        match padding {
            Some(padding) => padding.process(&mut out, false, apply)?,
            None => apply(&mut out)?,
        }
        Ok(std::mem::take(&mut *out))
    }

    fn start(self, cipher: &Cipher<'_>, purpose: Purpose) -> Result<Box<dyn Transform>, Error> {
        let (key, iv) = (cipher.key.0, cipher.iv.unwrap_or_default());
        match self {
            Self::Block(mode) => block::start(cipher.algorithm, key, mode, iv, purpose),
            Self::Rc4 => stream::rc4(key, Boxed),
            Self::ChaCha20 => stream::chacha20(key, iv, Boxed),
        }
    }

    #[inline(always)]
    fn apply(self, cipher: &Cipher<'_>, purpose: Purpose, data: &mut [u8]) -> Result<(), Error> {
        let (key, iv) = (cipher.key.0, cipher.iv.unwrap_or_default());
        match self {
            Self::Block(mode) => block::process(cipher.algorithm, key, mode, iv, purpose, data),
            Self::Rc4 => stream::rc4(key, Whole(data)),
            Self::ChaCha20 => stream::chacha20(key, iv, Whole(data)),
        }
    }
}

/// The padding of ECB and CBC, which process whole blocks.
struct Padding {
    purpose: Purpose,
    /// The block length, in bytes.
    block: usize,
    method: PaddingMethod,
}

impl Padding {
    /// Returns the padding, or `None` if the mode processes incomplete blocks.
    fn of(cipher: &Cipher<'_>, mode: StreamingMode, purpose: Purpose) -> Result<Option<Self>, Error> {
        let StreamingMode::Block(BlockCipherMode::Cbc | BlockCipherMode::Ecb) = mode else { return Ok(None) };
        let block = block::block_length(cipher.algorithm).ok_or(cipher.unsupported(purpose))?;
        Ok(Some(Self { purpose, block, method: cipher.padding(purpose)? }))
    }

    /// Processes the last or only part in place. If parts preceded it, only its last block can contain padding, because
    /// parts that were released before may end in zeros.
    #[inline(always)]
    fn process(
        &self,
        data: &mut Vec<u8>,
        after_others: bool,
        apply: impl FnOnce(&mut [u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.purpose == Purpose::Encrypt {
            padding::pad(data, self.block, self.method)?;
            return apply(data);
        }
        if !data.len().is_multiple_of(self.block) {
            return Err(Error::data_length(data.len(), self.block));
        }
        apply(data)?;
        let unpadded = if after_others { data.len().saturating_sub(self.block) } else { 0 };
        padding::unpad(data, self.block, self.method, unpadded)
    }
}

/// ECB or CBC: processes whole blocks and withholds the rest.
struct Blocks {
    transform: Box<dyn Transform>,
    padding: Padding,
    /// The input that is not processed yet, or `None` before the first part.
    withheld: Option<Zeroizing<Vec<u8>>>,
}

impl Blocks {
    fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let Padding { purpose, block, method } = self.padding;
        let withheld = self.withheld.get_or_insert_default();
        withheld.extend_from_slice(data);
        let incomplete = withheld.len() % block;
        // The last block of a decryption may contain the padding.
        let may_be_last = purpose == Purpose::Decrypt && method != PaddingMethod::None && incomplete == 0;
        let kept = if may_be_last { block } else { incomplete };
        let ready = withheld.len().saturating_sub(kept);
        out.extend(withheld.drain(..ready));
        self.transform.apply(out)
    }

    fn finish(mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let withheld = self.withheld.as_deref().map(Vec::as_slice);
        let length = withheld.map_or(0, <[u8]>::len).saturating_add(data.len());
        out.reserve(length.saturating_add(self.padding.block));
        out.extend_from_slice(withheld.unwrap_or_default());
        out.extend_from_slice(data);
        self.padding.process(out, withheld.is_some(), |data| self.transform.apply(data))
    }
}

/// A construction that needs the whole message, with its parameters and the data so far.
struct Buffered {
    one_shot: OneShot,
    algorithm: CryptographicAlgorithm,
    key: Secret,
    iv: Vec<u8>,
    additional_data: Vec<u8>,
    tag_length: Option<usize>,
    /// The tag of a decryption, if it was given at the start.
    tag: Option<Vec<u8>>,
    /// The data so far, or `None` before the first part.
    data: Option<Zeroizing<Vec<u8>>>,
}

impl Buffered {
    fn new(one_shot: OneShot, cipher: &Cipher<'_>, tag: Option<&[u8]>) -> Self {
        Self {
            one_shot,
            algorithm: cipher.algorithm,
            key: Secret::new(cipher.key.0.to_vec()),
            iv: cipher.iv.unwrap_or_default().to_vec(),
            additional_data: cipher.additional_data.unwrap_or_default().to_vec(),
            tag_length: cipher.tag_length,
            tag: tag.map(<[u8]>::to_vec),
            data: None,
        }
    }

    fn cipher(&self) -> Cipher<'_> {
        Cipher {
            algorithm: self.algorithm,
            key: Key(self.key.expose()),
            mode: None,
            padding: None,
            iv: Some(&self.iv),
            additional_data: Some(&self.additional_data),
            tag_length: self.tag_length,
        }
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
        let cipher = self.cipher();
        match purpose {
            Purpose::Decrypt => {
                Ok((self.one_shot.decrypt(&cipher, data, tag.or(self.tag.as_deref()))?, None))
            }
            _ => {
                let (data, tag) = self.one_shot.encrypt(&cipher, data)?;
                Ok((Secret::new(data), tag))
            }
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
    use crate::crypto::Parameter;
    use crate::kmip::enums::BlockCipherMode::*;
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
                    (whole.data.as_slice(), &whole.tag),
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
        assert!(context.update(&whole.data).unwrap().is_empty());
        assert_eq!(context.finish(b"", None).unwrap_err(), Error::Authentication);
        let context = CipherContext::decrypt(&cipher, None).unwrap();
        assert_eq!(context.finish(&whole.data, None).unwrap_err(), Error::Missing(Parameter::Tag));
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
