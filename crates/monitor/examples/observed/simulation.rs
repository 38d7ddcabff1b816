//! Services that are simulated: traffic, slow and failing requests, scrapes, restarts.
//!
//! What is known of each is the share of bad requests over all time. [`observe`] gives what the counters of an
//! hour say of it, by the same code that reads a Prometheus.

use perf_passport::{
    claim::Verdict,
    contract::{ClaimKind, Contract, ObservedRoute},
    production::{CounterSource, Production, ShareSummary},
    units::Nanos,
};
use perf_passport_monitor::observe::{
    CounterReading, CounterSample, Counters, Measured, ObservedTime, Origin, SeriesKey,
};

/// Seconds of an hour, and between two scrapes.
const HOUR: f64 = 3600.0;
const STEP: f64 = 15.0;
const SCRAPES: i64 = 240;
const LIMIT: Nanos = Nanos::new(10_000_000);

/// How a service is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    /// Requests per second, on average.
    pub(crate) rate: f64,
    /// How uneven traffic is; 0 is even.
    pub(crate) uneven: f64,
    /// The share of requests that are bad between bursts.
    pub(crate) base: f64,
    /// How much that share varies from scrape to scrape, and how much of it stays.
    pub(crate) varies: f64,
    pub(crate) stays: f64,
    /// Bursts of bad requests in an hour, how long they last in seconds, and the share of bad ones in them.
    pub(crate) bursts: f64,
    pub(crate) burst_seconds: f64,
    pub(crate) burst_share: f64,
    /// Restarts in an hour.
    pub(crate) restarts: f64,
}

/// Which services have bursts of bad requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bursts {
    /// The share of services that have any.
    pub(crate) services: f64,
    /// How many there are in an hour.
    pub(crate) an_hour: (f64, f64),
    /// How many times as many requests are bad in them as between them.
    pub(crate) times: (f64, f64),
}

impl Bursts {
    /// Half of all services have so many.
    pub(crate) const fn of(least: f64, most: f64) -> Self {
        Self { services: 0.5, an_hour: (least, most), times: (2.0, 10.0) }
    }
}

/// What was found of one simulated service.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) verdict: Verdict,
    pub(crate) share: ShareSummary,
    /// Parts per million that are bad over all time.
    pub(crate) truth_ppm: f64,
    pub(crate) resets: u64,
}

/// Numbers by `SplitMix64` (Steele, Lea and Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// From 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Equally likely in each power of ten.
    pub(crate) fn scale(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    /// Box and Muller 1958.
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 60.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (mut count, mut product, least) = (0, self.unit(), (-mean).exp());
        while product > least {
            count += 1;
            product *= self.unit();
        }
        count
    }

    fn binomial(&mut self, trials: u64, share: f64) -> u64 {
        let mean = trials as f64 * share;
        if trials < 100 {
            return (0..trials).filter(|_| self.unit() < share).count() as u64;
        }
        if mean < 40.0 {
            return self.poisson(mean).min(trials);
        }
        let drawn = mean + (mean * (1.0 - share)).sqrt() * self.normal();
        (drawn.round().max(0.0) as u64).min(trials)
    }
}

impl Model {
    /// The share of time within a burst.
    fn in_bursts(&self) -> f64 {
        1.0 - (-self.bursts * self.burst_seconds / HOUR).exp()
    }

    /// The share of bad requests over all time.
    pub(crate) fn truth(&self) -> f64 {
        self.base * (1.0 - self.in_bursts()) + self.burst_share * self.in_bursts()
    }

    /// The same service with another share of bad requests.
    pub(crate) fn with_truth(self, truth: f64) -> Self {
        let factor = truth / self.truth();
        Self { base: self.base * factor, burst_share: self.burst_share * factor, ..self }
    }
}

