//! Locks that outlive a panic of the thread that held them.

use std::sync::{LockResult, PoisonError};

/// Access to the data behind a lock that is poisoned.
///
/// Every critical section in this crate leaves its data consistent at each point where it can panic, so a poisoned
/// lock carries no information: one panic must cost one request, not every later request that needs the lock.
pub trait IgnorePoison<T> {
    /// Returns the guard, whether or not the lock is poisoned.
    fn ignore_poison(self) -> T;
}

impl<T> IgnorePoison<T> for LockResult<T> {
    fn ignore_poison(self) -> T {
        self.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn returns_data_behind_a_poisoned_lock() {
        let mutex = Mutex::new(1);
        let poison = || {
            let _guard = mutex.lock();
            panic!("poisons the lock");
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(poison)).is_err());
        assert!(mutex.is_poisoned());
        assert_eq!(*mutex.lock().ignore_poison(), 1);
    }
}
