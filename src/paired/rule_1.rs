//! The first rule of comparisons: thresholds, looks, and from sessions to a verdict.
//!
//! NOTE: passports are decided again by this rule for as long as there are any. So it stays as it is:
//! a better rule is another file beside it, with a number of its own ([`ComparisonRule`]).
//!
//! [`ComparisonRule`]: crate::rules::ComparisonRule

use super::{
    decision::{Decision, Outcome, Side, Spread},
    evidence::{Effect, OverHttp, Paired, Pairs, Session},
    policy::{Bound, ComparedBuilds, PairThresholds, Policy},
};
use crate::units::{Nanos, Ppm};

/// After how many sessions a check is looked at: at first when one unlucky process in ten no longer
/// decides, then each time after about a quarter more.
const LOOKS: [u32; 12] = [10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128];

/// What rebuilding unchanged code does at most where each session has its code elsewhere.
const RELINKED_FLOOR: Ppm = Ppm::new(25_000);

/// The same where it is always at the same place.
const FLOOR: Ppm = Ppm::new(60_000);

/// The thresholds.
///
/// Floor and margin are above what rebuilds of unchanged code were measured to do: 1.2 % where code is
/// at other addresses in each session, and 6 % where it is always at the same. `passport calibrate`
/// measures it again on the machine at hand. Nobody can link servers again, and to start them takes so
/// long that a session asks for more.
pub(super) const fn thresholds(builds: ComparedBuilds) -> PairThresholds {
    let relinked = matches!(builds, ComparedBuilds::Relinked);
    let served = matches!(builds, ComparedBuilds::Served);
    PairThresholds {
        suite_error_ppm: Ppm::new(10_000),
        rebuild_floor_ppm: if relinked { RELINKED_FLOOR } else { FLOOR },
        layout_margin_ppm: Ppm::new(if relinked { 7_500 } else { 15_000 }),
        injected_ppm: Ppm::new(50_000),
        pair_time_ns: Nanos::new(if served { 40_000_000 } else { 12_000_000 }),
    }
}

/// The looks, in order: after how many sessions a check is looked at, and the rank whose effect
/// bounds the median over all sessions that could have been.
///
/// The bound needs no distribution, only sessions that are drawn alike: whether each lies below
/// the median is the toss of a coin (David and Nagaraja 2003, section 7.1), and a look errs when
/// fewer than `rank` of its sessions do. Each check has an equal share of `suite_error` on either
/// side (Bonferroni's inequality). That share is for all its looks together: until the n-th
/// session, as much of it may be spent as the root of n in those of the last look (Lan and
/// `DeMets` 1983), and how much a look spends is the probability of the tosses that lead there
/// and to no error at any look before (Armitage, `McPherson` and Rowe 1969), which is counted
/// exactly. Where not even the smallest effect bounds the median surely enough there is no look.
pub(super) fn looks(policy: &Policy) -> Vec<Bound> {
    looks_after(policy, &LOOKS)
}

/// The same, where a check is looked at after other numbers of sessions.
pub(super) fn looks_after(policy: &Policy, numbers: &[u32]) -> Vec<Bound> {
    let end = numbers.last().copied().unwrap_or_default();
    let checks = u32::try_from(policy.checks.get()).unwrap_or(u32::MAX).max(1);
    let suite = u32::try_from(policy.suite_error_ppm.get()).unwrap_or(u32::MAX);
    let share = f64::from(suite) / 1e6 / f64::from(checks);
    let mut tosses = Tosses::none();
    let (mut looks, mut spent) = (Vec::new(), 0.0);
    for &sessions in numbers {
        tosses.toss_until(sessions);
        // What adds and halves, and takes a root, comes to the same bits on every machine.
        let allowed = share * (f64::from(sessions) / f64::from(end)).sqrt();
        let mut rank = 0;
        for chance in &mut tosses.chances {
            if spent + *chance > allowed {
                break;
            }
            spent += std::mem::take(chance);
            rank += 1;
        }
        if rank > 0 {
            looks.push(Bound { sessions: sessions as usize, rank });
        }
    }
    looks
}

/// Decides on one side: see [`super::decide`].
pub(super) fn decide(
    policy: &Policy,
    looks: &[Bound],
    tolerance: Ppm,
    paired: &Paired,
    side: Side,
) -> Decision {
    let decision = decide_pairs(policy, looks, tolerance, &paired.sessions, side.pairs);
    limited(policy, paired, decision, side.untold)
}

/// What the way of measuring allows to be decided.
fn limited(
    policy: &Policy,
    paired: &Paired,
    decision: Decision,
    untold: fn(&OverHttp) -> Option<Effect>,
) -> Decision {
    let http: Vec<&OverHttp> =
        paired.sessions.iter().take(decision.sessions).filter_map(|it| it.http.as_ref()).collect();
    let is_hidden = || http.iter().filter(|it| it.is_hidden()).count() * 2 > decision.sessions;
    // To abstain needs no proof: that it is typically so is enough.
    let is_untold = || {
        let rests: Vec<Effect> = http.iter().filter_map(|it| untold(it)).collect();
        let bound = Bound { sessions: rests.len(), rank: 1 };
        spread(&rests, bound).median > signed(resolved_ppm(policy))
    };
    let outcome = match decision.outcome {
        Outcome::TooFewSessions => Outcome::TooFewSessions,
        _ if paired.same_processes => Outcome::SameProcesses,
        // Held against a larger share than the service has, a slowdown only looks smaller.
        Outcome::Beyond => Outcome::Beyond,
        _ if is_hidden() => Outcome::Hidden,
        Outcome::Within if is_untold() => Outcome::Untold,
        outcome => outcome,
    };
    Decision { outcome, ..decision }
}

