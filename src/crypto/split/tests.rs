//! The secrets of the standard's test cases, split and joined in every way.

use super::*;
use crate::crypto::test::hex;

/// The shares of the secret 0102…10 that the standard's test cases have, in their order.
const GF8: [&str; 4] = [
    "66C46A7754F94DE420C7B1A7FFF5EC56",
    "CF93D1E2A7E593CD5B8D6247F4E5D49C",
    "A855B891F61AD9217240D8EC061E37DA",
    "803DBAD55CDD329FAD19D99AE2C5A415",
];
const XOR: [&str; 4] = [
    "d4b92c299199298e30dee13b967e6dda",
    "35ea4f615686230c7b11538693674e89",
    "3478ddd2e1f89f2005011d26d9fff37c",
    "d429bd9e23e192aa47c4a497d1e8df3f",
];
const SECRET: &str = "0102030405060708090a0b0c0d0e0f10";

fn share(number: u32, digits: &str) -> Share {
    Share { number, value: Secret::new(hex(digits)) }
}

fn shares(digits: [&str; 4]) -> Vec<Share> {
    (1..).zip(digits).map(|(number, digits)| share(number, digits)).collect()
}

fn schemes() -> Vec<Scheme> {
    let prime = |length| Scheme::PrimeField(Prime::above(length).unwrap());
    vec![Scheme::Xor, Scheme::Gf8, Scheme::Gf16, prime(17), prime(32)]
}

