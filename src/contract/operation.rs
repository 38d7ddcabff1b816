//! `[[operation]]`: pieces of code under contract, as written and resolved.
//!
//! An operation is something that runs many times, at one or more sizes: a function, or what another
//! tool has measured under a name. Its costs must be strictly less than its budgets, as those of a
//! check, and `throughput_min` is a floor. This module does not measure.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    ClaimKind, ContractError, NotNegative, Positive,
    limits::{REGRESSION, can_be_kept},
    name::check_name,
};
use crate::units::{Bytes, Count, Millihertz, Nanos, Picos, Ppm};

const SIZES_MAX: usize = 64;
const SIZE_LIMIT: u64 = 1_000_000_000_000;
const ITERATIONS_LIMIT: u64 = 1_000_000_000;
const BENCHMARK_LENGTH_MAX: usize = 1000;
const HEAP_LIMIT: u64 = 1 << 50;
const ALLOCATIONS_LIMIT: u64 = 1_000_000_000;
const INSTRUCTIONS_LIMIT: u64 = 1_000_000_000_000_000;
const SECONDS_LIMIT: f64 = 1e6;
const MS_LIMIT: f64 = 1e6;
const QUALITY_LIMIT: f64 = 1e9;
const QUALITY_SUFFIX: &str = "_min";

/// How long an operation may take for all its sizes, unless the contract says otherwise.
const DEADLINE: Nanos = Nanos::new(60_000_000_000);

/// `[[operation]]`: one piece of code, measured at one or more sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OperationDocument {
    /// A name, unique among operations: lowercase letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What another tool calls it, such as the `group/function` of criterion; of a size, that and
    /// `/SIZE`. The name when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub benchmark: Option<String>,
    /// The sizes that it is measured at, rising; 1 to 64 of them, at most 1e12. One measurement
    /// without a size when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Vec<u64>>,
    /// Iterations that `total_ms_max` is about, and the least that the harness measures unless the
    /// time of sampling is over; at most 1e9. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u64>,
    /// Seconds after which the harness gives the operation up, all sizes together; at most 1e6.
    /// Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<Positive>,
    /// Marks an operation as slow, so that a test run can leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<bool>,
    /// What one iteration may cost.
    #[serde(default)]
    pub budgets: OperationBudgetsDocument,
    /// What the operation must say of its own result: `accuracy_min = 0.95` is a floor for the metric
    /// `accuracy`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quality: BTreeMap<String, f64>,
    /// How much more than in the baseline is still accepted.
    #[serde(default, skip_serializing_if = "OperationToleranceDocument::is_empty")]
    pub tolerance: OperationToleranceDocument,
}

/// `[operation.budgets]`: what one iteration may cost; the cost must be strictly less.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OperationBudgetsDocument {
    /// Milliseconds of one iteration on average; at most 1e6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_ms_max: Option<Positive>,
    /// Milliseconds of `iterations` iterations; at most 1e6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_ms_max: Option<Positive>,
    /// Iterations per second, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput_min: Option<Positive>,
    /// Peak heap of one iteration in bytes; 1 to 2^50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_125_899_906_842_624_u64)))]
    pub heap_bytes_max: Option<u64>,
    /// Allocations of one iteration; 1, which allows none, to 1e9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000_000)))]
    pub allocations_max: Option<u64>,
    /// Instructions of one run, which a tool such as gungraun counted; 1 to 1e15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000_000_000_000_u64)))]
    pub instructions_max: Option<u64>,
    /// How the time may grow with the size: `1`, `log n`, `n`, `n log n`, `n^2` or `n^3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complexity_max: Option<Complexity>,
}

