//! The reasons for which a certificate chain is refused.

use std::fmt;

use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::db::DB;

use super::super::Certificate;
use crate::excerpt::Excerpt;
use crate::ttlv::DateTime;

/// The reason for which a certificate chain is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule that the chain breaks.
    pub rule: Rule,
    /// The certificate that breaks it.
    pub certificate: Summary,
    /// The position of that certificate in the chain; 0 is the client's own.
    pub depth: usize,
    /// Whether that certificate is one of the anchors. Otherwise, the client sent it.
    pub is_trusted: bool,
    /// The client's own certificate in words, bounded, for the log.
    pub client: String,
}

/// What identifies a certificate. The texts contain what the certificate contains, without a bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The subject (RFC 4514).
    pub subject: String,
    /// The issuer (RFC 4514).
    pub issuer: String,
    /// The serial number, in hexadecimal digits.
    pub serial: String,
    /// The times of notBefore and notAfter.
    pub validity: Option<(DateTime, DateTime)>,
}

/// A rule for certificate chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The bytes are a certificate (RFC 5280 §4.1), and the extensions that the verifier knows can be read.
    Readable,
    /// notBefore and notAfter are dates.
    Dates,
    /// A certificate with the name of the issuer is trusted, or was sent.
    KnownIssuer,
    /// A certificate with the name of the issuer signed it.
    SignedByIssuer {
        /// Whether the certificate with the name and another key is one of the anchors.
        is_trusted: bool,
    },
    /// The verifier supports the signature algorithm.
    SignatureAlgorithm(ObjectIdentifier),
    /// notBefore has passed.
    Begun,
    /// notAfter has not passed.
    NotExpired,
    /// The issuer of a certificate is a certification authority (basic constraints).
    Authority,
    /// The key usage of an authority, if present, includes certificate signatures.
    CertificateSignatures,
    /// No more authorities are below an authority than its basic constraints allow.
    PathLength {
        /// The number of intermediate certificates that are allowed.
        allowed: usize,
        /// The number in the chain.
        found: usize,
    },
    /// The extended key usage, if present, includes client authentication.
    ClientAuthentication,
    /// The key usage of the client's certificate, if present, includes digital signatures or key agreement.
    ClientKeyUsage,
    /// The verifier supports all critical extensions.
    CriticalExtension(ObjectIdentifier),
    /// The names are inside the permitted subtrees of all authorities above. Contains the name.
    PermittedName(String),
    /// The names are outside the excluded subtrees of all authorities above. Contains the name.
    NotExcludedName(String),
    /// The verifier supports the name constraints that apply to a name. Contains the kind of the name.
    NameConstraint(&'static str),
    /// A name to which a name constraint applies has the syntax of its kind. Contains the kind of the name.
    NameSyntax(&'static str),
    /// The number of names, multiplied by that of the name constraints above, is not too large.
    NumberOfNames,
    /// The chain has at most this number of intermediate certificates.
    Length(usize),
    /// The search for a chain needs at most this number of signature verifications.
    Effort(usize),
    /// No certificate of the chain has a key that signs for Certify: clients choose the names in its certificates.
    NotIssuedForClients,
}

impl Summary {
    /// Describes a certificate. What cannot be read is empty.
    pub fn of(der: &[u8]) -> Self {
        let read = Certificate::read(der);
        let serial = read.serial_number_text().unwrap_or_default();
        let text = |name: Option<_>| name.map(|name: super::super::DistinguishedName| name.to_string());
        Self {
            subject: text(read.subject).unwrap_or_default(),
            issuer: text(read.issuer).unwrap_or_default(),
            serial,
            validity: read.validity,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.depth {
            0 => "the client's certificate",
            _ => "the certificate",
        };
        let Summary { subject, issuer, serial, .. } = &self.certificate;
        let (subject, issuer, serial) = (Excerpt(subject), Excerpt(issuer), Excerpt(serial));
        write!(f, "{place} {subject:?} (issuer {issuer:?}, serial number {serial}) {}", self.rule)
    }
}

impl fmt::Display for Rule {
    /// Describes how the certificate breaks the rule, as the predicate of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readable => f.write_str("cannot be read"),
            Self::Dates => f.write_str("has a validity period that cannot be read"),
            Self::KnownIssuer => f.write_str("has an issuer that is neither in ca_path nor was sent"),
            Self::SignedByIssuer { .. } => f.write_str("was not signed by the certificate that has the name of its issuer"),
            Self::SignatureAlgorithm(id) => write!(f, "has a signature that is not supported: {}", Name(*id)),
            Self::Begun => f.write_str("is not valid yet"),
            Self::NotExpired => f.write_str("has expired"),
            Self::Authority => f.write_str("is not a CA, and issued a certificate"),
            Self::CertificateSignatures => {
                f.write_str("issued a certificate, although its key usage does not include it")
            }
            Self::PathLength { allowed, found } => {
                write!(f, "is above {found} intermediate certificates, and its path length allows {allowed}")
            }
            Self::ClientAuthentication => {
                f.write_str("has an extended key usage without client authentication")
            }
            Self::ClientKeyUsage => {
                f.write_str("has a key usage with neither digital signatures nor key agreement")
            }
            Self::CriticalExtension(id) => {
                write!(f, "has a critical extension that is not supported: {}", Name(*id))
            }
            Self::PermittedName(name) => {
                write!(f, "has a name that an authority above it does not permit: {:?}", Excerpt(name))
            }
            Self::NotExcludedName(name) => {
                write!(f, "has a name that an authority above it excludes: {:?}", Excerpt(name))
            }
            Self::NameConstraint(kind) => {
                write!(f, "has a name of the kind {kind}, which a name constraint restricts that is not supported")
            }
            Self::NameSyntax(kind) => write!(f, "has a malformed name of the kind {kind}, which name constraints restrict"),
            Self::NumberOfNames => f.write_str("has too many names for the number of name constraints above it"),
            Self::Length(max) => write!(f, "ends a chain with more than {max} intermediate certificates"),
            Self::Effort(max) => {
                write!(f, "needs more than {max} signature verifications to find its chain; send only the chain")
            }
            Self::NotIssuedForClients => f.write_str(
                "is in a chain that contains the authority that signs for Certify: a client may have chosen the name",
            ),
        }
    }
}

/// Formats an object identifier by its name, if it has one.
struct Name(ObjectIdentifier);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DB.by_oid(&self.0) {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}
