//! What follows from a fault that is told already: a reader is told the cause once.
//!
//! The claims themselves stay as they are. What is left out here is in the passport, and `validate -v`
//! lists it.

use crate::{
    claim::{Claim, Reason, Verdict},
    contract::ClaimKind,
    passport::SubjectResult,
};

/// Whether a claim abstains for no other reason than a fault of the same subject, which is told.
pub(super) fn is_consequence(subject: SubjectResult<'_>, claim: &Claim) -> bool {
    if claim.verdict != Verdict::Abstain {
        return false;
    }
    let told = |cause: ClaimKind| {
        let cause = subject.claim(cause).filter(|it| it.is_at_fault() && it.kind != claim.kind);
        cause.map(|it| (it.verdict, it.reason))
    };
    let fails = |cause| told(cause).is_some_and(|(verdict, _)| verdict == Verdict::Fail);
    let abstains = |cause, reason| told(cause) == Some((Verdict::Abstain, reason));
    match claim.reason {
        Reason::NoSample | Reason::NotObserved | Reason::TooFewSamples => {
            let unanswered = abstains(ClaimKind::Status, Reason::NoSample);
            let unusable = abstains(ClaimKind::Completed, Reason::Unusable);
            let causes = [ClaimKind::Status, ClaimKind::ContentType, ClaimKind::Completed];
            unanswered || unusable || is_broken(subject) || causes.into_iter().any(fails)
        }
        // Work that is not known to be the same is not compared.
        Reason::ChangedWork => {
            told(ClaimKind::Behaviour).is_some() || told(ClaimKind::Deterministic).is_some()
        }
        Reason::NotDeterministic => {
            fails(ClaimKind::Deterministic)
                || abstains(ClaimKind::Behaviour, Reason::NotDeterministic)
        }
        Reason::NotInBaseline => abstains(ClaimKind::Behaviour, Reason::NotInBaseline),
        _ => false,
    }
}

/// Whether nothing answered, which a line marked `BROKEN` says.
fn is_broken(subject: SubjectResult<'_>) -> bool {
    let SubjectResult::Check(result) = subject else { return false };
    result.evidence.behaviour.is_none() && result.evidence.first_failure.is_some()
}
