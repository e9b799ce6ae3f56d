//! Certificate chains of a throw-away PKI, verified at a fixed time.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName as Name, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SigningKey, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use x509_cert::der::asn1::BitString;

use super::*;

/// A time inside the validity period of the certificates: 2030-01-01.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_893_456_000));

struct Ca {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// Returns a self-signed CA.
    fn root(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (ca_params(name), KeyPair::generate().unwrap());
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Returns a CA that this one issued.
    fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (ca_params(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = params("client");
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
    }

    /// Issues a certificate of X.509 version 1.
    fn issue_version_1(&self) -> CertificateDer<'static> {
        version_1(&self.issue(|_| ()), self.issuer.key())
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = Name::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Removes the extensions of a certificate and signs it again.
fn version_1(certificate: &CertificateDer<'_>, signer: &KeyPair) -> CertificateDer<'static> {
    let mut certificate = x509_cert::Certificate::from_der(certificate).unwrap();
    certificate.tbs_certificate.version = Version::V1;
    certificate.tbs_certificate.extensions = None;
    let signature = signer.sign(&certificate.tbs_certificate.to_der().unwrap()).unwrap();
    certificate.signature = BitString::from_bytes(&signature).unwrap();
    certificate.to_der().unwrap().into()
}

fn trust_with_usage(trusted: &[&CertificateDer<'static>], check_usage: bool) -> Trust {
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    Trust::new(trusted.iter().map(|&it| it.clone()).collect(), check_usage, algorithms).unwrap()
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
fn accepts_version_1_certificate_only_if_a_trusted_ca_signed_it() {
    let (root, impostor) = (Ca::root("root", |_| ()), Ca::root("root", |_| ()));
    let intermediate = root.intermediate("intermediate");
    let trust = trust(&[&root.certificate]);
    assert_eq!(refusal(&trust, &root.issue_version_1(), &[]), None);
    let unknown = Some(CertificateError::UnknownIssuer);
    assert_eq!(refusal(&trust, &impostor.issue_version_1(), &[]), unknown);
    let below = intermediate.issue_version_1();
    assert_eq!(refusal(&trust, &below, std::slice::from_ref(&intermediate.certificate)), unknown);
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
fn may_issue_follows_the_rules_of_openssl() {
    let may_issue = |der: &CertificateDer<'_>| {
        super::may_issue(&x509_cert::Certificate::from_der(der).unwrap().tbs_certificate)
    };
    let root = Ca::root("root", |_| ());
    assert!(may_issue(&root.certificate));
    assert!(may_issue(&version_1(&root.certificate, root.issuer.key())), "self-issued version 1");
    assert!(!may_issue(&root.issue_version_1()), "version 1 below a CA");
    assert!(!may_issue(&root.issue(|_| ())), "no basic constraints");
    let signer = root.issue(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    assert!(may_issue(&signer), "no basic constraints, and a key usage that includes certificate signatures");
    let no_signer = Ca::root("root", |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    assert!(!may_issue(&no_signer.certificate), "a CA whose key usage lacks certificate signatures");
}

#[test]
fn unreadable_certificates_are_ignored_unless_no_other_is_left() {
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    let unreadable = CertificateDer::from(vec![0x30, 0]);
    let root = Ca::root("root", |_| ());
    assert!(Trust::new(vec![unreadable.clone()], true, algorithms).is_err());
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
