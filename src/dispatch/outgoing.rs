//! The requests of the server's own (KMIP 1.4 §5, 2.1 §6.2): what is sent to a client that listens, in which version,
//! and what its answer says.
//!
//! Nothing is written for a listener whose certificate does not name the user that the notification is for, and an object
//! only if its policy allows that user to get it, at the moment of sending. The connection is the caller's.

use std::fmt;
use std::io;

use zeroize::Zeroizing;

use crate::auth::{self, Identity, Peer};
use crate::engine::export::GetOptions;
use crate::engine::services::notifications::{Event, Notification};
use crate::engine::{Context, destroyed, lifecycle, refused};
use crate::kmip::attributes::{AttributeChanges, AttributeList};
use crate::kmip::enums::{ObjectType, Operation, PutFunction, QueryFunction, ResultReason, ResultStatus};
use crate::kmip::structures::{ProtocolVersion, UniqueIdentifier};
use crate::kmip::{Error, NotifyRequest, PutRequest, RequestHeader};
use crate::store::Id;
use crate::ttlv::{self, Field, Reader, SUPPORTED, Tag, V1_0, V1_3, V2_0, Value, Version, Writer};

use super::delivery::DeliveryQueues;
use super::{Dispatcher, MAX_LOGGED, Tree, batch};

/// What a listener is asked about itself, as far as the version has it.
const QUERY_FUNCTIONS: [QueryFunction; 6] = [
    QueryFunction::QueryOperations,
    QueryFunction::QueryObjects,
    QueryFunction::QueryServerInformation,
    QueryFunction::QueryAttestationTypes,
    QueryFunction::QueryProfiles,
    QueryFunction::QueryCapabilities,
];

/// What is known of a listener, for as long as its connection lasts.
#[derive(Clone, Debug, Default)]
pub struct PeerCapabilities {
    /// Whether it was asked about itself.
    queried: bool,
    /// Whether it answered that.
    answered_query: bool,
    /// The versions that it speaks; empty where it did not say.
    versions: Vec<Version>,
    /// The operations that it says it supports.
    operations: Vec<Operation>,
    /// The object types that it says it supports; empty where it did not say.
    object_types: Vec<ObjectType>,
    /// What it answered with Operation Not Supported, or the like.
    refused: Vec<Operation>,
}

impl PeerCapabilities {
    /// What is known of it when its connection has failed: a listener that hung up when it was asked about itself is
    /// not asked again, and may take what it is sent.
    #[must_use]
    pub fn after_failure(&self) -> Self {
        Self { queried: self.queried && !self.answered_query, ..Self::default() }
    }

    /// The version for a notification: that of the request behind it, unless the listener says that it does not speak that;
    /// then the newest that both speak.
    fn version(&self, wanted: Version) -> Option<Version> {
        if self.versions.is_empty() || self.versions.contains(&wanted) {
            return Some(wanted);
        }
        SUPPORTED.into_iter().find(|version| self.versions.contains(version))
    }

    /// Whether the listener takes an operation. Clients list what they ask for, and few list what they are sent: a
    /// list without both Notify and Put says nothing about them.
    fn accepts(&self, operation: Operation) -> bool {
        let listed = |operation| self.operations.contains(&operation);
        let silent = !listed(Operation::Notify) && !listed(Operation::Put);
        (silent || listed(operation)) && !self.refused.contains(&operation)
    }
}

/// What became of a notification.
#[derive(Debug)]
pub enum Delivery {
    /// The listener took it.
    Accepted,
    /// It was not sent, or the listener refused it: for that reason.
    Rejected(String),
}

/// Why nothing can be sent by a connection.
#[derive(Debug)]
pub enum DeliveryError {
    /// The connection failed.
    Connection(io::Error),
    /// The listener has no identity here.
    Certificate(auth::Error),
    /// The listener is another user than the one whose notifications they are.
    WrongUser(
        /// That user.
        String,
    ),
    /// What it answered makes no sense.
    InvalidResponse(ttlv::Error),
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "the connection failed: {error}"),
            Self::Certificate(error) => write!(f, "its certificate is refused: {error}"),
            Self::WrongUser(user) => write!(f, "its certificate is that of {user:?}"),
            Self::InvalidResponse(error) => write!(f, "its answer cannot be parsed: {error}"),
        }
    }
}

