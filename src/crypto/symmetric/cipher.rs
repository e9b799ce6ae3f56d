//! The parameters of an encryption or decryption, and the checks on them.

use super::{block, padding};
use crate::crypto::{Error, Key, Parameter, Purpose, random, symmetric_key};
use crate::kmip::enums::{BlockCipherMode, CryptographicAlgorithm, PaddingMethod};

/// The parameters of an encryption or decryption.
///
/// IV lengths in bytes: one block for CBC, CFB, OFB, CTR and XTS; any length except zero for GCM; 7 to 13 for CCM;
/// 12 for ChaCha20-Poly1305; 8, 12 or 16 for ChaCha20.
#[derive(Clone, Copy, Debug)]
pub struct Cipher<'a> {
    /// The algorithm of the key.
    pub algorithm: CryptographicAlgorithm,
    /// The key. For XTS it is two AES keys, one after the other.
    pub key: Key<'a>,
    /// The mode. RC4, ChaCha20 and ChaCha20-Poly1305 ignore it.
    pub mode: Option<BlockCipherMode>,
    /// The padding. CBC and ECB require it; every other mode ignores it.
    pub padding: Option<PaddingMethod>,
    /// The IV, counter or nonce. ECB, RC4 and key wrapping ignore it.
    pub iv: Option<&'a [u8]>,
    /// Data that is authenticated but not encrypted: GCM, CCM and ChaCha20-Poly1305 only.
    pub additional_data: Option<&'a [u8]>,
    /// The length of the authentication tag of an encryption in bytes: 16 if absent. The shortest tag that a decryption
    /// accepts: 12 bytes if absent.
    pub tag_length: Option<usize>,
}

/// The length of a generated IV for GCM, in bytes: one block, as in PyKMIP. NIST SP 800-38D §8.2.2 allows random IVs
/// of 96 bits and more.
const GCM_IV: usize = 16;

/// The length of a generated IV for CCM, in bytes: it leaves four bytes for the length of the data, enough for 4 GiB
/// (NIST SP 800-38C §A.1).
const CCM_IV: usize = 11;

/// The length of a generated IV for ChaCha20, in bytes (RFC 8439 §2.3).
const CHACHA_IV: usize = 12;

/// The computation that an algorithm and a mode select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Construction {
    Streaming(StreamingMode),
    OneShot(OneShot),
}

/// A construction that processes the whole message at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OneShot {
    Gcm,
    Ccm,
    ChaCha20Poly1305,
    Xts,
    /// AES key wrap as a mode (NIST SP 800-38F): with padding (RFC 5649) or without (RFC 3394).
    KeyWrap {
        padded: bool,
    },
}

/// The constructions that process data as it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamingMode {
    /// A block cipher in ECB, CBC, CFB, OFB or CTR.
    Block(BlockCipherMode),
    Rc4,
    ChaCha20,
}

impl Construction {
    /// Whether the construction authenticates the data (AEAD, RFC 5116).
    pub(super) const fn is_aead(self) -> bool {
        matches!(self, Self::OneShot(OneShot::Gcm | OneShot::Ccm | OneShot::ChaCha20Poly1305))
    }

    /// Returns the length of a generated IV in bytes, or `None` if the construction has no IV.
    fn iv_length(self, algorithm: CryptographicAlgorithm) -> Option<usize> {
        match self {
            Self::Streaming(StreamingMode::Block(BlockCipherMode::Ecb) | StreamingMode::Rc4)
            | Self::OneShot(OneShot::KeyWrap { .. }) => None,
            Self::Streaming(StreamingMode::Block(_)) | Self::OneShot(OneShot::Xts) => {
                block::block_length(algorithm)
            }
            Self::OneShot(OneShot::Gcm) => Some(GCM_IV),
            Self::OneShot(OneShot::Ccm) => Some(CCM_IV),
            Self::Streaming(StreamingMode::ChaCha20) | Self::OneShot(OneShot::ChaCha20Poly1305) => {
                Some(CHACHA_IV)
            }
        }
    }
}

impl Cipher<'_> {
    pub(super) const fn unsupported(&self, purpose: Purpose) -> Error {
        Error::Algorithm { algorithm: self.algorithm, purpose }
    }

    /// Returns the padding for ECB and CBC.
    pub(super) fn padding(&self, purpose: Purpose) -> Result<PaddingMethod, Error> {
        let padding = self.padding.ok_or(Error::Missing(Parameter::PaddingMethod))?;
        if padding::supports(padding) { Ok(padding) } else { Err(Error::Padding { padding, purpose }) }
    }

    /// Checks the parameters of an encryption, and generates an IV if the construction has one and `self` has none.
    pub(super) fn encryption(&self) -> Result<(Construction, Option<Vec<u8>>), Error> {
        let construction = self.construction(Purpose::Encrypt)?;
        let iv = match (self.iv, construction.iv_length(self.algorithm)) {
            (None, Some(length)) => Some(random::bytes(length)?),
            _ => None,
        };
        Ok((construction, iv))
    }

    /// Checks that `self` has an IV if the construction has one.
    pub(super) fn require_iv(&self, construction: Construction) -> Result<(), Error> {
        match (construction.iv_length(self.algorithm), self.iv) {
            (Some(_), None) => Err(Error::Missing(Parameter::Iv)),
            _ => Ok(()),
        }
    }

    /// Checks the algorithm, the key, the mode and the additional data.
    pub(super) fn construction(&self, purpose: Purpose) -> Result<Construction, Error> {
        use CryptographicAlgorithm::{Aes, ChaCha20, ChaCha20Poly1305, Rc4};
        let stream = match self.algorithm {
            Rc4 => Some(Construction::Streaming(StreamingMode::Rc4)),
            ChaCha20 => Some(Construction::Streaming(StreamingMode::ChaCha20)),
            ChaCha20Poly1305 => Some(Construction::OneShot(OneShot::ChaCha20Poly1305)),
            algorithm if block::block_length(algorithm).is_some() => None,
            _ => return Err(self.unsupported(purpose)),
        };
        let bits = self.key.0.len().saturating_mul(8);
        let allowed =
            |bits| symmetric_key::lengths(self.algorithm).is_some_and(|lengths| lengths.allow(bits));
        if !u32::try_from(bits).is_ok_and(allowed) {
            return Err(Error::key_bytes(self.algorithm, self.key.0));
        }
        let construction = match (stream, self.mode, self.algorithm) {
            (Some(construction), _, _) => construction,
            (None, None, _) => return Err(Error::Missing(Parameter::BlockCipherMode)),
            (None, Some(BlockCipherMode::Gcm), Aes) => Construction::OneShot(OneShot::Gcm),
            (None, Some(BlockCipherMode::Ccm), Aes) => Construction::OneShot(OneShot::Ccm),
            (None, Some(BlockCipherMode::Xts), Aes) => Construction::OneShot(OneShot::Xts),
            (None, Some(BlockCipherMode::NISTKeyWrap), Aes) => {
                Construction::OneShot(OneShot::KeyWrap { padded: false })
            }
            (None, Some(BlockCipherMode::AESKeyWrapPadding), Aes) => {
                Construction::OneShot(OneShot::KeyWrap { padded: true })
            }
            (None, Some(mode), _) if block::supports(mode) => {
                Construction::Streaming(StreamingMode::Block(mode))
            }
            (None, Some(mode), algorithm) => return Err(Error::Mode { algorithm, mode }),
        };
        if self.additional_data.is_some() && !construction.is_aead() {
            return Err(Error::Unexpected(Parameter::AdditionalData));
        }
        Ok(construction)
    }
}
