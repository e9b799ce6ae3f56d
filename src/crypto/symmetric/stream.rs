//! RC4, ChaCha20 (RFC 8439 §2.4), and AES in XTS (IEEE 1619, NIST SP 800-38E).

use aes::cipher::{KeyInit, KeyIvInit, StreamCipherSeek};
use chacha20::{ChaCha20, ChaCha20Legacy};
use rc4::Rc4;
use rc4::consts::{U5, U7, U8, U10, U16, U20, U24, U32};
use subtle::ConstantTimeEq;
use xts_mode::Xts128;

use super::transform::{Consumer, Keystream};
use crate::crypto::{Error, Parameter, Purpose};
use crate::kmip::enums::CryptographicAlgorithm;

/// Starts RC4 with a key of 5, 7, 8, 10, 16, 20, 24 or 32 bytes.
pub(super) fn rc4<T: Consumer<'static>>(key: &[u8], consumer: T) -> Result<T::Output, Error> {
    let invalid_key = || Error::key_bytes(CryptographicAlgorithm::Rc4, key);
    macro_rules! start {
        ($Size:ty) => {
            consumer.consume(Keystream(Rc4::<$Size>::new_from_slice(key).map_err(|_| invalid_key())?))
        };
    }
    match key.len() {
        5 => start!(U5),
        7 => start!(U7),
        8 => start!(U8),
        10 => start!(U10),
        16 => start!(U16),
        20 => start!(U20),
        24 => start!(U24),
        32 => start!(U32),
        _ => Err(invalid_key()),
    }
}

/// The length of a ChaCha20 block, in bytes (RFC 8439 §2.3).
const CHACHA_BLOCK: u64 = 64;

/// Starts ChaCha20 with a key of 32 bytes. A nonce of 8 bytes selects the original algorithm, whose counter has 64
/// bits; 12 bytes are the nonce of RFC 8439; 16 bytes are the initial counter (32 bits, little-endian) and the nonce
/// of RFC 8439.
pub(super) fn chacha20<T: Consumer<'static>>(key: &[u8], iv: &[u8], consumer: T) -> Result<T::Output, Error> {
    let key =
        <[u8; 32]>::try_from(key).map_err(|_| Error::key_bytes(CryptographicAlgorithm::ChaCha20, key))?;
    if let Ok(nonce) = <[u8; 8]>::try_from(iv) {
        consumer.consume(Keystream(ChaCha20Legacy::new(&key.into(), &nonce.into())))
    } else if let Ok(nonce) = <[u8; 12]>::try_from(iv) {
        consumer.consume(Keystream(ChaCha20::new(&key.into(), &nonce.into())))
    } else if let Some((counter, nonce)) = iv.split_first_chunk::<4>()
        && let Ok(nonce) = <[u8; 12]>::try_from(nonce)
    {
        let mut cipher = ChaCha20::new(&key.into(), &nonce.into());
        let start = u64::from(u32::from_le_bytes(*counter)) * CHACHA_BLOCK;
        cipher.try_seek(start).map_err(|_| Error::Failed(Purpose::Encrypt))?;
        consumer.consume(Keystream(cipher))
    } else {
        Err(Error::range(Parameter::Iv, iv.len(), 8, 16))
    }
}

/// The AES block, in bytes (FIPS 197).
const BLOCK: usize = 16;

/// Encrypts or decrypts one data unit with AES in XTS. The key is two AES keys of the same length; the IV is the
/// tweak, the number of the data unit, little-endian. The data has at least one block; its last block may be
/// incomplete (ciphertext stealing).
pub(super) fn xts(key: &[u8], iv: &[u8], data: &[u8], purpose: Purpose) -> Result<Vec<u8>, Error> {
    let invalid_key = || Error::key_bytes(CryptographicAlgorithm::Aes, key);
    let tweak =
        <[u8; BLOCK]>::try_from(iv).map_err(|_| Error::range(Parameter::Iv, iv.len(), BLOCK, BLOCK))?;
    if data.len() < BLOCK {
        return Err(Error::data_length(data.len(), BLOCK));
    }
    let (data_key, tweak_key) = key.split_at(key.len() / 2);
    // Two equal keys enable a chosen-ciphertext attack (FIPS 140-3 IG C.I).
    if bool::from(data_key.ct_eq(tweak_key)) {
        return Err(invalid_key());
    }
    let mut data = data.to_vec();
    macro_rules! apply {
        ($Aes:ty) => {{
            let cipher = |key| <$Aes>::new_from_slice(key).map_err(|_| invalid_key());
            let mode = Xts128::new(cipher(data_key)?, cipher(tweak_key)?);
            match purpose {
                Purpose::Decrypt => mode.decrypt_sector(&mut data, tweak),
                _ => mode.encrypt_sector(&mut data, tweak),
            }
        }};
    }
    match key.len() {
        32 => apply!(aes::Aes128),
        64 => apply!(aes::Aes256),
        _ => return Err(invalid_key()),
    }
    Ok(data)
}
