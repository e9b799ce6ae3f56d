//! The causes of failed handshakes.

use std::fmt;
use std::io;

use rustls::{Error, InvalidMessage, PeerIncompatible};

use super::hello::ClientHello;
use super::opening::Opening;
#[cfg(feature = "legacy-tls")]
use super::openssl_errors::Reasons;
use super::wire::Wire;
use crate::x509::path::Refusal;

/// A failed handshake.
#[derive(Debug)]
pub(in crate::server) struct Failure {
    pub(in crate::server) cause: Cause,
    pub(in crate::server) evidence: Box<Evidence>,
}

/// What is known about the client of a failed handshake.
#[derive(Debug, Default)]
pub(in crate::server) struct Evidence {
    /// What the client offers, if its hello arrived.
    pub(in crate::server) hello: Option<ClientHello>,
    /// The protocol of the client's first bytes.
    pub(super) opening: Opening,
    /// Whether the server has answered.
    pub(super) has_answered: bool,
}

impl Failure {
    /// Creates a failure with what is known from the bytes below TLS.
    pub(super) fn on(wire: &Wire<'_>, cause: Cause) -> Self {
        let evidence = Evidence {
            hello: wire.client_hello(),
            opening: Opening::of(wire.first_bytes()),
            has_answered: wire.has_answered(),
        };
        Self { cause, evidence: Box::new(evidence) }
    }

    /// Returns whether the client only connected, as port scans and health checks do.
    pub(in crate::server) fn is_probe(&self) -> bool {
        let is_closed = match &self.cause {
            Cause::Closed => true,
            Cause::Socket(error) => error.kind() == io::ErrorKind::ConnectionReset,
            _ => false,
        };
        is_closed && self.evidence.opening == Opening::Nothing
    }

    /// Returns what the client offers as a sentence; an empty text without its hello.
    pub(super) fn offer(&self) -> String {
        self.evidence
            .hello
            .as_ref()
            .map(|hello| format!("It offers {}", hello.describe()))
            .unwrap_or_default()
    }
}

/// The cause of a failed handshake, or of the end of a connection in TLS.
#[derive(Debug)]
pub(in crate::server) enum Cause {
    /// The client closed the connection.
    Closed,
    /// The client did not finish in time.
    Late,
    /// Another error of the socket.
    Socket(io::Error),
    /// The first bytes are no TLS record.
    NotTls,
    /// Client and server have no protocol version in common.
    NoCommonVersion,
    /// Client and server have no cipher suite and key exchange in common.
    NoCommonSuite,
    /// The client's certificate is not trusted.
    Certificate(Box<Refusal>),
    /// Another error of TLS.
    Tls(Error),
    /// Another error of OpenSSL.
    #[cfg(feature = "legacy-tls")]
    OpenSsl(Reasons),
}

impl Cause {
    /// Returns whether OpenSSL may be able to serve a client that rustls refused for this cause.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn may_suit_openssl(&self) -> bool {
        use rustls::PeerMisbehaved::ServerNameMustContainOneHostName;
        matches!(
            self,
            Self::NoCommonVersion
                | Self::NoCommonSuite
                | Self::Tls(
                    Error::PeerIncompatible(_)
                        | Error::PeerMisbehaved(ServerNameMustContainOneHostName)
                        | Error::InvalidMessage(InvalidMessage::InvalidServerName)
                )
        )
    }
}

impl From<Box<Refusal>> for Cause {
    fn from(refusal: Box<Refusal>) -> Self {
        Self::Certificate(refusal)
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            // The error of an idle connection has a text of its own.
            io::ErrorKind::TimedOut if error.get_ref().is_none() => Self::Late,
            _ => Self::Socket(error),
        }
    }
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        use PeerIncompatible as P;
        match error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::PeerIncompatible(P::NoCipherSuitesInCommon | P::NoKxGroupsInCommon) => Self::NoCommonSuite,
            Error::PeerIncompatible(
                P::Tls12NotOffered | P::Tls12NotOfferedOrEnabled | P::SupportedVersionsExtensionRequired,
            ) => Self::NoCommonVersion,
            error => Self::Tls(error),
        }
    }
}

/// The error of a read or write after the handshake.
impl From<Cause> for io::Error {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Closed => io::ErrorKind::UnexpectedEof.into(),
            Cause::Late => io::ErrorKind::TimedOut.into(),
            Cause::Socket(error) => error,
            Cause::Tls(error) => Self::new(io::ErrorKind::InvalidData, error),
            cause => Self::new(io::ErrorKind::InvalidData, cause.to_string()),
        }
    }
}

impl<C: Into<Cause>> From<C> for Failure {
    fn from(cause: C) -> Self {
        Self { cause: cause.into(), evidence: Box::default() }
    }
}

/// The text for the end of a session; [`super::doctor`] explains failed handshakes.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the client closed the connection"),
            Self::Late => f.write_str("the client was too slow"),
            Self::Socket(error) => write!(f, "the connection failed: {error}"),
            Self::NotTls => f.write_str("the client sent bytes that are not TLS"),
            Self::NoCommonVersion => f.write_str("client and server have no TLS version in common"),
            Self::NoCommonSuite => f.write_str("client and server have no cipher suite in common"),
            Self::Certificate(refusal) => write!(f, "the client is not trusted: {refusal}"),
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            #[cfg(feature = "legacy-tls")]
            Self::OpenSsl(reasons) => write!(f, "TLS failed: {reasons} (OpenSSL)"),
        }
    }
}
