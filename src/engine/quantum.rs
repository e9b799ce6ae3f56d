//! The Quantum Safe attribute (KMIP 2.1 §4.45).
//!
//! An algorithm counts as quantum safe if no attack faster than Grover's search is known, which halves the strength of a
//! key. The attributes Protection Level and Protection Period add no requirements.

use crate::kmip::Error;
use crate::kmip::attributes::Attributes;
use crate::kmip::enums::{CryptographicAlgorithm, ResultReason};

use super::error::failed;

/// The shortest quantum-safe symmetric key, in bits: Grover's search leaves it a strength of 128 bits.
const MIN_KEY_LENGTH: i32 = 256;

/// Checks that an object that is marked as Quantum Safe is quantum safe. An object without a Cryptographic Algorithm is
/// not checked.
///
/// # Errors
/// Returns General Failure, as in the standard's test cases, if the object is not quantum safe.
pub fn check(attributes: &Attributes) -> Result<(), Error> {
    let (Some(true), Some(algorithm)) = (attributes.quantum_safe, attributes.cryptographic_algorithm) else {
        return Ok(());
    };
    let bits = attributes.cryptographic_length.unwrap_or(0);
    if is_safe(algorithm, bits) {
        return Ok(());
    }
    Err(failed(
        ResultReason::GeneralFailure,
        format!(
            "The object cannot be marked as Quantum Safe: {algorithm} keys of {bits} bits are not quantum safe."
        ),
    ))
}

/// Returns whether keys of `bits` bits are quantum safe.
fn is_safe(algorithm: CryptographicAlgorithm, bits: i32) -> bool {
    use CryptographicAlgorithm as A;
    match algorithm {
        A::OneTimePad | A::Xmss | A::Sphincs256 | A::McEliece | A::McEliece6960119 | A::McEliece8192128 => {
            true
        }
        A::Aes
        | A::Camellia
        | A::Twofish
        | A::Aria
        | A::ChaCha20
        | A::Poly1305
        | A::ChaCha20Poly1305
        | A::HmacSha256
        | A::HmacSha384
        | A::HmacSha512
        | A::HmacSha3_256
        | A::HmacSha3_384
        | A::HmacSha3_512 => bits >= MIN_KEY_LENGTH,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_the_mark_on_objects_that_are_not_quantum_safe() {
        use CryptographicAlgorithm as A;
        let marked = |algorithm, bits, safe| Attributes {
            cryptographic_algorithm: Some(algorithm),
            cryptographic_length: Some(bits),
            quantum_safe: Some(safe),
            ..Attributes::default()
        };
        for (algorithm, bits) in [(A::Aes, 256), (A::ChaCha20, 256), (A::HmacSha512, 512), (A::OneTimePad, 8)]
        {
            check(&marked(algorithm, bits, true)).unwrap();
        }
        for (algorithm, bits) in
            [(A::Aes, 128), (A::Aes, 192), (A::TripleDes, 192), (A::Rsa, 15_360), (A::Ecdh, 521)]
        {
            let refused = check(&marked(algorithm, bits, true)).unwrap_err();
            assert_eq!(refused.reason, ResultReason::GeneralFailure, "{algorithm} {bits}");
            check(&marked(algorithm, bits, false)).unwrap();
        }
        check(&Attributes { quantum_safe: Some(true), ..Attributes::default() }).unwrap();
    }
}
