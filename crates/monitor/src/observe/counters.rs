//! From samples of counters to evidence: integer deltas, in windows that follow each other.
//!
//! A delta is what a series has more than at its sample before. Where it began anew, it is all that the
//! series has. A series that begins while its process is read counted from zero; one of a process that is
//! read for the first time counted before, and only what follows is taken. Nothing is extrapolated.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, UNIX_EPOCH},
};

use perf_passport::{
    contract::Contract,
    production::{CounterSource, ProductionEvidence, WINDOWS_MAX, WatchedRoute, watched_routes},
    rules::ProductionRule,
    text::printable,
    timestamp::rfc3339,
    units::{Count, Nanos, Ppm},
};

use super::{
    CounterReading, CounterSample, Measured, ObserveError, SeriesKey,
    instance::{GAP, Gaps, Instance, restarts},
    routes::Routes,
};

/// More series are not read.
const SERIES_MAX: usize = 200_000;
/// Digests that are listed.
const BUDGETS_MAX: usize = 100;

/// The time that is observed, divided into windows of equal length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedTime {
    /// When it begins, in milliseconds since 1970.
    pub from_ms: i64,
    /// When it ends.
    pub to_ms: i64,
    /// Its windows; 1 to 60.
    pub windows: usize,
}

/// Whose evidence it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who read the counters.
    pub source: CounterSource,
    /// The digest of the contract's budgets, as a running service names it.
    pub contract_budgets: Option<String>,
}

/// The counters of a service, while they are read.
#[derive(Debug)]
pub struct Counters {
    time: ObservedTime,
    watched: Vec<WatchedRoute>,
    routes: Routes,
    series: BTreeMap<SeriesKey, CounterSample>,
    instances: BTreeMap<String, Instance>,
    live_budgets: BTreeSet<String>,
    has_requests: bool,
    has_histogram: bool,
}

impl ObservedTime {
    /// The window that a moment is the end of a part of.
    fn window_of(&self, at_ms: i64) -> usize {
        let length = (self.to_ms - self.from_ms).max(1);
        let into = (at_ms - self.from_ms - 1).clamp(0, length - 1);
        let place = i128::from(into) * self.windows as i128 / i128::from(length);
        usize::try_from(place).unwrap_or(0).min(self.windows.saturating_sub(1))
    }

    fn window_ns(&self) -> Nanos {
        let length = (self.to_ms - self.from_ms).unsigned_abs();
        Nanos::new(length.saturating_mul(1_000_000) / (self.windows.max(1) as u64))
    }
}

impl Counters {
    /// Nothing was read yet.
    pub fn new(contract: &Contract, time: ObservedTime) -> Self {
        let time = ObservedTime { windows: time.windows.clamp(1, WINDOWS_MAX), ..time };
        let watched = watched_routes(contract);
        Self {
            routes: Routes::of(&watched, time.windows),
            time,
            watched,
            series: BTreeMap::new(),
            instances: BTreeMap::new(),
            live_budgets: BTreeSet::new(),
            has_requests: false,
            has_histogram: false,
        }
    }

    /// The routes under contract.
    pub fn watched(&self) -> &[WatchedRoute] {
        &self.watched
    }

    /// Takes note of a digest that the service named.
    pub fn see_budgets(&mut self, digest: &str) {
        if self.live_budgets.len() < BUDGETS_MAX {
            self.live_budgets.insert(printable(digest.as_bytes(), BUDGETS_MAX));
        }
    }

