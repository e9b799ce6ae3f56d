//! Verification of client certificates: trusted are certificates that chain to a certificate of `ca_path`, and the
//! certificates in `ca_path` themselves, compared byte for byte.
//!
//! [`crate::x509::path`] verifies the chains. Names are not verified, because a client has no host name. [`crate::auth`]
//! decides which extended key usage a request needs.

use std::cell::Cell;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme,
};

use x509_cert::der::asn1::ObjectIdentifier;

use crate::engine::IssuingKeys;
use crate::excerpt::Excerpt;
use crate::kmip::enums::HashingAlgorithm as Hash;
use crate::ttlv::DateTime;
use crate::x509;
use crate::x509::certificate::public_key_bits;
use crate::x509::parsed::Parsed;
use crate::x509::path::{Anchors, Purpose, Refusal, Rule, Summary};
use crate::x509::signature::{self, Scheme, Verdict};

/// The signature schemes of TLS handshakes, with the curves to which TLS 1.3 limits ECDSA (RFC 8446 §4.2.3). TLS 1.2 limits
/// it to no curve. TLS 1.3 has no PKCS#1 v1.5.
const SCHEMES: &[(SignatureScheme, Scheme, Option<ObjectIdentifier>)] = &[
    (SignatureScheme::ECDSA_NISTP384_SHA384, Scheme::Ecdsa(Hash::Sha384), Some(signature::P384)),
    (SignatureScheme::ECDSA_NISTP256_SHA256, Scheme::Ecdsa(Hash::Sha256), Some(signature::P256)),
    (SignatureScheme::ECDSA_NISTP521_SHA512, Scheme::Ecdsa(Hash::Sha512), Some(signature::P521)),
    (SignatureScheme::ED25519, Scheme::Ed25519, None),
    (SignatureScheme::RSA_PSS_SHA512, Scheme::Pss(Hash::Sha512, None), None),
    (SignatureScheme::RSA_PSS_SHA384, Scheme::Pss(Hash::Sha384, None), None),
    (SignatureScheme::RSA_PSS_SHA256, Scheme::Pss(Hash::Sha256, None), None),
    (RSA_PSS_PSS_SHA512, Scheme::Pss(Hash::Sha512, None), None),
    (RSA_PSS_PSS_SHA384, Scheme::Pss(Hash::Sha384, None), None),
    (RSA_PSS_PSS_SHA256, Scheme::Pss(Hash::Sha256, None), None),
    (SignatureScheme::RSA_PKCS1_SHA512, Scheme::Pkcs1(Hash::Sha512), None),
    (SignatureScheme::RSA_PKCS1_SHA384, Scheme::Pkcs1(Hash::Sha384), None),
    (SignatureScheme::RSA_PKCS1_SHA256, Scheme::Pkcs1(Hash::Sha256), None),
];

/// PSS with a key of the type `id-RSASSA-PSS`.
const RSA_PSS_PSS_SHA256: SignatureScheme = SignatureScheme::Unknown(0x0809);
const RSA_PSS_PSS_SHA384: SignatureScheme = SignatureScheme::Unknown(0x080A);
const RSA_PSS_PSS_SHA512: SignatureScheme = SignatureScheme::Unknown(0x080B);

/// A certificate verifier with the certificates of `ca_path` as trust anchors.
#[derive(Debug)]
pub struct Trust {
    anchors: Anchors,
    /// Whether the extended key usage of a chain must allow client authentication.
    checks_usage: bool,
    /// The keys with which this server signs certificates.
    issuing: Arc<IssuingKeys>,
}

