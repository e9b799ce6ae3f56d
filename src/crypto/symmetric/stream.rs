//! RC4, ChaCha20 (RFC 8439 §2.4), and AES in XTS (IEEE 1619, NIST SP 800-38E).

use aes::cipher::{KeyInit, KeyIvInit, StreamCipherSeek};
use chacha20::{ChaCha20, ChaCha20Legacy};
use rc4::Rc4;
use rc4::consts::{U5, U7, U8, U10, U16, U20, U24, U32};
use subtle::ConstantTimeEq;
use xts_mode::Xts128;

use super::block::Keystream;
use super::parts::Apply;
use super::{key_bytes, range};
use crate::crypto::{Error, Parameter, Purpose};
use crate::kmip::enums::CryptographicAlgorithm;

/// RC4, both directions.
pub(super) fn rc4(key: &[u8], mut data: Vec<u8>) -> Result<Vec<u8>, Error> {
    rc4_parts(key)?.apply(&mut data)?;
    Ok(data)
}

/// The same, for data that comes in parts.
pub(super) fn rc4_parts(key: &[u8]) -> Result<Box<dyn Apply>, Error> {
    macro_rules! start {
        ($Size:ty) => {
            Box::new(Keystream(
                Rc4::<$Size>::new_from_slice(key).map_err(|_| key_bytes(CryptographicAlgorithm::Rc4, key))?,
            ))
        };
    }
    Ok(match key.len() {
        5 => start!(U5),
        7 => start!(U7),
        8 => start!(U8),
        10 => start!(U10),
        16 => start!(U16),
        20 => start!(U20),
        24 => start!(U24),
        32 => start!(U32),
        _ => return Err(key_bytes(CryptographicAlgorithm::Rc4, key)),
    })
}

/// The bytes that ChaCha20 makes at a time.
const CHACHA_BLOCK: u64 = 64;

/// ChaCha20, both directions. A nonce of 8 bytes is the original algorithm's, with a counter of 64 bits; 12
/// bytes are RFC 8439's; 16 are a counter of 32 bits to start with, little-endian, and RFC 8439's nonce.
pub(super) fn chacha20(key: &[u8], iv: &[u8], mut data: Vec<u8>) -> Result<Vec<u8>, Error> {
    chacha20_parts(key, iv)?
        .apply(&mut data)
        .map_err(|_| range(Parameter::Data, data.len(), 0, usize::MAX))?;
    Ok(data)
}

/// The same, for data that comes in parts.
pub(super) fn chacha20_parts(key: &[u8], iv: &[u8]) -> Result<Box<dyn Apply>, Error> {
    let key = <[u8; 32]>::try_from(key).map_err(|_| key_bytes(CryptographicAlgorithm::ChaCha20, key))?;
    if let Ok(nonce) = <[u8; 8]>::try_from(iv) {
        Ok(Box::new(Keystream(ChaCha20Legacy::new(&key.into(), &nonce.into()))))
    } else if let Ok(nonce) = <[u8; 12]>::try_from(iv) {
        Ok(Box::new(Keystream(ChaCha20::new(&key.into(), &nonce.into()))))
    } else if let Some((counter, nonce)) = iv.split_first_chunk::<4>()
        && let Ok(nonce) = <[u8; 12]>::try_from(nonce)
    {
        let mut cipher = ChaCha20::new(&key.into(), &nonce.into());
        let start = u64::from(u32::from_le_bytes(*counter)) * CHACHA_BLOCK;
        cipher.try_seek(start).map_err(|_| Error::Failed(Purpose::Encrypt))?;
        Ok(Box::new(Keystream(cipher)))
    } else {
        Err(range(Parameter::Iv, iv.len(), 8, 16))
    }
}

/// The block of AES, in bytes.
const BLOCK: usize = 16;

/// AES in XTS: the key is two keys of one length; the IV is the tweak, the number of the data unit,
/// little-endian. Data may end inside of a block, but not inside of the first.
pub(super) fn xts(key: &[u8], iv: &[u8], mut data: Vec<u8>, purpose: Purpose) -> Result<Vec<u8>, Error> {
    let wrong = || key_bytes(CryptographicAlgorithm::Aes, key);
    let tweak = <[u8; BLOCK]>::try_from(iv).map_err(|_| range(Parameter::Iv, iv.len(), BLOCK, BLOCK))?;
    if data.len() < BLOCK {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        return Err(Error::DataLength { length, block: 16 });
    }
    let (one, two) = key.split_at(key.len() / 2);
    // Two equal keys give away where blocks are equal (FIPS 140-3 IG C.I).
    if bool::from(one.ct_eq(two)) {
        return Err(wrong());
    }
    macro_rules! apply {
        ($Aes:ty) => {{
            let cipher = |key| <$Aes>::new_from_slice(key).map_err(|_| wrong());
            let mode = Xts128::new(cipher(one)?, cipher(two)?);
            match purpose {
                Purpose::Decrypt => mode.decrypt_sector(&mut data, tweak),
                _ => mode.encrypt_sector(&mut data, tweak),
            }
        }};
    }
    match key.len() {
        32 => apply!(aes::Aes128),
        64 => apply!(aes::Aes256),
        _ => return Err(wrong()),
    }
    Ok(data)
}
