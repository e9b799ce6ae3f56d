//! What owners of objects are to be told of changes (KMIP 1.4 §5, 2.1 §6.2): noticed where a change is made, queued
//! when it is durable, taken from the queue by whoever sends it.
//!
//! A notification holds no key: an object that is to be put is read, and its policy asked, when it is sent. Sending is left
//! to the server; here nobody ever waits for it. Queues are in memory and bounded: what finds no room is dropped and
//! counted.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::kmip::attributes::AttributeChanges;
use crate::kmip::enums::LinkType;
use crate::kmip::structures::UniqueIdentifier;
use crate::lock::IgnorePoison;
use crate::store::{Id, Record, Write};
use crate::ttlv::Version;

/// How many notifications wait for one listener at the most.
pub const MAX_WAITING: usize = 1_000;

/// How many bytes of changed attributes wait for one listener at the most.
pub const MAX_WAITING_BYTES: usize = 16 << 20;

/// What a notification takes besides the attributes in it, in bytes, at a guess.
const ROOM: usize = 128;

/// Something that happened to an object, for its owner.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The object.
    pub object: Id,
    /// The version of the request that did it.
    pub version: Version,
    /// What happened.
    pub event: Event,
}

/// What can happen to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It was made, or its value is another one now.
    Made {
        /// The object whose place it takes.
        replaced: Option<UniqueIdentifier>,
    },
    /// Attributes of it were changed.
    Changed(AttributeChanges),
}

impl Notification {
    fn size(&self) -> usize {
        match &self.event {
            Event::Made { .. } => ROOM,
            Event::Changed(changes) => ROOM + changes.size(),
        }
    }
}

/// A notification and the user it is for.
pub(crate) type Addressed = (String, Notification);

/// The queues of all listeners, by their users.
#[derive(Debug, Default)]
pub struct Notifications(HashMap<String, Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    moved: Condvar,
    delivered: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Notification>,
    bytes: usize,
    /// Until when what waits is still handed out, once there is an end.
    closing: Option<Instant>,
}

/// What a queue has for whoever sends.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// A notification.
    Notification(Notification),
    /// Nothing came in that time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

/// The state of one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The user whose listener it is.
    pub user: String,
    /// How many notifications wait.
    pub waiting: usize,
    /// How many the listener took.
    pub delivered: u64,
    /// How many it will not get.
    pub dropped: u64,
}

impl Notifications {
    /// Empty queues for the listeners of these users.
    pub fn of(users: impl IntoIterator<Item = String>) -> Self {
        Self(users.into_iter().map(|user| (user, Queue::default())).collect())
    }

    /// Whether any user has a listener.
    pub fn has_listeners(&self) -> bool {
        !self.0.is_empty()
    }

    /// Puts a notification into the queue of its owner, if there is one and it has room.
    pub(crate) fn post(&self, (owner, notification): Addressed) {
        let Some(queue) = self.0.get(&owner) else { return };
        let size = notification.size();
        let mut state = queue.state();
        if state.waiting.len() >= MAX_WAITING || state.bytes.saturating_add(size) > MAX_WAITING_BYTES {
            drop(state);
            return queue.drop_one(&owner, "too many wait already");
        }
        state.bytes += size;
        state.waiting.push_back(notification);
        drop(state);
        queue.moved.notify_all();
    }

    /// The next notification for the user's listener; waits for it, for that long at the most.
    pub fn next(&self, user: &str, patience: Duration) -> Next {
        let Some(queue) = self.0.get(user) else { return Next::Closed };
        let empty = |state: &mut State| state.waiting.is_empty() && state.closing.is_none();
        let waited = queue.moved.wait_timeout_while(queue.state(), patience, empty);
        let (mut state, _) = waited.ignore_poison();
        if state.closing.is_some_and(|end| state.waiting.is_empty() || Instant::now() >= end) {
            return Next::Closed;
        }
        let Some(notification) = state.waiting.pop_front() else { return Next::Nothing };
        state.bytes = state.bytes.saturating_sub(notification.size());
        Next::Notification(notification)
    }

    /// Waits before another attempt; false where there is to be none, because the server ends.
    pub fn pause(&self, user: &str, time: Duration) -> bool {
        let Some(queue) = self.0.get(user) else { return false };
        let goes_on = |state: &mut State| state.closing.is_none();
        let waited = queue.moved.wait_timeout_while(queue.state(), time, goes_on);
        waited.ignore_poison().0.closing.is_none()
    }

