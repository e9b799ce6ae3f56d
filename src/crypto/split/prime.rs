//! Shamir's polynomial over the integers modulo a prime (KMIP 2.1 §13.1).
//!
//! What is public, the prime and the weights of an interpolation, is computed with num-bigint-dig. What is
//! secret is added and doubled limb by limb, in a time that depends on the prime's length alone.

use std::fmt;

use num_bigint_dig::prime::{next_prime, probably_prime};
use num_bigint_dig::traits::ModInverse;
use num_bigint_dig::{BigInt, BigUint};
use zeroize::Zeroizing;

use super::{Error, Parameter, Secret, Share, random};

/// The longest prime, in bits: enough for every symmetric key and those of elliptic curves. Judging a longer one
/// would let a client buy seconds of computing with a request.
pub const MAX_PRIME_BITS: usize = 2048;

/// Rounds of Miller-Rabin, beside the test of Lucas: a composite passes with a chance below 2^-40.
const ROUNDS: usize = 20;

/// The prime of a field.
#[derive(Clone, PartialEq, Eq)]
pub struct Prime {
    value: BigUint,
    /// The same, the least limb first.
    limbs: Vec<u32>,
}

impl fmt::Debug for Prime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prime({} bits)", self.value.bits())
    }
}

impl Prime {
    /// The number whose big-endian digits are `digits`, after a look at whether it is a prime.
    ///
    /// # Errors
    /// A number that is too long or too small, or no prime.
    pub fn read(digits: &[u8]) -> Result<Self, Error> {
        let modulus = Self::modulus(digits)?;
        if probably_prime(&modulus.value, ROUNDS) { Ok(modulus) } else { Err(Error::NotAPrime) }
    }

    /// The same without that look: enough for joining, which finds out itself when the number is no prime.
    ///
    /// # Errors
    /// A number that is too long or too small.
    pub fn modulus(digits: &[u8]) -> Result<Self, Error> {
        let value = BigUint::from_bytes_be(digits);
        let bits = value.bits();
        if !(2..=MAX_PRIME_BITS).contains(&bits) {
            return Err(Error::range(Parameter::PrimeFieldSize, bits, 2, MAX_PRIME_BITS));
        }
        Ok(Self::of(value))
    }

    /// The least prime whose field holds every secret of `length` bytes.
    ///
    /// # Errors
    /// Secrets for which the prime would be too long.
    pub fn above(length: usize) -> Result<Self, Error> {
        let most = (MAX_PRIME_BITS - 1) / 8;
        if length > most {
            return Err(Error::range(Parameter::KeyMaterial, length, 1, most));
        }
        Ok(Self::of(next_prime(&(BigUint::from(1u32) << (length * 8)))))
    }

    /// Its big-endian digits.
    pub fn digits(&self) -> Vec<u8> {
        self.value.to_bytes_be()
    }

    /// How many bytes a secret can have at the most.
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

    /// How many bytes a share has.
    fn width(&self) -> usize {
        self.value.bits().div_ceil(8)
    }

    /// The largest number that a share can have: below the prime, and an Integer of the protocol.
    pub(super) fn most_share(&self) -> usize {
        let most = match *self.limbs.as_slice() {
            [small, 0] => small.saturating_sub(1).min(i32::MAX.unsigned_abs()),
            _ => i32::MAX.unsigned_abs(),
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    pub(super) fn split(
        &self,
        secret: &Secret,
        parts: usize,
        threshold: usize,
    ) -> Result<Vec<Secret>, Error> {
        // A prime bigger than 2^L, L being the bits of the secret.
        let most = self.room();
        if secret.len() > most {
            return Err(Error::range(Parameter::KeyMaterial, secret.len(), 1, most));
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

    /// The value of the polynomial through `base` at `wanted`.
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

    /// The number of big-endian digits, which is below the prime.
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

    /// An element that nobody should see: numbers as long as the prime, until one is below it.
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

    /// The product with a factor that is public, a point or a weight: doubled, and added where a bit is set.
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

/// A number below the prime, the least limb first.
type Element = Zeroizing<Vec<u32>>;

/// The difference, and 1 where it is below zero.
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

/// The low half.
fn low(wide: u64) -> u32 {
    u32::try_from(wide & u64::from(u32::MAX)).unwrap_or(0)
}
