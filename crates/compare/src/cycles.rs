//! The turns of one check in a session, and what they come to.
//!
//! Each turn counts as its median sample. In process a time is the service's own. Over HTTP a round
//! trip is mostly the client's and the kernel's work, so that a share of it says little of the
//! service: there the time is the one that the services tell, or else what the round trip takes
//! beyond one to a server that only answers the same.

use perf_passport::{
    paired::{Effect, HIDDEN_BELOW, OverHttp, Pairs, Session, TimeOf},
    units::{Nanos, Ppm},
};

use crate::subject::{Role, Turn};

/// The standard error of a session's effect that is small enough: processes of one program differ by about as
/// much, whatever is known of each.
const PRECISE: Effect = 10_000;

/// What is added to turns, as a share of the service's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddedWork {
    /// To two turns of the control in three; of servers to all, beside what they took.
    pub(super) injected: Ppm,
    /// To each turn of the current side.
    pub(super) slower: Ppm,
}

/// The turns so far.
pub(crate) struct Cycles {
    /// What the times are of; `None` in process.
    time: Option<TimeOf>,
    cycles: Vec<Cycle>,
}

/// One turn of each.
#[derive(Debug, Clone, Copy, Default)]
struct Cycle {
    /// Whether it is one of those in which the control is slowed down.
    injects: bool,
    baseline: Nanos,
    current: Nanos,
    control: Option<Nanos>,
    anchor: Option<Nanos>,
    floor: Option<Nanos>,
    /// The round trips of the baseline, the current side and the anchor.
    trips: [Nanos; 3],
}

impl Cycles {
    pub(super) fn new(time: Option<TimeOf>) -> Self {
        Self { time, cycles: Vec::new() }
    }

    /// Adds a cycle. Of each turn the first samples are left out.
    pub(super) fn add(&mut self, turns: &[(Role, Turn)], skipped: usize, injects: bool) {
        let turn = |role: Role| turns.iter().find(|(it, _)| *it == role).map(|(_, turn)| turn);
        let trip = |role: Role| median_after(&turn(role)?.latencies, skipped);
        let of = |role: Role| match self.time {
            Some(TimeOf::Service) => median_after(turn(role)?.told.as_ref()?, skipped),
            _ => trip(role),
        };
        let (Some(baseline), Some(current)) = (of(Role::Baseline), of(Role::Current)) else {
            return;
        };
        self.cycles.push(Cycle {
            injects,
            baseline,
            current,
            control: of(Role::Control),
            anchor: of(Role::Anchor),
            floor: of(Role::Floor),
            trips: [Role::Baseline, Role::Current, Role::Anchor]
                .map(|role| trip(role).unwrap_or_default()),
        });
    }

    /// What the turns come to. In process what was to be added was added already, as work.
    pub(super) fn session(&self, added: AddedWork) -> Session {
        let mut session = self.pairs(added);
        session.http = self.time.map(|time| OverHttp {
            time,
            round_trip_ns: self.median(|cycle| Some(cycle.trips[0])).unwrap_or_default(),
            floor_ns: self.median(|cycle| cycle.floor),
            untold_ppm: self.untold(|cycle| Some((cycle.baseline, cycle.trips[0]))),
            untold_anchor_ppm: self.untold(|cycle| Some((cycle.anchor?, cycle.trips[2]))),
            warmup: None,
        });
        session
    }

    /// Whether the effect of this session is known as well as sessions of the same code agree, and what the
    /// services do not tell half as well.
    pub(super) fn are_precise(&self, added: AddedWork) -> bool {
        let is_known = |pairs: &Pairs, most| pairs.standard_error().is_some_and(|it| it <= most);
        let untold = self.untold_pairs(|cycle| Some((cycle.baseline, cycle.trips[0])));
        is_known(&self.pairs(added).current, PRECISE)
            && untold.is_none_or(|pairs| is_known(&pairs, 2 * PRECISE))
    }

