//! Execution of the items of a batch in order, with Stop, Continue or Undo after a failure (KMIP 1.4 §6.13 and §7.2,
//! 2.1 §9.5).

use zeroize::Zeroizing;

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::auth::Identity;
use crate::engine::services::jobs::{JobOutcome, Polled};
use crate::engine::{Context, Services};
use crate::kmip::enums::{BatchErrorContinuationOption, Operation, ResultReason, ResultStatus};
use crate::kmip::{Error, RequestItem};
use crate::memory_quota::Reservation;
use crate::observe::Execution;
use crate::operations::{Entry, Payload, Prepared, Reply};
use crate::store::{Outcome, as_one_request};
use crate::ttlv::{self, ItemType, Reader, Tag, Value, Version, Writer};

use super::MAX_RESPONSE;
use super::audit::{AuditOrigin, Intent, NOT_EXECUTED, requested, write_line};

/// The Batch Error Continuation Option of a header without one.
pub(super) const DEFAULT_CONTINUATION: BatchErrorContinuationOption = BatchErrorContinuationOption::Stop;

/// A batch item of a request.
pub(super) struct Item<'r> {
    operation: Operation,
    id: Option<Vec<u8>>,
    work: Work<'r>,
    /// The Asynchronous Correlation Value of an item that is executed asynchronously.
    correlation: Option<Vec<u8>>,
    /// The Unique Identifier in the request, if the audit needs it before the operation.
    requested: Option<String>,
}

/// The execution of an item.
enum Work<'r> {
    /// An operation whose payload is decoded when it is executed, so that the decoded payloads of a batch do not exist at
    /// the same time.
    Encoded(&'static Entry, ttlv::Item<'r>),
    Execute(Box<dyn Prepared>),
    /// The server does not have the operation.
    Unknown,
    /// The item has a critical Message Extension that the server does not support.
    CriticalExtension,
    /// The item violates the structure of a Batch Item or of the payload.
    Unreadable(ttlv::Error),
}

impl<'r> Item<'r> {
    /// Creates an item. Reads its Unique Identifier if it is `intended`.
    ///
    /// # Errors
    /// Returns an error for an operation that is not in the standard.
    pub(super) fn prepare(item: RequestItem<'r>, intended: bool) -> Result<Self, ttlv::Error> {
        let operation = Operation::from_wire(item.operation)
            .ok_or(ttlv::Error::UnknownValue { tag: Tag::Operation, value: item.operation })?;
        let critical = item.message_extensions.iter().any(|extension| extension.criticality_indicator);
        let work = match Entry::find(item.operation) {
            _ if critical => Work::CriticalExtension,
            Some(entry) if entry.exists_in(item.payload.version()) => Work::Encoded(entry, item.payload),
            _ => Work::Unknown,
        };
        let requested = if intended { requested(&item) } else { None };
        Ok(Self { operation, id: item.unique_batch_item_id, work, correlation: None, requested })
    }

    /// Creates the item at the start of `frame`, which cannot be read because of `error`.
    ///
    /// # Errors
    /// Returns `error` if the Operation or the Unique Batch Item ID cannot be read either.
    pub(super) fn unreadable(frame: Reader<'_>, error: ttlv::Error) -> Result<Self, ttlv::Error> {
        let identification = RequestItem::identification(frame).ok();
        let known = identification.and_then(|(number, id)| Some((Operation::from_wire(number)?, id)));
        let Some((operation, id)) = known else { return Err(error) };
        Ok(Self { operation, id, work: Work::Unreadable(error), correlation: None, requested: None })
    }

