//! AES key wrap (RFC 3394, NIST SP 800-38F §6.2) and AES key wrap with padding (RFC 5649, NIST SP 800-38F §6.3),
//! through aes-kw.

use aes_kw::{KekAes128, KekAes192, KekAes256};
use zeroize::Zeroizing;

use super::{Error, Parameter, Purpose};
use crate::kmip::enums::{BlockCipherMode, CryptographicAlgorithm, WrappingMethod};
use crate::secret::Secret;

/// The parameters of key wrapping.
#[derive(Clone, Copy, Debug)]
pub struct Wrapping<'a> {
    /// The Wrapping Method; only Encrypt is supported.
    pub method: WrappingMethod,
    /// The algorithm of the wrapping key; only AES is supported.
    pub algorithm: CryptographicAlgorithm,
    /// The wrapping key, of 16, 24 or 32 bytes.
    pub key: super::Key<'a>,
    /// The mode: NISTKeyWrap or AESKeyWrapPadding.
    pub mode: Option<BlockCipherMode>,
}

/// Wraps `material`, the key material or the encoded Key Value. The result is at least 8 bytes longer.
///
/// # Errors
/// Returns [`Error::Wrapping`], [`Error::Algorithm`] or [`Error::Mode`] if the parameters are not supported (Invalid
/// Field); [`Error::KeyBytes`] if the wrapping key is not an AES key, or [`Error::DataLength`] if the mode does not
/// wrap material of this length (Cryptographic Failure).
pub fn wrap(wrapping: &Wrapping<'_>, material: &[u8]) -> Result<Vec<u8>, Error> {
    aes_wrap(wrapping.key.0, material, wrapping.padded(Purpose::Wrap)?)
}

/// Unwraps `wrapped`.
///
/// # Errors
/// Returns the errors of [`wrap`], and [`Error::Authentication`] if the integrity check fails.
pub fn unwrap(wrapping: &Wrapping<'_>, wrapped: &[u8]) -> Result<Secret, Error> {
    aes_unwrap(wrapping.key.0, wrapped, wrapping.padded(Purpose::Unwrap)?)
}

impl Wrapping<'_> {
    fn padded(&self, purpose: Purpose) -> Result<bool, Error> {
        let algorithm = self.algorithm;
        if self.method != WrappingMethod::Encrypt {
            return Err(Error::Wrapping(self.method));
        }
        if algorithm != CryptographicAlgorithm::Aes {
            return Err(Error::Algorithm { algorithm, purpose });
        }
        match self.mode.ok_or(Error::Missing(Parameter::BlockCipherMode))? {
            BlockCipherMode::NISTKeyWrap => Ok(false),
            BlockCipherMode::AESKeyWrapPadding => Ok(true),
            mode => Err(Error::Mode { algorithm, mode }),
        }
    }
}

/// The length of a semiblock, in bytes (NIST SP 800-38F §4.1).
const SEMIBLOCK: usize = 8;

/// The shortest input of AES key wrap, in bytes (RFC 3394 §2: n is at least 2).
const MIN_LENGTH: usize = 2 * SEMIBLOCK;

/// Evaluates `$body` with `$kek` as the key-encryption key.
macro_rules! with_kek {
    ($key:expr, |$kek:ident| $body:expr) => {{
        let key: &[u8] = $key;
        let invalid_key = || Error::key_bytes(CryptographicAlgorithm::Aes, key);
        match key.len() {
            16 => KekAes128::try_from(key).map_err(|_| invalid_key()).and_then(|$kek| $body),
            24 => KekAes192::try_from(key).map_err(|_| invalid_key()).and_then(|$kek| $body),
            32 => KekAes256::try_from(key).map_err(|_| invalid_key()).and_then(|$kek| $body),
            _ => Err(invalid_key()),
        }
    }};
}

/// Wraps with RFC 5649 if `padded`, with RFC 3394 otherwise.
pub(super) fn aes_wrap(key: &[u8], data: &[u8], padded: bool) -> Result<Vec<u8>, Error> {
    let length_error = Error::data_length(data.len(), SEMIBLOCK);
    if padded {
        if data.is_empty() {
            return Err(length_error);
        }
        with_kek!(key, |kek| kek.wrap_with_padding_vec(data).map_err(|_| length_error))
    } else {
        if data.len() < MIN_LENGTH {
            return Err(length_error);
        }
        with_kek!(key, |kek| kek.wrap_vec(data).map_err(|_| length_error))
    }
}

