//! Asking a Prometheus for the raw samples of counters.
//!
//! A range selector at an instant (`metric[900000ms]`) answers with what was scraped: no step, no rate and no
//! extrapolation. The time is asked for in pieces, so that no answer is large. The newest moment is that of
//! Prometheus' own clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use perf_passport::{
    contract::{Contract, WatchedService},
    probe::ProbeError,
    production::{CounterSource, ProductionEvidence, WINDOWS_MAX},
    text::percent_encoded,
    units::{BYTES_PER_MB, Bytes, Nanos},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Access, CounterReading, CounterSample, Counters, ObserveError, ObservedTime, Origin, SeriesKey,
    client::{Client, Peer},
    error::said,
    reading::{Measured, Metric, count},
};
use crate::promql::{Names, any_of};

const PROMETHEUS: &str = "Prometheus";
const PEER: Peer = Peer {
    name: PROMETHEUS,
    expects: "an answer of its API",
    path_hint: "give its base URL, without what a browser shows after it, such as /graph",
    is_base: true,
};
/// When a process began, as Prometheus asks of every library ("Writing client libraries").
pub(super) const PROCESS_START: &str = "process_start_time_seconds";
/// What Prometheus itself has of each target.
const ANY_TARGET: &str = "count(up)";
const TIMEOUT: Nanos = Nanos::new(60_000_000_000);
/// The largest answer that is read.
const ANSWER_MAX: Bytes = Bytes::new(32 * BYTES_PER_MB);
/// The longest piece of time that is asked for at once, and the shortest.
const PIECE_MAX_MS: i64 = 900_000;
const PIECE_MIN_MS: i64 = 15_000;
/// Edges of buckets that are asked for.
const EDGES_MAX: usize = 200;

/// A Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    client: Client,
    service: WatchedService,
}

#[derive(Deserialize)]
struct ApiAnswer {
    status: String,
    #[serde(default)]
    data: Option<ApiData>,
    #[serde(default)]
    error: Option<String>,
    /// What was not read, for one.
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct ApiData {
    #[serde(rename = "resultType")]
    kind: String,
    result: Vec<ApiSeries>,
}

#[derive(Deserialize)]
struct ApiSeries {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    value: Option<(f64, String)>,
}

impl Prometheus {
    /// One that is asked for the service of this contract; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ObserveError::Contract`] without a `[service]`, and what is wrong with the address.
    pub fn new(access: &Access, contract: &Contract) -> Result<Self, ObserveError> {
        let service = service_of(contract)?.clone();
        let client = Client::new(access, PEER, TIMEOUT, ANSWER_MAX)?;
        Ok(Self { client, service })
    }

    /// What the counters of the service say of the time before `until_ms`, or before now.
    ///
    /// # Errors
    ///
    /// [`ObserveError`] where Prometheus does not answer, answers something else, or has no such series.
    pub fn observe(
        &mut self,
        contract: &Contract,
        until_ms: Option<i64>,
        length: Nanos,
        contract_budgets: Option<String>,
    ) -> Result<ProductionEvidence, ObserveError> {
        let to_ms = match until_ms {
            Some(it) => it,
            None => self.now()?,
        };
        let length_ms = i64::try_from(length.get() / 1_000_000).unwrap_or(i64::MAX).max(1);
        let time =
            ObservedTime { from_ms: to_ms.saturating_sub(length_ms), to_ms, windows: WINDOWS_MAX };
        let mut counters = Counters::new(contract, time);
        for series in self.live_budgets(time)? {
            if let Some(digest) = series.metric.get("budgets") {
                counters.see_budgets(digest);
            }
        }
        let edges = self.edges(&counters, time)?;
        let (mut from, mut piece) = (time.from_ms, PIECE_MAX_MS);
        while from < to_ms {
            let to = to_ms.min(from.saturating_add(piece));
            match self.piece((from, to), &edges, &mut counters) {
                Ok(readings) => {
                    counters.take(readings)?;
                    from = to;
                }
                // A shorter piece has fewer samples.
                Err(error) if is_too_much(&error) && piece > PIECE_MIN_MS => piece /= 2,
                Err(error) => return Err(error),
            }
        }
        self.active(time, &mut counters)?;
        let origin = Origin { source: CounterSource::Prometheus, contract_budgets };
        let mut evidence = match counters.evidence(contract, origin) {
            Ok(evidence) => evidence,
            Err(ObserveError::NoSeries { series, from, to, hint }) => {
                let is_empty = !self.has_any(time.from_ms)? && !self.has_any(time.to_ms)?;
                let nothing = || "Prometheus has nothing at all of that time".to_owned();
                let hint = if is_empty { nothing() } else { hint };
                return Err(ObserveError::NoSeries { series, from, to, hint });
            }
            Err(error) => return Err(error),
        };
        if let Some(late) = &mut evidence.late {
            late.source_is_younger = !self.has_any(time.from_ms)?;
        }
        Ok(evidence)
    }

