//! The payloads of operations on one object that contain nothing else.

use crate::kmip::structure;
use crate::kmip::structures::UniqueIdentifier;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
    }
}