    /// Decodes the payload, so that the item can outlive the request.
    pub(super) fn decoded(self) -> Item<'static> {
        let work = match self.work {
            Work::Encoded(entry, payload) => {
                entry.prepare(&payload).map_or_else(Work::Unreadable, Work::Execute)
            }
            Work::Execute(prepared) => Work::Execute(prepared),
            Work::Unknown => Work::Unknown,
            Work::CriticalExtension => Work::CriticalExtension,
            Work::Unreadable(error) => Work::Unreadable(error),
        };
        let Self { operation, id, correlation, requested, .. } = self;
        Item { operation, id, work, correlation, requested }
    }

    /// Makes the item asynchronous, with that Asynchronous Correlation Value.
    pub(super) fn asynchronous(&mut self, correlation: Vec<u8>) {
        self.correlation = Some(correlation);
    }

    pub(super) fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns the operation and the object that the request names.
    pub(super) fn intent(&self) -> Intent<'_> {
        (self.operation, &self.requested)
    }

    /// Replaces the operation by another execution.
    pub(super) fn replace(&mut self, prepared: Box<dyn Prepared>) {
        self.work = Work::Execute(prepared);
    }

    pub(super) fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// Returns the operation and the Unique Batch Item ID, by which a response names the item.
    pub(super) fn identification(&self) -> (u32, Option<Vec<u8>>) {
        (self.operation.to_wire(), self.id.clone())
    }

    /// Returns a copy, which executes the item again in a transaction that is repeated.
    fn duplicate(&self) -> Self {
        let work = match &self.work {
            Work::Encoded(entry, payload) => Work::Encoded(entry, *payload),
            Work::Execute(prepared) => Work::Execute(prepared.duplicate()),
            Work::Unknown => Work::Unknown,
            Work::CriticalExtension => Work::CriticalExtension,
            Work::Unreadable(error) => Work::Unreadable(error.clone()),
        };
        Self {
            operation: self.operation,
            id: self.id.clone(),
            work,
            correlation: self.correlation.clone(),
            requested: None,
        }
    }

    /// Returns the result of an item that is not executed, because all memory for requests is used.
    fn refuse(self) -> ItemResult {
        let outcome = ItemOutcome::Failed(out_of_memory());
        ItemResult {
            operation: self.operation,
            id: self.id,
            objects: Vec::new(),
            outcome,
            transactions: 0..0,
            duration: Duration::ZERO,
        }
    }

    fn execute(self, cx: &mut Context<'_>) -> ItemResult {
        let Self { mut operation, id, work, correlation, .. } = self;
        let jobs = &cx.services.jobs;
        let begins = correlation.map_or(Ok(true), |correlation| jobs.begin(&correlation, cx.instant()));
        let begins = begins.and_then(|begins| if begins { Ok(()) } else { Err(canceled()) });
        if let Err(error) = begins.and_then(|()| cx.begin_item(operation)) {
            let outcome = ItemOutcome::Failed(error);
            return ItemResult {
                operation,
                id,
                objects: Vec::new(),
                outcome,
                transactions: 0..0,
                duration: Duration::ZERO,
            };
        }
        let outcome = as_one_request(|| match work {
            Work::Encoded(entry, payload) => match entry.prepare(&payload) {
                Ok(prepared) => executed(prepared, &mut operation, cx),
                Err(error) => unreadable(&error),
            },
            Work::Execute(prepared) => executed(prepared, &mut operation, cx),
            Work::Unknown => ItemOutcome::Failed(Error::new(
                ResultReason::OperationNotSupported,
                if operation.since() > cx.version {
                    format!("KMIP {} has no operation {operation}.", cx.version)
                } else {
                    format!("This server does not have the operation {operation}.")
                },
            )),
            Work::CriticalExtension => ItemOutcome::Failed(Error::new(
                ResultReason::FeatureNotSupported,
                "The item has a critical message extension that this server does not know.",
            )),
            Work::Unreadable(error) => unreadable(&error),
        });
        let (objects, transactions, duration) = (cx.take_touched(), 0..0, Duration::ZERO);
        ItemResult { operation, id, objects, outcome, transactions, duration }
    }
}

/// Executes an operation. The answer to Poll has the operation that was polled.
fn executed(prepared: Box<dyn Prepared>, operation: &mut Operation, cx: &mut Context<'_>) -> ItemOutcome {
    match prepared.execute(cx) {
        Ok(Reply::Done(payload)) => ItemOutcome::Done(payload),
        Ok(Reply::Of { operation: polled_operation, polled, correlation }) => {
            *operation = polled_operation;
            match polled {
                Polled::Pending => ItemOutcome::Pending(correlation),
                Polled::Finished(outcome) => ItemOutcome::from_job(outcome),
            }
        }
        Err(error) => ItemOutcome::Failed(error),
    }
}

fn canceled() -> Error {
    Error::new(ResultReason::OperationCanceledByRequester, "The operation was canceled.")
}

fn unreadable(error: &ttlv::Error) -> ItemOutcome {
    ItemOutcome::Failed(Error::new(
        ResultReason::InvalidMessage,
        format!("The batch item cannot be parsed: {error}."),
    ))
}