impl std::error::Error for DeliveryError {}

/// Sends a request and gives the response.
pub type Exchange<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<Vec<u8>>;

impl Dispatcher {
    /// Returns the queues of notifications that wait for their listeners.
    pub fn deliveries(&self) -> &DeliveryQueues {
        &self.deliveries
    }

    /// Sends one notification of `user` to `peer`, which has to be that user by its certificate. From 1.3 on, a listener is
    /// asked about itself first, once.
    ///
    /// # Errors
    /// [`DeliveryError`]: the connection is of no more use.
    pub fn deliver(
        &self,
        notification: &Notification,
        (user, peer): (&str, &Peer),
        capabilities: &mut PeerCapabilities,
        exchange: Exchange<'_>,
    ) -> Result<Delivery, DeliveryError> {
        self.authenticator.admit(peer).map_err(DeliveryError::Certificate)?;
        let identity = self.authenticator.identify(peer, None).map_err(DeliveryError::Certificate)?;
        if identity.principal.user != user {
            return Err(DeliveryError::WrongUser(identity.principal.user));
        }
        let mut session = Session { peer, exchange };
        if !capabilities.queried && notification.version >= V1_3 {
            session.query(notification.version, capabilities)?;
        }
        let Some(version) = capabilities.version(notification.version) else {
            return Ok(Delivery::Rejected(
                "it speaks no version of the protocol that is spoken here".to_owned(),
            ));
        };
        let operation = match &notification.event {
            Event::Made { .. } => Operation::Put,
            Event::Changed(_) => Operation::Notify,
        };
        if !capabilities.accepts(operation) {
            return Ok(Delivery::Rejected(format!("it does not take {operation}")));
        }
        let mut cx = Context::new(&self.services, &identity, version);
        let payload = match &notification.event {
            Event::Made { replaced } => put(&mut cx, notification.object, replaced.clone(), capabilities),
            Event::Changed(changes) => notify(&mut cx, notification.object, changes),
        };
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return Ok(Delivery::Rejected(format!("it may not have it ({error})"))),
        };
        let answer = session.exchange(version, operation, payload)?;
        answer.audit(&identity, peer, operation, notification.object);
        let Some(said) = answer.failure else { return Ok(Delivery::Accepted) };
        if answer.unsupported {
            capabilities.refused.push(operation);
        }
        Ok(Delivery::Rejected(format!("it answered {said}")))
    }
}

/// Writes a Request Payload.
type Payload = Box<dyn FnOnce(&mut Writer)>;

/// The payload of a Put: the object as its owner could Get it, with its attributes.
///
/// # Errors
/// Whatever keeps the owner from getting it.
fn put(
    cx: &mut Context<'_>,
    object: Id,
    replaced: Option<UniqueIdentifier>,
    capabilities: &PeerCapabilities,
) -> Result<Payload, Error> {
    let version = cx.version;
    let id = UniqueIdentifier::from(object);
    let attributes = cx.open(Some(&id), Operation::GetAttributes)?;
    let attributes = &attributes.attributes;
    let told = attributes.references(version).into_iter().flat_map(|it| attributes.values(&it));
    let attributes = AttributeList(told.map(|(_, attribute)| attribute).collect());
    let granted = open_owned(cx, &id, Operation::Get)?;
    if lifecycle::is_destroyed(&granted) {
        return Err(destroyed(&id.to_string()));
    }
    let (kind, types) = (granted.object_type, &capabilities.object_types);
    let exists = kind.since() <= version && (kind != ObjectType::Template || version < V2_0);
    if !exists || !types.is_empty() && !types.contains(&kind) {
        return Err(refused(&id.to_string()));
    }
    let options = GetOptions { format: None, wrap_type: None, compression: None, wrapping: None };
    let object = options.apply(cx, granted.into_record())?;
    let put_function = if replaced.is_some() { PutFunction::Replace } else { PutFunction::New };
    let request = PutRequest {
        unique_identifier: id,
        put_function,
        replaced_unique_identifier: replaced,
        object,
        attributes,
    };
    Ok(Box::new(move |writer| request.encode(Tag::RequestPayload, writer)))
}

