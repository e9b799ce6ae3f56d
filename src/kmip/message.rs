//! Messages: headers and batch items, without their payloads (KMIP 1.4 §6 and §7, 2.1 §8 and §9).

use crate::kmip::enums::*;
use crate::kmip::macros::structure;
use crate::kmip::structures::{Authentication, MessageExtension, Nonce, ProtocolVersion};
use crate::ttlv::{DateTime, Error, Field, Item, Reader, Tag, V1_2, V1_4, V2_0, Value, Version, Writer};

structure! {
    /// Request Header.
    pub struct RequestHeader {
        ProtocolVersion => protocol_version: ProtocolVersion,
        /// Bytes.
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
    /// The header of a request for so many items that asks for nothing else.
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
    /// Response Header.
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

/// Asynchronous Indicator: a Boolean in 1.x (1.4 §6.7), an Enumeration in 2.x (2.1 §9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asynchronous(pub AsynchronousIndicator);

impl Value for Asynchronous {
    fn decode(item: &Item<'_>) -> Result<Self, Error> {
        if item.version() >= V2_0 {
            return Value::decode(item).map(Self);
        }
        let asked = bool::decode(item)?;
        Ok(Self(if asked { AsynchronousIndicator::Optional } else { AsynchronousIndicator::Prohibited }))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        if writer.version() >= V2_0 {
            self.0.encode(tag, writer);
        } else {
            (self.0 != AsynchronousIndicator::Prohibited).encode(tag, writer);
        }
    }
}

/// A request's Batch Item, its payload still as it came.
pub struct RequestItem<'a> {
    /// The number of the operation; no version need know it.
    pub operation: u32,
    /// Whether the client wants to be spared the payload of the answer (2.0 §8.1).
    pub ephemeral: Option<bool>,
    /// By what the client tells items of a batch apart.
    pub unique_batch_item_id: Option<Vec<u8>>,
    /// The Request Payload.
    pub payload: Item<'a>,
    /// What vendors add.
    pub message_extensions: Vec<MessageExtension>,
}

impl<'a> RequestItem<'a> {
    /// Reads the next Batch Item of a request.
    ///
    /// # Errors
    /// Whatever is wrong with the item, or that there is none.
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
}
