//! From the contract as written to one in which nothing is left to look up.

use std::{collections::BTreeSet, path::PathBuf};

use super::{
    BudgetsDocument, Check, ClaimKind, Contract, ContractDocument, ContractError, EndpointDocument,
    Flow, FlowDocument, FlowFrame, Fresh, Percentage, Positive, ReadyDocument, SCHEMA_VERSION,
    Sampling, ScenarioDocument, ServiceLife, base_url_problem,
    budgets::{
        budgets, check_budgets, check_own_tolerance, check_quantiles, inherited_tolerance,
        refuse_growth, tolerance, whole_budgets, written_budgets,
    },
    flow::{Placed, WHOLE, check_names, check_teardown},
    name::check_name,
    objectives::objectives,
    operation::operations,
    path_problem,
    request::{DEFAULT_VARIANT, Written, check_value_names, request, unmeasured},
    rows::rows,
    service::service,
};
use crate::units::Ppm;

const DEFAULT_FIXTURE: &str = "default";

/// Seconds of sampling, where the contract does not say it. A check mostly takes fewer.
pub(crate) const SECONDS_OF_CHECK: f64 = 60.0;
const SECONDS_OF_PHASE: f64 = 2.0;
const HEAP_GROWTH_SAMPLES: u32 = 1000;
const DETERMINISTIC_MIN: Ppm = Ppm::new(950_000);

// Together these keep every figure of a passport below 2^53, above which no hash is exact.
const SEED_MAX: u64 = 1 << 53;
const SECONDS_LIMIT: f64 = 1e6;

