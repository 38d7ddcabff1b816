//! What a passport gives to series: one figure of one subject each.
//!
//! [`figures_of`] reads a passport that was verified. A figure has a *track*: what must be the same for
//! two figures to be held against each other. Of exact figures that is toolchain, profile and probe; of
//! ratios what they are a ratio to; of absolute times the machine besides.

use std::fmt;

use perf_passport::{
    claim::Claim,
    contract::{ClaimKind, Unit},
    evidence::{Behaviour, Range, Response},
    passport::{Comparison, Passport, SubjectResult},
    production::WindowResult,
    statistics::quantile,
    text::{escaped, printable},
};
use sha2::{Digest, Sha256};

/// The kinds of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The response of a check, as the contract compares it.
    Response,
    /// Allocations of a sample.
    Allocations,
    /// Bytes allocated by a sample.
    AllocatedBytes,
    /// The largest heap of a sample, in bytes.
    HeapPeak,
    /// How the time of an operation grows.
    GrowthClass,
    /// Instructions, as a ratio to another build, in ppm.
    InstructionsRatio,
    /// The time, as a ratio to an anchor of the same session, in ppm.
    LatencyRatio,
    /// The median time, in picoseconds.
    Latency,
    /// The share of a running service's requests that failed, in ppm.
    ErrorShare,
    /// The share of them that took longer than the contract allows, in ppm.
    SlowShare,
}

impl Kind {
    /// Every kind, exact ones first.
    pub const ALL: [Self; 10] = [
        Self::Response,
        Self::Allocations,
        Self::AllocatedBytes,
        Self::HeapPeak,
        Self::GrowthClass,
        Self::InstructionsRatio,
        Self::LatencyRatio,
        Self::Latency,
        Self::ErrorShare,
        Self::SlowShare,
    ];

    /// Its name in an index, in records and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Allocations => "allocations",
            Self::AllocatedBytes => "allocated-bytes",
            Self::HeapPeak => "heap-peak",
            Self::GrowthClass => "growth-class",
            Self::InstructionsRatio => "instructions-ratio",
            Self::LatencyRatio => "latency-ratio",
            Self::Latency => "latency",
            Self::ErrorShare => "error-share",
            Self::SlowShare => "slow-share",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Whether equal code gives equal figures, so that any change is an event.
    pub const fn is_exact(self) -> bool {
        !matches!(self, Self::Latency) && !self.is_ratio() && !self.is_share()
    }

    /// Whether it is a share of the requests of a running service, which depends on its traffic too.
    pub const fn is_share(self) -> bool {
        matches!(self, Self::ErrorShare | Self::SlowShare)
    }

    /// Whether it is a ratio to another build of the same session.
    pub const fn is_ratio(self) -> bool {
        matches!(self, Self::InstructionsRatio | Self::LatencyRatio)
    }

    /// Whether figures of it are words, which have no order and no distance.
    pub const fn is_word(self) -> bool {
        matches!(self, Self::Response | Self::GrowthClass)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// The least and the most that was seen of a number; equal where it is exact.
    Number {
        /// The least.
        low: i64,
        /// The most.
        high: i64,
    },
    /// A word, such as a digest with its size.
    Word(String),
}

impl Value {
    /// A number of which one value was seen.
    pub const fn exact(value: i64) -> Self {
        Self::Number { low: value, high: value }
    }

    /// The middle of a number; `None` of a word.
    pub const fn middle(&self) -> Option<i64> {
        match self {
            Self::Number { low, high } => Some(*low + (*high - *low) / 2),
            Self::Word(_) => None,
        }
    }

