//! Block ciphers in the modes of NIST SP 800-38A: ECB, CBC, CFB with segments of a block, OFB and CTR.
//!
//! Padding has been put on by the caller, and is taken off by the caller.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::crypto_common::InnerInit;
use aes::cipher::{
    AsyncStreamCipher, BlockCipher, BlockDecrypt, BlockDecryptMut, BlockEncrypt, BlockEncryptMut,
    BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCore, StreamCipherCoreWrapper,
};
use ctr::{CtrCore, CtrFlavor};
use ofb::OfbCore;

use super::parts::Apply;
use super::{key_bytes, range};
use crate::crypto::{Error, Parameter, Purpose};
use crate::kmip::enums::{BlockCipherMode, CryptographicAlgorithm};

/// Evaluates `$body` with `$C` standing for the cipher type of the algorithm and the key's length, and
/// `$Counter` for what its blocks are counted with; `$otherwise` where there is none.
///
/// 3DES takes one, two or three keys of 64 bits: K1 K1 K1, K1 K2 K1 and K1 K2 K3 (NIST SP 800-67 §3.1's
/// keying options 3, 2 and 1; the first comes to DES).
macro_rules! with_block_cipher {
    ($algorithm:expr, $key:expr, <$C:ident, $Counter:ident> => $body:expr, _ => $otherwise:expr) => {{
        macro_rules! with {
            ($Cipher:ty, $Flavor:ty) => {{
                type $C = $Cipher;
                #[allow(dead_code, reason = "counting is for one mode only")]
                type $Counter = $Flavor;
                $body
            }};
        }
        use $crate::kmip::enums::CryptographicAlgorithm as Algorithm;
        match ($algorithm, $key.len()) {
            (Algorithm::Des | Algorithm::TripleDes, 8) => with!(des::Des, ctr::flavors::Ctr64BE),
            (Algorithm::TripleDes, 16) => with!(des::TdesEde2, ctr::flavors::Ctr64BE),
            (Algorithm::TripleDes, 24) => with!(des::TdesEde3, ctr::flavors::Ctr64BE),
            (Algorithm::Aes, 16) => with!(aes::Aes128, ctr::flavors::Ctr128BE),
            (Algorithm::Aes, 24) => with!(aes::Aes192, ctr::flavors::Ctr128BE),
            (Algorithm::Aes, 32) => with!(aes::Aes256, ctr::flavors::Ctr128BE),
            (Algorithm::Blowfish, 4..=56) => with!(blowfish::Blowfish, ctr::flavors::Ctr64BE),
            (Algorithm::Camellia, 16) => with!(camellia::Camellia128, ctr::flavors::Ctr128BE),
            (Algorithm::Camellia, 24) => with!(camellia::Camellia192, ctr::flavors::Ctr128BE),
            (Algorithm::Camellia, 32) => with!(camellia::Camellia256, ctr::flavors::Ctr128BE),
            (Algorithm::Cast5, 5..=16) => with!(cast5::Cast5, ctr::flavors::Ctr64BE),
            (Algorithm::Idea, 16) => with!(idea::Idea, ctr::flavors::Ctr64BE),
            _ => $otherwise,
        }
    }};
}

pub(crate) use with_block_cipher;

/// The block of an algorithm in bytes; none where it is no block cipher that is computed with here.
pub(crate) const fn block_length(algorithm: CryptographicAlgorithm) -> Option<usize> {
    match algorithm {
        CryptographicAlgorithm::Des
        | CryptographicAlgorithm::TripleDes
        | CryptographicAlgorithm::Blowfish
        | CryptographicAlgorithm::Cast5
        | CryptographicAlgorithm::Idea => Some(8),
        CryptographicAlgorithm::Aes | CryptographicAlgorithm::Camellia => Some(16),
        _ => None,
    }
}

/// Whether this file has the mode.
pub(super) const fn offers(mode: BlockCipherMode) -> bool {
    matches!(
        mode,
        BlockCipherMode::Ecb
            | BlockCipherMode::Cbc
            | BlockCipherMode::Cfb
            | BlockCipherMode::Ofb
            | BlockCipherMode::Ctr
    )
}

