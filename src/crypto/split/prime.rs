//! Shamir's scheme over the integers modulo a prime (KMIP 2.1 §13.1).
//!
//! num-bigint-dig computes public values: the prime and the weights of an interpolation. Secret values are added and
//! doubled limb by limb, in a time that depends only on the length of the prime.

use std::fmt;

use num_bigint_dig::prime::{next_prime, probably_prime};
use num_bigint_dig::traits::ModInverse;
use num_bigint_dig::{BigInt, BigUint};
use zeroize::Zeroizing;

use super::{Error, Parameter, Secret, Share, random};

/// The maximum length of a prime, in bits: sufficient for symmetric and elliptic curve keys. The primality test of a
/// longer one would take seconds.
pub const MAX_PRIME_BITS: usize = 2048;

/// The rounds of the Miller-Rabin test, in addition to a Lucas test. The error probability is less than 2^-40.
const ROUNDS: usize = 20;

/// The modulus of a prime field.
#[derive(Clone, PartialEq, Eq)]
pub struct Prime {
    value: BigUint,
    /// The limbs of `value`, least significant first.
    limbs: Vec<u32>,
}

impl fmt::Debug for Prime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prime({} bits)", self.value.bits())
    }
}

impl Prime {
    /// Decodes a big-endian number and tests whether it is a prime.
    ///
    /// # Errors
    /// Returns [`Error::Range`] if the number has less than 2 or more than [`MAX_PRIME_BITS`] bits, and
    /// [`Error::NotAPrime`] if it is composite.
    pub fn read(digits: &[u8]) -> Result<Self, Error> {
        let modulus = Self::modulus(digits)?;
        if probably_prime(&modulus.value, ROUNDS) { Ok(modulus) } else { Err(Error::NotAPrime) }
    }

    /// Decodes a big-endian number without the primality test. Joining does not need the test, because it fails if an
    /// inverse does not exist.
    ///
    /// # Errors
    /// Returns [`Error::Range`] if the number has less than 2 or more than [`MAX_PRIME_BITS`] bits.
    pub fn modulus(digits: &[u8]) -> Result<Self, Error> {
        // A number that is far too long is not converted, because that needs several times its memory.
        if digits.len() > MAX_PRIME_BITS {
            return Err(Error::range(Parameter::PrimeFieldSize, digits.len() * 8, 2, MAX_PRIME_BITS));
        }
        let value = BigUint::from_bytes_be(digits);
        let bits = value.bits();
        if !(2..=MAX_PRIME_BITS).contains(&bits) {
            return Err(Error::range(Parameter::PrimeFieldSize, bits, 2, MAX_PRIME_BITS));
        }
        Ok(Self::of(value))
    }

    /// Returns the smallest prime that exceeds every secret of `length` bytes.
    ///
    /// # Errors
    /// Returns [`Error::Range`] if the prime would have more than [`MAX_PRIME_BITS`] bits.
    pub fn above(length: usize) -> Result<Self, Error> {
        let max = (MAX_PRIME_BITS - 1) / 8;
        if length > max {
            return Err(Error::range(Parameter::KeyMaterial, length, 1, max));
        }
        Ok(Self::of(next_prime(&(BigUint::from(1u32) << (length * 8)))))
    }

    /// Returns the prime, big-endian.
    pub fn digits(&self) -> Vec<u8> {
        self.value.to_bytes_be()
    }

    /// Returns the maximum length of a secret, in bytes.
    pub fn room(&self) -> usize {
        (self.value.bits() - 1) / 8
    }

    fn of(value: BigUint) -> Self {
        let mut limbs: Vec<_> = value
            .to_bytes_le()
            .chunks(4)
            .map(|chunk| chunk.iter().rev().fold(0, |limb, byte| limb << 8 | u32::from(*byte)))
            .collect();
        // Room for the carry of a sum of two elements.
        limbs.push(0);
        Self { value, limbs }
    }

    /// Returns the length of a share, in bytes.
    fn width(&self) -> usize {
        self.value.bits().div_ceil(8)
    }

    /// Returns the largest share number: less than the prime, and a positive Integer of the protocol.
    pub(super) fn max_number(&self) -> usize {
        let max = match *self.limbs.as_slice() {
            [small, 0] => small.saturating_sub(1).min(i32::MAX.unsigned_abs()),
            _ => i32::MAX.unsigned_abs(),
        };
        usize::try_from(max).unwrap_or(usize::MAX)
    }

    pub(super) fn split(
        &self,
        secret: &Secret,
        parts: usize,
        threshold: usize,
    ) -> Result<Vec<Secret>, Error> {
        // A prime bigger than 2^L, L being the bits of the secret.
        let max = self.room();
        if secret.len() > max {
            return Err(Error::range(Parameter::KeyMaterial, secret.len(), 1, max));
        }
        let mut coefficients = (1..threshold).map(|_| self.random()).collect::<Result<Vec<_>, _>>()?;
        coefficients.push(self.element(secret.expose()));
        let points = (1..=u32::MAX).take(parts).map(|point| {
            let mut sum = self.zero();
            for coefficient in &coefficients {
                sum = self.sum(&self.product(&sum, &[point]), coefficient);
            }
            self.bytes(&sum)
        });
        Ok(points.collect())
    }

