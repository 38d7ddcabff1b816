//! Instructions of the checks and operations of two builds, and of the functions of one.
//!
//! [`count_samples`] is the evidence of `instructions-change`: both builds under callgrind at the same
//! time, doing the same, so that their samples can be paired. First a process of each goes through all
//! checks of a fixture, which is quick. What that does not show to be within the tolerance is counted
//! again by processes that do nothing else: what other checks left behind in their memory is no part of
//! a count then. [`count_instructions`] says which functions the instructions of one build are in.
//! Nothing here decides on a build; [`perf_passport::paired`] says what to count again.

use std::{collections::BTreeMap, path::Path};

use perf_passport::{
    contract::Check,
    paired::{
        CountedPair, FunctionCost, InstructionCounts, Instructions, Policy, SAMPLES_ALONE,
        SAMPLES_AMONG_OTHERS, SampleCounts, WhyUncounted,
    },
    text::escaped,
    units::Count,
    worker::protocol::Seen,
};

use crate::{
    callgrind::{
        CountFailure, CountPlace, CountedSamples, CountedWorker, InstructionsError, countable,
        find_valgrind,
    },
    count_plan::CountPlan,
    error::WorkerError,
    side::{Side, Sides},
    watch::Watch,
    workplace::{fill_caches, temporary_directory},
};

/// Bytes by which the environment of each further pair of processes is larger: no multiple of a page, of
/// a cache line or of the alignment of a stack.
const PADDING: usize = 1_000;

/// Workers that may end in the middle of a check until the others are given up.
const WORKERS_LOST_MAX: u32 = 3;

/// What was counted of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutedInstructions {
    /// The instructions.
    pub instructions: Instructions,
    /// What each sample was like; `None` of code.
    pub response: Option<Seen>,
}

/// What became of each item, by its id.
pub type InstructionsByItem = BTreeMap<String, Result<ExecutedInstructions, InstructionsError>>;

/// Counts the instructions of each item by functions; those after an interruption are left out.
///
/// # Errors
///
/// [`InstructionsError::ValgrindMissing`] or [`InstructionsError::Unavailable`] when nothing can be
/// counted here. What goes wrong with a check is its outcome.
pub fn count_instructions(
    side: &Side,
    plans: &[CountPlan<'_>],
    watch: Watch<'_>,
    progress: &mut dyn FnMut(&CountPlan<'_>),
) -> Result<InstructionsByItem, InstructionsError> {
    find_valgrind()?;
    let directory = temporary_directory()?;
    let side = countable(side, directory.path(), "0")?;
    fill_caches(&[&side], &checks(plans), directory.path(), watch)?;
    let mut outcomes = InstructionsByItem::new();
    for plan in plans {
        progress(plan);
        // One process for each, so that what others left behind is no part of it.
        let outcome =
            CountedWorkers::new([&side], directory.path(), 0, watch).count(plan, SAMPLES_ALONE);
        let outcome = match outcome {
            Err(InstructionsError::Interrupted) => break,
            Err(error) => Err(error),
            Ok([sampled]) => Ok(executed(sampled)),
        };
        outcomes.insert(plan.id(), outcome);
    }
    Ok(outcomes)
}

/// Counts the instructions of each sample of each item in both builds; those that an interruption
/// kept from being counted are left out.
///
/// Why a check was not counted is a part of the result, also when none was.
pub fn count_samples(
    sides: &Sides,
    plans: &[CountPlan<'_>],
    policy: &Policy,
    watch: Watch<'_>,
    progress: &mut dyn FnMut(&CountPlan<'_>),
) -> BTreeMap<String, InstructionCounts> {
    let nothing = |plan: &CountPlan<'_>| InstructionCounts {
        warmup_samples: Count::new(u64::from(plan.warmup_samples())),
        ..InstructionCounts::default()
    };
    let mut counts: BTreeMap<String, InstructionCounts> =
        plans.iter().map(|plan| (plan.id(), nothing(plan))).collect();
    let counter = SampleCounter { sides, plans, policy, watch };
    if let Err(error) = counter.count(progress, &mut counts) {
        let is_known = |it: &InstructionCounts| {
            it.uncounted.is_some() || it.is_whole(policy.instructions_rule)
        };
        if error == InstructionsError::Interrupted {
            counts.retain(|_, it| is_known(it));
        }
        for count in counts.values_mut().filter(|it| !is_known(it)) {
            *count = uncounted(&error);
        }
    }
    counts
}

/// Those of the plans that are of checks.
fn checks<'a>(plans: &[CountPlan<'a>]) -> Vec<&'a Check> {
    plans.iter().filter_map(|plan| plan.item().check()).collect()
}

