//! A server in this process, and clients that send it requests over TLS.

use std::thread::JoinHandle;

use kmip_server::internals::config::Config;
use kmip_server::internals::secret::Secret;
use kmip_server::internals::server::{Server, Shutdown};
use kmip_server::kmip::attributes::{Attribute, AttributeList};
use kmip_server::kmip::enums::{
    CryptographicAlgorithm, KeyFormatType, ObjectType, Operation, ResultReason, ResultStatus,
};
use kmip_server::kmip::structures::UniqueIdentifier;
use kmip_server::kmip::{Key, KeyBlock, KeyMaterial, KeyValue, Object};
use kmip_server::ttlv::{Field, Item, ItemType, Reader, Tag, Value, Version, Writer};

use crate::corpus::message_of;
use crate::harness::{Client, Credential, Pki};

/// A running server, which stops on drop.
pub(crate) struct Live {
    pub(crate) port: u16,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    pub(crate) fn start(config: &Config) -> Self {
        let server = Server::bind(config).unwrap_or_else(|error| panic!("{error}"));
        let (port, shutdown) = (server.port(), server.shutdown());
        Self { port, shutdown, thread: Some(std::thread::spawn(move || server.run())) }
    }

    /// Connects a client.
    pub(crate) fn caller(&self, pki: &Pki, credential: &Credential) -> Caller {
        Caller { client: pki.connect(self.port, credential) }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shutdown.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A connected client.
pub(crate) struct Caller {
    client: Client,
}

impl Caller {
    /// Creates a client of any server.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Requests one operation from a server that may have stopped.
    pub(crate) fn try_ask(
        &mut self,
        version: Version,
        operation: Operation,
        payload: impl Fn(&mut Writer),
    ) -> std::io::Result<Answer> {
        let response = self.client.exchange(&message_of(version, None, &[(operation, payload)]))?;
        Ok(answers(version, &response).remove(0))
    }

    /// Returns whether the server closes the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.client.is_closed()
    }

    /// Requests one operation.
    pub(crate) fn ask(
        &mut self,
        version: Version,
        operation: Operation,
        payload: impl Fn(&mut Writer),
    ) -> Answer {
        self.send(version, &message_of(version, None, &[(operation, payload)])).remove(0)
    }

    /// Sends a request message and returns the results of its items.
    pub(crate) fn send(&mut self, version: Version, request: &[u8]) -> Vec<Answer> {
        let response = self.client.exchange(request).unwrap();
        answers(version, &response)
    }

    /// Returns the attributes of an object.
    pub(crate) fn attributes(&mut self, version: Version, id: &str) -> Vec<Attribute> {
        self.ask(version, Operation::GetAttributes, |writer| crate::corpus::id(id, writer)).attributes()
    }

    /// Returns one attribute of an object, or `None` if it has none.
    pub(crate) fn attribute<T: Value>(&mut self, version: Version, id: &str, tag: Tag) -> Option<T> {
        let attributes = self.attributes(version, id);
        let found = attributes.iter().find(|attribute| attribute.row.tag == tag)?;
        Some(found.read().unwrap())
    }

    /// Returns an object.
    pub(crate) fn get(&mut self, version: Version, id: &str) -> Object {
        self.ask(version, Operation::Get, |writer| crate::corpus::id(id, writer)).object()
    }

    /// Registers an object with these attributes.
    pub(crate) fn register(&mut self, version: Version, object: &Object, attributes: &[Attribute]) -> Answer {
        self.ask(version, Operation::Register, |writer| {
            object.object_type().write(Tag::ObjectType, writer);
            crate::corpus::template(Tag::Attributes, attributes, writer);
            object.write(Tag::default(), writer);
        })
    }
}

/// Returns a raw symmetric key with these bytes.
pub(crate) fn key(
    format: KeyFormatType,
    algorithm: CryptographicAlgorithm,
    bits: i32,
    bytes: Vec<u8>,
) -> Key {
    let (cryptographic_algorithm, cryptographic_length) = (Some(algorithm), Some(bits));
    Key { key_block: KeyBlock { cryptographic_algorithm, cryptographic_length, ..block(format, bytes) } }
}

/// Returns a key block with these bytes and without algorithm and length.
pub(crate) fn block(format: KeyFormatType, bytes: Vec<u8>) -> KeyBlock {
    KeyBlock {
        key_format_type: format,
        key_compression_type: None,
        key_value: Some(KeyValue::of(KeyMaterial::Bytes(Secret::new(bytes)))),
        cryptographic_algorithm: None,
        cryptographic_length: None,
        key_wrapping_data: None,
    }
}

/// The result of one item of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) version: Version,
    pub(crate) operation: Option<Operation>,
    pub(crate) status: ResultStatus,
    pub(crate) reason: Option<ResultReason>,
    pub(crate) message: Option<String>,
    /// The encoded Response Payload, with its item header.
    pub(crate) payload: Vec<u8>,
    /// The Asynchronous Correlation Value.
    pub(crate) correlation: Option<Vec<u8>>,
}

