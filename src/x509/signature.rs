//! Signatures of certificates and certificate requests (RFC 5280 §4.1.1.3, RFC 2986 §4.2).
//!
//! RSA signatures are verified with broken hashes, too. The caller decides which algorithms it trusts.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519, VerificationAlgorithm,
};
use x509_cert::der::asn1::{BitStringRef, ObjectIdentifier};
use x509_cert::der::{AnyRef, Decode, Reader, SliceReader, Tag, Tagged};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::oid;
use crate::crypto::hash::Hash;
use crate::crypto::rsa::{self, PublicKey, Scheme};
use crate::crypto::{Error, Purpose};
use crate::kmip::enums::HashingAlgorithm;

const P256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = oid("1.3.132.0.34");
const P521: ObjectIdentifier = oid("1.3.132.0.35");
const ED25519_ID: ObjectIdentifier = oid("1.3.101.112");

/// RSA with PKCS#1 v1.5 (RFC 3279 §2.2.1, RFC 4055 §5).
const RSA: &[(ObjectIdentifier, HashingAlgorithm)] = &[
    (oid("1.2.840.113549.1.1.4"), HashingAlgorithm::Md5),
    (oid("1.2.840.113549.1.1.5"), HashingAlgorithm::Sha1),
    (oid("1.2.840.113549.1.1.14"), HashingAlgorithm::Sha224),
    (oid("1.2.840.113549.1.1.11"), HashingAlgorithm::Sha256),
    (oid("1.2.840.113549.1.1.12"), HashingAlgorithm::Sha384),
    (oid("1.2.840.113549.1.1.13"), HashingAlgorithm::Sha512),
];

/// ECDSA (RFC 5758 §3.2) on the curves of RFC 5480 §2.1.1.1.
const ECDSA: &[(ObjectIdentifier, ObjectIdentifier, &dyn VerificationAlgorithm)] = {
    const SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
    const SHA384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
    const SHA512: ObjectIdentifier = oid("1.2.840.10045.4.3.4");
    &[
        (SHA256, P256, &ECDSA_P256_SHA256_ASN1),
        (SHA384, P256, &ECDSA_P256_SHA384_ASN1),
        (SHA256, P384, &ECDSA_P384_SHA256_ASN1),
        (SHA384, P384, &ECDSA_P384_SHA384_ASN1),
        (SHA256, P521, &ECDSA_P521_SHA256_ASN1),
        (SHA384, P521, &ECDSA_P521_SHA384_ASN1),
        (SHA512, P521, &ECDSA_P521_SHA512_ASN1),
    ]
};

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

/// Verifies `signature` of `message` with the key in `info`, the DER of SubjectPublicKeyInfo.
pub fn verify(
    info: &[u8],
    algorithm: AlgorithmIdentifierRef<'_>,
    message: &[u8],
    signature: &[u8],
) -> Verdict {
    if let Some((_, hash)) = RSA.iter().find(|(id, _)| *id == algorithm.oid) {
        return verify_rsa(info, *hash, message, signature);
    }
    let Ok(key) = SubjectPublicKeyInfoRef::from_der(info) else { return Verdict::Bad };
    let Some(point) = key.subject_public_key.as_bytes() else { return Verdict::Bad };
    let curve = key.algorithm.parameters.and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    let by: &dyn VerificationAlgorithm = if algorithm.oid == ED25519_ID {
        if key.algorithm.oid != ED25519_ID {
            return Verdict::Bad;
        }
        &ED25519
    } else {
        match ECDSA.iter().find(|(id, on, _)| *id == algorithm.oid && Some(*on) == curve) {
            Some((.., by)) => *by,
            None => return Verdict::Unknown,
        }
    };
    verdict(by.verify_sig(point, message, signature).is_ok())
}

fn verify_rsa(info: &[u8], hash: HashingAlgorithm, message: &[u8], signature: &[u8]) -> Verdict {
    let verified = Hash::of(hash, Purpose::Verify).and_then(|hash| {
        let key = PublicKey::read(info, Purpose::Verify)?;
        rsa::verify(&key, Scheme::Pkcs1, hash, &hash.digest(message), signature)
    });
    match verified {
        Ok(good) => verdict(good),
        Err(Error::KeyBytes { .. }) => Verdict::Unknown,
        Err(_) => Verdict::Bad,
    }
}

fn verdict(good: bool) -> Verdict {
    if good { Verdict::Good } else { Verdict::Bad }
}

/// Verifies the signature of the certificate `der` with the key in `info`, the DER of SubjectPublicKeyInfo.
pub fn signed_by(der: &[u8], info: &[u8]) -> Verdict {
    parts(der).map_or(Verdict::Bad, |(body, algorithm, signature)| verify(info, algorithm, body, signature))
}

/// Returns the signed bytes, the algorithm and the signature of a certificate (RFC 5280 §4.1).
fn parts(der: &[u8]) -> Option<(&[u8], AlgorithmIdentifierRef<'_>, &[u8])> {
    let outer = AnyRef::from_der(der).ok().filter(|outer| outer.tag() == Tag::Sequence)?;
    let mut rows = SliceReader::new(outer.value()).ok()?;
    let body = rows.tlv_bytes().ok()?;
    let algorithm = AlgorithmIdentifierRef::from_der(rows.tlv_bytes().ok()?).ok()?;
    let signature = BitStringRef::from_der(rows.tlv_bytes().ok()?).ok()?;
    Some((body, algorithm, signature.as_bytes()?))
}
