//! Batches with Undo that are repeated because another request changed an object that they use: each effect happens
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kmip_server::internals::auth::Authenticator;
use kmip_server::internals::dispatch::{Dispatcher, Respond};
use kmip_server::internals::engine::Services;
use kmip_server::internals::engine::services::tickets::MAX_PER_USER;
use kmip_server::internals::policy::{Policies, PolicyStore};
use kmip_server::internals::secret::Secret;
use kmip_server::internals::store::{
    Error, Id, Located, Memory, Outcome, Query, Record, Store, Transaction, Write,
};
use kmip_server::kmip::enums::{
    AsynchronousIndicator, BatchErrorContinuationOption, Operation, ResultStatus, TicketType, UsageLimitsUnit,
};
use kmip_server::kmip::structures::{Ticket, UsageLimits};
use kmip_server::kmip::{Asynchronous, RequestHeader};
use kmip_server::ttlv::{Field, Tag, V1_4, V2_1, Version, Writer};

use crate::corpus::{self, attribute, header, id, message_of, message_under, peer};
use crate::dialogue::{Answer, answers};
use crate::harness::within;

/// The object that another request changes while a batch runs.
const CHANGED: &str = corpus::AES;

/// A store in which another request changes an object in the middle of transactions.
struct Interrupted {
    objects: Memory,
    /// The number of executions of the next transaction that are interrupted.
    times: Arc<AtomicU32>,
}

impl Interrupted {
    fn interrupt(&self) {
        let left = self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            let change = &mut |change: &mut dyn Transaction| {
                let record = change.read(Id::parse(CHANGED).unwrap()).unwrap().unwrap();
                change.update(Record::clone(&record)).unwrap();
                Outcome::Commit
            };
            self.objects.change(change).unwrap();
        }
    }
}

impl Store for Interrupted {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        self.objects.read(id)
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        self.objects.locate(query)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.objects.server_state(name)
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.objects.change(job)
    }

    fn change_optimistically(
        &self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<(), Error> {
        self.objects
            .change_optimistically(&mut |inner| job(&mut InterruptedTransaction { store: self, inner }))
    }
}

/// A transaction that is interrupted after the first object that it reads.
struct InterruptedTransaction<'a> {
    store: &'a Interrupted,
    inner: &'a mut dyn Transaction,
}

impl Transaction for InterruptedTransaction<'_> {
    fn read(&mut self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        let record = self.inner.read(id);
        if !self.inner.is_locked() {
            self.store.interrupt();
        }
        record
    }

    fn locate(&mut self, query: &Query) -> Result<Located, Error> {
        self.inner.locate(query)
    }

    fn next_id(&mut self) -> Result<Id, Error> {
        self.inner.next_id()
    }

    fn insert(&mut self, record: Arc<Record>) -> Result<(), Error> {
        self.inner.insert(record)
    }

    fn update(&mut self, record: Record) -> Result<(), Error> {
        self.inner.update(record)
    }

    fn update_lazily(&mut self, record: Record) -> Result<(), Error> {
        self.inner.update_lazily(record)
    }

    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        self.inner.server_state(name)
    }

    fn set_server_state(&mut self, name: &str, value: &Secret) -> Result<(), Error> {
        self.inner.set_server_state(name, value)
    }

    fn writes(&self) -> &[Write] {
        self.inner.writes()
    }

    fn nested(&mut self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.inner.nested(job)
    }

    fn lock(&mut self) -> bool {
        self.inner.lock()
    }

    fn is_locked(&self) -> bool {
        self.inner.is_locked()
    }
}

/// A server on such a store, with the objects of the corpus and a listener of the client.
struct Server {
    dispatcher: Dispatcher,
    times: Arc<AtomicU32>,
}

type Payload<'a> = &'a dyn Fn(&mut Writer);

impl Server {
    fn new() -> Self {
        let times = Arc::new(AtomicU32::new(0));
        let store = Interrupted { objects: Memory::new(), times: Arc::clone(&times) };
        let services = Services::new(Arc::new(store), PolicyStore::fixed(Policies::builtin()));
        let authenticator = Authenticator::new(true, Vec::new());
        let dispatcher = Dispatcher::with_listeners(services, authenticator, ["John Doe".to_owned()]);
        let server = Self { dispatcher, times };
        for object in corpus::objects() {
            let register: Payload<'_> = &|w| corpus::register(object, w);
            server.ask(V1_4, Operation::Register, register).id();
        }
        server
    }

    fn send(&self, version: Version, request: &[u8]) -> Vec<Answer> {
        answers(version, &self.dispatcher.respond(request, peer()).message)
    }

    fn ask(&self, version: Version, operation: Operation, payload: Payload<'_>) -> Answer {
        self.send(version, &message_of(version, None, &[(operation, payload)])).remove(0)
    }

