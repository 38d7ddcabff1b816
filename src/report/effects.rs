//! Effects of a change as percentages: one of them, and the interval that a claim was decided on.

use crate::{
    claim::{Claim, Unit},
    contract::{ClaimKind, TimePart},
    paired::{Effect, decide, decide_anchor, decide_instructions},
    passport::{Comparison, SubjectResult},
};

/// `+4.65 %`.
#[expect(clippy::cast_precision_loss, reason = "display")]
pub(super) fn percent(effect: Effect) -> String {
    format!("{:+.2} %", effect as f64 / 1e4)
}

/// Where the effect of a claim lies, by the sessions or counts that decided on it: `between +2.62 % and
/// +10.92 %`. `None` where the claim has no interval, or one of no width.
pub(super) fn interval(
    comparison: Option<&Comparison>,
    subject: SubjectResult<'_>,
    claim: &Claim,
) -> Option<String> {
    let policy = &comparison?.policy;
    let tolerance = subject.tolerance();
    claim.observed.filter(|_| claim.unit == Unit::Ppm)?;
    let (lower, upper) = match (claim.kind, subject) {
        (ClaimKind::LatencyChange, _) => {
            let effect = decide(policy, tolerance, subject.paired()?).current;
            (effect.lower, effect.upper)
        }
        (ClaimKind::LatencyDrift, _) => {
            let effect = decide_anchor(policy, tolerance, subject.paired()?)?.current;
            (effect.lower, effect.upper)
        }
        (ClaimKind::RenderChange | ClaimKind::InteractionChange, _) => {
            let part = TimePart::of_claim(claim.kind)?;
            let paired = subject.paired_parts()?.get(part.name())?;
            let effect = decide(policy, subject.tolerance_of(claim.kind), paired).current;
            (effect.lower, effect.upper)
        }
        (ClaimKind::InstructionsChange, _) => {
            let tolerance = subject.tolerance_of_instructions();
            let counts = subject.instructions()?;
            let effect = decide_instructions(policy, tolerance, counts)?.change;
            (effect.lower, effect.upper)
        }
        _ => return None,
    };
    let (lower, upper) = (percent(lower), percent(upper));
    (lower != upper).then(|| format!("between {lower} and {upper}"))
}
