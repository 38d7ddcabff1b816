//! Scraping a service itself, several times, where there is no Prometheus.
//!
//! Times are those of a clock that only goes forward, from the moment of the first scrape on, so that a
//! calendar that jumps meanwhile changes nothing. A scrape that is not answered is a gap; one that is no text
//! of metrics ends it all.

use std::collections::BTreeMap;

use perf_passport::{
    clock::Clock,
    contract::{Contract, WatchedService},
    production::{CounterSource, ProductionEvidence},
    units::{BYTES_PER_MB, Bytes, Nanos},
};

use super::{
    Access, CounterReading, CounterSample, Counters, ExposedSample, ObserveError, ObservedTime,
    Origin, SeriesKey,
    client::{Client, Peer},
    exposition::parse,
    prometheus::{PROCESS_START, service_of},
    reading::{Metric, count},
};

const SERVICE: &str = "the service";
const PEER: Peer = Peer {
    name: SERVICE,
    expects: "text of metrics",
    path_hint: "its metrics are at another path",
    is_base: false,
};
const TIMEOUT: Nanos = Nanos::new(10_000_000_000);
/// The largest text that is read.
const TEXT_MAX: Bytes = Bytes::new(16 * BYTES_PER_MB);
const ACCEPT: &str = "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5";

/// A service that is scraped.
#[derive(Debug)]
pub struct Scraper {
    client: Client,
    path: String,
    service: WatchedService,
}

/// How often is scraped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time between two scrapes, of which each is a window.
    pub between: Nanos,
    /// Windows; there is one scrape more.
    pub windows: usize,
}

impl Pace {
    /// As many windows as there may be, each of a second at least.
    pub fn of(length: Nanos) -> Self {
        let seconds = length.get() / 1_000_000_000;
        let most = perf_passport::production::WINDOWS_MAX as u64;
        let windows = seconds.clamp(1, most);
        let windows_usize = usize::try_from(windows).unwrap_or(1);
        Self { between: Nanos::new(length.get() / windows), windows: windows_usize }
    }
}

impl Scraper {
    /// One of the service of this contract, whose metrics are at this address; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ObserveError::Contract`] without a `[service]`, and what is wrong with the address.
    pub fn new(access: &Access, contract: &Contract) -> Result<Self, ObserveError> {
        let service = service_of(contract)?.clone();
        let client = Client::new(access, PEER, TIMEOUT, TEXT_MAX)?;
        Ok(Self { client, path: access.split().1, service })
    }

