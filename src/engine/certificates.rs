//! The attributes that follow from a certificate (KMIP 1.4 §3.8 to §3.16, 2.1 §4.8 to §4.10, §4.62 to §4.64).

use crate::kmip::Certificate;
use crate::kmip::attributes::Attributes;
use crate::kmip::enums::CertificateType;
use crate::kmip::structures::*;
use crate::x509::{self, DistinguishedName, NameAttribute};

/// Sets the attributes that the certificate contains. If it cannot be parsed, sets only its type and its length.
pub(super) fn describe(certificate: &Certificate, attributes: &mut Attributes) {
    let der = &certificate.certificate_value;
    attributes.certificate_type = Some(certificate.certificate_type);
    attributes.certificate_length = i32::try_from(der.len()).ok();
    if certificate.certificate_type != CertificateType::X509 {
        return;
    }
    let read = x509::Certificate::read(der);
    if let Some((algorithm, bits)) = read.public_key {
        attributes.cryptographic_algorithm = Some(algorithm);
        attributes.cryptographic_length = i32::try_from(bits).ok();
    }
    attributes.digital_signature_algorithm = read.signature_algorithm.into_iter().collect();
    if let Some(issuer) = &read.issuer {
        describe_issuer(issuer, &read, attributes);
    }
    if let Some(subject) = &read.subject {
        describe_subject(subject, &read, attributes);
    }
}

fn describe_issuer(issuer: &DistinguishedName, read: &x509::Certificate, attributes: &mut Attributes) {
    let text = issuer.to_string();
    if let Some(serial) = read.serial_number_der() {
        attributes.x509_certificate_identifier = Some(X509CertificateIdentifier {
            issuer_distinguished_name: issuer.der.clone(),
            certificate_serial_number: serial,
        });
    }
    attributes.certificate_identifier =
        Some(CertificateIdentifier { issuer: text.clone(), serial_number: read.serial_number_text() });
    attributes.x509_certificate_issuer = Some(X509CertificateIssuer {
        issuer_distinguished_name: issuer.der.clone(),
        issuer_alternative_name: read.issuer_alternative_names.clone(),
    });
    attributes.certificate_issuer = Some(CertificateIssuer {
        certificate_issuer_distinguished_name: text,
        certificate_issuer_alternative_name: Vec::new(),
    });
    let of = |name_attribute| issuer.texts(name_attribute).map(str::to_owned).collect();
    attributes.certificate_issuer_cn = of(NameAttribute::CommonName);
    attributes.certificate_issuer_o = of(NameAttribute::Organization);
    attributes.certificate_issuer_ou = of(NameAttribute::OrganizationalUnit);
    attributes.certificate_issuer_email = of(NameAttribute::Email);
    attributes.certificate_issuer_c = of(NameAttribute::Country);
    attributes.certificate_issuer_st = of(NameAttribute::StateOrProvince);
    attributes.certificate_issuer_l = of(NameAttribute::Locality);
    attributes.certificate_issuer_uid = of(NameAttribute::UserId);
    attributes.certificate_issuer_serial_number = of(NameAttribute::SerialNumber);
    attributes.certificate_issuer_title = of(NameAttribute::Title);
    attributes.certificate_issuer_dc = of(NameAttribute::DomainComponent);
    attributes.certificate_issuer_dn_qualifier = of(NameAttribute::DnQualifier);
}

fn describe_subject(subject: &DistinguishedName, read: &x509::Certificate, attributes: &mut Attributes) {
    attributes.x509_certificate_subject = Some(X509CertificateSubject {
        subject_distinguished_name: subject.der.clone(),
        subject_alternative_name: read.subject_alternative_names.clone(),
    });
    attributes.certificate_subject = Some(CertificateSubject {
        certificate_subject_distinguished_name: subject.to_string(),
        certificate_subject_alternative_name: Vec::new(),
    });
    let of = |name_attribute| subject.texts(name_attribute).map(str::to_owned).collect();
    attributes.certificate_subject_cn = of(NameAttribute::CommonName);
    attributes.certificate_subject_o = of(NameAttribute::Organization);
    attributes.certificate_subject_ou = of(NameAttribute::OrganizationalUnit);
    attributes.certificate_subject_email = of(NameAttribute::Email);
    attributes.certificate_subject_c = of(NameAttribute::Country);
    attributes.certificate_subject_st = of(NameAttribute::StateOrProvince);
    attributes.certificate_subject_l = of(NameAttribute::Locality);
    attributes.certificate_subject_uid = of(NameAttribute::UserId);
    attributes.certificate_subject_serial_number = of(NameAttribute::SerialNumber);
    attributes.certificate_subject_title = of(NameAttribute::Title);
    attributes.certificate_subject_dc = of(NameAttribute::DomainComponent);
    attributes.certificate_subject_dn_qualifier = of(NameAttribute::DnQualifier);
}
