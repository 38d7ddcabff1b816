//! Costs that a service over HTTP does not tell, and on which the gate does not depend.

use crate::{
    claim::Reason,
    contract::ClaimKind,
    passport::{Passport, ProbeKind},
    text::counted,
};

/// What is not seen and not required, and how it would be; `None` where nothing is.
pub(super) fn note(passport: &Passport) -> Option<String> {
    let by_default = passport.contract.as_ref()?.document.required.is_none();
    if passport.provenance.probe != ProbeKind::Http || !by_default {
        return None;
    }
    let checks_without = |kind: ClaimKind| {
        let claims = passport.test_results.iter().flat_map(|it| &it.claims);
        let untold = claims.filter(|it| it.kind == kind && it.reason == Reason::NotObserved);
        untold.filter(|it| !it.required).count() as u64
    };
    let costs = [("allocations", ClaimKind::Allocations), ("peak heap", ClaimKind::Heap)];
    let untold: Vec<String> = costs
        .into_iter()
        .map(|(cost, kind)| (cost, checks_without(kind)))
        .filter(|(_, checks)| *checks > 0)
        .map(|(cost, checks)| format!("{cost} of {}", counted(checks, "check")))
        .collect();
    (!untold.is_empty()).then(|| {
        format!(
            "not seen over HTTP, so not required: {}; the service can tell them in `Server-Timing`, \
             and `required` in the contract asks for them",
            untold.join(", ")
        )
    })
}
