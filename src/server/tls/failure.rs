//! The causes of failed handshakes.

use std::fmt;
use std::io;

use rustls::{Error, InvalidMessage, PeerIncompatible};

use super::hello::{ClientHello, version_name};
#[cfg(feature = "legacy-tls")]
use super::openssl_errors::Reasons;

/// A failed handshake.
#[derive(Debug)]
pub(in crate::server) struct Failure {
    pub(in crate::server) cause: Cause,
    /// What the client offers, if its hello arrived.
    pub(in crate::server) hello: Option<Box<ClientHello>>,
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
    /// Another error of TLS, or a certificate that is not trusted.
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
            cause => Self::new(io::ErrorKind::InvalidData, Failure::from(cause).to_string()),
        }
    }
}

impl<C: Into<Cause>> From<C> for Failure {
    fn from(cause: C) -> Self {
        Self { cause: cause.into(), hello: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Closed => f.write_str("the client closed the connection during the TLS handshake"),
            Cause::Late => f.write_str("the client did not finish the TLS handshake in time"),
            Cause::Socket(error) => write!(f, "the connection failed: {error}"),
            Cause::NotTls => f.write_str("what it sent is not TLS"),
            Cause::NoCommonVersion => {
                let newest = self.hello.as_deref().and_then(ClientHello::newest_version).unwrap_or_default();
                let name = version_name(newest);
                write!(f, "the TLS handshake failed: the client offers {name} at most; ")?;
                match newest {
                    0x0301 | 0x0302 => {
                        write!(f, "set tls_minimum_version to {} to allow it", name.trim_start_matches("TLS "))
                    }
                    0x0303 => f.write_str("set auth_suite to Basic or TLS1.2 to allow it"),
                    _ => f.write_str("set auth_suite to Basic, or update the client"),
                }
            }
            Cause::NoCommonSuite => f.write_str(
                "the TLS handshake failed: client and server have no cipher suite and key exchange in common; set \
                 logging_level to DEBUG to log the cipher suites of both",
            ),
            Cause::Tls(error) => write!(f, "the TLS handshake failed: {error}"),
            #[cfg(feature = "legacy-tls")]
            Cause::OpenSsl(reasons) => write!(f, "the TLS handshake failed: {reasons} (OpenSSL)"),
        }
    }
}
