//! Authenticated encryption: AES in GCM (NIST SP 800-38D) and CCM (NIST SP 800-38C), and ChaCha20-Poly1305
//! (RFC 8439 §2.8).
//!
//! aws-lc-rs computes GCM with an IV of 96 bits and a full tag. For other IVs and for truncated tags, whose lengths no
//! package accepts at run time, this file combines AES in CTR mode with GHASH. Tags are compared in constant time, and
//! data is decrypted only after its tag is verified.

use aes::cipher::{
    BlockCipher, BlockEncrypt, BlockEncryptMut, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher,
    StreamCipherCoreWrapper, consts,
};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ccm::aead::AeadInPlace;
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::stream::chacha20;
use super::transform::Whole;
use crate::crypto::{Error, Parameter, Purpose};
use crate::kmip::enums::CryptographicAlgorithm;
use crate::secret::Secret;

/// The length of a full tag, in bytes.
pub(super) const TAG: usize = 16;

/// The shortest tag that a decryption accepts if nothing else is stated, in bytes. With shorter ones, an attacker who
/// may try many messages forges one (NIST SP 800-38D appendix C).
pub const SHORTEST_DEFAULT_TAG: usize = 12;

/// The shortest GCM tag, in bytes (NIST SP 800-38D §5.2.1.2).
const GCM_MIN_TAG: usize = 4;

/// The shortest ChaCha20-Poly1305 tag, in bytes. RFC 8439 has full tags only, but the standard's test cases truncate
/// one to 96 bits, the shortest general-purpose tag of GCM (NIST SP 800-38D §5.2.1.2).
const CHACHA_MIN_TAG: usize = 12;

/// The length of the IV that GCM uses without hashing it, in bytes (NIST SP 800-38D §7.1).
const GCM_DIRECT_IV: usize = 12;

/// The longest data that GCM encrypts, in bytes (NIST SP 800-38D §5.2.1.1).
const GCM_MAX_DATA: usize = (1 << 36) - 32;

/// Evaluates `$body` with `$C` as the AES type for the length of the key.
macro_rules! with_aes {
    ($key:expr, <$C:ident> => $body:expr) => {
        match $key.len() {
            16 => {
                type $C = aes::Aes128;
                $body
            }
            24 => {
                type $C = aes::Aes192;
                $body
            }
            32 => {
                type $C = aes::Aes256;
                $body
            }
            _ => Err(Error::key_bytes(CryptographicAlgorithm::Aes, $key)),
        }
    };
}

/// Evaluates `$body` with `$M` as CCM over `$C` with the lengths of the tag and of the nonce.
macro_rules! with_ccm {
    ($C:ident, $tag:expr, $parameter:expr, $iv:expr, <$M:ident> => $body:expr) => {{
        macro_rules! of {
            ($Tag:ty, $Nonce:ty) => {{
                type $M = ccm::Ccm<$C, $Tag, $Nonce>;
                $body
            }};
        }
        macro_rules! of_tag {
            ($Tag:ty) => {
                match $iv.len() {
                    7 => of!($Tag, consts::U7),
                    8 => of!($Tag, consts::U8),
                    9 => of!($Tag, consts::U9),
                    10 => of!($Tag, consts::U10),
                    11 => of!($Tag, consts::U11),
                    12 => of!($Tag, consts::U12),
                    13 => of!($Tag, consts::U13),
                    length => Err(Error::range(Parameter::Iv, length, 7, 13)),
                }
            };
        }
        match $tag {
            4 => of_tag!(consts::U4),
            6 => of_tag!(consts::U6),
            8 => of_tag!(consts::U8),
            10 => of_tag!(consts::U10),
            12 => of_tag!(consts::U12),
            14 => of_tag!(consts::U14),
            16 => of_tag!(consts::U16),
            length => Err(Error::range($parameter, length, 4, TAG)),
        }
    }};
}

/// Returns the ciphertext and its tag of `tag_length` bytes.
pub(super) fn gcm_encrypt(
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    data: &[u8],
    tag_length: usize,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    if !(GCM_MIN_TAG..=TAG).contains(&tag_length) {
        return Err(Error::range(Parameter::TagLength, tag_length, GCM_MIN_TAG, TAG));
    }
    let mut data = data.to_vec();
    let mut tag = if iv.len() == GCM_DIRECT_IV {
        seal(gcm_algorithm(key)?, key, iv, additional, &mut data)?
    } else {
        with_aes!(key, <C> => gcm_encrypt_any::<C>(key, iv, additional, &mut data))?
    };
    tag.truncate(tag_length);
    Ok((data, tag))
}

