//! TLS connections that OpenSSL serves: those of clients that rustls cannot serve.
//!
//! [`Trust`] decides on client certificates for both TLS stacks. Sessions are never resumed, so that no session outlives
//! a change of the settings, and a handshake is never repeated within a connection.

use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use openssl::bn::BigNum;
use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    self, ErrorCode, HandshakeError, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions,
    SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509StoreContextRef, X509VerifyResult};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{AlertDescription, CertificateError, Error};

use super::super::trust::{Trust, alert};
use super::TlsStream;
use super::failure::{Cause, Failure};
use super::files::Identity;
use super::hello::ClientHello;
use super::legacy_suites::openssl_name;
use super::openssl_errors::Reasons;
use super::wire::Wire;
use crate::config::TlsVersion;
use crate::x509::path::Refusal;

/// The bytes that are encrypted at once: the largest TLS record.
const CHUNK: usize = 16 * 1024;

/// The configuration of the connections that OpenSSL serves.
pub(super) struct OpenSslConfig {
    context: SslContext,
    trust: Arc<Trust>,
}

impl OpenSslConfig {
    /// Creates the configuration with `suites`, by their standard names, over TLS from `minimum` to 1.2.
    ///
    /// # Errors
    /// Returns the reasons for which OpenSSL refuses the identity or the suites.
    pub(super) fn new<'s>(
        identity: &Identity,
        suites: impl IntoIterator<Item = &'s str>,
        minimum: TlsVersion,
        trust: Arc<Trust>,
    ) -> Result<Self, Reasons> {
        let context = context(identity, suites, minimum).map_err(|errors| Reasons::of(&errors))?;
        Ok(Self { context, trust })
    }
}

/// Creates the part of the configuration that OpenSSL holds.
fn context<'s>(
    identity: &Identity,
    suites: impl IntoIterator<Item = &'s str>,
    minimum: TlsVersion,
) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
    // Level 0 admits TLS 1.0 and 1.1 and their signatures; the list of suites decides what is offered.
    builder.set_security_level(0);
    builder.set_min_proto_version(Some(match minimum {
        TlsVersion::V1_0 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
    }))?;
    builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_options(
        SslOptions::CIPHER_SERVER_PREFERENCE
            | SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_TICKET,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    // An idle connection holds no buffers.
    builder.set_mode(SslMode::RELEASE_BUFFERS);
    let suites: Vec<_> = suites.into_iter().map(openssl_name).collect();
    builder.set_cipher_list(&format!("{}:@SECLEVEL=0", suites.join(":")))?;
    // A safe prime (RFC 3526, group 14), for suites with DHE.
    builder.set_tmp_dh(&*Dh::from_pqg(BigNum::get_rfc3526_prime_2048()?, None, BigNum::from_u32(2)?)?)?;
    let mut chain = identity.certified.cert.iter().map(|certificate| X509::from_der(certificate));
    if let Some(leaf) = chain.next() {
        builder.set_certificate(&*leaf?)?;
    }
    for certificate in chain {
        builder.add_extra_chain_cert(certificate?)?;
    }
    builder.set_private_key(&*PKey::private_key_from_der(&identity.key)?)?;
    builder.check_private_key()?;
    Ok(builder.build())
}

/// A TLS connection after the handshake.
pub(in crate::server) struct OpenSslStream<'a>(SslStream<Wire<'a>>);

/// The decision of [`Trust`] on the client's certificates, made once in each handshake.
type Decision = OnceLock<Result<(), Box<Refusal>>>;

impl<'a> OpenSslStream<'a> {
    /// Completes the TLS handshake.
    ///
    /// # Errors
    /// Returns the cause of a failed handshake.
    pub(super) fn accept(wire: Wire<'a>, config: &OpenSslConfig) -> Result<Self, Failure> {
        let mut tls = Ssl::new(&config.context).map_err(|errors| Cause::OpenSsl(Reasons::of(&errors)))?;
        let decision = Arc::new(Decision::new());
        let (trust, made) = (Arc::clone(&config.trust), Arc::clone(&decision));
        tls.set_verify_callback(
            SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
            move |preverified, context| match made.get_or_init(|| decide(&trust, context)) {
                Ok(()) => {
                    context.set_error(X509VerifyResult::OK);
                    true
                }
                Err(refusal) => !refuses_now(&alert(refusal), preverified, context),
            },
        );
        let mut failure = match tls.accept(wire) {
            Ok(mut stream) if matches!(decision.get(), Some(Ok(()))) => {
                stream.get_mut().end_handshake();
                return Ok(Self(stream));
            }
            Ok(stream) => Failure::on(stream.get_ref(), Error::NoCertificatesPresented.into()),
            Err(HandshakeError::SetupFailure(errors)) => Cause::OpenSsl(Reasons::of(&errors)).into(),
            Err(HandshakeError::Failure(stream) | HandshakeError::WouldBlock(stream)) => {
                let failure = Failure::on(stream.get_ref(), Cause::Closed);
                Failure { cause: cause(stream.into_error()), ..failure }
            }
        };
        if let Some(Err(refusal)) = decision.get() {
            failure.cause = refusal.clone().into();
        }
        Err(failure)
    }
}

/// Decides on the certificates that the client sent. OpenSSL, which has no trust anchors, asks first when it has put
/// them in order, with all of them that are above the client's own.
fn decide(trust: &Trust, context: &X509StoreContextRef) -> Result<(), Box<Refusal>> {
    let chain = context.chain().into_iter().flatten();
    // A certificate that OpenSSL read, and cannot encode, is not one of a chain.
    let chain: Vec<_> = chain.map(|it| CertificateDer::from(it.to_der().unwrap_or_default())).collect();
    let none = CertificateDer::from_slice(&[]);
    let (leaf, above) = chain.split_first().unwrap_or((&none, &[]));
    trust.verify(leaf, above, UnixTime::now())
}