/// The payload of a Notify.
///
/// # Errors
/// Whatever keeps the owner from asking for the attributes.
fn notify(cx: &mut Context<'_>, object: Id, changes: &AttributeChanges) -> Result<Payload, Error> {
    let id = UniqueIdentifier::from(object);
    open_owned(cx, &id, Operation::GetAttributes)?;
    let request = NotifyRequest { unique_identifier: id, changes: changes.clone() };
    Ok(Box::new(move |writer| request.encode(Tag::RequestPayload, writer)))
}

/// The object, if its policy allows the operation and the listener is its owner.
fn open_owned(
    cx: &mut Context<'_>,
    id: &UniqueIdentifier,
    operation: Operation,
) -> Result<crate::engine::Granted, Error> {
    let granted = cx.open(Some(id), operation)?;
    if cx.identity.principal.is_same_owner_as(&granted.owner) {
        Ok(granted)
    } else {
        Err(refused(&id.to_string()))
    }
}

/// A conversation in which the server asks.
struct Session<'a> {
    peer: &'a Peer,
    exchange: Exchange<'a>,
}

impl Session<'_> {
    /// Asks a listener which versions it speaks and what it can do (1.4 §5.3 and §5.4). One that does not answer that
    /// may still take what it is sent.
    fn query(&mut self, version: Version, capabilities: &mut PeerCapabilities) -> Result<(), DeliveryError> {
        capabilities.queried = true;
        let nothing = |writer: &mut Writer| writer.structure(Tag::RequestPayload, |_| ());
        let told = self.exchange(version, Operation::DiscoverVersions, Box::new(nothing))?;
        capabilities.versions =
            told.all::<ProtocolVersion>(Tag::ProtocolVersion)?.into_iter().map(Version::from).collect();
        let Some(version) = capabilities.version(version).filter(|version| *version >= V1_3) else {
            capabilities.answered_query = true;
            return Ok(());
        };
        let functions: Vec<_> = QUERY_FUNCTIONS.into_iter().filter(|it| it.since() <= version).collect();
        let question = move |writer: &mut Writer| {
            writer.structure(Tag::RequestPayload, |writer| functions.write(Tag::QueryFunction, writer));
        };
        let told = self.exchange(version, Operation::Query, Box::new(question))?;
        // Numbers that are unknown here are of no interest.
        let numbers = |tag| told.all::<RawEnumeration>(tag);
        let operations = numbers(Tag::Operation)?.into_iter();
        capabilities.operations = operations.filter_map(|it| Operation::from_wire(it.0)).collect();
        let types = numbers(Tag::ObjectType)?.into_iter();
        capabilities.object_types = types.filter_map(|it| ObjectType::from_wire(it.0)).collect();
        capabilities.answered_query = true;
        Ok(())
    }

    fn exchange(
        &mut self,
        version: Version,
        operation: Operation,
        payload: Payload,
    ) -> Result<Response, DeliveryError> {
        let request = Zeroizing::new(message(version, operation, payload));
        log::debug!(target: self.peer.log_target(), "Request of the server:\n{}", Tree(&request));
        let response = (self.exchange)(&request).map_err(DeliveryError::Connection)?;
        log::debug!(target: self.peer.log_target(), "Response of the client:\n{}", Tree(&response));
        Response::read(&response, version).map_err(DeliveryError::InvalidResponse)
    }
}

/// An Enumeration of which any number is taken.
struct RawEnumeration(u32);

