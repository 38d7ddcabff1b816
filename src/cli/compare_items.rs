//! What of two sides `passport compare` compares: what both have, can measure, and was asked for.

use std::collections::BTreeSet;

use anyhow::anyhow;
use clap::Args;

use super::{
    compare::Compared,
    compare_servers::refuse_what_cannot_be_asked,
    exit::{Code, Failure},
    selection,
};
use crate::{
    clock::Clock,
    compare::{self, Item, Offer, Sides, WorkerError},
    contract::{Check, Contract, Operation},
    text::escaped,
};

/// What the user selects.
#[derive(Debug, Args)]
pub(super) struct Selecting {
    /// Compare only this endpoint, check (`endpoint/variant`) or path; may be repeated
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<String>,
    /// Compare only this operation, or it at one size (`operation/size`); may be repeated
    #[arg(long, value_name = "NAME")]
    operation: Vec<String>,
    /// Compare only checks on this fixture: the state that the servers are in
    #[arg(long, value_name = "NAME")]
    fixture: Option<String>,
}

/// The items to compare, and the names of those that only one side has or can measure.
pub(super) fn selected<'a>(
    selecting: &Selecting,
    contract: &'a Contract,
    compared: &Compared,
    watch: (&dyn Clock, &dyn Fn() -> bool),
) -> Result<(Vec<Item<'a>>, Vec<String>), Failure> {
    let all: Vec<&Check> = contract.checks.iter().collect();
    let (checks, cases, others) = match compared {
        Compared::Servers(_) => (all, Vec::new(), Vec::new()),
        Compared::Workers(sides) => both_have(contract, sides, watch)?,
    };
    if checks.is_empty() && cases.is_empty() {
        return Err(Failure::usage(match compared {
            Compared::Workers(_) => {
                anyhow!("the two sides have neither a check nor an operation in common")
            }
            Compared::Servers(_) => anyhow!("the contract has no check that servers are asked for"),
        }));
    }
    let checks = selected_checks(selecting, checks, matches!(compared, Compared::Servers(_)))?;
    if let Compared::Servers(servers) = compared {
        refuse_what_cannot_be_asked(servers, contract, &checks)?;
    }
    let mut items: Vec<Item<'a>> = checks.into_iter().map(Item::Check).collect();
    items.extend(selected_cases(selecting, cases)?);
    if items.is_empty() {
        return Err(Failure::usage(anyhow!("nothing is left to compare")));
    }
    Ok((items, others))
}

/// Whoever names operations alone asks for no check.
fn selected_checks<'a>(
    selecting: &Selecting,
    checks: Vec<&'a Check>,
    running: bool,
) -> Result<Vec<&'a Check>, Failure> {
    let any = !selecting.endpoint.is_empty() || selecting.fixture.is_some();
    if !any && (checks.is_empty() || !selecting.operation.is_empty()) {
        return Ok(Vec::new());
    }
    let on_fixture = selection::on_fixture(&checks, selecting.fixture.as_deref(), running)?;
    let named = selection::named(checks, &selecting.endpoint)?;
    selection::both(&named, &on_fixture)
}

/// Whoever names checks alone asks for no operation.
fn selected_cases<'a>(
    selecting: &Selecting,
    mut cases: Vec<(&'a Operation, Option<u64>)>,
) -> Result<Vec<Item<'a>>, Failure> {
    let names = |(operation, size): (&Operation, Option<u64>), name: &str| {
        operation.name == name || operation.case_name(size) == name
    };
    for name in &selecting.operation {
        if !cases.iter().any(|case| names(*case, name)) {
            let name = escaped(name);
            return Err(Failure::usage(anyhow!(
                "no operation that both sides have is named `{name}`"
            )));
        }
    }
    let others = !selecting.endpoint.is_empty() || selecting.fixture.is_some();
    cases.retain(|case| match selecting.operation.as_slice() {
        [] => !others,
        wanted => wanted.iter().any(|name| names(*case, name)),
    });
    Ok(cases.into_iter().map(|(operation, size)| Item::Case(operation, size)).collect())
}

/// Checks, operations at a size, and the names of what is neither on both sides.
type Both<'a> = (Vec<&'a Check>, Vec<(&'a Operation, Option<u64>)>, Vec<String>);

/// What both contracts have and both workers can measure: checks that ask for the same, and operations
/// by their names and sizes, as their code is what may differ.
fn both_have<'a>(
    ours: &'a Contract,
    sides: &Sides,
    watch: (&dyn Clock, &dyn Fn() -> bool),
) -> Result<Both<'a>, Failure> {
    let theirs = Contract::parse(&sides.baseline.contract).map_err(|error| {
        Failure::usage(anyhow!("cannot read the contract of the baseline: {error}"))
    })?;
    let mut offers = Vec::new();
    for side in [Some(&sides.baseline), Some(&sides.current), sides.anchor.as_ref()] {
        let Some(side) = side else { continue };
        offers.push(compare::offer(side, watch).map_err(failure)?);
    }
    let (mut checks, mut cases, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let service = offers.iter().all(|it| it.service);
    for check in &ours.checks {
        let same = theirs.check(&check.id()).is_some_and(|it| {
            it.requests == check.requests
                && it.rounds == check.rounds
                && it.fixture == check.fixture
        });
        if same && service { checks.push(check) } else { others.push(check.id()) }
    }
    let only_theirs = theirs.checks.iter().map(Check::id).filter(|id| ours.check(id).is_none());
    others.extend(only_theirs);
    let names = theirs.operation_cases();
    for operation in &ours.operations {
        let declared = |it: &Offer| it.operations.contains(&operation.name);
        let declared = offers.iter().all(declared);
        for size in operation.cases() {
            if declared && names.contains(&operation.case_name(size)) {
                cases.push((operation, size));
            } else {
                others.push(Item::Case(operation, size).id());
            }
        }
    }
    let known: BTreeSet<String> = ours.operation_cases();
    let theirs = theirs.operations.iter().flat_map(Item::cases);
    let only_theirs = theirs.filter(|item| match item {
        Item::Case(operation, size) => !known.contains(&operation.case_name(*size)),
        Item::Check(_) => false,
    });
    others.extend(only_theirs.map(|it| it.id()));
    Ok((checks, cases, others))
}

/// The failure for a worker that could not do what it was asked.
pub(super) fn failure(error: WorkerError) -> Failure {
    let code = match error {
        WorkerError::Interrupted => Code::Interrupted,
        _ => Code::NotMeasured,
    };
    Failure::new(code, error)
}
