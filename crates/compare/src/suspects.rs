//! For which checks of a comparison causes are sought.

use perf_passport::{
    claim::{Claim, Verdict},
    contract::{Check, ClaimKind},
    passport::Passport,
};

use crate::causes::Suspect;

/// Checks that are looked into, at most: each takes seconds.
const CHECKS_MAX: usize = 4;

/// Checks that got worse.
pub(crate) struct Suspects<'a> {
    /// Those that are looked into.
    pub(crate) looked_into: Vec<Suspect<'a>>,
    /// How many are not.
    pub(crate) left_out: usize,
}

impl<'a> Suspects<'a> {
    /// The checks with a change that failed, and then those that allocate more within what is tolerated.
    /// Instructions are counted of the former, unless nobody wants them counted.
    pub(crate) fn of(passport: &Passport, checks: &[&'a Check], counts_instructions: bool) -> Self {
        let any = |check: &Check, is_one: fn(&Claim) -> bool| {
            passport.result(&check.id()).is_some_and(|result| result.claims.iter().any(is_one))
        };
        let (failed, others): (Vec<&Check>, Vec<&Check>) =
            checks.iter().copied().partition(|check| any(check, is_failed_change));
        let failed =
            failed.into_iter().map(|check| Suspect { check, instructions: counts_instructions });
        let tolerated = others.into_iter().filter(|check| any(check, is_more_allocations));
        let tolerated = tolerated.map(|check| Suspect { check, instructions: false });
        let mut looked_into: Vec<Suspect<'_>> = failed.chain(tolerated).collect();
        let left_out = looked_into.len().saturating_sub(CHECKS_MAX);
        looked_into.truncate(CHECKS_MAX);
        Self { looked_into, left_out }
    }
}

fn is_failed_change(claim: &Claim) -> bool {
    claim.kind.is_change() && claim.verdict == Verdict::Fail
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
        let checks: Vec<&Check> = contract.checks.iter().collect();
        for counts in [true, false] {
            let suspects = Suspects::of(&passport, &checks, counts).looked_into;
            assert!(!suspects.is_empty());
            assert!(suspects.iter().all(|it| it.instructions == counts), "{counts}");
        }
    }
}
