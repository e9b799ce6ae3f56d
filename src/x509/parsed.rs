//! The fields of a certificate that its verification needs, of X.509 versions 1 to 3.
//!
//! [`super::certificate`] reads the fields that KMIP's attributes contain, also of malformed certificates.

use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::spki::AlgorithmIdentifierRef;

use super::der::{Elements, tag};
use super::{name, oid, time};
use crate::ttlv::DateTime;

const COMMON_NAME: ObjectIdentifier = oid("2.5.4.3");

const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = oid("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = oid("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
const NAME_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.30");
const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = oid("2.5.29.31");
const CERTIFICATE_POLICIES: ObjectIdentifier = oid("2.5.29.32");
const POLICY_MAPPINGS: ObjectIdentifier = oid("2.5.29.33");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = oid("2.5.29.35");
const POLICY_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.36");
const EXTENDED_KEY_USAGE: ObjectIdentifier = oid("2.5.29.37");
const INHIBIT_ANY_POLICY: ObjectIdentifier = oid("2.5.29.54");
const OCSP_NO_CHECK: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.5");
const NETSCAPE_TYPE: ObjectIdentifier = oid("2.16.840.1.113730.1.1");

/// `id-kp-clientAuth` (RFC 5280 §4.2.1.12).
const CLIENT_AUTHENTICATION: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.2");

/// Critical extensions that do not affect a chain of a client. Policies state under which rules an authority issues; the
/// settings ask for no policy, and OpenSSL does not check them either. Revocation is not checked.
const IRRELEVANT: &[ObjectIdentifier] = &[
    CRL_DISTRIBUTION_POINTS,
    CERTIFICATE_POLICIES,
    POLICY_MAPPINGS,
    POLICY_CONSTRAINTS,
    INHIBIT_ANY_POLICY,
    OCSP_NO_CHECK,
];

/// A certificate.
#[derive(Clone, Debug)]
pub struct Parsed<'a> {
    /// The certificate.
    pub der: &'a [u8],
    /// The bytes that the signature covers.
    pub signed: &'a [u8],
    /// The algorithm of the signature.
    pub algorithm: AlgorithmIdentifierRef<'a>,
    /// The signature.
    pub signature: &'a [u8],
    /// Whether it has the version 1.
    pub is_version_1: bool,
    /// The issuer (DER).
    pub issuer: &'a [u8],
    /// The subject (DER).
    pub subject: &'a [u8],
    /// notBefore and notAfter, or `None` if they are not dates.
    pub validity: Option<(DateTime, DateTime)>,
    /// SubjectPublicKeyInfo (DER).
    pub key: &'a [u8],
    /// The extensions.
    pub extensions: Extensions<'a>,
}

/// The extensions of a certificate.
#[derive(Clone, Debug, Default)]
pub struct Extensions<'a> {
    /// Basic constraints: whether it is a certification authority, and its path length.
    pub basic_constraints: Option<(bool, Option<usize>)>,
    /// The key usage.
    pub key_usage: Option<KeyUsage>,
    /// Whether the extended key usage includes client authentication; `None` without the extension.
    pub for_clients: Option<bool>,
    /// Netscape's certificate type, as the first byte of its BIT STRING.
    pub netscape_type: Option<u8>,
    /// The subject alternative names: the elements of GeneralNames.
    pub alternative_names: Option<Elements<'a>>,
    /// The name constraints: the contents of the SEQUENCE.
    pub name_constraints: Option<Elements<'a>>,
    /// The identifier of the subject's key.
    pub subject_key: Option<&'a [u8]>,
    /// The identifier of the issuer's key.
    pub authority_key: Option<&'a [u8]>,
    /// The first critical extension that this crate does not support.
    pub unsupported: Option<ObjectIdentifier>,
}

/// A key usage (RFC 5280 §4.2.1.3): the first byte of its BIT STRING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(pub u8);

impl KeyUsage {
    /// digitalSignature.
    pub const DIGITAL_SIGNATURE: u8 = 0x80;
    /// keyAgreement.
    pub const KEY_AGREEMENT: u8 = 0x08;
    /// keyCertSign.
    pub const CERTIFICATE_SIGNATURES: u8 = 0x04;

