//! From samples of counters to evidence: integer deltas, in windows that follow each other.
//!
//! A delta is what a series has more than at its sample before. Where its process began anew, it is all that
//! the series has. A series that begins while its process is read counted from zero; one of a process that is
//! read for the first time counted before, and only what follows is taken. What may be of this time or of the
//! time before is kept apart. Nothing is extrapolated.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, UNIX_EPOCH},
};

use perf_passport::{
    contract::{Contract, WatchedService},
    production::{
        CounterDoubt, CounterSource, LateStart, ProductionEvidence, WINDOWS_MAX, WatchedRoute,
        watched_routes,
    },
    rules::ProductionRule,
    text::printable,
    timestamp::rfc3339,
    units::{Count, Nanos, Ppm},
};

use super::{
    CounterReading, Measured, ObserveError, SeriesKey,
    histogram::any_is_broken,
    instance::{GAP, Gaps, Increment, Instance, Read},
    labels::SeenLabels,
    routes::Routes,
};

/// More series are not read.
const SERIES_MAX: usize = 200_000;
/// Digests that are listed.
const BUDGETS_MAX: usize = 100;
/// The latest time that is written, in seconds since 1970: of the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

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

/// When processes began, by instance and by the time of the read; `None` where two say otherwise.
type Starts = BTreeMap<String, BTreeMap<i64, Option<i64>>>;

/// What the series of a process had, by the time of the read.
type Reads<'a> = BTreeMap<i64, Vec<(&'a SeriesKey, u64)>>;

/// The counters of a service, while they are read.
#[derive(Debug)]
pub struct Counters {
    time: ObservedTime,
    watched: Vec<WatchedRoute>,
    routes: Routes,
    instances: BTreeMap<String, Instance>,
    /// Those that belong to no read yet.
    starts: Starts,
    live_budgets: BTreeSet<String>,
    /// Requests at work of each instance, at first and at last.
    active: BTreeMap<String, (f64, f64)>,
    labels: SeenLabels,
    has_broken_histogram: bool,
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
            instances: BTreeMap::new(),
            starts: BTreeMap::new(),
            live_budgets: BTreeSet::new(),
            active: BTreeMap::new(),
            labels: SeenLabels::default(),
            has_broken_histogram: false,
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

