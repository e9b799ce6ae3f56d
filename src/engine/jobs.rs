//! Operations that are done after their request was answered (KMIP 1.4 §6.7, §6.8, §4.27 and §4.28; 2.1 §9.1,
//! §9.2, §6.1.5, §6.1.38, §6.1.39 and §6.1.41): which ones there are, whose, and what became of them.
//!
//! A client knows its operation by a correlation value that nobody can guess and that is of no use to another
//! user. Who runs the operations is left to dispatch.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::crypto::random;
use crate::kmip::enums::{CancellationResult, Operation, ProcessingStage, ResultReason};
use crate::kmip::{Error, Principal};
use crate::lock::IgnorePoison;
use crate::ttlv::DateTime;

use super::error::failed;

/// How many operations of one user may be under way or waiting to be asked about. A client that leaves more
/// behind is not working them off.
pub const MAX_OF_USER: usize = 64;

/// The same of all users together.
pub const MAX_JOBS: usize = 1024;

/// How many bytes of results wait to be asked for at the most; the oldest results go first.
pub const MAX_KEPT: usize = 64 << 20;

/// How long a result waits to be asked for: long enough for a client that was restarted.
pub const KEPT_FOR: Duration = Duration::from_secs(600);

/// How long a Poll waits for an operation that is not done yet. Most are done within it, so that a client needs to
/// ask once.
pub const POLL_WAIT: Duration = Duration::from_secs(1);

/// The length of a correlation value, in bytes.
const CORRELATION: usize = 16;

/// What became of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was done; the wire form of its Response Payload.
    Done(Zeroizing<Vec<u8>>),
    /// It failed.
    Failed(Error),
    /// It was done, and taken back with its batch.
    Undone(Zeroizing<Vec<u8>>),
}

impl Outcome {
    fn size(&self) -> usize {
        match self {
            Self::Done(payload) | Self::Undone(payload) => payload.len(),
            Self::Failed(_) => 0,
        }
    }
}

/// What a Poll learns.
#[derive(Debug, PartialEq)]
pub enum Polled {
    /// It is not done yet.
    Pending,
    /// What became of it. It is told once.
    Finished(Outcome),
}

/// One operation, for a client that asks which it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its correlation value.
    pub correlation: Vec<u8>,
    /// What it is.
    pub operation: Operation,
    /// When it was asked for.
    pub submitted: DateTime,
    /// How far it is.
    pub stage: ProcessingStage,
}

/// The operations of all users that were not asked about to their end.
#[derive(Debug, Default)]
pub struct Jobs {
    table: Mutex<HashMap<Vec<u8>, Job>>,
    finished: Condvar,
}

#[derive(Debug)]
struct Job {
    owner: Principal,
    operation: Operation,
    submitted: DateTime,
    stage: Stage,
    /// Whether its client wants to wait for it.
    hurried: bool,
}

#[derive(Debug)]
enum Stage {
    Submitted,
    Running,
    Finished(Outcome, Instant),
    Canceled(Instant),
}

impl Jobs {
    /// Notes operations that `asker` wants; each gets a correlation value, in their order.
    ///
    /// # Errors
    /// Server Limit Exceeded where the user or all users together have too many.
    pub fn submit(
        &self,
        asker: &Principal,
        operations: &[Operation],
        submitted: DateTime,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut table = self.table();
        forget_old(&mut table, now);
        let of_user = table.values().filter(|job| job.owner.user == asker.user).count();
        if of_user + operations.len() > MAX_OF_USER || table.len() + operations.len() > MAX_JOBS {
            return Err(failed(
                ResultReason::ServerLimitExceeded,
                "Too many asynchronous operations wait for a Poll.",
            ));
        }
        let mut correlations = Vec::with_capacity(operations.len());
        for _ in operations {
            correlations.push(random::bytes(CORRELATION)?);
        }
        for (correlation, operation) in correlations.iter().zip(operations) {
            let job = Job {
                owner: asker.clone(),
                operation: *operation,
                submitted,
                stage: Stage::Submitted,
                hurried: false,
            };
            table.insert(correlation.clone(), job);
        }
        Ok(correlations)
    }

    /// Takes operations back that were noted and will not be run.
    pub fn withdraw(&self, correlations: &[Vec<u8>]) {
        let mut table = self.table();
        for correlation in correlations {
            table.remove(correlation);
        }
    }

    /// Notes that the operation begins; false where its client canceled it.
    pub fn begin(&self, correlation: &[u8]) -> bool {
        match self.table().get_mut(correlation) {
            Some(job) if matches!(job.stage, Stage::Submitted) => {
                job.stage = Stage::Running;
                true
            }
            _ => false,
        }
    }

    /// Notes what became of the operation. Nobody asks about one that was canceled while it ran.
    pub fn finish(&self, correlation: &[u8], outcome: Outcome, now: Instant) {
        let mut table = self.table();
        if let Some(job) = table.get_mut(correlation)
            && !matches!(job.stage, Stage::Canceled(_))
        {
            job.stage = Stage::Finished(outcome, now);
        }
        make_room(&mut table);
        drop(table);
        self.finished.notify_all();
    }

