//! Asynchronous operations: their state between the request and the Poll that returns the result (KMIP 1.4 §6.7,
//! §6.8, §4.27 and §4.28; 2.1 §9.1, §9.2, §6.1.5, §6.1.38, §6.1.39 and §6.1.41).
//!
//! An operation has a random Asynchronous Correlation Value, which only its user can use. Threads of the
//! dispatcher execute the operations. Servers that share a database share the operations and their results; otherwise
//! these end with the server.

mod job;
mod leases;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::bounded_map::{Bounds, WhenFull};
use crate::crypto::random;
use crate::kmip::enums::{CancellationResult, Operation, ProcessingStage, ResultReason, ResultStatus};
use crate::kmip::{Error, Principal};
use crate::lock::IgnorePoison;
use crate::secret::Secret;
use crate::store::{Change, Entries, Entry, Kind, Lifetime, Replacement, as_one_request};
use crate::ttlv::DateTime;

use super::super::error::{OrGeneralFailure, failed};
use super::stored;

use self::job::Job;
use self::leases::{Leases, PENDING};

/// The maximum number of operations of one user that are under way or whose results were not polled.
pub const MAX_PER_USER: usize = 64;

/// The maximum number of operations of all users.
const CAPACITY: usize = 1024;

pub(super) const KIND: Kind = Kind {
    number: 3,
    name: "operation",
    bounds: Bounds {
        capacity: CAPACITY,
        when_full: WhenFull::Refuse,
        share: MAX_PER_USER,
        when_share_used: WhenFull::Refuse,
    },
};

/// The maximum size in bytes of all results that were not polled; the oldest results are removed first.
const MAX_RESULT_BYTES: u64 = 64 << 20;

/// The time for which a result can be polled: enough for a client that restarts.
const RESULT_LIFETIME: Duration = Duration::from_secs(600);

/// The lifetime of an operation that has ended.
const ENDED: Lifetime = Lifetime { lease: None, expiry: Some(RESULT_LIFETIME) };

/// The time for which a Poll waits for an operation that is under way. Most operations end within it, so that a
/// client polls once.
pub const POLL_WAIT: Duration = Duration::from_secs(1);

/// The first and the longest time after which a waiting Poll asks the store again whether another server has ended the
/// operation.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(320);

/// The number of attempts to store a result, and the pause between two.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// The length of an Asynchronous Correlation Value in bytes.
const CORRELATION: usize = 16;

/// The outcome of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum JobOutcome {
    /// The operation succeeded; contains its encoded Response Payload.
    Done(Zeroizing<Vec<u8>>),
    /// The operation failed.
    Failed(Error),
    /// The operation succeeded, and its batch was undone.
    Undone(Zeroizing<Vec<u8>>),
}

/// The answer to a Poll.
#[derive(Debug, PartialEq)]
pub enum Polled {
    /// The operation has not ended.
    Pending,
    /// The operation has ended. Its outcome is returned once.
    Finished(JobOutcome),
}

/// An operation in the answer to Query Asynchronous Requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The Asynchronous Correlation Value.
    pub correlation: Vec<u8>,
    /// The operation.
    pub operation: Operation,
    /// The time of the request.
    pub submitted: DateTime,
    /// The stage of the operation.
    pub stage: ProcessingStage,
}

/// The operations of all users that are under way or whose results were not polled.
pub struct Jobs {
    entries: Arc<dyn Entries>,
    leases: Leases,
    /// The number of operations that have ended at this server.
    ends: Mutex<u64>,
    ended: Condvar,
}

impl Jobs {
    /// Creates the service, which keeps the operations in these entries.
    pub fn new(entries: Arc<dyn Entries>) -> Self {
        Self { entries, leases: Leases::default(), ends: Mutex::default(), ended: Condvar::new() }
    }

