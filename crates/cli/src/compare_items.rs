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
use perf_passport::{
    contract::{Check, Contract, Operation},
    text::escaped,
};
use perf_passport_compare::{self, Item, Offer, Side, Sides, Watch, WorkerError};

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

/// What is compared.
pub(super) struct Selected<'a> {
    /// The items.
    pub(super) items: Vec<Item<'a>>,
    /// The names of those that only one side has or can measure.
    pub(super) not_compared: Vec<String>,
    /// The names of items that the anchor does not have or cannot measure.
    pub(super) not_anchored: Vec<String>,
}

/// What both sides have and the user wants.
pub(super) fn selected<'a>(
    selecting: &Selecting,
    contract: &'a Contract,
    compared: &Compared,
    watch: Watch<'_>,
) -> Result<Selected<'a>, Failure> {
    let all: Vec<&Check> = contract.checks.iter().collect();
    let Both { checks, cases, others, not_anchored } = match compared {
        Compared::Servers(_) => Both { checks: all, ..Both::default() },
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
    let is_compared = |id: &String| items.iter().any(|item| item.id() == *id);
    let not_anchored = not_anchored.into_iter().filter(is_compared).collect();
    Ok(Selected { items, not_compared: others, not_anchored })
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

/// What both sides have.
#[derive(Default)]
struct Both<'a> {
    checks: Vec<&'a Check>,
    /// Operations at a size.
    cases: Vec<(&'a Operation, Option<u64>)>,
    /// The names of what only one has.
    others: Vec<String>,
    /// The names of what both have and the anchor lacks.
    not_anchored: Vec<String>,
}

/// A side's contract, and what its worker can measure.
struct Offered {
    contract: Contract,
    offer: Offer,
}

impl Offered {
    fn by(side: &Side, whose: &str, watch: Watch<'_>) -> Result<Self, Failure> {
        let contract = Contract::parse(&side.contract).map_err(|error| {
            Failure::usage(anyhow!("cannot read the contract of the {whose}: {error}"))
        })?;
        Ok(Self { contract, offer: perf_passport_compare::offer(side, watch).map_err(failure)? })
    }

    /// Whether it asks for the same.
    fn has_check(&self, check: &Check) -> bool {
        let same = self.contract.check(&check.id()).is_some_and(|it| {
            it.requests == check.requests
                && it.rounds == check.rounds
                && it.fixture == check.fixture
        });
        same && self.offer.service
    }

    fn has_case(&self, operation: &Operation, size: Option<u64>) -> bool {
        self.offer.operations.contains(&operation.name)
            && self.contract.operation_cases().contains(&operation.case_name(size))
    }
}

/// What both contracts have and both workers can measure: checks that ask for the same, and operations
/// by their names and sizes, as their code is what may differ.
fn both_have<'a>(ours: &'a Contract, sides: &Sides, watch: Watch<'_>) -> Result<Both<'a>, Failure> {
    let theirs = Offered::by(&sides.baseline, "baseline", watch)?;
    let mine = perf_passport_compare::offer(&sides.current, watch).map_err(failure)?;
    let anchor =
        sides.anchor.as_ref().map(|side| Offered::by(side, "anchor", watch)).transpose()?;
    let mut both = Both::default();
    for check in &ours.checks {
        if !(mine.service && theirs.has_check(check)) {
            both.others.push(check.id());
            continue;
        }
        both.checks.push(check);
        if anchor.as_ref().is_some_and(|it| !it.has_check(check)) {
            both.not_anchored.push(check.id());
        }
    }
    let theirs_alone = theirs.contract.checks.iter().map(Check::id);
    both.others.extend(theirs_alone.filter(|id| ours.check(id).is_none()));
    for operation in &ours.operations {
        for size in operation.cases() {
            let id = Item::Case(operation, size).id();
            if !(mine.operations.contains(&operation.name) && theirs.has_case(operation, size)) {
                both.others.push(id);
                continue;
            }
            both.cases.push((operation, size));
            if anchor.as_ref().is_some_and(|it| !it.has_case(operation, size)) {
                both.not_anchored.push(id);
            }
        }
    }
    let known: BTreeSet<String> = ours.operation_cases();
    let theirs = theirs.contract.operations.iter().flat_map(Item::cases);
    let only_theirs = theirs.filter(|item| match item {
        Item::Case(operation, size) => !known.contains(&operation.case_name(*size)),
        Item::Check(_) => false,
    });
    both.others.extend(only_theirs.map(|it| it.id()));
    Ok(both)
}

/// The failure for a worker that could not do what it was asked.
pub(super) fn failure(error: WorkerError) -> Failure {
    let code = match error {
        WorkerError::Interrupted => Code::Interrupted,
        _ => Code::NotMeasured,
    };
    Failure::new(code, error)
}
