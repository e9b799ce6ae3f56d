//! TLS for the clients of a server: its configuration, and the handshake.
//!
//! [`super::trust`] decides which client certificates are trusted.

#[cfg(feature = "legacy-tls")]
mod cipher_string;
mod current;
mod doctor;
mod failure;
mod files;
mod hello;
mod legacy_suites;
mod opening;
#[cfg(feature = "legacy-tls")]
mod openssl_errors;
#[cfg(feature = "legacy-tls")]
mod openssl_stream;
mod rustls_stream;
mod standing;
mod suites;
mod tickets;
mod wire;

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

pub(super) use current::CurrentTls;
pub use doctor::Symptom;
pub(super) use doctor::{Diagnosis, examine};
pub(super) use failure::{Cause, Failure};
pub use files::Error;
pub(super) use files::{
    Files, Identity, certificates, certificates_and_warnings, find_private_key, has_private_key,
    unreadable_ca,
};
pub use hello::ClientHello;
pub use legacy_suites::{LEGACY_SUITES, LegacySuite, Offered, openssl_name};
pub(super) use standing::Standing;
pub use suites::KeyType;
pub(super) use suites::{is_legacy, select};
pub(super) use wire::{Timeouts, linger};

use super::LOG;
use super::trust::Trust;
use crate::config::Config;
use crate::engine::IssuingKeys;
use crate::x509::certificate::expiry;
use doctor::ServerFacts;
use hello::suite_name;
#[cfg(feature = "legacy-tls")]
use openssl_stream::{OpenSslConfig, OpenSslStream};
use rustls_stream::{Hybrid, RustlsStream};
use suites::{standard_name, versions};
use tickets::Tickets;
use wire::Wire;

/// The number of tickets per TLS 1.3 handshake. A resumed connection issues the next one, so a client that opens
/// connections one after another never runs out of tickets.
const TICKETS: usize = 1;

/// The maximum number of a client's cipher suites in a line of the log; OpenSSL offers 31 by default.
const MAX_NAMED: usize = 64;

/// A TLS connection after the handshake, on which each request has a deadline from its first byte on.
pub(super) trait TlsStream: Read {
    /// Returns the client's certificate, and the others that the client sent or its session contains.
    fn peer_certificates(&self) -> Vec<CertificateDer<'_>>;

    /// Returns the protocol version, such as `TLS 1.2`.
    fn version(&self) -> &'static str;

    /// Returns the standard name of the cipher suite.
    fn cipher_suite(&self) -> String;

    /// Returns whether the handshake resumed an earlier session.
    fn is_resumed(&self) -> bool;

    /// Returns what the client offered in the handshake, once.
    fn take_offer(&mut self) -> Option<ClientHello>;

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

/// A TLS connection after the handshake, by the stack that serves it.
pub(super) enum Accepted<'a> {
    Rustls(Box<RustlsStream<'a>>),
    #[cfg(feature = "legacy-tls")]
    OpenSsl(OpenSslStream<'a>),
}

/// Completes the TLS handshake on an accepted socket. rustls serves all clients that it can serve, and OpenSSL the
/// others.
///
/// # Errors
/// Returns the failure of the handshake.
pub(super) fn accept<'a>(
    socket: &'a TcpStream,
    config: &TlsConfig,
    timeouts: Timeouts,
) -> Result<Accepted<'a>, Failure> {
    let wire = Wire::open(socket, timeouts)?;
    let Some(server) = &config.server else { return accept_legacy(wire, config) };
    let mut stream = RustlsStream::new(wire, server)?;
    match stream.handshake(config.hybrid.as_ref()) {
        // They come from the original handshake, and may have expired since.
        Ok(()) if stream.is_resumed() => match config.verify(stream.certificates()) {
            Ok(()) => Ok(Accepted::Rustls(Box::new(stream))),
            Err(refusal) => Err(refusal.into()),
        },
        Ok(()) => Ok(Accepted::Rustls(Box::new(stream))),
        #[cfg(feature = "legacy-tls")]
        Err(cause) if config.openssl.is_some() && stream.rewind_for(&cause) => {
            accept_legacy(stream.into_wire(), config)
        }
        Err(cause) => Err(stream.fail(cause)),
    }
}

