//! Random bytes from the operating system, through ring.
//!
//! What the bytes are for is left to the caller; keys go through [`super::symmetric_key`].

use ring::rand::{SecureRandom, SystemRandom};

use super::Error;
use crate::secret::Secret;

/// Fills `bytes`.
///
/// # Errors
/// [`Error::Random`] where the system has none to give.
pub fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::Random)
}

/// `length` bytes that may be shown: an IV, a salt, a nonce.
///
/// # Errors
/// [`Error::Random`] where the system has none to give.
pub fn bytes(length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// `length` bytes that nobody should see.
///
/// # Errors
/// [`Error::Random`] where the system has none to give.
pub fn secret(length: usize) -> Result<Secret, Error> {
    bytes(length).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_length_asked_for_and_never_the_same_twice() {
        for length in [0, 1, 16, 4096] {
            assert_eq!(bytes(length).unwrap().len(), length);
        }
        assert_ne!(secret(32).unwrap(), secret(32).unwrap());
    }
}
