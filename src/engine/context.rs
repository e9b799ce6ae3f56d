//! The context of one request: access checks, identifiers and the ID Placeholder, transactions, and the time.
//!
//! [`Context::open`] and [`Context::locate`] read; [`Context::modify`] and [`Context::insert`] change. Each change is
//! one transaction: durable when the method returns, durable before the response is sent, or enclosed by the
//! transaction of the whole batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::Identity;
use crate::compatibility::{Behavior, Difference};
use crate::cpu_permits::{self, Effort, processor_time};
use crate::kmip::Error;
use crate::kmip::enums::{Operation, ResultReason, StorageStatusMask, UniqueIdentifierValue};
use crate::kmip::structures::UniqueIdentifier;
use crate::lock::IgnorePoison;
use crate::policy::Policies;
use crate::secret::Secret;
use crate::store::{self, Criterion, Id, Located, Order, Outcome, Query, Record, Transaction};
use crate::ttlv::{DateTime, V2_1, Version};

use super::access::{self, Gate, Granted};
use super::attribute_bounds;
use super::commit_pipeline::CommitPipeline;
use super::error::{OrGeneralFailure, failed, invalid_field, not_found, too_long_for_lock};
use super::lifecycle;
use super::scope::{CommitMode, LostTransaction, Scope, Together};
use super::services::Services;
use super::services::notifications::{Addressed, ChangeRecorder};

/// The maximum number of objects that one Locate returns. Their identifiers fill the largest response; a client
/// requests more objects page by page.
pub const MAX_LOCATED: u64 = 1 << 20;

/// The maximum number of criteria of one Locate: more than the number of attributes, and within the limits of a
/// store's query.
pub const MAX_CRITERIA: usize = 256;

/// The maximum processor time of a batch with Undo while other transactions wait for it. Only a batch waits for that
/// whose objects other requests changed again and again, or with an operation whose effect cannot be undone.
pub const MAX_LOCKED: Duration = Duration::from_millis(50);

/// The context of a request, from its first batch item to its last.
pub struct Context<'a> {
    /// The identity of the requester.
    pub identity: &'a Identity,
    /// The version of the request and of its response.
    pub version: Version,
    /// The time of the request, the same for all its batch items.
    pub now: DateTime,
    /// The services that all requests share.
    pub services: &'a Services,
    /// Whether PyKMIP's or the standard's behaviour applies to the request.
    pub compatibility: Behavior,
    pub(super) policies: Arc<Policies>,
    scope: Box<dyn Scope + 'a>,
    placeholder: Option<Id>,
    /// The objects that the batch items so far created or located, with the Unique Identifier placeholder of each.
    batch_objects: Vec<(UniqueIdentifierValue, Id)>,
    /// The processor time of the thread when other transactions began to wait for this one.
    locked_at: Option<Duration>,
    touched: Vec<String>,
    /// Whether the batch has to be repeated.
    is_abandoned: bool,
    /// The operation of the current batch item.
    operation: Option<Operation>,
    /// Notifications of transactions that are not durable yet, with the numbers of the transactions.
    notifications: Vec<(usize, Addressed)>,
}

impl<'a> Context<'a> {
    /// Creates a context whose transactions are durable one by one.
    pub fn new(services: &'a Services, identity: &'a Identity, version: Version) -> Self {
        Self::scoped(services, identity, version, Box::new(services.store.as_ref()))
    }

    /// Creates a context whose transactions are durable after [`Context::take_lost`].
    pub fn pipelined(services: &'a Services, identity: &'a Identity, version: Version) -> Self {
        let pipeline = CommitPipeline::new(services.store.as_ref());
        Self::scoped(services, identity, version, Box::new(pipeline))
    }

