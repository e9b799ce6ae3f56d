//! A TLS connection that rustls serves.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::CertificateDer;
use rustls::{Error, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig, ServerConnection};

use super::super::trust::take_refusal;
use super::TlsStream;
use super::failure::{Cause, Failure};
use super::hello::{ClientHello, TLS_1_2, TLS_1_3, suite_name};
use super::wire::Wire;

/// A record of TLS 1.0 with the fatal alert protocol_version (RFC 5246 §7.2.2).
const PROTOCOL_VERSION_ALERT: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 70];

/// A record of TLS 1.2 with the fatal alert handshake_failure, for a client without a certificate (RFC 5246 §7.4.6).
const HANDSHAKE_FAILURE_ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 40];

/// The number of reads in which a hello must arrive whole so that the server may prefer the hybrid group. Each read parses it again;
/// rustls reads 4 KiB at once.
const MAX_HELLO_READS: usize = 20;

/// A TLS connection after the handshake.
pub(in crate::server) struct RustlsStream<'a> {
    tls: ServerConnection,
    wire: Wire<'a>,
}

impl<'a> RustlsStream<'a> {
    /// Prepares the handshake.
    ///
    /// # Errors
    /// Returns the error of rustls if it cannot serve any connection.
    pub(super) fn new(wire: Wire<'a>, config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self { tls: connection(config)?, wire })
    }

    /// Completes the handshake, with the configuration `hybrid` if the client supports its key exchange group. The alert of
    /// an error is not sent yet.
    ///
    /// # Errors
    /// Returns the cause of a failed handshake.
    pub(super) fn handshake(&mut self, hybrid: Option<&Hybrid>) -> Result<(), Cause> {
        if let Some(hybrid) = hybrid {
            self.prefer(hybrid)?;
        }
        while self.tls.is_handshaking() {
            self.flush_records()?;
            if self.tls.is_handshaking() {
                self.receive()?;
            }
        }
        self.flush_records()?;
        self.wire.end_handshake();
        Ok(())
    }

    /// Returns the failure of the handshake, after its alert has been sent.
    pub(super) fn fail(mut self, cause: Cause) -> Failure {
        let mut failure = Failure::on(&self.wire, cause);
        let newest = failure.evidence.hello.as_ref().and_then(ClientHello::newest_version);
        // The first error is the one to report, whether or not its alert reaches the client.
        match &failure.cause {
            // rustls misses first what TLS 1.2 introduced.
            Cause::Tls(Error::PeerIncompatible(_)) if newest.is_some_and(|it| it < TLS_1_2) => {
                failure.cause = Cause::NoCommonVersion;
                drop(self.wire.write_all(&PROTOCOL_VERSION_ALERT));
            }
            // rustls sends certificate_required, which TLS 1.2 does not have.
            Cause::Tls(Error::NoCertificatesPresented) if self.is_tls12() => {
                drop(self.wire.write_all(&HANDSHAKE_FAILURE_ALERT));
            }
            _ => drop(self.flush_records()),
        }
        if let Some(refusal) = take_refusal() {
            failure.cause = refusal.into();
        }
        failure
    }

    fn is_tls12(&self) -> bool {
        self.tls.protocol_version() == Some(ProtocolVersion::TLSv1_2)
    }

    /// Lets another TLS stack read the client's hello, if it may serve a client that rustls refused for this cause and
    /// the server has not answered.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn rewind_for(&mut self, cause: &Cause) -> bool {
        let is_suited = cause.may_suit_openssl() || (matches!(cause, Cause::NotTls) && self.wire.is_ssl2());
        // OpenSSL would send protocol_version to a client that offers only TLS 1.3.
        let is_old = |hello: ClientHello| hello.versions.iter().any(|it| *it <= TLS_1_2);
        is_suited && self.wire.client_hello().is_none_or(is_old) && self.wire.rewind()
    }

    /// Returns the bytes below TLS, without sending anything.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn into_wire(self) -> Wire<'a> {
        self.wire
    }

    /// Returns the certificates that the client sent, or that its session contains.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        self.tls.peer_certificates().unwrap_or_default()
    }

    /// Reads the client's hello, and begins again with the hybrid group if the client supports it and names another one
    /// first.
    fn prefer(&mut self, hybrid: &Hybrid) -> Result<(), Cause> {
        for _ in 0..MAX_HELLO_READS {
            self.read_records()?;
            let hello = self.wire.client_hello();
            if hello.is_some_and(|hello| hybrid.is_preferred_to_the_order_of(&hello)) && self.wire.rewind() {
                self.tls = connection(&hybrid.config)?;
                break;
            }
            self.tls.process_new_packets()?;
            // rustls has read the whole hello.
            if self.tls.wants_write() {
                break;
            }
        }
        Ok(())
    }

    /// Reads from the socket once, and processes what has arrived.
    fn receive(&mut self) -> Result<(), Cause> {
        self.read_records()?;
        self.tls.process_new_packets().map(drop).map_err(Cause::from)
    }

    fn read_records(&mut self) -> Result<(), Cause> {
        if self.tls.read_tls(&mut self.wire)? == 0 { Err(Cause::Closed) } else { Ok(()) }
    }

    fn flush_records(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.wire)?;
        }
        Ok(())
    }
}

fn connection(config: &Arc<ServerConfig>) -> Result<ServerConnection, Error> {
    let mut tls = ServerConnection::new(Arc::clone(config))?;
    // A response of any length is buffered whole; it is in memory anyway.
    tls.set_buffer_limit(None);
    Ok(tls)
}

/// The configuration with the key exchange group X25519MLKEM768 alone, over TLS 1.3.
///
/// rustls selects the first group in the order of the client. This group resists quantum computers, so that the server
/// prefers it in any order; the client sends another key share if its hello has none for it.
pub(super) struct Hybrid {
    pub(super) config: Arc<ServerConfig>,
    /// The numbers of the cipher suites.
    pub(super) suites: Vec<u16>,
}

impl Hybrid {
    fn is_preferred_to_the_order_of(&self, hello: &ClientHello) -> bool {
        let group = u16::from(NamedGroup::X25519MLKEM768);
        hello.groups.iter().position(|it| *it == group).is_some_and(|position| position > 0)
            && hello.versions.contains(&TLS_1_3)
            && hello.cipher_suites.iter().any(|suite| self.suites.contains(suite))
    }
}

impl TlsStream for RustlsStream<'_> {
    fn peer_certificates(&self) -> Vec<CertificateDer<'_>> {
        self.certificates().iter().map(|der| CertificateDer::from(der.as_ref())).collect()
    }

    fn version(&self) -> &'static str {
        match self.tls.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        }
    }

    fn cipher_suite(&self) -> String {
        self.tls.negotiated_cipher_suite().map(|suite| suite_name(suite.suite())).unwrap_or_default()
    }

    fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    fn take_offer(&mut self) -> Option<ClientHello> {
        self.wire.take_offer()
    }

    fn expect_request(&mut self, begun: bool) {
        self.wire.expect_request(begun);
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(message)?;
        let deadline = self.wire.response_deadline(message.len());
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.wire)?;
            if self.tls.wants_write() && Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        self.tls.send_close_notify();
        drop(self.flush_records());
        self.wire.shut_down();
    }
}

impl Read for RustlsStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) if count > 0 => {
                    self.wire.begin_request();
                    return Ok(count);
                }
                other => return other,
            }
            self.flush_records()?;
            if let Err(cause) = self.receive() {
                drop(self.flush_records());
                return Err(cause.into());
            }
        }
    }
}
