//! [`Family`]: the metrics of one name, one for each set of label values.

use std::{
    any::Any,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    counter::{Counter, Gauge},
    exposition::Exposition,
    histogram::BucketHistogram,
    names::{self, Kind, OTHER, kept},
};

/// The metrics of one name, one for each set of label values. Clones are the same family.
///
/// A family holds a bounded number of label sets. Beyond it one more metric stands for all others; each
/// of its labels is `<other>`. So no caller can make a service's memory grow by new label values.
pub struct Family<M, const N: usize>(Arc<FamilyState<M, N>>);

impl<M: Metric, const N: usize> Family<M, N> {
    pub(super) fn from_state(state: Arc<FamilyState<M, N>>) -> Self {
        Self(state)
    }

    /// The metric with these label values, in the order of the labels; made if it is not there.
    ///
    /// Of a value at most 256 bytes are kept. Nothing is allocated where the metric is there. Who needs
    /// one often keeps what this returns.
    pub fn with(&self, values: [&str; N]) -> M {
        let values = values.map(kept);
        let hash = hash(&values);
        let read = self.0.entries.read().unwrap_or_else(PoisonError::into_inner);
        if let Ok(index) = place(&read, hash, &values) {
            return read[index].metric.clone();
        }
        let full = read.len() >= self.0.series_max;
        drop(read);
        if full && values.iter().any(|value| *value != OTHER) {
            return self.with([OTHER; N]);
        }
        let mut entries = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
        match place(&entries, hash, &values) {
            Ok(index) => entries[index].metric.clone(),
            Err(index) => {
                let metric = (self.0.make)();
                let entry = Entry { hash, values: values.map(Into::into), metric: metric.clone() };
                entries.insert(index, entry);
                metric
            }
        }
    }

    /// Takes the metric with these label values out of what is shown. Whoever holds it changes nothing
    /// any more. Returns whether it was there.
    pub fn remove(&self, values: [&str; N]) -> bool {
        let values = values.map(kept);
        let mut entries = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
        let found = place(&entries, hash(&values), &values);
        found.map(|index| entries.remove(index)).is_ok()
    }

    /// A metric as this family makes them, which belongs to nothing.
    pub(super) fn makes(&self) -> M {
        (self.0.make)()
    }

    /// Takes all metrics out of what is shown: before an information gets its new labels.
    pub fn clear(&self) {
        self.0.entries.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl<M, const N: usize> Clone for Family<M, N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M, const N: usize> fmt::Debug for Family<M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// What a [`Family`] shares with its registry.
pub(super) struct FamilyState<M, const N: usize> {
    pub(super) name: Box<str>,
    pub(super) help: Box<str>,
    pub(super) labels: [Box<str>; N],
    pub(super) make: Box<dyn Fn() -> M + Send + Sync>,
    pub(super) series_max: usize,
    /// By hash.
    pub(super) entries: RwLock<Vec<Entry<M, N>>>,
}

pub(super) struct Entry<M, const N: usize> {
    hash: u64,
    values: [Box<str>; N],
    metric: M,
}

fn hash<const N: usize>(values: &[&str; N]) -> u64 {
    values.iter().fold(0, |hash, value| names::quick_hash(value.as_bytes(), hash))
}

/// Where the entry is, or where it belongs.
fn place<M, const N: usize>(
    entries: &[Entry<M, N>],
    hash: u64,
    values: &[&str; N],
) -> Result<usize, usize> {
    let first = entries.partition_point(|entry| entry.hash < hash);
    let of_hash = entries[first..].iter().take_while(|entry| entry.hash == hash);
    for (index, entry) in of_hash.enumerate() {
        if entry.values.iter().zip(values).all(|(own, value)| **own == **value) {
            return Ok(first + index);
        }
    }
    Err(first)
}

/// A family of any kind, as its registry keeps it.
pub(super) trait Exposed: Send + Sync {
    fn expose(&self, exposition: &mut Exposition);
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<M: Metric, const N: usize> Exposed for FamilyState<M, N> {
    fn expose(&self, exposition: &mut Exposition) {
        exposition.family(&self.name, M::KIND, &self.help);
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        for entry in &*entries {
            let names = self.labels.iter().map(|label| &**label);
            let labels: Vec<(&str, &str)> =
                names.zip(entry.values.iter().map(|it| &**it)).collect();
            entry.metric.expose(exposition, &self.name, &labels);
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// What a [`Family`] can hold: [`Counter`], [`Gauge`] and [`BucketHistogram`].
pub trait Metric: sealed::Shown + Clone + Send + Sync + 'static {}

impl Metric for Counter {}
impl Metric for Gauge {}
impl Metric for BucketHistogram {}

pub(super) mod sealed {
    use super::{BucketHistogram, Counter, Exposition, Gauge, Kind};

    /// How a metric is shown.
    pub trait Shown {
        #[doc(hidden)]
        #[expect(private_interfaces, reason = "sealed")]
        const KIND: Kind;
        #[doc(hidden)]
        fn expose(&self, exposition: &mut Exposition, name: &str, labels: &[(&str, &str)]);
    }

    impl Shown for Counter {
        #[expect(private_interfaces, reason = "sealed")]
        const KIND: Kind = Kind::Counter;
        fn expose(&self, exposition: &mut Exposition, name: &str, labels: &[(&str, &str)]) {
            exposition.sample(name, labels, self.get().to_string());
        }
    }

    impl Shown for Gauge {
        #[expect(private_interfaces, reason = "sealed")]
        const KIND: Kind = Kind::Gauge;
        fn expose(&self, exposition: &mut Exposition, name: &str, labels: &[(&str, &str)]) {
            exposition.sample(name, labels, super::super::exposition::number(self.get()));
        }
    }

    impl Shown for BucketHistogram {
        #[expect(private_interfaces, reason = "sealed")]
        const KIND: Kind = Kind::Histogram;
        fn expose(&self, exposition: &mut Exposition, name: &str, labels: &[(&str, &str)]) {
            exposition.distribution(name, labels, self.edges(), &self.snapshot());
        }
    }
}
