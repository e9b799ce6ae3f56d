//! Authenticated encryption of stored data: AES-256-GCM with a random nonce (NIST SP 800-38D), and authentication of data
//! that stays readable: HMAC with SHA-256.
//!
//! An envelope is a nonce of 12 bytes, the ciphertext, and a tag of 16 bytes.

use aws_lc_rs::aead::{AES_256_GCM, Aad, MAX_TAG_LEN, NONCE_LEN, Nonce, RandomizedNonceKey};
use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Error, Purpose, random};

/// The length of an envelope key in bytes.
pub const KEY_LENGTH: usize = 32;

/// The length of the nonce in bytes, which precedes the ciphertext.
pub const NONCE_LENGTH: usize = NONCE_LEN;

/// The length of the tag in bytes, which follows the ciphertext.
pub const TAG_LENGTH: usize = MAX_TAG_LEN;

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
        let mut bytes = Zeroizing::new(Vec::with_capacity(NONCE_LENGTH + plaintext.len() + TAG_LENGTH));
        bytes.extend_from_slice(&[0; NONCE_LENGTH]);
        bytes.extend_from_slice(plaintext);
        self.seal_in_place(aad, &mut bytes, 0)?;
        Ok(std::mem::take(&mut *bytes))
    }

    /// Replaces the bytes from `start` on, of which the first [`NONCE_LENGTH`] are room for the nonce, with the envelope of
    /// the others. The capacity must suffice for [`TAG_LENGTH`] more: a reallocation would leave a copy of the plaintext in
    /// freed memory.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the encryption fails, or if there is no room for the nonce. `bytes` may contain the
    /// plaintext then.
    pub fn seal_in_place(&self, aad: &[u8], bytes: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let failed = || Error::Failed(Purpose::Encrypt);
        let mut plaintext = Tail { start: start.saturating_add(NONCE_LENGTH), bytes };
        let nonce = self.0.seal_in_place_append_tag(Aad::from(aad), &mut plaintext).map_err(|_| failed())?;
        let room = bytes.get_mut(start..).and_then(<[u8]>::first_chunk_mut).ok_or_else(failed)?;
        *room = *nonce.as_ref();
        Ok(())
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

/// The bytes of a vector from a position on.
struct Tail<'a> {
    start: usize,
    bytes: &'a mut Vec<u8>,
}

impl AsMut<[u8]> for Tail<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }
}

impl<'b> Extend<&'b u8> for Tail<'_> {
    fn extend<T: IntoIterator<Item = &'b u8>>(&mut self, more: T) {
        self.bytes.extend(more);
    }
}

/// The length of an authentication code in bytes.
pub const AUTHENTICATION_LENGTH: usize = 32;

/// A key that authenticates stored data.
pub struct AuthenticationKey(hmac::Key);

impl AuthenticationKey {
    /// Derives the key for `purpose` from the bytes of an envelope key.
    pub fn derive(key: &[u8; KEY_LENGTH], purpose: &[u8]) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), purpose);
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// Returns the code of the concatenation of `parts`.
    pub fn code<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; AUTHENTICATION_LENGTH] {
        let mut context = hmac::Context::with_key(&self.0);
        parts.into_iter().for_each(|part| context.update(part));
        let mut code = [0; AUTHENTICATION_LENGTH];
        code.copy_from_slice(context.sign().as_ref());
        code
    }

    /// Whether two codes are equal, in constant time.
    pub fn is_same(expected: &[u8; AUTHENTICATION_LENGTH], found: &[u8]) -> bool {
        expected[..].ct_eq(found).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test::hex;
    use super::*;

    #[test]
    fn a_code_depends_on_key_purpose_and_data() {
        let code = |key, purpose: &[u8], parts: &[&[u8]]| {
            AuthenticationKey::derive(&[key; KEY_LENGTH], purpose).code(parts.iter().copied())
        };
        let one = code(7, b"purpose", &[b"a", b"bc"]);
        assert_eq!(one, code(7, b"purpose", &[b"ab", b"c"]));
        for other in
            [code(8, b"purpose", &[b"abc"]), code(7, b"other", &[b"abc"]), code(7, b"purpose", &[b"abd"])]
        {
            assert!(!AuthenticationKey::is_same(&one, &other));
        }
        assert!(AuthenticationKey::is_same(&one, &one) && !AuthenticationKey::is_same(&one, &one[..31]));
    }

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