    /// As a reader has it, with its unit; printable ASCII.
    pub fn show(&self, kind: Kind) -> String {
        match self {
            Self::Word(word) => escaped(word),
            Self::Number { low, high } if low == high => show_number(*low, kind),
            Self::Number { low, high } => {
                format!("{}..{}", show_number(*low, kind), show_number(*high, kind))
            }
        }
    }
}

/// A number of a kind, with its unit.
#[expect(clippy::cast_precision_loss, reason = "display")]
pub fn show_number(value: i64, kind: Kind) -> String {
    match kind {
        Kind::InstructionsRatio | Kind::LatencyRatio => format!("x {:.4}", value as f64 / 1e6),
        Kind::Latency => {
            let ns = value as f64 / 1e3;
            match ns {
                _ if ns < 1e3 => format!("{ns:.1} ns"),
                _ if ns < 1e6 => format!("{:.2} us", ns / 1e3),
                _ if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
                _ => format!("{:.2} s", ns / 1e9),
            }
        }
        Kind::ErrorShare | Kind::SlowShare => format!("{:.4} %", value as f64 / 1e4),
        Kind::AllocatedBytes | Kind::HeapPeak => format!("{value} B"),
        Kind::Response | Kind::Allocations | Kind::GrowthClass => value.to_string(),
    }
}

/// One figure of one subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    /// The subject, as `endpoint/variant`, `operation::name/size` or `production::objective`.
    pub subject: String,
    /// What is told of it.
    pub kind: Kind,
    /// What must be the same for another figure to be held against this one.
    pub track: String,
    /// The figure.
    pub value: Value,
}

/// The figures of a passport, by subject and kind.
pub fn figures_of(passport: &Passport) -> Vec<Figure> {
    let tracks = Tracks::of(passport);
    let mut figures = Vec::new();
    for subject in passport.subjects() {
        let name = subject.id().to_string();
        // Beside a ratio to an anchor, the time of a machine says nothing more.
        let alone = subject.claim(ClaimKind::LatencyDrift).is_none();
        // What the service says of itself is another time than the round trip.
        let of_service = matches!(
            subject, SubjectResult::Check(it) if it.evidence.server_latency.is_some()
        );
        // A share of requests over one limit says nothing of those over another.
        let longest = match subject {
            SubjectResult::Window(window) => {
                window.shares.iter().filter_map(|it| it.limit_ns).next_back()
            }
            _ => None,
        };
        let mut add = |kind: Kind, value: Option<Value>| {
            let Some(value) = value else { return };
            let mut track = tracks.of_kind(kind).to_owned();
            if kind == Kind::Latency && of_service {
                track += "; time of the service";
            }
            if let (Kind::SlowShare, Some(limit)) = (kind, longest) {
                track += &format!("; longer than {limit}");
            }
            figures.push(Figure { subject: name.clone(), kind, track, value });
        };
        match subject {
            SubjectResult::Check(result) => {
                let evidence = &result.evidence;
                let counts = evidence.counts.as_ref();
                add(Kind::Response, evidence.behaviour.as_ref().and_then(response));
                add(Kind::Allocations, counts.and_then(|it| number(it.allocations)));
                add(Kind::AllocatedBytes, counts.and_then(|it| number(it.allocated_bytes?)));
                add(Kind::HeapPeak, counts.and_then(|it| number(it.heap_peak_bytes?)));
                let requests = result.requests_per_sample.get().max(1);
                let median = quantile(
                    evidence.server_latency.as_ref().unwrap_or(&evidence.latency),
                    perf_passport::contract::Quantile::P50,
                );
                let ps =
                    median.filter(|_| alone).and_then(|it| (it.get() / requests).checked_mul(1000));
                add(Kind::Latency, ps.and_then(exact));
            }
            SubjectResult::Case(case) => {
                let evidence = &case.evidence;
                add(Kind::Allocations, evidence.allocations.and_then(number));
                add(Kind::AllocatedBytes, evidence.allocated_bytes.and_then(number));
                add(Kind::HeapPeak, evidence.heap_peak_bytes.and_then(number));
                let median = case.latency.as_ref().map(|it| it.p50_ps.unwrap_or(it.mean_ps));
                add(Kind::Latency, median.filter(|_| alone).and_then(|it| exact(it.get())));
            }
            SubjectResult::Operation(operation) => {
                let class = operation.growth.as_ref().map(|it| it.class.to_string());
                add(Kind::GrowthClass, class.map(Value::Word));
            }
            // Counts of which it is not known whose they are, are none.
            SubjectResult::Window(window) if tracks.are_counts_sound => {
                add(Kind::ErrorShare, share_of(window, ClaimKind::ProductionErrors));
                add(Kind::SlowShare, share_of(window, ClaimKind::ProductionLatency));
            }
            SubjectResult::Window(_) => {}
        }
        add(Kind::LatencyRatio, ratio(subject.claim(ClaimKind::LatencyDrift)));
        add(Kind::InstructionsRatio, ratio(subject.claim(ClaimKind::InstructionsChange)));
    }
    figures.sort();
    figures.dedup_by(|a, b| (&a.subject, a.kind) == (&b.subject, b.kind));
    figures
}

