//! From the contract as written to one in which nothing is left to look up.

use std::collections::BTreeSet;

use super::{
    Budgets, BudgetsDocument, Check, ClaimKind, Contract, ContractDocument, ContractError, Fresh,
    LatencyBudget, NotNegative, Percentage, Positive, Quantile, ReadyDocument, SCHEMA_VERSION,
    Sampling, ScenarioDocument, ServiceLife, Tolerance, ToleranceDocument, WrittenBudgets,
    base_url_problem,
    limits::{REGRESSION, can_be_kept},
    name::check_name,
    operation::operations,
    path_problem,
    request::{DEFAULT_VARIANT, Written, request},
};
use crate::units::{Bytes, Count, Nanos, Ppm};

const DEFAULT_FIXTURE: &str = "default";

/// Default budgets of DESIGN: latency, peak heap and allocations of one request.
const LATENCY_MAX: Nanos = Nanos::new(10_000_000);
const HEAP_MAX: Bytes = Bytes::new(10 * crate::units::BYTES_PER_MB);
const ALLOCATIONS_MAX: Count = Count::new(1000);
/// Seconds of sampling, where the contract does not say it. A check mostly takes fewer.
pub(crate) const SECONDS_OF_CHECK: f64 = 60.0;
const SECONDS_OF_PHASE: f64 = 2.0;
/// Of who requires the claim and gives no budget: none.
const HEAP_GROWTH_MAX: Bytes = Bytes::new(1);
const HEAP_GROWTH_SAMPLES: u32 = 1000;
const DETERMINISTIC_MIN: Ppm = Ppm::new(950_000);

// Together these keep every figure of a passport below 2^53, above which no hash is exact.
const SEED_MAX: u64 = 1 << 53;
const LATENCY_MS_LIMIT: f64 = 1e6;
const ALLOCATIONS_LIMIT: u64 = 1_000_000_000;
const HEAP_GROWTH_LIMIT: u64 = 1 << 50;
const SECONDS_LIMIT: f64 = 1e6;

/// For how long a server of a comparison is warmed up in a session.
const WARM_SECONDS: f64 = 2.0;
const REQUESTS_LIMIT: u64 = 1000;

pub(super) fn resolve(document: ContractDocument) -> Result<Contract, ContractError> {
    if document.schema_version != SCHEMA_VERSION {
        let found = document.schema_version;
        return Err(ContractError::meaning(
            "schema_version",
            format!("schema_version {found} is not known, this version reads {SCHEMA_VERSION}"),
        ));
    }
    check_name("contract", &document.name)?;
    check_target(&document).map_err(|error| error.inside("target"))?;
    check_required(&document)?;
    if let Some(history) = &document.history {
        history.check().map_err(|error| error.inside("history"))?;
    }
    check_budgets(&document.budgets)?;
    check_quantiles(&document.budgets, &[])?;
    let checks = checks(&document)?;
    check_fixtures(&document, &checks)?;
    Ok(Contract {
        name: document.name.clone(),
        sampling: sampling(&document).map_err(|error| error.inside("sampling"))?,
        deterministic_min: document
            .tolerance
            .deterministic_percent_min
            .map_or(DETERMINISTIC_MIN, Percentage::to_ppm),
        budgets: budgets(&document, [Some(&document.budgets), None, None], 1),
        tolerance: tolerance([Some(&document.tolerance), None, None]),
        required: document.required.clone().unwrap_or_else(default_required),
        checks,
        operations: operations(&document.operation)?,
        document,
    })
}

