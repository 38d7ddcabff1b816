//! [`Counter`] and [`Gauge`]: one number, changed by any thread.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// A number of things that happened. It only rises. Clones are the same counter.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// So many more. Beyond `u64::MAX` it starts again from zero, as counters may.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A figure that rises and falls, in the unit that its name says. Clones are the same gauge.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets the figure.
    pub fn set(&self, figure: f64) {
        self.0.store(figure.to_bits(), Relaxed);
    }

    /// Adds to the figure; a negative number takes away.
    pub fn add(&self, number: f64) {
        let sum = |bits| Some((f64::from_bits(bits) + number).to_bits());
        let _ = self.0.fetch_update(Relaxed, Relaxed, sum);
    }

    /// One more.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// One less.
    pub fn dec(&self) {
        self.add(-1.0);
    }

    /// The figure now.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    /// One more until the guard is dropped, also when that is by a panic or a cancellation.
    pub fn hold(&self) -> GaugeGuard {
        self.inc();
        GaugeGuard(self.clone())
    }
}

/// One that a [`Gauge`] counts, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends what is counted"]
pub struct GaugeGuard(Gauge);

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_the_same_number() {
        let counter = Counter::default();
        counter.clone().add(2);
        counter.inc();
        assert_eq!(counter.get(), 3);
    }

    #[test]
    fn a_guard_counts_until_it_is_dropped() {
        let gauge = Gauge::default();
        gauge.set(0.5);
        let guard = gauge.hold();
        assert!((gauge.get() - 1.5).abs() < f64::EPSILON);
        drop(guard);
        assert!((gauge.get() - 0.5).abs() < f64::EPSILON);
        let held = gauge.clone();
        let panicked = std::panic::catch_unwind(move || {
            let _guard = held.hold();
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        assert!((gauge.get() - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn no_addition_of_threads_is_lost() {
        let (counter, gauge) = (Counter::default(), Gauge::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        counter.inc();
                        gauge.inc();
                    }
                });
            }
        });
        assert_eq!(counter.get(), 40_000);
        assert!((gauge.get() - 40_000.0).abs() < f64::EPSILON);
    }
}
