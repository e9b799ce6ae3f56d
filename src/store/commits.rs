//! Counters of commits and of their sizes, for monitoring.

use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreStatus;
use crate::histogram::Histogram;

/// The bounds of the numbers of transactions in one commit. The last one is the largest batch that no thread waits for.
const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The commits since the store was opened.
#[derive(Debug)]
pub(super) struct Commits {
    sizes: Histogram,
    failed: AtomicU64,
}

impl Default for Commits {
    fn default() -> Self {
        Self { sizes: Histogram::new(SIZES), failed: AtomicU64::default() }
    }
}

impl Commits {
    /// Counts a commit of this number of transactions.
    pub(super) fn count(&self, transactions: usize, succeeded: bool) {
        if succeeded {
            self.sizes.count(transactions as u64);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds the counters to a status.
    pub(super) fn complete(&self, status: StoreStatus) -> StoreStatus {
        let failed_commits = self.failed.load(Ordering::Relaxed);
        StoreStatus { commits: self.sizes.distribution(), failed_commits, ..status }
    }
}
