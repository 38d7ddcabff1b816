//! For which checks and operations of a comparison causes are sought.

use std::collections::BTreeMap;

use perf_passport::{
    claim::{Claim, Verdict},
    contract::ClaimKind,
    passport::{Passport, SubjectResult},
    units::Picos,
};

use crate::{causes::Suspect, count_plan::CountPlan, item::Item};

/// What is looked into, at most: each takes seconds.
const ITEMS_MAX: usize = 4;

/// What got worse.
pub(crate) struct Suspects<'a> {
    /// Those that are looked into.
    pub(crate) looked_into: Vec<Suspect<'a>>,
    /// How many are not.
    pub(crate) left_out: usize,
}

impl<'a> Suspects<'a> {
    /// What has a change of its cost that failed, and then what allocates more within what is tolerated.
    /// Instructions are counted of the former, unless nobody wants them counted.
    pub(crate) fn of(passport: &Passport, items: &[Item<'a>], counts_instructions: bool) -> Self {
        let results: BTreeMap<String, SubjectResult<'_>> =
            passport.subjects().map(|it| (it.id().to_string(), it)).collect();
        let found = items.iter().filter_map(|item| Some((*item, *results.get(&item.id())?)));
        let any = |result: SubjectResult<'_>, is_one: fn(&Claim) -> bool| {
            result.claims().iter().any(is_one)
        };
        let (failed, others): (Vec<_>, Vec<_>) =
            found.partition(|(_, result)| any(*result, is_failed_change));
        let failed = failed.into_iter().map(|(item, result)| {
            let plan = plan(item, result);
            let instructions = counts_instructions && plan.why_not_counted().is_none();
            Suspect { plan, instructions }
        });
        let tolerated = others.into_iter().filter(|(_, result)| any(*result, is_more_allocations));
        let tolerated = tolerated
            .map(|(item, result)| Suspect { plan: plan(item, result), instructions: false });
        let mut looked_into: Vec<Suspect<'_>> = failed.chain(tolerated).collect();
        let left_out = looked_into.len().saturating_sub(ITEMS_MAX);
        looked_into.truncate(ITEMS_MAX);
        Self { looked_into, left_out }
    }
}

fn plan<'a>(item: Item<'a>, result: SubjectResult<'_>) -> CountPlan<'a> {
    match item {
        Item::Check(check) => CountPlan::of_check(check),
        Item::Case(operation, size) | Item::Part(operation, size, _) => {
            let summary = match result {
                SubjectResult::Case(case) => case.latency.as_ref(),
                _ => None,
            };
            let mean = summary.map_or(Picos::new(0), |it| it.mean_ps);
            CountPlan::of_case(operation, size, mean)
        }
    }
}

/// Whether it costs more. What it answers otherwise is said by the report.
fn is_failed_change(claim: &Claim) -> bool {
    let is_cost = claim.kind.is_change() && claim.kind != ClaimKind::Behaviour;
    is_cost && claim.verdict == Verdict::Fail
}

/// Whether there are more allocations or a higher peak, be it tolerated or not.
fn is_more_allocations(claim: &Claim) -> bool {
    let is_count = matches!(claim.kind, ClaimKind::AllocationsChange | ClaimKind::HeapChange);
    is_count && claim.observed.zip(claim.limit).is_some_and(|(now, before)| now > before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_passport::{contract::Contract, passport::verify};

    #[test]
    fn instructions_are_counted_for_causes_where_they_are_counted_at_all() {
        let golden = include_bytes!("../../../tests/fixtures/schema_v1/compared_fail.json");
        let passport = verify(golden).unwrap();
        let document = passport.contract.as_ref().unwrap().document.clone();
        let contract = Contract::from_document(document).unwrap();
        let items: Vec<Item<'_>> = contract.checks.iter().map(Item::from).collect();
        for counts in [true, false] {
            let suspects = Suspects::of(&passport, &items, counts).looked_into;
            assert!(!suspects.is_empty());
            assert!(suspects.iter().all(|it| it.instructions == counts), "{counts}");
        }
    }

    #[test]
    fn who_answers_otherwise_and_costs_as_much_is_not_looked_into() {
        let golden = include_bytes!("../../../tests/fixtures/schema_v1/compared_fail.json");
        let mut passport = verify(golden).unwrap();
        let document = passport.contract.as_ref().unwrap().document.clone();
        let contract = Contract::from_document(document).unwrap();
        let items: Vec<Item<'_>> = contract.checks.iter().map(Item::from).collect();
        for result in &mut passport.test_results {
            for claim in result.claims.iter_mut().filter(|it| it.kind.is_change()) {
                let is_behaviour = claim.kind == ClaimKind::Behaviour;
                claim.verdict = if is_behaviour { Verdict::Fail } else { Verdict::Pass };
                claim.observed = claim.limit;
            }
        }
        assert!(Suspects::of(&passport, &items, true).looked_into.is_empty());
    }
}