/// A multi-part encryption with GCM.
pub(super) trait GcmEncryption: Send {
    /// Encrypts the next part in place.
    fn encrypt(&mut self, data: &mut [u8]) -> Result<(), Error>;

    /// Returns the full tag.
    fn finish(self: Box<Self>) -> Vec<u8>;
}

/// Starts a multi-part encryption with GCM.
pub(super) fn start_gcm(
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    tag_length: usize,
) -> Result<Box<dyn GcmEncryption>, Error> {
    if !(GCM_MIN_TAG..=TAG).contains(&tag_length) {
        return Err(Error::range(Parameter::TagLength, tag_length, GCM_MIN_TAG, TAG));
    }
    with_aes!(key, <C> => {
        let mut state = GcmState::<C>::start(key, iv)?;
        state.hash.update_padded(additional);
        Ok(Box::new(MultiPartGcm { state, additional: additional.len(), length: 0, rest: Vec::new() }))
    })
}

/// A multi-part encryption with GCM.
struct MultiPartGcm<C: BlockCipher + BlockEncryptMut + BlockSizeUser<BlockSize = consts::U16>> {
    state: GcmState<C>,
    /// The length of the additional data, in bytes.
    additional: usize,
    /// The length of the ciphertext so far, in bytes.
    length: usize,
    /// The ciphertext after the last whole block, which GHASH has not processed yet.
    rest: Vec<u8>,
}

impl<C> GcmEncryption for MultiPartGcm<C>
where
    C: BlockCipher + BlockEncrypt + BlockSizeUser<BlockSize = consts::U16> + Send,
{
    fn encrypt(&mut self, data: &mut [u8]) -> Result<(), Error> {
        let too_long = Err(Error::range(Parameter::Data, data.len(), 0, GCM_MAX_DATA));
        self.state.stream.try_apply_keystream(data).or(too_long)?;
        self.length = self.length.saturating_add(data.len());
        self.rest.extend_from_slice(data);
        let blocks = self.rest.len() - self.rest.len() % TAG;
        let (blocks, rest) = self.rest.split_at(blocks);
        self.state.hash.update_padded(blocks);
        self.rest = rest.to_vec();
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Vec<u8> {
        self.state.hash.update_padded(&self.rest);
        self.state.hash.update(&[lengths(self.additional, self.length)]);
        let digest = self.state.hash.finalize();
        self.state.mask.iter().zip(digest).map(|(mask, byte)| mask ^ byte).collect()
    }
}

/// Verifies the tag and returns the plaintext.
pub(super) fn gcm_decrypt(
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    data: &[u8],
    tag: &[u8],
) -> Result<Secret, Error> {
    if !(GCM_MIN_TAG..=TAG).contains(&tag.len()) {
        return Err(Error::range(Parameter::Tag, tag.len(), GCM_MIN_TAG, TAG));
    }
    if iv.len() == GCM_DIRECT_IV && tag.len() == TAG {
        return open(gcm_algorithm(key)?, key, iv, additional, data, tag);
    }
    with_aes!(key, <C> => gcm_decrypt_any::<C>(key, iv, additional, data, tag))
}

fn gcm_algorithm(key: &[u8]) -> Result<&'static aead::Algorithm, Error> {
    match key.len() {
        16 => Ok(&aead::AES_128_GCM),
        24 => Ok(&aead::AES_192_GCM),
        32 => Ok(&aead::AES_256_GCM),
        _ => Err(Error::key_bytes(CryptographicAlgorithm::Aes, key)),
    }
}

/// Returns the ciphertext and its tag of `tag_length` bytes.
pub(super) fn chacha_encrypt(
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    data: &[u8],
    tag_length: usize,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    chacha_lengths(key, iv)?;
    if !(CHACHA_MIN_TAG..=TAG).contains(&tag_length) {
        return Err(Error::range(Parameter::TagLength, tag_length, CHACHA_MIN_TAG, TAG));
    }
    let mut data = data.to_vec();
    let mut tag = seal(&aead::CHACHA20_POLY1305, key, iv, additional, &mut data)?;
    tag.truncate(tag_length);
    Ok((data, tag))
}

