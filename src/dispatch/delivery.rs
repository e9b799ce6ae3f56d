//! Delivery queues: the notifications that wait for the listeners of clients until a server thread sends them.
//!
//! Queues are in memory and bounded. A queue drops and counts a notification that exceeds its bounds.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::engine::services::notifications::{Notification, NotificationSink};
use crate::lock::IgnorePoison;

/// The maximum number of notifications in the queue of one listener.
pub const MAX_WAITING: usize = 1_000;

/// The maximum size in bytes of the notifications in the queue of one listener.
pub const MAX_WAITING_BYTES: usize = 16 << 20;

/// The queues of all listeners, by user.
#[derive(Debug, Default)]
pub struct DeliveryQueues(HashMap<String, Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
    delivered: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: VecDeque<Notification>,
    bytes: usize,
    /// The end of the grace period of a closed queue.
    closing: Option<Instant>,
}

/// The answer of a queue to its sender.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// A notification to send.
    Notification(Notification),
    /// No notification was queued in time.
    Nothing,
    /// The queue is closed.
    Closed,
}

/// The state of one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// The user whose listener it is.
    pub user: String,
    /// The number of queued notifications.
    pub waiting: usize,
    /// The number of notifications that the listener accepted.
    pub delivered: u64,
    /// The number of notifications that the listener will not receive.
    pub dropped: u64,
}

impl NotificationSink for DeliveryQueues {
    fn has_listeners(&self) -> bool {
        !self.0.is_empty()
    }

    fn has_listener(&self, user: &str) -> bool {
        self.0.contains_key(user)
    }

    fn post(&self, user: &str, notification: Notification) {
        let Some(queue) = self.0.get(user) else { return };
        let size = notification.size();
        let mut state = queue.state();
        if state.waiting.len() >= MAX_WAITING || state.bytes.saturating_add(size) > MAX_WAITING_BYTES {
            drop(state);
            return queue.drop_one(user, "its queue is full");
        }
        state.bytes += size;
        state.waiting.push_back(notification);
        drop(state);
        queue.changed.notify_all();
    }
}

impl DeliveryQueues {
    /// Creates empty queues for the listeners of these users.
    pub fn of(users: impl IntoIterator<Item = String>) -> Self {
        Self(users.into_iter().map(|user| (user, Queue::default())).collect())
    }

    /// Returns the next notification for the user's listener, and waits up to `patience` for one.
    pub fn next(&self, user: &str, patience: Duration) -> Next {
        let Some(queue) = self.0.get(user) else { return Next::Closed };
        let empty = |state: &mut QueueState| state.waiting.is_empty() && state.closing.is_none();
        let waited = queue.changed.wait_timeout_while(queue.state(), patience, empty);
        let (mut state, _) = waited.ignore_poison();
        if state.closing.is_some_and(|end| state.waiting.is_empty() || Instant::now() >= end) {
            return Next::Closed;
        }
        let Some(notification) = state.waiting.pop_front() else { return Next::Nothing };
        state.bytes = state.bytes.saturating_sub(notification.size());
        Next::Notification(notification)
    }

    /// Waits before another attempt. Returns false if the queues are closed, so that the caller must not try again.
    pub fn pause(&self, user: &str, time: Duration) -> bool {
        let Some(queue) = self.0.get(user) else { return false };
        let is_open = |state: &mut QueueState| state.closing.is_none();
        let waited = queue.changed.wait_timeout_while(queue.state(), time, is_open);
        waited.ignore_poison().0.closing.is_none()
    }

    /// Closes all queues; [`DeliveryQueues::next`] returns queued notifications for the time of `grace`.
    pub fn close(&self, grace: Duration) {
        for queue in self.0.values() {
            queue.state().closing.get_or_insert(Instant::now() + grace);
            queue.changed.notify_all();
        }
    }