/// `[operation.tolerance]`: how much worse than the baseline is still accepted, in percent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OperationToleranceDocument {
    /// Of the mean time. Default 5. Two builds side by side decide on it; against stored times, which
    /// prove nothing, it abstains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_percent: Option<NotNegative>,
    /// Of the instructions that two builds execute, counted side by side. Default what `latency_percent`
    /// says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions_percent: Option<NotNegative>,
    /// Of the peak heap. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_percent: Option<NotNegative>,
    /// Of the allocations. Default 0: the count is exact, so one more is one more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocations_percent: Option<NotNegative>,
    /// Of the part of the time that the operation tells as `render`; not compared unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub render_percent: Option<NotNegative>,
    /// Of the part of the time that the operation tells as `interaction`; not compared unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_percent: Option<NotNegative>,
}

impl OperationToleranceDocument {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A class of growth with the size, up to a constant factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Complexity {
    /// Does not grow.
    #[serde(rename = "1")]
    Constant,
    /// By the logarithm.
    #[serde(rename = "log n")]
    Logarithmic,
    /// In proportion.
    #[serde(rename = "n")]
    Linear,
    /// In proportion, times the logarithm.
    #[serde(rename = "n log n")]
    Linearithmic,
    /// By the square.
    #[serde(rename = "n^2")]
    Quadratic,
    /// By the cube.
    #[serde(rename = "n^3")]
    Cubic,
}

impl Complexity {
    /// Every class, rising.
    pub const ALL: [Self; 6] = [
        Self::Constant,
        Self::Logarithmic,
        Self::Linear,
        Self::Linearithmic,
        Self::Quadratic,
        Self::Cubic,
    ];
}

impl fmt::Display for Complexity {
    /// As the contract has it: `n log n`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// An operation of which nothing is left to look up.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The name, unique among operations.
    pub name: String,
    /// What another tool calls it.
    pub benchmark: String,
    /// The sizes, rising; empty where it has none.
    pub sizes: Vec<u64>,
    /// Iterations that the total is of; at least 1.
    pub iterations: Count,
    /// After this long it is given up.
    pub deadline: Nanos,
    /// Whether a test run may leave it out.
    pub slow: bool,
    /// What one iteration may cost.
    pub budgets: OperationBudgets,
    /// Floors by metric.
    pub quality_min: BTreeMap<String, i64>,
    /// How much more than the baseline is accepted.
    pub tolerance: OperationTolerance,
}

/// What one iteration may cost; each cost must be strictly less. What is `None` is not claimed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationBudgets {
    /// Mean time.
    pub mean_max: Option<Picos>,
    /// Time of [`Operation::iterations`] iterations.
    pub total_ns_max: Option<Nanos>,
    /// Iterations per second, at least.
    pub throughput_min: Option<Millihertz>,
    /// Peak heap.
    pub heap_bytes_max: Option<Bytes>,
    /// Allocations.
    pub allocations_max: Option<Count>,
    /// Instructions.
    pub instructions_max: Option<Count>,
    /// Growth with the size.
    pub complexity_max: Option<Complexity>,
}

/// How much more than in the baseline is accepted: 100000 is 10 % more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationTolerance {
    /// Of the mean time, and of the instructions where they have none of their own.
    pub latency_ppm: Ppm,
    /// Of the instructions, where the contract says so.
    pub instructions_ppm: Option<Ppm>,
    /// Of the peak heap.
    pub heap_ppm: Ppm,
    /// Of the allocations.
    pub allocations_ppm: Ppm,
    /// Of the part `render`, where it is compared.
    pub render_ppm: Option<Ppm>,
    /// Of the part `interaction`, where it is compared.
    pub interaction_ppm: Option<Ppm>,
}

impl OperationTolerance {
    /// How many more instructions are accepted.
    pub fn of_instructions(&self) -> Ppm {
        self.instructions_ppm.unwrap_or(self.latency_ppm)
    }

    /// How much longer a part may take; `None` where it is not compared.
    pub fn of_part(&self, part: TimePart) -> Option<Ppm> {
        match part {
            TimePart::Render => self.render_ppm,
            TimePart::Interaction => self.interaction_ppm,
        }
    }

