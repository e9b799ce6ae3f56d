//! The interface of every mode that processes data as it arrives, and of its callers.

use aes::cipher::StreamCipher;

use crate::crypto::{Error, Parameter};

/// An encryption or decryption in progress.
pub(super) trait Transform: Send {
    /// Encrypts or decrypts `data` in place. ECB and CBC process whole blocks only.
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Error>;
}

/// The use of a [`Transform`] that lives for `'t`. A whole message is processed without a heap allocation for it.
pub(super) trait Consumer<'t> {
    type Output;

    fn consume(self, transform: impl Transform + 't) -> Result<Self::Output, Error>;
}

/// Returns the transform, for a message in parts.
pub(super) struct Boxed;

impl Consumer<'static> for Boxed {
    type Output = Box<dyn Transform>;

    fn consume(self, transform: impl Transform + 'static) -> Result<Box<dyn Transform>, Error> {
        Ok(Box::new(transform))
    }
}

/// Processes a whole message in place.
pub(super) struct Whole<'a>(pub(super) &'a mut [u8]);

impl<'t> Consumer<'t> for Whole<'_> {
    type Output = ();

    #[inline(always)]
    fn consume(self, mut transform: impl Transform + 't) -> Result<(), Error> {
        transform.apply(self.0)
    }
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