/// What is counted.
struct SampleCounter<'a> {
    sides: &'a Sides,
    plans: &'a [CountPlan<'a>],
    policy: &'a Policy,
    watch: Watch<'a>,
}

impl SampleCounter<'_> {
    fn count(
        &self,
        progress: &mut dyn FnMut(&CountPlan<'_>),
        counts: &mut BTreeMap<String, InstructionCounts>,
    ) -> Result<(), InstructionsError> {
        find_valgrind()?;
        let directory = temporary_directory()?;
        let directory = directory.path();
        let baseline = countable(&self.sides.baseline, directory, "0")?;
        let current = countable(&self.sides.current, directory, "1")?;
        let sides = [&baseline, &current];
        fill_caches(&sides, &checks(self.plans), directory, self.watch)?;
        let mut order = self.plans.to_vec();
        order.sort_by_key(CountPlan::fixture);
        for of_fixture in order.chunk_by(|a, b| a.fixture() == b.fixture()) {
            let mut workers = CountedWorkers::new(sides, directory, 0, self.watch);
            for plan in of_fixture {
                let Some(count) = counts.get_mut(&plan.id()) else { continue };
                progress(plan);
                match workers.count(plan, SAMPLES_AMONG_OTHERS) {
                    Ok(sampled) => count.among_others = Some(pair(&sampled)),
                    Err(InstructionsError::Interrupted) => {
                        return Err(InstructionsError::Interrupted);
                    }
                    Err(error) => *count = uncounted(&error),
                }
            }
        }
        for plan in self.plans {
            let Some(count) = counts.get_mut(&plan.id()) else { continue };
            let tolerance = plan.tolerance();
            while count.uncounted.is_none() && count.needs_a_pair(self.policy, tolerance) {
                progress(plan);
                let padding = count.alone.len() * PADDING;
                let mut workers = CountedWorkers::new(sides, directory, padding, self.watch);
                match workers.count(plan, SAMPLES_ALONE) {
                    Ok(sampled) => count.alone.push(pair(&sampled)),
                    Err(InstructionsError::Interrupted) => {
                        return Err(InstructionsError::Interrupted);
                    }
                    Err(error) => *count = uncounted(&error),
                }
            }
        }
        Ok(())
    }
}

fn pair([baseline, current]: &[CountedSamples; 2]) -> CountedPair {
    CountedPair { baseline: totals(baseline), current: totals(current) }
}

fn totals(sampled: &CountedSamples) -> SampleCounts {
    sampled.samples.iter().map(|profile| profile.total).collect()
}

fn uncounted(error: &InstructionsError) -> InstructionCounts {
    let why = match error {
        InstructionsError::ValgrindMissing => WhyUncounted::ValgrindMissing,
        _ => WhyUncounted::Failed,
    };
    InstructionCounts::uncounted(why, &escaped(&error.to_string()))
}

