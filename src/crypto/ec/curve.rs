//! The supported elliptic curves and their names.

use x509_cert::der::asn1::ObjectIdentifier;

use crate::crypto::{Error, Parameter, Purpose};
use crate::kmip::enums::{CryptographicAlgorithm, RecommendedCurve};

/// An elliptic curve. Curve25519 has one variant per purpose, key agreement and signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-224.
    P224,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// SECG secp256k1.
    Secp256k1,
    /// Curve25519 for key agreement.
    X25519,
    /// Curve25519 for signatures.
    Ed25519,
}

use Curve::*;

/// Curve, KMIP's Recommended Curve, field size in bits, object identifier (RFC 5480 §2.1.1.1, SEC 2, RFC 8410 §3).
const CURVES: &[(Curve, RecommendedCurve, u32, ObjectIdentifier)] = &[
    (P224, RecommendedCurve::P224, 224, ObjectIdentifier::new_unwrap("1.3.132.0.33")),
    (P256, RecommendedCurve::P256, 256, ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7")),
    (P384, RecommendedCurve::P384, 384, ObjectIdentifier::new_unwrap("1.3.132.0.34")),
    (P521, RecommendedCurve::P521, 521, ObjectIdentifier::new_unwrap("1.3.132.0.35")),
    (Secp256k1, RecommendedCurve::Secp256K1, 256, ObjectIdentifier::new_unwrap("1.3.132.0.10")),
    (X25519, RecommendedCurve::Curve25519, 256, ObjectIdentifier::new_unwrap("1.3.101.110")),
    (Ed25519, RecommendedCurve::Curve25519, 256, ObjectIdentifier::new_unwrap("1.3.101.112")),
];

impl Curve {
    /// Selects a curve by algorithm, Recommended Curve and length in bits. Either of the last two is sufficient, and Ed25519
    /// requires neither; a length alone selects the NIST curve of that length.
    ///
    /// # Errors
    /// Returns [`Error::Algorithm`] if the algorithm has no curves, [`Error::Curve`] if the curve is not supported,
    /// [`Error::KeyLength`] if no curve has the length, [`Error::Conflict`] if curve and length contradict each other,
    /// and [`Error::Missing`] if both are absent.
    pub fn choose(
        algorithm: CryptographicAlgorithm,
        named: Option<RecommendedCurve>,
        bits: Option<u32>,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        use CryptographicAlgorithm as A;
        let curve = match (algorithm, named) {
            (A::Ed25519, None | Some(RecommendedCurve::Curve25519)) => Ed25519,
            (A::Ec | A::Ecdsa | A::Ecdh | A::Ecmqv | A::Ed25519, Some(curve)) => {
                Self::named(curve, algorithm).ok_or(Error::Curve { curve, purpose })?
            }
            (A::Ec | A::Ecdsa | A::Ecdh | A::Ecmqv, None) => {
                let bits = bits.ok_or(Error::Missing(Parameter::RecommendedCurve))?;
                let found = CURVES.iter().find(|(.., length, _)| *length == bits);
                found.map(|(curve, ..)| *curve).ok_or(Error::KeyLength { algorithm, bits })?
            }
            _ => return Err(Error::Algorithm { algorithm, purpose }),
        };
        if bits.is_some_and(|bits| bits != curve.bits()) {
            let (one, other) = (Parameter::CryptographicLength, Parameter::RecommendedCurve);
            return Err(Error::Conflict { one, other });
        }
        Ok(curve)
    }

    /// Converts KMIP's Recommended Curve, or returns `None` if it is not supported. Keys on Curve25519 are for key agreement
    /// unless their algorithm is a signature algorithm.
    pub fn named(curve: RecommendedCurve, algorithm: CryptographicAlgorithm) -> Option<Self> {
        use CryptographicAlgorithm as A;
        let signs = matches!(algorithm, A::Ed25519 | A::Ecdsa);
        match curve {
            RecommendedCurve::Curve25519 if signs => Some(Ed25519),
            _ if algorithm == A::Ed25519 => None,
            _ => CURVES.iter().find(|(_, name, ..)| *name == curve).map(|(curve, ..)| *curve),
        }
    }

    /// Returns KMIP's Recommended Curve.
    pub fn entry(self) -> RecommendedCurve {
        self.row().1
    }

    /// Returns the length of its keys in bits, which is that of the field.
    pub fn bits(self) -> u32 {
        self.row().2
    }

    /// Returns the Cryptographic Algorithm of its keys.
    pub const fn algorithm(self) -> CryptographicAlgorithm {
        match self {
            P224 | P256 | P384 | P521 | Secp256k1 => CryptographicAlgorithm::Ec,
            X25519 => CryptographicAlgorithm::Ecdh,
            Ed25519 => CryptographicAlgorithm::Ed25519,
        }
    }

    /// Returns the length in bytes of a field element and of a private key.
    pub const fn field_bytes(self) -> usize {
        match self {
            P224 => 28,
            P256 | Secp256k1 | X25519 | Ed25519 => 32,
            P384 => 48,
            P521 => 66,
        }
    }

    /// Whether public keys are points in the encodings of SEC 1, in contrast to the 32 bytes of Curve25519.
    pub const fn has_points(self) -> bool {
        !matches!(self, X25519 | Ed25519)
    }

    pub(super) fn oid(self) -> ObjectIdentifier {
        self.row().3
    }

    pub(super) fn of_oid(oid: ObjectIdentifier) -> Option<Self> {
        CURVES.iter().find(|(.., id)| *id == oid).map(|(curve, ..)| *curve)
    }

    fn row(self) -> &'static (Self, RecommendedCurve, u32, ObjectIdentifier) {
        CURVES.iter().find(|(curve, ..)| *curve == self).expect("every curve has its row")
    }
}

/// Evaluates `$body`, an `Option`, with `$c` as the package of the curve, or to `None` for curves without points.
macro_rules! with_curve {
    ($curve:expr, $c:ident => $body:expr) => {
        match $curve {
            $crate::crypto::ec::Curve::P224 => {
                use p224 as $c;
                $body
            }
            $crate::crypto::ec::Curve::P256 => {
                use p256 as $c;
                $body
            }
            $crate::crypto::ec::Curve::P384 => {
                use p384 as $c;
                $body
            }
            $crate::crypto::ec::Curve::P521 => {
                use p521 as $c;
                $body
            }
            $crate::crypto::ec::Curve::Secp256k1 => {
                use k256 as $c;
                $body
            }
            $crate::crypto::ec::Curve::X25519 | $crate::crypto::ec::Curve::Ed25519 => None,
        }
    };
}

pub(super) use with_curve;
