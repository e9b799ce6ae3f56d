//! Tests of asynchronous operations in memory; tests/shared_services.rs tests several servers.

#![allow(clippy::cast_possible_truncation, reason = "the tests count in small numbers")]

use super::*;
use crate::store::{self, MemoryEntries};

const NONE: Option<Duration> = None;

fn jobs() -> Jobs {
    Jobs::new(Arc::new(MemoryEntries::default()))
}

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
    let jobs = jobs();
    let job = one(&jobs, Operation::Create);
    assert_eq!(
        jobs.poll(&"john".into(), &job, NONE, Instant::now()),
        Ok((Operation::Create, Polled::Pending))
    );
    assert!(jobs.begin(&job, Instant::now()).unwrap());
    assert_eq!(
        jobs.poll(&"john".into(), &job, NONE, Instant::now()),
        Ok((Operation::Create, Polled::Pending))
    );
    jobs.finish(&job, &done(3), Instant::now());
    assert_eq!(
        jobs.poll(&"john".into(), &job, NONE, Instant::now()),
        Ok((Operation::Create, Polled::Finished(done(3))))
    );
    assert_eq!(
        reason(jobs.poll(&"john".into(), &job, NONE, Instant::now())),
        ResultReason::InvalidAsynchronousCorrelationValue
    );
}

#[test]
fn other_users_cannot_use_a_correlation_value() {
    let jobs = jobs();
    let job = one(&jobs, Operation::Create);
    jobs.finish(&job, &done(3), Instant::now());
    let wrong = ResultReason::InvalidAsynchronousCorrelationValue;
    assert_eq!(reason(jobs.poll(&"jane".into(), &job, NONE, Instant::now())), wrong);
    assert_eq!(reason(jobs.cancel(&"jane".into(), &job, Instant::now())), wrong);
    assert_eq!(reason(jobs.expedite(&"jane".into(), &job, Instant::now())), wrong);
    assert!(jobs.of_user(&"jane".into(), Instant::now()).unwrap().is_empty());
    assert_eq!(jobs.of_user(&"john".into(), Instant::now()).unwrap().len(), 1);
}

#[test]
fn cancels_operations_that_have_not_begun_or_only_read() {
    let jobs = jobs();
    let cancel = |operation, begun: bool, outcome: Option<JobOutcome>| {
        let job = one(&jobs, operation);
        if begun {
            jobs.begin(&job, Instant::now()).unwrap();
        }
        if let Some(outcome) = outcome {
            jobs.finish(&job, &outcome, Instant::now());
        }
        let result = jobs.cancel(&"john".into(), &job, Instant::now()).unwrap();
        if result == CancellationResult::Canceled {
            assert!(!jobs.begin(&job, Instant::now()).unwrap());
            jobs.finish(&job, &done(1), Instant::now());
            let canceled = ResultReason::OperationCanceledByRequester;
            assert_eq!(reason(jobs.poll(&"john".into(), &job, NONE, Instant::now())), canceled);
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
    let jobs = std::sync::Arc::new(jobs());
    for expedited in [false, true] {
        let job = one(&jobs, Operation::Create);
        let patience = Some(if expedited { Duration::ZERO } else { Duration::from_secs(20) });
        if expedited {
            jobs.expedite(&"john".into(), &job, Instant::now()).unwrap();
            assert_eq!(
                reason(jobs.expedite(&"john".into(), &job, Instant::now())),
                ResultReason::DuplicateProcessRequest
            );
        }
        let worker = {
            let (jobs, job) = (std::sync::Arc::clone(&jobs), job.clone());
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                jobs.finish(&job, &done(2), Instant::now());
            })
        };
        assert_eq!(
            jobs.poll(&"john".into(), &job, patience, Instant::now()),
            Ok((Operation::Create, Polled::Finished(done(2))))
        );
        worker.join().unwrap();
    }
}

#[test]
fn bounds_operations_per_user_and_in_total_and_the_size_of_results() {
    let jobs = jobs();
    let many = [Operation::Create; MAX_PER_USER];
    let first = submit(&jobs, "john", &many).unwrap();
    assert_eq!(reason(submit(&jobs, "john", &[Operation::Create])), ResultReason::ServerLimitExceeded);
    jobs.withdraw(&first[1..], Instant::now());
    assert!(submit(&jobs, "john", &[Operation::Create]).is_ok());
    for user in 0..CAPACITY / MAX_PER_USER - 1 {
        submit(&jobs, &user.to_string(), &many).unwrap();
    }
    assert_eq!(reason(submit(&jobs, "last", &many)), ResultReason::ServerLimitExceeded);

    let jobs = super::tests::jobs();
    let large: Vec<_> = (0..5).map(|_| one(&jobs, Operation::Get)).collect();
    for job in &large {
        jobs.finish(job, &done(MAX_RESULT_BYTES as usize / 4 - 500), Instant::now());
    }
    assert_eq!(jobs.of_user(&"john".into(), Instant::now()).unwrap().len(), 4);
    assert!(jobs.poll(&"john".into(), &large[0], NONE, Instant::now()).is_err());
    assert!(jobs.poll(&"john".into(), &large[4], NONE, Instant::now()).is_ok());
}

