//! Asynchronous operations: their state between the request and the Poll that returns the result (KMIP 1.4 §6.7,
//! §6.8, §4.27 and §4.28; 2.1 §9.1, §9.2, §6.1.5, §6.1.38, §6.1.39 and §6.1.41).
//!
//! An operation has a random Asynchronous Correlation Value, which only its user can use. Threads of the
//! dispatcher execute the operations.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::bounded_map::{BoundedMap, Bounds, WhenFull};
use crate::crypto::random;
use crate::kmip::enums::{CancellationResult, Operation, ProcessingStage, ResultReason};
use crate::kmip::{Error, Principal};
use crate::lock::IgnorePoison;
use crate::ttlv::DateTime;

use super::super::error::failed;

/// The maximum number of operations of one user that are under way or whose results were not polled.
pub const MAX_PER_USER: usize = 64;

/// The maximum number of operations of all users.
const CAPACITY: usize = 1024;

const BOUNDS: Bounds = Bounds {
    capacity: CAPACITY,
    when_full: WhenFull::Refuse,
    share: MAX_PER_USER,
    when_share_used: WhenFull::Refuse,
};

/// The maximum size in bytes of all results that were not polled; the oldest results are removed first.
const MAX_RESULT_BYTES: usize = 64 << 20;

/// The time for which a result can be polled: enough for a client that restarts.
const RESULT_LIFETIME: Duration = Duration::from_secs(600);

/// The time for which a Poll waits for an operation that is under way. Most operations end within it, so that a
/// client polls once.
pub const POLL_WAIT: Duration = Duration::from_secs(1);

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

impl JobOutcome {
    fn size(&self) -> usize {
        match self {
            Self::Done(payload) | Self::Undone(payload) => payload.len(),
            Self::Failed(_) => 0,
        }
    }
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
#[derive(Debug)]
pub struct Jobs {
    table: Mutex<Table>,
    ended: Condvar,
}

type Table = BoundedMap<Vec<u8>, Job>;

#[derive(Debug)]
struct Job {
    owner: Principal,
    operation: Operation,
    submitted: DateTime,
    stage: Stage,
    /// Whether the client sent Process: the next Poll waits for the end of the operation.
    expedited: bool,
}

#[derive(Debug)]
enum Stage {
    Submitted,
    Running,
    Finished(JobOutcome),
    Canceled,
}

impl Job {
    fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Submitted | Stage::Running)
    }

    fn result_size(&self) -> usize {
        match &self.stage {
            Stage::Finished(outcome) => outcome.size(),
            _ => 0,
        }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self { table: Mutex::new(BoundedMap::new(BOUNDS)), ended: Condvar::new() }
    }
}

impl Jobs {
    /// Registers operations of `owner` and returns their Asynchronous Correlation Values, in the same order.
    ///
    /// # Errors
    /// Returns Server Limit Exceeded if the user or all users together have too many operations.
    pub fn submit(
        &self,
        owner: &Principal,
        operations: &[Operation],
        submitted: DateTime,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let limit_exceeded = || {
            let message = "Too many asynchronous operations wait for a Poll; poll or cancel some of them.";
            failed(ResultReason::ServerLimitExceeded, message)
        };
        let mut table = self.table();
        table.expire(now);
        if !table.has_room(&owner.user, operations.len()) {
            return Err(limit_exceeded());
        }
        let mut correlations = Vec::with_capacity(operations.len());
        for _ in operations {
            correlations.push(random::bytes(CORRELATION)?);
        }
        for (correlation, &operation) in correlations.iter().zip(operations) {
            let (owner_name, owner) = (&owner.user, owner.clone());
            let job = Job { owner, operation, submitted, stage: Stage::Submitted, expedited: false };
            table.insert(correlation.clone(), owner_name, job, None, now).map_err(|_| limit_exceeded())?;
        }
        Ok(correlations)
    }

    /// Removes operations that were registered and will not be executed.
    pub fn withdraw(&self, correlations: &[Vec<u8>]) {
        let mut table = self.table();
        for correlation in correlations {
            table.remove(correlation);
        }
    }

