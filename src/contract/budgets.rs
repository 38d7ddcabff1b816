//! What a sample may cost and how much worse than the baseline it may be: from the tables that say so.

use super::{
    Budgets, BudgetsDocument, ClaimKind, ContractDocument, ContractError, LatencyBudget,
    NotNegative, Positive, Quantile, ServiceLife, Tolerance, ToleranceDocument, WrittenBudgets,
    limits::{REGRESSION, can_be_kept},
};
use crate::units::{Bytes, Count, Nanos, Ppm};

/// Default budgets of DESIGN: latency, peak heap and allocations of one request.
const LATENCY_MAX: Nanos = Nanos::new(10_000_000);
const HEAP_MAX: Bytes = Bytes::new(10 * crate::units::BYTES_PER_MB);
const ALLOCATIONS_MAX: Count = Count::new(1000);
/// Of who requires the claim and gives no budget: none.
const HEAP_GROWTH_MAX: Bytes = Bytes::new(1);

// These keep every figure of a passport below 2^53, above which no hash is exact.
const LATENCY_MS_LIMIT: f64 = 1e6;
const ALLOCATIONS_LIMIT: u64 = 1_000_000_000;
const HEAP_GROWTH_LIMIT: u64 = 1 << 50;

/// The budgets of a sample of `requests` requests, each value from the first table that has it.
pub(super) fn budgets(
    document: &ContractDocument,
    tables: [Option<&BudgetsDocument>; 3],
    requests: u64,
) -> Budgets {
    let tables: Vec<_> = tables.into_iter().flatten().map(|it| (it, requests)).collect();
    budgets_of(document, &tables, requests)
}

/// Each value from the first table that has it, which is of so many requests as stand beside the table; by
/// default of `requests`.
fn budgets_of(
    document: &ContractDocument,
    tables: &[(&BudgetsDocument, u64)],
    requests: u64,
) -> Budgets {
    // The default list has every kind, so only who writes one asks for this claim by it.
    let asked = document.required.as_ref().is_some_and(|it| it.contains(&ClaimKind::HeapGrowth));
    let first =
        |get: fn(&BudgetsDocument) -> Option<Positive>| tables.iter().find_map(|it| get(it.0));
    let quantile = main_quantile(&tables.iter().map(|it| it.0).collect::<Vec<_>>());
    let latency = |get: &dyn Fn(&BudgetsDocument) -> Option<Positive>| {
        let of_table = |(table, requests): &(&BudgetsDocument, u64)| {
            Some(get(table)?.ms_to_nanos().saturating_mul(*requests))
        };
        tables.iter().find_map(of_table)
    };
    let further = Quantile::ALL.into_iter().filter(|it| *it != quantile).filter_map(|quantile| {
        let latency_ns_max = latency(&|it| it.latency_of(quantile).1)?;
        Some(LatencyBudget { quantile, latency_ns_max })
    });
    Budgets {
        latency_ns_max: latency(&|it| it.latency_of(quantile).1.or(it.latency_ms_max))
            .unwrap_or(LATENCY_MAX.saturating_mul(requests)),
        latency_quantile: quantile,
        further_latency: further.collect(),
        heap_bytes_max: first(|it| it.heap_mb_max).map_or(HEAP_MAX, Positive::mb_to_bytes),
        allocations_max: tables
            .iter()
            .find_map(|(it, requests)| {
                Some(Count::new(it.allocations_max?).saturating_mul(*requests))
            })
            .unwrap_or(ALLOCATIONS_MAX.saturating_mul(requests)),
        heap_growth_bytes_max: tables
            .iter()
            .find_map(|it| it.0.heap_growth_bytes_max)
            .map(Bytes::new)
            .or(asked.then_some(HEAP_GROWTH_MAX)),
        process_memory_bytes_max: first(|it| it.process_memory_mb_max).map(Positive::mb_to_bytes),
    }
}

/// The budgets of one run of a flow: each value its own, or that of one request times its steps.
pub(super) fn whole_budgets(
    document: &ContractDocument,
    own: Option<&BudgetsDocument>,
    steps: u64,
) -> Budgets {
    let own = own.map(|it| (it, 1));
    let tables: Vec<_> = own.into_iter().chain([(&document.budgets, steps)]).collect();
    budgets_of(document, &tables, steps)
}

pub(super) fn written_budgets(tables: [Option<&BudgetsDocument>; 3]) -> WrittenBudgets {
    let tables = tables.into_iter().flatten();
    WrittenBudgets {
        allocations: tables.clone().any(|it| it.allocations_max.is_some()),
        heap: tables.clone().any(|it| it.heap_mb_max.is_some()),
    }
}

pub(super) fn tolerance(tables: [Option<&ToleranceDocument>; 3]) -> Tolerance {
    let tables: Vec<&ToleranceDocument> = tables.into_iter().flatten().collect();
    Tolerance {
        regression_ppm: tables
            .iter()
            .find_map(|it| it.regression_percent)
            .map_or(REGRESSION, NotNegative::percent_to_ppm),
        allocations_ppm: tables
            .iter()
            .find_map(|it| it.allocations_percent)
            .map_or(Ppm::ZERO, NotNegative::percent_to_ppm),
        instructions_ppm: tables
            .iter()
            .find_map(|it| it.instructions_percent)
            .map(NotNegative::percent_to_ppm),
    }
}

