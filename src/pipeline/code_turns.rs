//! One side of a paired measurement of code: iterations in small batches, when it is its turn.
//!
//! What [`super::Turns`] is for the requests of a check this is for a piece of code. A sample is as
//! many iterations as it takes to be longer than a reading of the clock; how many is the comparison's
//! choice, so that a sample is the same work on all sides.

use super::work::{AddedWork, Work, settled};
use crate::{
    clock::Clock,
    probe::{collected, end_sample},
    units::{Nanos, Ppm},
};

/// A block of iterations takes at least this long when it is to tell how long one takes.
const BLOCK: Nanos = Nanos::new(20_000);

/// Blocks that tell how long one takes, at least: a single iteration may take a second.
const BLOCKS_MIN: u32 = 3;

/// No block has more iterations.
const ITERATIONS_MAX: u64 = 1 << 40;

/// Code that can be run again and again.
pub trait Iterations {
    /// Runs it so many times; how long that took as the code tells it, where a part of its time is asked for.
    ///
    /// # Errors
    ///
    /// The message of a panic.
    fn run(&mut self, iterations: u64) -> Result<Option<Nanos>, String>;
}

/// How code is run whose instructions, or allocations, are told from outside.
#[derive(Debug, Clone, Copy)]
pub struct CountedSamples {
    /// Samples that come first and are not counted.
    pub warmup: u32,
    /// Samples that are.
    pub samples: u32,
    /// Iterations in each.
    pub iterations: u64,
}

/// Runs code where whoever counts from outside recognises it, as [`super::Turns::instructions`] does
/// with the requests of a check.
///
/// # Errors
///
/// The message of a panic.
pub fn run_counted(code: &mut dyn Iterations, counted: CountedSamples) -> Result<(), String> {
    let CountedSamples { warmup, samples, iterations } = counted;
    for number in 1..=warmup.saturating_add(samples) {
        collected(|| code.run(iterations))?;
        if number >= warmup.max(1) {
            end_sample();
        }
    }
    Ok(())
}

/// Code that is sampled in turns.
pub struct CodeTurns<'a> {
    code: Box<dyn Iterations + 'a>,
    clock: &'a dyn Clock,
    /// What is added to samples that are to take longer.
    added: AddedWork<'a>,
    /// Iterations of a block of the warm-up.
    block: u64,
    /// How long a block takes; known once warm.
    block_time: SampleTime,
}

/// How long a sample took.
#[derive(Debug, Clone, Copy, Default)]
struct SampleTime {
    whole: Nanos,
    /// What counts: all of it, or the part that is asked for.
    counts: Nanos,
}

impl std::fmt::Debug for CodeTurns<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeTurns").field("block", &self.block).finish_non_exhaustive()
    }
}

impl<'a> CodeTurns<'a> {
    /// Code to be sampled, with this work added to samples that are to take longer.
    pub fn new(code: Box<dyn Iterations + 'a>, clock: &'a dyn Clock, work: Work) -> Self {
        let added = AddedWork::new(work, clock);
        Self { code, clock, added, block: 1, block_time: SampleTime::default() }
    }

    /// Gives the work back.
    pub fn into_work(self) -> Work {
        self.added.into_work()
    }

    /// Runs blocks of iterations until the code is warm; the iterations of one, and the median time of
    /// the second half of them, also where a part counts. After `time` no more than tell how long one takes.
    ///
    /// # Errors
    ///
    /// The message of a panic.
    pub fn warm_up(&mut self, blocks: u32, time: Nanos) -> Result<(u64, Nanos), String> {
        self.block = 1;
        while self.sample(self.block)?.whole < BLOCK && self.block < ITERATIONS_MAX {
            self.block *= 2;
        }
        let (mut whole, mut counts) = (Vec::new(), Vec::new());
        let started = self.clock.elapsed();
        for number in 0..blocks.max(BLOCKS_MIN) {
            let is_over = self.clock.elapsed().saturating_sub(started) >= time;
            if number >= BLOCKS_MIN && is_over {
                break;
            }
            let time = self.sample(self.block)?;
            whole.push(time.whole);
            counts.push(time.counts);
            self.added.try_out();
        }
        self.block_time = SampleTime { whole: settled(&mut whole), counts: settled(&mut counts) };
        self.added.learn();
        Ok((self.block, self.block_time.whole))
    }

    /// Takes samples of so many iterations each, with more work that takes about this share of the time
    /// that counts.
    ///
    /// # Errors
    ///
    /// The message of a panic.
    pub fn batch(
        &mut self,
        samples: u32,
        iterations: u64,
        slower: Ppm,
    ) -> Result<Vec<Nanos>, String> {
        let rounds = self.added.rounds_in(self.time_of(iterations).share(slower));
        let mut latencies = Vec::with_capacity(samples as usize);
        for _ in 0..samples {
            let time = self.sample(iterations)?;
            latencies.push(time.counts.saturating_add(self.added.add(rounds)));
        }
        Ok(latencies)
    }

    /// What counts of so many iterations, by the time of a block.
    fn time_of(&self, iterations: u64) -> Nanos {
        let time = u128::from(self.block_time.counts.get()).saturating_mul(u128::from(iterations));
        Nanos::new(u64::try_from(time / u128::from(self.block.max(1))).unwrap_or(u64::MAX))
    }