/// The checks of all endpoints, then those of the scenarios; each name once.
fn checks(document: &ContractDocument) -> Result<Vec<Check>, ContractError> {
    let mut checks = Vec::new();
    let mut names = BTreeSet::new();
    let mut add = |check: Check, checks: &mut Vec<Check>| {
        if !names.insert(check.id()) {
            let message = format!("check `{}` is defined twice", check.id());
            return Err(ContractError::meaning("name", message));
        }
        checks.push(check);
        Ok(())
    };
    for (place, endpoint) in document.endpoint.iter().enumerate() {
        let of_endpoint = |error: ContractError| error.within("endpoint", place);
        check_name("endpoint", &endpoint.name).map_err(of_endpoint)?;
        if endpoint.variant.is_empty() {
            endpoint_check(document, Written { endpoint, variant: None })
                .and_then(|check| add(check, &mut checks))
                .map_err(of_endpoint)?;
        }
        for (place, variant) in endpoint.variant.iter().enumerate() {
            let of_variant = |error: ContractError| of_endpoint(error.within("variant", place));
            check_name("variant", &variant.name).map_err(of_variant)?;
            let written = Written { endpoint, variant: Some((place, variant)) };
            let check = endpoint_check(document, written).map_err(of_endpoint)?;
            add(check, &mut checks).map_err(of_variant)?;
        }
    }
    for (place, scenario) in document.scenario.iter().enumerate() {
        scenario_check(document, scenario, &checks)
            .and_then(|check| add(check, &mut checks))
            .map_err(|error| error.within("scenario", place))?;
    }
    if checks.is_empty() && document.operation.is_empty() {
        let message = "nothing to measure: there is no [[endpoint]] and no [[operation]]";
        return Err(ContractError::of_document(message));
    }
    Ok(checks)
}

/// Each is there once, and some check is on it: otherwise its name is a slip.
fn check_fixtures(document: &ContractDocument, checks: &[Check]) -> Result<(), ContractError> {
    let mut names = BTreeSet::new();
    for (place, fixture) in document.fixture.iter().enumerate() {
        let name = &fixture.name;
        let message = if !names.insert(name) {
            format!("fixture `{}` is defined twice", name.escape_default())
        } else if !checks.iter().any(|check| check.fixture == *name) {
            format!(
                "no check is on fixture `{}`: name it in an endpoint, or take it out",
                name.escape_default()
            )
        } else {
            continue;
        };
        return Err(ContractError::meaning("name", message).within("fixture", place));
    }
    Ok(())
}

/// What a check says for itself goes before what its fixture says for all.
fn service_life(document: &ContractDocument, fixture: &str, fresh: Option<Fresh>) -> ServiceLife {
    let shared = || document.fixture.iter().any(|it| it.name == fixture && it.shared == Some(true));
    match fresh {
        Some(Fresh::Sample) => ServiceLife::Sample,
        None if shared() => ServiceLife::Process,
        Some(Fresh::Check) | None => ServiceLife::Check,
    }
}

fn default_required() -> Vec<ClaimKind> {
    let by_default = |kind: &ClaimKind| kind.is_of_checks() && kind.is_required_by_default();
    ClaimKind::ALL.into_iter().filter(by_default).collect()
}

/// What is claimed of operations alone is always required, so a list of it would say nothing.
fn check_required(document: &ContractDocument) -> Result<(), ContractError> {
    for (place, kind) in document.required.iter().flatten().enumerate() {
        if !kind.is_of_checks() {
            let message = format!(
                "`{kind}` is claimed of operations, where each budget must be kept: leave it out of \
                 `required`"
            );
            return Err(ContractError::meaning("required", message).item(place));
        }
    }
    Ok(())
}

fn check_target(document: &ContractDocument) -> Result<(), ContractError> {
    let target = &document.target;
    if target.service.is_some() && target.url.is_some() {
        return Err(ContractError::meaning(
            "url",
            "[target] has both `service` and `url`: keep the one that is measured",
        ));
    }
    if target.seed > SEED_MAX {
        return Err(ContractError::meaning("seed", "[target] seed is above 2^53"));
    }
    if let Some(problem) = target.url.as_deref().and_then(base_url_problem) {
        return Err(ContractError::meaning("url", format!("[target] url {problem}")));
    }
    if target.ready.is_some() && target.service.is_some() {
        let message = "[target] has both `service` and `ready`: a service that is built in process is \
                       ready at once, so leave `ready` out";
        return Err(ContractError::meaning("ready", message));
    }
    target.ready.as_ref().map_or(Ok(()), check_ready).map_err(|error| error.inside("ready"))
}