    /// Counts a notification that the user's listener accepted.
    pub fn delivered(&self, user: &str) {
        if let Some(queue) = self.0.get(user) {
            queue.delivered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a notification that the user's listener will not receive, and logs the reason of some.
    pub fn dropped(&self, user: &str, why: &str) {
        if let Some(queue) = self.0.get(user) {
            queue.drop_one(user, why);
        }
    }

    /// Drops the queued notifications of the user's listener and returns their number.
    pub fn drop_rest(&self, user: &str) -> usize {
        let Some(queue) = self.0.get(user) else { return 0 };
        let rest = std::mem::take(&mut queue.state().waiting).len();
        queue.dropped.fetch_add(rest as u64, Ordering::Relaxed);
        rest
    }

    /// Returns the state of each queue, sorted by user.
    pub fn status(&self) -> Vec<QueueStatus> {
        let queues = self.0.iter().map(|(user, queue)| QueueStatus {
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
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().ignore_poison()
    }

    /// Logs the first, second, fourth, eighth … dropped notification, so that an absent listener does not fill the
    /// log.
    fn drop_one(&self, user: &str, why: &str) {
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if dropped.is_power_of_two() {
            log::warn!(
                target: "kmip.server.endpoint",
                "A notification to the listener of {user:?} is dropped: {why}. Dropped since the start: {dropped}."
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::services::notifications::Event;
    use crate::kmip::attributes::{AttributeChanges, Attributes};
    use crate::store::Id;
    use crate::ttlv::V1_4;

    const NONE: Duration = Duration::ZERO;

    fn created(number: u64) -> (String, Notification) {
        let notification =
            Notification { object: Id(number), version: V1_4, event: Event::Made { replaced: None } };
        ("john".to_owned(), notification)
    }

    fn queues_of_john() -> DeliveryQueues {
        DeliveryQueues::of(["john".to_owned()])
    }

    fn post(queues: &DeliveryQueues, (user, notification): (String, Notification)) {
        queues.post(&user, notification);
    }

    /// Returns a notification about an attribute of that many bytes.
    fn large(bytes: usize) -> (String, Notification) {
        let after = Attributes { comment: Some("x".repeat(bytes)), ..Attributes::default() };
        let event = Event::Changed(AttributeChanges::between(&Attributes::default(), &after));
        ("john".to_owned(), Notification { event, ..created(1).1 })
    }

    fn counts(queues: &DeliveryQueues) -> (usize, u64) {
        let status = queues.status();
        (status[0].waiting, status[0].dropped)
    }

    #[test]
    fn queues_notifications_in_order_and_only_for_users_with_a_listener() {
        let queues = queues_of_john();
        post(&queues, created(1));
        post(&queues, ("jane".to_owned(), created(2).1));
        post(&queues, created(3));
        for number in [1, 3] {
            assert_eq!(queues.next("john", NONE), Next::Notification(created(number).1));
        }
        assert_eq!(queues.next("john", NONE), Next::Nothing);
        assert_eq!(queues.next("jane", NONE), Next::Closed);
    }

    #[test]
    fn drops_and_counts_notifications_past_the_bound() {
        let queues = queues_of_john();
        (0..MAX_WAITING as u64 + 7).for_each(|number| post(&queues, created(number + 1)));
        assert_eq!(counts(&queues), (MAX_WAITING, 7));
        assert_eq!(
            queues.next("john", NONE),
            Next::Notification(created(1).1),
            "the queue keeps the oldest notifications"
        );
        post(&queues, created(1));
        assert_eq!(counts(&queues), (MAX_WAITING, 7));
    }

    #[test]
    fn bounds_the_size_of_queued_attributes() {
        let queues = queues_of_john();
        (0..5).for_each(|_| post(&queues, large(MAX_WAITING_BYTES / 4)));
        assert_eq!(counts(&queues), (3, 2));
        queues.next("john", NONE);
        post(&queues, large(MAX_WAITING_BYTES / 4));
        assert_eq!(counts(&queues), (3, 2));
    }

    #[test]
    fn closed_queue_returns_queued_notifications_during_the_grace_period() {
        let queues = queues_of_john();
        post(&queues, created(1));
        queues.close(Duration::from_secs(60));
        assert!(!queues.pause("john", Duration::from_secs(60)), "the queue is closed");
        assert_eq!(queues.next("john", NONE), Next::Notification(created(1).1));
        assert_eq!(queues.next("john", Duration::from_secs(60)), Next::Closed);
        let queues = queues_of_john();
        post(&queues, created(1));
        queues.close(NONE);
        assert_eq!(queues.next("john", NONE), Next::Closed);
        assert_eq!((queues.drop_rest("john"), counts(&queues)), (1, (0, 1)));
    }
}