    /// Whether Prometheus has anything of a moment.
    fn has_any(&mut self, at_ms: i64) -> Result<bool, ObserveError> {
        Ok(!self.query(ANY_TARGET, Some(at_ms.max(0)))?.is_empty())
    }

    /// Series of a metric of this service, as `PromQL` selects them.
    fn series(&self, metric: &str, matchers: &[String]) -> String {
        Names { service: &self.service }.series(metric, matchers)
    }

    /// Prometheus' own time.
    fn now(&mut self) -> Result<i64, ObserveError> {
        let answer = self.query("vector(time())", None)?;
        let time = answer.first().and_then(|it| it.value.as_ref()).map(|(time, _)| millis(*time));
        time.flatten().ok_or_else(|| wrong("does not tell its time"))
    }

    fn live_budgets(&mut self, time: ObservedTime) -> Result<Vec<ApiSeries>, ObserveError> {
        let selector = self.series(&self.service.build_info, &[]);
        let length = time.to_ms - time.from_ms;
        let query = format!("count by (budgets) (last_over_time({selector}[{length}ms]))");
        self.query(&query, Some(time.to_ms))
    }

    /// Requests at work at the beginning and at the end, of a service that has a gauge of them. An instance
    /// that was not there at the beginning had none.
    fn active(&mut self, time: ObservedTime, counters: &mut Counters) -> Result<(), ObserveError> {
        let query = format!("sum by (instance) ({})", self.series(&self.service.active, &[]));
        let last = self.query(&query, Some(time.to_ms))?;
        if last.is_empty() {
            return Ok(());
        }
        let first = self.query(&query, Some(time.from_ms))?;
        let of = |all: &[ApiSeries]| -> BTreeMap<String, f64> {
            let value = |it: &ApiSeries| it.value.as_ref()?.1.parse().ok();
            let name = |it: &ApiSeries| it.metric.get("instance").cloned().unwrap_or_default();
            all.iter().filter_map(|it| Some((name(it), value(it)?))).collect()
        };
        let first = of(&first);
        for (instance, active) in of(&last) {
            counters.see_active(&instance, first.get(&instance).copied().unwrap_or(0.0));
            counters.see_active(&instance, active);
        }
        Ok(())
    }

    /// The edges next to what is watched, of each route, as Prometheus writes them.
    fn edges(
        &mut self,
        counters: &Counters,
        time: ObservedTime,
    ) -> Result<Vec<String>, ObserveError> {
        let selector = self.series(&format!("{}_bucket", self.service.metric), &[]);
        let length = time.to_ms - time.from_ms;
        let query = format!(
            "count by ({}, {}, le) (last_over_time({selector}[{length}ms]))",
            self.service.route_label, self.service.method_label
        );
        let found = self.query(&query, Some(time.to_ms))?;
        let (route, method) = (&self.service.route_label, &self.service.method_label);
        let mut chosen = BTreeSet::from(["+Inf".to_owned()]);
        for watched in counters.watched() {
            let label = |series: &ApiSeries, name: &String, is: &str| {
                series.metric.get(name).is_some_and(|it| it == is)
            };
            let of_route = found.iter().filter(|it| {
                label(it, route, &watched.route.route) && label(it, method, &watched.route.method)
            });
            let edges: Vec<(Nanos, &String)> = of_route
                .filter_map(|it| it.metric.get("le"))
                .filter_map(|le| match Measured::within(le)? {
                    Measured::Within(Some(edge)) => Some((edge, le)),
                    _ => None,
                })
                .collect();
            for limit in &watched.limits {
                let below = edges.iter().filter(|it| it.0 <= *limit).map(|it| it.0).max();
                let above = edges.iter().filter(|it| it.0 >= *limit).map(|it| it.0).min();
                let next = edges.iter().filter(|it| Some(it.0) == below || Some(it.0) == above);
                chosen.extend(next.map(|it| it.1.clone()));
            }
        }
        if chosen.len() > EDGES_MAX {
            return Err(wrong("has more than 200 edges of buckets next to the budgets"));
        }
        Ok(chosen.into_iter().collect())
    }

