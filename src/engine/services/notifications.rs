//! Notifications to the owners of objects about changes (KMIP 1.4 §5, 2.1 §6.2): derived from the write set of a
//! transaction, and passed to a sink when the transaction is durable.
//!
//! A notification contains no key: the sender reads the object at the time of sending, if its policy allows that.

use crate::kmip::attributes::AttributeChanges;
use crate::kmip::enums::LinkType;
use crate::kmip::structures::UniqueIdentifier;
use crate::store::{Id, Record, Write};
use crate::ttlv::Version;

/// The estimated size in bytes of a notification without its attributes.
const BASE_SIZE: usize = 128;

/// A change of an object, for its owner.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The object.
    pub object: Id,
    /// The protocol version of the request that changed it.
    pub version: Version,
    /// The change.
    pub event: Event,
}

/// The kinds of change.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The object was created, or its value was replaced.
    Made {
        /// The object that it replaces.
        replaced: Option<UniqueIdentifier>,
    },
    /// Attributes of the object changed.
    Changed(AttributeChanges),
}

impl Notification {
    /// Returns the estimated size in bytes.
    pub fn size(&self) -> usize {
        match &self.event {
            Event::Made { .. } => BASE_SIZE,
            Event::Changed(changes) => BASE_SIZE + changes.size(),
        }
    }
}

/// A notification and the user to whom it is addressed.
pub(crate) type Addressed = (String, Notification);

/// The receiver of notifications. None of its methods waits for a listener.
pub trait NotificationSink: Send + Sync {
    /// Returns whether any user has a listener.
    fn has_listeners(&self) -> bool;

    /// Returns whether this user has a listener.
    fn has_listener(&self, user: &str) -> bool;

    /// Accepts a notification to this user.
    fn post(&self, user: &str, notification: Notification);
}

/// The sink of a server without listeners.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoListeners;

impl NotificationSink for NoListeners {
    fn has_listeners(&self) -> bool {
        false
    }

    fn has_listener(&self, _: &str) -> bool {
        false
    }

    fn post(&self, _: &str, _: Notification) {}
}

/// Derives the notifications of a transaction from its write set.
pub(crate) struct ChangeRecorder<'a> {
    /// The sink, which determines the users that have a listener.
    pub(crate) sink: &'a dyn NotificationSink,
    /// The protocol version of the request.
    pub(crate) version: Version,
}

impl ChangeRecorder<'_> {
    /// Returns the notifications for owners with a listener, one per write that clients can see, in the order of
    /// the writes.
    pub(crate) fn record(&self, writes: &[Write]) -> Vec<Addressed> {
        let addressed = writes.iter().filter(|write| self.sink.has_listener(&write.after.owner.user));
        addressed.filter_map(|write| self.notification(write)).collect()
    }

    fn notification(&self, write: &Write) -> Option<Addressed> {
        let event = event(write.before.as_deref(), &write.after)?;
        let notification = Notification { object: write.after.id, version: self.version, event };
        Some((write.after.owner.user.clone(), notification))
    }
}

