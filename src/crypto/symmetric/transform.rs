//! The interface of every mode that processes data as it arrives.

use aes::cipher::StreamCipher;

use crate::crypto::{Error, Parameter};

/// An encryption or decryption in progress.
pub(super) trait Transform: Send {
    /// Encrypts or decrypts `data` in place. ECB and CBC process whole blocks only.
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error>;
}

/// A cipher that combines data with a keystream, so that encryption and decryption are the same computation.
pub(super) struct Keystream<S>(pub(super) S);

impl<S: StreamCipher + Send> Transform for Keystream<S> {
    /// # Errors
    /// Returns [`Error::Range`] if the keystream is shorter than the data, which a block counter of 32 bits allows
    /// (ChaCha20 with an initial counter).
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error> {
        let length = data.len();
        self.0.try_apply_keystream(data).map_err(|_| Error::range(Parameter::Data, length, 0, usize::MAX))
    }
}