/// Encrypts `data` in place. For ECB and CBC it has to be whole blocks.
pub(super) fn encrypt(
    algorithm: CryptographicAlgorithm,
    key: &[u8],
    mode: BlockCipherMode,
    iv: &[u8],
    data: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    with_block_cipher!(
        algorithm, key,
        <C, Counter> => encrypt_with::<C, Counter>(cipher(algorithm, key)?, algorithm, mode, iv, data),
        _ => Err(key_bytes(algorithm, key))
    )
}

/// Decrypts `data` in place. For ECB and CBC it has to be whole blocks.
pub(super) fn decrypt(
    algorithm: CryptographicAlgorithm,
    key: &[u8],
    mode: BlockCipherMode,
    iv: &[u8],
    data: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    with_block_cipher!(
        algorithm, key,
        <C, Counter> => decrypt_with::<C, Counter>(cipher(algorithm, key)?, algorithm, mode, iv, data),
        _ => Err(key_bytes(algorithm, key))
    )
}

/// The mode, ready to encrypt or decrypt data that comes in parts: of whole blocks for ECB and CBC.
pub(super) fn parts(
    algorithm: CryptographicAlgorithm,
    key: &[u8],
    mode: BlockCipherMode,
    iv: &[u8],
    purpose: Purpose,
) -> Result<Box<dyn Apply>, Error> {
    with_block_cipher!(
        algorithm, key,
        <C, Counter> => {
            let block = <C as BlockSizeUser>::block_size();
            let cipher: C = cipher(algorithm, key)?;
            Ok(match (mode, purpose) {
                (BlockCipherMode::Ecb, Purpose::Decrypt) => {
                    Box::new(Decrypting(ecb::Decryptor::<C>::inner_init(cipher)))
                }
                (BlockCipherMode::Ecb, _) => Box::new(Encrypting(ecb::Encryptor::<C>::inner_init(cipher))),
                (BlockCipherMode::Cbc, Purpose::Decrypt) => {
                    Box::new(Decrypting(start::<cbc::Decryptor<C>>(cipher, iv, block)?))
                }
                (BlockCipherMode::Cbc, _) => Box::new(Encrypting(start::<cbc::Encryptor<C>>(cipher, iv, block)?)),
                (BlockCipherMode::Cfb, Purpose::Decrypt) => {
                    Box::new(start::<cfb_mode::BufDecryptor<C>>(cipher, iv, block)?)
                }
                (BlockCipherMode::Cfb, _) => Box::new(start::<cfb_mode::BufEncryptor<C>>(cipher, iv, block)?),
                (BlockCipherMode::Ofb, _) => {
                    let core: OfbCore<C> = start(cipher, iv, block)?;
                    Box::new(Keystream(StreamCipherCoreWrapper::from_core(core)))
                }
                (BlockCipherMode::Ctr, _) => {
                    let core: CtrCore<C, Counter> = start(cipher, iv, block)?;
                    Box::new(Keystream(StreamCipherCoreWrapper::from_core(core)))
                }
                (mode, _) => return Err(Error::Mode { algorithm, mode }),
            })
        },
        _ => Err(key_bytes(algorithm, key))
    )
}

struct Encrypting<M>(M);

impl<M: BlockEncryptMut + Send> Apply for Encrypting<M> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        for block in data.chunks_exact_mut(M::block_size()) {
            self.0.encrypt_block_mut(block.into());
        }
        Ok(())
    }
}

struct Decrypting<M>(M);

impl<M: BlockDecryptMut + Send> Apply for Decrypting<M> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        for block in data.chunks_exact_mut(M::block_size()) {
            self.0.decrypt_block_mut(block.into());
        }
        Ok(())
    }
}

impl<C: BlockEncryptMut + BlockCipher + Send> Apply for cfb_mode::BufEncryptor<C> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        self.encrypt(data);
        Ok(())
    }
}

impl<C: BlockEncryptMut + BlockCipher + Send> Apply for cfb_mode::BufDecryptor<C> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        self.decrypt(data);
        Ok(())
    }
}

/// A keystream, where both directions are one.
pub(super) struct Keystream<S>(pub(super) S);

impl<S: StreamCipher + Send> Apply for Keystream<S> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        self.0.try_apply_keystream(data).map_err(|_| Error::Failed(Purpose::Encrypt))
    }
}

