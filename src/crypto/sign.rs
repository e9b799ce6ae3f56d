//! Digital signatures (KMIP 1.4 §4.31 and §4.32, 2.1 §6.1.55 and §6.1.56): selects the signature scheme from the
//! parameters.
//!
//! The engine decides whether a key may sign, and supplies defaults for absent parameters.

use super::hash::Hash;
pub use super::hash::SignatureInput;
use super::rsa::{self, Scheme};
use super::{Error, Key, Parameter, Purpose, ec};
use crate::kmip::enums::{
    CryptographicAlgorithm, DigitalSignatureAlgorithm, HashingAlgorithm, PaddingMethod,
};

/// The parameters of a signature.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The private key to sign, or the public key to verify, in a format that `PrivateKey::read` or `PublicKey::read` of
    /// its algorithm accepts.
    pub key: Key<'a>,
    /// The Digital Signature Algorithm, which names the algorithm and mostly the hash.
    pub signature: Option<DigitalSignatureAlgorithm>,
    /// The algorithm; required if `signature` is absent.
    pub algorithm: Option<CryptographicAlgorithm>,
    /// The hash; required for RSA if `signature` is absent or names no hash, except for a digest with PKCS#1 v1.5.
    /// Without it, ECDSA uses the hash that is as strong as the curve. Ed25519 ignores it.
    pub hash: Option<HashingAlgorithm>,
    /// The padding; required for RSA if `signature` does not name it.
    pub padding: Option<PaddingMethod>,
    /// The hash of the mask generation function of PSS: absent, or equal to `hash`.
    pub mask_hash: Option<HashingAlgorithm>,
    /// The length of the PSS salt, in bytes.
    pub salt_length: Option<usize>,
}

/// Signs `message` and returns the signature: for RSA as long as the modulus, for ECDSA the DER of r and s (RFC 3279
/// §2.2.3), for Ed25519 64 bytes.
///
/// # Errors
/// Returns an error of the kind [`super::ErrorKind::InvalidParameter`], as PyKMIP does, if the signature algorithm, or the
/// algorithm and hash, are missing or not supported, if the key cannot be read, or if the padding is missing or is
/// not a signature padding.
pub fn sign(signing: &Signing<'_>, message: SignatureInput<'_>) -> Result<Vec<u8>, Error> {
    let (family, hash) = signing.resolve(Purpose::Sign)?;
    match family {
        Family::Rsa if hash.is_none() => {
            let digest = signing.unprefixed_digest(message)?;
            rsa::sign_unprefixed(&rsa::PrivateKey::read(signing.key.0, Purpose::Sign)?, digest)
        }
        Family::Rsa => {
            let hash = Hash::of(hash.ok_or(Error::Missing(Parameter::HashingAlgorithm))?, Purpose::Sign)?;
            let key = rsa::PrivateKey::read(signing.key.0, Purpose::Sign)?;
            let scheme = signing.scheme(hash, Purpose::Sign)?;
            rsa::sign(&key, scheme, hash, &message.digest(hash))
        }
        Family::Curve(algorithm) => {
            let hash = hash.map(|hash| Hash::of(hash, Purpose::Sign)).transpose()?;
            let key = ec::PrivateKey::read(signing.key.0, Purpose::Sign)?;
            check_curve(algorithm, key.curve(), Purpose::Sign)?;
            ec::sign(&key, hash, message)
        }
    }
}

