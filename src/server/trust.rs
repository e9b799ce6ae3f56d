//! Which client certificates are trusted: those issued below a certificate of `ca_path`, and those that stand
//! in `ca_path` themselves, byte for byte.
//!
//! webpki checks the chains. It reads neither X.509 version 1 nor a CA as a client, both of which PyKMIP's
//! users have, so certificates of these two kinds that a certificate of `ca_path` issued directly are checked
//! here. Names are never looked at: a client has none to prove. What the extended key usage must say
//! for a request to be answered is left to [`crate::auth`].

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

/// The certificates of `ca_path`, and the algorithms that signatures are checked by.
#[derive(Debug)]
pub struct Trust {
    /// Every certificate of the file.
    known: Vec<CertificateDer<'static>>,
    /// Those that may issue others.
    anchors: Vec<TrustAnchor<'static>>,
    /// When each of `anchors` is valid.
    validities: Vec<Validity>,
    check_usage: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    /// `certificates` is what `ca_path` holds; `check_usage` is the setting `enable_tls_client_auth`, without
    /// which the extended key usage of a chain is not looked at. A certificate that cannot be read is left out
    /// with a warning.
    ///
    /// # Errors
    /// Where none of them can be read.
    pub fn new(
        certificates: Vec<CertificateDer<'static>>,
        check_usage: bool,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Result<Self, der::Error> {
        let mut trust =
            Self { known: Vec::new(), anchors: Vec::new(), validities: Vec::new(), check_usage, algorithms };
        let mut unreadable = None;
        for certificate in certificates {
            let parsed = match x509_cert::Certificate::from_der(&certificate) {
                Ok(parsed) => parsed.tbs_certificate,
                Err(error) => {
                    log::warn!(target: super::LOG, "ca_path: a certificate cannot be read: {error}");
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
            trust.known.push(certificate);
        }
        match unreadable {
            Some(error) if trust.known.is_empty() => Err(error),
            _ => Ok(trust),
        }
    }

    fn chain(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let outcome = EndEntityCert::try_from(leaf).and_then(|leaf| {
            let usage = Usage { checked: self.check_usage };
            let valid = |path: &webpki::VerifiedPath<'_>| self.anchor_is_valid(path.anchor(), now);
            let algorithms = self.algorithms.all;
            leaf.verify_for_usage(algorithms, &self.anchors, sent, now, usage, None, Some(&valid)).map(drop)
        });
        match outcome {
            Ok(()) => Ok(()),
            Err(webpki::Error::UnsupportedCertVersion | webpki::Error::CaUsedAsEndEntity) => {
                self.issued_directly(leaf, now)
            }
            Err(error) => Err(refusal(error)),
        }
    }

    /// webpki takes anchors as valid for ever; an expired CA is none.
    fn anchor_is_valid(&self, anchor: &TrustAnchor<'_>, now: UnixTime) -> Result<(), webpki::Error> {
        let same = self.anchors.iter().zip(&self.validities).filter(|(other, _)| *other == anchor);
        let valid = same.map(|(_, validity)| is_valid(validity, now)).any(|valid| valid.is_ok());
        if valid { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
    }

    /// Whether a certificate of `ca_path` signed `leaf`, without any certificate between them.
    fn issued_directly(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let encoding = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let parsed = x509_cert::Certificate::from_der(leaf).map_err(encoding)?;
        is_valid(&parsed.tbs_certificate.validity, now)?;
        let issuer = parsed.tbs_certificate.issuer.to_der().map_err(encoding)?;
        let algorithm = parsed.signature_algorithm.to_der().map_err(encoding)?;
        let signed = signed_part(leaf).map_err(encoding)?;
        let signature = parsed.signature.raw_bytes();
        let found = self.anchors.iter().any(|anchor| {
            // The names that a constrained CA may give out are webpki's to check.
            contents(&issuer) == Some(anchor.subject.as_ref())
                && anchor.name_constraints.is_none()
                && self.anchor_is_valid(anchor, now).is_ok()
                && self.signed_by(anchor, &algorithm, signed, signature)
        });
        if found { Ok(()) } else { Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) }
    }

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
    /// None: clients that choose by it would not send a certificate that stands in `ca_path` itself, and
    /// PyKMIP sends none either.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.known.iter().any(|known| known == end_entity) {
            let parsed = x509_cert::Certificate::from_der(end_entity);
            let parsed = parsed.map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
            is_valid(&parsed.tbs_certificate.validity, now)?;
        } else {
            self.chain(end_entity, intermediates, now)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = public_key(cert)?;
        let key = RawPublicKeyEntity::try_from(&key).map_err(refusal)?;
        let candidates = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == dss.scheme);
        let (_, candidates) = candidates.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        // A scheme of TLS 1.2 leaves the curve open: one of the candidates fits the key.
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

/// The listener of a client shows the certificate that the client has, which is judged by the same rules: whose it is
/// counts, and not where it listens.
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

/// Client authentication where a chain limits its use, or anything at all.
struct Usage {
    checked: bool,
}

impl ExtendedKeyUsageValidator for Usage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        if self.checked { KeyUsage::client_auth().validate(purposes) } else { Ok(()) }
    }
}

/// Whether a trusted certificate may vouch for others, by the rules that OpenSSL goes by: it says so, or it is
/// from before there was a way to say so. All others of `ca_path` speak for themselves only.
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

fn is_valid(validity: &Validity, now: UnixTime) -> Result<(), Error> {
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        Err(Error::InvalidCertificate(CertificateError::NotValidYet))
    } else if now > validity.not_after.to_unix_duration() {
        Err(Error::InvalidCertificate(CertificateError::Expired))
    } else {
        Ok(())
    }
}

/// The public key of a certificate of any version.
fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let key = x509_cert::Certificate::from_der(certificate)
        .and_then(|it| it.tbs_certificate.subject_public_key_info.to_der());
    key.map(Into::into).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))
}

/// The bytes of a certificate that its signature covers.
fn signed_part<'a>(certificate: &'a CertificateDer<'_>) -> der::Result<&'a [u8]> {
    let mut reader = SliceReader::new(certificate)?;
    der::Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

/// What is inside the outermost item.
fn contents(item: &[u8]) -> Option<&[u8]> {
    der::asn1::AnyRef::from_der(item).ok().map(|item| item.value())
}

/// webpki's refusal in rustls' words, which decide the alert that the client gets.
fn refusal(error: webpki::Error) -> Error {
    use webpki::Error as E;
    Error::InvalidCertificate(match error {
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::CertNotValidYet { .. } => CertificateError::NotValidYet,
        E::CertExpired { .. } | E::InvalidCertValidity => CertificateError::Expired,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    })
}
