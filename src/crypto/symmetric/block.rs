//! Block ciphers in the modes of NIST SP 800-38A: ECB, CBC, CFB with segments of one block, OFB and CTR.
//!
//! The caller adds and removes padding.

use aes::cipher::crypto_common::InnerInit;
use aes::cipher::inout::InOutBuf;
use aes::cipher::{
    AsyncStreamCipher, BlockCipher, BlockDecryptMut, BlockEncryptMut, InnerIvInit, KeyInit,
    StreamCipherCoreWrapper,
};
use ctr::CtrCore;
use ofb::OfbCore;

use super::transform::{Boxed, Consumer, Keystream, Transform, Whole};
use crate::crypto::{Error, Parameter, Purpose};
use crate::kmip::enums::{BlockCipherMode, CryptographicAlgorithm};

/// Evaluates `$body` with `$C` as the cipher type that the algorithm and the length of the key select, and `$Counter`
/// as its counter for CTR mode. Evaluates `$otherwise` if the algorithm is not a block cipher or has no such key.
///
/// 3DES accepts one, two or three keys of 64 bits: keying options 3, 2 and 1 of NIST SP 800-67 §3.1. With one key it
/// equals DES.
macro_rules! with_block_cipher {
    ($algorithm:expr, $key:expr, <$C:ident, $Counter:ident> => $body:expr, _ => $otherwise:expr) => {{
        macro_rules! with {
            ($Cipher:ty, $Flavor:ty) => {{
                type $C = $Cipher;
                #[allow(dead_code, reason = "only CTR mode uses the counter")]
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

/// Returns the block length of an algorithm in bytes, or `None` if it is not a block cipher that this module supports.
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

/// Whether this file implements the mode.
pub(super) const fn supports(mode: BlockCipherMode) -> bool {
    matches!(
        mode,
        BlockCipherMode::Ecb
            | BlockCipherMode::Cbc
            | BlockCipherMode::Cfb
            | BlockCipherMode::Ofb
            | BlockCipherMode::Ctr
    )
}

/// Calls `$consumer` with the transform of a mode over `$cipher`, which has the type `$K`: a cipher or a reference to one.
/// ECB ignores the IV; every other mode requires an IV of one block.
macro_rules! with_mode {
    ($K:ty, $Counter:ty, $cipher:expr, $mode:expr, $iv:expr, $purpose:expr, $consumer:expr, $otherwise:expr) => {
        match ($mode, $purpose) {
            (BlockCipherMode::Ecb, Purpose::Decrypt) => {
                $consumer.consume(BlockDecryption(ecb::Decryptor::<$K>::inner_init($cipher)))
            }
            (BlockCipherMode::Ecb, _) => {
                $consumer.consume(BlockEncryption(ecb::Encryptor::<$K>::inner_init($cipher)))
            }
            (BlockCipherMode::Cbc, Purpose::Decrypt) => {
                $consumer.consume(BlockDecryption(with_iv::<cbc::Decryptor<$K>>($cipher, $iv)?))
            }
            (BlockCipherMode::Cbc, _) => {
                $consumer.consume(BlockEncryption(with_iv::<cbc::Encryptor<$K>>($cipher, $iv)?))
            }
            (BlockCipherMode::Ofb, _) => {
                let core = with_iv::<OfbCore<$K>>($cipher, $iv)?;
                $consumer.consume(Keystream(StreamCipherCoreWrapper::from_core(core)))
            }
            (BlockCipherMode::Ctr, _) => {
                let core = with_iv::<CtrCore<$K, $Counter>>($cipher, $iv)?;
                $consumer.consume(Keystream(StreamCipherCoreWrapper::from_core(core)))
            }
            _ => $otherwise,
        }
    };
}

/// Starts an encryption or decryption of a message in parts.
pub(super) fn start(
    algorithm: CryptographicAlgorithm,
    key: &[u8],
    mode: BlockCipherMode,
    iv: &[u8],
    purpose: Purpose,
) -> Result<Box<dyn Transform>, Error> {
    with_block_cipher!(
        algorithm, key,
        <C, Counter> => {
            let cipher = C::new_from_slice(key).map_err(|_| Error::key_bytes(algorithm, key))?;
            with_mode!(C, Counter, cipher, mode, iv, purpose, Boxed, match (mode, purpose) {
                (BlockCipherMode::Cfb, Purpose::Decrypt) => {
                    Boxed.consume(with_iv::<cfb_mode::BufDecryptor<C>>(cipher, iv)?)
                }
                (BlockCipherMode::Cfb, _) => Boxed.consume(with_iv::<cfb_mode::BufEncryptor<C>>(cipher, iv)?),
                (mode, _) => Err(Error::Mode { algorithm, mode }),
            })
        },
        _ => Err(Error::key_bytes(algorithm, key))
    )
}

/// Encrypts or decrypts a whole message in place. The modes borrow the cipher, because a copy of its key schedule costs
/// as much as some blocks.
pub(super) fn process(
    algorithm: CryptographicAlgorithm,
    key: &[u8],
    mode: BlockCipherMode,
    iv: &[u8],
    purpose: Purpose,
    data: &mut [u8],
) -> Result<(), Error> {
    with_block_cipher!(
        algorithm, key,
        <C, Counter> => {
            let cipher = &C::new_from_slice(key).map_err(|_| Error::key_bytes(algorithm, key))?;
            with_mode!(&C, Counter, cipher, mode, iv, purpose, Whole(data), match (mode, purpose) {
                (BlockCipherMode::Cfb, Purpose::Decrypt) => {
                    with_iv::<cfb_mode::Decryptor<&C>>(cipher, iv)?.decrypt(data);
                    Ok(())
                }
                (BlockCipherMode::Cfb, _) => {
                    with_iv::<cfb_mode::Encryptor<&C>>(cipher, iv)?.encrypt(data);
                    Ok(())
                }
                (mode, _) => Err(Error::Mode { algorithm, mode }),
            })
        },
        _ => Err(Error::key_bytes(algorithm, key))
    )
}

/// Combines a cipher and an IV of one block into a mode.
#[inline(always)]
fn with_iv<M: InnerIvInit>(cipher: M::Inner, iv: &[u8]) -> Result<M, Error> {
    let block = M::iv_size();
    M::inner_iv_slice_init(cipher, iv).map_err(|_| Error::range(Parameter::Iv, iv.len(), block, block))
}

struct BlockEncryption<M>(M);

impl<M: BlockEncryptMut + Send> Transform for BlockEncryption<M> {
    #[inline(always)]
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        let (blocks, _) = InOutBuf::from(data).into_chunks::<M::BlockSize>();
        self.0.encrypt_blocks_inout_mut(blocks);
        Ok(())
    }
}

struct BlockDecryption<M>(M);

impl<M: BlockDecryptMut + Send> Transform for BlockDecryption<M> {
    #[inline(always)]
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        let (blocks, _) = InOutBuf::from(data).into_chunks::<M::BlockSize>();
        self.0.decrypt_blocks_inout_mut(blocks);
        Ok(())
    }
}

impl<C: BlockEncryptMut + BlockCipher + Send> Transform for cfb_mode::BufEncryptor<C> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        self.encrypt(data);
        Ok(())
    }
}

impl<C: BlockEncryptMut + BlockCipher + Send> Transform for cfb_mode::BufDecryptor<C> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        self.decrypt(data);
        Ok(())
    }
}
