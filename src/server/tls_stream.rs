//! The decrypted byte stream of one client connection: TLS handshake, deadlines, and the orderly end.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ServerConnection};

use super::deadline::DeadlineSocket;
use super::tls::TlsConfig;

/// The rate, in bytes per second, at which a client must read a response that takes longer than the response timeout.
/// Without it, a client that reads single bytes could hold a response in memory for hours.
const READ_RATE: usize = 16 * 1024;
/// The silence after which the operating system probes whether the client's machine is still reachable.
const KEEP_ALIVE: Duration = Duration::from_secs(600);
/// The time and the number of bytes for which a closed connection is still read: without this, the client's system
/// may discard the alert that contains the reason.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 * 1024;

/// The time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) handshake: Duration,
    pub(super) request: Duration,
    pub(super) response: Duration,
}

/// A TLS connection to a client, on which each request has a deadline from its first byte on.
pub(super) struct TlsStream<'a> {
    tls: ServerConnection,
    socket: DeadlineSocket<&'a TcpStream>,
    records: RecordTracker,
    timeouts: Timeouts,
    /// The time by which the request that has begun must be complete.
    request_deadline: Option<Instant>,
}

impl<'a> TlsStream<'a> {
    /// Completes the TLS handshake on an accepted socket.
    ///
    /// # Errors
    /// Returns the I/O error of the socket; a TLS error is inside one of kind `InvalidData`.
    pub(super) fn accept(tcp: &'a TcpStream, config: &TlsConfig, timeouts: Timeouts) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        // Without keep-alive, a client whose machine is gone would occupy its session for ever.
        sockopt::set_socket_keepalive(tcp, true)?;
        sockopt::set_tcp_keepidle(tcp, KEEP_ALIVE)?;
        tcp.set_write_timeout(Some(timeouts.response))?;
        let mut tls = ServerConnection::new(Arc::clone(&config.server)).map_err(io::Error::other)?;
        // A response of any length is buffered whole; it is in memory anyway.
        tls.set_buffer_limit(None);
        let mut socket = DeadlineSocket::new(tcp);
        socket.set_read_deadline(Some(Instant::now() + timeouts.handshake));
        let records = RecordTracker::default();
        let mut stream = Self { tls, socket, records, timeouts, request_deadline: None };
        while stream.tls.is_handshaking() {
            stream.flush_records()?;
            if stream.tls.is_handshaking() {
                stream.fill()?;
            }
        }
        stream.flush_records()?;
        if stream.is_resumed() {
            let chain = stream.tls.peer_certificates().unwrap_or_default();
            let checked = config.check_resumed(chain);
            checked.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        Ok(stream)
    }

    /// Returns the client's certificate.
    pub(super) fn peer_certificate(&self) -> Option<&CertificateDer<'_>> {
        self.tls.peer_certificates().and_then(|chain| chain.first())
    }

    /// Returns the name of the negotiated cipher suite, for the log.
    pub(super) fn cipher_suite(&self) -> &'static str {
        self.tls
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("no cipher suite")
    }

    /// Returns whether the handshake resumed an earlier session.
    pub(super) fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Starts to wait for the next request. `begun` states whether its first bytes have arrived already; otherwise
    /// the client may stay idle without limit.
    pub(super) fn expect_request(&mut self, begun: bool) {
        self.request_deadline = begun.then(|| Instant::now() + self.timeouts.request);
        self.socket.set_read_deadline(None);
    }

    /// Reads from the socket once.
    fn fill(&mut self) -> io::Result<()> {
        let mut reader = TrackedReader { socket: &mut self.socket, records: &mut self.records };
        if self.tls.read_tls(&mut reader)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = self.tls.process_new_packets() {
            // The first error is the one to report, whether or not its alert reaches the client.
            drop(self.flush_records());
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(())
    }

    fn flush_records(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    /// Sends a whole response.
    ///
    /// # Errors
    /// Returns `TimedOut` if the client reads too slowly, else the error of the socket.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(message)?;
        let seconds = u64::try_from(message.len() / READ_RATE).unwrap_or(u64::MAX);
        let deadline = Instant::now() + self.timeouts.response.saturating_add(Duration::from_secs(seconds));
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
            if self.tls.wants_write() && Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Sends the close_notify alert and closes the sending side.
    pub(super) fn close(&mut self) {
        self.tls.send_close_notify();
        drop(self.flush_records());
        drop(self.socket.tcp().shutdown(Shutdown::Write));
    }
}

impl Read for TlsStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) if count > 0 => {
                    self.request_deadline.get_or_insert_with(|| Instant::now() + self.timeouts.request);
                    return Ok(count);
                }
                other => return other,
            }
            self.flush_records()?;
            // Part of a record is part of a request. A complete record need not be: TLS has messages of its own.
            let deadline = match self.request_deadline {
                None if self.records.is_between_records() => None,
                None => self.socket.read_deadline().or_else(|| Some(Instant::now() + self.timeouts.request)),
                deadline => deadline,
            };
            self.socket.set_read_deadline(deadline);
            self.fill()?;
        }
    }
}

