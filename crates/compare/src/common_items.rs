//! What is compared of two sides: what both have, can measure, and was asked for.

use std::collections::BTreeSet;

use perf_passport::{
    contract::{Check, CheckSelection, Contract, Operation},
    pipeline::MissingVariable,
    probe::{PlanError, SamplePlan},
};

use crate::{
    comparison_error::ComparisonError,
    item::Item,
    operations::{Offer, offer},
    servers::{ServerAt, Servers, target},
    side::{Side, Sides},
    subjects::Subjects,
    watch::Watch,
};

/// The checks and operations that somebody asks for. Who names checks alone asks for no operation, and
/// the other way round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ItemSelection<'a> {
    /// The checks.
    pub checks: CheckSelection<'a>,
    /// Operations, or operations at one size (`operation/size`); any when empty.
    pub operations: &'a [String],
}

/// What is compared.
pub(crate) struct SelectedItems<'a> {
    pub(crate) items: Vec<Item<'a>>,
    /// The names of those that only one side has or can measure.
    pub(crate) not_compared: Vec<String>,
    /// The names of items that the anchor does not have or cannot measure.
    pub(crate) not_anchored: Vec<String>,
}

/// What both sides have and the user wants.
pub(crate) fn select_items<'a>(
    selection: &ItemSelection<'_>,
    contract: &'a Contract,
    subjects: &Subjects<'_>,
    watch: Watch<'_>,
) -> Result<SelectedItems<'a>, ComparisonError> {
    // What there is on both sides.
    let common = match subjects {
        Subjects::Servers(_) => CommonItems::of_servers(contract),
        Subjects::Workers(sides) => CommonItems::of_workers(contract, sides, watch)?,
    };
    if common.checks.is_empty() && common.cases.is_empty() {
        return Err(match subjects {
            Subjects::Workers(_) => ComparisonError::NothingInCommon,
            Subjects::Servers(_) => ComparisonError::NoChecks,
        });
    }

    // What is wanted of that, and can be asked for.
    let checks = selection.checks(&common.checks, contract, subjects)?;
    if let Subjects::Servers(servers) = subjects {
        refuse_what_cannot_be_asked(servers, contract, &checks)?;
    }
    let mut items: Vec<Item<'a>> = checks.into_iter().map(Item::Check).collect();
    items.extend(selection.cases(common.cases)?);
    if items.is_empty() {
        return Err(ComparisonError::NothingSelected);
    }
    let is_compared = |id: &String| items.iter().any(|item| item.id() == *id);
    let not_anchored = common.not_anchored.into_iter().filter(is_compared).collect();
    Ok(SelectedItems { items, not_compared: common.others, not_anchored })
}

impl ItemSelection<'_> {
    fn checks<'c>(
        &self,
        checks: &[&'c Check],
        contract: &Contract,
        subjects: &Subjects<'_>,
    ) -> Result<Vec<&'c Check>, ComparisonError> {
        let wants_none = checks.is_empty() || !self.operations.is_empty();
        if self.checks.is_everything() && wants_none {
            return Ok(Vec::new());
        }
        Ok(match subjects {
            Subjects::Servers(_) => {
                let state = contract.document.target.fixture.as_deref();
                let fixture = self.checks.fixture.or(state);
                CheckSelection { fixture, ..self.checks }.select_of_running(checks)?
            }
            Subjects::Workers(_) => self.checks.select(checks)?,
        })
    }

    fn cases<'c>(
        &self,
        mut cases: Vec<OperationCase<'c>>,
    ) -> Result<Vec<Item<'c>>, ComparisonError> {
        for name in self.operations {
            if !cases.iter().any(|case| case.is_named(name)) {
                return Err(ComparisonError::UnknownOperation { name: name.clone() });
            }
        }
        cases.retain(|case| match self.operations {
            [] => self.checks.is_everything(),
            wanted => wanted.iter().any(|name| case.is_named(name)),
        });
        let items = |case: OperationCase<'c>| Item::case_and_parts(case.operation, case.size);
        Ok(cases.into_iter().flat_map(items).collect())
    }
}

/// An operation at one size, where it has any.
#[derive(Clone, Copy)]
struct OperationCase<'a> {
    operation: &'a Operation,
    size: Option<u64>,
}

impl OperationCase<'_> {
    fn is_named(&self, name: &str) -> bool {
        self.operation.name == name || self.operation.case_name(self.size) == name
    }
}

