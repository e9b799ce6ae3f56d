//! What is wrong with the certificates that a client sent, in words.

use super::{Diagnosis, Symptom};
use crate::excerpt::Excerpt;
use crate::x509::path::{Refusal, Rule};

/// Explains the refusal of a client's certificates.
pub(in crate::server) fn examine(refusal: &Refusal) -> Diagnosis {
    let facts = format!("Its certificate: {}", refusal.client);
    let (subject, issuer) = (Excerpt(&refusal.certificate.subject), Excerpt(&refusal.certificate.issuer));
    let ca = if refusal.is_trusted {
        format!("the CA certificate {subject:?} in ca_path, which issued the client certificate,")
    } else {
        format!("the CA certificate {subject:?}, which the client sent,")
    };
    let renew_ca = if refusal.is_trusted {
        "Renew that CA certificate, and replace it in the file of ca_path"
    } else {
        "Renew it, and give it to the client"
    };
    let (symptom, what, advice) = match (&refusal.rule, refusal.depth) {
        (Rule::NotExpired, 0) => (
            Symptom::Expired,
            "the client certificate has expired".to_owned(),
            "Renew it; correct the clock of this machine if it is wrong",
        ),
        (Rule::NotExpired, _) => (Symptom::IssuerExpired, format!("{ca} has expired"), renew_ca),
        (Rule::Begun, depth) => (
            Symptom::NotYetValid,
            format!("{} is not valid yet", if depth == 0 { "the client certificate" } else { &ca }),
            "Correct the clock of this machine or of the CA, or wait",
        ),
        (Rule::ClientAuthentication, depth) => (
            Symptom::NotForClients,
            format!(
                "the extended key usage of {} lacks client authentication",
                if depth == 0 { "the client certificate" } else { ca.trim_end_matches(',') }
            ),
            "Use a certificate for TLS clients, or set enable_tls_client_auth = False",
        ),
        (Rule::KnownIssuer, 0) if refusal.certificate.subject == refusal.certificate.issuer => (
            Symptom::UnknownIssuer,
            "the issuer of the client certificate is unknown: it is self-signed, and not in ca_path"
                .to_owned(),
            "Add it to the file of ca_path to let in this client",
        ),
        (Rule::KnownIssuer, _) => (
            Symptom::UnknownIssuer,
            format!(
                "the issuer of the client certificate is unknown: ca_path has no certificate of {issuer:?}"
            ),
            "Add the certificate of the CA to the file of ca_path; if it is an intermediate one, let the client send it",
        ),
        (Rule::SignedByIssuer { is_trusted: true }, _) => (
            Symptom::OtherIssuerKey,
            format!(
                "the issuer of the client certificate has the name {issuer:?} of a certificate in ca_path, but another key"
            ),
            "The CA was probably created again: add its new certificate to the file of ca_path, or issue the client's \
             certificate again",
        ),
        (Rule::SignedByIssuer { is_trusted: false }, _) => (
            Symptom::UnknownIssuer,
            format!(
                "the issuer of the client certificate is unknown: the client sent a certificate of {issuer:?} with another key"
            ),
            "Let the client send the certificate of the CA that issued its own",
        ),
        (Rule::Authority | Rule::CertificateSignatures, _) if refusal.is_trusted => (
            Symptom::UnknownIssuer,
            format!(
                "the issuer of the client certificate is unknown: the certificate of {subject:?} in ca_path may issue none"
            ),
            "Use a CA certificate with basic constraints and key usage for a CA, or add the client's own certificate to \
             the file of ca_path",
        ),
        _ => (
            Symptom::BadCertificate,
            format!("the client certificate is refused: {refusal}"),
            "Issue another certificate for the client",
        ),
    };
    Diagnosis::new(symptom, what, facts, advice)
}