    /// Ends all queues: what waits is handed out for that long yet.
    pub fn close(&self, grace: Duration) {
        for queue in self.0.values() {
            queue.state().closing.get_or_insert(Instant::now() + grace);
            queue.moved.notify_all();
        }
    }

    /// Counts a notification that the user's listener took.
    pub fn delivered(&self, user: &str) {
        if let Some(queue) = self.0.get(user) {
            queue.delivered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a notification that the user's listener will not get, and logs why now and then.
    pub fn dropped(&self, user: &str, why: &str) {
        if let Some(queue) = self.0.get(user) {
            queue.drop_one(user, why);
        }
    }

    /// Drops what still waits for the user's listener; how many notifications that were.
    pub fn drop_rest(&self, user: &str) -> usize {
        let Some(queue) = self.0.get(user) else { return 0 };
        let rest = std::mem::take(&mut queue.state().waiting).len();
        queue.dropped.fetch_add(rest as u64, Ordering::Relaxed);
        rest
    }

    /// The state of each queue, by users in their order.
    pub fn status(&self) -> Vec<Status> {
        let queues = self.0.iter().map(|(user, queue)| Status {
            user: user.clone(),
            waiting: queue.state().waiting.len(),
            delivered: queue.delivered.load(Ordering::Relaxed),
            dropped: queue.dropped.load(Ordering::Relaxed),
        });
        let mut queues: Vec<_> = queues.collect();
        queues.sort_by(|one, other| one.user.cmp(&other.user));
        queues
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole when something could panic.
        self.state.lock().ignore_poison()
    }

    /// A listener that is gone for long must not fill the log: the first is told, the second, the fourth, and so on.
    fn drop_one(&self, user: &str, why: &str) {
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if dropped.is_power_of_two() {
            log::warn!(
                target: "kmip.server.endpoint",
                "The listener of {user:?} does not get a message: {why}. It missed {dropped} so far."
            );
        }
    }
}

/// Derives the notifications of a transaction from its write set.
pub(crate) struct ChangeRecorder<'a> {
    /// The queues, which determine the users that have a listener.
    pub(crate) notifications: &'a Notifications,
    /// The protocol version of the request.
    pub(crate) version: Version,
}

impl ChangeRecorder<'_> {
    /// Returns one notification per write that its owner's listener must learn of, in the order of the writes.
    pub(crate) fn record(&self, writes: &[Write]) -> Vec<Addressed> {
        let heard = writes.iter().filter(|write| self.notifications.0.contains_key(&write.after.owner.user));
        heard.filter_map(|write| self.notification(write)).collect()
    }

    fn notification(&self, write: &Write) -> Option<Addressed> {
        let event = event(write.before.as_deref(), &write.after)?;
        let notification = Notification { object: write.after.id, version: self.version, event };
        Some((write.after.owner.user.clone(), notification))
    }
}

