//! Requests of the server to the listener of a client (KMIP 1.4 §5, 2.1 §6.2): their version, their payloads, and the
//! responses to them.
//!
//! The server sends notifications only to a listener whose certificate names the addressed user, and an object only
//! if its policy allows that user to get it at the time of sending. The caller owns the connection.

use std::fmt;
use std::io;

use zeroize::Zeroizing;

use crate::auth::{self, Peer};
use crate::engine::export::GetOptions;
use crate::engine::services::notifications::{Event, Notification};
use crate::engine::{Context, destroyed, lifecycle, refused, reported_values};
use crate::excerpt::Excerpt;
use crate::kmip::attributes::{AttributeChanges, AttributeList};
use crate::kmip::enums::{ObjectType, Operation, PutFunction, QueryFunction, ResultReason, ResultStatus};
use crate::kmip::structures::{ProtocolVersion, UniqueIdentifier};
use crate::kmip::{Error, NotifyRequest, PutRequest, RequestHeader};
use crate::operations::attribute_rules;
use crate::store::Id;
use crate::ttlv::{self, Field, Reader, SUPPORTED, Tag, V1_0, V1_3, V2_0, Value, Version, Writer};

use super::audit::{AuditOrigin, write_line};
use super::delivery::DeliveryQueues;
use super::{Dispatcher, Tree, correlation};

/// The Query Functions that the server requests, as far as the version defines them.
const QUERY_FUNCTIONS: [QueryFunction; 6] = [
    QueryFunction::QueryOperations,
    QueryFunction::QueryObjects,
    QueryFunction::QueryServerInformation,
    QueryFunction::QueryAttestationTypes,
    QueryFunction::QueryProfiles,
    QueryFunction::QueryCapabilities,
];

/// The capabilities of a listener, as it reported them on its connection.
#[derive(Clone, Debug, Default)]
pub struct PeerCapabilities {
    /// Whether the server requested the capabilities.
    queried: bool,
    /// Whether the listener answered those requests.
    answered_query: bool,
    /// The supported protocol versions; empty if the listener did not report them.
    versions: Vec<Version>,
    /// The supported operations; empty if the listener did not report them.
    operations: Vec<Operation>,
    /// The supported object types; empty if the listener did not report them.
    object_types: Vec<ObjectType>,
    /// The operations that the listener answered with Operation Not Supported.
    refused: Vec<Operation>,
}

impl PeerCapabilities {
    /// Returns the capabilities for the next connection after a failure. The server does not query a listener again
    /// that closed the connection instead of answering, because such a listener may still accept notifications.
    #[must_use]
    pub fn after_failure(&self) -> Self {
        Self { queried: self.queried && !self.answered_query, ..Self::default() }
    }

    /// Returns the version of a notification: the version of the request that caused it or, if the listener does not
    /// support that one, the newest version that both support.
    fn version(&self, wanted: Version) -> Option<Version> {
        if self.versions.is_empty() || self.versions.contains(&wanted) {
            return Some(wanted);
        }
        SUPPORTED.into_iter().find(|version| self.versions.contains(version))
    }

    /// Returns whether the listener accepts an operation. Most clients report only the operations that they
    /// request, so a list without both Notify and Put says nothing about these two.
    fn accepts(&self, operation: Operation) -> bool {
        let listed = |operation| self.operations.contains(&operation);
        let unreported = !listed(Operation::Notify) && !listed(Operation::Put);
        (unreported || listed(operation)) && !self.refused.contains(&operation)
    }
}

/// The outcome of a notification.
#[derive(Debug)]
pub enum Delivery {
    /// The listener accepted it.
    Accepted,
    /// The server did not send it, or the listener refused it; contains the reason.
    Rejected(String),
}

/// A failure that makes a connection unusable.
#[derive(Debug)]
pub enum DeliveryError {
    /// The connection failed.
    Connection(io::Error),
    /// The server does not accept the certificate of the listener.
    Certificate(auth::Error),
    /// The certificate of the listener names another user than the addressed one.
    WrongUser(
        /// The user in the certificate.
        String,
    ),
    /// The response cannot be parsed.
    InvalidResponse(ttlv::Error),
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "the connection failed: {error}"),
            Self::Certificate(error) => write!(f, "its certificate is refused: {error}"),
            Self::WrongUser(user) => write!(f, "its certificate names the user {:?}", Excerpt(user)),
            Self::InvalidResponse(error) => write!(f, "its response cannot be parsed: {error}"),
        }
    }
}