/// Every choice of `count` shares.
fn choices(shares: &[Share], count: usize) -> Vec<Vec<Share>> {
    let Some((first, rest)) = shares.split_first() else {
        return if count == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let with = if count == 0 { Vec::new() } else { choices(rest, count - 1) };
    let with = with.into_iter().map(|choice| [vec![first.clone()], choice].concat());
    with.chain(choices(rest, count)).collect()
}

#[test]
fn joins_the_shares_of_the_standards_test_cases() {
    for choice in choices(&shares(GF8), 2) {
        assert_eq!(join(&Scheme::Gf8, &choice, 2).unwrap().expose(), hex(SECRET));
    }
    assert_eq!(join(&Scheme::Gf8, &shares(GF8), 2).unwrap().expose(), hex(SECRET));
    let mut all = shares(XOR);
    all.reverse();
    assert_eq!(join(&Scheme::Xor, &all, 4).unwrap().expose(), hex(SECRET));
}

#[test]
fn joins_shares_that_were_computed_by_hand() {
    // GF(2^16): f(x) = 0x0002 + 0x0100 x, so f(1) = 0x0102, f(2) = 0x0202; f(0x0100) = y^2 + 2 = y + m + 2.
    let wide = [share(1, "0102"), share(2, "0202"), share(0x0100, "0138")];
    for choice in choices(&wide, 2) {
        assert_eq!(join(&Scheme::Gf16, &choice, 2).unwrap().expose(), hex("0002"));
    }
    // Modulo 257: f(x) = 200 + 100 x, so f(1) = 43, f(2) = 143, f(3) = 243.
    let field = Scheme::PrimeField(Prime::read(&[1, 1]).unwrap());
    let shares = [share(1, "002b"), share(2, "008f"), share(3, "00f3")];
    for choice in choices(&shares, 2) {
        assert_eq!(join(&field, &choice, 2).unwrap().expose(), hex("00c8"));
    }
}

#[test]
fn every_choice_of_enough_shares_gives_the_secret_back() {
    for scheme in schemes() {
        for secret in [vec![0; 17], vec![0xFF; 17], hex(SECRET), vec![0, 0, 7]] {
            let secret = Secret::new(secret);
            let threshold = if matches!(scheme, Scheme::Xor) { 5 } else { 3 };
            let parts = split(&scheme, &secret, 5, threshold).unwrap();
            assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
            for choice in choices(&parts, threshold) {
                let joined = join(&scheme, &choice, threshold).unwrap();
                assert_eq!(fitted(&scheme, &joined, secret.len()).unwrap(), secret, "{scheme:?}");
            }
        }
    }
}

#[test]
fn fewer_shares_than_the_threshold_are_refused_and_repeating_one_does_not_help() {
    for scheme in schemes() {
        let parts = split(&scheme, &Secret::new(hex(SECRET)), 3, 3).unwrap();
        let too_few = Error::TooFewShares { given: 2, needed: 3 };
        assert_eq!(join(&scheme, &parts[..2], 3).unwrap_err(), too_few);
        let repeated = [&parts[..2], &parts[..1]].concat();
        assert_eq!(join(&scheme, &repeated, 3).unwrap_err(), too_few);
    }
    // With a false threshold, two of three shares of GF(2^8) combine to other bytes than the secret.
    let parts = split(&Scheme::Gf8, &Secret::new(vec![7; 32]), 3, 3).unwrap();
    assert_ne!(join(&Scheme::Gf8, &parts[..2], 2).unwrap().expose(), [7; 32]);
}

#[test]
fn a_share_too_many_has_to_agree() {
    for scheme in schemes().into_iter().filter(|scheme| !matches!(scheme, Scheme::Xor)) {
        let mut parts = split(&scheme, &Secret::new(hex(SECRET)), 3, 2).unwrap();
        assert!(join(&scheme, &parts, 2).is_ok());
        let mut damaged = parts[2].value.expose().to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        parts[2].value = Secret::new(damaged);
        assert_eq!(join(&scheme, &parts, 2).unwrap_err(), Error::SharesDisagree, "{scheme:?}");
    }
}

#[test]
fn shares_of_different_lengths_or_above_the_prime_do_not_fit() {
    let uneven = [share(1, "0102"), share(2, "01")];
    assert_eq!(join(&Scheme::Gf8, &uneven, 2).unwrap_err(), Error::SharesDisagree);
    let odd = [share(1, "01"), share(2, "02")];
    assert_eq!(join(&Scheme::Gf16, &odd, 2).unwrap_err(), Error::SharesDisagree);
    let field = Scheme::PrimeField(Prime::read(&[1, 1]).unwrap());
    let above = [share(1, "0101"), share(2, "0001")];
    assert_eq!(join(&field, &above, 2).unwrap_err(), Error::SharesDisagree);
    // Modulo 15, the points 1 and 4 differ by something that has no inverse.
    let composite = Scheme::PrimeField(Prime::modulus(&[15]).unwrap());
    let shares = [share(1, "01"), share(4, "02")];
    assert_eq!(join(&composite, &shares, 2).unwrap_err(), Error::SharesDisagree);
}

#[test]
fn numbers_out_of_their_bounds_are_refused() {
    let secret = Secret::new(vec![1; 16]);
    let parts = |parts, threshold| split(&Scheme::Gf8, &secret, parts, threshold).unwrap_err();
    for (count, threshold) in [(0, 0), (1, 1), (256, 2), (usize::MAX, usize::MAX)] {
        assert!(matches!(parts(count, threshold), Error::Range { parameter: Parameter::SplitKeyParts, .. }));
    }
    for threshold in [0, 1, 6] {
        assert!(matches!(parts(5, threshold), Error::Range { parameter: Parameter::SplitKeyThreshold, .. }));
    }
    for number in [0, 256, u32::MAX] {
        let shares = [share(number, "01"), share(2, "01")];
        assert!(matches!(
            join(&Scheme::Gf8, &shares, 2).unwrap_err(),
            Error::Range { parameter: Parameter::KeyPartIdentifier, .. }
        ));
    }
    assert!(split(&Scheme::Gf16, &Secret::new(vec![1; 8193]), 2, 2).is_err());
    assert!(split(&Scheme::Gf16, &Secret::new(vec![1; 8192]), 255, 255).is_err());
    assert!(split(&Scheme::Gf16, &Secret::default(), 2, 2).is_err());
}

#[test]
fn a_prime_field_is_one_and_has_room_for_the_secret() {
    assert_eq!(Prime::read(&[15]).unwrap_err(), Error::NotAPrime);
    for digits in [vec![], vec![1], vec![0xFF; 257]] {
        assert!(matches!(
            Prime::read(&digits),
            Err(Error::Range { parameter: Parameter::PrimeFieldSize, .. })
        ));
    }
    let small = Scheme::PrimeField(Prime::read(&[251]).unwrap());
    assert!(split(&small, &Secret::new(vec![1]), 2, 2).is_err());
    assert_eq!(Prime::above(1).unwrap().digits(), [1, 1]);
    assert!(Prime::above(256).is_err());
    // Numbers of shares end below the prime.
    let tiny = Scheme::PrimeField(Prime::read(&[5]).unwrap());
    assert!(join(&tiny, &[share(5, "01"), share(1, "01")], 2).is_err());
}

#[test]
fn a_method_has_a_prime_or_has_none() {
    let prime = || Some(Prime::above(1).unwrap());
    let field = SplitKeyMethod::PolynomialSharingPrimeField;
    assert_eq!(Scheme::of(field, None).unwrap_err(), Error::Missing(Parameter::PrimeFieldSize));
    assert!(Scheme::of(field, prime()).is_ok());
    for method in SplitKeyMethod::ALL.iter().filter(|method| **method != field) {
        assert!(Scheme::of(*method, None).is_ok());
        assert_eq!(Scheme::of(*method, prime()).unwrap_err(), Error::Unexpected(Parameter::PrimeFieldSize));
    }
}

#[test]
fn a_joined_secret_fits_only_lengths_that_it_can_have_had() {
    let secret = Secret::new(vec![0, 0, 7, 0]);
    let field = Scheme::PrimeField(Prime::above(4).unwrap());
    let length = |scheme: &Scheme, length| fitted(scheme, &secret, length).map(|it| it.expose().to_vec());
    assert_eq!(length(&field, 2), Ok(vec![7, 0]));
    assert_eq!(length(&field, 1), Err(Error::SharesDisagree));
    assert_eq!(length(&Scheme::Gf16, 3), Ok(vec![0, 0, 7]));
    assert_eq!(length(&Scheme::Gf8, 3), Err(Error::SharesDisagree));
    assert_eq!(length(&Scheme::Xor, 5), Err(Error::SharesDisagree));
}
