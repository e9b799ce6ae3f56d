//! What the dispatcher has done so far, in numbers, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::kmip::enums::Operation;
use crate::operations::OPERATIONS;

/// The numbers since the start. Each is exact; together they are of slightly different moments.
pub(super) struct Counters {
    /// In the order of [`OPERATIONS`].
    operations: Vec<Count>,
    pub(super) refused: AtomicU64,
    pub(super) bugs: AtomicU64,
}

#[derive(Default)]
struct Count {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    pub(super) fn new() -> Self {
        let operations = OPERATIONS.iter().map(|_| Count::default()).collect();
        Self { operations, refused: AtomicU64::default(), bugs: AtomicU64::default() }
    }

    /// Counts what became of an item.
    pub(super) fn count(&self, operation: Operation, failed: bool) {
        let at = OPERATIONS.iter().position(|entry| entry.code == operation);
        if let Some(count) = at.and_then(|at| self.operations.get(at)) {
            let number = if failed { &count.failed } else { &count.done };
            number.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The operations that were asked for, and how often each was done and failed.
    pub(super) fn operations(&self) -> Vec<(Operation, u64, u64)> {
        let rows = OPERATIONS.iter().zip(&self.operations).map(|(entry, count)| {
            (entry.code, count.done.load(Ordering::Relaxed), count.failed.load(Ordering::Relaxed))
        });
        rows.filter(|(_, done, failed)| done + failed > 0).collect()
    }
}

/// The state of a dispatcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispatcherStatus {
    /// The operations that were asked for so far; how often each was done and how often it failed.
    pub operations: Vec<(Operation, u64, u64)>,
    /// Requests that were refused as a whole: clients that may not ask, messages that make no sense.
    pub refused: u64,
    /// Requests that met a bug of the server.
    pub bugs: u64,
    /// The state of the store.
    pub store: crate::store::StoreStatus,
    /// What was sent to the listeners of clients.
    pub endpoints: Vec<super::delivery::QueueStatus>,
}