    /// Registers operations of `owner` and returns their Asynchronous Correlation Values, in the same order.
    ///
    /// # Errors
    /// Returns Server Limit Exceeded if the user or all users together have too many operations, and General Failure if
    /// the store fails.
    pub fn submit(
        &self,
        owner: &Principal,
        operations: &[Operation],
        submitted: DateTime,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut correlations = Vec::with_capacity(operations.len());
        let mut entries = Vec::with_capacity(operations.len());
        for operation in operations {
            let correlation = random::bytes(CORRELATION)?;
            entries.push((correlation.clone(), stored::encode(&Job::new(owner, *operation, submitted))));
            correlations.push(correlation);
        }
        let is_shared = self.entries.is_shared();
        let lifetime = if is_shared { PENDING } else { Lifetime::default() };
        let inserted = self.entries.insert(&KIND, &owner.user, entries, lifetime, now);
        if !inserted.or_general_failure()? {
            let message = "Too many asynchronous operations wait for a Poll; poll or cancel some of them.";
            return Err(failed(ResultReason::ServerLimitExceeded, message));
        }
        if is_shared && self.leases.hold(&self.entries, &correlations).is_err() {
            self.withdraw(&correlations, now);
            let message = "The server cannot start a thread; send the request again later.";
            return Err(failed(ResultReason::ServerLimitExceeded, message));
        }
        Ok(correlations)
    }

    /// Removes operations that were registered and will not be executed.
    pub fn withdraw(&self, correlations: &[Vec<u8>], now: Instant) {
        for correlation in correlations {
            self.leases.release(correlation);
            // If the store fails, the log contains the reason, and the operation is abandoned.
            let removed = self.entries.change(&KIND, correlation, now, &mut |_| Change::Remove);
            drop(removed.or_general_failure());
        }
    }

    /// Records that the operation begins. Returns false if its client canceled it, or if it counts as abandoned.
    ///
    /// # Errors
    /// Returns General Failure if the store fails.
    pub fn begin(&self, correlation: &[u8], now: Instant) -> Result<bool, Error> {
        let mut begins = Ok(false);
        let begin = &mut |entry: &Entry| {
            let job = match Job::read(entry) {
                // A transaction that is repeated begins its operations again.
                Ok(job) if job.is_pending() => job,
                other => {
                    begins = other.map(|_| false);
                    return Change::Keep;
                }
            };
            begins = Ok(true);
            if job.stage == ProcessingStage::InProcess {
                return Change::Keep;
            }
            replace(&Job { stage: ProcessingStage::InProcess, ..job })
        };
        self.entries.change(&KIND, correlation, now, begin).or_general_failure()?;
        begins
    }

    /// Records the outcome of the operation, unless it was canceled. If the store fails again and again, the operation is
    /// abandoned.
    pub fn finish(&self, correlation: &[u8], outcome: &JobOutcome, now: Instant) {
        let content = outcome.encode();
        let finish = &mut |entry: &Entry| match Job::read(entry) {
            Ok(job) if job.is_pending() => end(job, Some(outcome.status()), content.clone()),
            _ => Change::Keep,
        };
        for attempt in 1..=ATTEMPTS {
            let stored = self.entries.change(&KIND, correlation, now, finish);
            match stored.and_then(|_| self.entries.bound_ended(&KIND, MAX_RESULT_BYTES)) {
                Ok(()) => break,
                Err(error) if attempt == ATTEMPTS => log::error!(
                    target: "kmip.server.engine",
                    "The result of an asynchronous operation is lost: {error}"
                ),
                Err(_) => thread::sleep(PAUSE),
            }
        }
        self.leases.release(correlation);
        self.announce_end();
    }