    /// The parts that are compared.
    pub fn parts(&self) -> impl Iterator<Item = (TimePart, Ppm)> {
        TimePart::ALL.into_iter().filter_map(|part| Some((part, self.of_part(part)?)))
    }
}

/// A part of its time that an operation may tell, and that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePart {
    /// `render`.
    Render,
    /// `interaction`.
    Interaction,
}

impl TimePart {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Render, Self::Interaction];

    /// The name that the code tells it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::Interaction => "interaction",
        }
    }

    /// What is claimed of it against a baseline.
    pub const fn claim(self) -> ClaimKind {
        match self {
            Self::Render => ClaimKind::RenderChange,
            Self::Interaction => ClaimKind::InteractionChange,
        }
    }

    /// The part that this claim is on.
    pub fn of_claim(kind: ClaimKind) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.claim() == kind)
    }
}

impl Operation {
    /// The sizes to measure: `None` once where the operation has none.
    pub fn cases(&self) -> Vec<Option<u64>> {
        if self.sizes.is_empty() {
            return vec![None];
        }
        self.sizes.iter().copied().map(Some).collect()
    }

    /// The name of a case: `name`, or `name/size`.
    pub fn case_name(&self, size: Option<u64>) -> String {
        with_size(&self.name, size)
    }

    /// What another tool calls a case.
    pub fn benchmark_of(&self, size: Option<u64>) -> String {
        with_size(&self.benchmark, size)
    }
}

fn with_size(name: &str, size: Option<u64>) -> String {
    size.map_or_else(|| name.to_owned(), |size| format!("{name}/{size}"))
}

/// Resolves all operations; errors are within their tables.
pub(super) fn operations(written: &[OperationDocument]) -> Result<Vec<Operation>, ContractError> {
    let mut resolved: Vec<Operation> = Vec::new();
    for (place, operation) in written.iter().enumerate() {
        let within = |error: ContractError| error.within("operation", place);
        let operation = resolve(operation).map_err(within)?;
        if let Some(other) = resolved.iter().find(|it| it.name == operation.name) {
            let message = format!("operation `{}` is defined twice", other.name);
            return Err(within(ContractError::meaning("name", message)));
        }
        resolved.push(operation);
    }
    Ok(resolved)
}

fn resolve(written: &OperationDocument) -> Result<Operation, ContractError> {
    let name = &written.name;
    check_name("operation", name)?;
    let benchmark = written.benchmark.clone().unwrap_or_else(|| name.clone());
    if benchmark.is_empty() || benchmark.len() > BENCHMARK_LENGTH_MAX {
        let message = format!(
            "operation `{name}` has a `benchmark` that is not 1 to {BENCHMARK_LENGTH_MAX} bytes long"
        );
        return Err(ContractError::meaning("benchmark", message));
    }
    let iterations = written.iterations.unwrap_or(1);
    in_range(name, "iterations", iterations, 1..=ITERATIONS_LIMIT)?;
    if written.deadline_seconds.is_some_and(|it| f64::from(it) > SECONDS_LIMIT) {
        let message = format!("operation `{name}`: deadline_seconds is above {SECONDS_LIMIT:e}");
        return Err(ContractError::meaning("deadline_seconds", message));
    }
    let operation = Operation {
        name: name.clone(),
        benchmark,
        sizes: sizes(name, written.sizes.as_deref())?,
        iterations: Count::new(iterations),
        deadline: written.deadline_seconds.map_or(DEADLINE, Positive::seconds_to_nanos),
        slow: written.slow.unwrap_or(false),
        budgets: budgets(name, &written.budgets).map_err(|error| error.inside("budgets"))?,
        quality_min: quality(name, &written.quality).map_err(|error| error.inside("quality"))?,
        tolerance: tolerance(&written.tolerance),
    };
    check_whole(written, &operation)?;
    Ok(operation)
}

