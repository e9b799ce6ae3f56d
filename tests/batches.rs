//! Batches and commits: the changes of one request share one commit, and the response follows the commit.

use std::sync::{Arc, Mutex};

use kmip_server::internals::auth::Authenticator;
use kmip_server::internals::dispatch::{Dispatcher, Respond};
use kmip_server::internals::engine::Services;
use kmip_server::internals::policy::{Policies, PolicyStore};
use kmip_server::internals::secret::Secret;
use kmip_server::internals::store::{
    Error, Id, Located, Memory, Outcome, PendingCommit, Query, Record, Store, Transaction,
};
use kmip_server::kmip::enums::{BatchErrorContinuationOption, ObjectType, Operation, ResultStatus};
use kmip_server::ttlv::{Field, Tag, V1_4, Writer};

use crate::corpus::{self, algorithm, length, message_of, named, peer, statuses, template, usage};

/// A call of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Locate,
    /// A transaction that is durable when the call returns.
    Change,
    Begin,
    Wait,
}

/// A store that records its calls and can fail commits.
#[derive(Clone, Default)]
struct RecordingStore {
    objects: Arc<Memory>,
    calls: Arc<Mutex<Vec<Call>>>,
    fails_commits: Arc<Mutex<bool>>,
}

impl RecordingStore {
    fn record(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }
}

impl Store for RecordingStore {
    fn read(&self, id: Id) -> Result<Option<Arc<Record>>, Error> {
        self.record(Call::Read);
        self.objects.read(id)
    }

    fn locate(&self, query: &Query) -> Result<Located, Error> {
        self.record(Call::Locate);
        self.objects.locate(query)
    }

    fn server_state(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.objects.server_state(name)
    }

    fn change(&self, job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome) -> Result<(), Error> {
        self.record(Call::Change);
        self.objects.change(job)
    }

    fn begin<'s>(
        &'s self,
        job: &mut dyn FnMut(&mut dyn Transaction) -> Outcome,
    ) -> Result<Box<dyn PendingCommit + 's>, Error> {
        self.record(Call::Begin);
        self.objects.change(job)?;
        Ok(Box::new(Pending(self)))
    }
}

struct Pending<'s>(&'s RecordingStore);

impl PendingCommit for Pending<'_> {
    fn wait(self: Box<Self>) -> Result<(), Error> {
        self.0.record(Call::Wait);
        if *self.0.fails_commits.lock().unwrap() { Err(Error::GroupLost) } else { Ok(()) }
    }
}

type Item<'a> = (Operation, &'a dyn Fn(&mut Writer));

/// Returns the results of the items of a batch and the calls of the store.
fn batch(
    store: &RecordingStore,
    option: BatchErrorContinuationOption,
    items: &[Item<'_>],
) -> (Vec<ResultStatus>, Vec<Call>) {
    let dispatcher = corpus::bare_dispatcher(Box::new(store.clone()));
    let reply = dispatcher.respond(&message_of(V1_4, Some(option), items), peer());
    (statuses(&reply.message), std::mem::take(&mut store.calls.lock().unwrap()))
}

fn create(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[algorithm(), length(128), usage(0xC), named("one")], writer);
}

/// Writes an empty payload, which refers to the ID Placeholder.
fn nothing(_: &mut Writer) {}

const CREATE: Item<'_> = (Operation::Create, &create);
const ACTIVATE: Item<'_> = (Operation::Activate, &nothing);
const GET: Item<'_> = (Operation::Get, &nothing);
const VERSIONS: Item<'_> = (Operation::DiscoverVersions, &nothing);

use BatchErrorContinuationOption::{Continue, Stop};
use ResultStatus::{OperationFailed, Success};

#[test]
fn commits_the_changes_of_a_batch_together_at_its_end() {
    let (statuses, calls) = batch(&RecordingStore::default(), Stop, &[CREATE, ACTIVATE, GET, CREATE]);
    assert_eq!(statuses, [Success; 4]);
    let changes = calls.iter().filter(|call| **call == Call::Begin).count();
    let expected = [vec![Call::Begin; changes], vec![Call::Wait; changes]].concat();
    assert_eq!(calls, expected, "the batch reads only its own changes, and waits for the commits at its end");
}

#[test]
fn commits_a_request_of_one_item_on_its_own() {
    assert_eq!(batch(&RecordingStore::default(), Stop, &[CREATE]), (vec![Success], vec![Call::Change]));
}

#[test]
fn locate_finds_the_changes_of_earlier_items_of_the_batch() {
    let locate = |writer: &mut Writer| corpus::flat(&[named("one")], writer);
    let items = [CREATE, (Operation::Locate, &locate as &dyn Fn(&mut Writer)), GET];
    let (statuses, calls) = batch(&RecordingStore::default(), Stop, &items);
    assert_eq!(statuses, [Success; 3], "Get uses the object that Locate returned");
    assert_eq!(calls[..3], [Call::Begin, Call::Wait, Call::Locate]);
}

#[test]
fn a_failed_item_does_not_roll_back_other_items() {
    let store = RecordingStore::default();
    let (statuses, _) = batch(&store, Continue, &[CREATE, ACTIVATE, ACTIVATE, GET]);
    assert_eq!(statuses, [Success, Success, OperationFailed, Success]);
    let (statuses, _) = batch(&store, Stop, &[CREATE, ACTIVATE, ACTIVATE, GET]);
    assert_eq!(statuses, [Success, Success, OperationFailed]);
    assert!(store.objects.read(Id(2)).unwrap().is_some());
}

#[test]
fn does_not_acknowledge_changes_whose_commit_failed() {
    let store = RecordingStore::default();
    *store.fails_commits.lock().unwrap() = true;
    let (statuses, _) = batch(&store, Continue, &[VERSIONS, CREATE, VERSIONS, CREATE]);
    assert_eq!(statuses, [Success, OperationFailed, Success, OperationFailed]);
    let locate = |writer: &mut Writer| corpus::flat(&[named("one")], writer);
    let items = [CREATE, (Operation::Locate, &locate as &dyn Fn(&mut Writer)), VERSIONS];
    let (statuses, _) = batch(&store, Continue, &items);
    assert_eq!(statuses, [OperationFailed, OperationFailed, Success]);
}

#[test]
fn does_not_notify_clients_of_changes_whose_commit_failed() {
    let store = RecordingStore::default();
    let policies = PolicyStore::fixed(Policies::builtin());
    let services = Services::new(Arc::new(store.clone()), policies);
    let authenticator = Authenticator::new(true, Vec::new());
    let dispatcher = Dispatcher::with_listeners(services, authenticator, ["John Doe".to_owned()]);
    let waiting = |fails_commits: bool| {
        *store.fails_commits.lock().unwrap() = fails_commits;
        dispatcher.respond(&message_of(V1_4, Some(Continue), &[CREATE, VERSIONS, CREATE]), peer());
        dispatcher.deliveries().status()[0].waiting
    };
    assert_eq!(waiting(true), 0);
    assert_eq!(waiting(false), 2);
}