/// Returns the event of a write, or `None` if clients cannot see the change.
fn event(before: Option<&Record>, after: &Record) -> Option<Event> {
    let Some(before) = before else {
        let mut links = after.attributes.link.iter().rev();
        let replaced = links.find(|link| link.link_type == LinkType::ReplacedObjectLink);
        return Some(Event::Made { replaced: replaced.map(|link| link.linked_object_identifier.clone()) });
    };
    if after.object.is_some() && after.object != before.object {
        return Some(Event::Made { replaced: Some(after.id.into()) });
    }
    let changes = AttributeChanges::between(&before.attributes, &after.attributes);
    (!changes.is_empty()).then_some(Event::Changed(changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::{CertificateType, ObjectType, State};
    use crate::kmip::structures::Link;
    use crate::kmip::{Certificate, Object};
    use crate::store::{Memory, Outcome, Store, Transaction};
    use crate::ttlv::V1_4;

    /// A sink for which only the user john has a listener.
    struct John;

    impl NotificationSink for John {
        fn has_listeners(&self) -> bool {
            true
        }

        fn has_listener(&self, user: &str) -> bool {
            user == "john"
        }

        fn post(&self, _: &str, _: Notification) {}
    }

    fn created(number: u64) -> Addressed {
        let notification =
            Notification { object: Id(number), version: V1_4, event: Event::Made { replaced: None } };
        ("john".to_owned(), notification)
    }

    fn key(id: Id, owner: &str) -> Record {
        let attributes = Attributes { state: Some(State::PreActive), ..Attributes::default() };
        let object_type = ObjectType::SymmetricKey;
        Record { id, owner: owner.into(), object_type, attributes, object: None }
    }

    /// Returns the notifications of a transaction.
    fn recorded(job: impl Fn(&mut dyn Transaction)) -> Vec<Addressed> {
        let mut recorded = Vec::new();
        let recorder = ChangeRecorder { sink: &John, version: V1_4 };
        let change = &mut |transaction: &mut dyn Transaction| {
            job(transaction);
            recorded = recorder.record(transaction.writes());
            Outcome::Commit
        };
        Memory::new().change(change).unwrap();
        recorded
    }

    #[test]
    fn records_changes_for_the_owner_of_the_object() {
        let seen = recorded(|change| {
            let mut johns = key(change.next_id().unwrap(), "john");
            change.insert(johns.clone().into()).unwrap();
            let other = key(change.next_id().unwrap(), "jane");
            change.insert(other.into()).unwrap();
            johns.attributes.state = Some(State::Active);
            change.update(johns.clone()).unwrap();
            // A change of Fresh is not reported.
            johns.attributes.fresh = Some(false);
            change.update(johns).unwrap();
        });
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0], created(1));
        assert!(matches!(&seen[1].1.event, Event::Changed(changes) if !changes.is_empty()));
    }

    #[test]
    fn new_value_or_replacement_link_records_a_replacement() {
        let certificate = |byte: u8| {
            Some(Object::Certificate(Certificate {
                certificate_type: CertificateType::X509,
                certificate_value: vec![byte],
            }))
        };
        let seen = recorded(|change| {
            let mut other = key(change.next_id().unwrap(), "john");
            other.object = certificate(1);
            change.insert(other.clone().into()).unwrap();
            other.object = certificate(2);
            change.update(other.clone()).unwrap();
            // Destroying the object is an attribute change.
            other.object = None;
            other.attributes.state = Some(State::Destroyed);
            change.update(other).unwrap();
            let mut successor = key(change.next_id().unwrap(), "john");
            let link_type = LinkType::ReplacedObjectLink;
            successor.attributes.link.push(Link { link_type, linked_object_identifier: Id(1).into() });
            change.insert(successor.into()).unwrap();
        });
        let events: Vec<_> = seen.into_iter().map(|(_, notification)| notification.event).collect();
        let made = |replaced: Option<Id>| Event::Made { replaced: replaced.map(Into::into) };
        assert_eq!(events[..2], [made(None), made(Some(Id(1)))]);
        assert!(matches!(events[2], Event::Changed(_)), "{events:?}");
        assert_eq!(events[3], made(Some(Id(1))));
    }

    #[test]
    fn records_nothing_of_a_nested_transaction_that_is_rolled_back() {
        let seen = recorded(|change| {
            for outcome in [Outcome::Rollback, Outcome::Commit] {
                let insert = &mut |change: &mut dyn Transaction| {
                    change
                        .insert(key(Id(if outcome == Outcome::Commit { 7 } else { 6 }), "john").into())
                        .unwrap();
                    outcome
                };
                change.nested(insert).unwrap();
            }
        });
        assert_eq!(seen, [created(7)]);
    }
}