    /// Records that the operation begins. Returns false if its client canceled it.
    pub fn begin(&self, correlation: &[u8]) -> bool {
        match self.table().get_mut(correlation) {
            // A transaction that is repeated begins its operations again.
            Some(job) if job.is_pending() => {
                job.stage = Stage::Running;
                true
            }
            _ => false,
        }
    }

    /// Records the outcome of the operation, unless it was canceled.
    pub fn finish(&self, correlation: &[u8], outcome: JobOutcome, now: Instant) {
        let mut table = self.table();
        if let Some(job) = table.get_mut(correlation)
            && !matches!(job.stage, Stage::Canceled)
        {
            job.stage = Stage::Finished(outcome);
            table.renew(correlation, Some(RESULT_LIFETIME), now);
        }
        remove_results_past_the_bound(&mut table);
        drop(table);
        self.ended.notify_all();
    }

    /// Returns the operation and, if it has ended, its outcome. With `patience`, waits up to that time for the end, and
    /// without a bound if the client sent Process.
    ///
    /// # Errors
    /// Returns Invalid Asynchronous Correlation Value (before 2.0 Item Not Found) if the user has no such operation,
    /// and Operation Canceled By Requester if the client canceled it.
    pub fn poll(
        &self,
        owner: &Principal,
        correlation: &[u8],
        patience: Option<Duration>,
    ) -> Result<(Operation, Polled), Error> {
        let mut table = self.table();
        let expedited = find(&mut table, owner, correlation)?.expedited;
        let is_pending = |table: &mut Table| table.get(correlation).is_some_and(Job::is_pending);
        let mut table = match patience {
            None => table,
            Some(_) if expedited => self.ended.wait_while(table, is_pending).ignore_poison(),
            Some(patience) => self.ended.wait_timeout_while(table, patience, is_pending).ignore_poison().0,
        };
        let job = find(&mut table, owner, correlation)?;
        let operation = job.operation;
        match &job.stage {
            Stage::Canceled => {
                Err(failed(ResultReason::OperationCanceledByRequester, "The operation was canceled."))
            }
            Stage::Submitted | Stage::Running => Ok((operation, Polled::Pending)),
            Stage::Finished(_) => match table.remove(correlation) {
                Some(Job { stage: Stage::Finished(outcome), .. }) => {
                    Ok((operation, Polled::Finished(outcome)))
                }
                _ => Err(unknown()),
            },
        }
    }

    /// Cancels the operation if it has not begun, or if it only reads: such an operation has no effect without its
    /// result.
    ///
    /// # Errors
    /// Returns Invalid Asynchronous Correlation Value if the user has no such operation.
    pub fn cancel(
        &self,
        owner: &Principal,
        correlation: &[u8],
        now: Instant,
    ) -> Result<CancellationResult, Error> {
        let mut table = self.table();
        let job = find(&mut table, owner, correlation)?;
        let result = match &job.stage {
            Stage::Submitted => CancellationResult::Canceled,
            Stage::Canceled => return Ok(CancellationResult::Canceled),
            Stage::Finished(JobOutcome::Failed(_)) => CancellationResult::Failed,
            _ if only_reads(job.operation) => CancellationResult::Canceled,
            Stage::Running => CancellationResult::UnableToCancel,
            Stage::Finished(_) => CancellationResult::Completed,
        };
        if result == CancellationResult::Canceled {
            job.stage = Stage::Canceled;
            table.renew(correlation, Some(RESULT_LIFETIME), now);
        }
        drop(table);
        self.ended.notify_all();
        Ok(result)
    }

    /// Lets the next Poll wait for the end of the operation.
    ///
    /// # Errors
    /// Returns Invalid Asynchronous Correlation Value if the user has no such operation, and Duplicate Process
    /// Request if the client sent Process before.
    pub fn expedite(&self, owner: &Principal, correlation: &[u8]) -> Result<(), Error> {
        let mut table = self.table();
        let job = find(&mut table, owner, correlation)?;
        if std::mem::replace(&mut job.expedited, true) {
            return Err(failed(
                ResultReason::DuplicateProcessRequest,
                "An earlier Process request named the operation.",
            ));
        }
        Ok(())
    }

