//! What an object promises by its Quantum Safe attribute (KMIP 2.1 §4.45), and whether it can keep it.
//!
//! An algorithm withstands quantum computers where no faster attack than Grover's search is known, which halves the
//! strength of a key. Protection Level and Protection Period ask for nothing beyond that.

use crate::kmip::Error;
use crate::kmip::attributes::Attributes;
use crate::kmip::enums::{CryptographicAlgorithm, ResultReason};

use super::error::failed;

/// The shortest symmetric key that is safe, in bits: half of it is the strength that keys have had until now.
const SHORTEST: i32 = 256;

/// Checks that an object which is marked as Quantum Safe is safe. What has no algorithm is what its client says.
///
/// # Errors
/// General Failure where it is not: the standard's test cases have no better reason.
pub fn check(attributes: &Attributes) -> Result<(), Error> {
    let (Some(true), Some(algorithm)) = (attributes.quantum_safe, attributes.cryptographic_algorithm) else {
        return Ok(());
    };
    if is_safe(algorithm, attributes.cryptographic_length.unwrap_or(0)) {
        return Ok(());
    }
    Err(failed(
        ResultReason::GeneralFailure,
        format!("The object cannot be Quantum Safe: {algorithm} keys of that length are not."),
    ))
}

/// Whether keys of `bits` withstand a quantum computer.
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
        | A::HmacSha3_512 => bits >= SHORTEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_withstands_quantum_computers_may_be_marked_so() {
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