    /// Runs `job` in a context whose changes are one transaction, which commits or rolls back as `job` returns. Other
    /// transactions run beside it; if they change what `job` reads, it is repeated, in a new context.
    ///
    /// # Errors
    /// Returns General Failure if the store fails and none of the changes is durable.
    pub fn atomically(
        services: &Services,
        identity: &Identity,
        version: Version,
        job: &mut dyn FnMut(&mut Context<'_>) -> Outcome,
    ) -> Result<(), Error> {
        let mut notifications = Vec::new();
        let committed = services.store.change_optimistically(&mut |transaction| {
            let mut cx = Context::scoped(services, identity, version, Box::new(transaction));
            let outcome = job(&mut cx);
            notifications = if outcome == Outcome::Commit { cx.notifications } else { Vec::new() };
            outcome
        });
        committed.or_general_failure()?;
        for (_, (user, notification)) in notifications {
            services.notifications.post(&user, notification);
        }
        Ok(())
    }

    /// Runs `job` in a context whose changes are committed together, and each of which can fail on its own. If other
    /// transactions change what `job` reads, it is repeated, in a new context. Returns false if nothing is stored: the store
    /// commits transactions one by one at the same cost, or the job needs [`Context::forbid_repetition`].
    ///
    /// # Errors
    /// Returns General Failure if the store fails and none of the changes is durable.
    pub fn together(
        services: &Services,
        identity: &Identity,
        version: Version,
        job: &mut dyn FnMut(&mut Context<'_>),
    ) -> Result<bool, Error> {
        let mut notifications = Vec::new();
        let committed = services.store.change_together(&mut |transaction| {
            let mut cx = Context::scoped(services, identity, version, Box::new(Together::new(transaction)));
            job(&mut cx);
            notifications = std::mem::take(&mut cx.notifications);
            if cx.is_abandoned { Outcome::Rollback } else { Outcome::Commit }
        });
        let committed = committed.or_general_failure()?;
        for (_, (user, notification)) in notifications.into_iter().filter(|_| committed) {
            services.notifications.post(&user, notification);
        }
        Ok(committed)
    }

    fn scoped(
        services: &'a Services,
        identity: &'a Identity,
        version: Version,
        scope: Box<dyn Scope + 'a>,
    ) -> Self {
        Self {
            identity,
            version,
            now: services.clock.now(),
            services,
            compatibility: services.compatibility.in_version(version.major, version.minor),
            policies: services.policies.snapshot(),
            scope,
            placeholder: None,
            batch_objects: Vec::new(),
            locked_at: None,
            touched: Vec::new(),
            is_abandoned: false,
            operation: None,
            notifications: Vec::new(),
        }
    }

    /// Begins a batch item with this operation.
    ///
    /// # Errors
    /// Returns Permission Denied if the request contains a ticket without the right to the operation, and Server Limit
    /// Exceeded (before 2.0 General Failure) if other transactions wait for the batch for more than [`MAX_LOCKED`].
    pub fn begin_item(&mut self, operation: Operation) -> Result<(), Error> {
        self.operation = Some(operation);
        self.check_locked_time()?;
        access::admit_operation(self.identity, operation)
    }

    /// Returns the object that `identifier`, or else the ID Placeholder, names, in its state at the time of the
    /// request, if its policy allows `operation`.
    ///
    /// # Errors
    /// Returns Object Not Found (before 2.1 Item Not Found), Permission Denied, or Object Archived if the operation
    /// needs more than attributes.
    pub fn open(
        &mut self,
        identifier: Option<&UniqueIdentifier>,
        operation: Operation,
    ) -> Result<Granted, Error> {
        let (id, text) = self.resolve(identifier)?;
        let record = self.scope.read(id)?;
        self.gate(&self.policies).admit(record, &text, operation)
    }

    /// Changes the object that `identifier`, or else the ID Placeholder, names, and its Last Change Date, in one
    /// transaction, if its policy allows `operation`.
    ///
    /// # Errors
    /// Returns the errors of [`Context::open`] and of `change`; the object is unchanged then.
    pub fn modify<T>(
        &mut self,
        identifier: Option<&UniqueIdentifier>,
        operation: Operation,
        mut change: impl FnMut(&mut Record, DateTime) -> Result<T, Error>,
    ) -> Result<(Id, T), Error> {
        let now = self.now;
        let change = |record: &mut Record| {
            let outcome = change(record, now)?;
            lifecycle::set_last_change_date(record, now);
            Ok(outcome)
        };
        self.update(identifier, operation, change, |transaction, record| transaction.update(record))
    }

    /// Records that a client gets the object: the rotation of its groups moves, and it is no longer Fresh (1.4
    /// §3.34). Fresh does not count as a change, so Last Change Date stays.
    ///
    /// The record of a group member is durable before the client gets it, so that Locate returns the member as
    /// Fresh to no other client. Locate never returns an object without group as a default member, so its record is
    /// written lazily. If the store fails, the client still gets the object, and the object stays Fresh; the log
    /// contains the reason.
    ///
    /// # Errors
    /// Returns Item Not Found or Permission Denied if another request destroyed or restricted the object meanwhile.
    pub fn serve(&mut self, granted: &Granted, operation: Operation) -> Result<(), Error> {
        if !granted.attributes.object_group.is_empty() {
            self.forbid_repetition()?;
        }
        self.rotate_groups(granted);
        if granted.attributes.fresh != Some(true) {
            return Ok(());
        }
        let identifier = UniqueIdentifier::from(granted.id);
        let change = |record: &mut Record| {
            record.attributes.fresh = Some(false);
            Ok(())
        };
        let recorded = self.update(Some(&identifier), operation, change, |transaction, record| {
            if record.attributes.object_group.is_empty() {
                transaction.update_lazily(record)
            } else {
                transaction.update(record)
            }
        });
        match recorded {
            Err(error) if error.reason != ResultReason::GeneralFailure => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the number of transactions so far in a context of [`Context::pipelined`].
    pub fn transactions_started(&self) -> usize {
        self.scope.transactions_started()
    }

    /// Waits until every transaction is durable and returns the lost ones. Queues the notifications of the others.
    pub fn take_lost(&mut self) -> Vec<LostTransaction> {
        let lost = self.scope.take_lost();
        for (number, (user, notification)) in self.notifications.drain(..) {
            if lost.iter().all(|lost| lost.number != number) {
                self.services.notifications.post(&user, notification);
            }
        }
        lost
    }

    /// Runs a job that computes for long, such as the generation of an RSA key, with a CPU permit. The job must run
    /// before the transaction that needs its result.
    ///
    /// # Errors
    /// Returns the errors of `job`, and Server Limit Exceeded (before 2.0 General Failure) if other transactions wait
    /// for the batch.
    pub fn with_cpu_permit<T: Send>(
        &mut self,
        effort: Effort,
        job: impl FnOnce() -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        if self.scope.is_locked() {
            return Err(too_long_for_lock());
        }
        cpu_permits::with_permit(self.identity.sender(), effort, job)
    }

    /// Makes sure that the batch is not repeated any more, before an effect that a repetition would have again: an
    /// effect outside of the store. Other transactions wait for the end of the batch then.
    ///
    /// # Errors
    /// Returns an error if the batch has to be repeated already; no response contains it.
    pub fn forbid_repetition(&mut self) -> Result<(), Error> {
        if !self.scope.lock() {
            self.is_abandoned = true;
            let message = "Another request changed an object of the batch.";
            return Err(failed(ResultReason::GeneralFailure, message));
        }
        if self.scope.is_locked() {
            self.locked_at.get_or_insert_with(processor_time);
        }
        Ok(())
    }

    /// Returns whether the batch has to be repeated, so that its results do not count.
    pub fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// Checks that other transactions do not wait for the batch for too long.
    fn check_locked_time(&mut self) -> Result<(), Error> {
        if !self.scope.is_locked() {
            return Ok(());
        }
        let time = processor_time();
        let locked_at = *self.locked_at.get_or_insert(time);
        if time.saturating_sub(locked_at) > MAX_LOCKED { Err(too_long_for_lock()) } else { Ok(()) }
    }

    /// Runs an operation with a private key, with a CPU permit if the key is long
    /// ([`crate::crypto::rsa::is_slow`]).
    ///
    /// # Errors
    /// Returns the errors of `job`.
    pub fn with_private_key<T: Send>(
        &mut self,
        is_slow: bool,
        job: impl FnOnce() -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        if is_slow && !self.scope.is_locked() {
            return cpu_permits::with_permit(self.identity.sender(), Effort::Seconds, job);
        }
        job()
    }

    /// Returns whether the whole batch is one transaction that may be undone.
    pub fn is_in_transaction(&self) -> bool {
        self.scope.commit_mode() == CommitMode::Enclosed
    }

    /// Returns the server state of this name.
    pub(super) fn read_server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        self.scope.server_state(name)
    }

    /// Returns the objects that the requester may locate and that meet the criteria.
    ///
    /// # Errors
    /// Returns Permission Denied if the request contains a ticket without the right to locate any object, Invalid
    /// Field for more than [`MAX_CRITERIA`], Response Too Large if more than [`MAX_LOCATED`] objects match and the
    /// client requests all of them, and General Failure if the store fails.
    pub fn locate(&mut self, search: Search) -> Result<Located, Error> {
        if search.criteria.len() > MAX_CRITERIA {
            return Err(invalid_field(format!("A Locate contains at most {MAX_CRITERIA} attribute values.")));
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
        let found = self.scope.locate(&query)?;
        if found.ids.len() as u64 > MAX_LOCATED {
            return Err(failed(
                ResultReason::ResponseTooLarge,
                format!("More than {MAX_LOCATED} objects match; request fewer with Maximum Items."),
            ));
        }
        Ok(found)
    }

    /// Returns the monotonic time, by which lifetimes are measured.
    pub fn instant(&self) -> Instant {
        self.services.clock.instant()
    }

    /// Makes an object the ID Placeholder and the object that the Unique Identifier placeholder of that kind names, for
    /// the following items of the batch.
    pub fn set_placeholders(&mut self, kind: UniqueIdentifierValue, id: Id) {
        self.placeholder = Some(id);
        self.batch_objects.push((kind, id));
    }

    /// Makes an object that no operation created the ID Placeholder.
    pub fn set_id_placeholder(&mut self, id: Id) {
        self.placeholder = Some(id);
    }

    /// Clears the ID Placeholder, as a Locate that does not return exactly one object does.
    pub fn clear_id_placeholder(&mut self) {
        self.placeholder = None;
    }

    /// Returns the objects that were requested or created since the last call, each once and in that order, for the
    /// audit log. An identifier that no object can have is listed as requested.
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
                self.batch_objects.iter().rev().find(|(operation, _)| operation == kind).map(|(_, id)| *id)
            }
            Some(UniqueIdentifier::Item(number)) => self.object_of_item(*number),
        };
        let id = id.ok_or_else(|| match identifier {
            Some(identifier) => not_found(&identifier.to_string()),
            None => failed(
                ResultReason::ObjectNotFound,
                "Could not locate object: the request names none, and the ID Placeholder of its batch is empty.",
            )
            .from_version(V2_1),
        })?;
        let text = id.to_string();
        self.touch(&text);
        Ok((id, text))
    }

    /// Returns the object with that number among those of the batch, counted from the first or backwards from the
    /// last.
    fn object_of_item(&self, number: i32) -> Option<Id> {
        let position = match usize::try_from(number) {
            Ok(from_first) => from_first,
            Err(_) => self.batch_objects.len().checked_sub(number.unsigned_abs() as usize)?,
        };
        self.batch_objects.get(position).map(|(_, id)| *id)
    }

    /// Returns the access check of this request. The policies are a parameter, because a transaction borrows the
    /// context.
    pub(super) fn gate<'p>(&self, policies: &'p Policies) -> Gate<'p>
    where
        'a: 'p,
    {
        Gate {
            policies,
            identity: self.identity,
            now: self.now,
            item_operation: self.operation,
            hides_destroyed: self.compatibility.has(Difference::DestroyedObject),
        }
    }