    pub(super) fn join(&self, shares: &[Share], threshold: usize) -> Result<Secret, Error> {
        let (base, others) = shares.split_at_checked(threshold).ok_or(Error::SharesDisagree)?;
        for share in shares {
            let value = share.value.expose();
            // A share is below the prime; what is compared is no secret but whether the request makes sense.
            if value.len() != self.width() || BigUint::from_bytes_be(value) >= self.value {
                return Err(Error::SharesDisagree);
            }
        }
        if let Some(other) = others.first()
            && self.at(base, other.number)? != other.value
        {
            return Err(Error::SharesDisagree);
        }
        self.at(base, 0)
    }

    /// Returns the value at `wanted` of the polynomial through `base`.
    fn at(&self, base: &[Share], wanted: u32) -> Result<Secret, Error> {
        let modulus = BigInt::from(self.value.clone());
        let wanted = BigInt::from(wanted);
        let mut sum = self.zero();
        for share in base {
            let own = BigInt::from(share.number);
            let (mut over, mut under) = (BigInt::from(1), BigInt::from(1));
            for other in base.iter().filter(|other| other.number != share.number) {
                let other = BigInt::from(other.number);
                over = over * (&wanted - &other) % &modulus;
                under = under * (&own - &other) % &modulus;
            }
            let inverse = under.mod_inverse(&modulus).ok_or(Error::SharesDisagree)?;
            let weight = over * inverse % &modulus;
            let weight = if weight < BigInt::from(0) { weight + &modulus } else { weight };
            let weight = self.element(&weight.to_bytes_be().1);
            sum = self.sum(&sum, &self.product(&self.element(share.value.expose()), &weight));
        }
        Ok(self.bytes(&sum))
    }

    fn zero(&self) -> Element {
        Zeroizing::new(vec![0; self.limbs.len()])
    }

    /// Decodes a big-endian number less than the prime.
    fn element(&self, digits: &[u8]) -> Element {
        let mut element = self.zero();
        for (limb, chunk) in element.iter_mut().zip(digits.rchunks(4)) {
            *limb = chunk.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte));
        }
        element
    }

    fn bytes(&self, element: &Element) -> Secret {
        let little = element.iter().flat_map(|limb| limb.to_le_bytes());
        let mut bytes: Vec<u8> = little.take(self.width()).collect();
        bytes.reverse();
        Secret::new(bytes)
    }

    /// Returns a random secret element, by rejection sampling.
    fn random(&self) -> Result<Element, Error> {
        let spare = self.width() * 8 - self.value.bits();
        loop {
            let mut digits = Zeroizing::new(random::bytes(self.width())?);
            if let Some(first) = digits.first_mut() {
                *first &= u8::MAX >> spare;
            }
            let element = self.element(&digits);
            let (_, below) = difference(&element, &self.limbs);
            if below == 1 {
                return Ok(element);
            }
        }
    }

    fn sum(&self, one: &Element, other: &Element) -> Element {
        let mut sum = self.zero();
        let mut carry = 0;
        for ((sum, one), other) in sum.iter_mut().zip(one.iter()).zip(other.iter()) {
            let wide = u64::from(*one) + u64::from(*other) + carry;
            (*sum, carry) = (low(wide), wide >> 32);
        }
        let (reduced, below) = difference(&sum, &self.limbs);
        // Below the prime, the sum itself; else what is over.
        let keep = below.wrapping_neg();
        for (sum, reduced) in sum.iter_mut().zip(reduced.iter()) {
            *sum = (*sum & keep) | (*reduced & !keep);
        }
        sum
    }

    /// Returns the product with a public factor (double-and-add).
    fn product(&self, element: &Element, factor: &[u32]) -> Element {
        let mut product = self.zero();
        let bits = factor.iter().rev().flat_map(|limb| (0..32).rev().map(move |bit| limb >> bit & 1 == 1));
        for bit in bits.skip_while(|bit| !bit) {
            product = self.sum(&product, &product);
            if bit {
                product = self.sum(&product, element);
            }
        }
        product
    }
}

/// A number less than the prime, least significant limb first.
type Element = Zeroizing<Vec<u32>>;

/// Returns the difference, and 1 if it is negative.
fn difference(one: &[u32], other: &[u32]) -> (Element, u32) {
    let mut difference = Zeroizing::new(Vec::with_capacity(one.len()));
    let mut borrow = 0;
    for (one, other) in one.iter().zip(other) {
        let wide = u64::from(*one).wrapping_sub(u64::from(*other)).wrapping_sub(borrow);
        difference.push(low(wide));
        borrow = wide >> 63;
    }
    (difference, low(borrow))
}

/// Returns the low half.
fn low(wide: u64) -> u32 {
    u32::try_from(wide & u64::from(u32::MAX)).unwrap_or(0)
}
