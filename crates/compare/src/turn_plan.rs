//! How the time of one check or operation in a session is divided into turns and samples.

use perf_passport::units::{Nanos, Picos};

use crate::subject::Readiness;

/// Time of one turn, about.
const TURN_TIME: Nanos = Nanos::new(400_000);

/// A sample of an operation is as many iterations as take this long, about: reading the clock, which
/// hides as much of a change, is then a few thousandths of it.
const SAMPLE_TIME: Nanos = Nanos::new(20_000);

/// No sample has more iterations.
const ITERATIONS_MAX: u64 = 1 << 40;

/// An iteration of this time has averaged by itself what a short one needs many turns for, so it takes
/// few: one of a second would else take a minute of each session.
const LONG: Nanos = Nanos::new(10_000_000);

/// Cycles of an operation in a session whose iterations are long, at least.
const LONG_CYCLES_MIN: u64 = 4;

/// Cycles of a check in a session, at least and at most: below, its median is a matter of luck;
/// above, it is not known any better, as what is wrong with a process stays with it.
const CYCLES_MIN: u64 = 12;
const CYCLES_MAX: u64 = 400;

/// The least where samples are so long that a turn has two: luck has more to say in each.
const SLOW_CYCLES_MIN: u64 = 18;

/// Samples in a turn of a server, at least, and those of them that are left out. A turn of two over HTTP is
/// half cold caches.
///
/// PERF: pairs of a service of 157 us, with itself: turns of 2 samples have effects with a standard
/// deviation of 14.5 %, turns of 8 of which 2 are left out have 2.2 %.
const SERVED_BATCH_MIN: u64 = 8;
const SERVED_SKIPPED_MIN: u64 = 2;

/// The caches of a sample that is as long matter less: then half as many, and above [`LONG`] as few as of
/// any other check.
const SERVED_LONG: Nanos = Nanos::new(2_000_000);

/// Servers take turns until it is known well enough what the session says. Beyond the fewest cycles that is no
/// longer than it took to start them and to warm them up, nor than this, and no more cycles.
///
/// PERF: sessions of nginx with itself whose turns took up to half a second decided 1 comparison of 10 in 75 s; those
/// whose turns took as long as it took to begin, 5 of 10. What is not known of a process is not
/// known better by more turns, and by more processes it is.
const SERVED_TIME_MAX: Nanos = Nanos::new(1_000_000_000);
const SERVED_CYCLES_MAX: u64 = 1_000;

/// So many cycles more are held before one looks again whether they are enough: to look takes time too.
const LOOKS_EVERY: u64 = 24;

/// Sides that take turns in a cycle, of which a pair is two: baseline, current and control.
const SIDES: u64 = 3;

/// A check takes at most this many times its time where others want the processor too.
const STRETCH_MAX: u64 = 3;

/// How long a sample takes, of the side that takes longest.
#[derive(Default)]
pub(crate) struct SlowestSide {
    latency: Nanos,
    /// Of an operation, the time of one iteration.
    iteration: Option<Picos>,
}

impl SlowestSide {
    /// That of a check.
    pub(crate) fn of_latency(latency: Nanos) -> Self {
        Self { latency, iteration: None }
    }

    pub(crate) fn add(&mut self, readiness: &Readiness) {
        self.latency = self.latency.max(readiness.latency);
        let iteration = readiness.iterations.map(|iterations| {
            let picos = u128::from(readiness.latency.get()) * 1_000 / u128::from(iterations.max(1));
            Picos::new(u64::try_from(picos).unwrap_or(u64::MAX).max(1))
        });
        self.iteration = self.iteration.max(iteration);
    }
}

/// How an item's time is divided.
pub(crate) struct TurnPlan {
    /// Samples in a turn.
    pub(crate) batch: u32,
    /// Of an operation, iterations in a sample: the same on all sides, so that it is the same work.
    pub(crate) iterations: Option<u64>,
    /// The first samples of a turn, which fetch the process into the caches again.
    pub(crate) skipped: usize,
    /// Turns of each side, at most.
    pub(crate) cycles: u64,
    /// So many are enough where they tell the effect well.
    pub(crate) enough: u64,
    /// The least of them, however long they take.
    pub(crate) cycles_min: u64,
    /// All turns together take at most this long, but for the least number of cycles.
    pub(crate) time_max: Nanos,
}

