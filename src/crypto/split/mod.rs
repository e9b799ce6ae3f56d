//! Splitting a secret into shares and joining them again (KMIP 1.2 §2.2.5, 2.1 §13.1): by XOR, and by Shamir's
//! polynomials over GF(2^8), GF(2^16) or a prime field.
//!
//! A share is known by its number, the Key Part Identifier, which is the point where the polynomials are
//! evaluated. Below the threshold, shares say nothing of the secret but its length. What is computed with a
//! secret or a share takes a time that depends on lengths and numbers alone.
//!
//! The field GF(2^8) is the one of 2.1 §13.1, x^8+x^4+x^3+x^2+1, in every version: the standard's own shares of
//! 1.2 and 1.4 are in it, although the text of those versions names the field of AES. GF(2^16) is built on the
//! same field, as 2.0 and 2.1 have it.
//!
//! Which object a share belongs to, and what the joined secret becomes, is left to the operations.

mod binary;
mod prime;

use super::{Error, Parameter, random};
use crate::kmip::enums::SplitKeyMethod;
use crate::secret::Secret;

pub use prime::{MAX_PRIME_BITS, Prime};

/// The most shares that a secret is split into, and the most that are joined: GF(2^8) has no more numbers, and
/// each is an object in the store.
pub const MAX_PARTS: usize = 255;

/// The longest secret, in bytes: longer than the private key of every algorithm here.
pub const MAX_SECRET: usize = 8192;

/// The most that one split may cost: shares times threshold times bytes. A few tenths of a second; a secret of
/// the full length can still be split into 45 shares that are all needed.
const MAX_WORK: usize = 16 << 20;

/// How a secret is split.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// All shares are needed, and their XOR is the secret.
    Xor,
    /// Polynomials over GF(2^8), one for each byte.
    Gf8,
    /// Polynomials over GF(2^16), one for each two bytes; a last odd byte is followed by a zero.
    Gf16,
    /// One polynomial over the integers modulo a prime; shares are as long as the prime.
    PrimeField(Prime),
}

impl Scheme {
    /// The scheme of a method; the prime is needed by the one that has one.
    ///
    /// # Errors
    /// A prime that is missing, or there without a use for it.
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

    /// The largest number that a share can have.
    fn most(&self) -> usize {
        match self {
            Self::Gf16 => usize::from(u16::MAX),
            Self::Xor | Self::Gf8 => usize::from(u8::MAX),
            Self::PrimeField(prime) => prime.most_share(),
        }
    }
}

/// One share.
#[derive(Clone, Debug)]
pub struct Share {
    /// Its number, from 1 on.
    pub number: u32,
    /// Its bytes.
    pub value: Secret,
}

/// Splits `secret` into `parts` shares, numbered from 1, of which `threshold` give it back.
///
/// # Errors
/// Numbers that the scheme or the bounds here do not allow, a secret that is empty, too long or not below the
/// prime, and [`Error::Random`].
pub fn split(scheme: &Scheme, secret: &Secret, parts: usize, threshold: usize) -> Result<Vec<Share>, Error> {
    check(scheme, parts, threshold)?;
    let most = MAX_SECRET.min(MAX_WORK / (parts * threshold));
    if secret.is_empty() || secret.len() > most {
        return Err(Error::range(Parameter::KeyMaterial, secret.len(), 1, most));
    }
    let values = match scheme {
        Scheme::Xor => split_by_xor(secret, parts)?,
        Scheme::Gf8 => binary::split::<binary::Gf8>(secret, parts, threshold)?,
        Scheme::Gf16 => binary::split::<binary::Gf16>(secret, parts, threshold)?,
        Scheme::PrimeField(prime) => prime.split(secret, parts, threshold)?,
    };
    Ok((1..).zip(values).map(|(number, value)| Share { number, value }).collect())
}

/// The secret behind at least `threshold` shares, whatever their order. Of those beyond the threshold one is
/// looked at: it has to agree. The secret is as long as its field makes it; see [`fitted`].
///
/// # Errors
/// Too few shares, shares that do not fit each other, and numbers that are no shares' numbers.
pub fn join(scheme: &Scheme, shares: &[Share], threshold: usize) -> Result<Secret, Error> {
    check(scheme, threshold.max(2), threshold)?;
    if shares.len() > MAX_PARTS {
        return Err(Error::range(Parameter::SplitKeyParts, shares.len(), threshold, MAX_PARTS));
    }
    let (mut numbers, most) = (Vec::new(), scheme.most());
    for share in shares {
        let number = usize::try_from(share.number).unwrap_or(usize::MAX);
        if number == 0 || number > most {
            return Err(Error::range(Parameter::KeyPartIdentifier, number, 1, most));
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
    // GF(2^16) may have made a share one byte longer.
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

/// A joined secret in the `length` bytes that it had before it was split: GF(2^16) may have added a zero behind
/// it, a prime field has zeros before it.
///
/// # Errors
/// [`Error::SharesDisagree`] where it cannot have had that length.
pub fn fitted(scheme: &Scheme, secret: &Secret, length: usize) -> Result<Secret, Error> {
    let bytes = secret.expose();
    let over = bytes.len().checked_sub(length).ok_or(Error::SharesDisagree)?;
    let (kept, padding, most) = match scheme {
        Scheme::PrimeField(_) => bytes.split_at_checked(over).map(|(before, kept)| (kept, before, over)),
        Scheme::Gf16 => bytes.split_at_checked(length).map(|(kept, behind)| (kept, behind, 1)),
        Scheme::Xor | Scheme::Gf8 => bytes.split_at_checked(length).map(|(kept, behind)| (kept, behind, 0)),
    }
    .ok_or(Error::SharesDisagree)?;
    if padding.len() > most || padding.iter().any(|byte| *byte != 0) {
        return Err(Error::SharesDisagree);
    }
    Ok(Secret::new(kept.to_vec()))
}

fn check(scheme: &Scheme, parts: usize, threshold: usize) -> Result<(), Error> {
    let most = MAX_PARTS.min(scheme.most());
    if !(2..=most).contains(&parts) {
        return Err(Error::range(Parameter::SplitKeyParts, parts, 2, most));
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
