//! Signing and verifying (KMIP 1.4 §4.31 and §4.32, 2.1 §6.1.51 and §6.1.52): finds the scheme that a request's
//! parameters come to and hands the digest to the file of its algorithm.
//!
//! Which key may sign, and which parameters apply where a request is silent, is left to the engine.

use super::hash::Hash;
pub use super::hash::SignatureInput;
use super::rsa::{self, Scheme};
use super::{Error, Key, Parameter, Purpose, ec};
use crate::kmip::enums::{
    CryptographicAlgorithm, DigitalSignatureAlgorithm, HashingAlgorithm, PaddingMethod,
};

/// How something is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The key: private for signing, public for verifying, in any format that its file reads.
    pub key: Key<'a>,
    /// The algorithm and the hash in one.
    pub signature: Option<DigitalSignatureAlgorithm>,
    /// The algorithm; needed where `signature` is absent.
    pub algorithm: Option<CryptographicAlgorithm>,
    /// The hash; needed where `signature` is absent or names none. Ed25519 has its own, and ECDSA and RSA in
    /// PKCS#1 v1.5 need none for a digest.
    pub hash: Option<HashingAlgorithm>,
    /// The padding; needed by RSA.
    pub padding: Option<PaddingMethod>,
    /// The hash of the mask of PSS: absent, or the same as `hash`.
    pub mask_hash: Option<HashingAlgorithm>,
    /// The length of the salt of PSS, in bytes.
    pub salt_length: Option<usize>,
}

/// Signs `message`.
///
/// # Errors
/// Of the kind Parameters, as PyKMIP has it: no signature algorithm and no algorithm with a hash; an algorithm
/// that does not sign; a key that cannot be read; a padding that is missing or not for signing.
pub fn sign(signing: &Signing<'_>, message: SignatureInput<'_>) -> Result<Vec<u8>, Error> {
    let (family, hash) = signing.resolve(Purpose::Sign)?;
    match family {
        Family::Rsa if hash.is_none() => {
            let digest = signing.bare(message)?;
            rsa::sign_bare(&rsa::PrivateKey::read(signing.key.0, Purpose::Sign)?, digest)
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
            fits(algorithm, key.curve(), Purpose::Sign)?;
            ec::sign(&key, hash, message)
        }
    }
}

/// Whether `signature` is the signature of `message`. Under a key of another algorithm, no signature is.
///
/// # Errors
/// As for [`sign`], but [`Error::Conflict`] where the signature algorithm and the algorithm or the hash beside
/// it differ, and a key that cannot be read is of the kind Failure.
pub fn verify(signing: &Signing<'_>, message: SignatureInput<'_>, signature: &[u8]) -> Result<bool, Error> {
    let one = Parameter::DigitalSignatureAlgorithm;
    if let Some((algorithm, hash)) = signing.signature.and_then(parts) {
        if hash.zip(signing.hash).is_some_and(|(named, beside)| named != beside) {
            return Err(Error::Conflict { one, other: Parameter::HashingAlgorithm });
        }
        if signing.algorithm.is_some_and(|beside| family(beside) != family(algorithm)) {
            return Err(Error::Conflict { one, other: Parameter::CryptographicAlgorithm });
        }
    }
    let (family, hash) = signing.resolve(Purpose::Verify)?;
    let bytes = signing.key.0;
    match family {
        Family::Rsa if hash.is_none() => {
            let digest = signing.bare(message)?;
            match rsa::PublicKey::read(bytes, Purpose::Verify) {
                Ok(key) => rsa::verify_bare(&key, digest, signature),
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
                    fits(algorithm, key.curve(), Purpose::Verify)?;
                    ec::verify(&key, hash, message, signature)
                }
                Err(_) if rsa::PublicKey::read(bytes, Purpose::Verify).is_ok() => Ok(false),
                Err(error) => Err(error),
            }
        }
    }
}

/// What signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rsa,
    /// ECDSA or Ed25519: the key's curve says which, and the algorithm must not say otherwise.
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

