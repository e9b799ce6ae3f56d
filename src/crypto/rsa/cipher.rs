//! RSA encryption: OAEP and PKCS#1 v1.5 (RFC 8017 §7).
//!
//! A decryption with PKCS#1 v1.5 does not fail for invalid padding. It returns bytes that depend on the key and the
//! ciphertext only, so that the result does not reveal whether the padding was valid (implicit rejection as in
//! draft-irtf-cfrg-rsa-guidance and OpenSSL).

use aws_lc_rs::rsa as aws;
use rsa::Pkcs1v15Encrypt;
use rsa::rand_core::OsRng;

use zeroize::Zeroizing;

use super::{PrivateKey, PublicKey};
use crate::crypto::hash::{Hash, with_hash};
use crate::crypto::mac::HmacKey;
use crate::crypto::{Error, Parameter, Purpose};
use crate::kmip::enums::{HashingAlgorithm, PaddingMethod};
use crate::secret::Secret;

/// The parameters of RSA encryption padding.
#[derive(Clone, Copy, Debug)]
pub struct Padding<'a> {
    /// The method: OAEP or PKCS#1 v1.5.
    pub method: Option<PaddingMethod>,
    /// The hash; required for OAEP.
    pub hash: Option<HashingAlgorithm>,
    /// The hash of the mask generation function of OAEP; `hash` if absent, as in PyKMIP.
    pub mask_hash: Option<HashingAlgorithm>,
    /// The label of OAEP (P Source); empty if absent.
    pub label: Option<&'a [u8]>,
}

enum Scheme {
    Pkcs1,
    Oaep { hash: Hash, mask: Hash },
}

impl Padding<'_> {
    fn scheme(&self, purpose: Purpose) -> Result<Scheme, Error> {
        match self.method.ok_or(Error::Missing(Parameter::PaddingMethod))? {
            PaddingMethod::Pkcs1V1_5 => Ok(Scheme::Pkcs1),
            PaddingMethod::Oaep => {
                let hash = self.hash.ok_or(Error::Missing(Parameter::HashingAlgorithm))?;
                let mask = self.mask_hash.unwrap_or(hash);
                Ok(Scheme::Oaep { hash: Hash::of(hash, purpose)?, mask: Hash::of(mask, purpose)? })
            }
            padding => Err(Error::Padding { padding, purpose }),
        }
    }

    /// Converts the padding for the package rsa, which accepts only UTF-8 labels.
    fn portable(&self, hash: Hash, mask: Hash) -> Result<rsa::Oaep, Error> {
        let unsupported = Error::Unexpected(Parameter::Label);
        let label = std::str::from_utf8(self.label.unwrap_or_default()).map_err(|_| unsupported)?;
        let mut padding =
            with_hash!(hash, <D> => with_hash!(mask, <M> => rsa::Oaep::new_with_mgf_hash::<D, M>()));
        padding.label = (!label.is_empty()).then(|| label.to_owned());
        Ok(padding)
    }
}

/// Returns OAEP of aws-lc-rs, or `None` if it does not support the combination.
fn aws_oaep(bits: u32, hash: Hash, mask: Hash) -> Option<&'static aws::OaepAlgorithm> {
    match hash {
        _ if hash != mask || bits < super::AWS_MIN_BITS => None,
        Hash::Sha1 => Some(&aws::OAEP_SHA1_MGF1SHA1),
        Hash::Sha256 => Some(&aws::OAEP_SHA256_MGF1SHA256),
        Hash::Sha384 => Some(&aws::OAEP_SHA384_MGF1SHA384),
        Hash::Sha512 => Some(&aws::OAEP_SHA512_MGF1SHA512),
        _ => None,
    }
}

/// Encrypts `data` with the encoded public key `key`. The ciphertext is as long as the modulus.
///
/// # Errors
/// Returns an error of the kind [`crate::crypto::ErrorKind::InvalidParameter`] if the padding or the hash is missing or not
/// supported, [`Error::Unreadable`] if the key cannot be decoded, and [`Error::DataTooLong`] if the data does not fit
/// the modulus.
pub fn encrypt(key: &[u8], padding: &Padding<'_>, data: &[u8]) -> Result<Vec<u8>, Error> {
    let scheme = padding.scheme(Purpose::Encrypt)?;
    let key = PublicKey::read(key, Purpose::Encrypt)?;
    let length = usize::try_from(key.bits.div_ceil(8)).unwrap_or_default();
    let overhead = match scheme {
        Scheme::Pkcs1 => super::PKCS1_OVERHEAD,
        Scheme::Oaep { hash, .. } => 2 * hash.length() + 2,
    };
    if data.len().saturating_add(overhead) > length {
        return Err(Error::data_too_long(data.len(), length.saturating_sub(overhead)));
    }
    let failed = Error::Failed(Purpose::Encrypt);
    match scheme {
        Scheme::Oaep { hash, mask } => {
            if let Some(algorithm) = aws_oaep(key.bits, hash, mask) {
                let public = aws::PublicEncryptingKey::from_der(&key.spki()?).map_err(|_| failed)?;
                let public = aws::OaepPublicEncryptingKey::new(public).map_err(|_| failed)?;
                let mut out = vec![0; public.ciphertext_size()];
                let made =
                    public.encrypt(algorithm, data, &mut out, padding.label).map_err(|_| failed)?.len();
                out.truncate(made);
                return Ok(out);
            }
            let padding = padding.portable(hash, mask)?;
            key.portable(Purpose::Encrypt)?.encrypt(&mut OsRng, padding, data).map_err(|_| failed)
        }
        Scheme::Pkcs1 => {
            key.portable(Purpose::Encrypt)?.encrypt(&mut OsRng, Pkcs1v15Encrypt, data).map_err(|_| failed)
        }
    }
}