/// Whether `signature` is the signature of `message`. An RSA signature is not valid under a key on a curve, as a test case
/// of the standard requires.
///
/// # Errors
/// Returns the errors of [`sign()`]; in addition [`Error::Conflict`] if the signature algorithm contradicts the algorithm
/// or the hash, and [`Error::OtherKey`] for an RSA key with an algorithm of a curve. The error for an unreadable key is of the kind
/// [`super::ErrorKind::Failure`].
pub fn verify(signing: &Signing<'_>, message: SignatureInput<'_>, signature: &[u8]) -> Result<bool, Error> {
    let one = Parameter::DigitalSignatureAlgorithm;
    if let Some((algorithm, hash)) = signing.signature.and_then(components) {
        if hash.zip(signing.hash).is_some_and(|(named, given)| named != given) {
            return Err(Error::Conflict { one, other: Parameter::HashingAlgorithm });
        }
        if signing.algorithm.is_some_and(|given| family(given) != family(algorithm)) {
            return Err(Error::Conflict { one, other: Parameter::CryptographicAlgorithm });
        }
    }
    let (family, hash) = signing.resolve(Purpose::Verify)?;
    let bytes = signing.key.0;
    match family {
        Family::Rsa if hash.is_none() => {
            let digest = signing.unprefixed_digest(message)?;
            match rsa::PublicKey::read(bytes, Purpose::Verify) {
                Ok(key) => rsa::verify_unprefixed(&key, digest, signature),
                Err(_) if ec::PublicKey::read(bytes, Purpose::Verify).is_ok() => Ok(false),
                Err(error) => Err(error),
            }
        }
        Family::Rsa => {
            let hash = Hash::of(hash.ok_or(Error::Missing(Parameter::HashingAlgorithm))?, Purpose::Verify)?;
            let scheme = signing.scheme(hash, Purpose::Verify)?;
            match rsa::PublicKey::read(bytes, Purpose::Verify) {
                Ok(key) => rsa::verify(&key, scheme, hash, &message.digest(hash), signature),
                Err(_) if ec::PublicKey::read(bytes, Purpose::Verify).is_ok() => Ok(false),
                Err(error) => Err(error),
            }
        }
        Family::Curve(algorithm) => {
            let hash = hash.map(|hash| Hash::of(hash, Purpose::Verify)).transpose()?;
            match ec::PublicKey::read(bytes, Purpose::Verify) {
                Ok(key) => {
                    check_curve(algorithm, key.curve(), Purpose::Verify)?;
                    ec::verify(&key, hash, message, signature)
                }
                Err(_) if rsa::PublicKey::read(bytes, Purpose::Verify).is_ok() => {
                    Err(Error::OtherKey(algorithm))
                }
                Err(error) => Err(error),
            }
        }
    }
}

/// The signature algorithms with a common type of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rsa,
    /// ECDSA or Ed25519, depending on the curve of the key, which must match the algorithm.
    Curve(CryptographicAlgorithm),
}

fn family(algorithm: CryptographicAlgorithm) -> Option<Family> {
    match algorithm {
        CryptographicAlgorithm::Rsa => Some(Family::Rsa),
        CryptographicAlgorithm::Ec | CryptographicAlgorithm::Ecdsa => {
            Some(Family::Curve(CryptographicAlgorithm::Ecdsa))
        }
        CryptographicAlgorithm::Ed25519 => Some(Family::Curve(CryptographicAlgorithm::Ed25519)),
        _ => None,
    }
}

/// Checks that a key on `curve` supports the algorithm: Ed25519 requires its own curve, and X25519 has no signatures.
fn check_curve(algorithm: CryptographicAlgorithm, curve: ec::Curve, purpose: Purpose) -> Result<(), Error> {
    let supported = match algorithm {
        CryptographicAlgorithm::Ed25519 => curve == ec::Curve::Ed25519,
        _ => curve != ec::Curve::X25519,
    };
    if supported { Ok(()) } else { Err(Error::Curve { curve: curve.entry(), purpose }) }
}