    /// Takes what was read of all series at the same times. What is older than what it has is known already.
    ///
    /// # Errors
    ///
    /// [`ObserveError::TooManySeries`].
    pub fn take(&mut self, readings: Vec<CounterReading>) -> Result<(), ObserveError> {
        // Two series are one where they differ in how an edge is written.
        let mut series: BTreeMap<SeriesKey, BTreeMap<i64, u64>> = BTreeMap::new();
        for CounterReading { key, samples } in readings {
            let known = self.series.get(&key).map(|it| it.at_ms);
            let of_key = series.entry(key).or_default();
            for sample in samples.iter().filter(|it| known.is_none_or(|known| it.at_ms > known)) {
                let value = of_key.entry(sample.at_ms).or_default();
                *value = sample.value.max(*value);
            }
        }
        let mut by_instance: BTreeMap<String, Vec<(SeriesKey, Vec<CounterSample>)>> =
            BTreeMap::new();
        for (key, samples) in series {
            self.has_requests |= key.measured == Measured::Requests;
            self.has_histogram |= key.measured == Measured::Within(None);
            let before = self.series.get(&key).copied();
            let new = samples.into_iter().map(|(at_ms, value)| CounterSample { at_ms, value });
            let samples = before.into_iter().chain(new).collect();
            by_instance.entry(key.instance.clone()).or_default().push((key, samples));
        }
        for (name, series) in by_instance {
            self.take_instance(name, series);
        }
        if self.series.len() > SERIES_MAX {
            return Err(ObserveError::TooManySeries(SERIES_MAX));
        }
        Ok(())
    }

    /// Takes the samples of one process; those that are known come before the new ones.
    fn take_instance(&mut self, name: String, series: Vec<(SeriesKey, Vec<CounterSample>)>) {
        let instance = self.instances.entry(name).or_default();
        let times: BTreeSet<i64> = series.iter().flat_map(|it| &it.1).map(|it| it.at_ms).collect();
        instance.read_at(times);
        let first_ms = instance.first_ms().unwrap_or(i64::MAX);
        let (keys, samples): (Vec<SeriesKey>, Vec<Vec<CounterSample>>) = series.into_iter().unzip();
        let restarts = restarts(&samples);
        instance.resets += restarts.len() as u64;
        for (key, samples) in keys.into_iter().zip(samples) {
            self.routes.see(&key);
            let is_known = self.series.contains_key(&key);
            // It began after its process was read, so that it counted from zero.
            if let Some(begun) = samples.first().filter(|it| !is_known && it.at_ms > first_ms) {
                self.routes.add(&key, self.time.window_of(begun.at_ms), begun.value);
            }
            for pair in samples.windows(2) {
                let (from, to) = (pair[0], pair[1]);
                let anew = to.value < from.value
                    || restarts.iter().any(|it| it.is_of_all && it.is_between(from, to));
                let more = if anew { to.value } else { to.value - from.value };
                if more > 0 {
                    self.routes.add(&key, self.time.window_of(to.at_ms), more);
                }
            }
            if let Some(last) = samples.last()
                && (key.measured == Measured::Requests || self.routes.is_watched(&key.route))
            {
                self.series.insert(key, *last);
            }
        }
    }