    /// What the operation is, and what became of it. Waits up to `patience` for its end; without bound where its
    /// client hurried it.
    ///
    /// # Errors
    /// Invalid Asynchronous Correlation Value (before 2.0 Item Not Found) where the asker has no such operation,
    /// Operation Canceled By Requester where they canceled it.
    pub fn poll(
        &self,
        asker: &Principal,
        correlation: &[u8],
        patience: Duration,
    ) -> Result<(Operation, Polled), Error> {
        let mut table = self.table();
        let hurried = of(&mut table, asker, correlation)?.hurried;
        let is_pending = |table: &mut HashMap<Vec<u8>, Job>| {
            table.get(correlation).is_some_and(|job| matches!(job.stage, Stage::Submitted | Stage::Running))
        };
        let mut table = if hurried {
            self.finished.wait_while(table, is_pending).ignore_poison()
        } else {
            self.finished.wait_timeout_while(table, patience, is_pending).ignore_poison().0
        };
        let job = of(&mut table, asker, correlation)?;
        let operation = job.operation;
        match &job.stage {
            Stage::Canceled(_) => {
                Err(failed(ResultReason::OperationCanceledByRequester, "The operation was canceled."))
            }
            Stage::Submitted | Stage::Running => Ok((operation, Polled::Pending)),
            Stage::Finished(..) => match table.remove(correlation) {
                Some(Job { stage: Stage::Finished(outcome, _), .. }) => {
                    Ok((operation, Polled::Finished(outcome)))
                }
                _ => Err(unknown()),
            },
        }
    }

    /// Cancels the operation as far as that is still possible. One that only reads, and whose result nobody was
    /// told, can be canceled always: nothing is left of it.
    ///
    /// # Errors
    /// Invalid Asynchronous Correlation Value where the asker has no such operation.
    pub fn cancel(
        &self,
        asker: &Principal,
        correlation: &[u8],
        now: Instant,
    ) -> Result<CancellationResult, Error> {
        let mut table = self.table();
        let job = of(&mut table, asker, correlation)?;
        let result = match &job.stage {
            Stage::Submitted => CancellationResult::Canceled,
            Stage::Canceled(_) => return Ok(CancellationResult::Canceled),
            Stage::Finished(Outcome::Failed(_), _) => CancellationResult::Failed,
            _ if only_reads(job.operation) => CancellationResult::Canceled,
            Stage::Running => CancellationResult::UnableToCancel,
            Stage::Finished(..) => CancellationResult::Completed,
        };
        if result == CancellationResult::Canceled {
            job.stage = Stage::Canceled(now);
        }
        drop(table);
        self.finished.notify_all();
        Ok(result)
    }

    /// Lets the next Poll wait for the operation's end.
    ///
    /// # Errors
    /// Invalid Asynchronous Correlation Value where the asker has no such operation, Duplicate Process Request where
    /// they asked for it before.
    pub fn hurry(&self, asker: &Principal, correlation: &[u8]) -> Result<(), Error> {
        let mut table = self.table();
        let job = of(&mut table, asker, correlation)?;
        if std::mem::replace(&mut job.hurried, true) {
            return Err(failed(
                ResultReason::DuplicateProcessRequest,
                "The operation was asked to be processed already.",
            ));
        }
        Ok(())
    }

