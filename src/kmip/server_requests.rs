//! Payloads of server-to-client operations (KMIP 1.4 §5, 2.1 §6.2). Discover Versions and Query have the same
//! payloads as the requests of clients.

use crate::kmip::Object;
use crate::kmip::attributes::{AttributeChanges, AttributeList};
use crate::kmip::enums::PutFunction;
use crate::kmip::macros::structure;
use crate::kmip::structures::UniqueIdentifier;

structure! {
    /// Request payload of Notify: attributes of an object have changed (KMIP 1.4 §5.1, 2.1 §6.2.2).
    pub struct NotifyRequest {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Attributes => changes: AttributeChanges,
    }
}

structure! {
    /// Request payload of Put: a new object, or the replacement of an object (KMIP 1.4 §5.2, 2.1 §6.2.3).
    pub struct PutRequest {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        PutFunction => put_function: PutFunction,
        ReplacedUniqueIdentifier => replaced_unique_identifier: Option<UniqueIdentifier>,
        ObjectType => object: Object,
        Attributes => attributes: AttributeList,
    }
}