/// A contract with one route, of which so many percent must be answered within 10 ms.
pub(crate) fn contract(percent: &str) -> Contract {
    let text = format!(
        "schema_version = 1\nname = \"shop\"\n[service]\n[[endpoint]]\nname = \"a\"\npath = \"/a\"\n\
         [slo.api]\nendpoints = [\"a\"]\nobjective = {percent}\nlatency_ms = 10\n"
    );
    Contract::parse(&text).expect("a contract")
}

/// An hour of a service, as its scrapes tell it; the claim on latency.
pub(crate) fn observe(
    contract: &Contract,
    model: &Model,
    (fault, tells_start): (Fault, bool),
    random: &mut Random,
) -> Found {
    let to_ms = SCRAPES * 15_000;
    let mut counters = Counters::new(contract, ObservedTime { from_ms: 0, to_ms, windows: 60 });
    let truth = scrapes(model, fault, tells_start, random, &mut counters);
    let origin = Origin { source: CounterSource::Prometheus, contract_budgets: None };
    let evidence = counters.evidence(contract, origin).expect("series");
    evidence.validate(contract).expect("it is what was read");
    let resets = evidence.resets.get();
    let production = Production::of(contract, evidence);
    let result = &production.results[0];
    let place = result.claims.iter().position(|it| it.kind == ClaimKind::ProductionLatency);
    let place = place.expect("a claim");
    Found {
        verdict: result.claims[place].verdict,
        share: result.shares[place],
        truth_ppm: truth * 1e6,
        resets,
    }
}

/// Bursts of an hour, with those that began before it.
fn bursts(model: &Model, random: &mut Random) -> Vec<(f64, f64)> {
    let mut bursts = Vec::new();
    if model.bursts <= 0.0 {
        return bursts;
    }
    let mut at = -10.0 * model.burst_seconds;
    while at < HOUR {
        at += random.wait(HOUR / model.bursts);
        bursts.push((at, at + random.wait(model.burst_seconds)));
    }
    bursts
}

/// What a process has at a scrape.
#[derive(Debug, Clone, Copy)]
struct Exposed {
    /// When it began, in seconds.
    start: f64,
    /// Requests: those of the counter, those of the histogram, and those of them that were fast enough.
    counted: u64,
    timed: u64,
    within: u64,
}

/// The counters of a process at each scrape. A restart loses what was counted since the last one.
fn process(model: &Model, timed: &Timed, random: &mut Random) -> Vec<Exposed> {
    let bursts = bursts(model, random);
    let (phase, mut state) = (random.unit() * std::f64::consts::TAU, random.normal());
    let old = random.scale(1.0, 1e7) as u64;
    // Before, half of them were bad, or none.
    let within = if old.is_multiple_of(2) { old / 2 } else { old };
    let mut now = Exposed { start: -1e6, counted: old, timed: old, within };
    let mut read = vec![now];
    for scrape in 1..=SCRAPES {
        let from = (scrape - 1) as f64 * STEP;
        state = model.stays * state + (1.0 - model.stays * model.stays).sqrt() * random.normal();
        let wave = 1.0 + model.uneven * (phase + from / HOUR * std::f64::consts::TAU).sin();
        let surge = (model.uneven * random.normal() - model.uneven * model.uneven / 2.0).exp();
        let requests = random.poisson(model.rate * STEP * wave * surge);
        let parts = (0..5).map(|it| from + (f64::from(it) + 0.5) * STEP / 5.0);
        let burst = parts.filter(|at| bursts.iter().any(|it| it.0 <= *at && *at < it.1)).count()
            as f64
            / 5.0;
        let spread = (model.varies * state - model.varies * model.varies / 2.0).exp();
        let in_burst = (requests as f64 * burst).round() as u64;
        let bad = random.binomial(requests - in_burst, (model.base * spread).min(1.0))
            + random.binomial(in_burst, model.burst_share.min(1.0));
        let (good_timed, bad_timed) = timed.of(requests - bad, bad, random);
        if random.unit() < model.restarts * STEP / HOUR {
            // It restarts somewhere in between.
            let kept = random.unit();
            let later = |count: u64| (count as f64 * kept) as u64;
            now = Exposed {
                start: from + (1.0 - kept) * STEP,
                counted: later(requests),
                timed: later(good_timed) + later(bad_timed),
                within: later(good_timed),
            };
        } else {
            now.counted += requests;
            now.timed += good_timed + bad_timed;
            now.within += good_timed;
        }
        read.push(now);
    }
    read
}

