//! What is wrong with the certificates that a client sent.

use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error};

use super::{Diagnosis, Symptom};
use crate::excerpt::Excerpt;
use crate::server::trust::{self, Trust};
use crate::x509::{self, DistinguishedName};

/// The number of a client's certificates that are examined: more than in any useful chain.
const MAX_EXAMINED: usize = 16;

/// Diagnoses the refusal of a client's certificates, its own one first.
pub(in crate::server) fn examine(error: &Error, chain: &[CertificateDer<'_>], trust: &Trust) -> Diagnosis {
    let chain = chain.get(..MAX_EXAMINED).unwrap_or(chain);
    let facts = match chain.first() {
        Some(leaf) => format!("Its certificate: {}", x509::Certificate::read(leaf).summary()),
        None => String::new(),
    };
    let Error::InvalidCertificate(cause) = error else { return refused(error, facts) };
    let (symptom, what, advice) = match cause {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => expired(chain),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            Symptom::NotYetValid,
            "the client certificate is not valid yet".to_owned(),
            "Correct the clock of this machine or of the CA, or wait".to_owned(),
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            Symptom::NotForClients,
            "the extended key usage of the client certificate lacks client authentication".to_owned(),
            "Use a certificate for TLS clients, or set enable_tls_client_auth = False".to_owned(),
        ),
        // The signature is wrong if another certificate of that name made it.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => untrusted(chain, trust),
        _ => return refused(error, facts),
    };
    Diagnosis::new(symptom, what, facts, advice)
}

fn refused(error: &Error, facts: String) -> Diagnosis {
    Diagnosis::new(
        Symptom::BadCertificate,
        format_args!("the client certificate is refused: {}", Excerpt(&error.to_string())),
        facts,
        "Issue another certificate for the client",
    )
}

/// The explanation of an expired certificate, which may be an intermediate one.
fn expired(chain: &[CertificateDer<'_>]) -> (Symptom, String, String) {
    let has_expired = |certificate: &&CertificateDer<'_>| {
        let validity = x509::Certificate::read(certificate).validity;
        validity.is_some_and(|(_, to)| to.0 < now())
    };
    match chain.iter().find(has_expired) {
        Some(certificate) if Some(certificate) != chain.first() => (
            Symptom::IssuerExpired,
            format!(
                "the CA certificate {:?}, which the client sent, has expired",
                Excerpt(&trust::subject(certificate))
            ),
            "Renew it, and give it to the client".to_owned(),
        ),
        _ => (
            Symptom::Expired,
            "the client certificate has expired".to_owned(),
            "Renew it; correct the clock of this machine if it is wrong".to_owned(),
        ),
    }
}

/// The explanation of a certificate without a path to `ca_path`.
fn untrusted(chain: &[CertificateDer<'_>], trust: &Trust) -> (Symptom, String, String) {
    let Some(last) = last_of_path(chain) else {
        return unknown_issuer("no certificate can be read".to_owned());
    };
    let read = x509::Certificate::read(last);
    let Some(issuer) = read.issuer else { return unknown_issuer("its issuer cannot be read".to_owned()) };
    let name = issuer.to_string();
    let name = Excerpt(&name);
    let same: Vec<_> = trust.trusted().iter().filter(|it| has_subject(it, &issuer)).collect();
    if same.is_empty() {
        let is_self_signed = read.subject.is_some_and(|subject| subject.der == issuer.der);
        if is_self_signed && chain.len() == 1 {
            return (
                Symptom::UnknownIssuer,
                "the issuer of the client certificate is unknown: it is self-signed, and not in ca_path"
                    .to_owned(),
                "Add it to the file of ca_path to let in this client".to_owned(),
            );
        }
        return unknown_issuer(format!("ca_path has no certificate of {name:?}"));
    }
    let Some(signer) = same.iter().find(|it| trust::is_signed_by(last, it)) else {
        return (
            Symptom::OtherIssuerKey,
            format!(
                "the issuer of the client certificate has the name {name:?} of a certificate in ca_path, but another key"
            ),
            "The CA was probably created again: add its new certificate to the file of ca_path, or issue the client's \
             certificate again"
                .to_owned(),
        );
    };
    let validity = x509::Certificate::read(signer).validity;
    if validity.is_some_and(|(from, to)| !(from.0..=to.0).contains(&now())) {
        return (
            Symptom::IssuerExpired,
            format!(
                "the CA certificate {name:?} in ca_path, which issued the client certificate, has expired"
            ),
            "Renew that CA certificate, and replace it in the file of ca_path".to_owned(),
        );
    }
    (
        Symptom::UnknownIssuer,
        format!("the issuer of the client certificate is unknown: the certificate of {name:?} in ca_path may issue none"),
        "Use a CA certificate with basic constraints and key usage for a CA, or add the client's own certificate to \
         the file of ca_path"
            .to_owned(),
    )
}

fn unknown_issuer(why: String) -> (Symptom, String, String) {
    (
        Symptom::UnknownIssuer,
        format!("the issuer of the client certificate is unknown: {why}"),
        "Add the certificate of the CA to the file of ca_path; if it is an intermediate one, let the client send it"
            .to_owned(),
    )
}

/// Returns the last certificate of the path that begins with the client's: the one whose issuer the client did not send.
/// Compares names only: a client must not cause a verification of signatures for each pair of its certificates.
fn last_of_path<'c, 'd>(chain: &'c [CertificateDer<'d>]) -> Option<&'c CertificateDer<'d>> {
    let read: Vec<_> = chain.iter().map(|it| x509::Certificate::read(it)).collect();
    let issuer = |at: usize| read.get(at).and_then(|it| it.issuer.as_ref());
    let mut last = 0;
    for _ in 1..chain.len() {
        let issues =
            |(at, it): &(usize, &x509::Certificate)| *at != last && it.subject.as_ref() == issuer(last);
        match read.iter().enumerate().skip(1).find(issues) {
            Some((at, _)) => last = at,
            None => break,
        }
    }
    chain.get(last)
}

fn has_subject(certificate: &CertificateDer<'_>, name: &DistinguishedName) -> bool {
    x509::Certificate::read(certificate).subject.is_some_and(|subject| subject.der == name.der)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