/// The machine and the build of a passport, as a reader has them.
pub fn environment_of(passport: &Passport) -> String {
    let system = &passport.system_info;
    let unknown = || "unknown".to_owned();
    let parts = [
        system.cpu_model.clone().unwrap_or_else(unknown),
        system.kernel.clone().unwrap_or_else(unknown),
        build_of(passport),
    ];
    printable(parts.join("; ").as_bytes(), 600)
}

struct Tracks {
    /// Whether nothing speaks against what a running service counted.
    are_counts_sound: bool,
    exact: String,
    times: String,
    anchor: String,
    reference: String,
}

impl Tracks {
    fn of(passport: &Passport) -> Self {
        let probe = format!("{:?}", passport.provenance.probe).to_lowercase();
        // Over HTTP the target is a URL, which says nothing of the service.
        let exact = match &passport.provenance.build {
            Some(_) => {
                let target = printable(passport.provenance.target.as_bytes(), 200);
                format!("{probe}; {target}; {}", build_of(passport))
            }
            None => probe,
        };
        let comparison = passport.comparison.as_ref();
        let production = passport.production.as_ref();
        Self {
            are_counts_sound: production.is_some_and(|it| it.evidence.doubts.is_empty()),
            times: format!("{exact}; {}", environment_of(passport)),
            exact,
            anchor: comparison.map(anchor).unwrap_or_default(),
            reference: comparison.map(|it| named(&it.baseline)).unwrap_or_default(),
        }
    }

    fn of_kind(&self, kind: Kind) -> &str {
        match kind {
            Kind::Latency => &self.times,
            Kind::LatencyRatio => &self.anchor,
            Kind::InstructionsRatio => &self.reference,
            _ => &self.exact,
        }
    }
}

fn build_of(passport: &Passport) -> String {
    let Some(build) = &passport.provenance.build else { return "build unknown".to_owned() };
    let debug = if build.debug_assertions { " with debug assertions" } else { "" };
    let text = format!("{}; {}; level {}{debug}", build.rustc, build.target, build.opt_level);
    printable(text.as_bytes(), 300)
}

fn anchor(comparison: &Comparison) -> String {
    comparison.anchor.as_ref().map(named).unwrap_or_default()
}

/// A build by its commit, where it has one: a name may mean another build on another day.
fn named(build: &perf_passport::passport::ComparedBuild) -> String {
    let name = build.commit.as_ref().or(build.executable_sha256.as_ref()).unwrap_or(&build.label);
    printable(name.as_bytes(), 200)
}

/// The response, where all were equal.
fn response(behaviour: &Behaviour) -> Option<Value> {
    behaviour.is_deterministic().then(|| Value::Word(word_of(&behaviour.response)))
}

/// A response in a word: its status and size, and a digest of all that is compared.
fn word_of(response: &Response) -> String {
    // Typed structs have one order of keys, and no figure of a response is a float.
    let document = serde_json::to_vec(response).unwrap_or_default();
    let digest = perf_passport::text::hex(&Sha256::digest(&document));
    format!("{} {} B {}", response.status, response.body_bytes.get(), &digest[..16])
}

fn number(range: Range) -> Option<Value> {
    let whole = |it: u64| i64::try_from(it).ok();
    Some(Value::Number { low: whole(range.min)?, high: whole(range.max)? })
}

/// The share of requests that claims of this kind are about, of several quantiles the largest, which is the
/// last. From the least to the most where the edges of the histogram leave it open.
fn share_of(window: &WindowResult, kind: ClaimKind) -> Option<Value> {
    let claim = window.claims.iter().rev().find(|it| it.kind == kind)?;
    let (high, share) = (claim.observed?, window.share_of(claim)?);
    let low = share.bad_at_least.and_then(|bad| {
        let ppm = u128::from(bad.get()) * 1_000_000 / u128::from(share.requests.get().max(1));
        i64::try_from(ppm).ok()
    });
    Some(Value::Number { low: low.unwrap_or(high), high })
}

fn exact(value: u64) -> Option<Value> {
    i64::try_from(value).ok().map(Value::exact)
}

fn ratio(claim: Option<&Claim>) -> Option<Value> {
    let claim = claim.filter(|it| it.unit == Unit::Ppm)?;
    claim.observed.map(Value::exact)
}
