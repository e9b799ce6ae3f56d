//! Validate over TLS: chains of transmitted and stored certificates, and revocation.

use kmip_server::kmip::enums::{
    CertificateType, ObjectType, Operation, ResultReason, RevocationReasonCode, ValidityIndicator,
};
use kmip_server::kmip::structures::RevocationReason;
use kmip_server::kmip::{Certificate, Object};
use kmip_server::ttlv::{DateTime, Field, Tag, V1_0, V1_2, V1_4, V2_0, V2_1, Version};

use crate::corpus::{algorithm, attribute, id, length, template, usage};
use crate::dialogue::{Answer, Caller, Live};
use crate::harness::{Authority, Pki};

fn x509(der: &[u8]) -> Certificate {
    Certificate { certificate_type: CertificateType::X509, certificate_value: der.to_vec() }
}

fn keep(caller: &mut Caller, version: Version, der: &[u8]) -> String {
    caller.register(version, &Object::Certificate(x509(der)), &[usage(0x2)]).id()
}

fn ask(
    caller: &mut Caller,
    version: Version,
    given: &[&[u8]],
    named: &[&str],
    at: Option<DateTime>,
) -> Answer {
    caller.ask(version, Operation::Validate, |writer| {
        given.iter().for_each(|der| x509(der).write(Tag::Certificate, writer));
        named.iter().for_each(|named| id(named, writer));
        at.write(Tag::ValidityDate, writer);
    })
}

fn validity(answer: &Answer) -> ValidityIndicator {
    answer.all(Tag::ValidityIndicator)[0]
}

#[test]
fn validates_chains_of_stored_and_transmitted_certificates() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let last = middle.client("Last");
    let [root, middle, last] = [&root.credential, &middle.credential, &last].map(|one| &one.certificate[..]);
    for version in [V1_0, V1_2, V1_4, V2_0, V2_1] {
        let [kept_root, kept_middle, kept_last] =
            [root, middle, last].map(|der| keep(&mut john, version, der));
        let mut validate =
            |given: &[&[u8]], named: &[&str], at| validity(&ask(&mut john, version, given, named, at));
        assert_eq!(validate(&[last, middle, root], &[], None), ValidityIndicator::Valid);
        assert_eq!(validate(&[], &[&kept_root, &kept_last, &kept_middle], None), ValidityIndicator::Valid);
        assert_eq!(validate(&[last, root], &[&kept_middle, &kept_root], None), ValidityIndicator::Valid);
        assert_eq!(validate(&[last], &[&kept_middle], None), ValidityIndicator::Unknown);
        assert_eq!(validate(&[last], &[&kept_root], None), ValidityIndicator::Invalid);
        let long_ago = Some(DateTime(1_000));
        assert_eq!(validate(&[last, middle, root], &[], long_ago), ValidityIndicator::Invalid);

        let revoked = john.ask(version, Operation::Revoke, |writer| {
            id(&kept_middle, writer);
            let revocation_reason_code = RevocationReasonCode::KeyCompromise;
            RevocationReason { revocation_reason_code, revocation_message: None }
                .write(Tag::RevocationReason, writer);
            Some(DateTime(1_000)).write(Tag::CompromiseOccurrenceDate, writer);
        });
        revoked.done();
        // Also if the request contains the same certificate.
        let answer = ask(&mut john, version, &[last, middle, root], &[&kept_middle], None);
        assert_eq!(validity(&answer), ValidityIndicator::Invalid);
    }
}

#[test]
fn validates_a_certificate_of_the_servers_authority_without_its_issuer() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let made = john.ask(V1_4, Operation::Certify, |writer| {
        kmip_server::kmip::enums::CertificateRequestType::Pkcs10.write(Tag::CertificateRequestType, writer);
        request.der().to_vec().write(Tag::CertificateRequest, writer);
        template(Tag::Attributes, &[attribute(Tag::CertificateType, &CertificateType::X509)], writer);
    });
    let answer = ask(&mut john, V1_4, &[], &[&made.id()], None);
    assert_eq!(validity(&answer), ValidityIndicator::Valid);
}

#[test]
fn rejects_invalid_certificate_chains() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = john.ask(V1_4, Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
    });
    let key = key.id();
    let certificate = &pki.client.certificate[..];
    let mut refused =
        |version, given: &[&[u8]], named: &[&str]| ask(&mut john, version, given, named, None).refused();
    assert_eq!(refused(V1_4, &[], &[]), ResultReason::InvalidMessage);
    assert_eq!(refused(V1_4, &[certificate], &[&key]), ResultReason::InvalidMessage);
    assert_eq!(refused(V2_1, &[certificate], &[&key]), ResultReason::InvalidObjectType);
    assert_eq!(refused(V1_4, &[], &["999"]), ResultReason::ItemNotFound);
    assert_eq!(refused(V1_4, &[certificate; 11], &[]), ResultReason::InvalidField);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let answer = ask(&mut jane, V1_4, &[certificate], &[&key], None);
    assert_eq!(answer.refused(), ResultReason::PermissionDenied);
    let pgp = john.ask(V1_4, Operation::Validate, |writer| {
        Certificate { certificate_type: CertificateType::Pgp, certificate_value: vec![1] }
            .write(Tag::Certificate, writer);
    });
    assert_eq!(pgp.refused(), ResultReason::FeatureNotSupported);
}