/// Completes the handshake of a client that rustls cannot serve.
#[cfg(feature = "legacy-tls")]
fn accept_legacy<'a>(wire: Wire<'a>, config: &TlsConfig) -> Result<Accepted<'a>, Failure> {
    let Some(openssl) = &config.openssl else { return Err(Cause::NoCommonSuite.into()) };
    OpenSslStream::accept(wire, openssl).map(Accepted::OpenSsl)
}

#[cfg(not(feature = "legacy-tls"))]
fn accept_legacy<'a>(_: Wire<'a>, _: &TlsConfig) -> Result<Accepted<'a>, Failure> {
    Err(Cause::NoCommonSuite.into())
}

/// The TLS configuration of a server, for accepted connections and for connections to client endpoints.
pub(in crate::server) struct TlsConfig {
    /// The configuration of rustls, unless the settings name no suite of it.
    server: Option<Arc<ServerConfig>>,
    /// The configuration for clients that support the hybrid group, unless the settings exclude TLS 1.3.
    hybrid: Option<Hybrid>,
    /// The configuration of OpenSSL, unless the settings exclude it.
    #[cfg(feature = "legacy-tls")]
    openssl: Option<OpenSslConfig>,
    pub(in crate::server) client: Arc<ClientConfig>,
    trust: Arc<Trust>,
    facts: ServerFacts,
    chain: Vec<CertificateDer<'static>>,
    trusted: Vec<CertificateDer<'static>>,
    /// The names of the cipher suites.
    suites: Vec<String>,
    warnings: Vec<String>,
    /// The times since 1970 at which the certificates of `ca_path` expire.
    expiries: Vec<Duration>,
    /// The number of configurations that were in force before this one.
    number: u64,
}