fn cipher<C: KeyInit>(algorithm: CryptographicAlgorithm, key: &[u8]) -> Result<C, Error> {
    C::new_from_slice(key).map_err(|_| key_bytes(algorithm, key))
}

/// Puts a mode on a cipher, with an IV of one block.
fn start<M: InnerIvInit>(cipher: M::Inner, iv: &[u8], block: usize) -> Result<M, Error> {
    M::inner_iv_slice_init(cipher, iv).map_err(|_| range(Parameter::Iv, iv.len(), block, block))
}

fn encrypt_with<C, Counter>(
    cipher: C,
    algorithm: CryptographicAlgorithm,
    mode: BlockCipherMode,
    iv: &[u8],
    mut data: Vec<u8>,
) -> Result<Vec<u8>, Error>
where
    C: BlockCipher + BlockEncryptMut + BlockEncrypt,
    Counter: CtrFlavor<C::BlockSize>,
{
    let (length, block) = (data.len(), C::block_size());
    match mode {
        BlockCipherMode::Ecb => {
            let mode = ecb::Encryptor::<C>::inner_init(cipher);
            mode.encrypt_padded_mut::<NoPadding>(&mut data, length).map_err(|_| uneven(length, block))?;
        }
        BlockCipherMode::Cbc => {
            let mode: cbc::Encryptor<C> = start(cipher, iv, block)?;
            mode.encrypt_padded_mut::<NoPadding>(&mut data, length).map_err(|_| uneven(length, block))?;
        }
        BlockCipherMode::Cfb => start::<cfb_mode::Encryptor<C>>(cipher, iv, block)?.encrypt(&mut data),
        _ => keystream::<C, Counter>(cipher, algorithm, mode, iv, &mut data)?,
    }
    Ok(data)
}

fn decrypt_with<C, Counter>(
    cipher: C,
    algorithm: CryptographicAlgorithm,
    mode: BlockCipherMode,
    iv: &[u8],
    mut data: Vec<u8>,
) -> Result<Vec<u8>, Error>
where
    C: BlockCipher + BlockEncryptMut + BlockEncrypt + BlockDecrypt,
    Counter: CtrFlavor<C::BlockSize>,
{
    let (length, block) = (data.len(), C::block_size());
    match mode {
        BlockCipherMode::Ecb => {
            let mode = ecb::Decryptor::<C>::inner_init(cipher);
            mode.decrypt_padded_mut::<NoPadding>(&mut data).map_err(|_| uneven(length, block))?;
        }
        BlockCipherMode::Cbc => {
            let mode: cbc::Decryptor<C> = start(cipher, iv, block)?;
            mode.decrypt_padded_mut::<NoPadding>(&mut data).map_err(|_| uneven(length, block))?;
        }
        BlockCipherMode::Cfb => start::<cfb_mode::Decryptor<C>>(cipher, iv, block)?.decrypt(&mut data),
        _ => keystream::<C, Counter>(cipher, algorithm, mode, iv, &mut data)?,
    }
    Ok(data)
}

/// OFB and CTR, where both directions are one.
fn keystream<C, Counter>(
    cipher: C,
    algorithm: CryptographicAlgorithm,
    mode: BlockCipherMode,
    iv: &[u8],
    data: &mut [u8],
) -> Result<(), Error>
where
    C: BlockCipher + BlockEncryptMut + BlockEncrypt,
    Counter: CtrFlavor<C::BlockSize>,
{
    let block = C::block_size();
    let done = match mode {
        BlockCipherMode::Ofb => {
            start::<OfbCore<C>>(cipher, iv, block)?.try_apply_keystream_partial(data.into())
        }
        BlockCipherMode::Ctr => {
            start::<CtrCore<C, Counter>>(cipher, iv, block)?.try_apply_keystream_partial(data.into())
        }
        _ => return Err(Error::Mode { algorithm, mode }),
    };
    // Counters of 64 and 128 bits do not run out on data that fits into memory.
    done.map_err(|_| Error::Failed(Purpose::Encrypt))
}

pub(super) fn uneven(length: usize, block: usize) -> Error {
    let wide = |value| u64::try_from(value).unwrap_or(u64::MAX);
    Error::DataLength { length: wide(length), block: wide(block) }
}