/// Decrypts `data` with the encoded private key `key`.
///
/// # Errors
/// Returns the errors of [`encrypt`], and [`Error::Decryption`] if the length of the data or the OAEP padding is invalid.
pub fn decrypt(key: &[u8], padding: &Padding<'_>, data: &[u8]) -> Result<Secret, Error> {
    let scheme = padding.scheme(Purpose::Decrypt)?;
    let key = PrivateKey::read(key, Purpose::Decrypt)?;
    let length = usize::try_from(key.bits.div_ceil(8)).unwrap_or_default();
    if data.len() != length {
        return Err(Error::Decryption);
    }
    match scheme {
        Scheme::Oaep { hash, mask } => {
            if let Some(algorithm) = aws_oaep(key.bits, hash, mask) {
                let private = aws_decrypting_key(&key)?;
                let private = aws::OaepPrivateDecryptingKey::new(private).map_err(|_| Error::Decryption)?;
                let mut out = Zeroizing::new(vec![0; private.min_output_size()]);
                let made = private.decrypt(algorithm, data, &mut out, padding.label);
                let made = made.map_err(|_| Error::Decryption)?.len();
                out.truncate(made);
                return Ok(Secret::new(std::mem::take(&mut *out)));
            }
            let padding = padding.portable(hash, mask)?;
            let plain = key.portable(Purpose::Decrypt)?.decrypt_blinded(&mut OsRng, padding, data);
            plain.map(Secret::new).map_err(|_| Error::Decryption)
        }
        Scheme::Pkcs1 => {
            // Computed in every case, so that the duration does not depend on the padding.
            let rejection = rejection(&key, data, length)?;
            Ok(decrypt_pkcs1(&key, data)?.unwrap_or(rejection))
        }
    }
}

fn aws_decrypting_key(key: &PrivateKey) -> Result<aws::PrivateDecryptingKey, Error> {
    aws::PrivateDecryptingKey::from_pkcs8(key.pkcs8()?.expose())
        .map_err(|_| Error::Unreadable { role: crate::crypto::KeyRole::Private, purpose: Purpose::Decrypt })
}

/// Decrypts with PKCS#1 v1.5. Returns `None` if the padding is invalid.
fn decrypt_pkcs1(key: &PrivateKey, data: &[u8]) -> Result<Option<Secret>, Error> {
    if key.bits >= super::AWS_MIN_BITS {
        let failed = Error::Failed(Purpose::Decrypt);
        let private = aws::Pkcs1PrivateDecryptingKey::new(aws_decrypting_key(key)?).map_err(|_| failed)?;
        let mut out = Zeroizing::new(vec![0; private.min_output_size()]);
        let Some(made) = private.decrypt(data, &mut out).ok().map(|plain| plain.len()) else {
            return Ok(None);
        };
        out.truncate(made);
        return Ok(Some(Secret::new(std::mem::take(&mut *out))));
    }
    let private = key.portable(Purpose::Decrypt)?;

    Ok(private.decrypt_blinded(&mut OsRng, Pkcs1v15Encrypt, data).ok().map(Secret::new))
}

/// Returns the replacement for the plaintext if the padding is invalid (draft-irtf-cfrg-rsa-guidance §7).
fn rejection(key: &PrivateKey, data: &[u8], length: usize) -> Result<Secret, Error> {
    let numbers = key.numbers()?;
    let exponent = numbers.private_exponent.ok_or(Error::Failed(Purpose::Decrypt))?;
    let mut padded = Zeroizing::new(vec![0; length.saturating_sub(exponent.len())]);
    padded.extend_from_slice(exponent.expose());
    let seed = Secret::new(Hash::Sha256.digest(&padded));
    let derived = Secret::new(HmacKey::new(Hash::Sha256, seed.expose()).compute(&[data]));
    let hmac = HmacKey::new(Hash::Sha256, derived.expose());
    let stream = |label: &[u8], bytes: usize| {
        let bits = u16::try_from(bytes * 8).unwrap_or(u16::MAX).to_be_bytes();
        let mut out = Vec::with_capacity(bytes + 32);
        let mut counter = 0u16;
        while out.len() < bytes {
            out.extend_from_slice(&hmac.compute(&[&counter.to_be_bytes(), label, &bits]));
            counter = counter.wrapping_add(1);
        }
        out.truncate(bytes);
        out
    };
    // The length is the last of 128 candidates, of two bytes each, that fits.
    let max = length.saturating_sub(2 + 8);
    let mask = max.next_power_of_two().max(2) - 1;
    let mask = if max.is_power_of_two() { 2 * max - 1 } else { mask };
    let candidates = stream(b"length", 256);
    let size = candidates.chunks_exact(2).fold(0, |size, pair| {
        let candidate = pair.iter().fold(0usize, |number, byte| number << 8 | usize::from(*byte)) & mask;
        if candidate < max { candidate } else { size }
    });
    let mut message = stream(b"message", length);
    Ok(Secret::new(message.split_off(length.saturating_sub(size))))
}