/// The tolerance of a step: each value its own, or that of its flow.
pub(super) fn inherited_tolerance(
    own: Option<&ToleranceDocument>,
    flow: Option<&ToleranceDocument>,
) -> Option<ToleranceDocument> {
    let (Some(own), Some(flow)) = (own, flow) else { return own.or(flow).cloned() };
    Some(ToleranceDocument {
        regression_percent: own.regression_percent.or(flow.regression_percent),
        instructions_percent: own.instructions_percent.or(flow.instructions_percent),
        allocations_percent: own.allocations_percent.or(flow.allocations_percent),
        deterministic_percent_min: own.deterministic_percent_min,
    })
}

/// Errors are within the table that has these budgets.
pub(super) fn check_budgets(written: &BudgetsDocument) -> Result<(), ContractError> {
    let refused = |key, limit: &dyn std::fmt::Display| {
        Err(ContractError::meaning(key, format!("{key} is above {limit}")).inside("budgets"))
    };
    let latencies = Quantile::ALL.map(|it| written.latency_of(it));
    let latencies = [("latency_ms_max", written.latency_ms_max)].into_iter().chain(latencies);
    for (key, value) in latencies {
        if value.is_some_and(|it| f64::from(it) > LATENCY_MS_LIMIT) {
            return refused(key, &LATENCY_MS_LIMIT);
        }
        can_be_kept(key, "1e-6", value.map(|it| it.ms_to_nanos().get()))
            .map_err(|error| error.inside("budgets"))?;
    }
    if written.allocations_max.is_some_and(|it| it > ALLOCATIONS_LIMIT) {
        return refused("allocations_max", &ALLOCATIONS_LIMIT);
    }
    if written.heap_growth_bytes_max.is_some_and(|it| it > HEAP_GROWTH_LIMIT) {
        return refused("heap_growth_bytes_max", &HEAP_GROWTH_LIMIT);
    }
    let bytes = |it: Option<Positive>| it.map(|it| it.mb_to_bytes().get());
    for (key, least, figure) in [
        ("heap_mb_max", "1e-6", bytes(written.heap_mb_max)),
        ("allocations_max", "1", written.allocations_max),
        ("heap_growth_bytes_max", "1", written.heap_growth_bytes_max),
        ("process_memory_mb_max", "1e-6", bytes(written.process_memory_mb_max)),
    ] {
        can_be_kept(key, least, figure).map_err(|error| error.inside("budgets"))?;
    }
    Ok(())
}

/// One quantile has one budget in a table. Errors are within the table that has it; those that it inherits
/// from may say which quantile `latency_ms_max` is of.
pub(super) fn check_quantiles(
    written: &BudgetsDocument,
    inherited: &[&BudgetsDocument],
) -> Result<(), ContractError> {
    let tables: Vec<&BudgetsDocument> = [written].iter().chain(inherited).copied().collect();
    let quantile = main_quantile(&tables);
    let (key, value) = written.latency_of(quantile);
    if value.is_none() || written.latency_ms_max.is_none() {
        return Ok(());
    }
    let message = format!("`{key}` and `latency_ms_max` are both of the {quantile}: keep one");
    Err(ContractError::meaning(key, message).inside("budgets"))
}

/// The tolerance of one check says nothing of all checks. Errors are within the table that has it.
pub(super) fn check_own_tolerance(written: &ToleranceDocument) -> Result<(), ContractError> {
    if written.deterministic_percent_min.is_none() {
        return Ok(());
    }
    let key = "deterministic_percent_min";
    let message =
        format!("{key} is a share of all checks: it belongs to the contract's [tolerance]");
    Err(ContractError::meaning(key, message).inside("tolerance"))
}

/// A service that answers a single sample cannot grow, so nobody writes a budget of that for it.
pub(super) fn refuse_growth(own: &BudgetsDocument) -> Result<(), ContractError> {
    if own.heap_growth_bytes_max.is_none() {
        return Ok(());
    }
    let message = "each sample has a service of its own (`fresh`), which cannot grow: leave it out";
    Err(ContractError::meaning("heap_growth_bytes_max", message.to_owned()).inside("budgets"))
}

impl Budgets {
    /// Those of a check whose service lives so long: one that answers a single sample cannot grow.
    pub(super) fn of(self, service_life: ServiceLife) -> Self {
        let grows = service_life != ServiceLife::Sample;
        Self { heap_growth_bytes_max: self.heap_growth_bytes_max.filter(|_| grows), ..self }
    }
}

/// The quantile of `latency_ms_max`, from the first table that says it.
fn main_quantile(tables: &[&BudgetsDocument]) -> Quantile {
    tables.iter().find_map(|it| it.latency_quantile).unwrap_or(Quantile::P99)
}
