//! Which claims the gate does not depend on, as nobody can prove them.

use super::{reason::Reason, statement::Claim};
use crate::{
    contract::{Check, ClaimKind, Contract},
    rules::RequiredRule,
};

/// Requires no cost of a service that is asked over HTTP and does not tell it. Who lists the claim under
/// `required`, or writes a budget of it, asks for it all the same; and so does a baseline that was told it.
pub(crate) fn excuse_untold(
    rule: RequiredRule,
    contract: &Contract,
    check: &Check,
    claims: &mut [Claim],
) {
    if rule == RequiredRule::One || contract.document.required.is_some() {
        return;
    }
    for claim in claims {
        let asked = match claim.kind {
            ClaimKind::Allocations => check.written.allocations,
            ClaimKind::Heap => check.written.heap,
            // The limit is what the baseline was told.
            ClaimKind::AllocationsChange | ClaimKind::HeapChange => claim.limit.is_some(),
            _ => true,
        };
        claim.required &= asked || claim.reason != Reason::NotObserved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(budgets: &str, required: &str, rule: RequiredRule) -> Vec<bool> {
        let text = format!(
            "schema_version = 1\nname = \"a\"\n{required}[budgets]\n{budgets}\n\
             [[endpoint]]\nname = \"a\"\npath = \"/\"\n"
        );
        let contract = Contract::parse(&text).unwrap();
        let untold = |kind| Claim::new(kind, Reason::NotObserved);
        let mut claims = vec![
            Claim::new(ClaimKind::Status, Reason::NoSample),
            untold(ClaimKind::Allocations),
            untold(ClaimKind::Heap),
            untold(ClaimKind::AllocationsChange),
            untold(ClaimKind::AllocationsChange).figures(None, Some(9)),
            Claim::new(ClaimKind::Allocations, Reason::OverBudget),
        ];
        excuse_untold(rule, &contract, &contract.checks[0], &mut claims);
        claims.iter().map(|it| it.required).collect()
    }

    #[test]
    fn what_is_not_told_must_be_proved_only_where_somebody_asks_for_it() {
        let two = RequiredRule::Two;
        assert_eq!(required("", "", two), [true, false, false, false, true, true]);
        assert_eq!(required("heap_mb_max = 10", "", two), [true, false, true, false, true, true]);
        assert_eq!(
            required("allocations_max = 9", "", two),
            [true, true, false, false, true, true]
        );
        assert_eq!(required("", "required = [\"heap\"]\n", two), [true; 6]);
        assert_eq!(required("", "", RequiredRule::One), [true; 6]);
    }
}
