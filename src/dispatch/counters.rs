//! Counters of requests and batch items, for monitoring.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::kmip::enums::Operation;
use crate::operations::OPERATIONS;

/// The counters since the start of the server. Each is exact; a reader of several may see different moments.
pub(super) struct Counters {
    /// One per operation, in the order of [`OPERATIONS`].
    operations: Vec<OperationCounter>,
    pub(super) refused: AtomicU64,
    pub(super) bugs: AtomicU64,
}

#[derive(Default)]
struct OperationCounter {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    pub(super) fn new() -> Self {
        let operations = OPERATIONS.iter().map(|_| OperationCounter::default()).collect();
        Self { operations, refused: AtomicU64::default(), bugs: AtomicU64::default() }
    }

    /// Counts a batch item by its result.
    pub(super) fn count(&self, operation: Operation, failed: bool) {
        let position = OPERATIONS.iter().position(|entry| entry.code == operation);
        if let Some(counter) = position.and_then(|position| self.operations.get(position)) {
            let result = if failed { &counter.failed } else { &counter.succeeded };
            result.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the requested operations, each with the numbers of its successes and its failures.
    pub(super) fn operations(&self) -> Vec<(Operation, u64, u64)> {
        let rows = OPERATIONS.iter().zip(&self.operations).map(|(entry, counter)| {
            (entry.code, counter.succeeded.load(Ordering::Relaxed), counter.failed.load(Ordering::Relaxed))
        });
        rows.filter(|(_, succeeded, failed)| succeeded + failed > 0).collect()
    }
}

/// The state of a dispatcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispatcherStatus {
    /// The requested operations, each with the numbers of its successes and its failures.
    pub operations: Vec<(Operation, u64, u64)>,
    /// The number of requests that were rejected before any item: unauthenticated clients and invalid messages.
    pub refused: u64,
    /// The number of requests whose execution panicked.
    pub bugs: u64,
    /// The state of the store.
    pub store: crate::store::StoreStatus,
    /// The delivery queues of the listeners of clients.
    pub endpoints: Vec<super::delivery::QueueStatus>,
}
