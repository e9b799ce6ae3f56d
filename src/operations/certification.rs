//! The subject, the validity and the issue of certificates, for Certify and Re-certify.

use crate::crypto::rsa::PublicKey;
use crate::crypto::{Purpose, der};
use crate::engine::{
    Context, Granted, NewObject, RequestedAttributes, failed, invalid_field, key, lifecycle,
};
use crate::kmip::enums::{
    CertificateRequestType, CertificateType, CryptographicUsageMask, KeyFormatType, ObjectType, ResultReason,
};
use crate::kmip::structures::{CertificateSubject, Name, UniqueIdentifier, X509CertificateSubject};
use crate::kmip::{Certificate, Error, Object};
use crate::ttlv::{DateTime, Tag, V2_0};
use crate::x509::NameAttribute;
use crate::x509::issuer::{Subject, name};

use super::split_keys::present;

/// The default validity of a certificate in seconds: a year.
pub(super) const PERIOD: i64 = 365 * 24 * 3600;

/// The attributes that the certificate itself determines; those of the request are ignored.
const OF_THE_CERTIFICATE: &[Tag] = &[
    Tag::CryptographicAlgorithm,
    Tag::CryptographicLength,
    Tag::CertificateSubject,
    Tag::X509CertificateSubject,
    Tag::CertificateSubjectCn,
    Tag::CertificateSubjectO,
    Tag::CertificateSubjectOu,
    Tag::CertificateSubjectEmail,
    Tag::CertificateSubjectC,
    Tag::CertificateSubjectSt,
    Tag::CertificateSubjectL,
    Tag::CertificateSubjectUid,
    Tag::CertificateSubjectSerialNumber,
    Tag::CertificateSubjectTitle,
    Tag::CertificateSubjectDc,
    Tag::CertificateSubjectDnQualifier,
];

/// The parts of a subject name that a client can set (KMIP 2.1 §4.6), from the most general to the most specific.
const PARTS: &[(Tag, NameAttribute)] = &[
    (Tag::CertificateSubjectDc, NameAttribute::DomainComponent),
    (Tag::CertificateSubjectC, NameAttribute::Country),
    (Tag::CertificateSubjectSt, NameAttribute::StateOrProvince),
    (Tag::CertificateSubjectL, NameAttribute::Locality),
    (Tag::CertificateSubjectO, NameAttribute::Organization),
    (Tag::CertificateSubjectOu, NameAttribute::OrganizationalUnit),
    (Tag::CertificateSubjectCn, NameAttribute::CommonName),
    (Tag::CertificateSubjectEmail, NameAttribute::Email),
    (Tag::CertificateSubjectUid, NameAttribute::UserId),
    (Tag::CertificateSubjectSerialNumber, NameAttribute::SerialNumber),
    (Tag::CertificateSubjectTitle, NameAttribute::Title),
    (Tag::CertificateSubjectDnQualifier, NameAttribute::DnQualifier),
];

/// Returns the certificate request of a Request Payload, if it contains one.
pub(super) fn requested(
    kind: Option<CertificateRequestType>,
    value: Option<&Vec<u8>>,
) -> Result<Option<Subject>, Error> {
    match (kind, value) {
        (Some(kind), Some(value)) => read(kind, value).map(Some),
        (None, Some(_)) => Err(invalid_field(
            "The request contains a certificate request without a Certificate Request Type.",
        )),
        (Some(_), None) => Err(invalid_field(
            "The request contains a Certificate Request Type without a certificate request.",
        )),
        (None, None) => Ok(None),
    }
}

/// Returns the certificate request that is a managed object.
pub(super) fn kept_request(
    cx: &mut Context<'_>,
    identifier: &UniqueIdentifier,
    operation: crate::kmip::enums::Operation,
) -> Result<Subject, Error> {
    let granted = cx.open(Some(identifier), operation)?;
    match present(&granted)? {
        Object::CertificateRequest(request) => {
            read(request.certificate_request_type, &request.certificate_request_value)
        }
        _ => Err(not_certifiable(cx, &granted)),
    }
}

pub(super) fn read(kind: CertificateRequestType, value: &[u8]) -> Result<Subject, Error> {
    let subject = match kind {
        CertificateRequestType::Pkcs10 => Subject::of_pkcs10(value),
        CertificateRequestType::Pem => Subject::of_pem(value),
        CertificateRequestType::Crmf | CertificateRequestType::Pgp => {
            return Err(failed(
                ResultReason::FeatureNotSupported,
                format!("Certificate requests of the type {kind} are not supported; use PKCS#10 or PEM."),
            ));
        }
    };
    subject.map_err(invalid_request)
}

