//! The counters of a server since its start: the observer that the status file and `/metrics` read. Each counter is
//! exact; a reader of several can see different moments.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Exchange, Execution, FailedHandshake, Observer};
use crate::histogram::{Distribution, Histogram};
use crate::kmip::enums::{Operation, ResultReason};
use crate::lock::IgnorePoison;

/// The bounds of durations in nanoseconds: from a Get in memory, 100 µs, to a long key generation, 10 s.
const DURATIONS: &[u64] = &[
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// The counters.
#[derive(Debug)]
pub struct Metrics {
    /// One for each operation of the standard, in the order of [`Operation::ALL`].
    operations: Vec<OperationCounters>,
    refused: Reasons,
    panics: AtomicU64,
    /// The failed handshakes by the code of their cause. A failure costs a connection, so that a lock does not matter.
    handshakes: Mutex<BTreeMap<&'static str, u64>>,
    received: AtomicU64,
    sent: AtomicU64,
    exchanges: Histogram,
}

#[derive(Debug)]
struct OperationCounters {
    succeeded: AtomicU64,
    failed: Reasons,
    durations: Histogram,
}

/// A counter for each Result Reason, in the order of [`ResultReason::ALL`].
#[derive(Debug)]
struct Reasons(Box<[AtomicU64]>);

impl Default for Reasons {
    fn default() -> Self {
        Self(ResultReason::ALL.iter().map(|_| AtomicU64::default()).collect())
    }
}

impl Reasons {
    fn count(&self, reason: ResultReason) {
        let position = ResultReason::ALL.iter().position(|other| *other == reason);
        if let Some(counter) = position.and_then(|position| self.0.get(position)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the reasons that were counted.
    fn counted(&self) -> Vec<(ResultReason, u64)> {
        let counted = ResultReason::ALL.iter().zip(&self.0);
        counted
            .map(|(reason, count)| (*reason, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let counters = |_: &Operation| OperationCounters {
            succeeded: AtomicU64::default(),
            failed: Reasons::default(),
            durations: Histogram::new(DURATIONS),
        };
        Self {
            operations: Operation::ALL.iter().map(counters).collect(),
            refused: Reasons::default(),
            panics: AtomicU64::default(),
            handshakes: Mutex::default(),
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
            exchanges: Histogram::new(DURATIONS),
        }
    }
}

impl Observer for Metrics {
    fn handshake_failed(&self, failed: &FailedHandshake<'_>) {
        *self.handshakes.lock().ignore_poison().entry(failed.code).or_default() += 1;
    }

    fn refused(&self, reason: ResultReason) {
        self.refused.count(reason);
    }

    fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    fn executed(&self, Execution { operation, failure, duration }: &Execution) {
        // The values of the enumeration count from 1 without gaps.
        let position = (operation.to_wire() as usize).saturating_sub(1);
        let Some(counters) = self.operations.get(position) else { return };
        match failure {
            None => drop(counters.succeeded.fetch_add(1, Ordering::Relaxed)),
            Some(reason) => counters.failed.count(*reason),
        }
        counters.durations.count(nanoseconds(*duration));
    }

    fn answered(&self, Exchange { received, sent, duration }: &Exchange) {
        self.received.fetch_add(*received as u64, Ordering::Relaxed);
        self.sent.fetch_add(*sent as u64, Ordering::Relaxed);
        self.exchanges.count(nanoseconds(*duration));
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The counters of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationCounts {
    /// The operation.
    pub operation: Operation,
    /// The number of successes.
    pub succeeded: u64,
    /// The numbers of failures by Result Reason.
    pub failed: Vec<(ResultReason, u64)>,
    /// The durations in nanoseconds.
    pub durations: Distribution,
}

impl Metrics {
    /// Returns the counters of the operations that were requested.
    pub fn operations(&self) -> Vec<OperationCounts> {
        let counts =
            Operation::ALL.iter().zip(&self.operations).map(|(operation, counters)| OperationCounts {
                operation: *operation,
                succeeded: counters.succeeded.load(Ordering::Relaxed),
                failed: counters.failed.counted(),
                durations: counters.durations.distribution(),
            });
        counts.filter(|counts| counts.succeeded > 0 || !counts.failed.is_empty()).collect()
    }

    /// Returns the numbers of messages that were refused before any item, by Result Reason.
    pub fn refusals(&self) -> Vec<(ResultReason, u64)> {
        self.refused.counted()
    }

    /// Returns the number of messages whose execution panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Returns the numbers of failed handshakes by the code of their cause.
    pub fn handshakes(&self) -> BTreeMap<&'static str, u64> {
        self.handshakes.lock().ignore_poison().clone()
    }

    /// Returns the numbers of received and sent bytes of TTLV messages.
    pub fn bytes(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }

    /// Returns the durations of the answered messages in nanoseconds.
    pub fn exchanges(&self) -> Distribution {
        self.exchanges.distribution()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn operations_are_counted_by_result_and_duration() {
        let metrics = Metrics::default();
        for failure in [None, None, Some(ResultReason::ItemNotFound)] {
            let duration = Duration::from_micros(300);
            metrics.executed(&Execution { operation: Operation::Get, failure, duration });
        }
        let counts = metrics.operations();
        let [get] = counts.as_slice() else { panic!("{counts:?}") };
        assert_eq!((get.operation, get.succeeded), (Operation::Get, 2));
        assert_eq!(get.failed, [(ResultReason::ItemNotFound, 1)]);
        assert_eq!((get.durations.total(), get.durations.sum, get.durations.counts[2]), (3, 900_000, 3));
    }

    #[test]
    fn each_operation_has_counters_of_its_own() {
        let metrics = Metrics::default();
        for operation in Operation::ALL {
            metrics.executed(&Execution { operation: *operation, failure: None, duration: Duration::ZERO });
        }
        let counted: Vec<_> = metrics.operations().iter().map(|counts| counts.operation).collect();
        assert_eq!(counted, Operation::ALL);
        assert!(metrics.operations().iter().all(|counts| counts.succeeded == 1));
    }

    #[test]
    fn handshakes_and_refusals_are_counted_by_cause() {
        let metrics = Metrics::default();
        ["expired", "not-tls", "expired"]
            .into_iter()
            .for_each(|code| metrics.handshake_failed(&FailedHandshake::of(code)));
        metrics.refused(ResultReason::InvalidMessage);
        metrics.answered(&Exchange { received: 10, sent: 20, duration: Duration::ZERO });
        assert_eq!(metrics.handshakes(), BTreeMap::from([("expired", 2), ("not-tls", 1)]));
        assert_eq!(metrics.refusals(), [(ResultReason::InvalidMessage, 1)]);
        assert_eq!((metrics.bytes(), metrics.exchanges().total()), ((10, 20), 1));
    }
}
