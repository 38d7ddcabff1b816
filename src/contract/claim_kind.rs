//! The table of claim kinds: everything that a kind says of its claims stands in its row.
//!
//! A kind without a row does not compile, as one macro makes the enum and the table. What is held
//! against what is decided in [`crate::claim`] and [`crate::operation`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Unit;

/// How an observed figure must lie to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It must be equal.
    Equal,
    /// It must be strictly less.
    Below,
    /// It may be equal, or less.
    AtMost,
    /// It may be equal, or more.
    AtLeast,
}

/// What a claim holds its figure against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Expectation,
    Budget,
    Baseline,
}

/// What a cost is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KindCost {
    Speed,
    Memory,
}

/// The row of a kind.
#[derive(Debug, Clone, Copy)]
struct KindRow {
    direction: Direction,
    basis: Basis,
    unit: Unit,
    cost: Option<KindCost>,
    exact: bool,
    required: bool,
    of_checks: bool,
}

/// A response or a run that must be as the contract says.
const fn expectation(unit: Unit) -> KindRow {
    KindRow {
        direction: Direction::Equal,
        basis: Basis::Expectation,
        unit,
        cost: None,
        exact: false,
        required: true,
        of_checks: true,
    }
}

/// A figure that the contract limits.
const fn budget(direction: Direction, unit: Unit) -> KindRow {
    KindRow { direction, basis: Basis::Budget, ..expectation(unit) }
}

/// A figure that the baseline limits.
const fn change(unit: Unit) -> KindRow {
    KindRow { direction: Direction::AtMost, basis: Basis::Baseline, ..expectation(unit) }
}

impl KindRow {
    /// A cost in time or work.
    const fn speed(self) -> Self {
        Self { cost: Some(KindCost::Speed), ..self }
    }

    /// A cost in memory.
    const fn memory(self) -> Self {
        Self { cost: Some(KindCost::Memory), ..self }
    }

    /// Equal code gives an equal verdict on every run.
    const fn exact(self) -> Self {
        Self { exact: true, ..self }
    }

    /// Nobody must prove it, unless the contract lists it.
    const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// Claimed of operations alone.
    const fn of_operations(self) -> Self {
        self.elsewhere()
    }

    /// Not claimed of checks.
    const fn elsewhere(self) -> Self {
        Self { of_checks: false, ..self }
    }
}

/// Makes the enum, its names and its rows of one table.
macro_rules! claim_kinds {
    ($($(#[doc = $words:literal])+ $kind:ident = $name:literal: $row:expr,)*) => {
        /// What can be claimed of a subject.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum ClaimKind {
            $($(#[doc = $words])+ #[serde(rename = $name)] $kind,)*
        }

        impl ClaimKind {
            /// Every kind, in the order that the claims on a check are listed.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// The name, as contracts and passports have it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What is claimed, as a sentence.
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!($($words),+).trim_ascii(),)*
                }
            }

            const fn row(self) -> KindRow {
                match self {
                    $(Self::$kind => $row,)*
                }
            }
        }
    };
}