impl Signing<'_> {
    /// Returns the hash for data that arrives in parts, or `None` if the algorithm signs the data itself.
    ///
    /// # Errors
    /// Returns the errors of [`sign()`] and [`verify`] that depend neither on the key nor on the padding.
    pub fn hash(&self, purpose: Purpose) -> Result<Option<Hash>, Error> {
        match self.resolve(purpose)? {
            (Family::Curve(CryptographicAlgorithm::Ed25519), _) => Ok(None),
            (_, hash) => hash.map(|hash| Hash::of(hash, purpose)).transpose(),
        }
    }

    /// Returns the digest for an RSA signature without a hash algorithm. Only PKCS#1 v1.5, the default padding in this
    /// case, permits that.
    fn unprefixed_digest<'a>(&self, message: SignatureInput<'a>) -> Result<&'a [u8], Error> {
        match (message, self.padding) {
            (SignatureInput::Digest(digest), None | Some(PaddingMethod::Pkcs1V1_5)) => Ok(digest),
            _ => Err(Error::Missing(Parameter::HashingAlgorithm)),
        }
    }

    /// Checks the algorithm, and returns it with the hash.
    fn resolve(&self, purpose: Purpose) -> Result<(Family, Option<HashingAlgorithm>), Error> {
        let (algorithm, hash) = match self.signature {
            Some(signature) => {
                let (algorithm, hash) = components(signature).ok_or(Error::Signature(signature))?;
                (algorithm, hash.or(self.hash))
            }
            None => (self.algorithm.ok_or(Error::Missing(Parameter::CryptographicAlgorithm))?, self.hash),
        };
        Ok((family(algorithm).ok_or(Error::Algorithm { algorithm, purpose })?, hash))
    }

    fn scheme(&self, hash: Hash, purpose: Purpose) -> Result<Scheme, Error> {
        let named = self.signature.map(|signature| match signature {
            DigitalSignatureAlgorithm::RsassaPss => PaddingMethod::Pss,
            _ => PaddingMethod::Pkcs1V1_5,
        });
        let padding = self.padding.or(named).ok_or(Error::Missing(Parameter::PaddingMethod))?;
        match padding {
            PaddingMethod::Pkcs1V1_5 => Ok(Scheme::Pkcs1),
            PaddingMethod::Pss if self.mask_hash.is_some_and(|mask| mask != hash.entry()) => {
                let one = Parameter::HashingAlgorithm;
                Err(Error::Conflict { one, other: Parameter::MaskGeneratorHashingAlgorithm })
            }
            PaddingMethod::Pss => Ok(Scheme::Pss(self.salt_length)),
            padding => Err(Error::Padding { padding, purpose }),
        }
    }
}

/// Returns the algorithm and the hash of a Digital Signature Algorithm, which does not name the hash in every case, or
/// `None` if it is not supported.
const fn components(
    signature: DigitalSignatureAlgorithm,
) -> Option<(CryptographicAlgorithm, Option<HashingAlgorithm>)> {
    let hash = match signature {
        DigitalSignatureAlgorithm::Md5WithRsaEncryption => Some(HashingAlgorithm::Md5),
        DigitalSignatureAlgorithm::Sha1WithRsaEncryption => Some(HashingAlgorithm::Sha1),
        DigitalSignatureAlgorithm::Sha224WithRsaEncryption => Some(HashingAlgorithm::Sha224),
        DigitalSignatureAlgorithm::Sha256WithRsaEncryption => Some(HashingAlgorithm::Sha256),
        DigitalSignatureAlgorithm::Sha384WithRsaEncryption => Some(HashingAlgorithm::Sha384),
        DigitalSignatureAlgorithm::Sha512WithRsaEncryption => Some(HashingAlgorithm::Sha512),
        DigitalSignatureAlgorithm::Sha3_256WithRsaEncryption => Some(HashingAlgorithm::Sha3_256),
        DigitalSignatureAlgorithm::Sha3_384WithRsaEncryption => Some(HashingAlgorithm::Sha3_384),
        DigitalSignatureAlgorithm::Sha3_512WithRsaEncryption => Some(HashingAlgorithm::Sha3_512),
        DigitalSignatureAlgorithm::RsassaPss => None,
        DigitalSignatureAlgorithm::EcdsaWithSha1 => return ecdsa(HashingAlgorithm::Sha1),
        DigitalSignatureAlgorithm::EcdsaWithSha224 => return ecdsa(HashingAlgorithm::Sha224),
        DigitalSignatureAlgorithm::EcdsaWithSha256 => return ecdsa(HashingAlgorithm::Sha256),
        DigitalSignatureAlgorithm::EcdsaWithSha384 => return ecdsa(HashingAlgorithm::Sha384),
        DigitalSignatureAlgorithm::EcdsaWithSha512 => return ecdsa(HashingAlgorithm::Sha512),
        _ => return None,
    };
    Some((CryptographicAlgorithm::Rsa, hash))
}

