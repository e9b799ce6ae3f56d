//! Verification of client certificates: trusted are certificates that chain to a certificate of `ca_path`, and the
//! certificates in `ca_path` themselves, compared byte for byte.
//!
//! webpki verifies the chains. It supports neither X.509 version 1 nor a CA certificate as end entity, both of which
//! PyKMIP's users have, so this module verifies such certificates if a certificate of `ca_path` issued them directly.
//! Names are not verified, because a client has no host name. [`crate::auth`] decides which extended key usage a
//! request needs.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::verify_tls13_signature_with_raw_key;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerMisbehaved,
    SignatureScheme,
};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, RawPublicKeyEntity};
use x509_cert::TbsCertificate;
use x509_cert::certificate::Version;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{self, Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage as KeyUsageExtension};
use x509_cert::time::Validity;

use crate::engine::IssuingKeys;
use crate::excerpt::Excerpt;
use crate::x509;
use crate::x509::certificate::public_key_bits;
use crate::x509::signature::{self, Verdict};

thread_local! {
    /// The certificates that were refused last in this thread. rustls returns an error without them, and the error must
    /// be one of its own, because that determines the alert. Each connection has a thread of its own.
    static REFUSED: RefCell<Vec<CertificateDer<'static>>> = const { RefCell::new(Vec::new()) };
}

fn note_refused(leaf: &CertificateDer<'_>, above: &[CertificateDer<'_>]) {
    let chain = std::iter::once(leaf).chain(above).map(|it| it.clone().into_owned()).collect();
    REFUSED.set(chain);
}

/// Returns the certificates that were refused last in this thread, once.
pub(super) fn take_refused() -> Vec<CertificateDer<'static>> {
    REFUSED.take()
}

/// A certificate verifier with the certificates of `ca_path` as trust anchors.
#[derive(Debug)]
pub struct Trust {
    /// All certificates of the file.
    trusted: Vec<CertificateDer<'static>>,
    /// The certificates that may issue others.
    anchors: Vec<TrustAnchor<'static>>,
    /// The validity period of each of `anchors`.
    validities: Vec<Validity>,
    /// Whether the extended key usage of a chain must allow client authentication.
    check_usage: bool,
    algorithms: WebPkiSupportedAlgorithms,
    /// The keys with which this server signs certificates.
    issuing: Arc<IssuingKeys>,
}

impl Trust {
    /// Creates a verifier that trusts `certificates`, the content of `ca_path`. `check_usage` is the setting
    /// `enable_tls_client_auth`: without it, the extended key usage of a chain is ignored. A certificate that cannot
    /// be parsed is ignored with a warning. A chain that contains one of the keys `issuing` is refused.
    ///
    /// # Errors
    /// Returns the last parse error if no certificate can be parsed.
    pub fn new(
        certificates: Vec<CertificateDer<'static>>,
        check_usage: bool,
        algorithms: WebPkiSupportedAlgorithms,
        issuing: Arc<IssuingKeys>,
    ) -> Result<Self, der::Error> {
        let mut trust = Self {
            trusted: Vec::new(),
            anchors: Vec::new(),
            validities: Vec::new(),
            check_usage,
            algorithms,
            issuing,
        };
        let mut unreadable = None;
        for certificate in certificates {
            let parsed = match x509_cert::Certificate::from_der(&certificate) {
                Ok(parsed) => parsed.tbs_certificate,
                Err(error) => {
                    log::warn!(
                        target: super::LOG,
                        "ca_path: a certificate cannot be read and is ignored: {error}. Replace it, or remove it."
                    );
                    unreadable = Some(error);
                    continue;
                }
            };
            if let Ok(anchor) = webpki::anchor_from_trusted_cert(&certificate)
                && may_issue(&parsed)
            {
                trust.anchors.push(anchor.to_owned());
                trust.validities.push(parsed.validity);
            }
            trust.trusted.push(certificate);
        }
        match unreadable {
            Some(error) if trust.trusted.is_empty() => Err(error),
            _ => Ok(trust),
        }
    }