claim_kinds! {
    /// Each response has the expected status.
    Status = "status": expectation(Unit::Status).exact(),
    /// Each response has the expected media type, and is JSON where that is due.
    ContentType = "content-type": expectation(Unit::Count).exact(),
    /// All responses are equal, but for what the contract ignores.
    Deterministic = "deterministic": expectation(Unit::Count).exact(),
    /// It was measured to its end: no panic, and in time.
    Completed = "completed": expectation(Unit::Count).of_operations(),
    /// Allocations are below the budget.
    Allocations = "allocations": budget(Direction::Below, Unit::Count).speed().exact(),
    /// Peak heap is below the budget.
    Heap = "heap": budget(Direction::Below, Unit::Bytes).memory().exact(),
    /// dhat counts the same allocations as the counting allocator, and they are below the budget;
    /// claimed only where dhat is part of the measuring program.
    Oracle = "oracle": budget(Direction::Below, Unit::Count),
    /// The latency quantile is below the budget.
    Latency = "latency": budget(Direction::Below, Unit::Ns).speed(),
    /// The heap of a service grows by less than the budget once it has answered for a while; claimed
    /// only where the contract asks for it.
    HeapGrowth = "heap-growth": budget(Direction::Below, Unit::Bytes).memory().exact(),
    /// Resident memory of the measured process is below the budget; claimed only where there is one.
    ProcessMemory = "process-memory": budget(Direction::Below, Unit::Bytes).memory(),
    /// The mean time of an iteration is below the budget.
    Mean = "mean": budget(Direction::Below, Unit::Ps).speed().of_operations(),
    /// The time of all iterations that the contract names is below the budget.
    Total = "total": budget(Direction::Below, Unit::Ns).speed().of_operations(),
    /// Iterations per second are at least the budget.
    Throughput = "throughput": budget(Direction::AtLeast, Unit::Millihertz).speed().of_operations(),
    /// Instructions of a run are below the budget; a tool that counts them tells them.
    Instructions = "instructions": budget(Direction::Below, Unit::Count).speed().exact().of_operations(),
    /// What an operation says of its own result reaches the floor.
    Quality = "quality": budget(Direction::AtLeast, Unit::Ppm).exact().of_operations(),
    /// The time grows with the size as the contract allows.
    Growth = "growth": budget(Direction::AtMost, Unit::Ppm).speed().of_operations(),
    /// The response is the baseline's; one that changed is changed work, not a speed.
    Behaviour = "behaviour": KindRow { direction: Direction::Equal, ..change(Unit::Status) },
    /// Allocations are within the tolerance of the baseline's.
    AllocationsChange = "allocations-change": change(Unit::Count).speed(),
    /// Peak heap is within the tolerance of the baseline's.
    HeapChange = "heap-change": change(Unit::Bytes).memory(),
    /// Instructions are within the tolerance of the baseline's; claimed only where two builds were
    /// measured side by side.
    InstructionsChange = "instructions-change": change(Unit::Ppm).speed().optional(),
    /// Latency, or the mean time of an operation, is within the tolerance of the baseline's: proved
    /// where two builds were measured side by side, and only shown where the baseline is stored.
    LatencyChange = "latency-change": change(Unit::Ppm).speed().optional(),
    /// The same against the anchor of a comparison, so that small steps do not add up unseen; claimed
    /// only where there is one.
    LatencyDrift = "latency-drift": change(Unit::Ppm).speed().optional(),
    /// The time of the part `render` is within the tolerance of the baseline's: proved where two builds were
    /// measured side by side, and only shown where the baseline is stored.
    RenderChange = "render-change": change(Unit::Ppm).speed().optional().of_operations(),
    /// The same of the part `interaction`.
    InteractionChange = "interaction-change": change(Unit::Ppm).speed().optional().of_operations(),
    /// The share of requests of a running service that fail is below what its objective allows.
    ProductionErrors = "production-errors": budget(Direction::Below, Unit::Ppm).elsewhere(),
    /// The share of requests of a running service that take longer than the budget is below what its
    /// objective, or the quantile of the budget, allows.
    ProductionLatency = "production-latency": budget(Direction::Below, Unit::Ppm).speed().elsewhere(),
}

impl ClaimKind {
    /// How an observed figure must lie to its limit.
    pub const fn direction(self) -> Direction {
        self.row().direction
    }

    /// The unit of its figures, where a claim has no other.
    pub const fn unit(self) -> Unit {
        self.row().unit
    }

    /// Whether equal code must give an equal verdict on every run, without a baseline.
    pub const fn is_exact(self) -> bool {
        self.row().exact
    }

    /// Whether the claim compares with a baseline.
    pub const fn is_change(self) -> bool {
        matches!(self.row().basis, Basis::Baseline)
    }

    /// Whether the claim holds a figure against a limit of the contract.
    pub const fn is_budget(self) -> bool {
        matches!(self.row().basis, Basis::Budget)
    }

    /// Whether it is of a cost.
    pub const fn is_cost(self) -> bool {
        self.row().cost.is_some()
    }

    /// Whether it is of a cost in time or work.
    pub const fn is_speed(self) -> bool {
        matches!(self.row().cost, Some(KindCost::Speed))
    }

    /// Whether it is of a cost in memory.
    pub const fn is_memory(self) -> bool {
        matches!(self.row().cost, Some(KindCost::Memory))
    }

    /// Whether it must be proved where the contract does not say which claims must. Two builds that
    /// are measured side by side must prove more.
    pub const fn is_required_by_default(self) -> bool {
        self.row().required
    }

    /// Whether it is of a share of the requests of a running service.
    pub const fn is_of_production(self) -> bool {
        matches!(self, Self::ProductionErrors | Self::ProductionLatency)
    }

    /// Whether it is claimed of checks, so that a contract can list it under `required`.
    pub const fn is_of_checks(self) -> bool {
        self.row().of_checks
    }
}

impl fmt::Display for ClaimKind {
    /// The name as the passport has it: `allocations-change`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_table_and_differ() {
        for (index, kind) in ClaimKind::ALL.into_iter().enumerate() {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
            assert!(!ClaimKind::ALL[..index].iter().any(|other| other.name() == kind.name()));
            assert!(kind.words().ends_with('.'), "{}", kind.words());
        }
    }

    #[test]
    fn no_claim_on_times_or_against_a_baseline_is_exact() {
        for kind in ClaimKind::ALL.into_iter().filter(|it| it.is_exact()) {
            assert!(!matches!(kind.unit(), Unit::Ns | Unit::Ps | Unit::Millihertz), "{kind}");
            assert!(!kind.is_change(), "{kind}");
        }
    }
}