/// Processes that are counted at the same time, one of each side, and others when one is lost.
struct CountedWorkers<'a, const SIDES: usize> {
    sides: [&'a Side; SIDES],
    directory: &'a Path,
    padding: usize,
    watch: Watch<'a>,
    running: Option<[CountedWorker<'a>; SIDES]>,
    started: u32,
    /// Why the last one was lost, once that were too many.
    given_up: Option<InstructionsError>,
}

impl<'a, const SIDES: usize> CountedWorkers<'a, SIDES> {
    fn new(
        sides: [&'a Side; SIDES],
        directory: &'a Path,
        padding: usize,
        watch: Watch<'a>,
    ) -> Self {
        Self { sides, directory, padding, watch, running: None, started: 0, given_up: None }
    }

    /// Counts so many samples of an item on all sides.
    fn count(
        &mut self,
        plan: &CountPlan<'_>,
        samples: u32,
    ) -> Result<[CountedSamples; SIDES], InstructionsError> {
        if let Some(why) = &self.given_up {
            return Err(why.clone());
        }
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start().map_err(|error| self.lost(error.into()))?,
        };
        match count(&mut running, plan, samples) {
            Ok(counted) => {
                self.running = Some(running);
                Ok(counted)
            }
            Err(CountFailure { why, ends_the_worker: false }) => {
                self.running = Some(running);
                Err(why)
            }
            Err(CountFailure { why, ends_the_worker: true }) => Err(self.lost(why)),
        }
    }

    fn start(&mut self) -> Result<[CountedWorker<'a>; SIDES], WorkerError> {
        self.started += 1;
        let mut running = Vec::with_capacity(SIDES);
        for (number, side) in self.sides.iter().enumerate() {
            let role = format!("{number}-{}-{}", self.padding, self.started);
            let (directory, padding) = (self.directory, self.padding);
            let place = CountPlace { directory, role: &role, padding };
            running.push(CountedWorker::begin(side, &place, self.watch)?);
        }
        running.iter_mut().try_for_each(CountedWorker::wait_until_ready)?;
        Ok(running.try_into().unwrap_or_else(|_| unreachable!("one for each side")))
    }

    fn lost(&mut self, why: InstructionsError) -> InstructionsError {
        if self.started >= WORKERS_LOST_MAX {
            self.given_up = Some(why.clone());
        }
        why
    }
}

/// Asks all for the same item at the same time; what the first says of whom it goes wrong with.
fn count<const SIDES: usize>(
    running: &mut [CountedWorker<'_>; SIDES],
    plan: &CountPlan<'_>,
    samples: u32,
) -> Result<[CountedSamples; SIDES], CountFailure> {
    for counting in &mut *running {
        counting.ask(plan, samples)?;
    }
    // All are heard, also when the first has nothing to say: the next question is another one.
    let heard = running.each_mut().map(|counting| counting.answer(plan, samples));
    let lost = heard.iter().any(|it| it.as_ref().is_err_and(|it| it.ends_the_worker));
    let mut counted = Vec::with_capacity(SIDES);
    for answer in heard {
        counted.push(answer.map_err(|it| CountFailure { ends_the_worker: lost, ..it })?);
    }
    Ok(counted.try_into().unwrap_or_else(|_| unreachable!("one of each side")))
}

fn executed(sampled: CountedSamples) -> ExecutedInstructions {
    let mut instructions = Instructions {
        total: 0,
        samples: sampled.samples.len() as u64,
        functions: BTreeMap::new(),
    };
    let mut symbols: BTreeMap<String, FunctionCost> = BTreeMap::new();
    for profile in sampled.samples {
        instructions.total = instructions.total.saturating_add(profile.total);
        for (symbol, cost) in profile.functions {
            add(symbols.entry(symbol).or_default(), cost);
        }
    }
    instructions.functions = readable(symbols, instructions.total);
    ExecutedInstructions { instructions, response: sampled.response }
}

fn add(function: &mut FunctionCost, cost: FunctionCost) {
    function.own = function.own.saturating_add(cost.own);
    function.inclusive = function.inclusive.saturating_add(cost.inclusive);
}

/// Functions by the names that people know them by. Instances of one generic function may have the
/// same name, and count as one.
fn readable(symbols: BTreeMap<String, FunctionCost>, total: u64) -> BTreeMap<String, FunctionCost> {
    let mut functions: BTreeMap<String, FunctionCost> = BTreeMap::new();
    for (symbol, cost) in symbols {
        // Those that only wait for the work to be done, or were not in it.
        if cost == FunctionCost::default() {
            continue;
        }
        // Without its hash, which differs between builds.
        let name = format!("{:#}", rustc_demangle::demangle(&symbol));
        let function = functions.entry(name).or_default();
        add(function, cost);
        function.inclusive = function.inclusive.min(total);
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_the_names_that_people_know() {
        let cost = |own, inclusive| FunctionCost { own, inclusive };
        let symbols = BTreeMap::from([
            ("_ZN4work4once17h0123456789abcdefE".to_owned(), cost(1, 60)),
            ("_ZN4work4once17hfedcba9876543210E".to_owned(), cost(2, 60)),
            ("_RNvC4work5twice".to_owned(), cost(3, 3)),
            ("malloc".to_owned(), cost(4, 4)),
            ("outside".to_owned(), cost(0, 0)),
        ]);
        let expected = BTreeMap::from([
            ("work::once".to_owned(), cost(3, 100)),
            ("work::twice".to_owned(), cost(3, 3)),
            ("malloc".to_owned(), cost(4, 4)),
        ]);
        assert_eq!(readable(symbols, 100), expected);
    }
}
