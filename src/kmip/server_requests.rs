//! The requests that a server sends to a client: their payloads (KMIP 1.4 §5, 2.1 §6.2). Those of Discover Versions
//! and Query are the ones that clients send.

use crate::kmip::Object;
use crate::kmip::attributes::{AttributeChanges, AttributeList};
use crate::kmip::enums::PutFunction;
use crate::kmip::macros::structure;
use crate::kmip::structures::UniqueIdentifier;

structure! {
    /// Notify (1.4 §5.1, 2.1 §6.2.2): attributes of an object have changed.
    pub struct NotifyRequest {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Attributes => changes: AttributeChanges,
    }
}

structure! {
    /// Put (1.4 §5.2, 2.1 §6.2.3): an object, new or in the place of another.
    pub struct PutRequest {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        PutFunction => put_function: PutFunction,
        ReplacedUniqueIdentifier => replaced_unique_identifier: Option<UniqueIdentifier>,
        ObjectType => object: Object,
        Attributes => attributes: AttributeList,
    }
}