impl TlsConfig {
    /// Builds the configuration from the server's identity and the certificates in `ca_path`. Refuses chains with one of
    /// the keys `issuing`.
    ///
    /// # Errors
    /// Returns [`Error`] if no certificate of `trusted` can be parsed, or rustls refuses the settings.
    pub(in crate::server) fn new(
        config: &Config,
        identity: Identity,
        trusted: Vec<CertificateDer<'static>>,
        issuing: Arc<IssuingKeys>,
    ) -> Result<Self, Error> {
        let provider = aws_lc_rs::default_provider();
        let unreadable = |_| unreadable_ca(&config.ca_path);
        let expiries = trusted.iter().filter_map(|certificate| expiry(certificate)).collect();
        let trust = Trust::new(&trusted, config.enable_tls_client_auth, issuing).map_err(unreadable)?;
        let trust = Arc::new(trust);
        let selection = select(config, identity.key_type());
        let names = selection.rustls.iter().copied().map(standard_name);
        let names = names.chain(selection.openssl.iter().map(|&name| name.to_owned())).collect();
        #[cfg(feature = "legacy-tls")]
        let openssl = if selection.openssl.is_empty() {
            None
        } else {
            let suites = selection.openssl.iter().copied();
            let minimum = config.tls_minimum_version;
            Some(OpenSslConfig::new(&identity, suites, minimum, Arc::clone(&trust)).map_err(Error::OpenSsl)?)
        };
        let certified = identity.certified;
        let chain = certified.cert.clone();
        let facts = ServerFacts::new(config, &selection, &certified.cert, Arc::clone(&certified.key));
        let identity = Arc::new(SingleCertAndKey::from(certified));
        let versions = versions(config.auth_suite);
        let offering = |cipher_suites| Arc::new(CryptoProvider { cipher_suites, ..provider.clone() });
        let mut client = ClientConfig::builder_with_provider(offering(selection.outgoing))
            .with_protocol_versions(versions)
            .map_err(Error::Rustls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&trust) as _)
            .with_client_cert_resolver(Arc::clone(&identity) as _);
        // Each connection must verify the listener's certificate, which a resumed session does not contain.
        client.resumption = Resumption::disabled();
        // The client stores the session, in a ticket: the server stores nothing that could grow. Each configuration has
        // ticket keys of its own, so no ticket outlives the settings and certificates under which it was issued.
        let (tickets, resolver) = (Arc::new(Tickets::default()), Arc::new(LoggingResolver(identity)));
        let serving = |provider, versions: &[&'static SupportedProtocolVersion]| {
            let mut server = ServerConfig::builder_with_provider(provider)
                .with_protocol_versions(versions)
                .map_err(Error::Rustls)?
                .with_client_cert_verifier(Arc::clone(&trust) as _)
                .with_cert_resolver(Arc::clone(&resolver) as _);
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.ticketer = Arc::clone(&tickets) as _;
            server.send_tls13_tickets = TICKETS;
            Ok(Arc::new(server))
        };
        let is_newest = |suite: &&SupportedCipherSuite| suite.tls13().is_some();
        let newest: Vec<_> = selection.rustls.iter().filter(is_newest).copied().collect();
        let hybrid = if newest.is_empty() {
            None
        } else {
            let suites = newest.iter().map(|suite| suite.suite().into()).collect();
            let kx_groups = vec![kx_group::X25519MLKEM768];
            let hybrid = CryptoProvider { cipher_suites: newest, kx_groups, ..provider.clone() };
            Some(Hybrid { config: serving(Arc::new(hybrid), &[&TLS13])?, suites })
        };
        let server = if selection.rustls.is_empty() {
            None
        } else {
            Some(serving(offering(selection.rustls), versions)?)
        };
        Ok(Self {
            server,
            hybrid,
            #[cfg(feature = "legacy-tls")]
            openssl,
            client: Arc::new(client),
            trust,
            facts,
            chain,
            trusted,
            expiries,
            suites: names,
            warnings: selection.warnings,
            number: 0,
        })
    }

    /// Explains a failed handshake.
    pub(in crate::server) fn diagnose(&self, failure: &Failure) -> Diagnosis {
        doctor::diagnose(failure, &self.facts)
    }

    /// Explains an error at the first read after the handshake, if it is the alert of a client that distrusts the
    /// server: over TLS 1.3, a client may verify the server's certificate so late.
    pub(in crate::server) fn diagnose_read(&self, error: &io::Error) -> Option<Diagnosis> {
        match error.get_ref()?.downcast_ref()? {
            rustls::Error::AlertReceived(alert) => {
                let failure = Failure::from(Cause::Closed);
                Some(doctor::alerted(*alert, &failure, &self.facts))
            }
            _ => None,
        }
    }

    /// Logs the cipher suites, and the warnings about the settings.
    pub(in crate::server) fn announce(&self) {
        for warning in &self.warnings {
            log::warn!(target: LOG, "{warning}");
        }
        for name in &self.suites {
            log::debug!(target: LOG, "Cipher suite offered: {name}");
        }
    }

    /// Returns the server's certificate and those behind it.
    pub(in crate::server) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Returns the certificates of `ca_path`.
    pub(in crate::server) fn trusted(&self) -> &[CertificateDer<'static>] {
        &self.trusted
    }

    /// Returns whether this is the configuration of these files. The private key is that of the certificate.
    pub(in crate::server) fn has(&self, files: &Files) -> bool {
        self.chain == files.chain() && self.trusted == files.trusted
    }
}

/// Presents the server's certificate, and logs the cipher suites of each client at DEBUG.
#[derive(Debug)]
struct LoggingResolver(Arc<SingleCertAndKey>);

impl ResolvesServerCert for LoggingResolver {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
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