/// Verifies the tag and returns the plaintext.
pub(super) fn chacha_decrypt(
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    data: &[u8],
    tag: &[u8],
) -> Result<Secret, Error> {
    chacha_lengths(key, iv)?;
    if !(CHACHA_MIN_TAG..=TAG).contains(&tag.len()) {
        return Err(Error::range(Parameter::Tag, tag.len(), CHACHA_MIN_TAG, TAG));
    }
    if tag.len() == TAG {
        return open(&aead::CHACHA20_POLY1305, key, iv, additional, data, tag);
    }
    // aws-lc-rs verifies full tags only. The keystream starts with block 1, because block 0 is the key of the tag (RFC
    // 8439 §2.8). Encrypting the plaintext again returns the full tag.
    let mut plain = Zeroizing::new(data.to_vec());
    chacha20(key, &[&1u32.to_le_bytes(), iv].concat(), Whole(&mut plain))?;
    let mut again = plain.to_vec();
    let full = seal(&aead::CHACHA20_POLY1305, key, iv, additional, &mut again)?;
    let (start, _) = full.split_at(tag.len());
    if !bool::from(start.ct_eq(tag)) {
        return Err(Error::Authentication);
    }
    Ok(Secret::new(std::mem::take(&mut *plain)))
}

fn chacha_lengths(key: &[u8], iv: &[u8]) -> Result<(), Error> {
    if key.len() != aead::CHACHA20_POLY1305.key_len() {
        return Err(Error::key_bytes(CryptographicAlgorithm::ChaCha20Poly1305, key));
    }
    if iv.len() != aead::NONCE_LEN {
        return Err(Error::range(Parameter::Iv, iv.len(), aead::NONCE_LEN, aead::NONCE_LEN));
    }
    Ok(())
}

/// Encrypts `data` in place with aws-lc-rs and returns the tag.
fn seal(
    algorithm: &'static aead::Algorithm,
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    data: &mut [u8],
) -> Result<Vec<u8>, Error> {
    let failed = |_| Error::Failed(Purpose::Encrypt);
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(failed)?);
    let nonce = Nonce::try_assume_unique_for_key(iv).map_err(failed)?;
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(additional), data).map_err(failed)?;
    Ok(tag.as_ref().to_vec())
}

/// Decrypts with aws-lc-rs.
fn open(
    algorithm: &'static aead::Algorithm,
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    data: &[u8],
    tag: &[u8],
) -> Result<Secret, Error> {
    let failed = |_| Error::Failed(Purpose::Decrypt);
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(failed)?);
    let nonce = Nonce::try_assume_unique_for_key(iv).map_err(failed)?;
    let mut buffer = Zeroizing::new([data, tag].concat());
    key.open_in_place(nonce, Aad::from(additional), &mut buffer).map_err(|_| Error::Authentication)?;
    buffer.truncate(data.len());
    Ok(Secret::new(std::mem::take(&mut *buffer)))
}

/// The state of GCM for one message (NIST SP 800-38D §7.1).
struct GcmState<C: BlockCipher + BlockEncryptMut + BlockSizeUser<BlockSize = consts::U16>> {
    hash: GHash,
    /// The first block of the keystream, which masks the tag.
    mask: [u8; TAG],
    /// The rest of the keystream, which encrypts the data.
    stream: StreamCipherCoreWrapper<CtrCore<C, Ctr32BE>>,
}