    /// Takes note of when a process began, in seconds since 1970, as it said at a time; before what its
    /// counters had then is taken. What is no such time is not believed.
    #[expect(clippy::cast_possible_truncation, reason = "of the years 1970 to 9999")]
    pub fn see_start(&mut self, instance: &str, at_ms: i64, seconds: f64) {
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            return;
        }
        let start_ms = (seconds * 1e3).round() as i64;
        let of_instance = self.starts.entry(instance.to_owned()).or_default();
        let known = of_instance.entry(at_ms).or_insert(Some(start_ms));
        // Two processes that one instance tells of at once: whose counters are read is not known.
        *known = known.filter(|it| *it == start_ms);
    }

    /// Takes note of how many requests of an instance are at work, in the order of time.
    pub fn see_active(&mut self, instance: &str, active: f64) {
        if !active.is_finite() {
            return;
        }
        let (_, last) = self.active.entry(instance.to_owned()).or_insert((active, active));
        *last = active;
    }

    /// Requests at work at the end that were not at the beginning.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^53")]
    fn unfinished(&self) -> Option<Count> {
        let more: f64 = self.active.values().map(|(first, last)| (last - first).max(0.0)).sum();
        let more = more.ceil().clamp(0.0, 9_007_199_254_740_992.0) as u64;
        Some(Count::new(more)).filter(|it| *it > Count::ZERO)
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
            self.labels.see(&key);
            if key.measured != Measured::Requests && !self.routes.is_watched(&key.route) {
                continue;
            }
            let of_key = series.entry(key).or_default();
            for sample in &samples {
                let value = of_key.entry(sample.at_ms).or_default();
                *value = sample.value.max(*value);
            }
        }
        let mut instances: BTreeMap<&str, Reads<'_>> = BTreeMap::new();
        for (key, samples) in &series {
            self.routes.see(key, samples.len());
            let of_instance = instances.entry(&key.instance).or_default();
            for (at_ms, value) in samples {
                of_instance.entry(*at_ms).or_default().push((key, *value));
            }
        }
        let starts = self.take_starts(&instances.keys().copied().collect());
        for instance in starts.keys() {
            instances.entry(instance).or_default();
        }
        for (name, reads) in instances {
            self.take_instance(name, reads, starts.get(name));
        }
        let series: usize = self.instances.values().map(Instance::series).sum();
        if series > SERIES_MAX {
            return Err(ObserveError::TooManySeries(SERIES_MAX));
        }
        Ok(())
    }

    /// Those of these instances, and of instances whose counters were read before.
    fn take_starts(&mut self, read: &BTreeSet<&str>) -> Starts {
        let (taken, left) = std::mem::take(&mut self.starts)
            .into_iter()
            .partition(|(name, _)| read.contains(&**name) || self.instances.contains_key(name));
        self.starts = left;
        taken
    }

    /// Takes the reads of one process.
    fn take_instance(
        &mut self,
        name: &str,
        mut reads: Reads<'_>,
        starts: Option<&BTreeMap<i64, Option<i64>>>,
    ) {
        let instance = self.instances.entry(name.to_owned()).or_default();
        let start_of = |at_ms: i64| starts?.get(&at_ms).copied().flatten();
        for at_ms in starts.into_iter().flat_map(BTreeMap::keys) {
            reads.entry(*at_ms).or_default();
        }
        let last_ms = instance.last_seen_ms().unwrap_or(i64::MIN);
        reads.retain(|at_ms, _| *at_ms > last_ms);
        instance.expect(reads.keys().copied());
        for (at_ms, values) in reads {
            self.has_broken_histogram |= any_is_broken(&values);
            let read = Read { at_ms, start_ms: start_of(at_ms), values };
            for increment in instance.read(&read, self.time.from_ms) {
                count(&mut self.routes, self.time, increment);
            }
        }
    }

    /// The evidence of all that was taken.
    ///
    /// # Errors
    ///
    /// [`ObserveError::NoSeries`] where nothing was read of requests or of their durations,
    /// [`ObserveError::NoLabel`] where they have other labels than the contract names, and
    /// [`ObserveError::OtherBudgets`] where the service has budgets, and none are the contract's.
    pub fn evidence(
        &self,
        contract: &Contract,
        origin: Origin,
    ) -> Result<ProductionEvidence, ObserveError> {
        self.refuse_other_budgets(origin.contract_budgets.as_deref())?;
        if let Some(service) = &contract.service {
            self.labels.must_be_those_of(service)?;
            self.refuse_unseen(contract, service)?;
        }
        let instances = || self.instances.values();
        let usual_ms = instances().filter_map(Instance::usual_ms).max().unwrap_or(0);
        let mut routes = self.routes.clone();
        for increment in instances().flat_map(|it| it.settled(self.time.from_ms, usual_ms)) {
            count(&mut routes, self.time, increment);
        }
        let mut doubts: BTreeSet<CounterDoubt> =
            instances().flat_map(|it| it.doubts.iter().copied()).collect();
        if self.has_broken_histogram || routes.is_broken() {
            doubts.insert(CounterDoubt::HistogramBroken);
        }
        let ends = gaps_at_ends(&self.instances, self.time, usual_ms);
        let gaps = instances().map(Instance::gaps).fold(ends, |sum, it| Gaps {
            number: sum.number + it.number,
            missing_ms: sum.missing_ms + it.missing_ms,
            all_ms: sum.all_ms + it.all_ms,
        });
        let missing = u128::from(gaps.missing_ms) * 1_000_000 / u128::from(gaps.all_ms.max(1));
        let first_ms = instances().filter_map(Instance::first_seen_ms).min();
        let from_ms = first_ms.unwrap_or(self.time.from_ms);
        let is_late = from_ms - self.time.from_ms > usual_ms * GAP;
        let late = is_late.then(|| LateStart {
            asked_from: written(self.time.from_ms),
            source_is_younger: false,
        });
        let (other_routes, other_requests) = routes.others();
        Ok(ProductionEvidence {
            rule: ProductionRule::LATEST,
            source: origin.source,
            from: written(from_ms),
            to: written(instances().filter_map(Instance::last_ms).max().unwrap_or(self.time.to_ms)),
            window_ns: self.time.window_ns(),
            windows: Count::new(self.time.windows as u64),
            instances: Count::new(self.instances.len() as u64),
            resets: Count::new(instances().map(|it| it.resets).sum()),
            gaps: Count::new(gaps.number),
            gap_ppm: Ppm::new(u64::try_from(missing).unwrap_or(1_000_000).min(1_000_000)),
            contract_budgets: origin.contract_budgets,
            live_budgets: self.live_budgets.iter().cloned().collect(),
            doubts: doubts.into_iter().collect(),
            unfinished: self.unfinished(),
            late,
            routes: routes.tallies(&self.watched),
            other_routes,
            other_requests,
        })
    }

    /// Of an objective nothing may be missing: the rest would be taken for all of it.
    fn refuse_unseen(
        &self,
        contract: &Contract,
        service: &WatchedService,
    ) -> Result<(), ObserveError> {
        let none = |series: String, hint: String| ObserveError::NoSeries {
            series,
            from: written(self.time.from_ms),
            to: written(self.time.to_ms),
            hint,
        };
        for (has, name) in [
            (self.labels.has_requests(), service.requests.clone()),
            (self.labels.has_buckets(), format!("{}_bucket", service.metric)),
        ] {
            if !has {
                let hint = "does [service] name it as the service does?".to_owned();
                return Err(none(name, hint));
            }
        }
        let routes = contract.objectives.iter().flat_map(|it| &it.routes);
        match routes.into_iter().find(|it| !self.routes.was_seen(it)) {
            Some(route) => {
                let series = format!("{} of {} {}", service.requests, route.method, route.route);
                Err(none(series, format!("the routes that are there are {}", self.labels.routes())))
            }
            None => Ok(()),
        }
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

fn count(routes: &mut Routes, time: ObservedTime, it: Increment<'_>) {
    match (it.more, it.is_sure) {
        (0, _) => {}
        (more, true) => routes.add(it.key, time.window_of(it.at_ms), more),
        (more, false) => routes.add_unsure(it.key, more),
    }
}

/// A time in milliseconds since 1970, as documents have it.
fn written(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    UNIX_EPOCH.checked_add(since).map(rfc3339).unwrap_or_default()
}

/// The time in which no process was read: before the first, after the last, and between two. A process that
/// tells when it began, and has counted nothing yet, is read.
fn gaps_at_ends(instances: &BTreeMap<String, Instance>, time: ObservedTime, usual_ms: i64) -> Gaps {
    let mut read: Vec<(i64, i64)> = instances
        .values()
        .filter_map(|it| Some((it.first_seen_ms()?, it.last_ms()?)))
        .chain([(time.to_ms, time.to_ms)])
        .collect();
    read.sort_unstable();
    let (mut at, mut gaps) = (time.from_ms, Gaps::default());
    for (first, last) in read {
        if first - at > usual_ms * GAP {
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
    use crate::observe::CounterSample;

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
        let read = |starts: &[(i64, f64)]| {
            let mut all = counters();
            for (second, start) in starts {
                all.see_start("i", second * 1000, *start);
            }
            all.take(vec![
                reading(key("i", "/a", "2xx", REQUESTS), &[(0, 1000), (15, 1010), (30, 5)]),
                reading(key("i", "/a", "4xx", REQUESTS), &[(0, 1), (15, 1), (30, 2)]),
                reading(key("i", "/a", "2xx", ALL), &[(0, 1001), (15, 1011), (30, 7)]),
            ])
            .unwrap();
            let evidence = evidence(&all);
            assert_eq!(evidence.resets, Count::new(1));
            let route = &evidence.routes[0];
            let unsure = route.unsure.as_ref().map(|it| (it.requests.get(), it.timed.get()));
            (numbers(&route.requests), numbers(&route.timed), unsure)
        };
        let restarted = read(&[(0, 0.0), (15, 0.0), (30, 20.0)]);
        assert_eq!(restarted, (vec![10, 7, 0, 0], vec![10, 7, 0, 0], None));
        // Where the process does not tell that it began anew, it may be another one.
        let unknown = read(&[]);
        assert_eq!(unknown, (vec![10, 0, 0, 0], vec![10, 0, 0, 0], Some((7, 7))));
        // Two processes that one instance tells of at once.
        assert_eq!(read(&[(0, 0.0), (15, 0.0), (30, 20.0), (30, 0.0)]), unknown);
    }

    #[test]
    fn a_histogram_that_contradicts_itself_is_found() {
        let doubts = |within: &[(i64, u64)], more: Vec<CounterReading>| {
            let mut all = counters();
            let mut readings = more;
            readings.push(reading(key("i", "/a", "2xx", REQUESTS), &[(0, 9), (15, 12)]));
            readings.push(reading(key("i", "/a", "2xx", ALL), &[(0, 9), (15, 12)]));
            readings.push(reading(key("i", "/a", "2xx", within_20()), within));
            all.take(readings).unwrap();
            evidence(&all).doubts
        };
        let broken = [CounterDoubt::HistogramBroken];
        assert_eq!(doubts(&[(0, 9), (15, 12)], vec![]), []);
        assert_eq!(doubts(&[(0, 9), (15, 13)], vec![]), broken);
        // Slow requests that became fewer.
        assert_eq!(doubts(&[(0, 3), (15, 12)], vec![]), broken);
        // An edge that is there from some time on.
        assert_eq!(doubts(&[(15, 12)], vec![]), broken);
        let count =
            |last: u64| vec![reading(key("i", "/a", "2xx", Measured::Count), &[(15, last)])];
        assert_eq!(doubts(&[(0, 9), (15, 12)], count(12)), []);
        assert_eq!(doubts(&[(0, 9), (15, 12)], count(11)), broken);
    }

    fn within_20() -> Measured {
        within(20)
    }

    #[test]
    fn a_label_that_is_missing_is_named_with_those_that_are_there() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let refused = |route: ObservedRoute, label: &str| {
            let mut all = counters();
            let others =
                vec![("pod".to_owned(), "a".to_owned()), (label.to_owned(), "/a".to_owned())];
            let bare = SeriesKey { route, others, ..key("i", "", "2xx", REQUESTS) };
            all.take(vec![reading(bare, &[(0, 9), (15, 12)])]).unwrap();
            let origin = Origin { source: CounterSource::Prometheus, contract_budgets: None };
            all.evidence(&contract, origin).unwrap_err().to_string()
        };
        let of = |method: &str, route: &str| ObservedRoute {
            route: route.to_owned(),
            method: method.to_owned(),
        };
        assert_eq!(
            refused(of("GET", ""), "path"),
            "no series of `http_requests_total` has the label `route`, which `route_label` of [service] \
             names: their labels are `method`, `path`, `pod`"
        );
        let error = refused(of("", "/a"), "verb\u{1b}");
        assert!(error.contains("`method_label`") && error.is_ascii(), "{error}");
    }

    #[test]
    fn counters_that_begin_late_say_since_when() {
        let contract = Contract::parse(CONTRACT).unwrap();
        let time = ObservedTime { from_ms: 0, to_ms: 600_000, windows: 60 };
        let mut all = Counters::new(&contract, time);
        let samples: Vec<(i64, u64)> = (30..=60).map(|it: i64| (it * 10, 7)).collect();
        all.take(vec![
            reading(key("i", "/a", "2xx", REQUESTS), &samples),
            reading(key("i", "/a", "2xx", ALL), &samples),
        ])
        .unwrap();
        let evidence = evidence(&all);
        assert_eq!(evidence.from, "1970-01-01T00:05:00.000Z");
        let late = evidence.late.unwrap();
        assert_eq!(
            (&*late.asked_from, late.source_is_younger),
            ("1970-01-01T00:00:00.000Z", false)
        );
        // What it had then may be of these five minutes.
        assert_eq!(evidence.routes[0].unsure.as_ref().unwrap().requests, Count::new(7));
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

    /// As when a build with an edge at the budget is deployed: what was before it was not all slow.
    #[test]
    fn an_edge_that_was_not_there_all_along_is_not_used() {
        let mut all = counters();
        for second in [0, 15, 30, 45] {
            all.see_start("i", second * 1000, if second < 30 { 0.0 } else { 20.0 });
        }
        let values = [(0, 500), (15, 509), (30, 4), (45, 8)];
        all.take(vec![
            reading(key("i", "/a", "2xx", REQUESTS), &values),
            reading(key("i", "/a", "2xx", ALL), &values),
            reading(key("i", "/a", "2xx", within(20)), &values[2..]),
            reading(key("i", "/a", "2xx", within(50)), &values),
        ])
        .unwrap();
        let evidence = evidence(&all);
        let edge = &evidence.routes[0].slow[1];
        assert_eq!((edge.edge_below_ns, edge.edge_above_ns), (None, Some(Nanos::new(50_000_000))));
        assert_eq!(
            (numbers(&edge.at_most), numbers(&edge.at_least)),
            (vec![9, 4, 4, 0], vec![0; 4])
        );
        assert_eq!(evidence.doubts, []);
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