impl Value for RawEnumeration {
    fn decode(item: &ttlv::Item<'_>) -> Result<Self, ttlv::Error> {
        let bytes = item.expect(ttlv::ItemType::Enumeration)?;
        let bytes =
            bytes.try_into().map_err(|_| ttlv::Error::Invalid { tag: item.tag, why: "it has four bytes" })?;
        Ok(Self(u32::from_be_bytes(bytes)))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ttlv::ItemType::Enumeration, &self.0.to_be_bytes());
    }
}

/// A request of one item. Of the header's fields, most are for clients only (1.4 §5.1).
fn message(version: Version, operation: Operation, payload: Payload) -> Vec<u8> {
    let mut writer = Writer::new(version);
    writer.structure(Tag::RequestMessage, |writer| {
        RequestHeader::new(version, 1).encode(Tag::RequestHeader, writer);
        writer.structure(Tag::BatchItem, |writer| {
            operation.encode(Tag::Operation, writer);
            payload(writer);
        });
    });
    writer.into_bytes()
}

/// What a listener answered.
#[derive(Debug)]
struct Response {
    version: Version,
    /// What it says went wrong; none where nothing did.
    failure: Option<String>,
    /// Whether that is because it does not have the operation.
    unsupported: bool,
    /// The contents of the Response Payload.
    payload: Vec<u8>,
}

impl Response {
    /// Reads a response of one item. Whatever else stands in it is passed over.
    fn read(response: &[u8], version: Version) -> Result<Self, ttlv::Error> {
        let mut outer = Reader::new(response, V1_0);
        let mut rows = outer.require(Tag::ResponseMessage)?.structure()?;
        outer.finish()?;
        let mut header = rows.require(Tag::ResponseHeader)?.structure()?;
        // A listener that does not speak the version says so in another.
        let spoken: ProtocolVersion = Field::read(Tag::ProtocolVersion, &mut header)?;
        let version = Some(Version::from(spoken)).filter(|it| SUPPORTED.contains(it)).unwrap_or(version);
        let mut answer = Self { version, failure: None, unsupported: false, payload: Vec::new() };
        let (mut status, mut reason, mut message) = (None, None, None);
        let mut item = rows.require(Tag::BatchItem)?.structure()?;
        while let Some(row) = item.next()? {
            match row.tag {
                Tag::ResultStatus => status = Some(ResultStatus::decode(&row)?),
                Tag::ResultReason => reason = Some(RawEnumeration::decode(&row)?.0),
                Tag::ResultMessage => message = Some(String::decode(&row)?),
                Tag::ResponsePayload => answer.payload = row.expect(ttlv::ItemType::Structure)?.to_vec(),
                _ => {}
            }
        }
        let status = status.ok_or(ttlv::Error::Missing { tag: Tag::ResultStatus, found: None })?;
        if status != ResultStatus::Success {
            let message: String = message.unwrap_or_default().chars().take(MAX_LOGGED).collect();
            let reason_told = reason.map(|reason| format!(", reason {reason:#010X}")).unwrap_or_default();
            answer.failure = Some(format!("{status}{reason_told}, {message:?}"));
            answer.unsupported = reason == Some(ResultReason::OperationNotSupported.to_wire());
        }
        Ok(answer)
    }

    /// The items of its payload that have that tag; none of a failure.
    fn all<T: Value>(&self, tag: Tag) -> Result<Vec<T>, DeliveryError> {
        let mut values = Vec::new();
        let mut rows = Reader::new(&self.payload, self.version);
        while let Some(row) = rows.next().map_err(DeliveryError::InvalidResponse)? {
            if row.tag == tag {
                values.push(T::decode(&row).map_err(DeliveryError::InvalidResponse)?);
            }
        }
        Ok(values)
    }