    /// Whether the control is slowed down in a cycle. In process that is work, so two cycles in three have it
    /// and the others have the control as it is. What is only added to a time can be in all of them.
    fn injects(&self, cycle: &Cycle) -> bool {
        cycle.injects || self.time.is_some()
    }

    fn is_unmodified(&self, cycle: &Cycle) -> bool {
        !cycle.injects || self.time.is_some()
    }

    fn pairs(&self, added: AddedWork) -> Session {
        match self.time {
            None => self.ratios(AddedWork { injected: Ppm::new(0), slower: Ppm::new(0) }),
            Some(TimeOf::AboveFloor) => self.above_floor(added),
            Some(TimeOf::Service | TimeOf::RoundTrip) => self.ratios(added),
        }
    }

    fn median(&self, figure: impl Fn(&Cycle) -> Option<Nanos>) -> Option<Nanos> {
        let all: Vec<Nanos> = self.cycles.iter().filter_map(figure).collect();
        median_after(&all, 0)
    }

    /// How much longer the current side took than another beyond what both tell, in ppm of what that
    /// one tells: a service may not tell all that it does.
    fn untold(&self, other: impl Fn(&Cycle) -> Option<(Nanos, Nanos)>) -> Option<Effect> {
        self.untold_pairs(other)?.median()
    }

    fn untold_pairs(&self, other: impl Fn(&Cycle) -> Option<(Nanos, Nanos)>) -> Option<Pairs> {
        (self.time == Some(TimeOf::Service)).then_some(())?;
        let mut pairs = Pairs::default();
        for cycle in &self.cycles {
            let (before, trip) = other(cycle)?;
            let rest = cycle.trips[1].saturating_sub(cycle.current);
            pairs.push_difference(before, trip.saturating_sub(before), rest);
        }
        Some(pairs)
    }

    /// The times as they are: each pair is the ratio of its own two.
    fn ratios(&self, added: AddedWork) -> Session {
        let mut session = empty(self.median(|cycle| Some(cycle.baseline)).unwrap_or_default());
        for cycle in &self.cycles {
            let current = cycle.current.saturating_add(cycle.current.share(added.slower));
            session.current.push(cycle.baseline, current);
            if let Some(control) = cycle.control {
                if self.injects(cycle) {
                    let slower = control.saturating_add(control.share(added.injected));
                    session.injected.push(cycle.baseline, slower);
                }
                if self.is_unmodified(cycle) {
                    session.control.push(cycle.baseline, control);
                }
            }
            if let Some(anchor) = cycle.anchor {
                session.anchor.get_or_insert_default().push(anchor, current);
            }
        }
        session
    }

    /// The differences between round trips, as shares of what the baseline's take beyond the floor:
    /// the client's and the kernel's work is on both sides of a difference and not in it.
    ///
    /// That share is the session's median and not each pair's own, as a pair's would now and then
    /// be nearly 0. It is no less than a tenth of the round trip: below, its size is not known, and
    /// with a larger one a slowdown only looks smaller.
    fn above_floor(&self, added: AddedWork) -> Session {
        let own = |figure: fn(&Cycle) -> Option<Nanos>| {
            let least = self.median(figure).unwrap_or_default().get() / HIDDEN_BELOW;
            let beyond = self.median(|it| Some(figure(it)?.saturating_sub(it.floor?)));
            Nanos::new(beyond.unwrap_or_default().get().max(least).max(1))
        };
        let baseline = own(|cycle| Some(cycle.baseline));
        let mut session = empty(baseline);
        let injected = baseline.share(added.injected);
        for cycle in &self.cycles {
            let current = cycle.current.saturating_add(baseline.share(added.slower));
            session.current.push_difference(baseline, cycle.baseline, current);
            if let Some(control) = cycle.control {
                let slower = control.saturating_add(injected);
                session.injected.push_difference(baseline, cycle.baseline, slower);
                session.control.push_difference(baseline, cycle.baseline, control);
            }
        }
        if self.cycles.iter().any(|cycle| cycle.anchor.is_some()) {
            let anchor = own(|cycle| cycle.anchor);
            let mut pairs = Pairs::default();
            for cycle in &self.cycles {
                let Some(before) = cycle.anchor else { continue };
                let current = cycle.current.saturating_add(baseline.share(added.slower));
                pairs.push_difference(anchor, before, current);
            }
            session.anchor = Some(pairs);
        }
        session
    }
}

