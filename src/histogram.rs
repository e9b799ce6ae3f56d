//! A histogram of whole numbers with fixed bounds, whose counters are atomic: durations in nanoseconds, sizes of groups.

use std::sync::atomic::{AtomicU64, Ordering};

/// A histogram with these upper bounds, in ascending order, and one more bucket for the values above them.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// The number of values of each bucket, without those of the buckets below.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Returns an empty histogram.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Self { bounds, counts, sum: AtomicU64::default() }
    }

    /// Counts a value.
    pub fn count(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Returns the state now. Values that are counted meanwhile can be missing in a part of it.
    pub fn distribution(&self) -> Distribution {
        Distribution {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// The state of a [`Histogram`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// The upper bounds of the buckets but the last one.
    pub bounds: &'static [u64],
    /// The number of values in each bucket.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl Distribution {
    /// Returns the number of values.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::new(&[1, 10, 100]);
        [0, 1, 2, 10, 11, 100, 101, 1_000].into_iter().for_each(|value| histogram.count(value));
        let distribution = histogram.distribution();
        assert_eq!((distribution.counts.as_slice(), distribution.sum), (&[2, 2, 2, 2][..], 1_225));
        assert_eq!(distribution.total(), 8);
    }
}
