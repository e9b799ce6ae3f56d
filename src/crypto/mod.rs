//! Cryptography: bytes in, bytes (or a [`crate::secret::Secret`]) out, or a typed [`Error`].
//!
//! Knows algorithms, not messages: whose key it is, whether its state and mask allow the use, and which
//! parameters apply where a request is silent, is left to the engine. Of the layers below it uses the
//! enumerations of [`crate::kmip::enums`] and [`crate::secret::Secret`].
//!
//! Which package does what, and why it:
//!
//! | Work | Package | Reason |
//! |---|---|---|
//! | random bytes | ring | the system's source, without a panic where it fails |
//! | SHA-1, SHA-256, SHA-384, SHA-512, SHA-512/256; their HMAC and PBKDF2 | ring | assembly |
//! | MD5, SHA-224, SHA-512/224, SHA-3; their HMAC and PBKDF2; every HKDF | md-5, sha2, sha3, hmac, hkdf, pbkdf2 | ring has none of them |
//! | private-key work with RSA of 2048 to 8192 bits | aws-lc-rs | constant time |
//! | RSA below 2048 bits, and the hashes that aws-lc-rs does not sign or pad with | rsa | nobody else does; blinded, because of RUSTSEC-2023-0071 |
//! | block ciphers in ECB, CBC, CFB, OFB, CTR; CMAC | aes, des, blowfish, camellia, cast5, idea; ecb, cbc, cfb-mode, ofb, ctr; cmac | one code path for all of them |
//! | AES in GCM with an IV of 96 bits, ChaCha20-Poly1305 | aws-lc-rs | assembly |
//! | AES in GCM with another IV or a short tag | aes, ctr, ghash | nobody takes lengths known at run time only |
//! | AES in CCM and XTS, AES key wrap | ccm, xts-mode, aes-kw | aws-lc-rs has them in part or not at all |
//! | RC4, ChaCha20 | rc4, chacha20 | the only ones that have them |
//! | splitting secrets | nobody; num-bigint-dig for what is public of a prime field | small, and no package has these fields |
//! | private-key work on P-256, P-384, P-521, Curve25519 | aws-lc-rs | constant time |
//! | P-224, ECDH on secp256k1, ECDSA with other hashes, points in all forms | p224, p256, p384, p521, k256, sec1 | aws-lc-rs has none of it |
//! | containers of PKCS#12 | pkcs5, pkcs12 | the derivation of their keys, and their encryption |
//!
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

/// The DER inside of PEM (RFC 7468); none where the bytes are no PEM.
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
