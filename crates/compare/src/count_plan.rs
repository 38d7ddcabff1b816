//! What is counted of an item under callgrind: how many requests or iterations come first, and how many
//! make a sample.

use perf_passport::{
    contract::{Check, Operation},
    units::{Nanos, Picos, Ppm},
    worker::protocol::Question,
};

use crate::item::Item;

/// Requests or iterations that warm an item up, about. Their number changes the count a little, so it is
/// the same for all builds.
const WARMUP: u64 = 20;

/// Samples that warm up an item whose samples are long, at least.
const WARMUP_SAMPLES_MIN: u64 = 2;

/// Iterations of a sample of an operation that takes no longer than [`SHORT`]: so the call that is counted
/// with them is little of it.
const ITERATIONS: u64 = 8;
const SHORT: Nanos = Nanos::new(500_000);

/// An operation that takes longer is warmed up by as few iterations as can be.
const LONG: Nanos = Nanos::new(10_000_000);

/// An operation that takes longer is not counted: callgrind makes it fifty times slower, and some fifty
/// samples are counted.
const COUNTED_MAX: Nanos = Nanos::new(40_000_000);

/// What is counted of one item.
#[derive(Debug, Clone, Copy)]
pub struct CountPlan<'a> {
    item: Item<'a>,
    warmup: u32,
    iterations: u64,
    /// How long an iteration takes, where that is too long.
    too_long: Option<Nanos>,
}

impl<'a> CountPlan<'a> {
    /// Samples of a check, each of all its requests.
    pub fn of_check(check: &'a Check) -> Self {
        let samples = WARMUP / check.requests_per_sample().max(1);
        let warmup = u32::try_from(samples.max(WARMUP_SAMPLES_MIN)).unwrap_or(u32::MAX);
        Self { item: Item::Check(check), warmup, iterations: 1, too_long: None }
    }

    /// Samples of an operation whose iteration takes so long.
    pub fn of_case(operation: &'a Operation, size: Option<u64>, mean: Picos) -> Self {
        let mean = Nanos::new(mean.get() / 1_000);
        let warmup = if mean > LONG { WARMUP_SAMPLES_MIN } else { WARMUP };
        Self {
            item: Item::Case(operation, size),
            warmup: u32::try_from(warmup).unwrap_or(u32::MAX),
            iterations: if mean > SHORT { 1 } else { ITERATIONS },
            too_long: (mean > COUNTED_MAX).then_some(mean),
        }
    }

    /// Why its instructions are not counted; `None` where they can be.
    pub fn why_not_counted(&self) -> Option<String> {
        let mean = self.too_long?.to_ms();
        let most = COUNTED_MAX.to_ms();
        Some(format!(
            "instructions were not counted: an iteration takes {mean:.0} ms, and valgrind would take too \
             long above {most:.0} ms"
        ))
    }

    /// The item.
    pub fn item(&self) -> Item<'a> {
        self.item
    }

    /// Its name, see [`Item::id`].
    pub fn id(&self) -> String {
        self.item.id()
    }

    /// Samples that are taken first and not counted.
    pub fn warmup_samples(&self) -> u32 {
        self.warmup
    }

    /// Iterations in a sample of an operation; 1 for a check.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// How many more instructions are accepted.
    pub(crate) fn tolerance(&self) -> Ppm {
        match self.item {
            Item::Check(check) => check.tolerance.of_instructions(),
            Item::Case(operation, _) | Item::Part(operation, ..) => {
                operation.tolerance.of_instructions()
            }
        }
    }

    /// The state of the service that it needs.
    pub(crate) fn fixture(&self) -> Option<&'a str> {
        self.item.fixture()
    }

    /// Asks a worker for so many samples.
    pub(crate) fn of_instructions(&self, samples: u32) -> Question {
        let (warmup, iterations) = (self.warmup, self.iterations);
        match self.item {
            Item::Check(check) => Question::Instructions { check: check.id(), warmup, samples },
            Item::Case(operation, size) | Item::Part(operation, size, _) => {
                let operation = operation.name.clone();
                Question::InstructionsCase { operation, size, warmup, samples, iterations }
            }
        }
    }

    /// Asks a worker where a sample of a check, or an iteration of an operation, allocates.
    pub(crate) fn of_sites(&self) -> Question {
        let warmup = u32::try_from(WARMUP).unwrap_or(u32::MAX);
        match self.item {
            Item::Check(check) => Question::AllocationSites { check: check.id(), warmup },
            Item::Case(operation, size) | Item::Part(operation, size, _) => {
                let operation = operation.name.clone();
                Question::AllocationSitesCase { operation, size, warmup: self.warmup.min(warmup) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_passport::contract::Contract;

    #[test]
    fn what_takes_long_is_counted_less_and_what_takes_very_long_is_not() {
        let text = "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"sort\"\nsizes = [10]\n\
                    budgets = { allocations_max = 9 }\n";
        let contract = Contract::parse(text).unwrap();
        let of = |ns: u64| {
            let plan =
                CountPlan::of_case(&contract.operations[0], Some(10), Picos::new(ns * 1_000));
            let counted = (plan.warmup_samples(), plan.iterations());
            plan.why_not_counted().map_or(Ok(counted), Err)
        };
        assert_eq!(of(30), Ok((20, 8)));
        assert_eq!(of(500_000), Ok((20, 8)));
        assert_eq!(of(500_001), Ok((20, 1)));
        assert_eq!(of(10_000_001), Ok((2, 1)));
        assert_eq!(of(40_000_000), Ok((2, 1)));
        let why = "instructions were not counted: an iteration takes 100 ms, and valgrind would take too \
                   long above 40 ms";
        assert_eq!(of(100_000_000), Err(why.to_owned()));
    }
}
