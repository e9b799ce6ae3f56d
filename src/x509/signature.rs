//! Signatures of certificates, certificate requests and TLS handshakes (RFC 5280 §4.1.1.3, RFC 2986 §4.2, RFC 8446
//! §4.4.3).
//!
//! RSA signatures are verified with broken hashes, too. The caller decides which algorithms it trusts. aws-lc-rs verifies
//! what it supports; [`crate::crypto`] verifies RSA below 2048 bits, and other combinations of curve and hash.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ECDSA_P521_SHA224_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::der::{Elements, tag};
use super::oid;
use super::parsed::Parsed;
use crate::crypto::hash::{Hash, SignatureInput};
use crate::crypto::rsa::{self, PublicKey};
use crate::crypto::{Error, Purpose, ec};
use crate::kmip::enums::HashingAlgorithm;

const RSA_ENCRYPTION: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
const RSASSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
const MASK_GENERATION_1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");
const EC_PUBLIC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
/// The curve P-256 (RFC 5480 §2.1.1.1).
pub const P256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
/// The curve P-384 (RFC 5480 §2.1.1.1).
pub const P384: ObjectIdentifier = oid("1.3.132.0.34");
/// The curve P-521 (RFC 5480 §2.1.1.1).
pub const P521: ObjectIdentifier = oid("1.3.132.0.35");
const ED25519_ID: ObjectIdentifier = oid("1.3.101.112");

/// RSA with MD5 and with SHA-1 (RFC 3279 §2.2.1), and ECDSA with SHA-1 (§2.2.3).
const MD5_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.4");
const SHA1_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.5");
const SHA1_WITH_ECDSA: ObjectIdentifier = oid("1.2.840.10045.4.1");

/// The signature algorithms whose parameters are absent or NULL: RSA with PKCS#1 v1.5 (RFC 3279 §2.2.1, RFC 4055 §5),
/// ECDSA (RFC 5758 §3.2) and Ed25519 (RFC 8410 §3).
const SCHEMES: &[(ObjectIdentifier, Scheme)] = &[
    (MD5_WITH_RSA, Scheme::Pkcs1(HashingAlgorithm::Md5)),
    (SHA1_WITH_RSA, Scheme::Pkcs1(HashingAlgorithm::Sha1)),
    (oid("1.2.840.113549.1.1.14"), Scheme::Pkcs1(HashingAlgorithm::Sha224)),
    (oid("1.2.840.113549.1.1.11"), Scheme::Pkcs1(HashingAlgorithm::Sha256)),
    (oid("1.2.840.113549.1.1.12"), Scheme::Pkcs1(HashingAlgorithm::Sha384)),
    (oid("1.2.840.113549.1.1.13"), Scheme::Pkcs1(HashingAlgorithm::Sha512)),
    (oid("1.2.840.10045.4.3.1"), Scheme::Ecdsa(HashingAlgorithm::Sha224)),
    (oid("1.2.840.10045.4.3.2"), Scheme::Ecdsa(HashingAlgorithm::Sha256)),
    (oid("1.2.840.10045.4.3.3"), Scheme::Ecdsa(HashingAlgorithm::Sha384)),
    (oid("1.2.840.10045.4.3.4"), Scheme::Ecdsa(HashingAlgorithm::Sha512)),
    (ED25519_ID, Scheme::Ed25519),
];

/// The hashes of PSS (RFC 4055 §2.1).
const HASHES: &[(ObjectIdentifier, HashingAlgorithm)] = &[
    (oid("2.16.840.1.101.3.4.2.4"), HashingAlgorithm::Sha224),
    (oid("2.16.840.1.101.3.4.2.1"), HashingAlgorithm::Sha256),
    (oid("2.16.840.1.101.3.4.2.2"), HashingAlgorithm::Sha384),
    (oid("2.16.840.1.101.3.4.2.3"), HashingAlgorithm::Sha512),
];

/// The shortest modulus of an RSA key that aws-lc-rs takes, in bits.
const AWS_MIN_BITS: u32 = 2048;

/// A signature scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RSA with PKCS#1 v1.5.
    Pkcs1(HashingAlgorithm),
    /// RSA with PSS: one hash for message and mask, and the length of the salt, or that of the hash.
    Pss(HashingAlgorithm, Option<usize>),
    /// ECDSA on the curve of the key.
    Ecdsa(HashingAlgorithm),
    /// Ed25519.
    Ed25519,
}