    fn sample(&mut self, iterations: u64) -> Result<SampleTime, String> {
        let start = self.clock.elapsed();
        let told = self.code.run(iterations)?;
        let whole = self.clock.elapsed().saturating_sub(start);
        Ok(SampleTime { whole, counts: told.unwrap_or(whole) })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::SystemTime,
    };

    use super::*;
    use crate::pipeline::WorkKind;

    /// A clock that only the code moves.
    #[derive(Default)]
    struct Moved(AtomicU64);

    impl Clock for Moved {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn elapsed(&self) -> Nanos {
            Nanos::new(self.0.load(Ordering::Relaxed))
        }
    }

    /// Takes a time for each iteration, of which it may tell a part, and panics after so many.
    struct Steps<'a> {
        clock: &'a Moved,
        ns: u64,
        told: Option<u64>,
        left: u64,
    }

    impl Iterations for Steps<'_> {
        fn run(&mut self, iterations: u64) -> Result<Option<Nanos>, String> {
            self.left = self.left.checked_sub(iterations).ok_or("no more")?;
            self.clock.0.fetch_add(self.ns * iterations, Ordering::Relaxed);
            Ok(self.told.map(|ns| Nanos::new(ns * iterations)))
        }
    }

    fn turns(clock: &Moved, ns: u64, left: u64) -> CodeTurns<'_> {
        let code = Box::new(Steps { clock, ns, told: None, left });
        CodeTurns::new(code, clock, Work::new(WorkKind::Arithmetic))
    }

    #[test]
    fn a_block_is_as_many_iterations_as_a_clock_can_see() {
        let clock = Moved::default();
        let warm = turns(&clock, 3, u64::MAX).warm_up(10, Nanos::new(1_000_000));
        // 2^13 times 3 ns is the first power of two above 20 us.
        assert_eq!(warm, Ok((8_192, Nanos::new(24_576))));
        let warm = turns(&clock, 50_000, u64::MAX).warm_up(10, Nanos::new(1_000_000));
        assert_eq!(warm, Ok((1, Nanos::new(50_000))));
    }

    #[test]
    fn what_takes_long_is_not_repeated_for_long() {
        let clock = Moved::default();
        let mut long = turns(&clock, 1_000_000_000, 4);
        // One that finds the size of a block, and three that tell its time.
        let warm = long.warm_up(60, Nanos::new(10_000_000));
        assert_eq!(warm, Ok((1, Nanos::new(1_000_000_000))));
    }

    #[test]
    fn a_batch_has_samples_of_the_iterations_that_were_asked_for() {
        let clock = Moved::default();
        let mut code = turns(&clock, 7, u64::MAX);
        assert!(code.warm_up(4, Nanos::ZERO).is_ok());
        let batch = code.batch(3, 100, Ppm::new(0));
        assert_eq!(batch, Ok(vec![Nanos::new(700); 3]));
    }

    #[test]
    fn a_part_that_is_told_counts_and_all_of_the_time_says_how_many_iterations_there_are() {
        let clock = Moved::default();
        for (told, counts) in [(3, 300), (0, 0)] {
            let code = Box::new(Steps { clock: &clock, ns: 50, told: Some(told), left: u64::MAX });
            let mut code = CodeTurns::new(code, &clock, Work::new(WorkKind::Arithmetic));
            // 2^9 times 50 ns is the first power of two above 20 us.
            assert_eq!(code.warm_up(4, Nanos::ZERO), Ok((512, Nanos::new(25_600))));
            assert_eq!(code.batch(2, 100, Ppm::new(0)), Ok(vec![Nanos::new(counts); 2]));
            assert_eq!(code.time_of(100), Nanos::new(counts));
        }
    }

    #[test]
    fn iterations_take_their_part_of_a_block() {
        let clock = Moved::default();
        let mut code = turns(&clock, 7, u64::MAX);
        let of = |ns| SampleTime { whole: Nanos::ZERO, counts: Nanos::new(ns) };
        (code.block, code.block_time) = (64, of(6_400));
        assert_eq!(code.time_of(10), Nanos::new(1_000));
        (code.block, code.block_time) = (8_192, of(4_096));
        assert_eq!(code.time_of(10_001), Nanos::new(5_000));
        assert_eq!(code.time_of(u64::MAX), Nanos::new(u64::MAX / 2));
    }

    #[test]
    fn counted_samples_are_of_the_iterations_that_were_asked_for() {
        let clock = Moved::default();
        let mut code = Steps { clock: &clock, ns: 1, told: None, left: 40 };
        let counted = CountedSamples { warmup: 2, samples: 3, iterations: 8 };
        assert_eq!(run_counted(&mut code, counted), Ok(()));
        assert_eq!(code.left, 0);
        assert_eq!(run_counted(&mut code, counted), Err("no more".to_owned()));
    }

    #[test]
    fn a_panic_is_told() {
        let clock = Moved::default();
        assert_eq!(turns(&clock, 1, 0).warm_up(1, Nanos::ZERO), Err("no more".to_owned()));
        assert_eq!(turns(&clock, 1, 5).batch(2, 3, Ppm::new(0)), Err("no more".to_owned()));
    }
}
