//! TLS for the clients of a server: its configuration, and the handshake.
//!
//! [`super::trust`] decides which client certificates are trusted.

mod failure;
mod files;
mod rustls_stream;
mod suites;
mod tickets;
mod wire;

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig};

pub(super) use failure::Cause;
pub use files::Error;
pub(super) use files::{certificates, identity, items, read};
pub(super) use suites::{Offer, offer};
pub(super) use wire::{Timeouts, linger};

use super::LOG;
use super::trust::Trust;
use crate::config::Config;
use crate::engine::IssuingKeys;
use rustls_stream::RustlsStream;
use suites::{standard_name, suite_name, suites, versions};
use tickets::Tickets;
use wire::Wire;

/// The number of tickets per TLS 1.3 handshake. A resumed connection issues the next one, so a client that opens
/// connections one after another never runs out of tickets.
const TICKETS: usize = 1;

/// The maximum number of a client's cipher suites in a line of the log; OpenSSL offers 31 by default.
const MAX_NAMED: usize = 64;

/// A TLS connection after the handshake, on which each request has a deadline from its first byte on.
pub(super) trait TlsStream: Read {
    /// Returns the client's certificate.
    fn peer_certificate(&self) -> Option<CertificateDer<'_>>;

    /// Returns the protocol version, such as `TLS 1.2`.
    fn version(&self) -> &'static str;

    /// Returns the standard name of the cipher suite.
    fn cipher_suite(&self) -> String;

    /// Returns whether the handshake resumed an earlier session.
    fn is_resumed(&self) -> bool;

    /// Starts to wait for the next request. `begun` states whether its first bytes have arrived already; otherwise
    /// the client may stay idle without limit.
    fn expect_request(&mut self, begun: bool);

    /// Sends a whole response.
    ///
    /// # Errors
    /// Returns `TimedOut` if the client reads too slowly, else the error of the socket.
    fn send(&mut self, message: &[u8]) -> io::Result<()>;

    /// Sends the close_notify alert and closes the sending side.
    fn close(&mut self);
}

/// Completes the TLS handshake on an accepted socket.
///
/// # Errors
/// Returns the cause of a failed handshake.
pub(super) fn accept<'a>(
    socket: &'a TcpStream,
    config: &TlsConfig,
    timeouts: Timeouts,
) -> Result<RustlsStream<'a>, Cause> {
    let stream = RustlsStream::accept(Wire::open(socket, timeouts)?, &config.server)?;
    if stream.is_resumed() {
        config.check_resumed(stream.peer_certificates())?;
    }
    Ok(stream)
}

/// The TLS configuration of a server, for accepted connections and for connections to client endpoints.
pub(in crate::server) struct TlsConfig {
    pub(in crate::server) server: Arc<ServerConfig>,
    pub(in crate::server) client: Arc<ClientConfig>,
    trust: Arc<Trust>,
}

impl TlsConfig {
    /// Loads certificates and private key from the files of the settings. Refuses chains with one of the keys `issuing`.
    ///
    /// # Errors
    /// Returns [`Error`] if a file or a setting cannot be used.
    pub(in crate::server) fn load(config: &Config, issuing: Arc<IssuingKeys>) -> Result<Self, Error> {
        let chain = certificates("certificate_path", &config.certificate_path)?;
        let identity = identity(config, chain)?;
        Self::new(config, identity, certificates("ca_path", &config.ca_path)?, issuing)
    }

    /// Builds the configuration from the server's identity and the certificates in `ca_path`.
    ///
    /// # Errors
    /// Returns [`Error`] if no certificate of `trusted` can be parsed, or rustls refuses the settings.
    pub(in crate::server) fn new(
        config: &Config,
        identity: CertifiedKey,
        trusted: Vec<CertificateDer<'static>>,
        issuing: Arc<IssuingKeys>,
    ) -> Result<Self, Error> {
        let provider = aws_lc_rs::default_provider();
        let identity = Arc::new(SingleCertAndKey::from(identity));
        let algorithms = provider.signature_verification_algorithms;
        let bad = |cause| Error::BadCertificate { setting: "ca_path", path: config.ca_path.clone(), cause };
        let trust = Trust::new(trusted, config.enable_tls_client_auth, algorithms, issuing).map_err(bad)?;
        let trust = Arc::new(trust);
        let versions = versions(config.auth_suite);
        let (suites, warning) = suites(&provider.cipher_suites, versions, &config.tls_cipher_suites);
        if let Some(warning) = warning {
            log::warn!(target: LOG, "{warning}");
        }
        for suite in &suites {
            log::debug!(target: LOG, "Cipher suite offered: {}", standard_name(*suite));
        }
        let provider = Arc::new(CryptoProvider { cipher_suites: suites, ..provider });
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(Error::Rustls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&trust) as _)
            .with_client_cert_resolver(Arc::clone(&identity) as _);
        // Each connection must verify the listener's certificate, which a resumed session does not contain.
        client.resumption = Resumption::disabled();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(Error::Rustls)?
            .with_client_cert_verifier(Arc::clone(&trust) as _)
            .with_cert_resolver(Arc::new(LoggingResolver(identity)));
        // The client stores the session, in a ticket: the server stores nothing that could grow. Ticket keys do not
        // outlive the process, so no ticket outlives the settings under which it was issued.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.ticketer = Arc::new(Tickets::default());
        server.send_tls13_tickets = TICKETS;
        Ok(Self { server: Arc::new(server), client: Arc::new(client), trust })
    }

    /// Verifies the certificates of a client that resumed a session again: they come from the original handshake, and
    /// may have expired since.
    ///
    /// # Errors
    /// Returns the reason for which the certificates are refused.
    pub(in crate::server) fn check_resumed(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let (leaf, above) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.trust.verify_client_cert(leaf, above, UnixTime::now()).map(drop)
    }
}

/// Presents the server's certificate, and logs the cipher suites of each client at DEBUG.
#[derive(Debug)]
struct LoggingResolver(Arc<SingleCertAndKey>);

impl ResolvesServerCert for LoggingResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if log::log_enabled!(target: LOG, log::Level::Debug) {
            let suites = hello.cipher_suites();
            let names: Vec<_> = suites.iter().take(MAX_NAMED).copied().map(suite_name).collect();
            let more = match suites.len().saturating_sub(MAX_NAMED) {
                0 => String::new(),
                count => format!(" (and {count} more)"),
            };
            log::debug!(target: LOG, "Cipher suites that a client offers: {}{more}", names.join(", "));
        }
        ResolvesServerCert::resolve(self.0.as_ref(), hello)
    }
}