/// Returns the event of a write, or `None` if it changes nothing that clients see.
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

    const NONE: Duration = Duration::ZERO;

    fn made(number: u64) -> Addressed {
        let notification =
            Notification { object: Id(number), version: V1_4, event: Event::Made { replaced: None } };
        ("john".to_owned(), notification)
    }

    fn johns() -> Notifications {
        Notifications::of(["john".to_owned()])
    }

    /// A notification of an attribute of that many bytes.
    fn large(bytes: usize) -> Addressed {
        let after = Attributes { comment: Some("x".repeat(bytes)), ..Attributes::default() };
        let event = Event::Changed(AttributeChanges::between(&Attributes::default(), &after));
        ("john".to_owned(), Notification { event, ..made(1).1 })
    }

    fn counts(notifications: &Notifications) -> (usize, u64) {
        let status = notifications.status();
        (status[0].waiting, status[0].dropped)
    }

    #[test]
    fn notices_come_out_in_the_order_in_which_they_came_and_only_for_those_who_listen() {
        let notifications = johns();
        notifications.post(made(1));
        notifications.post(("jane".to_owned(), made(2).1));
        notifications.post(made(3));
        for number in [1, 3] {
            assert_eq!(notifications.next("john", NONE), Next::Notification(made(number).1));
        }
        assert_eq!(notifications.next("john", NONE), Next::Nothing);
        assert_eq!(notifications.next("jane", NONE), Next::Closed);
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let notifications = johns();
        (0..MAX_WAITING as u64 + 7).for_each(|number| notifications.post(made(number + 1)));
        assert_eq!(counts(&notifications), (MAX_WAITING, 7));
        assert_eq!(
            notifications.next("john", NONE),
            Next::Notification(made(1).1),
            "the first ones are kept"
        );
        notifications.post(made(1));
        assert_eq!(counts(&notifications), (MAX_WAITING, 7));
    }

    #[test]
    fn large_attributes_have_a_bound_of_their_own() {
        let notifications = johns();
        (0..5).for_each(|_| notifications.post(large(MAX_WAITING_BYTES / 4)));
        assert_eq!(counts(&notifications), (3, 2));
        notifications.next("john", NONE);
        notifications.post(large(MAX_WAITING_BYTES / 4));
        assert_eq!(counts(&notifications), (3, 2));
    }

    #[test]
    fn at_the_end_what_waits_is_handed_out_for_the_grace_and_no_longer() {
        let notifications = johns();
        notifications.post(made(1));
        notifications.close(Duration::from_secs(60));
        assert!(!notifications.pause("john", Duration::from_secs(60)), "there is no waiting any more");
        assert_eq!(notifications.next("john", NONE), Next::Notification(made(1).1));
        assert_eq!(notifications.next("john", Duration::from_secs(60)), Next::Closed);
        let notifications = johns();
        notifications.post(made(1));
        notifications.close(NONE);
        assert_eq!(notifications.next("john", NONE), Next::Closed);
        assert_eq!((notifications.drop_rest("john"), counts(&notifications)), (1, (0, 1)));
    }

    fn key(id: Id, owner: &str) -> Record {
        let attributes = Attributes { state: Some(State::PreActive), ..Attributes::default() };
        let object_type = ObjectType::SymmetricKey;
        Record { id, owner: owner.into(), object_type, attributes, object: None }
    }

    /// Returns the notifications of a transaction.
    fn noticed(job: impl Fn(&mut dyn Transaction)) -> Vec<Addressed> {
        let (notifications, mut seen) = (johns(), Vec::new());
        let recorder = ChangeRecorder { notifications: &notifications, version: V1_4 };
        let change = &mut |transaction: &mut dyn Transaction| {
            job(transaction);
            seen = recorder.record(transaction.writes());
            Outcome::Commit
        };
        Memory::new().change(change).unwrap();
        seen
    }

    #[test]
    fn a_change_is_noticed_for_the_owner_of_the_object() {
        let seen = noticed(|change| {
            let mut mine = key(change.next_id().unwrap(), "john");
            change.insert(mine.clone()).unwrap();
            let other = key(change.next_id().unwrap(), "jane");
            change.insert(other).unwrap();
            mine.attributes.state = Some(State::Active);
            change.update(mine.clone()).unwrap();
            // That it was given to somebody is no change.
            mine.attributes.fresh = Some(false);
            change.update(mine).unwrap();
        });
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0], made(1));
        assert!(matches!(&seen[1].1.event, Event::Changed(changes) if !changes.is_empty()));
    }

    #[test]
    fn what_gets_another_value_or_says_what_it_replaces_is_made_in_the_place_of_that() {
        let certificate = |byte: u8| {
            Some(Object::Certificate(Certificate {
                certificate_type: CertificateType::X509,
                certificate_value: vec![byte],
            }))
        };
        let seen = noticed(|change| {
            let mut other = key(change.next_id().unwrap(), "john");
            other.object = certificate(1);
            change.insert(other.clone()).unwrap();
            other.object = certificate(2);
            change.update(other.clone()).unwrap();
            // What is destroyed is no object in the place of another.
            other.object = None;
            other.attributes.state = Some(State::Destroyed);
            change.update(other).unwrap();
            let mut successor = key(change.next_id().unwrap(), "john");
            let link_type = LinkType::ReplacedObjectLink;
            successor.attributes.link.push(Link { link_type, linked_object_identifier: Id(1).into() });
            change.insert(successor).unwrap();
        });
        let events: Vec<_> = seen.into_iter().map(|(_, notification)| notification.event).collect();
        let made = |replaced: Option<Id>| Event::Made { replaced: replaced.map(Into::into) };
        assert_eq!(events[..2], [made(None), made(Some(Id(1)))]);
        assert!(matches!(events[2], Event::Changed(_)), "{events:?}");
        assert_eq!(events[3], made(Some(Id(1))));
    }

    #[test]
    fn what_is_taken_back_is_not_noticed() {
        let seen = noticed(|change| {
            for keep in [Outcome::Rollback, Outcome::Commit] {
                let insert = &mut |change: &mut dyn Transaction| {
                    change.insert(key(Id(if keep == Outcome::Commit { 7 } else { 6 }), "john")).unwrap();
                    keep
                };
                change.nested(insert).unwrap();
            }
        });
        assert_eq!(seen, [made(7)]);
    }
}