enum ItemOutcome {
    Done(Payload),
    Failed(Error),
    /// The operation succeeded and was undone. The response contains its payload, as in the standard's test cases.
    Undone(Payload),
    /// The operation is under way; contains its Asynchronous Correlation Value.
    Pending(Vec<u8>),
}

impl ItemOutcome {
    /// Returns the outcome of an asynchronous operation that the client polls.
    fn from_job(outcome: JobOutcome) -> Self {
        let payload = |bytes: Zeroizing<Vec<u8>>| -> Payload {
            Box::new(move |writer| writer.encoded(Tag::ResponsePayload, &bytes))
        };
        match outcome {
            JobOutcome::Done(bytes) => Self::Done(payload(bytes)),
            JobOutcome::Undone(bytes) => Self::Undone(payload(bytes)),
            JobOutcome::Failed(error) => Self::Failed(error),
        }
    }
}

/// The result of an item.
pub(super) struct ItemResult {
    operation: Operation,
    id: Option<Vec<u8>>,
    /// The objects that the item requested or created.
    objects: Vec<String>,
    outcome: ItemOutcome,
    /// The numbers of the transactions of the item.
    transactions: Range<usize>,
    /// The time of the execution.
    duration: Duration,
}

impl ItemResult {
    /// Returns the event for the observers, with the reason in a response of this version.
    pub(super) fn execution(&self, version: Version) -> Execution {
        let failure = match &self.outcome {
            ItemOutcome::Failed(error) => Some(error.reason_in(version)),
            _ => None,
        };
        Execution { operation: self.operation, failure, duration: self.duration }
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.outcome, ItemOutcome::Failed(_))
    }

    /// Encodes the payload, subtracts its size from `room`, and adds it and its copy in the response to `memory`. A
    /// result that does not fit becomes a failure, so that no memory is used for results that cannot be sent.
    fn encode_within(&mut self, room: &mut usize, memory: &mut Reservation, version: Version) {
        let payload = match std::mem::replace(&mut self.outcome, ItemOutcome::Undone(Box::new(|_| ()))) {
            ItemOutcome::Done(payload) => payload,
            other => return self.outcome = other,
        };
        let mut writer = Writer::new(version);
        payload(&mut writer);
        let bytes = Zeroizing::new(writer.into_bytes());
        let before = memory.bytes();
        self.outcome = match room.checked_sub(bytes.len()) {
            Some(_) if !memory.add(2 * bytes.len()) => {
                // Always granted, because it is less.
                let _ = memory.resize(before);
                ItemOutcome::Failed(out_of_memory())
            }
            Some(left) => {
                *room = left;
                ItemOutcome::Done(Box::new(move |writer| writer.encoded(Tag::ResponsePayload, &bytes)))
            }
            None => ItemOutcome::Failed(Error::new(
                ResultReason::ResponseTooLarge,
                format!("The results of the batch have more than {MAX_RESPONSE} bytes."),
            )),
        };
    }

    /// Converts the result of an item whose batch was rolled back.
    fn undone(self) -> Self {
        let outcome = match self.outcome {
            ItemOutcome::Done(payload) => ItemOutcome::Undone(payload),
            other => other,
        };
        Self { outcome, ..self }
    }

    pub(super) fn is_pending(&self) -> bool {
        matches!(self.outcome, ItemOutcome::Pending(_))
    }

    /// Creates the result of an operation that is under way.
    pub(super) fn pending(operation: Operation, id: Option<Vec<u8>>, correlation: Vec<u8>) -> Self {
        Self {
            operation,
            id,
            objects: Vec::new(),
            outcome: ItemOutcome::Pending(correlation),
            transactions: 0..0,
            duration: Duration::ZERO,
        }
    }

    /// Encodes the result, to be stored until the client polls it.
    pub(super) fn into_job_outcome(self, version: Version) -> JobOutcome {
        let bytes = |payload: Payload| {
            let mut writer = Writer::new(version);
            payload(&mut writer);
            Zeroizing::new(writer.into_bytes())
        };
        match self.outcome {
            ItemOutcome::Done(payload) => JobOutcome::Done(bytes(payload)),
            ItemOutcome::Undone(payload) => JobOutcome::Undone(bytes(payload)),
            ItemOutcome::Failed(error) => JobOutcome::Failed(error),
            ItemOutcome::Pending(_) => JobOutcome::Failed(Error::new(
                ResultReason::GeneralFailure,
                "The operation did not come to an end.",
            )),
        }
    }

    /// Appends the line of the audit log.
    fn audit(&self, requester: AuditOrigin<'_>, lines: &mut String) {
        let (status, failure) = match &self.outcome {
            ItemOutcome::Done(_) => (ResultStatus::Success, None),
            ItemOutcome::Undone(_) => (ResultStatus::OperationUndone, None),
            ItemOutcome::Pending(_) => (ResultStatus::OperationPending, None),
            ItemOutcome::Failed(error) => (ResultStatus::OperationFailed, Some(error)),
        };
        write_line(lines, requester, self.operation, &self.objects, (status.name(), failure));
    }

    /// Writes the Batch Item of the response.
    pub(super) fn write(self, writer: &mut Writer) {
        let operation = Some(self.operation.to_wire());
        match self.outcome {
            ItemOutcome::Failed(error) => write_failure(operation, self.id.as_deref(), &error, writer),
            ItemOutcome::Done(payload) => writer.structure(Tag::BatchItem, |writer| {
                write_head(operation, self.id.as_deref(), ResultStatus::Success, writer);
                payload(writer);
            }),
            ItemOutcome::Pending(correlation) => writer.structure(Tag::BatchItem, |writer| {
                write_head(operation, self.id.as_deref(), ResultStatus::OperationPending, writer);
                writer.item(Tag::AsynchronousCorrelationValue, ItemType::ByteString, &correlation);
            }),
            ItemOutcome::Undone(payload) => writer.structure(Tag::BatchItem, |writer| {
                write_head(operation, self.id.as_deref(), ResultStatus::OperationUndone, writer);
                payload(writer);
            }),
        }
    }
}