impl std::error::Error for DeliveryError {}

/// A function that sends a request and returns the response.
pub type Exchange<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<Vec<u8>>;

impl Dispatcher {
    /// Returns the queues of notifications that wait for their listeners.
    pub fn deliveries(&self) -> &DeliveryQueues {
        &self.deliveries
    }

    /// Sends a notification to `peer`, whose certificate must name `user`. From 1.3 on, the server requests the
    /// capabilities of the listener first, once per connection.
    ///
    /// # Errors
    /// Returns a [`DeliveryError`] if the connection is unusable.
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
                "the listener and the server have no protocol version in common".to_owned(),
            ));
        };
        let operation = match &notification.event {
            Event::Made { .. } => Operation::Put,
            Event::Changed(_) => Operation::Notify,
        };
        if !capabilities.accepts(operation) {
            return Ok(Delivery::Rejected(format!("the listener does not support {operation}")));
        }
        let mut cx = Context::new(&self.services, &identity, version);
        let payload = match &notification.event {
            Event::Made { replaced } => put(&mut cx, notification.object, replaced.clone(), capabilities),
            Event::Changed(changes) => notify(&mut cx, notification.object, changes),
        };
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => {
                return Ok(Delivery::Rejected(format!("its user may not get the object ({error})")));
            }
        };
        let correlation = self.audit.is_required().then(correlation::next);
        let requester =
            AuditOrigin { identity: &identity, peer, correlation: correlation.as_deref(), version };
        let object = Some(notification.object.to_string());
        if let Err(error) = self.audit.begin(requester, || vec![(operation, &object)]) {
            return Ok(Delivery::Rejected(format!("the audit log cannot be written ({error})")));
        }
        let response = session.exchange(version, operation, payload)?;
        // A failure has a line, too, because the listener received the notification.
        let status =
            if response.failure.is_none() { ResultStatus::Success } else { ResultStatus::OperationFailed };
        let mut lines = String::new();
        write_line(&mut lines, requester, operation, object.as_slice(), (status.name(), None));
        self.audit.end(lines);
        let Some(failure) = response.failure else { return Ok(Delivery::Accepted) };
        if response.unsupported {
            capabilities.refused.push(operation);
        }
        Ok(Delivery::Rejected(format!("the listener answered {failure}")))
    }
}

/// Writes a Request Payload.
type Payload = Box<dyn FnOnce(&mut Writer)>;

/// Returns the payload of a Put: the object as its owner could Get it, with its attributes.
///
/// # Errors
/// Returns the error that the owner would receive for Get.
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
    let reported = reported_values(attributes, &attributes.references(version))?.into_iter();
    let attributes = AttributeList(reported.map(|it| attribute_rules::in_response(cx, it)).collect());
    let granted = open_owned(cx, &id, Operation::Get)?;
    if lifecycle::is_destroyed(&granted) {
        return Err(destroyed(&id.to_string()));
    }
    let (object_type, supported) = (granted.object_type, &capabilities.object_types);
    let exists = object_type.since() <= version && (object_type != ObjectType::Template || version < V2_0);
    if !exists || !supported.is_empty() && !supported.contains(&object_type) {
        return Err(refused(&id.to_string()));
    }
    let options = GetOptions { format: None, wrap_type: None, compression: None, wrapping: None };
    let object = options.apply(cx, &granted)?;
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

/// Returns the payload of a Notify.
///
/// # Errors
/// Returns the error that the owner would receive for Get Attributes.
fn notify(cx: &mut Context<'_>, object: Id, changes: &AttributeChanges) -> Result<Payload, Error> {
    let id = UniqueIdentifier::from(object);
    open_owned(cx, &id, Operation::GetAttributes)?;
    let request = NotifyRequest { unique_identifier: id, changes: changes.clone() };
    Ok(Box::new(move |writer| request.encode(Tag::RequestPayload, writer)))
}

/// Returns the object, if its policy allows the operation and the listener belongs to its owner.
///
/// # Errors
/// Returns the errors of [`Context::open`], and Permission Denied for another owner.
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