impl Answer {
    /// Returns the payload of a successful item.
    pub(crate) fn done(&self) -> &[u8] {
        assert_eq!(self.status, ResultStatus::Success, "{self:?}");
        &self.payload
    }

    /// Whether the operation succeeded.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_done(&self) -> bool {
        self.status == ResultStatus::Success
    }

    /// Returns the Result Reason of a failed item.
    pub(crate) fn refused(&self) -> ResultReason {
        assert_eq!(self.status, ResultStatus::OperationFailed, "{self:?}");
        self.reason.unwrap()
    }

    /// Returns the items of the payload with this tag, in their order.
    pub(crate) fn all<T: Value>(&self, tag: Tag) -> Vec<T> {
        let mut outer = Reader::new(self.done(), self.version);
        let mut rows = outer.require(Tag::ResponsePayload).unwrap().structure().unwrap();
        let mut values = Vec::new();
        while let Some(item) = rows.next().unwrap() {
            if item.tag == tag {
                values.push(T::decode(&item).unwrap());
            }
        }
        values
    }

    /// Returns the attributes of a Get Attributes response.
    pub(crate) fn attributes(&self) -> Vec<Attribute> {
        let mut rows = Reader::new(self.done(), self.version);
        let mut rows = rows.require(Tag::ResponsePayload).unwrap().structure().unwrap();
        rows.require(Tag::UniqueIdentifier).unwrap();
        AttributeList::read(Tag::Attributes, &mut rows).unwrap().0
    }

    /// Returns the object of a Get response.
    pub(crate) fn object(&self) -> Object {
        let mut rows = Reader::new(self.done(), self.version);
        let mut rows = rows.require(Tag::ResponsePayload).unwrap().structure().unwrap();
        ObjectType::read(Tag::ObjectType, &mut rows).unwrap();
        rows.require(Tag::UniqueIdentifier).unwrap();
        Object::read(Tag::default(), &mut rows).unwrap()
    }

    /// Returns the Unique Identifiers of the payload.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.all::<UniqueIdentifier>(Tag::UniqueIdentifier).iter().map(ToString::to_string).collect()
    }

    /// Returns the only Unique Identifier of the payload.
    pub(crate) fn id(&self) -> String {
        let ids = self.ids();
        assert_eq!(ids.len(), 1, "{ids:?}");
        ids[0].clone()
    }
}

/// Returns the results of the items of a response message.
pub(crate) fn answers(version: Version, response: &[u8]) -> Vec<Answer> {
    let mut outer = Reader::new(response, version);
    let mut rows = outer.require(Tag::ResponseMessage).unwrap().structure().unwrap();
    rows.require(Tag::ResponseHeader).unwrap();
    let mut answers = Vec::new();
    while let Some(item) = rows.take(Tag::BatchItem).unwrap() {
        answers.push(answer(version, &item));
    }
    answers
}

fn answer(version: Version, item: &Item<'_>) -> Answer {
    let mut answer = Answer {
        version,
        operation: None,
        status: ResultStatus::Success,
        reason: None,
        message: None,
        payload: Vec::new(),
        correlation: None,
    };
    let mut rows = item.structure().unwrap();
    while let Some(row) = rows.next().unwrap() {
        match row.tag {
            Tag::Operation => answer.operation = Some(Value::decode(&row).unwrap()),
            Tag::ResultStatus => answer.status = Value::decode(&row).unwrap(),
            Tag::ResultReason => answer.reason = Some(Value::decode(&row).unwrap()),
            Tag::ResultMessage => answer.message = Some(Value::decode(&row).unwrap()),
            Tag::AsynchronousCorrelationValue => answer.correlation = Some(Value::decode(&row).unwrap()),
            Tag::ResponsePayload => {
                let mut writer = Writer::new(version);
                writer.item(Tag::ResponsePayload, ItemType::Structure, row.bytes);
                answer.payload = writer.into_bytes();
            }
            _ => {}
        }
    }
    answer
}