fn check_ready(ready: &ReadyDocument) -> Result<(), ContractError> {
    if let Some(problem) = path_problem(&ready.path) {
        let message = format!("[target] ready path `{}` {problem}", ready.path.escape_default());
        return Err(ContractError::meaning("path", message));
    }
    if (100..=599).contains(&ready.status) {
        return Ok(());
    }
    let message = format!("[target] ready status {} is not 100 to 599", ready.status);
    Err(ContractError::meaning("status", message))
}

fn sampling(document: &ContractDocument) -> Result<Sampling, ContractError> {
    let written = &document.sampling;
    for (key, value, most) in [
        ("samples", written.samples, 1_000_000),
        ("counted", written.counted, 100_000),
        ("warmup_max", written.warmup_max, 100_000),
        (
            "heap_growth_samples",
            written.heap_growth_samples.unwrap_or(HEAP_GROWTH_SAMPLES),
            100_000,
        ),
    ] {
        if value == 0 || value > most {
            let message = format!("[sampling] {key} = {value} is not between 1 and {most}");
            return Err(ContractError::meaning(key, message));
        }
    }
    let warm_seconds = written.warm_seconds_max.unwrap_or(Positive::new(WARM_SECONDS));
    let of_checks = written.seconds_max.unwrap_or(Positive::new(SECONDS_OF_CHECK));
    let of_phases = written.seconds_max.unwrap_or(Positive::new(SECONDS_OF_PHASE));
    for (key, value) in [
        ("warm_seconds_max", warm_seconds),
        ("seconds_max", of_checks),
        ("timeout_seconds", written.timeout_seconds),
    ] {
        if f64::from(value) > SECONDS_LIMIT {
            let message = format!("[sampling] {key} is above {SECONDS_LIMIT:e}");
            return Err(ContractError::meaning(key, message));
        }
    }
    Ok(Sampling {
        samples: written.samples,
        counted: written.counted,
        warmup_max: written.warmup_max,
        heap_growth_samples: written.heap_growth_samples.unwrap_or(HEAP_GROWTH_SAMPLES),
        warm_time_max: warm_seconds.seconds_to_nanos(),
        time_max: of_checks.seconds_to_nanos(),
        phase_time_max: of_phases.seconds_to_nanos(),
        timeout: written.timeout_seconds.seconds_to_nanos(),
        body_max: written.body_mb_max.mb_to_bytes(),
    })
}