/// What the keys say only together.
fn check_whole(written: &OperationDocument, operation: &Operation) -> Result<(), ContractError> {
    let name = &operation.name;
    let refused = |key, message: String| Err(ContractError::meaning(key, message));
    let claims = written.budgets != OperationBudgetsDocument::default()
        || !operation.quality_min.is_empty()
        || !written.tolerance.is_empty();
    if !claims {
        let message = format!(
            "operation `{name}` claims nothing: give it [operation.budgets], [operation.quality] or \
             [operation.tolerance]"
        );
        return refused("name", message);
    }
    if operation.budgets.total_ns_max.is_some() && written.iterations.is_none() {
        let message =
            format!("operation `{name}` has total_ms_max, and says not of how many `iterations`");
        return refused("name", message);
    }
    // Below four sizes a line through logarithms says nothing of its own error.
    if operation.budgets.complexity_max.is_some() && operation.sizes.len() < 4 {
        let message = format!(
            "operation `{name}` has complexity_max, for which it needs four `sizes` or more"
        );
        return refused("name", message);
    }
    Ok(())
}

fn sizes(name: &str, written: Option<&[u64]>) -> Result<Vec<u64>, ContractError> {
    let Some(sizes) = written else { return Ok(Vec::new()) };
    let refused = |message| Err(ContractError::meaning("sizes", message));
    if sizes.is_empty() || sizes.len() > SIZES_MAX {
        return refused(format!(
            "operation `{name}` has {} sizes, not 1 to {SIZES_MAX}",
            sizes.len()
        ));
    }
    if sizes.iter().any(|size| !(1..=SIZE_LIMIT).contains(size)) {
        return refused(format!("operation `{name}` has a size that is not 1 to {SIZE_LIMIT}"));
    }
    if !sizes.is_sorted_by(|one, next| one < next) {
        return refused(format!("operation `{name}` has sizes that do not rise"));
    }
    Ok(sizes.to_vec())
}

fn budgets(
    name: &str,
    written: &OperationBudgetsDocument,
) -> Result<OperationBudgets, ContractError> {
    for (key, value) in
        [("mean_ms_max", written.mean_ms_max), ("total_ms_max", written.total_ms_max)]
    {
        if value.is_some_and(|it| f64::from(it) > MS_LIMIT) {
            let message = format!("operation `{name}`: {key} is above {MS_LIMIT:e}");
            return Err(ContractError::meaning(key, message));
        }
    }
    in_range(name, "heap_bytes_max", written.heap_bytes_max.unwrap_or(1), 0..=HEAP_LIMIT)?;
    let allocations = written.allocations_max;
    in_range(name, "allocations_max", allocations.unwrap_or(1), 0..=ALLOCATIONS_LIMIT)?;
    let instructions = written.instructions_max;
    in_range(name, "instructions_max", instructions.unwrap_or(1), 0..=INSTRUCTIONS_LIMIT)?;
    let mean_max = written.mean_ms_max.map(Positive::ms_to_picos);
    let total_ns_max = written.total_ms_max.map(Positive::ms_to_nanos);
    for (key, least, figure) in [
        ("mean_ms_max", "1e-9", mean_max.map(Picos::get)),
        ("total_ms_max", "1e-6", total_ns_max.map(Nanos::get)),
        ("heap_bytes_max", "1", written.heap_bytes_max),
        ("allocations_max", "1", allocations),
        ("instructions_max", "1", instructions),
    ] {
        can_be_kept(key, least, figure)?;
    }
    Ok(OperationBudgets {
        mean_max,
        total_ns_max,
        throughput_min: written.throughput_min.map(Positive::hertz_to_millihertz),
        heap_bytes_max: written.heap_bytes_max.map(Bytes::new),
        allocations_max: allocations.map(Count::new),
        instructions_max: instructions.map(Count::new),
        complexity_max: written.complexity_max,
    })
}