    /// Returns the certificates of `ca_path`.
    pub(super) fn trusted(&self) -> &[CertificateDer<'static>] {
        &self.trusted
    }

    /// Verifies the certificates of a client: its own one, and those above it.
    ///
    /// # Errors
    /// Returns the error that determines the alert to the client.
    pub(super) fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.trusted.iter().any(|trusted| trusted == end_entity) {
            let parsed = x509_cert::Certificate::from_der(end_entity);
            let parsed = parsed.map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
            check_validity(&parsed.tbs_certificate.validity, now)?;
        } else {
            self.verify_chain(end_entity, intermediates, now)?;
            self.refuse_issuing_keys(end_entity, intermediates)?;
        }
        Ok(())
    }

    /// Verifies a certificate that is not in `ca_path` itself.
    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let outcome = EndEntityCert::try_from(leaf).and_then(|leaf| {
            let usage = ClientUsage { checked: self.check_usage };
            let valid = |path: &webpki::VerifiedPath<'_>| self.check_anchor(path.anchor(), now);
            let algorithms = self.algorithms.all;
            leaf.verify_for_usage(algorithms, &self.anchors, intermediates, now, usage, None, Some(&valid))
                .map(drop)
        });
        match outcome {
            Ok(()) => Ok(()),
            Err(webpki::Error::UnsupportedCertVersion | webpki::Error::CaUsedAsEndEntity) => {
                self.verify_directly_issued(leaf, now)
            }
            Err(error) => Err(to_rustls_error(error)),
        }
    }

    /// Refuses a valid chain with a key of the authority that signs for Certify: clients choose the names in its
    /// certificates. [`super::authority`] refuses trust anchors with such a key.
    fn refuse_issuing_keys(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), Error> {
        let is_issuing = |certificate: &CertificateDer<'_>| {
            let info = x509::Certificate::read(certificate).public_key_info;
            info.is_some_and(|info| self.issuing.contains(&info))
        };
        if !std::iter::once(leaf).chain(intermediates).any(is_issuing) {
            return Ok(());
        }
        let subject = subject(leaf);
        log::warn!(
            target: super::LOG,
            "The certificate {:?} is refused, because its chain contains the authority that signs for Certify and \
             leads to a certificate of ca_path: a client may have chosen the name. Use an authority below no \
             certificate of ca_path.",
            Excerpt(&subject)
        );
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    /// Verifies the validity period of a trust anchor, which webpki ignores.
    fn check_anchor(&self, anchor: &TrustAnchor<'_>, now: UnixTime) -> Result<(), webpki::Error> {
        let same = self.anchors.iter().zip(&self.validities).filter(|(other, _)| *other == anchor);
        let valid = same.map(|(_, validity)| check_validity(validity, now)).any(|valid| valid.is_ok());
        if valid { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
    }

    /// Verifies a certificate that must be signed by a certificate of `ca_path`, without intermediates.
    fn verify_directly_issued(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let encoding = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let parsed = x509_cert::Certificate::from_der(leaf).map_err(encoding)?;
        check_validity(&parsed.tbs_certificate.validity, now)?;
        let issuer = parsed.tbs_certificate.issuer.to_der().map_err(encoding)?;
        let algorithm = parsed.signature_algorithm.to_der().map_err(encoding)?;
        let signed = signed_part(leaf).map_err(encoding)?;
        let signature = parsed.signature.raw_bytes();
        let is_issued = self.anchors.iter().any(|anchor| {
            // Only webpki can verify name constraints, so a constrained CA is excluded here.
            contents(&issuer) == Some(anchor.subject.as_ref())
                && anchor.name_constraints.is_none()
                && self.check_anchor(anchor, now).is_ok()
                && self.signed_by(anchor, &algorithm, signed, signature)
        });
        if is_issued { Ok(()) } else { Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) }
    }

    /// Returns whether the anchor's key made the signature.
    fn signed_by(&self, anchor: &TrustAnchor<'_>, algorithm: &[u8], signed: &[u8], signature: &[u8]) -> bool {
        let key = webpki::spki_for_anchor(anchor);
        let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
        let mut algorithms = self.algorithms.all.iter();
        algorithms.any(|candidate| {
            contents(algorithm) == Some(candidate.signature_alg_id().as_ref())
                && key.verify_signature(*candidate, signed, signature).is_ok()
        })
    }
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
        self.verify(end_entity, intermediates, now)
            .inspect_err(|_| note_refused(end_entity, intermediates))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = public_key(cert)?;
        let key = RawPublicKeyEntity::try_from(&key).map_err(to_rustls_error)?;
        let candidates = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == dss.scheme);
        let (_, candidates) = candidates.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        // A TLS 1.2 scheme does not determine the curve: one of the candidates fits the key.
        if candidates.iter().any(|it| key.verify_signature(*it, message, dss.signature()).is_ok()) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::BadSignature))
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(message, &public_key(cert)?, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
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
        self.verify_client_cert(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls12_signature(self, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls13_signature(self, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ClientCertVerifier::supported_verify_schemes(self)
    }
}

/// Accepts chains whose extended key usage allows client authentication, or all chains if not `checked`.
struct ClientUsage {
    checked: bool,
}

impl ExtendedKeyUsageValidator for ClientUsage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        if self.checked { KeyUsage::client_auth().validate(purposes) } else { Ok(()) }
    }
}