pub(super) fn invalid_request(error: crate::crypto::Error) -> Error {
    failed(ResultReason::InvalidCsr, error.to_string())
}

/// Returns the error for an object that cannot be certified.
pub(super) fn not_certifiable(cx: &Context<'_>, granted: &Granted) -> Error {
    let reason =
        if cx.version >= V2_0 { ResultReason::InvalidObjectType } else { ResultReason::PermissionDenied };
    failed(reason, format!("An object of the type {} cannot be certified.", granted.object_type))
}

/// Returns the DER encoding of the SubjectPublicKeyInfo of a public key.
pub(super) fn key_info(cx: &Context<'_>, granted: &Granted) -> Result<Vec<u8>, Error> {
    if granted.object_type != ObjectType::PublicKey {
        return Err(not_certifiable(cx, granted));
    }
    present(granted)?;
    let bytes = key::bytes(lifecycle::object(granted)?)?;
    if der::public_key(bytes.expose()) == Some(KeyFormatType::X509) {
        return Ok(bytes.expose().to_vec());
    }
    let key = PublicKey::read(bytes.expose(), Purpose::Convert).map_err(|_| {
        failed(
            ResultReason::PermissionDenied,
            "The format of the public key cannot be converted to a SubjectPublicKeyInfo.",
        )
    })?;
    Ok(key.spki()?)
}

/// Returns the subject that the attributes of a request define, for the public key of `granted`.
pub(super) fn described(
    given: &RequestedAttributes,
    granted: &Granted,
    info: &[u8],
) -> Result<Subject, Error> {
    let named = |name| Subject::of_key(name, info).map_err(invalid_name);
    if let Some(subject) = given.read::<X509CertificateSubject>(Tag::X509CertificateSubject) {
        return named(&subject.subject_distinguished_name);
    }
    if let Some(subject) = given.read::<CertificateSubject>(Tag::CertificateSubject) {
        let text = subject.certificate_subject_distinguished_name;
        return named(&crate::x509::issuer::name_of_text(&text).map_err(invalid_name)?);
    }
    let parts: Vec<_> = PARTS
        .iter()
        .flat_map(|(tag, sort)| given.all::<String>(*tag).into_iter().map(move |text| (*sort, text)))
        .collect();
    if !parts.is_empty() {
        let parts = parts.iter().map(|(sort, text)| (*sort, text.as_str()));
        return named(&name(parts).map_err(invalid_name)?);
    }
    // Without subject attributes, the Name of the certificate or of the key is the common name.
    let own = given.read::<Name>(Tag::Name).or_else(|| granted.attributes.name.first().cloned());
    let common_name = own.map_or_else(|| format!("Public Key {}", granted.id), |name| name.name_value);
    named(&name(std::iter::once((NameAttribute::CommonName, common_name.as_str()))).map_err(invalid_name)?)
}

fn invalid_name(_: crate::crypto::Error) -> Error {
    invalid_field("The certificate subject attributes do not form a valid distinguished name.")
}

/// Checks that the Certificate Type is X.509, the only one that the server issues.
pub(super) fn check_type(given: &RequestedAttributes) -> Result<Option<CertificateType>, Error> {
    match given.read(Tag::CertificateType) {
        Some(CertificateType::Pgp) => {
            Err(failed(ResultReason::FeatureNotSupported, "The server issues only X.509 certificates."))
        }
        other => Ok(other),
    }
}

/// Issues a certificate for `subject`, with the attributes of `given`.
pub(super) fn issue(
    cx: &mut Context<'_>,
    subject: &Subject,
    given: &RequestedAttributes,
    (from, to): (DateTime, DateTime),
) -> Result<NewObject, Error> {
    let usage: CryptographicUsageMask = given.read(Tag::CryptographicUsageMask).unwrap_or_default();
    let issuer = cx.issuer()?;
    let certificate_value =
        cx.with_private_key(issuer.is_slow(), || Ok(issuer.issue(subject, usage, from, to)?))?;
    let certificate = Certificate { certificate_type: CertificateType::X509, certificate_value };
    let given = OF_THE_CERTIFICATE.iter().fold(given.clone(), |given, tag| given.without(*tag));
    let mut draft = NewObject::generated(Object::Certificate(certificate), cx.now).with_requested(&given)?;
    // A certificate is not generated from random numbers.
    draft.attributes.random_number_generator = given.read(Tag::RandomNumberGenerator);
    Ok(draft)
}