/// For how long a server of a comparison is warmed up in a session.
const WARM_SECONDS: f64 = 5.0;
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
    let objectives = objectives(&document, &checks)?;
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
        flows: flows(&document)?,
        operations: operations(&document.operation)?,
        service: service(&document).map_err(|error| error.inside("service"))?,
        objectives,
        directory: PathBuf::from("."),
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
            endpoint_check(document, Written { endpoint, variant: None, flow: None })
                .and_then(|check| add(check, &mut checks))
                .map_err(of_endpoint)?;
        }
        for (place, variant) in endpoint.variant.iter().enumerate() {
            let of_variant = |error: ContractError| of_endpoint(error.within("variant", place));
            check_name("variant", &variant.name).map_err(of_variant)?;
            let variant = Some((place, variant));
            let written = Written { endpoint, variant, flow: None };
            let check = endpoint_check(document, written).map_err(of_endpoint)?;
            add(check, &mut checks).map_err(of_variant)?;
        }
    }
    for (place, scenario) in document.scenario.iter().enumerate() {
        scenario_check(document, scenario, &checks)
            .and_then(|check| add(check, &mut checks))
            .map_err(|error| error.within("scenario", place))?;
    }
    for (place, flow) in document.flow.iter().enumerate() {
        let in_flow = |error: ContractError| error.within("flow", place);
        if checks.iter().any(|check| check.endpoint == flow.name) {
            let message = format!("`{}` is defined twice", flow.name.escape_default());
            return Err(in_flow(ContractError::meaning("name", message)));
        }
        for check in flow_checks(document, flow).map_err(in_flow)? {
            add(check, &mut checks).map_err(in_flow)?;
        }
    }
    if checks.is_empty() && document.operation.is_empty() {
        let message =
            "nothing to measure: there is no [[endpoint]], no [[flow]] and no [[operation]]";
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
            let of = if kind.is_of_production() { "running services" } else { "operations" };
            let message = format!(
                "`{kind}` is claimed of {of}, where each budget must be kept: leave it out of `required`"
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
    let Written { endpoint, variant, .. } = written;
    let request = request(written)?;
    let rows = written.rows(document.target.seed)?;
    check_value_names(written, &request, rows.as_ref())?;
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
        variant: match written.flow {
            Some((_, step)) => step.name.clone(),
            None => written.variant_name().to_owned(),
        },
        service_life,
        fixture,
        slow: written.slow().unwrap_or(false),
        requests: vec![request],
        rounds: 1,
        rows,
        flow: None,
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
        if check.has_values() {
            let message = format!(
                "scenario `{name}` names `{step}`, which has rows, captures or a flow: write a [[flow]]"
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
        rows: None,
        flow: None,
        budgets: budgets(document, tables, count).of(service_life),
        written: written_budgets(tables),
        tolerance: tolerance([scenario.tolerance.as_ref(), Some(&document.tolerance), None]),
    })
}

/// The flows as users of a load take them.
fn flows(document: &ContractDocument) -> Result<Vec<Flow>, ContractError> {
    let flows = document.flow.iter().enumerate();
    flows.map(|(place, flow)| flow.users().map_err(|it| it.within("flow", place))).collect()
}

/// Of a flow whose service is made anew for each sample, no budget is one of growth.
fn check_growth(
    service_life: ServiceLife,
    own: Option<&BudgetsDocument>,
) -> Result<(), ContractError> {
    own.filter(|_| service_life == ServiceLife::Sample).map_or(Ok(()), refuse_growth)
}

/// The checks of a flow: one for each step, and one for all of them. Errors are within the flow.
fn flow_checks(
    document: &ContractDocument,
    flow: &FlowDocument,
) -> Result<Vec<Check>, ContractError> {
    check_name("flow", &flow.name)?;
    flow.check_steps()?;
    flow.budgets.as_ref().map_or(Ok(()), check_budgets)?;
    flow.budgets.as_ref().map_or(Ok(()), |it| check_quantiles(it, &[&document.budgets]))?;
    flow.tolerance.as_ref().map_or(Ok(()), check_own_tolerance)?;
    let rows = rows(flow.rows.as_ref(), document.target.seed)?;
    let service_life = flow.service_life();
    check_growth(service_life, flow.budgets.as_ref())?;
    let others = |key, written: &Option<Vec<_>>| {
        let written = written.as_deref().unwrap_or_default();
        unmeasured(&format!("{}/{key}", flow.name), key, written, true)
    };
    let (setup, teardown) = (others("setup", &flow.setup)?, others("teardown", &flow.teardown)?);

    // Each step is resolved as an endpoint is.
    let mut checks = Vec::new();
    for (place, step) in flow.step.iter().enumerate() {
        let tolerance = inherited_tolerance(step.tolerance.as_ref(), flow.tolerance.as_ref());
        let endpoint = EndpointDocument { tolerance, ..EndpointDocument::of_step(step) };
        let written =
            Written { endpoint: &endpoint, variant: None, flow: Some((&flow.name, step)) };
        check_name("step", &step.name)
            .and_then(|()| check_growth(service_life, step.budgets.as_ref()))
            .and_then(|()| endpoint_check(document, written))
            .map(|check| checks.push(check))
            .map_err(|error| error.within("step", place))?;
    }
    let steps: Vec<_> = checks.iter().flat_map(|it: &Check| it.requests.clone()).collect();
    let labels = flow.step.iter().map(|step| format!("step `{}`", step.name));
    let placed = steps.iter().zip(labels).enumerate().map(|(place, (request, label))| Placed {
        label,
        key: "step",
        place,
        request,
    });
    let all = Placed::all("setup", &setup).chain(placed);
    let all: Vec<_> = all.chain(Placed::all("teardown", &teardown)).collect();
    check_names(&all, rows.as_ref())?;
    if service_life != ServiceLife::Sample {
        check_teardown(&teardown, &steps)?;
    }

    // And all of them together.
    let count = steps.len() as u64;
    let own = flow.budgets.as_ref();
    let tables = [own, Some(&document.budgets), None];
    checks.push(Check {
        variant: WHOLE.to_owned(),
        requests: steps.clone(),
        budgets: whole_budgets(document, own, count),
        written: written_budgets(tables),
        tolerance: tolerance([flow.tolerance.as_ref(), Some(&document.tolerance), None]),
        ..checks[0].clone()
    });
    let fixture = flow.fixture.as_deref().unwrap_or(DEFAULT_FIXTURE);
    for (place, check) in checks.iter_mut().enumerate() {
        let measured = if check.variant == WHOLE { 0..steps.len() } else { place..place + 1 };
        flow.name.clone_into(&mut check.endpoint);
        fixture.clone_into(&mut check.fixture);
        check.service_life = service_life;
        check.slow = flow.slow.unwrap_or(false);
        check.budgets = check.budgets.clone().of(service_life);
        check.rows.clone_from(&rows);
        check.flow = Some(FlowFrame {
            setup: setup.clone(),
            before: steps[..measured.start].to_vec(),
            after: steps[measured.end..].to_vec(),
            teardown: teardown.clone(),
            around_each_sample: service_life == ServiceLife::Sample,
        });
    }
    Ok(checks)
}
