//! What one request works with: who asks, in which version, and the ways to the store.
//!
//! Reading goes through [`Context::open`] and [`Context::locate`], changing through [`Context::modify`] and
//! [`Context::insert`]; each is one change that is durable when it returns, or part of a batch that is kept
//! or undone as a whole.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::Identity;
use crate::compatibility::Behavior;
use crate::kmip::Error;
use crate::kmip::enums::{Operation, ResultReason, StorageStatusMask, UniqueIdentifierValue};
use crate::kmip::structures::UniqueIdentifier;
use crate::policy::Policies;
use crate::secret::Secret;
use crate::store::{self, Criterion, Id, Located, Order, Outcome, Query, Record, Store, Transaction};
use crate::ttlv::{DateTime, V2_1, Version};

use super::access::{self, Gate, Granted};
use super::cpu_permits;
use super::error::{failed, invalid_field, not_found};
use super::lifecycle;
use super::run::{Lost, Run};
use super::services::Services;
use super::services::notifications::{Addressed, ChangeRecorder};

/// How many objects one Locate finds at the most. So many identifiers fill the largest response; a client that
/// has more of them asks for them page by page.
pub const MAX_LOCATED: u64 = 1 << 20;

/// How many criteria one Locate may have: more than there are attributes, and few enough for each store to ask
/// them in one question.
pub const MAX_CRITERIA: usize = 256;

/// How many heavy jobs a batch may have that is kept or undone as a whole: nobody else can change the store
/// while it runs.
pub const MAX_HEAVY_IN_BATCH: u32 = 8;

