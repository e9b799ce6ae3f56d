//! One connection: the handshake, then one request after another, in order. Each request has a deadline from its
//! first byte on; between requests, a client may stay idle without limit.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use zeroize::{Zeroize, Zeroizing};

use crate::auth::{Certificate, Peer};
use crate::dispatch::{Reply, Respond};
use crate::excerpt::Excerpt;
use crate::faults::{AnswerFault, Faults};
use crate::memory_quota::{MemoryQuota, Reservation};
use crate::observe::{Exchange, FailedHandshake, Observers, Opened};
use crate::ttlv::{FrameError, read_frame};

use super::faulty;
#[cfg(feature = "http")]
use super::http::{self, Encoding, Rejection, RequestError};
use super::listener::Serve;
use super::metered_reader::{MeteredReader, quota_exceeded};
use super::noise::Kind;
use super::registry::{Admission, Displaced, MAX_HANDSHAKES, Slot};
use super::tls::{
    self, Accepted, ClientHello, CurrentTls, Diagnosis, Standing, Timeouts, TlsConfig, TlsStream, linger,
};

/// The largest request buffer that an idle connection retains: a common request fits.
const RETAINED_BUFFER: usize = 16 * 1024;

/// The settings that all connections of a server share.
pub(super) struct ConnectionConfig {
    pub(super) tls: Arc<CurrentTls>,
    pub(super) responder: Arc<dyn Respond>,
    pub(super) timeouts: Timeouts,
    pub(super) max_request_size: usize,
    pub(super) max_request_memory: Arc<MemoryQuota>,
    pub(super) observers: Observers,
    pub(super) faults: Option<Arc<Faults>>,
}

impl fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionConfig").finish_non_exhaustive()
    }
}

/// Writes the end of a session by a timeout: of a request, or of a connection that was idle.
fn write_late(error: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error.get_ref() {
        Some(idle) => write!(f, "{idle}"),
        None => f.write_str("the client did not finish its request in time"),
    }
}

/// The reason for which a session ends.
enum SessionEnd {
    PeerClosed,
    /// The client asked for the connection to be closed after a response.
    #[cfg(feature = "http")]
    Complete,
    ServerStops,
    /// Another user has fewer connections and needed this one.
    Displaced,
    Refused,
    /// A fault rule ends the connection.
    Fault,
    Frame(FrameError),
    #[cfg(feature = "http")]
    Http(RequestError),
    Send(io::Error),
    Panic,
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("the client closed the connection"),
            #[cfg(feature = "http")]
            Self::Complete => f.write_str("the client asked to close the connection after the response"),
            Self::ServerStops => f.write_str("the server stops"),
            Self::Displaced => f.write_str("another user needed the connection"),
            Self::Refused => f.write_str("the server refused the client"),
            Self::Fault => f.write_str("a fault rule ended the connection"),
            Self::Frame(FrameError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                write_late(error, f)
            }
            Self::Frame(error) => error.fmt(f),
            #[cfg(feature = "http")]
            Self::Http(RequestError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                write_late(error, f)
            }
            #[cfg(feature = "http")]
            Self::Http(error) => error.fmt(f),
            Self::Send(error) => write!(f, "the response could not be sent: {error}"),
            Self::Panic => f.write_str("the server failed to answer a request"),
        }
    }
}

impl Serve for ConnectionConfig {
    const THREADS: &'static str = "kmip";

    fn serve(&self, socket: &TcpStream, address: SocketAddr, number: u64, slot: &Slot) {
        serve(socket, address, number, self, slot);
    }
}

/// Serves a connection to its end. The log receives one line if the handshake fails, else one at the start and one
/// at the end of the session.
fn serve(socket: &TcpStream, address: SocketAddr, number: u64, config: &ConnectionConfig, slot: &Slot) {
    let peer = Peer::new(address, number, None);
    if config.faults.as_ref().is_some_and(|faults| faults.refuses_handshake()) {
        log::info!(target: peer.log_target(), "No session with {address}: a fault rule refuses the handshake.");
        return faulty::refuse(socket);
    }
    let tls = config.tls.snapshot();
    match tls::accept(socket, &tls, config.timeouts) {
        Ok(Accepted::Rustls(stream)) => run_session(*stream, tls, socket, address, number, config, slot),
        #[cfg(feature = "legacy-tls")]
        Ok(Accepted::OpenSsl(stream)) => run_session(stream, tls, socket, address, number, config, slot),
        Err(_) if slot.is_displaced() => {
            report_failure(&peer, config, slot, false, &Diagnosis::too_many(MAX_HANDSHAKES), &Offer(None));
        }
        // The server itself closed the socket.
        Err(_) if slot.is_stopping() => {}
        Err(failure) => {
            let (is_probe, diagnosis) = (failure.is_probe(), tls.diagnose(&failure));
            let offer = Offer(failure.evidence.hello.as_ref());
            let is_logged = report_failure(&peer, config, slot, is_probe, &diagnosis, &offer);
            if offer.0.is_some() && is_logged {
                log::debug!(target: peer.log_target(), "What {address} offers: {offer}");
            }
            linger(socket);
        }
    }
}