    /// The evidence of all that was taken.
    ///
    /// # Errors
    ///
    /// [`ObserveError::NoSeries`] where nothing was read of requests or of their durations, and
    /// [`ObserveError::OtherBudgets`] where the service has budgets, and none are the contract's.
    pub fn evidence(
        &self,
        contract: &Contract,
        origin: Origin,
    ) -> Result<ProductionEvidence, ObserveError> {
        self.refuse_other_budgets(origin.contract_budgets.as_deref())?;
        let time = |ms: i64| {
            let since = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            UNIX_EPOCH.checked_add(since).map(rfc3339).unwrap_or_default()
        };
        let service = contract.service.as_ref();
        for (has, name) in [
            (self.has_requests, service.map(|it| it.requests.clone())),
            (self.has_histogram, service.map(|it| format!("{}_bucket", it.metric))),
        ] {
            if !has {
                let (from, to) = (time(self.time.from_ms), time(self.time.to_ms));
                return Err(ObserveError::NoSeries { series: name.unwrap_or_default(), from, to });
            }
        }
        // Of an objective nothing may be missing: the rest would be taken for all of it.
        let routes = contract.objectives.iter().flat_map(|it| &it.routes);
        if let Some(route) = routes.into_iter().find(|it| !self.routes.was_seen(it)) {
            let metric = service.map(|it| it.requests.clone()).unwrap_or_default();
            return Err(ObserveError::NoSeries {
                series: format!("{metric} of {} {}", route.method, route.route),
                from: time(self.time.from_ms),
                to: time(self.time.to_ms),
            });
        }
        let instances = || self.instances.values();
        let ends = gaps_at_ends(&self.instances, self.time.from_ms, self.time.to_ms);
        let gaps = instances().map(Instance::gaps).fold(ends, |sum, it| Gaps {
            number: sum.number + it.number,
            missing_ms: sum.missing_ms + it.missing_ms,
            all_ms: sum.all_ms + it.all_ms,
        });
        let missing = u128::from(gaps.missing_ms) * 1_000_000 / u128::from(gaps.all_ms.max(1));
        let (other_routes, other_requests) = self.routes.others();
        Ok(ProductionEvidence {
            rule: ProductionRule::LATEST,
            source: origin.source,
            from: time(
                instances().filter_map(Instance::first_ms).min().unwrap_or(self.time.from_ms),
            ),
            to: time(instances().filter_map(Instance::last_ms).max().unwrap_or(self.time.to_ms)),
            window_ns: self.time.window_ns(),
            windows: Count::new(self.time.windows as u64),
            instances: Count::new(self.instances.len() as u64),
            resets: Count::new(instances().map(|it| it.resets).sum()),
            gaps: Count::new(gaps.number),
            gap_ppm: Ppm::new(u64::try_from(missing).unwrap_or(1_000_000).min(1_000_000)),
            contract_budgets: origin.contract_budgets,
            live_budgets: self.live_budgets.iter().cloned().collect(),
            routes: self.routes.tallies(&self.watched),
            other_routes,
            other_requests,
        })
    }

    /// Budgets that are live, and among which the contract's are not, are those of another contract.
    fn refuse_other_budgets(&self, contract: Option<&str>) -> Result<(), ObserveError> {
        let Some(live) = self.live_budgets.first() else { return Ok(()) };
        if contract.is_some_and(|it| self.live_budgets.contains(it)) {
            return Ok(());
        }
        let contract = contract.unwrap_or("not known").to_owned();
        Err(ObserveError::OtherBudgets { live: live.clone(), contract })
    }
}