impl TurnPlan {
    /// The plan of an item; of one that is served over HTTP with the time that it took to start the servers and to
    /// warm them up.
    pub(crate) fn of(slowest: &SlowestSide, pair_time: Nanos, prepared: Option<Nanos>) -> Self {
        let served = prepared.is_some();
        let iterations = slowest.iteration.map(|iteration| {
            let sample = SAMPLE_TIME.saturating_mul(1_000).get();
            sample.div_ceil(iteration.get().max(1)).clamp(1, ITERATIONS_MAX)
        });
        let latency = match slowest.iteration.zip(iterations) {
            None => slowest.latency,
            Some((iteration, iterations)) => {
                Nanos::new(iteration.saturating_mul(iterations).get() / 1_000)
            }
        };
        let is_long = iterations.is_some() && latency >= LONG;
        let latency = latency.get().max(1);
        // The longer a turn, the less it matters that another process had the caches before.
        let batch_min = match Nanos::new(latency) {
            _ if is_long => 1,
            it if served && it < SERVED_LONG => SERVED_BATCH_MIN,
            it if served && it < LONG => SERVED_BATCH_MIN / 2,
            _ => 2,
        };
        let batch = (TURN_TIME.get() / latency).clamp(batch_min, 64);
        let skipped_min = if served && batch >= SERVED_BATCH_MIN { SERVED_SKIPPED_MIN } else { 0 };
        let skipped = if batch < 4 { 0 } else { (batch / 4).min(8).max(skipped_min) };
        let one = latency.saturating_mul(2 * batch);
        let cycles_min = match batch {
            _ if is_long => LONG_CYCLES_MIN,
            ..=2 => SLOW_CYCLES_MIN,
            _ => CYCLES_MIN,
        };
        let served_time = prepared.unwrap_or_default().min(SERVED_TIME_MAX);
        let as_prepared = served_time.get() * 2 / SIDES / one;
        let enough = (pair_time.get() / one).clamp(cycles_min, CYCLES_MAX);
        let cycles = as_prepared.clamp(enough, SERVED_CYCLES_MAX);
        Self {
            batch: u32::try_from(batch).unwrap_or(u32::MAX),
            iterations,
            skipped: usize::try_from(skipped).unwrap_or(usize::MAX),
            cycles,
            enough,
            cycles_min,
            time_max: Nanos::new(one.saturating_mul(cycles * STRETCH_MAX)),
        }
    }

    /// Whether a session of so many cycles, which took so long, need not have more.
    pub(crate) fn is_over(&self, held: u64, spent: Nanos, are_precise: &dyn Fn() -> bool) -> bool {
        let is_late = held >= self.cycles_min && spent > self.time_max;
        let is_look = held >= self.enough && held < self.cycles && held.is_multiple_of(LOOKS_EVERY);
        is_late || held >= self.cycles || (is_look && are_precise())
    }
}

#[cfg(test)]
mod tests {
    use crate::subject::LatencyKind;

    use super::*;

    const PAIR_TIME: Nanos = Nanos::new(12_000_000);

    fn plan(blocks: &[(u64, u64)]) -> TurnPlan {
        let mut slowest = SlowestSide::default();
        for (iterations, ns) in blocks {
            slowest.add(&Readiness {
                latency: Nanos::new(*ns),
                iterations: Some(*iterations),
                response: None,
                measures: LatencyKind::Work,
            });
        }
        TurnPlan::of(&slowest, PAIR_TIME, None)
    }

    #[test]
    fn a_sample_of_code_is_the_same_iterations_on_all_sides_and_long_enough() {
        // 1 ns, and on the other side 2 ns.
        let short = plan(&[(32_768, 32_768), (16_384, 32_768)]);
        assert_eq!(short.iterations, Some(10_000));
        assert_eq!((short.batch, short.skipped, short.cycles), (20, 5, 15));
        let longer = plan(&[(1, 50_000)]);
        assert_eq!((longer.iterations, longer.batch), (Some(1), 8));
        // Nothing at all takes some time.
        assert_eq!(plan(&[(1 << 40, 0)]).iterations, Some(20_000_000));
    }

