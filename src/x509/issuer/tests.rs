//! Issuance for requests of rcgen, verified with webpki, and rejected requests.

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, RsaKeySize};
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage as Purposes, anchor_from_trusted_cert};

use super::*;
use crate::clock::Clock;
use crate::x509;

const NOW: DateTime = DateTime(1_700_000_000);
const DAY: i64 = 24 * 3600;

fn issuer() -> Issuer {
    let new = Issuer::generate("authority", NOW).unwrap();
    Issuer::read(&new.certificate, new.key.expose()).unwrap()
}

fn request(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["a.example.test".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "client");
    change(&mut params);
    params.serialize_request(key).unwrap().der().to_vec()
}

fn keys() -> [KeyPair; 3] {
    [
        KeyPair::generate().unwrap(),
        KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
        KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
    ]
}

/// Whether the certificate is one that a TLS server of that time would take from a client.
fn vouched_for(issuer: &Issuer, certificate: &[u8], at: i64) -> bool {
    let certificate = CertificateDer::from(certificate);
    let root = CertificateDer::from(issuer.certificate());
    let anchor = anchor_from_trusted_cert(&root).unwrap();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(at.try_into().unwrap()));
    let end = EndEntityCert::try_from(&certificate).unwrap();
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    end.verify_for_usage(algorithms, &[anchor], &[], time, Purposes::client_auth(), None, None).is_ok()
}

fn issue(issuer: &Issuer, subject: &Subject, usage: CryptographicUsageMask) -> Vec<u8> {
    issuer.issue(subject, usage, NOW, DateTime(NOW.0 + DAY)).unwrap()
}

fn extension_of(certificate: &[u8], id: ObjectIdentifier) -> Option<Extension> {
    let certificate = Certificate::from_der(certificate).unwrap();
    let extensions = certificate.tbs_certificate.extensions.unwrap();
    extensions.into_iter().find(|extension| extension.extn_id == id)
}

#[test]
fn a_request_becomes_a_certificate_of_its_name_and_key_for_its_time() {
    let issuer = issuer();
    for key in keys() {
        let subject = Subject::of_pkcs10(&request(&key, |_| ())).unwrap();
        let certificate = issue(&issuer, &subject, CryptographicUsageMask::SIGN);
        assert!(vouched_for(&issuer, &certificate, NOW.0 + 1));
        for at in [NOW.0 - 1, NOW.0 + DAY + 1] {
            assert!(!vouched_for(&issuer, &certificate, at));
        }
        let read = x509::Certificate::read(&certificate);
        let subject_name = read.subject.unwrap();
        assert!(subject_name.texts(NameAttribute::CommonName).any(|name| name == "client"));
        assert_eq!(read.issuer.unwrap().to_string(), "CN=authority");
        assert_eq!(read.public_key_info.unwrap(), subject.key().unwrap());
        assert_eq!(read.subject_alternative_names.len(), 1);
        assert_eq!(read.serial_number.unwrap().len(), SERIAL_LENGTH);
    }
}

#[test]
fn a_request_in_pem_is_the_same_request() {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(Vec::new()).unwrap();
    let request = params.serialize_request(&key).unwrap();
    let subject = Subject::of_pem(request.pem().unwrap().as_bytes()).unwrap();
    assert_eq!(subject.key().unwrap(), Subject::of_pkcs10(request.der()).unwrap().key().unwrap());
}

#[test]
fn requests_that_others_signed_or_that_are_damaged_are_refused() {
    let key = KeyPair::generate().unwrap();
    let good = request(&key, |_| ());
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        assert_eq!(Subject::of_pkcs10(&damaged).map(|_| ()), Err(Error::Request), "byte {at}");
    }
    for bytes in [&[][..], b"request", &good[..good.len() - 1]] {
        assert_eq!(Subject::of_pkcs10(bytes).map(|_| ()), Err(Error::Request));
        assert_eq!(Subject::of_pem(bytes).map(|_| ()), Err(Error::Request));
    }
}

