//! [`BucketHistogram`]: how many values lie below each edge, in integers.

use std::{
    iter,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use super::{edges::BucketEdges, trace_context::TraceId};
use crate::units::Nanos;

/// The distribution of a time or a size over fixed buckets. Clones are the same histogram.
///
/// Nothing is kept of a value but the bucket and the sum, so memory does not grow. Observing takes
/// two atomic additions and no lock.
#[derive(Clone, Debug)]
pub struct BucketHistogram(Arc<Distribution>);

impl BucketHistogram {
    /// A histogram with no value yet.
    pub fn new(edges: BucketEdges) -> Self {
        Self(Arc::new(Distribution::new(edges)))
    }

    /// Adds a time, to a histogram of times.
    pub fn observe(&self, time: Nanos) {
        self.0.observe(time.get());
    }

    /// Adds a size or a number, to a histogram of sizes.
    pub fn observe_size(&self, size: u64) {
        self.0.observe(size);
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.0.snapshot().count()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    pub(super) fn edges(&self) -> &BucketEdges {
        &self.0.edges
    }
}

/// What a [`BucketHistogram`] holds.
#[derive(Debug)]
pub(super) struct Distribution {
    edges: BucketEdges,
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    /// The latest of each bucket. Nothing is there until the first is kept.
    exemplars: OnceLock<Box<[Mutex<Option<Exemplar>>]>>,
}

/// One value whose trace is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exemplar {
    pub(super) trace: TraceId,
    pub(super) value: u64,
    pub(super) at: SystemTime,
}

/// A histogram at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) counts: Vec<u64>,
    pub(super) sum: u64,
    /// Empty, or one for each bucket.
    pub(super) exemplars: Vec<Option<Exemplar>>,
}

impl Distribution {
    pub(super) fn new(edges: BucketEdges) -> Self {
        let counts = iter::repeat_with(AtomicU64::default).take(edges.buckets()).collect();
        Self { edges, counts, sum: AtomicU64::new(0), exemplars: OnceLock::new() }
    }

    #[inline]
    pub(super) fn observe(&self, value: u64) {
        self.counts[self.edges.bucket(value)].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Keeps `exemplar` as the latest of its bucket. Where another thread is at that bucket, that one
    /// is kept.
    pub(super) fn keep(&self, exemplar: Exemplar) {
        let none = || iter::repeat_with(Mutex::default).take(self.counts.len()).collect();
        let slots = self.exemplars.get_or_init(none);
        if let Ok(mut slot) = slots[self.edges.bucket(exemplar.value)].try_lock() {
            *slot = Some(exemplar);
        }
    }

    /// NOTE: the sum is read first, so it may lack the values of requests that end meanwhile.
    pub(super) fn snapshot(&self) -> Snapshot {
        let sum = self.sum.load(Relaxed);
        let slots = self.exemplars.get().map_or(&[][..], |slots| slots);
        Snapshot {
            counts: self.counts.iter().map(|count| count.load(Relaxed)).collect(),
            sum,
            exemplars: slots.iter().map(|slot| slot.lock().ok().and_then(|it| *it)).collect(),
        }
    }
}

impl Snapshot {
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_by_bucket_and_summed() {
        let histogram = BucketHistogram::new(BucketEdges::sizes([10, 20]));
        for size in [1, 10, 11, 500] {
            histogram.observe_size(size);
        }
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.counts, snapshot.sum), (vec![2, 1, 1], 522));
        assert_eq!(histogram.count(), 4);
    }

    #[test]
    fn the_latest_exemplar_of_a_bucket_is_kept() {
        let distribution = Distribution::new(BucketEdges::sizes([10]));
        assert!(distribution.snapshot().exemplars.is_empty());
        let exemplar = |value| Exemplar {
            trace: TraceId::new([7; 16]).unwrap(),
            value,
            at: SystemTime::UNIX_EPOCH,
        };
        distribution.keep(exemplar(3));
        distribution.keep(exemplar(4));
        assert_eq!(distribution.snapshot().exemplars, [Some(exemplar(4)), None]);
    }
}
