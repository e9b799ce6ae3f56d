//! The number of requests that are answered at the same time, also for connections that have ended meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The places of requests.
#[derive(Debug)]
pub(super) struct Places {
    taken: AtomicUsize,
    count: usize,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { taken: AtomicUsize::new(0), count }
    }

    /// Takes a place until the returned value is dropped. Returns `None` if all are taken.
    pub(super) fn take(&self) -> Option<Place<'_>> {
        let place = Place(&self.taken);
        (self.taken.fetch_add(1, Ordering::AcqRel) < self.count).then_some(place)
    }
}

/// A place that is taken.
#[derive(Debug)]
pub struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(2);
        let first = places.take();
        let second = places.take();
        assert!(first.is_some() && second.is_some() && places.take().is_none() && places.take().is_none());
        drop(second);
        assert!(places.take().is_some());
    }
}
