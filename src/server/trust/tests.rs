//! Certificate chains of a throw-away PKI, verified at a fixed time.

use std::time::Duration;

use rcgen::{ExtendedKeyUsagePurpose, IsCa, date_time_ymd};

use super::testing::Ca;
use super::*;
use crate::engine::Authority;

/// A time inside the validity period of the certificates: 2030-01-01.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_893_456_000));

fn trust_with_usage(trusted: &[&CertificateDer<'static>], check_usage: bool) -> Trust {
    let trusted: Vec<_> = trusted.iter().map(|&it| it.clone()).collect();
    Trust::new(&trusted, check_usage, Arc::default()).unwrap()
}

fn trust(trusted: &[&CertificateDer<'static>]) -> Trust {
    trust_with_usage(trusted, true)
}

/// Returns the reason for which a client certificate is refused, or `None` if it is accepted.
fn refusal(
    trust: &Trust,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Option<CertificateError> {
    match trust.verify_client_cert(leaf, intermediates, NOW) {
        Ok(_) => None,
        Err(Error::InvalidCertificate(reason)) => Some(reason),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn accepts_chains_to_a_trusted_ca_only() {
    let (root, other) = (Ca::root("root", |_| ()), Ca::root("other", |_| ()));
    let intermediate = root.intermediate("intermediate");
    let trust = trust(&[&root.certificate]);
    assert_eq!(refusal(&trust, &root.issue(|_| ()), &[]), None);
    let leaf = intermediate.issue(|_| ());
    assert_eq!(refusal(&trust, &leaf, std::slice::from_ref(&intermediate.certificate)), None);
    assert_eq!(refusal(&trust, &leaf, &[]), Some(CertificateError::UnknownIssuer));
    assert_eq!(refusal(&trust, &other.issue(|_| ()), &[]), Some(CertificateError::UnknownIssuer));
}

#[test]
fn accepts_listed_certificate_itself_and_nothing_that_it_issued() {
    let root = Ca::root("root", |_| ());
    let leaf = root.issue(|_| ());
    let trust = trust(&[&leaf]);
    assert_eq!(refusal(&trust, &leaf, &[]), None);
    assert_eq!(refusal(&trust, &root.issue(|_| ()), &[]), Some(CertificateError::UnknownIssuer));
    let not_a_ca = Ca::root("leaf", |params| params.is_ca = IsCa::ExplicitNoCa);
    let trust = trust_with_usage(&[&not_a_ca.certificate], true);
    assert_eq!(refusal(&trust, &not_a_ca.issue(|_| ()), &[]), Some(CertificateError::UnknownIssuer));
}

#[test]
fn refuses_certificates_outside_their_validity_period() {
    let root = Ca::root("root", |_| ());
    let expired = root.issue(|params| params.not_after = date_time_ymd(2029, 12, 31));
    let future = root.issue(|params| params.not_before = date_time_ymd(2030, 1, 2));
    for trust in [trust(&[&root.certificate]), trust(&[&expired, &future])] {
        assert_eq!(refusal(&trust, &expired, &[]), Some(CertificateError::Expired));
        assert_eq!(refusal(&trust, &future, &[]), Some(CertificateError::NotValidYet));
    }
}

#[test]
fn refuses_certificates_below_an_expired_ca() {
    let root = Ca::root("root", |params| params.not_after = date_time_ymd(2029, 12, 31));
    let trust = trust(&[&root.certificate]);
    assert_eq!(refusal(&trust, &root.issue(|_| ()), &[]), Some(CertificateError::UnknownIssuer));
    assert_eq!(refusal(&trust, &root.issue_version_1(), &[]), Some(CertificateError::UnknownIssuer));
}

#[test]
fn requires_client_authentication_usage_only_if_the_setting_does() {
    let root = Ca::root("root", |_| ());
    let leaf = root.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let (strict, lax) = (trust(&[&root.certificate]), trust_with_usage(&[&root.certificate], false));
    assert_eq!(refusal(&strict, &leaf, &[]), Some(CertificateError::InvalidPurpose));
    assert_eq!(refusal(&lax, &leaf, &[]), None);
    // Without the extension, the usage is not limited.
    assert_eq!(refusal(&strict, &root.issue(|_| ()), &[]), None);
}

#[test]
fn accepts_version_1_certificate_only_below_a_trusted_ca() {
    let (root, impostor) = (Ca::root("root", |_| ()), Ca::root("root", |_| ()));
    let intermediate = root.intermediate("intermediate");
    let trust = trust(&[&root.certificate]);
    assert_eq!(refusal(&trust, &root.issue_version_1(), &[]), None);
    let unknown = Some(CertificateError::UnknownIssuer);
    assert_eq!(refusal(&trust, &impostor.issue_version_1(), &[]), unknown);
    let below = intermediate.issue_version_1();
    assert_eq!(refusal(&trust, &below, std::slice::from_ref(&intermediate.certificate)), None);
    assert_eq!(refusal(&trust, &below, &[]), unknown);
}

#[test]
fn accepts_ca_certificate_as_client_if_a_trusted_ca_issued_it() {
    let (root, other) = (Ca::root("root", |_| ()), Ca::root("other", |_| ()));
    let trust = trust(&[&root.certificate]);
    assert_eq!(refusal(&trust, &root.intermediate("client").certificate, &[]), None);
    let refused = refusal(&trust, &other.intermediate("client").certificate, &[]);
    assert_eq!(refused, Some(CertificateError::UnknownIssuer));
}

#[test]
fn unreadable_certificates_are_ignored_unless_no_other_is_left() {
    let unreadable = CertificateDer::from(vec![0x30, 0]);
    let root = Ca::root("root", |_| ());
    assert!(Trust::new(std::slice::from_ref(&unreadable), true, Arc::default()).is_err());
    let trust = trust(&[&unreadable, &root.certificate]);
    assert_eq!(refusal(&trust, &root.issue(|_| ()), &[]), None);
}

#[test]
fn listener_is_verified_by_the_rules_for_clients_whatever_its_host_name() {
    let (root, other) = (Ca::root("root", |_| ()), Ca::root("other", |_| ()));
    let trust = trust(&[&root.certificate]);
    let name = ServerName::try_from("listener.example").unwrap();
    let verify = |leaf: &CertificateDer<'_>| trust.verify_server_cert(leaf, &[], &name, &[], NOW);
    assert!(verify(&root.issue(|_| ())).is_ok());
    assert!(verify(&other.issue(|_| ())).is_err());
}

#[test]
fn a_chain_with_the_key_of_the_issuing_authority_is_refused_at_any_depth() {
    let root = Ca::root("root", |_| ());
    let first = root.intermediate("first");
    let second = first.intermediate("second");
    let chain = [&second.certificate, &first.certificate].map(Clone::clone);
    let mut trust = trust(&[&root.certificate]);
    let leaf = second.issue(|_| ());
    assert_eq!(refusal(&trust, &leaf, &chain), None);
    for authority in [&second, &first] {
        let issuing = Authority::own();
        trust.issuing = issuing.keys();
        issuing.remember(&authority.certificate);
        let refused = Some(CertificateError::ApplicationVerificationFailure);
        assert_eq!(refusal(&trust, &leaf, &chain), refused);
        let mut reversed = chain.clone();
        reversed.reverse();
        assert_eq!(refusal(&trust, &leaf, &reversed), refused);
        let name = ServerName::try_from("listener.example").unwrap();
        assert!(trust.verify_server_cert(&leaf, &chain, &name, &[], NOW).is_err(), "listeners too");
        assert_eq!(refusal(&trust, &root.issue(|_| ()), &[]), None, "another chain");
    }
    // The authority itself as a client.
    let issuing = Authority::own();
    issuing.remember(&first.certificate);
    trust.issuing = issuing.keys();
    let refused = Some(CertificateError::ApplicationVerificationFailure);
    assert_eq!(refusal(&trust, &first.certificate, &[]), refused);
}