/// The exchange of requests and responses on a connection to a listener.
struct Session<'a> {
    peer: &'a Peer,
    exchange: Exchange<'a>,
}

impl Session<'_> {
    /// Requests the protocol versions, operations and object types of the listener (1.4 §5.3 and §5.4). A listener
    /// that does not report them may still accept notifications.
    fn query(&mut self, version: Version, capabilities: &mut PeerCapabilities) -> Result<(), DeliveryError> {
        capabilities.queried = true;
        let empty = |writer: &mut Writer| writer.structure(Tag::RequestPayload, |_| ());
        let response = self.exchange(version, Operation::DiscoverVersions, Box::new(empty))?;
        capabilities.versions =
            response.all::<ProtocolVersion>(Tag::ProtocolVersion)?.into_iter().map(Version::from).collect();
        let Some(version) = capabilities.version(version).filter(|version| *version >= V1_3) else {
            capabilities.answered_query = true;
            return Ok(());
        };
        let functions: Vec<_> = QUERY_FUNCTIONS.into_iter().filter(|it| it.since() <= version).collect();
        let payload = move |writer: &mut Writer| {
            writer.structure(Tag::RequestPayload, |writer| functions.write(Tag::QueryFunction, writer));
        };
        let response = self.exchange(version, Operation::Query, Box::new(payload))?;
        // Values that this server does not know are ignored.
        let values = |tag| response.all::<RawEnumeration>(tag);
        let operations = values(Tag::Operation)?.into_iter();
        capabilities.operations = operations.filter_map(|it| Operation::from_wire(it.0)).collect();
        let types = values(Tag::ObjectType)?.into_iter();
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

/// An Enumeration value, which need not be in the standard.
struct RawEnumeration(u32);

impl Value for RawEnumeration {
    fn decode(item: &ttlv::Item<'_>) -> Result<Self, ttlv::Error> {
        let bytes = item.expect(ttlv::ItemType::Enumeration)?;
        let bytes = bytes
            .try_into()
            .map_err(|_| ttlv::Error::Invalid { tag: item.tag, why: "an Enumeration has four bytes" })?;
        Ok(Self(u32::from_be_bytes(bytes)))
    }

    fn encode(&self, tag: Tag, writer: &mut Writer) {
        writer.item(tag, ttlv::ItemType::Enumeration, &self.0.to_be_bytes());
    }
}

/// Returns a request with one batch item. Requests of servers use few fields of the header (1.4 §5.1).
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

/// The response of a listener.
#[derive(Debug)]
struct Response {
    version: Version,
    /// The status, reason and message of a failure, or `None` after success.
    failure: Option<String>,
    /// Whether the reason is Operation Not Supported.
    unsupported: bool,
    /// The contents of the Response Payload.
    payload: Vec<u8>,
}

impl Response {
    /// Reads a response with one batch item, and ignores items that the server does not need.
    fn read(response: &[u8], version: Version) -> Result<Self, ttlv::Error> {
        let mut outer = Reader::new(response, V1_0);
        let mut rows = outer.require(Tag::ResponseMessage)?.structure()?;
        outer.finish()?;
        let mut header = rows.require(Tag::ResponseHeader)?.structure()?;
        // A listener answers a version that it does not support in another version.
        let header_version: ProtocolVersion = Field::read(Tag::ProtocolVersion, &mut header)?;
        let version =
            Some(Version::from(header_version)).filter(|it| SUPPORTED.contains(it)).unwrap_or(version);
        let mut response = Self { version, failure: None, unsupported: false, payload: Vec::new() };
        let (mut status, mut reason, mut message) = (None, None, None);
        let mut item = rows.require(Tag::BatchItem)?.structure()?;
        while let Some(row) = item.next()? {
            match row.tag {
                Tag::ResultStatus => status = Some(ResultStatus::decode(&row)?),
                Tag::ResultReason => reason = Some(RawEnumeration::decode(&row)?.0),
                Tag::ResultMessage => message = Some(String::decode(&row)?),
                Tag::ResponsePayload => response.payload = row.expect(ttlv::ItemType::Structure)?.to_vec(),
                _ => {}
            }
        }
        let status = status.ok_or(ttlv::Error::Missing { tag: Tag::ResultStatus, found: None })?;
        if status != ResultStatus::Success {
            let message = message.unwrap_or_default();
            let reason_text = reason.map(|reason| format!(", reason {reason:#010X}")).unwrap_or_default();
            response.failure = Some(format!("{status}{reason_text}, {:?}", Excerpt(&message)));
            response.unsupported = reason == Some(ResultReason::OperationNotSupported.to_wire());
        }
        Ok(response)
    }

    /// Returns the items of the payload with this tag; a failure has no payload.
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
    fn uses_the_version_of_the_request_or_else_the_newest_that_both_support() {
        assert_eq!(of(&[], &[]).version(V1_4), Some(V1_4));
        assert_eq!(of(&[V1_2, V1_4], &[]).version(V1_2), Some(V1_2));
        assert_eq!(of(&[V1_2, V1_4], &[]).version(V2_1), Some(V1_4));
        assert_eq!(of(&[Version::new(9, 0)], &[]).version(V2_1), None);
    }

    #[test]
    fn a_list_of_operations_counts_only_if_it_contains_one_that_servers_send() {
        use Operation::{Get, Notify, Put};
        let accepted = |operations: &[Operation]| {
            let listener = of(&[], operations);
            [listener.accepts(Put), listener.accepts(Notify)]
        };
        assert_eq!(accepted(&[]), [true, true]);
        assert_eq!(accepted(&[Get]), [true, true]);
        assert_eq!(accepted(&[Get, Put]), [true, false]);
        assert_eq!(accepted(&[Notify]), [false, true]);
        let mut listener = of(&[], &[]);
        listener.refused.push(Notify);
        assert!(listener.accepts(Put) && !listener.accepts(Notify));
    }

    #[test]
    fn listener_that_closed_the_connection_during_query_is_not_queried_again() {
        let mut listener = PeerCapabilities { queried: true, ..PeerCapabilities::default() };
        assert!(listener.after_failure().queried);
        listener.answered_query = true;
        assert!(!listener.after_failure().queried);
    }

    /// Returns the response of a listener.
    fn response(status: ResultStatus, reason: Option<u32>, payload: impl FnOnce(&mut Writer)) -> Vec<u8> {
        super::super::message(V1_4, DateTime(0), None, 1, |writer| {
            writer.structure(Tag::BatchItem, |writer| {
                Operation::Query.encode(Tag::Operation, writer);
                status.encode(Tag::ResultStatus, writer);
                reason.map(RawEnumeration).write(Tag::ResultReason, writer);
                reason.map(|_| "refused".to_owned()).write(Tag::ResultMessage, writer);
                writer.structure(Tag::ResponsePayload, payload);
            });
        })
    }

    #[test]
    fn reads_responses_with_unknown_enumeration_values() {
        let payload = |writer: &mut Writer| {
            vec![RawEnumeration(1), RawEnumeration(0x8000_0007)].write(Tag::Operation, writer);
            "a vendor".to_owned().write(Tag::VendorIdentification, writer);
        };
        let read = Response::read(&response(ResultStatus::Success, None, payload), V1_4).unwrap();
        assert!(read.failure.is_none());
        let values: Vec<_> =
            read.all::<RawEnumeration>(Tag::Operation).unwrap().iter().map(|it| it.0).collect();
        assert_eq!(values, [1, 0x8000_0007]);
        for (reason, unsupported) in [(5, true), (1, false), (0x8000_0001, false)] {
            let failed = response(ResultStatus::OperationFailed, Some(reason), |_| ());
            let read = Response::read(&failed, V1_4).unwrap();
            assert_eq!((read.failure.is_some(), read.unsupported), (true, unsupported));
        }
        assert!(
            Response::read(&response(ResultStatus::OperationPending, None, |_| ()), V1_4)
                .unwrap()
                .failure
                .is_some()
        );
    }

    #[test]
    fn rejects_truncated_responses_and_reads_modified_ones_without_panic() {
        let whole = response(ResultStatus::Success, None, |writer| {
            "a vendor".to_owned().write(Tag::VendorIdentification, writer);
        });
        for length in 0..whole.len() {
            assert!(Response::read(&whole[..length], V1_4).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            // The modified response may be valid or not.
            drop(
                Response::read(&changed, V1_4)
                    .map(|read| drop(read.all::<String>(Tag::VendorIdentification))),
            );
        }
    }
}
