//! One connection: the handshake, then request after request in order, each under a deadline from its first
//! byte on. Between requests a client may wait as long as it likes.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustls::{HandshakeKind, ServerConnection};
use zeroize::{Zeroize, Zeroizing};

use super::tls;
use crate::auth::{Certificate, Peer};
use crate::dispatch::{Reply, Respond};
use crate::ttlv::{FrameError, read_frame};

use super::budget::{Budget, Counted, Share, no_room};
use super::http::{self, Encoding, Problem, Refusal};
use super::listener::Slot;

/// How fast, in bytes a second, a client has to read a response that takes longer than the timeout for one: who
/// reads a byte now and then must not hold it for hours.
const READ_RATE: usize = 16 * 1024;
/// How much of the request buffer an idle connection keeps: a common request fits.
const KEPT_BUFFER: usize = 16 * 1024;
/// After how long a silence the system asks whether the client's machine is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(600);
/// How long, and for how many bytes, a closed connection is read on: without that the client's system may
/// drop the alert that says why.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 * 1024;

/// What all connections of a server share.
pub(super) struct Terms {
    pub(super) tls: tls::Terms,
    pub(super) responder: Arc<dyn Respond>,
    pub(super) handshake_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) response_timeout: Duration,
    pub(super) max_request_size: usize,
    pub(super) budget: Budget,
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms").finish_non_exhaustive()
    }
}

/// Why a session ended.
enum End {
    PeerClosed,
    /// The client wanted no more than one response.
    Done,
    ServerStops,
    Refused,
    Frame(FrameError),
    Http(Problem),
    Send(io::Error),
    Panic,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("the client closed the connection"),
            Self::Done => f.write_str("the client had its last response"),
            Self::ServerStops => f.write_str("the server stops"),
            Self::Refused => f.write_str("the client was refused"),
            Self::Frame(FrameError::Io(error)) | Self::Http(Problem::Io(error))
                if error.kind() == io::ErrorKind::TimedOut =>
            {
                f.write_str("the client did not finish its request in time")
            }
            Self::Frame(error) => error.fmt(f),
            Self::Http(problem) => problem.fmt(f),
            Self::Send(error) => write!(f, "the response could not be sent: {error}"),
            Self::Panic => f.write_str("answering a request failed"),
        }
    }
}

/// Serves a connection to its end. It leaves one line in the log where there was no handshake, else two.
pub(super) fn serve(socket: &TcpStream, address: SocketAddr, number: u64, terms: &Terms, slot: &Slot) {
    let target = Peer::new(address, number, None);
    let target = target.log_target();
    let mut stream = match Stream::open(socket, terms) {
        Ok(stream) => stream,
        Err(error) => {
            log::info!(target: target, "There is no session for {address}: {}", Handshake(&error));
            linger(socket);
            return;
        }
    };
    if !slot.begin_session() {
        if !slot.is_stopping() {
            let cap = slot.cap();
            log::warn!(target: target, "{address} is turned away: max_connections ({cap}) are open.");
        }
        stream.close();
        return;
    }
    let shown = stream.tls.peer_certificates().and_then(|chain| chain.first());
    let certificate = shown.and_then(|shown| Certificate::from_der(shown).ok());
    let peer = Peer::new(address, number, certificate);
    let suite =
        stream.tls.negotiated_cipher_suite().and_then(|it| it.suite().as_str()).unwrap_or("no cipher suite");
    let resumed = if stream.is_resumed() { ", resumed" } else { "" };
    log::info!(target: target, "Starting session: {} for {address}, {suite}{resumed}", peer.session);
    let end = answer(&mut stream, &peer, terms, slot);
    stream.close();
    if matches!(end, End::Frame(_) | End::Http(_) | End::Refused | End::Panic) {
        linger(socket);
    }
    log::info!(target: target, "Stopping session: {}: {end}", peer.session);
}

