//! The curves that this server computes on, and their names.

use x509_cert::der::asn1::ObjectIdentifier;

use crate::crypto::{Error, Parameter, Purpose};
use crate::kmip::enums::{CryptographicAlgorithm, RecommendedCurve};

/// A curve, and with the Edwards and Montgomery forms of Curve25519 also what its keys are for.
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

/// Curve, KMIP's name for it, bits, object identifier (RFC 5480 §2.1.1.1, SEC 2, RFC 8410 §3).
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
    /// The curve that a request names by algorithm, Recommended Curve and length in bits. One of the last two is
    /// enough, and Ed25519 needs neither; a length alone means the curve of NIST that has it.
    ///
    /// # Errors
    /// [`Error::Algorithm`] for an algorithm without curves, [`Error::Curve`] for a curve that nobody here
    /// computes on, [`Error::KeyLength`] for a length without a curve, [`Error::Conflict`] where curve and length
    /// differ, [`Error::Missing`] where neither is given.
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

    /// The curve of KMIP's name. Keys on Curve25519 are for agreement unless their algorithm signs.
    pub fn named(curve: RecommendedCurve, algorithm: CryptographicAlgorithm) -> Option<Self> {
        use CryptographicAlgorithm as A;
        let signs = matches!(algorithm, A::Ed25519 | A::Ecdsa);
        match curve {
            RecommendedCurve::Curve25519 if signs => Some(Ed25519),
            _ if algorithm == A::Ed25519 => None,
            _ => CURVES.iter().find(|(_, name, ..)| *name == curve).map(|(curve, ..)| *curve),
        }
    }

    /// KMIP's name.
    pub fn entry(self) -> RecommendedCurve {
        self.row().1
    }

    /// The length of its keys, in bits: that of the field.
    pub fn bits(self) -> u32 {
        self.row().2
    }

    /// The algorithm that its keys are for, in KMIP's names.
    pub const fn algorithm(self) -> CryptographicAlgorithm {
        match self {
            P224 | P256 | P384 | P521 | Secp256k1 => CryptographicAlgorithm::Ec,
            X25519 => CryptographicAlgorithm::Ecdh,
            Ed25519 => CryptographicAlgorithm::Ed25519,
        }
    }

    /// How many bytes an element of the field has; a private key has as many.
    pub const fn field_bytes(self) -> usize {
        match self {
            P224 => 28,
            P256 | Secp256k1 | X25519 | Ed25519 => 32,
            P384 => 48,
            P521 => 66,
        }
    }

    /// Whether keys are points with two coordinates, in the forms of SEC 1; else they are bare bytes.
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

/// Evaluates `$body`, an `Option`, with `$c` for the package of the curve; none for curves without points.
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