/// Ed25519 signs with keys of its own curve only; X25519 does not sign at all.
fn fits(algorithm: CryptographicAlgorithm, curve: ec::Curve, purpose: Purpose) -> Result<(), Error> {
    let fits = match algorithm {
        CryptographicAlgorithm::Ed25519 => curve == ec::Curve::Ed25519,
        _ => curve != ec::Curve::X25519,
    };
    if fits { Ok(()) } else { Err(Error::Curve { curve: curve.entry(), purpose }) }
}

impl Signing<'_> {
    /// The hash that data is hashed with before it is signed, for data that comes in parts; none for what signs
    /// the data itself.
    ///
    /// # Errors
    /// Those of [`sign()`] and [`verify`] that depend neither on the key nor on the padding.
    pub fn hash(&self, purpose: Purpose) -> Result<Option<Hash>, Error> {
        match self.resolve(purpose)? {
            (Family::Curve(CryptographicAlgorithm::Ed25519), _) => Ok(None),
            (_, hash) => hash.map(|hash| Hash::of(hash, purpose)).transpose(),
        }
    }

    /// The digest that is signed with RSA as it is, because nothing names its hash: PKCS#1 v1.5 needs none for it,
    /// and is meant where no padding is named.
    fn bare<'a>(&self, message: SignatureInput<'a>) -> Result<&'a [u8], Error> {
        match (message, self.padding) {
            (SignatureInput::Digest(digest), None | Some(PaddingMethod::Pkcs1V1_5)) => Ok(digest),
            _ => Err(Error::Missing(Parameter::HashingAlgorithm)),
        }
    }

    /// Judges the algorithm and finds the hash.
    fn resolve(&self, purpose: Purpose) -> Result<(Family, Option<HashingAlgorithm>), Error> {
        let (algorithm, hash) = match self.signature {
            Some(signature) => {
                let (algorithm, hash) = parts(signature).ok_or(Error::Signature(signature))?;
                (algorithm, hash.or(self.hash))
            }
            None => (self.algorithm.ok_or(Error::Missing(Parameter::CryptographicAlgorithm))?, self.hash),
        };
        Ok((family(algorithm).ok_or(Error::Algorithm { algorithm, purpose })?, hash))
    }

    fn scheme(&self, hash: Hash, purpose: Purpose) -> Result<Scheme, Error> {
        let padding = match (self.padding, self.signature) {
            (None, Some(DigitalSignatureAlgorithm::RsassaPss)) => PaddingMethod::Pss,
            (padding, _) => padding.ok_or(Error::Missing(Parameter::PaddingMethod))?,
        };
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

/// The algorithm and the hash of a signature algorithm; the hash is absent where it is named beside it. None
/// for what is not offered.
const fn parts(
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
    fn keys_on_curves_sign_by_algorithm_or_by_signature_algorithm() {
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
    fn no_signature_is_right_under_a_key_of_another_algorithm() {
        let (_, public) = pair(ec::Curve::P256);
        let pss =
            Signing { padding: Some(PaddingMethod::Pss), ..signing(&public, CryptographicAlgorithm::Rsa) };
        assert_eq!(verify(&pss, SignatureInput::Data(b"data"), b"signature"), Ok(false));
        let unreadable = Signing { key: Key(b"no key"), ..pss };
        assert_eq!(
            verify(&unreadable, SignatureInput::Data(b"data"), b"").unwrap_err().kind(),
            ErrorKind::Failure
        );
    }

    #[test]
    fn curves_that_do_not_sign_are_refused() {
        let (private, _) = pair(ec::Curve::X25519);
        let refused = sign(&signing(&private, CryptographicAlgorithm::Ec), SignatureInput::Data(b"data"));
        assert!(matches!(refused, Err(Error::Curve { .. })));
        let (private, _) = pair(ec::Curve::P384);
        let refused =
            sign(&signing(&private, CryptographicAlgorithm::Ed25519), SignatureInput::Data(b"data"));
        assert!(matches!(refused, Err(Error::Curve { .. })));
    }
}