/// Answers what comes, bare messages or those of HTTP: the first byte tells.
fn answer(stream: &mut Stream<'_>, peer: &Peer, terms: &Terms, slot: &Slot) -> End {
    let mut first = [0];
    stream.expect_request(false);
    match stream.read(&mut first) {
        Ok(0) => return End::PeerClosed,
        Ok(_) => {}
        Err(_) if slot.is_stopping() => return End::ServerStops,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return End::PeerClosed,
        Err(error) => return End::Frame(FrameError::Io(error)),
    }
    let [byte] = first;
    let session = Session { peer, terms, slot };
    if http::begins_with(byte) {
        session.answer_http(stream, byte)
    } else {
        session.answer_frames(stream, first)
    }
}

/// What the requests of one connection have in common.
struct Session<'a> {
    peer: &'a Peer,
    terms: &'a Terms,
    slot: &'a Slot,
}

impl Session<'_> {
    fn answer_frames(&self, stream: &mut Stream<'_>, first: [u8; 1]) -> End {
        // Requests and responses hold keys.
        let mut request = Zeroizing::new(Vec::new());
        let mut ahead = &first[..];
        loop {
            if request.capacity() > KEPT_BUFFER {
                request = Zeroizing::new(Vec::new());
            }
            let limit = self.terms.max_request_size;
            let mut share = self.terms.budget.share();
            let mut counted = Counted::new(stream, &mut share);
            match read_frame(&mut Read::chain(&mut ahead, &mut counted), &mut request, limit, || ()) {
                Ok(()) => {}
                Err(_) if self.slot.is_stopping() => return End::ServerStops,
                Err(FrameError::Closed) => return End::PeerClosed,
                Err(error) => return End::Frame(error),
            }
            let reply = self.reply(&request);
            request.zeroize();
            let Some(reply) = reply else { return End::Panic };
            let message = Zeroizing::new(reply.message);
            if let Some(end) = self.send(stream, &mut share, &message, reply.close) {
                return end;
            }
            stream.expect_request(false);
        }
    }

    fn answer_http(&self, stream: &mut Stream<'_>, first: u8) -> End {
        let mut requests = http::Requests::beginning_with(first);
        loop {
            match self.exchange(stream, &mut requests) {
                Ok(None) => stream.expect_request(requests.has_begun()),
                Ok(Some(end)) => return end,
                Err(_) if self.slot.is_stopping() => return End::ServerStops,
                Err(Problem::Closed) => return End::PeerClosed,
                Err(problem) => {
                    if let Problem::Refused(refusal) = &problem
                        && let Err(error) = stream.send(&refusal.response())
                    {
                        return End::Send(error);
                    }
                    return End::Http(problem);
                }
            }
        }
    }

    /// One request of HTTP and its response; the end of the session where it ends with it.
    fn exchange(
        &self,
        stream: &mut Stream<'_>,
        requests: &mut http::Requests,
    ) -> Result<Option<End>, Problem> {
        let limit = self.terms.max_request_size;
        let mut share = self.terms.budget.share();
        let head = requests.head(&mut Counted::new(stream, &mut share), limit)?;
        if head.expects
            && let Err(error) = stream.send(http::CONTINUE)
        {
            return Ok(Some(End::Send(error)));
        }
        let body = requests.body(&mut Counted::new(stream, &mut share), &head)?;
        let request = head.encoding.decode(body).map_err(Refusal::NoMessage)?;
        if request.len() > limit {
            return Err(Refusal::TooLong { limit }.into());
        }
        if head.encoding != Encoding::Ttlv && !share.add(request.len()) {
            return Err(Problem::Io(no_room()));
        }
        let Some(reply) = self.reply(&request) else { return Ok(Some(End::Panic)) };
        let Ok(message) = Encoding::encode(head.encoding, reply.message) else {
            log::error!(target: self.peer.log_target(), "A response cannot be spelled: the server has a bug.");
            return Ok(Some(End::Panic));
        };
        let stays = head.stays && !reply.close;
        let response = Zeroizing::new(http::response(&head, stays, &message));
        let end = self.send(stream, &mut share, &response, reply.close);
        Ok(end.or_else(|| (!stays).then_some(End::Done)))
    }

    /// The reply to a message; none where a bug kept the server from making one.
    fn reply(&self, request: &[u8]) -> Option<Reply> {
        // The responder holds nothing that a request could leave half done: its changes are transactions.
        let reply = catch_unwind(AssertUnwindSafe(|| self.terms.responder.respond(request, self.peer)));
        if reply.is_err() {
            log::error!(target: self.peer.log_target(), "A request could not be answered: the server has a bug.");
        }
        reply.ok()
    }

    /// Sends a response, which is in memory for as long as the client takes to read it; the end of the session where
    /// it ends with it.
    fn send(
        &self,
        stream: &mut Stream<'_>,
        share: &mut Share<'_>,
        response: &[u8],
        close: bool,
    ) -> Option<End> {
        if !share.add(response.len()) {
            return Some(End::Send(no_room()));
        }
        if let Err(error) = stream.send(response) {
            return Some(End::Send(error));
        }
        if close {
            return Some(End::Refused);
        }
        self.slot.is_stopping().then_some(End::ServerStops)
    }
}

