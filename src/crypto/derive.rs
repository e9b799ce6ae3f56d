//! Key derivation (KMIP 1.4 §4.6, 2.1 §6.1.14 and §7.12): encryption, hash, HMAC, PBKDF2 (RFC 8018 §5.2),
//! HKDF (RFC 5869) and the three modes of NIST SP 800-108.
//!
//! The output of a method is truncated to the requested length. PyKMIP's server implements the method HMAC as HKDF; the
//! standard and its test cases define it as one HMAC. [`Derivation::hmac_is_hkdf`] selects PyKMIP's implementation.
//! Otherwise it is HKDF only if there is a salt, which the standard does not use, or if the requested length exceeds one
//! HMAC. Key agreement is [`super::ec::agree`].
//!
//! ring and pbkdf2 compute PBKDF2, and hkdf computes HKDF. This file implements SP 800-108 over HMAC, because no package
//! has the feedback and double-pipeline modes, or the counter mode for every hash.

use zeroize::{Zeroize, Zeroizing};

use super::hash::{Hash, with_hash};
use super::mac::HmacKey;
use super::symmetric::{self, Cipher};
use super::{Error, Key, Parameter, Purpose};
use crate::kmip::enums::{
    BlockCipherMode, CryptographicAlgorithm, DerivationMethod, HashingAlgorithm, PaddingMethod,
};
use crate::secret::Secret;

/// The parameters of a key derivation.
#[derive(Clone, Copy, Debug)]
pub struct Derivation<'a> {
    /// The Derivation Method.
    pub method: DerivationMethod,
    /// Whether the method HMAC is HKDF in every case.
    pub hmac_is_hkdf: bool,
    /// The requested length, in bytes: 1 to [`MAX_LENGTH`].
    pub length: usize,
    /// The key or secret to derive from; optional for the method Hash.
    pub key: Option<Key<'a>>,
    /// Derivation Data: the data to encrypt or hash, the info of HKDF, or Label || 00 || Context of SP 800-108.
    pub data: Option<&'a [u8]>,
    /// The hash; required by every method except Encrypt and HKDF, whose default is SHA-256.
    pub hash: Option<HashingAlgorithm>,
    /// The salt: required by PBKDF2, optional for HKDF.
    pub salt: Option<&'a [u8]>,
    /// The number of iterations of PBKDF2: 1 to [`MAX_ITERATIONS`].
    pub iterations: Option<u32>,
    /// The IV of the encryption, or of the feedback mode of SP 800-108.
    pub iv: Option<&'a [u8]>,
    /// The algorithm of the encryption.
    pub algorithm: Option<CryptographicAlgorithm>,
    /// The mode of the encryption.
    pub mode: Option<BlockCipherMode>,
    /// The padding of the encryption.
    pub padding: Option<PaddingMethod>,
}

/// The maximum length of the output, in bytes. No key is longer.
pub const MAX_LENGTH: usize = 64 * 1024;

/// The maximum number of iterations of PBKDF2. It exceeds OWASP's recommendation (1,300,000 for SHA-1) and takes a
/// thread one or two seconds.
pub const MAX_ITERATIONS: u32 = 2_000_000;

/// The maximum number of HMACs per PBKDF2, which is the product of iterations and output blocks.
const MAX_PBKDF2_WORK: u64 = 2_000_000;

/// Derives `derivation.length` bytes.
///
/// # Errors
/// Returns an error of the kind [`super::ErrorKind::InvalidParameter`] if a parameter is missing, not supported or out of
/// range. Returns [`Error::Derived`], a Cryptographic Failure as in PyKMIP, if the method returns fewer bytes than
/// requested.
pub fn derive(derivation: &Derivation<'_>) -> Result<Secret, Error> {
    if !(1..=MAX_LENGTH).contains(&derivation.length) {
        return Err(Error::range(Parameter::CryptographicLength, derivation.length, 1, MAX_LENGTH));
    }
    let mut derived = Zeroizing::new(match derivation.method {
        DerivationMethod::Encrypt => derivation.encrypt()?,
        DerivationMethod::Hash => derivation.digest()?,
        DerivationMethod::Hmac => {
            let hash = derivation.hash()?;
            let one_hmac = derivation.salt.is_none() && derivation.length <= hash.length();
            if derivation.hmac_is_hkdf || !one_hmac {
                derivation.hkdf(hash)?
            } else {
                HmacKey::new(hash, derivation.key()?).compute(&[derivation.data.unwrap_or_default()])
            }
        }
        DerivationMethod::Hkdf if derivation.hash.is_none() => derivation.hkdf(Hash::Sha256)?,
        DerivationMethod::Hkdf => derivation.hkdf(derivation.hash()?)?,
        DerivationMethod::Pbkdf2 => derivation.pbkdf2()?,
        DerivationMethod::Nist800_108C
        | DerivationMethod::Nist800_108F
        | DerivationMethod::Nist800_108Dpi => derivation.nist_800_108()?,
        method @ (DerivationMethod::AsymmetricKey | DerivationMethod::AwsSignatureVersion4) => {
            return Err(Error::Derivation(method));
        }
    });
    if derived.len() < derivation.length {
        return Err(Error::derived(derived.len(), derivation.length));
    }
    derived.truncate(derivation.length);
    Ok(Secret::new(std::mem::take(&mut *derived)))
}