/// Unwraps with RFC 5649 if `padded`, with RFC 3394 otherwise.
pub(super) fn aes_unwrap(key: &[u8], data: &[u8], padded: bool) -> Result<Secret, Error> {
    let min = if padded { MIN_LENGTH } else { MIN_LENGTH + SEMIBLOCK };
    if data.len() < min || !data.len().is_multiple_of(SEMIBLOCK) {
        return Err(Error::data_length(data.len(), SEMIBLOCK));
    }
    let mut out = Zeroizing::new(vec![0; data.len() - SEMIBLOCK]);
    let length = with_kek!(key, |kek| if padded {
        kek.unwrap_with_padding(data, &mut out).map(<[u8]>::len).map_err(|_| Error::Authentication)
    } else {
        kek.unwrap(data, &mut out).map(|()| data.len() - SEMIBLOCK).map_err(|_| Error::Authentication)
    })?;
    out.truncate(length);
    Ok(Secret::new(std::mem::take(&mut *out)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test::hex;

    fn wrapping<'a>(key: &'a [u8], mode: BlockCipherMode) -> Wrapping<'a> {
        Wrapping {
            method: WrappingMethod::Encrypt,
            algorithm: CryptographicAlgorithm::Aes,
            key: crate::crypto::Key(key),
            mode: Some(mode),
        }
    }

    /// RFC 3394 §4.1 to §4.6.
    #[test]
    fn wraps_the_vectors_of_rfc_3394() {
        let key = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let data = hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
        for (key_length, length, wrapped) in [
            (16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
            (24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"),
            (32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
            (24, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"),
            (32, 24, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"),
            (32, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"),
        ] {
            let wrapping = wrapping(&key[..key_length], BlockCipherMode::NISTKeyWrap);
            assert_eq!(wrap(&wrapping, &data[..length]), Ok(hex(wrapped)));
            assert_eq!(unwrap(&wrapping, &hex(wrapped)).unwrap().expose(), &data[..length]);
        }
    }

    /// RFC 5649 §6.
    #[test]
    fn wraps_the_vectors_of_rfc_5649() {
        let key = hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8");
        let wrapping = wrapping(&key, BlockCipherMode::AESKeyWrapPadding);
        for (data, wrapped) in [
            (
                "c37b7e6492584340bed12207808941155068f738",
                "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
            ),
            ("466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"),
        ] {
            assert_eq!(wrap(&wrapping, &hex(data)), Ok(hex(wrapped)));
            assert_eq!(unwrap(&wrapping, &hex(wrapped)).unwrap().expose(), hex(data));
        }
    }

    #[test]
    fn rejects_modified_wrapped_keys() {
        let key = [7; 32];
        for mode in [BlockCipherMode::NISTKeyWrap, BlockCipherMode::AESKeyWrapPadding] {
            let wrapping = wrapping(&key, mode);
            let wrapped = wrap(&wrapping, &[1; 24]).unwrap();
            for at in 0..wrapped.len() {
                let mut changed = wrapped.clone();
                changed[at] ^= 0x80;
                assert_eq!(unwrap(&wrapping, &changed), Err(Error::Authentication));
            }
            assert!(matches!(unwrap(&wrapping, &wrapped[..23]), Err(Error::DataLength { length: 23, .. })));
            assert!(matches!(unwrap(&wrapping, b""), Err(Error::DataLength { length: 0, .. })));
        }
    }

    #[test]
    fn rejects_unsupported_parameters_and_lengths() {
        use BlockCipherMode::*;
        let key = [0; 16];
        let length_error = |length| Err(Error::DataLength { length, block: 8 });
        assert_eq!(wrap(&wrapping(&key, NISTKeyWrap), &[0; 15]), length_error(15));
        assert_eq!(wrap(&wrapping(&key, NISTKeyWrap), &[0; 17]), length_error(17));
        assert_eq!(wrap(&wrapping(&key, NISTKeyWrap), &[0; 8]), length_error(8));
        assert_eq!(wrap(&wrapping(&key, AESKeyWrapPadding), b""), length_error(0));
        let algorithm = CryptographicAlgorithm::Aes;
        assert_eq!(
            wrap(&wrapping(&[0; 15], NISTKeyWrap), &[0; 16]),
            Err(Error::KeyBytes { algorithm, bits: 120 })
        );
        assert_eq!(wrap(&wrapping(&key, Cbc), &[0; 16]), Err(Error::Mode { algorithm, mode: Cbc }));
        let mac = Wrapping { method: WrappingMethod::MacSign, ..wrapping(&key, NISTKeyWrap) };
        assert_eq!(wrap(&mac, &[0; 16]), Err(Error::Wrapping(WrappingMethod::MacSign)));
    }
}