    /// Returns the operation and, if it has ended, its outcome. With `patience`, waits up to that time for the end, and
    /// without a bound if the client sent Process.
    ///
    /// # Errors
    /// Returns Invalid Asynchronous Correlation Value (before 2.0 Item Not Found) if the user has no such operation,
    /// Operation Canceled By Requester if the client canceled it, and General Failure if the store fails.
    pub fn poll(
        &self,
        owner: &Principal,
        correlation: &[u8],
        patience: Option<Duration>,
        now: Instant,
    ) -> Result<(Operation, Polled), Error> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut look = FIRST_LOOK;
        loop {
            let ends = *self.ends();
            // Each look has a time of its own, because the wait can be long.
            let found = as_one_request(|| self.entries.read(&KIND, correlation, now));
            let entry = found.or_general_failure()?.ok_or_else(unknown)?;
            let job = of(owner, &entry)?;
            if !job.is_pending() || entry.is_abandoned {
                return self.take(owner, correlation, now);
            }
            let Some(deadline) = deadline else { return Ok((job.operation, Polled::Pending)) };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && !job.is_expedited {
                return Ok((job.operation, Polled::Pending));
            }
            let is_same = |current: &mut u64| *current == ends;
            let longest = if job.is_expedited { LONGEST_LOOK } else { left };
            if self.entries.is_shared() {
                drop(self.ended.wait_timeout_while(self.ends(), look.min(longest), is_same));
                look = (look * 2).min(LONGEST_LOOK);
            } else if job.is_expedited {
                drop(self.ended.wait_while(self.ends(), is_same));
            } else {
                drop(self.ended.wait_timeout_while(self.ends(), left, is_same));
            }
        }
    }

    /// Removes the operation if it has ended, and returns its outcome.
    fn take(
        &self,
        owner: &Principal,
        correlation: &[u8],
        now: Instant,
    ) -> Result<(Operation, Polled), Error> {
        let mut polled = Err(unknown());
        let take = &mut |entry: &Entry| {
            let job = match of(owner, entry) {
                Ok(job) if job.is_canceled() => {
                    Err(failed(ResultReason::OperationCanceledByRequester, "The operation was canceled."))
                }
                other => other,
            };
            let is_ended = job.as_ref().is_ok_and(|job| !job.is_pending()) || entry.is_abandoned;
            let change = if job.is_ok() && is_ended { Change::Remove } else { Change::Keep };
            polled = job.map(|job| (job, change == Change::Remove));
            change
        };
        let content = self.entries.change(&KIND, correlation, now, take).or_general_failure()?;
        let (job, is_removed) = polled?;
        let answer = match content {
            _ if !is_removed => Polled::Pending,
            Some(content) => Polled::Finished(JobOutcome::decode(&content)?),
            None => Polled::Finished(JobOutcome::Failed(abandoned())),
        };
        Ok((job.operation, answer))
    }

    /// Cancels the operation if it has not begun, or if it only reads: such an operation has no effect without its
    /// result.
    ///
    /// # Errors
    /// Returns Invalid Asynchronous Correlation Value if the user has no such operation, and General Failure if the store
    /// fails.
    pub fn cancel(
        &self,
        owner: &Principal,
        correlation: &[u8],
        now: Instant,
    ) -> Result<CancellationResult, Error> {
        let mut result = Err(unknown());
        let cancel = &mut |entry: &Entry| {
            let job = match of(owner, entry) {
                Ok(job) => job,
                Err(error) => {
                    result = Err(error);
                    return Change::Keep;
                }
            };
            let canceled = match job.stage {
                _ if job.is_canceled() => {
                    result = Ok(CancellationResult::Canceled);
                    return Change::Keep;
                }
                ProcessingStage::Submitted => CancellationResult::Canceled,
                ProcessingStage::Completed if job.has_failed() => CancellationResult::Failed,
                _ if only_reads(job.operation) => CancellationResult::Canceled,
                ProcessingStage::InProcess if entry.is_abandoned => CancellationResult::Failed,
                ProcessingStage::InProcess => CancellationResult::UnableToCancel,
                ProcessingStage::Completed => CancellationResult::Completed,
            };
            result = Ok(canceled);
            match canceled {
                CancellationResult::Canceled => end(job, None, Secret::default()),
                _ => Change::Keep,
            }
        };
        self.entries.change(&KIND, correlation, now, cancel).or_general_failure()?;
        self.announce_end();
        result
    }

    /// Lets the next Poll wait for the end of the operation.
    ///
    /// # Errors
    /// Returns Invalid Asynchronous Correlation Value if the user has no such operation, Duplicate Process Request if
    /// the client sent Process before, and General Failure if the store fails.
    pub fn expedite(&self, owner: &Principal, correlation: &[u8], now: Instant) -> Result<(), Error> {
        let mut result = Err(unknown());
        let expedite = &mut |entry: &Entry| match of(owner, entry) {
            Ok(job) if job.is_expedited => {
                result = Err(failed(
                    ResultReason::DuplicateProcessRequest,
                    "An earlier Process request named the operation.",
                ));
                Change::Keep
            }
            Ok(job) => {
                result = Ok(());
                replace(&Job { is_expedited: true, ..job })
            }
            Err(error) => {
                result = Err(error);
                Change::Keep
            }
        };
        self.entries.change(&KIND, correlation, now, expedite).or_general_failure()?;
        result
    }

    /// Returns the user's operations whose outcomes were not returned, the oldest first.
    ///
    /// # Errors
    /// Returns General Failure if the store fails.
    pub fn of_user(&self, user: &Principal, now: Instant) -> Result<Vec<Request>, Error> {
        let mut requests = Vec::new();
        for (correlation, entry) in self.entries.of_owner(&KIND, &user.user, now).or_general_failure()? {
            let job = Job::read(&entry)?;
            if user.is_same_owner_as(&job.owner()) && !job.is_canceled() {
                // A Poll returns the failure of an abandoned operation.
                let stage = if entry.is_abandoned { ProcessingStage::Completed } else { job.stage };
                let Job { operation, submitted, .. } = job;
                requests.push(Request { correlation, operation, submitted, stage });
            }
        }
        requests.sort_by(|one, other| {
            (one.submitted, &one.correlation).cmp(&(other.submitted, &other.correlation))
        });
        Ok(requests)
    }

    /// Wakes the Polls that wait at this server.
    pub(super) fn announce_end(&self) {
        *self.ends() += 1;
        self.ended.notify_all();
    }

    fn ends(&self) -> MutexGuard<'_, u64> {
        self.ends.lock().ignore_poison()
    }
}