/// How changes reach the store.
enum Scope<'a> {
    /// Each change for itself.
    Each(&'a dyn Store),
    /// Each change for itself, all of them on the disk at the end.
    Run(Run<'a>),
    /// All changes of a batch together.
    Batch(&'a mut dyn Transaction),
}

/// One request's view of the server, from its first batch item to its last.
pub struct Context<'a> {
    /// Who asks.
    pub identity: &'a Identity,
    /// The version of the request, and of its response.
    pub version: Version,
    /// When the request came: the one clock reading of the request.
    pub now: DateTime,
    /// What all requests share.
    pub services: &'a Services,
    /// Whether PyKMIP's or the standard's behaviour applies to the request.
    pub compatibility: Behavior,
    pub(super) policies: Arc<Policies>,
    scope: Scope<'a>,
    placeholder: Option<Id>,
    left_behind: Vec<(UniqueIdentifierValue, Id)>,
    heavy_jobs: u32,
    touched: Vec<String>,
    /// The operation of the item that is being done.
    pub(super) doing: Option<Operation>,
    /// What owners are to be told when the change of that number is durable.
    noticed: Vec<(usize, Addressed)>,
}

impl<'a> Context<'a> {
    /// A context whose changes are durable one by one.
    pub fn new(services: &'a Services, identity: &'a Identity, version: Version) -> Self {
        Self::scoped(services, identity, version, Scope::Each(services.store.as_ref()))
    }

    /// A context whose changes are made one by one and durable after [`Context::settle`].
    pub fn pipelined(services: &'a Services, identity: &'a Identity, version: Version) -> Self {
        let store = services.store.as_ref();
        Self::scoped(services, identity, version, Scope::Run(Run::new(store)))
    }

    /// Runs `job` in a context whose changes are one transaction, and commits or rolls it back as `job` returns.
    ///
    /// # Errors
    /// Returns General Failure if the store fails; no change is kept then.
    pub fn atomically(
        services: &Services,
        identity: &Identity,
        version: Version,
        job: &mut dyn FnMut(&mut Context<'_>) -> Outcome,
    ) -> Result<(), Error> {
        services.store.change(&mut |transaction| {
            job(&mut Context::scoped(services, identity, version, Scope::Batch(transaction)))
        })?;
        Ok(())
    }

    fn scoped(services: &'a Services, identity: &'a Identity, version: Version, scope: Scope<'a>) -> Self {
        Self {
            identity,
            version,
            now: services.clock.now(),
            services,
            compatibility: services.compatibility.in_version(version.major, version.minor),
            policies: services.policies.snapshot(),
            scope,
            placeholder: None,
            left_behind: Vec::new(),
            heavy_jobs: 0,
            touched: Vec::new(),
            doing: None,
            noticed: Vec::new(),
        }
    }

    /// Begins an item of that operation.
    ///
    /// # Errors
    /// Permission Denied where the asker acts for another who gave it no right to do so.
    pub fn begin_item(&mut self, operation: Operation) -> Result<(), Error> {
        self.doing = Some(operation);
        access::admit_operation(self.identity, operation)
    }

    /// The object that `identifier` names, or the ID Placeholder where there is none, if its policy allows
    /// `operation`. Its state is the one of this moment.
    ///
    /// # Errors
    /// Object Not Found (before 2.1 Item Not Found), Permission Denied, Object Archived where an archived object
    /// cannot serve.
    pub fn open(
        &mut self,
        identifier: Option<&UniqueIdentifier>,
        operation: Operation,
    ) -> Result<Granted, Error> {
        let (id, text) = self.resolve(identifier)?;
        let record = match &mut self.scope {
            Scope::Each(store) => store.read(id)?,
            Scope::Run(run) => run.read(id)?,
            Scope::Batch(transaction) => transaction.read(id)?,
        };
        self.gate(&self.policies).admit(record, &text, operation)
    }

    /// Changes the object that `identifier` names, or the ID Placeholder where there is none, if its policy
    /// allows `operation`. The change sees the state of this moment, is kept with a new Last Change Date, and
    /// nothing is kept where it fails.
    ///
    /// # Errors
    /// Those of [`Context::open`], and those of `change`.
    pub fn modify<T>(
        &mut self,
        identifier: Option<&UniqueIdentifier>,
        operation: Operation,
        change: impl FnOnce(&mut Record, DateTime) -> Result<T, Error>,
    ) -> Result<(Id, T), Error> {
        let now = self.now;
        let change = |record: &mut Record| {
            let outcome = change(record, now)?;
            lifecycle::set_last_change_date(record, now);
            Ok(outcome)
        };
        self.update(identifier, operation, change, |transaction, record| transaction.update(record))
    }

    /// Notes that the object was given to a client: the group_rotation of its groups move on, and it is no longer Fresh
    /// (1.4 §3.34). That is no change of the object, so its Last Change Date stays. A member of a group is not given
    /// before that is on the disk, because nobody else may draw it; what is in no group is drawn from none, and
    /// does not wait. A disk that is full is no reason to keep a key from who needs it: where the store fails,
    /// the object is given and stays Fresh, and the log tells why. In a batch, a change that is lost is its item's.
    ///
    /// # Errors
    /// Item Not Found and Permission Denied, where somebody was faster to destroy it or to close it off.
    pub fn serve(&mut self, granted: &Granted, operation: Operation) -> Result<(), Error> {
        self.rotate_groups(granted);
        if granted.attributes.fresh != Some(true) {
            return Ok(());
        }
        let identifier = UniqueIdentifier::from(granted.id);
        let change = |record: &mut Record| {
            record.attributes.fresh = Some(false);
            Ok(())
        };
        let noted = self.update(Some(&identifier), operation, change, |transaction, record| {
            if record.attributes.object_group.is_empty() {
                transaction.update_lazily(record)
            } else {
                transaction.update(record)
            }
        });
        match noted {
            Err(error) if error.reason != ResultReason::GeneralFailure => Err(error),
            _ => Ok(()),
        }
    }

    /// How many changes were begun so far in a context that [`Context::pipelined`] made.
    pub fn changes(&self) -> usize {
        if let Scope::Run(run) = &self.scope { run.begun() } else { 0 }
    }

    /// Waits until every change is on the disk; those that were lost instead. Owners are told of the others.
    pub fn settle(&mut self) -> Vec<Lost> {
        let Scope::Run(run) = &mut self.scope else { return Vec::new() };
        let lost = run.take_lost();
        for (change, notification) in self.noticed.drain(..) {
            if lost.iter().all(|lost| lost.change != change) {
                self.services.notifications.post(notification);
            }
        }
        lost
    }

    /// What owners are to be told of the changes of a batch, once it is kept as a whole.
    pub fn take_noticed(&mut self) -> Noticed {
        Noticed(self.noticed.drain(..).map(|(_, notification)| notification).collect())
    }

    /// Does work that takes a processor for long, such as making an RSA key, when it is its turn. It has to be
    /// done before the change that needs it begins.
    ///
    /// # Errors
    /// Those of `job`, and Operation Not Supported where a batch that is kept or undone as a whole has more than
    /// [`MAX_HEAVY_IN_BATCH`].
    pub fn with_cpu_permit<T>(&mut self, job: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        match self.scope {
            Scope::Each(_) | Scope::Run(_) => cpu_permits::with_permit(job),
            // It holds the store, for which others wait: it does not wait for them.
            Scope::Batch(_) if self.heavy_jobs < MAX_HEAVY_IN_BATCH => {
                self.heavy_jobs += 1;
                job()
            }
            Scope::Batch(_) => Err(failed(
                ResultReason::OperationNotSupported,
                format!(
                    "A batch with Undo can make or derive {MAX_HEAVY_IN_BATCH} keys of kinds that take long."
                ),
            )),
        }
    }

    /// Whether all changes of the batch are one, for which others that change something wait.
    pub fn holds_the_store(&self) -> bool {
        matches!(self.scope, Scope::Batch(_))
    }

    /// What the server keeps for itself under that name.
    pub(super) fn read_server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        Ok(match &mut self.scope {
            Scope::Each(store) => store.server_state(name)?,
            Scope::Run(run) => run.server_state(name)?,
            Scope::Batch(transaction) => transaction.server_state(name)?,
        })
    }

    /// The objects that the asker may locate and that meet the criteria.
    ///
    /// # Errors
    /// Permission Denied where the asker acts for another who did not give it the right to locate whatever there is,
    /// Invalid Field for more than [`MAX_CRITERIA`], Response Too Large where there are more than [`MAX_LOCATED`]
    /// and the client wants all of them, and where the store fails.
    pub fn locate(&mut self, search: Search) -> Result<Located, Error> {
        if search.criteria.len() > MAX_CRITERIA {
            return Err(invalid_field(format!("A Locate can ask for {MAX_CRITERIA} values at the most.")));
        }
        access::admit_all(self.identity, Operation::Locate)?;
        let query = Query {
            requester: self.identity.principal.clone(),
            grants: access::grants(&self.policies, self.identity, Operation::Locate),
            criteria: search.criteria,
            storage: search.storage,
            now: self.now,
            offset: search.offset,
            limit: Some(search.limit.unwrap_or(u64::MAX).min(MAX_LOCATED + 1)),
            order: search.order,
            count: search.count,
        };
        let found = match &mut self.scope {
            Scope::Each(store) => store.locate(&query)?,
            Scope::Run(run) => run.locate(&query)?,
            Scope::Batch(transaction) => transaction.locate(&query)?,
        };
        if found.ids.len() as u64 > MAX_LOCATED {
            return Err(failed(
                ResultReason::ResponseTooLarge,
                format!("More than {MAX_LOCATED} objects match: ask for fewer with Maximum Items."),
            ));
        }
        Ok(found)
    }

    /// Returns the monotonic time, which lifetimes are measured by.
    pub fn instant(&self) -> Instant {
        self.services.clock.instant()
    }

    /// Leaves an object to the items that follow in the batch: as the ID Placeholder, and as what an
    /// operation of that kind made.
    pub fn leave(&mut self, kind: UniqueIdentifierValue, id: Id) {
        self.placeholder = Some(id);
        self.left_behind.push((kind, id));
    }

    /// Leaves an object in the ID Placeholder that no operation made.
    pub fn leave_placeholder(&mut self, id: Id) {
        self.placeholder = Some(id);
    }

    /// Leaves nothing in the ID Placeholder: what a Locate that does not find exactly one object does.
    pub fn leave_nothing(&mut self) {
        self.placeholder = None;
    }

    /// The objects that were asked for or made since the last call, each once, in the order of that: what an
    /// audit tells of an operation. What no object has ever been called is among them as it was asked for.
    pub fn take_touched(&mut self) -> Vec<String> {
        std::mem::take(&mut self.touched)
    }

    pub(super) fn touch(&mut self, object: &str) {
        if self.touched.iter().all(|touched| touched != object) {
            self.touched.push(object.to_owned());
        }
    }

    pub(super) fn resolve(&mut self, identifier: Option<&UniqueIdentifier>) -> Result<(Id, String), Error> {
        let id = match identifier {
            Some(UniqueIdentifier::Text(text)) => {
                self.touch(text);
                let id = Id::parse(text).ok_or_else(|| not_found(text))?;
                return Ok((id, text.clone()));
            }
            None | Some(UniqueIdentifier::Placeholder(UniqueIdentifierValue::IdPlaceholder)) => {
                self.placeholder
            }
            Some(UniqueIdentifier::Placeholder(kind)) => {
                self.left_behind.iter().rev().find(|(made, _)| made == kind).map(|(_, id)| *id)
            }
            Some(UniqueIdentifier::Item(number)) => self.numbered(*number),
        };
        let id = id.ok_or_else(|| match identifier {
            Some(identifier) => not_found(&identifier.to_string()),
            None => failed(
                ResultReason::ObjectNotFound,
                "Could not locate object: the request names none, and nothing earlier in its batch left one.",
            )
            .from_version(V2_1),
        })?;
        let text = id.to_string();
        self.touch(&text);
        Ok((id, text))
    }

    /// What the item of that number left behind: counted from the first, or backwards from the last.
    fn numbered(&self, number: i32) -> Option<Id> {
        let at = match usize::try_from(number) {
            Ok(from_first) => from_first,
            Err(_) => self.left_behind.len().checked_sub(number.unsigned_abs() as usize)?,
        };
        self.left_behind.get(at).map(|(_, id)| *id)
    }

    /// The gate of this request. A change takes the policies with it, as the context is in use meanwhile.
    pub(super) fn gate<'p>(&self, policies: &'p Policies) -> Gate<'p>
    where
        'a: 'p,
    {
        Gate { policies, identity: self.identity, now: self.now, doing: self.doing }
    }

    fn update<T>(
        &mut self,
        identifier: Option<&UniqueIdentifier>,
        operation: Operation,
        change: impl FnOnce(&mut Record) -> Result<T, Error>,
        keep: impl FnOnce(&mut dyn Transaction, Record) -> Result<(), store::Error>,
    ) -> Result<(Id, T), Error> {
        let (id, text) = self.resolve(identifier)?;
        let policies = Arc::clone(&self.policies);
        let gate = self.gate(&policies);
        self.transact(|transaction| {
            let mut record = gate.admit(transaction.read(id)?, &text, operation)?.into_record();
            let outcome = change(&mut record)?;
            keep(transaction, record)?;
            Ok((id, outcome))
        })
    }

    /// Runs `job` as one change: kept whole, or not at all.
    pub(super) fn transact<T>(
        &mut self,
        job: impl FnOnce(&mut dyn Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut job = Some(job);
        let mut outcome = None;
        let recorder = ChangeRecorder { notifications: &self.services.notifications, version: self.version };
        let mut seen = Vec::new();
        let mut run = |transaction: &mut dyn Transaction| {
            outcome = job.take().map(|job| job(transaction));
            if !matches!(outcome, Some(Ok(_))) {
                return Outcome::Rollback;
            }
            seen = recorder.record(transaction.writes());
            Outcome::Commit
        };
        let number = self.changes();
        match &mut self.scope {
            Scope::Each(store) => store.change(&mut run)?,
            Scope::Run(batch) => batch.begin(&mut run)?,
            Scope::Batch(transaction) => transaction.nested(&mut run)?,
        }
        let outcome = outcome
            .unwrap_or_else(|| Err(failed(ResultReason::GeneralFailure, "The change was not made.")))?;
        match self.scope {
            Scope::Each(_) => {
                seen.into_iter().for_each(|notification| self.services.notifications.post(notification))
            }
            Scope::Run(_) | Scope::Batch(_) => {
                self.noticed.extend(seen.into_iter().map(|notification| (number, notification)));
            }
        }
        Ok(outcome)
    }
}

/// What owners are to be told of a batch that is kept or undone as a whole.
#[derive(Debug, Default)]
pub struct Noticed(Vec<Addressed>);

impl Noticed {
    /// Queues it, because the batch is kept.
    pub fn post(self, services: &Services) {
        self.0.into_iter().for_each(|notification| services.notifications.post(notification));
    }
}

/// What Locate asks for; who asks is added by [`Context::locate`].
#[derive(Clone, Debug)]
pub struct Search {
    /// What has to hold.
    pub criteria: Vec<Criterion>,
    /// Where to look.
    pub storage: StorageStatusMask,
    /// How many to leave out at the beginning.
    pub offset: u64,
    /// How many to give at the most.
    pub limit: Option<u64>,
    /// Which of them come first.
    pub order: Order,
    /// Whether to count all that match.
    pub count: bool,
}