    /// Returns whether it includes one of `usages`.
    pub const fn includes(self, usages: u8) -> bool {
        self.0 & usages != 0
    }
}

impl<'a> Parsed<'a> {
    /// Reads a certificate. Returns `None` if the bytes are not a certificate, or if an extension in it that matters is
    /// malformed or occurs twice.
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Elements::within(tag::SEQUENCE, der)?;
        let body = outer.take(tag::SEQUENCE)?;
        let algorithm = outer.take(tag::SEQUENCE)?;
        let signature = bits(outer.take(tag::BIT_STRING)?.value)?;
        if !outer.is_empty() {
            return None;
        }
        let mut fields = Elements::of(body.value);
        let version = match fields.take_if(tag::constructed(0)) {
            // A certificate of version 1 has no version field.
            None => 0,
            Some(version) => match *Elements::contents(tag::INTEGER, version.value)? {
                [version @ 0..=2] => version,
                _ => return None,
            },
        };
        fields.take(tag::INTEGER)?;
        // Both fields for the algorithm must be equal, because only one of them is signed (RFC 5280 §4.1.1.2).
        if fields.take(tag::SEQUENCE)?.der != algorithm.der {
            return None;
        }
        let issuer = fields.take(tag::SEQUENCE)?.der;
        let mut validity = Elements::of(fields.take(tag::SEQUENCE)?.value);
        let (from, to) = (validity.read()?, validity.read()?);
        let subject = fields.take(tag::SEQUENCE)?.der;
        let key = fields.take(tag::SEQUENCE)?.der;
        // Unique identifiers have no meaning.
        fields.take_if(tag::context(1));
        fields.take_if(tag::context(2));
        let extensions = match fields.take_if(tag::constructed(3)) {
            Some(extensions) => Extensions::read(extensions.value)?,
            None => Extensions::default(),
        };
        if !fields.is_empty() {
            return None;
        }
        Some(Self {
            der,
            signed: body.der,
            algorithm: AlgorithmIdentifierRef::from_der(algorithm.der).ok()?,
            signature,
            is_version_1: version == 0,
            issuer,
            subject,
            validity: time::date(from).zip(time::date(to)),
            key,
            extensions,
        })
    }

    /// Returns whether subject and issuer are equal.
    pub fn is_self_issued(&self) -> bool {
        names_equal(self.subject, self.issuer)
    }

    /// Returns the common names of the subject, in the order of the certificate, or `None` if one is not text: if such a
    /// name were left out, a certificate with two names would count as one with a single name.
    pub fn common_names(&self) -> Option<Vec<String>> {
        let attributes = attributes(self.subject)?;
        attributes.iter().filter(|it| it.id == COMMON_NAME.as_bytes()).map(Attribute::text).collect()
    }
}

/// An attribute of a name.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// The contents of its type, an OBJECT IDENTIFIER.
    pub id: &'a [u8],
    /// The identifier octet of its value.
    pub string: u8,
    /// The contents of its value.
    pub value: &'a [u8],
}

impl Attribute<'_> {
    /// Returns the value, or `None` if it is not text.
    pub fn text(&self) -> Option<String> {
        name::text(self.string, self.value)
    }
}

/// Returns the attributes of a Name (DER).
pub fn attributes(name: &[u8]) -> Option<Vec<Attribute<'_>>> {
    let mut found = Vec::new();
    let mut parts = Elements::within(tag::SEQUENCE, name)?;
    while !parts.is_empty() {
        let mut rows = Elements::of(parts.take(tag::SET)?.value);
        while !rows.is_empty() {
            let mut row = Elements::of(rows.take(tag::SEQUENCE)?.value);
            let (id, value) = (row.take(tag::OBJECT_IDENTIFIER)?, row.read()?);
            found.push(Attribute { id: id.value, string: value.tag, value: value.value });
        }
    }
    Some(found)
}

/// Returns whether two names (DER) are equal.
pub fn names_equal(one: &[u8], other: &[u8]) -> bool {
    one == other || name::canonical(one).is_some_and(|one| Some(one) == name::canonical(other))
}

