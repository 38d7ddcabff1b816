//! The second rule of comparisons, for servers: as the first, with what only servers need.
//!
//! Sessions of servers are decided on as all others are. But a session of a server may be so quick that
//! the last look of the first rule leaves most of the time unused, or so slow that its code is still being
//! compiled. And where both sides run the same machine code, the floor of links does not apply.
//!
//! NOTE: passports are decided again by this rule for as long as there are any. So it stays as it is.

use super::{
    decision::{Decision, Outcome, Side},
    evidence::{Effect, Paired, Session},
    policy::{Bound, ComparedBuilds, PairThresholds, Policy},
    rule_1,
};
use crate::units::Ppm;

/// After how many sessions a check is looked at: those of the first rule, and more.
const LOOKS: [u32; 20] =
    [10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512];

/// With this floor none of 27 identical pairs of such servers failed, of an earlier version, whose sessions
/// were decided on again; and none of 60 that docs/calibration/servers has.
const ONE_PROGRAM_FLOOR: Ppm = Ppm::new(25_000);

/// How much longer a service took before its last warm-up samples than in them, at most, for it to count as
/// warm. Of a change of 10.9 % in a service of node, 2.8 to 3.2 % were read without a warm-up, and 7 to 10 %
/// where blocks of samples agreed within this much.
///
/// NOTE: verdicts of old passports follow from it. How long servers are warmed up may change without it.
pub const FALLING_MAX: Effect = 30_000;

/// The thresholds. `None` for builds that are no servers.
pub(super) fn thresholds(builds: ComparedBuilds) -> Option<PairThresholds> {
    let of_first = rule_1::thresholds(ComparedBuilds::Served);
    match builds {
        ComparedBuilds::Served => Some(of_first),
        ComparedBuilds::ServedByOneProgram => {
            Some(PairThresholds { rebuild_floor_ppm: ONE_PROGRAM_FLOOR, ..of_first })
        }
        // The median of sessions is as far from that of all layouts as the mean of so many draws is: the
        // error goes with the root of their number, down to that of links as workers have them.
        ComparedBuilds::ServedByBuilds(builds) => {
            let of_links = rule_1::thresholds(ComparedBuilds::Relinked);
            let shared = |of_one: Ppm, least: Ppm| {
                let square = of_one.get() * of_one.get() / builds.get().max(1);
                Ppm::new(square.isqrt()).max(least)
            };
            let floor = shared(of_first.rebuild_floor_ppm, of_links.rebuild_floor_ppm);
            let margin = shared(of_first.layout_margin_ppm, of_links.layout_margin_ppm);
            Some(PairThresholds { rebuild_floor_ppm: floor, layout_margin_ppm: margin, ..of_first })
        }
        ComparedBuilds::Relinked | ComparedBuilds::Fixed => None,
    }
}

/// The looks, as the first rule finds them.
pub(super) fn looks(policy: &Policy) -> Vec<Bound> {
    rule_1::looks_after(policy, &LOOKS)
}

/// Decides on one side as the first rule does, and on nothing where the code was not warm.
pub(super) fn decide(
    policy: &Policy,
    looks: &[Bound],
    tolerance: Ppm,
    paired: &Paired,
    side: Side,
) -> Decision {
    let decision = rule_1::decide(policy, looks, tolerance, paired, side);
    let may_decide = !matches!(decision.outcome, Outcome::TooFewSessions | Outcome::SameProcesses);
    if may_decide && are_cold(paired, decision.sessions) {
        return Decision { outcome: Outcome::NotWarm, ..decision };
    }
    decision
}

/// Whether a side was not warm in most of the first sessions. To abstain needs no proof.
fn are_cold(paired: &Paired, sessions: usize) -> bool {
    paired.sessions.iter().take(sessions).filter(|it| is_cold(it)).count() * 2 > sessions
}

/// Whether a server was not warm in a session.
pub fn is_cold(session: &Session) -> bool {
    let warmup = session.http.and_then(|http| http.warmup);
    warmup.is_some_and(|it| it.falling_ppm > FALLING_MAX)
}