/// Floors in parts per million, by the metric that the key names.
fn quality(
    name: &str,
    written: &BTreeMap<String, f64>,
) -> Result<BTreeMap<String, i64>, ContractError> {
    let mut floors = BTreeMap::new();
    for (key, floor) in written {
        let Some(metric) = key.strip_suffix(QUALITY_SUFFIX) else {
            let message = format!(
                "operation `{name}` has quality `{key}`, which does not end in `{QUALITY_SUFFIX}`: \
                 did you mean `{}{QUALITY_SUFFIX}`?",
                key.trim_end_matches("_max").escape_default()
            );
            return Err(ContractError::meaning(key, message));
        };
        check_name("quality", metric).map_err(|_| {
            let message = format!(
                "operation `{name}` has quality `{}`: before `{QUALITY_SUFFIX}` stands a name of \
                 a-z, 0-9, `-`, `_`, `.`",
                key.escape_default()
            );
            ContractError::meaning(key, message)
        })?;
        let Some(floor) = quality_ppm(*floor) else {
            let message = format!("operation `{name}`: {key} is not a number from -1e9 to 1e9");
            return Err(ContractError::meaning(key, message));
        };
        floors.insert(metric.to_owned(), floor);
    }
    Ok(floors)
}

/// A quality in parts per million, rounded to the nearest; `None` for what is no number, or beyond
/// 1e9 either way.
#[expect(clippy::cast_possible_truncation, reason = "at most 1e15")]
pub fn quality_ppm(value: f64) -> Option<i64> {
    (-QUALITY_LIMIT..=QUALITY_LIMIT).contains(&value).then(|| (value * 1e6).round() as i64)
}

fn tolerance(written: &OperationToleranceDocument) -> OperationTolerance {
    let ppm = |percent: Option<NotNegative>| percent.map(NotNegative::percent_to_ppm);
    OperationTolerance {
        latency_ppm: ppm(written.latency_percent).unwrap_or(REGRESSION),
        heap_ppm: ppm(written.heap_percent).unwrap_or(REGRESSION),
        allocations_ppm: ppm(written.allocations_percent).unwrap_or(Ppm::ZERO),
        instructions_ppm: ppm(written.instructions_percent),
        render_ppm: ppm(written.render_percent),
        interaction_ppm: ppm(written.interaction_percent),
    }
}