impl<'a> Extensions<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut rows = Elements::within(tag::SEQUENCE, der)?;
        while !rows.is_empty() {
            let mut row = Elements::of(rows.take(tag::SEQUENCE)?.value);
            let id = ObjectIdentifier::from_bytes(row.take(tag::OBJECT_IDENTIFIER)?.value).ok()?;
            let critical = row.take_if(tag::BOOLEAN).is_some_and(|critical| critical.value != [0]);
            let value = row.take(tag::OCTET_STRING)?.value;
            if !row.is_empty() {
                return None;
            }
            found.add(id, critical, value)?;
        }
        Some(found)
    }

    /// Adds one extension. Returns `None` if it is malformed or occurs twice.
    fn add(&mut self, id: ObjectIdentifier, critical: bool, value: &'a [u8]) -> Option<()> {
        match id {
            BASIC_CONSTRAINTS => set(&mut self.basic_constraints, basic_constraints(value)?),
            KEY_USAGE => set(&mut self.key_usage, KeyUsage(first_byte(value)?)),
            EXTENDED_KEY_USAGE => set(&mut self.for_clients, includes_client_authentication(value)?),
            NETSCAPE_TYPE => set(&mut self.netscape_type, first_byte(value)?),
            SUBJECT_ALTERNATIVE_NAME => {
                set(&mut self.alternative_names, Elements::within(tag::SEQUENCE, value)?)
            }
            NAME_CONSTRAINTS => set(&mut self.name_constraints, Elements::within(tag::SEQUENCE, value)?),
            // Both identifiers only help to find a chain, so that one that cannot be read is ignored.
            SUBJECT_KEY_IDENTIFIER if !critical => {
                self.subject_key = Elements::of(value).take(tag::OCTET_STRING).map(|it| it.value);
                Some(())
            }
            AUTHORITY_KEY_IDENTIFIER if !critical => {
                let mut fields = Elements::within(tag::SEQUENCE, value);
                let key = fields.as_mut().and_then(|fields| fields.take_if(tag::context(0)));
                self.authority_key = key.map(|it| it.value);
                Some(())
            }
            id => {
                if critical && !IRRELEVANT.contains(&id) {
                    self.unsupported.get_or_insert(id);
                }
                Some(())
            }
        }
    }
}

fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// Reads the contents of BasicConstraints (RFC 5280 §4.2.1.9). A path length beyond any chain is no limit.
fn basic_constraints(der: &[u8]) -> Option<(bool, Option<usize>)> {
    let mut fields = Elements::within(tag::SEQUENCE, der)?;
    let is_ca = fields.take_if(tag::BOOLEAN).is_some_and(|is_ca| is_ca.value != [0]);
    let length = match fields.take_if(tag::INTEGER) {
        None => None,
        Some(length) => match *length.value {
            [] | [0x80..=0xFF, ..] => return None,
            [length] | [0, length] => Some(usize::from(length)),
            _ => None,
        },
    };
    fields.is_empty().then_some((is_ca, length))
}

/// Returns the first byte of a BIT STRING, or zero if it is empty.
fn first_byte(der: &[u8]) -> Option<u8> {
    let [unused @ 0..=7, bytes @ ..] = Elements::contents(tag::BIT_STRING, der)? else { return None };
    let first = bytes.first().copied().unwrap_or_default();
    Some(if bytes.len() == 1 { first & (0xFF << unused) } else { first })
}

fn includes_client_authentication(der: &[u8]) -> Option<bool> {
    let mut purposes = Elements::within(tag::SEQUENCE, der)?;
    let mut includes = false;
    while !purposes.is_empty() {
        includes |= purposes.take(tag::OBJECT_IDENTIFIER)?.value == CLIENT_AUTHENTICATION.as_bytes();
    }
    Some(includes)
}

/// Returns the bytes of a BIT STRING that consists of whole bytes.
fn bits(contents: &[u8]) -> Option<&[u8]> {
    contents.split_first().and_then(|(unused, bytes)| (*unused == 0).then_some(bytes))
}
