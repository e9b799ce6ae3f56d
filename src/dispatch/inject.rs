//! The faults of the table in [`crate::faults`], applied to a request.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::batch::Item;
use super::{Dispatcher, Reply, keep_connection};
use crate::auth::{Identity, Peer};
use crate::engine::{Context, Services};
use crate::faults::{Action, AnswerFault, Faults, MAX_TIME, Subject};
use crate::kmip::{Error, RequestHeader};
use crate::memory_quota::Reservation;
use crate::operations::{self, Prepared};
use crate::ttlv::Version;

/// The position of the protocol version in a response message: Response Message, Response Header and Protocol Version have
/// headers of eight bytes; then each number has one, too.
const MAJOR: usize = 32;
const MINOR: usize = 48;

/// An operation that fails because of a rule.
#[derive(Clone)]
struct Failure(Error);

impl Prepared for Failure {
    fn execute(self: Box<Self>, _: &mut Context<'_>) -> Result<operations::Reply, Error> {
        Err(self.0)
    }

    fn duplicate(&self) -> Box<dyn Prepared> {
        Box::new(self.clone())
    }
}

/// What the rules do with a request.
#[derive(Default)]
struct Injected {
    delay: Duration,
    closes: bool,
    pending: Option<Duration>,
    answer: Option<AnswerFault>,
}

impl Dispatcher {
    /// Asks `faults` before each request, and sends answers with the faults of its rules.
    #[must_use]
    pub fn with_faults(self, faults: Arc<Faults>) -> Self {
        Self { faults: Some(faults), ..self }
    }

    /// Returns the services of the engine.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Answers a request as [`Dispatcher::process`] does, with the faults of the rules that match its items.
    pub(super) fn answer_with_faults(
        &self,
        (version, header, items): (Version, &RequestHeader, &mut Vec<Item<'_>>),
        identity: &Identity,
        peer: &Peer,
        memory: &mut Reservation,
    ) -> Reply {
        let injected = self.inject(identity, items);
        if !injected.delay.is_zero() {
            thread::sleep(injected.delay.min(MAX_TIME));
        }
        if injected.closes {
            return Reply { message: Vec::new(), close: true, fault: Some(AnswerFault::Lost) };
        }
        // A time past the range of the clock never comes; the longest one is 30 days.
        let due = injected.pending.and_then(|time| self.services.clock.instant().checked_add(time));
        let items = std::mem::take(items);
        let mut message = self.process(version, (header, due), items, identity, peer, memory);
        if let Some(AnswerFault::Version(major, minor)) = injected.answer {
            put(&mut message, MAJOR, major);
            put(&mut message, MINOR, minor);
        }
        Reply { fault: injected.answer, ..keep_connection(message) }
    }

    /// Asks the table for each item.
    fn inject(&self, identity: &Identity, items: &mut [Item<'_>]) -> Injected {
        let mut injected = Injected::default();
        let Some(faults) = &self.faults else { return injected };
        for item in items {
            let (operation, object) = item.intent();
            let user = &identity.principal.user;
            for action in faults.on_item(Subject { user, operation, object: object.as_deref() }) {
                match action {
                    Action::Fail(error) => item.replace(Box::new(Failure(error))),
                    Action::Delay(time) => injected.delay += time,
                    Action::Close => injected.closes = true,
                    Action::Pending(time) => injected.pending = injected.pending.max(Some(time)),
                    Action::Answer(fault) => injected.answer = injected.answer.or(Some(fault)),
                    Action::RefuseHandshake => {}
                }
            }
        }
        injected
    }
}

fn put(message: &mut [u8], at: usize, number: i32) {
    if let Some(place) = message.get_mut(at..at + 4) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}