impl Derivation<'_> {
    fn hash(&self) -> Result<Hash, Error> {
        Hash::of(self.hash.ok_or(Error::Missing(Parameter::HashingAlgorithm))?, Purpose::Derive)
    }

    fn key(&self) -> Result<&[u8], Error> {
        self.key.map(|key| key.0).ok_or(Error::Missing(Parameter::KeyMaterial))
    }

    fn encrypt(&self) -> Result<Vec<u8>, Error> {
        let cipher = Cipher {
            algorithm: self.algorithm.ok_or(Error::Missing(Parameter::CryptographicAlgorithm))?,
            key: Key(self.key()?),
            mode: self.mode,
            padding: self.padding,
            iv: self.iv,
            additional_data: None,
            tag_length: None,
        };
        let data = self.data.ok_or(Error::Missing(Parameter::DerivationData))?;
        symmetric::encrypt(&cipher, data).map(|encrypted| encrypted.data)
    }

    fn digest(&self) -> Result<Vec<u8>, Error> {
        let hash = self.hash()?;
        match (self.data, self.key) {
            (Some(_), Some(_)) => {
                Err(Error::Conflict { one: Parameter::DerivationData, other: Parameter::KeyMaterial })
            }
            (Some(data), None) => Ok(hash.digest(data)),
            (None, Some(key)) => Ok(hash.digest(key.0)),
            (None, None) => Err(Error::Missing(Parameter::DerivationData)),
        }
    }

    fn hkdf(&self, hash: Hash) -> Result<Vec<u8>, Error> {
        let key = self.key()?;
        let mut derived = vec![0; self.length];
        let expanded = with_hash!(hash, <D> => {
            hkdf::Hkdf::<D>::new(self.salt, key).expand(self.data.unwrap_or_default(), &mut derived).is_ok()
        });
        if expanded {
            Ok(derived)
        } else {
            // RFC 5869 §2.3: the block counter has one byte.
            Err(Error::range(Parameter::CryptographicLength, self.length, 1, 255 * hash.length()))
        }
    }

    fn pbkdf2(&self) -> Result<Vec<u8>, Error> {
        let hash = self.hash()?;
        let salt = self.salt.ok_or(Error::Missing(Parameter::Salt))?;
        let iterations = self.iterations.ok_or(Error::Missing(Parameter::IterationCount))?;
        let blocks = u64::try_from(self.length.div_ceil(hash.length())).unwrap_or(u64::MAX);
        let max = u64::from(MAX_ITERATIONS).min(MAX_PBKDF2_WORK / blocks.max(1));
        let (value, parameter) = (u64::from(iterations), Parameter::IterationCount);
        let out_of_range = Error::Range { parameter, value, min: 1, max };
        if value > max {
            return Err(out_of_range);
        }
        let iterations = std::num::NonZeroU32::new(iterations).ok_or(out_of_range)?;
        let key = self.key()?;
        let mut derived = vec![0; self.length];
        let ring = match hash {
            Hash::Sha1 => Some(ring::pbkdf2::PBKDF2_HMAC_SHA1),
            Hash::Sha256 => Some(ring::pbkdf2::PBKDF2_HMAC_SHA256),
            Hash::Sha384 => Some(ring::pbkdf2::PBKDF2_HMAC_SHA384),
            Hash::Sha512 => Some(ring::pbkdf2::PBKDF2_HMAC_SHA512),
            _ => None,
        };
        if let Some(algorithm) = ring {
            ring::pbkdf2::derive(algorithm, iterations, salt, key, &mut derived);
        } else {
            with_hash!(hash, <D> => pbkdf2::pbkdf2_hmac::<D>(key, salt, iterations.get(), &mut derived));
        }
        Ok(derived)
    }

    /// The counter, feedback and double-pipeline modes of NIST SP 800-108 §4.1 to §4.3, with HMAC and a counter of 32 bits
    /// before the fixed data.
    fn nist_800_108(&self) -> Result<Vec<u8>, Error> {
        let hmac = HmacKey::new(self.hash()?, self.key()?);
        let fixed = self.data.unwrap_or_default();
        let mut derived = Vec::with_capacity(self.length + Hash::Sha512.length());
        let mut previous = match self.method {
            DerivationMethod::Nist800_108F => self.iv.unwrap_or_default().to_vec(),
            _ => fixed.to_vec(),
        };
        let mut counter = 0u32;
        while derived.len() < self.length {
            counter += 1; // at most MAX_LENGTH
            let number = counter.to_be_bytes();
            match self.method {
                DerivationMethod::Nist800_108F => {
                    previous = hmac.compute(&[&previous, &number, fixed]);
                    derived.extend_from_slice(&previous);
                }
                DerivationMethod::Nist800_108Dpi => {
                    previous = hmac.compute(&[&previous]);
                    derived.extend_from_slice(&hmac.compute(&[&previous, &number, fixed]));
                }
                _ => derived.extend_from_slice(&hmac.compute(&[&number, fixed])),
            }
        }
        previous.zeroize();
        Ok(derived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test::hex;
    use DerivationMethod::*;
    use HashingAlgorithm::*;

    const NOTHING: Derivation<'static> = Derivation {
        hmac_is_hkdf: false,
        method: Hash,
        length: 16,
        key: None,
        data: None,
        hash: None,
        salt: None,
        iterations: None,
        iv: None,
        algorithm: None,
        mode: None,
        padding: None,
    };

    /// Method, hash, 50 derived bytes: made with PyKMIP 0.11 over Python's cryptography 50, from the key of 20
    /// bytes of which byte i is 37 i + 11, with three iterations.
    const PYKMIP: &[(DerivationMethod, HashingAlgorithm, &str)] = &[
        (
            Hmac,
            Md5,
            "a3251294df3aff79e7bf59e1b0687e9d84bde80711448b53ba117c23003380879bd945eecaed174776b12768ee747527fdcc",
        ),
        (
            Hmac,
            Sha1,
            "492ae104a6641432b938604960c289be19b93fd9720441dba55d6a30d553b55966695a7ba9f62ee81ddcdf2be2b0f4198f8b",
        ),
        (
            Hmac,
            Sha224,
            "c0cb095ff91793f98f9e57d0ba619a478f6c3dae771e7245ff78ed6c944f426bb88d4b418a2d3f6e5280b2dd4873f478668e",
        ),
        (
            Hmac,
            Sha256,
            "d625fb84928f87fc42d10e869189d73b6eacf550c8d1d4825634e5d40c2e8f19b2a92d1886fa23f1a4f6b7c01a2cf40eb099",
        ),
        (
            Hmac,
            Sha384,
            "a80b20ec7f93c81e27fbc1cf7c4d8d4e15f44597f2bda35446a8d1516caa6fc5fb27d1dbbdbae8de6dba732f2f4d3e0a9edd",
        ),
        (
            Hmac,
            Sha512,
            "c39312aaa2183faf43e32acf70f8d1fc1778c4a2eafb715b57203c0c63a5eed76ddaaf8e45e12600b34c1f67d8426aa3c923",
        ),
        (
            Pbkdf2,
            Md5,
            "f8a124d937af98855d3d2171a49ea1fa9c4307ad85931bb082c25ad2d49554a22120b41cd17ed0677e6545ed6a7327ac9b61",
        ),
        (
            Pbkdf2,
            Sha1,
            "7a5076884d68041c8fa1d149b3bf9d412dbba91d537f1b5a9eff79f0e5fda2e9b606b58b77f9ff5d1bfeecb488c6bf5ad9df",
        ),
        (
            Pbkdf2,
            Sha224,
            "4d2449f3ad5e02bc30a7b48e316b3fdce4cab6e635c1e7de8bd75de39b14cef479464c6667b338bc97a8cafb19c10da90708",
        ),
        (
            Pbkdf2,
            Sha256,
            "2e0daa7e886851629794eb8b6daa9b12bdf4ed5c794436de2bf177583187fe1d12800da25e691f9167cdd470ef30f56f1d1b",
        ),
        (
            Pbkdf2,
            Sha384,
            "c55c02fe75c1808b59def043a083cb9a947e5cdfdd7c4c7c94486670a5bc37c46eeb8daaf114fa57825e92b72bba7b818da3",
        ),
        (
            Pbkdf2,
            Sha512,
            "cc448b2c718393fdc3b54942a19b1e6c2feed941f9163e5780a28c7881a1d4d1c72a77ecd93d625561164170c11fcb251e72",
        ),
        (
            Nist800_108C,
            Md5,
            "06fd540c2c6722522a217fef98fea238907b291bc7758934b53155afd03955d55ac5ef0503236c754df40b454487364930c1",
        ),
        (
            Nist800_108C,
            Sha1,
            "a6a15aa89f7b6ae0fb1da0b0297a8b2f3ce21a27208b4c5dabf7fc15ecec9b6dc3934aee8e89c5854573c1a6c7b13d7d235e",
        ),
        (
            Nist800_108C,
            Sha224,
            "4ca1c713a7f828e99285f08ab2408e5cca275025a4ec106e3d3b6546572123cd46d3245a9699b521752d6271b18158f82d09",
        ),
        (
            Nist800_108C,
            Sha256,
            "ad391503b3a3bdc39a6b16246f5e16da1272c379c39624050943712f95818a3a95eee76dd83c615b3007ad79f403edbdb5b3",
        ),
        (
            Nist800_108C,
            Sha384,
            "0354d9560efbb6e19dc0493efd8825adccdda84e936e47f5d185389df24c99bbc3ce186d3734636ad28185b97fe0ed241440",
        ),
        (
            Nist800_108C,
            Sha512,
            "488bac540d4ca8c1bf36060d666b61fcbf1db37e766a5132fc040973827bca55df9fbfa4a0a7d6134915276bf60885eb43aa",
        ),
    ];

    /// Method, hash, 150 derived bytes: made with Python's hmac by the formulas of SP 800-108; OpenSSL 3.0 gives
    /// the same in feedback mode.
    const PIPELINES: &[(DerivationMethod, HashingAlgorithm, &str)] = &[
        (
            Nist800_108F,
            Sha1,
            "cc3cc983919bc98766639d928c6880662568ad664989c64b184b18f333e2998e3db5fa2c980db9ba974bd3d44f69882c8985d4de25ec5e7c15efaa4c6632586edd638a766aa06b3b1d6154422f9525ffc78d7c69c1f2c35f3c689d1057143df9fdf36e34faa7794d847961ff6c17af878104d7ee6cb2fd700c024fd02197b8627502a2c752718915ca57274802be49e512ca504355db",
        ),
        (
            Nist800_108Dpi,
            Sha1,
            "f1fbee45231b39461abc2aa87c80290584515a84c7c1648345490b3ef1ebf0264b79094a63b3d385f4c95081a3a896b6e5e5c064436bbe87e70dfe6e5be6985e9b5ee86689cd395aba588095cbddd658bc4e891f0cd65a217defcb7590168f75a0f837a9b1e6ea97baf1de11fafeda6d984a9a27628227bd215666584e2666bfcd1ee6d75af3f061eb026b1894ac56e870e99bf683a0",
        ),
        (
            Nist800_108F,
            Sha256,
            "ff6325677577ceaf808f9dc26b91803c616221d54d65cdac2177c1b759d74a963ec76b2c5e96675e2e21a4568216b2ae10f85670b9228cd2ccdf0e26a27f25e869083653d6d395b01c5e9b863a79e20a1a515eb49ad225831030f113ee12776e1f4998c71cddcc89e2cfc424bf5bebd88c60f8d2e2917714e65cf7780b0ae184e63423d5256ee14e2c53d88e1c33a5cd77379ec2c337",
        ),
        (
            Nist800_108Dpi,
            Sha256,
            "2fb379e28ccd262af5c116a74987ceb69c68b493f7f15fd70486156396654e3e151cc5fd96795e30f81c63cba7cbf6ae571f7b27f34ed7799134954472253a39d90266a1b5f5c0a75306af507ffeef0802afe83489e1face76a7e3b398a1f2996f710e294ca04bd8a51e918ebffaea5b81c903c55c0e06ce8885dbebdce7ca83df62e92a7c0c51d442cdc8f6c1207c71a7c4781a1381",
        ),
        (
            Nist800_108F,
            Sha512,
            "f2f40f7ea3d55864c3e2bee0de4cd6a781eed9dcd1e2bc010055950ef311a0e9c8b90afa95d8781a6ebbbbaa91d57eb83dba1a9d9e424c5df3088ff63704361ee5e4aa75bfda7cf5859e2fa9d31693da57de2537c2279279078868f9648b92375d374cfb32ae206281d1cf549a9de6f7c1252d4713b220ace73ae99f990becb0b13e0ef1b72eeb1de762a7ae1585b061b0e49f14f833",
        ),
        (
            Nist800_108Dpi,
            Sha512,
            "f2cfca3bf2c37bbade067df0edb16598be97c220f8d2849ea981820d1a4f5050aa1c1638600be78de9dc03d19db335f15b9911c2db617e04f26eaf32eab24dc54f52c0123781a5bbe4b11cdc2e0cddb642990509fbb605aa899c58209e133fb1d1cffcccd6ad19649271bb1fc31d0c8f9299d2c26f2175a193bdec9608daee86234c7a23a46d46bcf2e277c7c484ef60cce367f7bcfa",
        ),
    ];

    fn key() -> Vec<u8> {
        (0..20).map(|at| u8::try_from((37 * at + 11) % 256).unwrap()).collect()
    }

    #[test]
    fn derives_what_pykmip_derives_with_every_method_and_hash() {
        let key = key();
        for (method, hash, derived) in PYKMIP {
            let derivation = Derivation {
                method: *method,
                length: 50,
                key: Some(Key(&key)),
                data: Some(b"derivation data"),
                hash: Some(*hash),
                salt: Some(b"salt and more"),
                iterations: Some(3),
                ..NOTHING
            };
            assert_eq!(derive(&derivation).unwrap().expose(), hex(derived), "{method:?} {hash:?}");
        }
    }

    #[test]
    fn feedback_and_double_pipeline_follow_the_formulas() {
        let key = key();
        for (method, hash, derived) in PIPELINES {
            let derivation = Derivation {
                method: *method,
                length: 150,
                key: Some(Key(&key)),
                data: Some(b"derivation data"),
                hash: Some(*hash),
                iv: Some(b"0123456789abcdefghij"),
                ..NOTHING
            };
            assert_eq!(derive(&derivation).unwrap().expose(), hex(derived), "{method:?} {hash:?}");
        }
    }

    /// NIST CAVP, KDF in counter mode: HMAC_SHA256, counter before fixed, 32 bits, count 0.
    #[test]
    fn counter_mode_agrees_with_cavp() {
        let key = hex("dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0");
        let data = hex(
            "01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b864a145fab25e517b08f8683d0315bb29
             11d80a0e8aba17f3b413faac",
        );
        let derivation = Derivation {
            method: Nist800_108C,
            key: Some(Key(&key)),
            data: Some(&data),
            hash: Some(Sha256),
            ..NOTHING
        };
        assert_eq!(derive(&derivation).unwrap().expose(), hex("10621342bfb0fd40046c0e29f2cfdbf0"));
    }

    /// RFC 4231 §4.3, and the key that PyKMIP derives instead if the request contains a salt, even an empty one.
    #[test]
    fn hmac_is_one_code_without_a_salt_and_hkdf_with_one() {
        let one = Derivation {
            method: Hmac,
            length: 16,
            key: Some(Key(b"Jefe")),
            data: Some(b"what do ya want for nothing?"),
            hash: Some(Sha256),
            ..NOTHING
        };
        assert_eq!(derive(&one).unwrap().expose(), hex("5bdcc146bf60754e6a042426089575c7"));
        let salted = derive(&Derivation { salt: Some(b""), ..one }).unwrap();
        let longer = derive(&Derivation { length: 33, ..one }).unwrap();
        assert_ne!(salted, derive(&one).unwrap());
        assert_eq!(salted.expose(), &longer.expose()[..16]);
    }

    /// RFC 6070 §2, the second vector, and RFC 5869 A.1.
    #[test]
    fn pbkdf2_and_hkdf_agree_with_their_rfcs() {
        let pbkdf2 = Derivation {
            method: Pbkdf2,
            length: 20,
            key: Some(Key(b"password")),
            hash: Some(Sha1),
            salt: Some(b"salt"),
            iterations: Some(2),
            ..NOTHING
        };
        let expected = hex("ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
        assert_eq!(derive(&pbkdf2).unwrap().expose(), expected);
        let (salt, info) = (hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"));
        let hkdf = Derivation {
            method: Hkdf,
            length: 42,
            key: Some(Key(&[0x0b; 22])),
            salt: Some(&salt),
            data: Some(&info),
            ..NOTHING
        };
        let expected =
            hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
        assert_eq!(derive(&hkdf).unwrap().expose(), expected);
    }

    #[test]
    fn encrypts_and_hashes_and_cuts_to_the_length_asked_for() {
        let key = [0; 16];
        let hashed = Derivation { key: Some(Key(b"abc")), hash: Some(Md5), length: 4, ..NOTHING };
        assert_eq!(derive(&hashed).unwrap().expose(), hex("90015098"));
        let encrypted = Derivation {
            method: Encrypt,
            key: Some(Key(&key)),
            data: Some(&key),
            iv: Some(&key),
            algorithm: Some(CryptographicAlgorithm::Aes),
            mode: Some(BlockCipherMode::Cbc),
            padding: Some(PaddingMethod::Pkcs5),
            length: 8,
            ..NOTHING
        };
        // FIPS 197's AES-128 over zeros.
        assert_eq!(derive(&encrypted).unwrap().expose(), hex("66e94bd4ef8a2c3b"));
        let longer = Derivation { length: 33, ..encrypted };
        assert_eq!(derive(&longer), Err(Error::Derived { length: 32, wanted: 33 }));
    }

    #[test]
    fn refuses_what_is_missing_or_too_much() {
        let key = [7; 16];
        let full = Derivation {
            key: Some(Key(&key)),
            data: Some(b"data"),
            hash: Some(Sha256),
            salt: Some(b"salt"),
            iterations: Some(1),
            ..NOTHING
        };
        let refused = |derivation: Derivation<'_>| derive(&derivation).unwrap_err();
        let missing = Error::Missing;
        assert_eq!(refused(Derivation { hash: None, ..full }), missing(Parameter::HashingAlgorithm));
        let tiger = Derivation { hash: Some(Tiger), ..full };
        assert_eq!(refused(tiger), Error::Hash { hash: Tiger, purpose: Purpose::Derive });
        assert!(matches!(refused(full), Error::Conflict { .. }));
        let nothing = Derivation { key: None, data: None, ..full };
        assert_eq!(refused(nothing), missing(Parameter::DerivationData));
        let pbkdf2 = Derivation { method: Pbkdf2, ..full };
        assert_eq!(refused(Derivation { salt: None, ..pbkdf2 }), missing(Parameter::Salt));
        assert_eq!(refused(Derivation { iterations: None, ..pbkdf2 }), missing(Parameter::IterationCount));
        for (iterations, length) in [(0, 16), (MAX_ITERATIONS + 1, 16), (MAX_ITERATIONS, MAX_LENGTH)] {
            let error = refused(Derivation { iterations: Some(iterations), length, ..pbkdf2 });
            assert!(matches!(error, Error::Range { parameter: Parameter::IterationCount, .. }), "{error:?}");
        }
        for length in [0, MAX_LENGTH + 1] {
            let error = refused(Derivation { method: Nist800_108C, length, ..full });
            assert!(matches!(error, Error::Range { parameter: Parameter::CryptographicLength, .. }));
        }
        let hkdf = Derivation { method: Hmac, length: 255 * 32 + 1, ..full };
        assert!(matches!(refused(hkdf), Error::Range { max: 8160, .. }));
        assert_eq!(
            refused(Derivation { method: Encrypt, ..full }),
            missing(Parameter::CryptographicAlgorithm)
        );
        let aws = Derivation { method: AwsSignatureVersion4, ..full };
        assert_eq!(refused(aws), Error::Derivation(AwsSignatureVersion4));
    }
}
