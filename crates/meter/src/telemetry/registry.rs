//! [`Registry`]: the metrics of a service, and the text of a scrape.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    counter::{Counter, Gauge},
    edges::BucketEdges,
    exposition::{Exposition, ExpositionFormat},
    family::{Exposed, Family, FamilyState, Metric},
    histogram::BucketHistogram,
    names::{self, MetricError},
};
use crate::clock::{Clock, SystemClock};

/// Label sets that a family holds at most.
pub const SERIES_MAX: usize = 2_000;

/// The metrics of a service. Clones are the same registry.
///
/// ```
/// use perf_passport_meter::telemetry::{ExpositionFormat, Registry};
///
/// let registry = Registry::new();
/// let jobs = registry.counters("jobs_total", "Jobs by outcome.", ["outcome"])?;
/// jobs.with(["done"]).inc();
/// let text = registry.text(ExpositionFormat::Text);
/// assert!(text.ends_with("jobs_total{outcome=\"done\"} 1\n"));
/// # Ok::<(), perf_passport_meter::telemetry::MetricError>(())
/// ```
#[derive(Clone)]
pub struct Registry(Arc<RegistryState>);

struct RegistryState {
    clock: Arc<dyn Clock + Send + Sync>,
    families: RwLock<BTreeMap<String, Arc<dyn Exposed>>>,
    collectors: RwLock<Vec<Arc<Collect>>>,
}

type Collect = dyn Fn(&mut Exposition) + Send + Sync;

impl Registry {
    /// An empty registry, whose times are the system's.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::start()))
    }

    /// An empty registry whose times come from `clock`.
    pub fn with_clock(clock: Arc<dyn Clock + Send + Sync>) -> Self {
        let (families, collectors) = (RwLock::default(), RwLock::default());
        Self(Arc::new(RegistryState { clock, families, collectors }))
    }

    /// Counters by `labels`. Their name ends in `_total`.
    ///
    /// # Errors
    ///
    /// [`MetricError`] where a name is none, or stands for something else already. The same family is
    /// returned to who asks for it again.
    pub fn counters<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<Family<Counter, N>, MetricError> {
        self.family(name, help, labels, Box::new(Counter::default))
    }

    /// Gauges by `labels`.
    ///
    /// # Errors
    ///
    /// As of [`Registry::counters`].
    pub fn gauges<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<Family<Gauge, N>, MetricError> {
        self.family(name, help, labels, Box::new(Gauge::default))
    }

    /// Histograms by `labels`, all with the same edges.
    ///
    /// # Errors
    ///
    /// As of [`Registry::counters`]. Who asks for a family again must name the same edges.
    pub fn histograms<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        edges: &BucketEdges,
    ) -> Result<Family<BucketHistogram, N>, MetricError> {
        let own = edges.clone();
        let make = Box::new(move || BucketHistogram::new(own.clone()));
        let family = self.family(name, help, labels, make)?;
        if family.makes().edges() != edges {
            return Err(MetricError::Taken { name: name.to_owned() });
        }
        Ok(family)
    }

    /// Calls `collect` at each scrape, to add figures that are only read then.
    pub fn on_scrape(&self, collect: impl Fn(&mut Exposition) + Send + Sync + 'static) {
        let mut collectors = self.0.collectors.write().unwrap_or_else(PoisonError::into_inner);
        collectors.push(Arc::new(collect));
    }

    /// All metrics as text, in the order of their names.
    pub fn text(&self, format: ExpositionFormat) -> String {
        // Collectors may register, so nothing is locked while one runs.
        let collectors = self.0.collectors.read().unwrap_or_else(PoisonError::into_inner).clone();
        let families = self.0.families.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut exposition = Exposition::new(format);
        for family in families.values() {
            family.expose(&mut exposition);
        }
        for collect in collectors {
            collect(&mut exposition);
        }
        exposition.finish()
    }

    /// Where the times of this registry come from.
    pub fn clock(&self) -> Arc<dyn Clock + Send + Sync> {
        Arc::clone(&self.0.clock)
    }

    fn family<M: Metric, const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        make: Box<dyn Fn() -> M + Send + Sync>,
    ) -> Result<Family<M, N>, MetricError> {
        names::check_metric(name, M::KIND)?;
        names::check_labels(&labels, M::KIND)?;
        let mut families = self.0.families.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = families.get(name) {
            let there = Arc::clone(there).into_any().downcast::<FamilyState<M, N>>().ok();
            let same = there.filter(|it| it.labels.iter().zip(&labels).all(|(a, b)| **a == **b));
            return same
                .map(Family::from_state)
                .ok_or_else(|| MetricError::Taken { name: name.to_owned() });
        }
        let state = Arc::new(FamilyState {
            name: name.into(),
            help: help.into(),
            labels: labels.map(Into::into),
            make,
            series_max: SERIES_MAX,
            entries: RwLock::default(),
        });
        families.insert(name.to_owned(), Arc::<FamilyState<M, N>>::clone(&state));
        Ok(Family::from_state(state))
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = self.0.families.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Registry").field("families", &families.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_again_gets_the_same_family() {
        let registry = Registry::new();
        let of = |labels| registry.counters("a_total", "All.", labels);
        of(["x"]).unwrap().with(["1"]).inc();
        of(["x"]).unwrap().with(["1"]).inc();
        assert_eq!(of(["x"]).unwrap().with(["1"]).get(), 2);
        let taken = Some(MetricError::Taken { name: "a_total".to_owned() });
        assert_eq!(of(["y"]).err(), taken);
        assert_eq!(registry.counters("a_total", "All.", []).err(), taken);
        assert!(registry.gauges("a_total", "All.", ["x"]).is_err());
        let edges = |sizes: [u64; 1]| BucketEdges::sizes(sizes);
        assert!(registry.histograms("h", "H.", [], &edges([1])).is_ok());
        assert!(registry.histograms("h", "H.", [], &edges([1])).is_ok());
        assert!(registry.histograms("h", "H.", [], &edges([2])).is_err());
    }

    #[test]
    fn label_sets_beyond_the_most_are_one() {
        let registry = Registry::new();
        let family = registry.counters("a_total", "All.", ["x"]).unwrap();
        for number in 0..SERIES_MAX + 500 {
            family.with([&number.to_string()]).inc();
        }
        let text = registry.text(ExpositionFormat::Text);
        assert_eq!(text.lines().count(), 2 + SERIES_MAX + 1);
        assert!(text.contains("a_total{x=\"<other>\"} 500\n"), "{text}");
        assert!(family.remove(["7"]) && !family.remove(["7"]));
        family.clear();
        assert_eq!(registry.text(ExpositionFormat::Text), "");
    }

    #[test]
    fn a_collector_may_use_its_registry() {
        let registry = Registry::new();
        let own = registry.clone();
        registry.on_scrape(move |exposition| {
            own.gauges("g", "G.", []).unwrap().with([]).set(1.0);
            exposition.gauge("now", "Now.", &[], 2.0);
        });
        let first = registry.text(ExpositionFormat::Text);
        assert_eq!(first, "# HELP now Now.\n# TYPE now gauge\nnow 2\n");
        assert!(registry.text(ExpositionFormat::Text).contains("\ng 1\n"));
    }
}
