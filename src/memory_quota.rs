//! The memory that the large requests of all connections share (`max_request_memory`): their bytes, what the server
//! computes with them, and their responses. Each request may use a common amount without charge.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that each reservation may contain without charge: common messages fit, so that large messages of other
/// connections cannot block them.
pub const FREE: usize = 64 * 1024;

/// The bytes that [`Reservation::prepare`] reserves: the result of most operations.
const PREPARED: usize = FREE / 2;

/// The bytes that are left for large requests.
#[derive(Debug)]
pub struct MemoryQuota(AtomicUsize);

impl MemoryQuota {
    /// Creates a quota of so many bytes.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(bytes)))
    }

    /// Returns an empty reservation.
    pub fn reservation(self: &Arc<Self>) -> Reservation {
        Reservation { quota: Arc::clone(self), bytes: 0, charged: 0 }
    }

    fn acquire(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn release(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The bytes of one request. Dropping the reservation returns its share to the quota.
#[derive(Debug)]
pub struct Reservation {
    quota: Arc<MemoryQuota>,
    bytes: usize,
    charged: usize,
}

impl Reservation {
    /// Returns a reservation of a quota that suffices for every request.
    pub fn unlimited() -> Self {
        MemoryQuota::new(usize::MAX).reservation()
    }

    /// Returns the number of reserved bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reserves `bytes` more. Returns false if the quota has fewer left.
    #[must_use]
    pub fn add(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.charge_for(self.bytes)
    }

    /// Makes sure that 32 KiB more can be reserved. Returns false if the quota has fewer left.
    #[must_use]
    pub fn prepare(&mut self) -> bool {
        self.charge_for(self.bytes.saturating_add(PREPARED))
    }

    /// Changes the number of reserved bytes to `bytes`. Returns false if the quota has fewer left.
    #[must_use]
    pub fn resize(&mut self, bytes: usize) -> bool {
        let surplus = self.charged.saturating_sub(bytes.saturating_sub(FREE));
        self.charged -= surplus;
        if surplus > 0 {
            self.quota.release(surplus);
        }
        self.bytes = bytes;
        self.charge_for(bytes)
    }

    /// Returns another reservation with the same number of bytes, or `None` if the quota has fewer left.
    pub fn duplicate(&self) -> Option<Self> {
        let mut other = self.quota.reservation();
        other.add(self.bytes).then_some(other)
    }

    fn charge_for(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(FREE).saturating_sub(self.charged);
        let granted = more == 0 || self.quota.acquire(more);
        if granted {
            self.charged += more;
        }
        granted
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.charged > 0 {
            self.quota.release(self.charged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_messages_are_free_and_large_messages_share_the_quota() {
        let quota = MemoryQuota::new(1000);
        let (mut first, mut second) = (quota.reservation(), quota.reservation());
        assert!(first.add(FREE) && first.add(600), "a large message");
        assert!(second.add(FREE), "a common message");
        assert!(second.add(400) && !second.add(1), "the rest of the quota");
        assert!(quota.reservation().add(FREE), "a common message when the quota is used up");
        drop(first);
        assert!(second.add(0) && quota.reservation().add(FREE + 599) && !quota.reservation().add(FREE + 600));
        drop(second);
        assert!(quota.reservation().add(FREE + 1000) && !quota.reservation().add(FREE + 1001));
    }

    #[test]
    fn reservations_shrink_grow_and_prepare_to_grow() {
        let quota = MemoryQuota::new(2 * FREE);
        let left = || quota.0.load(Ordering::Relaxed);
        let mut one = quota.reservation();
        assert!(one.add(PREPARED) && one.prepare());
        assert_eq!((one.bytes(), left()), (PREPARED, 2 * FREE), "free");
        assert!(one.add(PREPARED) && one.prepare());
        assert_eq!((one.bytes(), left()), (FREE, 2 * FREE - PREPARED));
        assert!(one.add(PREPARED), "the prepared bytes");
        assert_eq!(left(), 2 * FREE - PREPARED);
        let other = one.duplicate().unwrap();
        assert_eq!((other.bytes(), left()), (FREE + PREPARED, FREE));
        assert!(one.resize(2 * FREE + PREPARED) && one.duplicate().is_none());
        assert_eq!(left(), 0);
        assert!(!one.prepare() && quota.reservation().prepare());
        assert!(one.resize(5));
        assert_eq!((one.bytes(), left()), (5, 2 * FREE - PREPARED));
        drop((one, other));
        assert_eq!(left(), 2 * FREE);
    }
}