/// The check of an endpoint, in one of its variants with the variant's place. Errors are within
/// the endpoint.
fn endpoint_check(
    document: &ContractDocument,
    written: Written<'_>,
) -> Result<Check, ContractError> {
    let Written { endpoint, variant } = written;
    let request = request(written)?;
    endpoint.budgets.as_ref().map_or(Ok(()), check_budgets)?;
    endpoint.tolerance.as_ref().map_or(Ok(()), check_own_tolerance)?;
    let variant = variant.map(|(_, variant)| variant);
    let own_budgets = variant.and_then(|it| it.budgets.as_ref());
    own_budgets.map_or(Ok(()), check_budgets).map_err(|it| written.in_variant(it))?;
    let fixture = written.fixture().unwrap_or_else(|| DEFAULT_FIXTURE.to_owned());
    let service_life = service_life(document, &fixture, written.fresh());
    if service_life == ServiceLife::Sample {
        let own = if variant.is_some() { own_budgets } else { endpoint.budgets.as_ref() };
        own.map_or(Ok(()), refuse_growth).map_err(|it| written.in_variant(it))?;
    }
    let own_tolerance = variant.and_then(|it| it.tolerance.as_ref());
    own_tolerance.map_or(Ok(()), check_own_tolerance).map_err(|it| written.in_variant(it))?;
    let tables = [own_budgets, endpoint.budgets.as_ref(), Some(&document.budgets)];
    let inherited: Vec<&BudgetsDocument> = tables[1..].iter().copied().flatten().collect();
    let of_endpoint = endpoint.budgets.as_ref();
    of_endpoint.map_or(Ok(()), |it| check_quantiles(it, &[&document.budgets]))?;
    own_budgets
        .map_or(Ok(()), |it| check_quantiles(it, &inherited))
        .map_err(|it| written.in_variant(it))?;
    Ok(Check {
        endpoint: endpoint.name.clone(),
        variant: written.variant_name().to_owned(),
        service_life,
        fixture,
        slow: written.slow().unwrap_or(false),
        requests: vec![request],
        rounds: 1,
        budgets: budgets(document, tables, 1).of(service_life),
        written: written_budgets(tables),
        tolerance: tolerance([
            own_tolerance,
            endpoint.tolerance.as_ref(),
            Some(&document.tolerance),
        ]),
    })
}

fn scenario_check(
    document: &ContractDocument,
    scenario: &ScenarioDocument,
    checks: &[Check],
) -> Result<Check, ContractError> {
    let name = &scenario.name;
    check_name("scenario", name)?;
    let mut requests = Vec::new();
    let mut fixture: Option<&str> = None;
    let mut fresh = scenario.fresh;
    for (place, step) in scenario.steps.iter().enumerate() {
        let Some(check) = checks.iter().find(|check| check.has_id(step)) else {
            let message = format!("scenario `{name}` names `{step}`, which is no check");
            return Err(ContractError::meaning("steps", message).item(place));
        };
        if *fixture.get_or_insert(&check.fixture) != check.fixture {
            let message = format!(
                "scenario `{name}` mixes fixtures: `{step}` is on `{}`, not on `{}`",
                check.fixture,
                fixture.unwrap_or_default()
            );
            return Err(ContractError::meaning("steps", message).item(place));
        }
        requests.extend(check.requests.iter().cloned());
        if check.service_life == ServiceLife::Sample {
            fresh.get_or_insert(Fresh::Sample);
        }
    }
    let count = requests.len() as u64 * u64::from(scenario.rounds);
    let Some(fixture) = fixture.filter(|_| (1..=REQUESTS_LIMIT).contains(&count)) else {
        let message =
            format!("scenario `{name}` sends {count} requests, not 1 to {REQUESTS_LIMIT}");
        return Err(ContractError::meaning("rounds", message));
    };
    scenario.budgets.as_ref().map_or(Ok(()), check_budgets)?;
    scenario.tolerance.as_ref().map_or(Ok(()), check_own_tolerance)?;
    let service_life = service_life(document, fixture, fresh);
    let tables = [scenario.budgets.as_ref(), Some(&document.budgets), None];
    let own = scenario.budgets.as_ref();
    if service_life == ServiceLife::Sample {
        own.map_or(Ok(()), refuse_growth)?;
    }
    own.map_or(Ok(()), |it| check_quantiles(it, &[&document.budgets]))?;
    Ok(Check {
        endpoint: name.clone(),
        variant: DEFAULT_VARIANT.to_owned(),
        service_life,
        fixture: fixture.to_owned(),
        slow: scenario.slow.unwrap_or(false),
        requests,
        rounds: scenario.rounds,
        budgets: budgets(document, tables, count).of(service_life),
        written: written_budgets(tables),
        tolerance: tolerance([scenario.tolerance.as_ref(), Some(&document.tolerance), None]),
    })
}