/// What a client offers, in words.
struct Offer<'a>(Option<&'a ClientHello>);

impl fmt::Display for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |hello| f.write_str(&hello.describe()))
    }
}

/// Reports why a handshake failed to the observers and in the log: at INFO if the client only connected, else as a warning.
/// Returns false if the log has too many such lines.
fn report_failure(
    peer: &Peer,
    config: &ConnectionConfig,
    slot: &Slot,
    is_probe: bool,
    diagnosis: &Diagnosis,
    offered: &Offer<'_>,
) -> bool {
    let (code, address, session) = (diagnosis.symptom.code(), peer.address, &*peer.session);
    let failed = FailedHandshake { code, address, session, sentence: diagnosis, offered };
    config.observers.report(|observer| observer.handshake_failed(&failed));
    let (kind, level) =
        if is_probe { (Kind::NoSession, log::Level::Info) } else { (Kind::NoHandshake, log::Level::Warn) };
    let is_allowed = slot.registry().allows_line(kind);
    if is_allowed {
        log::log!(target: peer.log_target(), level, "No session with {address}: {diagnosis}");
    }
    is_allowed
}

/// Serves a connection after its handshake.
fn run_session(
    mut stream: impl TlsStream,
    tls: Arc<TlsConfig>,
    socket: &TcpStream,
    address: SocketAddr,
    number: u64,
    config: &ConnectionConfig,
    slot: &Slot,
) {
    let target = Peer::new(address, number, None);
    let target = target.log_target();
    let (certificate, standing) = {
        let chain = stream.peer_certificates();
        let certificate = chain.first().and_then(|der| Certificate::from_der(der));
        (certificate, Standing::of(&tls, &chain))
    };
    // The session keeps no configuration alive that has been replaced.
    drop(tls);
    if !begin_session(target, certificate.as_ref(), address, slot) {
        stream.close();
        return;
    }
    let peer = Peer::new(address, number, certificate);
    let (version, suite) = (stream.version(), stream.cipher_suite());
    let legacy = if tls::is_legacy(&suite) { ", a legacy cipher suite" } else { "" };
    let resumed = if stream.is_resumed() { ", resumed" } else { "" };
    let chosen = format!("{version}, {suite}{legacy}{resumed}");
    log::info!(target: target, "Starting session: {} for {address}, {chosen}", peer.session);
    let offer = stream.take_offer();
    let offered = &Offer(offer.as_ref());
    config.observers.report(|observer| observer.opened(&Opened { peer: &peer, chosen: &chosen, offered }));
    drop(offer);
    let end = answer(&mut stream, &peer, standing, config, slot);
    let end = if slot.is_displaced() { SessionEnd::Displaced } else { end };
    // A fault looks like a server that crashed.
    if !matches!(end, SessionEnd::Fault) {
        stream.close();
    }
    let is_refusal = match end {
        SessionEnd::Frame(_) | SessionEnd::Refused | SessionEnd::Panic => true,
        #[cfg(feature = "http")]
        SessionEnd::Http(_) => true,
        _ => false,
    };
    if is_refusal {
        linger(socket);
    }
    config.observers.report(|observer| observer.closed(&peer, &end));
    log::info!(target: target, "Stopping session: {}: {end}", peer.session);
}

