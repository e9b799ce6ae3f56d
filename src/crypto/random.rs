//! Random bytes from the operating system, through ring. [`super::symmetric_key`] generates keys.

use ring::rand::{SecureRandom, SystemRandom};

use super::Error;
use crate::secret::Secret;

/// Fills `bytes` with random bytes.
///
/// # Errors
/// Returns [`Error::Random`] if the operating system returns an error.
pub fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::Random)
}

/// Returns `length` random bytes that may become public, such as an IV, a salt or a nonce.
///
/// # Errors
/// Returns [`Error::Random`] if the operating system returns an error.
pub fn bytes(length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Returns `length` random bytes that remain secret.
///
/// # Errors
/// Returns [`Error::Random`] if the operating system returns an error.
pub fn secret(length: usize) -> Result<Secret, Error> {
    bytes(length).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_requested_length_and_different_bytes() {
        for length in [0, 1, 16, 4096] {
            assert_eq!(bytes(length).unwrap().len(), length);
        }
        assert_ne!(secret(32).unwrap(), secret(32).unwrap());
    }
}
