//! Secret sharing (KMIP 1.2 §2.2.5, 2.1 §13.1): XOR, and Shamir's scheme over GF(2^8), GF(2^16) or a prime field.
//!
//! The number of a share, its Key Part Identifier, is the point at which the polynomials are evaluated. Fewer shares than
//! the threshold reveal nothing about the secret except its length. The duration of a computation depends on lengths
//! and share numbers, but not on secret values.
//!
//! GF(2^8) has the polynomial of 2.1 §13.1, x^8+x^4+x^3+x^2+1, in every version: the standard's shares of 1.2 and 1.4 use
//! it, although the text of those versions names the field of AES. GF(2^16) extends the same field, as in 2.0 and 2.1.

mod binary;
mod prime;

use super::{Error, Parameter, random};
use crate::kmip::enums::SplitKeyMethod;
use crate::secret::Secret;

pub use prime::{MAX_PRIME_BITS, Prime};

/// The maximum number of shares to split a secret into or to join, as many as GF(2^8) has non-zero elements.
pub const MAX_PARTS: usize = 255;

/// The maximum length of a secret, in bytes. No private key is longer.
pub const MAX_SECRET: usize = 8192;

/// The maximum work of one split: the product of shares, threshold and bytes, a few tenths of a second. It permits a
/// secret of the maximum length with 45 shares that are all required.
const MAX_WORK: usize = 16 << 20;

/// The method of splitting a secret.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// The secret is the XOR of all shares.
    Xor,
    /// One polynomial over GF(2^8) per byte.
    Gf8,
    /// One polynomial over GF(2^16) per two bytes; an odd length is padded with one zero byte.
    Gf16,
    /// One polynomial over the integers modulo a prime; shares are as long as the prime.
    PrimeField(Prime),
}

impl Scheme {
    /// Returns the scheme of a Split Key Method.
    ///
    /// # Errors
    /// Returns [`Error::Missing`] if the prime field lacks its prime, and [`Error::Unexpected`] if another method has one.
    pub fn of(method: SplitKeyMethod, prime: Option<Prime>) -> Result<Self, Error> {
        match (method, prime) {
            (SplitKeyMethod::PolynomialSharingPrimeField, Some(prime)) => Ok(Self::PrimeField(prime)),
            (SplitKeyMethod::PolynomialSharingPrimeField, None) => {
                Err(Error::Missing(Parameter::PrimeFieldSize))
            }
            (_, Some(_)) => Err(Error::Unexpected(Parameter::PrimeFieldSize)),
            (SplitKeyMethod::Xor, None) => Ok(Self::Xor),
            (SplitKeyMethod::PolynomialSharingGf2_8, None) => Ok(Self::Gf8),
            (SplitKeyMethod::PolynomialSharingGf2_16, None) => Ok(Self::Gf16),
        }
    }

    /// Returns the largest share number.
    fn max_number(&self) -> usize {
        match self {
            Self::Gf16 => usize::from(u16::MAX),
            Self::Xor | Self::Gf8 => usize::from(u8::MAX),
            Self::PrimeField(prime) => prime.max_number(),
        }
    }
}

/// A share of a secret.
#[derive(Clone, Debug)]
pub struct Share {
    /// The share number, from 1.
    pub number: u32,
    /// The bytes of the share.
    pub value: Secret,
}

/// Splits `secret` into `parts` shares, numbered from 1, of which `threshold` are required to join it.
///
/// # Errors
/// Returns [`Error::Range`] if the scheme does not support the numbers, or if the secret is empty, too long, or not less
/// than the prime; [`Error::Random`] if the operating system returns no random bytes.
pub fn split(scheme: &Scheme, secret: &Secret, parts: usize, threshold: usize) -> Result<Vec<Share>, Error> {
    check(scheme, parts, threshold)?;
    let max = MAX_SECRET.min(MAX_WORK / (parts * threshold));
    if secret.is_empty() || secret.len() > max {
        return Err(Error::range(Parameter::KeyMaterial, secret.len(), 1, max));
    }
    let values = match scheme {
        Scheme::Xor => split_by_xor(secret, parts)?,
        Scheme::Gf8 => binary::split::<binary::Gf8>(secret, parts, threshold)?,
        Scheme::Gf16 => binary::split::<binary::Gf16>(secret, parts, threshold)?,
        Scheme::PrimeField(prime) => prime.split(secret, parts, threshold)?,
    };
    Ok((1..).zip(values).map(|(number, value)| Share { number, value }).collect())
}