/// Makes the connection a session of its user. Logs the connection that ends for it, or the refusal.
fn begin_session(target: &str, certificate: Option<&Certificate>, address: SocketAddr, slot: &Slot) -> bool {
    let names = certificate.map(Certificate::common_names).unwrap_or_default();
    let (registry, max) = (slot.registry(), slot.registry().max_sessions());
    match slot.begin_session(&names.join(", ")) {
        Admission::Granted => true,
        Admission::GrantedInPlaceOf(Displaced { user, address, idle, share }) => {
            if registry.allows_line(Kind::Displaced) {
                let (user, idle) = (Excerpt(&user), idle.as_secs());
                log::warn!(
                    target: target,
                    "The connection from {address} ends after {idle} s without a request: all {max} connections are open, \
                     {share} of them by its user {user:?}. Raise max_connections if that is too few."
                );
            }
            true
        }
        Admission::ShareTaken(share) => {
            if registry.allows_line(Kind::TurnedAway) {
                let user = names.join(", ");
                log::warn!(
                    target: target,
                    "{address} is turned away: the user {:?} has {share} connections; raise max_connections_per_user if \
                     that is too few.",
                    Excerpt(&user)
                );
            }
            false
        }
        Admission::AllTaken => {
            if registry.allows_line(Kind::TurnedAway) {
                log::warn!(
                    target: target,
                    "{address} is turned away: {max} connections are open; raise max_connections if that is too few."
                );
            }
            false
        }
        Admission::Ended => false,
    }
}

/// Answers the requests of a session. Its first byte decides between TTLV messages and HTTP requests.
fn answer(
    stream: &mut impl TlsStream,
    peer: &Peer,
    standing: Standing,
    config: &ConnectionConfig,
    slot: &Slot,
) -> SessionEnd {
    let mut first = [0];
    stream.expect_request(false);
    match stream.read(&mut first) {
        Ok(0) => return SessionEnd::PeerClosed,
        Ok(_) => {}
        Err(_) if slot.is_stopping() => return SessionEnd::ServerStops,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return SessionEnd::PeerClosed,
        Err(error) => {
            if let Some(diagnosis) = config.tls.snapshot().diagnose_read(&error) {
                report_failure(peer, config, slot, false, &diagnosis, &Offer(None));
            }
            return SessionEnd::Frame(FrameError::Io(error));
        }
    }
    let session = Session { peer, standing: Cell::new(standing), config, slot };
    #[cfg(feature = "http")]
    if let [byte] = first
        && http::begins_with(byte)
    {
        return session.answer_http(stream, byte);
    }
    session.answer_frames(stream, first)
}

/// The context in which the requests of one connection are answered.
struct Session<'a> {
    peer: &'a Peer,
    standing: Cell<Standing>,
    config: &'a ConnectionConfig,
    slot: &'a Slot,
}

