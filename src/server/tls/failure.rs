//! The causes of failed handshakes.

use std::fmt;
use std::io;

use rustls::{Error, InvalidMessage, PeerIncompatible};

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
    /// Client and server have no cipher suite and key exchange in common.
    NoCommonSuite,
    /// Another error of TLS, or a certificate that is not trusted.
    Tls(Error),
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::TimedOut => Self::Late,
            _ => Self::Socket(error),
        }
    }
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        use PeerIncompatible::{NoCipherSuitesInCommon, NoKxGroupsInCommon};
        match error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::PeerIncompatible(NoCipherSuitesInCommon | NoKxGroupsInCommon) => Self::NoCommonSuite,
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
            cause @ (Cause::NotTls | Cause::NoCommonSuite) => {
                Self::new(io::ErrorKind::InvalidData, cause.to_string())
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the client closed the connection during the TLS handshake"),
            Self::Late => f.write_str("the client did not finish the TLS handshake in time"),
            Self::Socket(error) => write!(f, "the connection failed: {error}"),
            Self::NotTls => f.write_str("what it sent is not TLS"),
            Self::NoCommonSuite => f.write_str(
                "the TLS handshake failed: client and server have no cipher suite and key exchange in common; set \
                 logging_level to DEBUG to log the cipher suites of both",
            ),
            Self::Tls(error) => write!(f, "the TLS handshake failed: {error}"),
        }
    }
}