    /// What the counters of the service say of the time from now on; and whether it came to its end. `wait`
    /// waits for so long, and says whether to go on.
    ///
    /// # Errors
    ///
    /// [`ObserveError`] where nothing is answered at first, or something else, or there are no such series.
    pub fn observe(
        &mut self,
        contract: &Contract,
        pace: Pace,
        contract_budgets: Option<String>,
        clock: &dyn Clock,
        wait: &mut dyn FnMut(Nanos) -> bool,
    ) -> Result<(ProductionEvidence, bool), ObserveError> {
        let from_ms = calendar_ms(clock);
        let start = clock.elapsed();
        let length = pace.between.saturating_mul(pace.windows as u64);
        let at_ms =
            |scrape: u64| from_ms.saturating_add(whole_ms(pace.between.saturating_mul(scrape)));
        let to_ms = from_ms.saturating_add(whole_ms(length));
        let mut counters =
            Counters::new(contract, ObservedTime { from_ms, to_ms, windows: pace.windows });
        let (mut scrape, mut is_whole, mut answered) = (0_u64, true, 0_u32);
        loop {
            match self.scrape(at_ms(scrape), &mut counters) {
                Ok(readings) => {
                    counters.take(readings)?;
                    answered += 1;
                }
                Err(error @ ObserveError::Unanswered { .. }) if answered > 0 => {
                    let is_last = scrape >= pace.windows as u64;
                    if is_last && answered < 2 {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            // One that took longer than the time between two leaves out those that were due meanwhile.
            let elapsed = clock.elapsed().saturating_sub(start);
            let due = elapsed.get() / pace.between.get().max(1) + 1;
            scrape = due.max(scrape + 1);
            if scrape > pace.windows as u64 {
                break;
            }
            let next = start.saturating_add(pace.between.saturating_mul(scrape));
            if !wait(next.saturating_sub(clock.elapsed())) {
                is_whole = false;
                break;
            }
        }
        let origin = Origin { source: CounterSource::Scrapes, contract_budgets };
        Ok((counters.evidence(contract, origin)?, is_whole))
    }

    fn scrape(
        &mut self,
        at_ms: i64,
        counters: &mut Counters,
    ) -> Result<Vec<CounterReading>, ObserveError> {
        let answer =
            self.client.get(&self.path, ACCEPT).map_err(|error| self.client.failed(error))?;
        let wrong = |problem: String| ObserveError::answer(SERVICE, problem);
        if let Some(problem) = self.client.refusal(&answer) {
            return Err(wrong(problem));
        }
        let media_type = answer.content_type.as_deref().unwrap_or_default();
        let media_type = String::from_utf8_lossy(media_type).to_ascii_lowercase();
        if ["json", "html", "protobuf"].iter().any(|it| media_type.contains(it)) {
            let said = self.client.said(&media_type);
            return Err(wrong(format!("answers with `{said}` instead of text of metrics")));
        }
        let bucket = format!("{}_bucket", self.service.metric);
        let all = format!("{}_count", self.service.metric);
        let start = PROCESS_START.to_owned();
        let WatchedService { requests, active, build_info, .. } = &self.service;
        let wanted = [requests, active, &bucket, &all, build_info, &start];
        let is_open_metrics = media_type.contains("openmetrics");
        let samples =
            parse(&answer.body, is_open_metrics, |it| wanted.iter().any(|name| *name == it))?;
        let mut readings: BTreeMap<SeriesKey, u64> = BTreeMap::new();
        let mut at_work: BTreeMap<String, f64> = BTreeMap::new();
        for sample in samples {
            if sample.name == self.service.build_info {
                if let Some((_, digest)) = sample.labels.iter().find(|it| it.0 == "budgets") {
                    counters.see_budgets(digest);
                }
                continue;
            }
            let ExposedSample { name, labels, value } = sample;
            if name == PROCESS_START {
                let instance = labels.iter().find(|it| it.0 == "instance");
                counters.see_start(instance.map_or("", |it| &it.1), at_ms, value);
                continue;
            }
            if name == self.service.active {
                let instance = labels.into_iter().find(|it| it.0 == "instance");
                *at_work.entry(instance.map(|it| it.1).unwrap_or_default()).or_default() += value;
                continue;
            }
            // The count of a histogram may be the counter of requests as well.
            let metric = match name {
                _ if name == self.service.requests => Metric::Requests,
                _ if name == bucket => Metric::Buckets,
                _ => Metric::Count,
            };
            let key = SeriesKey::of(&self.service, metric, labels, SERVICE)?;
            let number = count(value);
            let problem =
                || wrong(format!("has {value} of `{name}`, where a counter is a whole number"));
            let Some(key) = key else { continue };
            // Whichever counts, the other one is left out.
            if readings.insert(key, number.ok_or_else(problem)?).is_some() {
                return Err(wrong(format!("has a series of `{name}` twice")));
            }
        }
        for (instance, active) in at_work {
            counters.see_active(&instance, active);
        }
        let reading =
            |(key, value)| CounterReading { key, samples: vec![CounterSample { at_ms, value }] };
        Ok(readings.into_iter().map(reading).collect())
    }
}

fn whole_ms(time: Nanos) -> i64 {
    i64::try_from(time.get() / 1_000_000).unwrap_or(i64::MAX)
}

fn calendar_ms(clock: &dyn Clock) -> i64 {
    let since = clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_second_at_least_and_there_are_sixty_at_most() {
        let of = |seconds: u64| {
            let pace = Pace::of(Nanos::new(seconds * 1_000_000_000));
            (pace.windows, pace.between.get() / 1_000_000)
        };
        assert_eq!(of(30), (30, 1_000));
        assert_eq!(of(600), (60, 10_000));
        assert_eq!(of(1), (1, 1_000));
    }
}