/// The result of a signature verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The signature is valid.
    Good,
    /// The signature is invalid, or an input is malformed.
    Bad,
    /// The algorithm is not supported.
    Unknown,
}

/// Returns whether signatures of this algorithm can be forged by collisions of its hash.
pub fn is_forgeable(algorithm: ObjectIdentifier) -> bool {
    [MD5_WITH_RSA, SHA1_WITH_RSA, SHA1_WITH_ECDSA].contains(&algorithm)
}

/// Verifies `signature` of `message` with the key in `info`, the DER of SubjectPublicKeyInfo.
pub fn verify(
    info: &[u8],
    algorithm: AlgorithmIdentifierRef<'_>,
    message: &[u8],
    signature: &[u8],
) -> Verdict {
    Scheme::of(algorithm).map_or(Verdict::Unknown, |scheme| scheme.verify(info, message, signature))
}

/// Verifies the signature of the certificate `der` with the key in `info`, the DER of SubjectPublicKeyInfo.
pub fn signed_by(der: &[u8], info: &[u8]) -> Verdict {
    let parsed = Parsed::read(der);
    parsed.map_or(Verdict::Bad, |it| verify(info, it.algorithm, it.signed, it.signature))
}

/// Returns the curve of a key, DER of SubjectPublicKeyInfo, if it has one with a name.
pub fn curve(info: &[u8]) -> Option<ObjectIdentifier> {
    let parameters = SubjectPublicKeyInfoRef::from_der(info).ok()?.algorithm.parameters?;
    parameters.decode_as::<ObjectIdentifier>().ok()
}

impl Scheme {
    fn of(algorithm: AlgorithmIdentifierRef<'_>) -> Option<Self> {
        if algorithm.oid == RSASSA_PSS {
            return pss(&algorithm.parameters?.to_der().ok()?);
        }
        SCHEMES.iter().find(|(id, _)| *id == algorithm.oid).map(|(_, scheme)| *scheme)
    }

    /// Verifies `signature` of `message` with the key in `info`, the DER of SubjectPublicKeyInfo.
    pub fn verify(self, info: &[u8], message: &[u8], signature: &[u8]) -> Verdict {
        let Ok(key) = SubjectPublicKeyInfoRef::from_der(info) else { return Verdict::Bad };
        let Some(bytes) = key.subject_public_key.as_bytes() else { return Verdict::Bad };
        let fits = match self {
            Self::Pkcs1(_) => key.algorithm.oid == RSA_ENCRYPTION,
            Self::Pss(..) => [RSA_ENCRYPTION, RSASSA_PSS].contains(&key.algorithm.oid),
            Self::Ecdsa(_) => key.algorithm.oid == EC_PUBLIC_KEY,
            Self::Ed25519 => key.algorithm.oid == ED25519_ID,
        };
        if !fits {
            return Verdict::Bad;
        }
        let curve = key.algorithm.parameters.and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
        if self.aws(curve).is_some_and(|by| by.verify_sig(bytes, message, signature).is_ok()) {
            return Verdict::Good;
        }
        match self {
            Self::Pkcs1(_) | Self::Pss(..) => self.verify_rsa(bytes, message, signature),
            Self::Ecdsa(hash) if self.aws(curve).is_none() && curve != Some(P521) => {
                verify_ecdsa(info, hash, message, signature)
            }
            Self::Ecdsa(_) if self.aws(curve).is_none() => Verdict::Unknown,
            Self::Ecdsa(_) | Self::Ed25519 => Verdict::Bad,
        }
    }

    /// Verifies with a key in PKCS#1, after aws-lc-rs did not find the signature valid.
    fn verify_rsa(self, key: &[u8], message: &[u8], signature: &[u8]) -> Verdict {
        let key = match PublicKey::read(key, Purpose::Verify) {
            Ok(key) if key.bits() >= AWS_MIN_BITS && self.aws(None).is_some() => return Verdict::Bad,
            Ok(key) => key,
            Err(Error::KeyBytes { .. }) => return Verdict::Unknown,
            Err(_) => return Verdict::Bad,
        };
        let (Self::Pkcs1(hash) | Self::Pss(hash, _)) = self else { return Verdict::Unknown };
        let Ok(hash) = Hash::of(hash, Purpose::Verify) else { return Verdict::Unknown };
        let scheme = match self {
            Self::Pss(_, salt) => rsa::Scheme::Pss(Some(salt.unwrap_or(hash.length()))),
            _ => rsa::Scheme::Pkcs1,
        };
        verdict(rsa::verify(&key, scheme, hash, &hash.digest(message), signature).unwrap_or(false))
    }