/// Reads an operation of `owner`.
fn of(owner: &Principal, entry: &Entry) -> Result<Job, Error> {
    let job = Job::read(entry)?;
    if owner.is_same_owner_as(&job.owner()) { Ok(job) } else { Err(unknown()) }
}

fn replace(job: &Job) -> Change {
    Change::Replace(Replacement { value: stored::encode(job), ..Replacement::default() })
}

/// Returns the change that completes an operation; `status` is `None` if it is canceled.
fn end(job: Job, status: Option<ResultStatus>, content: Secret) -> Change {
    let ended = Job { stage: ProcessingStage::Completed, status, ..job };
    let value = stored::encode(&ended);
    Change::Replace(Replacement { value, lifetime: Some(ENDED), ended: Some(content) })
}

fn unknown() -> Error {
    failed(
        ResultReason::InvalidAsynchronousCorrelationValue,
        "The user has no asynchronous operation with this Asynchronous Correlation Value.",
    )
}

/// Returns the failure of an operation whose server does not renew the lease.
fn abandoned() -> Error {
    failed(
        ResultReason::GeneralFailure,
        "The server that executed the operation has ended, or has lost the database; look for the effect of the operation \
         before you request it again.",
    )
}

/// Returns whether an operation has no effect besides its result.
fn only_reads(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Locate
            | Operation::GetAttributes
            | Operation::GetAttributeList
            | Operation::Validate
            | Operation::Query
            | Operation::Hash
    )
}