/// What both sides have.
#[derive(Default)]
struct CommonItems<'a> {
    checks: Vec<&'a Check>,
    cases: Vec<OperationCase<'a>>,
    /// The names of what only one has.
    others: Vec<String>,
    /// The names of what both have and the anchor lacks.
    not_anchored: Vec<String>,
}

impl<'a> CommonItems<'a> {
    /// Servers are all asked for what the contract says.
    fn of_servers(contract: &'a Contract) -> Self {
        Self { checks: contract.checks.iter().collect(), ..Self::default() }
    }

    /// What both contracts have and both workers can measure: checks that ask for the same, and
    /// operations by their names and sizes, as their code is what may differ.
    fn of_workers(
        ours: &'a Contract,
        sides: &Sides,
        watch: Watch<'_>,
    ) -> Result<Self, ComparisonError> {
        let theirs = SideOffer::by(&sides.baseline, "baseline", watch)?;
        let mine = offer(&sides.current, watch)?;
        let anchor = sides.anchor.as_ref();
        let anchor = anchor.map(|side| SideOffer::by(side, "anchor", watch)).transpose()?;
        let mut common = Self::default();
        for check in &ours.checks {
            if !(mine.service && theirs.has_check(check)) {
                common.others.push(check.id());
                continue;
            }
            common.checks.push(check);
            if anchor.as_ref().is_some_and(|it| !it.has_check(check)) {
                common.not_anchored.push(check.id());
            }
        }
        let theirs_alone = theirs.contract.checks.iter().map(Check::id);
        common.others.extend(theirs_alone.filter(|id| ours.check(id).is_none()));
        for operation in &ours.operations {
            for size in operation.cases() {
                let id = Item::Case(operation, size).id();
                let is_mine = mine.operations.contains(&operation.name);
                if !(is_mine && theirs.has_case(operation, size)) {
                    common.others.push(id);
                    continue;
                }
                common.cases.push(OperationCase { operation, size });
                if anchor.as_ref().is_some_and(|it| !it.has_case(operation, size)) {
                    common.not_anchored.push(id);
                }
            }
        }
        common.others.extend(theirs.cases_beyond(ours));
        Ok(common)
    }
}

/// A side's contract, and what its worker can measure.
struct SideOffer {
    contract: Contract,
    offer: Offer,
}

impl SideOffer {
    fn by(side: &Side, role: &'static str, watch: Watch<'_>) -> Result<Self, ComparisonError> {
        let contract = Contract::parse(&side.contract)
            .map_err(|source| ComparisonError::ContractOf { role, source })?;
        Ok(Self { contract, offer: offer(side, watch)? })
    }

    /// Whether it asks for the same.
    fn has_check(&self, check: &Check) -> bool {
        let same = self.contract.check(&check.id()).is_some_and(|it| {
            it.requests == check.requests
                && it.rounds == check.rounds
                && it.fixture == check.fixture
                && it.rows == check.rows
                && it.flow == check.flow
        });
        same && self.offer.service
    }

    fn has_case(&self, operation: &Operation, size: Option<u64>) -> bool {
        self.offer.operations.contains(&operation.name)
            && self.contract.operation_cases().contains(&operation.case_name(size))
    }

    /// The names of operations at sizes that another contract lacks.
    fn cases_beyond(&self, other: &Contract) -> Vec<String> {
        let known: BTreeSet<String> = other.operation_cases();
        let all = self.contract.operations.iter().flat_map(Item::cases);
        let beyond = all.filter(|item| match item {
            Item::Case(operation, size) => !known.contains(&operation.case_name(*size)),
            Item::Check(_) | Item::Part(..) => false,
        });
        beyond.map(|item| item.id()).collect()
    }
}

/// Refuses base URLs that are none and variables that are not set, before anything is started.
fn refuse_what_cannot_be_asked(
    servers: &Servers<'_>,
    contract: &Contract,
    checks: &[&Check],
) -> Result<(), ComparisonError> {
    for server in servers.sides.iter() {
        let ServerAt::Url(url) = &server.at else { continue };
        target(url, contract).map_err(|source| {
            let label = server.label.clone();
            ComparisonError::BaseUrl { label, source }
        })?;
    }
    for check in checks {
        let plan = SamplePlan::new(check, &contract.directory, servers.environment);
        // That a file of a check cannot be used is found of that check, and others go on.
        if let Err(PlanError::Variable(variable)) = plan {
            return Err(MissingVariable { check: check.id(), variable }.into());
        }
    }
    Ok(())
}