/// Which requests a histogram times.
struct Timed {
    good: f64,
    bad: f64,
}

impl Timed {
    const ALL: Self = Self { good: 1.0, bad: 1.0 };

    fn of(&self, good: u64, bad: u64, random: &mut Random) -> (u64, u64) {
        if self.good >= 1.0 {
            return (good, bad);
        }
        (random.binomial(good, self.good), random.binomial(bad, self.bad))
    }
}

/// What is wrong with how a service is counted or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Each scrape asks one of two processes, of which one is worse.
    TwoProcesses,
    /// Some scrapes are answered with what counters had a while ago.
    Dips,
    /// All series have another label from some time on.
    Labels,
    /// The histogram lacks many requests, above all bad ones.
    Partial,
}

/// What is read of a service, and the share of its requests that are bad over all time.
fn scrapes(
    model: &Model,
    fault: Fault,
    tells_start: bool,
    random: &mut Random,
    counters: &mut Counters,
) -> f64 {
    let mut truth = model.truth();
    // A fault has numbers of its own, so that services without one stay as they are.
    let mut faults = Random(random.0 ^ 0x5eed);
    let timed = match fault {
        Fault::Partial => {
            let good = faults.scale(0.01, 0.95);
            Timed { good, bad: good * faults.unit() }
        }
        _ => Timed::ALL,
    };
    let mut read = process(model, &timed, random);
    let mut labels = vec![0_u8; read.len()];
    match fault {
        Fault::None | Fault::Partial => {}
        Fault::TwoProcesses => {
            let other = model.with_truth(truth * faults.scale(0.1, 10.0));
            truth = f64::midpoint(truth, other.truth());
            let beside = process(&other, &timed, random);
            // Some stay with a process for long.
            let stays = if faults.unit() < 0.5 { 0.5 } else { 0.98 };
            let mut is_other = false;
            for (it, mut other) in read.iter_mut().zip(beside) {
                other.start += 1_000.0;
                is_other ^= faults.unit() > stays;
                if is_other {
                    *it = other;
                }
            }
        }
        Fault::Dips => {
            for _ in 0..=(faults.unit() * 4.0) as usize {
                let at = 10 + (faults.unit() * (read.len() - 20) as f64) as usize;
                // It goes on: what it had before a restart is no dip.
                let before = read[at - 1 - (faults.unit() * 3.0) as usize];
                if before.start >= read[at].start {
                    read[at] = before;
                }
            }
        }
        Fault::Labels => {
            let at = (faults.unit() * labels.len() as f64) as usize;
            labels[at..].fill(1);
        }
    }
    if tells_start {
        for (place, it) in read.iter().enumerate() {
            counters.see_start("a:1", place as i64 * 15_000, it.start);
        }
    }
    counters.take(readings(&read, &labels)).expect("few series");
    truth
}

fn readings(read: &[Exposed], labels: &[u8]) -> Vec<CounterReading> {
    let counted: fn(&Exposed) -> u64 = |it| it.counted;
    let timed: fn(&Exposed) -> u64 = |it| it.timed;
    let within: fn(&Exposed) -> u64 = |it| it.within;
    let mut readings = Vec::new();
    for label in 0..=1 {
        for (measured, value) in [
            (Measured::Requests, counted),
            (Measured::Within(None), timed),
            (Measured::Within(Some(LIMIT)), within),
        ] {
            let key = SeriesKey {
                instance: "a:1".to_owned(),
                measured,
                route: ObservedRoute { route: "/a".to_owned(), method: "GET".to_owned() },
                status: "2xx".to_owned(),
                others: vec![("version".to_owned(), label.to_string())],
            };
            let samples = read.iter().enumerate().filter(|(place, _)| labels[*place] == label);
            let samples: Vec<CounterSample> = samples
                .map(|(place, it)| CounterSample { at_ms: place as i64 * 15_000, value: value(it) })
                .collect();
            if !samples.is_empty() {
                readings.push(CounterReading { key, samples });
            }
        }
    }
    readings
}

