//! The formats of elliptic curve keys: ECPrivateKey (RFC 5915), PKCS#8 (RFC 5208, RFC 8410), SubjectPublicKeyInfo (RFC
//! 5480, RFC 8410), PEM of each, and raw points and scalars.

use aws_lc_rs::agreement;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use rsa::pkcs8::{self, spki};
use sec1::{EcParameters, EcPrivateKey};
use x509_cert::der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use x509_cert::der::{Decode, Encode};

use super::Curve;
use super::curve::with_curve;
use crate::crypto::{Error, KeyRole, Purpose, pem};
use crate::secret::Secret;

/// id-ecPublicKey (RFC 5480 §2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    curve: Curve,
    /// The uncompressed point (SEC 1 §2.3.3), or the 32 bytes of a Curve25519 key.
    point: Vec<u8>,
}

/// A private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKey {
    curve: Curve,
    /// The scalar, big-endian and as long as the field, or the 32 bytes of a Curve25519 key.
    scalar: Secret,
}

impl PublicKey {
    /// Decodes SubjectPublicKeyInfo in DER or PEM.
    ///
    /// # Errors
    /// Returns [`Error::Unreadable`] for other bytes and for points that are not on the curve.
    pub fn read(bytes: &[u8], purpose: Purpose) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Public, purpose };
        let decoded = pem(bytes);
        let der = decoded.as_ref().map_or(bytes, Secret::expose);
        let info = spki::SubjectPublicKeyInfoRef::from_der(der).map_err(|_| unreadable)?;
        let curve = curve_of(&info.algorithm).ok_or(unreadable)?;
        Self::from_point(curve, info.subject_public_key.as_bytes().ok_or(unreadable)?, purpose)
    }

    /// Creates a key from a point, compressed or uncompressed (SEC 1 §2.3.4), or from the 32 bytes of a Curve25519 key.
    ///
    /// # Errors
    /// Returns [`Error::Unreadable`] if the bytes are not a point on the curve.
    pub fn from_point(curve: Curve, point: &[u8], purpose: Purpose) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Public, purpose };
        let point = if curve.has_points() {
            encoded(curve, point, false)
        } else {
            (point.len() == curve.field_bytes()).then(|| point.to_vec())
        };
        Ok(Self { curve, point: point.ok_or(unreadable)? })
    }

    /// Returns the curve.
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// Returns the uncompressed point, or the 32 bytes of a Curve25519 key.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Returns the compressed point, or `None` for Curve25519.
    pub fn compressed_point(&self) -> Option<Vec<u8>> {
        encoded(self.curve, &self.point, true)
    }

    /// Returns the DER of SubjectPublicKeyInfo, with a compressed point if `compressed`.
    ///
    /// # Errors
    /// Returns [`Error::Inexpressible`] if the curve has no compressed points, and [`Error::Failed`] if the encoder fails.
    pub fn spki(&self, compressed: bool) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Failed(Purpose::Convert);
        let short =
            if compressed { Some(self.compressed_point().ok_or(Error::Inexpressible)?) } else { None };
        let subject_public_key =
            BitStringRef::from_bytes(short.as_deref().unwrap_or(&self.point)).map_err(failed)?;
        let oid = self.curve.oid();
        spki::SubjectPublicKeyInfoRef { algorithm: identifier(self.curve, &oid), subject_public_key }
            .to_der()
            .map_err(failed)
    }
}