#[test]
fn nobody_gets_a_certificate_that_signs_others() {
    let issuer = issuer();
    let key = KeyPair::generate().unwrap();
    let request = request(&key, |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let subject = Subject::of_pkcs10(&request).unwrap();
    let everything = CryptographicUsageMask(-1);
    let certificate = issue(&issuer, &subject, everything);
    let constraints = extension_of(&certificate, BASIC_CONSTRAINTS).unwrap();
    let constraints = BasicConstraints::from_der(constraints.extn_value.as_bytes()).unwrap();
    assert!(!constraints.ca);
    let usage = extension_of(&certificate, KEY_USAGE).unwrap();
    let usage = KeyUsage::from_der(usage.extn_value.as_bytes()).unwrap();
    assert_eq!(usage.0, FlagSet::from(KeyUsages::DigitalSignature));
    assert!(extension_of(&certificate, EXTENDED_KEY_USAGE).is_some());
}

#[test]
fn a_renewed_certificate_has_the_name_the_key_and_the_extensions_of_the_old_one() {
    let issuer = issuer();
    let key = KeyPair::generate().unwrap();
    let subject = Subject::of_pkcs10(&request(&key, |_| ())).unwrap();
    let old = issue(&issuer, &subject, CryptographicUsageMask::SIGN);
    let new = issue(&issuer, &Subject::of_certificate(&old).unwrap(), CryptographicUsageMask::default());
    let (old, new) = (x509::Certificate::read(&old), x509::Certificate::read(&new));
    assert_eq!(old.subject, new.subject);
    assert_eq!(old.public_key_info, new.public_key_info);
    assert_eq!(old.subject_alternative_names, new.subject_alternative_names);
    assert_ne!(old.serial_number, new.serial_number);
}

#[test]
fn no_certificate_outlives_its_issuer_or_ends_before_it_begins() {
    let issuer = issuer();
    let subject = Subject::of_pkcs10(&request(&KeyPair::generate().unwrap(), |_| ())).unwrap();
    let none = CryptographicUsageMask::default();
    let long = issuer.issue(&subject, none, NOW, DateTime(i64::MAX)).unwrap();
    let end = Certificate::from_der(&long).unwrap().tbs_certificate.validity.not_after;
    assert_eq!(end.to_unix_duration().as_secs(), u64::try_from(issuer.not_after.0).unwrap());
    let backwards = issuer.issue(&subject, none, NOW, DateTime(NOW.0 - 1));
    assert_eq!(backwards.unwrap_err(), Error::Validity);
    let before_time = issuer.issue(&subject, none, DateTime(-1), NOW);
    assert_eq!(before_time.unwrap_err(), Error::Validity);
}

#[test]
fn an_authority_given_from_outside_has_a_key_that_belongs_to_it() {
    let [p256, rsa, ed25519] = keys();
    let certificate = |key: &KeyPair| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(key).unwrap().der().to_vec()
    };
    let subject = Subject::of_pkcs10(&request(&p256, |_| ())).unwrap();
    for key in [&p256, &rsa] {
        let issuer = Issuer::read(&certificate(key), &key.serialize_der()).unwrap();
        let from = Clock::system().now();
        let certificate =
            issuer.issue(&subject, CryptographicUsageMask::SIGN, from, DateTime(from.0 + DAY)).unwrap();
        assert!(vouched_for(&issuer, &certificate, from.0 + 1));
    }
    let read = |certificate: &KeyPair, key: &KeyPair| {
        Issuer::read(&self_signed(certificate), &key.serialize_der()).map(|_| ())
    };
    assert_eq!(read(&p256, &rsa), Err(Error::AuthorityKey));
    assert!(matches!(read(&ed25519, &ed25519), Err(Error::Unreadable { .. })));
    assert_eq!(Issuer::read(b"certificate", &rsa.serialize_der()).map(|_| ()), Err(Error::Request));
}

fn self_signed(key: &KeyPair) -> Vec<u8> {
    CertificateParams::new(Vec::new()).unwrap().self_signed(key).unwrap().der().to_vec()
}