impl<C> GcmState<C>
where
    C: BlockCipher + BlockEncrypt + BlockSizeUser<BlockSize = consts::U16> + KeyInit,
{
    fn start(key: &[u8], iv: &[u8]) -> Result<Self, Error> {
        if iv.is_empty() {
            return Err(Error::range(Parameter::Iv, 0, 1, usize::MAX));
        }
        let cipher =
            C::new_from_slice(key).map_err(|_| Error::key_bytes(CryptographicAlgorithm::Aes, key))?;
        let mut subkey = ghash::Key::default();
        cipher.encrypt_block(&mut subkey);
        let hash = GHash::new(&subkey);
        subkey.zeroize();
        let first = if iv.len() == GCM_DIRECT_IV {
            let mut first = ghash::Block::default();
            for (to, from) in first.iter_mut().zip(iv.iter().chain(&[0, 0, 0, 1])) {
                *to = *from;
            }
            first
        } else {
            let mut hash = hash.clone();
            hash.update_padded(iv);
            hash.update(&[lengths(0, iv.len())]);
            hash.finalize()
        };
        let mut stream = StreamCipherCoreWrapper::from_core(CtrCore::inner_iv_init(cipher, &first));
        let mut mask = [0; TAG];
        stream.apply_keystream(&mut mask);
        Ok(Self { hash, mask, stream })
    }

    fn tag(&self, additional: &[u8], encrypted: &[u8]) -> [u8; TAG] {
        let mut hash = self.hash.clone();
        hash.update_padded(additional);
        hash.update_padded(encrypted);
        hash.update(&[lengths(additional.len(), encrypted.len())]);
        let mut tag = self.mask;
        for (to, from) in tag.iter_mut().zip(hash.finalize()) {
            *to ^= from;
        }
        tag
    }
}

/// Returns the last block of GHASH: two lengths, given in bytes, as numbers of bits.
fn lengths(additional: usize, encrypted: usize) -> ghash::Block {
    // Lengths in memory are less than 2^61 bytes.
    let bits = |length: usize| (length as u64).wrapping_mul(8);
    let block = u128::from(bits(additional)) << 64 | u128::from(bits(encrypted));
    block.to_be_bytes().into()
}

fn gcm_encrypt_any<C>(key: &[u8], iv: &[u8], additional: &[u8], data: &mut [u8]) -> Result<Vec<u8>, Error>
where
    C: BlockCipher + BlockEncrypt + BlockSizeUser<BlockSize = consts::U16> + KeyInit,
{
    let mut gcm = GcmState::<C>::start(key, iv)?;
    let too_long = Err(Error::range(Parameter::Data, data.len(), 0, GCM_MAX_DATA));
    gcm.stream.try_apply_keystream(data).or(too_long)?;
    Ok(gcm.tag(additional, data).to_vec())
}

fn gcm_decrypt_any<C>(
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    data: &[u8],
    tag: &[u8],
) -> Result<Secret, Error>
where
    C: BlockCipher + BlockEncrypt + BlockSizeUser<BlockSize = consts::U16> + KeyInit,
{
    let mut gcm = GcmState::<C>::start(key, iv)?;
    let full = gcm.tag(additional, data);
    let (start, _) = full.split_at(tag.len());
    if !bool::from(start.ct_eq(tag)) {
        return Err(Error::Authentication);
    }
    let mut data = Zeroizing::new(data.to_vec());
    let too_long = Err(Error::range(Parameter::Data, data.len(), 0, GCM_MAX_DATA));
    gcm.stream.try_apply_keystream(&mut data).or(too_long)?;
    Ok(Secret::new(std::mem::take(&mut *data)))
}

/// Returns the ciphertext and its tag of `tag_length` bytes.
pub(super) fn ccm_encrypt(
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    data: &[u8],
    tag_length: usize,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let mut data = data.to_vec();
    let tag = with_aes!(key, <C> => with_ccm!(
        C, tag_length, Parameter::TagLength, iv,
        <M> => M::new_from_slice(key)
            .map_err(|_| Error::key_bytes(CryptographicAlgorithm::Aes, key))?
            .encrypt_in_place_detached(iv.into(), additional, &mut data)
            .map(|tag| tag.to_vec())
            .map_err(|_| Error::Failed(Purpose::Encrypt))
    ))?;
    Ok((data, tag))
}

/// Verifies the tag and returns the plaintext.
pub(super) fn ccm_decrypt(
    key: &[u8],
    iv: &[u8],
    additional: &[u8],
    data: &[u8],
    tag: &[u8],
) -> Result<Secret, Error> {
    let mut data = Zeroizing::new(data.to_vec());
    with_aes!(key, <C> => with_ccm!(
        C, tag.len(), Parameter::Tag, iv,
        <M> => M::new_from_slice(key)
            .map_err(|_| Error::key_bytes(CryptographicAlgorithm::Aes, key))?
            .decrypt_in_place_detached(iv.into(), additional, &mut data, tag.into())
            .map_err(|_| Error::Authentication)
    ))?;
    Ok(Secret::new(std::mem::take(&mut *data)))
}