impl PrivateKey {
    /// Decodes ECPrivateKey with its curve or PKCS#8, in DER or PEM. Encrypted keys are not supported.
    ///
    /// # Errors
    /// Returns [`Error::Unreadable`] for other bytes and for scalars that are not valid on the curve.
    pub fn read(bytes: &[u8], purpose: Purpose) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Private, purpose };
        let decoded = pem(bytes);
        let der = decoded.as_ref().map_or(bytes, Secret::expose);
        let Ok(info) = pkcs8::PrivateKeyInfo::try_from(der) else {
            let key = EcPrivateKey::from_der(der).map_err(|_| unreadable)?;
            let oid = key.parameters.and_then(|parameters| parameters.named_curve());
            let curve = oid.and_then(Curve::of_oid).ok_or(unreadable)?;
            return Self::from_scalar(curve, key.private_key, purpose);
        };
        let curve = curve_of(&info.algorithm).ok_or(unreadable)?;
        if curve.has_points() {
            let key = EcPrivateKey::from_der(info.private_key).map_err(|_| unreadable)?;
            Self::from_scalar(curve, key.private_key, purpose)
        } else {
            let key = OctetStringRef::from_der(info.private_key).map_err(|_| unreadable)?;
            Self::from_scalar(curve, key.as_bytes(), purpose)
        }
    }

    /// Creates a key from its scalar, big-endian with any number of leading zeros, or from the 32 bytes of a Curve25519 key.
    ///
    /// # Errors
    /// Returns [`Error::Unreadable`] if the bytes are not a private key on the curve.
    pub fn from_scalar(curve: Curve, scalar: &[u8], purpose: Purpose) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Private, purpose };
        let length = curve.field_bytes();
        if !curve.has_points() && scalar.len() != length {
            return Err(unreadable);
        }
        let start = scalar.iter().position(|byte| *byte != 0).unwrap_or(scalar.len());
        let digits = scalar.get(start..).unwrap_or_default();
        let missing = length.checked_sub(digits.len()).ok_or(unreadable)?;
        let mut padded = vec![0; missing];
        padded.extend_from_slice(digits);
        let key = Self { curve, scalar: Secret::new(padded) };
        // A public key exists only for scalars between zero and the order of the curve.
        key.compute_point().ok_or(unreadable)?;
        Ok(key)
    }

    /// Returns the curve.
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// Returns the scalar, big-endian and as long as the field, or the 32 bytes of a Curve25519 key.
    pub const fn scalar(&self) -> &Secret {
        &self.scalar
    }

    /// Computes the public key.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the scalar is invalid, which the constructors exclude.
    pub fn public(&self) -> Result<PublicKey, Error> {
        let point = self.compute_point().ok_or(Error::Failed(Purpose::Convert))?;
        Ok(PublicKey { curve: self.curve, point })
    }

    /// Returns the DER of ECPrivateKey, with the curve and the public key.
    ///
    /// # Errors
    /// Returns [`Error::Inexpressible`] for Curve25519, which does not have this format (RFC 8410 §7).
    pub fn sec1(&self) -> Result<Secret, Error> {
        if !self.curve.has_points() {
            return Err(Error::Inexpressible);
        }
        self.ec_private_key(Some(EcParameters::NamedCurve(self.curve.oid())))
    }

    /// Returns the DER of PrivateKeyInfo (PKCS#8).
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the encoder fails.
    pub fn pkcs8(&self) -> Result<Secret, Error> {
        let failed = |_| Error::Failed(Purpose::Convert);
        let inner = if self.curve.has_points() {
            self.ec_private_key(None)?
        } else {
            let bytes = OctetStringRef::new(self.scalar.expose()).map_err(failed)?;
            Secret::new(bytes.to_der().map_err(failed)?)
        };
        let oid = self.curve.oid();
        let info = pkcs8::PrivateKeyInfo::new(identifier(self.curve, &oid), inner.expose());
        info.to_der().map(Secret::new).map_err(failed)
    }

    fn ec_private_key(&self, parameters: Option<EcParameters>) -> Result<Secret, Error> {
        let public = self.public()?;
        let key =
            EcPrivateKey { private_key: self.scalar.expose(), parameters, public_key: Some(public.point()) };
        key.to_der().map(Secret::new).map_err(|_| Error::Failed(Purpose::Convert))
    }

    fn compute_point(&self) -> Option<Vec<u8>> {
        let scalar = self.scalar.expose();
        if let Some(algorithm) = super::aws_agreement(self.curve) {
            let key = agreement::PrivateKey::from_private_key(algorithm, scalar).ok()?;
            return key.compute_public_key().ok().map(|point| point.as_ref().to_vec());
        }
        if self.curve == Curve::Ed25519 {
            let key = Ed25519KeyPair::from_seed_unchecked(scalar).ok()?;
            return Some(key.public_key().as_ref().to_vec());
        }
        with_curve!(self.curve, c => {
            let key = c::SecretKey::from_slice(scalar).ok()?;
            Some(key.public_key().to_sec1_bytes().to_vec())
        })
        .and_then(|point| encoded(self.curve, &point, false))
    }
}

/// Encodes a point as compressed or uncompressed. Returns `None` if the bytes are not a point on the curve.
fn encoded(curve: Curve, point: &[u8], compressed: bool) -> Option<Vec<u8>> {
    use p256::elliptic_curve::sec1::ToEncodedPoint;
    with_curve!(curve, c => {
        let key = c::PublicKey::from_sec1_bytes(point).ok()?;
        Some(key.to_encoded_point(compressed).as_bytes().to_vec())
    })
}

fn curve_of(algorithm: &spki::AlgorithmIdentifierRef<'_>) -> Option<Curve> {
    if algorithm.oid == EC_PUBLIC_KEY {
        Curve::of_oid(algorithm.parameters?.decode_as().ok()?).filter(|curve| curve.has_points())
    } else {
        Curve::of_oid(algorithm.oid).filter(|curve| !curve.has_points())
    }
}

fn identifier(curve: Curve, oid: &ObjectIdentifier) -> spki::AlgorithmIdentifierRef<'_> {
    if curve.has_points() {
        spki::AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some(AnyRef::from(oid)) }
    } else {
        spki::AlgorithmIdentifierRef { oid: *oid, parameters: None }
    }
}