/// A service that answers a single sample cannot grow, so nobody writes a budget of that for it.
fn refuse_growth(own: &BudgetsDocument) -> Result<(), ContractError> {
    if own.heap_growth_bytes_max.is_none() {
        return Ok(());
    }
    let message = "each sample has a service of its own (`fresh`), which cannot grow: leave it out";
    Err(ContractError::meaning("heap_growth_bytes_max", message.to_owned()).inside("budgets"))
}

/// Errors are within the table that has these budgets.
fn check_budgets(written: &BudgetsDocument) -> Result<(), ContractError> {
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
fn check_quantiles(
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
fn check_own_tolerance(written: &ToleranceDocument) -> Result<(), ContractError> {
    if written.deterministic_percent_min.is_none() {
        return Ok(());
    }
    let key = "deterministic_percent_min";
    let message =
        format!("{key} is a share of all checks: it belongs to the contract's [tolerance]");
    Err(ContractError::meaning(key, message).inside("tolerance"))
}

/// The budgets of a sample of `requests` requests, each value from the first table that has it.
fn budgets(
    document: &ContractDocument,
    tables: [Option<&BudgetsDocument>; 3],
    requests: u64,
) -> Budgets {
    // The default list has every kind, so only who writes one asks for this claim by it.
    let asked = document.required.as_ref().is_some_and(|it| it.contains(&ClaimKind::HeapGrowth));
    let tables: Vec<&BudgetsDocument> = tables.into_iter().flatten().collect();
    let first =
        |get: fn(&BudgetsDocument) -> Option<Positive>| tables.iter().find_map(|it| get(it));
    let of_sample = |it: Positive| it.ms_to_nanos().saturating_mul(requests);
    let quantile = main_quantile(&tables);
    let own = |it: &&BudgetsDocument| it.latency_of(quantile).1.or(it.latency_ms_max);
    let further = Quantile::ALL.into_iter().filter(|it| *it != quantile).filter_map(|quantile| {
        let written = tables.iter().find_map(|it| it.latency_of(quantile).1)?;
        Some(LatencyBudget { quantile, latency_ns_max: of_sample(written) })
    });
    Budgets {
        latency_ns_max: tables
            .iter()
            .find_map(own)
            .map_or(LATENCY_MAX.saturating_mul(requests), of_sample),
        latency_quantile: quantile,
        further_latency: further.collect(),
        heap_bytes_max: first(|it| it.heap_mb_max).map_or(HEAP_MAX, Positive::mb_to_bytes),
        allocations_max: tables
            .iter()
            .find_map(|it| it.allocations_max)
            .map_or(ALLOCATIONS_MAX, Count::new)
            .saturating_mul(requests),
        heap_growth_bytes_max: tables
            .iter()
            .find_map(|it| it.heap_growth_bytes_max)
            .map(Bytes::new)
            .or(asked.then_some(HEAP_GROWTH_MAX)),
        process_memory_bytes_max: first(|it| it.process_memory_mb_max).map(Positive::mb_to_bytes),
    }
}

impl Budgets {
    /// Those of a check whose service lives so long: one that answers a single sample cannot grow.
    fn of(self, service_life: ServiceLife) -> Self {
        let grows = service_life != ServiceLife::Sample;
        Self { heap_growth_bytes_max: self.heap_growth_bytes_max.filter(|_| grows), ..self }
    }
}

/// The quantile of `latency_ms_max`, from the first table that says it.
fn main_quantile(tables: &[&BudgetsDocument]) -> Quantile {
    tables.iter().find_map(|it| it.latency_quantile).unwrap_or(Quantile::P99)
}

fn written_budgets(tables: [Option<&BudgetsDocument>; 3]) -> WrittenBudgets {
    let tables = tables.into_iter().flatten();
    WrittenBudgets {
        allocations: tables.clone().any(|it| it.allocations_max.is_some()),
        heap: tables.clone().any(|it| it.heap_mb_max.is_some()),
    }
}

fn tolerance(tables: [Option<&ToleranceDocument>; 3]) -> Tolerance {
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