#[test]
fn results_expire_and_pending_operations_do_not() {
    let (jobs, now) = (jobs(), Instant::now());
    let finished = one(&jobs, Operation::Create);
    let waiting = one(&jobs, Operation::Create);
    jobs.finish(&finished, &done(1), now);
    let left = |now| jobs.of_user(&"john".into(), now).unwrap().into_iter().map(|job| job.correlation);
    assert_eq!(left(now).count(), 2);
    assert_eq!(left(now + RESULT_LIFETIME).collect::<Vec<_>>(), [waiting]);
}

/// Entries in memory that count as shared, so that operations have leases.
#[derive(Default)]
struct Shared(MemoryEntries);

impl Entries for Shared {
    fn is_shared(&self) -> bool {
        true
    }

    fn read(&self, kind: &Kind, key: &[u8], now: Instant) -> Result<Option<Entry>, store::Error> {
        self.0.read(kind, key, now)
    }

    fn of_owner(
        &self,
        kind: &Kind,
        owner: &str,
        now: Instant,
    ) -> Result<Vec<(Vec<u8>, Entry)>, store::Error> {
        self.0.of_owner(kind, owner, now)
    }

    fn insert(
        &self,
        kind: &Kind,
        owner: &str,
        entries: Vec<(Vec<u8>, Secret)>,
        lifetime: Lifetime,
        now: Instant,
    ) -> Result<bool, store::Error> {
        self.0.insert(kind, owner, entries, lifetime, now)
    }

    fn change(
        &self,
        kind: &Kind,
        key: &[u8],
        now: Instant,
        change: &mut dyn FnMut(&Entry) -> Change,
    ) -> Result<Option<Secret>, store::Error> {
        self.0.change(kind, key, now, change)
    }

    fn replace_existing(
        &self,
        kind: &Kind,
        entries: Vec<(Vec<u8>, Secret)>,
        now: Instant,
    ) -> Result<(), store::Error> {
        self.0.replace_existing(kind, entries, now)
    }

    fn renew(
        &self,
        kind: &Kind,
        keys: &[Vec<u8>],
        lifetime: Lifetime,
        now: Instant,
    ) -> Result<(), store::Error> {
        self.0.renew(kind, keys, lifetime, now)
    }

    fn bound_ended(&self, kind: &Kind, bytes: u64) -> Result<(), store::Error> {
        self.0.bound_ended(kind, bytes)
    }
}

#[test]
fn operation_whose_lease_has_passed_has_failed_and_does_not_begin() {
    let jobs = Jobs::new(Arc::new(Shared::default()));
    let (now, john) = (Instant::now(), "john".into());
    let later = now + leases::LEASE;
    let stage = |now| jobs.of_user(&john, now).unwrap()[0].stage;
    for begins in [false, true] {
        let job = one(&jobs, Operation::Create);
        if begins {
            assert!(jobs.begin(&job, now).unwrap());
        }
        assert_ne!(stage(now), ProcessingStage::Completed);
        assert_eq!(jobs.poll(&john, &job, NONE, now), Ok((Operation::Create, Polled::Pending)));
        assert_eq!(stage(later + PAUSE), ProcessingStage::Completed);
        let failed = (Operation::Create, Polled::Finished(JobOutcome::Failed(abandoned())));
        assert_eq!(jobs.poll(&john, &job, NONE, later + PAUSE), Ok(failed));
        assert!(!jobs.begin(&job, now).unwrap(), "the client knows that it has failed");
    }
    let job = one(&jobs, Operation::Create);
    jobs.begin(&job, now).unwrap();
    assert_eq!(jobs.cancel(&john, &job, later + PAUSE), Ok(CancellationResult::Failed));
}

#[test]
fn poll_at_one_server_sees_the_end_at_another() {
    let entries = Arc::new(Shared::default());
    let (jobs, other) = (Jobs::new(Arc::clone(&entries) as _), Jobs::new(entries));
    let job = one(&jobs, Operation::Create);
    other.expedite(&"john".into(), &job, Instant::now()).unwrap();
    std::thread::scope(|scope| {
        let polled = scope.spawn(|| other.poll(&"john".into(), &job, Some(Duration::ZERO), Instant::now()));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!polled.is_finished(), "it waits for the end");
        jobs.finish(&job, &done(2), Instant::now());
        assert_eq!(polled.join().unwrap(), Ok((Operation::Create, Polled::Finished(done(2)))));
    });
}

#[test]
fn operation_of_a_repeated_transaction_begins_again() {
    let jobs = jobs();
    let job = one(&jobs, Operation::Create);
    assert!(jobs.begin(&job, Instant::now()).unwrap() && jobs.begin(&job, Instant::now()).unwrap());
    jobs.finish(&job, &done(1), Instant::now());
    assert!(!jobs.begin(&job, Instant::now()).unwrap());
}

#[test]
fn server_renews_the_lease_of_an_operation_that_has_not_ended() {
    let (entries, begun) = (Arc::new(Shared::default()), Instant::now());
    let jobs = Jobs::new(Arc::clone(&entries) as _);
    let [kept, ended] = [(); 2].map(|()| one(&jobs, Operation::Create));
    let later = begun + leases::LEASE + PAUSE;
    let is_abandoned = |job: &[u8]| entries.read(&KIND, job, later).unwrap().unwrap().is_abandoned;
    assert!(is_abandoned(&kept), "without a renewal");
    jobs.leases.release(&ended);
    let deadline = Instant::now() + 4 * leases::RENEWAL;
    while is_abandoned(&kept) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
    }
    assert!(!is_abandoned(&kept) && is_abandoned(&ended));
}
