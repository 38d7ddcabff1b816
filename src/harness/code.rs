//! A piece of code under measurement: what a target declares, and how a case of it is measured.
//!
//! One iteration is a call of the closure and the drop of what it returns. A case is prepared, warmed up,
//! counted one iteration at a time, and then timed in batches with counting off; where there are several
//! sizes, in several passes over them. What counting sees is
//! the whole process, so that threads which the code starts are counted; what another thread does
//! meanwhile is too. The loop adds to an iteration what criterion's adds: a call and a
//! [`black_box`](std::hint::black_box) of the result.

use std::{collections::BTreeMap, fmt, hint::black_box, time::Duration};

use crate::{
    allocation::{ProcessWatch, is_installed, set_counting},
    clock::Clock,
    contract::{Operation, Sampling, quality_ppm},
    evidence::Range,
    operation::{CaseEvidence, SAMPLES_MAX, Sample, Samples},
    units::{Count, Nanos},
};

/// A batch takes at least this long, so that reading the clock is no part of it that counts.
const BATCH: Nanos = Nanos::new(50_000);
/// Time that a case is run for before it is measured, so that caches and branch tables are warm.
const WARMUP: Nanos = Nanos::new(20_000_000);
/// Samples that are taken however long they take, but for the deadline: fewer bound no mean.
const SAMPLES_MIN: usize = 5;
/// Passes over the sizes of an operation.
const PASSES: usize = 5;
/// Iterations whose allocations are counted.
const COUNTED: u32 = 10;
/// No batch has more iterations.
const BATCH_ITERATIONS_MAX: u64 = 1 << 40;

/// A piece of code, by the name of its operation in the contract.
///
/// ```no_run
/// use perf_passport::harness::{Code, Harness};
///
/// let sort = Code::new("sort", |size| {
///     let shuffled: Vec<u64> = (0..size).map(|it| it * 7919 % size).collect();
///     move || {
///         let mut sorted = shuffled.clone();
///         sorted.sort_unstable();
///         sorted
///     }
/// })
/// .quality("sorted", |sorted| f64::from(u8::from(sorted.is_sorted())));
/// Harness::operations("passport.toml").code(sort);
/// ```
pub struct Code<Out> {
    name: String,
    prepare: Box<dyn Fn(u64) -> Box<dyn TimedWork<Out>> + Send>,
    qualities: Vec<(String, Judge<Out>)>,
    parts: Vec<(String, TellPart<Out>)>,
}

type Judge<Out> = Box<dyn Fn(&Out) -> f64 + Send>;
type TellPart<Out> = Box<dyn Fn(&Out) -> Duration + Send>;

impl<Out> fmt::Debug for Code<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<Out: 'static> Code<Out> {
    /// Code for the operation of this name.
    ///
    /// `prepare` gets a size of the contract, 0 where the operation has none, and makes the closure
    /// that is measured; what it does itself is not.
    pub fn new<Prepare, Iterate>(name: impl Into<String>, prepare: Prepare) -> Self
    where
        Prepare: Fn(u64) -> Iterate + Send + 'static,
        Iterate: FnMut() -> Out + 'static,
    {
        let prepare = move |size| Box::new(Looped(prepare(size))) as Box<dyn TimedWork<Out>>;
        Self {
            name: name.into(),
            prepare: Box::new(prepare),
            qualities: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Tells a metric of each counted result, which `[operation.quality]` can hold; the least counts,
    /// and a value that is no finite number fails.
    #[must_use]
    pub fn quality(
        mut self,
        metric: impl Into<String>,
        judge: impl Fn(&Out) -> f64 + Send + 'static,
    ) -> Self {
        self.qualities.push((metric.into(), Box::new(judge)));
        self
    }

    /// Tells a part of the time that the code took itself for each result, such as `render`. Where the contract has
    /// a tolerance for it, a comparison of two builds decides on that part too. Tell it in nanoseconds: what comes in
    /// coarse steps is not compared.
    #[must_use]
    pub fn part(
        mut self,
        name: impl Into<String>,
        tell: impl Fn(&Out) -> Duration + Send + 'static,
    ) -> Self {
        self.parts.push((name.into(), Box::new(tell)));
        self
    }
}

/// Code that is run again and again, whatever its result.
pub(super) trait Repeat {
    /// How long that took as the code tells it, where a part of its time is asked for.
    fn repeat(&mut self, iterations: u64) -> Option<Nanos>;
}

/// The same, and once for its result.
trait TimedWork<Out>: Repeat {
    fn once(&mut self) -> Out;
}

/// The loop over a closure, generic so that the closure is a part of it.
struct Looped<Iterate>(Iterate);

impl<Out, Iterate: FnMut() -> Out> TimedWork<Out> for Looped<Iterate> {
    fn once(&mut self) -> Out {
        (self.0)()
    }
}

impl<Out, Iterate: FnMut() -> Out> Repeat for Looped<Iterate> {
    // PERF: no slower than criterion's (`cargo bench --bench loops`: the ratio of the means is 1.002).
    // Moving the closure into a variable first, as criterion has it, changed nothing (1.003).
    #[inline(never)]
    fn repeat(&mut self, iterations: u64) -> Option<Nanos> {
        for _ in 0..iterations {
            black_box((self.0)());
        }
        None
    }
}

/// The same, of which a part of the time counts that it tells itself.
struct TellsPart<'a, Out> {
    work: Box<dyn TimedWork<Out>>,
    tell: &'a TellPart<Out>,
}