/// Joins at least `threshold` shares, in any order. Checks one of the shares in excess of the threshold. The result may
/// contain padding, which [`fitted`] removes.
///
/// # Errors
/// Returns [`Error::TooFewShares`], [`Error::SharesDisagree`] if the shares do not belong to one secret, and
/// [`Error::Range`] if a number or a length is out of range.
pub fn join(scheme: &Scheme, shares: &[Share], threshold: usize) -> Result<Secret, Error> {
    check(scheme, threshold.max(2), threshold)?;
    if shares.len() > MAX_PARTS {
        return Err(Error::range(Parameter::SplitKeyParts, shares.len(), threshold, MAX_PARTS));
    }
    let (mut numbers, max) = (Vec::new(), scheme.max_number());
    for share in shares {
        let number = usize::try_from(share.number).unwrap_or(usize::MAX);
        if number == 0 || number > max {
            return Err(Error::range(Parameter::KeyPartIdentifier, number, 1, max));
        }
        numbers.push(number);
    }
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() < threshold {
        return Err(Error::TooFewShares { given: numbers.len(), needed: threshold });
    }
    let length = shares.first().map_or(0, |share| share.value.len());
    let repeated = numbers.len() != shares.len();
    if repeated || length == 0 || shares.iter().any(|share| share.value.len() != length) {
        return Err(Error::SharesDisagree);
    }
    // GF(2^16) may add one byte of padding.
    if length > MAX_SECRET + 1 {
        return Err(Error::range(Parameter::KeyMaterial, length, 1, MAX_SECRET));
    }
    match scheme {
        Scheme::Xor if shares.len() > threshold => Err(Error::SharesDisagree),
        Scheme::Xor => Ok(join_by_xor(shares, length)),
        Scheme::Gf8 => binary::join::<binary::Gf8>(shares, threshold),
        Scheme::Gf16 => binary::join::<binary::Gf16>(shares, threshold),
        Scheme::PrimeField(prime) => prime.join(shares, threshold),
    }
}

/// Restores the original length of a joined secret, in bytes: removes the trailing zero that GF(2^16) may add, and the
/// leading zeros of a prime field.
///
/// # Errors
/// Returns [`Error::SharesDisagree`] if the secret cannot have had that length.
pub fn fitted(scheme: &Scheme, secret: &Secret, length: usize) -> Result<Secret, Error> {
    let bytes = secret.expose();
    let excess = bytes.len().checked_sub(length).ok_or(Error::SharesDisagree)?;
    let (kept, padding, max) = match scheme {
        Scheme::PrimeField(_) => bytes.split_at_checked(excess).map(|(before, kept)| (kept, before, excess)),
        Scheme::Gf16 => bytes.split_at_checked(length).map(|(kept, behind)| (kept, behind, 1)),
        Scheme::Xor | Scheme::Gf8 => bytes.split_at_checked(length).map(|(kept, behind)| (kept, behind, 0)),
    }
    .ok_or(Error::SharesDisagree)?;
    if padding.len() > max || padding.iter().any(|byte| *byte != 0) {
        return Err(Error::SharesDisagree);
    }
    Ok(Secret::new(kept.to_vec()))
}

fn check(scheme: &Scheme, parts: usize, threshold: usize) -> Result<(), Error> {
    let max = MAX_PARTS.min(scheme.max_number());
    if !(2..=max).contains(&parts) {
        return Err(Error::range(Parameter::SplitKeyParts, parts, 2, max));
    }
    // One share would be the secret itself.
    if !(2..=parts).contains(&threshold) {
        return Err(Error::range(Parameter::SplitKeyThreshold, threshold, 2, parts));
    }
    Ok(())
}

fn split_by_xor(secret: &Secret, parts: usize) -> Result<Vec<Secret>, Error> {
    let mut last = secret.expose().to_vec();
    let mut shares = Vec::with_capacity(parts);
    for _ in 1..parts {
        let share = random::secret(secret.len())?;
        last.iter_mut().zip(share.expose()).for_each(|(byte, other)| *byte ^= other);
        shares.push(share);
    }
    shares.push(Secret::new(last));
    Ok(shares)
}

fn join_by_xor(shares: &[Share], length: usize) -> Secret {
    let mut secret = vec![0; length];
    for share in shares {
        secret.iter_mut().zip(share.value.expose()).for_each(|(byte, other)| *byte ^= other);
    }
    Secret::new(secret)
}

#[cfg(test)]
mod tests;