/// Returns whether a certificate of `ca_path` may issue others, by the rules of OpenSSL: its extensions allow it, or it
/// is a self-issued certificate of X.509 version 1. All other certificates of `ca_path` are trusted as clients only.
pub(super) fn may_issue(certificate: &TbsCertificate) -> bool {
    if certificate.version == Version::V1 {
        return certificate.subject == certificate.issuer;
    }
    let extensions = certificate.extensions.as_deref().unwrap_or_default();
    let find = |oid| extensions.iter().find(|it| it.extn_id == oid).map(|it| it.extn_value.as_bytes());
    let signs = find(KeyUsageExtension::OID)
        .map(|bytes| KeyUsageExtension::from_der(bytes).is_ok_and(|usage| usage.key_cert_sign()));
    match find(BasicConstraints::OID) {
        Some(bytes) => signs != Some(false) && BasicConstraints::from_der(bytes).is_ok_and(|it| it.ca),
        None => signs == Some(true),
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

/// Verifies that `now` is in a validity period.
fn check_validity(validity: &Validity, now: UnixTime) -> Result<(), Error> {
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        Err(Error::InvalidCertificate(CertificateError::NotValidYet))
    } else if now > validity.not_after.to_unix_duration() {
        Err(Error::InvalidCertificate(CertificateError::Expired))
    } else {
        Ok(())
    }
}

/// Returns the public key of a certificate of any X.509 version.
fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let key = x509_cert::Certificate::from_der(certificate)
        .and_then(|it| it.tbs_certificate.subject_public_key_info.to_der());
    key.map(Into::into).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))
}

/// Returns the bytes of a certificate that its signature covers.
fn signed_part<'a>(certificate: &'a CertificateDer<'_>) -> der::Result<&'a [u8]> {
    let mut reader = SliceReader::new(certificate)?;
    der::Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

/// Returns the content octets of a DER item.
fn contents(item: &[u8]) -> Option<&[u8]> {
    der::asn1::AnyRef::from_der(item).ok().map(|item| item.value())
}

/// Converts an error of webpki to one of rustls, which determines the alert that the client receives.
fn to_rustls_error(error: webpki::Error) -> Error {
    use webpki::Error as E;
    Error::InvalidCertificate(match error {
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::CertNotValidYet { .. } => CertificateError::NotValidYet,
        E::CertExpired { .. } | E::InvalidCertValidity => CertificateError::Expired,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        // A certificate of `ca_path` has the name of the issuer, and another key.
        E::InvalidSignatureForPublicKey => CertificateError::UnknownIssuer,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    })
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
