//! The events of a server, for the parts that watch it. An event has typed values; only an observer formats them.
//!
//! The audit log is no observer, because it can refuse an operation: [`crate::dispatch`] asks it.

pub mod metrics;
pub mod recorder;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::Peer;
use crate::faults::AnswerFault;
use crate::kmip::enums::{Operation, ResultReason};

/// A part of the program that watches the server. A method returns quickly, because a request waits for it.
pub trait Observer: Send + Sync + 'static {
    /// A session began.
    fn opened(&self, _opened: &Opened<'_>) {}

    /// A session ended, for this reason.
    fn closed(&self, _peer: &Peer, _reason: &dyn fmt::Display) {}

    /// A TLS handshake failed.
    fn handshake_failed(&self, _failed: &FailedHandshake<'_>) {}

    /// A message was refused before any of its items.
    fn refused(&self, _reason: ResultReason) {}

    /// The execution of a message panicked.
    fn panicked(&self) {}

    /// A batch item was executed.
    fn executed(&self, _execution: &Execution) {}

    /// Whether the observer wants the messages now. Without such an observer, the dispatcher does not call
    /// [`Observer::exchanged`].
    fn wants_messages(&self) -> bool {
        false
    }

    /// A request has its response, which is not sent yet.
    fn exchanged(&self, _messages: &Messages<'_>) {}

    /// A response was sent.
    fn answered(&self, _exchange: &Exchange) {}
}

/// A session after its handshake.
#[derive(Clone, Copy)]
pub struct Opened<'a> {
    /// The client.
    pub peer: &'a Peer,
    /// The TLS version and the cipher suite.
    pub chosen: &'a dyn fmt::Display,
    /// What the client offered; an empty text if that is unknown.
    pub offered: &'a dyn fmt::Display,
}

/// A TLS handshake that failed.
#[derive(Clone, Copy)]
pub struct FailedHandshake<'a> {
    /// The code of the cause.
    pub code: &'static str,
    /// The address of the client.
    pub address: SocketAddr,
    /// The number of the session in the log.
    pub session: &'a str,
    /// What happened and what to do.
    pub sentence: &'a dyn fmt::Display,
    /// What the client offered; an empty text if that is unknown.
    pub offered: &'a dyn fmt::Display,
}

#[cfg(test)]
impl FailedHandshake<'_> {
    /// Returns a handshake that failed for the cause with this code.
    pub fn of(code: &'static str) -> Self {
        let address = ([127, 0, 0, 1], 40_000).into();
        Self { code, address, session: "00000001", sentence: &"", offered: &"" }
    }
}

/// A request and its response, as TTLV. They contain key material.
#[derive(Clone, Copy)]
pub struct Messages<'a> {
    /// The client.
    pub peer: &'a Peer,
    /// The user with whose rights the request executed, or `None` if it was refused before.
    pub user: Option<&'a str>,
    /// The request.
    pub request: &'a [u8],
    /// The response; empty if a fault rule let none be made.
    pub response: &'a [u8],
    /// The time at which the execution of the request began.
    pub begun: Instant,
    /// The fault with which the response is sent.
    pub fault: Option<AnswerFault>,
}

#[cfg(test)]
impl<'a> Messages<'a> {
    /// Returns an empty request with an empty response.
    pub fn of(peer: &'a Peer) -> Self {
        Self { peer, user: None, request: &[], response: &[], begun: Instant::now(), fault: None }
    }
}

/// A batch item after its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The operation.
    pub operation: Operation,
    /// The Result Reason, or `None` if the operation succeeded.
    pub failure: Option<ResultReason>,
    /// The time of the execution. Items of a batch share a commit, whose time is not included.
    pub duration: Duration,
}

/// A request message with its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The length of the TTLV request in bytes.
    pub received: usize,
    /// The length of the TTLV response in bytes.
    pub sent: usize,
    /// The time from the last byte of the request until the response was sent.
    pub duration: Duration,
}

/// The connections of a server. Those since the start are counted, except for the open ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// The number of open connections whose handshake is complete.
    pub sessions: u64,
    /// The number of open connections in the TLS handshake.
    pub handshakes: u64,
    /// The number of accepted connections.
    pub accepted: u64,
    /// The number of connections that were refused, because too many were open.
    pub turned_away: u64,
    /// The number of sessions that ended in favour of another user.
    pub displaced: u64,
}

/// The observers of a server. Without one, an event costs a branch.
#[derive(Clone, Default)]
pub struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    /// Returns the observers with another one.
    #[must_use]
    pub fn with(mut self, observer: Arc<dyn Observer>) -> Self {
        self.0.push(observer);
        self
    }

    /// Returns whether an observer wants the messages now.
    pub fn want_messages(&self) -> bool {
        self.0.iter().any(|observer| observer.wants_messages())
    }

    /// Calls `report` for each observer.
    pub fn report(&self, report: impl Fn(&dyn Observer)) {
        self.0.iter().for_each(|observer| report(&**observer));
    }
}

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Observers").field(&self.0.len()).finish()
    }
}