impl<Out> Repeat for TellsPart<'_, Out> {
    fn repeat(&mut self, iterations: u64) -> Option<Nanos> {
        let one = |_| Nanos::from_duration((self.tell)(&self.work.once()));
        Some((0..iterations).map(one).fold(Nanos::ZERO, Nanos::saturating_add))
    }
}

/// Makes a case ready of which a part of the time counts.
type ReadyPart<'a> = Box<dyn FnOnce() -> Box<dyn Repeat + 'a> + 'a>;

/// Code of any result.
pub(super) trait Measurable: Send {
    fn name(&self) -> &str;

    /// Measures one case in one pass, on this thread.
    fn measure(&self, size: Option<u64>, pass: &CodePass, clock: &dyn Clock) -> CaseEvidence;

    /// Makes one case ready to be run.
    fn ready(&self, size: Option<u64>) -> Box<dyn Repeat>;

    /// What makes one case ready to be run, of which this part of the time counts; `None` where it does not tell it.
    fn part<'a>(&'a self, size: Option<u64>, part: &str) -> Option<ReadyPart<'a>>;
}

/// What one of several passes over the sizes of an operation does at each.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodePass {
    /// Whether it counts as well; the first does.
    counts: bool,
    samples: usize,
    /// Samples that it takes however long they take.
    samples_min: usize,
    iterations_min: u64,
    time_max: Nanos,
}

impl CodePass {
    /// The passes over an operation: several where sizes are compared with each other, so that a time at
    /// which others want the processor falls on all of them and not on one.
    pub(super) fn all(operation: &Operation, sampling: &Sampling) -> Vec<Self> {
        let passes = if operation.sizes.len() < 3 { 1 } else { PASSES };
        let wanted = usize::try_from(sampling.samples).unwrap_or(usize::MAX);
        let wanted = wanted.clamp(SAMPLES_MIN, SAMPLES_MAX / PASSES).div_ceil(passes);
        let share = passes as u64;
        let pass = |number| Self {
            counts: number == 0,
            samples: wanted,
            samples_min: SAMPLES_MIN.div_ceil(passes),
            iterations_min: operation.iterations.get().div_ceil(share),
            time_max: Nanos::new(sampling.phase_time_max.get() / share),
        };
        (0..passes).map(pass).collect()
    }
}

