//! The seam between the server and what answers requests: bytes of a request and its peer in, bytes of the
//! response out.

use crate::auth::Peer;

/// What a request is answered with.
#[derive(Debug)]
pub struct Reply {
    /// The response message.
    pub message: Vec<u8>,
    /// Whether the connection ends after it.
    pub close: bool,
}

/// Answers the requests of all connections.
pub trait Respond: Send + Sync + 'static {
    /// The reply to one whole request message; it cannot fail.
    fn respond(&self, request: &[u8], peer: &Peer) -> Reply;
}