/// Lets the client read what it was sent last.
fn linger(socket: &TcpStream) {
    drop(socket.shutdown(Shutdown::Write));
    let end = Instant::now() + LINGER;
    let (mut room, mut left) = ([0; 1024], LINGER_BYTES);
    while let Some(time) = end.checked_duration_since(Instant::now()).filter(|time| !time.is_zero()) {
        if left == 0 || socket.set_read_timeout(Some(time)).is_err() {
            return;
        }
        let mut stream = socket;
        match stream.read(&mut room) {
            Ok(0) | Err(_) => return,
            Ok(count) => left = left.saturating_sub(count),
        }
    }
}

/// A failed handshake in words for the log.
struct Handshake<'a>(&'a io::Error);

impl fmt::Display for Handshake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use rustls::PeerIncompatible::{NoCipherSuitesInCommon, NoKxGroupsInCommon};
        use rustls::{Error, InvalidMessage};
        let tls = self.0.get_ref().and_then(|error| error.downcast_ref::<Error>());
        match (self.0.kind(), tls) {
            (_, Some(Error::InvalidMessage(InvalidMessage::InvalidContentType))) => {
                f.write_str("what it sent is not TLS")
            }
            (_, Some(Error::PeerIncompatible(NoCipherSuitesInCommon | NoKxGroupsInCommon))) => f.write_str(
                "the TLS handshake failed: it offers no cipher suite and key exchange that the server has; at DEBUG \
                 the log tells the suites of both",
            ),
            (_, Some(error)) => write!(f, "the TLS handshake failed: {error}"),
            (io::ErrorKind::UnexpectedEof, _) => {
                f.write_str("it closed the connection before the TLS handshake was done")
            }
            (io::ErrorKind::TimedOut, _) => f.write_str("it did not finish the TLS handshake in time"),
            (_, None) => write!(f, "the connection failed: {}", self.0),
        }
    }
}

/// The decrypted side of a connection.
struct Stream<'a> {
    tls: ServerConnection,
    socket: Socket<'a>,
    request_timeout: Duration,
    response_timeout: Duration,
    /// When the request that has begun must be here.
    request_due: Option<Instant>,
}