/// The time in which no process was read: before the first, after the last, and between two.
fn gaps_at_ends(instances: &BTreeMap<String, Instance>, from_ms: i64, to_ms: i64) -> Gaps {
    let mut read: Vec<(i64, i64)> = instances
        .values()
        .filter_map(|it| Some((it.first_ms()?, it.last_ms()?)))
        .chain([(to_ms, to_ms)])
        .collect();
    read.sort_unstable();
    let usual = instances.values().filter_map(Instance::usual_ms).max().unwrap_or(0);
    let (mut at, mut gaps) = (from_ms, Gaps::default());
    for (first, last) in read {
        if first - at > usual * GAP {
            gaps.number += 1;
            gaps.missing_ms += (first - at).unsigned_abs();
            gaps.all_ms += (first - at).unsigned_abs();
        }
        at = at.max(last);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use perf_passport::contract::ObservedRoute;

    use super::*;

    const CONTRACT: &str = "schema_version = 1\nname = \"shop\"\n[service]\n\
        [[endpoint]]\nname = \"a\"\npath = \"/a\"\n\
        [slo.api]\nendpoints = [\"a\"]\nobjective = 99\nlatency_ms = 20\n";

    fn key(instance: &str, route: &str, status: &str, measured: Measured) -> SeriesKey {
        SeriesKey {
            instance: instance.to_owned(),
            measured,
            route: ObservedRoute { route: route.to_owned(), method: "GET".to_owned() },
            status: status.to_owned(),
            others: Vec::new(),
        }
    }

    fn reading(key: SeriesKey, samples: &[(i64, u64)]) -> CounterReading {
        let sample =
            |(second, value): &(i64, u64)| CounterSample { at_ms: second * 1000, value: *value };
        CounterReading { key, samples: samples.iter().map(sample).collect() }
    }

    fn counters() -> Counters {
        let contract = Contract::parse(CONTRACT).unwrap();
        Counters::new(&contract, ObservedTime { from_ms: 0, to_ms: 60_000, windows: 4 })
    }

    fn evidence(counters: &Counters) -> ProductionEvidence {
        let contract = Contract::parse(CONTRACT).unwrap();
        let origin = Origin { source: CounterSource::Prometheus, contract_budgets: None };
        let evidence = counters.evidence(&contract, origin).unwrap();
        evidence.validate(&contract).unwrap();
        evidence
    }

    fn numbers(counts: &[Count]) -> Vec<u64> {
        counts.iter().map(|it| it.get()).collect()
    }

    const REQUESTS: Measured = Measured::Requests;
    const ALL: Measured = Measured::Within(None);

    const fn within(ms: u64) -> Measured {
        Measured::Within(Some(Nanos::new(ms * 1_000_000)))
    }

    #[test]
    fn deltas_are_whole_and_in_the_window_in_which_they_end() {
        let mut all = counters();
        let ok = key("i", "/a", "2xx", REQUESTS);
        all.take(vec![
            reading(ok.clone(), &[(0, 100), (15, 110), (30, 110), (45, 117), (60, 120)]),
            reading(key("i", "/a", "5xx", REQUESTS), &[(0, 2), (15, 2), (30, 3), (45, 3), (60, 3)]),
            reading(
                key("i", "/a", "2xx", ALL),
                &[(0, 100), (15, 110), (30, 110), (45, 117), (60, 120)],
            ),
            reading(
                key("i", "/a", "2xx", within(20)),
                &[(0, 90), (15, 99), (30, 99), (45, 105), (60, 108)],
            ),
        ])
        .unwrap();
        // What is told again is known already.
        all.take(vec![reading(ok, &[(45, 117), (60, 120)])]).unwrap();
        let evidence = evidence(&all);
        let route = &evidence.routes[0];
        assert_eq!(numbers(&route.requests), [10, 1, 7, 3]);
        assert_eq!(numbers(&route.errors), [0, 1, 0, 0]);
        assert_eq!(numbers(&route.timed), [10, 0, 7, 3]);
        // 10 ms is the budget of the check, 20 ms that of the objective.
        let [ten, twenty] = &route.slow[..] else { panic!("{:?}", route.slow) };
        assert_eq!(numbers(&twenty.at_most), [1, 0, 1, 0]);
        assert!(twenty.is_exact());
        assert_eq!((ten.edge_below_ns, ten.edge_above_ns), (None, Some(Nanos::new(20_000_000))));
        assert_eq!(
            (numbers(&ten.at_most), numbers(&ten.at_least)),
            (vec![10, 0, 7, 3], vec![1, 0, 1, 0])
        );
        assert_eq!((evidence.resets, evidence.gaps), (Count::ZERO, Count::ZERO));
    }

    #[test]
    fn a_restart_counts_from_zero_also_where_a_series_has_more_than_before() {
        let mut all = counters();
        all.take(vec![
            reading(key("i", "/a", "2xx", REQUESTS), &[(0, 1000), (15, 1010), (30, 5)]),
            reading(key("i", "/a", "4xx", REQUESTS), &[(0, 1), (15, 1), (30, 2)]),
            reading(key("i", "/a", "2xx", ALL), &[(0, 1001), (15, 1011), (30, 7)]),
        ])
        .unwrap();
        let evidence = evidence(&all);
        assert_eq!(numbers(&evidence.routes[0].requests), [10, 7, 0, 0]);
        assert_eq!(evidence.resets, Count::new(1));
    }

    #[test]
    fn a_series_that_begins_counted_from_zero_and_a_process_that_is_new_did_not() {
        let mut all = counters();
        all.take(vec![
            reading(key("i", "/a", "2xx", REQUESTS), &[(0, 5), (15, 6), (30, 6)]),
            reading(key("i", "/a", "5xx", REQUESTS), &[(30, 3)]),
            reading(key("j", "/a", "2xx", REQUESTS), &[(30, 5000), (45, 5002)]),
            reading(key("i", "/a", "2xx", ALL), &[(0, 5), (15, 6), (30, 6)]),
        ])
        .unwrap();
        // Also where it begins in another piece of time.
        all.take(vec![reading(key("i", "/a", "aborted", REQUESTS), &[(60, 2)])]).unwrap();
        let evidence = evidence(&all);
        assert_eq!(numbers(&evidence.routes[0].requests), [1, 3, 2, 2]);
        assert_eq!(numbers(&evidence.routes[0].errors), [0, 3, 0, 2]);
        assert_eq!(evidence.instances, Count::new(2));
    }

    #[test]
    fn an_edge_that_some_histograms_lack_is_not_used() {
        let mut all = counters();
        let times = |value: u64| [(0, 0), (15, value)];
        all.take(vec![
            reading(key("i", "/a", "2xx", REQUESTS), &times(9)),
            reading(key("i", "/a", "2xx", ALL), &times(9)),
            reading(key("i", "/a", "2xx", within(10)), &times(8)),
            reading(key("i", "/a", "2xx", within(50)), &times(9)),
            reading(key("j", "/a", "2xx", ALL), &times(4)),
            reading(key("j", "/a", "2xx", within(50)), &times(3)),
        ])
        .unwrap();
        let edge = &evidence(&all).routes[0].slow[0];
        assert_eq!((edge.edge_below_ns, edge.edge_above_ns), (None, Some(Nanos::new(50_000_000))));
        assert_eq!((numbers(&edge.at_most)[0], numbers(&edge.at_least)[0]), (13, 1));
    }

    #[test]
    fn routes_without_a_contract_are_in_the_mix_whatever_they_are_called() {
        let mut all = counters();
        let hostile = "/\u{1b}[31m\n<script>";
        all.take(vec![
            reading(key("i", "/a", "2xx", REQUESTS), &[(0, 0), (15, 9)]),
            reading(key("i", "/a", "2xx", ALL), &[(0, 0), (15, 9)]),
            reading(key("i", hostile, "2xx", REQUESTS), &[(0, 0), (15, 3)]),
            reading(key("i", "/b", "2xx", REQUESTS), &[(0, 0), (15, 4)]),
        ])
        .unwrap();
        let evidence = evidence(&all);
        let others: Vec<_> =
            evidence.other_routes.iter().map(|it| (it.route.as_str(), it.requests.get())).collect();
        assert_eq!(others[0], ("/b", 4));
        assert!(others[1].0.is_ascii() && !others[1].0.contains('\u{1b}'), "{others:?}");
    }

    #[test]
    fn nothing_read_and_budgets_of_another_contract_are_errors() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let origin = |digest: Option<&str>| Origin {
            source: CounterSource::Scrapes,
            contract_budgets: digest.map(str::to_owned),
        };
        let error = counters().evidence(&contract, origin(None)).unwrap_err();
        assert!(error.to_string().contains("no series `http_requests_total`"), "{error}");
        assert!(!error.is_of_contract());
        let mut all = counters();
        all.see_budgets("b");
        let error = all.evidence(&contract, origin(Some("c"))).unwrap_err();
        assert!(error.is_of_contract() && error.to_string().contains("budgets b"), "{error}");
        all.see_budgets("c");
        assert!(all.refuse_other_budgets(Some("c")).is_ok());
    }
}