/// Returns the lines of the audit log for the results of the requested items. If lines of intent exist, the items that
/// did not execute have lines, too.
pub(super) fn audit(
    requester: AuditOrigin<'_>,
    requested: &[(u32, Option<Vec<u8>>)],
    results: &[ItemResult],
    intended: bool,
) -> String {
    let mut lines = String::with_capacity(256);
    if !intended {
        results.iter().for_each(|result| result.audit(requester, &mut lines));
        return lines;
    }
    let mut rest = results.iter().peekable();
    for (operation, id) in requested {
        let is_next = |next: &&ItemResult| next.operation.to_wire() == *operation && next.id == *id;
        match (rest.next_if(is_next), Operation::from_wire(*operation)) {
            (Some(result), _) => result.audit(requester, &mut lines),
            (None, Some(operation)) => {
                write_line(&mut lines, requester, operation, &[], (NOT_EXECUTED, None))
            }
            (None, None) => {}
        }
    }
    lines
}

/// Executes the items. With Undo, the changes are kept only if all items succeed.
pub(super) fn process(
    services: &Services,
    identity: &Identity,
    version: Version,
    items: Vec<Item<'_>>,
    option: BatchErrorContinuationOption,
    memory: &mut Reservation,
) -> Vec<ItemResult> {
    // The whole message is rejected if the server does not support a critical extension (1.4 §6.16).
    if let Some(refused) = items.iter().position(|item| matches!(item.work, Work::CriticalExtension)) {
        let mut cx = Context::new(services, identity, version);
        return items.into_iter().nth(refused).map(|item| item.execute(&mut cx)).into_iter().collect();
    }
    if items.len() == 1 {
        let mut cx = Context::new(services, identity, version);
        return process_in_order(&mut cx, items, option, memory);
    }
    if option != BatchErrorContinuationOption::Undo {
        if let Some(results) = process_together(services, identity, version, &items, option, memory) {
            return results;
        }
        let mut cx = Context::pipelined(services, identity, version);
        let mut results = process_in_order(&mut cx, items, option, memory);
        for lost in cx.take_lost() {
            let its = results.iter_mut().filter(|result| result.transactions.contains(&lost.number));
            its.filter(|result| !result.has_failed())
                .for_each(|result| result.outcome = ItemOutcome::Failed(lost.error.clone()));
        }
        return results;
    }
    let identifications: Vec<_> = items.iter().map(|item| (item.operation, item.id.clone())).collect();
    let (mut results, before) = (Vec::new(), memory.bytes());
    let kept = Context::atomically(services, identity, version, &mut |cx| {
        results.clear();
        // Always granted, because it is not more.
        let _ = memory.resize(before);
        results = process_in_order(cx, items.iter().map(Item::duplicate).collect(), option, memory);
        if results.last().is_some_and(ItemResult::has_failed) { Outcome::Rollback } else { Outcome::Commit }
    });
    if let Err(error) = kept {
        let failed = |(operation, id)| ItemResult {
            operation,
            id,
            objects: Vec::new(),
            outcome: ItemOutcome::Failed(error.clone()),
            transactions: 0..0,
            duration: Duration::ZERO,
        };
        return identifications.into_iter().map(failed).collect();
    }
    if results.last().is_some_and(ItemResult::has_failed) {
        return results.into_iter().map(ItemResult::undone).collect();
    }
    results
}