impl<'a> Stream<'a> {
    /// Shakes hands.
    fn open(tcp: &'a TcpStream, terms: &Terms) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        // A client whose machine is gone would keep its place for ever: the system asks for it now and then.
        sockopt::set_socket_keepalive(tcp, true)?;
        sockopt::set_tcp_keepidle(tcp, KEEP_ALIVE)?;
        tcp.set_write_timeout(Some(terms.response_timeout))?;
        let mut tls = ServerConnection::new(Arc::clone(&terms.tls.config)).map_err(io::Error::other)?;
        // A response is written as a whole, however long; it is in memory anyway.
        tls.set_buffer_limit(None);
        let due = Instant::now() + terms.handshake_timeout;
        let socket = Socket { tcp, due: Some(due), has_timeout: false, records: Records::default() };
        let mut stream = Self {
            tls,
            socket,
            request_timeout: terms.request_timeout,
            response_timeout: terms.response_timeout,
            request_due: None,
        };
        while stream.tls.is_handshaking() {
            stream.flush_records()?;
            if stream.tls.is_handshaking() {
                stream.fill()?;
            }
        }
        stream.flush_records()?;
        if stream.is_resumed() {
            let chain = stream.tls.peer_certificates().unwrap_or_default();
            let checked = terms.tls.check_resumed(chain);
            checked.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        Ok(stream)
    }

    fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// From here on the next request is waited for, of which something has come already where it has `begun`.
    fn expect_request(&mut self, begun: bool) {
        self.request_due = begun.then(|| Instant::now() + self.request_timeout);
        self.socket.due = None;
    }

    /// Reads once from the socket.
    fn fill(&mut self) -> io::Result<()> {
        if self.tls.read_tls(&mut self.socket)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = self.tls.process_new_packets() {
            // The alert for it is waiting to be sent; that it cannot be sent is no news.
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

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(message)?;
        let seconds = u64::try_from(message.len() / READ_RATE).unwrap_or(u64::MAX);
        let due = Instant::now() + self.response_timeout.saturating_add(Duration::from_secs(seconds));
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
            if self.tls.wants_write() && Instant::now() >= due {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Says goodbye; a client that is gone does not hear it.
    fn close(&mut self) {
        self.tls.send_close_notify();
        drop(self.flush_records());
        drop(self.socket.tcp.shutdown(Shutdown::Write));
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) if count > 0 => {
                    self.request_due.get_or_insert_with(|| Instant::now() + self.request_timeout);
                    return Ok(count);
                }
                other => return other,
            }
            self.flush_records()?;
            // Half a record is half a request. A whole one need not be: TLS has messages of its own.
            self.socket.due = match self.request_due {
                None if self.socket.records.is_whole() => None,
                None => self.socket.due.or_else(|| Some(Instant::now() + self.request_timeout)),
                due => due,
            };
            self.fill()?;
        }
    }
}

/// The socket, reading under a deadline.
struct Socket<'a> {
    tcp: &'a TcpStream,
    due: Option<Instant>,
    has_timeout: bool,
    records: Records,
}

impl Read for Socket<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.due.map(|due| due.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if left.is_some() || self.has_timeout {
                self.tcp.set_read_timeout(left)?;
                self.has_timeout = left.is_some();
            }
            match self.tcp.read(room) {
                Ok(count) => {
                    self.records.advance(room.get(..count).unwrap_or_default());
                    return Ok(count);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                    _ => return Err(error),
                },
            }
        }
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.write(bytes)
    }

    /// All records of a response in one system call.
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.tcp.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where in the run of TLS records a stream stands (RFC 8446 §5.1: type, version, length, fragment).
#[derive(Debug, Default)]
struct Records {
    header: [u8; 5],
    have: usize,
    fragment: usize,
}

impl Records {
    fn advance(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.fragment > 0 {
                let skipped = self.fragment.min(bytes.len());
                self.fragment -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.header.get_mut(self.have) {
                *place = first;
                self.have += 1;
            }
            if self.have == self.header.len() {
                let [.., high, low] = self.header;
                self.fragment = usize::from(u16::from_be_bytes([high, low]));
                self.have = 0;
            }
            bytes = rest;
        }
    }

    /// Whether the stream stands between two records.
    fn is_whole(&self) -> bool {
        self.have == 0 && self.fragment == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_records_end_however_they_arrive() {
        let records =
            [&[0x17, 3, 3, 0, 2, 9, 9][..], &[0x15, 3, 3, 0, 0], &[0x17, 3, 3, 1, 0], &[7; 256]].concat();
        let whole = [7, 12, 12 + 5 + 256];
        for step in [1, 2, 5, 7, 1000] {
            let mut position = Records::default();
            let mut at = 0;
            for part in records.chunks(step) {
                position.advance(part);
                at += part.len();
                let expected = at == 0 || whole.contains(&at);
                assert_eq!(position.is_whole(), expected, "after {at} bytes in steps of {step}");
            }
        }
    }
}
