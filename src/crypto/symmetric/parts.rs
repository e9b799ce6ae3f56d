//! Encryption and decryption of data that comes in parts (KMIP 1.4 §4.29 and §4.30, "multi-part").
//!
//! What each form gives out, and when:
//!
//! | Form | Parts |
//! |---|---|
//! | CFB, OFB, CTR, RC4, ChaCha20 | every byte at once |
//! | ECB, CBC | whole blocks at once; where padding is to be taken off, all but the last |
//! | GCM, encrypting | every byte at once; the tag at the end |
//! | GCM, decrypting | at the end: nothing is given out before its tag is found right |
//! | CCM, ChaCha20-Poly1305, XTS, key wrap | at the end: they need to know all of the data, or no package takes it in parts |
//!
//! What is held back until the end has a bound, [`MOST_HELD`].

use zeroize::Zeroizing;

use super::aead::Gcm;
use super::{Cipher, Encrypted, Form, Key, aead, block, block_length, padding, stream};
use crate::crypto::{Error, Parameter, Purpose, random};
use crate::kmip::enums::{BlockCipherMode, CryptographicAlgorithm, PaddingMethod};
use crate::secret::Secret;

/// The most data that is held back for one operation, in bytes: enough for keys, documents and certificates,
/// and little enough that many operations at once do not fill the memory.
pub const MOST_HELD: usize = 1 << 20;

/// Encrypts or decrypts in place. For modes of whole blocks the data has to be whole blocks.
pub(super) trait Apply: Send {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error>;
}

/// An encryption or decryption under way.
pub struct Parts {
    work: Work,
    purpose: Purpose,
    /// The IV, where it was made here.
    iv: Option<Vec<u8>>,
}

enum Work {
    Bytes(Box<dyn Apply>),
    Blocks(Blocks),
    Gcm(Box<dyn Gcm>, usize),
    Whole(Whole),
}

/// Whole blocks as they become complete, and the rest held back.
struct Blocks {
    apply: Box<dyn Apply>,
    block: usize,
    padding: PaddingMethod,
    rest: Zeroizing<Vec<u8>>,
}

/// A cipher with everything of its own, and all the data so far.
struct Whole {
    algorithm: CryptographicAlgorithm,
    key: Secret,
    mode: Option<BlockCipherMode>,
    iv: Option<Vec<u8>>,
    additional_data: Option<Vec<u8>>,
    tag_length: Option<usize>,
    tag: Option<Vec<u8>>,
    data: Zeroizing<Vec<u8>>,
}

impl Parts {
    /// Begins an encryption.
    ///
    /// # Errors
    /// Those of [`super::encrypt`] that do not depend on the data.
    pub fn encrypt(cipher: &Cipher<'_>) -> Result<Self, Error> {
        let form = cipher.form(Purpose::Encrypt)?;
        if form.authenticates() && form != Form::ChaCha20Poly1305 && cipher.tag_length.is_none() {
            return Err(Error::Missing(Parameter::TagLength));
        }
        let iv = match (cipher.iv, form.iv_length(cipher.algorithm)) {
            (None, Some(length)) => Some(random::bytes(length)?),
            _ => None,
        };
        let cipher = Cipher { iv: cipher.iv.or(iv.as_deref()), ..*cipher };
        let work = match form {
            Form::Gcm => {
                let length = cipher.tag_length.unwrap_or(aead::TAG);
                let additional = cipher.additional_data.unwrap_or_default();
                let gcm = aead::gcm(cipher.key.0, cipher.iv.unwrap_or_default(), additional, length)?;
                Work::Gcm(gcm, length)
            }
            form => Work::start(&cipher, form, Purpose::Encrypt)?,
        };
        Ok(Self { work, purpose: Purpose::Encrypt, iv })
    }

    /// Begins a decryption; a tag can be given now or at the end.
    ///
    /// # Errors
    /// Those of [`super::decrypt`] that depend neither on the data nor on the tag.
    pub fn decrypt(cipher: &Cipher<'_>, tag: Option<&[u8]>) -> Result<Self, Error> {
        let form = cipher.form(Purpose::Decrypt)?;
        if form.iv_length(cipher.algorithm).is_some() && cipher.iv.is_none() {
            return Err(Error::Missing(Parameter::Iv));
        }
        let mut work = Work::start(cipher, form, Purpose::Decrypt)?;
        if let Work::Whole(whole) = &mut work {
            whole.tag = tag.map(<[u8]>::to_vec);
        }
        Ok(Self { work, purpose: Purpose::Decrypt, iv: None })
    }

    /// The IV, where it was made here.
    pub fn iv(&self) -> Option<&[u8]> {
        self.iv.as_deref()
    }