const fn ecdsa(hash: HashingAlgorithm) -> Option<(CryptographicAlgorithm, Option<HashingAlgorithm>)> {
    Some((CryptographicAlgorithm::Ecdsa, Some(hash)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ErrorKind;

    fn signing<'a>(key: &'a [u8], algorithm: CryptographicAlgorithm) -> Signing<'a> {
        Signing {
            key: Key(key),
            signature: None,
            algorithm: Some(algorithm),
            hash: Some(HashingAlgorithm::Sha256),
            padding: None,
            mask_hash: None,
            salt_length: None,
        }
    }

    fn pair(curve: ec::Curve) -> (Vec<u8>, Vec<u8>) {
        let key = ec::generate(curve).unwrap();
        (key.pkcs8().unwrap().expose().to_vec(), key.public().unwrap().spki(false).unwrap())
    }

    #[test]
    fn elliptic_curve_keys_sign_by_algorithm_or_signature_algorithm() {
        let data = SignatureInput::Data(b"data");
        let (private, public) = pair(ec::Curve::P256);
        for algorithm in [CryptographicAlgorithm::Ec, CryptographicAlgorithm::Ecdsa] {
            let signature = sign(&signing(&private, algorithm), data).unwrap();
            assert_eq!(verify(&signing(&public, algorithm), data, &signature), Ok(true));
        }
        let named = |key| Signing {
            algorithm: None,
            hash: None,
            signature: Some(DigitalSignatureAlgorithm::EcdsaWithSha384),
            ..signing(key, CryptographicAlgorithm::Ec)
        };
        let signature = sign(&named(&private), data).unwrap();
        assert_eq!(verify(&named(&public), data, &signature), Ok(true));
        assert_eq!(verify(&signing(&public, CryptographicAlgorithm::Ec), data, &signature), Ok(false));
        let (private, public) = pair(ec::Curve::Ed25519);
        let algorithm = CryptographicAlgorithm::Ed25519;
        let signature = sign(&Signing { hash: None, ..signing(&private, algorithm) }, data).unwrap();
        assert_eq!(verify(&signing(&public, algorithm), data, &signature), Ok(true));
    }

    #[test]
    fn signature_is_invalid_or_rejected_under_a_key_of_another_algorithm() {
        let (_, public) = pair(ec::Curve::P256);
        let pss =
            Signing { padding: Some(PaddingMethod::Pss), ..signing(&public, CryptographicAlgorithm::Rsa) };
        let data = SignatureInput::Data(b"data");
        assert_eq!(verify(&pss, data, b"signature"), Ok(false));
        let key = rsa::generate(1024).unwrap().public_pkcs1;
        let ecdsa = signing(&key, CryptographicAlgorithm::Ecdsa);
        assert_eq!(verify(&ecdsa, data, b"signature"), Err(Error::OtherKey(CryptographicAlgorithm::Ecdsa)));
        let unreadable = Signing { key: Key(b"no key"), ..pss };
        assert_eq!(verify(&unreadable, data, b"").unwrap_err().kind(), ErrorKind::Failure);
    }

    #[test]
    fn curve_determines_an_absent_hash() {
        let data = SignatureInput::Data(b"data");
        for (curve, hash) in [
            (ec::Curve::P224, HashingAlgorithm::Sha224),
            (ec::Curve::P256, HashingAlgorithm::Sha256),
            (ec::Curve::P384, HashingAlgorithm::Sha384),
            (ec::Curve::P521, HashingAlgorithm::Sha512),
            (ec::Curve::Secp256k1, HashingAlgorithm::Sha256),
        ] {
            let (private, public) = pair(curve);
            let ecdsa = CryptographicAlgorithm::Ecdsa;
            let signature = sign(&Signing { hash: None, ..signing(&private, ecdsa) }, data).unwrap();
            let named = Signing { hash: Some(hash), ..signing(&public, ecdsa) };
            assert_eq!(verify(&named, data, &signature), Ok(true), "{curve:?}");
            let absent = Signing { hash: None, ..named };
            assert_eq!(verify(&absent, data, &signature), Ok(true), "{curve:?}");
        }
    }

    #[test]
    fn rejects_curves_without_signatures() {
        let (private, _) = pair(ec::Curve::X25519);
        let refused = sign(&signing(&private, CryptographicAlgorithm::Ec), SignatureInput::Data(b"data"));
        assert!(matches!(refused, Err(Error::Curve { .. })));
        let (private, _) = pair(ec::Curve::P384);
        let refused =
            sign(&signing(&private, CryptographicAlgorithm::Ed25519), SignatureInput::Data(b"data"));
        assert!(matches!(refused, Err(Error::Curve { .. })));
    }
}
