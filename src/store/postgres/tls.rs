//! TLS to the database: what each `sslmode` verifies.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::url::{TlsMode, Url};
use crate::store::{Error, UrlProblem};
use crate::x509::pem;

/// Returns the connector for the database at `url`.
///
/// # Errors
/// Returns [`Error::Url`] if the file of trusted certificates cannot be used.
pub(super) fn connector(url: &Url) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = url.root_certificate.as_deref().map(roots).transpose().map_err(|why| Error::Url { why })?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    // The provider supports both versions.
    let builder = builder.with_safe_default_protocol_versions().map_err(|why| rejected(&why))?;
    let config = match (url.tls, roots) {
        (TlsMode::VerifyFull, Some(roots)) => {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_webpki_verifier(verifier.map_err(|why| rejected(&why))?).with_no_client_auth()
        }
        (_, roots) => {
            let verifier = Arc::new(AnyName { roots, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn rejected(why: &dyn std::error::Error) -> Error {
    Error::Url { why: UrlProblem::Tls { why: why.to_string() } }
}

/// Reads the trusted certificates.
fn roots(path: &Path) -> Result<RootCertStore, UrlProblem> {
    let failed = |why: String| UrlProblem::RootCertificate { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(|why| failed(why.to_string()))?;
    let mut roots = RootCertStore::empty();
    for block in pem::blocks(&bytes).into_iter().filter(|block| block.label == "CERTIFICATE") {
        let line = block.line;
        let contents =
            block.contents.map_err(|_| failed(format!("line {line} begins no valid PEM block")))?;
        let added = roots.add(CertificateDer::from(contents.to_vec()));
        added.map_err(|why| failed(format!("the certificate in line {line} is not valid: {why}")))?;
    }
    if roots.is_empty() { Err(failed("it contains no certificate in PEM".to_owned())) } else { Ok(roots) }
}

/// Verifies the certificate of the database without its name (`verify-ca`), or not at all (`prefer`, `require`).
#[derive(Debug)]
struct AnyName {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let algorithms = self.provider.signature_verification_algorithms.all;
            let leaf = ParsedCertificate::try_from(end_entity)?;
            verify_server_cert_signed_by_trust_anchor(&leaf, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