    fn update<T>(
        &mut self,
        identifier: Option<&UniqueIdentifier>,
        operation: Operation,
        mut change: impl FnMut(&mut Record) -> Result<T, Error>,
        write: impl Fn(&mut dyn Transaction, Record) -> Result<(), store::Error>,
    ) -> Result<(Id, T), Error> {
        let (id, text) = self.resolve(identifier)?;
        let policies = Arc::clone(&self.policies);
        let takes_long = self.takes_long(id)?;
        let services = self.services;
        // One such change at a time, because those of one object would repeat each other.
        let _turn = takes_long.then(|| services.long_change.lock().ignore_poison());
        let gate = self.gate(&policies);
        self.transact_as(takes_long, |transaction| {
            let granted = gate.admit(transaction.read(id).or_general_failure()?, &text, operation)?;
            let mut record = (*granted).clone();
            let outcome = change(&mut record)?;
            attribute_bounds::admit_change(Some(&granted.attributes), &record.attributes)?;
            drop(granted);
            write(transaction, record).or_general_failure()?;
            Ok((id, outcome))
        })
    }

    /// Returns whether a change of the object takes long, so that other transactions should not wait for it.
    fn takes_long(&mut self, id: Id) -> Result<bool, Error> {
        if self.is_in_transaction() {
            return Ok(false);
        }
        let record = self.scope.read(id)?;
        Ok(record.is_some_and(|record| attribute_bounds::takes_long(&record.attributes)))
    }