/// Executes copies of the items, and commits their changes together. Returns `None` if nothing has happened.
fn process_together(
    services: &Services,
    identity: &Identity,
    version: Version,
    items: &[Item<'_>],
    option: BatchErrorContinuationOption,
    memory: &mut Reservation,
) -> Option<Vec<ItemResult>> {
    // An item that must happen once cannot be a part of a transaction that may be repeated.
    if items.iter().any(|item| happens_once(item.operation)) {
        return None;
    }
    let (mut results, before) = (Vec::new(), memory.bytes());
    let committed = Context::together(services, identity, version, &mut |cx| {
        results.clear();
        // Always granted, because it is not more.
        let _ = memory.resize(before);
        results = process_in_order(cx, items.iter().map(Item::duplicate).collect(), option, memory);
    });
    match committed {
        Ok(true) => return Some(results),
        Ok(false) => {
            drop(results);
            let _ = memory.resize(before);
            return None;
        }
        Err(error) => {
            let kept =
                results.iter_mut().filter(|result| !result.has_failed() && !result.transactions.is_empty());
            kept.for_each(|result| result.outcome = ItemOutcome::Failed(error.clone()));
        }
    }
    Some(results)
}

/// Returns whether an operation always has an effect outside of the store.
fn happens_once(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Login
            | Operation::DelegatedLogin
            | Operation::Logout
            | Operation::Poll
            | Operation::Cancel
            | Operation::Process
            | Operation::Log
    )
}

fn process_in_order(
    cx: &mut Context<'_>,
    items: Vec<Item<'_>>,
    option: BatchErrorContinuationOption,
    memory: &mut Reservation,
) -> Vec<ItemResult> {
    let mut results = Vec::with_capacity(items.len());
    let (alone, mut room) = (items.len() == 1, MAX_RESPONSE);
    for item in items {
        let (before, begun) = (cx.transactions_started(), Instant::now());
        // Before the operation, so that one with a short result is not refused after it has succeeded.
        let mut result = if memory.prepare() { item.execute(cx) } else { item.refuse() };
        result.transactions = before..cx.transactions_started();
        result.duration = begun.elapsed();
        if !alone {
            result.encode_within(&mut room, memory, cx.version);
        }
        let stop =
            cx.is_abandoned() || result.has_failed() && option != BatchErrorContinuationOption::Continue;
        results.push(result);
        if stop {
            break;
        }
    }
    results
}

/// Returns the error for a request whose memory would exceed `max_request_memory`: Server Limit Exceeded, before 2.0 General
/// Failure.
pub(super) fn out_of_memory() -> Error {
    let message = "The large requests of all clients use all memory of the server for requests; send the request again \
                   later, or in smaller parts.";
    Error::new(ResultReason::ServerLimitExceeded, message).with_fallback(ResultReason::GeneralFailure)
}

/// Writes a Batch Item with a failure; without operation if the item was not read.
pub(super) fn write_failure(operation: Option<u32>, id: Option<&[u8]>, error: &Error, writer: &mut Writer) {
    let reason = error.reason_in(writer.version());
    writer.structure(Tag::BatchItem, |writer| {
        write_head(operation, id, ResultStatus::OperationFailed, writer);
        reason.encode(Tag::ResultReason, writer);
        writer.item(Tag::ResultMessage, ItemType::TextString, error.message.as_bytes());
    });
}

fn write_head(operation: Option<u32>, id: Option<&[u8]>, status: ResultStatus, writer: &mut Writer) {
    if let Some(operation) = operation {
        writer.item(Tag::Operation, ItemType::Enumeration, &operation.to_be_bytes());
    }
    if let Some(id) = id {
        writer.item(Tag::UniqueBatchItemId, ItemType::ByteString, id);
    }
    status.encode(Tag::ResultStatus, writer);
}

#[cfg(test)]
mod tests;
