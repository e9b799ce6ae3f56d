//! The state of a dispatcher, for monitoring. [`crate::observe::metrics`] counts its requests.

use super::delivery::QueueStatus;
use crate::store::StoreStatus;

/// The numbers of asynchronous batches at this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobStatus {
    /// The batches that wait for a thread.
    pub waiting: usize,
    /// The batches that execute.
    pub running: usize,
}

/// The state of a dispatcher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispatcherStatus {
    /// The state of the store.
    pub store: StoreStatus,
    /// The asynchronous batches.
    pub jobs: JobStatus,
    /// The number of operation policies in force.
    pub policies: usize,
    /// The delivery queues of the listeners of clients.
    pub endpoints: Vec<QueueStatus>,
}