    /// Runs `job` as one transaction, which commits if `job` succeeds. A store may repeat `job` if the transaction
    /// conflicts with another one.
    pub(super) fn transact<T>(
        &mut self,
        job: impl FnMut(&mut dyn Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.transact_as(false, job)
    }

    /// Runs `job` as [`Context::transact`] does, beside other transactions if it takes long.
    fn transact_as<T>(
        &mut self,
        takes_long: bool,
        mut job: impl FnMut(&mut dyn Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let services = self.services;
        let recorder = ChangeRecorder { sink: services.notifications.as_ref(), version: self.version };
        let number = self.scope.transactions_started();
        let mut result = None;
        let mut notifications = Vec::new();
        let mut recorded = |transaction: &mut dyn Transaction| {
            let returned = job(transaction);
            let outcome = if returned.is_ok() { Outcome::Commit } else { Outcome::Rollback };
            result = Some(returned);
            notifications = match outcome {
                Outcome::Commit => recorder.record(transaction.writes()),
                Outcome::Rollback => Vec::new(),
            };
            outcome
        };
        match takes_long {
            true => self.scope.transact_beside_others(&mut recorded)?,
            false => self.scope.transact(&mut recorded)?,
        }
        let value = result.unwrap_or_else(|| {
            Err(failed(ResultReason::GeneralFailure, "The store did not execute the change."))
        })?;
        if self.scope.commit_mode() == CommitMode::Immediate {
            for (user, notification) in notifications {
                services.notifications.post(&user, notification);
            }
        } else {
            let numbered = notifications.into_iter().map(|notification| (number, notification));
            self.notifications.extend(numbered);
        }
        Ok(value)
    }
}

/// The query of a Locate; [`Context::locate`] adds the requester.
#[derive(Clone, Debug)]
pub struct Search {
    /// The conditions that an object must meet.
    pub criteria: Vec<Criterion>,
    /// The storage locations to search.
    pub storage: StorageStatusMask,
    /// The number of matches to skip.
    pub offset: u64,
    /// The number of matches to return, or `None` for all.
    pub limit: Option<u64>,
    /// The order of the matches.
    pub order: Order,
    /// Whether to count all matches.
    pub count: bool,
}

#[cfg(test)]
mod tests;