fn empty(baseline_ns: Nanos) -> Session {
    Session {
        seed: 0,
        baseline_ns,
        iterations: None,
        current: Pairs::default(),
        control: Pairs::default(),
        injected: Pairs::default(),
        anchor: None,
        http: None,
    }
}

/// The lower median of what is left after the first ones.
fn median_after(times: &[Nanos], skipped: usize) -> Option<Nanos> {
    let mut kept = times.get(skipped..)?.to_vec();
    kept.sort_unstable();
    kept.get(kept.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDED: AddedWork = AddedWork { injected: Ppm::new(50_000), slower: Ppm::new(0) };

    fn turn(latencies: &[u64], told: Option<&[u64]>) -> Turn {
        let nanos = |times: &[u64]| times.iter().copied().map(Nanos::new).collect();
        Turn { latencies: nanos(latencies), told: told.map(nanos), response: None }
    }

    /// Two cycles whose turns are one sample after one that is skipped.
    fn cycles(time: Option<TimeOf>, times: &[(Role, u64, u64)]) -> Cycles {
        let mut cycles = Cycles::new(time);
        for injects in [false, true] {
            let turns: Vec<_> = times
                .iter()
                .map(|&(role, trip, told)| {
                    (role, turn(&[9_999_999, trip], Some(&[9_999_999, told])))
                })
                .collect();
            cycles.add(&turns, 1, injects);
        }
        cycles
    }

    fn text(pairs: &Pairs) -> String {
        serde_json::to_string(pairs).unwrap()
    }

    #[test]
    fn a_turn_counts_as_its_median_after_the_first_samples() {
        let nanos: Vec<Nanos> = [900, 5, 3, 9, 1].into_iter().map(Nanos::new).collect();
        assert_eq!(median_after(&nanos, 1), Some(Nanos::new(3)));
        assert_eq!(median_after(&nanos, 0), Some(Nanos::new(5)));
        assert_eq!(median_after(&nanos, 5), None);
        assert_eq!(median_after(&nanos, 6), None);
    }

    #[test]
    fn in_process_every_pair_is_a_ratio_and_nothing_is_added() {
        let times =
            [(Role::Baseline, 1_000, 0), (Role::Current, 1_100, 0), (Role::Control, 1_050, 0)];
        let session = cycles(None, &times).session(ADDED);
        assert_eq!(text(&session.current), "\"100000 100000\"");
        assert_eq!(
            (text(&session.control), text(&session.injected)),
            ("\"50000\"".into(), "\"50000\"".into())
        );
        assert_eq!((session.baseline_ns, session.http), (Nanos::new(1_000), None));
    }

    #[test]
    fn what_the_services_tell_is_the_time_and_the_control_is_slowed_down_by_us() {
        let times = [
            (Role::Baseline, 190_000, 60_000),
            (Role::Current, 193_000, 63_000),
            (Role::Control, 190_000, 60_000),
            (Role::Anchor, 190_000, 70_000),
        ];
        let session = cycles(Some(TimeOf::Service), &times).session(ADDED);
        assert_eq!(text(&session.current), "\"50000 50000\"");
        assert_eq!(text(&session.control), "\"0 0\"");
        assert_eq!(text(&session.injected), "\"50000 50000\"");
        assert_eq!(text(&session.anchor.unwrap()), "\"-100000 -100000\"");
        assert_eq!(session.baseline_ns, Nanos::new(60_000));
        let http = session.http.unwrap();
        assert_eq!((http.round_trip_ns, http.floor_ns), (Nanos::new(190_000), None));
        // 130 us are not told of either; and of the anchor 120.
        assert_eq!((http.untold_ppm, http.untold_anchor_ppm), (Some(0), Some(142_857)));
    }

    #[test]
    fn work_that_is_not_told_is_noticed() {
        let times = [(Role::Baseline, 190_000, 60_000), (Role::Current, 196_000, 60_000)];
        let session = cycles(Some(TimeOf::Service), &times).session(ADDED);
        assert_eq!(text(&session.current), "\"0 0\"");
        assert_eq!(session.http.unwrap().untold_ppm, Some(100_000));
    }

    /// By hand: a round trip of 190 us with 60 us of work, and 5 % more work is 3 us.
    #[test]
    fn above_the_floor_a_difference_is_a_share_of_the_work() {
        let times = [
            (Role::Baseline, 190_000, 0),
            (Role::Current, 193_000, 0),
            (Role::Control, 190_600, 0),
            (Role::Anchor, 230_000, 0),
            (Role::Floor, 130_000, 0),
        ];
        let session = cycles(Some(TimeOf::AboveFloor), &times).session(ADDED);
        assert_eq!(text(&session.current), "\"50000 50000\"");
        assert_eq!(text(&session.control), "\"10000 10000\"");
        assert_eq!(text(&session.injected), "\"60000 60000\"");
        // 37 us less than the anchor's 100 us of work.
        assert_eq!(text(&session.anchor.unwrap()), "\"-370000 -370000\"");
        assert_eq!(session.baseline_ns, Nanos::new(60_000));
        assert_eq!(session.http.unwrap().floor_ns, Some(Nanos::new(130_000)));
    }

    #[test]
    fn work_that_the_round_trip_hides_is_taken_for_a_tenth_of_it() {
        for floor in [99_000, 100_000, 120_000] {
            let times = [
                (Role::Baseline, 100_000, 0),
                (Role::Current, 101_000, 0),
                (Role::Floor, floor, 0),
            ];
            let session = cycles(Some(TimeOf::AboveFloor), &times).session(ADDED);
            assert_eq!(text(&session.current), "\"100000 100000\"");
            assert!(session.http.unwrap().is_hidden());
        }
    }

    #[test]
    fn nothing_taken_is_no_pair() {
        for time in [None, Some(TimeOf::Service), Some(TimeOf::AboveFloor)] {
            let session = Cycles::new(time).session(ADDED);
            assert!(session.current.is_empty() && session.anchor.is_none());
        }
    }

    #[test]
    fn what_is_known_to_a_hundredth_is_precise() {
        let precise = |apart: u64, cycles: u64| {
            let mut all = Cycles::new(Some(TimeOf::RoundTrip));
            for cycle in 0..cycles {
                // Quartiles are so far apart.
                let longer = if cycle % 2 == 0 { apart } else { 0 };
                let sides = [(Role::Baseline, 100_000), (Role::Current, 100_000 + longer)];
                all.add(&sides.map(|(role, ns)| (role, turn(&[ns], None))), 0, false);
            }
            all.are_precise(ADDED)
        };
        assert!(!precise(0, 3), "too few to tell");
        // By hand: 8 % by 1.08 and by the root of 24 or 64.
        assert_eq!((precise(8_000, 24), precise(8_000, 64)), (false, true));
    }

    #[test]
    fn what_is_not_told_must_be_known_half_as_well() {
        let precise = |apart: u64| {
            let mut all = Cycles::new(Some(TimeOf::Service));
            for cycle in 0..64 {
                let trip = 190_000 + if cycle % 2 == 0 { apart } else { 0 };
                let sides = [(Role::Baseline, 190_000), (Role::Current, trip)];
                let told = Some([60_000].as_slice());
                all.add(&sides.map(|(role, ns)| (role, turn(&[ns], told))), 0, false);
            }
            all.are_precise(ADDED)
        };
        // By hand: a sixth and a fifth of 60 us by 1.08 and by the root of 64.
        assert_eq!((precise(10_000), precise(12_000)), (true, false));
    }
}