/// A service such as there are: anything from a request a minute to hundreds a second, even or not, with bad
/// requests that come alone, in swings or in bursts of which there are so many an hour.
pub(crate) fn any_model(random: &mut Random, bursts: Bursts) -> Model {
    let with_bursts = random.unit() < bursts.services;
    let base = random.between(0.2, 1.0);
    Model {
        rate: random.scale(0.02, 300.0),
        uneven: random.between(0.0, 0.8),
        base,
        varies: if random.unit() < 0.5 { 0.0 } else { random.between(0.2, 1.0) },
        stays: random.between(0.0, 0.8),
        bursts: if with_bursts { random.between(bursts.an_hour.0, bursts.an_hour.1) } else { 0.0 },
        burst_seconds: random.between(5.0, 40.0),
        burst_share: base * random.between(bursts.times.0, bursts.times.1),
        restarts: if random.unit() < 0.5 { 0.0 } else { random.between(0.5, 4.0) },
    }
}

/// What is counted of many services.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) services: u32,
    /// Of which the truth lies within the bounds.
    pub(crate) covered: u32,
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) abstained: u32,
    /// Services that keep their objective, and those of them that failed.
    pub(crate) good: u32,
    pub(crate) false_fail: u32,
    /// Services that do not, and those of them that passed.
    pub(crate) bad: u32,
    pub(crate) false_pass: u32,
    /// Passed with fewer requests than prove it.
    pub(crate) passed_below: u32,
    pub(crate) resets: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, found: &Found, allowed_ppm: f64, least: u64) {
        let share = &found.share;
        let (low, high) = (share.lower_ppm.get() as f64, share.upper_ppm.get() as f64);
        self.services += 1;
        self.covered += u32::from(low <= found.truth_ppm && found.truth_ppm <= high);
        self.passed += u32::from(found.verdict == Verdict::Pass);
        self.failed += u32::from(found.verdict == Verdict::Fail);
        self.abstained += u32::from(found.verdict == Verdict::Abstain);
        let is_good = found.truth_ppm <= allowed_ppm;
        self.good += u32::from(is_good);
        self.bad += u32::from(!is_good);
        self.false_fail += u32::from(is_good && found.verdict == Verdict::Fail);
        self.false_pass += u32::from(!is_good && found.verdict == Verdict::Pass);
        self.passed_below +=
            u32::from(found.verdict == Verdict::Pass && share.requests.get() < least);
        self.resets += found.resets;
    }
}

/// So many services whose true share is up to three times what is allowed, or just that. Half of them tell
/// when their process began.
pub(crate) fn simulate(
    services: u32,
    seed: u64,
    bursts: Bursts,
    at_the_limit: bool,
    fault: Fault,
) -> Tally {
    let contracts = [(contract("99"), 0.01, 299), (contract("99.9"), 0.001, 2_995)];
    let (mut random, mut tally) = (Random(seed), Tally::default());
    for service in 0..services {
        let (contract, allowed, least) = &contracts[service as usize % 2];
        let of_allowed = if at_the_limit { 1.0 } else { random.scale(0.03, 3.0) };
        let model = any_model(&mut random, bursts).with_truth(allowed * of_allowed);
        let found = observe(contract, &model, (fault, service % 4 < 2), &mut random);
        tally.add(&found, allowed * 1e6, *least);
    }
    tally
}