/// Reads and discards what the client still sends, so that it receives the server's last alert.
pub(super) fn linger(socket: &TcpStream) {
    drop(socket.shutdown(Shutdown::Write));
    let mut reader = DeadlineSocket::new(socket);
    reader.set_read_deadline(Some(Instant::now() + LINGER));
    let (mut buffer, mut left) = ([0; 1024], LINGER_BYTES);
    while left > 0 {
        match reader.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => left = left.saturating_sub(count),
        }
    }
}

/// The cause of a failed handshake, as text for the log.
pub(super) struct HandshakeFailure<'a>(pub(super) &'a io::Error);

impl fmt::Display for HandshakeFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use rustls::PeerIncompatible::{NoCipherSuitesInCommon, NoKxGroupsInCommon};
        use rustls::{Error, InvalidMessage};
        let tls = self.0.get_ref().and_then(|error| error.downcast_ref::<Error>());
        match (self.0.kind(), tls) {
            (_, Some(Error::InvalidMessage(InvalidMessage::InvalidContentType))) => {
                f.write_str("what it sent is not TLS")
            }
            (_, Some(Error::PeerIncompatible(NoCipherSuitesInCommon | NoKxGroupsInCommon))) => f.write_str(
                "the TLS handshake failed: client and server have no cipher suite and key exchange in common; set \
                 logging_level to DEBUG to log the cipher suites of both",
            ),
            (_, Some(error)) => write!(f, "the TLS handshake failed: {error}"),
            (io::ErrorKind::UnexpectedEof, _) => {
                f.write_str("the client closed the connection during the TLS handshake")
            }
            (io::ErrorKind::TimedOut, _) => f.write_str("the client did not finish the TLS handshake in time"),
            (_, None) => write!(f, "the connection failed: {}", self.0),
        }
    }
}

/// The socket of a connection, each byte of which also advances the record tracker.
struct TrackedReader<'s, 'a> {
    socket: &'s mut DeadlineSocket<&'a TcpStream>,
    records: &'s mut RecordTracker,
}

impl Read for TrackedReader<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        self.records.advance(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Tracks the boundaries of TLS records (RFC 8446 §5.1) in the bytes that arrive.
#[derive(Debug, Default)]
struct RecordTracker {
    header: [u8; 5],
    /// The number of header bytes that have arrived.
    filled: usize,
    /// The number of fragment bytes that are still to arrive.
    remaining: usize,
}

impl RecordTracker {
    fn advance(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.remaining > 0 {
                let skipped = self.remaining.min(bytes.len());
                self.remaining -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(byte) = self.header.get_mut(self.filled) {
                *byte = first;
                self.filled += 1;
            }
            if self.filled == self.header.len() {
                let [.., high, low] = self.header;
                self.remaining = usize::from(u16::from_be_bytes([high, low]));
                self.filled = 0;
            }
            bytes = rest;
        }
    }

    /// Returns whether all records that have begun are complete.
    fn is_between_records(&self) -> bool {
        self.filled == 0 && self.remaining == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_record_boundaries_in_chunks_of_any_size() {
        let records =
            [&[0x17, 3, 3, 0, 2, 9, 9][..], &[0x15, 3, 3, 0, 0], &[0x17, 3, 3, 1, 0], &[7; 256]].concat();
        let boundaries = [7, 12, 12 + 5 + 256];
        for size in [1, 2, 5, 7, 1000] {
            let mut tracker = RecordTracker::default();
            let mut length = 0;
            for chunk in records.chunks(size) {
                tracker.advance(chunk);
                length += chunk.len();
                let expected = boundaries.contains(&length);
                assert_eq!(
                    tracker.is_between_records(),
                    expected,
                    "after {length} bytes in chunks of {size}"
                );
            }
        }
    }
}