fn decide_pairs(
    policy: &Policy,
    looks: &[Bound],
    tolerance: Ppm,
    sessions: &[Session],
    side: fn(&Session) -> &Pairs,
) -> Decision {
    let medians = |side: fn(&Session) -> &Pairs| -> Vec<Effect> {
        sessions.iter().filter_map(|session| side(session).median()).collect()
    };
    let current = medians(side);
    let control = medians(|session| &session.control);
    let injected = medians(|session| &session.injected);
    let enough = current.len().min(control.len()).min(injected.len());
    let mut last = None;
    for &bound in looks {
        if bound.sessions > enough {
            break;
        }
        let decision = look(policy, tolerance, bound, [&current, &control, &injected]);
        if matches!(decision.outcome, Outcome::Within | Outcome::Beyond) {
            return decision;
        }
        last = Some(decision);
    }
    last.unwrap_or_else(|| {
        let all = |effects: &[Effect]| spread(effects, Bound { sessions: enough, rank: 1 });
        Decision {
            outcome: Outcome::TooFewSessions,
            sessions: enough,
            current: all(&current),
            control: all(&control),
            injected: all(&injected),
            resolved: None,
            detectable: None,
        }
    })
}

fn look(
    policy: &Policy,
    tolerance: Ppm,
    bound: Bound,
    [current, control, injected]: [&[Effect]; 3],
) -> Decision {
    // Real, and where the tolerance is wide, not far within it: one unlucky session widens the interval
    // on one side and moves the other little.
    let resolved = signed(resolved_ppm(policy));
    let floor = signed(policy.rebuild_floor_ppm).max(signed(tolerance) - resolved);
    let room = signed(tolerance) - signed(policy.layout_margin_ppm);
    let [current, control, injected] =
        [spread(current, bound), spread(control, bound), spread(injected, bound)];
    // Of the change and of the slowdown that was injected, the one that is known less well.
    let width = below_median(current).max(below_median(injected));
    let detectable = floor + width;
    // Where the layout alone could do more than the tolerance, sessions must still resolve less.
    let same_is_slower = control.lower > resolved;
    // What was injected must be found, and be found to be about what it was.
    let would_be_found = injected.lower > resolved && resolved + width <= signed(tolerance);
    let outcome = if current.upper < room {
        if would_be_found && !same_is_slower { Outcome::Within } else { Outcome::Uncalibrated }
    } else if current.lower > floor {
        if same_is_slower { Outcome::Uncalibrated } else { Outcome::Beyond }
    } else {
        Outcome::Undecided
    };
    Decision {
        outcome,
        sessions: bound.sessions,
        current,
        control,
        injected,
        resolved: Some(resolved + width),
        detectable: Some(detectable),
    }
}

/// The median of the first sessions and the effects of a rank from either end.
fn spread(effects: &[Effect], bound: Bound) -> Spread {
    let mut sorted: Vec<Effect> = effects.iter().copied().take(bound.sessions).collect();
    sorted.sort_unstable();
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    Spread {
        lower: at(bound.rank - 1),
        median: at(sorted.len().saturating_sub(1) / 2),
        upper: at(sorted.len().saturating_sub(bound.rank)),
    }
}

fn signed(ppm: Ppm) -> i64 {
    i64::try_from(ppm.get()).unwrap_or(i64::MAX / 4)
}

/// The effect that sessions must be able to tell from none: the rebuild floor, but never more than
/// that of builds that are linked again.
fn resolved_ppm(policy: &Policy) -> Ppm {
    policy.rebuild_floor_ppm.min(RELINKED_FLOOR)
}

/// How far below its median an effect is bounded: what is this much larger than another is shown to be
/// larger.
fn below_median(spread: Spread) -> i64 {
    spread.median - spread.lower
}

/// A coin that is tossed again and again.
struct Tosses {
    tossed: u32,
    /// For each number of heads, the probability of so many without an error at any look.
    chances: Vec<f64>,
}

impl Tosses {
    fn none() -> Self {
        Self { tossed: 0, chances: vec![1.0] }
    }

    fn toss_until(&mut self, tosses: u32) {
        for _ in self.tossed..tosses {
            // From the last: each is half of itself and half of the one below.
            self.chances.push(0.0);
            for heads in (0..self.chances.len()).rev() {
                let below = heads.checked_sub(1).map_or(0.0, |it| self.chances[it]);
                self.chances[heads] = f64::midpoint(self.chances[heads], below);
            }
        }
        self.tossed = tosses;
    }
}
