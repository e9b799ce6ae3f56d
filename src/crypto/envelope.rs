//! Authenticated encryption of stored data: AES-256-GCM with a random nonce (NIST SP 800-38D).
//!
//! An envelope is a nonce of 12 bytes, the ciphertext, and a tag of 16 bytes.

use aws_lc_rs::aead::{AES_256_GCM, Aad, MAX_TAG_LEN, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::{Error, Purpose, random};

/// The length of an envelope key in bytes.
pub const KEY_LENGTH: usize = 32;

/// A key that seals and opens envelopes.
pub struct EnvelopeKey(RandomizedNonceKey);

impl EnvelopeKey {
    /// Returns the key with these bytes.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the library refuses the key.
    pub fn new(key: &[u8; KEY_LENGTH]) -> Result<Self, Error> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        key.map(Self).map_err(|_| Error::Failed(Purpose::Encrypt))
    }

    /// Returns the bytes of a new random key.
    ///
    /// # Errors
    /// Returns [`Error::Random`] if the operating system returns no random bytes.
    pub fn generate() -> Result<Zeroizing<[u8; KEY_LENGTH]>, Error> {
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        random::fill(&mut *key)?;
        Ok(key)
    }

    /// Encrypts `plaintext` and authenticates it together with `aad`. Returns the envelope.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the encryption fails.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        // The capacity includes the tag: a reallocation would leave a copy of the plaintext in freed memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(plaintext.len() + MAX_TAG_LEN));
        bytes.extend_from_slice(plaintext);
        let nonce = self.0.seal_in_place_append_tag(Aad::from(aad), &mut *bytes);
        let nonce = nonce.map_err(|_| Error::Failed(Purpose::Encrypt))?;
        Ok([&nonce.as_ref()[..], &bytes].concat())
    }

    /// Returns the plaintext of `envelope`, or `None` if it was not sealed with this key and `aad`.
    pub fn open(&self, aad: &[u8], envelope: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, bytes) = envelope.split_first_chunk::<NONCE_LEN>()?;
        let mut bytes = Zeroizing::new(bytes.to_vec());
        let length = self.0.open_in_place(Nonce::from(nonce), Aad::from(aad), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test::hex;
    use super::*;

    #[test]
    fn opens_only_what_was_sealed_with_the_same_key_and_additional_data() {
        let key = EnvelopeKey::new(&[7; KEY_LENGTH]).unwrap();
        let sealed = key.seal(b"aad", b"plaintext").unwrap();
        assert_eq!(sealed.len(), NONCE_LEN + 9 + MAX_TAG_LEN);
        assert_ne!(key.seal(b"aad", b"plaintext").unwrap(), sealed, "each envelope has its own nonce");
        assert_eq!(key.open(b"aad", &sealed).unwrap().as_slice(), b"plaintext");
        assert_eq!(key.open(b"other", &sealed), None);
        assert_eq!(EnvelopeKey::new(&[8; KEY_LENGTH]).unwrap().open(b"aad", &sealed), None);
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(key.open(b"aad", &changed), None, "byte {position}");
            assert_eq!(key.open(b"aad", &sealed[..position]), None, "{position} bytes");
        }
    }

    /// Test case 16 of the GCM specification by McGrew and Viega.
    #[test]
    fn opens_the_published_vector_of_aes_256_gcm() {
        let key = hex("feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308");
        let envelope = hex("cafebabefacedbaddecaf888
            522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
            8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662
            76fc6ece0f4e1768cddf8853bb2d551b");
        let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plaintext = hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
            1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
        let key = EnvelopeKey::new(&key.try_into().unwrap()).unwrap();
        assert_eq!(key.open(&aad, &envelope).unwrap().to_vec(), plaintext);
    }

    #[test]
    fn generates_a_different_key_each_time() {
        assert_ne!(*EnvelopeKey::generate().unwrap(), *EnvelopeKey::generate().unwrap());
    }
}