    /// The samples of a piece of time; the times at which processes began go to the counters at once.
    fn piece(
        &mut self,
        (from_ms, to_ms): (i64, i64),
        edges: &[String],
        counters: &mut Counters,
    ) -> Result<Vec<CounterReading>, ObserveError> {
        let metric = &self.service.metric;
        let edges: Vec<&str> = edges.iter().map(String::as_str).collect();
        let selectors = [
            (self.series(&self.service.requests, &[]), Metric::Requests),
            (self.series(&format!("{metric}_bucket"), &[any_of("le", &edges)]), Metric::Buckets),
            (self.series(&format!("{metric}_count"), &[]), Metric::Count),
        ];
        let mut readings = Vec::new();
        for (selector, metric) in selectors {
            let query = format!("{selector}[{}ms]", to_ms - from_ms);
            for series in self.query(&query, Some(to_ms))? {
                let labels = series.metric.iter().map(|(label, value)| (&**label, value.clone()));
                let key = SeriesKey::of(&self.service, metric, labels, PROMETHEUS)?;
                let samples = samples(&series.values, from_ms, to_ms)?;
                readings.extend(key.map(|key| CounterReading { key, samples }));
            }
        }
        let query = format!("{}[{}ms]", self.series(PROCESS_START, &[]), to_ms - from_ms);
        for series in self.query(&query, Some(to_ms))? {
            let instance = series.metric.get("instance").map_or("", String::as_str);
            for (time, start) in &series.values {
                if let (Some(at_ms), Ok(start)) = (millis(*time), start.parse()) {
                    counters.see_start(instance, at_ms, start);
                }
            }
        }
        Ok(readings)
    }

