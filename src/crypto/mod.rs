//! Cryptography: bytes in, and bytes (or a [`crate::secret::Secret`]) out, or a typed [`Error`].
//!
//! This layer knows algorithms but not messages. The engine decides whether the state and the usage mask of a key
//! permit an operation, and which parameters apply if a request leaves them out. Of the layers below, this one uses
//! the enumerations of [`crate::kmip::enums`] and [`crate::secret::Secret`]. All lengths are in bytes unless a name
//! states bits; all integers are big-endian unless stated otherwise.
//!
//! | Computation | Package | Reason |
//! |---|---|---|
//! | random bytes | ring | the operating system's generator, with an error instead of a panic |
//! | SHA-1, SHA-256, SHA-384, SHA-512, SHA-512/256; their HMAC and PBKDF2 | ring | assembly |
//! | MD5, SHA-224, SHA-512/224, SHA-3; their HMAC and PBKDF2; every HKDF | md-5, sha2, sha3, hmac, hkdf, pbkdf2 | not in ring |
//! | private-key operations with RSA of 2048 to 8192 bits | aws-lc-rs | constant time |
//! | RSA below 2048 bits, and hashes that aws-lc-rs does not sign or pad with | rsa | no other package; blinded because of RUSTSEC-2023-0071 |
//! | block ciphers in ECB, CBC, CFB, OFB, CTR; CMAC | aes, des, blowfish, camellia, cast5, idea; ecb, cbc, cfb-mode, ofb, ctr; cmac | one code path for all of them |
//! | AES-GCM with an IV of 96 bits, ChaCha20-Poly1305 | aws-lc-rs | assembly |
//! | AES-GCM with another IV or a short tag | aes, ctr, ghash | no package accepts lengths at run time |
//! | AES-CCM, AES-XTS, AES key wrap | ccm, xts-mode, aes-kw | incomplete in aws-lc-rs |
//! | RC4, ChaCha20 | rc4, chacha20 | not in aws-lc-rs |
//! | secret sharing | num-bigint-dig, for the public values of a prime field | no package supports these fields |
//! | private-key operations on P-256, P-384, P-521, Curve25519 | aws-lc-rs | constant time |
//! | P-224, ECDH on secp256k1, ECDSA with other hashes, encodings of points | p224, p256, p384, p521, k256, sec1 | not in aws-lc-rs |
//! | PKCS#12 containers | pkcs5, pkcs12 | key derivation and encryption |

pub mod der;
pub mod derive;
pub mod ec;
pub mod envelope;
mod error;
pub mod hash;
mod key;
pub mod mac;
pub mod pkcs12;
pub mod random;
pub mod rsa;
pub mod sign;
pub mod split;
pub mod symmetric;
pub mod symmetric_key;
pub mod wrap;

pub use error::{Error, ErrorKind, KeyRole, Parameter, Purpose};
pub use key::Key;

use crate::secret::Secret;

/// Returns the DER in a PEM encoding (RFC 7468), or `None` if the bytes are not PEM.
fn pem(bytes: &[u8]) -> Option<Secret> {
    if !bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
        return None;
    }
    let (_, der) = ::rsa::pkcs8::der::pem::decode_vec(bytes.trim_ascii()).ok()?;
    Some(Secret::new(der))
}

#[cfg(test)]
pub(crate) mod test {
    //! Functions that the tests of this layer and of x509 share.

    /// Decodes hexadecimal digits, ignoring white space.
    pub(crate) fn hex(digits: &str) -> Vec<u8> {
        let digits: Vec<u8> = digits.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
        assert_eq!(digits.len() % 2, 0);
        let value = |digit: &u8| u8::try_from(char::from(*digit).to_digit(16).unwrap()).unwrap();
        digits.chunks_exact(2).map(|pair| value(&pair[0]) << 4 | value(&pair[1])).collect()
    }
}