impl<Out: 'static> Measurable for Code<Out> {
    fn name(&self) -> &str {
        &self.name
    }

    fn measure(&self, size: Option<u64>, pass: &CodePass, clock: &dyn Clock) -> CaseEvidence {
        let mut work = (self.prepare)(size.unwrap_or(0));
        let iterations = warm_up(work.as_mut(), clock);
        let counted = if pass.counts { self.count(work.as_mut()) } else { CaseEvidence::default() };
        set_counting(false);
        let samples = time(work.as_mut(), iterations, pass, clock);
        set_counting(true);
        // A clock that stood still tells nothing, and what was counted is known all the same.
        CaseEvidence { samples: Samples::new(samples).unwrap_or_default(), ..counted }
    }

    fn ready(&self, size: Option<u64>) -> Box<dyn Repeat> {
        (self.prepare)(size.unwrap_or(0))
    }

    fn part<'a>(&'a self, size: Option<u64>, part: &str) -> Option<ReadyPart<'a>> {
        let (_, tell) = self.parts.iter().find(|(name, _)| name == part)?;
        let ready = move || -> Box<dyn Repeat + 'a> {
            Box::new(TellsPart { work: (self.prepare)(size.unwrap_or(0)), tell })
        };
        Some(Box::new(ready))
    }
}

impl<Out: 'static> Code<Out> {
    fn count(&self, work: &mut dyn TimedWork<Out>) -> CaseEvidence {
        let mut evidence = CaseEvidence::default();
        let mut quality: BTreeMap<String, Option<i64>> = BTreeMap::new();
        let mut parts: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        for _ in 0..COUNTED {
            let watch = is_installed().then(ProcessWatch::start).and_then(Result::ok);
            let result = work.once();
            let cost = watch.map(ProcessWatch::stop);
            if let Some(cost) = cost {
                let with = |range: Option<Range>, value: u64| {
                    Some(range.map_or_else(|| Range::of(value), |it| it.with(value)))
                };
                evidence.counted = evidence.counted.saturating_add(Count::new(1));
                evidence.allocations = with(evidence.allocations, cost.allocations.get());
                evidence.allocated_bytes = with(evidence.allocated_bytes, cost.bytes.get());
                evidence.heap_peak_bytes = with(evidence.heap_peak_bytes, cost.heap_peak.get());
            }
            for (metric, judge) in &self.qualities {
                let told = quality_ppm(judge(&result));
                quality
                    .entry(metric.clone())
                    .and_modify(|worst| *worst = worst.zip(told).map(|(one, other)| one.min(other)))
                    .or_insert(told);
            }
            for (name, tell) in &self.parts {
                let ns = Nanos::from_duration(tell(&result)).get();
                parts.entry(name.clone()).or_default().push(Sample { iterations: 1, ns });
            }
        }
        let parts = parts.into_iter().filter_map(|(name, samples)| {
            Some((name, Samples::new(samples).ok().filter(|it| !it.is_empty())?))
        });
        evidence.parts = parts.collect();
        evidence.quality = quality;
        evidence
    }
}

/// Runs the code until it is warm; how many iterations a batch needs.
fn warm_up<Out>(work: &mut dyn TimedWork<Out>, clock: &dyn Clock) -> u64 {
    let start = clock.elapsed();
    let mut iterations = 1_u64;
    loop {
        let before = clock.elapsed();
        work.repeat(iterations);
        let after = clock.elapsed();
        let took = after.saturating_sub(before);
        let warm = after.saturating_sub(start) >= WARMUP;
        if (warm && took >= BATCH) || iterations >= BATCH_ITERATIONS_MAX {
            // As many as fill a batch, at least one.
            let needed = u128::from(iterations) * u128::from(BATCH.get());
            let needed = needed.div_ceil(u128::from(took.get().max(1)));
            return u64::try_from(needed).unwrap_or(u64::MAX).clamp(1, BATCH_ITERATIONS_MAX);
        }
        if took < BATCH {
            iterations *= 2;
        }
    }
}

/// Takes samples until there are enough of them and of iterations, or the time is over.
fn time<Out>(
    work: &mut dyn TimedWork<Out>,
    iterations: u64,
    pass: &CodePass,
    clock: &dyn Clock,
) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::with_capacity(pass.samples);
    let start = clock.elapsed();
    let mut done = 0_u64;
    while samples.len() < SAMPLES_MAX / PASSES {
        let enough = samples.len() >= pass.samples && done >= pass.iterations_min;
        let over = clock.elapsed().saturating_sub(start) >= pass.time_max;
        if enough || (over && samples.len() >= pass.samples_min) {
            break;
        }
        let before = clock.elapsed();
        work.repeat(iterations);
        let ns = clock.elapsed().saturating_sub(before).get();
        samples.push(Sample { iterations, ns });
        done = done.saturating_add(iterations);
    }
    samples
}
