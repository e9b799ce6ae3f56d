//! A TLS connection that rustls serves.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};

use super::TlsStream;
use super::failure::Cause;
use super::suites::suite_name;
use super::wire::Wire;

/// A TLS connection after the handshake.
pub(in crate::server) struct RustlsStream<'a> {
    tls: ServerConnection,
    wire: Wire<'a>,
}

impl<'a> RustlsStream<'a> {
    /// Completes the TLS handshake.
    ///
    /// # Errors
    /// Returns the cause of a failed handshake.
    pub(super) fn accept(wire: Wire<'a>, config: &Arc<ServerConfig>) -> Result<Self, Cause> {
        let mut tls = ServerConnection::new(Arc::clone(config)).map_err(Cause::from)?;
        // A response of any length is buffered whole; it is in memory anyway.
        tls.set_buffer_limit(None);
        let mut stream = Self { tls, wire };
        while stream.tls.is_handshaking() {
            stream.flush_records()?;
            if stream.tls.is_handshaking() {
                stream.receive()?;
            }
        }
        stream.flush_records()?;
        Ok(stream)
    }

    /// Returns the certificates that the client sent, or that its session contains.
    pub(super) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.tls.peer_certificates().unwrap_or_default()
    }

    /// Reads from the socket once, and processes what has arrived.
    fn receive(&mut self) -> Result<(), Cause> {
        if self.tls.read_tls(&mut self.wire)? == 0 {
            return Err(Cause::Closed);
        }
        self.tls.process_new_packets().map(drop).map_err(|error| {
            // The first error is the one to report, whether or not its alert reaches the client.
            drop(self.flush_records());
            error.into()
        })
    }

    fn flush_records(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.wire)?;
        }
        Ok(())
    }
}

impl TlsStream for RustlsStream<'_> {
    fn peer_certificate(&self) -> Option<CertificateDer<'_>> {
        self.peer_certificates().first().map(|der| CertificateDer::from(der.as_ref()))
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
            self.receive()?;
        }
    }
}
