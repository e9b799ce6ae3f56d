//! The socket of a connection below TLS: deadlines, TLS record boundaries, and the bytes of the client's first flight.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use super::super::deadline::DeadlineSocket;
#[cfg(feature = "legacy-tls")]
use super::hello::is_ssl2;
use super::hello::{ClientHello, MAX_HELLO};

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
pub(in crate::server) struct Timeouts {
    pub(in crate::server) handshake: Duration,
    pub(in crate::server) request: Duration,
    pub(in crate::server) response: Duration,
    /// The time that a client may stay idle between requests.
    pub(in crate::server) idle: Option<Duration>,
}

/// The end of a connection on which no request arrived.
#[derive(Debug)]
struct Idle(Duration);

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client sent no request for {} s", self.0.as_secs())
    }
}

impl std::error::Error for Idle {}

/// The bytes between the socket and TLS. Each read has the deadline that applies at that moment: that of the handshake,
/// that of the request that has begun, or none between requests.
pub(super) struct Wire<'a> {
    socket: DeadlineSocket<&'a TcpStream>,
    records: RecordTracker,
    timeouts: Timeouts,
    /// The time by which the handshake, or the request that has begun, must be complete.
    deadline: Option<Instant>,
    /// The time by which the next request must begin.
    idle: Option<Instant>,
    first_flight: FirstFlight,
    has_answered: bool,
    /// What the client offered in the handshake that has ended.
    offer: Option<ClientHello>,
}

/// What the client sends before the server's first answer: its ClientHello, which another TLS stack can read again.
#[derive(Debug, Default)]
struct FirstFlight {
    bytes: Vec<u8>,
    /// The number of bytes that TLS has read.
    position: usize,
    /// Whether the server has answered, or the client sent more than a ClientHello may contain.
    is_over: bool,
}

impl FirstFlight {
    fn record(&mut self, received: &[u8]) {
        self.is_over |= self.bytes.len() + received.len() > MAX_HELLO;
        if !self.is_over {
            self.bytes.extend_from_slice(received);
            self.position = self.bytes.len();
        }
    }
}

impl<'a> Wire<'a> {
    /// Prepares an accepted socket for the handshake, whose time limit begins now.
    ///
    /// # Errors
    /// Returns the error of the socket.
    pub(super) fn open(tcp: &'a TcpStream, timeouts: Timeouts) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        // Without keep-alive, a client whose machine is gone would occupy its session for ever.
        sockopt::set_socket_keepalive(tcp, true)?;
        sockopt::set_tcp_keepidle(tcp, KEEP_ALIVE)?;
        tcp.set_write_timeout(Some(timeouts.response))?;
        Ok(Self {
            socket: DeadlineSocket::new(tcp),
            records: RecordTracker::default(),
            timeouts,
            deadline: Some(Instant::now() + timeouts.handshake),
            idle: None,
            first_flight: FirstFlight::default(),
            has_answered: false,
            offer: None,
        })
    }

    /// Returns the client's hello, if the handshake has not ended.
    pub(super) fn client_hello(&self) -> Option<ClientHello> {
        ClientHello::read(&self.first_flight.bytes)
    }

    /// Returns the first bytes that the client sent, if the handshake has not ended.
    pub(super) fn first_bytes(&self) -> &[u8] {
        &self.first_flight.bytes
    }

    /// Returns whether the server has sent anything.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Returns whether the client's hello has the format of SSL 2.0.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn is_ssl2(&self) -> bool {
        is_ssl2(&self.first_flight.bytes)
    }

    /// Lets TLS read again what the client has sent. Returns false if the server has answered already.
    pub(super) fn rewind(&mut self) -> bool {
        if !self.first_flight.is_over {
            self.first_flight.position = 0;
        }
        !self.first_flight.is_over
    }

    /// Releases what only the handshake needs.
    pub(super) fn end_handshake(&mut self) {
        self.offer = self.client_hello();
        self.first_flight = FirstFlight { is_over: true, ..FirstFlight::default() };
    }

    /// Returns what the client offered in the handshake, once.
    pub(super) fn take_offer(&mut self) -> Option<ClientHello> {
        self.offer.take()
    }

    /// Starts to wait for the next request. `begun` states whether its first bytes have arrived already; otherwise
    /// the client may stay idle, without limit or for the time of the setting.
    pub(super) fn expect_request(&mut self, begun: bool) {
        self.deadline = begun.then(|| Instant::now() + self.timeouts.request);
        self.idle = self.timeouts.idle.map(|time| Instant::now() + time);
        self.socket.set_read_deadline(None);
    }

    /// Starts the time limit of the request whose bytes have been decrypted, unless it runs already.
    pub(super) fn begin_request(&mut self) {
        self.deadline.get_or_insert_with(|| Instant::now() + self.timeouts.request);
    }

    /// Returns the time by which a response of `length` bytes must be sent.
    pub(super) fn response_deadline(&self, length: usize) -> Instant {
        let seconds = u64::try_from(length / READ_RATE).unwrap_or(u64::MAX);
        Instant::now() + self.timeouts.response.saturating_add(Duration::from_secs(seconds))
    }

    /// Closes the sending side.
    pub(super) fn shut_down(&self) {
        drop(self.socket.tcp().shutdown(Shutdown::Write));
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let first = &mut self.first_flight;
        if first.position < first.bytes.len() {
            let count = first.bytes.get(first.position..).unwrap_or_default().read(buffer)?;
            first.position += count;
            return Ok(count);
        }
        // Part of a record is part of a request. A complete record need not be: TLS has messages of its own.
        let is_idle = self.deadline.is_none() && self.records.is_between_records();
        let deadline = match self.deadline {
            None if is_idle => self.idle,
            // The deadline of an idle connection does not apply any more.
            None => self
                .socket
                .read_deadline()
                .filter(|deadline| Some(*deadline) != self.idle)
                .or_else(|| Some(Instant::now() + self.timeouts.request)),
            deadline => deadline,
        };
        self.socket.set_read_deadline(deadline);
        let count = self.socket.read(buffer).map_err(|error| match self.timeouts.idle {
            Some(idle) if is_idle && error.kind() == io::ErrorKind::TimedOut => {
                io::Error::new(error.kind(), Idle(idle))
            }
            _ => error,
        })?;
        let received = buffer.get(..count).unwrap_or_default();
        self.records.advance(received);
        self.first_flight.record(received);
        Ok(count)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.first_flight.is_over = true;
        self.has_answered = true;
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.first_flight.is_over = true;
        self.has_answered = true;
        self.socket.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// Reads and discards what the client still sends, so that it receives the server's last alert.
pub(in crate::server) fn linger(socket: &TcpStream) {
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