    #[test]
    fn an_iteration_of_a_second_takes_few_turns() {
        let long = plan(&[(1, 1_000_000_000)]);
        assert_eq!((long.batch, long.skipped, long.cycles), (1, 0, LONG_CYCLES_MIN));
        let shorter = plan(&[(1, 5_000_000)]);
        assert_eq!((shorter.batch, shorter.cycles), (2, SLOW_CYCLES_MIN));
    }

    #[test]
    fn a_check_is_sampled_request_by_request() {
        let mut slowest = SlowestSide::default();
        let latency = Nanos::new(100_000_000);
        let prepared = |latency| Readiness {
            latency,
            iterations: None,
            response: None,
            measures: LatencyKind::Work,
        };
        slowest.add(&prepared(latency));
        let plan = TurnPlan::of(&slowest, PAIR_TIME, None);
        assert_eq!((plan.iterations, plan.batch, plan.cycles), (None, 2, SLOW_CYCLES_MIN));
    }

    #[test]
    fn a_turn_of_a_server_has_samples_after_those_that_find_cold_caches() {
        let turn = |latency: u64, served: bool| {
            let mut slowest = SlowestSide::default();
            slowest.add(&Readiness {
                latency: Nanos::new(latency),
                iterations: None,
                response: None,
                measures: LatencyKind::RoundTrip,
            });
            let plan = TurnPlan::of(&slowest, PAIR_TIME, served.then_some(Nanos::ZERO));
            (plan.batch, plan.skipped)
        };
        assert_eq!((turn(300_000, false), turn(300_000, true)), ((2, 0), (8, 2)));
        assert_eq!((turn(45_000, false), turn(45_000, true)), ((8, 2), (8, 2)));
        assert_eq!((turn(10_000, false), turn(10_000, true)), ((40, 8), (40, 8)));
        assert_eq!((turn(3_000_000, true), turn(30_000_000, true)), ((4, 1), (2, 0)));
    }

    #[test]
    fn servers_take_turns_for_as_long_as_it_took_to_begin() {
        let cycles = |latency: u64, prepared_ms: u64| {
            let slowest = SlowestSide::of_latency(Nanos::new(latency));
            let prepared = Nanos::new(prepared_ms * 1_000_000);
            TurnPlan::of(&slowest, Nanos::new(40_000_000), Some(prepared)).cycles
        };
        // By hand: a cycle of three turns of 8 samples of 1.25 ms takes 30 ms.
        assert_eq!([0, 300, 600, 900, 9_000].map(|it| cycles(1_250_000, it)), [12, 12, 20, 30, 33]);
        // What is quick: 40 ms are 50 pairs of turns of 20 samples.
        assert_eq!([0, 60, 150, 9_000].map(|it| cycles(20_000, it)), [50, 50, 125, 833]);
    }

    #[test]
    fn a_session_is_over_when_it_knows_enough_or_it_is_late() {
        let slowest = SlowestSide::of_latency(Nanos::new(20_000));
        let served =
            TurnPlan::of(&slowest, Nanos::new(40_000_000), Some(Nanos::new(9_000_000_000)));
        assert_eq!((served.enough, served.cycles), (50, 833));
        let over = |held, precise| served.is_over(held, Nanos::ZERO, &|| precise);
        // Not before there are enough, and then where one looks.
        assert_eq!(
            [48, 50, 72, 73, 832].map(|it| over(it, true)),
            [false, false, true, false, false]
        );
        assert_eq!([72, 832, 833].map(|it| over(it, false)), [false, false, true]);
        let late = served.time_max.saturating_add(Nanos::new(1));
        assert_eq!([11, 12].map(|it| served.is_over(it, late, &|| false)), [false, true]);
        // What is no server has as many cycles as it was given time for.
        let worker = TurnPlan::of(&slowest, Nanos::new(40_000_000), None);
        assert_eq!(
            [48, 49, 50].map(|it| worker.is_over(it, Nanos::ZERO, &|| true)),
            [false, false, true]
        );
    }
}