    /// Requests the operations after Get Attributes in a batch with Undo that is interrupted twice. Returns the answer
    /// to the last.
    fn interrupted(&self, version: Version, items: &[(Operation, Payload<'_>)]) -> Answer {
        let get_attributes: Payload<'_> = &|w| id(CHANGED, w);
        let items = [&[(Operation::GetAttributes, get_attributes)], items].concat();
        self.times.store(2, Ordering::SeqCst);
        let undo = Some(BatchErrorContinuationOption::Undo);
        let mut answers = self.send(version, &message_of(version, undo, &items));
        assert_eq!(self.times.load(Ordering::SeqCst), 0, "the batch was interrupted");
        assert_eq!(answers.len(), items.len());
        answers.pop().unwrap()
    }

    fn notifications(&self) -> usize {
        self.dispatcher.deliveries().status()[0].waiting
    }
}

fn nothing(_: &mut Writer) {}

#[test]
fn a_repeated_batch_creates_one_object_and_one_notification() {
    let server = Server::new();
    let (before, last) = (server.notifications(), corpus::objects().len());
    let create: Payload<'_> = &|w| {
        kmip_server::kmip::enums::ObjectType::SymmetricKey.write(Tag::ObjectType, w);
        corpus::template(
            Tag::Attributes,
            &[corpus::algorithm(), corpus::length(128), corpus::usage(0xC), corpus::named("made once")],
            w,
        );
    };
    let made = server.interrupted(V1_4, &[(Operation::Create, create)]).id();
    assert!(made.parse::<usize>().unwrap() > last);
    let locate: Payload<'_> = &|w| corpus::flat(&[corpus::named("made once")], w);
    assert_eq!(server.ask(V1_4, Operation::Locate, locate).ids(), [made]);
    assert_eq!(server.notifications() - before, 1);
}

#[test]
fn a_repeated_batch_allocates_usage_once() {
    let server = Server::new();
    let limits = UsageLimits {
        usage_limits_total: 10,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Object,
    };
    let object = corpus::aes_key("limited", vec![7; 16]);
    let register: Payload<'_> = &|w| corpus::register_as(&object, &[attribute(Tag::UsageLimits, &limits)], w);
    let key = server.ask(V1_4, Operation::Register, register).id();
    server.ask(V1_4, Operation::Activate, &|w| id(&key, w));
    let allocate: Payload<'_> = &|w| {
        id(&key, w);
        3i64.write(Tag::UsageLimitsCount, w);
    };
    server.interrupted(V1_4, &[(Operation::GetUsageAllocation, allocate)]).done();
    let left = server.ask(V1_4, Operation::GetAttributes, &|w| id(&key, w)).attributes();
    let left = left.iter().find(|attribute| attribute.row.tag == Tag::UsageLimits).unwrap();
    assert_eq!(left.read::<UsageLimits>().unwrap().usage_limits_count, Some(7));
}

#[test]
fn a_repeated_batch_issues_one_ticket_and_ends_one() {
    let server = Server::new();
    let login = || {
        let answer = server.interrupted(V2_1, &[(Operation::Login, &nothing)]);
        answer.all::<Ticket>(Tag::Ticket).remove(0)
    };
    let tickets: Vec<_> = (0..MAX_PER_USER).map(|_| login()).collect();
    // With more tickets, the oldest would have ended.
    for ticket in tickets {
        assert_eq!(ticket.ticket_type, TicketType::Login);
        let logout: Payload<'_> = &|w| ticket.write(Tag::Ticket, w);
        server.interrupted(V2_1, &[(Operation::Logout, logout)]).done();
    }
}

#[test]
fn a_repeated_batch_expedites_and_polls_an_operation_once() {
    let server = Server::new();
    let header = RequestHeader {
        asynchronous_indicator: Some(Asynchronous(AsynchronousIndicator::Mandatory)),
        ..header(V2_1, None)
    };
    let locate: Payload<'_> = &nothing;
    let submitted = server.send(V2_1, &message_under(V2_1, header, &[(Operation::Locate, locate)])).remove(0);
    let job = submitted.correlation.unwrap();
    let correlation: Payload<'_> = &|w| job.write(Tag::AsynchronousCorrelationValue, w);
    server.interrupted(V2_1, &[(Operation::Process, correlation)]).done();
    // In a batch with Undo, Poll does not wait for the end of the operation.
    within(|| {
        let answer = server.interrupted(V2_1, &[(Operation::Poll, correlation)]);
        (answer.status != ResultStatus::OperationPending).then(|| answer.done().len())
    });
}

#[test]
fn a_repeated_batch_processes_a_part_of_a_message_once() {
    let server = Server::new();
    let data = |part: &[u8]| part.to_vec();
    let first: Payload<'_> = &|w| {
        id(corpus::AES, w);
        corpus::ecb(w);
        data(b"0123456789abcdef").write(Tag::Data, w);
        true.write(Tag::InitIndicator, w);
    };
    let begun = server.interrupted(V1_4, &[(Operation::Encrypt, first)]);
    let correlation = begun.all::<Vec<u8>>(Tag::CorrelationValue).remove(0);
    let next = |last: bool| {
        let part: Payload<'_> = &|w| {
            id(corpus::AES, w);
            data(b"fedcba9876543210").write(Tag::Data, w);
            correlation.write(Tag::CorrelationValue, w);
            last.write(Tag::FinalIndicator, w);
        };
        server.interrupted(V1_4, &[(Operation::Encrypt, part)]).all::<Vec<u8>>(Tag::Data)
    };
    let encrypted = [begun.all::<Vec<u8>>(Tag::Data), next(false), next(true)].concat().concat();
    let whole: Payload<'_> = &|w| {
        id(corpus::AES, w);
        corpus::ecb(w);
        data(b"0123456789abcdeffedcba9876543210fedcba9876543210").write(Tag::Data, w);
    };
    assert_eq!(server.ask(V1_4, Operation::Encrypt, whole).all::<Vec<u8>>(Tag::Data), [encrypted]);
}