    /// Returns the user's operations whose outcomes were not returned, the oldest first.
    pub fn of_user(&self, user: &Principal) -> Vec<Request> {
        let table = self.table();
        let of_user = table.iter().filter(|(_, job)| user.is_same_owner_as(&job.owner));
        let mut requests: Vec<_> = of_user
            .filter_map(|(correlation, job)| {
                let stage = match job.stage {
                    Stage::Submitted => ProcessingStage::Submitted,
                    Stage::Running => ProcessingStage::InProcess,
                    Stage::Finished(_) => ProcessingStage::Completed,
                    Stage::Canceled => return None,
                };
                let (operation, submitted) = (job.operation, job.submitted);
                Some(Request { correlation: correlation.clone(), operation, submitted, stage })
            })
            .collect();
        requests.sort_by(|one, other| {
            (one.submitted, &one.correlation).cmp(&(other.submitted, &other.correlation))
        });
        requests
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().ignore_poison()
    }
}

fn find<'a>(table: &'a mut Table, owner: &Principal, correlation: &[u8]) -> Result<&'a mut Job, Error> {
    table.get_mut(correlation).filter(|job| owner.is_same_owner_as(&job.owner)).ok_or_else(unknown)
}

fn unknown() -> Error {
    failed(
        ResultReason::InvalidAsynchronousCorrelationValue,
        "The user has no asynchronous operation with this Asynchronous Correlation Value.",
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

fn remove_results_past_the_bound(table: &mut Table) {
    let mut total: usize = table.iter().map(|(_, job)| job.result_size()).sum();
    while total > MAX_RESULT_BYTES {
        let Some(oldest) = table.oldest_where(|job| job.result_size() > 0) else { return };
        total -= table.remove(&oldest).map_or(0, |job| job.result_size());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Option<Duration> = None;

    fn done(length: usize) -> JobOutcome {
        JobOutcome::Done(Zeroizing::new(vec![0; length]))
    }

    fn submit(jobs: &Jobs, user: &str, operations: &[Operation]) -> Result<Vec<Vec<u8>>, Error> {
        jobs.submit(&user.into(), operations, DateTime(0), Instant::now())
    }

    fn one(jobs: &Jobs, operation: Operation) -> Vec<u8> {
        submit(jobs, "john", &[operation]).unwrap().remove(0)
    }

    fn reason<T>(result: Result<T, Error>) -> ResultReason {
        result.map(|_| ()).unwrap_err().reason
    }

    #[test]
    fn outcome_is_returned_once_after_the_end() {
        let jobs = Jobs::default();
        let job = one(&jobs, Operation::Create);
        assert_eq!(jobs.poll(&"john".into(), &job, NONE), Ok((Operation::Create, Polled::Pending)));
        assert!(jobs.begin(&job));
        assert_eq!(jobs.poll(&"john".into(), &job, NONE), Ok((Operation::Create, Polled::Pending)));
        jobs.finish(&job, done(3), Instant::now());
        assert_eq!(jobs.poll(&"john".into(), &job, NONE), Ok((Operation::Create, Polled::Finished(done(3)))));
        assert_eq!(
            reason(jobs.poll(&"john".into(), &job, NONE)),
            ResultReason::InvalidAsynchronousCorrelationValue
        );
    }

    #[test]
    fn other_users_cannot_use_a_correlation_value() {
        let jobs = Jobs::default();
        let job = one(&jobs, Operation::Create);
        jobs.finish(&job, done(3), Instant::now());
        let wrong = ResultReason::InvalidAsynchronousCorrelationValue;
        assert_eq!(reason(jobs.poll(&"jane".into(), &job, NONE)), wrong);
        assert_eq!(reason(jobs.cancel(&"jane".into(), &job, Instant::now())), wrong);
        assert_eq!(reason(jobs.expedite(&"jane".into(), &job)), wrong);
        assert!(jobs.of_user(&"jane".into()).is_empty());
        assert_eq!(jobs.of_user(&"john".into()).len(), 1);
    }

    #[test]
    fn cancels_operations_that_have_not_begun_or_only_read() {
        let jobs = Jobs::default();
        let cancel = |operation, begun: bool, outcome: Option<JobOutcome>| {
            let job = one(&jobs, operation);
            if begun {
                jobs.begin(&job);
            }
            if let Some(outcome) = outcome {
                jobs.finish(&job, outcome, Instant::now());
            }
            let result = jobs.cancel(&"john".into(), &job, Instant::now()).unwrap();
            if result == CancellationResult::Canceled {
                assert!(!jobs.begin(&job));
                jobs.finish(&job, done(1), Instant::now());
                let canceled = ResultReason::OperationCanceledByRequester;
                assert_eq!(reason(jobs.poll(&"john".into(), &job, NONE)), canceled);
            }
            result
        };
        use CancellationResult as R;
        assert_eq!(cancel(Operation::Create, false, None), R::Canceled);
        assert_eq!(cancel(Operation::Create, true, None), R::UnableToCancel);
        assert_eq!(cancel(Operation::Create, true, Some(done(1))), R::Completed);
        let failure = JobOutcome::Failed(failed(ResultReason::ItemNotFound, "gone"));
        assert_eq!(cancel(Operation::Create, true, Some(failure.clone())), R::Failed);
        assert_eq!(cancel(Operation::Locate, true, None), R::Canceled);
        assert_eq!(cancel(Operation::Locate, true, Some(done(1))), R::Canceled);
        assert_eq!(cancel(Operation::Locate, true, Some(failure)), R::Failed);
    }

    #[test]
    fn poll_waits_up_to_its_patience_and_without_bound_after_process() {
        let jobs = std::sync::Arc::new(Jobs::default());
        for expedited in [false, true] {
            let job = one(&jobs, Operation::Create);
            let patience = Some(if expedited { Duration::ZERO } else { Duration::from_secs(20) });
            if expedited {
                jobs.expedite(&"john".into(), &job).unwrap();
                assert_eq!(
                    reason(jobs.expedite(&"john".into(), &job)),
                    ResultReason::DuplicateProcessRequest
                );
            }
            let worker = {
                let (jobs, job) = (std::sync::Arc::clone(&jobs), job.clone());
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(20));
                    jobs.finish(&job, done(2), Instant::now());
                })
            };
            assert_eq!(
                jobs.poll(&"john".into(), &job, patience),
                Ok((Operation::Create, Polled::Finished(done(2))))
            );
            worker.join().unwrap();
        }
    }

    #[test]
    fn bounds_operations_per_user_and_in_total_and_the_size_of_results() {
        let jobs = Jobs::default();
        let many = [Operation::Create; MAX_PER_USER];
        let first = submit(&jobs, "john", &many).unwrap();
        assert_eq!(reason(submit(&jobs, "john", &[Operation::Create])), ResultReason::ServerLimitExceeded);
        jobs.withdraw(&first[1..]);
        assert!(submit(&jobs, "john", &[Operation::Create]).is_ok());
        for user in 0..CAPACITY / MAX_PER_USER - 1 {
            submit(&jobs, &user.to_string(), &many).unwrap();
        }
        assert_eq!(reason(submit(&jobs, "last", &many)), ResultReason::ServerLimitExceeded);

        let jobs = Jobs::default();
        let large: Vec<_> = (0..5).map(|_| one(&jobs, Operation::Get)).collect();
        for job in &large {
            jobs.finish(job, done(MAX_RESULT_BYTES / 4), Instant::now());
        }
        assert_eq!(jobs.of_user(&"john".into()).len(), 4);
        assert!(jobs.poll(&"john".into(), &large[0], NONE).is_err());
        assert!(jobs.poll(&"john".into(), &large[4], NONE).is_ok());
    }

    #[test]
    fn results_expire_and_pending_operations_do_not() {
        let (jobs, now) = (Jobs::default(), Instant::now());
        let finished = one(&jobs, Operation::Create);
        let waiting = one(&jobs, Operation::Create);
        jobs.finish(&finished, done(1), now);
        let mut table = jobs.table();
        table.expire(now);
        assert_eq!(table.len(), 2);
        table.expire(now + RESULT_LIFETIME);
        assert_eq!(table.iter().map(|(correlation, _)| correlation).collect::<Vec<_>>(), [&waiting]);
    }

    #[test]
    fn operation_of_a_repeated_transaction_begins_again() {
        let jobs = Jobs::default();
        let job = one(&jobs, Operation::Create);
        assert!(jobs.begin(&job) && jobs.begin(&job));
        jobs.finish(&job, done(1), Instant::now());
        assert!(!jobs.begin(&job));
    }
}