fn in_range(
    name: &str,
    key: &str,
    value: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<(), ContractError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    let message = format!("operation `{name}`: {key} = {value} is not {least} to {most}");
    Err(ContractError::meaning(key, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    const GOOD: &str = r#"
        schema_version = 1
        name = "optics"
        [[operation]]
        name = "lens-get"
        benchmark = "lens/get"
        sizes = [10, 100, 1000, 10000]
        iterations = 1000
        [operation.budgets]
        mean_ms_max = 1
        total_ms_max = 1000
        throughput_min = 1000
        heap_bytes_max = 1_000_000
        allocations_max = 1
        complexity_max = "n log n"
        [operation.quality]
        accuracy_min = 0.95
        [operation.tolerance]
        latency_percent = 10
        heap_percent = 20
        render_percent = 15
    "#;

    fn refusal(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        Contract::parse(&GOOD.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn a_tolerance_for_all_is_that_of_operations_too() {
        let text = "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"sort\"\n\
                    tolerance = { latency_percent = 10 }\n";
        let contract = Contract::parse(text).unwrap().with_regression_percent(2.0).unwrap();
        assert_eq!(contract.operations[0].tolerance.latency_ppm, Ppm::new(20_000));
    }

    #[test]
    fn the_share_of_deterministic_checks_is_of_no_single_one() {
        let text = "schema_version = 1\nname = \"a\"\n[[endpoint]]\nname = \"b\"\npath = \"/\"\n\
                    [endpoint.tolerance]\ndeterministic_percent_min = 100\n";
        let error = Contract::parse(text).unwrap_err().to_string();
        assert!(error.contains("it belongs to the contract's [tolerance]"), "{error}");
    }

    #[test]
    fn an_operation_is_resolved_with_units() {
        let contract = Contract::parse(GOOD).unwrap();
        let operation = &contract.operations[0];
        assert_eq!(operation.case_name(Some(10)), "lens-get/10");
        assert_eq!(operation.benchmark_of(Some(10)), "lens/get/10");
        assert_eq!(operation.budgets.mean_max, Some(Picos::new(1_000_000_000)));
        assert_eq!(operation.budgets.throughput_min, Some(Millihertz::new(1_000_000)));
        assert_eq!(operation.budgets.allocations_max, Some(Count::new(1)));
        assert_eq!(operation.budgets.complexity_max, Some(Complexity::Linearithmic));
        assert_eq!(operation.quality_min["accuracy"], 950_000);
        assert_eq!(operation.tolerance.heap_ppm, Ppm::new(200_000));
        assert_eq!(operation.tolerance.render_ppm, Some(Ppm::new(150_000)));
        assert_eq!(operation.tolerance.interaction_ppm, None);
        assert_eq!(operation.tolerance.allocations_ppm, Ppm::ZERO);
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_remedy() {
        for (from, to, line, told) in [
            ("mean_ms_max", "mean_ms_mx", 10, "did you mean `mean_ms_max`?"),
            ("sizes", "size", 7, "did you mean `sizes`?"),
            ("\"n log n\"", "\"n*log n\"", 15, "did you mean `n log n`?"),
            ("accuracy_min", "accuracy", 17, "did you mean `accuracy_min`?"),
            ("accuracy_min", "accuracy_max", 17, "did you mean `accuracy_min`?"),
            ("accuracy_min = 0.95", "accuracy_min = nan", 17, "accuracy_min is not a number"),
            ("1000, 10000]", "1000, 1000]", 7, "sizes that do not rise"),
            ("100, 1000, 10000]", "100]", 5, "needs four `sizes`"),
            ("[10, 100", "[0, 100", 7, "a size that is not 1 to"),
            ("iterations = 1000\n", "\n", 5, "says not of how many `iterations`"),
            ("latency_percent = 10", "latency_percent = -1", 19, "not a number from 0 to 1e9"),
            ("latency_percent = 10", "latency_percent = inf", 19, "not a number from 0 to 1e9"),
            ("allocations_max = 1\n", "allocations_max = 0\n", 14, "write 1"),
            ("heap_bytes_max = 1_000_000", "heap_bytes_max = 0", 13, "write 1"),
            ("mean_ms_max = 1\n", "mean_ms_max = 1e-10\n", 10, "write 1e-9 or more"),
            ("lens-get", "Lens get", 5, "operation name `Lens get` is not"),
        ] {
            let refusal = refusal(from, to);
            assert!(refusal.contains(told), "{to}: {refusal}");
            assert!(refusal.starts_with(&format!("line {line}: ")), "{to}: {refusal}");
        }
    }

    #[test]
    fn an_operation_must_claim_something_and_once() {
        let bare = "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"b\"\n";
        let refusal = Contract::parse(bare).unwrap_err().to_string();
        assert!(refusal.contains("`b` claims nothing"), "{refusal}");
        let one = "[[operation]]\nname = \"b\"\nbudgets.allocations_max = 1\n";
        let twice = format!("schema_version = 1\nname = \"a\"\n{one}{one}");
        let refusal = Contract::parse(&twice).unwrap_err().to_string();
        assert_eq!(refusal, "line 7: operation `b` is defined twice");
    }

    #[test]
    fn classes_read_as_they_are_written() {
        for class in Complexity::ALL {
            let text = serde_json::to_string(&class).unwrap();
            assert_eq!(text, format!("\"{class}\""));
        }
        assert!(Complexity::ALL.is_sorted());
    }
}