    /// Takes the next part and gives what can be given out; often nothing.
    ///
    /// # Errors
    /// [`Error::DataTooLong`] where more than [`MOST_HELD`] would have to be held back.
    pub fn update(&mut self, data: &[u8]) -> Result<Secret, Error> {
        let mut out = Zeroizing::new(Vec::new());
        match &mut self.work {
            Work::Bytes(apply) => {
                out.extend_from_slice(data);
                apply.apply(&mut out)?;
            }
            Work::Gcm(gcm, _) => {
                out.extend_from_slice(data);
                gcm.encrypt(&mut out)?;
            }
            Work::Blocks(blocks) => {
                blocks.rest.extend_from_slice(data);
                let held = blocks.held(self.purpose);
                let ready = blocks.rest.len().saturating_sub(held);
                out.extend(blocks.rest.drain(..ready));
                blocks.apply.apply(&mut out)?;
            }
            Work::Whole(whole) => {
                let length = whole.data.len().saturating_add(data.len());
                if length > MOST_HELD {
                    let wide = |value| u64::try_from(value).unwrap_or(u64::MAX);
                    return Err(Error::DataTooLong { length: wide(length), most: wide(MOST_HELD) });
                }
                whole.data.extend_from_slice(data);
            }
        }
        Ok(Secret::new(std::mem::take(&mut *out)))
    }

    /// Takes the last part and gives the rest, and the tag of an encryption that has one. `tag` is for a
    /// decryption whose tag was not given at its beginning.
    ///
    /// # Errors
    /// Those of [`super::encrypt`] and [`super::decrypt`].
    pub fn finish(mut self, data: &[u8], tag: Option<&[u8]>) -> Result<(Secret, Option<Vec<u8>>), Error> {
        let out = self.update(data)?;
        match self.work {
            Work::Bytes(_) => Ok((out, None)),
            Work::Gcm(gcm, length) => {
                let mut tag = gcm.finish();
                tag.truncate(length);
                Ok((out, Some(tag)))
            }
            Work::Blocks(blocks) => {
                let mut out = Zeroizing::new(out.expose().to_vec());
                let rest = blocks.finish(self.purpose)?;
                out.extend_from_slice(rest.expose());
                Ok((Secret::new(std::mem::take(&mut *out)), None))
            }
            Work::Whole(whole) => whole.finish(self.purpose, tag),
        }
    }
}

impl Work {
    fn start(cipher: &Cipher<'_>, form: Form, purpose: Purpose) -> Result<Self, Error> {
        let (algorithm, key) = (cipher.algorithm, cipher.key.0);
        let iv = cipher.iv.unwrap_or_default();
        Ok(match form {
            Form::Block(mode @ (BlockCipherMode::Cbc | BlockCipherMode::Ecb)) => {
                let block = block_length(algorithm).ok_or(cipher.unsupported(purpose))?;
                let padding = cipher.padding(purpose)?;
                let apply = block::parts(algorithm, key, mode, iv, purpose)?;
                Self::Blocks(Blocks { apply, block, padding, rest: Zeroizing::default() })
            }
            Form::Block(mode) => Self::Bytes(block::parts(algorithm, key, mode, iv, purpose)?),
            Form::Rc4 => Self::Bytes(stream::rc4_parts(key)?),
            Form::ChaCha20 => Self::Bytes(stream::chacha20_parts(key, iv)?),
            Form::Gcm | Form::Ccm | Form::ChaCha20Poly1305 | Form::Xts | Form::Wrap(_) => {
                Self::Whole(Whole {
                    algorithm,
                    key: Secret::new(key.to_vec()),
                    mode: cipher.mode,
                    iv: cipher.iv.map(<[u8]>::to_vec),
                    additional_data: cipher.additional_data.map(<[u8]>::to_vec),
                    tag_length: cipher.tag_length,
                    tag: None,
                    data: Zeroizing::default(),
                })
            }
        })
    }
}

impl Blocks {
    /// How many of the bytes at hand are not given out yet: what makes no whole block, and for a decryption the
    /// last block, which may be padding. Zeros are taken off the last block only, then.
    fn held(&self, purpose: Purpose) -> usize {
        let over = self.rest.len() % self.block;
        let unpads = purpose == Purpose::Decrypt && self.padding != PaddingMethod::None;
        if unpads && over == 0 { self.block } else { over }
    }

    fn finish(mut self, purpose: Purpose) -> Result<Secret, Error> {
        let rest = std::mem::take(&mut *self.rest);
        if purpose == Purpose::Encrypt {
            let mut padded = padding::pad(&rest, self.block, self.padding)?;
            self.apply.apply(&mut padded)?;
            return Ok(Secret::new(padded));
        }
        let mut rest = Zeroizing::new(rest);
        let over = rest.len() % self.block;
        if over != 0 {
            return Err(block::uneven(rest.len(), self.block));
        }
        self.apply.apply(&mut rest)?;
        padding::unpad(std::mem::take(&mut *rest), self.block, self.padding)
    }
}