impl Session<'_> {
    fn answer_frames(&self, stream: &mut impl TlsStream, first: [u8; 1]) -> SessionEnd {
        // Requests and responses contain keys.
        let mut request = Zeroizing::new(Vec::new());
        let mut ahead = &first[..];
        loop {
            if request.capacity() > RETAINED_BUFFER {
                request = Zeroizing::new(Vec::new());
            }
            let limit = self.config.max_request_size;
            let mut reservation = self.config.max_request_memory.reservation();
            let mut metered = MeteredReader::new(stream, &mut reservation);
            match read_frame(&mut Read::chain(&mut ahead, &mut metered), &mut request, limit) {
                Ok(()) => {}
                Err(_) if self.slot.is_stopping() => return SessionEnd::ServerStops,
                Err(FrameError::Closed) => return SessionEnd::PeerClosed,
                Err(error) => return SessionEnd::Frame(error),
            }
            let received = reservation.bytes();
            let (reply, request_length) = (self.reply(stream, &request, &mut reservation), request.len());
            request.zeroize();
            let Some((reply, begun)) = reply else { return SessionEnd::Panic };
            let lengths = (request_length, reply.message.len());
            let mut message = Zeroizing::new(reply.message);
            if let Some(fault) = reply.fault {
                faulty::deform(&mut message, fault, true);
            }
            if !reservation.resize(received + message.len()) {
                return SessionEnd::Send(quota_exceeded());
            }
            if let Some(end) = self.send(stream, &message, (reply.close, reply.fault), begun, lengths) {
                return end;
            }
            stream.expect_request(false);
        }
    }

    #[cfg(feature = "http")]
    fn answer_http(&self, stream: &mut impl TlsStream, first: u8) -> SessionEnd {
        let mut requests = http::Requests::beginning_with(first);
        loop {
            match self.exchange(stream, &mut requests) {
                Ok(None) => stream.expect_request(requests.has_begun()),
                Ok(Some(end)) => return end,
                Err(_) if self.slot.is_stopping() => return SessionEnd::ServerStops,
                Err(RequestError::Closed) => return SessionEnd::PeerClosed,
                Err(error) => {
                    if let RequestError::Rejected(rejection) = &error
                        && let Err(error) = stream.send(&requests.rejection(rejection))
                    {
                        return SessionEnd::Send(error);
                    }
                    return SessionEnd::Http(error);
                }
            }
        }
    }

    #[cfg(feature = "http")]
    /// Answers one HTTP request. Returns the end of the session if the session ends with it.
    fn exchange(
        &self,
        stream: &mut impl TlsStream,
        requests: &mut http::Requests,
    ) -> Result<Option<SessionEnd>, RequestError> {
        let limit = self.config.max_request_size;
        let mut reservation = self.config.max_request_memory.reservation();
        let head = http::read_head(requests, &mut MeteredReader::new(stream, &mut reservation), limit)?;
        if head.expects_continue
            && let Err(error) = stream.send(http::CONTINUE)
        {
            return Ok(Some(SessionEnd::Send(error)));
        }
        let body = requests.body(&mut MeteredReader::new(stream, &mut reservation), head.framing)?;
        let request = head.encoding.decode(body).map_err(|error| http::no_message(&error))?;
        if request.len() > limit {
            return Err(Rejection::TooLong { limit }.into());
        }
        if head.encoding != Encoding::Ttlv && !reservation.add(request.len()) {
            return Err(RequestError::Io(quota_exceeded()));
        }
        let received = reservation.bytes();
        let reply = self.reply(stream, &request, &mut reservation);
        let Some((reply, begun)) = reply else { return Ok(Some(SessionEnd::Panic)) };
        let lengths = (request.len(), reply.message.len());
        if reply.fault == Some(AnswerFault::Lost) {
            return Ok(Some(SessionEnd::Fault));
        }
        let mut message = match head.encoding.encode(reply.message) {
            Ok(message) => message,
            Err(error) => {
                log::error!(
                    target: self.peer.log_target(),
                    "A response cannot be encoded as {}: {error}. This is a bug in the server; please report it.",
                    head.encoding.content_type()
                );
                return Ok(Some(SessionEnd::Panic));
            }
        };
        if let Some(fault) = reply.fault {
            faulty::deform(&mut message, fault, head.encoding == Encoding::Ttlv);
        }
        let keep_alive = head.persistence.keep_alive && !reply.close;
        let response = Zeroizing::new(http::response(&head, keep_alive, &message));
        if !reservation.resize(received + response.len()) {
            return Err(RequestError::Io(quota_exceeded()));
        }
        let end = self.send(stream, &response, (reply.close, reply.fault), begun, lengths);
        Ok(end.or_else(|| (!keep_alive).then_some(SessionEnd::Complete)))
    }

    /// Returns the reply to a message with the time at which its execution began, or `None` if the responder panicked. It is
    /// a refusal if the client would not pass the handshake any more.
    fn reply(
        &self,
        stream: &impl TlsStream,
        request: &[u8],
        memory: &mut Reservation,
    ) -> Option<(Reply, Instant)> {
        // A panic leaves no request half done: the responder changes state in transactions only.
        let begun = self.slot.record(true);
        let mut standing = self.standing.get();
        let verified = standing.verify(&self.config.tls, || stream.peer_certificates());
        self.standing.set(standing);
        let refused = verified.err().map(|reason| self.peer.refused(reason));
        let peer = refused.as_ref().unwrap_or(self.peer);
        let respond = || self.config.responder.respond_within(request, peer, memory);
        let reply = catch_unwind(AssertUnwindSafe(respond));
        if reply.is_err() {
            log::error!(
                target: self.peer.log_target(),
                "A request of {} bytes could not be answered, because the server panicked. This is a bug; please \
                 report it with the panic message in this log.",
                request.len()
            );
        }
        let reply = reply.ok()?;
        Some((Reply { close: reply.close || refused.is_some(), ..reply }, begun))
    }

    /// Sends the response to the request that began to execute at `begun`. It stays in memory until the client has read it.
    /// `lengths` are those of both TTLV messages. Returns the end of the session if the session ends with it.
    fn send(
        &self,
        stream: &mut impl TlsStream,
        response: &[u8],
        (close, fault): (bool, Option<AnswerFault>),
        begun: Instant,
        lengths: (usize, usize),
    ) -> Option<SessionEnd> {
        match faulty::send(stream, response, fault) {
            Ok(true) => {}
            Ok(false) => return Some(SessionEnd::Fault),
            Err(error) => return Some(SessionEnd::Send(error)),
        }
        let duration = self.slot.record(false).duration_since(begun);
        let (received, sent) = lengths;
        self.config.observers.report(|observer| observer.answered(&Exchange { received, sent, duration }));
        if close {
            return Some(SessionEnd::Refused);
        }
        self.slot.is_stopping().then_some(SessionEnd::ServerStops)
    }
}