    /// One line for the audit: what the server sent left it, whatever the listener says.
    fn audit(&self, identity: &Identity, peer: &Peer, operation: Operation, object: Id) {
        let status =
            if self.failure.is_none() { ResultStatus::Success } else { ResultStatus::OperationFailed };
        batch::audit((identity, peer), operation, &object.to_string(), status, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{DateTime, V1_2, V1_4, V2_1};

    fn of(versions: &[Version], operations: &[Operation]) -> PeerCapabilities {
        let (versions, operations) = (versions.to_vec(), operations.to_vec());
        PeerCapabilities { versions, operations, ..PeerCapabilities::default() }
    }

    #[test]
    fn the_version_is_that_of_the_request_or_else_the_newest_that_both_speak() {
        assert_eq!(of(&[], &[]).version(V1_4), Some(V1_4));
        assert_eq!(of(&[V1_2, V1_4], &[]).version(V1_2), Some(V1_2));
        assert_eq!(of(&[V1_2, V1_4], &[]).version(V2_1), Some(V1_4));
        assert_eq!(of(&[Version::new(9, 0)], &[]).version(V2_1), None);
    }

    #[test]
    fn a_list_of_operations_counts_where_it_speaks_of_what_servers_send() {
        use Operation::{Get, Notify, Put};
        let taken = |operations: &[Operation]| {
            let listener = of(&[], operations);
            [listener.accepts(Put), listener.accepts(Notify)]
        };
        assert_eq!(taken(&[]), [true, true]);
        assert_eq!(taken(&[Get]), [true, true]);
        assert_eq!(taken(&[Get, Put]), [true, false]);
        assert_eq!(taken(&[Notify]), [false, true]);
        let mut listener = of(&[], &[]);
        listener.refused.push(Notify);
        assert!(listener.accepts(Put) && !listener.accepts(Notify));
    }

    #[test]
    fn who_hung_up_on_a_question_is_not_asked_again() {
        let mut listener = PeerCapabilities { queried: true, ..PeerCapabilities::default() };
        assert!(listener.after_failure().queried);
        listener.answered_query = true;
        assert!(!listener.after_failure().queried);
    }

    /// A response as a listener sends it.
    fn response(status: ResultStatus, reason: Option<u32>, payload: impl FnOnce(&mut Writer)) -> Vec<u8> {
        super::super::message(V1_4, DateTime(0), None, 1, |writer| {
            writer.structure(Tag::BatchItem, |writer| {
                Operation::Query.encode(Tag::Operation, writer);
                status.encode(Tag::ResultStatus, writer);
                reason.map(RawEnumeration).write(Tag::ResultReason, writer);
                reason.map(|_| "no".to_owned()).write(Tag::ResultMessage, writer);
                writer.structure(Tag::ResponsePayload, payload);
            });
        })
    }

    #[test]
    fn answers_are_read_whatever_numbers_they_hold() {
        let payload = |writer: &mut Writer| {
            vec![RawEnumeration(1), RawEnumeration(0x8000_0007)].write(Tag::Operation, writer);
            "a vendor".to_owned().write(Tag::VendorIdentification, writer);
        };
        let answer = Response::read(&response(ResultStatus::Success, None, payload), V1_4).unwrap();
        assert!(answer.failure.is_none());
        let numbers: Vec<_> =
            answer.all::<RawEnumeration>(Tag::Operation).unwrap().iter().map(|it| it.0).collect();
        assert_eq!(numbers, [1, 0x8000_0007]);
        for (reason, unsupported) in [(5, true), (1, false), (0x8000_0001, false)] {
            let failed = response(ResultStatus::OperationFailed, Some(reason), |_| ());
            let answer = Response::read(&failed, V1_4).unwrap();
            assert_eq!((answer.failure.is_some(), answer.unsupported), (true, unsupported));
        }
        assert!(
            Response::read(&response(ResultStatus::OperationPending, None, |_| ()), V1_4)
                .unwrap()
                .failure
                .is_some()
        );
    }

    #[test]
    fn an_answer_that_is_cut_or_none_is_an_error() {
        let whole = response(ResultStatus::Success, None, |writer| {
            "a vendor".to_owned().write(Tag::VendorIdentification, writer);
        });
        for length in 0..whole.len() {
            assert!(Response::read(&whole[..length], V1_4).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            // It makes sense or not; it is read without a bug either way.
            drop(
                Response::read(&changed, V1_4)
                    .map(|answer| drop(answer.all::<String>(Tag::VendorIdentification))),
            );
        }
    }
}
