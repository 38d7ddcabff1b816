//! Samples that a latency budget still lacks, and the key of the contract that gives them.

use crate::{
    claim::{Claim, Reason, latency_samples_needed},
    contract::{ClaimKind, ContractDocument, Quantile, SECONDS_OF_CHECK},
    evidence::Evidence,
    passport::{Passport, SubjectResult},
    units::{Count, Nanos},
};

/// How much longer than its own time a request may take with all that is around it.
const MARGIN: f64 = 1.25;

/// How many samples are missing, and what to raise; `None` where more would hardly decide it.
pub(super) fn sentence(
    passport: &Passport,
    subject: SubjectResult<'_>,
    claim: &Claim,
) -> Option<String> {
    let SubjectResult::Check(result) = subject else { return None };
    if claim.kind != ClaimKind::Latency || claim.reason != Reason::Undecided {
        return None;
    }
    let quantile = quantile_of(claim, result.budgets.as_ref()?.latency_quantile);
    let limit = Nanos::new(u64::try_from(claim.limit?).ok()?);
    let evidence = &result.evidence;
    let (samples, beyond) =
        (evidence.latency.samples(), evidence.latency.at_or_above_at_most(limit));
    let needed = latency_samples_needed(passport.rules.latency, quantile, beyond)?;
    if samples >= needed || !may_be_kept(samples, beyond, quantile) {
        return None;
    }
    let missing = needed.saturating_sub(samples);
    let above = match beyond {
        Count::ZERO => String::new(),
        some => format!(" where {some} are not below the budget"),
    };
    let key = passport.contract.as_ref().map(|it| key(&it.document, evidence, needed));
    let remedy = key.map(|it| format!(": {it}")).unwrap_or_default();
    Some(format!(
        "{quantile} needs at least {needed} samples{above}, and there are {samples}; {missing} more \
         are missing{remedy}"
    ))
}

/// The quantile that a claim names, or else that of the check.
fn quantile_of(claim: &Claim, main: Quantile) -> Quantile {
    let named = |it: &Quantile| claim.metric.as_deref() == Some(it.to_string().as_str());
    Quantile::ALL.into_iter().find(named).unwrap_or(main)
}

/// Whether no larger share than the quantile allows lies beyond the budget so far.
fn may_be_kept(samples: Count, beyond: Count, quantile: Quantile) -> bool {
    let allowed = 1_000_000 - quantile.share().get();
    u128::from(beyond.get()) * 1_000_000 <= u128::from(samples.get()) * u128::from(allowed)
}

/// The key to raise so that there are enough samples.
#[expect(clippy::cast_precision_loss, reason = "a time that is told by the second")]
fn key(document: &ContractDocument, evidence: &Evidence, needed: Count) -> String {
    let seconds_max = document.sampling.seconds_max.map_or(SECONDS_OF_CHECK, f64::from);
    let took = evidence.latency.mean().get() as f64 / 1e9;
    let seconds = (needed.get() as f64 * took * MARGIN).ceil();
    if seconds > seconds_max {
        format!("raise `seconds_max` in [sampling] to {seconds}, it is {seconds_max}")
    } else {
        "raise `samples` in [sampling] (or --iterations), and `seconds_max` if it takes longer"
            .to_owned()
    }
}