    fn query(&mut self, query: &str, at_ms: Option<i64>) -> Result<Vec<ApiSeries>, ObserveError> {
        let mut path = format!("/api/v1/query?query={}", percent_encoded(query));
        if let Some(at_ms) = at_ms {
            let _ = write!(path, "&time={}.{:03}", at_ms.div_euclid(1000), at_ms.rem_euclid(1000));
        }
        let exchange = self
            .client
            .get(&path, "application/json")
            .map_err(|error| self.client.failed(error))?;
        let answer = parsed::<ApiAnswer>(&exchange.body);
        let refused = match &answer {
            Some(ApiAnswer { status, error, .. }) if status == "error" => {
                let why = self.client.said(error.as_deref().unwrap_or("without a reason"));
                Some(format!("refuses the query (status {}): {why}", exchange.status))
            }
            Some(ApiAnswer { warnings, .. }) if !warnings.is_empty() => {
                let warning = self.client.said(&warnings[0]);
                Some(format!("warns that its answer may not be whole: {warning}"))
            }
            _ => self.client.refusal(&exchange),
        };
        if let Some(problem) = refused {
            return Err(wrong(&problem));
        }
        let data = answer.and_then(|it| it.data);
        let data = data.filter(|it| matches!(it.kind.as_str(), "vector" | "matrix"));
        Ok(data.ok_or_else(|| wrong("answers with what is no list of series"))?.result)
    }
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// Whether an answer would be smaller for a shorter time.
fn is_too_much(error: &ObserveError) -> bool {
    match error {
        ObserveError::Unanswered { source: ProbeError::BodyTooLarge { .. }, .. } => true,
        ObserveError::Answer { problem, .. } => problem.contains("too many samples"),
        _ => false,
    }
}

/// The samples of a series, which rise in time and are counts.
fn samples(
    values: &[(f64, String)],
    from_ms: i64,
    to_ms: i64,
) -> Result<Vec<CounterSample>, ObserveError> {
    let mut samples: Vec<CounterSample> = Vec::new();
    for (time, value) in values {
        let at_ms = millis(*time).filter(|it| (from_ms..=to_ms).contains(it));
        let at_ms =
            at_ms.ok_or_else(|| wrong("has samples outside of the time that was asked for"))?;
        if samples.last().is_some_and(|last| last.at_ms >= at_ms) {
            return Err(wrong("has samples whose times do not rise"));
        }
        let number = value.parse().ok().and_then(count);
        let problem =
            || wrong(&format!("has `{}`, where a counter is a whole number", said(value)));
        samples.push(CounterSample { at_ms, value: number.ok_or_else(problem)? });
    }
    Ok(samples)
}

#[expect(clippy::cast_possible_truncation, reason = "of the years 1970 to 9999")]
fn millis(seconds: f64) -> Option<i64> {
    (0.0..=253_402_300_799.0).contains(&seconds).then(|| (seconds * 1e3).round() as i64)
}

fn wrong(problem: &str) -> ObserveError {
    ObserveError::answer(PROMETHEUS, problem)
}

/// The service of a contract that has one, and something to hold it against.
pub(super) fn service_of(contract: &Contract) -> Result<&WatchedService, ObserveError> {
    let none = "the contract has no [service], so nobody knows how the running service is watched: \
                add the table, which may be empty";
    let service = contract.service.as_ref();
    let service = service.ok_or_else(|| ObserveError::Contract(none.to_owned()))?;
    if perf_passport::production::watched_routes(contract).is_empty() {
        let nothing = "the contract has no [slo] and no check of one request, so there is nothing that \
                       a running service counts";
        return Err(ObserveError::Contract(nothing.to_owned()));
    }
    Ok(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_contract_says_stays_inside_its_quotes() {
        let contract = Contract::parse(
            "schema_version = 1\nname = \"shop\"\n[[endpoint]]\nname = \"a\"\npath = \"/a\"\n\
             [service]\nselector = 'env=\"a\\\"b\\\\\", zone!~\"x|y\"'\n",
        )
        .unwrap();
        let access = Access { url: "http://h".to_owned(), ..Access::default() };
        let prometheus = Prometheus::new(&access, &contract).unwrap();
        let expected = r#"a{job="shop",env="a\"b\\",zone!~"x|y"}"#;
        assert_eq!(prometheus.series("a", &[]), expected);
        assert_eq!(percent_encoded("a{b=\"c d\"}"), "a%7Bb%3D%22c%20d%22%7D");
    }

    #[test]
    fn samples_are_counts_of_the_time_that_was_asked_for() {
        let of = |values: &[(f64, &str)]| {
            let values: Vec<_> = values.iter().map(|it| (it.0, it.1.to_owned())).collect();
            samples(&values, 1_000, 9_000).map_err(|error| error.to_string())
        };
        let read = of(&[(1.5, "3"), (2.0, "1e3")]).unwrap();
        assert_eq!(
            read,
            [(1_500, 3), (2_000, 1_000)].map(|(at_ms, value)| CounterSample { at_ms, value })
        );
        for (bad, said) in [
            (vec![(0.5, "1")], "outside"),
            (vec![(9.5, "1")], "outside"),
            (vec![(f64::NAN, "1")], "outside"),
            (vec![(2.0, "1"), (2.0, "2")], "do not rise"),
            (vec![(3.0, "1"), (2.0, "2")], "do not rise"),
            (vec![(2.0, "0.5")], "whole number"),
            (vec![(2.0, "NaN")], "whole number"),
            (vec![(2.0, "\u{1b}[31m")], "whole number"),
        ] {
            let error = of(&bad).unwrap_err();
            assert!(error.contains(said) && error.is_ascii(), "{bad:?}: {error}");
        }
    }
}