impl Whole {
    fn finish(self, purpose: Purpose, tag: Option<&[u8]>) -> Result<(Secret, Option<Vec<u8>>), Error> {
        let cipher = Cipher {
            algorithm: self.algorithm,
            key: Key(self.key.expose()),
            mode: self.mode,
            padding: None,
            iv: self.iv.as_deref(),
            additional_data: self.additional_data.as_deref(),
            tag_length: self.tag_length,
        };
        if purpose == Purpose::Decrypt {
            let data = super::decrypt(&cipher, &self.data, tag.or(self.tag.as_deref()))?;
            return Ok((data, None));
        }
        let Encrypted { data, tag, .. } = super::encrypt(&cipher, &self.data)?;
        Ok((Secret::new(data), tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// All the output, and how much of it came before the end.
    fn run(
        mut parts: Parts,
        data: &[u8],
        size: usize,
        tag: Option<&[u8]>,
    ) -> (Vec<u8>, Option<Vec<u8>>, usize) {
        let mut out = Vec::new();
        for part in data.chunks(size) {
            out.extend_from_slice(parts.update(part).unwrap().expose());
        }
        let early = out.len();
        let (rest, tag) = parts.finish(b"", tag).unwrap();
        out.extend_from_slice(rest.expose());
        (out, tag, early)
    }

    #[test]
    fn parts_of_every_size_come_to_what_the_whole_comes_to_in_every_form() {
        let data = [b'd'; 75];
        for (algorithm, mode, early, early_back) in [
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
            let whole = super::super::encrypt(&cipher, &data).unwrap();
            for size in [1, 8, 13, 16, 33, 75] {
                let (encrypted, tag, before) = run(Parts::encrypt(&cipher).unwrap(), &data, size, None);
                assert_eq!((&encrypted, &tag), (&whole.data, &whole.tag), "{algorithm:?} {mode:?} {size}");
                assert_eq!(before, early, "{algorithm:?} {mode:?} {size}");
                let parts = Parts::decrypt(&cipher, None).unwrap();
                let (decrypted, _, before) = run(parts, &encrypted, size, tag.as_deref());
                assert_eq!(decrypted, data, "{algorithm:?} {mode:?} {size}");
                assert_eq!(before, early_back, "{algorithm:?} {mode:?} {size}");
            }
        }
    }

    #[test]
    fn without_padding_every_whole_block_is_given_out_at_once() {
        let cipher = Cipher { padding: Some(PaddingMethod::None), ..cipher(Aes, Some(Ecb)) };
        let mut parts = Parts::encrypt(&cipher).unwrap();
        assert!(parts.update(&[1; 8]).unwrap().is_empty());
        assert_eq!(parts.update(&[1; 8]).unwrap().len(), 16);
        assert!(parts.finish(b"", None).unwrap().0.is_empty());
        let mut parts = Parts::decrypt(&cipher, None).unwrap();
        assert_eq!(parts.update(&[1; 40]).unwrap().len(), 32);
        assert_eq!(parts.finish(b"", None).unwrap_err(), Error::DataLength { length: 8, block: 16 });
    }

    #[test]
    fn makes_an_iv_where_none_is_given_and_needs_one_to_decrypt() {
        let cipher = Cipher { iv: None, ..cipher(Aes, Some(Cbc)) };
        let parts = Parts::encrypt(&cipher).unwrap();
        assert_eq!(parts.iv().map(<[u8]>::len), Some(16));
        assert_eq!(Parts::decrypt(&cipher, None).err(), Some(Error::Missing(Parameter::Iv)));
    }

    #[test]
    fn a_wrong_or_missing_tag_gives_nothing_out() {
        let cipher = cipher(Aes, Some(Gcm));
        let whole = super::super::encrypt(&cipher, b"data").unwrap();
        let mut tag = whole.tag.unwrap();
        tag[0] ^= 1;
        let mut parts = Parts::decrypt(&cipher, Some(&tag)).unwrap();
        assert!(parts.update(&whole.data).unwrap().is_empty());
        assert_eq!(parts.finish(b"", None).unwrap_err(), Error::Authentication);
        let parts = Parts::decrypt(&cipher, None).unwrap();
        assert_eq!(parts.finish(&whole.data, None).unwrap_err(), Error::Missing(Parameter::Tag));
    }

    #[test]
    fn what_is_held_back_has_a_bound() {
        let mut parts = Parts::decrypt(&cipher(Aes, Some(Gcm)), None).unwrap();
        parts.update(&vec![0; MOST_HELD]).unwrap();
        let most = u64::try_from(MOST_HELD).unwrap();
        assert_eq!(parts.update(&[0]).unwrap_err(), Error::DataTooLong { length: most + 1, most });
        let mut parts = Parts::encrypt(&cipher(Aes, Some(Ctr))).unwrap();
        assert_eq!(parts.update(&vec![0; MOST_HELD + 1]).unwrap().len(), MOST_HELD + 1);
    }
}
