//! Shamir's scheme over GF(2^8) and GF(2^16) (KMIP 2.1 §13.1). No memory access and no branch depends on a secret.

use super::{Error, Secret, Share, random};

/// The polynomial x^8+x^4+x^3+x^2+1 without its first term.
const REDUCTION: u8 = 0x1D;

/// The constant m of GF(2^16) = GF(2^8)[y]/(y^2+y+m).
const M: u8 = 0x3A;

/// A field of characteristic two. An element is the low bits of a number; addition is XOR.
pub(super) trait Field {
    /// The length of an element, in bytes.
    const BYTES: usize;
    /// Returns the product of two elements.
    fn product(one: u16, other: u16) -> u16;
    /// Returns the multiplicative inverse, or 0 for 0. Only share numbers, which are public, are inverted.
    fn inverse(element: u16) -> u16;
}

/// GF(2^8).
pub(super) struct Gf8;

impl Field for Gf8 {
    const BYTES: usize = 1;

    fn product(one: u16, other: u16) -> u16 {
        product(low(one), low(other)).into()
    }

    fn inverse(element: u16) -> u16 {
        inverse(low(element)).into()
    }
}

/// GF(2^16): the element uy + v is the number whose high byte is u and whose low byte is v.
pub(super) struct Gf16;

impl Field for Gf16 {
    const BYTES: usize = 2;

    fn product(one: u16, other: u16) -> u16 {
        let ((r, s), (u, v)) = (halves(one), halves(other));
        let sv = product(s, v);
        join_halves(product(r ^ s, u ^ v) ^ sv, product(product(r, u), M) ^ sv)
    }

    fn inverse(element: u16) -> u16 {
        let (u, v) = halves(element);
        let inverted = inverse(product(u ^ v, v) ^ product(M, product(u, u)));
        join_halves(product(u, inverted), product(u ^ v, inverted))
    }
}

/// Returns the product in GF(2^8).
fn product(one: u8, other: u8) -> u8 {
    let (mut sum, mut shifted) = (0, one);
    for bit in 0..8 {
        sum ^= shifted & mask(other >> bit);
        shifted = (shifted << 1) ^ (REDUCTION & mask(shifted >> 7));
    }
    sum
}

/// Returns all ones if the lowest bit is set, all zeros otherwise.
fn mask(bit: u8) -> u8 {
    (bit & 1).wrapping_neg()
}

/// Returns the inverse in GF(2^8), which is element^254.
fn inverse(element: u8) -> u8 {
    let (mut power, mut square) = (1, element);
    for _ in 1..8 {
        square = product(square, square);
        power = product(power, square);
    }
    power
}

fn halves(element: u16) -> (u8, u8) {
    let [u, v] = element.to_be_bytes();
    (u, v)
}

fn join_halves(u: u8, v: u8) -> u16 {
    u16::from_be_bytes([u, v])
}

fn low(element: u16) -> u8 {
    let [_, low] = element.to_be_bytes();
    low
}

/// Returns the elements that bytes encode. GF(2^16) pads an odd length with one zero byte.
fn elements<F: Field>(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks(F::BYTES).map(|chunk| match *chunk {
        [byte] if F::BYTES == 1 => byte.into(),
        [u, v] => join_halves(u, v),
        [u] => join_halves(u, 0),
        _ => 0,
    })
}

fn push<F: Field>(element: u16, bytes: &mut Vec<u8>) {
    let (u, v) = halves(element);
    if F::BYTES == 2 {
        bytes.push(u);
    }
    bytes.push(v);
}

/// Evaluates polynomials whose constant terms are the secret and whose other coefficients are random (Horner's method).
pub(super) fn split<F: Field>(secret: &Secret, parts: usize, threshold: usize) -> Result<Vec<Secret>, Error> {
    let width = secret.len().next_multiple_of(F::BYTES);
    let rows = (1..threshold).map(|_| random::secret(width)).collect::<Result<Vec<_>, _>>()?;
    let mut shares = Vec::with_capacity(parts);
    for point in (1..=u16::MAX).take(parts) {
        let mut sums = vec![0; width / F::BYTES];
        for row in rows.iter().chain(std::iter::once(secret)) {
            for (sum, coefficient) in sums.iter_mut().zip(elements::<F>(row.expose())) {
                *sum = F::product(*sum, point) ^ coefficient;
            }
        }
        let mut share = Vec::with_capacity(width);
        sums.iter().for_each(|sum| push::<F>(*sum, &mut share));
        zeroize::Zeroize::zeroize(&mut sums);
        shares.push(Secret::new(share));
    }
    Ok(shares)
}

/// Interpolates the first `threshold` shares at 0, and checks that the next share is on their polynomials.
pub(super) fn join<F: Field>(shares: &[Share], threshold: usize) -> Result<Secret, Error> {
    let (base, others) = shares.split_at_checked(threshold).ok_or(Error::SharesDisagree)?;
    if let Some(other) = others.first()
        && at::<F>(base, point(other))? != other.value
    {
        return Err(Error::SharesDisagree);
    }
    at::<F>(base, 0)
}

fn at<F: Field>(base: &[Share], wanted: u16) -> Result<Secret, Error> {
    let width = base.first().map_or(0, |share| share.value.len());
    if !width.is_multiple_of(F::BYTES) {
        return Err(Error::SharesDisagree);
    }
    let mut sums = vec![0; width / F::BYTES];
    for share in base {
        let own = point(share);
        let others = base.iter().map(point).filter(|other| *other != own);
        let weight = others
            .fold(1, |weight, other| F::product(weight, F::product(wanted ^ other, F::inverse(own ^ other))));
        for (sum, value) in sums.iter_mut().zip(elements::<F>(share.value.expose())) {
            *sum ^= F::product(value, weight);
        }
    }
    let mut secret = Vec::with_capacity(width);
    sums.iter().for_each(|sum| push::<F>(*sum, &mut secret));
    zeroize::Zeroize::zeroize(&mut sums);
    Ok(Secret::new(secret))
}

/// Returns the number of a share as an element. The caller checks its range.
fn point(share: &Share) -> u16 {
    u16::try_from(share.number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes a power by repeated multiplication.
    fn power<F: Field>(element: u16, exponent: u32) -> u16 {
        (0..exponent).fold(1, |power, _| F::product(power, element))
    }

    #[test]
    fn every_nonzero_element_has_an_inverse() {
        for element in 1..=u16::from(u8::MAX) {
            assert_eq!(Gf8::product(element, Gf8::inverse(element)), 1, "{element:#04x}");
        }
        for element in 1..=u16::MAX {
            assert_eq!(Gf16::product(element, Gf16::inverse(element)), 1, "{element:#06x}");
        }
        assert_eq!((Gf8::inverse(0), Gf16::inverse(0)), (0, 0));
    }

    #[test]
    fn products_follow_the_field_laws() {
        // x^7 times x is x^8, which the modulus makes x^4+x^3+x^2+1.
        assert_eq!(Gf8::product(0x80, 2), 0x1D);
        // y squared is y + m.
        assert_eq!(Gf16::product(0x0100, 0x0100), 0x013A);
        assert_eq!(power::<Gf8>(0x57, 254), Gf8::inverse(0x57));
        for (one, other, third) in [(0x1234, 0xBEEF, 0x8001), (0xFFFF, 0x0101, 0x3A3A)] {
            let sum = Gf16::product(one, other ^ third);
            assert_eq!(sum, Gf16::product(one, other) ^ Gf16::product(one, third));
            let left = Gf16::product(Gf16::product(one, other), third);
            assert_eq!(left, Gf16::product(one, Gf16::product(other, third)));
        }
    }
}