    /// Returns the algorithm of aws-lc-rs, which takes keys of RSA from 2048 bits on.
    fn aws(self, curve: Option<ObjectIdentifier>) -> Option<&'static dyn VerificationAlgorithm> {
        use HashingAlgorithm as H;
        Some(match self {
            Self::Pkcs1(H::Sha256) => &RSA_PKCS1_2048_8192_SHA256,
            Self::Pkcs1(H::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
            Self::Pkcs1(H::Sha512) => &RSA_PKCS1_2048_8192_SHA512,
            Self::Pss(H::Sha256, None | Some(32)) => &RSA_PSS_2048_8192_SHA256,
            Self::Pss(H::Sha384, None | Some(48)) => &RSA_PSS_2048_8192_SHA384,
            Self::Pss(H::Sha512, None | Some(64)) => &RSA_PSS_2048_8192_SHA512,
            Self::Ecdsa(hash) => match (curve?, hash) {
                (P256, H::Sha256) => &ECDSA_P256_SHA256_ASN1,
                (P256, H::Sha384) => &ECDSA_P256_SHA384_ASN1,
                (P384, H::Sha256) => &ECDSA_P384_SHA256_ASN1,
                (P384, H::Sha384) => &ECDSA_P384_SHA384_ASN1,
                (P521, H::Sha224) => &ECDSA_P521_SHA224_ASN1,
                (P521, H::Sha256) => &ECDSA_P521_SHA256_ASN1,
                (P521, H::Sha384) => &ECDSA_P521_SHA384_ASN1,
                (P521, H::Sha512) => &ECDSA_P521_SHA512_ASN1,
                _ => return None,
            },
            Self::Ed25519 => &ED25519,
            _ => return None,
        })
    }
}

fn verify_ecdsa(info: &[u8], hash: HashingAlgorithm, message: &[u8], signature: &[u8]) -> Verdict {
    // A curve that is not supported is not told apart from a point that is not on its curve.
    let Ok(key) = ec::PublicKey::read(info, Purpose::Verify) else { return Verdict::Unknown };
    let verified = Hash::of(hash, Purpose::Verify)
        .and_then(|hash| ec::verify(&key, Some(hash), SignatureInput::Data(message), signature));
    verdict(verified.unwrap_or(false))
}

fn verdict(good: bool) -> Verdict {
    if good { Verdict::Good } else { Verdict::Bad }
}

/// Reads RSASSA-PSS-params (RFC 4055 §3.1). The defaults, with SHA-1, are not supported, nor are two hashes.
fn pss(parameters: &[u8]) -> Option<Scheme> {
    let mut fields = Elements::within(tag::SEQUENCE, parameters)?;
    let hash = |algorithm: &[u8]| {
        let id = Elements::within(tag::SEQUENCE, algorithm)?.take(tag::OBJECT_IDENTIFIER)?.value;
        HASHES.iter().find(|(hash, _)| hash.as_bytes() == id).map(|(_, hash)| *hash)
    };
    let message_hash = hash(fields.take(tag::constructed(0))?.value)?;
    let mut mask = Elements::within(tag::SEQUENCE, fields.take(tag::constructed(1))?.value)?;
    if mask.take(tag::OBJECT_IDENTIFIER)?.value != MASK_GENERATION_1.as_bytes()
        || hash(mask.read()?.der)? != message_hash
    {
        return None;
    }
    // The salt has 20 bytes by default.
    let salt = match fields.take_if(tag::constructed(2)) {
        None => 20,
        Some(salt) => match *Elements::contents(tag::INTEGER, salt.value)? {
            [length @ ..=0x7F] | [0, length] => usize::from(length),
            [high @ ..=0x7F, low] => usize::from(high) << 8 | usize::from(low),
            _ => return None,
        },
    };
    // The trailer field has one value only, its default.
    fields.is_empty().then_some(Scheme::Pss(message_hash, Some(salt)))
}
