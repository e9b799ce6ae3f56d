//! Keys on elliptic curves in the formats of the standard: ECPrivateKey (RFC 5915), PKCS#8 (RFC 5208, RFC 8410),
//! X.509 SubjectPublicKeyInfo (RFC 5480, RFC 8410), PEM of each, and bare points and numbers.

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
    /// The uncompressed point (SEC 1 §2.3.3), or the bare bytes of Curve25519.
    point: Vec<u8>,
}

/// A private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKey {
    curve: Curve,
    /// The number, as long as the field, or the bare bytes of Curve25519.
    scalar: Secret,
}

impl PublicKey {
    /// Reads SubjectPublicKeyInfo, or PEM of it.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for other bytes, and for points that are not on the curve.
    pub fn read(bytes: &[u8], purpose: Purpose) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Public, purpose };
        let decoded = pem(bytes);
        let der = decoded.as_ref().map_or(bytes, Secret::expose);
        let info = spki::SubjectPublicKeyInfoRef::from_der(der).map_err(|_| unreadable)?;
        let curve = curve_of(&info.algorithm).ok_or(unreadable)?;
        Self::from_point(curve, info.subject_public_key.as_bytes().ok_or(unreadable)?, purpose)
    }

    /// Makes a key of a point, compressed or not (SEC 1 §2.3.4), or of the bare bytes of Curve25519.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for bytes that are no point of the curve.
    pub fn from_point(curve: Curve, point: &[u8], purpose: Purpose) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { role: KeyRole::Public, purpose };
        let point = if curve.has_points() {
            encoded(curve, point, false)
        } else {
            (point.len() == curve.field_bytes()).then(|| point.to_vec())
        };
        Ok(Self { curve, point: point.ok_or(unreadable)? })
    }

    /// The curve.
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// The uncompressed point, or the bare bytes of Curve25519.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// The compressed point; none on curves whose keys are bare bytes.
    pub fn compressed_point(&self) -> Option<Vec<u8>> {
        encoded(self.curve, &self.point, true)
    }

    /// DER of SubjectPublicKeyInfo, the point `compressed` where it can be.
    ///
    /// # Errors
    /// [`Error::Inexpressible`] for a compressed point where there is none, [`Error::Failed`] where the encoder
    /// fails.
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
    /// Reads ECPrivateKey with its curve, PKCS#8, or PEM of either. Nothing is decrypted.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for other bytes, and for numbers that are no key of the curve.
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

    /// Makes a key of its number, big-endian, or of the bare bytes of Curve25519. Zeros may be missing at the
    /// front of a number, or be too many.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for bytes that are no key of the curve.
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
        // A number has to be above zero and below the order; the public half exists for no other.
        key.compute_point().ok_or(unreadable)?;
        Ok(key)
    }

    /// The curve.
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// The number, as long as the field, or the bare bytes of Curve25519.
    pub const fn scalar(&self) -> &Secret {
        &self.scalar
    }

    /// The public half.
    ///
    /// # Errors
    /// None for a key that was made here.
    pub fn public(&self) -> Result<PublicKey, Error> {
        let point = self.compute_point().ok_or(Error::Failed(Purpose::Convert))?;
        Ok(PublicKey { curve: self.curve, point })
    }

    /// DER of ECPrivateKey, with its curve and its public half.
    ///
    /// # Errors
    /// [`Error::Inexpressible`] for keys of Curve25519, which have no such form (RFC 8410 §7).
    pub fn sec1(&self) -> Result<Secret, Error> {
        if !self.curve.has_points() {
            return Err(Error::Inexpressible);
        }
        self.ec_private_key(Some(EcParameters::NamedCurve(self.curve.oid())))
    }

    /// DER of PrivateKeyInfo.
    ///
    /// # Errors
    /// [`Error::Failed`] where the encoder fails.
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
        if let Some(algorithm) = super::fast_agreement(self.curve) {
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

/// The point in the form that is wanted; none where the bytes are no point.
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