/// Returns whether OpenSSL may end the handshake for `error` at this question. It asks about each of its own errors, and
/// derives the alert from the one at which it is refused: the handshake continues until the error is the same as that of
/// [`Trust`], at most until the last question, which is about the client's own certificate.
fn refuses_now(error: &CertificateError, preverified: bool, context: &mut X509StoreContextRef) -> bool {
    // The numbers of x509_vfy.h.
    let same: &[i32] = match error {
        // OpenSSL has no trust anchors, so that it cannot compare signatures with them.
        CertificateError::UnknownIssuer => &[2, 18, 19, 20, 21],
        CertificateError::NotValidYet => &[9],
        CertificateError::Expired => &[10],
        CertificateError::InvalidPurpose => &[26],
        _ => &[],
    };
    if !preverified {
        return same.contains(&context.error().as_raw());
    }
    let is_last = context.error_depth() == 0;
    if is_last {
        context.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
    }
    is_last
}

/// Returns the cause of an error of OpenSSL, by the numbers of sslerr.h.
fn cause(error: ssl::Error) -> Cause {
    const HTTP_REQUEST: i32 = 156;
    const HTTPS_PROXY_REQUEST: i32 = 155;
    const NO_SHARED_CIPHER: i32 = 193;
    const NO_SHARED_GROUP: i32 = 410;
    const NO_SUITABLE_GROUP: i32 = 295;
    const NO_SIGNATURE_ALGORITHM: i32 = 118;
    const NO_SHARED_SIGNATURE_ALGORITHM: i32 = 376;
    const NO_CERTIFICATE: i32 = 199;
    const VERSION_TOO_LOW: i32 = 396;
    const UNSUPPORTED_PROTOCOL: i32 = 258;
    const UNEXPECTED_END: i32 = 294;
    const WRONG_VERSION_NUMBER: i32 = 267;
    /// The reason of an alert of the client is this number and that of the alert.
    const ALERTS: i32 = 1000;

    let code = error.code();
    let Some(errors) = error.ssl_error() else {
        return match error.into_io_error() {
            Ok(error) => error.into(),
            Err(_) if code == ErrorCode::ZERO_RETURN || code == ErrorCode::SYSCALL => Cause::Closed,
            Err(_) => Cause::OpenSsl(Reasons::default()),
        };
    };
    // Errors of other parts of OpenSSL have numbers of their own.
    const SSL_LIBRARY: i32 = 20;
    let ours = errors.errors().iter().filter(|error| error.library_code() == SSL_LIBRARY);
    let known = ours.filter_map(|error| match error.reason_code() {
        UNEXPECTED_END => Some(Cause::Closed),
        HTTP_REQUEST | HTTPS_PROXY_REQUEST | WRONG_VERSION_NUMBER => Some(Cause::NotTls),
        NO_SHARED_CIPHER
        | NO_SHARED_GROUP
        | NO_SUITABLE_GROUP
        | NO_SIGNATURE_ALGORITHM
        | NO_SHARED_SIGNATURE_ALGORITHM => Some(Cause::NoCommonSuite),
        VERSION_TOO_LOW | UNSUPPORTED_PROTOCOL => Some(Cause::NoCommonVersion),
        NO_CERTIFICATE => Some(Error::NoCertificatesPresented.into()),
        reason => {
            let alert = u8::try_from(reason.checked_sub(ALERTS)?).ok()?;
            Some(Error::AlertReceived(AlertDescription::from(alert)).into())
        }
    });
    known.into_iter().next().unwrap_or_else(|| Cause::OpenSsl(Reasons::of(errors)))
}

impl TlsStream for OpenSslStream<'_> {
    fn peer_certificates(&self) -> Vec<CertificateDer<'_>> {
        let leaf = self.0.ssl().peer_certificate().and_then(|leaf| leaf.to_der().ok());
        // On the side of the server, without the client's own certificate.
        let above = self.0.ssl().peer_cert_chain().into_iter().flatten();
        leaf.into_iter().chain(above.filter_map(|it| it.to_der().ok())).map(CertificateDer::from).collect()
    }

    fn version(&self) -> &'static str {
        match self.0.ssl().version2() {
            Some(SslVersion::TLS1) => "TLS 1.0",
            Some(SslVersion::TLS1_1) => "TLS 1.1",
            _ => "TLS 1.2",
        }
    }

    fn cipher_suite(&self) -> String {
        self.0.ssl().current_cipher().and_then(|it| it.standard_name()).unwrap_or_default().to_owned()
    }

    fn is_resumed(&self) -> bool {
        self.0.ssl().session_reused()
    }

    fn take_offer(&mut self) -> Option<ClientHello> {
        self.0.get_mut().take_offer()
    }

    fn expect_request(&mut self, begun: bool) {
        self.0.get_mut().expect_request(begun);
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let deadline = self.0.get_ref().response_deadline(message.len());
        let mut chunks = message.chunks(CHUNK).peekable();
        while let Some(mut chunk) = chunks.next() {
            while !chunk.is_empty() {
                let written = self.0.ssl_write(chunk).map_err(cause)?;
                chunk = chunk.get(written..).unwrap_or_default();
            }
            if chunks.peek().is_some() && Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        drop(self.0.shutdown());
        self.0.get_ref().shut_down();
    }
}

impl Read for OpenSslStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.ssl_read(buffer) {
            Ok(count) => {
                self.0.get_mut().begin_request();
                Ok(count)
            }
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => Ok(0),
            Err(error) => Err(cause(error).into()),
        }
    }
}