impl Trust {
    /// Creates a verifier that trusts `certificates`, the content of `ca_path`. `checks_usage` is the setting
    /// `enable_tls_client_auth`: without it, the extended key usage of a chain is ignored. A certificate that cannot
    /// be parsed is ignored with a warning. A chain that contains one of the keys `issuing` is refused.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if no certificate can be parsed, unless there is none.
    pub fn new(
        certificates: &[CertificateDer<'_>],
        checks_usage: bool,
        issuing: Arc<IssuingKeys>,
    ) -> Result<Self, Unreadable> {
        let (readable, unreadable): (Vec<_>, Vec<_>) =
            certificates.iter().map(AsRef::as_ref).partition(|der| Parsed::read(der).is_some());
        if readable.is_empty() && !unreadable.is_empty() {
            return Err(Unreadable);
        }
        for _ in unreadable {
            log::warn!(
                target: super::LOG,
                "ca_path: a certificate cannot be read and is ignored. Replace it, or remove it."
            );
        }
        Ok(Self { anchors: Anchors::new(readable), checks_usage, issuing })
    }

    /// Verifies the certificate of a client, and the chain that it sent with it.
    ///
    /// # Errors
    /// Returns the rule that the chain breaks.
    pub fn verify(
        &self,
        client: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Box<Refusal>> {
        let at = DateTime(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let others: Vec<_> = sent.iter().map(AsRef::as_ref).collect();
        let chain = self.anchors.verify(client, &others, Purpose { at, checks_usage: self.checks_usage })?;
        // A certificate of ca_path is itself what the operator trusts.
        if chain.len() == 1 {
            return Ok(());
        }
        // Clients choose the names in certificates that Certify issued. The authority module refuses trust anchors with
        // such a key.
        let is_issuing = |der: &&[u8]| Parsed::read(der).is_some_and(|it| self.issuing.contains(it.key));
        match chain.into_iter().chain(others).find(is_issuing) {
            None => Ok(()),
            Some(issuing) => {
                let subject = Summary::of(client).subject;
                log::warn!(
                    target: super::LOG,
                    "The certificate {:?} is refused, because its chain contains the authority that signs for Certify \
                     and leads to a certificate of ca_path: a client may have chosen the name. Use an authority below \
                     no certificate of ca_path.",
                    Excerpt(&subject)
                );
                Err(Box::new(Refusal {
                    rule: Rule::NotIssuedForClients,
                    certificate: Summary::of(issuing),
                    depth: 0,
                    is_trusted: false,
                    client: x509::Certificate::read(client).summary(),
                }))
            }
        }
    }

    /// The same for rustls. Keeps the reason of a refusal for [`take_refusal`].
    fn verify_and_keep(
        &self,
        peer: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        self.verify(peer, sent, now).map_err(|refusal| {
            let error = alert(&refusal);
            REFUSAL.set(Some(refusal));
            error.into()
        })
    }
}

/// No certificate of a file can be parsed.
#[derive(Clone, Copy, Debug)]
pub struct Unreadable;

thread_local! {
    /// The reason for which the last certificate of this thread was refused: rustls returns its own errors only, and
    /// completes a handshake on one thread.
    static REFUSAL: Cell<Option<Box<Refusal>>> = const { Cell::new(None) };
}

/// Returns the reason for which [`Trust`] refused a certificate on this thread, once.
pub(super) fn take_refusal() -> Option<Box<Refusal>> {
    REFUSAL.take()
}

impl ClientCertVerifier for Trust {
    /// Returns no names: a client that selects its certificate by these names would not find one that is in `ca_path`
    /// itself. PyKMIP sends no names either.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify_and_keep(end_entity, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.iter().map(|(scheme, ..)| *scheme).collect()
    }
}

/// The listener of a client presents a client certificate, which is verified by the same rules. The host name is
/// ignored: the certificate must identify the user, not the machine.
impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_and_keep(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.iter().map(|(scheme, ..)| *scheme).collect()
    }
}

/// Verifies the signature by which the peer proves in the handshake that it has the key of its certificate.
fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    is_tls13: bool,
) -> Result<HandshakeSignatureValid, Error> {
    let key = Parsed::read(certificate).ok_or(CertificateError::BadEncoding)?.key;
    let row = SCHEMES.iter().find(|(scheme, ..)| *scheme == signed.scheme);
    let (_, scheme, curve) = row.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let is_unfit = match (scheme, curve) {
        (Scheme::Pkcs1(_), _) => true,
        (_, Some(_)) => signature::curve(key) != *curve,
        _ => false,
    };
    if is_tls13 && is_unfit {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    match scheme.verify(key, message, signed.signature()) {
        Verdict::Good => Ok(HandshakeSignatureValid::assertion()),
        Verdict::Bad | Verdict::Unknown => Err(CertificateError::BadSignature.into()),
    }
}

/// Returns the error of rustls for a refused certificate, which determines the alert that the client receives. An authority
/// that breaks a rule is unknown to this server, whatever is wrong with it.
pub(super) fn alert(refusal: &Refusal) -> CertificateError {
    match &refusal.rule {
        Rule::NotIssuedForClients => CertificateError::ApplicationVerificationFailure,
        _ if refusal.depth > 0 => CertificateError::UnknownIssuer,
        Rule::Readable | Rule::Dates => CertificateError::BadEncoding,
        Rule::CriticalExtension(_) => CertificateError::UnhandledCriticalExtension,
        Rule::Begun => CertificateError::NotValidYet,
        Rule::NotExpired => CertificateError::Expired,
        Rule::KnownIssuer
        | Rule::SignedByIssuer { .. }
        | Rule::SignatureAlgorithm(_)
        | Rule::Authority
        | Rule::CertificateSignatures
        | Rule::PathLength { .. }
        | Rule::Length(_)
        | Rule::Effort(_) => CertificateError::UnknownIssuer,
        Rule::ClientAuthentication | Rule::ClientKeyUsage => CertificateError::InvalidPurpose,
        Rule::PermittedName(_)
        | Rule::NotExcludedName(_)
        | Rule::NameConstraint(_)
        | Rule::NameSyntax(_)
        | Rule::NumberOfNames => CertificateError::NotValidForName,
    }
}

/// Returns the subject of a certificate, or an empty text if it cannot be read.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> String {
    x509::Certificate::read(certificate).subject.map(|name| name.to_string()).unwrap_or_default()
}

/// Returns whether two certificates have the same public key.
pub(super) fn has_same_key(one: &CertificateDer<'_>, other: &CertificateDer<'_>) -> bool {
    let info = |certificate| x509::Certificate::read(certificate).public_key_info;
    let (one, other) = (info(one), info(other));
    let bits = |info: &'_ Option<Vec<u8>>| info.as_deref().and_then(public_key_bits).map(<[u8]>::to_vec);
    bits(&one).is_some_and(|one| Some(one) == bits(&other))
}

/// Returns whether `subject` names `issuer` as its issuer and has no wrong signature.
pub(super) fn is_signed_by(subject: &CertificateDer<'_>, issuer: &CertificateDer<'_>) -> bool {
    let (subject_read, issuer_read) = (x509::Certificate::read(subject), x509::Certificate::read(issuer));
    let names = (subject_read.issuer.map(|name| name.der), issuer_read.subject.map(|name| name.der));
    let info = issuer_read.public_key_info.filter(|_| names.0.is_some() && names.0 == names.1);
    // Clients may support signature algorithms that this crate does not verify.
    info.is_some_and(|info| signature::signed_by(subject, &info) != Verdict::Bad)
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
