//! Message headers and batch items, without their payloads (KMIP 1.4 §6 and §7, 2.1 §8 and §9).

use crate::kmip::enums::*;
use crate::kmip::macros::structure;
use crate::kmip::structures::{Authentication, MessageExtension, Nonce, ProtocolVersion};
use crate::ttlv::{
    DateTime, Error, Field, Item, ItemType, Reader, Tag, V1_2, V1_4, V2_0, Value, Version, Writer,
};

structure! {
    /// Request Header (KMIP 1.4 §7.1, 2.1 §8.2).
    pub struct RequestHeader {
        ProtocolVersion => protocol_version: ProtocolVersion,
        /// In bytes.
        MaximumResponseSize => maximum_response_size: Option<i32>,
        ClientCorrelationValue[V1_4..] => client_correlation_value: Option<String>,
        ServerCorrelationValue[V1_4..] => server_correlation_value: Option<String>,
        AsynchronousIndicator => asynchronous_indicator: Option<Asynchronous>,
        AttestationCapableIndicator[V1_2..] => attestation_capable_indicator: Option<bool>,
        AttestationType[V1_2..] => attestation_types: Vec<AttestationType>,
        Authentication => authentication: Option<Authentication>,
        BatchErrorContinuationOption => batch_error_continuation_option: Option<BatchErrorContinuationOption>,
        BatchOrderOption => batch_order_option: Option<bool>,
        TimeStamp => time_stamp: Option<DateTime>,
        BatchCount => batch_count: i32,
    }
}

impl RequestHeader {
    /// Creates the header of a request with `batch_count` items and without optional fields.
    pub fn new(version: Version, batch_count: i32) -> Self {
        Self {
            protocol_version: version.into(),
            maximum_response_size: None,
            client_correlation_value: None,
            server_correlation_value: None,
            asynchronous_indicator: None,
            attestation_capable_indicator: None,
            attestation_types: Vec::new(),
            authentication: None,
            batch_error_continuation_option: None,
            batch_order_option: None,
            time_stamp: None,
            batch_count,
        }
    }
}

structure! {
    /// Response Header (KMIP 1.4 §7.1, 2.1 §8.5).
    pub struct ResponseHeader {
        ProtocolVersion => protocol_version: ProtocolVersion,
        TimeStamp => time_stamp: DateTime,
        Nonce[V1_2..] => nonce: Option<Nonce>,
        ServerHashedPassword[V2_0..] => server_hashed_password: Option<Vec<u8>>,
        AttestationType[V1_2..] => attestation_types: Vec<AttestationType>,
        ClientCorrelationValue[V1_4..] => client_correlation_value: Option<String>,
        ServerCorrelationValue[V1_4..] => server_correlation_value: Option<String>,
        BatchCount => batch_count: i32,
    }
}

/// Asynchronous Indicator: a Boolean in 1.x (KMIP 1.4 §6.7), an Enumeration in 2.x (2.1 §9.2). In 2.0, a Boolean decodes
/// too, because PyKMIP's clients send one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asynchronous(pub AsynchronousIndicator);

impl Value for Asynchronous {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        let is_boolean = item.version() < V2_0 || (item.version() == V2_0 && item.kind == ItemType::Boolean);
        if !is_boolean {
            return Value::decode(item).map(Self);
        }
        let is_allowed = bool::decode(item)?;
        Ok(Self(if is_allowed { AsynchronousIndicator::Optional } else { AsynchronousIndicator::Prohibited }))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        if writer.version() >= V2_0 {
            self.0.encode(tag, writer);
        } else {
            (self.0 != AsynchronousIndicator::Prohibited).encode(tag, writer);
        }
    }
}

/// A Batch Item of a request, with its payload not yet decoded (KMIP 1.4 §6.15, 2.1 §8.3).
pub struct RequestItem<'a> {
    /// The number of the operation, which may be unknown.
    pub operation: u32,
    /// Whether the server omits the output data from the response (since 2.0).
    pub ephemeral: Option<bool>,
    /// The Unique Batch Item ID, by which the client assigns responses to requests.
    pub unique_batch_item_id: Option<Vec<u8>>,
    /// The Request Payload.
    pub payload: Item<'a>,
    /// The extensions of vendors.
    pub message_extensions: Vec<MessageExtension>,
}

impl<'a> RequestItem<'a> {
    /// Reads the next Batch Item of a request.
    ///
    /// # Errors
    /// Returns [`Error::Missing`] if there is none, and another [`Error`] if the item is invalid.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut rows = reader.require(Tag::BatchItem)?.structure()?;
        let operation = super::macros::enumeration(&rows.require(Tag::Operation)?)?;
        let ephemeral = match rows.version() {
            version if version >= V2_0 => Field::read(Tag::Ephemeral, &mut rows)?,
            _ => None,
        };
        let item = Self {
            operation,
            ephemeral,
            unique_batch_item_id: Field::read(Tag::UniqueBatchItemId, &mut rows)?,
            payload: rows.require(Tag::RequestPayload)?,
            message_extensions: Field::read(Tag::MessageExtension, &mut rows)?,
        };
        rows.finish()?;
        Ok(item)
    }

    /// Returns the number of the operation and the Unique Batch Item ID of the next Batch Item, even if the rest of
    /// the item is invalid.
    ///
    /// # Errors
    /// Returns an [`Error`] if one of the two cannot be read.
    pub fn identification(mut reader: Reader<'_>) -> Result<(u32, Option<Vec<u8>>), Error> {
        let mut rows = reader.require(Tag::BatchItem)?.structure()?;
        let operation = super::macros::enumeration(&rows.require(Tag::Operation)?)?;
        rows.take(Tag::Ephemeral)?;
        Ok((operation, Field::read(Tag::UniqueBatchItemId, &mut rows)?))
    }
}