    /// The asker's operations that they were not told the end of, the oldest first.
    pub fn of_user(&self, asker: &Principal) -> Vec<Request> {
        let table = self.table();
        let of_user = table.iter().filter(|(_, job)| asker.is_same_owner_as(&job.owner));
        let mut requests: Vec<_> = of_user
            .filter_map(|(correlation, job)| {
                let stage = match job.stage {
                    Stage::Submitted => ProcessingStage::Submitted,
                    Stage::Running => ProcessingStage::InProcess,
                    Stage::Finished(..) => ProcessingStage::Completed,
                    Stage::Canceled(_) => return None,
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

    fn table(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Job>> {
        // Every change of the table is one assignment.
        self.table.lock().ignore_poison()
    }
}

/// The asker's operation of that correlation value.
fn of<'a>(
    table: &'a mut HashMap<Vec<u8>, Job>,
    asker: &Principal,
    correlation: &[u8],
) -> Result<&'a mut Job, Error> {
    table.get_mut(correlation).filter(|job| asker.is_same_owner_as(&job.owner)).ok_or_else(unknown)
}

fn unknown() -> Error {
    failed(
        ResultReason::InvalidAsynchronousCorrelationValue,
        "No asynchronous operation of yours has that correlation value.",
    )
}

/// Whether an operation leaves nothing behind but its answer.
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

fn ended(stage: &Stage) -> Option<Instant> {
    match stage {
        Stage::Finished(_, at) | Stage::Canceled(at) => Some(*at),
        Stage::Submitted | Stage::Running => None,
    }
}

fn forget_old(table: &mut HashMap<Vec<u8>, Job>, now: Instant) {
    table.retain(|_, job| ended(&job.stage).is_none_or(|at| now.saturating_duration_since(at) < KEPT_FOR));
}

/// Forgets the oldest results for as long as all of them are too large.
fn make_room(table: &mut HashMap<Vec<u8>, Job>) {
    let size = |job: &Job| match &job.stage {
        Stage::Finished(outcome, _) => outcome.size(),
        _ => 0,
    };
    let mut kept: usize = table.values().map(size).sum();
    while kept > MAX_KEPT {
        let finished = table.iter().filter(|(_, job)| size(job) > 0);
        let oldest =
            finished.min_by_key(|(_, job)| ended(&job.stage)).map(|(key, job)| (key.clone(), size(job)));
        let Some((oldest, freed)) = oldest else { return };
        table.remove(&oldest);
        kept -= freed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    fn done(length: usize) -> Outcome {
        Outcome::Done(Zeroizing::new(vec![0; length]))
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
    fn an_operation_is_pending_until_it_is_finished_and_is_told_once() {
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
    fn a_correlation_value_is_of_no_use_to_another_user() {
        let jobs = Jobs::default();
        let job = one(&jobs, Operation::Create);
        jobs.finish(&job, done(3), Instant::now());
        let wrong = ResultReason::InvalidAsynchronousCorrelationValue;
        assert_eq!(reason(jobs.poll(&"jane".into(), &job, NONE)), wrong);
        assert_eq!(reason(jobs.cancel(&"jane".into(), &job, Instant::now())), wrong);
        assert_eq!(reason(jobs.hurry(&"jane".into(), &job)), wrong);
        assert!(jobs.of_user(&"jane".into()).is_empty());
        assert_eq!(jobs.of_user(&"john".into()).len(), 1);
    }

    #[test]
    fn canceling_depends_on_how_far_the_operation_is_and_what_it_leaves() {
        let jobs = Jobs::default();
        let cancel = |operation, begun: bool, outcome: Option<Outcome>| {
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
        let failure = Outcome::Failed(failed(ResultReason::ItemNotFound, "gone"));
        assert_eq!(cancel(Operation::Create, true, Some(failure.clone())), R::Failed);
        assert_eq!(cancel(Operation::Locate, true, None), R::Canceled);
        assert_eq!(cancel(Operation::Locate, true, Some(done(1))), R::Canceled);
        assert_eq!(cancel(Operation::Locate, true, Some(failure)), R::Failed);
    }

    #[test]
    fn a_poll_waits_for_the_end_and_as_long_as_it_takes_when_hurried() {
        let jobs = std::sync::Arc::new(Jobs::default());
        for hurried in [false, true] {
            let job = one(&jobs, Operation::Create);
            let patience = if hurried { NONE } else { Duration::from_secs(20) };
            if hurried {
                jobs.hurry(&"john".into(), &job).unwrap();
                assert_eq!(reason(jobs.hurry(&"john".into(), &job)), ResultReason::DuplicateProcessRequest);
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
    fn users_and_results_have_their_bounds() {
        let jobs = Jobs::default();
        let many = [Operation::Create; MAX_OF_USER];
        let first = submit(&jobs, "john", &many).unwrap();
        assert_eq!(reason(submit(&jobs, "john", &[Operation::Create])), ResultReason::ServerLimitExceeded);
        jobs.withdraw(&first[1..]);
        assert!(submit(&jobs, "john", &[Operation::Create]).is_ok());
        for user in 0..MAX_JOBS / MAX_OF_USER - 1 {
            submit(&jobs, &user.to_string(), &many).unwrap();
        }
        assert_eq!(reason(submit(&jobs, "last", &many)), ResultReason::ServerLimitExceeded);

        let jobs = Jobs::default();
        let large: Vec<_> = (0..5).map(|_| one(&jobs, Operation::Get)).collect();
        for job in &large {
            jobs.finish(job, done(MAX_KEPT / 4), Instant::now());
        }
        assert_eq!(jobs.of_user(&"john".into()).len(), 4);
        assert!(jobs.poll(&"john".into(), &large[0], NONE).is_err());
        assert!(jobs.poll(&"john".into(), &large[4], NONE).is_ok());
    }

    #[test]
    fn results_are_forgotten_after_their_time() {
        let jobs = Jobs::default();
        let job = one(&jobs, Operation::Create);
        let waiting = one(&jobs, Operation::Create);
        jobs.finish(&job, done(1), Instant::now());
        let mut table = jobs.table();
        forget_old(&mut table, Instant::now());
        assert_eq!(table.len(), 2);
        forget_old(&mut table, Instant::now() + KEPT_FOR);
        assert_eq!(table.keys().collect::<Vec<_>>(), [&waiting]);
    }
}
